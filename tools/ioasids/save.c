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

/* Whether @name is the unit of the system whose cgroup is at @path. */
static int is_unit_at(const char *name, const char *path, bool *is)
{
	struct unit *units;
	size_t count;
	int status;

	*is = false;
	if (!can_be_limited(name) || is_pattern(name))
		return 0;
	status = find_units(name, &units, &count);
	*is = count && !strcmp(units->cgroup, path);
	free_units(units, count);
	return status;
}

/* Finds the unit of a cgroup. systemd puts an underscore before some names. */
static int find_unit(const struct cgroup *cgroup, const char **unit)
{
	const char *name = cgroup->name;
	int status;
	bool is;

	*unit = NULL;
	status = is_unit_at(name, cgroup->path, &is);
	if (!status && !is && *name == '_')
		status = is_unit_at(++name, cgroup->path, &is);
	if (is)
		*unit = name;
	return status;
}

static int print_limit(const struct cgroup *cgroup)
{
	const char *unit;
	int status = find_unit(cgroup, &unit);
	char *path;

	if (status)
		return status;
	path = escape(cgroup->path);
	printf("[Limit]\n%s%s\nMax=%llu\n", unit ? "Unit=" : "Cgroup=/", unit ?: path,
	       cgroup->values.of[MAX]);
	free(path);
	return 0;
}

/* The limit of the root of a cgroup namespace is set from outside. */
static int print_limits(const struct cgroup *cgroup)
{
	const struct cgroup *child;
	int status = 0;

	if (*cgroup->path && cgroup->values.of[MAX] != NO_LIMIT)
		status = print_limit(cgroup);
	for (child = cgroup->child; child && !status; child = child->next)
		status = print_limits(child);
	return status;
}

int command_save(int argc, char **argv)
{
	static const struct option options[] = {
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	struct selection selection;
	struct cgroup *tree;
	int option, status;
	char *path;

	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1)
		return other_option(option);
	status = need_subtree(argc, argv, &path);
	if (status)
		return status;
	status = read_tree(path, 0, &tree);
	free(path);
	if (status)
		return status;
	select_usual(&selection, NAME_COLUMN);
	sort_tree(tree, &selection);
	printf("# Limits that were set; for 'ioasidctl restore' or ioasids.d\n");
	status = print_limits(tree);
	free_tree(tree);
	return status;
}
