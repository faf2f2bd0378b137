// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of the IOASID allocator, included by ioasid.c.
 *
 * They run when the kernel boots, before user space can take an ID. Each test
 * starts and ends with the machine's capacity as it was.
 */

#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/ioasid_kunit.h>
#include <linux/kthread.h>
#include <linux/sched/mm.h>

/* Above what drivers may have taken at boot. */
#define BASE	0x1000

struct ioasid_test {
	struct ioasid_capacity	before;
	struct ioasid_set	*kernel;	/* a kernel set without quota */
	struct mm_struct	*mm;
};

static int test_init(struct kunit *test)
{
	struct ioasid_test *t = kunit_kzalloc(test, sizeof(*t), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, t);
	test->priv = t;
	ioasid_get_capacity(&t->before);
	t->kernel = ioasid_set_alloc(NULL, 0);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, t->kernel);
	t->mm = mm_alloc();
	KUNIT_ASSERT_NOT_NULL(test, t->mm);
	return 0;
}

static void test_exit(struct kunit *test)
{
	struct ioasid_test *t = test->priv;
	struct ioasid_capacity after;

	ioasid_set_put(t->kernel);
	mmput(t->mm);
	ioasid_get_capacity(&after);
	KUNIT_EXPECT_MEMEQ(test, &t->before, &after, sizeof(after));
}

static struct ioasid_set_info info(struct ioasid_set *set)
{
	struct ioasid_set_info info;

	ioasid_set_get_info(set, &info);
	return info;
}

static u32 taken(struct kunit *test)
{
	struct ioasid_test *t = test->priv;
	struct ioasid_capacity now;

	ioasid_get_capacity(&now);
	KUNIT_EXPECT_EQ(test, now.total, now.kernel + now.user + now.available);
	return t->before.available - now.available;
}

static void ids_are_the_lowest_free_in_the_range(struct kunit *test)
{
	struct ioasid_test *t = test->priv;

	KUNIT_EXPECT_EQ(test, ioasid_alloc(t->kernel, BASE, BASE + 2), BASE);
	KUNIT_EXPECT_EQ(test, ioasid_alloc(t->kernel, BASE, BASE + 2), BASE + 1);
	KUNIT_EXPECT_EQ(test, ioasid_alloc(t->kernel, BASE, BASE + 2), BASE + 2);
	KUNIT_EXPECT_EQ(test, ioasid_alloc(t->kernel, BASE, BASE + 2), -ENOSPC);
	KUNIT_EXPECT_EQ(test, ioasid_free(t->kernel, BASE + 1), 0);
	KUNIT_EXPECT_EQ(test, ioasid_alloc(t->kernel, BASE, BASE + 2), BASE + 1);
	KUNIT_EXPECT_EQ(test, taken(test), 3);

	KUNIT_EXPECT_EQ(test, ioasid_free(t->kernel, BASE), 0);
	KUNIT_EXPECT_EQ(test, ioasid_free(t->kernel, BASE + 1), 0);
	KUNIT_EXPECT_EQ(test, ioasid_free(t->kernel, BASE + 2), 0);
}

static void id_zero_is_never_given_out(struct kunit *test)
{
	struct ioasid_test *t = test->priv;
	int id = ioasid_alloc(t->kernel, 0, IOASID_MAX);

	KUNIT_EXPECT_GT(test, id, 0);
	KUNIT_EXPECT_EQ(test, ioasid_free(t->kernel, id), 0);
	KUNIT_EXPECT_EQ(test, ioasid_alloc(t->kernel, 0, 0), -EINVAL);
	KUNIT_EXPECT_EQ(test, ioasid_free(t->kernel, 0), -ENOENT);
}

static void ranges_end_at_the_width_of_an_id(struct kunit *test)
{
	struct ioasid_test *t = test->priv;

	KUNIT_EXPECT_EQ(test, ioasid_alloc(t->kernel, 2, 1), -EINVAL);
	KUNIT_EXPECT_EQ(test, ioasid_alloc(t->kernel, IOASID_MAX + 1, U32_MAX), -ENOSPC);
	KUNIT_EXPECT_EQ(test, ioasid_alloc(t->kernel, IOASID_MAX, U32_MAX), (int)IOASID_MAX);
	KUNIT_EXPECT_EQ(test, ioasid_free(t->kernel, IOASID_MAX), 0);
	KUNIT_EXPECT_EQ(test, ioasid_free(t->kernel, U32_MAX), -ENOENT);
	KUNIT_EXPECT_EQ(test, taken(test), 0);
}

/* Rule 6. */
static void kernel_ids_are_counted_as_the_kernels(struct kunit *test)
{
	struct ioasid_test *t = test->priv;
	struct ioasid_capacity cap;
	int id = ioasid_alloc(t->kernel, BASE, IOASID_MAX);

	ioasid_get_capacity(&cap);
	KUNIT_EXPECT_EQ(test, cap.kernel, t->before.kernel + 1);
	KUNIT_EXPECT_EQ(test, cap.user, t->before.user);
	KUNIT_EXPECT_EQ(test, info(t->kernel).allocated, 1);
	KUNIT_EXPECT_EQ(test, ioasid_free(t->kernel, id), 0);
}

/* Rules 1, 2 and 4. */
static void quota_is_taken_at_once_and_is_all_there_is(struct kunit *test)
{
	struct ioasid_test *t = test->priv;
	struct ioasid_set *set = ioasid_set_alloc(t->mm, 2);
	struct ioasid_capacity cap;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, set);
	ioasid_get_capacity(&cap);
	KUNIT_EXPECT_EQ(test, cap.user, t->before.user + 2);
	KUNIT_EXPECT_EQ(test, info(set).available, 2);

	KUNIT_EXPECT_EQ(test, ioasid_alloc_user(set, BASE, IOASID_MAX), BASE);
	KUNIT_EXPECT_EQ(test, ioasid_alloc(set, BASE, IOASID_MAX), BASE + 1);
	KUNIT_EXPECT_EQ(test, info(set).available, 0);
	KUNIT_EXPECT_EQ(test, ioasid_alloc_user(set, BASE, IOASID_MAX), -ENOSPC);
	KUNIT_EXPECT_EQ(test, taken(test), 2);

	KUNIT_EXPECT_EQ(test, ioasid_free(set, BASE + 1), 0);
	KUNIT_EXPECT_EQ(test, taken(test), 2);
	ioasid_set_close(set);
	KUNIT_EXPECT_EQ(test, taken(test), 0);
}

static void quota_changes_or_nothing_does(struct kunit *test)
{
	struct ioasid_test *t = test->priv;
	struct ioasid_set *set = ioasid_set_alloc(t->mm, 0);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, set);
	KUNIT_EXPECT_EQ(test, ioasid_alloc_user(set, BASE, IOASID_MAX), BASE);
	KUNIT_EXPECT_EQ(test, ioasid_alloc_user(set, BASE, IOASID_MAX), BASE + 1);

	KUNIT_EXPECT_EQ(test, ioasid_set_quota(set, 1), -ENOSPC);
	KUNIT_EXPECT_EQ(test, ioasid_set_quota(set, IOASID_MAX + 1), -ENOSPC);
	KUNIT_EXPECT_EQ(test, ioasid_set_quota(set, U32_MAX), -ENOSPC);
	KUNIT_EXPECT_EQ(test, info(set).quota, 0);
	KUNIT_EXPECT_EQ(test, taken(test), 2);

	KUNIT_EXPECT_EQ(test, ioasid_set_quota(set, 10), 0);
	KUNIT_EXPECT_EQ(test, taken(test), 10);
	KUNIT_EXPECT_EQ(test, ioasid_set_quota(set, 10), 0);
	KUNIT_EXPECT_EQ(test, ioasid_set_quota(set, 4), 0);
	KUNIT_EXPECT_EQ(test, taken(test), 4);
	KUNIT_EXPECT_EQ(test, ioasid_set_quota(set, 1), -ENOSPC);
	KUNIT_EXPECT_EQ(test, info(set).quota, 4);
	KUNIT_EXPECT_EQ(test, ioasid_set_quota(set, 0), 0);
	KUNIT_EXPECT_EQ(test, taken(test), 2);
	ioasid_set_close(set);
}

static void capacity_can_be_taken_whole(struct kunit *test)
{
	struct ioasid_test *t = test->priv;
	struct ioasid_set *all = ioasid_set_alloc(NULL, t->before.available);
	struct ioasid_set *set = ioasid_set_alloc(t->mm, 0);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, all);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, set);
	KUNIT_EXPECT_EQ(test, info(set).available, 0);
	KUNIT_EXPECT_EQ(test, ioasid_alloc_user(set, 1, IOASID_MAX), -ENOSPC);
	KUNIT_EXPECT_EQ(test, ioasid_set_quota(set, 1), -ENOSPC);
	ioasid_set_put(all);
	KUNIT_EXPECT_EQ(test, ioasid_alloc_user(set, BASE, IOASID_MAX), BASE);
	ioasid_set_close(set);
}

static void refused_set_leaves_nothing(struct kunit *test)
{
	struct ioasid_test *t = test->priv;
	struct ioasid_set *set;

	set = ioasid_set_alloc(t->mm, IOASID_MAX + 1);
	KUNIT_EXPECT_PTR_EQ(test, set, ERR_PTR(-ENOSPC));
	set = ioasid_set_alloc(NULL, IOASID_MAX + 1);
	KUNIT_EXPECT_PTR_EQ(test, set, ERR_PTR(-ENOSPC));
	KUNIT_EXPECT_EQ(test, taken(test), 0);

	set = ioasid_set_alloc(t->mm, 0);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, set);
	ioasid_set_close(set);
}

static void mm_has_one_set(struct kunit *test)
{
	struct ioasid_test *t = test->priv;
	struct ioasid_set *set = ioasid_set_alloc(t->mm, 1), *other;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, set);
	other = ioasid_set_alloc(t->mm, 1);
	KUNIT_EXPECT_PTR_EQ(test, other, ERR_PTR(-EEXIST));
	KUNIT_EXPECT_EQ(test, taken(test), 1);
	ioasid_set_close(set);

	other = ioasid_set_alloc(t->mm, 1);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, other);
	ioasid_set_close(other);
}

/* Defect 23. */
static void ids_belong_to_their_set(struct kunit *test)
{
	struct ioasid_test *t = test->priv;
	struct ioasid_set *set = ioasid_set_alloc(t->mm, 0);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, set);
	KUNIT_EXPECT_EQ(test, ioasid_alloc_user(set, BASE, IOASID_MAX), BASE);
	KUNIT_EXPECT_EQ(test, ioasid_get(t->kernel, BASE), -EACCES);
	KUNIT_EXPECT_EQ(test, ioasid_free(t->kernel, BASE), -EACCES);
	KUNIT_EXPECT_EQ(test, ioasid_get(set, BASE + 1), -ENOENT);
	KUNIT_EXPECT_EQ(test, ioasid_free(set, BASE + 1), -ENOENT);
	KUNIT_EXPECT_EQ(test, ioasid_free_user(set, BASE), 0);
	KUNIT_EXPECT_EQ(test, ioasid_free_user(set, BASE), -ENOENT);
	ioasid_set_close(set);
}

static void held_id_is_free_after_the_last_put(struct kunit *test)
{
	struct ioasid_test *t = test->priv;
	struct ioasid_set *set = ioasid_set_alloc(t->mm, 0);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, set);
	KUNIT_EXPECT_EQ(test, ioasid_alloc_user(set, BASE, BASE), BASE);
	KUNIT_EXPECT_EQ(test, ioasid_get(set, BASE), 0);
	KUNIT_EXPECT_EQ(test, ioasid_get(set, BASE), 0);
	KUNIT_EXPECT_EQ(test, ioasid_free_user(set, BASE), 0);

	KUNIT_EXPECT_EQ(test, ioasid_get(set, BASE), -EBUSY);
	KUNIT_EXPECT_EQ(test, ioasid_free(set, BASE), -EBUSY);
	KUNIT_EXPECT_EQ(test, ioasid_free_user(set, BASE), -EBUSY);
	ioasid_put(set, BASE);
	KUNIT_EXPECT_EQ(test, taken(test), 1);
	KUNIT_EXPECT_EQ(test, ioasid_alloc_user(set, BASE, BASE), -ENOSPC);

	ioasid_put(set, BASE);
	KUNIT_EXPECT_EQ(test, taken(test), 0);
	KUNIT_EXPECT_EQ(test, ioasid_get(set, BASE), -ENOENT);
	KUNIT_EXPECT_EQ(test, ioasid_alloc_user(set, BASE, BASE), BASE);
	ioasid_set_close(set);
}

/* Defect 19. */
static void set_lives_as_long_as_its_ids(struct kunit *test)
{
	struct ioasid_test *t = test->priv;
	struct ioasid_set *set = ioasid_set_alloc(NULL, 3);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, set);
	KUNIT_EXPECT_EQ(test, ioasid_alloc(set, BASE, IOASID_MAX), BASE);
	KUNIT_EXPECT_EQ(test, ioasid_alloc(set, BASE, IOASID_MAX), BASE + 1);
	KUNIT_EXPECT_EQ(test, ioasid_free(set, BASE + 1), 0);
	ioasid_set_put(set);
	KUNIT_EXPECT_EQ(test, info(set).allocated, 1);
	KUNIT_EXPECT_EQ(test, taken(test), 3);
	KUNIT_EXPECT_EQ(test, ioasid_free(set, BASE), 0);
	KUNIT_EXPECT_EQ(test, taken(test), 0);

	KUNIT_EXPECT_PTR_EQ(test, ioasid_set_get(t->kernel), t->kernel);
	ioasid_set_put(t->kernel);
	KUNIT_EXPECT_EQ(test, info(t->kernel).allocated, 0);
}

/* Section 7: the kernel's IDs in the set of an mm are not user space's to free. */
static void kernel_ids_survive_the_close(struct kunit *test)
{
	struct ioasid_test *t = test->priv;
	struct ioasid_set *set = ioasid_set_alloc(t->mm, 8), *next;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, set);
	KUNIT_EXPECT_EQ(test, ioasid_alloc(set, BASE, IOASID_MAX), BASE);
	KUNIT_EXPECT_EQ(test, ioasid_alloc_user(set, BASE, IOASID_MAX), BASE + 1);
	KUNIT_EXPECT_EQ(test, ioasid_alloc_user(set, BASE, IOASID_MAX), BASE + 2);
	KUNIT_EXPECT_EQ(test, ioasid_free_user(set, BASE), -EACCES);

	/* Someone still uses one that user space took. */
	KUNIT_EXPECT_EQ(test, ioasid_get(set, BASE + 2), 0);
	ioasid_set_close(set);
	KUNIT_EXPECT_EQ(test, taken(test), 2);
	KUNIT_EXPECT_EQ(test, info(set).quota, 0);
	KUNIT_EXPECT_EQ(test, info(set).allocated, 2);

	next = ioasid_set_alloc(t->mm, 0);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, next);
	KUNIT_EXPECT_EQ(test, ioasid_alloc_user(next, BASE, BASE + 2), BASE + 1);
	KUNIT_EXPECT_EQ(test, ioasid_free_user(next, BASE), -EACCES);
	ioasid_set_close(next);

	ioasid_put(set, BASE + 2);
	KUNIT_EXPECT_EQ(test, taken(test), 1);
	KUNIT_EXPECT_EQ(test, ioasid_free(set, BASE), 0);
	KUNIT_EXPECT_EQ(test, taken(test), 0);
}

static void let_go_of_all(void *data)
{
	struct ioasid_set *set = data;
	u32 id = BASE + info(set).allocated - 1;

	if (!ioasid_get(set, id)) {
		ioasid_put(set, id);
		ioasid_free(set, id);
	}
	ioasid_put(set, BASE);
}

/* Rule 13: the last ID, and with it the set and its account, goes in an interrupt. */
static void ids_are_let_go_of_in_any_context(struct kunit *test)
{
	void (*call_in[])(struct kunit *, void (*)(void *), void *) = {
		ioasid_kunit_call_in_irq, ioasid_kunit_call_in_softirq,
	};
	struct ioasid_test *t = test->priv;
	int i;

	for (i = 0; i < ARRAY_SIZE(call_in); i++) {
		struct ioasid_set *set = ioasid_set_alloc(t->mm, 0);

		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, set);
		KUNIT_EXPECT_EQ(test, ioasid_alloc_user(set, BASE, IOASID_MAX), BASE);
		KUNIT_EXPECT_EQ(test, ioasid_alloc(set, BASE, IOASID_MAX), BASE + 1);
		KUNIT_EXPECT_EQ(test, ioasid_get(set, BASE), 0);
		ioasid_set_close(set);
		KUNIT_EXPECT_EQ(test, taken(test), 2);
		call_in[i](test, let_go_of_all, set);
		KUNIT_EXPECT_EQ(test, taken(test), 0);
	}
}

#define ROUNDS	2000

struct taker {
	struct ioasid_set	*set;
	struct completion	done;
	int			errors;
};

/* Take two IDs of three that both threads fight for, and free what was had. */
static int take(void *data)
{
	struct taker *taker = data;
	int i, j, id[2];

	for (i = 0; i < ROUNDS; i++) {
		for (j = 0; j < 2; j++) {
			id[j] = ioasid_alloc(taker->set, BASE, BASE + 2);
			if (id[j] < 0 && id[j] != -ENOSPC)
				taker->errors++;
		}
		for (j = 0; j < 2; j++) {
			if (id[j] > 0 && ioasid_free(taker->set, id[j]))
				taker->errors++;
		}
		cond_resched();
	}
	complete(&taker->done);
	return 0;
}

static void races_never_give_an_id_twice(struct kunit *test)
{
	struct ioasid_test *t = test->priv;
	struct taker taker[2] = {};
	int i;

	/* An ID given to both would not be the second one's to free. */
	taker[0].set = t->kernel;
	taker[1].set = ioasid_set_alloc(t->mm, 0);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, taker[1].set);
	for (i = 0; i < 2; i++) {
		init_completion(&taker[i].done);
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, kthread_run(take, &taker[i], "take/%d", i));
	}
	for (i = 0; i < 2; i++) {
		wait_for_completion(&taker[i].done);
		KUNIT_EXPECT_EQ(test, taker[i].errors, 0);
		KUNIT_EXPECT_EQ(test, info(taker[i].set).allocated, 0);
	}
	KUNIT_EXPECT_EQ(test, taken(test), 0);
	ioasid_set_close(taker[1].set);
}

static struct kunit_case ioasid_cases[] = {
	KUNIT_CASE(ids_are_the_lowest_free_in_the_range),
	KUNIT_CASE(id_zero_is_never_given_out),
	KUNIT_CASE(ranges_end_at_the_width_of_an_id),
	KUNIT_CASE(kernel_ids_are_counted_as_the_kernels),
	KUNIT_CASE(quota_is_taken_at_once_and_is_all_there_is),
	KUNIT_CASE(quota_changes_or_nothing_does),
	KUNIT_CASE(capacity_can_be_taken_whole),
	KUNIT_CASE(refused_set_leaves_nothing),
	KUNIT_CASE(mm_has_one_set),
	KUNIT_CASE(ids_belong_to_their_set),
	KUNIT_CASE(held_id_is_free_after_the_last_put),
	KUNIT_CASE(set_lives_as_long_as_its_ids),
	KUNIT_CASE(kernel_ids_survive_the_close),
	KUNIT_CASE(ids_are_let_go_of_in_any_context),
	KUNIT_CASE(races_never_give_an_id_twice),
	{}
};

static struct kunit_suite ioasid_suite = {
	.name = "ioasid",
	.init = test_init,
	.exit = test_exit,
	.test_cases = ioasid_cases,
};

kunit_test_suite(ioasid_suite);
