// SPDX-License-Identifier: GPL-2.0-only
/*
 * Random operations on cgroups, processes and the device, and after each the
 * question whether every file of the controller says what a model says that is
 * obviously right: it knows who has which IDs, and adds them up.
 *
 *   model [-n OPERATIONS] [-s SEED] [FILE...]
 *
 * runs the sequences in the files first. A sequence that fails is shortened, and
 * printed in the form in which a file has it: one to keep in sequences/.
 */
#include <malloc.h>
#include <sanitizer/asan_interface.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "world.h"

#define CAPACITY	40
#define CGROUPS		14	/* 0 is the root */
#define PROCESSES	6
#define SETS		32
#define LENGTH		2000
#define ROOT		0
#define NOBODY		-1

enum kind {
	MKDIR, RMDIR, ENABLE, DISABLE, LIMIT,		/* cgroups */
	START, EXIT, MOVE,				/* processes */
	OPEN, CLOSE, ALLOC, FREE, QUOTA, INFO,		/* the device */
	BIND, UNBIND, HOLD, PUT,			/* the kernel */
	FAIL,						/* the n-th allocation after this */
	KINDS,
};

/* How often, of 1000; and what the arguments of each are below. */
static const struct {
	const char *name;
	unsigned int weight;
	u32 below[3];
} kinds[KINDS] = {
	[MKDIR]   = { "mkdir",   40, { CGROUPS } },
	[RMDIR]   = { "rmdir",   30, { CGROUPS } },
	[ENABLE]  = { "enable",  30, { CGROUPS } },
	[DISABLE] = { "disable", 12, { CGROUPS } },
	[LIMIT]   = { "limit",   60, { CGROUPS, CAPACITY / 2 } },
	[START]   = { "start",   40, { PROCESSES, CGROUPS } },
	[EXIT]    = { "exit",    12, { PROCESSES } },
	[MOVE]    = { "move",    70, { PROCESSES, CGROUPS } },
	[OPEN]    = { "open",    80, { PROCESSES } },
	[CLOSE]   = { "close",   15, { PROCESSES } },
	[ALLOC]   = { "alloc",  250, { PROCESSES, 12, CAPACITY + 5 } },
	[FREE]    = { "free",   160, { PROCESSES, CAPACITY + 5 } },
	[QUOTA]   = { "quota",   60, { PROCESSES, 12 } },
	[INFO]    = { "info",    30, { PROCESSES } },
	[BIND]    = { "bind",    25, { PROCESSES } },
	[UNBIND]  = { "unbind",  20, { PROCESSES } },
	[HOLD]    = { "hold",    30, { CAPACITY + 1 } },
	[PUT]     = { "put",     26, { CAPACITY + 1 } },
	[FAIL]    = { "fail",    10, { 6 } },
};

struct op {
	enum kind kind;
	u32 arg[3];
};

/* The model */

struct set {
	int payer;		/* a cgroup that the controller is switched on in */
	int owner;		/* a process that is alive, or NOBODY */
	int opener;		/* whose file it is, or NOBODY */
	int binder;		/* whose PASID it has, or NOBODY */
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
	bool subtree;		/* the controller is on for those below */
	struct cgroup_subsys_state *css;
	u64 limit;
	s64 peak;
	u64 max, max_local, alloc_fail, alloc_fail_local;
} cgroups[CGROUPS];

static struct process_model {
	bool alive;
	int cgroup;
	struct set *set;	/* the one of its mm */
	struct mm_struct *mm;	/* while it has a PASID */
	int pasid;
	struct process process;
} processes[PROCESSES];

/* Of the operation that is running. */
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

/* Who counts for what happens in @cgroup. */
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

/* What becomes of a request for @n more. */
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

static struct set *set_new(int process)
{
	int i;

	for (i = 0; i < SETS; i++) {
		if (!set_exists[i]) {
			set_exists[i] = true;
			sets[i] = (struct set){ counting(processes[process].cgroup), process,
						NOBODY, NOBODY };
			return &sets[i];
		}
	}
	return NULL;
}

static void set_check_end(struct set *set)
{
	if (set->opener == NOBODY && set->binder == NOBODY && !set->ids)
		set_exists[set - sets] = false;
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

/* The lowest ID that @set gets, or why it gets none. */
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

/* What should be, and is */

static void expect(const char *what, s64 is, s64 should)
{
	if (is != should)
		differ("%s is %lld, should be %lld", what, (long long)is, (long long)should);
}

/* Like expect(), but there may have been no memory; then nothing has changed. */
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

/* Operations. Those that make no sense now do nothing. */

static void cgroup_attach(int cgroup)
{
	int i, j;

	for (i = 0; i < PROCESSES; i++) {
		struct process_model *p = &processes[i];

		if (!p->alive || !is_below(p->cgroup, cgroup))
			continue;
		process_move(&p->process, cgroups[counting(p->cgroup)].css);
		for (j = 0; j < SETS; j++) {
			if (set_exists[j] && sets[j].owner == i)
				sets[j].payer = counting(p->cgroup);
		}
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

/* Accounts that nobody moves any more go to the parent. */
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
	if (cgroups[parent].subtree)
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
	for (i = 0; i < PROCESSES; i++) {
		if (processes[i].alive && processes[i].cgroup == cgroup)
			return;
	}
	if (cgroups[cgroup].css)
		controller_off(cgroup);
	cgroups[cgroup].exists = false;
}

static void do_enable(int cgroup)
{
	int i;

	if (!cgroups[cgroup].css || cgroups[cgroup].subtree)
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

/* Every second number is no limit. */
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

static void do_start(int process, int cgroup)
{
	struct process_model *p = &processes[process];

	if (p->alive || p->process.file || p->mm || !cgroups[cgroup].exists)
		return;
	p->alive = true;
	p->cgroup = cgroup;
	p->set = NULL;
	process_start(&p->process, cgroups[counting(cgroup)].css, process);
}

static void do_exit(int process)
{
	struct process_model *p = &processes[process];
	int i;

	if (!p->alive)
		return;
	process_exit(&p->process);
	p->alive = false;
	for (i = 0; i < SETS; i++) {
		if (sets[i].owner == process)
			sets[i].owner = NOBODY;
	}
}

static void do_move(int process, int cgroup)
{
	struct process_model *p = &processes[process];

	if (!p->alive || !cgroups[cgroup].exists)
		return;
	p->cgroup = cgroup;
	cgroup_attach(cgroup);
}

static void do_open(int process, bool failing)
{
	struct process_model *p = &processes[process];
	struct file *had = p->process.file;
	struct set *set;
	int ret;

	set = p->alive ? p->set ?: set_new(process) : NULL;
	if (!set)
		return;
	ret = device_open(&p->process);
	if (!expect_or_enomem("opening", ret, had ? -EBUSY : 0, failing) || ret) {
		set_check_end(set);
		return;
	}
	set->opener = process;
	p->set = set;
}

static void do_close(int process)
{
	struct process_model *p = &processes[process];
	struct set *set = p->set;
	u32 id;

	if (!p->process.file)
		return;
	device_close(&p->process);
	set->quota = 0;
	set->opener = NOBODY;
	if (set->binder == NOBODY)
		p->set = NULL;
	for (id = 1; id <= CAPACITY; id++) {
		if (ids[id].set == set && !ids[id].kernels && !ids[id].freed)
			id_free(id);
	}
	set_check_end(set);
}

/*
 * What is reserved is charged already: to take it or to give it back touches no
 * cgroup. Meanwhile AddressSanitizer takes them for freed.
 */
static void hide_cgroups(const struct set *set)
{
	int i;

	for (i = 0; set->quota && i < CGROUPS; i++) {
		if (cgroups[i].css)
			ASAN_POISON_MEMORY_REGION(cgroups[i].css,
						  malloc_usable_size(cgroups[i].css));
	}
}

static void show_cgroups(void)
{
	int i;

	for (i = 0; i < CGROUPS; i++) {
		if (cgroups[i].css)
			ASAN_UNPOISON_MEMORY_REGION(cgroups[i].css,
						    malloc_usable_size(cgroups[i].css));
	}
}

static void do_alloc(int process, u32 low, u32 high, bool failing)
{
	struct process_model *p = &processes[process];
	int is, should;

	if (!p->alive || !p->process.file)
		return;
	should = id_new(p->set, low, high);
	hide_cgroups(p->set);
	is = device_alloc(&p->process, low, high);
	show_cgroups();
	if (!expect_or_enomem("allocating", is, should, failing))
		return;
	if (is == -EAGAIN)
		count_refusal(p->set, 1);
	else if (is > 0)
		id_add(p->set, is, false);
}

static void do_free(int process, u32 id)
{
	struct process_model *p = &processes[process];
	int is, should = 0;

	if (!p->alive || !p->process.file)
		return;
	if (!id)
		should = -EINVAL;
	else if (id > CAPACITY || !ids[id].set)
		should = -ENOENT;
	else if (ids[id].set != p->set || ids[id].kernels)
		should = -EACCES;
	else if (ids[id].freed)
		should = -EBUSY;
	hide_cgroups(p->set);
	is = device_free(&p->process, id);
	show_cgroups();
	expect("freeing", is, should);
	if (!should)
		id_free(id);
}

static void do_quota(int process, u32 quota)
{
	struct process_model *p = &processes[process];
	int should = 0;
	u32 from, to;

	if (!p->alive || !p->process.file)
		return;
	from = charge_of(p->set);
	to = quota ?: p->set->ids;
	if (to < p->set->ids)
		should = -ENOSPC;
	else if (to > from)
		should = request(p->set, to - from);
	expect("reserving", device_quota(&p->process, quota), should);
	if (should == -EAGAIN)
		count_refusal(p->set, to - from);
	else if (!should)
		p->set->quota = quota;
}

static void do_info(int process)
{
	struct process_model *p = &processes[process];
	struct ioasid_info info;

	if (!p->alive || !p->process.file)
		return;
	expect("asking", device_info(&p->process, &info), 0);
	expect("quota", info.quota, p->set->quota);
	expect("allocated", info.allocated, p->set->ids);
	expect("available", info.available, p->set->quota ? p->set->quota - p->set->ids :
	       min(left_of_limits(p->set->payer), left_of_capacity()));
}

static void do_bind(int process, bool failing)
{
	struct process_model *p = &processes[process];
	struct set *set;
	int is, should;

	set = p->alive && !p->mm ? p->set ?: set_new(process) : NULL;
	if (!set)
		return;
	should = id_new(set, 1, CAPACITY);
	current = &p->process.task;
	is = ioasid_mm_alloc(p->process.task.mm, CAPACITY);
	if (!expect_or_enomem("binding", is, should, failing) || is < 0) {
		if (is == -EAGAIN)
			count_refusal(set, 1);
		set_check_end(set);
		return;
	}
	p->set = set;
	p->mm = p->process.task.mm;
	mmgrab(p->mm);
	p->pasid = is;
	set->binder = process;
	id_add(set, is, true);
}

static void do_unbind(int process)
{
	struct process_model *p = &processes[process];
	struct set *set = p->set;

	if (!p->mm)
		return;
	ioasid_mm_free(p->mm, p->pasid);
	mmdrop(p->mm);
	p->mm = NULL;
	set->binder = NOBODY;
	if (set->opener == NOBODY)
		p->set = NULL;
	id_free(p->pasid);
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
	case MKDIR:	return do_mkdir(arg[0]);
	case RMDIR:	return do_rmdir(arg[0]);
	case ENABLE:	return do_enable(arg[0]);
	case DISABLE:	return do_disable(arg[0]);
	case LIMIT:	return do_limit(arg[0], arg[1]);
	case START:	return do_start(arg[0], arg[1]);
	case EXIT:	return do_exit(arg[0]);
	case MOVE:	return do_move(arg[0], arg[1]);
	case OPEN:	return do_open(arg[0], failing);
	case CLOSE:	return do_close(arg[0]);
	case ALLOC:	return do_alloc(arg[0], arg[1], arg[2], failing);
	case FREE:	return do_free(arg[0], arg[1]);
	case QUOTA:	return do_quota(arg[0], arg[1]);
	case INFO:	return do_info(arg[0]);
	case BIND:	return do_bind(arg[0], failing);
	case UNBIND:	return do_unbind(arg[0]);
	case HOLD:	return do_hold(arg[0]);
	case PUT:	return do_put(arg[0]);
	case FAIL:	/* of the next operation */
	case KINDS:
		break;
	}
}

static void __noreturn run(const struct op *ops, int n)
{
	int i;

	rcu_register_thread();
	cgroups[ROOT].exists = true;
	cgroups[ROOT].css = css_make(&ioasids_cgrp_subsys, NULL, ROOT);
	init_css_set.subsys[ioasids_cgrp_id] = cgroups[ROOT].css;
	expect("the capacity", ioasid_install_capacity(CAPACITY), 0);

	for (number = 0; number < n; number++) {
		bool failing = number && ops[number - 1].kind == FAIL;

		kernel_failing_allocation = 0;
		if (failing && (ops[number].kind == ALLOC || ops[number].kind == OPEN ||
				ops[number].kind == BIND))
			kernel_failing_allocation = ops[number - 1].arg[0] + 1;
		do_op(&ops[number], failing);
		kernel_failing_allocation = 0;
		check_counts();
		if (number % 16 == 0 || number == n - 1)
			check_files();
		if (number % 64 == 0)
			kernel_rcu_barrier();
	}

	/* All is given back, and all memory with it. */
	for (i = 0; i <= CAPACITY; i++) {
		while (i && ids[i].set && ids[i].holders)
			do_put(i);
	}
	for (i = 0; i < PROCESSES; i++) {
		do_close(i);
		do_unbind(i);
		do_exit(i);
	}
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
	/* What a sanitizer finds, lost memory included, is its exit status. */
	exit(0);
}

/* Whether @ops fail; they are run in a process of their own. */
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

/* Leave out what can be left out, in ever smaller pieces. */
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
			fprintf(stderr, "%s: what is this: %s", name, line);
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
	for (i = 0; i < LENGTH; i++) {
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
			printf("# With seed %llu this is what fails:\n", (unsigned long long)seed);
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
