// SPDX-License-Identifier: GPL-2.0
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ioasidctl.h"
#include "limits.h"
#include "names.h"
#include "tree.h"
#include "units.h"

static bool only_show;
static bool wrong;

/* The exit status. One cgroup that cannot be limited does not keep others from it. */
static int worst;

/* The cgroups that the file has a limit for. */
static char **done;
static size_t done_count;

/* Why it is unknown which cgroups a limit is for, if that is so. */
static char *unknown;

static void wrong_limit(const char *unit, const char *message)
{
	(void)unit;
	warn("%s", message);
	wrong = true;
}

static void note(int status)
{
	if (!status)
		return;
	report();
	/* A cgroup that is gone says less than one that could not be limited. */
	if (!worst || status == FAILED)
		worst = status;
}

static void show_change(const char *path, const struct cgroup *cgroup, __u64 max)
{
	char *before = cgroup ? format_max(cgroup->values.of[MAX]) : format("off");
	char *after = format_max(max), *name = printable(path);

	printf("/%s: %s becomes %s\n", name, before, after);
	free(name);
	free(after);
	free(before);
}

/* Sets the limit of the cgroup at @path, if it has another one or the controller is off. */
static int change_limit(const char *path, __u64 max)
{
	struct cgroup *cgroup;
	int status = read_cgroup(path, BIT(MAX), &cgroup);
	bool differs = !cgroup || cgroup->values.of[MAX] != max;

	if (status == NOT_FOUND)
		status = 0;
	if (!status && differs && only_show)
		show_change(path, cgroup, max);
	else if (!status && differs)
		status = cgroup_enable_and_limit(path, max);
	if (cgroup)
		free_tree(cgroup);
	return status;
}

static void restore(const struct limit *limits, size_t count, size_t i)
{
	const char *name = limits[i].unit ?: limits[i].cgroup;
	struct unit *units;
	size_t found, n;
	char *reason;
	int status;

	status = find_limited(limits, count, i, &units, &found);
	/* The unit may have a cgroup all the same, which only systemd knows. */
	if (!status && limits[i].unit && !is_slice(name) && !systemd_runs())
		status = fail(FAILED, "systemd does not run");
	if (status) {
		reason = take_message();
		note(fail(status, "%s cannot be found: %s", name, reason));
		free(unknown);
		unknown = reason;
	} else if (!found) {
		note(fail(NOT_FOUND, "%s%s does not exist: not limited",
			  limits[i].unit ? "" : "/", name));
	}
	for (n = 0; n < found; n++) {
		note(change_limit(units[n].cgroup, limits[i].max));
		done = grow(done, done_count + 1, sizeof(*done));
		done[done_count++] = format("%s", units[n].cgroup);
	}
	free_units(units, found);
}

static int compare_paths(const void *a, const void *b)
{
	return strcmp(*(char **)a, *(char **)b);
}

/* Removes limits that the file does not have. That of a namespace's root is set from outside. */
static void remove_others(const struct cgroup *cgroup)
{
	const struct cgroup *child;

	if (*cgroup->path && cgroup->values.of[MAX] != NO_LIMIT &&
	    !(done_count && bsearch(&cgroup->path, done, done_count, sizeof(*done),
				    compare_paths)))
		note(change_limit(cgroup->path, NO_LIMIT));
	for (child = cgroup->child; child; child = child->next)
		remove_others(child);
}

static int restore_all(const char *file, const struct limit *limits, size_t count, bool exact)
{
	struct cgroup *tree;
	int status = 0;
	size_t i;

	for (i = 0; i < count; i++)
		restore(limits, count, i);
	/* A cgroup that was not found must not lose its limit. */
	if (exact && unknown) {
		note(fail(FAILED,
			  "restore: no limit is removed, as not all units of %s can be found: %s",
			  file, unknown));
		exact = false;
	}
	free(unknown);
	if (exact)
		status = read_tree("", 0, &tree);
	if (exact && !status) {
		if (done_count)
			qsort(done, done_count, sizeof(*done), compare_paths);
		remove_others(tree);
		free_tree(tree);
	}
	while (done_count)
		free(done[--done_count]);
	free(done);
	return status ?: worst;
}

int command_restore(int argc, char **argv)
{
	static const struct option options[] = {
		{ "dry-run", no_argument, NULL, 'n' },
		{ "exact", no_argument, NULL, 'e' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	const char *file = NULL, *name;
	struct limit *limits;
	bool exact = false;
	int option, status;
	size_t count;

	while ((option = getopt_long(argc, argv, "ehn", options, NULL)) != -1) {
		if (option == 'e')
			exact = true;
		else if (option == 'n')
			only_show = true;
		else
			return other_option(option);
	}
	status = need_arguments(argc, argv, 0, 1);
	if (!status)
		status = need_controller();
	if (status)
		return status;
	if (optind < argc && strcmp(argv[optind], "-"))
		file = argv[optind];
	name = file ?: STANDARD_INPUT;
	count = read_limits_in(file, &limits, wrong_limit);
	if (wrong)
		status = fail(FAILED, "restore: nothing is changed, as %s has errors", name);
	else
		status = restore_all(name, limits, count, exact);
	free_limits(limits, count);
	return status;
}
