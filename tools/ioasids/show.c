// SPDX-License-Identifier: GPL-2.0
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ioasidctl.h"
#include "json.h"
#include "names.h"
#include "tree.h"

static const int shown[] = {
	PATH_COLUMN, MAX_COLUMN, CURRENT_COLUMN, PEAK_COLUMN, ALLOCATED_COLUMN,
	RESERVED_COLUMN, REFUSED_COLUMN, FAILED_COLUMN,
};

/*
 * How many more IDs fit below all limits from @cgroup up, and the cgroup with the least
 * room; NULL if no limit is known.
 */
static __u64 room(const struct cgroup *cgroup, const struct cgroup **tightest)
{
	const unsigned int needed = BIT(MAX) | BIT(CURRENT);
	__u64 least = NO_LIMIT, left;
	const __u64 *values;

	*tightest = NULL;
	for (; cgroup; cgroup = cgroup->parent) {
		values = cgroup->values.of;
		if (values[MAX] == NO_LIMIT || (cgroup->values.known & needed) != needed)
			continue;
		left = values[MAX] > values[CURRENT] ? values[MAX] - values[CURRENT] : 0;
		if (left < least) {
			least = left;
			*tightest = cgroup;
		}
	}
	return least;
}

/* Reads @path and all above it that have the controller. The list ends with the root. */
static int read_upwards(const char *path, unsigned int wanted, struct cgroup **cgroup)
{
	struct cgroup **end = cgroup;
	char *next = format("%s", path), *above;
	int status;

	*cgroup = NULL;
	while (true) {
		status = read_cgroup(next, wanted, end);
		if (!status)
			end = &(*end)->parent;
		else if (status != NOT_FOUND)
			break;
		status = 0;
		if (!*next)
			break;
		above = cgroup_parent(next);
		free(next);
		next = above;
	}
	free(next);
	return status;
}

static void free_upwards(struct cgroup *cgroup)
{
	struct cgroup *parent;

	for (; cgroup; cgroup = parent) {
		parent = cgroup->parent;
		free_tree(cgroup);
	}
}

static void print_room(const char *path, const struct cgroup *payer)
{
	const struct cgroup *tightest;
	__u64 more = room(payer, &tightest);
	char *name = printable(path), *other = printable(payer->path);

	if (strcmp(payer->path, path))
		printf("The controller is off in /%s: /%s is charged.\n", name, other);
	free(name);
	free(other);
	if (!tightest) {
		printf("No limit here; limits above this cgroup namespace are not shown.\n");
		return;
	}
	name = printable(tightest->path);
	printf("Room for %llu more; limited by /%s.\n", more, name);
	free(name);
}

/* The same as print_room() says, and the cgroups. */
static void print_json(const char *path, const struct cgroup *payer,
		       const struct selection *selection)
{
	const struct cgroup *tightest, *cgroup;
	__u64 more = room(payer, &tightest);
	char *name = format("/%s", path);

	json_begin(false);
	json_open(NULL, '{');
	json_string("cgroup", name);
	free(name);
	name = format("/%s", payer->path);
	json_string("charged", name);
	free(name);
	if (tightest) {
		name = format("/%s", tightest->path);
		json_number("room", more);
		json_string("limited-by", name);
		free(name);
	} else {
		json_null("room");
		json_null("limited-by");
	}
	json_open("cgroups", '[');
	for (cgroup = payer; cgroup; cgroup = cgroup->parent) {
		json_open(NULL, '{');
		json_cgroup(selection, cgroup);
		json_close('}');
	}
	json_end_list();
}

static int print_table(const char *path, const struct cgroup *payer,
		       const struct selection *selection)
{
	bool plain = selection->raw || selection->pairs;
	const struct cgroup *cgroup;
	struct grid grid;
	int status;

	grid_init(&grid, selection);
	for (cgroup = payer; cgroup; cgroup = cgroup->parent)
		add_cgroup(&grid, cgroup, -1);
	status = grid_finish(&grid);
	if (!status && !plain && !selection->no_headings)
		print_room(path, payer);
	return status;
}

static int show(const char *path, const struct selection *selection)
{
	struct cgroup *payer;
	int status;

	status = read_upwards(path, selected_values(selection) | BIT(MAX) | BIT(CURRENT), &payer);
	if (!status && !cgroup_exists(path))
		status = fail_gone(path);
	if (!status && !payer)
		status = fail_off(path);
	if (!status && selection->json)
		print_json(path, payer, selection);
	else if (!status)
		status = print_table(path, payer, selection);
	free_upwards(payer);
	return status;
}

int command_show(int argc, char **argv)
{
	const struct option *options = table_options(NULL);
	struct selection selection;
	int option, status = 0;
	bool known;
	char *path;

	select_default(&selection, &cgroup_columns, shown, sizeof(shown) / sizeof(*shown),
		       PATH_COLUMN);
	/* There is no tree to be drawn. */
	selection.list = true;
	while (!status && (option = getopt_long(argc, argv, TABLE_LETTERS, options, NULL)) != -1) {
		status = select_option(&selection, option, optarg, &known);
		if (!known)
			return other_option(option);
	}
	if (!status)
		status = need_arguments(argc, argv, 1, 1);
	if (!status)
		status = need_controller();
	if (!status)
		status = cgroup_find(argv[optind], &path);
	if (status)
		return status;
	status = show(path, &selection);
	free(path);
	return status;
}
