/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The limits in ioasids.d and in files that 'ioasidctl save' has written; see ioasids.d(5).
 */
#ifndef _LIMITS_H
#define _LIMITS_H

#include <stdbool.h>
#include <stddef.h>
#include <linux/types.h>

/* Of a unit or of a cgroup: the other one is NULL. */
struct limit {
	char *unit;
	char *cgroup;		/* below the root, without a leading slash */
	__u64 max;
	char *file;		/* for messages */
};

/* Is called for each line that makes no sense. @unit is NULL if the line is not about one. */
typedef void (*wrong_line)(const char *unit, const char *message);

/* What messages call it */
#define STANDARD_INPUT	"standard input"

/*
 * Both read the last limit of each unit and cgroup, and return how many there are. If @file is
 * NULL, it is standard input.
 */
size_t read_limits(struct limit **limits, wrong_line wrong);
size_t read_limits_in(const char *file, struct limit **limits, wrong_line wrong);

/* The limit of @unit: its own, or else that of a template or prefix that it matches; or NULL. */
const struct limit *limit_of(const char *unit, const struct limit *limits, size_t count);

void free_limits(struct limit *limits, size_t count);

/* A service, a slice, or a pattern of one of them: user@.service, user-.slice. */
bool can_be_limited(const char *unit);

#endif
