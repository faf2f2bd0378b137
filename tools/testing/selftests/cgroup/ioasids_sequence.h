/* SPDX-License-Identifier: GPL-2.0 */
#ifndef IOASIDS_SEQUENCE_H
#define IOASIDS_SEQUENCE_H

#include <linux/types.h>

#define FIRST_FD	200	/* the descriptor of the first set, in every process */

/* How often the interesting cases have occurred */
struct sequence_seen {
	unsigned long steps;
	unsigned long granted;
	unsigned long refused;	/* by a limit */
	unsigned long adopted;	/* the account of a maker that has left */
	unsigned long ended;	/* sets, with the address space, while a copy was open */
};

/*
 * Make the cgroup @tree and processes in it that do @steps random steps, one after the
 * other, which depend only on @seed. After each step, the answers and counts of the
 * kernel are compared with a model. Returns NULL if they agree; otherwise, a
 * description of the difference, and prints the steps until then. Adds to @add_to.
 */
const char *try_sequence(const char *tree, __u64 seed, int steps, struct sequence_seen *add_to);

#endif
