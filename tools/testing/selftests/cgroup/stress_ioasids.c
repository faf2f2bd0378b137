// SPDX-License-Identifier: GPL-2.0
/*
 * Stresses the ioasids controller and /dev/ioasid, and compares the answers and the
 * counts of the kernel with a model.
 *
 * The processes:
 *
 *	main		starts, kills and replaces the workers, and checks
 *	workers		processes of some threads. They take, reserve and give back
 *			IDs, close and open again, bind their memory to devices, fork,
 *			vfork, exec, pass descriptors to each other, move themselves
 *			and each other, lose their leader, exit, and are killed at any
 *			instant. Sharers share their memory, and may outlive them. They
 *			bind only if there is a mock IOMMU (CONFIG_IOASID_MOCK) and the
 *			kernel does not refuse SVA
 *	reader		a thread of main that reads the tracepoints, all of which are on
 *			if the kernel has them
 *	disturbers	one changes limits, one makes and removes subtrees, one
 *			switches the controller off and on, one freezes, one reads, one
 *			makes the kernel run its own stress (ioasid_stress of KUnit),
 *			one runs sequences of operations, one step at a time, in
 *			cgroups of its own (ioasids_sequence.c)
 *
 * The cgroups ("limited": with a limit that never changes):
 *
 *	ioasids_stress		limited
 *	  fixed			limited; workers move between a and b
 *	    a b
 *	    still		limited; its workers do not move
 *	  wild			workers move anywhere below; limits change
 *	    a b
 *	    switched/{x,y}	with the controller and without
 *	    churn/N/leaf	made and removed again and again
 *
 * The seed determines the random choices of each thread, but not how the threads
 * interleave.
 *
 * The model is in shared memory. An account there stands for one open of the device:
 * the IDs that it holds, the PASID of its memory included, and its reservation. An
 * account is pending while the kernel has handled a request of it and the model has
 * not, or the reverse. An answer is compared with the model if the request was alone:
 * no other request of the account overlapped with it. An account is live until just
 * before its owner closes the descriptor, execs, exits or is killed. The kernel must
 * not free, or give to others, an ID that a live account holds.
 *
 * The checks:
 *
 * - Each answer is one that the state of the caller allows.
 * - No ID is held twice: it is an error if one is granted that a live account holds.
 * - No process moves into the limited cgroups from outside and their limits do not
 *   change, so each of their charges fitted when it was added: their count never
 *   exceeds the limit, not even for an instant because of a refused request.
 * - With moves and limits at rest, the same holds in wild as a whole, unless it exceeded
 *   the limit before: then its count may only fall.
 * - With all processes frozen, no request is half done. Each open descriptor is found
 *   in /proc, or in a message in a socket, and each set that only a PASID keeps, in
 *   debugfs. Their charges add up to the count of each cgroup exactly; the owner is in
 *   the cgroup that pays; and the model agrees. This holds only then: a request
 *   charges one level after the other.
 * - IDs and quota end with the address space that they were taken in, even if other
 *   processes have copies of the descriptor.
 * - In a sequence, all counts agree with the model after each step.
 * - The capacity adds up whenever it is read.
 * - In the end nothing is charged, taken or dying.
 * - Each ID and each set that was traced when it was made is traced when it is freed.
 */
#define _GNU_SOURCE

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <getopt.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "ioasids_sequence.h"
#include "ioasids_util.h"

#define STRESS		"ioasids_stress"

#define TRACEFS		"/sys/kernel/tracing"
#define INSTANCE	TRACEFS "/instances/" STRESS
#define KUNIT		"/sys/kernel/debug/kunit/ioasid_stress"
#define MOCK_PASIDS	MOCK_TABLE "/pasids"
#define NARROW		31		/* the highest PASID of a narrow device */
#define NR_LOW		24		/* of these, PASIDs that drivers hold */

#define HANG_S		300		/* a hang: no step takes that long on a busy machine */
#define ENOUGH_S	10		/* the shortest run in which every operation must occur, */
#define PATIENCE_S	1200		/* within this much more time */

#define PATH_SIZE	512
#define MAX_WORKERS	64
#define MAX_THREADS	16
#define MAX_IDS		24		/* of a worker */
#define MAX_QUOTA	32
#define MAX_KEPT	2		/* descriptors of others, for each thread */
#define MAX_BONDS	3
#define MAX_SHARERS	2		/* of the memory of a worker */
#define NR_ACCOUNTS	65536	/* more than are opened during the life of one */

#define get(p)		__atomic_load_n(p, __ATOMIC_SEQ_CST)
#define put(p, v)	__atomic_store_n(p, v, __ATOMIC_SEQ_CST)
#define add(p, n)	__atomic_add_fetch(p, n, __ATOMIC_SEQ_CST)

enum check {
	ANSWERS, IDS, LIMITED, AT_REST, FROZEN, SEQUENCE, CAPACITY, KERNEL, END, TRACE, COVERAGE,
	HANG,
	NR_CHECKS,
};

static const char *const check_names[NR_CHECKS] = {
	[ANSWERS]  = "every answer is one that the caller's state allows",
	[IDS]	   = "no ID is held twice",
	[LIMITED]  = "where nobody moves in, a limit is never exceeded",
	[AT_REST]  = "with moves and limits at rest, nothing rises over a limit",
	[FROZEN]   = "with all frozen, accounts add up to the counts, and the model agrees",
	[SEQUENCE] = "in any sequence, IDs are counted in the cgroups of their processes",
	[CAPACITY] = "the capacity adds up",
	[KERNEL]   = "the kernel's own stress passes beside this one",
	[END]	   = "in the end nothing is left",
	[TRACE]	   = "all that is traced when it is made is traced when it is freed",
	[COVERAGE] = "every operation has occurred",
	[HANG]	   = "nothing hung",
};

enum deed {
	DID_OPEN, DID_OPEN_BUSY, DID_CLOSE, DID_GRANT, DID_REFUSAL, DID_FULL, DID_RESERVE,
	DID_RESERVE_REFUSAL, DID_TOO_SMALL, DID_WITHDRAW, DID_FREE, DID_BURST, DID_FREE_WRONG,
	DID_BAD,
	DID_INFO, DID_FDINFO, DID_FORK, DID_CLONE_INTO, DID_VFORK, DID_VFORK_OPEN, DID_EXEC,
	DID_POST, DID_FETCH, DID_DROP, DID_MOVE_SELF, DID_MOVE_OTHER, DID_LEADER_EXIT,
	DID_EXIT, DID_KILL, DID_LIMIT, DID_SUBTREE, DID_END, DID_SWITCH_OFF, DID_SWITCH_ON,
	DID_FREEZE, DID_READ, DID_REST, DID_FROZEN_CHECK, DID_COMPARED, DID_SHARE, DID_OUTLIVE,
	DID_SEQUENCE, DID_SEQUENCE_ADOPT, DID_SEQUENCE_END,
	/* Only with a mock IOMMU, and only where SVA is not refused */
	DID_KERNEL, DID_BIND, DID_BIND_AGAIN, DID_BIND_REFUSAL, DID_BIND_NARROW, DID_BIND_BROKEN,
	DID_BIND_KEPT, DID_UNBIND, DID_UNBIND_OLD, NR_DEEDS,
};

static const char *const deed_names[NR_DEEDS] = {
	[DID_OPEN] = "open",
	[DID_OPEN_BUSY] = "open again",
	[DID_CLOSE] = "close",
	[DID_GRANT] = "grant",
	[DID_REFUSAL] = "refusal",
	[DID_FULL] = "quota or range full",
	[DID_RESERVE] = "reserve",
	[DID_RESERVE_REFUSAL] = "reservation refused",
	[DID_TOO_SMALL] = "quota below what is held",
	[DID_WITHDRAW] = "withdraw",
	[DID_FREE] = "free",
	[DID_BURST] = "burst",
	[DID_FREE_WRONG] = "free another's",
	[DID_BAD] = "bad argument",
	[DID_INFO] = "info",
	[DID_FDINFO] = "fdinfo",
	[DID_FORK] = "fork",
	[DID_CLONE_INTO] = "clone into cgroup",
	[DID_VFORK] = "vfork",
	[DID_VFORK_OPEN] = "vfork opens",
	[DID_EXEC] = "exec",
	[DID_POST] = "post descriptor",
	[DID_FETCH] = "fetch descriptor",
	[DID_DROP] = "drop descriptor",
	[DID_MOVE_SELF] = "move itself",
	[DID_MOVE_OTHER] = "move another",
	[DID_LEADER_EXIT] = "leader exits",
	[DID_EXIT] = "exit",
	[DID_KILL] = "kill",
	[DID_LIMIT] = "change limit",
	[DID_SUBTREE] = "subtree",
	[DID_END] = "address space ends with a descriptor open elsewhere",
	[DID_SWITCH_OFF] = "switch off",
	[DID_SWITCH_ON] = "switch on",
	[DID_FREEZE] = "freeze",
	[DID_READ] = "read",
	[DID_REST] = "check at rest",
	[DID_FROZEN_CHECK] = "check frozen",
	[DID_COMPARED] = "account compared",
	[DID_SHARE] = "share the memory",
	[DID_OUTLIVE] = "grant to a sharer when the worker has left or closed",
	[DID_SEQUENCE] = "sequence",
	[DID_SEQUENCE_ADOPT] = "account adopted in a sequence",
	[DID_SEQUENCE_END] = "address space ends in a sequence, with a descriptor open",
	[DID_KERNEL] = "PASID of a driver",
	[DID_BIND] = "bind",
	[DID_BIND_AGAIN] = "bind again",
	[DID_BIND_REFUSAL] = "bind refused",
	[DID_BIND_NARROW] = "bind to too narrow a device",
	[DID_BIND_BROKEN] = "bind to a broken device",
	[DID_BIND_KEPT] = "bind while only a sharer has the device open",
	[DID_UNBIND] = "unbind",
	[DID_UNBIND_OLD] = "unbind after exec",
};

enum place {
	TOP, FIXED, FIXED_A, FIXED_B, STILL,
	WILD, WILD_A, WILD_B, SWITCHED, SWITCHED_X, SWITCHED_Y, CHURN, NR_PLACES,
};

static const struct {
	const char *path;
	bool parent;			/* of cgroups with the controller */
	unsigned int limit;		/* for each worker; 0: none, or it changes */
} places[NR_PLACES] = {
	[TOP]	     = { STRESS, true, 14 },
	[FIXED]	     = { STRESS "/fixed", true, 5 },
	[FIXED_A]    = { STRESS "/fixed/a" },
	[FIXED_B]    = { STRESS "/fixed/b" },
	[STILL]	     = { STRESS "/fixed/still", false, 2 },
	[WILD]	     = { STRESS "/wild", true },
	[WILD_A]     = { STRESS "/wild/a" },
	[WILD_B]     = { STRESS "/wild/b" },
	[SWITCHED]   = { STRESS "/wild/switched", true },
	[SWITCHED_X] = { STRESS "/wild/switched/x" },
	[SWITCHED_Y] = { STRESS "/wild/switched/y" },
	[CHURN]	     = { STRESS "/wild/churn", true },
};

/* One open of the device. Numbers are never used twice, entries are. */
struct account {
	unsigned int number;
	unsigned int live;
	int slot;			/* of the worker; -1: a child of one */
	unsigned int life;		/* the worker's */
	pid_t owner;			/* the charge follows it; 0: none */
	long set;			/* its number in fdinfo; 0: not read yet */
	unsigned int held;
	unsigned int quota;
	unsigned int pending;
	unsigned int begun;
};

/* The state of one worker after the other: a dead one is replaced. */
struct slot {
	pid_t pid;
	unsigned int life;		/* counts the workers of the slot */
	unsigned int alive;		/* @life; 0 from just before it is killed */
	unsigned int execs;
	unsigned int moving;		/* how many of its threads are moving a process */
	unsigned int account;		/* number; 0: none */
	unsigned long steps;
};

/* From READER on, they change nothing in the tree, and are never paused. */
enum disturber {
	LIMITER, CHURNER, SWITCHER, FREEZER, READER, STARTER, SEQUENCER, NR_DISTURBERS,
};

static const char *const disturber_names[] = {
	"limiter", "churner", "switcher", "freezer", "reader", "starter", "sequencer",
};

static struct shared {
	char root[256];
	__u64 seed;
	int processes, threads;
	bool has_kunit, has_mock, has_sva;
	long total;			/* how many IDs the machine has */
	unsigned int bits;		/* the width of an ID */
	unsigned int stop;
	unsigned int paused;		/* no moves, no changes of settings */
	unsigned int hold;		/* no new operations of workers */
	unsigned int sharers_moving;	/* how many are moving themselves */
	unsigned int churn;		/* the number of the present subtree; 0: none */
	unsigned int last_mm;
	unsigned int last_account;
	struct {
		unsigned int busy;
		unsigned long steps;
	} disturbers[NR_DISTURBERS];
	struct slot slots[MAX_WORKERS];
	unsigned long done[NR_DEEDS];
	unsigned int nr_kunit;
	unsigned int failed[NR_CHECKS];
	unsigned int nr_failures;
	struct {
		unsigned int ready;
		char text[512];
	} failures[8];
	unsigned int holder[TOTAL + 1];	/* the number of the account */
	struct account accounts[NR_ACCOUNTS];
} *shared;

static int shared_fd, mailbox[2];

static void did(enum deed deed)
{
	add(&shared->done[deed], 1);
}

static __printf(2, 3) void fail(enum check check, const char *format, ...)
{
	unsigned int n = add(&shared->nr_failures, 1) - 1;
	va_list args;

	if (n < ARRAY_SIZE(shared->failures)) {
		va_start(args, format);
		vsnprintf(shared->failures[n].text, sizeof(shared->failures[n].text), format, args);
		va_end(args);
		put(&shared->failures[n].ready, 1);
	}
	put(&shared->failed[check], 1);
}

static long now_ms(void)
{
	return now_us() / 1000;
}

/* Each thread has a stream of random numbers of its own: splitmix64. */

struct thread {
	__u64 state;
	int kept[MAX_KEPT];
	int nr_kept;
};

static __u64 next(struct thread *self)
{
	__u64 z = self->state += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

/* From @from to @to, both included */
static unsigned int between(struct thread *self, unsigned int from, unsigned int to)
{
	return from + next(self) % (to - from + 1);
}

static bool one_in(struct thread *self, unsigned int n)
{
	return !(next(self) % n);
}

static struct thread new_thread(unsigned int kind, unsigned int life, unsigned int nr)
{
	__u64 who = (__u64)kind << 48 | (__u64)nr << 32 | life;
	struct thread thread = { .state = shared->seed ^ who };

	thread.state = next(&thread);
	return thread;
}

/* Cgroups */

static const char *place_path(enum place place, char *buf)
{
	snprintf(buf, PATH_SIZE, "%s/%s", shared->root, places[place].path);
	return buf;
}

static long set_number(const char *cgroup, const char *file, long value)
{
	char number[24];

	snprintf(number, sizeof(number), "%ld", value);
	return set(cgroup, file, number);
}

#define NO_NUMBER	LONG_MIN

/* The number in @text after @key; NO_NUMBER if it is not there. */
static long number_in(const char *text, const char *key)
{
	const char *at = strstr(text, key);
	char *end;
	long n;

	if (!at)
		return NO_NUMBER;
	at += strlen(key);
	if (!strncmp(at, "max", 3))
		return LONG_MAX;
	n = strtol(at, &end, 10);
	return end == at ? NO_NUMBER : n;
}

static long number_of(const char *cgroup, const char *file, const char *key)
{
	char buf[PAGE_SIZE];

	return cg_read(cgroup, file, buf, sizeof(buf)) ? NO_NUMBER : number_in(buf, key);
}

static long charge_of(const char *cgroup)
{
	return number_of(cgroup, "ioasids.current", "");
}

static long max_of(const char *cgroup)
{
	return number_of(cgroup, "ioasids.max", "");
}

static void check_capacity(void)
{
	long total, kernel, user, available;
	char buf[PAGE_SIZE];

	if (cg_read(shared->root, "ioasids.capacity", buf, sizeof(buf))) {
		fail(CAPACITY, "ioasids.capacity cannot be read");
		return;
	}
	total = number_in(buf, "total ");
	kernel = number_in(buf, "kernel ");
	user = number_in(buf, "user ");
	available = number_in(buf, "available ");
	if (total != shared->total || kernel < 0 || user < 0 || available < 0 ||
	    kernel + user + available != total)
		fail(CAPACITY, "total %ld kernel %ld user %ld available %ld",
		     total, kernel, user, available);
}

/* Check charge and peak of a limited cgroup; they hold at any instant. */
static void check_limited(enum place place)
{
	long max = places[place].limit * shared->processes, current, peak;
	char path[PATH_SIZE];

	if (!places[place].limit)
		return;
	place_path(place, path);
	current = charge_of(path);
	peak = number_of(path, "ioasids.peak", "");
	if (max_of(path) != max || current < 0 || current > max || peak < 0 || peak > max)
		fail(LIMITED, "%s: max %ld, should be %ld, current %ld peak %ld", path,
		     max_of(path), max, current, peak);
}

/* The model */

static struct account *account_of(unsigned int number)
{
	return &shared->accounts[number % NR_ACCOUNTS];
}

static bool is_live(unsigned int number)
{
	struct account *a = account_of(number);

	return number && get(&a->number) == number && get(&a->live) &&
	       (a->slot < 0 || get(&shared->slots[a->slot].alive) == a->life);
}

static struct account *new_account(int slot, pid_t owner)
{
	unsigned int number = add(&shared->last_account, 1);
	struct account *a = account_of(number);

	put(&a->live, 0);
	put(&a->number, number);
	a->slot = slot;
	a->life = slot < 0 ? 0 : shared->slots[slot].life;
	a->owner = owner;
	a->held = 0;
	a->quota = 0;
	a->pending = 0;
	a->begun = 0;
	put(&a->set, 0);
	put(&a->live, 1);
	return a;
}

/* A request, and the account's numbers when it began */
struct request {
	struct account *account;
	unsigned int begun;
	bool alone;
	unsigned int held;
	unsigned int quota;
};

static struct request begin(struct account *a)
{
	struct request r = { .account = a };

	r.begun = add(&a->begun, 1);
	r.alone = add(&a->pending, 1) == 1;
	r.held = get(&a->held);
	r.quota = get(&a->quota);
	return r;
}

static bool was_alone(struct request *r)
{
	return r->alone && get(&r->account->begun) == r->begun;
}

static void end(struct request *r)
{
	add(&r->account->pending, -1);
}

static void wrong(struct request *r, const char *what, long arg, long ret)
{
	fail(ANSWERS, "%s %ld: %ld%s%s; the account had quota %u, held %u; %s", what, arg, ret,
	     ret < 0 ? " " : "", ret < 0 ? strerror(-ret) : "", r->quota, r->held,
	     was_alone(r) ? "alone" : "not alone");
}

/*
 * A grant may be noted late, after the account was closed and another one got the ID:
 * ignore the grant if the account is not live.
 */
static void note_grant(struct account *a, unsigned int id)
{
	unsigned int number = a->number, old = get(&shared->holder[id]);

	do {
		if (is_live(old)) {
			if (is_live(number))
				fail(IDS, "ID %u was granted to account %u, and %u holds it",
				     id, number, old);
			return;
		}
	} while (!__atomic_compare_exchange_n(&shared->holder[id], &old, number, false,
					      __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
}

static void note_free(struct account *a, unsigned int id)
{
	unsigned int old = a->number;

	if (!__atomic_compare_exchange_n(&shared->holder[id], &old, 0, false,
					 __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST) && is_live(a->number))
		fail(IDS, "ID %u of account %u was given to account %u", id, a->number, old);
}

/* Requests to the device */

static long fd_ioctl(int fd, unsigned int cmd, void *arg)
{
	return result(ioctl(fd, cmd, arg));
}

static long take_id(struct account *a, int fd, unsigned int min, unsigned int max)
{
	struct abi_request arg = { .argsz = sizeof(arg), .min = min, .max = max };
	struct request r = begin(a);
	long ret = fd_ioctl(fd, ABI_REQUEST_ALLOC, &arg);
	bool alone = was_alone(&r), full = r.quota && r.held >= r.quota;

	if (ret >= (min ?: 1) && ret <= max && ret <= TOTAL) {
		if (alone && full)
			wrong(&r, "take beyond the quota", max, ret);
		note_grant(a, ret);
		add(&a->held, 1);
		did(DID_GRANT);
	} else if (ret == -EAGAIN) {
		if (alone && r.quota)
			wrong(&r, "take inside the quota", max, ret);
		did(DID_REFUSAL);
	} else if (ret == -ENOSPC) {
		/* The limit of the top cgroup is lower than the machine's capacity. */
		if (alone && max >= TOTAL && !full)
			wrong(&r, "take up to", max, ret);
		did(DID_FULL);
	} else {
		wrong(&r, "take up to", max, ret);
	}
	end(&r);
	return ret;
}

/* Give back an ID; no other thread gives back the same one. */
static void give_id(struct account *a, int fd, int id)
{
	struct request r = begin(a);
	long ret;

	note_free(a, id);
	ret = fd_ioctl(fd, ABI_REQUEST_FREE, &id);
	if (ret)
		wrong(&r, "free", id, ret);
	add(&a->held, -1);
	did(DID_FREE);
	end(&r);
}

static void reserve_ids(struct account *a, int fd, unsigned int quota)
{
	struct abi_quota arg = { .argsz = sizeof(arg), .quota = quota };
	struct request r = begin(a);
	long ret = fd_ioctl(fd, ABI_SET_QUOTA, &arg);
	bool alone = was_alone(&r);

	if (!ret) {
		if (alone && quota && quota < r.held)
			wrong(&r, "reserve", quota, ret);
		put(&a->quota, quota);
		did(quota ? DID_RESERVE : DID_WITHDRAW);
	} else if (ret == -EAGAIN && quota) {
		if (alone && quota <= (r.quota ?: r.held))
			wrong(&r, "reserve", quota, ret);
		did(DID_RESERVE_REFUSAL);
	} else if (ret == -ENOSPC && quota) {
		if (alone && quota >= r.held)
			wrong(&r, "reserve", quota, ret);
		did(DID_TOO_SMALL);
	} else {
		wrong(&r, "reserve", quota, ret);
	}
	end(&r);
}

static void ask_info(struct account *a, int fd)
{
	struct abi_info arg = { .argsz = sizeof(arg) };
	struct request r = begin(a);
	long ret = fd_ioctl(fd, ABI_GET_INFO, &arg);

	if (ret || arg.ioasid_bits != shared->bits || arg.available > shared->total)
		wrong(&r, "info", arg.available, ret);
	else if (was_alone(&r) && (arg.quota != r.quota || arg.allocated != r.held ||
				   (r.quota && arg.available != r.quota - r.held)))
		wrong(&r, "info: allocated", arg.allocated, ret);
	did(DID_INFO);
	end(&r);
}

struct call {
	unsigned int cmd;
	void *arg;
	long error;
};

/* 0, or the result of the first call that does not fail with its error */
static long must_fail(int fd, const struct call *call, int n)
{
	for (; n--; call++) {
		long ret = fd_ioctl(fd, call->cmd, call->arg);

		if (ret != -call->error)
			return ret ?: 1;
	}
	return 0;
}

static void ask_nonsense(struct thread *self, struct account *a, int fd)
{
	struct abi_request request = { .argsz = sizeof(request), .min = 2, .max = 1 };
	struct abi_quota quota = { .argsz = sizeof(quota), .flags = 1 };
	int low = between(self, 0, 1) - 1, high = between(self, TOTAL + 1, INT_MAX);
	const struct call calls[] = {
		{ ABI_REQUEST_ALLOC, &request, EINVAL },
		{ ABI_SET_QUOTA, &quota, EINVAL },
		{ ABI_REQUEST_FREE, &low, EINVAL },
		{ ABI_REQUEST_FREE, &high, ENOENT },
	};
	struct request r = begin(a);
	long ret = must_fail(fd, calls, ARRAY_SIZE(calls));

	if (ret)
		wrong(&r, "nonsense", high, ret);
	did(DID_BAD);
	end(&r);
}

/* Each ioctl of a process in another address space fails. */
static void expect_eperm(struct thread *self, int fd, const char *who)
{
	struct abi_info info = { .argsz = sizeof(info) };
	struct abi_request request = { .argsz = sizeof(request), .max = TOTAL };
	struct abi_quota quota = { .argsz = sizeof(quota), .quota = between(self, 0, MAX_QUOTA) };
	int id = between(self, 1, 100);
	const struct call calls[] = {
		{ ABI_GET_API_VERSION, NULL, EPERM },
		{ ABI_GET_INFO, &info, EPERM },
		{ ABI_REQUEST_ALLOC, &request, EPERM },
		{ ABI_REQUEST_FREE, &id, EPERM },
		{ ABI_SET_QUOTA, &quota, EPERM },
	};
	long ret = must_fail(fd, calls, ARRAY_SIZE(calls));

	if (ret)
		fail(ANSWERS, "%s with a descriptor that is not its own: %ld, not EPERM", who, ret);
}

/*
 * A worker. These variables, the locks included, belong to one process. A thread has
 * @lock for writing if it changes @device, or if no ID may be taken or freed meanwhile.
 */

static int slot_nr;
static struct slot *slot;
static unsigned int mm_number;
static int device = -1, old_device = -1;
static struct account *account;
static bool exposed;			/* others may have a copy of the descriptor */
static unsigned int sharers;		/* how many live in this memory and use @account */
static pthread_rwlock_t lock = PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP;
static pthread_mutex_t quota_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t ids_lock = PTHREAD_MUTEX_INITIALIZER;
static int ids[MAX_IDS + MAX_THREADS], nr_ids;

/* To bind, a thread takes @lock for reading, then @bond_lock. */
static pthread_mutex_t bond_lock = PTHREAD_MUTEX_INITIALIZER;
static int bonds[MAX_BONDS], nr_bonds, old_bond = -1;
static bool bound;			/* this memory has a PASID */
static long pasid;			/* 0: not known */
static pid_t set_owner;			/* the owner of its set; 0: none, or not known */

static void *worker_thread(void *thread);

/* If the leader has exited, /proc/self is a zombie and has no files: use thread-self. */
static bool read_fdinfo(const char *task, const char *fd, char *buf)
{
	char path[PATH_SIZE];

	snprintf(path, sizeof(path), "/proc/%s/fdinfo/%s", task, fd);
	return read_text(path, buf, PAGE_SIZE) > 0 && strstr(buf, "ioasid-set:");
}

static void ask_fdinfo(void)
{
	struct request r = begin(account);
	char fd[16], buf[PAGE_SIZE];

	snprintf(fd, sizeof(fd), "%d", device);
	if (!read_fdinfo("thread-self", fd, buf) ||
	    number_in(buf, "ioasid-set:\t") != account->set)
		wrong(&r, "fdinfo", device, account->set);
	else if (was_alone(&r) && (number_in(buf, "ioasid-quota:\t") != r.quota ||
				   number_in(buf, "ioasid-allocated:\t") != r.held))
		wrong(&r, "fdinfo", number_in(buf, "ioasid-allocated:\t"), 0);
	did(DID_FDINFO);
	end(&r);
}

static void learn_set(void)
{
	char fd[16], buf[PAGE_SIZE];

	snprintf(fd, sizeof(fd), "%d", device);
	if (read_fdinfo("thread-self", fd, buf))
		put(&account->set, number_in(buf, "ioasid-set:\t"));
	else
		fail(ANSWERS, "no fdinfo of a descriptor");
}

static void open_own(pid_t owner)
{
	int fd = open(DEVICE, O_RDWR);

	if (fd < 0) {
		if (errno != EBUSY || (device < 0 && !get(&exposed)))
			fail(ANSWERS, "open: %s; descriptor %d, %sexposed", strerror(errno), device,
			     exposed ? "" : "not ");
		did(DID_OPEN_BUSY);
		return;
	}
	if (device >= 0)
		fail(ANSWERS, "opened twice by one address space");
	/* The last copy of the previous descriptor is closed. */
	put(&exposed, false);
	if (!bound)
		set_owner = owner;
	account = new_account(slot_nr, set_owner);
	account->held = bound;
	device = fd;
	put(&slot->account, account->number);
	did(DID_OPEN);
}

static int child_opens(void *thread)
{
	open_own(0);
	_exit(0);
}

/* A child in the same address space; the caller waits until it ends. */
static void vfork_child(void *arg, int (*child)(void *arg), int flags)
{
	char stack[8 * PAGE_SIZE];

	if (clone(child, stack + sizeof(stack), CLONE_VM | CLONE_VFORK | SIGCHLD | flags, arg) < 0)
		fail(ANSWERS, "vfork: %s", strerror(errno));
}

static void do_open(struct thread *self)
{
	pthread_rwlock_wrlock(&lock);
	if (device < 0 && one_in(self, 4)) {
		/* The owner of this account will be dead. */
		vfork_child(self, child_opens, CLONE_FILES);
		if (device >= 0)
			did(DID_VFORK_OPEN);
	} else {
		open_own(getpid());
	}
	if (device >= 0 && !account->set)
		learn_set();
	pthread_rwlock_unlock(&lock);
	/* Other processes have copies, and may close them soon. */
	if (get(&device) < 0)
		usleep(between(self, 0, 10000));
}

static void do_close(struct thread *self)
{
	int fd;

	pthread_rwlock_wrlock(&lock);
	fd = device;
	if (fd >= 0) {
		put(&account->live, 0);
		put(&slot->account, 0);
		device = -1;
		nr_ids = 0;
		if (close(fd))
			fail(ANSWERS, "close: %s", strerror(errno));
		did(DID_CLOSE);
	}
	fd = old_device;
	if (fd >= 0) {
		expect_eperm(self, fd, "a process after exec");
		old_device = -1;
		close(fd);
	}
	pthread_rwlock_unlock(&lock);
}

static void do_take(struct thread *self)
{
	unsigned int min = 0, max = one_in(self, 2) ? TOTAL : UINT_MAX;
	long id;

	if (get(&nr_ids) >= MAX_IDS)
		return;
	if (one_in(self, 8)) {
		min = between(self, 0, 50);
		max = between(self, min ?: 1, min + 3);
	}
	id = take_id(account, device, min, max);
	if (id <= 0)
		return;
	pthread_mutex_lock(&ids_lock);
	ids[nr_ids++] = id;
	pthread_mutex_unlock(&ids_lock);
}

static void do_give(struct thread *self)
{
	int id = 0, n;

	pthread_mutex_lock(&ids_lock);
	if (nr_ids) {
		n = next(self) % nr_ids;
		id = ids[n];
		ids[n] = ids[--nr_ids];
	}
	pthread_mutex_unlock(&ids_lock);
	if (id)
		give_id(account, device, id);
}

static void do_reserve(struct thread *self)
{
	pthread_mutex_lock(&quota_lock);
	reserve_ids(account, device, one_in(self, 3) ? 0 : between(self, 1, MAX_QUOTA));
	pthread_mutex_unlock(&quota_lock);
}

/* As fast as possible, to race for the last ID below the limit. */
static void do_burst(struct thread *self)
{
	int n = between(self, 1, 20);
	long id;

	while (n--) {
		id = take_id(account, device, 0, TOTAL);
		if (id > 0)
			give_id(account, device, id);
	}
	did(DID_BURST);
}

static void do_info(struct thread *self)
{
	ask_info(account, device);
}

static void do_fdinfo(struct thread *self)
{
	ask_fdinfo();
}

static void do_bad(struct thread *self)
{
	ask_nonsense(self, account, device);
}

/* No ID of this account is taken or freed meanwhile, so the ID cannot be its own. */
static void do_free_wrong(struct thread *self)
{
	int id, i;
	long ret;

	pthread_rwlock_wrlock(&lock);
	id = between(self, 1, 14 * shared->processes);
	for (i = 0; i < nr_ids && ids[i] != id; i++)
		;
	if (device >= 0 && i == nr_ids && get(&account->held) == nr_ids + bound &&
	    !get(&sharers)) {
		ret = fd_ioctl(device, ABI_REQUEST_FREE, &id);
		if (ret != -EACCES && ret != -ENOENT)
			fail(ANSWERS, "free of ID %d, which another may have: %ld", id, ret);
		did(DID_FREE_WRONG);
	}
	pthread_rwlock_unlock(&lock);
}

static long open_mock(const char *name, int *fd)
{
	char path[32], number[16] = "";

	snprintf(path, sizeof(path), MOCK "%s", name);
	*fd = open(path, O_RDWR | O_CLOEXEC);
	if (*fd < 0)
		return -errno;
	return read(*fd, number, sizeof(number) - 1) > 0 ? atol(number) : -ENODATA;
}

/* The mm keeps its PASID until it is freed, even if the bind fails in its last step. */
static void bind_memory(struct account *a, const char *name)
{
	bool narrow = !strcmp(name, "narrow"), broken = !strcmp(name, "broken");
	struct request r = begin(a);
	bool had = bound, alone, full;
	long ret;
	int fd;

	ret = open_mock(name, &fd);
	/* The model does not know the numbers of a set that other processes keep open. */
	alone = was_alone(&r) && (device >= 0 || !get(&exposed));
	full = r.quota && r.held >= r.quota;
	if (ret > 0 || (ret == -EIO && broken)) {
		if (had ? ret > 0 && pasid && ret != pasid : alone && full)
			wrong(&r, "bind", had, ret);
		if (ret > 0 && (broken || (narrow && ret > NARROW)))
			wrong(&r, "bind to a narrow or broken device", had, ret);
		if (!had) {
			bound = true;
			add(&a->held, 1);
		}
		if (ret > 0) {
			pasid = ret;
			bonds[nr_bonds++] = fd;
		}
		did(ret < 0 ? DID_BIND_BROKEN : had ? DID_BIND_AGAIN : DID_BIND);
	} else if (ret == -EOVERFLOW && narrow && had && (!pasid || pasid > NARROW)) {
		did(DID_BIND_NARROW);
	} else if (ret == -EAGAIN && !had && !(alone && r.quota)) {
		did(DID_BIND_REFUSAL);
	} else if (ret != -ENOSPC || had || (alone && !full && !narrow)) {
		wrong(&r, "bind", had, ret);
	}
	end(&r);
}

static void do_bind(struct thread *self)
{
	static const char *const names[] = { "a", "b", "narrow", "narrow", "broken" };
	struct account none = {};
	bool kept;

	if (!shared->has_sva)
		return;
	pthread_rwlock_rdlock(&lock);
	pthread_mutex_lock(&bond_lock);
	/* A sharer has the device open: a PASID comes into its set. */
	kept = device < 0 && get(&sharers);
	if (nr_bonds < MAX_BONDS) {
		if (!bound && device < 0)
			set_owner = get(&exposed) ? 0 : getpid();
		if (!bound && kept)
			did(DID_BIND_KEPT);
		bind_memory(device >= 0 || kept ? account : &none,
			    names[between(self, 0, ARRAY_SIZE(names) - 1)]);
	}
	pthread_mutex_unlock(&bond_lock);
	pthread_rwlock_unlock(&lock);
}

static void do_unbind(struct thread *self)
{
	pthread_mutex_lock(&bond_lock);
	if (old_bond >= 0) {
		close(old_bond);
		old_bond = -1;
		did(DID_UNBIND_OLD);
	} else if (nr_bonds) {
		close(bonds[--nr_bonds]);
		did(DID_UNBIND);
	}
	pthread_mutex_unlock(&bond_lock);
}

/* A PASID that a driver takes for itself must not be held by an account. */
static void do_kernel(struct thread *self)
{
	unsigned int holder;
	long id;
	int fd;

	if (!shared->has_mock)
		return;
	id = open_mock("kernel", &fd);
	holder = id > 0 ? get(&shared->holder[id]) : 0;
	if (id <= 0)
		fail(ANSWERS, "PASID of a driver: %ld", id);
	else if (is_live(holder))
		fail(IDS, "ID %ld was granted to a driver, and account %u holds it", id, holder);
	if (one_in(self, 2))
		usleep(between(self, 0, 2000));
	if (fd >= 0)
		close(fd);
	did(DID_KERNEL);
}

static int child_takes(void *thread)
{
	long id = take_id(account, device, 0, TOTAL);

	if (id > 0)
		give_id(account, device, id);
	_exit(0);
}

static void do_vfork(struct thread *self)
{
	/* The parent resumes before the child closes its copy. */
	put(&exposed, true);
	vfork_child(self, child_takes, 0);
	did(DID_VFORK);
}

/* Open the device and take some IDs, in a child that may exit soon */
static struct account *open_in_child(struct thread *self, int *fd)
{
	struct account *a;
	int n;

	*fd = open(DEVICE, O_RDWR);
	if (*fd < 0) {
		fail(ANSWERS, "open in a child: %s", strerror(errno));
		_exit(1);
	}
	a = new_account(-1, getpid());
	a->held = bound;
	if (one_in(self, 2))
		reserve_ids(a, *fd, between(self, 1, 4));
	for (n = between(self, 1, 3); n; n--)
		take_id(a, *fd, 0, TOTAL);
	return a;
}

/* In an address space of its own: other threads may have held locks at the fork. */
static void be_child(struct thread self)
{
	struct account *a;
	int fd;

	self.state ^= getpid();
	expect_eperm(&self, device, "a child");
	/* It has copies of its parent's bound descriptors, but no PASID. */
	bound = false;
	pasid = 0;
	nr_bonds = 0;
	if (shared->has_sva && one_in(&self, 4)) {
		struct account none = {};

		bind_memory(&none, "b");
	}
	if (one_in(&self, 2)) {
		a = open_in_child(&self, &fd);
		usleep(between(&self, 0, 20000));
		put(&a->live, 0);
	}
	if (one_in(&self, 4))
		usleep(between(&self, 0, 50000));
	_exit(0);
}

static void do_fork(struct thread *self)
{
	pid_t pid;

	put(&exposed, true);
	next(self);
	pid = fork();
	if (!pid)
		be_child(*self);
	if (pid < 0)
		fail(ANSWERS, "fork: %s", strerror(errno));
	did(DID_FORK);
}

/* A random cgroup that the worker of slot @n may move to */
static const char *somewhere(struct thread *self, int n, char *path)
{
	static const enum place wild[] = { WILD_A, WILD_B, SWITCHED_X, SWITCHED_Y, CHURN };
	static const enum place fixed[] = { FIXED_A, FIXED_B };
	enum place place;

	/* Of six workers, three move in wild, two in fixed, and one does not move. */
	if (n % 6 == 3)
		return place_path(STILL, path);
	place = n % 2 ? fixed[next(self) % ARRAY_SIZE(fixed)] : wild[next(self) % ARRAY_SIZE(wild)];
	place_path(place, path);
	if (place == CHURN) {
		unsigned int churn = get(&shared->churn);

		if (!churn)
			return place_path(WILD_A, path);
		snprintf(path + strlen(path), PATH_SIZE - strlen(path), "/%u/leaf", churn);
	}
	return path;
}

/* A subtree in churn may be removed before it is used. */
static bool is_gone(const char *path, int error)
{
	return strstr(path, "/churn/") && (error == ENOENT || error == ENODEV);
}

static void do_clone_into(struct thread *self)
{
	char path[PATH_SIZE];
	int dir = dirfd_open_opath(somewhere(self, slot_nr, path));
	pid_t pid;

	put(&exposed, true);
	if (dir < 0) {
		if (!is_gone(path, errno))
			fail(ANSWERS, "open %s: %s", path, strerror(errno));
		return;
	}
	pid = clone_into_cgroup(dir);
	if (!pid)
		be_child(*self);
	if (pid < 0 && !is_gone(path, errno))
		fail(ANSWERS, "clone into %s: %s", path, strerror(errno));
	else
		did(DID_CLONE_INTO);
	close(dir);
}

/* Whether moves are allowed now; if so, the caller decrements @moving afterwards. */
static bool begin_move(void)
{
	add(&slot->moving, 1);
	if (!get(&shared->paused))
		return true;
	add(&slot->moving, -1);
	return false;
}

static void move_worker(struct thread *self, int n, pid_t pid, enum deed deed)
{
	char path[PATH_SIZE];
	long ret;

	if (n % 6 == 3 || !begin_move())
		return;
	ret = set_number(somewhere(self, n, path), "cgroup.procs", pid);
	if (!ret)
		did(deed);
	else if (!is_gone(path, -ret) && !(pid && ret == -ESRCH))
		fail(ANSWERS, "move of %d to %s: %s", pid, path, strerror(-ret));
	add(&slot->moving, -1);
}

static void do_move_self(struct thread *self)
{
	move_worker(self, slot_nr, 0, DID_MOVE_SELF);
}

static void do_move_other(struct thread *self)
{
	int n = next(self) % shared->processes;
	pid_t pid = get(&shared->slots[n].alive) ? get(&shared->slots[n].pid) : 0;

	if (pid && n != slot_nr)
		move_worker(self, n, pid, DID_MOVE_OTHER);
}

/*
 * A process that shares the worker's memory, moves by itself, and goes on when the
 * worker is killed or execs. It takes no lock, as a thread may have died with it.
 */
struct sharer {
	struct thread self;
	struct account *account;
	int fd;
};

static void move_sharer(struct thread *self)
{
	char path[PATH_SIZE];
	long ret;

	if (slot_nr % 6 == 3)
		return;
	add(&shared->sharers_moving, 1);
	if (!get(&shared->paused)) {
		ret = set_number(somewhere(self, slot_nr, path), "cgroup.procs", 0);
		if (ret && !is_gone(path, -ret))
			fail(ANSWERS, "move of a sharer to %s: %s", path, strerror(-ret));
	}
	add(&shared->sharers_moving, -1);
}

static int be_sharer(void *arg)
{
	struct sharer *s = arg;
	int taken[4], n = 0, steps = between(&s->self, 1, 60);
	long id;

	while (steps--) {
		switch (between(&s->self, 0, 7)) {
		case 0:
			move_sharer(&s->self);
			break;
		case 1:
			usleep(between(&s->self, 0, 5000));
			break;
		case 2:
		case 3:
			if (n)
				give_id(s->account, s->fd, taken[--n]);
			break;
		default:
			id = n < ARRAY_SIZE(taken) ? take_id(s->account, s->fd, 0, TOTAL) : 0;
			if (id <= 0)
				break;
			taken[n++] = id;
			if (!is_live(s->account->number))
				did(DID_OUTLIVE);
		}
		while (get(&shared->hold))
			usleep(5000);
	}
	while (n)
		give_id(s->account, s->fd, taken[--n]);
	add(&sharers, -1);
	_exit(0);
}

/* The sharer uses this thread's state of the C library; the thread waits for it. */
static void *wait_for_sharer(void *arg)
{
	struct sharer *s = arg;

	vfork_child(s, be_sharer, 0);
	close(s->fd);
	free(s);
	return NULL;
}

static void do_share(struct thread *self)
{
	struct sharer *s;
	pthread_t thread;

	if (get(&sharers) >= MAX_SHARERS)
		return;
	s = malloc(sizeof(*s));
	s->self = *self;
	s->self.nr_kept = 0;
	s->self.state = next(self);
	s->account = account;
	s->fd = fcntl(device, F_DUPFD_CLOEXEC, 0);
	put(&exposed, true);
	add(&sharers, 1);
	if (s->fd >= 0 && !pthread_create(&thread, NULL, wait_for_sharer, s)) {
		pthread_detach(thread);
		did(DID_SHARE);
		return;
	}
	/* The machine may be short of threads for a moment. */
	add(&sharers, -1);
	close(s->fd);
	free(s);
}

static void do_post(struct thread *self)
{
	int ret;

	put(&exposed, true);
	ret = send_fd(mailbox[0], device, mm_number);
	if (!ret)
		did(DID_POST);
	else if (ret != -EAGAIN)
		fail(ANSWERS, "sendmsg: %s", strerror(-ret));
}

static void do_fetch(struct thread *self)
{
	unsigned int mm;
	int fd;

	if (self->nr_kept == MAX_KEPT)
		return;
	fd = receive_fd(mailbox[1], &mm, MSG_CMSG_CLOEXEC);
	if (fd == -EAGAIN)
		return;
	if (fd < 0) {
		fail(ANSWERS, "recvmsg: %s", strerror(-fd));
		return;
	}
	if (mm != mm_number)
		expect_eperm(self, fd, "a process that received a copy");
	self->kept[self->nr_kept++] = fd;
	did(DID_FETCH);
}

static void do_drop(struct thread *self)
{
	if (!self->nr_kept)
		return;
	close(self->kept[--self->nr_kept]);
	did(DID_DROP);
}

static void do_exec(struct thread *self)
{
	char args[4][16];
	int keep = -1;

	if (old_device >= 0 || get(&old_bond) >= 0)
		return;
	pthread_mutex_lock(&bond_lock);
	if (nr_bonds) {
		keep = bonds[0];
		fcntl(keep, F_SETFD, 0);
	}
	snprintf(args[0], sizeof(args[0]), "%d", shared_fd);
	snprintf(args[1], sizeof(args[1]), "%d", slot_nr);
	snprintf(args[2], sizeof(args[2]), "%d", device);
	snprintf(args[3], sizeof(args[3]), "%d", keep);
	put(&account->live, 0);
	did(DID_EXEC);
	execl("/proc/thread-self/exe", "stress_ioasids", "resume", args[0], args[1], args[2],
	      args[3], NULL);
	fail(ANSWERS, "exec: %s", strerror(errno));
	pthread_mutex_unlock(&bond_lock);
}

static void spawn_thread(struct thread *self)
{
	struct thread *copy = malloc(sizeof(*copy));
	pthread_t thread;
	int ret, i;

	*copy = *self;
	/* The machine may be short of threads or memory for a moment. */
	for (i = 0; i < 1000; i++) {
		ret = pthread_create(&thread, NULL, worker_thread, copy);
		if (ret != EAGAIN)
			break;
		usleep(1000);
	}
	if (ret)
		fail(ANSWERS, "pthread_create: %s", strerror(ret));
	else
		pthread_detach(thread);
}

/* The leader exits, and another thread takes its place. */
static void do_leader_exit(struct thread *self)
{
	if (gettid() != getpid())
		return;
	spawn_thread(self);
	did(DID_LEADER_EXIT);
	syscall(SYS_exit, 0);
}

static void do_exit(struct thread *self)
{
	put(&slot->alive, 0);
	did(DID_EXIT);
	_exit(0);
}

static void do_rest(struct thread *self)
{
	usleep(between(self, 0, 5000));
}

enum { ANYHOW, WITH_DEVICE, WITH_LOCK };

static const struct {
	void (*act)(struct thread *self);
	unsigned int weight;
	int needs;			/* WITH_LOCK: the device stays open meanwhile */
} acts[] = {
	{ do_take, 90, WITH_LOCK },
	{ do_give, 50, WITH_LOCK },
	{ do_reserve, 30, WITH_LOCK },
	{ do_burst, 40, WITH_LOCK },
	{ do_info, 15, WITH_LOCK },
	{ do_fdinfo, 5, WITH_LOCK },
	{ do_bad, 4, WITH_LOCK },
	{ do_vfork, 4, WITH_LOCK },
	{ do_fork, 3, WITH_LOCK },
	{ do_share, 4, WITH_LOCK },
	{ do_clone_into, 3, WITH_LOCK },
	{ do_post, 5, WITH_LOCK },
	{ do_exec, 3, WITH_LOCK },
	{ do_free_wrong, 8, WITH_DEVICE },
	{ do_close, 5, WITH_DEVICE },
	{ do_open, 3, ANYHOW },
	{ do_bind, 30, ANYHOW },
	{ do_unbind, 20, ANYHOW },
	{ do_kernel, 3, ANYHOW },
	{ do_fetch, 20, ANYHOW },
	{ do_drop, 30, ANYHOW },
	{ do_move_self, 8, ANYHOW },
	{ do_move_other, 8, ANYHOW },
	{ do_leader_exit, 4, ANYHOW },
	{ do_exit, 2, ANYHOW },
	{ do_rest, 25, ANYHOW },
};

static void act(struct thread *self)
{
	int weight = 0, i;

	for (i = 0; i < ARRAY_SIZE(acts); i++)
		weight += acts[i].weight;
	weight = next(self) % weight;
	for (i = 0; weight >= (int)acts[i].weight; i++)
		weight -= acts[i].weight;

	if (acts[i].needs != ANYHOW && get(&device) < 0)
		do_open(self);
	if (acts[i].needs != WITH_LOCK) {
		acts[i].act(self);
		return;
	}
	pthread_rwlock_rdlock(&lock);
	if (device >= 0)
		acts[i].act(self);
	pthread_rwlock_unlock(&lock);
}

static void *worker_thread(void *thread)
{
	struct thread *self = thread;

	for (;;) {
		act(self);
		add(&slot->steps, 1);
		while (get(&shared->hold))
			usleep(5000);
	}
	return NULL;
}

static void worker(int n)
{
	unsigned int life;
	struct thread self;
	int i;

	slot_nr = n;
	slot = &shared->slots[n];
	mm_number = add(&shared->last_mm, 1);
	life = slot->life << 8 | (slot->execs & 0xff);
	signal(SIGCHLD, SIG_IGN);
	for (i = 1; i < shared->threads; i++) {
		self = new_thread(n + 1, life, i);
		spawn_thread(&self);
	}
	self = new_thread(n + 1, life, 0);
	worker_thread(&self);
}

/* A worker goes on after exec, in a new address space. */
static int resume(char **args)
{
	shared_fd = atoi(args[0]);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED, shared_fd, 0);
	if (shared == MAP_FAILED)
		return 1;
	mailbox[0] = shared_fd + 1;
	mailbox[1] = shared_fd + 2;
	old_device = atoi(args[2]);
	old_bond = atoi(args[3]);
	slot = &shared->slots[atoi(args[1])];
	slot->execs++;
	put(&slot->account, 0);
	/* Threads that were moving a process are dead. */
	put(&slot->moving, 0);
	worker(atoi(args[1]));
	return 0;
}

/*
 * The disturbers. They are outside the tree, and main can pause them.
 */

static const char *any_place(struct thread *self, enum place from, enum place to, char *path)
{
	return place_path(between(self, from, to), path);
}

/* Cgroups in switched do not always have the files of the controller. */
static bool may_be_missing(const char *path)
{
	return strstr(path, "/switched/");
}

static void limiter(struct thread *self)
{
	char path[PATH_SIZE];
	long ret, n;

	any_place(self, WILD, CHURN, path);
	n = charge_of(path);
	switch (between(self, 0, 3)) {
	case 0:
		n = between(self, 0, 10 * shared->processes);
		break;
	case 1:
		n = n < 1 ? 0 : between(self, 0, n);
		break;
	case 2:
		n = n < 1 ? 4 : n + 4;
		break;
	default:
		n = LONG_MAX;
	}
	ret = n == LONG_MAX ? set(path, "ioasids.max", "max") : set_number(path, "ioasids.max", n);
	if (!ret)
		did(DID_LIMIT);
	else if (!may_be_missing(path))
		fail(ANSWERS, "limit of %s: %s", path, strerror(-ret));
	usleep(between(self, 0, 30000));
}

static void empty_out(const char *from, const char *to)
{
	char buf[16 * PAGE_SIZE], *line, *rest = buf;

	/* A process whose leader has exited can only be found by its threads. */
	if (cg_read(from, "cgroup.threads", buf, sizeof(buf)))
		return;
	while ((line = strsep(&rest, "\n")) && *line)
		set(to, "cgroup.procs", line);
}

static void must(long ret, const char *what, const char *path)
{
	if (ret)
		fail(ANSWERS, "%s %s: %s", what, path, strerror(ret == -1 ? errno : -ret));
}

static bool has_ended(int fd)
{
	char number[16], buf[PAGE_SIZE];

	snprintf(number, sizeof(number), "%d", fd);
	return read_fdinfo("self", number, buf) && strstr(buf, "ioasid-cgroup:\t-\n") &&
	       !number_in(buf, "ioasid-quota:\t") && !number_in(buf, "ioasid-allocated:\t");
}

/*
 * A process opens the device, passes the descriptor on, and dies: its IDs end, even
 * though other processes have the descriptor.
 */
static void leave_descriptor(struct thread *self, const char *cgroup)
{
	int dir = dirfd_open_opath(cgroup), fd, n, pair[2];
	unsigned int number;
	struct account *a;
	pid_t pid;

	must(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair), "a pair of sockets for", cgroup);
	pid = clone_into_cgroup(dir);
	if (!pid) {
		a = open_in_child(self, &fd);
		put(&a->live, 0);
		/* The mailbox may be full. */
		send_fd(mailbox[0], fd, 0);
		_exit(send_fd(pair[0], fd, 0) ? 1 : 0);
	}
	close(dir);
	if (pid < 0) {
		fail(ANSWERS, "clone into %s: %s", cgroup, strerror(errno));
	} else if (waitpid(pid, &n, 0) == pid && WIFEXITED(n) && !WEXITSTATUS(n)) {
		fd = receive_fd(pair[1], &number, MSG_CMSG_CLOEXEC);
		if (!within(ENOUGH_S * 1000, has_ended(fd)))
			fail(ANSWERS, "the IDs of a process in %s outlive it", cgroup);
		close(fd);
		did(DID_END);
	}
	close(pair[0]);
	close(pair[1]);
}

static void churner(struct thread *self)
{
	static unsigned int number;
	char churn[PATH_SIZE], path[PATH_SIZE + 16], leaf[PATH_SIZE + 32], away[PATH_SIZE];
	int n = 2 * between(self, 0, (shared->processes - 1) / 2);
	pid_t pid = get(&shared->slots[n].alive) ? get(&shared->slots[n].pid) : 0;
	long end;

	snprintf(path, sizeof(path), "%s/%u", place_path(CHURN, churn), ++number);
	snprintf(leaf, sizeof(leaf), "%s/leaf", path);
	must(mkdir(path, 0755), "mkdir", path);
	must(set(path, "cgroup.subtree_control", "+" CONTROLLER), "switch on in", path);
	must(mkdir(leaf, 0755), "mkdir", leaf);
	put(&shared->churn, number);
	leave_descriptor(self, leaf);
	if (pid)
		set_number(leaf, "cgroup.procs", pid);
	usleep(between(self, 0, 50000));
	leave_descriptor(self, leaf);

	put(&shared->churn, 0);
	place_path(WILD_A, away);
	end = now_ms() + HANG_S * 1000;
	while (rmdir(leaf)) {
		if (errno != EBUSY || now_ms() > end) {
			fail(HANG, "rmdir %s: %s", leaf, strerror(errno));
			return;
		}
		empty_out(leaf, away);
	}
	must(rmdir(path), "rmdir", path);
	did(DID_SUBTREE);
}

static void switcher(struct thread *self)
{
	static bool off;
	char path[PATH_SIZE];

	off = !off;
	must(set(place_path(SWITCHED, path), "cgroup.subtree_control",
		 off ? "-" CONTROLLER : "+" CONTROLLER), "switch in", path);
	did(off ? DID_SWITCH_OFF : DID_SWITCH_ON);
	usleep(between(self, 0, 40000));
}

static void freezer(struct thread *self)
{
	char path[PATH_SIZE];

	any_place(self, FIXED, CHURN, path);
	must(set(path, "cgroup.freeze", "1"), "freeze", path);
	usleep(between(self, 0, 15000));
	must(set(path, "cgroup.freeze", "0"), "thaw", path);
	did(DID_FREEZE);
	usleep(between(self, 0, 100000));
}

static void reader(struct thread *self)
{
	static const char *const keys[] = {
		"ioasids.max", "", "ioasids.current", "", "ioasids.peak", "",
		"ioasids.events", "max ", "ioasids.events", "alloc_fail ",
		"ioasids.events.local", "max ", "ioasids.events.local", "alloc_fail ",
		"ioasids.stat", "allocated ", "ioasids.stat", "reserved ", "ioasids.stat", "sets ",
	};
	int i = 2 * between(self, 0, ARRAY_SIZE(keys) / 2 - 1);
	char path[PATH_SIZE];
	enum place place;
	long n;

	check_capacity();
	for (place = TOP; place <= STILL; place++)
		check_limited(place);
	n = number_of(any_place(self, TOP, CHURN, path), keys[i], keys[i + 1]);
	if (n < 0 && !(n == NO_NUMBER && may_be_missing(path)))
		fail(ANSWERS, "%s/%s: %s%ld", path, keys[i], keys[i + 1], n);
	did(DID_READ);
}

static void starter(struct thread *self)
{
	char results[16 * PAGE_SIZE], *line, *rest = results;

	if (!shared->has_kunit) {
		usleep(100000);
		return;
	}
	must(set(KUNIT, "run", "run"), "start", KUNIT);
	if (read_text(KUNIT "/results", results, sizeof(results)) <= 0) {
		fail(KERNEL, KUNIT "/results cannot be read");
	} else if (strstr(results, "not ok")) {
		while ((line = strsep(&rest, "\n")))
			ksft_print_msg("%s\n", line);
		fail(KERNEL, "the kernel's own stress, as above");
	}
	add(&shared->nr_kunit, 1);
	/* It uses much CPU time: leave some to the others. */
	usleep(between(self, 0, 2000000));
}

static void sequencer(struct thread *self)
{
	struct sequence_seen seen = {};
	__u64 seed = next(self);
	const char *problem;

	problem = try_sequence(STRESS "_sequence", seed, 60, &seen);
	if (problem)
		fail(SEQUENCE, "sequence 0x%llx (its steps are above): %s", seed, problem);
	did(DID_SEQUENCE);
	add(&shared->done[DID_SEQUENCE_ADOPT], seen.adopted);
	add(&shared->done[DID_SEQUENCE_END], seen.ended);
}

static void (*const disturbers[NR_DISTURBERS])(struct thread *self) = {
	limiter, churner, switcher, freezer, reader, starter, sequencer,
};

static void disturb(enum disturber who)
{
	struct thread self = new_thread(MAX_WORKERS + 1 + who, 0, 0);

	while (!get(&shared->stop)) {
		put(&shared->disturbers[who].busy, 1);
		if (who >= READER || !get(&shared->paused))
			disturbers[who](&self);
		put(&shared->disturbers[who].busy, 0);
		add(&shared->disturbers[who].steps, 1);
		usleep(1000);
	}
	_exit(0);
}

/* Main. @doing is the present step, printed if it hangs. */

static const char *doing;
static bool interrupted;

static void going_to(const char *what)
{
	doing = what;
	alarm(2 * HANG_S);
}

static void kill_tree(void)
{
	char path[PATH_SIZE];

	set(place_path(TOP, path), "cgroup.kill", "1");
}

/* Main itself hangs: report it and end. */
static void on_alarm(int signal)
{
	static const char line[] = "not ok - main hangs\n# its step: ";

	kill_tree();
	write(STDOUT_FILENO, line, sizeof(line) - 1);
	write(STDOUT_FILENO, doing, strlen(doing));
	write(STDOUT_FILENO, "\n", 1);
	_exit(KSFT_FAIL);
}

static void on_interrupt(int signal)
{
	put(&interrupted, true);
}

/* Only main ends them, also when an interrupt goes to the whole process group. */
static void belong_to_main(void)
{
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
}

static void start_worker(struct thread *self, int n)
{
	struct slot *s = &shared->slots[n];
	char path[PATH_SIZE];
	int dir = -1;
	pid_t pid;

	s->account = 0;
	s->moving = 0;
	s->execs = 0;
	put(&s->life, s->life + 1);
	put(&s->alive, s->life);
	/* A cgroup in churn may be removed meanwhile: choose another one. */
	do {
		if (dir >= 0)
			close(dir);
		dir = dirfd_open_opath(somewhere(self, n, path));
		pid = dir < 0 ? -1 : clone_into_cgroup(dir);
	} while (pid < 0 && is_gone(path, errno));
	if (!pid) {
		belong_to_main();
		/* Workers never sleep for long: let main and the disturbers run first. */
		setpriority(PRIO_PROCESS, 0, 10);
		worker(n);
	}
	if (pid < 0)
		fail(ANSWERS, "clone into %s: %s", path, strerror(errno));
	else
		put(&s->pid, pid);
	close(dir);
}

static void reap(struct thread *self)
{
	int status, i;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (i = 0; i < shared->processes; i++) {
			struct slot *s = &shared->slots[i];

			if (s->pid != pid)
				continue;
			if (get(&s->alive))
				fail(ANSWERS, "worker %d died with status 0x%x", i, status);
			put(&s->alive, 0);
			put(&s->pid, 0);
			put(&s->moving, 0);
		}
	}
	for (i = 0; i < shared->processes && self; i++)
		if (!shared->slots[i].pid)
			start_worker(self, i);
}

static void kill_worker(int n)
{
	struct slot *s = &shared->slots[n];

	if (!s->pid)
		return;
	put(&s->alive, 0);
	kill(s->pid, SIGKILL);
	did(DID_KILL);
}

static long paused_at, paused_ms;

/* Wait until all moves and changes have ended; false if one hangs. */
static bool pause_others(void)
{
	long end = now_ms() + HANG_S * 1000;
	unsigned int moving = 0, now;
	int i;

	going_to("wait until moves and changes have ended");
	paused_at = now_ms();
	put(&shared->paused, 1);
	for (i = 0; i < READER; i++)
		while (get(&shared->disturbers[i].busy)) {
			if (now_ms() > end) {
				fail(HANG, "the %s", disturber_names[i]);
				return false;
			}
			usleep(1000);
		}
	while ((now = get(&shared->sharers_moving))) {
		if (now != moving) {
			moving = now;
			end = now_ms() + HANG_S * 1000;
			going_to("wait until sharers have moved");
		}
		if (now_ms() > end) {
			fail(HANG, "a process that moves itself");
			return false;
		}
		usleep(1000);
	}
	for (i = 0; i < shared->processes; i++)
		while (get(&shared->slots[i].moving)) {
			if (now_ms() > end) {
				fail(HANG, "worker %d, moving a process", i);
				return false;
			}
			reap(NULL);
			usleep(1000);
		}
	return true;
}

static void resume_others(void)
{
	put(&shared->paused, 0);
	paused_ms += now_ms() - paused_at;
}

/*
 * With moves and changes paused; requests go on. But if the owner of an account has left,
 * the next of its sharers that makes a request takes the charge to its own cgroup,
 * whatever the limit there. All cgroups of a worker and its sharers are below one of the
 * cgroups checked here, where such a move shows no change.
 */
static void check_at_rest(void)
{
	static const enum place checked[] = { TOP, FIXED, STILL, WILD };
	long bound[ARRAY_SIZE(checked)], end, current;
	char path[PATH_SIZE];
	int i;

	if (!pause_others())
		return;
	going_to("check the counts with moves and limits at rest");
	for (i = 0; i < ARRAY_SIZE(checked); i++)
		bound[i] = LONG_MAX;
	for (end = now_ms() + 150; now_ms() < end;) {
		for (i = 0; i < ARRAY_SIZE(checked); i++) {
			long max = max_of(place_path(checked[i], path));

			current = charge_of(path);
			if (current < 0 || current > bound[i])
				fail(AT_REST, "%s: current %ld over max %ld rose from %ld at most",
				     path, current, max, bound[i]);
			/* A count that is within the limit must stay there. */
			bound[i] = current > max ? current : max;
		}
	}
	did(DID_REST);
	resume_others();
}

/* With all frozen: the sets and cgroups, found without the controller's counts */

struct seen_account {
	long set;
	unsigned int quota;
	unsigned int allocated;
	pid_t owner;
	char path[256];
};

struct seen_cgroup {
	char path[256];
	bool has_controller;
	long charged, allocated, sets;	/* by the accounts below */
};

static struct seen_account seen[1024], owned[1024];
static struct seen_cgroup cgroups[64];
static struct { pid_t pid; int cgroup; } processes[1024];
static int nr_seen, nr_owned, nr_cgroups, nr_processes;

static void see_account(const char *fdinfo)
{
	const char *path = strstr(fdinfo, "ioasid-cgroup:\t");
	long set = number_in(fdinfo, "ioasid-set:\t");
	int i;

	for (i = 0; i < nr_seen && seen[i].set != set; i++)
		;
	if (i < nr_seen || i == ARRAY_SIZE(seen))
		return;
	seen[i].set = set;
	seen[i].quota = number_in(fdinfo, "ioasid-quota:\t");
	seen[i].allocated = number_in(fdinfo, "ioasid-allocated:\t");
	seen[i].path[0] = '\0';
	if (path)
		sscanf(path, "ioasid-cgroup:\t%255[^\n]", seen[i].path);
	if (!strcmp(seen[i].path, "-")) {
		/* Its address space has ended. */
		if (seen[i].quota || seen[i].allocated)
			fail(FROZEN, "set %ld has ended, with quota %u and %u allocated", set,
			     seen[i].quota, seen[i].allocated);
		return;
	}
	nr_seen++;
}

static bool is_in_tree(const char *path)
{
	const size_t len = strlen("/" STRESS);

	return !strncmp(path, "/" STRESS, len) && (path[len] == '/' || !path[len]);
}

/*
 * Read the owners of all sets. With SVA, there are also sets without an open
 * descriptor, which only the PASID of an address space keeps.
 */
static void see_sets(void)
{
	static char text[64 * PAGE_SIZE];
	char *line, *rest = text;

	if (read_text(SETS, text, sizeof(text)) <= 0) {
		fail(FROZEN, SETS " cannot be read");
		return;
	}
	while ((line = strsep(&rest, "\n")) && nr_owned < ARRAY_SIZE(owned)) {
		struct seen_account *a = &owned[nr_owned];
		int i;

		a->owner = 0;
		if (sscanf(line, "%ld\tprocess\t%u\t%u\t%d\t%*s\t%255[^\n]", &a->set, &a->quota,
			   &a->allocated, &a->owner, a->path) != 5 &&
		    sscanf(line, "%ld\tprocess\t%u\t%u\t-\t-\t%255[^\n]", &a->set, &a->quota,
			   &a->allocated, a->path) != 4)
			continue;
		/* A set that has ended is not charged. */
		nr_owned += a->owner && strcmp(a->path, "-");
		for (i = 0; i < nr_seen && seen[i].set != a->set; i++)
			;
		if (i == nr_seen && i < ARRAY_SIZE(seen) && shared->has_sva && is_in_tree(a->path))
			seen[nr_seen++] = *a;
	}
}

static void see_descriptors(const char *task)
{
	char path[PATH_SIZE], target[64], fdinfo[PAGE_SIZE];
	struct dirent *entry;
	DIR *dir;
	ssize_t len;

	snprintf(path, sizeof(path), "/proc/%s/fd", task);
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		len = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target));
		if (len == strlen(DEVICE) && !memcmp(target, DEVICE, len) &&
		    read_fdinfo(task, entry->d_name, fdinfo))
			see_account(fdinfo);
	}
	if (dir)
		closedir(dir);
}

static int see_cgroup(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	char buf[16 * PAGE_SIZE], status[64], *task, *rest = buf;

	if (type != FTW_D || nr_cgroups == ARRAY_SIZE(cgroups))
		return 0;
	snprintf(cgroups[nr_cgroups].path, sizeof(cgroups[0].path), "%s", path);
	cgroups[nr_cgroups].has_controller = charge_of(path) != NO_NUMBER;
	cgroups[nr_cgroups].charged = 0;
	cgroups[nr_cgroups].allocated = 0;
	cgroups[nr_cgroups].sets = 0;
	nr_cgroups++;

	if (cg_read(path, "cgroup.threads", buf, sizeof(buf)))
		return 0;
	while ((task = strsep(&rest, "\n")) && *task) {
		char text[PAGE_SIZE];

		see_descriptors(task);
		snprintf(status, sizeof(status), "/proc/%s/status", task);
		if (read_text(status, text, sizeof(text)) <= 0 ||
		    nr_processes == ARRAY_SIZE(processes))
			continue;
		processes[nr_processes].pid = number_in(text, "Tgid:\t");
		processes[nr_processes++].cgroup = nr_cgroups - 1;
	}
	return 0;
}

/* The cgroup that pays for @path: itself, or the nearest ancestor with the controller */
static int payer_of(const char *path)
{
	int best = -1, i;

	for (i = 0; i < nr_cgroups; i++) {
		size_t len = strlen(cgroups[i].path);

		if (cgroups[i].has_controller && !strncmp(path, cgroups[i].path, len) &&
		    (path[len] == '/' || !path[len]) &&
		    (best < 0 || len > strlen(cgroups[best].path)))
			best = i;
	}
	return best;
}

static void add_up(void)
{
	char path[PATH_SIZE];
	int i, j;

	for (i = 0; i < nr_seen; i++) {
		unsigned int charge = seen[i].quota ?: seen[i].allocated;

		snprintf(path, sizeof(path), "%s%s", shared->root, seen[i].path);
		if (payer_of(path) < 0)
			fail(FROZEN, "set %ld is charged to %s", seen[i].set, path);
		/* The payer's ancestors have the controller too. */
		for (j = payer_of(path); j >= 0; ) {
			cgroups[j].charged += charge;
			cgroups[j].allocated += seen[i].allocated;
			cgroups[j].sets++;
			snprintf(path, sizeof(path), "%s", cgroups[j].path);
			*strrchr(path, '/') = '\0';
			j = payer_of(path);
		}
	}
}

static void check_counts(struct seen_cgroup *c)
{
	long current, peak, allocated, reserved, sets, events[2], local[2];
	char text[PAGE_SIZE];

	current = charge_of(c->path);
	peak = number_of(c->path, "ioasids.peak", "");
	if (cg_read(c->path, "ioasids.stat", text, sizeof(text)))
		return;
	allocated = number_in(text, "allocated ");
	reserved = number_in(text, "reserved ");
	sets = number_in(text, "sets ");
	if (current != c->charged || allocated != c->allocated || sets != c->sets ||
	    reserved != c->charged - c->allocated || peak < current)
		fail(FROZEN, "%s: current %ld peak %ld stat %ld %ld %ld, but has %ld %ld %ld",
		     c->path, current, peak, allocated, reserved, sets,
		     c->allocated, c->charged - c->allocated, c->sets);

	events[0] = number_of(c->path, "ioasids.events", "max ");
	events[1] = number_of(c->path, "ioasids.events", "alloc_fail ");
	local[0] = number_of(c->path, "ioasids.events.local", "max ");
	local[1] = number_of(c->path, "ioasids.events.local", "alloc_fail ");
	if (local[0] < 0 || local[0] > events[0] || local[1] < 0 || local[1] > events[1])
		fail(FROZEN, "%s: events max %ld alloc_fail %ld, but local max %ld alloc_fail %ld",
		     c->path, events[0], events[1], local[0], local[1]);
}

/* No cgroup in fixed is removed: its events are the sum of the local ones. */
static void check_events(const char *key)
{
	static const enum place parts[] = { FIXED, FIXED_A, FIXED_B, STILL };
	char path[PATH_SIZE];
	long all, sum = 0;
	int i;

	for (i = 0; i < ARRAY_SIZE(parts); i++)
		sum += number_of(place_path(parts[i], path), "ioasids.events.local", key);
	all = number_of(place_path(FIXED, path), "ioasids.events", key);
	if (all != sum)
		fail(FROZEN, "%s: events %s%ld, the local ones %ld", path, key, all, sum);
}

static void check_payer(pid_t owner, const char *payer)
{
	char path[PATH_SIZE];
	int i;

	for (i = 0; i < nr_processes && processes[i].pid != owner; i++)
		;
	if (i == nr_processes)
		return;
	snprintf(path, sizeof(path), "%s%s", shared->root, payer);
	i = payer_of(cgroups[processes[i].cgroup].path);
	if (strcmp(path, cgroups[i].path))
		fail(FROZEN, "process %d is in %s, but %s pays for it", owner, cgroups[i].path,
		     path);
}

static void compare(int n, unsigned int number)
{
	struct account *a = account_of(number);
	struct slot *s = &shared->slots[n];
	unsigned int pending = get(&a->pending);
	int i;

	if (!is_live(number) || !a->set)
		return;
	for (i = 0; i < nr_seen && seen[i].set != a->set; i++)
		;
	if (i == nr_seen) {
		fail(FROZEN, "worker %d has set %ld, but no descriptor of it", n, a->set);
		return;
	}
	if (labs((long)seen[i].allocated - a->held) > pending ||
	    (!pending && seen[i].quota != a->quota))
		fail(FROZEN, "set %ld of worker %d: allocated %u quota %u, not %u %u; %u pending",
		     a->set, n, seen[i].allocated, seen[i].quota, a->held, a->quota, pending);
	if (!pending)
		did(DID_COMPARED);

	if (a->owner == s->pid)
		check_payer(s->pid, seen[i].path);
}

/* Wait until the mms of dead processes, with their PASIDs, are freed. */
static void wait_for_dead_mms(void)
{
	char before[PAGE_SIZE] = "", now[PAGE_SIZE] = "";
	long end = now_ms() + 10000;

	if (!shared->has_sva)
		return;
	do {
		memcpy(before, now, sizeof(before));
		run_on_every_cpu();
		usleep(20000);
		if (read_text(MOCK_PASIDS, now, sizeof(now)) <= 0)
			fail(FROZEN, MOCK_PASIDS " cannot be read");
	} while (strcmp(before, now) && now_ms() < end);
}

static bool freeze_all(void)
{
	long end = now_ms() + HANG_S * 1000;
	char path[PATH_SIZE];

	going_to("freeze all processes");
	must(set(place_path(TOP, path), "cgroup.freeze", "1"), "freeze", path);
	while (number_of(path, "cgroup.events", "frozen ") != 1) {
		if (now_ms() > end) {
			fail(HANG, "%s does not freeze", path);
			return false;
		}
		usleep(1000);
	}
	return true;
}

static void check_frozen(struct thread *self)
{
	int drained[64], nr_drained = 0, i;
	char path[PATH_SIZE];
	unsigned int mm;

	if (!pause_others())
		return;
	/* A pending account is compared less closely: in half of the checks, avoid these. */
	if (one_in(self, 2)) {
		put(&shared->hold, 1);
		usleep(100000);
	}
	if (!freeze_all())
		goto out;
	going_to("check the frozen processes");
	wait_for_dead_mms();
	nr_seen = 0;
	nr_owned = 0;
	nr_cgroups = 0;
	nr_processes = 0;
	while (nr_drained < ARRAY_SIZE(drained) &&
	       (i = receive_fd(mailbox[1], &mm, MSG_CMSG_CLOEXEC)) >= 0)
		drained[nr_drained++] = i;
	see_descriptors("self");
	nftw(place_path(TOP, path), see_cgroup, 16, FTW_PHYS);
	if (!access(SETS, F_OK))
		see_sets();
	add_up();
	for (i = 0; i < nr_cgroups; i++)
		if (cgroups[i].has_controller)
			check_counts(&cgroups[i]);
	check_events("max ");
	check_events("alloc_fail ");
	for (i = 0; i < nr_owned; i++)
		check_payer(owned[i].owner, owned[i].path);
	for (i = 0; i < shared->processes; i++)
		compare(i, get(&shared->slots[i].account));
	while (nr_drained)
		close(drained[--nr_drained]);
	did(DID_FROZEN_CHECK);
out:
	put(&shared->hold, 0);
	set(place_path(TOP, path), "cgroup.freeze", "0");
	resume_others();
}

/*
 * Fail if a disturber or a worker has made no progress for long. The time in which main made
 * them pause does not count: on a busy machine one check takes minutes.
 */
static void check_progress(void)
{
	static unsigned long disturbed[NR_DISTURBERS], worked[MAX_WORKERS];
	static long disturbed_at[NR_DISTURBERS], worked_at[MAX_WORKERS];
	long now = now_ms() - paused_ms;
	int i;

	for (i = 0; i < NR_DISTURBERS; i++) {
		unsigned long steps = get(&shared->disturbers[i].steps);

		if (steps != disturbed[i] || !disturbed_at[i])
			disturbed_at[i] = now;
		disturbed[i] = steps;
		if (now - disturbed_at[i] > HANG_S * 1000)
			fail(HANG, "the %s", disturber_names[i]);
	}
	for (i = 0; i < shared->processes; i++) {
		unsigned long steps = get(&shared->slots[i].steps);

		if (steps != worked[i] || !worked_at[i])
			worked_at[i] = now;
		worked[i] = steps;
		if (now - worked_at[i] > HANG_S * 1000)
			fail(HANG, "worker %d, process %d", i, shared->slots[i].pid);
	}
}

/* Dying processes may keep a cgroup busy for a moment. */
static bool remove_places(void)
{
	long end = now_ms() + 10000;
	char path[PATH_SIZE];

	place_path(TOP, path);
	while (!remove_cgroups(path)) {
		if (now_ms() > end)
			return false;
		usleep(10000);
	}
	return true;
}

static void make_places(void)
{
	char path[PATH_SIZE];
	enum place place;

	must(set(shared->root, "cgroup.subtree_control", "+" CONTROLLER), "switch on in",
	     shared->root);
	for (place = TOP; place < NR_PLACES; place++) {
		must(mkdir(place_path(place, path), 0755), "mkdir", path);
		if (places[place].parent)
			must(set(path, "cgroup.subtree_control", "+" CONTROLLER), "switch on in",
			     path);
		if (places[place].limit)
			must(set_number(path, "ioasids.max",
					places[place].limit * shared->processes), "limit", path);
	}
}

static int expect_nothing(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	char text[PAGE_SIZE];

	if (type != FTW_D || cg_read(path, "ioasids.stat", text, sizeof(text)))
		return 0;
	if (charge_of(path) || strcmp(text, "allocated 0\nreserved 0\nsets 0\n"))
		fail(END, "%s: current %ld, stat %s", path, charge_of(path), text);
	return 0;
}

static long number_of_file(const char *path)
{
	char text[PAGE_SIZE];

	return read_text(path, text, sizeof(text)) > 0 ? atol(text) : -1;
}

static long user_of_capacity(void)
{
	return number_of(shared->root, "ioasids.capacity", "user ");
}

static long nr_dying(void)
{
	return number_of(shared->root, "cgroup.stat", "nr_dying_subsys_" CONTROLLER " ");
}

/* End all processes, and check that nothing is left. */
static void finish(const pid_t *pids, long user, long dying)
{
	char path[PATH_SIZE];
	long end;
	int i;

	going_to("end all processes");
	put(&shared->stop, 1);
	put(&shared->paused, 0);
	for (i = 0; i < shared->processes; i++)
		put(&shared->slots[i].alive, 0);
	for (i = 0; i < NR_DISTURBERS; i++)
		waitpid(pids[i], NULL, 0);
	kill_tree();
	while (waitpid(-1, NULL, 0) > 0)
		;
	close(mailbox[0]);
	close(mailbox[1]);

	going_to("check that nothing is left");
	wait_for_dead_mms();
	if (shared->has_mock && number_of_file(MOCK_PASIDS))
		fail(END, "the mock IOMMU has entries for %ld PASIDs", number_of_file(MOCK_PASIDS));
	nftw(place_path(TOP, path), expect_nothing, 16, FTW_PHYS);
	/* Other programs may take and free IDs meanwhile. */
	for (end = now_ms() + 10000; user_of_capacity() > user && now_ms() < end; )
		usleep(10000);
	if (user_of_capacity() > user)
		fail(END, "ioasids.capacity: user %ld, before %ld", user_of_capacity(), user);
	check_capacity();
	if (!remove_places())
		fail(END, "rmdir in %s: %s", path, strerror(errno));
	for (end = now_ms() + 10000; nr_dying() > dying && now_ms() < end; )
		usleep(10000);
	if (nr_dying() > dying)
		fail(END, "%ld dying, before %ld", nr_dying(), dying);
}

static bool can_happen(enum deed deed)
{
	if (deed < DID_KERNEL)
		return true;
	return deed == DID_KERNEL ? shared->has_mock : shared->has_sva;
}

static bool has_every_operation_occurred(void)
{
	int i;

	for (i = 0; i < NR_DEEDS; i++)
		if (!get(&shared->done[i]) && can_happen(i))
			return false;
	return true;
}

static void check_coverage(void)
{
	int i;

	for (i = 0; i < NR_DEEDS; i++) {
		ksft_print_msg("%8lu  %s\n", shared->done[i], deed_names[i]);
		if (!shared->done[i] && can_happen(i))
			fail(COVERAGE, "never: %s", deed_names[i]);
	}
}

static void print_failures(void)
{
	static unsigned int n;

	for (; n < ARRAY_SIZE(shared->failures) && get(&shared->failures[n].ready); n++)
		ksft_print_msg("WRONG: %s\n", shared->failures[n].text);
}

/* On a busy machine the run is longer: until every operation has occurred. */
static bool is_over(long duration, long now)
{
	if (get(&interrupted) || get(&shared->nr_failures))
		return true;
	if (now < duration * 1000)
		return false;
	return duration < ENOUGH_S || now > (duration + PATIENCE_S) * 1000 ||
	       has_every_operation_occurred();
}

static void run(long duration)
{
	struct thread self = new_thread(0, 0, 0);
	long start = now_ms(), now = start, kill_at = start, check_at = start, say_at = start;
	bool frozen = false;

	while (!is_over(duration, now - start)) {
		going_to("replace dead workers, and choose the next check");
		reap(&self);
		check_progress();
		now = now_ms();
		if (now >= kill_at) {
			kill_worker(next(&self) % shared->processes);
			kill_at = now + between(&self, 50, 400);
		}
		if (now >= check_at) {
			frozen = !frozen;
			if (frozen)
				check_frozen(&self);
			else
				check_at_rest();
			check_at = now_ms() + between(&self, 200, 1500);
		}
		if (now >= say_at + 10000) {
			say_at = now;
			ksft_print_msg("%ld s: %lu grants, %lu refusals, %lu moves, %lu kills\n",
				       (now - start) / 1000, shared->done[DID_GRANT],
				       shared->done[DID_REFUSAL], shared->done[DID_MOVE_SELF] +
				       shared->done[DID_MOVE_OTHER], shared->done[DID_KILL]);
		}
		usleep(10000);
	}
}

/*
 * The tracepoints, in an instance of tracefs. Events of several CPUs are not read in their
 * order, so all of them are counted, and the counts are compared in the end.
 */
static struct {
	bool on;
	unsigned int stop;
	pthread_t reader;
	int pipe;
	long last_set;			/* the number of the last one before tracing */
	unsigned long events, lost, opened, closed;
	__u64 sum_opened, sum_closed;	/* of the numbers of sets */
	short taken[TOTAL + 1];		/* how often, less how often it was freed */
} trace;

static void count_traced(const char *line)
{
	static const char *const names[] = { " ioasid_alloc: ", " ioasid_free: ",
					     " ioasid_set_open: ", " ioasid_set_close: " };
	long id = number_in(line, " id="), set = number_in(line, " set=");
	int i = 0;

	if (strstr(line, " [LOST "))
		trace.lost++;
	while (i < ARRAY_SIZE(names) && !strstr(line, names[i]))
		i++;
	if (!strstr(line, " ioasid_"))
		return;
	trace.events++;
	if (i < ARRAY_SIZE(names) && (set <= 0 || (i < 2 && (id <= 0 || id > TOTAL)))) {
		fail(TRACE, "an event has no such number: %s", line);
		return;
	}
	if (set <= trace.last_set)
		return;
	if (i < 2) {
		trace.taken[id] += i ? -1 : 1;
	} else if (i == 2) {
		trace.opened++;
		trace.sum_opened += set;
	} else if (i == 3) {
		trace.closed++;
		trace.sum_closed += set;
	}
}

static void *read_trace(void *unused)
{
	static char text[1 << 16];
	size_t have = 0;
	char *line, *end;
	ssize_t len;

	for (;;) {
		len = read(trace.pipe, text + have, sizeof(text) - 1 - have);
		if (len <= 0 && get(&trace.stop))
			return NULL;
		if (len <= 0) {
			usleep(10000);
			continue;
		}
		text[have + len] = '\0';
		for (line = text; (end = strchr(line, '\n')); line = end + 1) {
			*end = '\0';
			count_traced(line);
		}
		have = strlen(line);
		memmove(text, line, have);
	}
}

static void start_tracing(void)
{
	char buf[PAGE_SIZE], fd[16];
	int device;

	if (access(TRACEFS "/events", F_OK))
		mount("tracefs", TRACEFS, "tracefs", 0, NULL);
	if (access(TRACEFS "/events/ioasid", F_OK)) {
		ksft_print_msg("without tracepoints: there is no " TRACEFS "/events/ioasid\n");
		return;
	}
	device = open(DEVICE, O_RDWR | O_CLOEXEC);
	snprintf(fd, sizeof(fd), "%d", device);
	if (!read_fdinfo("self", fd, buf))
		ksft_exit_fail_msg("No fdinfo of " DEVICE "\n");
	trace.last_set = number_in(buf, "ioasid-set:\t");
	close(device);
	rmdir(INSTANCE);
	must(mkdir(INSTANCE, 0700), "mkdir", INSTANCE);
	must(set(INSTANCE, "buffer_size_kb", "4096"), "enlarge the buffer of", INSTANCE);
	must(set(INSTANCE, "events/ioasid/enable", "1"), "trace in", INSTANCE);
	trace.pipe = open(INSTANCE "/trace_pipe", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	must(trace.pipe < 0 ? -errno : 0, "read", INSTANCE "/trace_pipe");
	must(-pthread_create(&trace.reader, NULL, read_trace, NULL), "a thread for", INSTANCE);
	trace.on = true;
}

/* All IDs and sets have been freed. */
static void finish_tracing(void)
{
	int id;

	if (!trace.on)
		return;
	put(&trace.stop, 1);
	pthread_join(trace.reader, NULL);
	close(trace.pipe);
	set(INSTANCE, "events/ioasid/enable", "0");
	rmdir(INSTANCE);
	ksft_print_msg("%lu events were traced\n", trace.events);
	if (trace.lost) {
		ksft_print_msg("events were lost %lu times, and are not compared\n", trace.lost);
		return;
	}
	for (id = 1; id <= TOTAL; id++)
		if (trace.taken[id])
			fail(TRACE, "ID %d: allocated %d times more than freed", id,
			     trace.taken[id]);
	if (trace.opened != trace.closed || trace.sum_opened != trace.sum_closed)
		fail(TRACE, "%lu sets were opened and %lu closed, or others", trace.opened,
		     trace.closed);
}

static void print_usage(FILE *to)
{
	fprintf(to, "Usage: stress_ioasids [-d SECONDS] [-s SEED] [-p PROCESSES] [-t THREADS]\n"
		"  -d, --duration   in s, 1 or more (30); longer until every operation occurred\n"
		"  -s, --seed       of the random choices (default: random)\n"
		"  -p, --processes  number of workers, 4 to %d (6)\n"
		"  -t, --threads    number of threads in each, 1 to %d (2)\n"
		"Exits with 0 if all checks passed, 1 if not, 4 if it cannot run here.\n",
		MAX_WORKERS, MAX_THREADS);
}

static unsigned long parse(const char *option, const char *arg, unsigned long min,
			   unsigned long max)
{
	unsigned long n;
	char *end;

	errno = 0;
	n = strtoul(arg, &end, 0);
	if (*arg < '0' || *arg > '9' || *end || errno || n < min || n > max) {
		fprintf(stderr, "stress_ioasids: --%s must be a number from %lu to %lu, not %s\n",
			option, min, max, arg);
		exit(2);
	}
	return n;
}

static void share(void)
{
	/* Fixed numbers, which are still valid after exec */
	int fd = memfd_create("stress_ioasids", 0);

	shared_fd = fcntl(fd, F_DUPFD, 100);
	close(fd);
	if (shared_fd < 0 || ftruncate(shared_fd, sizeof(*shared)))
		ksft_exit_fail_msg("memfd: %s\n", strerror(errno));
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED, shared_fd, 0);
	if (shared == MAP_FAILED || socketpair(AF_UNIX, SOCK_DGRAM, 0, mailbox))
		ksft_exit_fail_msg("shared memory or sockets: %s\n", strerror(errno));
	dup2(mailbox[0], shared_fd + 1);
	dup2(mailbox[1], shared_fd + 2);
	close(mailbox[0]);
	close(mailbox[1]);
	mailbox[0] = shared_fd + 1;
	mailbox[1] = shared_fd + 2;
}

static bool try_sva(void)
{
	int status, fd;
	pid_t pid;

	pid = fork();
	if (!pid)
		_exit(open_mock("a", &fd) > 0 ? 0 : 1);
	return waitpid(pid, &status, 0) == pid && !status;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "duration", required_argument, NULL, 'd' },
		{ "seed", required_argument, NULL, 's' },
		{ "processes", required_argument, NULL, 'p' },
		{ "threads", required_argument, NULL, 't' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	unsigned long duration = 30, seed, workers = 6, threads = 2;
	pid_t pids[NR_DISTURBERS];
	int low[NR_LOW];
	long user, dying;
	int option, i;

	if (argc == 6 && !strcmp(argv[1], "resume"))
		return resume(argv + 2);

	if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) != sizeof(seed))
		seed = now_ms();
	seed &= UINT_MAX;
	while ((option = getopt_long(argc, argv, "d:s:p:t:h", options, NULL)) != -1) {
		switch (option) {
		case 'd':
			duration = parse("duration", optarg, 1, INT_MAX / 1000);
			break;
		case 's':
			seed = parse("seed", optarg, 0, ULONG_MAX);
			break;
		case 'p':
			workers = parse("processes", optarg, 4, MAX_WORKERS);
			break;
		case 't':
			threads = parse("threads", optarg, 1, MAX_THREADS);
			break;
		case 'h':
			print_usage(stdout);
			return 0;
		default:
			print_usage(stderr);
			return 2;
		}
	}
	if (optind < argc) {
		print_usage(stderr);
		return 2;
	}

	ksft_print_header();
	ksft_print_msg("seed %lu\n", seed);
	share();
	shared->seed = seed;
	shared->processes = workers;
	shared->threads = threads;
	if (geteuid())
		ksft_exit_skip("not root\n");
	if (cg_find_unified_root(shared->root, sizeof(shared->root), NULL))
		ksft_exit_skip("cgroup v2 is not mounted\n");
	if (cg_read_strstr(shared->root, "cgroup.controllers", CONTROLLER))
		ksft_exit_skip(CONTROLLER " is not in cgroup.controllers\n");
	if (access(DEVICE, F_OK))
		ksft_exit_skip("no " DEVICE "\n");
	ksft_set_plan(NR_CHECKS);
	shared->total = number_of(shared->root, "ioasids.capacity", "total ");
	shared->bits = 64 - __builtin_clzll(shared->total);
	shared->has_kunit = !access(KUNIT "/run", W_OK);
	shared->has_mock = !access(MOCK "kernel", F_OK);
	shared->has_sva = shared->has_mock && try_sva();
	if (!shared->has_sva)
		ksft_print_msg("without SVA: there is no mock IOMMU, or the kernel refuses SVA\n");

	signal(SIGALRM, on_alarm);
	signal(SIGINT, on_interrupt);
	signal(SIGTERM, on_interrupt);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	/* Remove the processes and cgroups that a killed run has left. */
	kill_tree();
	if (!remove_places())
		ksft_exit_fail_msg("The cgroups of an earlier run cannot be removed\n");
	user = user_of_capacity();
	dying = nr_dying();
	make_places();
	start_tracing();
	for (i = 0; i < NR_DISTURBERS; i++) {
		pids[i] = fork();
		if (!pids[i]) {
			belong_to_main();
			disturb(i);
		}
	}

	/* With few IDs in use, no PASID would be too large for a narrow device. */
	for (i = 0; shared->has_sva && i < NR_LOW; i++) {
		if (open_mock("kernel", &low[i]) <= 0)
			ksft_exit_fail_msg("No PASID for a driver\n");
	}
	run(duration);
	while (i)
		close(low[--i]);
	print_failures();
	finish(pids, user, dying);
	finish_tracing();
	if (duration >= ENOUGH_S && !get(&interrupted) && !shared->nr_failures)
		check_coverage();
	print_failures();
	for (i = 0; i < NR_CHECKS; i++)
		if (i == KERNEL && !shared->nr_kunit)
			ksft_test_result_skip("%s: there is no " KUNIT "\n", check_names[i]);
		else if (i == TRACE && (!trace.events || trace.lost))
			ksft_test_result_skip("%s: %s\n", check_names[i],
					      trace.on ? "events were lost" : "no tracepoints");
		else
			ksft_test_result(!shared->failed[i], "%s\n", check_names[i]);
	ksft_finished();
}
