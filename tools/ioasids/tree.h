/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The tree of cgroups that have the controller, and a table of it.
 */
#ifndef _TREE_H
#define _TREE_H

#include <libsmartcols/libsmartcols.h>

#include "cgroup.h"

struct cgroup {
	char *path;		/* below the root, without a slash in front */
	const char *name;	/* its last part */
	struct cgroup *parent;
	struct cgroup *child;	/* the first one */
	struct cgroup *next;	/* of the same parent */
	ino_t id;		/* another one at the same path has another */
	__u64 values[VALUES];
	__s64 surplus[2];	/* only events uses it */
	bool folded;		/* only top sets it */
	struct libscols_line *line;
};

struct column {
	const char *name;
	const char *about;
	unsigned int values;	/* those that it needs */
	int flags;		/* of libsmartcols */
	double width;
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
	FAILURES_COLUMN,
	COLUMNS
};

extern const struct column columns[COLUMNS];

/* Which columns are shown, in which order. */
struct selection {
	int shown[COLUMNS];
	int count;
	int sort;
	bool reversed;
};

int select_columns(struct selection *selection, const char *list);
int select_sort(struct selection *selection, const char *name);
unsigned int wanted_values(const struct selection *selection);

int read_cgroup(const char *path, unsigned int wanted, struct cgroup **cgroup);
int read_tree(const char *path, unsigned int wanted, struct cgroup **tree);
void sort_tree(struct cgroup *cgroup, const struct selection *selection);
void free_tree(struct cgroup *cgroup);

struct libscols_table *new_empty_table(const char *name, bool json);
struct libscols_table *new_table(const struct selection *selection, bool json);
void add_line(struct libscols_table *table, const struct selection *selection,
	      struct cgroup *cgroup, struct cgroup *below);
void add_lines(struct libscols_table *table, const struct selection *selection,
	       struct cgroup *cgroup);
int print_table(struct libscols_table *table);

#endif
