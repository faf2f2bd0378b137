/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The controllers that are compared, behind the same few functions. A user is the
 * object that is charged: a task, an account or a cgroup.
 */
#ifndef _IOASIDS_TEST_CONTROLLERS_H
#define _IOASIDS_TEST_CONTROLLERS_H

#include "kernel.h"

struct controller {
	const char *name;
	/* Make a user in a new cgroup below that of @above; NULL: in a root. */
	void *(*make)(void *above);
	void (*limit)(void *user, unsigned long n);
	/* Called by a thread before it charges, and at the end by one of them. May be NULL. */
	void (*enter)(void *user);
	void (*leave)(void *user);
	/* Charge and uncharge one, as the callers of the controller do. */
	int (*charge)(void *user);
	void (*uncharge)(void *user);
	/* Read the file "current". */
	void (*read)(void *user, struct seq_file *m);
	struct cgroup_subsys *ss;	/* NULL: a counter without a controller */
};

extern const struct controller ioasids_controller, pids_controller, misc_controller,
			       rdma_controller, page_counter_controller, ioasids_alone_controller;

/* Another user in the cgroup of @user, as one thread at a time uses an account. */
void *ioasids_another(void *user);

#endif /* _IOASIDS_TEST_CONTROLLERS_H */
