/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What processes hold, as BPF iterators read it from the kernel's memory: see who.bpf.c. That
 * includes IDs that drivers took for a process, for which it has no descriptor of /dev/ioasid.
 */
#ifndef _HOLDERS_H
#define _HOLDERS_H

#include <linux/types.h>

/* The owner is dead: its user, and its PID */
#define NO_USER		((__u32)-1)
#define NO_OWNER	0

/* The set of an address space. Several processes can have one set. */
struct holder {
	__u64 set;
	__u64 cgroup;		/* that pays; 0: none does */
	__u32 quota;
	__u32 allocated;
	__s32 owner;
	__u32 user;
	char comm[16];		/* of the owner */
};

/* A character device that a process has open whose address space has a PASID by SVA */
struct held_device {
	__u64 set;
	__u32 major;
	__u32 minor;
};

typedef void (*holder_function)(const struct holder *holder);
typedef void (*held_device_function)(const struct held_device *device);

/*
 * Calls these for all that there are; one that is NULL costs nothing. A status NO_TRACING
 * says that the kernel or the permissions lack something, which the message names.
 */
int holders_read(holder_function holder, held_device_function device);

#endif
