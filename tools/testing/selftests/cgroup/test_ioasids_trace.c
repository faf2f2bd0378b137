// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of the tracepoints, written from Documentation/admin-guide/ioasids-tracing.rst:
 * their names and fields, and what they say of each operation. The tracepoints are on in
 * an instance of tracefs. See ioasids_util.h for the cgroups and the actors.
 */
#define _GNU_SOURCE

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "../kselftest_harness.h"
#include "ioasids_util.h"

#define TRACEFS		"/sys/kernel/tracing"
#define EVENTS		TRACEFS "/events/ioasid"
#define INSTANCE	TRACEFS "/instances/ioasids_test"

#define COMM		"tracer's friend"	/* has a blank, and the full length */

/* The end of each line: the owner, and the process that asks */
#define WHO		" owner=%d tgid=%d comm=" COMM "\n"
#define REFUSED		"ioasid_refused: cgroup=%llu set=%ld by="

static const struct {
	const char *name;
	const char *fields;
} interface[] = {
	{ "ioasid_adopt",	"from to set charge owner tgid comm" },
	{ "ioasid_alloc",	"cgroup set id owner tgid comm" },
	{ "ioasid_free",	"cgroup set id owner tgid comm" },
	{ "ioasid_mm_bind",	"cgroup set id owner tgid comm" },
	{ "ioasid_mm_drop",	"cgroup set id owner tgid comm" },
	{ "ioasid_move",	"from to set charge owner tgid comm" },
	{ "ioasid_refused",	"cgroup set by limit asked used max owner tgid comm" },
	{ "ioasid_reparent",	"from to set charge owner tgid comm" },
	{ "ioasid_set_close",	"cgroup set allocated owner tgid comm" },
	{ "ioasid_set_open",	"cgroup set allocated owner tgid comm" },
	{ "ioasid_set_quota",	"cgroup set was quota allocated owner tgid comm" },
};

static __u64 id_of(const char *cgroup)
{
	struct stat st;

	return stat(cgroup, &st) ? 0 : st.st_ino;
}

static long set_of(struct actor *actor)
{
	return atol(fdinfo_of(actor, "ioasid-set"));
}

/* What was traced since the last call of clear() */
static char *traced(void)
{
	static char text[1 << 16];
	int fd = open(INSTANCE "/trace", O_RDONLY);
	ssize_t len, at = 0;

	while ((len = read(fd, text + at, sizeof(text) - 1 - at)) > 0)
		at += len;
	text[at] = '\0';
	close(fd);
	return text;
}

static void clear(void)
{
	close(open(INSTANCE "/trace", O_WRONLY | O_TRUNC));
}

/* Finds this text behind the text that was found before. */
static const char *place;

static __printf(2, 3) bool comes(char *line, const char *format, ...)
{
	va_list args;
	const char *at;

	va_start(args, format);
	vsnprintf(line, PAGE_SIZE, format, args);
	va_end(args);
	at = place ? strstr(place, line) : NULL;
	if (at)
		place = at + strlen(line) - 1;
	return at;
}

static int lines_of(const char *event)
{
	char needle[64];
	const char *at;
	int n = 0;

	snprintf(needle, sizeof(needle), " %s: ", event);
	for (at = traced(); (at = strstr(at, needle)); at++)
		n++;
	return n;
}

#define BEGIN()		(place = traced())
#define EXPECT_NEXT(...) do {							\
	char _line[PAGE_SIZE];							\
										\
	EXPECT_TRUE(comes(_line, __VA_ARGS__))					\
		TH_LOG("not traced, or not in this place: %s%s", _line, traced()); \
} while (0)

FIXTURE(trace) {
	struct actor *user, *other;
};

FIXTURE_SETUP(trace)
{
	if (!setup(_metadata, DEVICE))
		return;
	if (access(TRACEFS "/events", F_OK))
		mount("tracefs", TRACEFS, "tracefs", 0, NULL);
	if (access(EVENTS, F_OK)) {
		teardown(_metadata);
		SKIP(return, "no " EVENTS ": the kernel is built without tracepoints");
	}
	rmdir(INSTANCE);
	ASSERT_EQ(0, mkdir(INSTANCE, 0700));
	ASSERT_EQ(0, set(INSTANCE, "events/ioasid/enable", "1"));
	ASSERT_EQ(0, prctl(PR_SET_NAME, COMM));
	self->user = start(left);
	ASSERT_NE(NULL, self->user);
	self->other = start(right);
	ASSERT_NE(NULL, self->other);
}

FIXTURE_TEARDOWN(trace)
{
	teardown(_metadata);
	set(INSTANCE, "events/ioasid/enable", "0");
	EXPECT_EQ(0, rmdir(INSTANCE));
}

static int is_event(const struct dirent *entry)
{
	return !strncmp(entry->d_name, "ioasid_", 7);
}

/* The names in the first line of the text, such as "cgroup=%llu set=%llu", that have a value */
static char *fields_of(const char *event)
{
	static char names[256];
	char path[128], format[PAGE_SIZE], *at, *end;

	names[0] = '\0';
	snprintf(path, sizeof(path), "%s/format", event);
	if (cg_read(EVENTS, path, format, sizeof(format)))
		return names;
	at = strstr(format, "print fmt: \"");
	if (!at)
		return names;
	at += strlen("print fmt: \"");
	*strchr(at, '"') = '\0';
	for (; *at; at = *end ? end + 1 : end) {
		end = at + strcspn(at, " ");
		snprintf(names + strlen(names), sizeof(names) - strlen(names), "%s%.*s",
			 *names ? " " : "", (int)strcspn(at, "="), at);
	}
	return names;
}

TEST_F(trace, names_and_fields_are_those_of_the_manual)
{
	struct dirent **entries;
	int i, n = scandir(EVENTS, &entries, is_event, alphasort);

	ASSERT_EQ(ARRAY_SIZE(interface), n);
	for (i = 0; i < n; i++) {
		EXPECT_STREQ(interface[i].name, entries[i]->d_name);
		EXPECT_STREQ(interface[i].fields, fields_of(entries[i]->d_name));
	}
}

TEST_F(trace, life_of_an_id)
{
	__u64 cgroup = id_of(left);
	pid_t pid = self->user->pid;
	long nr, id;

	ASSERT_EQ(0, ask(self->user, open_device));
	nr = set_of(self->user);
	ASSERT_LT(0, nr);
	ASSERT_EQ(0, ask(self->user, take, 2));
	id = ask(self->user, nth_id, 1);
	ASSERT_EQ(0, ask(self->user, give_back, 1));
	ASSERT_EQ(0, ask(self->user, close_device));

	BEGIN();
	EXPECT_NEXT("ioasid_set_open: cgroup=%llu set=%ld allocated=0" WHO,
		    cgroup, nr, pid, pid);
	EXPECT_NEXT("ioasid_alloc: cgroup=%llu set=%ld id=%ld" WHO,
		    cgroup, nr, ask(self->user, nth_id, 0), pid, pid);
	EXPECT_NEXT("ioasid_alloc: cgroup=%llu set=%ld id=%ld" WHO,
		    cgroup, nr, id, pid, pid);
	EXPECT_NEXT("ioasid_free: cgroup=%llu set=%ld id=%ld" WHO,
		    cgroup, nr, id, pid, pid);
	EXPECT_NEXT("ioasid_free: cgroup=%llu set=%ld id=%ld" WHO,
		    cgroup, nr, ask(self->user, nth_id, 0), pid, pid);
	EXPECT_NEXT("ioasid_set_close: cgroup=%llu set=%ld allocated=0" WHO,
		    cgroup, nr, pid, pid);
	EXPECT_EQ(0, lines_of("ioasid_set_quota") + lines_of("ioasid_refused"));
}

TEST_F(trace, end_of_a_process)
{
	pid_t pid = self->user->pid;
	long nr;

	ASSERT_EQ(0, ask(self->user, open_and_take, 3));
	ASSERT_EQ(0, ask(self->user, reserve, 5));
	nr = set_of(self->user);
	kill_actor(self->user);

	EXPECT_EQ(3, lines_of("ioasid_free"));
	BEGIN();
	EXPECT_NEXT("ioasid_set_quota: cgroup=%llu set=%ld was=5 quota=0 allocated=0" WHO,
		    id_of(left), nr, pid, pid);
	EXPECT_NEXT("ioasid_set_close: cgroup=%llu set=%ld allocated=0" WHO,
		    id_of(left), nr, pid, pid);
}

TEST_F(trace, quota)
{
	pid_t pid = self->user->pid;
	long nr;

	ASSERT_EQ(0, ask(self->user, open_and_take, 2));
	nr = set_of(self->user);
	ASSERT_EQ(0, ask(self->user, reserve, 7));
	ASSERT_EQ(0, ask(self->user, reserve, 7));
	ASSERT_EQ(0, ask(self->user, reserve, 3));
	ASSERT_EQ(-ENOSPC, ask(self->user, reserve, 1));
	ASSERT_EQ(0, ask(self->user, reserve, 0));

	EXPECT_EQ(3, lines_of("ioasid_set_quota"));
	EXPECT_EQ(0, lines_of("ioasid_refused"));
	BEGIN();
	EXPECT_NEXT("ioasid_set_quota: cgroup=%llu set=%ld was=0 quota=7 allocated=2" WHO,
		    id_of(left), nr, pid, pid);
	EXPECT_NEXT("ioasid_set_quota: cgroup=%llu set=%ld was=7 quota=3 allocated=2" WHO,
		    id_of(left), nr, pid, pid);
	EXPECT_NEXT("ioasid_set_quota: cgroup=%llu set=%ld was=3 quota=0 allocated=2" WHO,
		    id_of(left), nr, pid, pid);
}

TEST_F(trace, refusal_by_a_limit)
{
	pid_t pid = self->user->pid;
	long nr;

	ASSERT_EQ(0, set_max(top, "10"));
	ASSERT_EQ(0, set_max(left, "4"));
	ASSERT_EQ(0, ask(self->other, open_and_take, 7));
	ASSERT_EQ(0, ask(self->user, open_and_take, 3));
	nr = set_of(self->user);
	clear();

	/* The limit of an ancestor, for one ID and for a reservation; then its own */
	ASSERT_EQ(-EAGAIN, ask(self->user, take, 1));
	ASSERT_EQ(-EAGAIN, ask(self->user, reserve, 4));
	ASSERT_EQ(-EAGAIN, ask(self->user, reserve, 9));

	EXPECT_EQ(3, lines_of("ioasid_refused"));
	BEGIN();
	EXPECT_NEXT(REFUSED "limit limit=%llu asked=1 used=10 max=10" WHO,
		    id_of(left), nr, id_of(top), pid, pid);
	EXPECT_NEXT(REFUSED "limit limit=%llu asked=1 used=10 max=10" WHO,
		    id_of(left), nr, id_of(top), pid, pid);
	EXPECT_NEXT(REFUSED "limit limit=%llu asked=6 used=3 max=4" WHO,
		    id_of(left), nr, id_of(left), pid, pid);
}

/* The request was charged to its own cgroup first; the count is that before it. */
TEST_F(trace, first_refusal_by_an_ancestor)
{
	pid_t pid = self->user->pid;

	ASSERT_EQ(0, set_max(left, "4"));
	ASSERT_EQ(0, set_max(top, "0"));
	ASSERT_EQ(-EAGAIN, ask(self->user, open_and_take, 1));

	EXPECT_EQ(0, lines_of("ioasid_alloc"));
	BEGIN();
	EXPECT_NEXT(REFUSED "limit limit=%llu asked=1 used=0 max=0" WHO,
		    id_of(left), set_of(self->user), id_of(top), pid, pid);
}

TEST_F(trace, refusal_without_a_limit)
{
	long total = capacity_of("total"), used = total - capacity_of("available"), nr;
	pid_t pid = self->user->pid;

	ASSERT_EQ(0, ask(self->user, open_and_take, 1));
	nr = set_of(self->user);
	ASSERT_EQ(-ENOSPC, ask(self->user, take_between, ask(self->user, nth_id, 0),
			       ask(self->user, nth_id, 0)));
	ASSERT_EQ(0, ask(self->user, reserve, 1));
	ASSERT_EQ(-ENOSPC, ask(self->user, take, 1));
	ASSERT_EQ(-ENOSPC, ask(self->user, reserve, total + 1));

	EXPECT_EQ(3, lines_of("ioasid_refused"));
	EXPECT_EQ(1, lines_of("ioasid_alloc"));
	BEGIN();
	EXPECT_NEXT(REFUSED "range limit=0 asked=1 used=1 max=1" WHO,
		    id_of(left), nr, pid, pid);
	EXPECT_NEXT(REFUSED "quota limit=0 asked=1 used=1 max=1" WHO,
		    id_of(left), nr, pid, pid);
	EXPECT_NEXT(REFUSED "capacity limit=0 asked=%ld used=%ld max=%ld" WHO,
		    id_of(left), nr, total, used + 1, total, pid, pid);
}

TEST_F(trace, move_by_another_process)
{
	long nr;

	ASSERT_EQ(0, ask(self->user, open_and_take, 2));
	nr = set_of(self->user);
	ASSERT_EQ(0, move_pid(self->user->pid, right));
	ASSERT_EQ(0, move_pid(self->other->pid, left));
	ASSERT_EQ(0, move_pid(self->user->pid, root));
	ASSERT_EQ(0, ask(self->user, take, 1));

	EXPECT_EQ(2, lines_of("ioasid_move"));
	BEGIN();
	EXPECT_NEXT("ioasid_move: from=%llu to=%llu set=%ld charge=2" WHO,
		    id_of(left), id_of(right), nr, self->user->pid, getpid());
	EXPECT_NEXT("ioasid_move: from=%llu to=%llu set=%ld charge=2" WHO,
		    id_of(right), id_of(root), nr, self->user->pid, getpid());
	EXPECT_NEXT("ioasid_alloc: cgroup=%llu set=%ld id=%ld" WHO,
		    id_of(root), nr, ask(self->user, nth_id, 2), self->user->pid,
		    self->user->pid);
}

TEST_F(trace, owner_dies_and_its_cgroup_is_removed)
{
	char *inner = cg_name(top, "inner");
	struct actor *owner, *sharer;
	__u64 inner_id;
	pid_t pid;
	long nr;

	ASSERT_EQ(0, cg_create(inner));
	inner_id = id_of(inner);
	owner = start(inner);
	ASSERT_NE(NULL, owner);
	pid = owner->pid;
	ASSERT_EQ(0, ask(owner, open_and_take, 2));
	nr = set_of(owner);
	sharer = start_child(owner, CLONE_VM);
	ASSERT_NE(NULL, sharer);
	ASSERT_EQ(0, pass_device(owner, sharer));
	ASSERT_EQ(0, move_pid(sharer->pid, right));
	kill_actor(owner);
	ASSERT_TRUE(eventually(!cg_destroy(inner)));
	ASSERT_TRUE(eventually(lines_of("ioasid_reparent")));
	ASSERT_EQ(0, ask(sharer, take, 1));

	EXPECT_EQ(1, lines_of("ioasid_reparent"));
	EXPECT_EQ(1, lines_of("ioasid_adopt"));
	EXPECT_EQ(0, lines_of("ioasid_move"));
	BEGIN();
	EXPECT_NEXT("ioasid_reparent: from=%llu to=%llu set=%ld charge=2 owner=%d tgid=",
		    inner_id, id_of(top), nr, pid);
	EXPECT_NEXT("ioasid_adopt: from=%llu to=%llu set=%ld charge=2" WHO,
		    id_of(top), id_of(right), nr, pid, sharer->pid);
	EXPECT_NEXT("ioasid_alloc: cgroup=%llu set=%ld id=%ld" WHO,
		    id_of(right), nr, ask(sharer, nth_id, 2), sharer->pid, sharer->pid);
}

TEST_F(trace, pasid_of_a_process)
{
	pid_t pid = self->user->pid;
	long pasid = ask(self->user, bind_to, MOCK_A);
	__u64 cgroup = id_of(left);

	if (pasid == -ENOENT)
		SKIP(return, "no " MOCK "a");
	if (pasid == -EOPNOTSUPP)
		SKIP(return, "this kernel refuses SVA on this architecture");
	ASSERT_LT(0, pasid);
	kill_actor(self->user);
	ASSERT_TRUE(eventually((run_on_every_cpu(), lines_of("ioasid_set_close"))));

	BEGIN();
	EXPECT_NEXT(" id=%ld" WHO, pasid, pid, pid);
	EXPECT_EQ(1, lines_of("ioasid_alloc"));
	EXPECT_EQ(1, lines_of("ioasid_mm_bind"));
	EXPECT_EQ(1, lines_of("ioasid_mm_drop"));
	EXPECT_EQ(1, lines_of("ioasid_free"));

	/* Any process can be the one that frees an mm. */
	BEGIN();
	EXPECT_NEXT("ioasid_set_open: cgroup=%llu set=", cgroup);
	EXPECT_NEXT("ioasid_alloc: cgroup=%llu set=", cgroup);
	EXPECT_NEXT("ioasid_mm_bind: cgroup=%llu set=", cgroup);
	EXPECT_NEXT("ioasid_mm_drop: cgroup=%llu set=", cgroup);
	EXPECT_NEXT(" id=%ld owner=%d tgid=", pasid, pid);
	EXPECT_NEXT("ioasid_free: cgroup=%llu set=", cgroup);
	EXPECT_NEXT("ioasid_set_close: cgroup=%llu set=", cgroup);
}

TEST_F(trace, nothing_is_traced_when_it_is_off)
{
	ASSERT_EQ(0, set(INSTANCE, "events/ioasid/enable", "0"));
	ASSERT_EQ(0, set_max(left, "2"));
	ASSERT_EQ(-EAGAIN, ask(self->user, open_and_take, 3));
	ASSERT_EQ(0, move_pid(self->user->pid, right));
	ASSERT_EQ(0, ask(self->user, close_device));
	EXPECT_EQ(NULL, strstr(traced(), " ioasid_"));
}

TEST_HARNESS_MAIN
