/* SPDX-License-Identifier: GPL-2.0 */
#ifndef IOASIDS_SEQUENCE_H
#define IOASIDS_SEQUENCE_H

#include <linux/types.h>

#define FIRST_FD	200	/* the descriptor of the first set, in every process */

/* How often what is worth trying has happened */
struct sequence_seen {
	unsigned long steps;
	unsigned long granted;
	unsigned long refused;	/* by a limit */
	unsigned long adopted;	/* the account of a maker that has left */
	unsigned long ended;	/* with its address space, a copy being open elsewhere */
};

/*
 * Makes the cgroup @tree and processes in it, which do @steps things at random, one
 * after the other; what they are depends on @seed alone. After each of them, what
 * the kernel answers and counts is compared with a model. Returns NULL if all was
 * right; else what was not, and prints the steps until then. Adds to @add_to.
 */
const char *try_sequence(const char *tree, __u64 seed, int steps, struct sequence_seen *add_to);

#endif
