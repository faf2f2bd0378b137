// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of the IOASID allocator, included by ioasid.c.
 *
 * They run when the kernel boots, before user space can take an ID. Each test
 * starts and ends with the machine's capacity as it was.
 */

#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/ioasid_kunit.h>
#include <linux/kthread.h>
#include <linux/random.h>
#include <linux/sched/mm.h>

/* Above what drivers may have taken at boot. */
#define BASE	0x1000

struct ioasid_test {
	struct ioasid_capacity	before;
	struct ioasid_set	*kernel;	/* a kernel set without quota */
	struct mm_struct	*mm;
	int			pasid;
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

	KUNIT_EXPECT_EQ(test, ioasid_alloc(t->kernel, BASE, BASE + 2, NULL), BASE);
	KUNIT_EXPECT_EQ(test, ioasid_alloc(t->kernel, BASE, BASE + 2, NULL), BASE + 1);
	KUNIT_EXPECT_EQ(test, ioasid_alloc(t->kernel, BASE, BASE + 2, NULL), BASE + 2);
	KUNIT_EXPECT_EQ(test, ioasid_alloc(t->kernel, BASE, BASE + 2, NULL), -ENOSPC);
	KUNIT_EXPECT_EQ(test, ioasid_free(t->kernel, BASE + 1), 0);
	KUNIT_EXPECT_EQ(test, ioasid_alloc(t->kernel, BASE, BASE + 2, NULL), BASE + 1);
	KUNIT_EXPECT_EQ(test, taken(test), 3);

	KUNIT_EXPECT_EQ(test, ioasid_free(t->kernel, BASE), 0);
	KUNIT_EXPECT_EQ(test, ioasid_free(t->kernel, BASE + 1), 0);
	KUNIT_EXPECT_EQ(test, ioasid_free(t->kernel, BASE + 2), 0);
}

static void id_zero_is_never_given_out(struct kunit *test)
{
	struct ioasid_test *t = test->priv;
	int id = ioasid_alloc(t->kernel, 0, IOASID_MAX, NULL);

	KUNIT_EXPECT_GT(test, id, 0);
	KUNIT_EXPECT_EQ(test, ioasid_free(t->kernel, id), 0);
	KUNIT_EXPECT_EQ(test, ioasid_alloc(t->kernel, 0, 0, NULL), -EINVAL);
	KUNIT_EXPECT_EQ(test, ioasid_free(t->kernel, 0), -ENOENT);
}

static void ranges_end_at_the_width_of_an_id(struct kunit *test)
{
	struct ioasid_test *t = test->priv;

	KUNIT_EXPECT_EQ(test, ioasid_alloc(t->kernel, 2, 1, NULL), -EINVAL);
	KUNIT_EXPECT_EQ(test, ioasid_alloc(t->kernel, IOASID_MAX + 1, U32_MAX, NULL), -ENOSPC);
	KUNIT_EXPECT_EQ(test, ioasid_alloc(t->kernel, IOASID_MAX, U32_MAX, NULL), (int)IOASID_MAX);
	KUNIT_EXPECT_EQ(test, ioasid_free(t->kernel, IOASID_MAX), 0);
	KUNIT_EXPECT_EQ(test, ioasid_free(t->kernel, U32_MAX), -ENOENT);
	KUNIT_EXPECT_EQ(test, taken(test), 0);
}

/* Rule 6. */
static void kernel_ids_are_counted_as_the_kernels(struct kunit *test)
{
	struct ioasid_test *t = test->priv;
	struct ioasid_capacity cap;
	int id = ioasid_alloc(t->kernel, BASE, IOASID_MAX, NULL);

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
	KUNIT_EXPECT_EQ(test, ioasid_alloc(set, BASE, IOASID_MAX, NULL), BASE + 1);
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
	ioasid_put(BASE);
	KUNIT_EXPECT_EQ(test, taken(test), 1);
	KUNIT_EXPECT_EQ(test, ioasid_alloc_user(set, BASE, BASE), -ENOSPC);

	ioasid_put(BASE);
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
	KUNIT_EXPECT_EQ(test, ioasid_alloc(set, BASE, IOASID_MAX, NULL), BASE);
	KUNIT_EXPECT_EQ(test, ioasid_alloc(set, BASE, IOASID_MAX, NULL), BASE + 1);
	KUNIT_EXPECT_EQ(test, ioasid_free(set, BASE + 1), 0);
	ioasid_set_put(set);
	KUNIT_EXPECT_EQ(test, info(set).allocated, 1);
	KUNIT_EXPECT_EQ(test, refcount_read(&set->refs), 1);
	KUNIT_EXPECT_EQ(test, taken(test), 3);
	KUNIT_EXPECT_EQ(test, ioasid_free(set, BASE), 0);
	KUNIT_EXPECT_EQ(test, taken(test), 0);

	/* The last ID takes no more with it than the reference of its own. */
	KUNIT_EXPECT_PTR_EQ(test, ioasid_set_get(t->kernel), t->kernel);
	KUNIT_EXPECT_EQ(test, ioasid_alloc(t->kernel, BASE, BASE, NULL), BASE);
	KUNIT_EXPECT_EQ(test, refcount_read(&t->kernel->refs), 3);
	KUNIT_EXPECT_EQ(test, ioasid_free(t->kernel, BASE), 0);
	KUNIT_EXPECT_EQ(test, refcount_read(&t->kernel->refs), 2);
	ioasid_set_put(t->kernel);
	KUNIT_EXPECT_EQ(test, info(t->kernel).allocated, 0);
}

/* Section 1: each mm has at most one set, used by user space and by SVA alike. */
static void pasid_shares_the_set_of_the_mm(struct kunit *test)
{
	struct ioasid_test *t = test->priv;
	struct ioasid_set *set;
	int id;

	/* SVA first, and user space comes and goes */
	id = ioasid_mm_alloc(t->mm, IOASID_MAX);
	KUNIT_ASSERT_GT(test, id, 0);
	KUNIT_EXPECT_EQ(test, ioasid_mm_alloc(t->mm, IOASID_MAX), -EEXIST);
	set = ioasid_find_mm_set(t->mm);
	KUNIT_ASSERT_NOT_NULL(test, set);
	KUNIT_EXPECT_PTR_EQ(test, ioasid_set_alloc(t->mm, 3), set);
	KUNIT_EXPECT_PTR_EQ(test, ioasid_set_alloc(t->mm, 3), ERR_PTR(-EEXIST));
	KUNIT_EXPECT_EQ(test, ioasid_alloc_user(set, BASE, IOASID_MAX), BASE);
	KUNIT_EXPECT_EQ(test, info(set).allocated, 2);
	KUNIT_EXPECT_EQ(test, ioasid_free_user(set, id), -EACCES);
	KUNIT_EXPECT_EQ(test, taken(test), 3);
	ioasid_set_close(set);
	KUNIT_EXPECT_EQ(test, info(set).quota, 0);
	KUNIT_EXPECT_EQ(test, taken(test), 1);
	KUNIT_EXPECT_PTR_EQ(test, ioasid_set_alloc(t->mm, 0), set);

	/* then SVA comes and goes. */
	ioasid_mm_free(t->mm, id);
	KUNIT_EXPECT_EQ(test, taken(test), 0);
	KUNIT_EXPECT_EQ(test, ioasid_mm_alloc(t->mm, id), id);
	KUNIT_EXPECT_EQ(test, info(set).allocated, 1);
	ioasid_mm_free(t->mm, id);
	KUNIT_EXPECT_PTR_EQ(test, ioasid_set_alloc(t->mm, 0), ERR_PTR(-EEXIST));
	ioasid_set_close(set);
	KUNIT_EXPECT_NULL(test, ioasid_find_mm_set(t->mm));
	KUNIT_EXPECT_EQ(test, refcount_read(&set->refs), 1);
	ioasid_set_put(set);
}

/* Section 7: inside a quota, SVA uses up the reservation like any other. */
static void pasid_uses_up_the_quota(struct kunit *test)
{
	struct ioasid_test *t = test->priv;
	struct ioasid_set *set = ioasid_set_alloc(t->mm, 1);
	int id;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, set);
	KUNIT_EXPECT_EQ(test, ioasid_alloc_user(set, BASE, IOASID_MAX), BASE);
	KUNIT_EXPECT_EQ(test, ioasid_mm_alloc(t->mm, IOASID_MAX), -ENOSPC);
	KUNIT_EXPECT_EQ(test, ioasid_free_user(set, BASE), 0);

	id = ioasid_mm_alloc(t->mm, IOASID_MAX);
	KUNIT_EXPECT_GT(test, id, 0);
	KUNIT_EXPECT_EQ(test, taken(test), 1);
	KUNIT_EXPECT_EQ(test, ioasid_alloc_user(set, BASE, IOASID_MAX), -ENOSPC);
	ioasid_set_close(set);
	KUNIT_EXPECT_EQ(test, taken(test), 1);
	ioasid_mm_free(t->mm, id);
	KUNIT_EXPECT_EQ(test, taken(test), 0);
}

static void refused_pasid_leaves_nothing(struct kunit *test)
{
	struct ioasid_test *t = test->priv;
	struct ioasid_set *all = ioasid_set_alloc(NULL, t->before.available);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, all);
	KUNIT_EXPECT_EQ(test, ioasid_mm_alloc(t->mm, IOASID_MAX), -ENOSPC);
	KUNIT_EXPECT_NULL(test, ioasid_find_mm_set(t->mm));
	ioasid_set_put(all);
	KUNIT_EXPECT_EQ(test, ioasid_mm_alloc(t->mm, 0), -EINVAL);
	KUNIT_EXPECT_NULL(test, ioasid_find_mm_set(t->mm));
	KUNIT_EXPECT_EQ(test, taken(test), 0);
}

/* Section 7: the kernel's IDs in the set of an mm are not user space's to free. */
static void kernel_ids_survive_the_close(struct kunit *test)
{
	struct ioasid_test *t = test->priv;
	struct ioasid_set *set = ioasid_set_alloc(t->mm, 8), *next;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, set);
	KUNIT_EXPECT_EQ(test, ioasid_alloc(set, BASE, IOASID_MAX, NULL), BASE);
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

	ioasid_put(BASE + 2);
	KUNIT_EXPECT_EQ(test, taken(test), 1);
	KUNIT_EXPECT_EQ(test, ioasid_free(set, BASE), 0);
	KUNIT_EXPECT_EQ(test, taken(test), 0);
}

static void set_ends_with_the_address_space(struct kunit *test)
{
	struct mm_struct *mm = mm_alloc();
	struct ioasid_set *set;

	KUNIT_ASSERT_NOT_NULL(test, mm);
	set = ioasid_set_alloc(mm, 8);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, set);
	KUNIT_EXPECT_EQ(test, ioasid_alloc(set, BASE, IOASID_MAX, NULL), BASE);
	KUNIT_EXPECT_EQ(test, ioasid_alloc_user(set, BASE, IOASID_MAX), BASE + 1);
	KUNIT_EXPECT_EQ(test, ioasid_alloc_user(set, BASE, IOASID_MAX), BASE + 2);
	KUNIT_EXPECT_EQ(test, ioasid_get(set, BASE + 2), 0);

	mmgrab(mm);
	mmput(mm);
	KUNIT_EXPECT_EQ(test, info(set).quota, 0);
	KUNIT_EXPECT_EQ(test, info(set).allocated, 2);
	KUNIT_EXPECT_EQ(test, info(set).available, 0);
	KUNIT_EXPECT_EQ(test, taken(test), 2);
	KUNIT_EXPECT_NULL(test, ioasid_find_mm_set(mm));
	KUNIT_EXPECT_PTR_EQ(test, ioasid_set_alloc(mm, 0), ERR_PTR(-ESRCH));
	KUNIT_EXPECT_EQ(test, ioasid_alloc(set, BASE, IOASID_MAX, NULL), -ENOENT);
	KUNIT_EXPECT_EQ(test, ioasid_set_quota(set, 3), -ENOENT);

	ioasid_put(BASE + 2);
	KUNIT_EXPECT_EQ(test, ioasid_free(set, BASE), 0);
	KUNIT_EXPECT_EQ(test, taken(test), 0);
	/* Closing it is still the caller's part, and gives nothing back twice. */
	KUNIT_EXPECT_EQ(test, refcount_read(&set->refs), 1);
	ioasid_set_close(set);
	mmdrop(mm);
}

static void pasid_outlives_the_address_space(struct kunit *test)
{
	struct mm_struct *mm = mm_alloc();
	struct ioasid_set *set;
	int id;

	KUNIT_ASSERT_NOT_NULL(test, mm);
	set = ioasid_set_alloc(mm, 4);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, set);
	id = ioasid_mm_alloc(mm, IOASID_MAX);
	KUNIT_EXPECT_GT(test, id, 0);
	KUNIT_EXPECT_GT(test, ioasid_alloc_user(set, BASE, IOASID_MAX), 0);
	KUNIT_EXPECT_EQ(test, taken(test), 4);

	mmgrab(mm);
	mmput(mm);
	KUNIT_EXPECT_EQ(test, taken(test), 1);
	KUNIT_EXPECT_EQ(test, info(set).allocated, 1);
	ioasid_set_close(set);
	KUNIT_EXPECT_EQ(test, taken(test), 1);
	ioasid_mm_free(mm, id);
	KUNIT_EXPECT_EQ(test, taken(test), 0);
	mmdrop(mm);
}

static void kernel_thread_that_borrows_the_mm_does_not_become_the_owner(struct kunit *test)
{
	struct ioasid_test *t = test->priv;
	struct ioasid_set *set = ioasid_set_alloc(t->mm, 0);
	struct pid *owner;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, set);
	/* As if it had been made by a process that has left the mm. */
	owner = set->owner;
	set->owner = find_get_pid(1);
	set->owner_exec_id = U64_MAX;
	kthread_use_mm(t->mm);
	KUNIT_EXPECT_EQ(test, ioasid_alloc_user(set, BASE, IOASID_MAX), BASE);
	KUNIT_EXPECT_EQ(test, ioasid_set_quota(set, 5), 0);
	kthread_unuse_mm(t->mm);
	KUNIT_EXPECT_PTR_NE(test, set->owner, task_tgid(current));
	put_pid(set->owner);
	set->owner = owner;
	ioasid_set_close(set);
}

/* What DOC: states of an ID says, line by line. */

enum state { FREE, IDLE, ACTIVE, FREE_PENDING, NR_STATES };

static int some_data;

static long do_get(struct ioasid_set *set) { return ioasid_get(set, BASE); }
static long do_free(struct ioasid_set *set) { return ioasid_free(set, BASE); }
static long do_bind(struct ioasid_set *set) { return ioasid_notify(set, BASE, IOASID_NOTIFY_BIND); }

static long do_attach_data(struct ioasid_set *set)
{
	return ioasid_attach_data(set, BASE, &some_data);
}

static long do_detach_data(struct ioasid_set *set)
{
	return PTR_ERR_OR_ZERO(ioasid_detach_data(set, BASE));
}

static long do_find(struct ioasid_set *set)
{
	return PTR_ERR_OR_ZERO(ioasid_find(set, BASE, NULL));
}

static long do_attach_spid(struct ioasid_set *set) { return ioasid_attach_spid(set, BASE, 7); }

static long do_detach_spid(struct ioasid_set *set)
{
	long ret = ioasid_detach_spid(set, BASE);

	/* It has none. */
	return ret == -ENOENT && xa_load(&ioasids, BASE) ? 0 : ret;
}

static long do_put(struct ioasid_set *set) { return ioasid_put(BASE); }

static const struct {
	const char	*name;
	long		(*call)(struct ioasid_set *set);
	int		ret[NR_STATES];
	enum state	then[NR_STATES];
	bool		any_set;
} calls[] = {
	{ "get", do_get, { -ENOENT, 0, 0, -EBUSY }, { FREE, ACTIVE, ACTIVE, FREE_PENDING } },
	{ "free", do_free, { -ENOENT, 0, 0, -EBUSY }, { FREE, FREE, FREE_PENDING, FREE_PENDING } },
	{ "notify", do_bind, { -ENOENT, 0, 0, -EBUSY }, { FREE, IDLE, ACTIVE, FREE_PENDING } },
	{ "attach_data", do_attach_data, { -ENOENT, 0, 0, -EBUSY },
	  { FREE, IDLE, ACTIVE, FREE_PENDING } },
	{ "detach_data", do_detach_data, { -ENOENT, 0, 0, 0 },
	  { FREE, IDLE, ACTIVE, FREE_PENDING } },
	{ "find", do_find, { -ENOENT, 0, 0, 0 }, { FREE, IDLE, ACTIVE, FREE_PENDING } },
	{ "attach_spid", do_attach_spid, { -ENOENT, 0, 0, -EBUSY },
	  { FREE, IDLE, ACTIVE, FREE_PENDING } },
	{ "detach_spid", do_detach_spid, { -ENOENT, 0, 0, 0 },
	  { FREE, IDLE, ACTIVE, FREE_PENDING } },
	{ "put", do_put, { 0, 0, false, true }, { FREE, FREE, IDLE, FREE }, .any_set = true },
};

static enum state state_of(u32 id)
{
	struct ioasid *p = xa_load(&ioasids, id);

	if (!p)
		return FREE;
	if (p->freed)
		return FREE_PENDING;
	return refcount_read(&p->refs) > 1 ? ACTIVE : IDLE;
}

static void enter_state(struct kunit *test, struct ioasid_set *set, enum state state)
{
	if (state == FREE)
		return;
	KUNIT_ASSERT_EQ(test, ioasid_alloc(set, BASE, BASE, NULL), BASE);
	if (state == IDLE)
		return;
	KUNIT_ASSERT_EQ(test, ioasid_get(set, BASE), 0);
	if (state == FREE_PENDING)
		KUNIT_ASSERT_EQ(test, ioasid_free(set, BASE), 0);
}

static void leave_state(struct kunit *test, struct ioasid_set *set, enum state state)
{
	if (state == IDLE || state == ACTIVE)
		KUNIT_EXPECT_EQ(test, ioasid_free(set, BASE), 0);
	while (state_of(BASE) != FREE)
		ioasid_put(BASE);
}

static void call_in_state(struct kunit *test, int i, enum state state, struct ioasid_set *other)
{
	struct ioasid_set *set = ((struct ioasid_test *)test->priv)->kernel;
	const char *name = calls[i].name;

	/* Nobody puts what nobody holds. */
	if (calls[i].any_set && state < ACTIVE)
		return;
	enter_state(test, set, state);
	if (!calls[i].any_set) {
		KUNIT_EXPECT_EQ_MSG(test, calls[i].call(other), state == FREE ? -ENOENT : -EACCES,
				    "%s in state %d, of another set", name, state);
		KUNIT_EXPECT_EQ_MSG(test, state_of(BASE), state,
				    "%s in state %d, of another set", name, state);
	}
	KUNIT_EXPECT_EQ_MSG(test, calls[i].call(set), calls[i].ret[state],
			    "%s in state %d", name, state);
	KUNIT_EXPECT_EQ_MSG(test, state_of(BASE), calls[i].then[state],
			    "%s in state %d", name, state);
	/* It is charged, and nobody else's, until it is free. */
	KUNIT_EXPECT_EQ(test, taken(test), calls[i].then[state] != FREE);
	leave_state(test, set, calls[i].then[state]);
}

static void calls_in_all_states(struct kunit *test)
{
	struct ioasid_test *t = test->priv;
	struct ioasid_set *other = ioasid_set_alloc(NULL, 0);
	enum state state;
	int i;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, other);
	for (i = 0; i < ARRAY_SIZE(calls); i++) {
		for (state = FREE; state < NR_STATES; state++)
			call_in_state(test, i, state, other);
	}
	KUNIT_EXPECT_EQ(test, ioasid_notify(t->kernel, BASE, IOASID_NOTIFY_FREE), -EINVAL);
	ioasid_set_put(other);
}

static void id_is_owned_by_the_mm_of_its_set(struct kunit *test)
{
	struct ioasid_test *t = test->priv;
	struct ioasid_set *set = ioasid_set_alloc(t->mm, 0);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, set);
	KUNIT_EXPECT_EQ(test, ioasid_alloc_user(set, BASE, BASE), BASE);
	KUNIT_EXPECT_EQ(test, ioasid_alloc(t->kernel, BASE + 1, BASE + 1, NULL), BASE + 1);
	KUNIT_EXPECT_EQ(test, ioasid_get_if_owned(BASE), -EPERM);

	kthread_use_mm(t->mm);
	KUNIT_EXPECT_EQ(test, ioasid_get_if_owned(BASE), 0);
	KUNIT_EXPECT_EQ(test, state_of(BASE), ACTIVE);
	KUNIT_EXPECT_EQ(test, ioasid_get_if_owned(BASE + 1), -EPERM);
	KUNIT_EXPECT_EQ(test, ioasid_get_if_owned(BASE + 2), -ENOENT);
	KUNIT_EXPECT_EQ(test, ioasid_free(set, BASE), 0);
	KUNIT_EXPECT_EQ(test, ioasid_get_if_owned(BASE), -EBUSY);
	kthread_unuse_mm(t->mm);

	KUNIT_EXPECT_TRUE(test, ioasid_put(BASE));
	KUNIT_EXPECT_EQ(test, ioasid_free(t->kernel, BASE + 1), 0);
	ioasid_set_close(set);
}

static void sets_are_found_by_their_ids_and_mms(struct kunit *test)
{
	struct ioasid_test *t = test->priv;
	struct ioasid_set *set, *found;

	KUNIT_EXPECT_NULL(test, ioasid_find_mm_set(t->mm));
	KUNIT_EXPECT_NULL(test, ioasid_find_set(BASE));

	set = ioasid_set_alloc(t->mm, 0);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, set);
	KUNIT_EXPECT_EQ(test, ioasid_alloc(set, BASE, BASE, NULL), BASE);
	found = ioasid_find_set(BASE);
	KUNIT_EXPECT_PTR_EQ(test, found, set);
	KUNIT_EXPECT_PTR_EQ(test, ioasid_find_mm_set(t->mm), set);
	KUNIT_EXPECT_EQ(test, state_of(BASE), IDLE);

	/* Closed, it is its mm's no more; the references keep it. */
	ioasid_set_close(set);
	KUNIT_EXPECT_NULL(test, ioasid_find_mm_set(t->mm));
	KUNIT_EXPECT_EQ(test, ioasid_free(found, BASE), 0);
	KUNIT_EXPECT_EQ(test, info(found).allocated, 0);
	ioasid_set_put(found);
	ioasid_set_put(found);
}

struct visit {
	struct ioasid_set	*set;
	u32			seen[8];
	int			n;
	int			end_at;
	bool			frees;
};

static int visit(u32 id, void *data)
{
	struct visit *v = data;

	v->seen[v->n++ % ARRAY_SIZE(v->seen)] = id;
	if (v->frees) {
		ioasid_free(v->set, id);
		/* And the next one, which is not held. */
		ioasid_free(v->set, id + 1);
	}
	return v->n == v->end_at ? -EINTR : 0;
}

static void walk_visits_what_is_not_freed(struct kunit *test)
{
	struct ioasid_test *t = test->priv;
	struct visit v = { .set = t->kernel };
	int i;

	KUNIT_EXPECT_EQ(test, ioasid_set_for_each_ioasid(t->kernel, visit, &v), 0);
	KUNIT_EXPECT_EQ(test, v.n, 0);
	for (i = 0; i < 6; i++)
		KUNIT_ASSERT_EQ(test, ioasid_alloc(t->kernel, BASE, IOASID_MAX, NULL), BASE + i);
	KUNIT_EXPECT_EQ(test, ioasid_get(t->kernel, BASE + 1), 0);
	KUNIT_EXPECT_EQ(test, ioasid_free(t->kernel, BASE + 1), 0);

	KUNIT_EXPECT_EQ(test, ioasid_set_for_each_ioasid(t->kernel, visit, &v), 0);
	KUNIT_EXPECT_EQ(test, v.n, 5);
	KUNIT_EXPECT_EQ(test, v.seen[0], BASE);
	KUNIT_EXPECT_EQ(test, v.seen[1], BASE + 2);
	KUNIT_EXPECT_EQ(test, v.seen[4], BASE + 5);

	v = (struct visit) { .set = t->kernel, .end_at = 2 };
	KUNIT_EXPECT_EQ(test, ioasid_set_for_each_ioasid(t->kernel, visit, &v), -EINTR);
	KUNIT_EXPECT_EQ(test, v.n, 2);
	KUNIT_EXPECT_EQ(test, state_of(BASE + 2), IDLE);

	v = (struct visit) { .set = t->kernel, .frees = true };
	KUNIT_EXPECT_EQ(test, ioasid_set_for_each_ioasid(t->kernel, visit, &v), 0);
	KUNIT_EXPECT_EQ(test, v.n, 3);
	KUNIT_EXPECT_EQ(test, v.seen[2], BASE + 4);
	KUNIT_EXPECT_TRUE(test, ioasid_put(BASE + 1));
	KUNIT_EXPECT_EQ(test, info(t->kernel).allocated, 0);
}

static void all_of_a_set_can_be_freed(struct kunit *test)
{
	struct ioasid_test *t = test->priv;
	struct ioasid_set *set = ioasid_set_alloc(t->mm, 0);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, set);
	KUNIT_EXPECT_EQ(test, ioasid_alloc_user(set, BASE, IOASID_MAX), BASE);
	KUNIT_EXPECT_EQ(test, ioasid_alloc(set, BASE, IOASID_MAX, NULL), BASE + 1);
	KUNIT_EXPECT_EQ(test, ioasid_get(set, BASE), 0);
	KUNIT_EXPECT_EQ(test, ioasid_alloc(t->kernel, BASE, IOASID_MAX, NULL), BASE + 2);

	ioasid_free_all_in_set(set);
	KUNIT_EXPECT_EQ(test, state_of(BASE), FREE_PENDING);
	KUNIT_EXPECT_EQ(test, state_of(BASE + 1), FREE);
	KUNIT_EXPECT_EQ(test, state_of(BASE + 2), IDLE);
	ioasid_free_all_in_set(set);
	KUNIT_EXPECT_TRUE(test, ioasid_put(BASE));
	KUNIT_EXPECT_EQ(test, ioasid_free(t->kernel, BASE + 2), 0);
	ioasid_set_close(set);
}

static bool get_data(void *data) { return true; }
static bool too_late(void *data) { return false; }

static void data_is_found_until_it_is_detached(struct kunit *test)
{
	struct ioasid_test *t = test->priv;
	int other;

	KUNIT_ASSERT_EQ(test, ioasid_alloc(t->kernel, BASE, BASE, &some_data), BASE);
	KUNIT_EXPECT_EQ(test, ioasid_attach_data(t->kernel, BASE, &other), -EEXIST);
	KUNIT_EXPECT_EQ(test, ioasid_attach_data(t->kernel, BASE, NULL), -EINVAL);

	KUNIT_EXPECT_PTR_EQ(test, ioasid_find(t->kernel, BASE, get_data), (void *)&some_data);
	KUNIT_EXPECT_PTR_EQ(test, ioasid_find(NULL, BASE, NULL), (void *)&some_data);
	KUNIT_EXPECT_NULL(test, ioasid_find(NULL, BASE, too_late));

	/* Those who hold it may still need it. */
	KUNIT_EXPECT_EQ(test, ioasid_get(t->kernel, BASE), 0);
	KUNIT_EXPECT_EQ(test, ioasid_free(t->kernel, BASE), 0);
	KUNIT_EXPECT_PTR_EQ(test, ioasid_find(NULL, BASE, NULL), (void *)&some_data);
	KUNIT_EXPECT_PTR_EQ(test, ioasid_detach_data(t->kernel, BASE), (void *)&some_data);
	KUNIT_EXPECT_NULL(test, ioasid_detach_data(t->kernel, BASE));
	KUNIT_EXPECT_NULL(test, ioasid_find(NULL, BASE, get_data));
	KUNIT_EXPECT_TRUE(test, ioasid_put(BASE));
	KUNIT_EXPECT_PTR_EQ(test, ioasid_find(NULL, BASE, NULL), ERR_PTR(-ENOENT));
}

static void spid_names_one_id_of_a_set(struct kunit *test)
{
	struct ioasid_test *t = test->priv;
	struct ioasid_set *guest = ioasid_set_alloc(NULL, 0);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, guest);
	KUNIT_ASSERT_EQ(test, ioasid_alloc(guest, BASE, IOASID_MAX, NULL), BASE);
	KUNIT_ASSERT_EQ(test, ioasid_alloc(guest, BASE, IOASID_MAX, NULL), BASE + 1);
	KUNIT_ASSERT_EQ(test, ioasid_alloc(t->kernel, BASE, IOASID_MAX, NULL), BASE + 2);

	KUNIT_EXPECT_EQ(test, ioasid_attach_spid(guest, BASE, 0), -EINVAL);
	KUNIT_EXPECT_EQ(test, ioasid_attach_spid(guest, BASE, IOASID_MAX + 1), -EINVAL);
	KUNIT_EXPECT_EQ(test, ioasid_find_by_spid(guest, 5), -ENOENT);
	KUNIT_EXPECT_EQ(test, ioasid_attach_spid(guest, BASE, 5), 0);
	KUNIT_EXPECT_EQ(test, ioasid_attach_spid(guest, BASE, 6), -EEXIST);
	KUNIT_EXPECT_EQ(test, ioasid_attach_spid(guest, BASE + 1, 5), -EEXIST);
	KUNIT_EXPECT_EQ(test, ioasid_attach_spid(guest, BASE + 1, IOASID_MAX), 0);
	KUNIT_EXPECT_EQ(test, ioasid_attach_spid(t->kernel, BASE + 2, 5), 0);

	KUNIT_EXPECT_EQ(test, ioasid_find_by_spid(guest, 5), BASE);
	KUNIT_EXPECT_EQ(test, ioasid_find_by_spid(guest, IOASID_MAX), BASE + 1);
	KUNIT_EXPECT_EQ(test, ioasid_find_by_spid(t->kernel, 5), BASE + 2);
	KUNIT_EXPECT_EQ(test, ioasid_find_by_spid(guest, 6), -ENOENT);

	/* What was found is held. */
	KUNIT_EXPECT_EQ(test, ioasid_free(guest, BASE), 0);
	KUNIT_EXPECT_EQ(test, ioasid_find_by_spid(guest, 5), -EBUSY);
	KUNIT_EXPECT_EQ(test, ioasid_attach_spid(guest, BASE + 1, 5), -EEXIST);
	KUNIT_EXPECT_EQ(test, ioasid_detach_spid(guest, BASE), 0);
	KUNIT_EXPECT_EQ(test, ioasid_detach_spid(guest, BASE), -ENOENT);
	KUNIT_EXPECT_TRUE(test, ioasid_put(BASE));
	KUNIT_EXPECT_EQ(test, ioasid_find_by_spid(guest, 5), -ENOENT);

	/* It goes with its ID. */
	KUNIT_EXPECT_EQ(test, ioasid_free(guest, BASE + 1), 0);
	KUNIT_EXPECT_TRUE(test, ioasid_put(BASE + 1));
	KUNIT_EXPECT_EQ(test, ioasid_find_by_spid(guest, IOASID_MAX), -ENOENT);
	KUNIT_EXPECT_TRUE(test, xa_empty(&guest->spids));
	KUNIT_EXPECT_FALSE(test, ioasid_put(BASE + 2));
	KUNIT_EXPECT_EQ(test, ioasid_free(t->kernel, BASE + 2), 0);
	ioasid_set_put(guest);
}

/* A notifier that notes what it was told, and does something to the ID. */
struct listener {
	struct notifier_block	nb;
	struct ioasid_notification last;
	int			(*act)(struct ioasid_notification *what);
	int			acted;
	char			name;
};

/* Who was told of what, in order. */
static char told[64];

static int listen(struct notifier_block *nb, unsigned long event, void *data)
{
	struct listener *l = container_of(nb, struct listener, nb);
	size_t n = strlen(told);

	l->last = *(struct ioasid_notification *)data;
	if (n < sizeof(told) - 3)
		sprintf(told + n, "%c%c", l->name, "AFBU"[event]);
	if (l->act && event <= IOASID_NOTIFY_FREE)
		l->acted = l->act(data);
	return NOTIFY_OK;
}

#define LISTENER(n, p)	{ .name = n, .nb = { .notifier_call = listen, .priority = p } }

static void notifiers_are_told_in_the_order_of_priorities(struct kunit *test)
{
	struct ioasid_test *t = test->priv;
	struct listener device_all = LISTENER('d', IOASID_PRIORITY_DEVICE);
	struct listener iommu_all = LISTENER('i', IOASID_PRIORITY_IOMMU);
	struct listener iommu_set = LISTENER('s', IOASID_PRIORITY_IOMMU);
	struct listener cpu_mm = LISTENER('c', IOASID_PRIORITY_CPU);
	struct listener bad = LISTENER('b', IOASID_PRIORITY_CPU + 1);
	int before = atomic_read(&nr_notifiers);
	struct ioasid_set *set;

	told[0] = '\0';
	KUNIT_EXPECT_EQ(test, ioasid_register_notifier(NULL, &bad.nb), -EINVAL);
	KUNIT_EXPECT_EQ(test, ioasid_register_notifier_mm(t->mm, &bad.nb), -EINVAL);
	bad.nb.priority = -1;
	KUNIT_EXPECT_EQ(test, ioasid_register_notifier(t->kernel, &bad.nb), -EINVAL);

	/* That of the mm before it has a set. */
	KUNIT_ASSERT_EQ(test, ioasid_register_notifier_mm(t->mm, &cpu_mm.nb), 0);
	KUNIT_EXPECT_NULL(test, ioasid_find_mm_set(t->mm));
	set = ioasid_set_alloc(t->mm, 0);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, set);
	KUNIT_ASSERT_EQ(test, ioasid_register_notifier(NULL, &device_all.nb), 0);
	KUNIT_ASSERT_EQ(test, ioasid_register_notifier(NULL, &iommu_all.nb), 0);
	KUNIT_ASSERT_EQ(test, ioasid_register_notifier(set, &iommu_set.nb), 0);

	KUNIT_ASSERT_EQ(test, ioasid_alloc(set, BASE, BASE, &some_data), BASE);
	KUNIT_EXPECT_STREQ(test, told, "cAiAsAdA");
	KUNIT_EXPECT_PTR_EQ(test, device_all.last.set, set);
	KUNIT_EXPECT_EQ(test, device_all.last.id, BASE);
	KUNIT_EXPECT_EQ(test, device_all.last.spid, 0);
	KUNIT_EXPECT_PTR_EQ(test, device_all.last.data, (void *)&some_data);
	KUNIT_EXPECT_EQ(test, ioasid_attach_spid(set, BASE, 9), 0);

	told[0] = '\0';
	KUNIT_EXPECT_EQ(test, ioasid_notify(set, BASE, IOASID_NOTIFY_BIND), 0);
	KUNIT_EXPECT_EQ(test, device_all.last.spid, 9);
	KUNIT_EXPECT_EQ(test, ioasid_notify(set, BASE, IOASID_NOTIFY_UNBIND), 0);
	KUNIT_EXPECT_STREQ(test, told, "cBiBsBdBcUiUsUdU");

	/* Of the ID of another set only those that want to know of all. */
	told[0] = '\0';
	KUNIT_ASSERT_EQ(test, ioasid_alloc(t->kernel, BASE + 1, BASE + 1, NULL), BASE + 1);
	KUNIT_EXPECT_EQ(test, ioasid_free(t->kernel, BASE + 1), 0);
	KUNIT_EXPECT_STREQ(test, told, "iAdAiFdF");

	/* FREE is sent once, not again when it is gone; and none of what failed. */
	told[0] = '\0';
	KUNIT_EXPECT_EQ(test, ioasid_get(set, BASE), 0);
	KUNIT_EXPECT_EQ(test, ioasid_free(set, BASE), 0);
	KUNIT_EXPECT_EQ(test, ioasid_free(set, BASE), -EBUSY);
	KUNIT_EXPECT_EQ(test, ioasid_alloc(set, BASE, BASE, NULL), -ENOSPC);
	KUNIT_EXPECT_TRUE(test, ioasid_put(BASE));
	KUNIT_EXPECT_STREQ(test, told, "cFiFsFdF");

	/* Nobody is told what nobody wants to know any more. */
	told[0] = '\0';
	ioasid_unregister_notifier(NULL, &device_all.nb);
	ioasid_unregister_notifier(set, &iommu_set.nb);
	ioasid_unregister_notifier(NULL, &iommu_all.nb);
	KUNIT_ASSERT_EQ(test, ioasid_alloc_user(set, BASE, BASE), BASE);
	ioasid_set_close(set);
	KUNIT_EXPECT_STREQ(test, told, "cAcF");

	/* That of the mm stays for its next set. */
	set = ioasid_set_alloc(t->mm, 0);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, set);
	KUNIT_ASSERT_EQ(test, ioasid_alloc_user(set, BASE, BASE), BASE);
	ioasid_unregister_notifier_mm(t->mm, &cpu_mm.nb);
	ioasid_set_close(set);
	KUNIT_EXPECT_STREQ(test, told, "cAcFcA");
	KUNIT_EXPECT_EQ(test, atomic_read(&nr_notifiers), before);
}

static int get_and_put(struct ioasid_notification *what)
{
	int ret = ioasid_get(what->set, what->id);

	if (!ret)
		ioasid_put(what->id);
	return ret;
}

static int free_it(struct ioasid_notification *what)
{
	return ioasid_free(what->set, what->id);
}

static int put_it(struct ioasid_notification *what)
{
	return ioasid_put(what->id);
}

static int user_frees_it(struct ioasid_notification *what)
{
	return ioasid_free_user(what->set, what->id);
}

static void notifiers_may_do_anything_to_the_id(struct kunit *test)
{
	struct ioasid_test *t = test->priv;
	struct listener l = LISTENER('l', IOASID_PRIORITY_DEVICE);

	told[0] = '\0';
	KUNIT_ASSERT_EQ(test, ioasid_register_notifier(t->kernel, &l.nb), 0);

	l.act = get_and_put;
	KUNIT_EXPECT_EQ(test, ioasid_alloc(t->kernel, BASE, BASE, NULL), BASE);
	KUNIT_EXPECT_EQ(test, l.acted, 0);
	KUNIT_EXPECT_EQ(test, ioasid_free(t->kernel, BASE), 0);
	KUNIT_EXPECT_EQ(test, l.acted, -EBUSY);

	/* Free what was just allocated, and be told of that: it is freed once. */
	l.act = free_it;
	KUNIT_EXPECT_EQ(test, ioasid_alloc(t->kernel, BASE, BASE, NULL), BASE);
	KUNIT_EXPECT_EQ(test, l.acted, -EBUSY);
	KUNIT_EXPECT_EQ(test, state_of(BASE), FREE);

	/* User space cannot, by guessing the number. */
	l.act = user_frees_it;
	KUNIT_EXPECT_EQ(test, ioasid_alloc_user(t->kernel, BASE, BASE), BASE);
	KUNIT_EXPECT_EQ(test, l.acted, -EACCES);

	/* Let go of what the listener holds, which is what FREE asks for. */
	l.act = put_it;
	KUNIT_EXPECT_EQ(test, ioasid_get(t->kernel, BASE), 0);
	KUNIT_EXPECT_EQ(test, ioasid_free_user(t->kernel, BASE), 0);
	KUNIT_EXPECT_EQ(test, l.acted, false);
	KUNIT_EXPECT_EQ(test, state_of(BASE), FREE);
	ioasid_unregister_notifier(t->kernel, &l.nb);
	KUNIT_EXPECT_STREQ(test, told, "lAlFlAlFlAlF");
}

/* Also if the first of them frees it before the others have been told. */
static void all_are_told_of_allocation_before_any_is_of_free(struct kunit *test)
{
	struct ioasid_test *t = test->priv;
	struct listener early = LISTENER('e', IOASID_PRIORITY_CPU);
	struct listener late = LISTENER('l', IOASID_PRIORITY_DEVICE);

	told[0] = '\0';
	early.act = free_it;
	KUNIT_ASSERT_EQ(test, ioasid_register_notifier(NULL, &early.nb), 0);
	KUNIT_ASSERT_EQ(test, ioasid_register_notifier(t->kernel, &late.nb), 0);
	KUNIT_EXPECT_EQ(test, ioasid_alloc(t->kernel, BASE, BASE, NULL), BASE);
	KUNIT_EXPECT_EQ(test, ioasid_get(t->kernel, BASE), -ENOENT);
	ioasid_unregister_notifier(t->kernel, &late.nb);
	ioasid_unregister_notifier(NULL, &early.nb);
	KUNIT_EXPECT_STREQ(test, told, "eAlAeFlF");
	KUNIT_EXPECT_EQ(test, taken(test), 0);
}

static struct listener *latecomers;

/* At a known point of an allocation; a driver registers in process context. */
static int let_latecomers_register(struct ioasid_notification *what)
{
	return ioasid_register_notifier(NULL, &latecomers[0].nb) ?:
	       ioasid_register_notifier(what->set, &latecomers[1].nb);
}

static void notifier_that_comes_during_an_allocation_may_be_told_of_free_only(struct kunit *test)
{
	struct ioasid_test *t = test->priv;
	struct listener l = LISTENER('i', IOASID_PRIORITY_IOMMU);
	struct listener late[] = {
		LISTENER('c', IOASID_PRIORITY_CPU), LISTENER('d', IOASID_PRIORITY_DEVICE),
	};

	told[0] = '\0';
	latecomers = late;
	l.act = let_latecomers_register;
	KUNIT_ASSERT_EQ(test, ioasid_register_notifier(t->kernel, &l.nb), 0);
	KUNIT_EXPECT_EQ(test, ioasid_alloc(t->kernel, BASE, BASE, NULL), BASE);
	KUNIT_EXPECT_EQ(test, l.acted, 0);
	KUNIT_EXPECT_STREQ(test, told, "iAdA");

	told[0] = '\0';
	l.act = NULL;
	KUNIT_EXPECT_EQ(test, ioasid_free(t->kernel, BASE), 0);
	KUNIT_EXPECT_STREQ(test, told, "cFiFdF");

	/* Of the next one all are told. */
	told[0] = '\0';
	KUNIT_EXPECT_EQ(test, ioasid_alloc(t->kernel, BASE, BASE, NULL), BASE);
	KUNIT_EXPECT_EQ(test, ioasid_free(t->kernel, BASE), 0);
	KUNIT_EXPECT_STREQ(test, told, "cAiAdAcFiFdF");
	ioasid_unregister_notifier(NULL, &late[0].nb);
	ioasid_unregister_notifier(t->kernel, &late[1].nb);
	ioasid_unregister_notifier(t->kernel, &l.nb);
}

struct latecomer {
	struct notifier_block	nb;
	unsigned long		last;
	int			told;
	bool			bad;
};

static int expect_turns(struct notifier_block *nb, unsigned long event, void *data)
{
	struct latecomer *l = container_of(nb, struct latecomer, nb);

	if (l->told && event == l->last)
		l->bad = true;
	l->last = event;
	WRITE_ONCE(l->told, l->told + 1);
	return NOTIFY_OK;
}

static int alloc_and_free(void *data)
{
	while (!kthread_should_stop()) {
		if (ioasid_alloc(data, BASE, BASE, NULL) == BASE)
			ioasid_free(data, BASE);
		cond_resched();
	}
	return 0;
}

/* Whatever the allocation had come to when a notifier registered. */
static void allocation_and_free_are_told_in_turns(struct kunit *test)
{
	struct ioasid_test *t = test->priv;
	struct task_struct *other = kthread_run(alloc_and_free, t->kernel, "alloc_and_free");
	int i, bad = 0;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, other);
	for (i = 0; i < 100; i++) {
		struct latecomer l = { .nb.notifier_call = expect_turns };

		if (ioasid_register_notifier(NULL, &l.nb))
			break;
		while (READ_ONCE(l.told) < 5)
			usleep_range(10, 20);
		ioasid_unregister_notifier(NULL, &l.nb);
		bad += l.bad;
	}
	kthread_stop(other);
	KUNIT_EXPECT_EQ(test, i, 100);
	KUNIT_EXPECT_EQ(test, bad, 0);
}

struct slow {
	struct notifier_block	nb;
	struct ioasid_set	*set;
	struct completion	inside;
	struct completion	done;
	bool			left;
};

static int be_slow(struct notifier_block *nb, unsigned long event, void *data)
{
	struct slow *slow = container_of(nb, struct slow, nb);

	complete(&slow->inside);
	mdelay(50);
	WRITE_ONCE(slow->left, true);
	return NOTIFY_OK;
}

static int bind(void *data)
{
	struct slow *slow = data;

	ioasid_notify(slow->set, BASE, IOASID_NOTIFY_BIND);
	complete(&slow->done);
	return 0;
}

static void unregistering_waits_for_notifiers(struct kunit *test)
{
	struct ioasid_test *t = test->priv;
	struct slow slow = { .nb.notifier_call = be_slow, .set = t->kernel };

	init_completion(&slow.inside);
	init_completion(&slow.done);
	KUNIT_ASSERT_EQ(test, ioasid_alloc(t->kernel, BASE, BASE, NULL), BASE);
	KUNIT_ASSERT_EQ(test, ioasid_register_notifier(NULL, &slow.nb), 0);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, kthread_run(bind, &slow, "bind"));
	wait_for_completion(&slow.inside);
	ioasid_unregister_notifier(NULL, &slow.nb);
	KUNIT_EXPECT_TRUE(test, READ_ONCE(slow.left));
	wait_for_completion(&slow.done);
	KUNIT_EXPECT_EQ(test, ioasid_free(t->kernel, BASE), 0);
}

struct sleeper {
	struct work_struct	work;
	int			nth;
};

static int nr_done;

static void sleep_a_little(struct work_struct *work)
{
	usleep_range(4000, 5000);
	container_of(work, struct sleeper, work)->nth = ++nr_done;
}

static void queued_work_is_done_in_order(struct kunit *test)
{
	struct sleeper sleeper[3];
	int i;

	nr_done = 0;
	for (i = 0; i < ARRAY_SIZE(sleeper); i++) {
		INIT_WORK_ONSTACK(&sleeper[i].work, sleep_a_little);
		KUNIT_EXPECT_TRUE(test, ioasid_queue_work(&sleeper[i].work));
	}
	KUNIT_EXPECT_FALSE(test, ioasid_queue_work(&sleeper[2].work));
	for (i = 0; i < ARRAY_SIZE(sleeper); i++) {
		flush_work(&sleeper[i].work);
		KUNIT_EXPECT_EQ(test, sleeper[i].nth, i + 1);
		destroy_work_on_stack(&sleeper[i].work);
	}
}

/* As if the IOMMUs of the machine were other ones. */
static void reset_capacity(u32 widest, u32 total)
{
	capacity_widest = widest;
	capacity_set_total(total);
}

static void capacity_is_that_of_the_widest_iommu(struct kunit *test)
{
	struct ioasid_test *t = test->priv;
	u32 total = t->before.total, bound = capacity_bound, widest = capacity_widest;
	u32 used = t->before.kernel + t->before.user;
	struct ioasid_capacity cap;
	struct ioasid_set *set;

	/* Without an IOMMU; one without PASIDs, or with PASID 0 alone, is none. */
	capacity_bound = IOASID_MAX;
	reset_capacity(0, IOASID_MAX);
	ioasid_report_iommu(0);
	ioasid_report_iommu(1);
	ioasid_get_capacity(&cap);
	KUNIT_EXPECT_EQ(test, cap.total, IOASID_MAX);

	/* IDs that an IOMMU cannot tell apart stay, and nobody gets more of them. */
	set = ioasid_set_alloc(NULL, 0x10000);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, set);
	KUNIT_EXPECT_EQ(test, ioasid_alloc(set, 0x10000, IOASID_MAX, NULL), 0x10000);
	ioasid_report_iommu(0x8000);
	ioasid_get_capacity(&cap);
	KUNIT_EXPECT_EQ(test, cap.total, 0x7fff);
	KUNIT_EXPECT_EQ(test, cap.kernel, 0x10000 + t->before.kernel);
	KUNIT_EXPECT_EQ(test, cap.user, t->before.user);
	KUNIT_EXPECT_EQ(test, cap.available, 0);
	KUNIT_EXPECT_EQ(test, ioasid_alloc(t->kernel, 1, IOASID_MAX, NULL), -ENOSPC);
	KUNIT_EXPECT_EQ(test, ioasid_set_quota(t->kernel, 1), -ENOSPC);
	KUNIT_EXPECT_EQ(test, ioasid_alloc(set, 0x10000, IOASID_MAX, NULL), -ENOSPC);
	KUNIT_EXPECT_EQ(test, ioasid_set_quota(set, 0xffff), 0);
	KUNIT_EXPECT_EQ(test, ioasid_free(set, 0x10000), 0);
	ioasid_set_put(set);
	ioasid_get_capacity(&cap);
	KUNIT_EXPECT_EQ(test, cap.available, 0x7fff - used);

	/* The widest counts, up to the bound from the command line. */
	ioasid_report_iommu(0x10000);
	ioasid_report_iommu(0x100);
	ioasid_get_capacity(&cap);
	KUNIT_EXPECT_EQ(test, cap.total, 0xffff);
	KUNIT_EXPECT_EQ(test, cap.available, 0xffff - used);
	KUNIT_EXPECT_EQ(test, ioasid_alloc(t->kernel, 0x10000, IOASID_MAX, NULL), -ENOSPC);
	KUNIT_EXPECT_EQ(test, ioasid_alloc(t->kernel, 0xffff, IOASID_MAX, NULL), 0xffff);
	KUNIT_EXPECT_EQ(test, ioasid_free(t->kernel, 0xffff), 0);
	capacity_bound = 0x1ffff;
	ioasid_report_iommu(IOASID_MAX + 1);
	ioasid_get_capacity(&cap);
	KUNIT_EXPECT_EQ(test, cap.total, 0x1ffff);

	capacity_bound = bound;
	reset_capacity(widest, total);
}

/* What debugfs shows, on one line each. */
static char *shown_sets(struct kunit *test)
{
	struct seq_file m = { .size = PAGE_SIZE };
	loff_t pos = 0;
	void *v;

	m.buf = kunit_kzalloc(test, PAGE_SIZE, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, m.buf);
	for (v = sets_start(&m, &pos); v; v = sets_next(&m, v, &pos)) {
		/* As a reader does who comes back for more. */
		sets_stop(&m, v);
		v = sets_start(&m, &pos);
		KUNIT_EXPECT_EQ(test, sets_show(&m, v), 0);
	}
	sets_stop(&m, v);
	KUNIT_EXPECT_FALSE(test, seq_has_overflowed(&m));
	return m.buf;
}

static void debugfs_shows_the_sets(struct kunit *test)
{
	struct ioasid_test *t = test->priv;
	struct ioasid_set *set = ioasid_set_alloc(t->mm, 5);
	char line[128], *shown;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, set);
	KUNIT_EXPECT_EQ(test, ioasid_alloc(t->kernel, BASE, BASE, NULL), BASE);
	KUNIT_EXPECT_EQ(test, ioasid_alloc_user(set, BASE, BASE + 1), BASE + 1);
	shown = shown_sets(test);
	KUNIT_EXPECT_TRUE(test, str_has_prefix(shown, "set\tkind\tquota\tallocated\tpid\t"));
	sprintf(line, "\n%lu\tkernel\t0\t1\t-\t-\t-\n", t->kernel->id);
	KUNIT_EXPECT_NOT_NULL(test, strstr(shown, line));
	sprintf(line, "\n%lu\tprocess\t5\t1\t%d\t%s\t", set->id, current->pid, current->comm);
	KUNIT_EXPECT_NOT_NULL(test, strstr(shown, line));

	ioasid_set_close(set);
	KUNIT_EXPECT_NULL(test, strstr(shown_sets(test), line));
	KUNIT_EXPECT_EQ(test, ioasid_free(t->kernel, BASE), 0);
}

#ifdef CONFIG_FAILSLAB
/*
 * Every allocation of @call fails once, in turn, until it needs no more. The xarray
 * then tries once more, and succeeds; of the others there are @fatal at least.
 */
static void fail_each(struct kunit *test, long (*call)(struct kunit *test), int fatal)
{
	int left = 0, failed = 0, nth;

	for (nth = 1; !left; nth++) {
		long ret;

		current->fail_nth = nth;
		ret = call(test);
		left = current->fail_nth;
		current->fail_nth = 0;
		if (ret < 0) {
			KUNIT_EXPECT_EQ_MSG(test, ret, -ENOMEM, "allocation %d", nth);
			KUNIT_EXPECT_EQ(test, left, 0);
			failed++;
		}
		KUNIT_EXPECT_EQ(test, taken(test), 0);
	}
	KUNIT_EXPECT_GE(test, failed, fatal);
}

static long make_set(struct kunit *test)
{
	struct ioasid_set *set = ioasid_set_alloc(((struct ioasid_test *)test->priv)->mm, 3);

	if (IS_ERR(set))
		return PTR_ERR(set);
	ioasid_set_close(set);
	return 0;
}

static long make_pasid(struct kunit *test)
{
	struct mm_struct *mm = ((struct ioasid_test *)test->priv)->mm;
	int id = ioasid_mm_alloc(mm, IOASID_MAX);

	if (id > 0)
		ioasid_mm_free(mm, id);
	KUNIT_EXPECT_NULL(test, ioasid_find_mm_set(mm));
	return id;
}

static long make_kernel_set(struct kunit *test)
{
	struct ioasid_set *set = ioasid_set_alloc(NULL, 3);

	if (IS_ERR(set))
		return PTR_ERR(set);
	ioasid_set_put(set);
	return 0;
}

static long make_id(struct kunit *test)
{
	struct ioasid_test *t = test->priv;
	int id = ioasid_alloc(t->kernel, IOASID_MAX / 2, IOASID_MAX, NULL);

	return id < 0 ? id : ioasid_free(t->kernel, id);
}

static long give_spid(struct kunit *test)
{
	struct ioasid_test *t = test->priv;
	int ret = ioasid_alloc(t->kernel, BASE, BASE, NULL);

	if (ret < 0)
		return ret;
	ret = ioasid_attach_spid(t->kernel, BASE, 0x12345);
	ioasid_free(t->kernel, BASE);
	return ret;
}

static long listen_to_mm(struct kunit *test)
{
	struct listener l = LISTENER('l', IOASID_PRIORITY_DEVICE);
	struct mm_struct *mm = ((struct ioasid_test *)test->priv)->mm;
	int ret = ioasid_register_notifier_mm(mm, &l.nb);

	if (!ret)
		ioasid_unregister_notifier_mm(mm, &l.nb);
	return ret;
}

static void want_of_memory_changes_nothing(struct kunit *test)
{
	gfp_t mask = gfp_allowed_mask;

	/* Failslab spares the allocations that may sleep: for now, none may. */
	gfp_allowed_mask &= ~__GFP_DIRECT_RECLAIM;
	/* The first is what makes the mm known. */
	fail_each(test, listen_to_mm, 1);
	fail_each(test, make_set, 2);
	fail_each(test, make_pasid, 3);
	fail_each(test, make_kernel_set, 1);
	fail_each(test, make_id, 1);
	fail_each(test, give_spid, 1);
	gfp_allowed_mask = mask;
}
#endif

static void let_go_of_all(void *data)
{
	struct ioasid_set *set = data;
	u32 id = BASE + info(set).allocated - 1;

	if (!ioasid_get(set, id)) {
		ioasid_put(id);
		ioasid_free(set, id);
	}
	ioasid_put(BASE);
}

static void let_go_of_pasid(void *data)
{
	struct ioasid_test *t = data;

	ioasid_mm_free(t->mm, t->pasid);
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
		KUNIT_EXPECT_EQ(test, ioasid_alloc(set, BASE, IOASID_MAX, NULL), BASE + 1);
		KUNIT_EXPECT_EQ(test, ioasid_get(set, BASE), 0);
		ioasid_set_close(set);
		KUNIT_EXPECT_EQ(test, taken(test), 2);
		call_in[i](test, let_go_of_all, set);
		KUNIT_EXPECT_EQ(test, taken(test), 0);

		t->pasid = ioasid_mm_alloc(t->mm, IOASID_MAX);
		KUNIT_EXPECT_GT(test, t->pasid, 0);
		call_in[i](test, let_go_of_pasid, t);
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
			id[j] = ioasid_alloc(taker->set, BASE, BASE + 2, NULL);
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
	KUNIT_CASE(pasid_shares_the_set_of_the_mm),
	KUNIT_CASE(pasid_uses_up_the_quota),
	KUNIT_CASE(refused_pasid_leaves_nothing),
	KUNIT_CASE(kernel_ids_survive_the_close),
	KUNIT_CASE(set_ends_with_the_address_space),
	KUNIT_CASE(pasid_outlives_the_address_space),
	KUNIT_CASE(kernel_thread_that_borrows_the_mm_does_not_become_the_owner),
	KUNIT_CASE(calls_in_all_states),
	KUNIT_CASE(id_is_owned_by_the_mm_of_its_set),
	KUNIT_CASE(sets_are_found_by_their_ids_and_mms),
	KUNIT_CASE(walk_visits_what_is_not_freed),
	KUNIT_CASE(all_of_a_set_can_be_freed),
	KUNIT_CASE(data_is_found_until_it_is_detached),
	KUNIT_CASE(spid_names_one_id_of_a_set),
	KUNIT_CASE(notifiers_are_told_in_the_order_of_priorities),
	KUNIT_CASE(notifiers_may_do_anything_to_the_id),
	KUNIT_CASE(all_are_told_of_allocation_before_any_is_of_free),
	KUNIT_CASE(notifier_that_comes_during_an_allocation_may_be_told_of_free_only),
	KUNIT_CASE(allocation_and_free_are_told_in_turns),
	KUNIT_CASE(unregistering_waits_for_notifiers),
	KUNIT_CASE(queued_work_is_done_in_order),
	KUNIT_CASE(capacity_is_that_of_the_widest_iommu),
	KUNIT_CASE(debugfs_shows_the_sets),
#ifdef CONFIG_FAILSLAB
	KUNIT_CASE(want_of_memory_changes_nothing),
#endif
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

/*
 * Everything at once, on a few IDs of one set and on the sets of one mm. What this
 * does nobody else sees: user space may do its own meanwhile.
 */

#define NR_IDS		8
#define NR_HANDS	5

struct hand {
	struct ioasid_set	*set;
	struct mm_struct	*mm;
	void			(*act)(struct hand *hand);
	struct completion	done;
	unsigned long		until;
	unsigned long		steps;
	atomic_t		notified;	/* by more than one at a time */
	atomic_t		*heard;		/* that of who listens */
	const char		*wrong;		/* the first answer that cannot be */
	long			answer;
};

static void allow(struct hand *hand, const char *what, long answer, long a, long b, long c)
{
	if (answer < 0 && answer != a && answer != b && answer != c && !hand->wrong) {
		hand->wrong = what;
		hand->answer = answer;
	}
}

static void handle_ids(struct hand *hand)
{
	u32 id = BASE + get_random_u32_below(NR_IDS);
	u32 spid = 1 + get_random_u32_below(NR_IDS);
	long ret = 0;

	switch (get_random_u32_below(8)) {
	case 0:
	case 1:
		ret = ioasid_alloc(hand->set, BASE, BASE + NR_IDS - 1, &some_data);
		allow(hand, "alloc", ret, -ENOSPC, 0, 0);
		break;
	case 2:
		allow(hand, "free", ioasid_free(hand->set, id), -ENOENT, -EBUSY, 0);
		break;
	case 3:
		ret = ioasid_get(hand->set, id);
		allow(hand, "get", ret, -ENOENT, -EBUSY, 0);
		cond_resched();
		if (!ret)
			ioasid_put(id);
		break;
	case 4:
		ret = ioasid_attach_spid(hand->set, id, spid);
		allow(hand, "attach_spid", ret, -ENOENT, -EBUSY, -EEXIST);
		break;
	case 5:
		ret = ioasid_find_by_spid(hand->set, spid);
		allow(hand, "find_by_spid", ret, -ENOENT, -EBUSY, 0);
		if (ret > 0)
			ioasid_put(ret);
		break;
	case 6:
		allow(hand, "detach_spid", ioasid_detach_spid(hand->set, id), -ENOENT, 0, 0);
		break;
	case 7:
		ret = PTR_ERR_OR_ZERO(ioasid_find(hand->set, id, get_data));
		allow(hand, "find", ret, -ENOENT, 0, 0);
		if (!get_random_u32_below(64)) {
			ret = PTR_ERR_OR_ZERO(ioasid_detach_data(hand->set, id));
			allow(hand, "detach_data", ret, -ENOENT, 0, 0);
		}
		break;
	}
}

struct busybody {
	struct notifier_block	nb;
	struct hand		*hand;
};

/* Of an ID of user space, too. */
static int meddle(struct notifier_block *nb, unsigned long event, void *data)
{
	struct busybody *b = container_of(nb, struct busybody, nb);
	struct ioasid_notification *what = data;
	long ret = ioasid_get(what->set, what->id);

	/* A notifier is told while the ID exists. */
	allow(b->hand, "get by a notifier", ret, -EBUSY, 0, 0);
	if (!ret)
		ioasid_put(what->id);
	atomic_inc(&b->hand->notified);
	return NOTIFY_OK;
}

static void handle_notifiers(struct hand *hand)
{
	struct busybody b = {
		.nb = { .notifier_call = meddle, .priority = get_random_u32_below(NR_PRIORITIES) },
		.hand = hand,
	};

	switch (get_random_u32_below(3)) {
	case 0:
		allow(hand, "register", ioasid_register_notifier(NULL, &b.nb), 0, 0, 0);
		usleep_range(1000, 2000);
		ioasid_unregister_notifier(NULL, &b.nb);
		break;
	case 1:
		allow(hand, "register", ioasid_register_notifier(hand->set, &b.nb), 0, 0, 0);
		usleep_range(1000, 2000);
		ioasid_unregister_notifier(hand->set, &b.nb);
		break;
	case 2:
		allow(hand, "register", ioasid_register_notifier_mm(hand->mm, &b.nb), 0, 0, 0);
		usleep_range(1000, 2000);
		ioasid_unregister_notifier_mm(hand->mm, &b.nb);
		break;
	}
}

static void handle_mm(struct hand *hand)
{
	struct ioasid_set *set = ioasid_set_alloc(hand->mm, get_random_u32_below(3)), *found;
	int id;

	/* A PASID keeps the last set, with what a notifier still holds in it. */
	if (IS_ERR(set)) {
		allow(hand, "set_alloc", PTR_ERR(set), -ENOSPC, 0, 0);
		return;
	}
	/* A PASID may have used up the quota. */
	id = ioasid_alloc_user(set, BASE + NR_IDS, IOASID_MAX);
	allow(hand, "alloc_user", id, -ENOSPC, 0, 0);
	found = ioasid_find_mm_set(hand->mm);
	if (found != set)
		allow(hand, "find_mm_set", -1, 0, 0, 0);
	ioasid_set_close(set);
	/* No notifier holds it for long. */
	if (info(found).allocated)
		cond_resched();
	ioasid_set_put(found);
}

/* In the set that handle_mm() makes, or in one of its own that it joins */
static void handle_pasid(struct hand *hand)
{
	int id = ioasid_mm_alloc(hand->mm, IOASID_MAX);

	allow(hand, "mm_alloc", id, -ENOSPC, 0, 0);
	cond_resched();
	if (id > 0)
		ioasid_mm_free(hand->mm, id);
}

static int put_found(u32 id, void *data)
{
	struct hand *hand = data;
	struct ioasid_set *set = ioasid_find_set(id);

	/* It is held, and so exists. */
	if (set != hand->set)
		allow(hand, "find_set", -1, 0, 0, 0);
	if (set)
		ioasid_set_put(set);
	return 0;
}

static void walk(struct hand *hand)
{
	ioasid_set_for_each_ioasid(hand->set, put_found, hand);
	if (!get_random_u32_below(16))
		ioasid_free_all_in_set(hand->set);
	handle_ids(hand);
}

static int be_hand(void *data)
{
	struct hand *hand = data;

	/* A machine may have so much else to do that a second is not enough. */
	do {
		hand->act(hand);
		hand->steps++;
		cond_resched();
	} while (time_before(jiffies, hand->until) ||
		 (!atomic_read(hand->heard) && time_before(jiffies, hand->until + 30 * HZ)));
	complete(&hand->done);
	return 0;
}

static void everything_at_once(struct kunit *test)
{
	static void (* const acts[NR_HANDS])(struct hand *) = {
		handle_ids, handle_notifiers, handle_mm, handle_pasid, walk,
	};
	struct hand *hands = kunit_kzalloc(test, sizeof(*hands) * NR_HANDS, GFP_KERNEL);
	struct ioasid_set *set = ioasid_set_alloc(NULL, 0);
	struct mm_struct *mm = mm_alloc();
	int i;

	KUNIT_ASSERT_NOT_NULL(test, hands);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, set);
	KUNIT_ASSERT_NOT_NULL(test, mm);
	for (i = 0; i < NR_HANDS; i++) {
		hands[i].set = set;
		hands[i].mm = mm;
		hands[i].act = acts[i];
		hands[i].heard = &hands[1].notified;
		hands[i].until = jiffies + HZ;
		init_completion(&hands[i].done);
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, kthread_run(be_hand, &hands[i], "hand/%d", i));
	}
	for (i = 0; i < NR_HANDS; i++) {
		wait_for_completion(&hands[i].done);
		KUNIT_EXPECT_GT(test, hands[i].steps, 0);
		KUNIT_EXPECT_NULL_MSG(test, hands[i].wrong, "%s: %ld", hands[i].wrong,
				      hands[i].answer);
	}
	KUNIT_EXPECT_GT(test, atomic_read(&hands[1].notified), 0);

	ioasid_free_all_in_set(set);
	KUNIT_EXPECT_EQ(test, info(set).allocated, 0);
	KUNIT_EXPECT_TRUE(test, xa_empty(&set->spids));
	KUNIT_EXPECT_EQ(test, refcount_read(&set->refs), 1);
	ioasid_set_put(set);
	KUNIT_EXPECT_NULL(test, ioasid_find_mm_set(mm));
	mmput(mm);
}

static struct kunit_case stress_cases[] = {
	KUNIT_CASE(everything_at_once),
	{}
};

static struct kunit_suite stress_suite = {
	.name = "ioasid_stress",
	.test_cases = stress_cases,
};

kunit_test_suites(&ioasid_suite, &stress_suite);
