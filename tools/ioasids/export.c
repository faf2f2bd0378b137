// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include <getopt.h>
#include <limits.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>

#include "file.h"
#include "ioasidctl.h"
#include "tree.h"

struct metric {
	enum value value;
	bool counter;
	const char *name;	/* without _total, which only the samples of a counter have */
	const char *help;
};

static const struct metric metrics[] = {
	{ CURRENT, false, "ioasids_current", "IDs charged to the cgroup and its descendants." },
	{ MAX, false, "ioasids_max",
	  "The limit of the cgroup; a cgroup without a limit has no sample." },
	{ PEAK, false, "ioasids_peak", "The highest charge of the cgroup so far." },
	{ RESERVED, false, "ioasids_reserved", "IDs that are charged but not allocated yet." },
	{ SETS, false, "ioasids_sets", "Owners of IDs in the cgroup and its descendants." },
	{ REFUSED, true, "ioasids_refused",
	  "Requests that the limit of the cgroup or of a descendant refused." },
	{ LOCAL_REFUSED, true, "ioasids_local_refused",
	  "Requests that the limit of the cgroup itself refused." },
	{ FAILURES, true, "ioasids_failed",
	  "Requests made in the cgroup or a descendant that a limit refused." },
	{ LOCAL_FAILURES, true, "ioasids_local_failed",
	  "Requests made in the cgroup itself that a limit refused." },
	{ DYING, false, "ioasids_dying_descendants",
	  "Removed descendants that still exist for the controller." },
};

#define WANTED	(CHARGES | EVENTS | LOCAL_EVENTS | BIT(PEAK) | BIT(SETS) | BIT(DYING))

/* The two formats differ only in the names of counters, and in the end. */
static void put_metric(FILE *out, const char *name, bool counter, const char *help, bool open)
{
	const char *suffix = counter && !open ? "_total" : "";

	fprintf(out, "# HELP %s%s %s\n", name, suffix, help);
	fprintf(out, "# TYPE %s%s %s\n", name, suffix, counter ? "counter" : "gauge");
}

/*
 * The path, as ioasids.d has it: different cgroups have different labels, which are UTF-8,
 * and no name that a user chooses can begin a line or contain what a terminal obeys. Two
 * samples with one label would make node_exporter fail.
 */
static void put_label(FILE *out, const char *path)
{
	char *label = escape(path), *at;

	fputs("{cgroup=\"/", out);
	for (at = label; *at; at++) {
		if (*at == '\\' || *at == '"')
			fputc('\\', out);
		fputc(*at, out);
	}
	fputs("\"}", out);
	free(label);
}

static void put_samples(FILE *out, const struct metric *metric, const struct cgroup *cgroup)
{
	const struct values *values = &cgroup->values;
	const struct cgroup *child;
	bool known = values->known & BIT(metric->value);

	/* What the root has as its limit and charge is the capacity, which has other names. */
	if (metric->value == MAX || metric->value == CURRENT)
		known = known && values->of[metric->value] != NO_LIMIT &&
			!cgroup_is_root(cgroup->path);
	if (known) {
		fprintf(out, "%s%s", metric->name, metric->counter ? "_total" : "");
		put_label(out, cgroup->path);
		fprintf(out, " %llu\n", values->of[metric->value]);
	}
	for (child = cgroup->child; child; child = child->next)
		put_samples(out, metric, child);
}

static void put_capacity(FILE *out)
{
	struct capacity capacity;
	const struct {
		const char *name;
		const char *help;
		const __u64 *value;
	} all[] = {
		{ "ioasids_capacity", "IDs that the machine has.", &capacity.total },
		{ "ioasids_capacity_kernel", "IDs that the kernel has taken or reserved.",
		  &capacity.kernel },
		{ "ioasids_capacity_user", "IDs that processes have taken or reserved.",
		  &capacity.user },
		{ "ioasids_capacity_available", "IDs that are left.", &capacity.available },
	};
	size_t i;

	if (!read_capacity(&capacity))
		return;
	for (i = 0; i < sizeof(all) / sizeof(*all); i++) {
		put_metric(out, all[i].name, false, all[i].help, false);
		fprintf(out, "%s %llu\n", all[i].name, *all[i].value);
	}
}

static char *text_of(const struct cgroup *tree, bool open, size_t *length)
{
	size_t i;
	char *text;
	FILE *out = open_memstream(&text, length);

	if (!out)
		no_memory();
	for (i = 0; i < sizeof(metrics) / sizeof(*metrics); i++) {
		put_metric(out, metrics[i].name, metrics[i].counter, metrics[i].help, open);
		put_samples(out, &metrics[i], tree);
	}
	if (cgroup_is_root(tree->path))
		put_capacity(out);
	if (open)
		fputs("# EOF\n", out);
	if (fclose(out))
		no_memory();
	return text;
}

static int parse_levels(const char *text, int *levels)
{
	__u64 number;

	if (!parse_number(text, &number) || number > INT_MAX)
		return fail(BAD_USAGE, "'%s' is no number of levels", text);
	*levels = number;
	return 0;
}

int command_export(int argc, char **argv)
{
	static const struct option options[] = {
		{ "depth", required_argument, NULL, 'd' },
		{ "output", required_argument, NULL, 'o' },
		{ "openmetrics", no_argument, NULL, 'O' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	int option, status = 0, levels = INT_MAX;
	const char *file = NULL;
	struct selection selection;
	struct cgroup *tree;
	bool open = false;
	char *path, *text;
	size_t length;

	while (!status && (option = getopt_long(argc, argv, "d:o:Oh", options, NULL)) != -1) {
		if (option == 'd')
			status = parse_levels(optarg, &levels);
		else if (option == 'o')
			file = optarg;
		else if (option == 'O')
			open = true;
		else
			return other_option(option);
	}
	if (!status)
		status = need_subtree(argc, argv, &path);
	if (status)
		return status;
	status = read_levels(path, WANTED, levels, &tree);
	free(path);
	if (status)
		return status;
	select_usual(&selection, NAME_COLUMN);
	sort_tree(tree, &selection);
	/* Both formats are UTF-8 in every locale. */
	setlocale(LC_CTYPE, "C.UTF-8");
	text = text_of(tree, open, &length);
	free_tree(tree);
	if (file)
		status = replace_file(file, text, length);
	else
		fwrite(text, 1, length, stdout);
	free(text);
	return status;
}
