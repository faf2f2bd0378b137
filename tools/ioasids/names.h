/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Finds the cgroup that a name given by a user stands for.
 */
#ifndef _NAMES_H
#define _NAMES_H

#include "bus.h"

struct limit;

int find_units(const char *name, struct unit **units, size_t *count);

/* The units, or the cgroup, that limit number @i is for, and that exist. */
int find_limited(const struct limit *limits, size_t count, size_t i, struct unit **units,
		 size_t *found);
void free_units(struct unit *units, size_t count);

int cgroup_find(const char *name, char **cgroup);
int cgroup_find_or_make(const char *name, char **cgroup);

#endif
