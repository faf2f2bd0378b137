/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The controllers of the kernel that are compared, each with the same few
 * functions. A user is a task, an account or a cgroup that is charged.
 */
#ifndef _IOASIDS_TEST_CONTROLLERS_H
#define _IOASIDS_TEST_CONTROLLERS_H

#include "kernel.h"

struct controller {
	const char *name;
	/* A user in a new cgroup below that of @above, or in a root if that is NULL. */
	void *(*make)(void *above);
	void (*limit)(void *user, unsigned long n);
	/* Called by a thread before it charges, and at the end by one of them. May be NULL. */
	void (*enter)(void *user);
	void (*leave)(void *user);
	/* One more and one less, as the controller's own callers have it. */
	int (*charge)(void *user);
	void (*uncharge)(void *user);
	/* As a read of "current" does it. */
	void (*read)(void *user, struct seq_file *m);
	struct cgroup_subsys *ss;	/* NULL: this is only a counter */
};

extern const struct controller ioasids_controller, pids_controller, misc_controller,
			       rdma_controller, page_counter_controller, ioasids_alone_controller;

/* One more user in the cgroup of @user: an account is used by one thread at a time. */
void *ioasids_another(void *user);

#endif /* _IOASIDS_TEST_CONTROLLERS_H */
