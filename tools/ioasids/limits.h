/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The limits that an administrator has written in ioasids.d; see ioasids.d(5).
 */
#ifndef _LIMITS_H
#define _LIMITS_H

#include <stddef.h>
#include <linux/types.h>

struct limit {
	char *unit;
	__u64 max;
	char *file;		/* for messages */
};

/*
 * Reads the last limit of each unit. @wrong is called for each line that makes no sense. Its
 * @unit is NULL if the line is not about one.
 */
size_t read_limits(struct limit **limits, void (*wrong)(const char *unit, const char *message));

/* The limit of @unit: its own, or else that of a template or prefix that it matches; or NULL. */
const struct limit *limit_of(const char *unit, const struct limit *limits, size_t count);

void free_limits(struct limit *limits, size_t count);

#endif
