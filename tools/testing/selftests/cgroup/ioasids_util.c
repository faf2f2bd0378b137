// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE

#include <assert.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <mntent.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "ioasids_util.h"

#define ANSWER_S	60	/* the longest time to wait for an actor's answer */

/* If linux/ioasid.h is installed, the two must agree. */
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

long now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

void spin_us(long us)
{
	long end = now_us() + us;

	while (now_us() < end)
		;
}

void run_on_every_cpu(void)
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

/* Cgroups */

char *root, *top, *left, *right;

char *find_root(void)
{
	FILE *mounts = setmntent("/proc/self/mounts", "r");
	struct mntent *mount;
	char *found = NULL;

	while (mounts && !found && (mount = getmntent(mounts)))
		if (!strcmp(mount->mnt_type, "cgroup2"))
			found = strdup(mount->mnt_dir);
	if (mounts)
		endmntent(mounts);
	return found;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return type == FTW_DP ? rmdir(path) : 0;
}

bool remove_cgroups(const char *path)
{
	return !nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS) || errno == ENOENT;
}

bool remove_tree(void)
{
	cg_killall(top);
	return eventually(remove_cgroups(top));
}

/*
 * Remove cgroups that a killed test has left. On v1 nothing has to be enabled. As a
 * subreaper, the test can wait for the children of killed actors.
 */
bool make_tree(const char *name)
{
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	top = cg_name(root, name);
	left = cg_name(top, "left");
	right = cg_name(top, "right");
	return remove_tree() && !cg_create(top) &&
	       (!has_file(top, "cgroup.subtree_control") || !enable_below(top)) &&
	       !cg_create(left) && !cg_create(right);
}

bool has_file(const char *cgroup, const char *file)
{
	return !access(cg_control(cgroup, file), F_OK);
}

char *text(const char *cgroup, const char *file)
{
	char buf[PAGE_SIZE], *p;
	int ret = cg_read(cgroup, file, buf, sizeof(buf));

	if (ret)
		snprintf(buf, sizeof(buf), "%s/%s: %s", cgroup, file, strerror(-ret));
	for (p = buf; *p; p++)
		if (*p == '\n')
			*p = p[1] ? ' ' : '\0';
	return strdup(buf);
}

long current_of(const char *cgroup)
{
	return cg_read_long(cgroup, "ioasids.current");
}

long peak_of(const char *cgroup)
{
	return cg_read_long(cgroup, "ioasids.peak");
}

char *stat_of(const char *cgroup)
{
	return text(cgroup, "ioasids.stat");
}

char *events_of(const char *cgroup)
{
	return text(cgroup, "ioasids.events");
}

char *local_events_of(const char *cgroup)
{
	return text(cgroup, "ioasids.events.local");
}

long capacity_of(const char *key)
{
	return cg_read_key_long(root, "ioasids.capacity", key);
}

bool none_dying(const char *cgroup)
{
	return cg_read_key_long(cgroup, "cgroup.stat", "nr_dying_subsys_" CONTROLLER " ") <= 0;
}

ssize_t write_bytes(const char *cgroup, const char *file, const char *bytes, size_t len)
{
	char path[PATH_MAX];
	ssize_t ret;
	int fd;

	/* No malloc(): a thread of a process that shared this memory may have died in it. */
	snprintf(path, sizeof(path), "%s/%s", cgroup, file);
	fd = open(path, O_WRONLY);
	if (fd < 0)
		return -errno;
	ret = write(fd, bytes, len) < 0 ? -errno : 0;
	close(fd);
	return ret;
}

long set(const char *cgroup, const char *file, const char *value)
{
	return write_bytes(cgroup, file, value, strlen(value));
}

long set_max(const char *cgroup, const char *max)
{
	return set(cgroup, "ioasids.max", max);
}

long enable_below(const char *cgroup)
{
	return set(cgroup, "cgroup.subtree_control", "+" CONTROLLER);
}

long disable_below(const char *cgroup)
{
	return set(cgroup, "cgroup.subtree_control", "-" CONTROLLER);
}

long enter(const char *cgroup)
{
	return set(cgroup, "cgroup.procs", "0");
}

long move_task(pid_t task, const char *cgroup, const char *file)
{
	char number[16];

	snprintf(number, sizeof(number), "%d", task);
	return set(cgroup, file, number);
}

long move_pid(pid_t pid, const char *cgroup)
{
	return move_task(pid, cgroup, "cgroup.procs");
}

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

char *numbers(void)
{
	snprintf(all_numbers, sizeof(all_numbers), "%s", text(root, "ioasids.capacity"));
	nftw(top, add_numbers, 16, FTW_PHYS);
	return strdup(all_numbers);
}

/* Descriptors are passed from one process to another over a socket. */

long send_fd(int socket, int fd, unsigned int number)
{
	char control[CMSG_SPACE(sizeof(fd))] = {};
	struct iovec iov = { &number, sizeof(number) };
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
	return sendmsg(socket, &msg, MSG_DONTWAIT) < 0 ? -errno : 0;
}

long receive_fd(int socket, unsigned int *number, int flags)
{
	char control[CMSG_SPACE(sizeof(int))] = {};
	struct iovec iov = { number, sizeof(*number) };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	int fd;

	if (recvmsg(socket, &msg, MSG_DONTWAIT | flags) < 0)
		return -errno;
	if (!CMSG_FIRSTHDR(&msg))
		return -ENOMSG;
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fd));
	return fd;
}

/* Operations of actors */

#define CHANNEL		100	/* the descriptor from which an actor reads questions */

static int device = -1;
static int ids[TOTAL + 1];
static long nr_ids;

bool is_asked(void)
{
	char byte;

	return recv(CHANNEL, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0;
}

long result(long ret)
{
	return ret < 0 ? -errno : ret;
}

long device_ioctl(unsigned int cmd, void *arg)
{
	return result(ioctl(device, cmd, arg));
}

long open_device(long a, long b)
{
	int fd = open(DEVICE, O_RDWR);

	if (fd < 0)
		return -errno;
	device = fd;
	return 0;
}

long close_device(long a, long b)
{
	int fd = device;

	device = -1;
	nr_ids = 0;
	return result(close(fd));
}

long device_fd(long a, long b)
{
	return device;
}

long take_between(long min, long max)
{
	struct abi_request request = { .argsz = sizeof(request), .min = min, .max = max };

	return device_ioctl(ABI_REQUEST_ALLOC, &request);
}

long take(long n, long b)
{
	while (n--) {
		long id = take_between(1, UINT_MAX);

		if (id < 0)
			return id;
		ids[nr_ids++] = id;
	}
	return 0;
}

long open_and_take(long n, long b)
{
	return open_device(0, 0) ?: take(n, 0);
}

long give(long id, long b)
{
	int arg = id;

	return device_ioctl(ABI_REQUEST_FREE, &arg);
}

long give_back(long n, long b)
{
	long ret = 0;

	while (n-- && nr_ids && !ret)
		ret = give(ids[--nr_ids], 0);
	return ret;
}

long nth_id(long n, long b)
{
	return ids[n];
}

long reserve(long quota, long b)
{
	struct abi_quota arg = { .argsz = sizeof(arg), .quota = quota };

	return device_ioctl(ABI_SET_QUOTA, &arg);
}

long info(long field, long b)
{
	struct abi_info info = { .argsz = sizeof(info) };
	long ret = device_ioctl(ABI_GET_INFO, &info);

	return ret ?: *(__u32 *)((char *)&info + field);
}

long every_ioctl_fails_with(long error, long b)
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

long become_nobody(long a, long b)
{
	return result(setresgid(NOBODY, NOBODY, NOBODY) ?:
		      setresuid(NOBODY, NOBODY, NOBODY));
}

long try_set_max(long cgroup, long max)
{
	return set_max((char *)cgroup, (char *)max);
}

long try_enter(long cgroup, long b)
{
	return enter((char *)cgroup);
}

long try_create(long cgroup, long b)
{
	return result(cg_create((char *)cgroup));
}

long try_enable_below(long cgroup, long b)
{
	return enable_below((char *)cgroup);
}

static int mailbox[2];

long post(int fd)
{
	return send_fd(mailbox[0], fd, 0);
}

long fetch(void)
{
	unsigned int number;

	return receive_fd(mailbox[1], &number, 0);
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

static int bonds[8], nr_bonds;

long bind_to(long mock, long b)
{
	static const char *const names[] = { "a", "b", "narrow", "broken", "kernel" };
	char path[64], number[16] = "";
	int fd;

	snprintf(path, sizeof(path), MOCK "%s", names[mock]);
	fd = open(path, O_RDWR);
	if (fd < 0)
		return -errno;
	bonds[nr_bonds++] = fd;
	return read(fd, number, sizeof(number) - 1) > 0 ? atoi(number) : -EIO;
}

long unbind(long a, long b)
{
	return nr_bonds ? result(close(bonds[--nr_bonds])) : -ENOENT;
}

long bind_in_child(long mock, long b)
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

#define RESUME		"IOASIDS_TEST_FDS"	/* in the environment: run again by exec */

static struct actor actors[32];
static int nr_actors;

/* A request to an actor; @op is from OP() */
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

long tell_args(struct actor *actor, long (*op)(long a, long b), const long *arg)
{
	struct question q = { OP(op), { arg[0], arg[1] } };

	return send(actor->channel, &q, sizeof(q), MSG_NOSIGNAL) < 0 ? -errno : 0;
}

long answer(struct actor *actor)
{
	ssize_t got;
	long ret;

	got = recv(actor->channel, &ret, sizeof(ret), 0);
	if (got < 0)
		return -errno;
	return got == sizeof(ret) ? ret : -ESRCH;
}

bool has_answered(struct actor *actor)
{
	struct pollfd pfd = { .fd = actor->channel, .events = POLLIN };

	return poll(&pfd, 1, 0) == 1;
}

long ask_args(struct actor *actor, long (*op)(long a, long b), const long *arg)
{
	return actor == me ? op(arg[0], arg[1]) : tell_args(actor, op, arg) ?: answer(actor);
}

long quota_of(struct actor *actor)
{
	return ask(actor, info, offsetof(struct abi_info, quota));
}

long allocated_of(struct actor *actor)
{
	return ask(actor, info, offsetof(struct abi_info, allocated));
}

long available_to(struct actor *actor)
{
	return ask(actor, info, offsetof(struct abi_info, available));
}

char *fdinfo_of(struct actor *actor, const char *key)
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

static struct actor *new_actor(int *far)
{
	struct timeval limit = { .tv_sec = ANSWER_S };
	int pair[2];

	if (!mailbox[1] && socketpair(AF_UNIX, SOCK_DGRAM, 0, mailbox))
		return NULL;
	if (nr_actors == ARRAY_SIZE(actors) || socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair))
		return NULL;
	setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	actors[nr_actors].channel = pair[0];
	*far = pair[1];
	return &actors[nr_actors++];
}

/* Ends when the test does, which alone holds the other end of the channel. */
static void act(int channel, long first)
{
	dup2(channel, CHANNEL);
	close(channel);
	serve(first);
}

struct actor *start(const char *cgroup)
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

struct actor *start_with_device(const char *cgroup)
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

struct actor *start_child(struct actor *parent, int flags)
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

long exec_again(long a, long b)
{
	char fds[64];

	snprintf(fds, sizeof(fds), "%d %d %d %d", device, nr_bonds ? bonds[0] : -1, mailbox[0],
		 mailbox[1]);
	setenv(RESUME, fds, 1);
	execl("/proc/thread-self/exe", program_invocation_short_name, NULL);
	return -errno;
}

static void __attribute__((constructor)) resume_after_exec(void)
{
	const char *fds = getenv(RESUME);

	if (fds && sscanf(fds, "%d %d %d %d", &device, &bonds[0], &mailbox[0], &mailbox[1]) == 4) {
		nr_bonds = bonds[0] >= 0;
		serve(0);
	}
}

static void *do_in_thread(void *question)
{
	return (void *)do_op(question);
}

long in_thread(long op, long arg)
{
	struct question q = { op, { arg } };
	pthread_t thread;
	void *ret;

	if (pthread_create(&thread, NULL, do_in_thread, &q) || pthread_join(thread, &ret))
		return -ECHILD;
	return (long)ret;
}

static struct {
	long (*op)(long a, long b);
	long arg;
	long ret;
} for_child;

static int child_does(void *unused)
{
	for_child.ret = for_child.op(for_child.arg, 0);
	_exit(0);
}

long in_vforked(long (*op)(long a, long b), long arg, int flags)
{
	char stack[16384];
	pid_t pid;

	for_child.op = op;
	for_child.arg = arg;
	pid = clone(child_does, stack + sizeof(stack), CLONE_VM | CLONE_VFORK | SIGCHLD | flags,
		    NULL);
	/* The parent resumes before the child is dead: wait for it. */
	if (pid < 0 || waitpid(pid, NULL, 0) != pid)
		return -ECHILD;
	return for_child.ret;
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

long exit_leader(long a, long b)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, outlive_leader, NULL))
		return -EAGAIN;
	/* After exec this runs before main(), where pthread_exit() does not work. */
	return syscall(SYS_exit, 0);
}

static int thread_id;

static void *sleep_in_thread(void *unused)
{
	__atomic_store_n(&thread_id, gettid(), __ATOMIC_RELEASE);
	while (pause())
		;
	return NULL;
}

long start_thread(long a, long b)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, sleep_in_thread, NULL))
		return -EAGAIN;
	eventually(__atomic_load_n(&thread_id, __ATOMIC_ACQUIRE));
	return thread_id;
}

long own_thread(long a, long b)
{
	return gettid();
}

void kill_unreaped(struct actor *actor)
{
	struct pollfd pfd = { .fd = syscall(SYS_pidfd_open, actor->pid, 0), .events = POLLIN };

	if (pfd.fd < 0)
		return;
	kill(actor->pid, SIGKILL);
	poll(&pfd, 1, ANSWER_S * 1000);
	close(pfd.fd);
}

/* kill_unreaped() has waited until it is dead: it may be another process's child. */
void kill_actor(struct actor *actor)
{
	kill_unreaped(actor);
	waitpid(actor->pid, NULL, 0);
}

long pass_device(struct actor *from, struct actor *to)
{
	return ask(from, post_device) ?: ask(to, fetch_device);
}

long pass_bond(struct actor *from, struct actor *to)
{
	return ask(from, post_bond) ?: ask(to, fetch_bond);
}

void end_actors(void)
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

/* The kernel */

bool sets_have(const char *format, ...)
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

int open_log(void)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK);

	if (fd >= 0)
		lseek(fd, 0, SEEK_END);
	return fd;
}

int lines_with(int fd, const char *needle)
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

long many(long n)
{
	return access("/proc/lockdep", F_OK) ? n : n / 10;
}
