// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of the ioasids controller, written from what
 * Documentation/admin-guide/ioasids.rst promises: limits and the other files, what
 * is charged, levels, processes that move, share and die, and cgroup v1. See
 * ioasids_util.h for the cgroups and the actors.
 *
 * The tests compare ioasids.capacity, which covers the whole machine: they fail if
 * other programs take or free IDs meanwhile.
 */
#define _GNU_SOURCE

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/inotify.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <linux/futex.h>

#include "../kselftest_harness.h"
#include "ioasids_sequence.h"
#include "ioasids_util.h"

/* Operations of actors */

/* Read until the next request: the number of reads, or -ERANGE if sets were missed */
static long read_stat(long cgroup, long least)
{
	long reads = 0;

	while (!is_asked()) {
		if (cg_read_key_long((char *)cgroup, "ioasids.stat", "sets ") < least ||
		    cg_read_key_long((char *)cgroup, "ioasids.stat", "allocated ") < 2 * least)
			return -ERANGE;
		reads++;
	}
	return reads;
}

/* Refusals are expected and ignored. */
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

/* Repeat until the next request: the number of rounds, or the error of the failed one */
static long fill_and_empty(long limit, long b)
{
	long rounds = 0, ret;

	while (!is_asked()) {
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

/* @n random requests, which a limit or a quota may refuse */
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

static long move_to_and_fro(long pid, long times)
{
	long ret = 0;

	while (times-- && !ret)
		ret = move_pid(pid, right) ?: move_pid(pid, left);
	return ret;
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

/* The cgroup core does not pass on a write of no bytes, so it is no error. */
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

/* For v1 and v2 */
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
	/* Only threaded controllers can be enabled beside threaded cgroups. */
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

	/* The delegatee controls the cgroups below. */
	EXPECT_EQ(0, ask(nobody, try_create, (long)below));
	EXPECT_EQ(0, ask(nobody, try_enter, (long)below));
	EXPECT_EQ(0, ask(nobody, try_enable_below, (long)left));
	EXPECT_EQ(0, ask(nobody, try_set_max, (long)below, (long)"max"));
	EXPECT_EQ(0, ask(nobody, try_set_max, (long)below, (long)"3"));
}

/*
 * Charges and refusals
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

/* Sets that move meanwhile may be counted or not; those that stay always are. */
TEST_F_TIMEOUT(charge, stat_counts_what_stays_while_others_move_and_read, 300)
{
	char *const cgroups[] = { left, left, top };
	struct actor *readers[ARRAY_SIZE(cgroups)], *mover = start(root);
	int i;

	ASSERT_NE(NULL, mover);
	ASSERT_EQ(0, ask(self->holder, take, 2));
	ASSERT_EQ(0, ask(self->other, take, 2));
	for (i = 0; i < 4; i++)
		ASSERT_EQ(0, ask(start_with_device(left), take, 2));
	for (i = 0; i < ARRAY_SIZE(readers); i++) {
		readers[i] = start(root);
		ASSERT_NE(NULL, readers[i]);
		ASSERT_EQ(0, tell(readers[i], read_stat, (long)cgroups[i], 5));
	}

	ASSERT_EQ(0, ask(mover, move_to_and_fro, self->other->pid, 300));

	for (i = 0; i < ARRAY_SIZE(readers); i++) {
		ASSERT_EQ(0, tell(readers[i], device_fd));
		EXPECT_LT(0, answer(readers[i]))
			TH_LOG("reader of %s", cgroups[i]);
	}
	EXPECT_STREQ("allocated 12 reserved 0 sets 6", stat_of(left));
	EXPECT_STREQ("allocated 12 reserved 0 sets 6", stat_of(top));
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

/* The peak must not change either when the count falls afterwards. */
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

/* A sibling that uses up the parent's limit is never refused because of a move. */
TEST_F_TIMEOUT(charge, ten_thousand_moves_at_the_parents_limit_change_nothing, 900)
{
	struct actor *third;
	char *path = cg_name(top, "third");
	const int n = many(5000);
	long rounds;
	int i;

	ASSERT_EQ(0, cg_create(path));
	third = start_with_device(path);
	ASSERT_NE(NULL, third);
	ASSERT_EQ(0, set_max(top, "10"));
	ASSERT_EQ(0, ask(self->holder, take, 4));
	ASSERT_EQ(0, ask(self->other, reserve, 3));

	ASSERT_EQ(0, tell(third, fill_and_empty, 3));
	for (i = 0; i <= n; i++) {
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

/* All of @who take and give back IDs concurrently. */
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

/* A request that is refused while an ID is given back may show in the peak. */
TEST_F(charge, refused_requests_raise_peak_at_most_by_those_under_way)
{
	struct actor *who[] = { self->holder, start_with_device(left), start_with_device(left) };

	ASSERT_EQ(0, set_max(top, "10"));

	EXPECT_TRUE(compete(who, ARRAY_SIZE(who)));

	EXPECT_GE(10 + ARRAY_SIZE(who) - 1, peak_of(left));
}

/* The reservation fits in left, but not in top. */
TEST_F(charge, refused_reservation_causes_no_other_refusal)
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

TEST_F(charge, failure_for_another_reason_is_no_event)
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

/* The files that change when the limit of top refuses a request from left */
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

TEST_F(charge, refusal_wakes_poll)
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

TEST_F(charge, refusal_wakes_inotify)
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

/*
 * The rate limit of the message: ten lines in five seconds. A test that needs a line
 * waits that long first. A line can appear a moment after its cause.
 */
#define LOG_LINES	10
#define LOG_S		5

static bool has_line(int log)
{
	struct pollfd pfd = { .fd = log, .events = POLLIN };

	return poll(&pfd, 1, 0) == 1;
}

/* The number of new lines with @needle, up to the one with @last; -1 if that is missing */
static int lines_until(int log, const char *needle, const char *last)
{
	char buf[8192];
	int lines = 0;
	ssize_t len;

	do {
		len = read(log, buf, sizeof(buf) - 1);
		buf[len < 0 ? 0 : len] = '\0';
		lines += !!strstr(buf, needle);
		if (strstr(buf, last))
			return lines;
	} while (len > 0 || errno == EPIPE || eventually(has_line(log)));
	return -1;
}

TEST_F(charge, first_refusal_in_a_cgroup_prints_one_line_with_its_path)
{
	const char *in_left = left + strlen(root), *in_right = right + strlen(root);
	int log = open_log();

	if (log < 0)
		SKIP(return, "/dev/kmsg cannot be read");
	ASSERT_EQ(0, set_max(top, "0"));
	sleep(LOG_S + 1);

	ASSERT_EQ(-EAGAIN, ask(self->holder, take, 1));
	EXPECT_EQ(1, lines_until(log, "refused by " CONTROLLER, in_left));

	ASSERT_EQ(-EAGAIN, ask(self->holder, take, 1));
	ASSERT_EQ(-EAGAIN, ask(self->other, take, 1));
	EXPECT_EQ(1, lines_until(log, "refused by " CONTROLLER, in_right));
}

TEST_F(charge, nothing_that_can_be_repeated_prints)
{
	const char *in_left = left + strlen(root), *in_right = right + strlen(root);
	int log = open_log(), i;

	if (log < 0)
		SKIP(return, "/dev/kmsg cannot be read");
	ASSERT_EQ(0, set_max(left, "0"));
	sleep(LOG_S + 1);
	ASSERT_EQ(-EAGAIN, ask(self->holder, take, 1));
	ASSERT_EQ(1, lines_until(log, "ioasid", in_left));

	for (i = 0; i < 100; i++) {
		ASSERT_EQ(-EAGAIN, ask(self->holder, take, 1));
		ASSERT_EQ(-EAGAIN, ask(self->holder, reserve, 5));
		ASSERT_EQ(-ENOSPC, ask(self->other, reserve, UINT_MAX));
		ASSERT_EQ(-EINVAL, ask(self->holder, take_between, 0, 0));
		ASSERT_EQ(-ENOENT, ask(self->holder, give, 5000));
		ASSERT_EQ(-EBUSY, ask(self->holder, open_device));
	}

	/* The next line is about another cgroup. */
	ASSERT_EQ(0, set_max(right, "0"));
	ASSERT_EQ(-EAGAIN, ask(self->other, take, 1));
	EXPECT_EQ(1, lines_until(log, "ioasid", in_right));
}

/* Each time, the controller has forgotten the earlier refusals in left. */
TEST_F_TIMEOUT(charge, switching_the_controller_off_and_on_does_not_flood_the_log, 300)
{
	long began, seconds;
	char *last = cg_name(top, "last");
	int log = open_log(), lines, i;
	struct actor *third;

	if (log < 0)
		SKIP(return, "/dev/kmsg cannot be read");
	ASSERT_EQ(0, set_max(top, "0"));

	began = now_us();
	for (i = 0; i < 100; i++) {
		ASSERT_EQ(0, disable_below(top));
		ASSERT_EQ(0, enable_below(top));
		ASSERT_EQ(-EAGAIN, ask(self->holder, take, 1));
		ASSERT_STREQ("max 0 alloc_fail 1", events_of(left));
	}
	seconds = (now_us() - began) / 1000000;

	sleep(LOG_S + 1);
	ASSERT_EQ(0, cg_create(last));
	third = start_with_device(last);
	ASSERT_NE(NULL, third);
	ASSERT_EQ(-EAGAIN, ask(third, take, 1));
	lines = lines_until(log, "refused by " CONTROLLER, last + strlen(root)) - 1;
	EXPECT_LT(0, lines);
	/* One interval may have begun before, and another one may not have ended. */
	EXPECT_GE(LOG_LINES * (seconds / LOG_S + 2), lines)
		TH_LOG("%d lines in %ld s", lines, seconds);
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
 * 8 levels, with a limit at each of them in turn
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
 * Processes that move, die, fork, exec and share memory
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

	/* The first of two moves is slow, the second one fast: let it hit each instant. */
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

TEST_F(process, exec_ends_what_it_holds)
{
	ASSERT_EQ(0, ask(self->holder, reserve, 10));
	ASSERT_EQ(0, ask(self->holder, take, 5));

	ASSERT_EQ(0, ask(self->holder, exec_again));

	EXPECT_TRUE(eventually(!current_of(left)));
	EXPECT_EQ(0, current_of(top));
	EXPECT_STREQ("allocated 0 reserved 0 sets 0", stat_of(top));
	EXPECT_EQ(0, ask(self->holder, every_ioctl_fails_with, EPERM));
	EXPECT_EQ(0, ask(self->holder, close_device));
}

TEST_F(process, exec_by_another_thread_ends_what_it_holds)
{
	ASSERT_EQ(0, ask(self->holder, take, 5));

	ASSERT_EQ(0, ask(self->holder, in_thread, OP(exec_again)));

	EXPECT_TRUE(eventually(!current_of(left)));
	EXPECT_EQ(0, current_of(top));
}

TEST_F(process, may_open_again_after_exec)
{
	ASSERT_EQ(0, ask(self->holder, take, 5));
	ASSERT_EQ(0, ask(self->holder, exec_again));

	EXPECT_EQ(0, ask(self->holder, open_device));
	EXPECT_EQ(0, ask(self->holder, take, 1));
	EXPECT_TRUE(eventually(current_of(left) == 1));

	ASSERT_EQ(0, move_pid(self->holder->pid, right));
	EXPECT_EQ(0, current_of(left));
	EXPECT_EQ(1, current_of(right));
}

TEST_F(process, controller_switched_off_and_on_counts_every_id)
{
	int i;

	ASSERT_EQ(0, ask(self->holder, take, 5));

	for (i = 0; i < 5; i++) {
		ASSERT_EQ(0, disable_below(top));
		EXPECT_EQ(5, current_of(top));
		EXPECT_STREQ("allocated 5 reserved 0 sets 1", stat_of(top));

		/* top pays for descendants for which the controller is off. */
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

	/* The owner pays, no matter which process asks. */
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

/* A process is dead only when all its threads are. */
TEST_F(process, maker_without_its_first_thread_pays_on)
{
	struct actor *child = start_child(self->holder, CLONE_VM);

	ASSERT_NE(NULL, child);
	ASSERT_EQ(0, move_pid(child->pid, right));
	ASSERT_EQ(0, ask(self->holder, exit_leader));

	EXPECT_EQ(0, ask(child, take, 3));
	EXPECT_EQ(3, current_of(left));
	EXPECT_EQ(0, current_of(right));
}

/* Each child keeps a descriptor of its parent, and the parent is moved away and dies. */
TEST_F(process, inherited_descriptors_are_no_way_round_a_limit)
{
	long user = capacity_of("user ");
	struct actor *next;
	char *away;
	int i;

	away = cg_name(top, "away");
	ASSERT_EQ(0, set_max(left, "5"));
	for (i = 0; i < 4; i++) {
		if (i)
			ASSERT_EQ(0, ask(self->holder, open_device));
		ASSERT_EQ(0, ask(self->holder, take, 5));
		ASSERT_EQ(-EAGAIN, ask(self->holder, take, 1));
		next = start_child(self->holder, 0);
		ASSERT_NE(NULL, next);

		ASSERT_EQ(0, cg_create(away));
		ASSERT_EQ(0, move_pid(self->holder->pid, away));
		kill_actor(self->holder);
		ASSERT_EQ(0, rmdir(away));
		EXPECT_TRUE(eventually(capacity_of("user ") == user))
			TH_LOG("round %d: %ld are held", i, capacity_of("user ") - user);
		self->holder = next;
	}
	EXPECT_EQ(0, current_of(top));
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

/*
 * A process in the root that shares the memory of a dead owner of @n IDs, and has not
 * asked for any since the owner died.
 */
static struct actor *survivor(struct actor *holder, int n)
{
	struct actor *sharer;

	if (ask(holder, take, n))
		return NULL;
	sharer = start_child(holder, CLONE_VM);
	if (!sharer || move_pid(sharer->pid, root))
		return NULL;
	kill_actor(holder);
	return sharer;
}

/* The mm of a new process may have the address of the dead owner's mm. */
TEST_F(process, new_process_is_not_taken_for_a_dead_owner)
{
	struct actor *keeper = start(root), *next;
	int i;

	ASSERT_NE(NULL, keeper);
	ASSERT_EQ(0, ask(self->holder, take, 3));
	ASSERT_EQ(0, pass_device(self->holder, keeper));
	kill_actor(self->holder);

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

/* In the user namespace of the actor */
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
 * An mm pins the user namespace that its program was started in. Only one namespace is
 * allowed at a time, so the next one can be made only after the previous mm is gone.
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

	/* Some kernel threads cannot be moved. */
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
	struct actor *sharer = survivor(self->holder, 3);

	ASSERT_NE(NULL, sharer);
	ASSERT_EQ(3, current_of(left));

	EXPECT_EQ(0, rmdir(left));

	EXPECT_EQ(3, current_of(top));
	EXPECT_TRUE(eventually(none_dying(top)));
	EXPECT_EQ(3, current_of(top));
	EXPECT_EQ(3, peak_of(top));
	EXPECT_STREQ("allocated 3 reserved 0 sets 1", stat_of(top));
	EXPECT_STREQ(top + strlen(root), fdinfo_of(sharer, "ioasid-cgroup"));

	ASSERT_EQ(0, ask(sharer, close_device));
	EXPECT_EQ(0, current_of(top));
}

/*
 * The first process of a PID namespace cannot finish exiting before all others in it
 * have been reaped. Since 7.2, a cgroup with such a process goes on paying.
 */
TEST_F(process, removed_cgroup_with_one_that_still_exits_leaves_its_charge_in_the_end)
{
	struct actor *sharer = survivor(self->holder, 3);
	pid_t first, zombie;
	siginfo_t info;

	ASSERT_NE(NULL, sharer);
	if (unshare(CLONE_NEWPID))
		SKIP(return, "no PID namespaces");
	first = fork();
	ASSERT_NE(-1, first);
	if (!first)
		for (;;)
			pause();
	zombie = fork();
	ASSERT_NE(-1, zombie);
	if (!zombie)
		_exit(0);
	ASSERT_EQ(0, waitid(P_PID, zombie, &info, WEXITED | WNOWAIT));
	ASSERT_EQ(0, move_pid(first, left));
	ASSERT_EQ(0, kill(first, SIGKILL));

	EXPECT_TRUE(eventually(!rmdir(left)));
	EXPECT_EQ(0, waitpid(first, NULL, WNOHANG));
	EXPECT_EQ(3, current_of(top));
	EXPECT_STREQ("allocated 3 reserved 0 sets 1", stat_of(top));

	ASSERT_EQ(zombie, waitpid(zombie, NULL, 0));
	ASSERT_EQ(first, waitpid(first, NULL, 0));
	EXPECT_TRUE(eventually(!strcmp(top + strlen(root), fdinfo_of(sharer, "ioasid-cgroup"))));
	EXPECT_TRUE(eventually(none_dying(top)));
	EXPECT_EQ(3, current_of(top));

	ASSERT_EQ(0, ask(sharer, close_device));
	EXPECT_EQ(0, current_of(top));
}

TEST_F(process, controller_switched_off_leaves_the_charge_of_the_dead_to_the_parent)
{
	struct actor *sharer = survivor(self->holder, 3);

	ASSERT_NE(NULL, sharer);
	ASSERT_EQ(0, disable_below(top));

	EXPECT_TRUE(eventually(none_dying(top)));
	EXPECT_EQ(3, current_of(top));
	EXPECT_STREQ("allocated 3 reserved 0 sets 1", stat_of(top));

	ASSERT_EQ(0, enable_below(top));
	EXPECT_EQ(0, current_of(left));
	EXPECT_EQ(3, current_of(top));

	ASSERT_EQ(0, ask(sharer, close_device));
	EXPECT_EQ(0, current_of(top));
}

TEST_F(process, removed_cgroups_leave_their_charge_to_the_nearest_ancestor)
{
	struct actor *sharer = survivor(self->holder, 3);
	long user = capacity_of("user ");

	ASSERT_NE(NULL, sharer);

	EXPECT_EQ(0, rmdir(left));
	EXPECT_EQ(0, rmdir(right));
	EXPECT_EQ(0, rmdir(top));
	EXPECT_TRUE(eventually(none_dying(root)));
	EXPECT_EQ(user, capacity_of("user "));

	ASSERT_EQ(0, ask(sharer, close_device));
	EXPECT_EQ(user - 3, capacity_of("user "));
}

/*
 * A process of many threads. Half of them have exited and are kept as zombies by the
 * test, which traces them. The first thread has exited, too, and the first live one is
 * in a threaded cgroup below. The work of the controller must not depend on the order
 * in which the threads were started.
 */
#define CROWD		4000
#define CROWD_RATIO	20

enum { LEAVE, STAY };

static int gates[2];
static pid_t zombies[CROWD];
static int nr_zombies;

static void *wait_at_gate(void *nr)
{
	int *gate = &gates[(long)nr];

	while (!__atomic_load_n(gate, __ATOMIC_ACQUIRE))
		syscall(SYS_futex, gate, FUTEX_WAIT, 0, NULL);
	return NULL;
}

static long start_at_gate(long n, long nr)
{
	pthread_attr_t attr;
	pthread_t thread;
	int ret = 0;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, PTHREAD_STACK_MIN);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	while (n-- && !ret)
		ret = pthread_create(&thread, &attr, wait_at_gate, (void *)nr);
	return -ret;
}

static long open_gate(long nr, long b)
{
	__atomic_store_n(&gates[nr], 1, __ATOMIC_RELEASE);
	return result(syscall(SYS_futex, &gates[nr], FUTEX_WAKE, INT_MAX));
}

/* The shortest time of opening the device, in ns */
static long time_opening(long times, long b)
{
	struct timespec began, ended;
	long best = LONG_MAX, ns, ret;

	while (times--) {
		close_device(0, 0);
		clock_gettime(CLOCK_MONOTONIC, &began);
		ret = open_device(0, 0);
		clock_gettime(CLOCK_MONOTONIC, &ended);
		if (ret)
			return ret;
		ns = (ended.tv_sec - began.tv_sec) * 1000000000 + ended.tv_nsec - began.tv_nsec;
		best = ns < best ? ns : best;
	}
	return best;
}

/* Store the IDs of the threads of @actor, except for the first @skip; their number */
static int threads_of(struct actor *actor, int skip, pid_t *tids, int max)
{
	char path[32];
	struct dirent *entry;
	int n = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", actor->pid);
	dir = opendir(path);
	while (dir && (entry = readdir(dir)))
		if (*entry->d_name != '.' && --skip < 0 && n < max)
			tids[n++] = atoi(entry->d_name);
	if (dir)
		closedir(dir);
	return n;
}

/* Start @n threads and make them zombies. */
static void make_zombies(struct __test_metadata *_metadata, struct actor *actor, int skip, int n)
{
	siginfo_t info;
	int i;

	ASSERT_EQ(0, ask(actor, start_at_gate, n, LEAVE));
	ASSERT_EQ(n, threads_of(actor, skip, zombies, CROWD));
	for (i = 0; i < n; i++) {
		ASSERT_EQ(0, ptrace(PTRACE_SEIZE, zombies[i], 0, 0));
		nr_zombies++;
	}
	ASSERT_LE(0, ask(actor, open_gate, LEAVE));
	for (i = 0; i < n; i++)
		ASSERT_EQ(0, waitid(P_PID, zombies[i], &info, WEXITED | WNOWAIT | __WALL));
}

static void reap_zombies(void)
{
	while (nr_zombies)
		waitpid(zombies[--nr_zombies], NULL, __WALL);
}

struct crowd_times {
	long switching_on, opening, moving;	/* in ns */
};

static void time_crowd(struct __test_metadata *_metadata, int n, bool zombies_first,
		       struct crowd_times *times)
{
	char *threaded = cg_name(left, "threaded");
	struct actor *crowd = start_with_device(left);
	long began, us;
	pid_t first;
	int i;

	ASSERT_NE(NULL, crowd);
	if (zombies_first)
		make_zombies(_metadata, crowd, 1, n);
	ASSERT_EQ(0, ask(crowd, start_at_gate, n, STAY));
	ASSERT_EQ(1, threads_of(crowd, zombies_first ? 1 + n : 1, &first, 1));
	if (!zombies_first)
		make_zombies(_metadata, crowd, 1 + n, n);
	ASSERT_EQ(0, ask(crowd, exit_leader));
	times->opening = ask(crowd, time_opening, 50);
	ASSERT_LT(0, times->opening);
	ASSERT_EQ(0, ask(crowd, take, 3));

	ASSERT_EQ(0, cg_create(threaded));
	ASSERT_EQ(0, set(threaded, "cgroup.type", "threaded"));
	ASSERT_EQ(0, move_task(first, threaded, "cgroup.threads"));

	times->switching_on = LONG_MAX;
	times->moving = LONG_MAX;
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, disable_below(top));
		began = now_us();
		ASSERT_EQ(0, enable_below(top));
		us = now_us() - began;
		if (us * 1000 < times->switching_on)
			times->switching_on = us * 1000;
		EXPECT_EQ(3, current_of(left));
	}
	for (i = 0; i < 3; i++) {
		began = now_us();
		ASSERT_EQ(0, move_pid(crowd->pid, right));
		ASSERT_EQ(0, move_pid(crowd->pid, left));
		us = now_us() - began;
		if (us * 1000 < times->moving)
			times->moving = us * 1000;
		EXPECT_EQ(3, current_of(left));
	}

	kill(crowd->pid, SIGKILL);
	reap_zombies();
	kill_actor(crowd);
	ASSERT_TRUE(eventually(!rmdir(threaded)));
}

FIXTURE(crowd) {
	char *threads_max;
};

FIXTURE_SETUP(crowd)
{
	char needed[16];

	if (!setup(_metadata, DEVICE))
		return;
	self->threads_max = text("/proc/sys/kernel", "threads-max");
	snprintf(needed, sizeof(needed), "%d", 3 * CROWD);
	if (atol(self->threads_max) < 3 * CROWD)
		ASSERT_EQ(0, set("/proc/sys/kernel", "threads-max", needed));
}

FIXTURE_TEARDOWN(crowd)
{
	cg_killall(top);
	reap_zombies();
	EXPECT_EQ(0, set("/proc/sys/kernel", "threads-max", self->threads_max));
	teardown(_metadata);
}

TEST_F_TIMEOUT(crowd, order_of_threads_makes_no_difference, 900)
{
	struct crowd_times zombies_first, zombies_last;
	int n = many(CROWD);

	time_crowd(_metadata, n, true, &zombies_first);
	time_crowd(_metadata, n, false, &zombies_last);

	ksft_print_msg("%d zombies, then %d threads: switched on %ld us, opened %ld, moved %ld\n",
		       n, n, zombies_first.switching_on / 1000, zombies_first.opening / 1000,
		       zombies_first.moving / 1000);
	ksft_print_msg("%d threads, then %d zombies: switched on %ld us, opened %ld, moved %ld\n",
		       n, n, zombies_last.switching_on / 1000, zombies_last.opening / 1000,
		       zombies_last.moving / 1000);
	EXPECT_GE(CROWD_RATIO * zombies_last.switching_on, zombies_first.switching_on);
	EXPECT_GE(CROWD_RATIO * zombies_last.opening, zombies_first.opening);
	EXPECT_GE(CROWD_RATIO * zombies_last.moving, zombies_first.moving);
}

/*
 * A process that shares the memory of another one that has opened the device: the
 * maker of the account. The maker owns the account until it dies or leaves that
 * memory; then the next process that asks for an ID or a quota becomes the owner.
 */
FIXTURE(sharer) {
	struct actor *maker;	/* in left, has opened the device, holds 3 IDs */
	struct actor *sharer;	/* in right */
};

enum end { DIES, STAYS_A_ZOMBIE, EXECS };

FIXTURE_VARIANT(sharer) {
	enum end end;		/* how the maker leaves the memory */
};

FIXTURE_VARIANT_ADD(sharer, maker_dies) { .end = DIES };
FIXTURE_VARIANT_ADD(sharer, maker_stays_a_zombie) { .end = STAYS_A_ZOMBIE };
FIXTURE_VARIANT_ADD(sharer, maker_execs) { .end = EXECS };

FIXTURE_SETUP(sharer)
{
	if (!setup(_metadata, DEVICE))
		return;
	self->maker = start_with_device(left);
	ASSERT_NE(NULL, self->maker);
	ASSERT_EQ(0, ask(self->maker, take, 3));
	self->sharer = start_child(self->maker, CLONE_VM);
	ASSERT_NE(NULL, self->sharer);
	ASSERT_EQ(0, move_pid(self->sharer->pid, right));
}

FIXTURE_TEARDOWN(sharer)
{
	teardown(_metadata);
}

static void leave_memory(struct __test_metadata *_metadata, struct actor *maker, enum end end)
{
	switch (end) {
	case DIES:
		kill_actor(maker);
		break;
	case STAYS_A_ZOMBIE:
		kill_unreaped(maker);
		break;
	case EXECS:
		ASSERT_EQ(0, ask(maker, exec_again));
	}
}

TEST_F(sharer, next_id_makes_the_account_its_own)
{
	leave_memory(_metadata, self->maker, variant->end);
	EXPECT_EQ(3, current_of(left));
	EXPECT_STREQ("allocated 3 reserved 0 sets 1", stat_of(left));

	ASSERT_EQ(0, ask(self->sharer, take, 1));
	EXPECT_EQ(0, current_of(left));
	EXPECT_EQ(4, current_of(right));
	EXPECT_EQ(4, current_of(top));
	EXPECT_EQ(4, peak_of(top));
	EXPECT_STREQ("allocated 0 reserved 0 sets 0", stat_of(left));
	EXPECT_STREQ("allocated 4 reserved 0 sets 1", stat_of(right));

	ASSERT_EQ(0, move_pid(self->sharer->pid, left));
	EXPECT_EQ(4, current_of(left));
	EXPECT_EQ(0, current_of(right));
	ASSERT_EQ(0, ask(self->sharer, give_back, 4));
	EXPECT_EQ(0, current_of(top));
}

TEST_F(sharer, next_id_is_judged_by_its_cgroup)
{
	ASSERT_EQ(0, set_max(right, "3"));
	leave_memory(_metadata, self->maker, variant->end);

	EXPECT_EQ(-EAGAIN, ask(self->sharer, take, 1));
	EXPECT_EQ(0, current_of(left));
	EXPECT_EQ(3, current_of(right));
	EXPECT_EQ(3, peak_of(top));
	EXPECT_STREQ("max 1 alloc_fail 1", events_of(right));
	EXPECT_STREQ("max 0 alloc_fail 0", events_of(left));

	ASSERT_EQ(0, set_max(right, "4"));
	EXPECT_EQ(0, ask(self->sharer, take, 1));
	EXPECT_EQ(-EAGAIN, ask(self->sharer, take, 1));
	EXPECT_EQ(4, current_of(right));
}

/* No limit refuses this move either: current may exceed max afterwards. */
TEST_F(sharer, account_goes_to_it_whatever_the_limit)
{
	ASSERT_EQ(0, set_max(right, "1"));
	leave_memory(_metadata, self->maker, variant->end);

	EXPECT_EQ(-EAGAIN, ask(self->sharer, take, 1));
	EXPECT_EQ(0, current_of(left));
	EXPECT_EQ(3, current_of(right));
	EXPECT_STREQ("max 1 alloc_fail 1", local_events_of(right));
}

TEST_F(sharer, limit_of_the_makers_cgroup_is_none_of_its_own)
{
	ASSERT_EQ(0, set_max(left, "3"));
	leave_memory(_metadata, self->maker, variant->end);

	EXPECT_EQ(0, ask(self->sharer, take, 5));
	EXPECT_EQ(8, current_of(right));
	EXPECT_STREQ("max 0 alloc_fail 0", events_of(left));
}

TEST_F(sharer, next_quota_makes_the_account_its_own)
{
	ASSERT_EQ(0, set_max(right, "9"));
	leave_memory(_metadata, self->maker, variant->end);

	EXPECT_EQ(-EAGAIN, ask(self->sharer, reserve, 10));
	EXPECT_EQ(0, current_of(left));
	EXPECT_EQ(3, current_of(right));
	EXPECT_STREQ("max 1 alloc_fail 1", events_of(right));
	EXPECT_EQ(0, quota_of(self->sharer));

	EXPECT_EQ(0, ask(self->sharer, reserve, 9));
	EXPECT_EQ(9, current_of(right));
	EXPECT_STREQ("allocated 3 reserved 6 sets 1", stat_of(right));
}

TEST_F(sharer, id_inside_the_makers_quota_makes_the_account_its_own)
{
	ASSERT_EQ(0, ask(self->maker, reserve, 10));
	ASSERT_EQ(0, set_max(right, "0"));
	leave_memory(_metadata, self->maker, variant->end);

	EXPECT_EQ(0, ask(self->sharer, take, 1));
	EXPECT_EQ(0, current_of(left));
	EXPECT_EQ(10, current_of(right));
	EXPECT_STREQ("allocated 4 reserved 6 sets 1", stat_of(right));
	EXPECT_STREQ("max 0 alloc_fail 0", events_of(right));
}

TEST_F(sharer, available_is_what_its_cgroup_leaves)
{
	ASSERT_EQ(0, set_max(left, "100"));
	ASSERT_EQ(0, set_max(right, "5"));
	EXPECT_EQ(97, available_to(self->sharer));
	leave_memory(_metadata, self->maker, variant->end);

	EXPECT_EQ(2, available_to(self->sharer));
	EXPECT_EQ(0, ask(self->sharer, take, 2));
	EXPECT_EQ(-EAGAIN, ask(self->sharer, take, 1));
}

/* The maker is moved away and ends, and then its cgroup is removed. */
TEST_F(sharer, limit_holds_when_the_makers_cgroup_is_gone)
{
	char *away = cg_name(top, "away");
	long user = capacity_of("user ");
	long i;

	ASSERT_EQ(0, set_max(right, "5"));
	ASSERT_EQ(0, cg_create(away));
	ASSERT_EQ(0, move_pid(self->maker->pid, away));
	leave_memory(_metadata, self->maker, variant->end);
	if (variant->end == EXECS)
		EXPECT_EQ(0, move_pid(self->maker->pid, root));
	EXPECT_EQ(0, rmdir(away));

	for (i = 0; i < 100; i++)
		ask(self->sharer, take, 1);
	EXPECT_EQ(5, current_of(right));
	EXPECT_EQ(5, current_of(top));
	EXPECT_EQ(user + 2, capacity_of("user "));
	EXPECT_STREQ("max 98 alloc_fail 98", events_of(right));
}

TEST_F(sharer, moves_of_the_maker_count_no_more)
{
	if (variant->end != EXECS)
		SKIP(return, "only a maker that lives can be moved");
	leave_memory(_metadata, self->maker, variant->end);
	ASSERT_EQ(0, ask(self->sharer, take, 1));

	ASSERT_EQ(0, move_pid(self->maker->pid, root));
	EXPECT_EQ(4, current_of(right));
	ASSERT_EQ(0, move_pid(self->maker->pid, left));
	EXPECT_EQ(4, current_of(right));
	EXPECT_EQ(0, current_of(left));

	/* The maker may open again, for its new memory. */
	EXPECT_EQ(0, ask(self->maker, open_and_take, 2));
	EXPECT_EQ(2, current_of(left));
	EXPECT_EQ(4, current_of(right));
}

TEST_F(sharer, account_passes_on_when_it_dies_too)
{
	struct actor *third = start_child(self->sharer, CLONE_VM);

	ASSERT_NE(NULL, third);
	leave_memory(_metadata, self->maker, variant->end);
	ASSERT_EQ(0, ask(self->sharer, take, 1));
	EXPECT_EQ(4, current_of(right));

	kill_actor(self->sharer);
	ASSERT_EQ(0, move_pid(third->pid, left));
	EXPECT_EQ(4, current_of(right));
	ASSERT_EQ(0, ask(third, take, 1));
	EXPECT_EQ(0, current_of(right));
	EXPECT_EQ(5, current_of(left));
}

TEST_F(sharer, last_one_ends_all_although_a_copy_is_open)
{
	struct actor *keeper = start(root);

	ASSERT_NE(NULL, keeper);
	ASSERT_EQ(0, pass_device(self->maker, keeper));
	leave_memory(_metadata, self->maker, variant->end);
	EXPECT_EQ(3, current_of(top));

	kill_actor(self->sharer);
	EXPECT_TRUE(eventually(!current_of(top)));
	EXPECT_STREQ("allocated 0 reserved 0 sets 0", stat_of(top));
	EXPECT_EQ(0, ask(keeper, every_ioctl_fails_with, EPERM));
}

/* The seeds are fixed. The stress runs other sequences. */
TEST_F_TIMEOUT(limit, holds_in_any_sequence_of_what_processes_do, 900)
{
	struct sequence_seen seen = {};
	const char *problem;
	int seed;

	if (access(DEVICE, F_OK))
		SKIP(return, "no " DEVICE);
	for (seed = 1; seed <= 8; seed++) {
		problem = try_sequence(TREE, seed, 80, &seen);
		ASSERT_EQ(NULL, problem)
			TH_LOG("sequence %d: %s", seed, problem);
	}
	ksft_print_msg("%lu steps: %lu IDs, %lu refusals, %lu adopted, %lu ended\n", seen.steps,
		       seen.granted, seen.refused, seen.adopted, seen.ended);
	EXPECT_LT(0, seen.refused);
	EXPECT_LT(0, seen.adopted);
	EXPECT_LT(0, seen.ended);
	ASSERT_TRUE(make_tree(TREE));
}

static int next_fd(void)
{
	int fd = dup(STDOUT_FILENO);

	close(fd);
	return fd;
}

/*
 * The stress runs hundreds of sequences in one process. A sequence must leave no
 * descriptor open, and must work if the lowest free number is the first that it uses.
 */
TEST_F_TIMEOUT(limit, sequences_do_not_run_out_of_descriptors, 300)
{
	struct sequence_seen seen = {};
	int fd[2], i;

	if (access(DEVICE, F_OK))
		SKIP(return, "no " DEVICE);
	for (i = 0; i < 2; i++) {
		ASSERT_STREQ("", try_sequence(TREE, 3, 20, &seen) ?: "");
		fd[i] = next_fd();
	}
	EXPECT_EQ(fd[0], fd[1]);

	while (dup(STDOUT_FILENO) < FIRST_FD - 1)
		;
	ASSERT_EQ(FIRST_FD, next_fd());
	EXPECT_STREQ("", try_sequence(TREE, 3, 20, &seen) ?: "");
	EXPECT_LT(0, seen.granted);
	ASSERT_TRUE(make_tree(TREE));
}

/*
 * One process takes all IDs of the machine.
 */
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
 * The same on cgroup v1. The controller can be on one hierarchy at a time, so this
 * takes it from v2 and gives it back. It comes last, as no other test can run if v2
 * does not get it back.
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
 * A hierarchy that is unmounted while a removed cgroup is still dying is not destroyed.
 * Mounting and unmounting it again destroys it.
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
	ASSERT_TRUE(make_tree(TREE));
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

/* The threads of a process can be in several cgroups: the last move counts. */
TEST_F(v1, charge_goes_where_a_thread_was_moved_last)
{
	pid_t holder = self->holder->pid;
	long tid = ask(self->holder, start_thread);

	ASSERT_LT(0, tid);
	ASSERT_EQ(0, ask(self->holder, take, 5));

	ASSERT_EQ(0, move_task(tid, right, "tasks"));
	EXPECT_EQ(0, current_of(left));
	EXPECT_EQ(5, current_of(right));
	EXPECT_EQ(5, current_of(top));

	ASSERT_EQ(0, move_task(tid, left, "tasks"));
	EXPECT_EQ(5, current_of(left));
	EXPECT_EQ(0, current_of(right));

	/* The first thread is no exception. */
	ASSERT_EQ(0, move_task(holder, right, "tasks"));
	EXPECT_EQ(0, current_of(left));
	EXPECT_EQ(5, current_of(right));

	ASSERT_EQ(0, ask(self->holder, take, 1));
	EXPECT_EQ(6, current_of(right));
	EXPECT_EQ(6, current_of(top));
}

TEST_F(v1, limit_is_that_of_where_a_thread_was_moved_last)
{
	long tid = ask(self->holder, start_thread);

	ASSERT_LT(0, tid);
	ASSERT_EQ(0, set_max(right, "1"));
	ASSERT_EQ(0, ask(self->holder, take, 2));
	ASSERT_EQ(0, move_task(tid, right, "tasks"));

	EXPECT_EQ(-EAGAIN, ask(self->holder, take, 1));
	EXPECT_EQ(2, current_of(right));
	EXPECT_STREQ("max 1 alloc_fail 1", events_of(right));
}

TEST_F(v1, charge_is_with_the_threads_that_are_left)
{
	long tid = ask(self->holder, start_thread);

	ASSERT_LT(0, tid);
	ASSERT_EQ(0, ask(self->holder, take, 5));
	ASSERT_EQ(0, move_task(tid, right, "tasks"));
	/* Another thread goes on in left. */
	ASSERT_EQ(0, ask(self->holder, exit_leader));
	EXPECT_EQ(0, current_of(left));
	EXPECT_EQ(5, current_of(right));

	ASSERT_EQ(0, move_pid(self->holder->pid, right));
	EXPECT_EQ(0, current_of(left));
	EXPECT_EQ(5, current_of(right));
	EXPECT_EQ(0, rmdir(left));
	EXPECT_EQ(5, current_of(right));
	EXPECT_EQ(5, current_of(top));
}

static long enter_and_open(long cgroup, long unused)
{
	return move_task(0, (const char *)cgroup, "tasks") ?: open_device(0, 0);
}

TEST_F(v1, charge_is_where_the_opener_is)
{
	pid_t holder = self->holder->pid;

	ASSERT_EQ(0, ask(self->holder, close_device));
	ASSERT_EQ(0, ask(self->holder, in_thread, OP(enter_and_open), (long)right));
	ASSERT_EQ(0, ask(self->holder, take, 5));
	EXPECT_EQ(0, current_of(left));
	EXPECT_EQ(5, current_of(right));

	/* This holds after that thread has exited, too. */
	ASSERT_EQ(0, ask(self->holder, take, 1));
	EXPECT_EQ(6, current_of(right));
	ASSERT_EQ(0, move_task(holder, right, "tasks"));
	EXPECT_EQ(6, current_of(right));
	ASSERT_EQ(0, move_pid(holder, left));
	EXPECT_EQ(6, current_of(left));
	EXPECT_EQ(0, current_of(right));
}

/* When the maker is dead, the account moves to the cgroup of the next asker. */
TEST_F(v1, account_of_a_dead_maker_goes_where_the_next_asker_is)
{
	struct actor *sharer;

	ASSERT_EQ(0, ask(self->holder, take, 3));
	sharer = start_child(self->holder, CLONE_VM);
	ASSERT_NE(NULL, sharer);
	ASSERT_EQ(0, move_pid(sharer->pid, right));
	kill_actor(self->holder);
	EXPECT_EQ(3, current_of(left));

	ASSERT_EQ(0, set_max(right, "3"));
	EXPECT_EQ(-EAGAIN, ask(sharer, take, 1));
	EXPECT_EQ(0, current_of(left));
	EXPECT_EQ(3, current_of(right));
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

/* The first thread moves itself: no lock keeps another one from opening meanwhile. */
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

/* The opener stays in the old cgroup: either of the two cgroups may be charged. */
TEST_F_TIMEOUT(v1, set_made_while_another_thread_moves_is_counted_once, 300)
{
	long i, n = many(1000);

	for (i = 0; i < n; i++) {
		const char *to = i & 1 ? left : right;

		ASSERT_EQ(0, ask(self->holder, close_device));
		ASSERT_EQ(0, ask(self->holder, open_while_moving, (long)to, i * 20000 / n));
		ASSERT_EQ(0, ask(self->holder, take, 1));
		ASSERT_EQ(1, current_of(left) + current_of(right))
			TH_LOG("round %ld", i);
		ASSERT_EQ(1, current_of(top))
			TH_LOG("round %ld", i);
	}
}

TEST_F_TIMEOUT(v1, set_made_while_the_opener_is_moved_is_not_left_behind, 900)
{
	char *from = left, *to = right, *swap;
	int i;

	for (i = 0; i < 400; i++) {
		ASSERT_EQ(0, ask(self->holder, close_device));
		ASSERT_EQ(0, tell(self->holder, open_and_take, 1));
		spin_us(i);
		ASSERT_EQ(0, move_task(self->holder->pid, to, "tasks"));
		ASSERT_EQ(0, answer(self->holder));

		ASSERT_EQ(1, current_of(to))
			TH_LOG("round %d", i);
		ASSERT_EQ(0, current_of(from))
			TH_LOG("round %d", i);
		swap = from;
		from = to;
		to = swap;
	}
}

TEST_F(v1, removed_cgroup_leaves_its_charge_to_its_parent)
{
	struct actor *sharer = survivor(self->holder, 3);

	ASSERT_NE(NULL, sharer);

	EXPECT_EQ(0, rmdir(left));
	EXPECT_TRUE(eventually(current_of(top) == 3));

	ASSERT_EQ(0, ask(sharer, close_device));
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
