// SPDX-License-Identifier: GPL-2.0
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "tree.h"

#define BAR_WIDTH	10

static const struct column columns[] = {
	[NAME_COLUMN] = { "CGROUP", "the name, in a tree", 0, TREE | CUT },
	[PATH_COLUMN] = { "PATH", "the path below the root of the hierarchy", 0, CUT },
	[MAX_COLUMN] = { "MAX", "the limit; of the root: the capacity of the machine",
		BIT(MAX), RIGHT },
	[CURRENT_COLUMN] = { "CURRENT", "IDs charged, of descendants too", BIT(CURRENT), RIGHT },
	[USE_COLUMN] = { "USE", "CURRENT as a part of MAX: a bar, in JSON percent",
			 BIT(CURRENT) | BIT(MAX), 0 },
	[PEAK_COLUMN] = { "PEAK", "the highest CURRENT so far", BIT(PEAK), RIGHT },
	[ALLOCATED_COLUMN] = { "ALLOCATED", "IDs allocated", BIT(ALLOCATED), RIGHT },
	[RESERVED_COLUMN] = { "RESERVED", "IDs charged but not allocated yet",
		BIT(RESERVED), RIGHT },
	[SETS_COLUMN] = { "SETS", "owners of IDs", BIT(SETS), RIGHT },
	[REFUSED_COLUMN] = { "REFUSED", "requests refused by this limit or one below",
		BIT(REFUSED), RIGHT },
	[FAILED_COLUMN] = { "FAILED", "requests made here or below that a limit refused",
		BIT(FAILURES), RIGHT },
};

const struct columns cgroup_columns = { columns, CGROUP_COLUMNS };

void select_usual(struct selection *selection, int sort)
{
	static const int usual[] = {
		NAME_COLUMN, MAX_COLUMN, CURRENT_COLUMN, USE_COLUMN, PEAK_COLUMN,
		RESERVED_COLUMN, REFUSED_COLUMN,
	};

	select_default(selection, &cgroup_columns, usual, sizeof(usual) / sizeof(*usual), sort);
}

/* Only a limit that is reached has a full bar, and only a charge of 0 an empty one. */
static char *bar(const struct cgroup *cgroup)
{
	double use = use_of(cgroup);
	int full = use * BAR_WIDTH;

	if (use < 0)
		return NULL;
	full += full < use * BAR_WIDTH;
	if (full >= BAR_WIDTH)
		full = use < 1 ? BAR_WIDTH - 1 : BAR_WIDTH;
	return format("%.*s%.*s%s", full, "##########", BAR_WIDTH - full, "..........",
		      use > 1 ? "!" : "");
}

static bool is_known(const struct cgroup *cgroup, int column)
{
	return !(columns[column].values & ~cgroup->values.known);
}

static __u64 value_of(const struct cgroup *cgroup, int column)
{
	return cgroup->values.of[__builtin_ctz(columns[column].values)];
}

/* @plain: for a program, which quotes characters itself, and sees no tree. */
static char *cell(const struct cgroup *cgroup, int column, const struct selection *selection)
{
	bool plain = selection->raw || selection->pairs;
	bool whole = plain || selection->list || !cgroup->parent || column == PATH_COLUMN;
	char *name, *text;

	switch (column) {
	case NAME_COLUMN:
	case PATH_COLUMN:
		name = whole ? format("/%s", cgroup->path) : format("%s", cgroup->name);
		if (plain)
			return name;
		text = printable(name);
		free(name);
		return text;
	case USE_COLUMN:
		text = bar(cgroup);
		return plain && !text ? format("-") : text;
	}
	/* The root has no peak and no events, and an older controller lacks more. */
	if (!is_known(cgroup, column))
		return format("-");
	if (column == MAX_COLUMN && value_of(cgroup, column) == NO_LIMIT)
		return format("max");
	return format("%llu", value_of(cgroup, column));
}

void add_cgroup(struct grid *grid, const struct cgroup *cgroup, ssize_t parent)
{
	size_t row = grid_add(grid, parent);
	int i;

	for (i = 0; i < grid->selection->count; i++)
		grid_set(grid, row, i, cell(cgroup, grid->selection->shown[i], grid->selection));
}

void add_tree(struct grid *grid, const struct cgroup *cgroup, ssize_t parent)
{
	const struct cgroup *child;
	ssize_t row = grid->rows;

	add_cgroup(grid, cgroup, parent);
	for (child = cgroup->child; child && !cgroup->folded; child = child->next)
		add_tree(grid, child, row);
}

static void json_cell(const struct cgroup *cgroup, int column, bool list)
{
	char *key = key_of_column(&columns[column]), *path = format("/%s", cgroup->path);

	if (column == PATH_COLUMN || (column == NAME_COLUMN && (list || !cgroup->parent)))
		json_string(key, path);
	else if (column == NAME_COLUMN)
		json_string(key, cgroup->name);
	else if (column == USE_COLUMN && use_of(cgroup) >= 0)
		json_percent(key, use_of(cgroup));
	else if (column == USE_COLUMN || !is_known(cgroup, column) ||
		 (column == MAX_COLUMN && value_of(cgroup, column) == NO_LIMIT))
		json_null(key);
	else
		json_number(key, value_of(cgroup, column));
	free(path);
	free(key);
}

void json_cgroup(const struct selection *selection, const struct cgroup *cgroup)
{
	int i;

	for (i = 0; i < selection->count; i++)
		json_cell(cgroup, selection->shown[i], selection->list);
	if (!is_selected(selection, PATH_COLUMN))
		json_cell(cgroup, PATH_COLUMN, false);
}

void json_tree(const struct selection *selection, const struct cgroup *cgroup)
{
	const struct cgroup *child;

	json_open(NULL, '{');
	json_cgroup(selection, cgroup);
	if (cgroup->child && !selection->list)
		json_open("children", '[');
	else
		json_close('}');
	for (child = cgroup->child; child; child = child->next)
		json_tree(selection, child);
	if (cgroup->child && !selection->list) {
		json_close(']');
		json_close('}');
	}
}
