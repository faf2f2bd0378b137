// SPDX-License-Identifier: GPL-2.0-only
/*
 * A worked example of the users of the IOASID allocator, for authors of drivers to
 * copy; Documentation/driver-api/ioasid.rst explains it. A KUnit suite runs it.
 *
 * There is no hardware: a bitmap stands in for the table of an IOMMU, and where a
 * device would be told something there is a comment that begins with "Here".
 */

#include <linux/atomic.h>
#include <linux/bitmap.h>
#include <linux/ioasid.h>
#include <linux/kref.h>
#include <linux/llist.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/notifier.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

/* Section: the driver of an IOMMU. */

struct example_iommu {
	struct notifier_block	nb;
	spinlock_t		lock;		/* in any context; guards @table */
	unsigned long		*table;		/* a bit for each ID: it is translated */
	u32			last;
};

/* An entry holds its ID, so that the number is not given out again while it exists. */
static void iommu_enter(struct example_iommu *iommu, struct ioasid_set *set, u32 id)
{
	unsigned long flags;

	/* Either the FREE notifier finds the entry, or ioasid_get() fails here. */
	spin_lock_irqsave(&iommu->lock, flags);
	if (!test_bit(id, iommu->table) && !ioasid_get(set, id))
		__set_bit(id, iommu->table);
	spin_unlock_irqrestore(&iommu->lock, flags);
}

static void iommu_remove(struct example_iommu *iommu, u32 id)
{
	unsigned long flags;
	bool was_there;

	spin_lock_irqsave(&iommu->lock, flags);
	was_there = __test_and_clear_bit(id, iommu->table);
	spin_unlock_irqrestore(&iommu->lock, flags);

	/* Here the caches of the IOMMU forget the ID, without sleeping. */
	if (was_there)
		ioasid_put(id);
}

static int iommu_told(struct notifier_block *nb, unsigned long event, void *data)
{
	struct example_iommu *iommu = container_of(nb, struct example_iommu, nb);
	struct ioasid_notification *what = data;

	switch (event) {
	case IOASID_NOTIFY_BIND:
		iommu_enter(iommu, what->set, what->id);
		return NOTIFY_OK;
	case IOASID_NOTIFY_UNBIND:
	case IOASID_NOTIFY_FREE:
		iommu_remove(iommu, what->id);
		return NOTIFY_OK;
	}
	return NOTIFY_DONE;
}

static int iommu_enter_early(u32 id, void *data)
{
	struct ioasid_set *set = ioasid_find_set(id);

	/* The walk holds the ID, and the ID its set. */
	iommu_enter(data, set, id);
	ioasid_set_put(set);
	return 0;
}

/* @early: a set with IDs that were bound before the notifier is registered. */
static int iommu_start(struct example_iommu *iommu, struct ioasid_set *early)
{
	int ret;

	/* Here iommu_device_register() reports this width to the core. */
	iommu->last = IOASID_MAX;
	iommu->table = kvcalloc(BITS_TO_LONGS(iommu->last + 1), sizeof(long), GFP_KERNEL);
	if (!iommu->table)
		return -ENOMEM;

	spin_lock_init(&iommu->lock);
	iommu->nb.notifier_call = iommu_told;
	iommu->nb.priority = IOASID_PRIORITY_IOMMU;
	ret = ioasid_register_notifier(NULL, &iommu->nb);
	if (ret) {
		kvfree(iommu->table);
		return ret;
	}
	/* Register first, then walk, so that no ID is missed in between. */
	return ioasid_set_for_each_ioasid(early, iommu_enter_early, iommu);
}

static void iommu_stop(struct example_iommu *iommu)
{
	unsigned int id;

	ioasid_unregister_notifier(NULL, &iommu->nb);
	for_each_set_bit(id, iommu->table, iommu->last + 1)
		iommu_remove(iommu, id);
	kvfree(iommu->table);
}

/* Section: the kernel's own use of a device. */

/* This device has 16 bits for an ID. */
#define DEVICE_LAST	0xffff

struct example_own {
	struct ioasid_set	*set;
	u32			id;
};

static int own_start(struct example_own *own)
{
	int ret;

	own->set = ioasid_set_alloc(NULL, 1);
	if (IS_ERR(own->set))
		return PTR_ERR(own->set);
	ret = ioasid_alloc(own->set, 1, DEVICE_LAST, own);
	if (ret < 0)
		goto put_set;
	own->id = ret;
	ret = ioasid_notify(own->set, own->id, IOASID_NOTIFY_BIND);
	if (ret)
		goto free_id;
	/* Here the device begins to use the ID. */
	return 0;

free_id:
	ioasid_free(own->set, own->id);
put_set:
	ioasid_set_put(own->set);
	return ret;
}

static void own_stop(struct example_own *own)
{
	/* Here the device stops using the ID; may sleep. */
	ioasid_notify(own->set, own->id, IOASID_NOTIFY_UNBIND);
	ioasid_detach_data(own->set, own->id);
	ioasid_free(own->set, own->id);
	ioasid_set_put(own->set);
}

/* Section: a function of the device, given to a guest. */

struct example_guest {
	struct ioasid_set	*set;		/* the guest's IDs only */
	struct notifier_block	nb;
	spinlock_t		lock;		/* in any context; binding against FREE */
	struct llist_head	freed;		/* uses to end, each with a reference */
	struct work_struct	drain;
};

/* The private data of an ID that is bound. It holds the ID until use_end(). */
struct example_use {
	struct kref		ref;		/* the ID's, and one per ioasid_find() */
	struct ioasid_set	*set;		/* kept by the ID */
	u32			id;
	atomic_t		ended;
	atomic_t		faults;
	struct llist_node	node;
};

static bool use_get(void *data)
{
	return kref_get_unless_zero(&((struct example_use *)data)->ref);
}

static void use_release(struct kref *ref)
{
	/* ioasid_detach_data() has waited for all readers. */
	kfree(container_of(ref, struct example_use, ref));
}

static void use_put(struct example_use *use)
{
	kref_put(&use->ref, use_release);
}

/* Ends a use once, even if the guest unbinds the ID while it is freed. */
static void use_end(struct example_use *use)
{
	if (atomic_xchg(&use->ended, 1))
		return;

	/* Here the device completes what it does under the ID, and that is waited for. */
	might_sleep();
	/* Fails if the ID is being freed: then the IOMMU was told by FREE. */
	ioasid_notify(use->set, use->id, IOASID_NOTIFY_UNBIND);
	ioasid_detach_data(use->set, use->id);
	ioasid_put(use->id);
	use_put(use);
}

static void guest_drain(struct work_struct *work)
{
	struct example_guest *guest = container_of(work, struct example_guest, drain);
	struct example_use *use, *next;

	llist_for_each_entry_safe(use, next, llist_del_all(&guest->freed), node) {
		use_end(use);
		use_put(use);
	}
}

static int guest_told(struct notifier_block *nb, unsigned long event, void *data)
{
	struct example_guest *guest = container_of(nb, struct example_guest, nb);
	struct ioasid_notification *what = data;
	struct example_use *use;
	unsigned long flags;

	if (event != IOASID_NOTIFY_FREE)
		return NOTIFY_DONE;

	/* Either this finds the data of guest_bind(), or guest_bind() gets -EBUSY. */
	spin_lock_irqsave(&guest->lock, flags);
	use = ioasid_find(what->set, what->id, use_get);
	spin_unlock_irqrestore(&guest->lock, flags);
	if (!IS_ERR_OR_NULL(use)) {
		llist_add(&use->node, &guest->freed);
		ioasid_queue_work(&guest->drain);
	}
	return NOTIFY_OK;
}

static int guest_start(struct example_guest *guest, u32 quota)
{
	int ret;

	guest->set = ioasid_set_alloc(NULL, quota);
	if (IS_ERR(guest->set))
		return PTR_ERR(guest->set);
	spin_lock_init(&guest->lock);
	init_llist_head(&guest->freed);
	INIT_WORK(&guest->drain, guest_drain);
	guest->nb.notifier_call = guest_told;
	guest->nb.priority = IOASID_PRIORITY_DEVICE;
	ret = ioasid_register_notifier(guest->set, &guest->nb);
	if (ret)
		ioasid_set_put(guest->set);
	return ret;
}

/* The guest is gone: the functions below are not called any more. */
static void guest_stop(struct example_guest *guest)
{
	ioasid_free_all_in_set(guest->set);
	ioasid_unregister_notifier(guest->set, &guest->nb);
	flush_work(&guest->drain);
	ioasid_set_put(guest->set);
}

static int guest_resize(struct example_guest *guest, u32 quota)
{
	return ioasid_set_quota(guest->set, quota);
}

/* How many more IDs the guest can have. */
static u32 guest_available(struct example_guest *guest)
{
	struct ioasid_set_info info;

	ioasid_set_get_info(guest->set, &info);
	return info.available;
}

/* Give the guest an ID. The guest knows it as @spid only. */
static int guest_alloc(struct example_guest *guest, u32 spid)
{
	int id, ret;

	id = ioasid_alloc(guest->set, 1, DEVICE_LAST, NULL);
	if (id < 0)
		return id;
	ret = ioasid_attach_spid(guest->set, id, spid);
	if (ret)
		ioasid_free(guest->set, id);
	return ret;
}

static int guest_free(struct example_guest *guest, u32 spid)
{
	int id, ret;

	id = ioasid_find_by_spid(guest->set, spid);
	if (id < 0)
		return id;
	ret = ioasid_free(guest->set, id);
	/* The guest can use the number again, even if the device is not yet done. */
	if (!ret)
		ioasid_detach_spid(guest->set, id);
	ioasid_put(id);
	return ret;
}

static int guest_bind(struct example_guest *guest, u32 spid)
{
	struct example_use *use;
	int id, ret;

	id = ioasid_find_by_spid(guest->set, spid);
	if (id < 0)
		return id;
	use = kzalloc(sizeof(*use), GFP_KERNEL);
	ret = use ? ioasid_get(guest->set, id) : -ENOMEM;
	if (ret)
		goto out;
	kref_init(&use->ref);
	use->set = guest->set;
	use->id = id;

	spin_lock_irq(&guest->lock);
	ret = ioasid_attach_data(guest->set, id, use);
	spin_unlock_irq(&guest->lock);
	if (ret) {
		ioasid_put(id);
		goto out;
	}
	/* Now @use belongs to the ID. If this fails, FREE has found @use and ends it. */
	use = NULL;
	ret = ioasid_notify(guest->set, id, IOASID_NOTIFY_BIND);
out:
	kfree(use);
	/* Held until here: if @use has ended, the number could be another ID's by now. */
	ioasid_put(id);
	return ret;
}

static int guest_unbind(struct example_guest *guest, u32 spid)
{
	struct example_use *use;
	int id;

	id = ioasid_find_by_spid(guest->set, spid);
	if (id < 0)
		return id;
	use = ioasid_find(guest->set, id, use_get);
	ioasid_put(id);
	if (IS_ERR_OR_NULL(use))
		return -ENOENT;
	use_end(use);
	use_put(use);
	return 0;
}

/* The device reports a fault under @id, in any context, even late. */
static void guest_fault(struct example_guest *guest, u32 id)
{
	struct example_use *use = ioasid_find(guest->set, id, use_get);

	if (IS_ERR_OR_NULL(use))
		return;
	atomic_inc(&use->faults);
	use_put(use);
}

/* Section: a function of the device, opened by a process. */

/* Its ID was allocated by the process, which may free it whenever it likes. */
struct example_file {
	struct mm_struct	*mm;
	struct notifier_block	nb;
	struct mutex		mutex;		/* one file_bind() or file_unbind() at a time */
	spinlock_t		lock;		/* in any context; guards @set and @id */
	struct ioasid_set	*set;		/* with a reference, as has @id */
	u32			id;		/* 0: none */
	struct work_struct	drain;
};

static void file_end(struct example_file *file)
{
	struct ioasid_set *set;
	u32 id;

	spin_lock_irq(&file->lock);
	set = file->set;
	id = file->id;
	file->id = 0;
	spin_unlock_irq(&file->lock);
	if (!id)
		return;

	/* Here the device completes what it does under the ID, and that is waited for. */
	might_sleep();
	ioasid_notify(set, id, IOASID_NOTIFY_UNBIND);
	ioasid_put(id);
	ioasid_set_put(set);
}

static void file_drain(struct work_struct *work)
{
	file_end(container_of(work, struct example_file, drain));
}

/* The data of the ID may be another driver's: do not look at it. */
static int file_told(struct notifier_block *nb, unsigned long event, void *data)
{
	struct example_file *file = container_of(nb, struct example_file, nb);
	struct ioasid_notification *what = data;
	unsigned long flags;

	if (event != IOASID_NOTIFY_FREE)
		return NOTIFY_DONE;
	spin_lock_irqsave(&file->lock, flags);
	if (file->id == what->id)
		ioasid_queue_work(&file->drain);
	spin_unlock_irqrestore(&file->lock, flags);
	return NOTIFY_OK;
}

static int file_open(struct example_file *file)
{
	int ret;

	file->mm = current->mm;
	file->nb.notifier_call = file_told;
	file->nb.priority = IOASID_PRIORITY_DEVICE;
	mutex_init(&file->mutex);
	spin_lock_init(&file->lock);
	INIT_WORK(&file->drain, file_drain);

	/* The process may not have allocated an ID yet. */
	mmgrab(file->mm);
	ret = ioasid_register_notifier_mm(file->mm, &file->nb);
	if (ret)
		mmdrop(file->mm);
	return ret;
}

static int file_bind(struct example_file *file, u32 id)
{
	struct ioasid_set *set;
	int ret;

	/* The caller is another process, with a copy of the descriptor. */
	if (current->mm != file->mm)
		return -EPERM;

	guard(mutex)(&file->mutex);
	ret = ioasid_get_if_owned(id);
	if (ret)
		return ret;
	set = ioasid_find_set(id);

	spin_lock_irq(&file->lock);
	ret = file->id ? -EBUSY : ioasid_get(set, id);
	if (!ret) {
		file->set = ioasid_set_get(set);
		file->id = id;
	}
	spin_unlock_irq(&file->lock);

	/* If this fails, FREE has found @file->id. */
	if (!ret)
		ret = ioasid_notify(set, id, IOASID_NOTIFY_BIND);
	/* Held until here: if the file has dropped it, the number could be another ID's. */
	ioasid_put(id);
	ioasid_set_put(set);
	return ret;
}

static void file_unbind(struct example_file *file)
{
	guard(mutex)(&file->mutex);
	file_end(file);
	/* Work that is queued for this ID must not end the next one. */
	flush_work(&file->drain);
}

static u32 file_available(struct example_file *file)
{
	struct ioasid_set *set = ioasid_find_mm_set(file->mm);
	struct ioasid_set_info info;

	if (!set)
		return 0;
	ioasid_set_get_info(set, &info);
	ioasid_set_put(set);
	return info.available;
}

/* The caller may be any process that closes the last copy of the descriptor. */
static void file_release(struct example_file *file)
{
	ioasid_unregister_notifier_mm(file->mm, &file->nb);
	file_unbind(file);
	mmdrop(file->mm);
}

/* Section: the tests. */

#include "tests/ioasid_example_kunit.c"

MODULE_DESCRIPTION("Worked example of the users of the IOASID allocator");
MODULE_LICENSE("GPL");
