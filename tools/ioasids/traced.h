/* SPDX-License-Identifier: GPL-2.0 */
/*
 * An event of the tracepoints "ioasid", as trace.bpf.c passes it on.
 */
#ifndef _TRACED_H
#define _TRACED_H

#include <linux/types.h>

/* In the order of the names in tracer.c */
enum event {
	ON_ADOPT,
	ON_ALLOC,
	ON_FREE,
	ON_MM_BIND,
	ON_MM_DROP,
	ON_MOVE,
	ON_REFUSED,
	ON_REPARENT,
	ON_SET_CLOSE,
	ON_SET_OPEN,
	ON_SET_QUOTA,
	EVENTS_TRACED
};

/* What refused a request: values of the field "by" */
enum {
	BY_LIMIT,
	BY_CAPACITY,
	BY_QUOTA,
	BY_RANGE,
};

struct traced {
	__u64 time;		/* of CLOCK_BOOTTIME, in ns */
	__u64 cgroup;		/* that pays, or paid until now */
	__u64 other;		/* the one that refused, or pays from now on; or 0 */
	__u64 set;
	__u64 used;
	__u64 max;
	__u32 event;
	__u32 number;		/* id, allocated, charge, quota or asked */
	__u32 was;
	__u32 by;
	__s32 owner;
	__s32 tgid;
	char comm[16];
};

#endif
