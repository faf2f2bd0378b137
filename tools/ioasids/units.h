/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The names of systemd's units, and the cgroups that units and other names stand for.
 */
#ifndef _UNITS_H
#define _UNITS_H

#include <stdbool.h>

bool is_unit(const char *name);
bool is_slice(const char *name);

/* A name that matches many units: user@.service all instances, user-.slice a prefix. */
bool is_pattern(const char *name);
bool unit_matches(const char *name, const char *unit);

char *cgroup_of_slice(const char *slice);

#endif
