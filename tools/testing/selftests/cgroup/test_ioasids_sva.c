// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of the PASIDs that drivers take for processes (host SVA), on a mock IOMMU.
 * See ioasids_util.h for the cgroups and the actors.
 *
 * A PASID is released when the mm of its process is freed, which can be later than the
 * end of the process.
 */
#define _GNU_SOURCE

#include <sched.h>
#include <signal.h>
#include <sys/wait.h>

#include "../kselftest_harness.h"
#include "ioasids_util.h"

#define is_given_back(cond)	eventually((run_on_every_cpu(), cond))

/* The number of entries in the PASID table of the mock IOMMU */
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
	if (!setup(_metadata, MOCK "a"))
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

/* In the end all PASIDs that the test bound are released, and nothing else is. */
FIXTURE_TEARDOWN(sva)
{
	end_actors();
	while (!unbind(0, 0))
		;
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

	/* The address space keeps the PASID after the device is unbound. */
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

	/* A program cannot give back a PASID. */
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

	/* Inside the reservation, no limit refuses. */
	ASSERT_EQ(0, set_max(left, "0"));
	EXPECT_LT(0, ask(self->user, bind_to, MOCK_A));
	EXPECT_EQ(2, current_of(left));
	EXPECT_EQ(0, available_to(self->user));
	EXPECT_EQ(-ENOSPC, ask(self->user, take, 1));
}

/* A narrow device can use only the low IDs. */
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

/* The address space has a PASID by then, and the next bind takes no other. */
TEST_F(sva, bind_that_fails_last_leaves_the_pasid_with_the_process)
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

/* The descriptor pins the old mm, which keeps its PASID. */
TEST_F(sva, exec_with_the_descriptor_kept_holds_two)
{
	ASSERT_LT(0, ask(self->user, bind_to, MOCK_A));
	ASSERT_EQ(0, ask(self->user, exec_again));
	EXPECT_EQ(1, current_of(left));
	ASSERT_LT(0, ask(self->user, bind_to, MOCK_A));
	EXPECT_EQ(2, current_of(left));
	EXPECT_STREQ("allocated 2 reserved 0 sets 2", stat_of(left));

	/* This process owns both sets. */
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

	/* The next process that asks for an ID becomes the owner of the account. */
	ASSERT_EQ(0, move_pid(self->user->pid, right));
	ASSERT_EQ(0, ask(self->user, open_and_take, 1));
	EXPECT_EQ(0, current_of(left));
	EXPECT_EQ(2, current_of(right));
}

/* A bind counts as a request: the process that binds becomes the owner. */
TEST_F(sva, bind_makes_the_account_of_a_dead_maker_its_own)
{
	struct actor *child = start_child(self->user, CLONE_VM);

	ASSERT_NE(NULL, child);
	ASSERT_EQ(0, ask(child, open_and_take, 2));
	ASSERT_EQ(0, move_pid(self->user->pid, right));
	kill_actor(child);
	EXPECT_TRUE(eventually(!current_of(left)));

	/* Only the child had the descriptor. If others have a copy, the IDs stay. */
	child = start_child(self->user, CLONE_VM);
	ASSERT_NE(NULL, child);
	ASSERT_EQ(0, move_pid(child->pid, left));
	ASSERT_EQ(0, ask(child, open_and_take, 2));
	ASSERT_EQ(0, pass_device(child, self->user));
	kill_actor(child);
	EXPECT_EQ(2, current_of(left));

	ASSERT_EQ(0, set_max(right, "2"));
	EXPECT_EQ(-EAGAIN, ask(self->user, bind_to, MOCK_A));
	EXPECT_EQ(0, current_of(left));
	EXPECT_EQ(2, current_of(right));
	EXPECT_STREQ("max 1 alloc_fail 1", events_of(right));
	EXPECT_STREQ("max 0 alloc_fail 0", events_of(left));
	EXPECT_EQ(0, in_table());

	ASSERT_EQ(0, set_max(right, "3"));
	EXPECT_LT(0, ask(self->user, bind_to, MOCK_A));
	EXPECT_EQ(3, current_of(right));
}

static long close_fd(long fd, long b)
{
	return result(close(fd));
}

/* An address space has one set, which any process of it can keep open. */
TEST_F(sva, bind_without_the_device_uses_up_the_reservation_that_a_sharer_keeps)
{
	struct actor *sharer;

	ASSERT_EQ(0, ask(self->user, open_and_take, 2));
	ASSERT_EQ(0, ask(self->user, reserve, 3));
	sharer = start_child(self->user, CLONE_VM);
	ASSERT_NE(NULL, sharer);
	ASSERT_EQ(0, ask(self->user, close_fd, ask(self->user, device_fd)));

	ASSERT_LT(0, ask(self->user, bind_to, MOCK_A));
	EXPECT_EQ(3, allocated_of(sharer));
	EXPECT_EQ(-ENOSPC, ask(sharer, take, 1));
	EXPECT_STREQ("allocated 3 reserved 0 sets 1", stat_of(left));

	ASSERT_EQ(0, ask(sharer, close_device));
	EXPECT_STREQ("allocated 1 reserved 0 sets 1", stat_of(left));
}

/* The descriptor of the device behind the IOMMU keeps the memory, and the PASID. */
TEST_F(sva, end_of_the_address_space_leaves_the_pasid_charged_by_itself)
{
	ASSERT_EQ(0, ask(self->user, open_and_take, 2));
	ASSERT_EQ(0, ask(self->user, reserve, 7));
	ASSERT_LT(0, ask(self->user, bind_to, MOCK_A));
	ASSERT_EQ(0, pass_bond(self->user, self->other));
	ASSERT_EQ(0, pass_device(self->user, self->other));
	EXPECT_EQ(7, current_of(left));

	kill_actor(self->user);
	EXPECT_TRUE(eventually(current_of(left) == 1));
	EXPECT_STREQ("allocated 1 reserved 0 sets 1", stat_of(left));
	EXPECT_EQ(1, in_table());

	ASSERT_EQ(0, ask(self->other, unbind));
	EXPECT_TRUE(is_given_back(!current_of(top)));
	EXPECT_STREQ("allocated 0 reserved 0 sets 0", stat_of(top));
}

TEST_F(sva, exec_ends_what_the_device_gave_and_keeps_the_pasid)
{
	ASSERT_EQ(0, ask(self->user, open_and_take, 2));
	ASSERT_LT(0, ask(self->user, bind_to, MOCK_A));
	EXPECT_EQ(3, current_of(left));

	ASSERT_EQ(0, ask(self->user, exec_again));
	EXPECT_TRUE(eventually(current_of(left) == 1));
	ASSERT_EQ(0, ask(self->user, unbind));
	EXPECT_TRUE(is_given_back(!current_of(left)));
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

	/* This holds when the cgroup is removed, too. */
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

/* The purpose of the controller: a cgroup that takes all it can, and its sibling */
TEST_F(sva, limited_cgroup_leaves_pasids_for_its_sibling)
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

	/* There is one range of IDs: no process can take this one. */
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

/* Processes that bind, fork, move and exit or are killed */
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
	 * Ten rounds, as one would take too long for an answer. In each, two actors
	 * fork @n children, and each child forks once.
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
	if (!setup(_metadata, MOCK "a"))
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

	/* PASIDs that a driver takes for itself are not refused. */
	EXPECT_LT(0, bind_to(MOCK_KERNEL, 0));
	EXPECT_EQ(0, current_of(left));
	EXPECT_EQ(0, unbind(0, 0));
}

TEST_HARNESS_MAIN
