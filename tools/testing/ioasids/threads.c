// SPDX-License-Identifier: GPL-2.0-only
/*
 * Concurrent operations, under ThreadSanitizer. Each thread has a process that uses the
 * device, while other threads move that process, change its limits and hold its IDs. In
 * a second test, all processes share one address space and one descriptor, and are
 * replaced by children. All are below a cgroup whose limit they reach. The files of that
 * cgroup must be right at any instant, and nothing may be left in the end.
 *
 *   threads [-t SECONDS]		the total time
 */
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "harness.h"

#define THREADS		8
#define PLACES		4
#define LIMIT		10
#define CAPACITY	16
#define DURATIONS	3	/* with 2, 4 and 8 threads */

static struct cgroup_subsys_state *root, *top, *places[PLACES];
static struct process processes[THREADS];
static bool ending;

static void check(bool ok, const char *what)
{
	if (!ok) {
		printf("# %s\n", what);
		exit(1);
	}
}

static void *work(void *arg)
{
	struct process *p = arg;
	unsigned int seed = p->task->tgid->nr;
	int ids[LIMIT], n = 0, pasid = 0;

	rcu_register_thread();
	while (!READ_ONCE(ending)) {
		struct ioasid_info info;
		int ret, id = 1 + rand_r(&seed) % (LIMIT + 2);

		if (!p->file) {
			check(!device_open(p), "the device cannot be opened");
			continue;
		}
		switch (rand_r(&seed) % 16) {
		case 0 ... 5:
			if (n == LIMIT)
				break;
			ret = device_alloc(p, 1, U32_MAX);
			check(ret > 0 || ret == -EAGAIN || ret == -ENOSPC, "allocating failed");
			if (ret > 0)
				ids[n++] = ret;
			break;
		case 6 ... 9:
			if (n)
				check(!device_free(p, ids[--n]), "freeing failed");
			break;
		case 10:
			ret = device_quota(p, rand_r(&seed) % LIMIT);
			check(!ret || ret == -EAGAIN || ret == -ENOSPC, "reserving failed");
			break;
		case 11:
			check(!device_info(p, &info), "there is no information");
			check(info.allocated >= n + !!pasid, "IDs got lost");
			break;
		case 12:
			if (!ioasid_get(NULL, id))
				ioasid_put(id);
			break;
		case 13:
			current = p->task;
			if (pasid) {
				ioasid_mm_free(p->task->mm, pasid);
				pasid = 0;
				break;
			}
			ret = ioasid_mm_alloc(p->task->mm, IOASID_MAX);
			pasid = max(ret, 0);
			break;
		case 14:
			css_write(places[rand_r(&seed) % PLACES], "max",
				  rand_r(&seed) % 2 ? "max" : "5", 3 - 2 * (seed & 1));
			break;
		case 15:
			device_close(p);
			n = 0;
			break;
		}
	}
	current = p->task;
	if (pasid)
		ioasid_mm_free(p->task->mm, pasid);
	if (p->file)
		device_close(p);
	rcu_unregister_thread();
	return NULL;
}

/* Make another cgroup, move processes through it, and remove it, again and again. */
static void administer(int threads, int seconds)
{
	time_t end = time(NULL) + seconds;
	unsigned int seed = threads;

	while (time(NULL) < end) {
		struct cgroup_subsys_state *place = css_make(&ioasids_cgrp_subsys, places[0], 9);
		struct process guest;
		int i, who = rand_r(&seed) % threads;

		process_start(&guest, place, 100);
		check(!device_open(&guest), "the device cannot be opened twice");
		for (i = 0; i < 3; i++)
			device_alloc(&guest, 1, U32_MAX);
		process_move(&processes[who], place);
		css_read(top, "stat");
		css_read(root, "capacity");
		css_read(place, "events");
		check(css_number(top, "current") >= 0 && css_number(top, "current") <= LIMIT &&
		      css_number(top, "peak") <= LIMIT, "the limit did not hold");
		process_move(&processes[who], places[rand_r(&seed) % PLACES]);
		/* The guest's file stays open, and must not pin the cgroup. */
		process_exit(&guest);
		css_remove(place);
		device_close(&guest);
		kernel_rcu_barrier();
	}
}

static u32 asked;

static void *reserve(void *arg)
{
	int ret;

	rcu_register_thread();
	while (!READ_ONCE(ending)) {
		ret = device_quota(arg, asked);
		check(ret == -ENOSPC || ret == -EAGAIN || (!ret && asked <= CAPACITY),
		      "reserving failed");
		if (!ret)
			check(!device_quota(arg, 0), "a reservation cannot be withdrawn");
	}
	rcu_unregister_thread();
	return NULL;
}

/*
 * One process takes and frees an ID while another reserves @n, in a cgroup with this limit:
 * the cgroup's peak
 */
static s64 reserve_while_another_allocates(u32 n, const char *limit)
{
	struct cgroup_subsys_state *cgroup = css_make(&ioasids_cgrp_subsys, root, 20);
	pthread_t thread;
	int i, id;
	s64 peak;

	css_write(cgroup, "max", limit, strlen(limit));
	asked = n;
	WRITE_ONCE(ending, false);
	for (i = 0; i < 2; i++) {
		process_start(&processes[i], cgroup, i + 1);
		check(!device_open(&processes[i]), "the device cannot be opened");
	}
	pthread_create(&thread, NULL, reserve, &processes[1]);
	for (i = 0; i < 100000; i++) {
		id = device_alloc(&processes[0], 1, U32_MAX);
		check(id > 0 || (id == -ENOSPC && n <= CAPACITY), "allocating failed");
		if (id > 0)
			check(!device_free(&processes[0], id), "freeing failed");
	}
	WRITE_ONCE(ending, true);
	pthread_join(thread, NULL);
	check(!css_number(cgroup, "current"), "something is still charged");
	peak = css_number(cgroup, "peak");
	for (i = 0; i < 2; i++) {
		device_close(&processes[i]);
		process_exit(&processes[i]);
	}
	css_remove(cgroup);
	kernel_rcu_barrier();
	check(!!strstr(css_read(root, "capacity"), "user 0\n"), "capacity was lost");
	return peak;
}

/* Processes that share an address space, and a file. */

#define SHARED_TURNS	300

static struct shared {
	pthread_mutex_t lock;		/* keeps the process alive while it is moved */
	struct process process;
} shared[THREADS];

static int copies;			/* of the descriptor */

/* A child takes the place of its parent, which dies. */
static void replace(struct process *p)
{
	struct task_struct *old = p->task;

	p->task = task_new(task_ioasids(old), old->tgid->nr, old->mm);
	task_exit(old);
	task_reap(old);
}

static void close_copy(struct process *p)
{
	if (!__atomic_sub_fetch(&copies, 1, __ATOMIC_ACQ_REL))
		device_close(p);
}

static void *work_shared(void *arg)
{
	struct shared *s = arg;
	struct process *p = &s->process;
	unsigned int seed = p->task->tgid->nr + time(NULL);
	bool close_first;
	int i, id, ret;

	rcu_register_thread();
	for (i = 0; i < SHARED_TURNS; i++) {
		struct ioasid_info info;

		switch (rand_r(&seed) % 8) {
		case 0 ... 2:
			ret = device_alloc(p, 1, U32_MAX);
			check(ret > 0 || ret == -EAGAIN || ret == -ENOSPC, "allocating failed");
			break;
		case 3 ... 4:
			/* An ID that any of them may have taken */
			id = 1 + rand_r(&seed) % LIMIT;
			ret = device_free(p, id);
			check(!ret || ret == -ENOENT || ret == -EBUSY, "freeing failed");
			break;
		case 5:
			ret = device_quota(p, rand_r(&seed) % 2 * LIMIT / 2);
			check(!ret || ret == -EAGAIN || ret == -ENOSPC, "reserving failed");
			break;
		case 6:
			check(!device_info(p, &info), "there is no information");
			device_fdinfo(p);
			break;
		case 7:
			pthread_mutex_lock(&s->lock);
			replace(p);
			pthread_mutex_unlock(&s->lock);
			break;
		}
	}
	/* The end of the last process and of the last descriptor race to end the set. */
	close_first = rand_r(&seed) % 2;
	if (close_first)
		close_copy(p);
	pthread_mutex_lock(&s->lock);
	task_exit(p->task);
	if (!close_first)
		close_copy(p);
	task_reap(p->task);
	p->task = NULL;
	pthread_mutex_unlock(&s->lock);
	rcu_unregister_thread();
	return NULL;
}

/* Move one process after the other until all are dead. */
static void administer_shared(int threads)
{
	unsigned int seed = threads;
	int i, alive;

	do {
		struct cgroup_subsys_state *place = css_make(&ioasids_cgrp_subsys, places[0], 9);

		for (i = 0, alive = 0; i < threads; i++) {
			struct shared *s = &shared[i];

			pthread_mutex_lock(&s->lock);
			if (s->process.task) {
				alive++;
				process_move(&s->process, place);
				check(css_number(top, "current") <= LIMIT,
				      "the limit did not hold");
				process_move(&s->process, places[rand_r(&seed) % PLACES]);
			}
			pthread_mutex_unlock(&s->lock);
		}
		css_read(top, "stat");
		css_remove(place);
		kernel_rcu_barrier();
	} while (alive);
}

static void share_an_address_space(int threads, int seconds)
{
	time_t end = time(NULL) + seconds;
	pthread_t ids[THREADS];
	int i;

	do {
		struct process first;

		process_start(&first, places[0], 50);
		check(!device_open(&first), "the device cannot be opened");
		copies = threads + 1;
		for (i = 0; i < threads; i++) {
			pthread_mutex_init(&shared[i].lock, NULL);
			shared[i].process.file = first.file;
			shared[i].process.task = task_new(places[i % PLACES], i + 1,
							  first.task->mm);
			pthread_create(&ids[i], NULL, work_shared, &shared[i]);
		}
		process_exit(&first);
		close_copy(&first);
		administer_shared(threads);
		for (i = 0; i < threads; i++)
			pthread_join(ids[i], NULL);
		kernel_rcu_barrier();
		check(!css_number(top, "current"), "something is still charged");
		check(!!strstr(css_read(root, "capacity"), "user 0\n"), "capacity was lost");
	} while (time(NULL) < end);
}

int main(int argc, char **argv)
{
	int option, i, threads, seconds = 30;
	pthread_t ids[THREADS];

	while ((option = getopt(argc, argv, "t:")) != -1) {
		if (option != 't')
			return 2;
		seconds = atoi(optarg);
	}

	rcu_register_thread();
	root = css_make(&ioasids_cgrp_subsys, NULL, 0);
	init_css_set.subsys[ioasids_cgrp_id] = root;
	top = css_make(&ioasids_cgrp_subsys, root, 1);
	css_write(top, "max", "10", 2);
	for (i = 0; i < PLACES; i++)
		places[i] = css_make(&ioasids_cgrp_subsys, i ? places[i / 2] : top, i + 2);

	ioasid_report_iommu(CAPACITY + 1);
	check(reserve_while_another_allocates(CAPACITY + 1, "max") == 1,
	      "a refusal shows in the peak");
	puts("ok - threads.more_than_there_is_leaves_no_mark");
	/* The limit refuses while the other has its ID, the capacity always. */
	check(reserve_while_another_allocates(CAPACITY + 1, "17") == 1,
	      "a refusal shows in the peak");
	puts("ok - threads.more_than_there_is_leaves_no_mark_below_a_limit");
	reserve_while_another_allocates(CAPACITY, "max");
	puts("ok - threads.two_want_the_last");
	for (threads = 2; threads <= THREADS; threads *= 2) {
		WRITE_ONCE(ending, false);
		for (i = 0; i < threads; i++) {
			process_start(&processes[i], places[i % PLACES], i + 1);
			pthread_create(&ids[i], NULL, work, &processes[i]);
		}
		administer(threads, seconds / DURATIONS / 2);
		WRITE_ONCE(ending, true);
		for (i = 0; i < threads; i++) {
			pthread_join(ids[i], NULL);
			process_exit(&processes[i]);
		}
		kernel_rcu_barrier();
		check(!css_number(top, "current"), "something is still charged");
		for (i = 0; i < PLACES; i++)
			check(!css_number(places[i], "current"), "something is still charged");
		check(!!strstr(css_read(root, "capacity"), "user 0\n"), "capacity was lost");
		printf("ok - threads.%d_at_once\n", threads);
		share_an_address_space(threads, seconds / DURATIONS / 2);
		printf("ok - threads.%d_share_an_address_space\n", threads);
		fflush(stdout);
	}
	return 0;
}
