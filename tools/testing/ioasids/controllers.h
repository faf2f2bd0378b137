/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The controllers of the kernel that are compared, each with the same few
 * functions. A user is who is charged: a task, an account or a cgroup.
 */
#ifndef _IOASIDS_TEST_CONTROLLERS_H
#define _IOASIDS_TEST_CONTROLLERS_H

#include "kernel.h"

struct controller {
	const char *name;
	/* A user in a new cgroup below that of @above, or in a root if that is NULL. */
	void *(*make)(void *above);
	void (*limit)(void *user, unsigned long n);
	/* What a thread calls before it charges, and the last one after; may be NULL. */
	void (*enter)(void *user);
	void (*leave)(void *user);
	/* One more and one less, as the controller's own callers have it. */
	int (*charge)(void *user);
	void (*uncharge)(void *user);
	/* What a read of "current" calls. */
	void (*read)(void *user, struct seq_file *m);
	struct cgroup_subsys *ss;	/* NULL: this is only a counter */
};

extern const struct controller ioasids_controller, pids_controller, misc_controller,
			       rdma_controller, page_counter_controller, ioasids_alone_controller;

/* One more user in the cgroup of @user: an account is used by one thread at a time. */
void *ioasids_another(void *user);

#endif /* _IOASIDS_TEST_CONTROLLERS_H */
