/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Stands in for the kernel's core: makes and removes cgroups, starts, moves and ends
 * processes, and opens, uses and closes files. It calls the controller, the allocator and
 * the device by the same tables of functions.
 */
#ifndef _IOASIDS_TEST_HARNESS_H
#define _IOASIDS_TEST_HARNESS_H

#include <linux/ioasid.h>
#include <uapi/linux/ioasid.h>

#include "kernel.h"

/* A controller's state for a new cgroup below @parent; NULL for the root. */
struct cgroup_subsys_state *css_make(struct cgroup_subsys *ss, struct cgroup_subsys_state *parent,
				     int number);
/* The cgroup must be empty. */
void css_remove(struct cgroup_subsys_state *css);

/* The content of the file ioasids.@name, in memory of this thread; or as a number. */
const char *css_read(struct cgroup_subsys_state *css, const char *name);
s64 css_number(struct cgroup_subsys_state *css, const char *name);
ssize_t css_write(struct cgroup_subsys_state *css, const char *name, const char *text, size_t n);

/* A live task, and the file that it uses */
struct process {
	struct task_struct	*task;
	struct file		*file;	/* NULL: the device is not open */
};

/* A process with a new address space, or that of @mm. */
struct task_struct *task_new(struct cgroup_subsys_state *css, int nr, struct mm_struct *mm);
struct task_struct *task_new_thread(struct task_struct *task);
/* End the other threads, and get a new address space. */
void task_exec(struct task_struct *task);
/* A leader becomes a zombie, another thread is released. The caller closes the files. */
void task_exit(struct task_struct *task);
/* Reap a process whose threads have all exited. */
void task_reap(struct task_struct *leader);
/* Move the whole process or, as v1 can, the thread @alone. */
void task_move(struct task_struct *task, struct cgroup_subsys_state *css, bool alone);

static inline struct cgroup_subsys_state *task_ioasids(struct task_struct *task)
{
	return task->cgroups->subsys[ioasids_cgrp_id];
}

/* Shorter calls for a process of one thread */
void process_start(struct process *p, struct cgroup_subsys_state *css, int nr);
/* The file stays open, as if another process had a copy of its descriptor. */
void process_exit(struct process *p);
void process_move(struct process *p, struct cgroup_subsys_state *css);

int device_open(struct process *p);
void device_close(struct process *p);
int device_alloc(struct process *p, u32 min, u32 max);
int device_free(struct process *p, int id);
int device_quota(struct process *p, u32 quota);
int device_info(struct process *p, struct ioasid_info *info);
/* The fdinfo of the file, in memory of this thread. */
const char *device_fdinfo(struct process *p);

#endif /* _IOASIDS_TEST_HARNESS_H */
