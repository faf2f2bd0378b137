// SPDX-License-Identifier: GPL-2.0-only
/*
 * Measures the cost of the controller, the allocator and the device, and compares it
 * with other controllers and with the kernel's present allocator of PASIDs.
 *
 *   bench count		instructions; run under callgrind, which dumps a count
 *				for each case
 *   bench time			time, with the subjects in turns
 *   bench size			bytes for each cgroup
 *
 * A line has the name of the measurement, the subject, x and, for time and size, the
 * value. Times are medians in nanoseconds, followed by the quartiles.
 */
#include <sched.h>
#include <sys/ioctl.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>
#include <valgrind/callgrind.h>

#include <linux/idr.h>

#include "controllers.h"
#include "harness.h"

#define ROUNDS		101
#define PAIRS		1000		/* in each round */
#define BATCHES		20000		/* the most for each thread, if there are several */
#define RUN		30e6		/* ns, the shortest run of several threads */
#define BATCH		64		/* pairs */
#define ENOUGH		300		/* batches, in each round */
#define NOT_RUNNING	500e3		/* ns: in a longer batch the thread did not run */
#define THREAD_ROUNDS	31
#define MOST_TIME	40e9		/* ns for all rounds, on a busy machine */
#define MOST_THREADS	64
#define TIMES		20		/* how often a case is counted */
#define MANY		100000		/* sets */

static const struct controller *const controllers[] = {
	&ioasids_controller, &pids_controller, &misc_controller, &rdma_controller,
	&page_counter_controller, &ioasids_alone_controller,
};

#define CONTROLLERS	ARRAY_SIZE(controllers)

static const int depths[] = { 1, 4, 8, 32 };

enum limits {
	TOP,		/* the topmost cgroup below the root */
	ALL,
	REFUSING,	/* the topmost, with the limit reached */
};

static void *chain_below(const struct controller *c, void *user, int depth, enum limits limits)
{
	int i;

	for (i = 0; i < depth; i++) {
		user = c->make(user);
		if (!i || limits == ALL)
			c->limit(user, limits == REFUSING ? 0 : 1000000);
	}
	return user;
}

/* A user at @depth below the root. */
static void *chain(const struct controller *c, int depth, enum limits limits)
{
	return chain_below(c, c->make(NULL), depth, limits);
}

static void enter(const struct controller *c, void *user)
{
	if (c->enter)
		c->enter(user);
}

static void leave(const struct controller *c, void *user)
{
	if (c->leave)
		c->leave(user);
}

/* A process with the device, in a cgroup at @depth; -1: the controller is disabled. */
static struct process *device_user(int depth)
{
	struct cgroup_subsys_state *css = css_make(&ioasids_cgrp_subsys, NULL, 0);
	struct process *p = malloc(sizeof(*p));
	int i;

	for (i = 0; i < depth; i++) {
		css = css_make(&ioasids_cgrp_subsys, css, i + 1);
		if (!i)
			css_write(css, "max", "9999999", 7);
	}
	process_start(p, css, 1);
	kernel_ioasids_disabled = depth < 0;
	WARN_ON(device_open(p));
	kernel_ioasids_disabled = false;
	return p;
}

static void device_user_end(struct process *p)
{
	device_close(p);
	process_exit(p);
	free(p);
	kernel_rcu_barrier();
}

/* A process that holds @n IDs. */
static struct process *holder(int n)
{
	struct process *p = device_user(1);

	while (n--)
		WARN_ON(device_alloc(p, 1, U32_MAX) < 0);
	return p;
}

/* @n processes in one cgroup, each with a set */
static struct cgroup_subsys_state *many_sets(struct process *all, int n)
{
	struct cgroup_subsys_state *root = css_make(&ioasids_cgrp_subsys, NULL, 0);
	struct cgroup_subsys_state *css = css_make(&ioasids_cgrp_subsys, root, 1);
	int i;

	css = css_make(&ioasids_cgrp_subsys, css, 2);
	for (i = 0; i < n; i++) {
		process_start(&all[i], css, i);
		WARN_ON(device_open(&all[i]));
		WARN_ON(device_alloc(&all[i], 1, U32_MAX) < 0);
		/* Let hash tables grow. */
		if (!(i % 1024))
			kernel_rcu_barrier();
	}
	kernel_rcu_barrier();
	return css;
}

static void end_sets(struct process *all, int n)
{
	int i;

	for (i = 0; i < n; i++) {
		device_close(&all[i]);
		process_exit(&all[i]);
	}
	kernel_rcu_barrier();
}

/* Instructions. bench.sh reads the dumps of callgrind. */

static noinline void nothing(void *a)
{
	barrier();
}

static void count(const char *what, const char *whose, long x, void (*fn)(void *a), void *a)
{
	char name[64];
	int i;

	/* Warm up: the first calls allocate memory. */
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

static const struct controller *counted;

static noinline void do_pair(void *user)
{
	counted->charge(user);
	counted->uncharge(user);
}

static noinline void do_charge(void *user)
{
	counted->charge(user);
}

static noinline void do_read(void *user)
{
	char text[256];
	struct seq_file m = { text, sizeof(text) };

	counted->read(user, &m);
}

static void count_as(const char *what, int depth, enum limits limits, void (*fn)(void *user))
{
	void *user = chain(counted, depth, limits);

	enter(counted, user);
	count(what, counted->name, depth, fn, user);
	/* The cases that only charge must not close the account. */
	if (fn == do_charge)
		return;
	leave(counted, user);
}

static void count_controllers(void)
{
	unsigned int i;
	const int *d;

	for (i = 0; i < CONTROLLERS; i++) {
		counted = controllers[i];
		for (d = depths; d < depths + ARRAY_SIZE(depths); d++) {
			count_as("pair", *d, TOP, do_pair);
			count_as("pair_all_limited", *d, ALL, do_pair);
			count_as("charge", *d, TOP, do_charge);
			count_as("refused", *d, REFUSING, do_charge);
		}
		count_as("read", 8, TOP, do_read);
	}
}

static noinline void do_ioctls(void *process)
{
	WARN_ON(device_free(process, device_alloc(process, 1, U32_MAX)));
}

static noinline void do_alloc(void *set)
{
	WARN_ON(ioasid_free(set, ioasid_alloc(set, 1, U32_MAX, NULL)));
}

static DEFINE_IDA(ida);

/* As iommu_alloc_global_pasid() and iommu_free_global_pasid() do */
static noinline void do_ida(void *a)
{
	ida_free(&ida, ida_alloc_range(&ida, 1, IOASID_MAX, GFP_KERNEL));
}

static noinline void do_move(void *process)
{
	struct process *p = process;
	struct cgroup_subsys_state *css = task_ioasids(p->task);

	/* To its parent and back. */
	process_move(p, css->parent);
	process_move(p, css);
}

static void count_device(void)
{
	static const long charges[] = { 1, 1000, 1000000 };
	static const long held[] = { 1, 1000, 10000, 100000 };
	struct process *p, *other;
	unsigned int i;
	const int *d;
	long j;

	for (d = depths; d < depths + ARRAY_SIZE(depths); d++) {
		struct ioasid_set *set;

		p = device_user(*d);
		count("ioctls", "ioasids", *d, do_ioctls, p);
		set = ioasid_find_mm_set(p->task->mm);
		count("allocator", "ioasids", *d, do_alloc, set);
		device_quota(p, 10);
		count("reserved", "ioasids", *d, do_alloc, set);
		ioasid_set_put(set);
		count("ioctls_reserved", "ioasids", *d, do_ioctls, p);
		device_user_end(p);
	}
	p = device_user(-1);
	count("ioctls", "disabled", 0, do_ioctls, p);
	device_user_end(p);
	count("allocator", "ida", 0, do_ida, NULL);

	for (i = 0; i < ARRAY_SIZE(charges); i++) {
		p = device_user(8);
		WARN_ON(device_quota(p, charges[i]));
		count("move", "ioasids", charges[i], do_move, p);
		device_user_end(p);
	}
	p = device_user(8);
	for (i = 0, j = 0; i < ARRAY_SIZE(held); i++) {
		for (; j < held[i]; j++)
			WARN_ON(device_alloc(p, 1, U32_MAX) < 0);
		other = device_user(8);
		count("held", "ioasids", held[i], do_ioctls, other);
		device_user_end(other);
	}
	device_user_end(p);
}

/* Once for each size: offline is not repeated. */
static void count_offline(void)
{
	static const int accounts[] = { 1, 100, 10000 };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(accounts); i++) {
		struct process *all = calloc(accounts[i], sizeof(*all));
		struct cgroup_subsys_state *css = many_sets(all, accounts[i]);
		char name[64];

		CALLGRIND_TOGGLE_COLLECT;
		css_remove(css);
		CALLGRIND_TOGGLE_COLLECT;
		snprintf(name, sizeof(name), "offline ioasids %d 1", accounts[i]);
		CALLGRIND_DUMP_STATS_AT(name);
		end_sets(all, accounts[i]);
		free(all);
	}
}

/* Time */

static double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double median(double *values, int n)
{
	qsort(values, n, sizeof(*values), by_value);
	return values[n / 2];
}

static void print_values(const char *what, const char *whose, long x, double *values, int n)
{
	double middle = median(values, n);

	printf("%s %s %ld %.4f %.4f %.4f\n", what, whose, x, middle, values[n / 4],
	       values[n - 1 - n / 4]);
	fflush(stdout);
}

static void pin(int processor)
{
	cpu_set_t set, now;
	int i, n = 0;

	/* The n-th processor that this process may run on */
	sched_getaffinity(0, sizeof(now), &now);
	for (i = 0; i < CPU_SETSIZE; i++) {
		if (CPU_ISSET(i, &now) && n++ == processor)
			break;
	}
	CPU_ZERO(&set);
	CPU_SET(i, &set);
	pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
}

/*
 * Measure all subjects in turns, so that a disturbance affects all of them. Print the
 * time of each, and the median over all rounds of the ratio of the first to each other.
 */
struct turn {
	const char *whose;
	void (*fn)(void *a);
	void *a;
	void (*prepare)(void *a);	/* may be NULL */
};

static void take_turns(const char *what, long x, const struct turn *turns, int n, int pairs)
{
	double ns[8][ROUNDS], ratio[ROUNDS];
	char name[64];
	int round, i, j;

	for (round = -1; round < ROUNDS; round++) {
		for (i = 0; i < n; i++) {
			double from;

			if (turns[i].prepare)
				turns[i].prepare(turns[i].a);
			turns[i].fn(turns[i].a);
			from = now_ns();
			for (j = 0; j < pairs; j++)
				turns[i].fn(turns[i].a);
			if (round >= 0)
				ns[i][round] = (now_ns() - from) / pairs;
			/* The end of the grace period is not measured. */
			kernel_rcu_barrier();
		}
	}
	for (i = 1; i < n; i++) {
		for (round = 0; round < ROUNDS; round++)
			ratio[round] = ns[0][round] / ns[i][round];
		snprintf(name, sizeof(name), "%s:to:%s", what, turns[i].whose);
		print_values(name, turns[0].whose, x, ratio, ROUNDS);
	}
	for (i = 0; i < n; i++)
		print_values(what, turns[i].whose, x, ns[i], ROUNDS);
}

struct timed_pair {
	const struct controller *c;
	void *user;
};

static void prepare_pair(void *a)
{
	struct timed_pair *t = a;

	enter(t->c, t->user);
}

static void time_pair(void *a)
{
	struct timed_pair *t = a;

	t->c->charge(t->user);
	t->c->uncharge(t->user);
}

static void time_charge(void *a)
{
	struct timed_pair *t = a;

	t->c->charge(t->user);
}

static void time_depths(const char *what, enum limits limits, void (*fn)(void *a))
{
	struct timed_pair pairs[CONTROLLERS];
	struct turn turns[CONTROLLERS];
	unsigned int i;
	const int *d;

	for (d = depths; d < depths + ARRAY_SIZE(depths); d++) {
		for (i = 0; i < CONTROLLERS; i++) {
			pairs[i] = (struct timed_pair){ controllers[i],
							chain(controllers[i], *d, limits) };
			turns[i] = (struct turn){ controllers[i]->name, fn, &pairs[i],
						  prepare_pair };
		}
		take_turns(what, *d, turns, CONTROLLERS, PAIRS);
		for (i = 0; i < CONTROLLERS; i++)
			leave(controllers[i], pairs[i].user);
	}
}

/* Cgroups that are in no cache: more chains than fit into one, in scattered order */
static void time_cold(void)
{
	enum { CHAINS = 20000, DEPTH = 8 };
	static void *users[CHAINS];
	static double ns[CHAINS];
	unsigned int i, j, n;

	for (i = 0; i < 2; i++) {
		const struct controller *c = controllers[i];
		void *root = c->make(NULL);

		for (j = 0; j < CHAINS; j++) {
			users[j] = chain_below(c, root, DEPTH, TOP);
			enter(c, users[j]);
			if (!(j % 1024))
				kernel_rcu_barrier();
		}
		/* 7919 is prime, so all chains are visited. */
		for (j = 0, n = 0; n < CHAINS; n++, j = (j + 7919) % CHAINS) {
			double from;

			from = now_ns();
			c->charge(users[j]);
			c->uncharge(users[j]);
			ns[n] = now_ns() - from;
		}
		print_values("cold", c->name, DEPTH, ns, CHAINS);
		for (j = 0; j < CHAINS; j++)
			leave(c, users[j]);
		kernel_rcu_barrier();
	}
}

/*
 * Several threads, each on a processor of its own. A batch counts only if all other
 * threads were running meanwhile: each was in a batch, and none of those batches took
 * longer than NOT_RUNNING.
 */
struct worker {
	const struct controller *c;
	void *user;
	int processor;
	pthread_barrier_t *start;
	pthread_t thread;
	int batches;
	double at[BATCHES + 1];
	int next;
};

static void *work(void *arg)
{
	struct worker *w = arg;
	int i, j;

	pin(w->processor);
	enter(w->c, w->user);
	pthread_barrier_wait(w->start);
	w->at[0] = now_ns();
	for (i = 0; i < BATCHES && w->at[i] < w->at[0] + RUN; i++) {
		for (j = 0; j < BATCH; j++) {
			w->c->charge(w->user);
			w->c->uncharge(w->user);
		}
		w->at[i + 1] = now_ns();
	}
	w->batches = i;
	return NULL;
}

/* Whether @w ran all the time; @from never decreases. */
static bool ran(struct worker *w, double from, double to)
{
	int i;

	if (w->at[0] > from || w->at[w->batches] < to)
		return false;
	while (w->at[w->next + 1] <= from)
		w->next++;
	for (i = w->next; i < w->batches && w->at[i] < to; i++) {
		if (w->at[i + 1] - w->at[i] > NOT_RUNNING)
			return false;
	}
	return true;
}

/* Add up the valid batches of all threads, as a lock may be unfair to one of them. */
static void run_threads(struct worker *workers, int threads, double *took, int *n)
{
	pthread_barrier_t start;
	int i, j, k;

	pthread_barrier_init(&start, NULL, threads);
	for (i = 0; i < threads; i++) {
		workers[i].start = &start;
		pthread_create(&workers[i].thread, NULL, work, &workers[i]);
	}
	for (i = 0; i < threads; i++)
		pthread_join(workers[i].thread, NULL);
	pthread_barrier_destroy(&start);
	kernel_rcu_barrier();

	for (i = 0; i < threads; i++) {
		for (k = 0; k < threads; k++)
			workers[k].next = 0;
		for (j = 0; j < workers[i].batches; j++) {
			double from = workers[i].at[j], to = workers[i].at[j + 1];

			if (to - from > NOT_RUNNING)
				continue;
			for (k = 0; k < threads; k++) {
				if (k != i && !ran(&workers[k], from, to))
					break;
			}
			if (k < threads)
				continue;
			*took += (to - from) / BATCH;
			(*n)++;
		}
	}
}

static double time_threads(const struct controller *c, void **users, int threads)
{
	static struct worker workers[MOST_THREADS];
	double took = 0, end = now_ns() + MOST_TIME / 2;
	int i, n = 0;

	for (i = 0; i < threads; i++) {
		workers[i].c = c;
		workers[i].user = users[i];
		workers[i].processor = i;
	}
	while (n < ENOUGH && now_ns() < end)
		run_threads(workers, threads, &took, &n);
	return n < ENOUGH ? 0 : took / n;
}

static void take_turns_by_threads(const char *what, void *users[][MOST_THREADS], int threads)
{
	double ns[CONTROLLERS][THREAD_ROUNDS], ratio[THREAD_ROUNDS];
	double end = now_ns() + MOST_TIME;
	int round, rounds = 0;
	char name[64];
	unsigned int i;

	while (rounds < THREAD_ROUNDS && now_ns() < end) {
		for (i = 0; i < CONTROLLERS; i++) {
			ns[i][rounds] = time_threads(controllers[i], users[i], threads);
			if (!ns[i][rounds])
				break;
		}
		if (i == CONTROLLERS)
			rounds++;
	}
	if (rounds < 3) {
		fprintf(stderr, "bench: %s is not measured: %d threads hardly ever run at once\n",
			what, threads);
		return;
	}
	for (i = 1; i < CONTROLLERS; i++) {
		for (round = 0; round < rounds; round++)
			ratio[round] = ns[0][round] / ns[i][round];
		snprintf(name, sizeof(name), "%s:to:%s", what, controllers[i]->name);
		print_values(name, controllers[0]->name, threads, ratio, rounds);
	}
	for (i = 0; i < CONTROLLERS; i++)
		print_values(what, controllers[i]->name, threads, ns[i], rounds);
}

/* Users at depth 4, with @shared levels in common: 4, the cgroup; 3, its parent; 1, the top. */
static void time_shared(const char *what, int shared, int threads)
{
	static void *users[CONTROLLERS][MOST_THREADS];
	unsigned int i;
	int t;

	for (i = 0; i < CONTROLLERS; i++) {
		void *common = chain(controllers[i], shared, TOP);

		for (t = 0; t < threads; t++) {
			void *user = common;
			int depth;

			for (depth = shared; depth < 4; depth++)
				user = controllers[i]->make(user);
			if (shared == 4 && controllers[i]->ss == &ioasids_cgrp_subsys)
				user = ioasids_another(common);
			users[i][t] = user;
		}
	}
	take_turns_by_threads(what, users, threads);
	for (i = 0; i < CONTROLLERS; i++) {
		for (t = 0; t < threads; t++)
			leave(controllers[i], users[i][t]);
	}
}

/* The allocator and the kernel's present one, an IDA */
static void time_allocator(int held)
{
	struct process *other = holder(held), *p[3];
	struct turn turns[5];
	static const char *const names[] = { "root", "depth_1", "depth_8" };
	static const int depth[] = { 0, 1, 8 };
	struct ioasid_set *kernels = ioasid_set_alloc(NULL, 0);
	int i, first = held ? ida_alloc_range(&ida, 1, IOASID_MAX, GFP_KERNEL) : 0;

	for (i = 1; i < held; i++)
		ida_alloc_range(&ida, 1, IOASID_MAX, GFP_KERNEL);
	for (i = 0; i < 3; i++) {
		struct ioasid_set *set;

		p[i] = device_user(depth[i]);
		set = ioasid_find_mm_set(p[i]->task->mm);
		ioasid_set_put(set);
		turns[i] = (struct turn){ names[i], do_alloc, set };
	}
	turns[3] = (struct turn){ "kernel", do_alloc, kernels };
	turns[4] = (struct turn){ "ida", do_ida };
	/* Again, as only the first is compared with the others. */
	take_turns("allocator", held, turns, 5, 200);
	swap(turns[0], turns[1]);
	take_turns("allocator_limited", held, turns, 5, 200);
	for (i = 0; i < 3; i++)
		device_user_end(p[i]);
	for (i = first; i && i < first + held; i++)
		ida_free(&ida, i);
	ioasid_set_put(kernels);
	device_user_end(other);
}

static void do_syscall(void *fd)
{
	ioctl(*(int *)fd, 0, 0);
}

static void time_device(int held)
{
	struct process *other = holder(held), *p = device_user(8), *off = device_user(-1);
	struct turn turns[] = {
		{ "depth_8", do_ioctls, p }, { "disabled", do_ioctls, off },
	};

	take_turns("device", held, turns, 2, 200);
	device_user_end(p);
	device_user_end(off);
	device_user_end(other);
}

static void time_syscall(void)
{
	int null = open("/dev/null", O_RDONLY);
	struct turn turns[] = { { "ioctl", do_syscall, &null } };

	take_turns("syscall", 1, turns, 1, PAIRS);
	close(null);
}

/* The controller's part of moving a process without IDs */
static void do_attach(void *task)
{
	struct task_struct *t = task;
	struct cgroup_taskset tset = { task_ioasids(t), &t->signal->thread_head, NULL };

	ioasids_cgrp_subsys.attach(&tset);
}

static void do_open(void *process)
{
	struct process *p = process;

	WARN_ON(device_open(p));
	device_close(p);
}

static void time_sets(int sets)
{
	struct process *all = calloc(sets + 1, sizeof(*all)), *p = &all[sets];
	struct cgroup_subsys_state *css = many_sets(all, sets), *other;
	struct turn turn = { "ioasids" };
	enum { READS = 21 };
	double ns[READS];
	int i;

	other = css_make(&ioasids_cgrp_subsys, css->parent, 3);
	process_start(p, other, sets + 1);
	turn.fn = do_attach;
	turn.a = p->task;
	take_turns("attach_without_ids", sets, &turn, 1, PAIRS);
	turn.fn = do_open;
	turn.a = p;
	take_turns("open_and_close", sets, &turn, 1, 200);
	for (i = 0; sets && i < READS; i++) {
		ns[i] = now_ns();
		css_read(css, "stat");
		ns[i] = now_ns() - ns[i];
	}
	if (sets)
		print_values("stat", "ioasids", sets, ns, READS);
	process_exit(p);
	end_sets(all, sets);
	css_remove(other);
	css_remove(css);
	kernel_rcu_barrier();
	free(all);
}

/* Each controller's part of mkdir and rmdir */
static void time_cgroups(void)
{
	enum { CGROUPS = 200 };
	double make[ROUNDS], remove[ROUNDS];
	unsigned int i;
	int round, j;

	for (i = 0; i < CONTROLLERS; i++) {
		struct cgroup_subsys *ss = controllers[i]->ss;
		struct cgroup_subsys_state *root, *css[CGROUPS];

		if (!ss || controllers[i] == &ioasids_alone_controller)
			continue;
		root = css_make(ss, NULL, 0);
		for (round = -1; round < ROUNDS; round++) {
			double from = now_ns();

			for (j = 0; j < CGROUPS; j++)
				css[j] = css_make(ss, root, j);
			if (round >= 0)
				make[round] = (now_ns() - from) / CGROUPS;
			from = now_ns();
			for (j = 0; j < CGROUPS; j++)
				css_remove(css[j]);
			if (round >= 0)
				remove[round] = (now_ns() - from) / CGROUPS;
			kernel_rcu_barrier();
		}
		print_values("mkdir", controllers[i]->name, 1, make, ROUNDS);
		print_values("rmdir", controllers[i]->name, 1, remove, ROUNDS);
	}
}

static void time_all(void)
{
	int most = min_t(long, sysconf(_SC_NPROCESSORS_ONLN), MOST_THREADS), threads;

	pin(0);
	time_depths("pair", TOP, time_pair);
	time_depths("pair_all_limited", ALL, time_pair);
	time_depths("refused", REFUSING, time_charge);
	time_cold();
	time_allocator(0);
	time_allocator(10000);
	time_device(0);
	time_device(10000);
	time_syscall();
	time_cgroups();
	time_sets(0);
	time_sets(MANY);
	sched_setaffinity(0, sizeof(cpu_set_t), &(cpu_set_t){ { [0 ... 15] = -1UL } });
	for (threads = 2; threads <= most; threads = threads < most ? min(2 * threads, most) :
									most + 1) {
		time_shared("same", 4, threads);
		time_shared("siblings", 3, threads);
		time_shared("top_shared", 1, threads);
	}
}

static void size_controllers(void)
{
	unsigned int i;

	for (i = 0; controllers[i] != &ioasids_alone_controller; i++) {
		struct cgroup_subsys *ss = controllers[i]->ss;
		size_t before;
		void *root;

		if (!ss) {
			before = kernel_allocated;
			controllers[i]->make(NULL);
		} else {
			root = css_make(ss, NULL, 0);
			before = kernel_allocated;
			css_make(ss, root, 0);
			before += sizeof(struct cgroup);
		}
		printf("size %s 1 %zu\n", controllers[i]->name, kernel_allocated - before);
	}
}

int main(int argc, char **argv)
{
	rcu_register_thread();
	if (argc == 2 && !strcmp(argv[1], "count")) {
		count("nothing", "nobody", 0, nothing, NULL);
		count_device();
		count_offline();
		count_controllers();
	} else if (argc == 2 && !strcmp(argv[1], "time")) {
		time_all();
	} else if (argc == 2 && !strcmp(argv[1], "size")) {
		size_controllers();
	} else {
		fprintf(stderr, "Usage: bench count | time | size\n");
		return 2;
	}
	return 0;
}
