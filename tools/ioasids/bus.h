/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Requests to systemd over its bus.
 */
#ifndef _BUS_H
#define _BUS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct unit {
	char *name;
	char *cgroup;
};

bool systemd_runs(void);

/*
 * Both append to *@units, of which there are *@count. A unit without a cgroup is not added; it
 * is an error if systemd does not tell whether it has one.
 */
int bus_find_unit(bool user, const char *name, struct unit **units, size_t *count);
int bus_find_units(const char *pattern, struct unit **units, size_t *count);

int bus_reload(void);
int bus_start_scope(bool user, const char *scope, const char *slice);
void bus_close(void);

#endif
