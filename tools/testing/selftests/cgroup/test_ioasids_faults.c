// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of the ioasids controller and of /dev/ioasid when the kernel has no memory.
 * See ioasids_util.h for the cgroups and the actors.
 *
 * Each operation is repeated: first its first allocation in the kernel fails, then its
 * second, until it has no more. It may fail with ENOMEM; then nothing has changed, and
 * it works when there is memory again.
 */
#define _GNU_SOURCE

#include <fcntl.h>
#include <limits.h>
#include <sched.h>

#include "../kselftest_harness.h"
#include "ioasids_util.h"

#define FAILSLAB	"/sys/kernel/debug/failslab"

/* Files of this process: which allocation fails, and whether later ones may */
static int fail_nth, make_it_fail;

FIXTURE(fault) {
};

FIXTURE_VARIANT(fault) {
	const char *times;	/* how many fail; without an end, a page fault would hang */
};

FIXTURE_VARIANT_ADD(fault, alone) { .times = "1" };
FIXTURE_VARIANT_ADD(fault, with_all_that_follow) { .times = "1000" };

/*
 * Set in this order, and restored in reverse order, so that no allocation of another
 * process fails.
 */
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

/* All files of the controller */
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
	int allocations;		/* by this project's code, at least */
};

/* Call @o with its @nth allocation failing: whether it had that many; *@ret: its result */
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
	/* Only the first failure is logged. */
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

	/* The first call may change peak and fill caches. */
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
	/* The kernel may recover from some single failures, but not from all. */
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

/* The highest ID needs an object, and an xarray node at each level below the root. */
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

static long open_in_vforked(long ret, long b)
{
	return in_vforked(open_device, 0, CLONE_FILES);
}

static long give_and_open_in_vforked(long id, long b)
{
	return give(id, 0) ?: close_device(0, 0) ?: open_in_vforked(0, 0);
}

/* The maker of the account is dead; the request would make the test its owner. */
TEST_F(fault, account_is_not_adopted)
{
	ASSERT_EQ(0, ask(me, open_in_vforked));

	fail_each_allocation("an ID of a dead maker's", take_between, { 2000, 2000 },
			     give_and_open_in_vforked, 1);
}

/* Only the kernel's debugging allocates memory in these, and tolerates failures. */
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

	/* Check that allocations do fail. */
	EXPECT_TRUE(do_without_memory(&open, 1, variant->times, &ret));
	EXPECT_EQ(-ENOMEM, ret);
	EXPECT_EQ(0, ask(me, open_device));
}

/* A refusal may need memory only for the line that it prints. */
TEST_F(fault, first_refusal_is_counted)
{
	const struct operation refused = { "a refusal", reserve, { 1 } };
	char *before;
	long ret;

	ASSERT_EQ(0, ask(me, open_device));
	ASSERT_EQ(0, set_max(left, "0"));
	before = numbers();

	do_without_memory(&refused, 1, variant->times, &ret);
	EXPECT_EQ(-EAGAIN, ret);
	EXPECT_STREQ("max 1 alloc_fail 1", events_of(left));
	EXPECT_STREQ("max 1 alloc_fail 1", local_events_of(left));
	EXPECT_STREQ("max 1 alloc_fail 1", events_of(top));

	EXPECT_EQ(-EAGAIN, ask(me, reserve, 1));
	EXPECT_STREQ("max 2 alloc_fail 2", events_of(left));

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

/* open() and read() need memory themselves; the controller adds none. */
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

TEST_HARNESS_MAIN
