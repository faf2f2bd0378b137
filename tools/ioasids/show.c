// SPDX-License-Identifier: GPL-2.0
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ioasidctl.h"
#include "names.h"
#include "tree.h"

#define SHOWN	"PATH,MAX,CURRENT,PEAK,ALLOCATED,RESERVED,REFUSED,FAILED"

/* How many more IDs fit below all limits from @cgroup up, and the cgroup with the least room. */
static __u64 room(const struct cgroup *cgroup, const struct cgroup **tightest)
{
	__u64 least = NO_LIMIT, left;

	for (; cgroup; cgroup = cgroup->parent) {
		if (cgroup->values[MAX] == NO_LIMIT)
			continue;
		left = 0;
		if (cgroup->values[MAX] > cgroup->values[CURRENT])
			left = cgroup->values[MAX] - cgroup->values[CURRENT];
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
	const struct cgroup *tightest = NULL;
	__u64 more = room(payer, &tightest);
	char *name = printable(path, false), *other = printable(payer->path, false);

	if (strcmp(payer->path, path))
		printf("The controller is off in /%s: /%s pays.\n", name, other);
	free(name);
	free(other);
	if (!tightest) {
		printf("No limit here; those above this cgroup namespace are not shown.\n");
		return;
	}
	name = printable(tightest->path, false);
	printf("%llu more: /%s comes first to its limit.\n", more, name);
	free(name);
}

static int show(const char *path, bool json)
{
	struct libscols_table *table;
	struct cgroup *cgroup, *next;
	struct selection selection;
	int status;

	select_columns(&selection, SHOWN);
	select_sort(&selection, "PATH");
	status = read_upwards(path, wanted_values(&selection), &cgroup);
	if (!status && !cgroup_exists(path))
		status = fail_gone(path);
	if (!status) {
		table = new_table(&selection, json);
		for (next = cgroup; next; next = next->parent)
			add_line(table, &selection, next, NULL);
		status = print_table(table);
	}
	if (!status && !json)
		print_room(path, cgroup);
	free_upwards(cgroup);
	return status;
}

int command_show(int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'J' },
		{ }
	};
	int option, status;
	bool json = false;
	char *path;

	while ((option = getopt_long(argc, argv, "J", options, NULL)) != -1) {
		if (option != 'J')
			return BAD_USAGE;
		json = true;
	}
	status = need_arguments(argc, argv, 1, 1);
	if (!status)
		status = need_controller();
	if (!status)
		status = cgroup_find(argv[optind], &path);
	if (status)
		return status;
	status = show(path, json);
	free(path);
	return status;
}
