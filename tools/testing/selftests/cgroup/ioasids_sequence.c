// SPDX-License-Identifier: GPL-2.0
/*
 * Random sequences of the operations of processes that concern IDs: open, take, give
 * back, reserve, close, fork, clone with the memory shared, vfork, exec, exit, pass
 * descriptors, be moved, and lose their cgroup.
 *
 * The model has address spaces, sets, processes and cgroups, and three rules:
 *
 *	IDs and quota end with the address space that they were taken in, or when
 *	the last descriptor is closed.
 *
 *	The process that opened the device pays, as long as it lives in that address
 *	space. After that, the next process that asks for an ID or a quota does.
 *
 *	The charge of a process is counted in its cgroup, and moves with the process.
 *
 * It follows that each ID that a process in a limited cgroup takes is counted in its
 * own cgroup or in the cgroup of the maker, which is alive.
 */
#define _GNU_SOURCE

#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

#include "ioasids_util.h"
#include "ioasids_sequence.h"

#define MAX_PROCESSES	28
#define MAX_SETS	32
#define MAX_HELD	8	/* IDs in a set */
#define MAX_QUOTA	8
#define MAX_LIMIT	8

#define NOT_TRIED	2	/* returned by a step that is not possible now */

/* No process, no cgroup */
#define NONE		-1

enum { ROOT, TOP, LEFT, RIGHT, AWAY, NR_CGROUPS };

static const int parents[NR_CGROUPS] = {
	[ROOT] = NONE, [TOP] = ROOT, [LEFT] = TOP, [RIGHT] = TOP, [AWAY] = TOP,
};

static struct {
	char *path;
	bool exists;
	long max;		/* LONG_MAX: none */
} cgroups[NR_CGROUPS];

static struct process {
	struct actor *actor;
	bool alive;
	bool has_first_thread;
	bool may_lose_it;	/* the first thread; not if made by clone() without exec */
	int mm;
	int cgroup;
	bool has[MAX_SETS];	/* has a descriptor of the set */
} processes[MAX_PROCESSES];

static struct set {
	int mm;
	int owner;		/* process, or NONE: it has died */
	int payer;		/* cgroup */
	long quota;
	long held;
	long ids[MAX_HELD];
	bool ended;
} sets[MAX_SETS];

static int nr_processes, nr_sets, nr_mms;
static bool switched_on;	/* below top */
static __u64 state;
static struct sequence_seen *seen;

static char history[256 * 64], *history_end;
static char problem[256];

static __u64 random_number(void)
{
	__u64 z = state += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

static int below(int n)
{
	return random_number() % n;
}

static __printf(1, 2) void note(const char *format, ...)
{
	size_t room = history + sizeof(history) - history_end;
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(history_end, room, format, args);
	va_end(args);
	if (len > 0 && len < room)
		history_end += len;
}

/* The model */

static bool is_open(int set)
{
	int p;

	for (p = 0; p < nr_processes; p++)
		if (processes[p].alive && processes[p].has[set])
			return true;
	return false;
}

static bool counts(int set)
{
	return !sets[set].ended && is_open(set);
}

static long charge_of(int set)
{
	return sets[set].quota ?: sets[set].held;
}

static bool is_below(int cgroup, int ancestor)
{
	while (cgroup != NONE && cgroup != ancestor)
		cgroup = parents[cgroup];
	return cgroup == ancestor;
}

static long count_of(int cgroup)
{
	long sum = 0;
	int s;

	for (s = 0; s < nr_sets; s++)
		if (counts(s) && is_below(sets[s].payer, cgroup))
			sum += charge_of(s);
	return sum;
}

static bool fits(int payer, long n)
{
	for (; payer != ROOT; payer = parents[payer])
		if (count_of(payer) + n > cgroups[payer].max)
			return false;
	return true;
}

/* The cgroup that counts for processes in @cgroup */
static int counting(int cgroup)
{
	return !switched_on && parents[cgroup] == TOP ? TOP : cgroup;
}

static bool is_makers(int set)
{
	int owner = sets[set].owner;

	return owner != NONE && processes[owner].alive && processes[owner].mm == sets[set].mm;
}

/* @p made an account and has left its address space: the model has no rule for its moves. */
static bool has_left_account(int p)
{
	int s;

	for (s = 0; s < nr_sets; s++)
		if (counts(s) && sets[s].owner == p && sets[s].mm != processes[p].mm)
			return true;
	return false;
}

/* @p, or a child of it that then exits, asks for an ID or a quota. */
static void asks(int p, int set, bool by_child)
{
	if (is_makers(set))
		return;
	sets[set].owner = by_child ? NONE : p;
	sets[set].payer = counting(processes[p].cgroup);
	seen->adopted++;
}

static void forget_mm(int mm)
{
	int p, s;

	for (p = 0; p < nr_processes; p++)
		if (processes[p].alive && processes[p].mm == mm)
			return;
	for (s = 0; s < nr_sets; s++) {
		if (sets[s].mm != mm || sets[s].ended)
			continue;
		seen->ended += is_open(s);
		sets[s].ended = true;
		sets[s].quota = 0;
		sets[s].held = 0;
	}
}

static void has_died(int p)
{
	int s;

	processes[p].alive = false;
	for (s = 0; s < nr_sets; s++)
		if (sets[s].owner == p)
			sets[s].owner = NONE;
	forget_mm(processes[p].mm);
}

/* Comparison with the kernel */

static bool cgroup_is_right(int cgroup)
{
	long charged = 0, allocated = 0, nr = 0;
	char stat[96];
	int s;

	if (!cgroups[cgroup].exists || (!switched_on && parents[cgroup] == TOP))
		return true;
	for (s = 0; s < nr_sets; s++) {
		if (!counts(s) || !is_below(sets[s].payer, cgroup))
			continue;
		charged += charge_of(s);
		allocated += sets[s].held;
		nr++;
	}
	snprintf(stat, sizeof(stat), "allocated %ld reserved %ld sets %ld", allocated,
		 charged - allocated, nr);
	if (current_of(cgroups[cgroup].path) == charged &&
	    !strcmp(stat, stat_of(cgroups[cgroup].path)))
		return true;
	snprintf(problem, sizeof(problem), "%s has %ld, %s; it should have %ld, %s",
		 cgroups[cgroup].path + strlen(root), current_of(cgroups[cgroup].path),
		 stat_of(cgroups[cgroup].path), charged, stat);
	return false;
}

static bool all_is_right(void)
{
	int i;

	for (i = TOP; i < NR_CGROUPS; i++)
		if (!cgroup_is_right(i))
			return false;
	return true;
}

/* Operations of the processes. Each set has a descriptor number of its own. */

/* @fd may be that number already. */
static long keep_as(long set, int fd)
{
	if (fd == FIRST_FD + set)
		return 0;
	if (dup2(fd, FIRST_FD + set) < 0)
		return -errno;
	return result(close(fd));
}

static long open_as(long set, long b)
{
	int fd = open(DEVICE, O_RDWR);

	return fd < 0 ? -errno : keep_as(set, fd);
}

static long close_of(long set, long b)
{
	return result(close(FIRST_FD + set));
}

static long take_of(long set, long b)
{
	struct abi_request arg = { .argsz = sizeof(arg), .min = 1, .max = UINT_MAX };

	return result(ioctl(FIRST_FD + set, ABI_REQUEST_ALLOC, &arg));
}

static long give_to(long set, long id)
{
	int arg = id;

	return result(ioctl(FIRST_FD + set, ABI_REQUEST_FREE, &arg));
}

static long reserve_of(long set, long quota)
{
	struct abi_quota arg = { .argsz = sizeof(arg), .quota = quota };

	return result(ioctl(FIRST_FD + set, ABI_SET_QUOTA, &arg));
}

static long info_of(long set, long b)
{
	struct abi_info info = { .argsz = sizeof(info) };
	long ret = result(ioctl(FIRST_FD + set, ABI_GET_INFO, &info));

	return ret ?: info.quota * 0x10000L + info.allocated;
}

static long post_of(long set, long b)
{
	return post(FIRST_FD + set);
}

static long fetch_as(long set, long b)
{
	long fd = fetch();

	return fd < 0 ? fd : keep_as(set, fd);
}

static long take_in_vforked(long set, long b)
{
	return in_vforked(take_of, set, 0);
}

static long open_in_vforked(long set, long b)
{
	return in_vforked(open_as, set, CLONE_FILES);
}

/* The steps. Each returns NOT_TRIED, or whether the answer was the right one. */

static int any_process(void)
{
	int n = 0, p, chosen = NONE;

	for (p = 0; p < nr_processes; p++)
		if (processes[p].alive && !below(++n))
			chosen = p;
	return chosen;
}

/* Usually the set of its address space */
static int any_set_of(int p)
{
	bool own = below(5);
	int n = 0, s, chosen = NONE;

	for (s = 0; s < nr_sets; s++)
		if (own && processes[p].has[s] && sets[s].mm == processes[p].mm)
			return s;
	for (s = 0; s < nr_sets; s++)
		if (processes[p].has[s] && !below(++n))
			chosen = s;
	return chosen;
}

static bool is_shared(int mm)
{
	int p, n = 0;

	for (p = 0; p < nr_processes; p++)
		n += processes[p].alive && processes[p].mm == mm;
	return n > 1;
}

/* Usually a maker whose account can get another owner */
static int any_to_leave(void)
{
	int n = 0, s, chosen = NONE;

	for (s = 0; s < nr_sets; s++)
		if (counts(s) && is_makers(s) && is_shared(sets[s].mm) && !below(++n))
			chosen = sets[s].owner;
	return chosen == NONE || !below(3) ? any_process() : chosen;
}

static int any_cgroup(void)
{
	static const int some[] = { LEFT, LEFT, RIGHT, RIGHT, AWAY, AWAY, ROOT };
	int cgroup = some[below(ARRAY_SIZE(some))];

	return cgroups[cgroup].exists ? cgroup : LEFT;
}

static int right_if(long should, long is)
{
	if (should == is)
		return true;
	snprintf(problem, sizeof(problem), "the answer is %ld, and should be %ld", is, should);
	return false;
}

static int new_process(struct actor *actor, int mm, int cgroup)
{
	struct process *p = &processes[nr_processes];

	memset(p, 0, sizeof(*p));
	p->actor = actor;
	p->alive = true;
	p->has_first_thread = true;
	p->mm = mm;
	p->cgroup = cgroup;
	return nr_processes++;
}

static int step_start(void)
{
	int cgroup = any_cgroup();
	struct actor *actor;

	if (nr_processes == MAX_PROCESSES)
		return NOT_TRIED;
	note("process %d is started in %s", nr_processes, cgroups[cgroup].path);
	actor = start(cgroups[cgroup].path);
	if (!actor)
		return right_if(0, -ECHILD);
	processes[new_process(actor, nr_mms++, cgroup)].may_lose_it = true;
	return true;
}

static int child_of(int p, int flags, const char *how)
{
	struct actor *actor;
	int child;

	if (p == NONE || nr_processes == MAX_PROCESSES)
		return NOT_TRIED;
	note("%d %s %d", p, how, nr_processes);
	actor = start_child(processes[p].actor, flags);
	if (!actor)
		return right_if(0, -ECHILD);
	child = new_process(actor, flags ? processes[p].mm : nr_mms++, processes[p].cgroup);
	memcpy(processes[child].has, processes[p].has, sizeof(processes[p].has));
	return true;
}

static int step_fork(void)
{
	return child_of(any_process(), 0, "forks");
}

static int step_share(void)
{
	return child_of(any_process(), CLONE_VM, "shares its memory with");
}

static int step_exec(void)
{
	int p = any_to_leave(), mm;
	long ret;

	if (p == NONE)
		return NOT_TRIED;
	note("%d execs", p);
	ret = ask(processes[p].actor, exec_again);
	mm = processes[p].mm;
	processes[p].mm = nr_mms++;
	processes[p].has_first_thread = true;
	processes[p].may_lose_it = true;
	forget_mm(mm);
	return right_if(0, ret);
}

static int step_die(void)
{
	int p = any_to_leave();

	if (p == NONE)
		return NOT_TRIED;
	note("%d dies", p);
	kill_unreaped(processes[p].actor);
	has_died(p);
	return true;
}

static int step_reap(void)
{
	note("the dead are reaped");
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	return true;
}

static int step_lose_first_thread(void)
{
	int p = any_process();

	if (p == NONE || !processes[p].may_lose_it)
		return NOT_TRIED;
	processes[p].may_lose_it = false;
	processes[p].has_first_thread = false;
	note("%d loses its first thread", p);
	return right_if(0, ask(processes[p].actor, exit_leader));
}

static int try_open(int p, bool in_vforked)
{
	bool busy = false;
	long ret;
	int s;

	if (p == NONE || nr_sets == MAX_SETS)
		return NOT_TRIED;
	for (s = 0; s < nr_sets; s++)
		busy |= sets[s].mm == processes[p].mm && counts(s);
	note("%d opens %d%s", p, nr_sets, in_vforked ? " in a child by vfork" : "");
	ret = ask(processes[p].actor, in_vforked ? open_in_vforked : open_as, nr_sets);
	if (!busy) {
		memset(&sets[nr_sets], 0, sizeof(sets[0]));
		sets[nr_sets].mm = processes[p].mm;
		sets[nr_sets].owner = in_vforked ? NONE : p;
		sets[nr_sets].payer = counting(processes[p].cgroup);
		processes[p].has[nr_sets++] = true;
	}
	return right_if(busy ? -EBUSY : 0, ret);
}

static int step_open(void)
{
	return try_open(any_process(), false);
}

static int step_open_in_vforked(void)
{
	return try_open(any_process(), true);
}

static int try_take(bool in_vforked)
{
	int p = any_process(), s = p == NONE ? NONE : any_set_of(p);
	long ret, should = 0;

	if (s == NONE || sets[s].held == MAX_HELD)
		return NOT_TRIED;
	note("%d takes an ID of %d%s", p, s, in_vforked ? " in a child by vfork" : "");
	if (processes[p].mm != sets[s].mm) {
		should = -EPERM;
	} else {
		asks(p, s, in_vforked);
		if (sets[s].quota)
			should = sets[s].held < sets[s].quota ? 0 : -ENOSPC;
		else
			should = fits(sets[s].payer, 1) ? 0 : -EAGAIN;
	}
	ret = ask(processes[p].actor, in_vforked ? take_in_vforked : take_of, s);
	seen->refused += should == -EAGAIN;
	if (!should && ret > 0) {
		sets[s].ids[sets[s].held++] = ret;
		seen->granted++;
		return true;
	}
	return right_if(should, ret);
}

static int step_take(void)
{
	return try_take(false);
}

static int step_take_in_vforked(void)
{
	return try_take(true);
}

static int step_give(void)
{
	int p = any_process(), s = p == NONE ? NONE : any_set_of(p), n;
	long id;

	if (s == NONE || !sets[s].held)
		return NOT_TRIED;
	n = below(sets[s].held);
	id = sets[s].ids[n];
	note("%d gives an ID of %d back", p, s);
	if (processes[p].mm != sets[s].mm)
		return right_if(-EPERM, ask(processes[p].actor, give_to, s, id));
	sets[s].ids[n] = sets[s].ids[--sets[s].held];
	return right_if(0, ask(processes[p].actor, give_to, s, id));
}

static int step_reserve(void)
{
	int p = any_process(), s = p == NONE ? NONE : any_set_of(p);
	long quota = below(MAX_QUOTA + 1), more, ret, should = 0;

	if (s == NONE)
		return NOT_TRIED;
	more = quota - charge_of(s);
	if (processes[p].mm != sets[s].mm) {
		should = -EPERM;
	} else {
		/* A request for less may or may not make the asker the owner. */
		if (!is_makers(s) && more <= 0)
			return NOT_TRIED;
		asks(p, s, false);
		if (quota && quota < sets[s].held)
			should = -ENOSPC;
		else if (more > 0 && !fits(sets[s].payer, more))
			should = -EAGAIN;
		seen->refused += should == -EAGAIN;
	}
	note("%d reserves %ld of %d", p, quota, s);
	ret = ask(processes[p].actor, reserve_of, s, quota);
	if (!should)
		sets[s].quota = quota;
	return right_if(should, ret);
}

static int step_close(void)
{
	int p = any_process(), s = p == NONE ? NONE : any_set_of(p);
	long ret;

	if (s == NONE)
		return NOT_TRIED;
	note("%d closes its copy of %d", p, s);
	ret = ask(processes[p].actor, close_of, s);
	processes[p].has[s] = false;
	return right_if(0, ret);
}

static int step_pass(void)
{
	int p = any_process(), to = any_process(), s = p == NONE ? NONE : any_set_of(p);
	long ret;

	if (s == NONE || p == to || processes[to].has[s])
		return NOT_TRIED;
	note("%d passes %d to %d", p, s, to);
	ret = ask(processes[p].actor, post_of, s) ?: ask(processes[to].actor, fetch_as, s);
	processes[to].has[s] = true;
	return right_if(0, ret);
}

static int step_move(void)
{
	int p = any_process(), to = any_cgroup(), s;
	long ret;

	if (p == NONE || has_left_account(p))
		return NOT_TRIED;
	note("%d is moved to %s", p, cgroups[to].path);
	ret = move_pid(processes[p].actor->pid, cgroups[to].path);
	processes[p].cgroup = to;
	for (s = 0; s < nr_sets; s++)
		if (sets[s].owner == p)
			sets[s].payer = counting(to);
	return right_if(0, ret);
}

static int step_make_or_remove(void)
{
	int p, s;

	if (!cgroups[AWAY].exists) {
		note("%s is made", cgroups[AWAY].path);
		cgroups[AWAY].exists = true;
		cgroups[AWAY].max = LONG_MAX;
		return right_if(0, result(cg_create(cgroups[AWAY].path)));
	}
	for (p = 0; p < nr_processes; p++)
		if (processes[p].alive && processes[p].cgroup == AWAY)
			return NOT_TRIED;
	note("%s is removed", cgroups[AWAY].path);
	cgroups[AWAY].exists = false;
	for (s = 0; s < nr_sets; s++)
		if (sets[s].payer == AWAY)
			sets[s].payer = TOP;
	return right_if(0, result(rmdir(cgroups[AWAY].path)));
}

static int step_limit(void)
{
	int cgroup = TOP + below(NR_CGROUPS - TOP);
	char max[16] = "max";

	if (!cgroups[cgroup].exists || (!switched_on && cgroup != TOP))
		return NOT_TRIED;
	cgroups[cgroup].max = LONG_MAX;
	if (below(4)) {
		cgroups[cgroup].max = below(MAX_LIMIT + 1);
		snprintf(max, sizeof(max), "%ld", cgroups[cgroup].max);
	}
	note("the limit of %s is %s", cgroups[cgroup].path, max);
	return right_if(0, set_max(cgroups[cgroup].path, max));
}

static int step_switch(void)
{
	int p, s, c;

	for (p = 0; p < nr_processes; p++)
		if (processes[p].alive && has_left_account(p))
			return NOT_TRIED;
	switched_on = !switched_on;
	note("the controller is switched %s", switched_on ? "on" : "off");
	for (s = 0; s < nr_sets; s++) {
		if (!switched_on && parents[sets[s].payer] == TOP)
			sets[s].payer = TOP;
		else if (switched_on && sets[s].owner != NONE)
			sets[s].payer = processes[sets[s].owner].cgroup;
	}
	for (c = LEFT; c < NR_CGROUPS; c++)
		cgroups[c].max = LONG_MAX;
	return right_if(0, switched_on ? enable_below(top) : disable_below(top));
}

static bool fdinfo_is_right(int p, int s)
{
	const char *path = sets[s].payer == ROOT ? "/" : cgroups[sets[s].payer].path + strlen(root);
	char file[32], text[PAGE_SIZE], should[PATH_MAX];

	snprintf(file, sizeof(file), "%d/fdinfo/%d", processes[p].actor->pid, FIRST_FD + s);
	cg_read("/proc", file, text, sizeof(text));
	snprintf(should, sizeof(should),
		 "ioasid-quota:\t%ld\nioasid-allocated:\t%ld\nioasid-cgroup:\t%s\n",
		 sets[s].quota, sets[s].held, sets[s].ended ? "-" : path);
	if (strstr(text, should))
		return true;
	snprintf(problem, sizeof(problem), "fdinfo is not %.200s", should);
	return false;
}

static int step_look(void)
{
	int p = any_process(), s = p == NONE ? NONE : any_set_of(p);
	long ret;

	if (s == NONE)
		return NOT_TRIED;
	note("%d reads the info of %d", p, s);
	/* If the maker has left, asking for the info may or may not change the owner. */
	if (processes[p].mm != sets[s].mm || is_makers(s)) {
		ret = ask(processes[p].actor, info_of, s);
		if (!right_if(processes[p].mm == sets[s].mm ?
			      sets[s].quota * 0x10000 + sets[s].held : -EPERM, ret))
			return false;
	}
	/* A process shows its files as long as it has its first thread. */
	return !processes[p].has_first_thread || eventually(fdinfo_is_right(p, s));
}

static const struct {
	int (*step)(void);
	int weight;
} steps[] = {
	{ step_start, 4 },
	{ step_fork, 5 },
	{ step_share, 14 },
	{ step_exec, 5 },
	{ step_die, 8 },
	{ step_reap, 5 },
	{ step_lose_first_thread, 2 },
	{ step_open, 15 },
	{ step_open_in_vforked, 3 },
	{ step_take, 50 },
	{ step_take_in_vforked, 6 },
	{ step_give, 8 },
	{ step_reserve, 12 },
	{ step_close, 4 },
	{ step_pass, 6 },
	{ step_move, 20 },
	{ step_make_or_remove, 8 },
	{ step_limit, 10 },
	{ step_switch, 3 },
	{ step_look, 8 },
};

static int any_step(void)
{
	int weight = 0, i;

	for (i = 0; i < ARRAY_SIZE(steps); i++)
		weight += steps[i].weight;
	weight = below(weight);
	for (i = 0; weight >= steps[i].weight; i++)
		weight -= steps[i].weight;
	return steps[i].step();
}

static void print_history(__u64 seed)
{
	char *line, *rest = history;

	ksft_print_msg("sequence 0x%llx:\n", seed);
	while ((line = strsep(&rest, "\n")))
		if (*line)
			ksft_print_msg("%s\n", line);
}

static bool do_steps(int n)
{
	int tries = 10 * n, ret;
	char *before;

	while (n && tries--) {
		before = history_end;
		problem[0] = '\0';
		ret = any_step();
		if (ret == NOT_TRIED)
			continue;
		if (history_end != before)
			note("\n");
		/* The end of an address space may take a moment. */
		if (!ret || !eventually(all_is_right()))
			return false;
		seen->steps++;
		n--;
	}
	return true;
}

const char *try_sequence(const char *tree, __u64 seed, int nr_steps, struct sequence_seen *add_to)
{
	static char *const *const paths[NR_CGROUPS] = { &root, &top, &left, &right };
	bool fine;
	int i;

	root = find_root();
	if (!root || enable_below(root) || !make_tree(tree))
		return "the cgroups cannot be made";
	for (i = ROOT; i < NR_CGROUPS; i++) {
		cgroups[i].path = i == AWAY ? cg_name(top, "away") : *paths[i];
		cgroups[i].exists = i != AWAY;
		cgroups[i].max = LONG_MAX;
	}
	seen = add_to;
	state = seed;
	switched_on = true;
	nr_processes = 0;
	nr_sets = 0;
	nr_mms = 0;
	history_end = history;
	*history = '\0';

	fine = do_steps(nr_steps);
	if (!fine)
		print_history(seed);

	for (i = 0; i < nr_processes; i++)
		if (processes[i].alive)
			kill_unreaped(processes[i].actor);
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	end_actors();
	if (fine && !eventually(!current_of(top))) {
		fine = false;
		snprintf(problem, sizeof(problem), "in the end, %ld are charged", current_of(top));
	}
	if (!remove_tree() && fine) {
		fine = false;
		snprintf(problem, sizeof(problem), "%s cannot be removed", top);
	}
	return fine ? NULL : problem;
}
