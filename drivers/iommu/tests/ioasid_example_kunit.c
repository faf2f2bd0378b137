// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of the worked example, included by ioasid_example.c.
 */

#include <kunit/test.h>
#include <linux/kthread.h>

struct scene {
	struct ioasid_capacity	before;
	struct example_iommu	iommu;
	struct example_own	own;
};

static bool is_bound(struct scene *s, u32 id)
{
	return test_bit(id, s->iommu.table);
}

static bool exists(u32 id)
{
	struct ioasid_set *set = ioasid_find_set(id);

	if (set)
		ioasid_set_put(set);
	return set;
}

/* The ID behind @spid, which the guest does not know. */
static u32 id_of(struct kunit *test, struct example_guest *guest, u32 spid)
{
	int id = ioasid_find_by_spid(guest->set, spid);

	KUNIT_ASSERT_GT(test, id, 0);
	ioasid_put(id);
	return id;
}

static int example_init(struct kunit *test)
{
	struct scene *s = kunit_kzalloc(test, sizeof(*s), GFP_KERNEL);
	int ret;

	KUNIT_ASSERT_NOT_NULL(test, s);
	test->priv = s;
	ioasid_get_capacity(&s->before);
	KUNIT_ASSERT_EQ(test, own_start(&s->own), 0);
	ret = iommu_start(&s->iommu, s->own.set);
	if (ret == -EBUSY) {
		own_stop(&s->own);
		kunit_skip(test, "an IOMMU's driver has installed another capacity");
	}
	KUNIT_ASSERT_EQ(test, ret, 0);
	return 0;
}

static void example_exit(struct kunit *test)
{
	struct scene *s = test->priv;
	struct ioasid_capacity after;

	if (!s->iommu.table)
		return;
	own_stop(&s->own);
	KUNIT_EXPECT_TRUE(test, bitmap_empty(s->iommu.table, s->iommu.last + 1));
	iommu_stop(&s->iommu);
	ioasid_get_capacity(&after);
	KUNIT_EXPECT_MEMEQ(test, &s->before, &after, sizeof(after));
}

static void iommu_finds_what_was_bound_before_it_came(struct kunit *test)
{
	struct scene *s = test->priv;
	u32 id = s->own.id;

	KUNIT_EXPECT_TRUE(test, is_bound(s, id));
	KUNIT_EXPECT_PTR_EQ(test, ioasid_find(s->own.set, id, NULL), (void *)&s->own);
	KUNIT_EXPECT_EQ(test, ioasid_notify(s->own.set, id, IOASID_NOTIFY_UNBIND), 0);
	KUNIT_EXPECT_FALSE(test, is_bound(s, id));
	KUNIT_EXPECT_TRUE(test, exists(id));

	/* iommu_stop() drops the references of the entries that are left. */
	KUNIT_EXPECT_EQ(test, ioasid_notify(s->own.set, id, IOASID_NOTIFY_BIND), 0);
	iommu_stop(&s->iommu);
	KUNIT_ASSERT_EQ(test, iommu_start(&s->iommu, s->own.set), 0);
	KUNIT_EXPECT_TRUE(test, is_bound(s, id));
}

static void guest_has_as_many_as_it_was_promised(struct kunit *test)
{
	struct example_guest guest;

	KUNIT_ASSERT_EQ(test, guest_start(&guest, 2), 0);
	KUNIT_EXPECT_EQ(test, guest_available(&guest), 2);
	KUNIT_EXPECT_EQ(test, guest_alloc(&guest, 1), 0);
	KUNIT_EXPECT_EQ(test, guest_alloc(&guest, 1), -EEXIST);
	KUNIT_EXPECT_EQ(test, guest_alloc(&guest, 2), 0);
	KUNIT_EXPECT_EQ(test, guest_available(&guest), 0);
	KUNIT_EXPECT_EQ(test, guest_alloc(&guest, 3), -ENOSPC);
	KUNIT_EXPECT_EQ(test, guest_resize(&guest, 3), 0);
	KUNIT_EXPECT_EQ(test, guest_alloc(&guest, 3), 0);
	KUNIT_EXPECT_EQ(test, guest_resize(&guest, 2), -ENOSPC);
	guest_stop(&guest);
}

static void guest_binds_unbinds_and_frees(struct kunit *test)
{
	struct scene *s = test->priv;
	struct example_guest guest;
	struct example_use *use;
	u32 id;

	KUNIT_ASSERT_EQ(test, guest_start(&guest, 2), 0);
	KUNIT_ASSERT_EQ(test, guest_alloc(&guest, 7), 0);
	id = id_of(test, &guest, 7);
	KUNIT_EXPECT_FALSE(test, is_bound(s, id));
	KUNIT_EXPECT_EQ(test, guest_unbind(&guest, 7), -ENOENT);

	KUNIT_EXPECT_EQ(test, guest_bind(&guest, 8), -ENOENT);
	KUNIT_EXPECT_EQ(test, guest_bind(&guest, 7), 0);
	KUNIT_EXPECT_EQ(test, guest_bind(&guest, 7), -EEXIST);
	KUNIT_EXPECT_TRUE(test, is_bound(s, id));
	guest_fault(&guest, id);
	guest_fault(&guest, s->own.id);
	use = ioasid_find(guest.set, id, use_get);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, use);
	KUNIT_EXPECT_EQ(test, atomic_read(&use->faults), 1);

	KUNIT_EXPECT_EQ(test, guest_unbind(&guest, 7), 0);
	KUNIT_EXPECT_FALSE(test, is_bound(s, id));
	KUNIT_EXPECT_TRUE(test, exists(id));
	guest_fault(&guest, id);
	KUNIT_EXPECT_EQ(test, atomic_read(&use->faults), 1);
	KUNIT_EXPECT_EQ(test, kref_read(&use->ref), 1);
	use_put(use);

	/* A freed ID is not translated any more, and is gone when the device is done. */
	KUNIT_EXPECT_EQ(test, guest_bind(&guest, 7), 0);
	KUNIT_EXPECT_EQ(test, guest_free(&guest, 7), 0);
	KUNIT_EXPECT_FALSE(test, is_bound(s, id));
	KUNIT_EXPECT_EQ(test, guest_free(&guest, 7), -ENOENT);
	flush_work(&guest.drain);
	KUNIT_EXPECT_FALSE(test, exists(id));

	/* A guest that ends without freeing its IDs. */
	KUNIT_ASSERT_EQ(test, guest_alloc(&guest, 7), 0);
	KUNIT_ASSERT_EQ(test, guest_alloc(&guest, 8), 0);
	KUNIT_EXPECT_EQ(test, guest_bind(&guest, 8), 0);
	id = id_of(test, &guest, 8);
	guest_stop(&guest);
	KUNIT_EXPECT_FALSE(test, is_bound(s, id));
	KUNIT_EXPECT_FALSE(test, exists(id));
}

static void process_frees_what_the_device_uses(struct kunit *test)
{
	struct scene *s = test->priv;
	struct example_file file = {};
	struct ioasid_set *set;
	struct mm_struct *mm;
	int id, other;

	/* This does what /dev/ioasid does, with functions that are not exported. */
	if (IS_MODULE(CONFIG_IOASID_EXAMPLE))
		kunit_skip(test, "a module cannot make the set of a process");

	mm = mm_alloc();
	KUNIT_ASSERT_NOT_NULL(test, mm);
	kthread_use_mm(mm);
	KUNIT_EXPECT_EQ(test, file_open(&file), 0);
	KUNIT_EXPECT_EQ(test, file_available(&file), 0);
	set = ioasid_set_alloc(mm, 2);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, set);
	KUNIT_EXPECT_EQ(test, file_available(&file), 2);
	id = ioasid_alloc_user(set, 1, DEVICE_LAST);
	other = ioasid_alloc_user(set, 1, DEVICE_LAST);

	KUNIT_EXPECT_EQ(test, file_bind(&file, s->own.id), -EPERM);
	KUNIT_EXPECT_EQ(test, file_bind(&file, id), 0);
	KUNIT_EXPECT_EQ(test, file_bind(&file, other), -EBUSY);
	KUNIT_EXPECT_TRUE(test, is_bound(s, id));
	file_unbind(&file);
	KUNIT_EXPECT_FALSE(test, is_bound(s, id));
	KUNIT_EXPECT_TRUE(test, exists(id));

	KUNIT_EXPECT_EQ(test, file_bind(&file, id), 0);
	KUNIT_EXPECT_EQ(test, ioasid_free_user(set, other), 0);
	KUNIT_EXPECT_TRUE(test, is_bound(s, id));
	KUNIT_EXPECT_EQ(test, ioasid_free_user(set, id), 0);
	KUNIT_EXPECT_FALSE(test, is_bound(s, id));
	flush_work(&file.drain);
	KUNIT_EXPECT_FALSE(test, exists(id));
	KUNIT_EXPECT_EQ(test, file_bind(&file, id), -ENOENT);

	/* The process ends; then another one closes the last copy of the file. */
	id = ioasid_alloc_user(set, 1, DEVICE_LAST);
	KUNIT_EXPECT_EQ(test, file_bind(&file, id), 0);
	ioasid_set_close(set);
	kthread_unuse_mm(mm);
	mmput(mm);
	KUNIT_EXPECT_EQ(test, file_bind(&file, id), -EPERM);
	file_release(&file);
	KUNIT_EXPECT_FALSE(test, is_bound(s, id));
	KUNIT_EXPECT_FALSE(test, exists(id));
}

static struct kunit_case example_cases[] = {
	KUNIT_CASE(iommu_finds_what_was_bound_before_it_came),
	KUNIT_CASE(guest_has_as_many_as_it_was_promised),
	KUNIT_CASE(guest_binds_unbinds_and_frees),
	KUNIT_CASE(process_frees_what_the_device_uses),
	{}
};

static struct kunit_suite example_suite = {
	.name = "ioasid_example",
	.init = example_init,
	.exit = example_exit,
	.test_cases = example_cases,
};

kunit_test_suite(example_suite);
