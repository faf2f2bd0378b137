// SPDX-License-Identifier: GPL-2.0-only
/*
 * Random operations on cgroups, processes and the device. After each of them, all files
 * of the controller are compared with a simple model, which tracks the IDs of each set
 * and adds them up.
 *
 *   model [-n OPERATIONS] [-s SEED] [FILE...]
 *
 * runs the sequences in the files first. A sequence that fails is shortened and printed
 * in the format of the files in sequences/: add it there.
 *
 * A process has up to two threads: process 1 has the tasks 2, its leader, and 3. An
 * address space can have several processes (clone), a process several address spaces
 * one after the other (exec), and each process can have any file (fork, clone, pass).
 */
#include <malloc.h>
#include <sanitizer/asan_interface.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "harness.h"

#define CAPACITY	40
#define CGROUPS		14	/* 0 is the root */
#define PROCESSES	6
#define TASKS		(2 * PROCESSES)
#define FILES		8
#define MMS		16
#define SETS		32
#define LENGTH		2000
#define ROOT		0
#define NONE		-1

enum kind {
	V1,						/* use v1 from now on */
	MKDIR, RMDIR, ENABLE, DISABLE, LIMIT,		/* cgroups */
	START, FORK, CLONE, THREAD,			/* processes */
	EXEC, EXIT, REAP, MOVE, MOVE_THREAD,
	OPEN, PASS, CLOSE, ALLOC, FREE, QUOTA, INFO,	/* the device */
	BIND, PIN, UNPIN, HOLD, PUT,			/* the kernel */
	FAIL,						/* the n-th allocation after this */
	KINDS,
};

/* The frequency, of 1000, and for each argument the bound that it is below */
static const struct {
	const char *name;
	unsigned int weight;
	u32 below[3];
} kinds[KINDS] = {
	[V1]      = { "v1",       0 },
	[MKDIR]   = { "mkdir",   40, { CGROUPS } },
	[RMDIR]   = { "rmdir",   35, { CGROUPS } },
	[ENABLE]  = { "enable",  30, { CGROUPS } },
	[DISABLE] = { "disable", 10, { CGROUPS } },
	[LIMIT]   = { "limit",   55, { CGROUPS, CAPACITY / 2 } },
	[START]   = { "start",   25, { PROCESSES, CGROUPS } },
	[FORK]    = { "fork",    20, { TASKS, PROCESSES } },
	[CLONE]   = { "clone",   30, { TASKS, PROCESSES } },
	[THREAD]  = { "thread",  25, { PROCESSES } },
	[EXEC]    = { "exec",    10, { TASKS } },
	[EXIT]    = { "exit",    35, { TASKS } },
	[REAP]    = { "reap",    25, { PROCESSES } },
	[MOVE]    = { "move",    60, { PROCESSES, CGROUPS } },
	[MOVE_THREAD] = { "move_thread", 20, { TASKS, CGROUPS } },
	[OPEN]    = { "open",    70, { TASKS } },
	[PASS]    = { "pass",    20, { PROCESSES, PROCESSES, FILES } },
	[CLOSE]   = { "close",   20, { PROCESSES, FILES } },
	[ALLOC]   = { "alloc",  200, { TASKS, 12, CAPACITY + 5 } },
	[FREE]    = { "free",    90, { TASKS, CAPACITY + 5 } },
	[QUOTA]   = { "quota",   50, { TASKS, 12 } },
	[INFO]    = { "info",    25, { TASKS } },
	[BIND]    = { "bind",    25, { TASKS } },
	[PIN]     = { "pin",     10, { TASKS } },
	[UNPIN]   = { "unpin",   10, { MMS } },
	[HOLD]    = { "hold",    25, { CAPACITY + 1 } },
	[PUT]     = { "put",     25, { CAPACITY + 1 } },
	[FAIL]    = { "fail",    10, { 6 } },
};

struct op {
	enum kind kind;
	u32 arg[3];
};

/* The model */

struct set {
	int payer;		/* a cgroup for which the controller is on */
	int owner;		/* a process that is not reaped, or NONE */
	bool open;		/* there is a file */
	bool bound;		/* its mm has a PASID */
	u32 quota;
	u32 ids;
};

static struct {
	struct set *set;	/* NULL: free */
	u32 holders;
	bool kernels;		/* user space cannot free it */
	bool freed;
} ids[CAPACITY + 1];

static struct set sets[SETS];
static bool set_exists[SETS];

static struct cgroup_model {
	bool exists;
	int parent;
	bool subtree;		/* the controller is on for the children */
	struct cgroup_subsys_state *css;
	u64 limit;
	s64 peak;
	u64 max, max_local, alloc_fail, alloc_fail_local;
} cgroups[CGROUPS];

static struct mm_model {
	struct mm_struct *mm;
	int users;		/* threads; the address space ends with the last */
	int pins;
	struct set *set;	/* NULL: it has none now */
	int pasid;		/* 0: none */
} mms[MMS];

static struct file_model {
	struct file *file;	/* NULL: there is none */
	int copies;
	struct mm_model *mm;	/* of the opener; NULL: it has ended */
} files[FILES];

/* Two for each process. */
static struct task_model {
	struct task_struct *task;	/* NULL: there is none */
	bool alive;
	int cgroup;
} tasks[TASKS];

static struct process_model {
	struct mm_model *mm;	/* NULL: the process is dead, or there is none */
	bool files[FILES];
} processes[PROCESSES];

static bool is_v1;

/* The number of the operation that is running */
static int number;

static void __printf(1, 2) differ(const char *format, ...)
{
	va_list args;

	fprintf(stderr, "operation %d: ", number);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

static bool is_below(int cgroup, int ancestor)
{
	for (; cgroup != ancestor; cgroup = cgroups[cgroup].parent) {
		if (cgroup == ROOT)
			return false;
	}
	return true;
}

/* @cgroup or its nearest ancestor for which the controller is on */
static int counting(int cgroup)
{
	while (!cgroups[cgroup].css)
		cgroup = cgroups[cgroup].parent;
	return cgroup;
}

static u32 charge_of(const struct set *set)
{
	return set->quota ?: set->ids;
}

static u64 current_of(int cgroup)
{
	u64 sum = 0;
	int i;

	for (i = 0; i < SETS; i++) {
		if (set_exists[i] && is_below(sets[i].payer, cgroup))
			sum += charge_of(&sets[i]);
	}
	return sum;
}

static u32 left_of_capacity(void)
{
	return CAPACITY - current_of(ROOT);
}

static u32 left_of_limits(int cgroup)
{
	u64 left = U32_MAX;

	for (; cgroup != ROOT; cgroup = cgroups[cgroup].parent) {
		u64 sum = current_of(cgroup);

		left = min(left, cgroups[cgroup].limit > sum ? cgroups[cgroup].limit - sum : 0);
	}
	return left;
}

/* The nearest cgroup whose limit refuses @n more; ROOT if none does. */
static int refusing(const struct set *set, u32 n)
{
	int limit;

	for (limit = set->payer; limit != ROOT; limit = cgroups[limit].parent) {
		if (current_of(limit) + n > cgroups[limit].limit)
			break;
	}
	return limit;
}

/* The result of a request for @n more. */
static int request(const struct set *set, u32 n)
{
	if (refusing(set, n) != ROOT)
		return -EAGAIN;
	return n > left_of_capacity() ? -ENOSPC : 0;
}

static void count_refusal(const struct set *set, u32 n)
{
	int limit = refusing(set, n), p;

	cgroups[set->payer].alloc_fail_local++;
	cgroups[limit].max_local++;
	for (p = set->payer; p != ROOT; p = cgroups[p].parent) {
		cgroups[p].alloc_fail++;
		if (is_below(limit, p))
			cgroups[p].max++;
	}
}

static struct set *set_new(int task)
{
	int i;

	for (i = 0; i < SETS; i++) {
		if (!set_exists[i]) {
			set_exists[i] = true;
			sets[i] = (struct set){ counting(tasks[task].cgroup), task / 2 };
			return &sets[i];
		}
	}
	return NULL;
}

static void set_check_end(struct set *set)
{
	if (!set->open && !set->bound && !set->ids)
		set_exists[set - sets] = false;
}

/* Whether the owner of @set is alive and in the address space */
static bool owner_is_there(const struct set *set, const struct mm_model *mm)
{
	return set->owner != NONE && processes[set->owner].mm == mm;
}

/* The cgroup that pays for an ID that @task takes */
static int payer_for(const struct set *set, int task)
{
	return owner_is_there(set, processes[task / 2].mm) ? set->payer :
							     counting(tasks[task].cgroup);
}

/* @task asks for an ID or a quota: if the owner has left, it becomes the owner. */
static void adopt(struct set *set, int task, bool failing)
{
	int cgroup;

	if (failing || owner_is_there(set, processes[task / 2].mm))
		return;
	set->payer = counting(tasks[task].cgroup);
	set->owner = task / 2;
	/* The whole charge moves first, even if the request gives back some of it. */
	for (cgroup = set->payer; cgroup != ROOT; cgroup = cgroups[cgroup].parent)
		cgroups[cgroup].peak = max_t(s64, cgroups[cgroup].peak, current_of(cgroup));
}

static void id_drop(u32 id)
{
	struct set *set = ids[id].set;

	if (ids[id].freed && !ids[id].holders) {
		set->ids--;
		ids[id].set = NULL;
		set_check_end(set);
	}
}

static void id_free(u32 id)
{
	ids[id].freed = true;
	id_drop(id);
}

/* The lowest ID that @set gets, or the error */
static int id_new(const struct set *set, u32 low, u32 high)
{
	int ret = 0;
	u32 id;

	low = low ?: 1;
	if (low > high)
		return -EINVAL;
	if (set->quota)
		ret = set->ids < set->quota ? 0 : -ENOSPC;
	else
		ret = request(set, 1);
	if (ret)
		return ret;
	for (id = low; id <= min(high, CAPACITY); id++) {
		if (!ids[id].set)
			return id;
	}
	return -ENOSPC;
}

static void id_add(struct set *set, u32 id, bool kernels)
{
	ids[id].set = set;
	ids[id].holders = 0;
	ids[id].kernels = kernels;
	ids[id].freed = false;
	set->ids++;
}

/* Comparing */

static void expect(const char *what, s64 is, s64 should)
{
	if (is != should)
		differ("%s is %lld, should be %lld", what, (long long)is, (long long)should);
}

/* Like expect(), but if an allocation failed: -ENOMEM, and nothing has changed */
static bool expect_or_enomem(const char *what, s64 is, s64 should, bool failing)
{
	bool failed = failing && !kernel_failing_allocation && is == -ENOMEM;

	kernel_failing_allocation = 0;
	if (!failed)
		expect(what, is, should);
	return !failed;
}

static void expect_text(int cgroup, const char *name, const char *format, ...)
{
	const char *is = css_read(cgroups[cgroup].css, name);
	char should[256];
	va_list args;

	va_start(args, format);
	vsnprintf(should, sizeof(should), format, args);
	va_end(args);
	if (strcmp(is, should))
		differ("cgroup %d: %s is\n%sand should be\n%s", cgroup, name, is, should);
}

static void check_counts(void)
{
	int i;

	for (i = 1; i < CGROUPS; i++) {
		struct cgroup_model *c = &cgroups[i];
		s64 sum;

		if (!c->css)
			continue;
		sum = current_of(i);
		c->peak = max(c->peak, sum);
		if (css_number(c->css, "current") != sum || css_number(c->css, "peak") != c->peak)
			differ("cgroup %d: current %lld peak %lld, should be %lld %lld", i,
			       (long long)css_number(c->css, "current"),
			       (long long)css_number(c->css, "peak"), (long long)sum,
			       (long long)c->peak);
	}
}

static void check_files(void)
{
	u32 left = left_of_capacity();
	int i, j;

	for (i = 1; i < CGROUPS; i++) {
		struct cgroup_model *c = &cgroups[i];
		u64 have = 0, reserved = 0, n = 0;

		if (!c->css)
			continue;
		for (j = 0; j < SETS; j++) {
			if (set_exists[j] && is_below(sets[j].payer, i)) {
				have += sets[j].ids;
				reserved += charge_of(&sets[j]) - sets[j].ids;
				n++;
			}
		}
		if (c->limit == U64_MAX)
			expect_text(i, "max", "max\n");
		else
			expect_text(i, "max", "%llu\n", (unsigned long long)c->limit);
		expect_text(i, "events", "max %llu\nalloc_fail %llu\n", (unsigned long long)c->max,
			    (unsigned long long)c->alloc_fail);
		expect_text(i, "events.local", "max %llu\nalloc_fail %llu\n",
			    (unsigned long long)c->max_local,
			    (unsigned long long)c->alloc_fail_local);
		expect_text(i, "stat", "allocated %llu\nreserved %llu\nsets %llu\n",
			    (unsigned long long)have, (unsigned long long)reserved,
			    (unsigned long long)n);
	}
	expect_text(ROOT, "capacity", "total %u\nkernel 0\nuser %u\navailable %u\n", CAPACITY,
		    CAPACITY - left, left);
}

/* Operations. One that is not possible in the present state does nothing. */

static bool is_alive(int process)
{
	return processes[process].mm;
}

static void move_accounts(int process, int cgroup)
{
	int i;

	for (i = 0; i < SETS; i++) {
		if (set_exists[i] && sets[i].owner == process)
			sets[i].payer = counting(cgroup);
	}
}

static void process_attach(int process)
{
	int i, task = 2 * process + !tasks[2 * process].alive;

	task_move(tasks[task].task, cgroups[counting(tasks[task].cgroup)].css, false);
	move_accounts(process, tasks[task].cgroup);
	for (i = 2 * process; i < 2 * process + 2; i++) {
		if (tasks[i].alive)
			tasks[i].cgroup = tasks[task].cgroup;
	}
}

/* On v2 the controller sees all threads of a process in one cgroup. */
static void cgroup_attach(int cgroup)
{
	int i;

	for (i = 0; i < PROCESSES; i++) {
		if (is_alive(i) && is_below(tasks[2 * i + !tasks[2 * i].alive].cgroup, cgroup))
			process_attach(i);
	}
}

static void controller_on(int cgroup)
{
	struct cgroup_model *c = &cgroups[cgroup];

	c->css = css_make(&ioasids_cgrp_subsys, cgroups[c->parent].css, cgroup);
	c->limit = U64_MAX;
	c->peak = 0;
	c->max = 0;
	c->max_local = 0;
	c->alloc_fail = 0;
	c->alloc_fail_local = 0;
}

/* The parent pays for accounts whose owners are dead. */
static void controller_off(int cgroup)
{
	struct cgroup_subsys_state *css = cgroups[cgroup].css;
	int i;

	cgroups[cgroup].css = NULL;
	cgroup_attach(cgroup);
	css_remove(css);
	for (i = 0; i < SETS; i++) {
		if (set_exists[i] && sets[i].payer == cgroup)
			sets[i].payer = cgroups[cgroup].parent;
	}
}

static void do_mkdir(int parent)
{
	int i;

	for (i = 1; i < CGROUPS && cgroups[i].exists; i++)
		;
	if (i == CGROUPS || !cgroups[parent].exists)
		return;
	cgroups[i].exists = true;
	cgroups[i].parent = parent;
	cgroups[i].subtree = false;
	if (cgroups[parent].subtree || is_v1)
		controller_on(i);
}

static void do_rmdir(int cgroup)
{
	int i;

	if (cgroup == ROOT || !cgroups[cgroup].exists)
		return;
	for (i = 1; i < CGROUPS; i++) {
		if (cgroups[i].exists && cgroups[i].parent == cgroup)
			return;
	}
	for (i = 0; i < TASKS; i++) {
		if (tasks[i].alive && tasks[i].cgroup == cgroup)
			return;
	}
	if (cgroups[cgroup].css)
		controller_off(cgroup);
	cgroups[cgroup].exists = false;
}

static void do_enable(int cgroup)
{
	int i;

	if (!cgroups[cgroup].css || cgroups[cgroup].subtree || is_v1)
		return;
	cgroups[cgroup].subtree = true;
	for (i = 1; i < CGROUPS; i++) {
		if (cgroups[i].exists && cgroups[i].parent == cgroup) {
			controller_on(i);
			cgroup_attach(i);
		}
	}
}

static void do_disable(int cgroup)
{
	int i;

	if (!cgroups[cgroup].subtree)
		return;
	for (i = 1; i < CGROUPS; i++) {
		if (cgroups[i].exists && cgroups[i].parent == cgroup && cgroups[i].subtree)
			return;
	}
	cgroups[cgroup].subtree = false;
	for (i = 1; i < CGROUPS; i++) {
		if (cgroups[i].exists && cgroups[i].parent == cgroup)
			controller_off(i);
	}
}

/* Every second value of @n means "max". */
static void do_limit(int cgroup, u32 n)
{
	struct cgroup_model *c = &cgroups[cgroup];
	char text[16] = "max";

	if (cgroup == ROOT || !c->css)
		return;
	c->limit = n & 1 ? n / 2 : U64_MAX;
	if (n & 1)
		snprintf(text, sizeof(text), " %u\n", n / 2);
	expect("what was written", css_write(c->css, "max", text, strlen(text)), strlen(text));
}

/* On v1 the controller is on everywhere, or nowhere. */
static void do_v1(void)
{
	int i;

	is_v1 = true;
	for (i = 1; i < CGROUPS; i++) {
		if (cgroups[i].exists)
			is_v1 = false;
	}
}

static struct mm_model *mm_add(void)
{
	struct mm_model *mm;
	int i;

	for (mm = mms; mm < mms + MMS; mm++) {
		bool used = mm->users || mm->pins || mm->pasid || mm->set;

		for (i = 0; i < FILES; i++)
			used |= files[i].file && files[i].mm == mm;
		if (!used)
			return mm;
	}
	return NULL;
}

/* Add a process that was just started, with @task as its leader. */
static void process_add(int process, struct task_struct *task, int cgroup, struct mm_model *mm)
{
	mm->mm = task->mm;
	mm->users++;
	processes[process].mm = mm;
	tasks[2 * process] = (struct task_model){ task, true, cgroup };
}

static bool is_free(int process)
{
	return !tasks[2 * process].task;
}

static void do_start(int process, int cgroup)
{
	struct mm_model *mm = mm_add();

	if (mm && is_free(process) && cgroups[cgroup].exists)
		process_add(process, task_new(cgroups[counting(cgroup)].css, process, NULL),
			    cgroup, mm);
}

/* A child inherits only the cgroup and the files. */
static void do_fork(int task, int child, bool same_mm)
{
	struct process_model *p = &processes[task / 2];
	struct mm_model *mm = same_mm ? p->mm : mm_add();
	struct task_struct *t;
	int i;

	if (!mm || !tasks[task].alive || !is_free(child))
		return;
	t = task_new(task_ioasids(tasks[task].task), child, same_mm ? mm->mm : NULL);
	process_add(child, t, tasks[task].cgroup, mm);
	for (i = 0; i < FILES; i++) {
		processes[child].files[i] = p->files[i];
		files[i].copies += p->files[i];
	}
}

static void do_thread(int process)
{
	int from = 2 * process + !tasks[2 * process].alive, to = 2 * process + 1;

	if (!is_alive(process) || tasks[to].task)
		return;
	tasks[to] = tasks[from];
	tasks[to].task = task_new_thread(tasks[from].task);
	processes[process].mm->users++;
}

/* IDs taken through the device end with its address space or with its file. */
static void device_end(struct mm_model *mm)
{
	struct set *set = mm->set;
	u32 id;

	if (!set || !set->open)
		return;
	set->quota = 0;
	set->open = false;
	if (!set->bound)
		mm->set = NULL;
	for (id = 1; id <= CAPACITY; id++) {
		if (ids[id].set == set && !ids[id].kernels && !ids[id].freed)
			id_free(id);
	}
	set_check_end(set);
}

static void mm_leave(struct mm_model *mm)
{
	int i;

	if (--mm->users)
		return;
	device_end(mm);
	for (i = 0; i < FILES; i++) {
		if (files[i].mm == mm)
			files[i].mm = NULL;
	}
}

/* Called by the kernel when an mm is freed: its PASID is released. */
static void mm_pasid_drop(struct mm_struct *mm)
{
	struct mm_model *m;

	for (m = mms; m < mms + MMS && (m->mm != mm || !m->pasid); m++)
		;
	if (m == mms + MMS || m->users || m->pins)
		differ("an mm is freed that is in use");
	ioasid_mm_free(mm, mm->pasid);
	m->mm = NULL;
}

/* Called after the operation in which they were freed. */
static void forget_mms(void)
{
	struct mm_model *mm;

	for (mm = mms; mm < mms + MMS; mm++) {
		struct set *set = mm->set;
		int pasid = mm->pasid;

		if (mm->mm || !pasid)
			continue;
		mm->pasid = 0;
		mm->set = NULL;
		set->bound = false;
		id_free(pasid);
	}
}

static void file_put(int process, int file)
{
	struct file_model *f = &files[file];
	struct process with = { current, f->file };

	if (!processes[process].files[file])
		return;
	processes[process].files[file] = false;
	if (--f->copies)
		return;
	device_close(&with);
	if (f->mm)
		device_end(f->mm);
	*f = (struct file_model){};
}

static void do_exit(int task)
{
	int other = task ^ 1, process = task / 2, i;
	struct process_model *p = &processes[process];
	struct mm_model *mm = p->mm;

	if (!tasks[task].alive)
		return;
	tasks[task].alive = false;
	if (!tasks[other].alive)
		p->mm = NULL;
	mm_leave(mm);
	task_exit(tasks[task].task);
	if (task & 1)
		tasks[task].task = NULL;
	for (i = 0; !p->mm && i < FILES; i++)
		file_put(process, i);
}

static void do_reap(int process)
{
	int i;

	if (is_free(process) || is_alive(process))
		return;
	task_reap(tasks[2 * process].task);
	tasks[2 * process].task = NULL;
	for (i = 0; i < SETS; i++) {
		if (sets[i].owner == process)
			sets[i].owner = NONE;
	}
}

static void do_exec(int task)
{
	struct process_model *p = &processes[task / 2];
	struct mm_model *old = p->mm, *new = mm_add();

	if (!new || !tasks[task].alive)
		return;
	mm_leave(old);
	if (tasks[task ^ 1].alive)
		mm_leave(old);
	task_exec(tasks[task].task);
	tasks[task & ~1] = tasks[task];
	tasks[task | 1] = (struct task_model){};
	new->mm = tasks[task & ~1].task->mm;
	new->users = 1;
	p->mm = new;
}

static void do_move(int process, int cgroup)
{
	int i;

	if (!is_alive(process) || !cgroups[cgroup].exists)
		return;
	for (i = 2 * process; i < 2 * process + 2; i++) {
		if (tasks[i].alive)
			tasks[i].cgroup = cgroup;
	}
	process_attach(process);
}

static void do_move_thread(int task, int cgroup)
{
	if (!is_v1 || !tasks[task].alive || !cgroups[cgroup].exists)
		return;
	tasks[task].cgroup = cgroup;
	task_move(tasks[task].task, cgroups[cgroup].css, true);
	move_accounts(task / 2, cgroup);
}

static void do_open(int task, bool failing)
{
	struct process_model *p = &processes[task / 2];
	struct process with = { tasks[task].task };
	struct set *set;
	int ret, i;

	for (i = 0; i < FILES && files[i].file; i++)
		;
	if (i == FILES || !tasks[task].alive)
		return;
	set = p->mm->set ?: set_new(task);
	if (!set)
		return;
	ret = device_open(&with);
	if (!expect_or_enomem("opening", ret, set->open ? -EBUSY : 0, failing) || ret) {
		set_check_end(set);
		return;
	}
	set->open = true;
	p->mm->set = set;
	p->files[i] = true;
	files[i] = (struct file_model){ with.file, 1, p->mm };
}

static void do_pass(int from, int to, int file)
{
	if (!processes[from].files[file] || processes[to].files[file] || !is_alive(to))
		return;
	processes[to].files[file] = true;
	files[file].copies++;
}

static void do_close(int process, int file)
{
	if (!is_alive(process))
		return;
	current = tasks[2 * process + !tasks[2 * process].alive].task;
	file_put(process, file);
}

/*
 * The file that @task uses: that of its address space or, if it has none, any other,
 * with which all ioctls fail.
 */
static bool find_file(int task, struct process *with)
{
	struct process_model *p = &processes[task / 2];
	bool foreign = false;
	int i;

	*with = (struct process){ tasks[task].task };
	for (i = 0; tasks[task].alive && i < FILES; i++) {
		if (!p->files[i])
			continue;
		if (files[i].mm == p->mm) {
			with->file = files[i].file;
			return true;
		}
		foreign = true;
		with->file = files[i].file;
	}
	if (foreign) {
		struct ioasid_info info;

		expect("allocating for another", device_alloc(with, 1, CAPACITY), -EPERM);
		expect("freeing for another", device_free(with, 1), -EPERM);
		expect("reserving for another", device_quota(with, 1), -EPERM);
		expect("asking for another", device_info(with, &info), -EPERM);
	}
	return false;
}

/*
 * A reservation is charged already: allocating and freeing inside it must not access
 * any cgroup, unless the account gets another owner first. Until show_cgroups(),
 * AddressSanitizer treats the cgroups as freed memory.
 */
static void hide_cgroups(const struct set *set)
{
	int i;

	kernel_cgroups_hidden = set->quota;
	for (i = 0; set->quota && i < CGROUPS; i++) {
		if (cgroups[i].css)
			ASAN_POISON_MEMORY_REGION(cgroups[i].css,
						  malloc_usable_size(cgroups[i].css));
	}
}

static void show_cgroups(void)
{
	int i;

	kernel_cgroups_hidden = false;
	for (i = 0; i < CGROUPS; i++) {
		if (cgroups[i].css)
			ASAN_UNPOISON_MEMORY_REGION(cgroups[i].css,
						    malloc_usable_size(cgroups[i].css));
	}
}

/* The count of @cgroup, as its file shows it */
static s64 counted(int cgroup)
{
	return cgroup == ROOT ? 0 : css_number(cgroups[cgroup].css, "current");
}

static void check_counted(int task, int cgroup, s64 before)
{
	if (cgroup != ROOT && counted(cgroup) <= before)
		differ("task %d, in cgroup %d, has taken what cgroup %d does not count", task,
		       tasks[task].cgroup, cgroup);
}

static void do_alloc(int task, u32 low, u32 high, bool failing)
{
	struct process with;
	int is, should, payer;
	struct set *set;
	bool is_there;
	s64 before;

	if (!find_file(task, &with))
		return;
	set = processes[task / 2].mm->set;
	is_there = owner_is_there(set, processes[task / 2].mm);
	payer = payer_for(set, task);
	before = counted(payer) + (is_below(set->payer, payer) ? 0 : charge_of(set));
	/* A request with an empty range does not change the owner. */
	if ((low ?: 1) <= high)
		adopt(set, task, failing);
	should = id_new(set, low, high);
	if (is_there)
		hide_cgroups(set);
	is = device_alloc(&with, low, high);
	show_cgroups();
	if (is > 0 && !set->quota)
		check_counted(task, payer, before);
	if (!expect_or_enomem("allocating", is, should, failing))
		return;
	if (is == -EAGAIN)
		count_refusal(set, 1);
	else if (is > 0)
		id_add(set, is, false);
}

static void do_free(int task, u32 id)
{
	struct process with;
	struct set *set;
	int is, should = 0;

	if (!find_file(task, &with))
		return;
	set = processes[task / 2].mm->set;
	if (!id)
		should = -EINVAL;
	else if (id > CAPACITY || !ids[id].set)
		should = -ENOENT;
	else if (ids[id].set != set || ids[id].kernels)
		should = -EACCES;
	else if (ids[id].freed)
		should = -EBUSY;
	hide_cgroups(set);
	is = device_free(&with, id);
	show_cgroups();
	expect("freeing", is, should);
	if (!should)
		id_free(id);
}

static void do_quota(int task, u32 quota)
{
	struct process with;
	int should = 0, payer;
	struct set *set;
	u32 from, to;
	s64 before;

	if (!find_file(task, &with))
		return;
	set = processes[task / 2].mm->set;
	payer = payer_for(set, task);
	before = counted(payer) + (is_below(set->payer, payer) ? 0 : charge_of(set));
	adopt(set, task, false);
	from = charge_of(set);
	to = quota ?: set->ids;
	if (to < set->ids)
		should = -ENOSPC;
	else if (to > from)
		should = request(set, to - from);
	expect("reserving", device_quota(&with, quota), should);
	if (!should && to > from)
		check_counted(task, payer, before);
	if (should == -EAGAIN)
		count_refusal(set, to - from);
	else if (!should)
		set->quota = quota;
}

static void do_info(int task)
{
	struct ioasid_info info;
	struct process with;
	char should[128];
	struct set *set;

	if (!find_file(task, &with))
		return;
	set = processes[task / 2].mm->set;
	adopt(set, task, false);
	expect("asking", device_info(&with, &info), 0);
	expect("quota", info.quota, set->quota);
	expect("allocated", info.allocated, set->ids);
	expect("available", info.available, set->quota ? set->quota - set->ids :
	       min(left_of_limits(set->payer), left_of_capacity()));
	snprintf(should, sizeof(should),
		 "ioasid-quota:\t%u\nioasid-allocated:\t%u\nioasid-cgroup:\t/%d\n",
		 set->quota, set->ids, set->payer);
	if (strcmp(strchr(device_fdinfo(&with), '\n') + 1, should))
		differ("fdinfo is\n%sand should be\n%s", device_fdinfo(&with), should);
}

static void do_bind(int task, bool failing)
{
	struct mm_model *mm = processes[task / 2].mm;
	struct set *set;
	int is, should;

	set = tasks[task].alive && !mm->pasid ? mm->set ?: set_new(task) : NULL;
	if (!set)
		return;
	adopt(set, task, failing);
	should = id_new(set, 1, CAPACITY);
	current = tasks[task].task;
	is = ioasid_mm_alloc(mm->mm, CAPACITY);
	if (!expect_or_enomem("binding", is, should, failing) || is < 0) {
		if (is == -EAGAIN)
			count_refusal(set, 1);
		set_check_end(set);
		return;
	}
	mm->mm->pasid = is;
	mm->pasid = is;
	mm->set = set;
	set->bound = true;
	id_add(set, is, true);
}

/* As an idle processor does: pin an mm, so that it outlives its address space. */
static void do_pin(int task)
{
	if (!tasks[task].alive)
		return;
	mmgrab(tasks[task].task->mm);
	processes[task / 2].mm->pins++;
}

static void do_unpin(int mm)
{
	if (!mms[mm].pins)
		return;
	mms[mm].pins--;
	mmdrop(mms[mm].mm);
}

static void do_hold(u32 id)
{
	int should = !ids[id].set ? -ENOENT : ids[id].freed ? -EBUSY : 0;

	expect("holding", ioasid_get(NULL, id), should);
	if (!should)
		ids[id].holders++;
}

static void do_put(u32 id)
{
	bool gone;

	if (!ids[id].set || !ids[id].holders)
		return;
	ids[id].holders--;
	gone = ids[id].freed && !ids[id].holders;
	expect("letting go", ioasid_put(id), gone);
	if (gone)
		id_drop(id);
}

static void do_op(const struct op *op, bool failing)
{
	const u32 *arg = op->arg;

	switch (op->kind) {
	case V1:	return do_v1();
	case MKDIR:	return do_mkdir(arg[0]);
	case RMDIR:	return do_rmdir(arg[0]);
	case ENABLE:	return do_enable(arg[0]);
	case DISABLE:	return do_disable(arg[0]);
	case LIMIT:	return do_limit(arg[0], arg[1]);
	case START:	return do_start(arg[0], arg[1]);
	case FORK:	return do_fork(arg[0], arg[1], false);
	case CLONE:	return do_fork(arg[0], arg[1], true);
	case THREAD:	return do_thread(arg[0]);
	case EXEC:	return do_exec(arg[0]);
	case EXIT:	return do_exit(arg[0]);
	case REAP:	return do_reap(arg[0]);
	case MOVE:	return do_move(arg[0], arg[1]);
	case MOVE_THREAD: return do_move_thread(arg[0], arg[1]);
	case OPEN:	return do_open(arg[0], failing);
	case PASS:	return do_pass(arg[0], arg[1], arg[2]);
	case CLOSE:	return do_close(arg[0], arg[1]);
	case ALLOC:	return do_alloc(arg[0], arg[1], arg[2], failing);
	case FREE:	return do_free(arg[0], arg[1]);
	case QUOTA:	return do_quota(arg[0], arg[1]);
	case INFO:	return do_info(arg[0]);
	case BIND:	return do_bind(arg[0], failing);
	case PIN:	return do_pin(arg[0]);
	case UNPIN:	return do_unpin(arg[0]);
	case HOLD:	return do_hold(arg[0]);
	case PUT:	return do_put(arg[0]);
	case FAIL:	/* an allocation of the next operation */
	case KINDS:
		break;
	}
}

static bool can_fail(const struct op *op)
{
	return op->kind == ALLOC || op->kind == OPEN || op->kind == BIND;
}

static bool adopts(const struct op *op)
{
	int task = op->arg[0];
	struct mm_model *mm = processes[task / 2].mm;

	return op->kind != OPEN && tasks[task].alive && mm->set && !owner_is_there(mm->set, mm);
}

static void __noreturn run(const struct op *ops, int n)
{
	int i;

	rcu_register_thread();
	kernel_mm_pasid_drop = mm_pasid_drop;
	cgroups[ROOT].exists = true;
	cgroups[ROOT].css = css_make(&ioasids_cgrp_subsys, NULL, ROOT);
	init_css_set.subsys[ioasids_cgrp_id] = cgroups[ROOT].css;
	ioasid_report_iommu(CAPACITY + 1);

	for (number = 0; number < n; number++) {
		bool failing = number && ops[number - 1].kind == FAIL;

		kernel_failing_allocation = 0;
		if (failing && can_fail(&ops[number]))
			kernel_failing_allocation = ops[number - 1].arg[0] + 1;
		/* Later allocations would fail after the owner has changed: leave them out. */
		if (kernel_failing_allocation && adopts(&ops[number]))
			kernel_failing_allocation = min(kernel_failing_allocation, 2UL);
		do_op(&ops[number], failing);
		kernel_failing_allocation = 0;
		forget_mms();
		check_counts();
		if (number % 16 == 0 || number == n - 1)
			check_files();
		if (number % 64 == 0) {
			kernel_rcu_barrier();
			forget_mms();
		}
	}

	/* Give back everything, so that LeakSanitizer finds no memory left. */
	for (i = 0; i <= CAPACITY; i++) {
		while (i && ids[i].set && ids[i].holders)
			do_put(i);
	}
	for (i = 0; i < TASKS; i++)
		do_exit(i);
	for (i = 0; i < PROCESSES; i++)
		do_reap(i);
	for (i = 0; i < MMS; i++) {
		while (mms[i].pins)
			do_unpin(i);
	}
	kernel_rcu_barrier();
	forget_mms();
	check_counts();
	for (i = 1; i < CGROUPS; i++) {
		if (cgroups[i].css)
			expect("current at the end", css_number(cgroups[i].css, "current"), 0);
	}
	for (number = 0; number < CGROUPS; number++) {
		for (i = 1; i < CGROUPS; i++)
			do_rmdir(i);
	}
	check_files();
	css_remove(cgroups[ROOT].css);
	kernel_rcu_barrier();
	memset(cgroups, 0, sizeof(cgroups));
	init_css_set.subsys[ioasids_cgrp_id] = NULL;
	/* A report of a sanitizer, of a leak too, changes the exit status. */
	exit(0);
}

/* Run @ops in a child process: whether they fail */
static bool fails(const struct op *ops, int n, bool quiet)
{
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (!pid) {
		if (quiet && !freopen("/dev/null", "w", stderr))
			_exit(1);
		alarm(60);
		run(ops, n);
	}
	waitpid(pid, &status, 0);
	return status;
}

/* Remove operations that the failure does not need, in ever smaller blocks. */
static int shorten(struct op *ops, int n)
{
	struct op fewer[LENGTH];
	int piece, at;

	for (piece = n / 2; piece; piece /= 2) {
		for (at = 0; at + piece <= n; ) {
			memcpy(fewer, ops, at * sizeof(*ops));
			memcpy(fewer + at, ops + at + piece, (n - at - piece) * sizeof(*ops));
			if (fails(fewer, n - piece, true)) {
				n -= piece;
				memcpy(ops, fewer, n * sizeof(*ops));
			} else {
				at += piece;
			}
		}
	}
	return n;
}

static void print(const struct op *ops, int n)
{
	int i, j;

	for (i = 0; i < n; i++) {
		printf("# %s", kinds[ops[i].kind].name);
		for (j = 0; j < 3 && kinds[ops[i].kind].below[j]; j++)
			printf(" %u", ops[i].arg[j]);
		putchar('\n');
	}
}

static int read_sequence(const char *name, struct op *ops)
{
	FILE *file = fopen(name, "r");
	char line[128], word[16];
	int n = 0;

	if (!file) {
		perror(name);
		exit(2);
	}
	while (n < LENGTH && fgets(line, sizeof(line), file)) {
		struct op *op = &ops[n];
		const char *at = line;
		int i, used;

		if (*line == '#')
			continue;
		memset(op, 0, sizeof(*op));
		if (sscanf(at, "%15s%n", word, &used) != 1)
			continue;
		while (op->kind < KINDS && strcmp(kinds[op->kind].name, word))
			op->kind++;
		for (i = 0; op->kind < KINDS && i < 3 && kinds[op->kind].below[i]; i++) {
			at += used;
			if (sscanf(at, "%u%n", &op->arg[i], &used) != 1 ||
			    op->arg[i] >= kinds[op->kind].below[i])
				op->kind = KINDS;
		}
		if (op->kind >= KINDS) {
			fprintf(stderr, "%s: not an operation: %s", name, line);
			exit(2);
		}
		n++;
	}
	fclose(file);
	return n;
}

static u64 random_state;

static u32 random_below(u32 n)
{
	/* xorshift64* */
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return (random_state * 2685821657736338717ULL >> 32) % n;
}

static void random_ops(struct op *ops)
{
	int i, j;

	memset(ops, 0, LENGTH * sizeof(*ops));
	for (i = random_below(3) ? 0 : 1; i < LENGTH; i++) {
		u32 at = random_below(1000);
		enum kind kind = 0;

		while (at >= kinds[kind].weight)
			at -= kinds[kind++].weight;
		ops[i].kind = kind;
		for (j = 0; j < 3 && kinds[kind].below[j]; j++)
			ops[i].arg[j] = random_below(kinds[kind].below[j]);
	}
}

int main(int argc, char **argv)
{
	long done, wanted = 1000000;
	u64 seed = time(NULL);
	struct op ops[LENGTH];
	int n, option, status = 0;

	while ((option = getopt(argc, argv, "n:s:")) != -1) {
		if (option == 'n')
			wanted = atol(optarg);
		else if (option == 's')
			seed = strtoull(optarg, NULL, 0);
		else
			return 2;
	}

	for (; optind < argc; optind++) {
		const char *name = strrchr(argv[optind], '/');

		n = read_sequence(argv[optind], ops);
		if (fails(ops, n, false)) {
			status = 1;
			printf("not ");
		}
		printf("ok - model.%s\n", name ? name + 1 : argv[optind]);
	}

	for (done = 0; done < wanted; done += LENGTH) {
		random_state = (seed + done) * 2 + 1;
		random_ops(ops);
		if (fails(ops, LENGTH, false)) {
			n = shorten(ops, LENGTH);
			printf("# With seed %llu this sequence fails:\n", (unsigned long long)seed);
			print(ops, n);
			fails(ops, n, false);
			status = 1;
			printf("not ");
			break;
		}
	}
	printf("ok - model.%ld_random_operations\n", wanted);
	return status;
}
