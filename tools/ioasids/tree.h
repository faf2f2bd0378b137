/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The tree of cgroups that have the controller, and how a table shows it.
 */
#ifndef _TREE_H
#define _TREE_H

#include "cgroup.h"
#include "table.h"

struct cgroup {
	char *path;		/* below the root, without a leading slash */
	const char *name;	/* the last part of it */
	struct cgroup *parent;
	struct cgroup *child;	/* the first one */
	struct cgroup *next;	/* with the same parent */
	ino_t id;		/* differs from that of an earlier cgroup at the same path */
	struct values values;
	__s64 surplus[2];	/* used only by events */
	bool folded;		/* set only by top */
};

enum {
	NAME_COLUMN,
	PATH_COLUMN,
	MAX_COLUMN,
	CURRENT_COLUMN,
	USE_COLUMN,
	PEAK_COLUMN,
	ALLOCATED_COLUMN,
	RESERVED_COLUMN,
	SETS_COLUMN,
	REFUSED_COLUMN,
	FAILED_COLUMN,
	CGROUP_COLUMNS
};

extern const struct columns cgroup_columns;

/* The columns that ls and top show by default. */
void select_usual(struct selection *selection, int sort);

int read_cgroup(const char *path, unsigned int wanted, struct cgroup **cgroup);
int read_tree(const char *path, unsigned int wanted, struct cgroup **tree);
int read_levels(const char *path, unsigned int wanted, int levels, struct cgroup **tree);
void sort_tree(struct cgroup *cgroup, const struct selection *selection);
void free_tree(struct cgroup *cgroup);
double use_of(const struct cgroup *cgroup);

/* Add a row for @cgroup and, of a tree, for all below that are not folded. */
void add_cgroup(struct grid *grid, const struct cgroup *cgroup, ssize_t parent);
void add_tree(struct grid *grid, const struct cgroup *cgroup, ssize_t parent);

/* The members of a JSON object for @cgroup, and the whole tree. */
void json_cgroup(const struct selection *selection, const struct cgroup *cgroup);
void json_tree(const struct selection *selection, const struct cgroup *cgroup);

#endif
