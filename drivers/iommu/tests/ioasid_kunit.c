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

/* Above the IDs that drivers may have taken at boot. */
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

/* The kernel's own IDs are not charged to a cgroup. */
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

/* A reservation is taken at once, from the capacity too; it is also the upper bound. */
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

/* Defect 23 of Documentation/admin-guide/ioasids-defects.rst */
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

/* Defect 19 of Documentation/admin-guide/ioasids-defects.rst */
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

	/* The last ID drops only the reference that all IDs share. */
	KUNIT_EXPECT_PTR_EQ(test, ioasid_set_get(t->kernel), t->kernel);
	KUNIT_EXPECT_EQ(test, ioasid_alloc(t->kernel, BASE, BASE, NULL), BASE);
	KUNIT_EXPECT_EQ(test, refcount_read(&t->kernel->refs), 3);
	KUNIT_EXPECT_EQ(test, ioasid_free(t->kernel, BASE), 0);
	KUNIT_EXPECT_EQ(test, refcount_read(&t->kernel->refs), 2);
	ioasid_set_put(t->kernel);
	KUNIT_EXPECT_EQ(test, info(t->kernel).allocated, 0);
}

/* Each mm has at most one set, which user space and SVA share. */
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

/* With a quota, the PASID is taken from the reservation, as any other ID is. */
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

/* User space cannot free the kernel's IDs in the set of an mm. */
static void kernel_ids_survive_the_close(struct kunit *test)
{
	struct ioasid_test *t = test->priv;
	struct ioasid_set *set = ioasid_set_alloc(t->mm, 8), *next;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, set);
	KUNIT_EXPECT_EQ(test, ioasid_alloc(set, BASE, IOASID_MAX, NULL), BASE);
	KUNIT_EXPECT_EQ(test, ioasid_alloc_user(set, BASE, IOASID_MAX), BASE + 1);
	KUNIT_EXPECT_EQ(test, ioasid_alloc_user(set, BASE, IOASID_MAX), BASE + 2);
	KUNIT_EXPECT_EQ(test, ioasid_free_user(set, BASE), -EACCES);

	/* The kernel still holds one that user space took. */
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
	/* The caller still has to close it, which gives nothing back twice. */
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
	/* As if the process that made the set had left the mm. */
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

/* The table of "DOC: states of an ID" in include/linux/ioasid.h, line by line. */

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

	/* Only a holder may call ioasid_put(). */
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
	/* Until it is free, it is charged and cannot be allocated again. */
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

	/* A closed set is not found by its mm any more, but the references keep it. */
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
		/* Free the next one as well, which is not held. */
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

	/* Holders of the ID may still need the data. */
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

	/* ioasid_find_by_spid() takes a reference. */
	KUNIT_EXPECT_EQ(test, ioasid_free(guest, BASE), 0);
	KUNIT_EXPECT_EQ(test, ioasid_find_by_spid(guest, 5), -EBUSY);
	KUNIT_EXPECT_EQ(test, ioasid_attach_spid(guest, BASE + 1, 5), -EEXIST);
	KUNIT_EXPECT_EQ(test, ioasid_detach_spid(guest, BASE), 0);
	KUNIT_EXPECT_EQ(test, ioasid_detach_spid(guest, BASE), -ENOENT);
	KUNIT_EXPECT_TRUE(test, ioasid_put(BASE));
	KUNIT_EXPECT_EQ(test, ioasid_find_by_spid(guest, 5), -ENOENT);

	/* A private ID is detached when its ID is gone. */
	KUNIT_EXPECT_EQ(test, ioasid_free(guest, BASE + 1), 0);
	KUNIT_EXPECT_TRUE(test, ioasid_put(BASE + 1));
	KUNIT_EXPECT_EQ(test, ioasid_find_by_spid(guest, IOASID_MAX), -ENOENT);
	KUNIT_EXPECT_TRUE(test, xa_empty(&guest->spids));
	KUNIT_EXPECT_FALSE(test, ioasid_put(BASE + 2));
	KUNIT_EXPECT_EQ(test, ioasid_free(t->kernel, BASE + 2), 0);
	ioasid_set_put(guest);
}

/* A notifier that records the events that it gets, and may act on the ID. */
struct listener {
	struct notifier_block	nb;
	struct ioasid_notification last;
	int			(*act)(struct ioasid_notification *what);
	int			acted;
	char			name;
};

/* The names of the listeners and their events, in order of the calls. */
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

	/* The notifier of the mm is registered before the mm has a set. */
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

	/* Events of another set reach only the notifiers of all IDs. */
	told[0] = '\0';
	KUNIT_ASSERT_EQ(test, ioasid_alloc(t->kernel, BASE + 1, BASE + 1, NULL), BASE + 1);
	KUNIT_EXPECT_EQ(test, ioasid_free(t->kernel, BASE + 1), 0);
	KUNIT_EXPECT_STREQ(test, told, "iAdAiFdF");

	/* FREE is sent once, not again with the last reference, and not if freeing fails. */
	told[0] = '\0';
	KUNIT_EXPECT_EQ(test, ioasid_get(set, BASE), 0);
	KUNIT_EXPECT_EQ(test, ioasid_free(set, BASE), 0);
	KUNIT_EXPECT_EQ(test, ioasid_free(set, BASE), -EBUSY);
	KUNIT_EXPECT_EQ(test, ioasid_alloc(set, BASE, BASE, NULL), -ENOSPC);
	KUNIT_EXPECT_TRUE(test, ioasid_put(BASE));
	KUNIT_EXPECT_STREQ(test, told, "cFiFsFdF");

	/* After a notifier was unregistered it is not called any more. */
	told[0] = '\0';
	ioasid_unregister_notifier(NULL, &device_all.nb);
	ioasid_unregister_notifier(set, &iommu_set.nb);
	ioasid_unregister_notifier(NULL, &iommu_all.nb);
	KUNIT_ASSERT_EQ(test, ioasid_alloc_user(set, BASE, BASE), BASE);
	ioasid_set_close(set);
	KUNIT_EXPECT_STREQ(test, told, "cAcF");

	/* The notifier of the mm stays registered for the next set. */
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

	/* On ALLOC and on FREE, the listener frees the ID: it is freed once. */
	l.act = free_it;
	KUNIT_EXPECT_EQ(test, ioasid_alloc(t->kernel, BASE, BASE, NULL), BASE);
	KUNIT_EXPECT_EQ(test, l.acted, -EBUSY);
	KUNIT_EXPECT_EQ(test, state_of(BASE), FREE);

	/* User space cannot free it so early, even if it guesses the number. */
	l.act = user_frees_it;
	KUNIT_EXPECT_EQ(test, ioasid_alloc_user(t->kernel, BASE, BASE), BASE);
	KUNIT_EXPECT_EQ(test, l.acted, -EACCES);

	/* On FREE the listener drops its reference, as it should. */
	l.act = put_it;
	KUNIT_EXPECT_EQ(test, ioasid_get(t->kernel, BASE), 0);
	KUNIT_EXPECT_EQ(test, ioasid_free_user(t->kernel, BASE), 0);
	KUNIT_EXPECT_EQ(test, l.acted, false);
	KUNIT_EXPECT_EQ(test, state_of(BASE), FREE);
	ioasid_unregister_notifier(t->kernel, &l.nb);
	KUNIT_EXPECT_STREQ(test, told, "lAlFlAlFlAlF");
}

/* Even if the first notifier frees the ID before the others have been told of it. */
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

/* Registers at a known point of an allocation. Drivers do so in process context. */
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

	/* All notifiers get both events of the next ID. */
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

/* ALLOC and FREE alternate, at whatever point of an allocation a notifier registers. */
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

/* Pretend that the machine has other IOMMUs. */
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

	/* An IOMMU without PASIDs, or with PASID 0 only, does not count. */
	capacity_bound = IOASID_MAX;
	reset_capacity(0, IOASID_MAX);
	ioasid_report_iommu(0);
	ioasid_report_iommu(1);
	ioasid_get_capacity(&cap);
	KUNIT_EXPECT_EQ(test, cap.total, IOASID_MAX);

	/* IDs above the new total stay until they are freed; none is given out any more. */
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

	/* The widest IOMMU counts, up to the bound from the command line. */
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

/* The text of the file in debugfs. */
static char *shown_sets(struct kunit *test)
{
	struct seq_file m = { .size = PAGE_SIZE };
	loff_t pos = 0;
	void *v;

	m.buf = kunit_kzalloc(test, PAGE_SIZE, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, m.buf);
	for (v = sets_start(&m, &pos); v; v = sets_next(&m, v, &pos)) {
		/* Stop and start again, as between two calls of read(). */
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
	sprintf(line, "\n%lu\tkernel\t0\t1\t-\t-\t-\n", t->kernel->account.id);
	KUNIT_EXPECT_NOT_NULL(test, strstr(shown, line));
	sprintf(line, "\n%lu\tprocess\t5\t1\t%d\t%s\t", set->account.id, current->pid,
		current->comm);
	KUNIT_EXPECT_NOT_NULL(test, strstr(shown, line));

	ioasid_set_close(set);
	KUNIT_EXPECT_NULL(test, strstr(shown_sets(test), line));
	KUNIT_EXPECT_EQ(test, ioasid_free(t->kernel, BASE), 0);
}

#ifdef CONFIG_FAILSLAB
/*
 * Call @call again and again; each time, its next allocation fails, until none is left.
 * The xarray retries and succeeds; at least @fatal other allocations fail for good.
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

	/* Failslab ignores allocations that may sleep: clear that flag meanwhile. */
	gfp_allowed_mask &= ~__GFP_DIRECT_RECLAIM;
	/* The first call allocates the ioasid_mm, which stays. */
	fail_each(test, listen_to_mm, 1);
	fail_each(test, make_set, 2);
	fail_each(test, make_pasid, 3);
	fail_each(test, make_kernel_set, 1);
	fail_each(test, make_id, 1);
	fail_each(test, give_spid, 1);
	gfp_allowed_mask = mask;
}
#endif

static void drop_all_ids(void *data)
{
	struct ioasid_set *set = data;
	u32 id = BASE + info(set).allocated - 1;

	if (!ioasid_get(set, id)) {
		ioasid_put(id);
		ioasid_free(set, id);
	}
	ioasid_put(BASE);
}

static void drop_pasid(void *data)
{
	struct ioasid_test *t = data;

	ioasid_mm_free(t->mm, t->pasid);
}

/* The last ID, and with it the set and its account, can be freed in an interrupt. */
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
		call_in[i](test, drop_all_ids, set);
		KUNIT_EXPECT_EQ(test, taken(test), 0);

		t->pasid = ioasid_mm_alloc(t->mm, IOASID_MAX);
		KUNIT_EXPECT_GT(test, t->pasid, 0);
		call_in[i](test, drop_pasid, t);
		KUNIT_EXPECT_EQ(test, taken(test), 0);
	}
}

#define ROUNDS	2000

struct taker {
	struct ioasid_set	*set;
	struct completion	done;
	int			errors;
};

/* Both threads compete for three IDs: try to take two of them, and free what was got. */
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

	/* If both got the same ID, the second one could not free it. */
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
 * All operations concurrently, on a few IDs of one set and on the sets of one mm. No
 * other set is affected: user space may use the allocator meanwhile.
 */

#define NR_IDS		8
#define NR_WORKERS	5

struct stress_worker {
	struct ioasid_set	*set;
	struct mm_struct	*mm;
	void			(*act)(struct stress_worker *worker);
	struct completion	done;
	unsigned long		until;
	unsigned long		steps;
	atomic_t		notified;	/* calls of its notifier, concurrent ones too */
	atomic_t		*heard;		/* @notified of the worker with notifiers */
	const char		*wrong;		/* the call that first returned a wrong value */
	long			answer;		/* that value */
};

static void allow(struct stress_worker *worker, const char *what, long answer,
		  long a, long b, long c)
{
	if (answer < 0 && answer != a && answer != b && answer != c && !worker->wrong) {
		worker->wrong = what;
		worker->answer = answer;
	}
}

static void handle_ids(struct stress_worker *worker)
{
	u32 id = BASE + get_random_u32_below(NR_IDS);
	u32 spid = 1 + get_random_u32_below(NR_IDS);
	long ret = 0;

	switch (get_random_u32_below(8)) {
	case 0:
	case 1:
		ret = ioasid_alloc(worker->set, BASE, BASE + NR_IDS - 1, &some_data);
		allow(worker, "alloc", ret, -ENOSPC, 0, 0);
		break;
	case 2:
		allow(worker, "free", ioasid_free(worker->set, id), -ENOENT, -EBUSY, 0);
		break;
	case 3:
		ret = ioasid_get(worker->set, id);
		allow(worker, "get", ret, -ENOENT, -EBUSY, 0);
		cond_resched();
		if (!ret)
			ioasid_put(id);
		break;
	case 4:
		ret = ioasid_attach_spid(worker->set, id, spid);
		allow(worker, "attach_spid", ret, -ENOENT, -EBUSY, -EEXIST);
		break;
	case 5:
		ret = ioasid_find_by_spid(worker->set, spid);
		allow(worker, "find_by_spid", ret, -ENOENT, -EBUSY, 0);
		if (ret > 0)
			ioasid_put(ret);
		break;
	case 6:
		allow(worker, "detach_spid", ioasid_detach_spid(worker->set, id), -ENOENT, 0, 0);
		break;
	case 7:
		ret = PTR_ERR_OR_ZERO(ioasid_find(worker->set, id, get_data));
		allow(worker, "find", ret, -ENOENT, 0, 0);
		if (!get_random_u32_below(64)) {
			ret = PTR_ERR_OR_ZERO(ioasid_detach_data(worker->set, id));
			allow(worker, "detach_data", ret, -ENOENT, 0, 0);
		}
		break;
	}
}

struct stress_notifier {
	struct notifier_block	nb;
	struct stress_worker		*worker;
};

/* The ID may be one of user space. */
static int stress_notify(struct notifier_block *nb, unsigned long event, void *data)
{
	struct stress_notifier *n = container_of(nb, struct stress_notifier, nb);
	struct ioasid_notification *what = data;
	long ret = ioasid_get(what->set, what->id);

	/* The ID exists as long as notifiers are called. */
	allow(n->worker, "get by a notifier", ret, -EBUSY, 0, 0);
	if (!ret)
		ioasid_put(what->id);
	atomic_inc(&n->worker->notified);
	return NOTIFY_OK;
}

static void handle_notifiers(struct stress_worker *worker)
{
	struct stress_notifier n = {
		.nb.notifier_call = stress_notify,
		.nb.priority = get_random_u32_below(NR_PRIORITIES),
		.worker = worker,
	};

	switch (get_random_u32_below(3)) {
	case 0:
		allow(worker, "register", ioasid_register_notifier(NULL, &n.nb), 0, 0, 0);
		usleep_range(1000, 2000);
		ioasid_unregister_notifier(NULL, &n.nb);
		break;
	case 1:
		allow(worker, "register", ioasid_register_notifier(worker->set, &n.nb), 0, 0, 0);
		usleep_range(1000, 2000);
		ioasid_unregister_notifier(worker->set, &n.nb);
		break;
	case 2:
		allow(worker, "register", ioasid_register_notifier_mm(worker->mm, &n.nb), 0, 0, 0);
		usleep_range(1000, 2000);
		ioasid_unregister_notifier_mm(worker->mm, &n.nb);
		break;
	}
}

static void handle_mm(struct stress_worker *worker)
{
	struct ioasid_set *set = ioasid_set_alloc(worker->mm, get_random_u32_below(3)), *found;
	int id;

	/* A PASID can keep the previous set, with IDs that a notifier still holds. */
	if (IS_ERR(set)) {
		allow(worker, "set_alloc", PTR_ERR(set), -ENOSPC, 0, 0);
		return;
	}
	/* A PASID may have used up the quota. */
	id = ioasid_alloc_user(set, BASE + NR_IDS, IOASID_MAX);
	allow(worker, "alloc_user", id, -ENOSPC, 0, 0);
	found = ioasid_find_mm_set(worker->mm);
	if (found != set)
		allow(worker, "find_mm_set", -1, 0, 0, 0);
	ioasid_set_close(set);
	/* A notifier may still hold an ID, but not for long. */
	if (info(found).allocated)
		cond_resched();
	ioasid_set_put(found);
}

/* In the set of handle_mm(), or in one that handle_mm() then shares. */
static void handle_pasid(struct stress_worker *worker)
{
	int id = ioasid_mm_alloc(worker->mm, IOASID_MAX);

	allow(worker, "mm_alloc", id, -ENOSPC, 0, 0);
	cond_resched();
	if (id > 0)
		ioasid_mm_free(worker->mm, id);
}

static int put_found(u32 id, void *data)
{
	struct stress_worker *worker = data;
	struct ioasid_set *set = ioasid_find_set(id);

	/* The walk holds the ID, so it exists. */
	if (set != worker->set)
		allow(worker, "find_set", -1, 0, 0, 0);
	if (set)
		ioasid_set_put(set);
	return 0;
}

static void walk(struct stress_worker *worker)
{
	ioasid_set_for_each_ioasid(worker->set, put_found, worker);
	if (!get_random_u32_below(16))
		ioasid_free_all_in_set(worker->set);
	handle_ids(worker);
}

static int stress_run(void *data)
{
	struct stress_worker *worker = data;

	/* On a busy machine, a second may not suffice for the first notification. */
	do {
		worker->act(worker);
		worker->steps++;
		cond_resched();
	} while (time_before(jiffies, worker->until) ||
		 (!atomic_read(worker->heard) && time_before(jiffies, worker->until + 30 * HZ)));
	complete(&worker->done);
	return 0;
}

static void everything_at_once(struct kunit *test)
{
	static void (* const acts[NR_WORKERS])(struct stress_worker *) = {
		handle_ids, handle_notifiers, handle_mm, handle_pasid, walk,
	};
	struct stress_worker *workers = kunit_kcalloc(test, NR_WORKERS, sizeof(*workers),
						      GFP_KERNEL);
	struct ioasid_set *set = ioasid_set_alloc(NULL, 0);
	struct mm_struct *mm = mm_alloc();
	int i;

	KUNIT_ASSERT_NOT_NULL(test, workers);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, set);
	KUNIT_ASSERT_NOT_NULL(test, mm);
	for (i = 0; i < NR_WORKERS; i++) {
		workers[i].set = set;
		workers[i].mm = mm;
		workers[i].act = acts[i];
		workers[i].heard = &workers[1].notified;
		workers[i].until = jiffies + HZ;
		init_completion(&workers[i].done);
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, kthread_run(stress_run, &workers[i],
							       "worker/%d", i));
	}
	for (i = 0; i < NR_WORKERS; i++) {
		wait_for_completion(&workers[i].done);
		KUNIT_EXPECT_GT(test, workers[i].steps, 0);
		KUNIT_EXPECT_NULL_MSG(test, workers[i].wrong, "%s: %ld", workers[i].wrong,
				      workers[i].answer);
	}
	KUNIT_EXPECT_GT(test, atomic_read(&workers[1].notified), 0);

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
