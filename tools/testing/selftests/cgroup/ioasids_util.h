/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Shared by the tests and the stress of ioasids: the numbers and structures of
 * /dev/ioasid, cgroups, processes that hold IDs, and passing descriptors.
 *
 * Each test is a process of its own, and makes these cgroups:
 *
 *	root			ioasids is switched on here, and stays on
 *	  ioasids_test		top
 *	    left
 *	    right
 *
 * The processes that hold IDs are actors. Each is in a cgroup and serves requests of
 * the test: ask(actor, take, 3) makes the actor call take(3, 0) and returns its
 * result, which is -errno if it failed. ask(me, ...) calls it in the test itself.
 */
#ifndef IOASIDS_UTIL_H
#define IOASIDS_UTIL_H

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>
#include <linux/types.h>

#include "../kselftest.h"
#include "cgroup_util.h"

/* Large enough for a small file, and what memory is mapped by */
#ifndef PAGE_SIZE
#define PAGE_SIZE	4096
#endif

#define CONTROLLER	"ioasids"
#define TREE		"ioasids_test"
#define DEVICE		"/dev/ioasid"
#define SETS		"/sys/kernel/debug/ioasid/sets"
#define MOCK		"/dev/ioasid-mock-"
#define MOCK_TABLE	"/sys/kernel/debug/ioasid_mock"

#define WAIT_MS		5000	/* the longest time to wait for an event */

#define TOTAL		((1 << 20) - 1)
#define NOBODY		65534

/*
 * The interface of 2021, for which programs were written, and its extensions. No
 * header of the kernel is used: programs that know these numbers and structures, and
 * no more, must work.
 */
#define ABI_GET_API_VERSION	0x6964
#define ABI_GET_INFO		0x6965
#define ABI_REQUEST_ALLOC	0x6966
#define ABI_REQUEST_FREE	0x6967
#define ABI_SET_QUOTA		0x6968	/* not in 2021 */

#define ABI_FIRST		ABI_GET_API_VERSION
#define ABI_LAST		ABI_SET_QUOTA

struct abi_info_2021 {
	__u32 argsz;
	__u32 flags;
	__u32 ioasid_bits;
};

struct abi_request {
	__u32 argsz;
	__u32 flags;
	__u32 min;
	__u32 max;
};

struct abi_info {
	__u32 argsz;
	__u32 flags;
	__u32 ioasid_bits;
	__u32 quota;
	__u32 allocated;
	__u32 available;
};

struct abi_quota {
	__u32 argsz;
	__u32 flags;
	__u32 quota;
};

/* Waiting */

long now_us(void);
void spin_us(long us);

/* True as soon as @cond is; false if it is still false after @ms. */
#define within(ms, cond)						\
({									\
	long __end = now_us() + (ms) * 1000;				\
	bool __is;							\
									\
	while (!(__is = (cond)) && now_us() < __end)			\
		usleep(1000);						\
	__is;								\
})

#define eventually(cond)	within(WAIT_MS, cond)

/* An idle CPU keeps the mm of a process that has ended: make each run another. */
void run_on_every_cpu(void);

/* Cgroups. Functions that write return 0 or -errno. */

extern char *root, *top, *left, *right;

char *find_root(void);
/* Make @name below the root, and left and right in it. */
bool make_tree(const char *name);
bool remove_tree(void);
/* Remove @path and the cgroups below it; false if one cannot be removed. */
bool remove_cgroups(const char *path);

bool has_file(const char *cgroup, const char *file);
/* The text of a file, on one line. */
char *text(const char *cgroup, const char *file);
long current_of(const char *cgroup);
long peak_of(const char *cgroup);
char *stat_of(const char *cgroup);
char *events_of(const char *cgroup);
char *local_events_of(const char *cgroup);
long capacity_of(const char *key);
bool none_dying(const char *cgroup);
/* The counts of the whole tree and of the machine, without the events. */
char *numbers(void);

ssize_t write_bytes(const char *cgroup, const char *file, const char *bytes, size_t len);
long set(const char *cgroup, const char *file, const char *value);
long set_max(const char *cgroup, const char *max);
long enable_below(const char *cgroup);
long disable_below(const char *cgroup);
long enter(const char *cgroup);
long move_task(pid_t task, const char *cgroup, const char *file);
long move_pid(pid_t pid, const char *cgroup);

/* Descriptors are passed from one process to another over a socket, with a number. */

/* 0 or -errno */
long send_fd(int socket, int fd, unsigned int number);
/* The descriptor, or -errno; -EAGAIN if there is none. @flags are recvmsg()'s. */
long receive_fd(int socket, unsigned int *number, int flags);

/* Pass a descriptor between actors, over a socket that all of them share. */
long post(int fd);
long fetch(void);

/* Actors */

#define me		NULL

struct actor {
	pid_t pid;
	int channel;
};

/* A process in @cgroup that has nothing. */
struct actor *start(const char *cgroup);
struct actor *start_with_device(const char *cgroup);
/* A child of @parent, made by fork() or, with CLONE_VM in @flags, sharing its memory. */
struct actor *start_child(struct actor *parent, int flags);
void kill_actor(struct actor *actor);
/* Kill it, but do not reap it: its parent need not be the test. */
void kill_unreaped(struct actor *actor);
/* Kill and reap them all: a zombie pins its cgroup. */
void end_actors(void);

/* Give @to a copy of @from's descriptor. */
long pass_device(struct actor *from, struct actor *to);
long pass_bond(struct actor *from, struct actor *to);

long tell_args(struct actor *actor, long (*op)(long a, long b), const long *arg);
long ask_args(struct actor *actor, long (*op)(long a, long b), const long *arg);
long answer(struct actor *actor);
bool has_answered(struct actor *actor);

#define tell(actor, op, ...)	tell_args(actor, op, (const long [2]) { __VA_ARGS__ })
#define ask(actor, op, ...)	ask_args(actor, op, (const long [2]) { __VA_ARGS__ })

long quota_of(struct actor *actor);
long allocated_of(struct actor *actor);
long available_to(struct actor *actor);
/* The value of @key in the fdinfo of @actor's descriptor */
char *fdinfo_of(struct actor *actor, const char *key);

/* Operations of actors */

/* Whether the next request to this actor is waiting */
bool is_asked(void);

long result(long ret);
long device_ioctl(unsigned int cmd, void *arg);
long open_device(long a, long b);
long close_device(long a, long b);
long device_fd(long a, long b);
long take_between(long min, long max);
long take(long n, long b);
long open_and_take(long n, long b);
long give(long id, long b);
/* Give back the last @n IDs that were taken. */
long give_back(long n, long b);
long nth_id(long n, long b);
long reserve(long quota, long b);
long info(long field, long b);
/* 0, or the number of an ioctl that does not */
long every_ioctl_fails_with(long error, long b);

long become_nobody(long a, long b);
/* Strings in the arguments must exist since before the fork. */
long try_set_max(long cgroup, long max);
long try_enter(long cgroup, long b);
long try_create(long cgroup, long b);
long try_enable_below(long cgroup, long b);

/*
 * The devices behind the mock IOMMU, by number, as pointers to names are not valid
 * after exec. Opening one binds the opener's memory to it.
 */
enum { MOCK_A, MOCK_B, MOCK_NARROW, MOCK_BROKEN, MOCK_KERNEL };

/* The PASID */
long bind_to(long mock, long b);
/* -ENOENT if nothing is bound */
long unbind(long a, long b);
/* Bind in a child that exits while it is bound: the result of the bind */
long bind_in_child(long mock, long b);

/* An operation as an argument: an offset, as exec may load the program elsewhere */
#define OP(op)			((char *)(op) - (char *)result)

long in_thread(long op, long arg);
/* Call @op in a vforked child and wait for the child; @flags are those of clone(). */
long in_vforked(long (*op)(long a, long b), long arg, int flags);
/* The first thread exits; another one serves further requests. */
long exit_leader(long a, long b);
/* Start a thread that sleeps; returns its ID. */
long start_thread(long a, long b);
long own_thread(long a, long b);
long exec_again(long a, long b);

/* The kernel */

bool sets_have(const char *format, ...);
int open_log(void);
/* The number of new lines with @needle */
int lines_with(int fd, const char *needle);
/* A tenth of @n on a slow kernel with debug options, else @n */
long many(long n);

/* For programs that include kselftest_harness.h first */
#ifdef __KSELFTEST_HARNESS_H

/* False if the test is skipped, for example because the file @needed is missing. */
static inline bool setup(struct __test_metadata *_metadata, const char *needed)
{
	root = find_root();
	if (geteuid())
		SKIP(return false, "not root");
	if (!root)
		SKIP(return false, "cgroup v2 is not mounted");
	if (cg_read_strstr(root, "cgroup.controllers", CONTROLLER))
		SKIP(return false, CONTROLLER " is not in cgroup.controllers");
	if (needed && access(needed, F_OK))
		SKIP(return false, "no %s", needed);
	if (enable_below(root))
		SKIP(return false, CONTROLLER " cannot be enabled in the root");
	ASSERT_TRUE(make_tree(TREE));
	return true;
}

static inline void teardown(struct __test_metadata *_metadata)
{
	enter(root);
	close_device(0, 0);
	end_actors();
	EXPECT_TRUE(remove_tree())
		TH_LOG("%s is still there: %s", top, strerror(errno));
}

#endif
#endif
