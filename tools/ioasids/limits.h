/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What an administrator has written in /etc/ioasids.d; see ioasids.d(5).
 */
#ifndef _LIMITS_H
#define _LIMITS_H

#include <stddef.h>
#include <linux/types.h>

#define LIMITS_DIRECTORY	"/etc/ioasids.d"

struct limit {
	char *unit;
	__u64 max;
	char *file;		/* where it is written, for messages */
};

/* The last limit of each unit. @wrong is called for each line that makes no sense. */
size_t read_limits(struct limit **limits, void (*wrong)(const char *message));

/* The limit that @unit has: its own, or else that of those which it is one of; or NULL. */
const struct limit *limit_of(const char *unit, const struct limit *limits, size_t count);

void free_limits(struct limit *limits, size_t count);

#endif
