/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the core of the kernel does with the controller and with the device: it
 * makes and removes cgroups, moves processes, and opens, uses and closes files.
 * The tests do so through the same tables that the kernel has.
 */
#ifndef _IOASIDS_TEST_WORLD_H
#define _IOASIDS_TEST_WORLD_H

#include <linux/ioasid.h>
#include <uapi/linux/ioasid.h>

#include "kernel.h"

/* A controller's state for a new cgroup below @parent; NULL for the root. */
struct cgroup_subsys_state *css_make(struct cgroup_subsys *ss, struct cgroup_subsys_state *parent,
				     int number);
/* Nobody is in the cgroup any more. */
void css_remove(struct cgroup_subsys_state *css);

/* What is in the file ioasids.@name, in memory of this thread; or its number. */
const char *css_read(struct cgroup_subsys_state *css, const char *name);
s64 css_number(struct cgroup_subsys_state *css, const char *name);
ssize_t css_write(struct cgroup_subsys_state *css, const char *name, const char *text, size_t n);

/* A thread group of one. */
struct process {
	struct task_struct	task;
	struct css_set		cgroups;
	struct nsproxy		nsproxy;
	struct file		*file;	/* NULL: the device is not open */
};

void process_start(struct process *p, struct cgroup_subsys_state *css, int nr);
/* The file stays open, as somebody else has a copy of the descriptor. */
void process_exit(struct process *p);
void process_move(struct process *p, struct cgroup_subsys_state *css);

int device_open(struct process *p);
void device_close(struct process *p);
int device_alloc(struct process *p, u32 min, u32 max);
int device_free(struct process *p, int id);
int device_quota(struct process *p, u32 quota);
int device_info(struct process *p, struct ioasid_info *info);

#endif /* _IOASIDS_TEST_WORLD_H */
