// SPDX-License-Identifier: GPL-2.0
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ioasidctl.h"
#include "tree.h"
#include "units.h"

#define DEFAULT_COLUMNS		"CGROUP,MAX,CURRENT,USE,PEAK,RESERVED,REFUSED"
#define COLUMNS_OF_SHOW		"PATH,MAX,CURRENT,PEAK,ALLOCATED,RESERVED,REFUSED,FAILED"

int command_ls(int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'J' },
		{ "noheadings", no_argument, NULL, 'n' },
		{ "output", required_argument, NULL, 'o' },
		{ "sort", required_argument, NULL, 's' },
		{ }
	};
	bool json = false, no_headings = false;
	struct libscols_table *table;
	struct selection selection;
	struct cgroup *tree;
	char *path;
	int option;

	select_columns(&selection, DEFAULT_COLUMNS);
	select_sort(&selection, "CGROUP");
	while ((option = getopt_long(argc, argv, "Jno:s:", options, NULL)) != -1) {
		switch (option) {
		case 'J':
			json = true;
			break;
		case 'n':
			no_headings = true;
			break;
		case 'o':
			select_columns(&selection, optarg);
			break;
		case 's':
			select_sort(&selection, optarg);
			break;
		default:
			return BAD_USAGE;
		}
	}
	path = need_subtree(argc, argv);
	tree = read_tree(path, wanted_values(&selection));
	sort_tree(tree, &selection);
	table = new_table(&selection, json);
	scols_table_enable_noheadings(table, no_headings);
	add_lines(table, &selection, tree);
	if (scols_print_table(table))
		die(FAILED, "cannot print the table");
	scols_unref_table(table);
	free_tree(tree);
	free(path);
	return EXIT_SUCCESS;
}

/* How many more IDs fit below all limits from @cgroup up, and which is the tightest. */
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

/* Reads @path and all above it, and ends at the root; frees @path. */
static struct cgroup *read_upwards(char *path, unsigned int wanted)
{
	struct cgroup *cgroup = NULL, **end = &cgroup;
	char *above;

	while (true) {
		*end = read_cgroup(path, wanted);
		if (*end)
			end = &(*end)->parent;
		if (!*path)
			break;
		above = cgroup_parent(path);
		free(path);
		path = above;
	}
	free(path);
	return cgroup;
}

int command_show(int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'J' },
		{ }
	};
	const struct cgroup *tightest = NULL;
	struct libscols_table *table;
	struct cgroup *cgroup, *next;
	struct selection selection;
	bool json = false;
	char *path, *name, *payer;
	__u64 more;
	int option;

	while ((option = getopt_long(argc, argv, "J", options, NULL)) != -1) {
		if (option != 'J')
			return BAD_USAGE;
		json = true;
	}
	need_arguments(argc, argv, 1, 1);
	need_controller();
	select_columns(&selection, COLUMNS_OF_SHOW);
	select_sort(&selection, "PATH");
	path = cgroup_find(argv[optind]);
	cgroup = read_upwards(format("%s", path), wanted_values(&selection));
	if (strcmp(cgroup->path, path) && !cgroup_exists(path))
		die_of_gone(path);
	table = new_table(&selection, json);
	for (next = cgroup; next; next = next->parent)
		add_line(table, &selection, next, NULL);
	if (scols_print_table(table))
		die(FAILED, "cannot print the table");
	scols_unref_table(table);
	if (!json) {
		name = printable(path, false);
		payer = printable(cgroup->path, false);
		if (strcmp(cgroup->path, path))
			printf("The controller is off in /%s: /%s pays.\n", name, payer);
		free(name);
		free(payer);
		more = room(cgroup, &tightest);
		if (tightest) {
			name = printable(tightest->path, false);
			printf("%llu more: /%s comes first to its limit.\n", more, name);
			free(name);
		} else {
			printf("No limit here; those above this cgroup namespace are not shown.\n");
		}
	}
	for (; cgroup; cgroup = next) {
		next = cgroup->parent;
		cgroup->child = NULL;
		free_tree(cgroup);
	}
	free(path);
	return EXIT_SUCCESS;
}
