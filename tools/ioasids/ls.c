// SPDX-License-Identifier: GPL-2.0
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ioasidctl.h"
#include "tree.h"

#define DEFAULT_COLUMNS		"CGROUP,MAX,CURRENT,USE,PEAK,RESERVED,REFUSED"

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
	int option, status = 0;
	struct cgroup *tree;
	char *path;

	select_columns(&selection, DEFAULT_COLUMNS);
	select_sort(&selection, "CGROUP");
	while (!status && (option = getopt_long(argc, argv, "Jno:s:", options, NULL)) != -1) {
		switch (option) {
		case 'J':
			json = true;
			break;
		case 'n':
			no_headings = true;
			break;
		case 'o':
			status = select_columns(&selection, optarg);
			break;
		case 's':
			status = select_sort(&selection, optarg);
			break;
		default:
			return BAD_USAGE;
		}
	}
	if (!status)
		status = need_subtree(argc, argv, &path);
	if (status)
		return status;
	status = read_tree(path, wanted_values(&selection), &tree);
	free(path);
	if (status)
		return status;
	sort_tree(tree, &selection);
	table = new_table(&selection, json);
	scols_table_enable_noheadings(table, no_headings);
	add_lines(table, &selection, tree);
	status = print_table(table);
	free_tree(tree);
	return status;
}
