// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of the ioasids controller and of /dev/ioasid, written from what
 * Documentation/admin-guide/ioasids.rst and Documentation/userspace-api/ioasid.rst
 * promise. They include no header of either: programs that know the numbers and
 * structures below, and no more, must work.
 *
 * Each test is a process of its own, and makes these cgroups:
 *
 *	root			where ioasids is switched on, and stays on
 *	  ioasids_test		top
 *	    left
 *	    right
 *
 * Those who hold IDs are actors: processes that do, each in its cgroup, what the
 * test asks of them. ask(actor, take, 3) has the actor call take(3, 0) and
 * returns what that returns, which is -errno if it failed; ask(me, ...) does it
 * here.
 *
 * ioasids.capacity is the whole machine's, and is compared: the tests fail if
 * others take IDs meanwhile.
 */
#define _GNU_SOURCE

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <mntent.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <linux/types.h>

#include "../kselftest_harness.h"
#include "cgroup_util.h"
#include "every_cpu.h"

#define CONTROLLER	"ioasids"
#define DEVICE		"/dev/ioasid"
#define TREE		"ioasids_test"

#define WAIT_MS		5000	/* for what need not be at once */
#define ANSWER_S	60	/* for an actor to do what it was asked */

#define TOTAL		((1 << 20) - 1)
#define NOBODY		65534

/* The interface of 2021, as programs were written against it, */
#define ABI_GET_API_VERSION	0x6964
#define ABI_GET_INFO		0x6965
#define ABI_REQUEST_ALLOC	0x6966
#define ABI_REQUEST_FREE	0x6967

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

/* and what came later. */
#define ABI_SET_QUOTA		0x6968

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

#if __has_include("linux/ioasid.h")
#include <linux/ioasid.h>

#define SAME(a, b)	static_assert((a) == (b), "linux/ioasid.h differs")

SAME(IOASID_GET_API_VERSION, ABI_GET_API_VERSION);
SAME(IOASID_GET_INFO, ABI_GET_INFO);
SAME(IOASID_REQUEST_ALLOC, ABI_REQUEST_ALLOC);
SAME(IOASID_REQUEST_FREE, ABI_REQUEST_FREE);
SAME(IOASID_SET_QUOTA, ABI_SET_QUOTA);
SAME(sizeof(struct ioasid_info), sizeof(struct abi_info));
SAME(sizeof(struct ioasid_request), sizeof(struct abi_request));
SAME(sizeof(struct ioasid_quota), sizeof(struct abi_quota));
SAME(offsetof(struct ioasid_info, argsz), offsetof(struct abi_info, argsz));
SAME(offsetof(struct ioasid_info, flags), offsetof(struct abi_info, flags));
SAME(offsetof(struct ioasid_info, ioasid_bits), offsetof(struct abi_info, ioasid_bits));
SAME(offsetof(struct ioasid_info, quota), offsetof(struct abi_info, quota));
SAME(offsetof(struct ioasid_info, allocated), offsetof(struct abi_info, allocated));
SAME(offsetof(struct ioasid_info, available), offsetof(struct abi_info, available));
SAME(offsetof(struct ioasid_request, argsz), offsetof(struct abi_request, argsz));
SAME(offsetof(struct ioasid_request, flags), offsetof(struct abi_request, flags));
SAME(offsetof(struct ioasid_request, min), offsetof(struct abi_request, min));
SAME(offsetof(struct ioasid_request, max), offsetof(struct abi_request, max));
SAME(offsetof(struct ioasid_quota, argsz), offsetof(struct abi_quota, argsz));
SAME(offsetof(struct ioasid_quota, flags), offsetof(struct abi_quota, flags));
SAME(offsetof(struct ioasid_quota, quota), offsetof(struct abi_quota, quota));
#endif

/* Waiting */

static long now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void spin_us(long us)
{
	long end = now_us() + us;

	while (now_us() < end)
		;
}

/* True as soon as @cond is, false if it is not in good time. */
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

/* The cgroups */

static char *root, *top, *left, *right;

static char *find_root(void)
{
	FILE *mounts = setmntent("/proc/self/mounts", "r");
	struct mntent *mount;

	while (mounts && (mount = getmntent(mounts)))
		if (!strcmp(mount->mnt_type, "cgroup2"))
			return strdup(mount->mnt_dir);
	return NULL;
}

static void name_tree(void)
{
	top = cg_name(root, TREE);
	left = cg_name(top, "left");
	right = cg_name(top, "right");
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return type == FTW_DP ? rmdir(path) : 0;
}

static bool try_remove_tree(void)
{
	return !nftw(top, remove_one, 16, FTW_DEPTH | FTW_PHYS) || errno == ENOENT;
}

/* And who is in it */
static bool remove_tree(void)
{
	cg_killall(top);
	return eventually(try_remove_tree());
}

static bool has_file(const char *cgroup, const char *file)
{
	return !access(cg_control(cgroup, file), F_OK);
}

/* The text of a file, on one line. */
static char *text(const char *cgroup, const char *file)
{
	char *buf = calloc(1, PAGE_SIZE), *p;
	int ret = cg_read(cgroup, file, buf, PAGE_SIZE);

	if (ret)
		snprintf(buf, PAGE_SIZE, "%s/%s: %s", cgroup, file, strerror(-ret));
	for (p = buf; *p; p++)
		if (*p == '\n')
			*p = p[1] ? ' ' : '\0';
	return buf;
}

static long current_of(const char *cgroup)
{
	return cg_read_long(cgroup, "ioasids.current");
}

static long peak_of(const char *cgroup)
{
	return cg_read_long(cgroup, "ioasids.peak");
}

static char *stat_of(const char *cgroup)
{
	return text(cgroup, "ioasids.stat");
}

static char *events_of(const char *cgroup)
{
	return text(cgroup, "ioasids.events");
}

static char *local_events_of(const char *cgroup)
{
	return text(cgroup, "ioasids.events.local");
}

static long capacity_of(const char *key)
{
	return cg_read_key_long(root, "ioasids.capacity", key);
}

/* 0, or what the kernel made of it, as of any write below */
static ssize_t write_bytes(const char *cgroup, const char *file, const char *bytes, size_t len)
{
	char *path = cg_control(cgroup, file);
	int fd = open(path, O_WRONLY);
	ssize_t ret;

	free(path);
	if (fd < 0)
		return -errno;
	ret = write(fd, bytes, len) < 0 ? -errno : 0;
	close(fd);
	return ret;
}

static long set(const char *cgroup, const char *file, const char *value)
{
	return write_bytes(cgroup, file, value, strlen(value));
}

static long set_max(const char *cgroup, const char *max)
{
	return set(cgroup, "ioasids.max", max);
}

static long enable_below(const char *cgroup)
{
	return set(cgroup, "cgroup.subtree_control", "+" CONTROLLER);
}

static long disable_below(const char *cgroup)
{
	return set(cgroup, "cgroup.subtree_control", "-" CONTROLLER);
}

static long enter(const char *cgroup)
{
	return set(cgroup, "cgroup.procs", "0");
}

static long move_task(pid_t task, const char *cgroup, const char *file)
{
	char number[16];

	snprintf(number, sizeof(number), "%d", task);
	return set(cgroup, file, number);
}

static long move_pid(pid_t pid, const char *cgroup)
{
	return move_task(pid, cgroup, "cgroup.procs");
}

/* What is counted, but for the events: of the whole tree, and of the machine. */
static char all_numbers[16 * PAGE_SIZE];

static int add_numbers(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	size_t len = strlen(all_numbers);

	if (type == FTW_D)
		snprintf(all_numbers + len, sizeof(all_numbers) - len,
			 "\n%s: current %ld peak %ld %s", path + strlen(root),
			 current_of(path), peak_of(path), stat_of(path));
	return 0;
}

static char *numbers(void)
{
	snprintf(all_numbers, sizeof(all_numbers), "%s", text(root, "ioasids.capacity"));
	nftw(top, add_numbers, 16, FTW_PHYS);
	return strdup(all_numbers);
}

/* What an actor can do. */

#define CHANNEL		100	/* where it is told to */

static int device = -1;
static int ids[TOTAL + 1];
static long nr_ids;

static long result(long ret)
{
	return ret < 0 ? -errno : ret;
}

static long device_ioctl(unsigned int cmd, void *arg)
{
	return result(ioctl(device, cmd, arg));
}

static long open_device(long a, long b)
{
	int fd = open(DEVICE, O_RDWR);

	if (fd < 0)
		return -errno;
	device = fd;
	return 0;
}

static long close_device(long a, long b)
{
	int fd = device;

	device = -1;
	nr_ids = 0;
	return result(close(fd));
}

static long device_fd(long a, long b)
{
	return device;
}

static long take_between(long min, long max)
{
	struct abi_request request = { .argsz = sizeof(request), .min = min, .max = max };

	return device_ioctl(ABI_REQUEST_ALLOC, &request);
}

static long take(long n, long b)
{
	while (n--) {
		long id = take_between(1, UINT_MAX);

		if (id < 0)
			return id;
		ids[nr_ids++] = id;
	}
	return 0;
}

/* Refusals are expected, and not what this is about. */
static long try_take(long n, long b)
{
	while (n--)
		take(1, 0);
	return 0;
}

static long take_after_ms(long ms, long b)
{
	usleep(ms * 1000);
	return take(1, 0);
}

static long give(long id, long b)
{
	int arg = id;

	return device_ioctl(ABI_REQUEST_FREE, &arg);
}

/* The last @n that were taken. */
static long give_back(long n, long b)
{
	long ret = 0;

	while (n-- && nr_ids && !ret)
		ret = give(ids[--nr_ids], 0);
	return ret;
}

/* Until there is something else to do. The rounds, or what went wrong in one */
static long fill_and_empty(long limit, long b)
{
	long rounds = 0, ret;
	char byte;

	while (recv(CHANNEL, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0) {
		ret = take(limit, 0);
		if (ret)
			return ret;
		if (take(1, 0) != -EAGAIN)
			return -EOVERFLOW;
		ret = give_back(limit, 0);
		if (ret)
			return ret;
		rounds++;
	}
	return rounds;
}

static long nth_id(long n, long b)
{
	return ids[n];
}

static long reserve(long quota, long b)
{
	struct abi_quota arg = { .argsz = sizeof(arg), .quota = quota };

	return device_ioctl(ABI_SET_QUOTA, &arg);
}

static long info(long field, long b)
{
	struct abi_info info = { .argsz = sizeof(info) };
	long ret = device_ioctl(ABI_GET_INFO, &info);

	return ret ?: *(__u32 *)((char *)&info + field);
}

static long open_and_take(long n, long b)
{
	return open_device(0, 0) ?: take(n, 0);
}

static long try_reserve(long quota, long times)
{
	while (times--)
		reserve(quota, 0);
	return 0;
}

static long take_and_give(long times, long b)
{
	long ret = 0;

	while (times-- && !ret)
		ret = take(1, 0) ?: give_back(1, 0);
	return ret;
}

/* 0 if all of them do, or one that does not */
static long every_ioctl_fails_with(long error, long b)
{
	struct abi_info info = { .argsz = sizeof(info) };
	struct abi_request request = { .argsz = sizeof(request), .min = 1, .max = TOTAL };
	struct abi_quota quota = { .argsz = sizeof(quota), .quota = 8 };
	int id = nr_ids ? ids[0] : 1;
	const struct {
		unsigned int cmd;
		void *arg;
	} *call, calls[] = {
		{ ABI_GET_API_VERSION, NULL },
		{ ABI_GET_INFO, &info },
		{ ABI_REQUEST_ALLOC, &request },
		{ ABI_REQUEST_FREE, &id },
		{ ABI_SET_QUOTA, &quota },
	};

	for (call = calls; call < calls + ARRAY_SIZE(calls); call++)
		if (device_ioctl(call->cmd, call->arg) != -error)
			return call->cmd;
	return 0;
}

/* All sorts of requests, @n of them; a limit or a quota may refuse them. */
static long churn(long n, long seed)
{
	unsigned int state = seed;
	long ret = 0;

	while (n--) {
		switch (rand_r(&state) % 10) {
		case 0:
			ret = close_device(0, 0) ?: open_device(0, 0);
			break;
		case 1:
			ret = reserve(0, 0);
			break;
		case 2:
		case 3:
			ret = reserve(rand_r(&state) % 12, 0);
			break;
		case 4:
		case 5:
		case 6:
			ret = give_back(1, 0);
			break;
		default:
			ret = take(1, 0);
		}
		if (ret && ret != -EAGAIN && ret != -ENOSPC)
			return ret;
	}
	return 0;
}

static long become_nobody(long a, long b)
{
	return result(setresgid(NOBODY, NOBODY, NOBODY) ?:
		      setresuid(NOBODY, NOBODY, NOBODY));
}

/* What can be asked of who is not root; the strings are from before the fork. */
static long try_set_max(long cgroup, long max)
{
	return set_max((char *)cgroup, (char *)max);
}

static long try_enter(long cgroup, long b)
{
	return enter((char *)cgroup);
}

static long try_create(long cgroup, long b)
{
	return result(cg_create((char *)cgroup));
}

static long try_enable_below(long cgroup, long b)
{
	return enable_below((char *)cgroup);
}

static long move_to_and_fro(long pid, long times)
{
	long ret = 0;

	while (times-- && !ret)
		ret = move_pid(pid, right) ?: move_pid(pid, left);
	return ret;
}

/* Descriptors go from one process to another through a pair of sockets. */

static int mailbox[2];

static long post(int fd)
{
	char byte = 0, control[CMSG_SPACE(sizeof(fd))] = {};
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
	return sendmsg(mailbox[0], &msg, 0) == 1 ? 0 : -errno;
}

static long fetch(void)
{
	char byte, control[CMSG_SPACE(sizeof(int))];
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	int fd;

	if (recvmsg(mailbox[1], &msg, MSG_DONTWAIT) != 1)
		return -errno;
	if (!CMSG_FIRSTHDR(&msg))
		return -ENOMSG;
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fd));
	return fd;
}

static long post_device(long a, long b)
{
	return post(device);
}

static long fetch_device(long a, long b)
{
	device = fetch();
	return device < 0 ? device : 0;
}

/*
 * Accelerators: what the mock IOMMU has behind it, by number, as names do not
 * outlive exec. Opening one binds the opener's memory to it.
 */
enum { MOCK_A, MOCK_B, MOCK_NARROW, MOCK_BROKEN, MOCK_KERNEL };

#define MOCK_DEVICE	"/dev/ioasid-mock-"
#define MOCK_TABLE	"/sys/kernel/debug/ioasid_mock"

static int bonds[8], nr_bonds;

/* The PASID */
static long bind_to(long mock, long b)
{
	static const char *const names[] = { "a", "b", "narrow", "broken", "kernel" };
	char path[64], number[16] = "";
	int fd;

	snprintf(path, sizeof(path), MOCK_DEVICE "%s", names[mock]);
	fd = open(path, O_RDWR);
	if (fd < 0)
		return -errno;
	bonds[nr_bonds++] = fd;
	return read(fd, number, sizeof(number) - 1) > 0 ? atoi(number) : -EIO;
}

static long unbind(long a, long b)
{
	return result(close(bonds[--nr_bonds]));
}

/* A child that binds, and exits while it is bound. What it was answered */
static long bind_in_child(long mock, long b)
{
	int status;
	pid_t pid = fork();

	if (!pid)
		_exit(bind_to(mock, 0) > 0 ? 0 : errno);
	return waitpid(pid, &status, 0) == pid ? -WEXITSTATUS(status) : -errno;
}

static long post_bond(long a, long b)
{
	return post(bonds[nr_bonds - 1]);
}

static long fetch_bond(long a, long b)
{
	long fd = fetch();

	if (fd < 0)
		return fd;
	bonds[nr_bonds++] = fd;
	return 0;
}

/* Actors */

#define me		NULL
#define RESUME		"IOASIDS_TEST_FDS"	/* in the environment: run again by exec */

struct actor {
	pid_t pid;
	int channel;
};

static struct actor actors[16];
static int nr_actors;

/* What to do. It is given as a distance, as an exec'd copy may lie elsewhere. */
#define OP(op)			((char *)(op) - (char *)result)

struct question {
	long op;
	long arg[2];
};

static long do_op(const struct question *q)
{
	void *op = (char *)result + q->op;

	return ((long (*)(long, long))op)(q->arg[0], q->arg[1]);
}

static void serve(long answer)
{
	struct question q;

	while (send(CHANNEL, &answer, sizeof(answer), MSG_NOSIGNAL) == sizeof(answer) &&
	       recv(CHANNEL, &q, sizeof(q), 0) == sizeof(q))
		answer = do_op(&q);
	_exit(0);
}

static long tell_args(struct actor *actor, long (*op)(long a, long b), const long *arg)
{
	struct question q = { OP(op), { arg[0], arg[1] } };

	return send(actor->channel, &q, sizeof(q), MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static long answer(struct actor *actor)
{
	ssize_t got;
	long ret;

	got = recv(actor->channel, &ret, sizeof(ret), 0);
	if (got < 0)
		return -errno;
	return got == sizeof(ret) ? ret : -ESRCH;
}

static bool has_answered(struct actor *actor)
{
	struct pollfd pfd = { .fd = actor->channel, .events = POLLIN };

	return poll(&pfd, 1, 0) == 1;
}

static long ask_args(struct actor *actor, long (*op)(long a, long b), const long *arg)
{
	return actor == me ? op(arg[0], arg[1]) : tell_args(actor, op, arg) ?: answer(actor);
}

#define tell(actor, op, ...)	tell_args(actor, op, (const long [2]) { __VA_ARGS__ })
#define ask(actor, op, ...)	ask_args(actor, op, (const long [2]) { __VA_ARGS__ })

static long quota_of(struct actor *actor)
{
	return ask(actor, info, offsetof(struct abi_info, quota));
}

static long allocated_of(struct actor *actor)
{
	return ask(actor, info, offsetof(struct abi_info, allocated));
}

static long available_to(struct actor *actor)
{
	return ask(actor, info, offsetof(struct abi_info, available));
}

static struct actor *new_actor(int *far)
{
	struct timeval limit = { .tv_sec = ANSWER_S };
	int pair[2];

	if (nr_actors == ARRAY_SIZE(actors) || socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair))
		return NULL;
	setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	actors[nr_actors].channel = pair[0];
	*far = pair[1];
	return &actors[nr_actors++];
}

/* It ends when the test does: nobody else holds the other end of its channel. */
static void act(int channel, long first)
{
	dup2(channel, CHANNEL);
	close(channel);
	serve(first);
}

/* A process in @cgroup that has nothing. */
static struct actor *start(const char *cgroup)
{
	struct actor *actor;
	int far, i;

	actor = new_actor(&far);
	if (!actor)
		return NULL;
	actor->pid = fork();
	if (!actor->pid) {
		for (i = 0; i < nr_actors; i++)
			close(actors[i].channel);
		if (device >= 0)
			close_device(0, 0);
		act(far, enter(cgroup));
	}
	close(far);
	return answer(actor) ? NULL : actor;
}

static struct actor *start_with_device(const char *cgroup)
{
	struct actor *actor = start(cgroup);

	return actor && !ask(actor, open_device) ? actor : NULL;
}

static int child_main(void *channel)
{
	act((long)channel, 0);
	return 0;
}

static long clone_child(long flags, long b)
{
	const size_t size = 256 * 1024;
	char *stack = malloc(size);
	long channel = fetch();
	long pid;

	pid = result(clone(child_main, stack + size, flags | SIGCHLD, (void *)channel));
	close(channel);
	return pid;
}

/* A child of @parent's: with all that fork() passes on, or sharing its memory. */
static struct actor *start_child(struct actor *parent, int flags)
{
	struct actor *child;
	int far;

	child = new_actor(&far);
	if (!child || post(far))
		return NULL;
	close(far);
	child->pid = ask(parent, clone_child, flags);
	return child->pid > 0 && !answer(child) ? child : NULL;
}

static long exec_again(long a, long b)
{
	char fds[32];

	snprintf(fds, sizeof(fds), "%d %d", device, nr_bonds ? bonds[0] : -1);
	setenv(RESUME, fds, 1);
	execl("/proc/self/exe", "test_ioasids", NULL);
	return -errno;
}

static void __attribute__((constructor)) resume_after_exec(void)
{
	const char *fds = getenv(RESUME);

	if (fds && sscanf(fds, "%d %d", &device, &bonds[0]) == 2) {
		nr_bonds = bonds[0] >= 0;
		serve(0);
	}
}

static void *do_in_thread(void *question)
{
	return (void *)do_op(question);
}

static long in_thread(long op, long arg)
{
	struct question q = { op, { arg } };
	pthread_t thread;
	void *ret;

	if (pthread_create(&thread, NULL, do_in_thread, &q) || pthread_join(thread, &ret))
		return -ECHILD;
	return (long)ret;
}

static bool leader_is_gone(void)
{
	char buf[PAGE_SIZE];

	return proc_read_text(0, false, "stat", buf, sizeof(buf)) > 0 && strstr(buf, ") Z ");
}

static void *outlive_leader(void *unused)
{
	serve(eventually(leader_is_gone()) ? 0 : -ETIMEDOUT);
	return NULL;
}

/* The first thread exits; another goes on serving. */
static long exit_leader(long a, long b)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, outlive_leader, NULL))
		return -EAGAIN;
	pthread_exit(NULL);
}

static int thread_id;

static void *sleep_in_thread(void *unused)
{
	__atomic_store_n(&thread_id, gettid(), __ATOMIC_RELEASE);
	while (pause())
		;
	return NULL;
}

static long start_thread(long a, long b)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, sleep_in_thread, NULL))
		return -EAGAIN;
	eventually(__atomic_load_n(&thread_id, __ATOMIC_ACQUIRE));
	return thread_id;
}

static long own_thread(long a, long b)
{
	return gettid();
}

static void kill_actor(struct actor *actor)
{
	kill(actor->pid, SIGKILL);
	waitpid(actor->pid, NULL, 0);
}

/* Gives @to a copy of @from's descriptor. */
static long pass_device(struct actor *from, struct actor *to)
{
	return ask(from, post_device) ?: ask(to, fetch_device);
}

static long pass_bond(struct actor *from, struct actor *to)
{
	return ask(from, post_bond) ?: ask(to, fetch_bond);
}

/* Set up and tear down */

static void make_tree(struct __test_metadata *_metadata)
{
	name_tree();
	/* A test that was killed leaves its own. */
	ASSERT_TRUE(remove_tree());
	ASSERT_EQ(0, cg_create(top));
	/* On v1 there is nothing to enable. */
	ASSERT_EQ(0, has_file(top, "cgroup.subtree_control") ? enable_below(top) : 0);
	ASSERT_EQ(0, cg_create(left));
	ASSERT_EQ(0, cg_create(right));
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_DGRAM, 0, mailbox));
}

/* False if the test is to be skipped: for want of the file @needed, say. */
static bool setup(struct __test_metadata *_metadata, const char *needed)
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
	make_tree(_metadata);
	return true;
}

/* Also waits for them: a zombie keeps what is left of its cgroup. */
static void end_actors(void)
{
	int i;

	for (i = 0; i < nr_actors; i++)
		close(actors[i].channel);
	cg_killall(top);
	for (i = 0; i < nr_actors; i++)
		if (actors[i].pid > 0 && !waitpid(actors[i].pid, NULL, WNOHANG))
			kill_actor(&actors[i]);
	nr_actors = 0;
}

static void teardown(struct __test_metadata *_metadata)
{
	enter(root);
	if (device >= 0)
		close_device(0, 0);
	end_actors();
	EXPECT_TRUE(remove_tree())
		TH_LOG("%s is still there: %s", top, strerror(errno));
}

/*
 * ioasids.max and the other files
 */
FIXTURE(limit) {
};

FIXTURE_SETUP(limit)
{
	setup(_metadata, NULL);
}

FIXTURE_TEARDOWN(limit)
{
	teardown(_metadata);
}

TEST_F(limit, default_is_no_limit)
{
	EXPECT_STREQ("max", text(top, "ioasids.max"));
	EXPECT_STREQ("max", text(left, "ioasids.max"));
}

TEST_F(limit, new_cgroup_counts_nothing)
{
	EXPECT_STREQ("0", text(left, "ioasids.current"));
	EXPECT_STREQ("0", text(left, "ioasids.peak"));
	EXPECT_STREQ("allocated 0 reserved 0 sets 0", text(left, "ioasids.stat"));
	EXPECT_STREQ("max 0 alloc_fail 0", text(left, "ioasids.events"));
	EXPECT_STREQ("max 0 alloc_fail 0", text(left, "ioasids.events.local"));
}

struct limit_write {
	const char *name;
	const char *bytes;
	size_t len;
	const char *reads;
};

#define WRITE(name, bytes, ...)	{ (name), (bytes), sizeof(bytes) - 1, ##__VA_ARGS__ }

TEST_F(limit, bad_write_is_refused_and_changes_nothing)
{
	static const struct limit_write *row, rows[] = {
		WRITE("a space", " "),
		WRITE("a newline", "\n"),
		WRITE("white space", " \t\n "),
		WRITE("a NUL", "\0"),
		WRITE("-1", "-1"),
		WRITE("-0", "-0"),
		WRITE("--1", "--1"),
		WRITE("- 1", "- 1"),
		WRITE("+1", "+1"),
		WRITE("+0", "+0"),
		WRITE("0x10", "0x10"),
		WRITE("0b1", "0b1"),
		WRITE("0o7", "0o7"),
		WRITE("1e3", "1e3"),
		WRITE("1.5", "1.5"),
		WRITE("1,000", "1,000"),
		WRITE("1_000", "1_000"),
		WRITE("1k", "1k"),
		WRITE("1x", "1x"),
		WRITE("x1", "x1"),
		WRITE("x", "x"),
		WRITE("\\xff", "\xff"),
		WRITE("5\\xff", "5\xff"),
		WRITE("1 2", "1 2"),
		WRITE("1\\n2", "1\n2"),
		WRITE("m", "m"),
		WRITE("ma", "ma"),
		WRITE("MAX", "MAX"),
		WRITE("max1", "max1"),
		WRITE("max 1", "max 1"),
		WRITE("maxmax", "maxmax"),
		WRITE("-max", "-max"),
		WRITE("infinity", "infinity"),
		WRITE("bytes after a NUL", "5\0junk"),
		WRITE("a letter after a NUL", "5\0x"),
		WRITE("white space after a NUL", "5\0\n"),
		WRITE("two NULs", "5\0\0"),
		WRITE("max, and bytes after a NUL", "max\0max"),
		WRITE("2^63", "9223372036854775808"),
		WRITE("2^64 - 1", "18446744073709551615"),
		WRITE("2^64", "18446744073709551616"),
		WRITE("2^64 + 5", "18446744073709551621"),
		WRITE("23 nines", "99999999999999999999999"),
	};

	ASSERT_EQ(0, set_max(left, "7"));

	for (row = rows; row < rows + ARRAY_SIZE(rows); row++) {
		EXPECT_EQ(-EINVAL, write_bytes(left, "ioasids.max", row->bytes, row->len))
			TH_LOG("wrote %s", row->name);
		EXPECT_STREQ("7", text(left, "ioasids.max"))
			TH_LOG("wrote %s", row->name);
	}
}

/* cgroup does not tell a controller of a write of no bytes, so it is no error. */
TEST_F(limit, write_of_no_bytes_changes_nothing)
{
	ASSERT_EQ(0, set_max(left, "7"));

	EXPECT_EQ(0, write_bytes(left, "ioasids.max", "", 0));

	EXPECT_STREQ("7", text(left, "ioasids.max"));
}

TEST_F(limit, good_write_reads_back)
{
	static const struct limit_write *row, rows[] = {
		WRITE("0", "0", "0"),
		WRITE("5", "5", "5"),
		WRITE("spaces around it", " 5 ", "5"),
		WRITE("a line", "6\n", "6"),
		WRITE("a tab before it, a newline after it", "\t7\n", "7"),
		WRITE("leading zeroes", "007", "7"),
		WRITE("leading zeroes, not octal", "0000000000000000000000000089", "89"),
		WRITE("max", "max", "max"),
		WRITE("a string's own NUL", "5\0", "5"),
		WRITE("max in white space", " max\n", "max"),
		WRITE("a string's own NUL after a newline", "8\n\0", "8"),
		WRITE("2^20", "1048576", "1048576"),
		WRITE("2^32 - 1", "4294967295", "4294967295"),
		WRITE("2^32", "4294967296", "4294967296"),
		WRITE("2^32 + 5", "4294967301", "4294967301"),
		WRITE("2^63 - 1", "9223372036854775807", "9223372036854775807"),
	};

	for (row = rows; row < rows + ARRAY_SIZE(rows); row++) {
		EXPECT_EQ(0, write_bytes(left, "ioasids.max", row->bytes, row->len))
			TH_LOG("wrote %s", row->name);
		EXPECT_STREQ(row->reads, text(left, "ioasids.max"))
			TH_LOG("wrote %s", row->name);
	}
}

TEST_F(limit, same_value_again_is_accepted)
{
	ASSERT_EQ(0, set_max(left, "5"));

	EXPECT_EQ(0, set_max(left, "5"));
	EXPECT_STREQ("5", text(left, "ioasids.max"));

	ASSERT_EQ(0, set_max(left, "max"));
	EXPECT_EQ(0, set_max(left, "max"));
}

TEST_F(limit, limit_takes_nothing_from_the_machine)
{
	static char *const limits[] = { "5", "4294967301", "1048575", "0", "max" };
	char *before = numbers();
	int i;

	for (i = 0; i < ARRAY_SIZE(limits); i++) {
		ASSERT_EQ(0, set_max(top, limits[i]));
		ASSERT_EQ(0, set_max(left, limits[i]));
		EXPECT_STREQ(before, numbers())
			TH_LOG("limit %s", limits[i]);
	}
}

/* On v1 as on v2 */
static void expect_files(struct __test_metadata *_metadata)
{
	static const char *const files[] = {
		"ioasids.max", "ioasids.current", "ioasids.peak", "ioasids.events",
		"ioasids.events.local", "ioasids.stat",
	};
	int i;

	for (i = 0; i < ARRAY_SIZE(files); i++) {
		EXPECT_FALSE(has_file(root, files[i]))
			TH_LOG("%s", files[i]);
		EXPECT_TRUE(has_file(top, files[i]) && has_file(left, files[i]))
			TH_LOG("%s", files[i]);
	}
	EXPECT_TRUE(has_file(root, "ioasids.capacity"));
	EXPECT_FALSE(has_file(top, "ioasids.capacity") || has_file(left, "ioasids.capacity"));
}

TEST_F(limit, files_are_where_they_belong)
{
	expect_files(_metadata);
}

TEST_F(limit, only_the_limit_can_be_written)
{
	static const char *const files[] = {
		"ioasids.current", "ioasids.peak", "ioasids.events", "ioasids.events.local",
		"ioasids.stat",
	};
	int i;

	for (i = 0; i < ARRAY_SIZE(files); i++) {
		EXPECT_GT(0, set(left, files[i], "0"))
			TH_LOG("%s", files[i]);
	}
	EXPECT_GT(0, set(root, "ioasids.capacity", "0"));
	EXPECT_EQ(0, set_max(left, "0"));
}

TEST_F(limit, capacity_adds_up)
{
	long total = capacity_of("total ");

	EXPECT_LT(0, total);
	EXPECT_GE(TOTAL, total);
	EXPECT_EQ(total, capacity_of("kernel ") + capacity_of("user ") + capacity_of("available "));
	EXPECT_STREQ("total", strtok(text(root, "ioasids.capacity"), " "));
}

TEST_F(limit, threaded_cgroup_has_no_controller)
{
	/* What is enabled beside threads must be a threaded controller. */
	EXPECT_EQ(-EOPNOTSUPP, set(left, "cgroup.type", "threaded"));

	ASSERT_EQ(0, disable_below(top));
	ASSERT_EQ(0, set(left, "cgroup.type", "threaded"));
	EXPECT_EQ(-EOPNOTSUPP, enable_below(top));
	EXPECT_NE(0, cg_read_strstr(left, "cgroup.controllers", CONTROLLER));
}

TEST_F(limit, delegatee_cannot_raise_its_own_limit)
{
	char *below = cg_name(left, "below");
	struct actor *nobody = start(left);

	ASSERT_NE(NULL, nobody);
	ASSERT_EQ(0, set_max(left, "5"));
	ASSERT_EQ(0, chown(left, NOBODY, NOBODY));
	ASSERT_EQ(0, chown(cg_control(left, "cgroup.procs"), NOBODY, NOBODY));
	ASSERT_EQ(0, chown(cg_control(left, "cgroup.subtree_control"), NOBODY, NOBODY));
	ASSERT_EQ(0, ask(nobody, become_nobody));

	EXPECT_EQ(-EACCES, ask(nobody, try_set_max, (long)left, (long)"max"));
	EXPECT_STREQ("5", text(left, "ioasids.max"));
	EXPECT_EQ(-EACCES, ask(nobody, try_enter, (long)right));

	/* It rules what is below. */
	EXPECT_EQ(0, ask(nobody, try_create, (long)below));
	EXPECT_EQ(0, ask(nobody, try_enter, (long)below));
	EXPECT_EQ(0, ask(nobody, try_enable_below, (long)left));
	EXPECT_EQ(0, ask(nobody, try_set_max, (long)below, (long)"max"));
	EXPECT_EQ(0, ask(nobody, try_set_max, (long)below, (long)"3"));
}

/*
 * What is charged, to whom, and what is refused
 */
FIXTURE(charge) {
	struct actor *holder;	/* in left, has opened the device */
	struct actor *other;	/* in right, the same */
};

FIXTURE_SETUP(charge)
{
	if (!setup(_metadata, DEVICE))
		return;
	self->holder = start_with_device(left);
	ASSERT_NE(NULL, self->holder);
	self->other = start_with_device(right);
	ASSERT_NE(NULL, self->other);
}

FIXTURE_TEARDOWN(charge)
{
	teardown(_metadata);
}

TEST_F(charge, open_device_is_a_set_that_costs_nothing)
{
	EXPECT_EQ(0, current_of(left));
	EXPECT_STREQ("allocated 0 reserved 0 sets 1", stat_of(left));
	EXPECT_STREQ("allocated 0 reserved 0 sets 2", stat_of(top));

	ASSERT_EQ(0, ask(self->holder, close_device));
	EXPECT_STREQ("allocated 0 reserved 0 sets 0", stat_of(left));
}

TEST_F(charge, each_id_is_charged_one_and_given_back_one)
{
	int i;

	for (i = 1; i <= 5; i++) {
		ASSERT_EQ(0, ask(self->holder, take, 1));
		EXPECT_EQ(i, current_of(left));
		EXPECT_EQ(i, current_of(top));
	}
	for (i = 4; i >= 0; i--) {
		ASSERT_EQ(0, ask(self->holder, give_back, 1));
		EXPECT_EQ(i, current_of(left));
		EXPECT_EQ(i, current_of(top));
	}
	EXPECT_EQ(0, current_of(right));
}

TEST_F(charge, set_outlives_its_last_id)
{
	ASSERT_EQ(0, ask(self->holder, take, 2));
	ASSERT_EQ(0, ask(self->holder, give_back, 2));
	EXPECT_STREQ("allocated 0 reserved 0 sets 1", stat_of(left));

	EXPECT_EQ(0, ask(self->holder, take, 1));
	EXPECT_EQ(1, current_of(left));
	EXPECT_EQ(0, ask(self->holder, close_device));
	EXPECT_EQ(0, current_of(left));
}

TEST_F(charge, id_over_the_limit_is_eagain)
{
	char *before;

	ASSERT_EQ(0, set_max(left, "5"));
	ASSERT_EQ(0, ask(self->holder, take, 5));
	before = numbers();

	EXPECT_EQ(-EAGAIN, ask(self->holder, take, 1));

	EXPECT_STREQ(before, numbers());
	ASSERT_EQ(0, ask(self->holder, give_back, 1));
	EXPECT_EQ(0, ask(self->holder, take, 1));
}

TEST_F(charge, limit_of_zero_grants_nothing)
{
	ASSERT_EQ(0, set_max(left, "0"));

	EXPECT_EQ(-EAGAIN, ask(self->holder, take, 1));
	EXPECT_EQ(-EAGAIN, ask(self->holder, reserve, 1));
	EXPECT_EQ(0, ask(self->other, take, 1));
}

TEST_F(charge, limit_beyond_32_bits_limits_nothing)
{
	ASSERT_EQ(0, set_max(left, "4294967296"));

	EXPECT_EQ(0, ask(self->holder, take, 3));
	EXPECT_EQ(0, ask(self->holder, reserve, 1000));
	EXPECT_EQ(1000, current_of(left));
}

TEST_F(charge, lowered_limit_takes_nothing_and_grants_nothing_until_it_fits)
{
	char *before;

	ASSERT_EQ(0, ask(self->holder, take, 5));
	before = numbers();

	ASSERT_EQ(0, set_max(left, "3"));
	EXPECT_STREQ(before, numbers());

	EXPECT_EQ(-EAGAIN, ask(self->holder, take, 1));
	ASSERT_EQ(0, ask(self->holder, give_back, 1));
	EXPECT_EQ(-EAGAIN, ask(self->holder, take, 1));
	ASSERT_EQ(0, ask(self->holder, give_back, 1));
	EXPECT_EQ(-EAGAIN, ask(self->holder, take, 1));
	ASSERT_EQ(0, ask(self->holder, give_back, 1));
	EXPECT_EQ(0, ask(self->holder, take, 1));
	EXPECT_EQ(3, current_of(left));
}

TEST_F(charge, children_may_overcommit)
{
	ASSERT_EQ(0, set_max(top, "5"));
	ASSERT_EQ(0, set_max(left, "5"));
	ASSERT_EQ(0, set_max(right, "1000000"));

	EXPECT_EQ(0, ask(self->holder, take, 3));
	EXPECT_EQ(0, ask(self->other, take, 2));
	EXPECT_EQ(-EAGAIN, ask(self->other, take, 1));
	EXPECT_EQ(-EAGAIN, ask(self->holder, take, 1));
	EXPECT_EQ(5, current_of(top));
}

TEST_F(charge, reservation_is_charged_at_once_and_whole)
{
	long user = capacity_of("user "), available = capacity_of("available ");

	ASSERT_EQ(0, ask(self->holder, reserve, 10));

	EXPECT_EQ(10, current_of(left));
	EXPECT_EQ(10, current_of(top));
	EXPECT_EQ(10, peak_of(left));
	EXPECT_STREQ("allocated 0 reserved 10 sets 1", stat_of(left));
	EXPECT_EQ(user + 10, capacity_of("user "));
	EXPECT_EQ(available - 10, capacity_of("available "));
}

TEST_F(charge, reservation_that_fits_exactly_is_granted)
{
	ASSERT_EQ(0, set_max(top, "10"));

	EXPECT_EQ(0, ask(self->holder, reserve, 10));
	EXPECT_EQ(-EAGAIN, ask(self->other, take, 1));
}

TEST_F(charge, reservation_over_the_limit_is_refused_whole)
{
	char *before;

	ASSERT_EQ(0, set_max(left, "9"));
	before = numbers();

	EXPECT_EQ(-EAGAIN, ask(self->holder, reserve, 10));

	EXPECT_STREQ(before, numbers());
	EXPECT_EQ(0, quota_of(self->holder));
}

TEST_F(charge, allocation_inside_a_reservation_is_never_refused)
{
	ASSERT_EQ(0, ask(self->holder, reserve, 3));
	ASSERT_EQ(0, set_max(left, "0"));
	ASSERT_EQ(0, set_max(top, "0"));

	EXPECT_EQ(0, ask(self->holder, take, 3));
	EXPECT_EQ(0, ask(self->holder, give_back, 1));
	EXPECT_EQ(0, ask(self->holder, take, 1));
	EXPECT_STREQ("max 0 alloc_fail 0", events_of(top));
}

TEST_F(charge, allocation_inside_a_reservation_charges_nothing_more)
{
	long user = capacity_of("user ");

	ASSERT_EQ(0, ask(self->holder, reserve, 10));

	ASSERT_EQ(0, ask(self->holder, take, 4));
	EXPECT_EQ(10, current_of(left));
	EXPECT_EQ(user + 10, capacity_of("user "));
	EXPECT_STREQ("allocated 4 reserved 6 sets 1", stat_of(left));

	ASSERT_EQ(0, ask(self->holder, give_back, 4));
	EXPECT_EQ(10, current_of(left));
	EXPECT_STREQ("allocated 0 reserved 10 sets 1", stat_of(left));
}

TEST_F(charge, beyond_its_quota_a_set_gets_enospc)
{
	char *before;

	ASSERT_EQ(0, ask(self->holder, reserve, 2));
	ASSERT_EQ(0, ask(self->holder, take, 2));
	before = numbers();

	EXPECT_EQ(-ENOSPC, ask(self->holder, take, 1));

	EXPECT_STREQ(before, numbers());
	EXPECT_STREQ("max 0 alloc_fail 0", events_of(left));
}

TEST_F(charge, stat_counts_descendants)
{
	ASSERT_EQ(0, ask(self->holder, reserve, 10));
	ASSERT_EQ(0, ask(self->holder, take, 4));
	ASSERT_EQ(0, ask(self->other, take, 3));

	EXPECT_STREQ("allocated 4 reserved 6 sets 1", stat_of(left));
	EXPECT_STREQ("allocated 3 reserved 0 sets 1", stat_of(right));
	EXPECT_STREQ("allocated 7 reserved 6 sets 2", stat_of(top));
	EXPECT_EQ(13, current_of(top));
}

TEST_F(charge, capacity_follows_single_ids)
{
	long user = capacity_of("user "), available = capacity_of("available ");
	long kernel = capacity_of("kernel ");

	ASSERT_EQ(0, ask(self->holder, take, 3));

	EXPECT_EQ(user + 3, capacity_of("user "));
	EXPECT_EQ(available - 3, capacity_of("available "));
	EXPECT_EQ(kernel, capacity_of("kernel "));

	ASSERT_EQ(0, ask(self->holder, give_back, 3));
	EXPECT_EQ(user, capacity_of("user "));
	EXPECT_EQ(available, capacity_of("available "));
}

TEST_F(charge, reservation_of_more_than_there_is_is_enospc_and_no_event)
{
	char *before = numbers();

	EXPECT_EQ(-ENOSPC, ask(self->holder, reserve, capacity_of("available ") + 1));
	EXPECT_EQ(-ENOSPC, ask(self->holder, reserve, UINT_MAX));

	EXPECT_STREQ(before, numbers());
	EXPECT_STREQ("max 0 alloc_fail 0", events_of(left));
	EXPECT_STREQ("max 0 alloc_fail 0", events_of(top));
	EXPECT_EQ(0, quota_of(self->holder));
}

TEST_F(charge, exhausted_machine_is_enospc_and_no_event)
{
	char *before;

	ASSERT_EQ(0, ask(self->other, reserve, capacity_of("available ")));
	ASSERT_EQ(0, capacity_of("available "));
	before = numbers();

	EXPECT_EQ(-ENOSPC, ask(self->holder, take, 1));
	EXPECT_EQ(-ENOSPC, ask(self->holder, reserve, 1));

	EXPECT_STREQ(before, numbers());
	EXPECT_STREQ("max 0 alloc_fail 0", events_of(left));
	ASSERT_EQ(0, ask(self->other, reserve, 0));
	EXPECT_EQ(0, ask(self->holder, take, 1));
}

TEST_F(charge, limit_is_looked_at_before_capacity)
{
	ASSERT_EQ(0, set_max(left, "0"));
	ASSERT_EQ(0, ask(self->other, reserve, capacity_of("available ")));

	EXPECT_EQ(-EAGAIN, ask(self->holder, take, 1));
	EXPECT_EQ(-EAGAIN, ask(self->holder, reserve, UINT_MAX));
	EXPECT_STREQ("max 2 alloc_fail 2", events_of(left));
}

struct failing_request {
	const char *name;
	long (*op)(long a, long b);
	long arg[2];
	long ret;
};

static void expect_failures(struct __test_metadata *_metadata, struct actor *actor,
			    const struct failing_request *rows, int n)
{
	const struct failing_request *row;
	char *before = numbers();

	for (row = rows; row < rows + n; row++) {
		EXPECT_EQ(row->ret, ask(actor, row->op, row->arg[0], row->arg[1]))
			TH_LOG("%s", row->name);
		EXPECT_STREQ(before, numbers())
			TH_LOG("%s", row->name);
	}
}

TEST_F(charge, failed_request_changes_nothing)
{
	static const struct failing_request rows[] = {
		{ "a reservation over the limit", reserve, { 4 }, -EAGAIN },
		{ "a reservation of less than is held", reserve, { 1 }, -ENOSPC },
		{ "an ID from a range in use", take_between, { 1000, 1001 }, -ENOSPC },
		{ "an ID from an empty range", take_between, { 5, 4 }, -EINVAL },
		{ "an ID no higher than 0", take_between, { 0, 0 }, -EINVAL },
		{ "an ID beyond the machine's", take_between, { TOTAL + 1, UINT_MAX }, -ENOSPC },
		{ "free 0", give, { 0 }, -EINVAL },
		{ "free -1", give, { -1 }, -EINVAL },
		{ "free INT_MIN", give, { INT_MIN }, -EINVAL },
		{ "free what nobody holds", give, { 3000 }, -ENOENT },
		{ "free what the machine does not have", give, { TOTAL + 1 }, -ENOENT },
		{ "free INT_MAX", give, { INT_MAX }, -ENOENT },
		{ "free another's", give, { 2000 }, -EACCES },
	};

	ASSERT_EQ(0, set_max(left, "3"));
	ASSERT_EQ(1000, ask(self->holder, take_between, 1000, 1000));
	ASSERT_EQ(1001, ask(self->holder, take_between, 1001, 1001));
	ASSERT_EQ(2000, ask(self->other, take_between, 2000, 2000));

	expect_failures(_metadata, self->holder, rows, ARRAY_SIZE(rows));
	EXPECT_EQ(0, quota_of(self->holder));
}

TEST_F(charge, failed_request_within_a_quota_changes_nothing)
{
	static const struct failing_request rows[] = {
		{ "a reservation over the limit", reserve, { 6 }, -EAGAIN },
		{ "a reservation of less than is held", reserve, { 1 }, -ENOSPC },
		{ "an ID from a range in use", take_between, { 1000, 1001 }, -ENOSPC },
		{ "an ID from an empty range", take_between, { 5, 4 }, -EINVAL },
		{ "an ID no higher than 0", take_between, { 0, 0 }, -EINVAL },
		{ "an ID beyond the machine's", take_between, { TOTAL + 1, UINT_MAX }, -ENOSPC },
		{ "free what nobody holds", give, { 3000 }, -ENOENT },
		{ "free another's", give, { 2000 }, -EACCES },
	};

	ASSERT_EQ(0, set_max(left, "5"));
	ASSERT_EQ(0, ask(self->holder, reserve, 4));
	ASSERT_EQ(1000, ask(self->holder, take_between, 1000, 1000));
	ASSERT_EQ(1001, ask(self->holder, take_between, 1001, 1001));
	ASSERT_EQ(2000, ask(self->other, take_between, 2000, 2000));

	expect_failures(_metadata, self->holder, rows, ARRAY_SIZE(rows));
	EXPECT_EQ(4, quota_of(self->holder));
}

/*
 * ioasids.peak
 */
TEST_F(charge, peak_is_the_highest_current)
{
	ASSERT_EQ(0, ask(self->holder, take, 5));
	EXPECT_EQ(5, peak_of(left));

	ASSERT_EQ(0, ask(self->holder, give_back, 3));
	EXPECT_EQ(5, peak_of(left));
	ASSERT_EQ(0, ask(self->holder, take, 2));
	EXPECT_EQ(5, peak_of(left));
	ASSERT_EQ(0, ask(self->holder, take, 2));
	EXPECT_EQ(6, peak_of(left));
	ASSERT_EQ(0, ask(self->holder, close_device));
	EXPECT_EQ(6, peak_of(left));
}

TEST_F(charge, peak_of_a_parent_is_that_of_the_sum)
{
	ASSERT_EQ(0, ask(self->holder, take, 3));
	ASSERT_EQ(0, ask(self->holder, give_back, 3));
	ASSERT_EQ(0, ask(self->other, take, 4));

	EXPECT_EQ(3, peak_of(left));
	EXPECT_EQ(4, peak_of(right));
	EXPECT_EQ(4, peak_of(top));
}

/* Also when the count falls afterwards. */
TEST_F(charge, request_refused_by_its_cgroup_leaves_no_mark_in_peak)
{
	ASSERT_EQ(0, set_max(left, "3"));
	ASSERT_EQ(0, ask(self->holder, take, 2));
	ASSERT_EQ(-EAGAIN, ask(self->holder, reserve, 100));
	ASSERT_EQ(0, ask(self->holder, take, 1));
	ASSERT_EQ(-EAGAIN, ask(self->holder, take, 1));

	EXPECT_EQ(3, peak_of(left));
	ASSERT_EQ(0, ask(self->holder, give_back, 3));
	EXPECT_EQ(3, peak_of(left));
	EXPECT_EQ(3, peak_of(top));
}

TEST_F(charge, request_refused_by_an_ancestor_leaves_no_mark_in_peak)
{
	ASSERT_EQ(0, set_max(top, "3"));
	ASSERT_EQ(0, ask(self->holder, take, 2));
	ASSERT_EQ(-EAGAIN, ask(self->holder, reserve, 100));
	ASSERT_EQ(0, ask(self->holder, take, 1));
	ASSERT_EQ(-EAGAIN, ask(self->holder, take, 1));

	EXPECT_EQ(3, peak_of(left));
	ASSERT_EQ(0, ask(self->holder, give_back, 3));
	EXPECT_EQ(3, peak_of(left));
	EXPECT_EQ(3, peak_of(top));
}

TEST_F(charge, request_refused_for_want_of_ids_leaves_no_mark_in_peak)
{
	ASSERT_LT(0, ask(self->holder, take_between, 1000, 1000));
	ASSERT_EQ(-ENOSPC, ask(self->holder, take_between, 1000, 1000));
	ASSERT_EQ(-ENOSPC, ask(self->holder, reserve, UINT_MAX));

	EXPECT_EQ(1, peak_of(left));
	ASSERT_EQ(0, ask(self->holder, close_device));
	EXPECT_EQ(1, peak_of(left));
	EXPECT_EQ(1, peak_of(top));
}

TEST_F(charge, moves_between_children_leave_no_mark_in_peak)
{
	int i;

	ASSERT_EQ(0, ask(self->holder, take, 5));

	for (i = 0; i < 10; i++) {
		ASSERT_EQ(0, move_pid(self->holder->pid, right));
		ASSERT_EQ(0, move_pid(self->holder->pid, left));
	}
	ASSERT_EQ(0, ask(self->holder, give_back, 5));

	EXPECT_EQ(5, peak_of(top));
	EXPECT_EQ(5, peak_of(left));
	EXPECT_EQ(5, peak_of(right));
}

/* Nor can who is at the same limit tell that anybody moves. */
TEST_F_TIMEOUT(charge, ten_thousand_moves_at_the_parents_limit_change_nothing, 900)
{
	struct actor *third;
	char *path = cg_name(top, "third");
	long rounds;
	int i;

	ASSERT_EQ(0, cg_create(path));
	third = start_with_device(path);
	ASSERT_NE(NULL, third);
	ASSERT_EQ(0, set_max(top, "10"));
	ASSERT_EQ(0, ask(self->holder, take, 4));
	ASSERT_EQ(0, ask(self->other, reserve, 3));

	ASSERT_EQ(0, tell(third, fill_and_empty, 3));
	for (i = 0; i <= 5000; i++) {
		struct actor *mover = i & 1 ? self->holder : self->other;

		ASSERT_EQ(0, move_pid(mover->pid, right));
		ASSERT_EQ(0, move_pid(mover->pid, left));
		ASSERT_EQ(7, current_of(left) + current_of(right));
	}
	ASSERT_EQ(0, tell(third, device_fd));
	rounds = answer(third);
	EXPECT_LT(0, rounds);
	EXPECT_LE(0, answer(third));

	EXPECT_EQ(10, peak_of(top));
	EXPECT_EQ(3, peak_of(path));
	EXPECT_EQ(rounds, cg_read_key_long(path, "ioasids.events", "alloc_fail "));
	EXPECT_EQ(7, current_of(top));
}

/* All of @who take and give back IDs at the same time. */
static bool compete(struct actor **who, int n)
{
	bool fine = true;
	int i;

	for (i = 0; i < n; i++)
		fine &= !tell(who[i], churn, 3000, i + 1);
	for (i = 0; i < n; i++)
		fine &= !answer(who[i]) && !ask(who[i], close_device);
	return fine;
}

TEST_F(charge, competing_requests_never_exceed_the_limit)
{
	struct actor *who[] = {
		self->holder, start_with_device(left), self->other, start_with_device(right),
	};
	long user = capacity_of("user ");

	ASSERT_EQ(0, set_max(top, "10"));

	EXPECT_TRUE(compete(who, ARRAY_SIZE(who)));

	EXPECT_GE(10, peak_of(top));
	EXPECT_EQ(0, current_of(top));
	EXPECT_EQ(0, current_of(left));
	EXPECT_EQ(0, current_of(right));
	EXPECT_EQ(user, capacity_of("user "));
}

/* What is refused in the very instant in which something is given back may show. */
TEST_F(charge, competing_requests_that_are_refused_mark_at_most_what_is_under_way)
{
	struct actor *who[] = { self->holder, start_with_device(left), start_with_device(left) };

	ASSERT_EQ(0, set_max(top, "10"));

	EXPECT_TRUE(compete(who, ARRAY_SIZE(who)));

	EXPECT_GE(10 + ARRAY_SIZE(who) - 1, peak_of(left));
}

/* There is room for it in left, but not in top. */
TEST_F(charge, refused_reservation_pushes_nobody_away)
{
	struct actor *neighbour = start_with_device(left);

	ASSERT_NE(NULL, neighbour);
	ASSERT_EQ(0, set_max(left, "20"));
	ASSERT_EQ(0, set_max(top, "10"));

	ASSERT_EQ(0, tell(self->holder, try_reserve, 20, 20000));
	while (!has_answered(self->holder)) {
		ASSERT_EQ(0, ask(neighbour, take_and_give, 100))
			TH_LOG("%s", events_of(left));
	}

	EXPECT_GE(2, peak_of(left));
}

/*
 * ioasids.events and ioasids.events.local
 */
TEST_F(charge, refusal_by_its_own_limit_is_counted_there_and_above)
{
	ASSERT_EQ(0, set_max(left, "0"));

	ASSERT_EQ(-EAGAIN, ask(self->holder, take, 1));

	EXPECT_STREQ("max 1 alloc_fail 1", events_of(left));
	EXPECT_STREQ("max 1 alloc_fail 1", local_events_of(left));
	EXPECT_STREQ("max 1 alloc_fail 1", events_of(top));
	EXPECT_STREQ("max 0 alloc_fail 0", local_events_of(top));
	EXPECT_STREQ("max 0 alloc_fail 0", events_of(right));
	EXPECT_STREQ("max 0 alloc_fail 0", local_events_of(right));
}

TEST_F(charge, refusal_by_an_ancestor_is_counted_as_max_there_and_as_alloc_fail_here)
{
	ASSERT_EQ(0, set_max(top, "0"));

	ASSERT_EQ(-EAGAIN, ask(self->holder, take, 1));

	EXPECT_STREQ("max 0 alloc_fail 1", events_of(left));
	EXPECT_STREQ("max 0 alloc_fail 1", local_events_of(left));
	EXPECT_STREQ("max 1 alloc_fail 1", events_of(top));
	EXPECT_STREQ("max 1 alloc_fail 0", local_events_of(top));
	EXPECT_STREQ("max 0 alloc_fail 0", events_of(right));
	EXPECT_STREQ("max 0 alloc_fail 0", local_events_of(right));
}

TEST_F(charge, refused_reservation_is_one_event)
{
	ASSERT_EQ(0, set_max(left, "5"));

	ASSERT_EQ(-EAGAIN, ask(self->holder, reserve, 100));

	EXPECT_STREQ("max 1 alloc_fail 1", events_of(left));
	EXPECT_STREQ("max 1 alloc_fail 1", local_events_of(left));
}

TEST_F(charge, events_add_up)
{
	ASSERT_EQ(0, set_max(top, "0"));

	ASSERT_EQ(0, ask(self->holder, try_take, 3));
	ASSERT_EQ(0, ask(self->other, try_take, 4));

	EXPECT_STREQ("max 0 alloc_fail 3", events_of(left));
	EXPECT_STREQ("max 0 alloc_fail 4", events_of(right));
	EXPECT_STREQ("max 7 alloc_fail 7", events_of(top));
	EXPECT_STREQ("max 7 alloc_fail 0", local_events_of(top));
}

TEST_F(charge, what_no_limit_refused_is_no_event)
{
	ASSERT_EQ(0, ask(self->holder, reserve, 1));
	ASSERT_EQ(1000, ask(self->holder, take_between, 1000, 1000));

	ASSERT_EQ(-ENOSPC, ask(self->holder, take, 1));
	ASSERT_EQ(-ENOSPC, ask(self->other, take_between, 1000, 1000));
	ASSERT_EQ(-ENOSPC, ask(self->other, reserve, UINT_MAX));
	ASSERT_EQ(-EINVAL, ask(self->other, take_between, 2, 1));
	ASSERT_EQ(-EACCES, ask(self->other, give, 1000));

	EXPECT_STREQ("max 0 alloc_fail 0", events_of(top));
	EXPECT_STREQ("max 0 alloc_fail 0", local_events_of(left));
	EXPECT_STREQ("max 0 alloc_fail 0", local_events_of(right));
}

/* What changes when a request from left is refused by the limit of top. */
static const struct watched {
	char **cgroup;
	const char *file;
	bool changes;
} watched[] = {
	{ &left, "ioasids.events", true },
	{ &left, "ioasids.events.local", true },
	{ &top, "ioasids.events", true },
	{ &top, "ioasids.events.local", true },
	{ &right, "ioasids.events", false },
	{ &right, "ioasids.events.local", false },
};

TEST_F(charge, refusal_wakes_who_polls)
{
	struct pollfd pfd[ARRAY_SIZE(watched)];
	char buf[64];
	int i;

	ASSERT_EQ(0, set_max(top, "0"));
	for (i = 0; i < ARRAY_SIZE(watched); i++) {
		pfd[i].fd = open(cg_control(*watched[i].cgroup, watched[i].file), O_RDONLY);
		pfd[i].events = POLLPRI;
		ASSERT_LT(0, read(pfd[i].fd, buf, sizeof(buf)));
	}
	ASSERT_EQ(0, poll(pfd, ARRAY_SIZE(watched), 0));

	ASSERT_EQ(0, tell(self->holder, take_after_ms, 50));

	for (i = 0; i < ARRAY_SIZE(watched); i++) {
		EXPECT_EQ(watched[i].changes, poll(&pfd[i], 1, watched[i].changes ? WAIT_MS : 50))
			TH_LOG("%s/%s", *watched[i].cgroup, watched[i].file);
	}
	EXPECT_EQ(-EAGAIN, answer(self->holder));
}

TEST_F(charge, refusal_wakes_who_watches_by_inotify)
{
	bool seen[ARRAY_SIZE(watched)] = {};
	struct inotify_event event;
	struct pollfd pfd = { .events = POLLIN };
	int wd[ARRAY_SIZE(watched)];
	int i, left_to_see = 0;

	ASSERT_EQ(0, set_max(top, "0"));
	pfd.fd = inotify_init1(IN_CLOEXEC);
	ASSERT_LE(0, pfd.fd);
	for (i = 0; i < ARRAY_SIZE(watched); i++) {
		wd[i] = inotify_add_watch(pfd.fd, cg_control(*watched[i].cgroup, watched[i].file),
					  IN_MODIFY);
		ASSERT_LE(0, wd[i]);
		left_to_see += watched[i].changes;
	}

	ASSERT_EQ(-EAGAIN, ask(self->holder, take, 1));

	while (poll(&pfd, 1, left_to_see > 0 ? WAIT_MS : 50) == 1) {
		ASSERT_EQ(sizeof(event), read(pfd.fd, &event, sizeof(event)));
		for (i = 0; i < ARRAY_SIZE(watched); i++) {
			if (event.wd == wd[i]) {
				left_to_see -= !seen[i];
				seen[i] = true;
			}
		}
	}
	for (i = 0; i < ARRAY_SIZE(watched); i++) {
		EXPECT_EQ(watched[i].changes, seen[i])
			TH_LOG("%s/%s", *watched[i].cgroup, watched[i].file);
	}
}

/* The kernel log */

static int open_log(void)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK);

	if (fd >= 0)
		lseek(fd, 0, SEEK_END);
	return fd;
}

/* How many new lines have @needle in them */
static int lines_with(int fd, const char *needle)
{
	char buf[8192];
	int lines = 0;
	ssize_t len;

	while ((len = read(fd, buf, sizeof(buf) - 1)) > 0 || (len < 0 && errno == EPIPE)) {
		buf[len < 0 ? 0 : len] = '\0';
		lines += !!strstr(buf, needle);
	}
	return lines;
}

TEST_F(charge, first_refusal_in_a_cgroup_prints_one_line_with_its_path)
{
	int log = open_log();

	if (log < 0)
		SKIP(return, "/dev/kmsg cannot be read");
	ASSERT_EQ(0, set_max(top, "0"));

	ASSERT_EQ(-EAGAIN, ask(self->holder, take, 1));
	EXPECT_EQ(1, lines_with(log, left + strlen(root)));

	ASSERT_EQ(-EAGAIN, ask(self->other, take, 1));
	EXPECT_EQ(1, lines_with(log, right + strlen(root)));
}

TEST_F(charge, nothing_that_can_be_repeated_prints)
{
	int log = open_log(), i;

	if (log < 0)
		SKIP(return, "/dev/kmsg cannot be read");
	ASSERT_EQ(0, set_max(left, "0"));
	ASSERT_EQ(-EAGAIN, ask(self->holder, take, 1));
	ASSERT_EQ(1, lines_with(log, "ioasid"));

	for (i = 0; i < 100; i++) {
		ASSERT_EQ(-EAGAIN, ask(self->holder, take, 1));
		ASSERT_EQ(-EAGAIN, ask(self->holder, reserve, 5));
		ASSERT_EQ(-ENOSPC, ask(self->other, reserve, UINT_MAX));
		ASSERT_EQ(-EINVAL, ask(self->holder, take_between, 0, 0));
		ASSERT_EQ(-ENOENT, ask(self->holder, give, 5000));
		ASSERT_EQ(-EBUSY, ask(self->holder, open_device));
	}

	EXPECT_EQ(0, lines_with(log, "ioasid"));
}

/*
 * Quotas
 */
TEST_F(charge, quota_can_be_raised_and_lowered)
{
	ASSERT_EQ(0, ask(self->holder, reserve, 4));
	ASSERT_EQ(0, ask(self->holder, take, 2));

	EXPECT_EQ(0, ask(self->holder, reserve, 10));
	EXPECT_EQ(10, current_of(left));
	EXPECT_EQ(10, quota_of(self->holder));

	EXPECT_EQ(0, ask(self->holder, reserve, 10));
	EXPECT_EQ(10, current_of(left));

	EXPECT_EQ(0, ask(self->holder, reserve, 2));
	EXPECT_EQ(2, current_of(left));
	EXPECT_EQ(2, current_of(top));
	EXPECT_EQ(2, quota_of(self->holder));
}

TEST_F(charge, raising_a_quota_charges_the_difference_or_nothing)
{
	char *before;

	ASSERT_EQ(0, set_max(top, "6"));
	ASSERT_EQ(0, ask(self->holder, reserve, 4));
	before = numbers();

	EXPECT_EQ(-EAGAIN, ask(self->holder, reserve, 7));
	EXPECT_STREQ(before, numbers());
	EXPECT_EQ(4, quota_of(self->holder));

	EXPECT_EQ(0, ask(self->holder, reserve, 6));
	EXPECT_EQ(6, current_of(top));
}

TEST_F(charge, quota_below_what_is_held_is_enospc)
{
	char *before;

	ASSERT_EQ(0, ask(self->holder, reserve, 4));
	ASSERT_EQ(0, ask(self->holder, take, 3));
	before = numbers();

	EXPECT_EQ(-ENOSPC, ask(self->holder, reserve, 2));
	EXPECT_STREQ(before, numbers());
	EXPECT_EQ(4, quota_of(self->holder));
	EXPECT_EQ(0, ask(self->holder, reserve, 3));
}

TEST_F(charge, lowering_a_quota_is_not_refused_by_a_limit)
{
	ASSERT_EQ(0, ask(self->holder, reserve, 10));
	ASSERT_EQ(0, set_max(left, "0"));

	EXPECT_EQ(0, ask(self->holder, reserve, 5));
	EXPECT_EQ(5, current_of(left));
	EXPECT_EQ(-EAGAIN, ask(self->holder, reserve, 6));
	EXPECT_STREQ("max 1 alloc_fail 1", events_of(left));
}

TEST_F(charge, quota_counts_what_is_held_already)
{
	ASSERT_EQ(0, ask(self->holder, take, 3));
	ASSERT_EQ(0, set_max(left, "10"));

	EXPECT_EQ(-ENOSPC, ask(self->holder, reserve, 2));
	EXPECT_EQ(0, ask(self->holder, reserve, 10));
	EXPECT_EQ(10, current_of(left));
	EXPECT_STREQ("allocated 3 reserved 7 sets 1", stat_of(left));
}

TEST_F(charge, withdrawn_quota_leaves_ids_charged_one_by_one)
{
	long user = capacity_of("user ");

	ASSERT_EQ(0, ask(self->holder, reserve, 10));
	ASSERT_EQ(0, ask(self->holder, take, 3));
	ASSERT_EQ(0, set_max(left, "0"));

	EXPECT_EQ(0, ask(self->holder, reserve, 0));
	EXPECT_EQ(3, current_of(left));
	EXPECT_EQ(3, current_of(top));
	EXPECT_EQ(user + 3, capacity_of("user "));
	EXPECT_EQ(0, quota_of(self->holder));
	EXPECT_STREQ("allocated 3 reserved 0 sets 1", stat_of(left));
	EXPECT_STREQ("max 0 alloc_fail 0", events_of(left));

	EXPECT_EQ(-EAGAIN, ask(self->holder, take, 1));
	EXPECT_EQ(0, ask(self->holder, give_back, 1));
	EXPECT_EQ(2, current_of(left));
	EXPECT_EQ(0, set_max(left, "3"));
	EXPECT_EQ(0, ask(self->holder, take, 1));
	EXPECT_EQ(3, current_of(left));
}

TEST_F(charge, withdrawing_no_quota_is_fine)
{
	char *before;

	ASSERT_EQ(0, ask(self->holder, take, 3));
	before = numbers();

	EXPECT_EQ(0, ask(self->holder, reserve, 0));
	EXPECT_STREQ(before, numbers());
}

TEST_F(charge, available_is_the_least_of_cgroup_ancestors_and_machine)
{
	EXPECT_EQ(capacity_of("available "), available_to(self->holder));

	ASSERT_EQ(0, set_max(left, "10"));
	EXPECT_EQ(10, available_to(self->holder));
	ASSERT_EQ(0, set_max(top, "7"));
	EXPECT_EQ(7, available_to(self->holder));
	ASSERT_EQ(0, ask(self->holder, take, 2));
	EXPECT_EQ(5, available_to(self->holder));
	ASSERT_EQ(0, ask(self->other, take, 3));
	EXPECT_EQ(2, available_to(self->holder));

	ASSERT_EQ(0, set_max(left, "1"));
	EXPECT_EQ(0, available_to(self->holder));

	ASSERT_EQ(0, set_max(left, "4294967301"));
	ASSERT_EQ(0, set_max(top, "9223372036854775807"));
	EXPECT_EQ(capacity_of("available "), available_to(self->holder));

	ASSERT_EQ(0, ask(self->other, reserve, 3 + capacity_of("available ")));
	EXPECT_EQ(0, available_to(self->holder));
}

TEST_F(charge, available_inside_a_quota_is_what_is_left_of_it)
{
	ASSERT_EQ(0, ask(self->holder, reserve, 10));
	ASSERT_EQ(0, set_max(left, "0"));
	EXPECT_EQ(10, available_to(self->holder));

	ASSERT_EQ(0, ask(self->holder, take, 4));

	EXPECT_EQ(6, available_to(self->holder));
	EXPECT_EQ(10, quota_of(self->holder));
	EXPECT_EQ(4, allocated_of(self->holder));
}

/*
 * A limit at each of 8 levels
 */
FIXTURE(levels) {
	char *level[8];
	struct actor *holder;	/* in the lowest */
};

FIXTURE_VARIANT(levels) {
	int limit_at;
};

FIXTURE_VARIANT_ADD(levels, limit_at_0) { .limit_at = 0 };
FIXTURE_VARIANT_ADD(levels, limit_at_1) { .limit_at = 1 };
FIXTURE_VARIANT_ADD(levels, limit_at_2) { .limit_at = 2 };
FIXTURE_VARIANT_ADD(levels, limit_at_3) { .limit_at = 3 };
FIXTURE_VARIANT_ADD(levels, limit_at_4) { .limit_at = 4 };
FIXTURE_VARIANT_ADD(levels, limit_at_5) { .limit_at = 5 };
FIXTURE_VARIANT_ADD(levels, limit_at_6) { .limit_at = 6 };
FIXTURE_VARIANT_ADD(levels, limit_at_7) { .limit_at = 7 };

FIXTURE_SETUP(levels)
{
	int i;

	if (!setup(_metadata, DEVICE))
		return;
	self->level[0] = top;
	for (i = 1; i < ARRAY_SIZE(self->level); i++) {
		self->level[i] = cg_name_indexed(self->level[i - 1], "level", i);
		ASSERT_EQ(0, enable_below(self->level[i - 1]));
		ASSERT_EQ(0, cg_create(self->level[i]));
	}
	self->holder = start_with_device(self->level[7]);
	ASSERT_NE(NULL, self->holder);
	ASSERT_EQ(0, set_max(self->level[variant->limit_at], "5"));
}

FIXTURE_TEARDOWN(levels)
{
	teardown(_metadata);
}

TEST_F(levels, limit_at_any_level_refuses)
{
	char *before;
	int i;

	ASSERT_EQ(0, ask(self->holder, take, 5));
	before = numbers();

	EXPECT_EQ(-EAGAIN, ask(self->holder, take, 1));

	EXPECT_STREQ(before, numbers());
	for (i = 0; i < ARRAY_SIZE(self->level); i++) {
		EXPECT_EQ(5, current_of(self->level[i]))
			TH_LOG("level %d", i);
	}
}

TEST_F(levels, reservation_is_charged_at_all_levels_or_at_none)
{
	char *before = numbers();
	int i;

	EXPECT_EQ(-EAGAIN, ask(self->holder, reserve, 6));
	EXPECT_STREQ(before, numbers());

	EXPECT_EQ(0, ask(self->holder, reserve, 5));
	for (i = 0; i < ARRAY_SIZE(self->level); i++) {
		EXPECT_EQ(5, current_of(self->level[i]))
			TH_LOG("level %d", i);
	}

	EXPECT_EQ(0, ask(self->holder, reserve, 0));
	for (i = 0; i < ARRAY_SIZE(self->level); i++) {
		EXPECT_EQ(0, current_of(self->level[i]))
			TH_LOG("level %d", i);
	}
}

TEST_F(levels, event_goes_to_the_limit_the_requester_and_all_above)
{
	int i;

	ASSERT_EQ(-EAGAIN, ask(self->holder, reserve, 6));

	for (i = 0; i < ARRAY_SIZE(self->level); i++) {
		char local[64];

		snprintf(local, sizeof(local), "max %d alloc_fail %d",
			 i == variant->limit_at, i == 7);
		EXPECT_STREQ(local, local_events_of(self->level[i]))
			TH_LOG("level %d", i);
		EXPECT_STREQ(i <= variant->limit_at ? "max 1 alloc_fail 1" : "max 0 alloc_fail 1",
			     events_of(self->level[i]))
			TH_LOG("level %d", i);
	}
}

TEST_F(levels, available_is_what_the_limit_leaves)
{
	ASSERT_EQ(0, ask(self->holder, take, 2));

	EXPECT_EQ(3, available_to(self->holder));
}

/*
 * /dev/ioasid, used by the test itself, in left
 */
FIXTURE(device) {
};

FIXTURE_SETUP(device)
{
	if (!setup(_metadata, DEVICE))
		return;
	ASSERT_EQ(0, enter(left));
	ASSERT_EQ(0, ask(me, open_device));
}

FIXTURE_TEARDOWN(device)
{
	teardown(_metadata);
}

TEST_F(device, only_root_can_open_it)
{
	struct actor *nobody = start(left);
	struct stat st;

	ASSERT_NE(NULL, nobody);
	ASSERT_EQ(0, stat(DEVICE, &st));
	EXPECT_TRUE(S_ISCHR(st.st_mode));
	EXPECT_EQ(0600, st.st_mode & 07777);
	EXPECT_EQ(0, st.st_uid);

	ASSERT_EQ(0, ask(nobody, become_nobody));
	EXPECT_EQ(-EACCES, ask(nobody, open_device));
}

TEST_F(device, version_is_0)
{
	EXPECT_EQ(0, device_ioctl(ABI_GET_API_VERSION, NULL));
	EXPECT_EQ(0, device_ioctl(ABI_GET_API_VERSION, (void *)-1));
}

/* Written with the header and the manual of 2021 at hand. */
TEST_F(device, program_of_2021_works)
{
	struct abi_info_2021 info = { .argsz = sizeof(info) };
	struct abi_request request = { .argsz = sizeof(request), .min = 1, .max = 0xfffff };
	int fd, id;

	ASSERT_EQ(0, ask(me, close_device));
	fd = open("/dev/ioasid", O_RDWR);
	ASSERT_LE(0, fd);

	EXPECT_EQ(0, ioctl(fd, ABI_GET_API_VERSION));
	EXPECT_EQ(0, ioctl(fd, ABI_GET_INFO, &info));
	EXPECT_LE(1, info.ioasid_bits);
	EXPECT_GE(20, info.ioasid_bits);
	id = ioctl(fd, ABI_REQUEST_ALLOC, &request);
	EXPECT_LT(0, id);
	EXPECT_GE(0xfffff, id);
	EXPECT_EQ(0, ioctl(fd, ABI_REQUEST_FREE, &id));
	EXPECT_EQ(0, close(fd));
}

TEST_F(device, unknown_ioctl_is_enotty)
{
	static const unsigned int cmds[] = {
		_IO('i', 0x63), _IO('i', 0x69), _IO('i', 0), _IO('i', 0xff), _IO('I', 0x64),
		_IO(0, 0x64), 0, UINT_MAX,
		_IOW('i', 0x64, int), _IOR('i', 0x64, int), _IOW('i', 0x65, struct abi_info),
		_IOR('i', 0x65, struct abi_info), _IOWR('i', 0x65, struct abi_info),
		_IOW('i', 0x66, struct abi_request), _IOWR('i', 0x66, struct abi_request),
		_IOW('i', 0x67, int), _IOW('i', 0x68, struct abi_quota),
		_IOWR('i', 0x68, struct abi_quota),
	};
	struct abi_info info = { .argsz = sizeof(info) };
	int i;

	for (i = 0; i < ARRAY_SIZE(cmds); i++) {
		EXPECT_EQ(-ENOTTY, device_ioctl(cmds[i], &info))
			TH_LOG("0x%x", cmds[i]);
	}
}

TEST_F(device, info_writes_as_much_as_was_asked_for)
{
	const size_t whole = sizeof(struct abi_info);
	size_t argsz;

	ASSERT_EQ(0, ask(me, reserve, 0x11111));
	ASSERT_EQ(0, ask(me, take, 2));

	for (argsz = sizeof(struct abi_info_2021); argsz <= whole; argsz++) {
		struct abi_info want = {
			argsz, 0, 20, 0x11111, 2, 0x1110f,
		};
		unsigned char got[sizeof(struct abi_info) + 16];
		size_t i;

		memset(got, 0xa5, sizeof(got));
		memset(got, 0, argsz);
		memcpy(got, &argsz, sizeof(__u32));

		ASSERT_EQ(0, device_ioctl(ABI_GET_INFO, got));

		EXPECT_EQ(0, memcmp(&want, got, argsz))
			TH_LOG("argsz %zu", argsz);
		for (i = argsz; i < sizeof(got); i++) {
			EXPECT_EQ(0xa5, got[i])
				TH_LOG("argsz %zu, byte %zu", argsz, i);
		}
	}
}

TEST_F(device, info_into_memory_that_cannot_be_written_is_efault)
{
	struct abi_info *info;

	info = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, info);
	info->argsz = sizeof(*info);
	ASSERT_EQ(0, mprotect(info, PAGE_SIZE, PROT_READ));

	EXPECT_EQ(-EFAULT, device_ioctl(ABI_GET_INFO, info));
}

TEST_F(device, range_is_inclusive_and_full_range_is_enospc)
{
	EXPECT_EQ(70000, ask(me, take_between, 70000, 70002));
	EXPECT_EQ(70001, ask(me, take_between, 70000, 70002));
	EXPECT_EQ(70002, ask(me, take_between, 70000, 70002));
	EXPECT_EQ(-ENOSPC, ask(me, take_between, 70000, 70002));

	EXPECT_EQ(70003, ask(me, take_between, 70003, 70003));
	EXPECT_EQ(-ENOSPC, ask(me, take_between, 70003, 70003));
}

/* What they allocated is freed once: else two IDs would be one in memory. */
TEST_F(device, failed_requests_mix_up_no_ids)
{
	int i;

	ASSERT_EQ(70000, ask(me, take_between, 70000, 70000));
	for (i = 0; i < 2000; i++)
		ASSERT_EQ(-ENOSPC, ask(me, take_between, 70000, 70000));
	usleep(200000);	/* for RCU; so many do not wait long */

	ASSERT_EQ(0, ask(me, take, 100));
	EXPECT_EQ(101, current_of(left));
	EXPECT_EQ(0, ask(me, give_back, 100));
	EXPECT_EQ(0, ask(me, give, 70000));
	EXPECT_EQ(0, current_of(left));
}

TEST_F(device, lowest_free_id_comes_first)
{
	ASSERT_EQ(80000, ask(me, take_between, 80000, UINT_MAX));
	ASSERT_EQ(80001, ask(me, take_between, 80000, UINT_MAX));
	ASSERT_EQ(80002, ask(me, take_between, 80000, UINT_MAX));

	ASSERT_EQ(0, ask(me, give, 80002));
	ASSERT_EQ(0, ask(me, give, 80000));

	EXPECT_EQ(80000, ask(me, take_between, 80000, UINT_MAX));
	EXPECT_EQ(80002, ask(me, take_between, 80000, UINT_MAX));
	EXPECT_EQ(80003, ask(me, take_between, 80000, UINT_MAX));
}

TEST_F(device, ids_begin_at_1)
{
	long first = ask(me, take_between, 0, UINT_MAX);

	EXPECT_LT(0, first);
	ASSERT_EQ(0, ask(me, give, first));
	EXPECT_EQ(first, ask(me, take_between, 1, UINT_MAX));
	EXPECT_EQ(-EINVAL, ask(me, take_between, 0, 0));
}

TEST_F(device, highest_id_can_be_had)
{
	EXPECT_EQ(TOTAL, ask(me, take_between, TOTAL, TOTAL));
	EXPECT_EQ(-ENOSPC, ask(me, take_between, TOTAL, UINT_MAX));
	EXPECT_EQ(-ENOSPC, ask(me, take_between, TOTAL + 1, UINT_MAX));
	EXPECT_EQ(0, ask(me, give, TOTAL));
}

TEST_F(device, freed_id_is_gone)
{
	long id = ask(me, take_between, 1, TOTAL);

	ASSERT_LT(0, id);
	EXPECT_EQ(0, ask(me, give, id));
	EXPECT_EQ(-ENOENT, ask(me, give, id));
}

TEST_F(device, free_from_bad_memory_is_efault)
{
	EXPECT_EQ(-EFAULT, device_ioctl(ABI_REQUEST_FREE, NULL));
	EXPECT_EQ(-EFAULT, device_ioctl(ABI_REQUEST_FREE, (void *)-1));
}

TEST_F(device, ids_are_unique_over_processes)
{
	struct actor *one = start_with_device(left), *two = start_with_device(right);
	static bool taken[TOTAL + 1];
	int i;

	ASSERT_NE(NULL, one);
	ASSERT_NE(NULL, two);
	for (i = 0; i < 50; i++) {
		ASSERT_EQ(0, ask(one, take, 1));
		ASSERT_EQ(0, ask(two, take, 1));
	}

	for (i = 0; i < 50; i++) {
		EXPECT_FALSE(taken[ask(one, nth_id, i)]);
		taken[ask(one, nth_id, i)] = true;
		EXPECT_FALSE(taken[ask(two, nth_id, i)]);
		taken[ask(two, nth_id, i)] = true;
	}
}

TEST_F(device, second_open_is_ebusy)
{
	EXPECT_EQ(-EBUSY, ask(me, open_device));
	EXPECT_EQ(-EBUSY, ask(me, in_thread, OP(open_device)));

	ASSERT_EQ(0, ask(me, close_device));
	EXPECT_EQ(0, ask(me, open_device));
	EXPECT_EQ(0, ask(me, take, 1));
}

TEST_F(device, open_is_ebusy_until_the_last_duplicate_is_closed)
{
	int copy = dup(device);

	ASSERT_LE(0, copy);
	ASSERT_EQ(0, ask(me, close_device));
	EXPECT_EQ(-EBUSY, ask(me, open_device));

	ASSERT_EQ(0, close(copy));
	EXPECT_EQ(0, ask(me, open_device));
}

TEST_F(device, open_is_ebusy_while_another_process_has_a_copy)
{
	struct actor *keeper = start(right);

	ASSERT_NE(NULL, keeper);
	ASSERT_EQ(0, pass_device(me, keeper));
	ASSERT_EQ(0, ask(me, close_device));

	EXPECT_EQ(-EBUSY, ask(me, open_device));

	ASSERT_EQ(0, ask(keeper, close_device));
	EXPECT_EQ(0, ask(me, open_device));
}

TEST_F(device, thread_has_access)
{
	EXPECT_EQ(0, ask(me, in_thread, OP(take), 3));
	EXPECT_EQ(3, current_of(left));
	EXPECT_EQ(0, ask(me, give_back, 3));
}

TEST_F(device, close_releases_everything)
{
	char *before;

	ASSERT_EQ(0, ask(me, close_device));
	before = text(root, "ioasids.capacity");

	ASSERT_EQ(0, ask(me, open_device));
	ASSERT_EQ(0, ask(me, take, 3));
	ASSERT_EQ(0, ask(me, close_device));
	EXPECT_EQ(0, current_of(left));
	EXPECT_STREQ(before, text(root, "ioasids.capacity"));

	ASSERT_EQ(0, ask(me, open_device));
	ASSERT_EQ(0, ask(me, reserve, 10));
	ASSERT_EQ(0, ask(me, take, 3));
	ASSERT_EQ(0, ask(me, close_device));
	EXPECT_EQ(0, current_of(left));
	EXPECT_EQ(0, current_of(top));
	EXPECT_STREQ("allocated 0 reserved 0 sets 0", stat_of(top));
	EXPECT_STREQ(before, text(root, "ioasids.capacity"));
}

/* What @key of the fdinfo of @actor's descriptor says; it ends with the line. */
#define SETS	"/sys/kernel/debug/ioasid/sets"

static __printf(1, 2) bool sets_have(const char *format, ...)
{
	static char buf[64 * PAGE_SIZE];
	char *want;
	va_list args;
	int ret;

	va_start(args, format);
	ret = vasprintf(&want, format, args);
	va_end(args);
	return ret > 0 && read_text(SETS, buf, sizeof(buf)) > 0 && strstr(buf, want);
}

static char *fdinfo_of(struct actor *actor, const char *key)
{
	char file[64], *line, *found;

	snprintf(file, sizeof(file), "%d/fdinfo/%ld", actor == me ? getpid() : actor->pid,
		 ask(actor, device_fd));
	line = calloc(1, PAGE_SIZE);
	cg_read("/proc", file, line, PAGE_SIZE);
	found = strstr(line, key);
	if (!found)
		return "";
	found += strlen(key);
	found += strspn(found, ": \t");
	found[strcspn(found, "\n")] = '\0';
	return found;
}

TEST_F(device, fdinfo_shows_set_quota_allocated_and_cgroup)
{
	struct actor *other = start_with_device(right);

	ASSERT_NE(NULL, other);
	ASSERT_EQ(0, ask(me, reserve, 7));
	ASSERT_EQ(0, ask(me, take, 3));

	EXPECT_STREQ("7", fdinfo_of(me, "ioasid-quota"));
	EXPECT_STREQ("3", fdinfo_of(me, "ioasid-allocated"));
	EXPECT_STREQ(left + strlen(root), fdinfo_of(me, "ioasid-cgroup"));
	EXPECT_LT(0, atol(fdinfo_of(me, "ioasid-set")));

	EXPECT_STREQ("0", fdinfo_of(other, "ioasid-quota"));
	EXPECT_STREQ("0", fdinfo_of(other, "ioasid-allocated"));
	EXPECT_STREQ(right + strlen(root), fdinfo_of(other, "ioasid-cgroup"));
	EXPECT_STRNE(fdinfo_of(me, "ioasid-set"), fdinfo_of(other, "ioasid-set"));
}

/* Locks come before it: it may find that the buffer ends anywhere, or has ended. */
TEST_F(device, fdinfo_is_whole_however_much_comes_before)
{
	static char buf[4 * PAGE_SIZE];
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1 };
	char file[64], end[PATH_MAX];

	snprintf(file, sizeof(file), "/proc/self/fdinfo/%d", device);
	snprintf(end, sizeof(end), "\nioasid-cgroup:\t%s\n", left + strlen(root));
	for (lock.l_start = 0; lock.l_start < 300; lock.l_start += 2) {
		ASSERT_EQ(0, fcntl(device, F_SETLK, &lock));
		ASSERT_LT(0, read_text(file, buf, sizeof(buf)));
		ASSERT_NE(NULL, strstr(buf, end));
	}
	ASSERT_LT(2 * PAGE_SIZE, strlen(buf));
}

TEST_F(device, debugfs_shows_the_set_to_root)
{
	struct stat st;
	char *set;

	if (access(SETS, F_OK))
		SKIP(return, "no " SETS);
	ASSERT_EQ(0, stat(SETS, &st));
	EXPECT_EQ(0400, st.st_mode & 07777);

	ASSERT_EQ(0, ask(me, reserve, 7));
	ASSERT_EQ(0, ask(me, take, 3));
	set = fdinfo_of(me, "ioasid-set");
	EXPECT_TRUE(sets_have("\n%s\tprocess\t7\t3\t%d\ttest_ioasids\t%s\n", set, getpid(),
			      left + strlen(root)));
	ASSERT_EQ(0, ask(me, close_device));
	EXPECT_FALSE(sets_have("\n%s\tprocess\t", set));
}

TEST_F(device, fdinfo_shows_the_cgroup_that_pays_after_a_move)
{
	ASSERT_EQ(0, enter(right));
	EXPECT_STREQ(right + strlen(root), fdinfo_of(me, "ioasid-cgroup"));

	ASSERT_EQ(0, enter(root));
	EXPECT_STREQ("/", fdinfo_of(me, "ioasid-cgroup"));
}

/*
 * The structures that ioctls take
 */
FIXTURE(argument) {
	long page;
	char *before;
};

FIXTURE_VARIANT(argument) {
	unsigned int cmd;
	__u32 size;
	__u32 min_size;
	__u32 words[4];
};

FIXTURE_VARIANT_ADD(argument, info) {
	.cmd = ABI_GET_INFO,
	.size = sizeof(struct abi_info),
	.min_size = sizeof(struct abi_info_2021),
};

FIXTURE_VARIANT_ADD(argument, request) {
	.cmd = ABI_REQUEST_ALLOC,
	.size = sizeof(struct abi_request),
	.min_size = sizeof(struct abi_request),
	.words = { 0, 0, 1, TOTAL },
};

FIXTURE_VARIANT_ADD(argument, quota) {
	.cmd = ABI_SET_QUOTA,
	.size = sizeof(struct abi_quota),
	.min_size = sizeof(struct abi_quota),
	.words = { 0, 0, 8 },
};

/* Some memory, and where it ends; what lies beyond cannot be touched. */
static char *memory, *memory_end;

FIXTURE_SETUP(argument)
{
	if (!setup(_metadata, DEVICE))
		return;
	self->page = sysconf(_SC_PAGESIZE);
	memory = mmap(NULL, 3 * self->page, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, memory);
	memory_end = memory + 2 * self->page;
	ASSERT_EQ(0, mprotect(memory_end, self->page, PROT_NONE));
	ASSERT_EQ(0, enter(left));
	ASSERT_EQ(0, ask(me, open_device));
	self->before = numbers();
}

FIXTURE_TEARDOWN(argument)
{
	teardown(_metadata);
}

/* The structure @words with @argsz and zeroes beyond, @room bytes from the end. */
static void *place(const __u32 *words, __u32 argsz, long room)
{
	__u32 arg[4] = { argsz, words[1], words[2], words[3] };

	memset(memory, 0, memory_end - memory);
	return memcpy(memory_end - room, arg, room < sizeof(arg) ? room : sizeof(arg));
}

TEST_F(argument, bad_pointer_is_efault)
{
	EXPECT_EQ(-EFAULT, device_ioctl(variant->cmd, NULL));
	EXPECT_EQ(-EFAULT, device_ioctl(variant->cmd, memory_end));
	EXPECT_EQ(-EFAULT, device_ioctl(variant->cmd, (void *)LONG_MIN));
	EXPECT_EQ(-EFAULT, device_ioctl(variant->cmd, (void *)-8));

	EXPECT_STREQ(self->before, numbers());
}

TEST_F(argument, structure_that_ends_in_bad_memory_is_efault)
{
	const __u32 size = variant->size;
	long room;

	for (room = 0; room < size; room += 2) {
		EXPECT_EQ(-EFAULT, device_ioctl(variant->cmd, place(variant->words, size, room)))
			TH_LOG("%ld bytes are there", room);
	}
	EXPECT_EQ(-EFAULT, device_ioctl(variant->cmd, place(variant->words, size + 8, size)));

	EXPECT_STREQ(self->before, numbers());
}

TEST_F(argument, structure_at_the_end_of_memory_is_fine)
{
	const __u32 size = variant->size, min_size = variant->min_size;

	EXPECT_LE(0, device_ioctl(variant->cmd, place(variant->words, size, size)));
	EXPECT_LE(0, device_ioctl(variant->cmd, place(variant->words, min_size, min_size)));
}

TEST_F(argument, too_small_is_einval)
{
	__u32 argsz;
	void *arg;

	for (argsz = 0; argsz < variant->min_size; argsz++) {
		arg = place(variant->words, argsz, variant->size);
		EXPECT_EQ(-EINVAL, device_ioctl(variant->cmd, arg))
			TH_LOG("argsz %u", argsz);
	}

	EXPECT_STREQ(self->before, numbers());
}

TEST_F(argument, unknown_flag_is_einval)
{
	__u32 *arg;
	int bit;

	for (bit = 0; bit < 32; bit++) {
		arg = place(variant->words, variant->size, variant->size);
		arg[1] = 1U << bit;
		EXPECT_EQ(-EINVAL, device_ioctl(variant->cmd, arg))
			TH_LOG("bit %d", bit);
	}

	EXPECT_STREQ(self->before, numbers());
}

TEST_F(argument, longer_and_zero_is_fine)
{
	const long longer[] = { variant->size + 1, variant->size + 4, 256, self->page };
	void *arg;
	int i;

	for (i = 0; i < ARRAY_SIZE(longer); i++) {
		arg = place(variant->words, longer[i], longer[i]);
		EXPECT_LE(0, device_ioctl(variant->cmd, arg))
			TH_LOG("argsz %ld", longer[i]);
	}
}

TEST_F(argument, longer_and_not_zero_is_e2big)
{
	const long longer[] = { variant->size + 1, variant->size + 4, 256, self->page };
	char *arg;
	int i;

	for (i = 0; i < ARRAY_SIZE(longer); i++) {
		arg = place(variant->words, longer[i], longer[i]);
		arg[longer[i] - 1] = 1;
		EXPECT_EQ(-E2BIG, device_ioctl(variant->cmd, arg))
			TH_LOG("argsz %ld, last byte", longer[i]);

		arg = place(variant->words, longer[i], longer[i]);
		arg[variant->size] = 1;
		EXPECT_EQ(-E2BIG, device_ioctl(variant->cmd, arg))
			TH_LOG("argsz %ld, first byte beyond", longer[i]);
	}

	EXPECT_STREQ(self->before, numbers());
}

TEST_F(argument, longer_than_a_page_is_e2big)
{
	const __u32 longer[] = { self->page + 1, 2 * self->page, INT_MAX, UINT_MAX };
	void *arg;
	int i;

	for (i = 0; i < ARRAY_SIZE(longer); i++) {
		arg = place(variant->words, longer[i], 2 * self->page);
		EXPECT_EQ(-E2BIG, device_ioctl(variant->cmd, arg))
			TH_LOG("argsz %u", longer[i]);
	}

	EXPECT_STREQ(self->before, numbers());
}

/*
 * Another process with the owner's descriptor
 */
FIXTURE(stranger) {
	struct actor *owner;	/* in left, holds 3 IDs */
	struct actor *stranger;
};

FIXTURE_VARIANT(stranger) {
	bool forks;
	bool execs;
};

FIXTURE_VARIANT_ADD(stranger, by_fork) { .forks = true };
FIXTURE_VARIANT_ADD(stranger, by_fork_and_exec) { .forks = true, .execs = true };
FIXTURE_VARIANT_ADD(stranger, by_socket) { };

FIXTURE_SETUP(stranger)
{
	if (!setup(_metadata, DEVICE))
		return;
	self->owner = start_with_device(left);
	ASSERT_NE(NULL, self->owner);
	ASSERT_EQ(0, ask(self->owner, take, 3));

	self->stranger = variant->forks ? start_child(self->owner, 0) : start(left);
	ASSERT_NE(NULL, self->stranger);
	ASSERT_EQ(0, variant->forks ? 0 : pass_device(self->owner, self->stranger));
	ASSERT_EQ(0, variant->execs ? ask(self->stranger, exec_again) : 0);
}

FIXTURE_TEARDOWN(stranger)
{
	teardown(_metadata);
}

TEST_F(stranger, every_ioctl_is_eperm)
{
	char *before = numbers();

	EXPECT_EQ(0, ask(self->stranger, every_ioctl_fails_with, EPERM));

	EXPECT_STREQ(before, numbers());
	EXPECT_EQ(0, ask(self->owner, give_back, 3));
}

TEST_F(stranger, has_nothing_and_can_open_for_itself)
{
	long id = ask(self->owner, nth_id, 0);

	ASSERT_EQ(0, move_pid(self->stranger->pid, right));
	EXPECT_EQ(3, current_of(left));
	EXPECT_EQ(0, current_of(right));

	EXPECT_EQ(0, ask(self->stranger, open_device));
	EXPECT_EQ(0, ask(self->stranger, take, 1));
	EXPECT_EQ(-EACCES, ask(self->stranger, give, id));
	EXPECT_EQ(3, current_of(left));
	EXPECT_EQ(1, current_of(right));
}

TEST_F(stranger, ids_stay_until_it_closes_its_copy)
{
	ASSERT_EQ(0, ask(self->owner, close_device));
	EXPECT_EQ(3, current_of(left));
	EXPECT_EQ(0, ask(self->stranger, every_ioctl_fails_with, EPERM));

	ASSERT_EQ(0, ask(self->stranger, close_device));
	EXPECT_EQ(0, current_of(left));
	EXPECT_EQ(0, current_of(top));
}

TEST_F(stranger, charge_stays_where_a_dead_owner_left_it)
{
	kill_actor(self->owner);
	EXPECT_EQ(3, current_of(left));
	EXPECT_STREQ("allocated 3 reserved 0 sets 1", stat_of(left));
	ASSERT_EQ(0, move_pid(self->stranger->pid, right));
	EXPECT_EQ(3, current_of(left));

	ASSERT_EQ(0, ask(self->stranger, close_device));
	EXPECT_EQ(0, current_of(left));
	EXPECT_EQ(0, current_of(right));
	EXPECT_EQ(0, current_of(top));
}

/*
 * Processes that move, die, share, and are born
 */
FIXTURE(process) {
	struct actor *holder;	/* in left, has opened the device */
};

FIXTURE_SETUP(process)
{
	if (!setup(_metadata, DEVICE))
		return;
	self->holder = start_with_device(left);
	ASSERT_NE(NULL, self->holder);
}

FIXTURE_TEARDOWN(process)
{
	teardown(_metadata);
}

TEST_F(process, charge_moves_with_it)
{
	ASSERT_EQ(0, ask(self->holder, take, 5));

	ASSERT_EQ(0, move_pid(self->holder->pid, right));

	EXPECT_EQ(0, current_of(left));
	EXPECT_EQ(5, current_of(right));
	EXPECT_EQ(5, current_of(top));
	EXPECT_STREQ("allocated 0 reserved 0 sets 0", stat_of(left));
	EXPECT_STREQ("allocated 5 reserved 0 sets 1", stat_of(right));

	ASSERT_EQ(0, ask(self->holder, take, 1));
	EXPECT_EQ(6, current_of(right));
	ASSERT_EQ(0, ask(self->holder, give_back, 6));
	EXPECT_EQ(0, current_of(right));
	EXPECT_EQ(0, current_of(top));
}

TEST_F(process, reservation_moves_with_it)
{
	ASSERT_EQ(0, ask(self->holder, reserve, 10));
	ASSERT_EQ(0, ask(self->holder, take, 3));

	ASSERT_EQ(0, move_pid(self->holder->pid, right));

	EXPECT_EQ(0, current_of(left));
	EXPECT_EQ(10, current_of(right));
	EXPECT_EQ(10, current_of(top));
	EXPECT_STREQ("allocated 3 reserved 7 sets 1", stat_of(right));
}

TEST_F(process, moves_up_to_the_root_and_back)
{
	long user = capacity_of("user ");

	ASSERT_EQ(0, ask(self->holder, take, 5));

	ASSERT_EQ(0, move_pid(self->holder->pid, root));
	EXPECT_EQ(0, current_of(left));
	EXPECT_EQ(0, current_of(top));
	EXPECT_EQ(user + 5, capacity_of("user "));

	ASSERT_EQ(0, move_pid(self->holder->pid, left));
	EXPECT_EQ(5, current_of(left));
	EXPECT_EQ(5, current_of(top));
}

TEST_F(process, move_is_never_refused_but_what_comes_after_is)
{
	ASSERT_EQ(0, set_max(right, "2"));
	ASSERT_EQ(0, ask(self->holder, take, 5));

	EXPECT_EQ(0, move_pid(self->holder->pid, right));
	EXPECT_EQ(5, current_of(right));
	EXPECT_STREQ("max 0 alloc_fail 0", events_of(right));

	EXPECT_EQ(-EAGAIN, ask(self->holder, take, 1));
	EXPECT_EQ(0, ask(self->holder, give_back, 3));
	EXPECT_EQ(-EAGAIN, ask(self->holder, take, 1));
	EXPECT_EQ(0, ask(self->holder, give_back, 1));
	EXPECT_EQ(0, ask(self->holder, take, 1));
	EXPECT_STREQ("max 2 alloc_fail 2", events_of(right));
}

TEST_F(process, shared_ancestor_sees_nothing_of_a_move)
{
	struct actor *mover = start(root);

	ASSERT_NE(NULL, mover);
	ASSERT_EQ(0, ask(self->holder, take, 5));
	ASSERT_EQ(0, set_max(top, "5"));

	ASSERT_EQ(0, tell(mover, move_to_and_fro, self->holder->pid, 300));
	while (!has_answered(mover)) {
		ASSERT_EQ(5, current_of(top))
			TH_LOG("during the move");
	}

	EXPECT_EQ(0, answer(mover));
	EXPECT_EQ(5, current_of(left));
	EXPECT_EQ(5, peak_of(top));
	EXPECT_STREQ("max 0 alloc_fail 0", events_of(top));
}

TEST_F_TIMEOUT(process, set_made_during_a_move_is_not_left_behind, 900)
{
	char *from = left, *to = right, *swap;
	int i;

	ASSERT_EQ(0, ask(self->holder, close_device));

	/* Only the first of two moves is slow. Try each instant of the other. */
	for (i = 0; i < 400; i++) {
		ASSERT_EQ(0, move_pid(self->holder->pid, from));
		ASSERT_EQ(0, tell(self->holder, open_and_take, 1));
		spin_us(i);
		ASSERT_EQ(0, move_pid(self->holder->pid, to));
		ASSERT_EQ(0, answer(self->holder));

		ASSERT_EQ(1, current_of(to))
			TH_LOG("round %d", i);
		ASSERT_EQ(0, current_of(from))
			TH_LOG("round %d", i);
		ASSERT_EQ(0, ask(self->holder, close_device));
		swap = from;
		from = to;
		to = swap;
	}
}

TEST_F(process, moves_when_its_leader_has_exited)
{
	ASSERT_EQ(0, ask(self->holder, take, 5));
	ASSERT_LT(0, ask(self->holder, start_thread));
	ASSERT_EQ(0, ask(self->holder, exit_leader));

	ASSERT_EQ(0, move_pid(self->holder->pid, right));

	EXPECT_EQ(0, current_of(left));
	EXPECT_EQ(5, current_of(right));
	EXPECT_EQ(5, current_of(top));
	EXPECT_EQ(0, ask(self->holder, give_back, 5));
	EXPECT_EQ(0, current_of(right));
}

TEST_F(process, moves_after_exec)
{
	ASSERT_EQ(0, ask(self->holder, take, 5));
	ASSERT_EQ(0, ask(self->holder, exec_again));
	EXPECT_EQ(5, current_of(left));
	EXPECT_EQ(0, ask(self->holder, every_ioctl_fails_with, EPERM));

	ASSERT_EQ(0, move_pid(self->holder->pid, right));
	EXPECT_EQ(0, current_of(left));
	EXPECT_EQ(5, current_of(right));

	ASSERT_EQ(0, ask(self->holder, close_device));
	EXPECT_EQ(0, current_of(top));
}

TEST_F(process, moves_after_exec_by_another_thread)
{
	ASSERT_EQ(0, ask(self->holder, take, 5));
	ASSERT_EQ(0, ask(self->holder, in_thread, OP(exec_again)));

	ASSERT_EQ(0, move_pid(self->holder->pid, right));
	EXPECT_EQ(0, current_of(left));
	EXPECT_EQ(5, current_of(right));
}

TEST_F(process, may_open_again_after_exec)
{
	ASSERT_EQ(0, ask(self->holder, take, 5));
	ASSERT_EQ(0, ask(self->holder, exec_again));

	EXPECT_EQ(0, ask(self->holder, open_device));
	EXPECT_EQ(0, ask(self->holder, take, 1));
	EXPECT_EQ(6, current_of(left));

	/* Both sets are this process's. */
	ASSERT_EQ(0, move_pid(self->holder->pid, right));
	EXPECT_EQ(0, current_of(left));
	EXPECT_EQ(6, current_of(right));
}

TEST_F(process, controller_switched_off_and_on_counts_every_id)
{
	int i;

	ASSERT_EQ(0, ask(self->holder, take, 5));

	for (i = 0; i < 5; i++) {
		ASSERT_EQ(0, disable_below(top));
		EXPECT_EQ(5, current_of(top));
		EXPECT_STREQ("allocated 5 reserved 0 sets 1", stat_of(top));

		/* What lies below a cgroup without the controller is its own. */
		ASSERT_EQ(0, ask(self->holder, take, 1));
		EXPECT_EQ(6, current_of(top));
		ASSERT_EQ(0, ask(self->holder, give_back, 1));

		ASSERT_EQ(0, enable_below(top));
		EXPECT_EQ(5, current_of(left));
		EXPECT_EQ(5, current_of(top));
		EXPECT_EQ(0, current_of(right));
	}
	ASSERT_EQ(0, ask(self->holder, give_back, 5));
	EXPECT_EQ(0, current_of(top));
}

TEST_F(process, controller_switched_on_late_counts_every_id)
{
	struct actor *early;

	ASSERT_EQ(0, disable_below(top));
	early = start_with_device(right);
	ASSERT_NE(NULL, early);
	ASSERT_EQ(0, ask(early, reserve, 7));
	ASSERT_EQ(0, ask(early, take, 2));

	ASSERT_EQ(0, enable_below(top));

	EXPECT_EQ(7, current_of(right));
	EXPECT_EQ(7, current_of(top));
	EXPECT_STREQ("allocated 2 reserved 5 sets 1", stat_of(right));
}

TEST_F(process, that_shares_its_memory_shares_the_set)
{
	struct actor *child;

	ASSERT_EQ(0, ask(self->holder, take, 2));
	child = start_child(self->holder, CLONE_VM);
	ASSERT_NE(NULL, child);
	ASSERT_EQ(0, move_pid(child->pid, right));

	/* Its owner pays, whoever asks. */
	EXPECT_EQ(0, ask(child, take, 3));
	EXPECT_EQ(5, current_of(left));
	EXPECT_EQ(0, current_of(right));
	EXPECT_EQ(0, ask(child, give_back, 4));
	EXPECT_EQ(1, current_of(left));
	EXPECT_EQ(-EBUSY, ask(child, open_device));

	ASSERT_EQ(0, set_max(left, "1"));
	EXPECT_EQ(-EAGAIN, ask(child, take, 1));
	EXPECT_STREQ("max 1 alloc_fail 1", events_of(left));
	EXPECT_STREQ("max 0 alloc_fail 0", events_of(right));

	/* Only the owner's moves count. */
	ASSERT_EQ(0, move_pid(self->holder->pid, right));
	EXPECT_EQ(0, current_of(left));
	EXPECT_EQ(1, current_of(right));
}

TEST_F(process, that_is_killed_leaves_nothing)
{
	struct actor *other = start_with_device(left);
	char *before = text(root, "ioasids.capacity");

	ASSERT_NE(NULL, other);
	ASSERT_EQ(0, ask(self->holder, take, 5));
	ASSERT_EQ(0, ask(other, reserve, 100));
	ASSERT_EQ(0, ask(other, take, 5));

	kill_actor(self->holder);
	EXPECT_TRUE(eventually(current_of(left) == 100));
	kill_actor(other);
	EXPECT_TRUE(eventually(!current_of(left)));

	EXPECT_EQ(0, current_of(top));
	EXPECT_STREQ("allocated 0 reserved 0 sets 0", stat_of(top));
	EXPECT_TRUE(eventually(!strcmp(before, text(root, "ioasids.capacity"))));
}

TEST_F_TIMEOUT(process, that_is_killed_at_any_instant_leaves_nothing, 900)
{
	char *before;
	int i;

	kill_actor(self->holder);
	ASSERT_TRUE(eventually(!current_of(top)));
	before = text(root, "ioasids.capacity");

	for (i = 0; i < 10; i++) {
		struct actor *victim = start_with_device(left);

		ASSERT_NE(NULL, victim);
		ASSERT_EQ(0, tell(victim, churn, LONG_MAX, i + 1));
		usleep(1000 + i * 1777);
		ASSERT_FALSE(has_answered(victim));

		kill_actor(victim);

		ASSERT_TRUE(eventually(!current_of(top)))
			TH_LOG("round %d, current %ld", i, current_of(top));
		ASSERT_TRUE(eventually(!strcmp(before, text(root, "ioasids.capacity"))))
			TH_LOG("round %d", i);
	}
}

TEST_F_TIMEOUT(process, counters_do_not_drift_in_a_storm, 900)
{
	struct actor *who[] = {
		self->holder, start_with_device(left), start_with_device(right),
	};
	long user = capacity_of("user ");
	int i, moves = 0;

	ASSERT_EQ(0, set_max(left, "20"));
	ASSERT_EQ(0, set_max(top, "25"));

	for (i = 0; i < ARRAY_SIZE(who); i++) {
		ASSERT_NE(NULL, who[i]);
		ASSERT_EQ(0, tell(who[i], churn, 5000, i + 1));
	}
	while (!has_answered(who[0]) || !has_answered(who[1]) || !has_answered(who[2])) {
		for (i = 0; i < ARRAY_SIZE(who); i++) {
			ASSERT_EQ(0, move_pid(who[i]->pid, moves & (1 << i) ? left : right))
				TH_LOG("actor %d, move %d", i, moves);
		}
		moves++;
	}

	EXPECT_LT(0, moves);
	EXPECT_GE(25, peak_of(top));
	EXPECT_EQ(current_of(top), current_of(left) + current_of(right));
	for (i = 0; i < ARRAY_SIZE(who); i++) {
		EXPECT_EQ(0, answer(who[i]));
		EXPECT_EQ(0, ask(who[i], close_device));
	}
	EXPECT_EQ(0, current_of(left));
	EXPECT_EQ(0, current_of(right));
	EXPECT_EQ(0, current_of(top));
	EXPECT_EQ(user, capacity_of("user "));
}

static bool none_dying(const char *cgroup)
{
	return cg_read_key_long(cgroup, "cgroup.stat", "nr_dying_subsys_" CONTROLLER " ") <= 0;
}

/* Its owner has died, and a process elsewhere has the descriptor. */
static struct actor *orphan(struct actor *holder, int n)
{
	struct actor *keeper = start(root);

	if (!keeper || ask(holder, take, n) || pass_device(holder, keeper))
		return NULL;
	kill_actor(holder);
	return keeper;
}

/* Whose memory may begin where the dead owner's did */
TEST_F(process, new_process_is_not_taken_for_a_dead_owner)
{
	struct actor *keeper = orphan(self->holder, 3), *next;
	int i;

	ASSERT_NE(NULL, keeper);

	for (i = 0; i < 10; i++) {
		next = start(left);
		ASSERT_NE(NULL, next);
		ASSERT_EQ(0, pass_device(keeper, next));

		EXPECT_EQ(0, ask(next, every_ioctl_fails_with, EPERM))
			TH_LOG("process %d", i);
		EXPECT_EQ(0, ask(next, open_device))
			TH_LOG("process %d", i);
	}
}

static long enter_new_user_ns(long a, long b)
{
	return result(unshare(CLONE_NEWUSER));
}

/* In the one that the actor is in */
static long allow_one_user_ns(long a, long b)
{
	return set("/proc/sys/user", "max_user_namespaces", "1");
}

static long kill_child(long pid, long b)
{
	kill(pid, SIGKILL);
	return result(waitpid(pid, NULL, 0));
}

/*
 * A user namespace lives as long as the memory of programs that were started in
 * it. If there may be one at a time, the next shows that the last one is gone.
 */
TEST_F(process, that_was_refused_the_device_leaves_no_memory_behind)
{
	struct actor *outer = start(left), *inner;
	char proc[32];
	int i;

	ASSERT_NE(NULL, outer);
	snprintf(proc, sizeof(proc), "/proc/%d", outer->pid);
	if (ask(outer, enter_new_user_ns) || set(proc, "uid_map", "0 0 1") ||
	    set(proc, "gid_map", "0 0 1") || ask(outer, allow_one_user_ns))
		SKIP(return, "user namespaces cannot be limited");

	for (i = 0; i < 3; i++) {
		inner = start_child(outer, 0);
		ASSERT_NE(NULL, inner);
		ASSERT_TRUE(eventually(!ask(inner, enter_new_user_ns)))
			TH_LOG("round %d", i);
		ASSERT_EQ(0, ask(inner, exec_again));

		ASSERT_EQ(0, ask(inner, open_device));
		EXPECT_EQ(-EBUSY, ask(inner, open_device));

		ASSERT_EQ(inner->pid, ask(outer, kill_child, inner->pid));
	}
}

static bool is_kernel_thread(pid_t pid)
{
	char buf[PAGE_SIZE], *name_end;
	int parent;

	if (proc_read_text(pid, false, "stat", buf, sizeof(buf)) <= 0)
		return false;
	name_end = strrchr(buf, ')');
	return name_end && sscanf(name_end, ") %*c %d", &parent) == 1 && parent == 2;
}

TEST_F(process, kernel_thread_moves_and_counts_nothing)
{
	char *before = numbers();
	pid_t pid;

	/* Some stay where they are. */
	for (pid = 3; pid < 1000; pid++)
		if (is_kernel_thread(pid) && !move_pid(pid, right))
			break;
	if (pid == 1000)
		SKIP(return, "no kernel thread can be moved");

	EXPECT_STREQ(before, numbers());
	EXPECT_EQ(0, move_pid(pid, root));
	EXPECT_STREQ(before, numbers());
}

TEST_F(process, removed_cgroup_keeps_nothing_of_the_machine)
{
	char *before = text(root, "ioasids.capacity"), *below = cg_name(top, "below");
	struct actor *guest;

	ASSERT_EQ(0, cg_create(below));
	ASSERT_EQ(0, set_max(below, "100"));
	guest = start_with_device(below);
	ASSERT_NE(NULL, guest);
	ASSERT_EQ(0, ask(guest, reserve, 50));
	ASSERT_EQ(0, ask(guest, take, 3));
	kill_actor(guest);

	ASSERT_EQ(0, rmdir(below));

	EXPECT_TRUE(eventually(none_dying(top)));
	EXPECT_STREQ(before, text(root, "ioasids.capacity"));
}

TEST_F(process, removed_cgroup_leaves_its_charge_to_its_parent)
{
	struct actor *keeper = orphan(self->holder, 3);

	ASSERT_NE(NULL, keeper);
	ASSERT_EQ(3, current_of(left));

	EXPECT_EQ(0, rmdir(left));

	EXPECT_EQ(3, current_of(top));
	EXPECT_TRUE(eventually(none_dying(top)));
	EXPECT_EQ(3, current_of(top));
	EXPECT_EQ(3, peak_of(top));
	EXPECT_STREQ("allocated 3 reserved 0 sets 1", stat_of(top));
	EXPECT_STREQ(top + strlen(root), fdinfo_of(keeper, "ioasid-cgroup"));

	ASSERT_EQ(0, ask(keeper, close_device));
	EXPECT_EQ(0, current_of(top));
}

TEST_F(process, controller_switched_off_leaves_the_charge_of_the_dead_to_the_parent)
{
	struct actor *keeper = orphan(self->holder, 3);

	ASSERT_NE(NULL, keeper);
	ASSERT_EQ(0, disable_below(top));

	EXPECT_TRUE(eventually(none_dying(top)));
	EXPECT_EQ(3, current_of(top));
	EXPECT_STREQ("allocated 3 reserved 0 sets 1", stat_of(top));

	ASSERT_EQ(0, enable_below(top));
	EXPECT_EQ(0, current_of(left));
	EXPECT_EQ(3, current_of(top));

	ASSERT_EQ(0, ask(keeper, close_device));
	EXPECT_EQ(0, current_of(top));
}

TEST_F(process, removed_cgroups_leave_their_charge_to_who_is_left)
{
	struct actor *keeper = orphan(self->holder, 3);
	long user = capacity_of("user ");

	ASSERT_NE(NULL, keeper);

	EXPECT_EQ(0, rmdir(left));
	EXPECT_EQ(0, rmdir(right));
	EXPECT_EQ(0, rmdir(top));
	EXPECT_TRUE(eventually(none_dying(root)));
	EXPECT_EQ(user, capacity_of("user "));

	ASSERT_EQ(0, ask(keeper, close_device));
	EXPECT_EQ(user - 3, capacity_of("user "));
}

/*
 * All the machine has, in one process
 */
/* A kernel that checks itself is slow, and is asked for a tenth. */
static long many(long n)
{
	return access("/proc/lockdep", F_OK) ? n : n / 10;
}

static long slab_kb(void)
{
	return cg_read_key_long("/proc", "meminfo", "Slab:");
}

TEST_F_TIMEOUT(process, one_process_can_take_all_and_its_death_gives_all_back, 900)
{
	const long all = many(capacity_of("available "));
	const long rest = capacity_of("available ") - all;
	struct actor *other = start_with_device(right);
	struct actor *hoarder = start_with_device(right);
	long slab, n, began, taken, freed;
	int log = open_log();
	char *before;

	ASSERT_NE(NULL, other);
	ASSERT_NE(NULL, hoarder);
	ASSERT_LT(0, all);
	ASSERT_EQ(0, ask(hoarder, reserve, rest));
	before = text(root, "ioasids.capacity");
	slab = slab_kb();

	began = now_us();
	for (n = 0; n < all; n += 65536) {
		ASSERT_EQ(0, ask(self->holder, take, all - n < 65536 ? all - n : 65536))
			TH_LOG("%ld are taken", n);
	}
	taken = now_us();
	slab = slab_kb() - slab;

	EXPECT_EQ(all, current_of(left));
	EXPECT_EQ(all, peak_of(left));
	if (!access(SETS, R_OK))
		EXPECT_TRUE(sets_have("\tprocess\t0\t%ld\t%d\t", all, self->holder->pid));
	EXPECT_EQ(0, capacity_of("available "));
	EXPECT_EQ(-ENOSPC, ask(self->holder, take, 1));
	EXPECT_EQ(-ENOSPC, ask(other, take, 1));
	EXPECT_EQ(0, available_to(other));
	EXPECT_STREQ("max 0 alloc_fail 0", events_of(top));

	freed = now_us();
	kill_actor(self->holder);
	EXPECT_TRUE(eventually(!current_of(left)));
	freed = now_us() - freed;
	EXPECT_EQ(rest, current_of(top));
	EXPECT_STREQ(before, text(root, "ioasids.capacity"));
	EXPECT_EQ(0, ask(other, take, 1));

	EXPECT_EQ(0, log < 0 ? 0 : lines_with(log, "stall"));
	ksft_print_msg("%ld IDs: taken in %ld ms, given back in %ld ms, %ld bytes of slab each\n",
		       all, (taken - began) / 1000, freed / 1000, slab * 1024 / all);
}

/*
 * Allocations in the kernel that fail. Each operation is done again and again:
 * first with its first allocation failing, then with its second, until it has no
 * more. It may fail with ENOMEM, and then nothing has changed, and it works when
 * there is memory again.
 */
#define FAILSLAB	"/sys/kernel/debug/failslab"

/* Which allocation of this process fails, and whether more do after it */
static int fail_nth, make_it_fail;

FIXTURE(fault) {
};

FIXTURE_VARIANT(fault) {
	const char *times;	/* how many fail; for ever would be a hang in a page fault */
};

FIXTURE_VARIANT_ADD(fault, alone) { .times = "1" };
FIXTURE_VARIANT_ADD(fault, with_all_that_follow) { .times = "1000" };

/* In this order nobody else's allocations fail, and in the other one on the way back. */
static struct failslab_setting {
	const char *name;
	const char *value;
	char *before;
} failslab[] = {
	{ "task-filter", "Y" },
	{ "cache-filter", "N" },
	{ "ignore-gfp-wait", "N" },
	{ "interval", "1" },
	{ "space", "0" },
	{ "verbose", "1" },
	{ "times", "0" },
	{ "probability", "100" },
};

FIXTURE_SETUP(fault)
{
	struct failslab_setting *s;

	if (access(DEVICE, F_OK))
		SKIP(return, "no " DEVICE);
	if (!setup(_metadata, FAILSLAB))
		return;
	fail_nth = open("/proc/self/fail-nth", O_RDWR);
	ASSERT_LE(0, fail_nth);
	make_it_fail = open("/proc/self/make-it-fail", O_RDWR);
	ASSERT_LE(0, make_it_fail);
	ASSERT_EQ(0, enter(left));

	for (s = failslab; s < failslab + ARRAY_SIZE(failslab); s++) {
		s->before = text(FAILSLAB, s->name);
		EXPECT_EQ(0, set(FAILSLAB, s->name, s->value))
			TH_LOG("%s", s->name);
	}
}

FIXTURE_TEARDOWN(fault)
{
	struct failslab_setting *s;

	for (s = failslab + ARRAY_SIZE(failslab); s-- > failslab; )
		EXPECT_EQ(0, set(FAILSLAB, s->name, s->before));
	teardown(_metadata);
}

/* All that can be read */
static char *everything(void)
{
	char *const cgroups[] = { top, left, right };
	char *all = numbers(), *more;
	int i;

	for (i = 0; i < ARRAY_SIZE(cgroups); i++) {
		if (asprintf(&more, "%s\n%s: limit %s, %s, local %s", all, cgroups[i],
			     text(cgroups[i], "ioasids.max"), events_of(cgroups[i]),
			     local_events_of(cgroups[i])) < 0)
			return NULL;
		all = more;
	}
	return all;
}

struct operation {
	const char *name;
	long (*op)(long a, long b);	/* makes system calls, and little else */
	long arg[2];
	long (*undo)(long ret, long b);
	int allocations;		/* of ours; those of others come on top */
};

/* Whether @o came as far as its @nth allocation, which failed; *@ret is what it says. */
static bool do_without_memory(const struct operation *o, int nth, const char *times, long *ret)
{
	char left_to_do[16] = "", number[16];
	int len = snprintf(number, sizeof(number), "%d", nth);
	bool failed;

	set(FAILSLAB, "times", times);
	pwrite(make_it_fail, "1", 1, 0);
	pwrite(fail_nth, number, len, 0);

	*ret = o->op(o->arg[0], o->arg[1]);

	pwrite(make_it_fail, "0", 1, 0);
	failed = pread(fail_nth, left_to_do, sizeof(left_to_do) - 1, 0) > 0 && !atoi(left_to_do);
	pwrite(fail_nth, "0", 1, 0);
	/* The log shows the first one. */
	if (failed)
		set(FAILSLAB, "verbose", "0");
	return failed;
}

static void fail_allocations_of(struct __test_metadata *_metadata, const char *times,
				const struct operation *o)
{
	int nth = 0, errors = 0;
	bool failed;
	char *before;
	long ret;

	/* What is done for the first time may show in peak, and be kept in caches. */
	ret = o->op(o->arg[0], o->arg[1]);
	ASSERT_LE(0, ret);
	ASSERT_EQ(0, o->undo(ret, 0));
	before = everything();

	do {
		failed = do_without_memory(o, ++nth, times, &ret);
		if (failed && ret < 0) {
			ASSERT_EQ(-ENOMEM, ret)
				TH_LOG("%s: allocation %d: %s", o->name, nth, strerror(-ret));
			ASSERT_STREQ(before, everything())
				TH_LOG("%s: after allocation %d", o->name, nth);
			errors++;
			ret = o->op(o->arg[0], o->arg[1]);
		}
		ASSERT_LE(0, ret)
			TH_LOG("%s: with memory, after allocation %d: %s", o->name, nth,
			       strerror(-ret));
		ASSERT_EQ(0, o->undo(ret, 0))
			TH_LOG("%s: allocation %d", o->name, nth);
	} while (failed);

	EXPECT_STREQ(before, everything())
		TH_LOG("%s", o->name);
	/* What fails alone may be made up for, but not all of it. */
	EXPECT_LT(0, errors)
		TH_LOG("%s", o->name);
	EXPECT_LE(o->allocations, !strcmp(times, "1") ? nth - 1 : errors)
		TH_LOG("%s", o->name);
	EXPECT_TRUE(eventually(none_dying(top)));
	ksft_print_msg("%s: %d allocations failed, %d errors\n", o->name, nth - 1, errors);
}

#define fail_each_allocation(...)						\
	fail_allocations_of(_metadata, variant->times, &(struct operation) { __VA_ARGS__ })

TEST_F(fault, open_makes_no_set)
{
	fail_each_allocation("open", open_device, .undo = close_device, .allocations = 2);
}

/* The highest ID needs itself, and a node at each height below the root. */
TEST_F_TIMEOUT(fault, id_is_not_charged, 300)
{
	ASSERT_EQ(0, ask(me, open_device));
	ASSERT_EQ(0, ask(me, take, 1));

	fail_each_allocation("the highest ID", take_between, { TOTAL, TOTAL }, give, 1 + 3);
	fail_each_allocation("an ID", take_between, { 2000, 2000 }, give, 1 + 1);
}

TEST_F(fault, id_does_not_use_up_the_quota)
{
	ASSERT_EQ(0, ask(me, open_device));
	ASSERT_EQ(0, ask(me, reserve, 2));
	ASSERT_EQ(0, ask(me, take, 1));

	fail_each_allocation("the highest ID", take_between, { TOTAL, TOTAL }, give, 1 + 3);

	EXPECT_EQ(2, quota_of(me));
	EXPECT_EQ(1, allocated_of(me));
}

TEST_F(fault, first_id_is_not_charged)
{
	ASSERT_EQ(0, ask(me, open_device));

	fail_each_allocation("the first ID", take_between, { 1, UINT_MAX }, give, 1);
}

/* If anything allocates in these it is the kernel's debugging, which does without. */
TEST_F(fault, counting_and_giving_back_need_no_memory)
{
	const struct operation *o, operations[] = {
		{ "reserve", reserve, { 10 } },
		{ "raise a quota", reserve, { 20 } },
		{ "ask what there is", info, { offsetof(struct abi_info, quota) } },
		{ "lower a quota", reserve, { 5 } },
		{ "free an ID in a quota", give, { 1000 } },
		{ "withdraw a quota", reserve, { 0 } },
		{ "free an ID", give, { 1001 } },
		{ "close", close_device },
	};
	const struct operation open = { "open", open_device };
	long ret;

	ASSERT_EQ(0, ask(me, open_device));
	ASSERT_EQ(1000, ask(me, take_between, 1000, 1000));
	ASSERT_EQ(1001, ask(me, take_between, 1001, 1001));
	ASSERT_EQ(TOTAL, ask(me, take_between, TOTAL, TOTAL));

	for (o = operations; o < operations + ARRAY_SIZE(operations); o++) {
		do_without_memory(o, 1, variant->times, &ret);
		EXPECT_LE(0, ret)
			TH_LOG("%s: %s", o->name, strerror(-ret));
	}

	EXPECT_EQ(0, current_of(top));
	EXPECT_STREQ("allocated 0 reserved 0 sets 0", stat_of(top));

	/* It was not for want of trying. */
	EXPECT_TRUE(do_without_memory(&open, 1, variant->times, &ret));
	EXPECT_EQ(-ENOMEM, ret);
	EXPECT_EQ(0, ask(me, open_device));
}

/* A refusal needs memory only to print the path. */
TEST_F(fault, first_refusal_is_counted_and_not_printed)
{
	const struct operation refused = { "a refusal", reserve, { 1 } };
	int log = open_log();
	char *before;
	long ret;

	ASSERT_EQ(0, ask(me, open_device));
	ASSERT_EQ(0, set_max(left, "0"));
	before = numbers();

	EXPECT_TRUE(do_without_memory(&refused, 1, variant->times, &ret));
	EXPECT_EQ(-EAGAIN, ret);
	EXPECT_STREQ("max 1 alloc_fail 1", events_of(left));
	EXPECT_STREQ("max 1 alloc_fail 1", local_events_of(left));
	EXPECT_STREQ("max 1 alloc_fail 1", events_of(top));
	EXPECT_EQ(0, log < 0 ? 0 : lines_with(log, "refused by " CONTROLLER));

	/* It was the first one all the same. */
	EXPECT_EQ(-EAGAIN, ask(me, reserve, 1));
	EXPECT_STREQ("max 2 alloc_fail 2", events_of(left));
	EXPECT_EQ(0, log < 0 ? 0 : lines_with(log, "refused by " CONTROLLER));

	EXPECT_STREQ(before, numbers());
}

static long remove_below_left(long ret, long b)
{
	char *below = cg_name(left, "below");

	ret = result(rmdir(below));
	free(below);
	return ret;
}

TEST_F_TIMEOUT(fault, cgroup_is_not_made, 300)
{
	ASSERT_EQ(0, ask(me, open_device));
	ASSERT_EQ(0, ask(me, take, 3));
	ASSERT_EQ(0, enter(right));
	ASSERT_EQ(0, enable_below(left));

	fail_each_allocation("mkdir", try_create, { (long)cg_name(left, "below") },
			     remove_below_left, 1);
}

static long disable_below_top(long ret, long b)
{
	return disable_below(top);
}

TEST_F_TIMEOUT(fault, controller_is_not_switched_on, 300)
{
	ASSERT_EQ(0, ask(me, open_device));
	ASSERT_EQ(0, ask(me, take, 3));
	ASSERT_EQ(0, disable_below(top));

	fail_each_allocation("switch on", try_enable_below, { (long)top }, disable_below_top, 2);

	ASSERT_EQ(0, enable_below(top));
	EXPECT_EQ(3, current_of(left));
}

static long enter_left(long ret, long b)
{
	return enter(left);
}

TEST_F_TIMEOUT(fault, process_stays_where_it_is, 300)
{
	ASSERT_EQ(0, ask(me, open_device));
	ASSERT_EQ(0, ask(me, take, 3));

	fail_each_allocation("move", try_enter, { (long)right }, enter_left, 0);
}

static long read_file(long path, long b)
{
	int fd = open((char *)path, O_RDONLY);
	static char buf[PAGE_SIZE];
	long ret;

	if (fd < 0)
		return -errno;
	ret = result(read(fd, buf, sizeof(buf)));
	close(fd);
	return ret;
}

static long nothing_to_undo(long ret, long b)
{
	return 0;
}

static long limit_left_no_more(long ret, long b)
{
	return set_max(left, "max");
}

TEST_F_TIMEOUT(fault, limit_is_not_changed, 300)
{
	fail_each_allocation("ioasids.max", try_set_max, { (long)left, (long)"5" },
			     limit_left_no_more, 0);
}

/* open() and read() by themselves need memory; ours adds none. */
TEST_F_TIMEOUT(fault, file_is_not_read, 300)
{
	static const char *const files[] = {
		"ioasids.max", "ioasids.current", "ioasids.peak", "ioasids.events",
		"ioasids.events.local", "ioasids.stat",
	};
	char fdinfo[32];
	int i;

	ASSERT_EQ(0, ask(me, open_device));
	ASSERT_EQ(0, ask(me, take, 3));

	for (i = 0; i < ARRAY_SIZE(files); i++)
		fail_each_allocation(files[i], read_file, { (long)cg_control(left, files[i]) },
				     nothing_to_undo, 0);
	fail_each_allocation("ioasids.capacity", read_file,
			     { (long)cg_control(root, "ioasids.capacity") }, nothing_to_undo, 0);

	snprintf(fdinfo, sizeof(fdinfo), "/proc/self/fdinfo/%ld", device_fd(0, 0));
	fail_each_allocation("fdinfo", read_file, { (long)fdinfo }, nothing_to_undo, 0);
}

/*
 * PASIDs that drivers take for processes: host SVA
 *
 * A PASID is given back when the memory of its process is, which can be later than
 * the process's end.
 */

#define is_given_back(cond)	eventually((run_on_every_cpu(), cond))

/* How many PASIDs the mock IOMMU has an entry for */
static long in_table(void)
{
	return atol(text(MOCK_TABLE, "pasids"));
}

FIXTURE(sva) {
	struct actor *user, *other;
	char *capacity;
};

FIXTURE_SETUP(sva)
{
	if (!setup(_metadata, MOCK_DEVICE "a"))
		return;
	if (bind_in_child(MOCK_A, 0) == -EOPNOTSUPP) {
		teardown(_metadata);
		SKIP(return, "this kernel refuses SVA on this architecture");
	}
	ASSERT_TRUE(is_given_back(!in_table()));
	self->capacity = text(root, "ioasids.capacity");
	self->user = start(left);
	ASSERT_NE(NULL, self->user);
	self->other = start(right);
	ASSERT_NE(NULL, self->other);
}

/* What was bound is always gone in the end, and nothing else is. */
FIXTURE_TEARDOWN(sva)
{
	end_actors();
	while (nr_bonds)
		unbind(0, 0);
	EXPECT_TRUE(is_given_back(!current_of(top) && !in_table()))
		TH_LOG("current %ld, in the table: %ld", current_of(top), in_table());
	EXPECT_STREQ(self->capacity, text(root, "ioasids.capacity"));
	teardown(_metadata);
}

TEST_F(sva, bind_is_charged_until_the_process_is_gone)
{
	ASSERT_LT(0, ask(self->user, bind_to, MOCK_A));
	EXPECT_EQ(1, current_of(left));
	EXPECT_EQ(1, current_of(top));
	EXPECT_STREQ("allocated 1 reserved 0 sets 1", stat_of(left));
	EXPECT_EQ(1, in_table());

	/* The address space keeps what the device lets go of. */
	ASSERT_EQ(0, ask(self->user, unbind));
	EXPECT_EQ(1, current_of(left));
	EXPECT_EQ(1, in_table());

	kill_actor(self->user);
	EXPECT_TRUE(is_given_back(!current_of(left)));
	EXPECT_STREQ("allocated 0 reserved 0 sets 0", stat_of(left));
	EXPECT_EQ(0, in_table());
}

TEST_F(sva, binds_of_one_process_share_a_pasid)
{
	long pasid = ask(self->user, bind_to, MOCK_A);

	ASSERT_LT(0, pasid);
	EXPECT_EQ(pasid, ask(self->user, bind_to, MOCK_B));
	EXPECT_EQ(pasid, ask(self->user, bind_to, MOCK_A));
	EXPECT_EQ(0, ask(self->user, unbind));
	EXPECT_EQ(0, ask(self->user, unbind));
	EXPECT_EQ(pasid, ask(self->user, bind_to, MOCK_B));
	EXPECT_EQ(1, current_of(left));
	EXPECT_EQ(1, in_table());
}

TEST_F(sva, pasid_is_of_the_set_of_the_device)
{
	long pasid;

	ASSERT_LT(0, ask(self->user, bind_to, MOCK_A));
	ASSERT_EQ(0, ask(self->user, open_and_take, 2));
	EXPECT_EQ(3, allocated_of(self->user));
	EXPECT_EQ(3, current_of(left));
	EXPECT_STREQ("allocated 3 reserved 0 sets 1", stat_of(left));

	ASSERT_EQ(0, ask(self->other, open_and_take, 2));
	pasid = ask(self->other, bind_to, MOCK_A);
	ASSERT_LT(0, pasid);
	EXPECT_EQ(3, allocated_of(self->other));
	EXPECT_STREQ("allocated 3 reserved 0 sets 1", stat_of(right));

	/* It is not the program's to give back. */
	EXPECT_EQ(-EACCES, ask(self->other, give, pasid));
	EXPECT_EQ(-EACCES, ask(self->user, give, pasid));
}

TEST_F(sva, closed_device_leaves_the_pasid_charged_by_itself)
{
	ASSERT_EQ(0, ask(self->user, open_and_take, 2));
	ASSERT_EQ(0, ask(self->user, reserve, 7));
	ASSERT_LT(0, ask(self->user, bind_to, MOCK_A));
	EXPECT_EQ(7, current_of(left));

	ASSERT_EQ(0, ask(self->user, close_device));
	EXPECT_EQ(1, current_of(left));
	EXPECT_STREQ("allocated 1 reserved 0 sets 1", stat_of(left));

	ASSERT_EQ(0, ask(self->user, open_device));
	EXPECT_EQ(-EBUSY, ask(self->user, open_device));
	EXPECT_EQ(0, quota_of(self->user));
	EXPECT_EQ(1, allocated_of(self->user));
	EXPECT_STREQ("allocated 1 reserved 0 sets 1", stat_of(left));
}

TEST_F(sva, bind_over_the_limit_is_eagain)
{
	ASSERT_EQ(0, set_max(left, "0"));
	EXPECT_EQ(-EAGAIN, ask(self->user, bind_to, MOCK_A));
	EXPECT_STREQ("max 1 alloc_fail 1", events_of(left));
	EXPECT_STREQ("allocated 0 reserved 0 sets 0", stat_of(left));
	EXPECT_EQ(0, in_table());

	ASSERT_EQ(0, set_max(left, "1"));
	ASSERT_EQ(0, set_max(top, "0"));
	EXPECT_EQ(-EAGAIN, ask(self->user, bind_to, MOCK_A));
	EXPECT_STREQ("max 1 alloc_fail 2", events_of(left));
	EXPECT_STREQ("max 2 alloc_fail 2", events_of(top));
	EXPECT_EQ(0, current_of(left));

	ASSERT_EQ(0, set_max(top, "1"));
	EXPECT_LT(0, ask(self->user, bind_to, MOCK_A));
	EXPECT_EQ(1, current_of(left));
}

TEST_F(sva, bind_on_an_exhausted_machine_is_enospc_and_no_event)
{
	ASSERT_EQ(0, ask(self->other, open_device));
	ASSERT_EQ(0, ask(self->other, reserve, capacity_of("available ")));

	EXPECT_EQ(-ENOSPC, ask(self->user, bind_to, MOCK_A));
	EXPECT_EQ(-ENOSPC, ask(self->user, bind_to, MOCK_KERNEL));
	EXPECT_STREQ("max 0 alloc_fail 0", events_of(top));
	EXPECT_STREQ("allocated 0 reserved 0 sets 0", stat_of(left));

	ASSERT_EQ(0, ask(self->other, reserve, 0));
	EXPECT_LT(0, ask(self->user, bind_to, MOCK_A));
}

TEST_F(sva, bind_uses_up_the_reservation)
{
	ASSERT_EQ(0, ask(self->user, open_device));
	ASSERT_EQ(0, ask(self->user, reserve, 2));
	ASSERT_EQ(0, ask(self->user, take, 2));
	EXPECT_EQ(-ENOSPC, ask(self->user, bind_to, MOCK_A));
	EXPECT_STREQ("max 0 alloc_fail 0", events_of(left));
	ASSERT_EQ(0, ask(self->user, give_back, 1));

	/* Inside it, no limit can refuse. */
	ASSERT_EQ(0, set_max(left, "0"));
	EXPECT_LT(0, ask(self->user, bind_to, MOCK_A));
	EXPECT_EQ(2, current_of(left));
	EXPECT_EQ(0, available_to(self->user));
	EXPECT_EQ(-ENOSPC, ask(self->user, take, 1));
}

/* The low IDs are all that a narrow device can use. */
#define NR_NARROW	((1 << 5) - 1)

TEST_F(sva, second_device_may_be_too_narrow_for_the_pasid)
{
	long narrow;

	ASSERT_EQ(0, ask(self->other, open_and_take, NR_NARROW));
	EXPECT_EQ(-ENOSPC, ask(self->user, bind_to, MOCK_NARROW));
	EXPECT_EQ(0, current_of(left));

	ASSERT_LT(NR_NARROW, ask(self->user, bind_to, MOCK_A));
	EXPECT_EQ(-EOVERFLOW, ask(self->user, bind_to, MOCK_NARROW));
	EXPECT_EQ(1, current_of(left));
	EXPECT_STREQ("max 0 alloc_fail 0", events_of(top));

	ASSERT_EQ(0, ask(self->other, close_device));
	narrow = ask(self->other, bind_to, MOCK_NARROW);
	EXPECT_LT(0, narrow);
	EXPECT_GE(NR_NARROW, narrow);
}

/* The address space has its PASID then, and the next bind takes no other. */
TEST_F(sva, bind_that_fails_after_all_leaves_the_pasid_with_the_process)
{
	EXPECT_EQ(-EIO, ask(self->user, bind_to, MOCK_BROKEN));
	EXPECT_EQ(1, current_of(left));
	EXPECT_EQ(0, in_table());
	EXPECT_EQ(-EIO, ask(self->user, bind_to, MOCK_BROKEN));
	EXPECT_LT(0, ask(self->user, bind_to, MOCK_A));
	EXPECT_EQ(1, current_of(left));

	EXPECT_EQ(-EIO, ask(self->other, bind_to, MOCK_BROKEN));
	EXPECT_EQ(1, current_of(right));
	kill_actor(self->other);
	EXPECT_TRUE(is_given_back(!current_of(right)));
}

TEST_F(sva, forked_child_inherits_nothing)
{
	long pasid = ask(self->user, bind_to, MOCK_A), other;
	struct actor *child = start_child(self->user, 0);

	ASSERT_NE(NULL, child);
	ASSERT_EQ(0, move_pid(child->pid, right));
	EXPECT_EQ(1, current_of(left));
	EXPECT_EQ(0, current_of(right));

	other = ask(child, bind_to, MOCK_A);
	EXPECT_LT(0, other);
	EXPECT_NE(pasid, other);
	EXPECT_EQ(1, current_of(right));
	EXPECT_EQ(2, in_table());
}

/* The descriptor keeps the memory that it is bound to, and that its PASID. */
TEST_F(sva, exec_with_the_descriptor_kept_holds_two)
{
	ASSERT_LT(0, ask(self->user, bind_to, MOCK_A));
	ASSERT_EQ(0, ask(self->user, exec_again));
	EXPECT_EQ(1, current_of(left));
	ASSERT_LT(0, ask(self->user, bind_to, MOCK_A));
	EXPECT_EQ(2, current_of(left));
	EXPECT_STREQ("allocated 2 reserved 0 sets 2", stat_of(left));

	/* Both are this process's. */
	ASSERT_EQ(0, move_pid(self->user->pid, right));
	EXPECT_EQ(0, current_of(left));
	EXPECT_EQ(2, current_of(right));

	EXPECT_EQ(0, ask(self->user, unbind));
	EXPECT_EQ(0, ask(self->user, unbind));
	EXPECT_TRUE(is_given_back(current_of(right) == 1));
}

TEST_F(sva, process_that_shares_its_memory_leaves_the_pasid_with_it)
{
	struct actor *child = start_child(self->user, CLONE_VM);
	long pasid;

	ASSERT_NE(NULL, child);
	pasid = ask(child, bind_to, MOCK_A);
	ASSERT_LT(0, pasid);
	kill_actor(child);
	run_on_every_cpu();
	EXPECT_EQ(1, current_of(left));
	EXPECT_EQ(pasid, ask(self->user, bind_to, MOCK_B));

	/* Its owner is dead: it stays where it was, and so does what comes after. */
	ASSERT_EQ(0, move_pid(self->user->pid, right));
	ASSERT_EQ(0, ask(self->user, open_and_take, 1));
	EXPECT_EQ(2, current_of(left));
	EXPECT_EQ(0, current_of(right));
}

TEST_F(sva, passed_descriptor_keeps_the_binders_pasid)
{
	ASSERT_LT(0, ask(self->user, bind_to, MOCK_A));
	ASSERT_EQ(0, pass_bond(self->user, self->other));
	kill_actor(self->user);
	run_on_every_cpu();
	EXPECT_EQ(1, current_of(left));
	EXPECT_EQ(0, current_of(right));
	EXPECT_EQ(1, in_table());

	/* And when the cgroup goes, too */
	ASSERT_EQ(0, rmdir(left));
	EXPECT_EQ(1, current_of(top));
	EXPECT_TRUE(eventually(none_dying(top)));

	ASSERT_EQ(0, ask(self->other, unbind));
	EXPECT_TRUE(is_given_back(!current_of(top)));
	EXPECT_EQ(0, in_table());
}

TEST_F(sva, charge_moves_with_the_process)
{
	ASSERT_LT(0, ask(self->user, bind_to, MOCK_A));
	ASSERT_EQ(0, set_max(right, "0"));
	ASSERT_EQ(0, move_pid(self->user->pid, right));
	EXPECT_EQ(0, current_of(left));
	EXPECT_EQ(1, current_of(right));
	EXPECT_EQ(1, peak_of(top));

	kill_actor(self->user);
	EXPECT_TRUE(is_given_back(!current_of(right)));
}

TEST_F_TIMEOUT(sva, bind_during_a_move_is_not_left_behind, 900)
{
	char *from = left, *to = right, *swap;
	int i;

	for (i = 0; i < 100; i++) {
		struct actor *mover = start(from);

		ASSERT_NE(NULL, mover);
		ASSERT_EQ(0, tell(mover, bind_to, MOCK_A));
		spin_us(4 * i);
		ASSERT_EQ(0, move_pid(mover->pid, to));
		ASSERT_LT(0, answer(mover));

		ASSERT_EQ(1, current_of(to))
			TH_LOG("round %d", i);
		ASSERT_EQ(0, current_of(from))
			TH_LOG("round %d", i);
		end_actors();
		ASSERT_TRUE(is_given_back(!current_of(top)));
		swap = from;
		from = to;
		to = swap;
	}
}

/* What the issue is about: one that would take all, and its neighbour */
TEST_F(sva, who_is_refused_leaves_the_neighbour_its_own)
{
	struct actor *greedy[3];
	int i;

	ASSERT_EQ(0, set_max(left, "4"));
	ASSERT_EQ(0, set_max(top, "6"));
	for (i = 0; i < ARRAY_SIZE(greedy); i++) {
		greedy[i] = start(left);
		ASSERT_NE(NULL, greedy[i]);
		ASSERT_LT(0, ask(greedy[i], bind_to, MOCK_A));
	}
	ASSERT_LT(0, ask(self->user, bind_to, MOCK_B));
	for (i = 0; i < 10; i++)
		ASSERT_EQ(-EAGAIN, ask(self->user, bind_in_child, MOCK_A));
	EXPECT_STREQ("max 10 alloc_fail 10", events_of(left));
	EXPECT_EQ(4, current_of(left));

	EXPECT_LT(0, ask(self->other, bind_to, MOCK_A));
	EXPECT_EQ(1, current_of(right));
	EXPECT_STREQ("max 0 alloc_fail 0", events_of(right));
}

TEST_F(sva, drivers_own_pasid_is_charged_to_nobody)
{
	long kernel = capacity_of("kernel ");
	long pasid;

	ASSERT_EQ(0, set_max(left, "0"));
	pasid = ask(self->user, bind_to, MOCK_KERNEL);
	EXPECT_LT(0, pasid);
	EXPECT_EQ(0, current_of(left));
	EXPECT_EQ(kernel + 1, capacity_of("kernel "));

	/* One space: nobody else gets it. */
	ASSERT_EQ(0, ask(self->other, open_device));
	EXPECT_EQ(-ENOSPC, ask(self->other, take_between, pasid, pasid));
	ASSERT_EQ(0, ask(self->user, unbind));
	EXPECT_EQ(kernel, capacity_of("kernel "));
	EXPECT_EQ(pasid, ask(self->other, take_between, pasid, pasid));
}

/* The table never has an entry that is not charged. */
TEST_F_TIMEOUT(sva, pasid_is_charged_as_long_as_it_exists, 900)
{
	long charged, exist;
	int i;

	for (i = 0; i < 20; i++)
		ASSERT_EQ(0, ask(self->user, bind_in_child, MOCK_A));
	do {
		charged = current_of(left);
		exist = in_table();
		ASSERT_GE(charged, exist);
		run_on_every_cpu();
	} while (exist);
	EXPECT_EQ(0, current_of(left));
}

TEST_F(sva, pasid_is_counted_when_the_controller_is_switched_on_late)
{
	ASSERT_EQ(0, disable_below(top));
	ASSERT_LT(0, ask(self->user, bind_to, MOCK_A));
	EXPECT_EQ(1, current_of(top));
	ASSERT_EQ(0, enable_below(top));
	EXPECT_EQ(1, current_of(left));
	kill_actor(self->user);
	EXPECT_TRUE(is_given_back(!current_of(left)));
}

static long reap(int flags)
{
	int status;

	while (waitpid(-1, &status, flags) > 0) {
		if (WIFEXITED(status) && WEXITSTATUS(status))
			return -WEXITSTATUS(status);
	}
	return 0;
}

/* They bind, fork, move and die, some of them killed. */
static long live_and_die(long times, long b)
{
	long ret = 0;

	while (times-- && !ret) {
		pid_t pid = fork();

		if (!pid) {
			fork();
			if (times % 3)
				ret = bind_to(times % 2, 0);
			if (ret >= 0)
				ret = enter(times % 5 ? right : left);
			if (ret >= 0 && !(times % 3))
				ret = bind_to(times % 2, 0);
			if (!(times % 4))
				kill(getpid(), SIGKILL);
			_exit(ret < 0 ? -ret : 0);
		}
		ret = pid < 0 ? -errno : reap(WNOHANG);
	}
	return ret ?: reap(0);
}

TEST_F_TIMEOUT(sva, ten_thousand_processes_leave_nothing, 900)
{
	/*
	 * For each of the two, who forks as many, each of whom forks once; and in
	 * each of ten rounds, as all at once would take too long for an answer.
	 */
	long n = many(10000) / 4 / 10;
	int i;

	for (i = 0; i < 10; i++) {
		ASSERT_EQ(0, tell(self->user, live_and_die, n));
		ASSERT_EQ(0, tell(self->other, live_and_die, n));
		EXPECT_EQ(0, answer(self->user));
		EXPECT_EQ(0, answer(self->other));
	}
	EXPECT_LT(1, peak_of(top));

	EXPECT_TRUE(is_given_back(!current_of(top)));
	EXPECT_EQ(0, current_of(left));
	EXPECT_EQ(0, current_of(right));
	EXPECT_EQ(0, in_table());
	EXPECT_STREQ(self->capacity, text(root, "ioasids.capacity"));
}

FIXTURE(refused_sva) {
};

FIXTURE_SETUP(refused_sva)
{
	if (!setup(_metadata, MOCK_DEVICE "a"))
		return;
	if (bind_in_child(MOCK_A, 0) != -EOPNOTSUPP) {
		teardown(_metadata);
		SKIP(return, "this kernel does not refuse SVA");
	}
	ASSERT_EQ(0, enter(left));
}

FIXTURE_TEARDOWN(refused_sva)
{
	teardown(_metadata);
}

TEST_F(refused_sva, charges_nothing)
{
	char *capacity = text(root, "ioasids.capacity");

	EXPECT_EQ(-EOPNOTSUPP, bind_to(MOCK_A, 0));
	EXPECT_EQ(-EOPNOTSUPP, bind_to(MOCK_NARROW, 0));
	EXPECT_EQ(0, peak_of(left));
	EXPECT_STREQ("allocated 0 reserved 0 sets 0", stat_of(left));
	EXPECT_STREQ("max 0 alloc_fail 0", events_of(left));
	EXPECT_STREQ(capacity, text(root, "ioasids.capacity"));
	EXPECT_EQ(0, in_table());

	/* What a driver takes for itself is another matter. */
	EXPECT_LT(0, bind_to(MOCK_KERNEL, 0));
	EXPECT_EQ(0, current_of(left));
	EXPECT_EQ(0, unbind(0, 0));
}

/*
 * The same on cgroup v1. The controller is on one hierarchy at a time, so this
 * takes it from v2 and gives it back. It comes last: if it cannot give it back,
 * there is nothing left to test.
 */
FIXTURE(v1) {
	char *v2;
	bool enabled_on_v2;
	struct actor *holder;	/* in left, has opened the device */
};

static bool mount_v1(void)
{
	return !mount("none", root, "cgroup", 0, CONTROLLER);
}

static bool is_on_v2(const char *v2)
{
	return !cg_read_strstr(v2, "cgroup.controllers", CONTROLLER);
}

/*
 * A hierarchy that is unmounted while a removed cgroup is still dying stays; it
 * goes when it is mounted and unmounted again.
 */
static bool give_back_to_v2(const char *v2)
{
	int tries = 50;

	do {
		while (!umount(root))
			;
	} while (!within(200, is_on_v2(v2)) && tries-- && mount_v1());
	return is_on_v2(v2);
}

static long clean_up_v1(const char *v2, bool enabled_on_v2)
{
	rmdir(root);
	return enabled_on_v2 ? enable_below(v2) : 0;
}

FIXTURE_SETUP(v1)
{
	char path[] = "/tmp/ioasids_test.XXXXXX";

	if (geteuid())
		SKIP(return, "not root");
	if (cg_read_strstr("/proc", "cgroups", CONTROLLER))
		SKIP(return, CONTROLLER " is not in /proc/cgroups");
	if (access(DEVICE, F_OK))
		SKIP(return, "no " DEVICE);
	self->v2 = find_root();
	if (!self->v2 || !is_on_v2(self->v2))
		SKIP(return, CONTROLLER " cannot be taken from v2 and given back to it");
	self->enabled_on_v2 = !cg_read_strstr(self->v2, "cgroup.subtree_control", CONTROLLER);
	if (disable_below(self->v2))
		SKIP(return, CONTROLLER " is in use on v2");
	ASSERT_NE(NULL, mkdtemp(path));
	root = strdup(path);
	if (!eventually(mount_v1())) {
		SKIP(clean_up_v1(self->v2, self->enabled_on_v2); return,
		     CONTROLLER " cannot be mounted on v1: %s", strerror(errno));
	}
	make_tree(_metadata);
	self->holder = start_with_device(left);
	ASSERT_NE(NULL, self->holder);
}

FIXTURE_TEARDOWN(v1)
{
	teardown(_metadata);
	EXPECT_TRUE(give_back_to_v2(self->v2));
	EXPECT_EQ(0, clean_up_v1(self->v2, self->enabled_on_v2));
}

TEST_F(v1, files_are_the_same)
{
	expect_files(_metadata);
}

TEST_F(v1, limits_and_events_are_the_same)
{
	EXPECT_STREQ("max", text(left, "ioasids.max"));
	ASSERT_EQ(0, set_max(top, "5"));
	EXPECT_EQ(-EINVAL, set_max(top, "-1"));
	EXPECT_STREQ("5", text(top, "ioasids.max"));
	ASSERT_EQ(0, ask(self->holder, reserve, 4));
	ASSERT_EQ(0, ask(self->holder, take, 3));

	EXPECT_EQ(-EAGAIN, ask(self->holder, reserve, 6));

	EXPECT_EQ(4, current_of(left));
	EXPECT_EQ(4, current_of(top));
	EXPECT_EQ(4, peak_of(top));
	EXPECT_STREQ("allocated 3 reserved 1 sets 1", stat_of(top));
	EXPECT_STREQ("max 0 alloc_fail 1", events_of(left));
	EXPECT_STREQ("max 0 alloc_fail 1", local_events_of(left));
	EXPECT_STREQ("max 1 alloc_fail 1", events_of(top));
	EXPECT_STREQ("max 1 alloc_fail 0", local_events_of(top));
}

TEST_F(v1, charge_moves_with_the_process)
{
	ASSERT_EQ(0, ask(self->holder, take, 5));

	ASSERT_EQ(0, move_pid(self->holder->pid, right));

	EXPECT_EQ(0, current_of(left));
	EXPECT_EQ(5, current_of(right));
	EXPECT_EQ(5, current_of(top));
}

TEST_F(v1, charge_stays_when_one_thread_moves)
{
	long tid = ask(self->holder, start_thread);

	ASSERT_LT(0, tid);
	ASSERT_EQ(0, ask(self->holder, take, 5));

	ASSERT_EQ(0, move_task(tid, right, "tasks"));

	EXPECT_EQ(5, current_of(left));
	EXPECT_EQ(0, current_of(right));
}

TEST_F(v1, charge_moves_with_the_eldest_of_the_threads_that_are_left)
{
	long eldest = ask(self->holder, start_thread), younger;

	ASSERT_LT(0, eldest);
	ASSERT_EQ(0, ask(self->holder, take, 5));
	ASSERT_EQ(0, ask(self->holder, exit_leader));
	younger = ask(self->holder, own_thread);
	ASSERT_NE(eldest, younger);

	ASSERT_EQ(0, move_task(younger, right, "tasks"));
	EXPECT_EQ(5, current_of(left));
	EXPECT_EQ(0, current_of(right));

	ASSERT_EQ(0, move_task(eldest, right, "tasks"));
	EXPECT_EQ(0, current_of(left));
	EXPECT_EQ(5, current_of(right));
}

static long enter_and_open(long cgroup, long unused)
{
	return move_task(0, (const char *)cgroup, "tasks") ?: open_device(0, 0);
}

/* Whichever thread opens: else it would stay behind where nobody is any more. */
TEST_F(v1, charge_is_where_the_first_thread_is)
{
	pid_t holder = self->holder->pid;

	ASSERT_EQ(0, ask(self->holder, close_device));
	ASSERT_EQ(0, ask(self->holder, in_thread, OP(enter_and_open), (long)right));
	ASSERT_EQ(0, ask(self->holder, take, 5));
	EXPECT_EQ(5, current_of(left));
	EXPECT_EQ(0, current_of(right));

	ASSERT_EQ(0, ask(self->holder, close_device));
	ASSERT_EQ(0, move_task(holder, right, "tasks"));
	ASSERT_EQ(0, ask(self->holder, in_thread, OP(enter_and_open), (long)left));
	ASSERT_EQ(0, ask(self->holder, take, 5));
	ASSERT_EQ(0, move_pid(holder, right));
	EXPECT_EQ(0, current_of(left));
	EXPECT_EQ(5, current_of(right));
}

static int opener_waits = -1;

static void *open_after_a_while(void *unused)
{
	int wait;

	while ((wait = __atomic_load_n(&opener_waits, __ATOMIC_ACQUIRE)) < 0)
		;
	while (wait--)
		__asm__ volatile ("" : : : "memory");
	return (void *)open_device(0, 0);
}

/* The first thread moves itself, which no lock keeps another from opening for. */
static long open_while_moving(long cgroup, long wait)
{
	pthread_t thread;
	void *opened;
	long moved;

	__atomic_store_n(&opener_waits, -1, __ATOMIC_RELAXED);
	if (pthread_create(&thread, NULL, open_after_a_while, NULL))
		return -EAGAIN;
	__atomic_store_n(&opener_waits, wait, __ATOMIC_RELEASE);
	moved = move_task(0, (const char *)cgroup, "tasks");
	pthread_join(thread, &opened);
	return moved ?: (long)opened;
}

TEST_F_TIMEOUT(v1, set_made_while_the_first_thread_moves_is_not_left_behind, 300)
{
	int i;

	for (i = 0; i < 1000; i++) {
		const char *to = i & 1 ? left : right;

		ASSERT_EQ(0, ask(self->holder, close_device));
		ASSERT_EQ(0, ask(self->holder, open_while_moving, (long)to, i % 200 * 100));
		ASSERT_EQ(0, ask(self->holder, take, 1));
		ASSERT_EQ(1, current_of(to));
	}
}

TEST_F(v1, removed_cgroup_leaves_its_charge_to_its_parent)
{
	struct actor *keeper = orphan(self->holder, 3);

	ASSERT_NE(NULL, keeper);

	EXPECT_EQ(0, rmdir(left));
	EXPECT_TRUE(eventually(current_of(top) == 3));

	ASSERT_EQ(0, ask(keeper, close_device));
	EXPECT_EQ(0, current_of(top));
}

TEST_F(v1, v2_gets_the_controller_back)
{
	end_actors();
	ASSERT_TRUE(remove_tree());

	EXPECT_TRUE(give_back_to_v2(self->v2));

	EXPECT_EQ(0, enable_below(self->v2));
}

TEST_HARNESS_MAIN
