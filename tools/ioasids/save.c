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

static int put_limit(FILE *out, const struct cgroup *cgroup)
{
	const char *unit;
	int status = find_unit(cgroup, &unit);
	char *path;

	if (status)
		return status;
	path = escape(cgroup->path);
	fprintf(out, "[Limit]\n%s%s\nMax=%llu\n", unit ? "Unit=" : "Cgroup=/", unit ?: path,
		cgroup->values.of[MAX]);
	free(path);
	return 0;
}

/* The limit of the root of a cgroup namespace is set from outside. */
static int put_limits(FILE *out, const struct cgroup *cgroup)
{
	const struct cgroup *child;
	int status = 0;

	if (*cgroup->path && cgroup->values.of[MAX] != NO_LIMIT)
		status = put_limit(out, cgroup);
	for (child = cgroup->child; child && !status; child = child->next)
		status = put_limits(out, child);
	return status;
}

/* All or nothing: 'restore --exact' would remove the limits that are missing in a part. */
static int print_limits(const struct cgroup *tree)
{
	size_t length;
	char *text;
	FILE *out = open_memstream(&text, &length);
	int status;

	if (!out)
		no_memory();
	fputs("# Limits that were set; for 'ioasidctl restore' or ioasids.d\n", out);
	status = put_limits(out, tree);
	if (fclose(out))
		no_memory();
	if (!status)
		fwrite(text, 1, length, stdout);
	free(text);
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
	status = print_limits(tree);
	free_tree(tree);
	return status;
}
