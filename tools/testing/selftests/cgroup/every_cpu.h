/* SPDX-License-Identifier: GPL-2.0 */
#ifndef EVERY_CPU_H
#define EVERY_CPU_H

#include <sched.h>

/* A CPU keeps the memory of a process that has ended until it runs another. */
static inline void run_on_every_cpu(void)
{
	cpu_set_t all, one;
	int cpu;

	sched_getaffinity(0, sizeof(all), &all);
	for (cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &all))
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		sched_setaffinity(0, sizeof(one), &one);
	}
	sched_setaffinity(0, sizeof(all), &all);
}

#endif
