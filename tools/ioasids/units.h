/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What systemd calls its units, and which cgroups they have.
 */
#ifndef _UNITS_H
#define _UNITS_H

#include <stdbool.h>
#include <stddef.h>

struct unit {
	char *name;
	char *cgroup;
};

bool is_unit(const char *name);
bool is_slice(const char *name);

/* Names that stand for many: user@.service for all instances, user-.slice for a prefix. */
bool stands_for_many(const char *name);
bool stands_for(const char *name, const char *unit);

char *output_of(char *const *command);
size_t find_units(const char *name, struct unit **units);
void free_units(struct unit *units, size_t count);

char *cgroup_of_slice(const char *slice);
char *cgroup_find(const char *name);
char *cgroup_find_or_make(const char *name);

#endif
