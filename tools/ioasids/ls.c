// SPDX-License-Identifier: GPL-2.0
#include <getopt.h>
#include <stdlib.h>

#include "ioasidctl.h"
#include "json.h"
#include "tree.h"

static int print_tree(const struct cgroup *tree, const struct selection *selection)
{
	struct grid grid;

	if (selection->json) {
		json_begin_list("cgroups");
		json_tree(selection, tree);
		json_end_list();
		return 0;
	}
	grid_init(&grid, selection);
	add_tree(&grid, tree, -1);
	return grid_finish(&grid);
}

int command_ls(int argc, char **argv)
{
	static const struct option sort[] = {
		{ "sort", required_argument, NULL, 's' },
		{ }
	};
	const struct option *options = table_options(sort);
	struct selection selection;
	int option, status = 0;
	struct cgroup *tree;
	bool known;
	char *path;

	select_usual(&selection, NAME_COLUMN);
	while (!status &&
	       (option = getopt_long(argc, argv, "s:" TABLE_LETTERS, options, NULL)) != -1) {
		if (option == 's') {
			status = select_sort(&selection, optarg);
			continue;
		}
		status = select_option(&selection, option, optarg, &known);
		if (!known)
			return other_option(option);
	}
	if (!status)
		status = need_subtree(argc, argv, &path);
	if (status)
		return status;
	status = read_tree(path, selected_values(&selection), &tree);
	free(path);
	if (status)
		return status;
	sort_tree(tree, &selection);
	status = print_tree(tree, &selection);
	free_tree(tree);
	return status;
}
