/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The controllers that ours is compared with, from the kernel's source, each with
 * the same few functions.
 */
#ifndef _IOASIDS_TEST_CONTROLLERS_H
#define _IOASIDS_TEST_CONTROLLERS_H

#include "kernel.h"

struct peer {
	const char *name;
	/* Someone below @parent, or in a root if that is NULL, who can be charged. */
	void *(*make)(void *parent);
	void (*limit)(void *cgroup, unsigned long n);
	/* One more, and one less. */
	int (*charge)(void *cgroup);
	void (*uncharge)(void *cgroup);
	/* What a read of "current" calls. */
	void (*read)(void *cgroup, struct seq_file *m);
};

extern const struct peer ioasids_peer, pids_peer, misc_peer, rdma_peer, page_counter_peer;

/* One more account in a cgroup: unlike a cgroup, it is not for two at once. */
void *ioasids_another(void *cgroup);

#endif /* _IOASIDS_TEST_CONTROLLERS_H */
