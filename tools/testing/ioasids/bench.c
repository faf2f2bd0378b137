// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the controller, the allocator and the device cost, beside their peers.
 *
 *   bench count		under callgrind, which counts instructions and dumps
 *				them for each case
 *   bench time THREADS		on the clock, those that are compared in turns
 *   bench size			bytes for each cgroup
 *
 * A line is: what is measured, of whom, at which x, and for time and size the
 * value; time is the median, in nanoseconds, and comes with the quartiles.
 */
#include <time.h>
#include <unistd.h>
#include <valgrind/callgrind.h>

#include "controllers.h"
#include "harness.h"

#define ROUNDS		21
#define PAIRS		100000
#define TIMES		20		/* that a case is counted */
#define DEEPEST		32

static const struct peer *const peers[] = {
	&ioasids_peer, &pids_peer, &misc_peer, &rdma_peer, &page_counter_peer,
};

static const int depths[] = { 1, 2, 4, 8, 16, 32 };

/* A cgroup, or who is in it, at @depth below the root; @limit for the @at-th of them. */
static void *chain(const struct peer *peer, int depth, int at, unsigned long limit)
{
	void *cgroup = peer->make(NULL);
	int i;

	for (i = 1; i <= depth; i++) {
		cgroup = peer->make(cgroup);
		if (i == at)
			peer->limit(cgroup, limit);
	}
	return cgroup;
}

/* Instructions. What callgrind dumps is sorted out, and divided, by bench.sh. */

static noinline void nothing(void *a)
{
	barrier();
}

static void count(const char *what, const char *whose, long x, void (*fn)(void *a), void *a)
{
	char name[64];
	int i;

	/* What is made at the first time, and the pools of malloc(). */
	for (i = 0; i < 3; i++) {
		fn(a);
		kernel_rcu_barrier();
	}
	for (i = 0; i < TIMES; i++) {
		CALLGRIND_TOGGLE_COLLECT;
		fn(a);
		CALLGRIND_TOGGLE_COLLECT;
		kernel_rcu_barrier();
	}
	snprintf(name, sizeof(name), "%s %s %ld %d", what, whose, x, TIMES);
	CALLGRIND_DUMP_STATS_AT(name);
}

static const struct peer *peer;

static noinline void do_pair(void *cgroup)
{
	peer->charge(cgroup);
	peer->uncharge(cgroup);
}

static noinline void do_charge(void *cgroup)
{
	peer->charge(cgroup);
}

static noinline void do_read(void *cgroup)
{
	char text[256];
	struct seq_file m = { text, sizeof(text) };

	peer->read(cgroup, &m);
}

static void count_peers(void)
{
	const int *d;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(peers); i++) {
		peer = peers[i];
		for (d = depths; d < depths + ARRAY_SIZE(depths); d++) {
			count("pair", peer->name, *d, do_pair, chain(peer, *d, 1, 1000));
			count("charge", peer->name, *d, do_charge, chain(peer, *d, 1, 1000));
			count("refused_here", peer->name, *d, do_charge, chain(peer, *d, *d, 0));
			count("refused_above", peer->name, *d, do_charge, chain(peer, *d, 1, 0));
		}
		count("read", peer->name, 8, do_read, chain(peer, 8, 1, 1000));
	}
}

/* A process with the device, in a cgroup at @depth; 0: the controller is disabled. */
static struct process *user(int depth)
{
	struct cgroup_subsys_state *css = css_make(&ioasids_cgrp_subsys, NULL, 0);
	struct process *p = malloc(sizeof(*p));
	int i;

	for (i = 0; i < depth; i++)
		css = css_make(&ioasids_cgrp_subsys, css, i + 1);
	if (depth)
		css_write(css, "max", "9999999", 7);
	process_start(p, css, 1);
	kernel_ioasids_disabled = !depth;
	WARN_ON(device_open(p));
	kernel_ioasids_disabled = false;
	return p;
}

static void user_end(struct process *p)
{
	device_close(p);
	process_exit(p);
	kernel_rcu_barrier();
}

static noinline void do_ioctls(void *process)
{
	WARN_ON(device_free(process, device_alloc(process, 1, U32_MAX)));
}

static noinline void do_alloc(void *set)
{
	WARN_ON(ioasid_free(set, ioasid_alloc(set, 1, U32_MAX, NULL)));
}

static noinline void do_move(void *process)
{
	struct process *p = process;
	struct cgroup_subsys_state *css = task_ioasids(p->task);

	/* To its parent and back. */
	process_move(p, css->parent);
	process_move(p, css);
}

static noinline void do_limit(void *css)
{
	css_write(css, "max", "1000", 4);
}

static void count_ours(void)
{
	static const long charges[] = { 1, 1000, 1000000 };
	static const long held[] = { 10, 1000, 100000, 1000000 };
	struct process *p, *other;
	unsigned int i;
	const int *d;
	long j;

	for (d = depths; d < depths + ARRAY_SIZE(depths); d++) {
		struct ioasid_set *set;

		p = user(*d);
		count("ioctls", "ioasids", *d, do_ioctls, p);
		device_quota(p, 10);
		set = ioasid_find_mm_set(p->task->mm);
		count("reserved", "ioasids", *d, do_alloc, set);
		ioasid_set_put(set);
		count("ioctls_reserved", "ioasids", *d, do_ioctls, p);
		user_end(p);
	}
	p = user(0);
	count("ioctls", "disabled", 0, do_ioctls, p);
	user_end(p);

	for (i = 0; i < ARRAY_SIZE(charges); i++) {
		p = user(8);
		WARN_ON(device_quota(p, charges[i]));
		count("move", "ioasids", charges[i], do_move, p);
		user_end(p);
	}
	p = user(8);
	count("limit", "ioasids", 8, do_limit, task_ioasids(p->task));
	user_end(p);
	p = user(8);
	for (i = 0, j = 0; i < ARRAY_SIZE(held); i++) {
		for (; j < held[i]; j++)
			WARN_ON(device_alloc(p, 1, U32_MAX) < 0);
		other = user(8);
		count("held", "ioasids", held[i], do_ioctls, other);
		user_end(other);
	}
	user_end(p);
}

/* Once for each size: offline is not repeated. */
static void count_offline(void)
{
	static const int accounts[] = { 1, 10, 100, 1000, 10000 };
	unsigned int i;
	int j;

	for (i = 0; i < ARRAY_SIZE(accounts); i++) {
		struct cgroup_subsys_state *root = css_make(&ioasids_cgrp_subsys, NULL, 0);
		struct cgroup_subsys_state *css = css_make(&ioasids_cgrp_subsys, root, 1);
		struct process *all = calloc(accounts[i], sizeof(*all));
		char name[64];

		css = css_make(&ioasids_cgrp_subsys, css, 2);
		for (j = 0; j < accounts[i]; j++) {
			process_start(&all[j], css, j);
			WARN_ON(device_open(&all[j]) || device_alloc(&all[j], 1, U32_MAX) < 0);
		}
		CALLGRIND_TOGGLE_COLLECT;
		css_remove(css);
		CALLGRIND_TOGGLE_COLLECT;
		snprintf(name, sizeof(name), "offline ioasids %d 1", accounts[i]);
		CALLGRIND_DUMP_STATS_AT(name);
		for (j = 0; j < accounts[i]; j++) {
			device_close(&all[j]);
			process_exit(&all[j]);
		}
		kernel_rcu_barrier();
		free(all);
	}
}

/* Time */

struct worker {
	const struct peer *peer;
	void *cgroup;
	pthread_barrier_t *start;
	pthread_t thread;
	double ns;
};

static double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

static void *work(void *arg)
{
	struct worker *w = arg;
	double from;
	int i;

	pthread_barrier_wait(w->start);
	from = now_ns();
	for (i = 0; i < PAIRS; i++) {
		w->peer->charge(w->cgroup);
		w->peer->uncharge(w->cgroup);
	}
	w->ns = (now_ns() - from) / PAIRS;
	return NULL;
}

/* What a pair takes when each of @threads has one of @cgroups. */
static double time_pairs(const struct peer *peer, void **cgroups, int threads)
{
	struct worker workers[threads];
	pthread_barrier_t start;
	double sum = 0;
	int i;

	pthread_barrier_init(&start, NULL, threads);
	for (i = 0; i < threads; i++) {
		workers[i] = (struct worker){ peer, cgroups[i], &start };
		pthread_create(&workers[i].thread, NULL, work, &workers[i]);
	}
	for (i = 0; i < threads; i++) {
		pthread_join(workers[i].thread, NULL);
		sum += workers[i].ns;
	}
	pthread_barrier_destroy(&start);
	return sum / threads;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static void print_times(const char *what, const char *whose, long x, double *values)
{
	qsort(values, ROUNDS, sizeof(*values), by_value);
	printf("%s %s %ld %.4f %.4f %.4f\n", what, whose, x, values[ROUNDS / 2],
	       values[ROUNDS / 4], values[ROUNDS - 1 - ROUNDS / 4]);
}

/* All in turns, so that what disturbs one disturbs all; ratios are of one round. */
static void time_all(const char *what, long x, void *cgroups[][64], int threads)
{
	double ns[ARRAY_SIZE(peers)][ROUNDS], ratio[ROUNDS];
	char name[64];
	unsigned int i;
	int round;

	for (round = -1; round < ROUNDS; round++) {
		for (i = 0; i < ARRAY_SIZE(peers); i++) {
			double t = time_pairs(peers[i], cgroups[i], threads);

			if (round >= 0)
				ns[i][round] = t;
		}
	}
	for (round = 0; round < ROUNDS; round++)
		ratio[round] = ns[0][round] / ns[1][round];
	snprintf(name, sizeof(name), "%s_to_pids", what);
	print_times(name, peers[0]->name, x, ratio);
	for (i = 0; i < ARRAY_SIZE(peers); i++)
		print_times(what, peers[i]->name, x, ns[i]);
	fflush(stdout);
}

/* Who shares what: the cgroup, its parent, or the parent of that. */
static void time_peers(int most)
{
	static void *cgroups[ARRAY_SIZE(peers)][64];
	int threads, t;
	unsigned int i;
	const int *d;

	for (d = depths; d < depths + ARRAY_SIZE(depths); d++) {
		for (i = 0; i < ARRAY_SIZE(peers); i++)
			cgroups[i][0] = chain(peers[i], *d, 1, 1000);
		time_all("depth", *d, cgroups, 1);
	}
	for (threads = 1; threads <= most; threads++) {
		for (i = 0; i < ARRAY_SIZE(peers); i++) {
			void *same = chain(peers[i], 4, 1, 1000);

			for (t = 0; t < threads; t++)
				cgroups[i][t] = same;
		}
		/* An account belongs to one thread at a time. */
		for (t = 0; t < threads; t++)
			cgroups[0][t] = ioasids_another(cgroups[0][0]);
		time_all("same", threads, cgroups, threads);

		for (i = 0; i < ARRAY_SIZE(peers); i++) {
			void *parent = chain(peers[i], 3, 1, 1000);

			for (t = 0; t < threads; t++)
				cgroups[i][t] = peers[i]->make(parent);
		}
		time_all("siblings", threads, cgroups, threads);

		for (i = 0; i < ARRAY_SIZE(peers); i++) {
			void *parent = chain(peers[i], 2, 1, 1000);

			for (t = 0; t < threads; t++)
				cgroups[i][t] = peers[i]->make(peers[i]->make(parent));
		}
		time_all("cousins", threads, cgroups, threads);
	}
}

static void size_peers(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(peers); i++) {
		void *root = peers[i]->make(NULL);
		size_t before = kernel_allocated;

		peers[i]->make(root);
		printf("size %s 1 %zu\n", peers[i]->name,
		       kernel_allocated - before - (i == 4 ? 0 : sizeof(struct cgroup)));
	}
}

int main(int argc, char **argv)
{
	rcu_register_thread();
	if (argc == 2 && !strcmp(argv[1], "count")) {
		count("nothing", "nobody", 0, nothing, NULL);
		count_ours();
		count_offline();
		count_peers();
	} else if (argc == 3 && !strcmp(argv[1], "time")) {
		time_peers(min(atoi(argv[2]), 64));
	} else if (argc == 2 && !strcmp(argv[1], "size")) {
		size_peers();
	} else {
		fprintf(stderr, "Usage: bench count | time THREADS | size\n");
		return 2;
	}
	return 0;
}
