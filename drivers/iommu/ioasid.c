// SPDX-License-Identifier: GPL-2.0-only
/*
 * I/O address space ID (IOASID) allocator.
 *
 * The IDs of the machine live in one xarray. An ID belongs to a set for all of
 * its life; what a set may take, and who pays for it, is decided by its quota
 * and by the account that is embedded in it (include/linux/ioasids_cgroup.h).
 *
 * References. Whoever made a set holds one, and so does each of its IDs. An ID
 * starts with one, which ioasid_free() drops; ioasid_get() adds more. At the last
 * one the ID leaves the xarray first and is uncharged then, so that there is
 * always an ID for whom the counters have promised one.
 *
 * Locks, none inside another but for what the controller takes in the first:
 *
 *   set->account.lock	interrupts off; the counts of a set, its list of user IDs,
 *			and the charge
 *   ioasids' xa_lock	interrupts off
 *   mm_sets_lock	process context; which mm has a set
 *
 * IDs and sets are freed after a grace period of RCU. What makes a set or an ID,
 * changes a quota or closes a set runs in process context and may sleep; all else
 * may be called from any context but NMI.
 */

#include <linux/hashtable.h>
#include <linux/init.h>
#include <linux/ioasid.h>
#include <linux/ioasids_cgroup.h>
#include <linux/mm_types.h>
#include <linux/refcount.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/xarray.h>

struct ioasid_set {
	struct ioasids_account	account;
	u32			quota;
	refcount_t		refs;
	u64			id;
	struct mm_struct	*mm;		/* not pinned; NULL: a kernel set */
	struct hlist_node	mm_node;
	struct list_head	user_ids;	/* that user space can free */
	struct rcu_head		rcu;
};

struct ioasid {
	u32			id;
	refcount_t		refs;
	struct ioasid_set	*set;
	bool			user;		/* user space asked for it */
	bool			freed;		/* gone when the last user is */
	union {
		struct list_head	node;	/* in user_ids until freed */
		struct rcu_head		rcu;
	};
};

static DEFINE_XARRAY_FLAGS(ioasids, XA_FLAGS_ALLOC1 | XA_FLAGS_LOCK_IRQ | XA_FLAGS_ACCOUNT);
static struct kmem_cache *ioasid_cache;

static DEFINE_SPINLOCK(mm_sets_lock);
static DEFINE_HASHTABLE(mm_sets, 10);

/* How much of the capacity is taken: by all sets, and of that by kernel sets. */
static atomic_t capacity_taken;
static atomic_t capacity_kernel;

static bool capacity_take(struct ioasid_set *set, u32 n)
{
	int taken = atomic_read(&capacity_taken);

	do {
		if (n > IOASID_MAX - taken)
			return false;
	} while (!atomic_try_cmpxchg(&capacity_taken, &taken, taken + n));

	if (!set->mm)
		atomic_add(n, &capacity_kernel);
	return true;
}

static void capacity_give(struct ioasid_set *set, u32 n)
{
	if (!set->mm)
		atomic_sub(n, &capacity_kernel);
	WARN_ON_ONCE(atomic_sub_return(n, &capacity_taken) < 0);
}

void ioasid_get_capacity(struct ioasid_capacity *cap)
{
	u32 taken = atomic_read(&capacity_taken);

	cap->total = IOASID_MAX;
	cap->kernel = min_t(u32, atomic_read(&capacity_kernel), taken);
	cap->user = taken - cap->kernel;
	cap->available = IOASID_MAX - taken;
}

/* A limit is asked before the capacity: -EAGAIN when both are used up. */
static int set_charge(struct ioasid_set *set, u32 n)
{
	int ret = ioasids_try_charge(&set->account, n);

	if (ret)
		return ret;
	if (!capacity_take(set, n)) {
		ioasids_cancel(&set->account, n);
		return -ENOSPC;
	}
	return 0;
}

static void set_uncharge(struct ioasid_set *set, u32 n)
{
	ioasids_uncharge(&set->account, n);
	capacity_give(set, n);
}

static int set_change_quota(struct ioasid_set *set, u32 quota)
{
	u32 allocated = set->account.allocated;
	u32 from = set->quota ?: allocated;
	u32 to = quota ?: allocated;
	int ret = 0;

	lockdep_assert_held(&set->account.lock);

	if (to < allocated)
		return -ENOSPC;

	if (to > from)
		ret = set_charge(set, to - from);
	else
		set_uncharge(set, from - to);
	if (!ret)
		set->quota = quota;
	return ret;
}

int ioasid_set_quota(struct ioasid_set *set, u32 quota)
{
	int ret;

	spin_lock_irq(&set->account.lock);
	ret = set_change_quota(set, quota);
	spin_unlock_irq(&set->account.lock);
	return ret;
}

/* Enter @set as the one of its mm. */
static int set_enter_mm(struct ioasid_set *set)
{
	struct ioasid_set *other;
	int ret = 0;

	spin_lock(&mm_sets_lock);
	hash_for_each_possible(mm_sets, other, mm_node, (unsigned long)set->mm) {
		if (other->mm == set->mm)
			ret = -EEXIST;
	}
	if (!ret)
		hash_add(mm_sets, &set->mm_node, (unsigned long)set->mm);
	spin_unlock(&mm_sets_lock);
	return ret;
}

struct ioasid_set *ioasid_set_alloc(struct mm_struct *mm, u32 quota)
{
	static atomic64_t last_id;
	struct ioasid_set *set;
	int ret = 0;

	set = kzalloc(sizeof(*set), GFP_KERNEL_ACCOUNT);
	if (!set)
		return ERR_PTR(-ENOMEM);

	spin_lock_init(&set->account.lock);
	refcount_set(&set->refs, 1);
	INIT_LIST_HEAD(&set->user_ids);
	set->id = atomic64_inc_return(&last_id);
	set->mm = mm;

	if (mm) {
		ret = set_enter_mm(set);
		if (ret) {
			kfree(set);
			return ERR_PTR(ret);
		}
		ioasids_account_open(&set->account);
	}

	if (quota)
		ret = ioasid_set_quota(set, quota);
	if (ret) {
		if (mm)
			ioasid_set_close(set);
		else
			ioasid_set_put(set);
		return ERR_PTR(ret);
	}
	return set;
}

struct ioasid_set *ioasid_set_get(struct ioasid_set *set)
{
	refcount_inc(&set->refs);
	return set;
}

void ioasid_set_put(struct ioasid_set *set)
{
	unsigned long flags;

	if (!refcount_dec_and_test(&set->refs))
		return;

	spin_lock_irqsave(&set->account.lock, flags);
	WARN_ON_ONCE(set->account.allocated);
	set_change_quota(set, 0);
	spin_unlock_irqrestore(&set->account.lock, flags);
	ioasids_account_close(&set->account);
	kfree_rcu(set, rcu);
}

/* The counts of a set for one ID more; @id is not visible yet. */
static int set_add(struct ioasid_set *set, struct ioasid *id)
{
	struct ioasids_account *acct = &set->account;
	int ret = 0;

	spin_lock_irq(&acct->lock);
	if (!set->quota)
		ret = set_charge(set, 1);
	else if (acct->allocated >= set->quota)
		ret = -ENOSPC;
	if (!ret) {
		WRITE_ONCE(acct->allocated, acct->allocated + 1);
		if (id->user)
			list_add_tail(&id->node, &set->user_ids);
	}
	spin_unlock_irq(&acct->lock);
	return ret;
}

/* The same for one ID less, which nobody can see any more; then @id goes. */
static void set_remove(struct ioasid *id, bool failed)
{
	struct ioasid_set *set = id->set;
	struct ioasids_account *acct = &set->account;
	unsigned long flags;

	spin_lock_irqsave(&acct->lock, flags);
	if (id->user && !id->freed)
		list_del(&id->node);
	WRITE_ONCE(acct->allocated, acct->allocated - 1);
	if (!set->quota) {
		if (failed) {
			ioasids_cancel(acct, 1);
			capacity_give(set, 1);
		} else {
			set_uncharge(set, 1);
		}
	}
	spin_unlock_irqrestore(&acct->lock, flags);
	kfree_rcu(id, rcu);
	ioasid_set_put(set);
}

static void ioasid_drop(struct ioasid *id)
{
	unsigned long flags;

	if (!refcount_dec_and_test(&id->refs))
		return;

	xa_lock_irqsave(&ioasids, flags);
	__xa_erase(&ioasids, id->id);
	xa_unlock_irqrestore(&ioasids, flags);
	set_remove(id, false);
}

static int __ioasid_alloc(struct ioasid_set *set, u32 min, u32 max, bool user)
{
	struct ioasid *id;
	int ret;

	if (!min)
		min = 1;
	if (min > max)
		return -EINVAL;
	if (min > IOASID_MAX)
		return -ENOSPC;

	id = kmem_cache_alloc(ioasid_cache, GFP_KERNEL);
	if (!id)
		return -ENOMEM;

	refcount_set(&id->refs, 1);
	id->user = user;
	id->freed = false;
	ret = set_add(set, id);
	if (ret) {
		kmem_cache_free(ioasid_cache, id);
		return ret;
	}

	id->set = ioasid_set_get(set);
	xa_lock_irq(&ioasids);
	ret = __xa_alloc(&ioasids, &id->id, id, XA_LIMIT(min, min(max, IOASID_MAX)),
			 GFP_KERNEL);
	/* Whoever guesses the number can free it as soon as the lock is dropped. */
	if (!ret)
		ret = id->id;
	xa_unlock_irq(&ioasids);

	if (ret < 0) {
		set_remove(id, true);
		return ret == -EBUSY ? -ENOSPC : ret;
	}
	return ret;
}

int ioasid_alloc(struct ioasid_set *set, u32 min, u32 max)
{
	return __ioasid_alloc(set, min, max, false);
}

int ioasid_alloc_user(struct ioasid_set *set, u32 min, u32 max)
{
	return __ioasid_alloc(set, min, max, true);
}

/* Find an ID of @set, under rcu_read_lock(). */
static struct ioasid *ioasid_lookup(struct ioasid_set *set, u32 id)
{
	struct ioasid *p = xa_load(&ioasids, id);

	if (!p)
		return ERR_PTR(-ENOENT);
	if (p->set != set)
		return ERR_PTR(-EACCES);
	return p;
}

int ioasid_get(struct ioasid_set *set, u32 id)
{
	struct ioasid *p;
	int ret = 0;

	rcu_read_lock();
	p = ioasid_lookup(set, id);
	if (IS_ERR(p))
		ret = PTR_ERR(p);
	else if (READ_ONCE(p->freed) || !refcount_inc_not_zero(&p->refs))
		ret = -EBUSY;
	rcu_read_unlock();
	return ret;
}

void ioasid_put(struct ioasid_set *set, u32 id)
{
	struct ioasid *p;

	rcu_read_lock();
	p = ioasid_lookup(set, id);
	if (!WARN_ON_ONCE(IS_ERR(p)))
		ioasid_drop(p);
	rcu_read_unlock();
}

/* Nobody gets @id any more; the caller drops the reference it was born with. */
static void ioasid_set_freed(struct ioasid *id)
{
	lockdep_assert_held(&id->set->account.lock);

	WRITE_ONCE(id->freed, true);
	if (id->user)
		list_del(&id->node);
}

static int __ioasid_free(struct ioasid_set *set, u32 id, bool user)
{
	unsigned long flags;
	struct ioasid *p;
	int ret = 0;

	rcu_read_lock();
	p = ioasid_lookup(set, id);
	if (IS_ERR(p)) {
		ret = PTR_ERR(p);
		goto out;
	}

	spin_lock_irqsave(&set->account.lock, flags);
	if (user && !p->user)
		ret = -EACCES;
	else if (p->freed)
		ret = -EBUSY;
	else
		ioasid_set_freed(p);
	spin_unlock_irqrestore(&set->account.lock, flags);

	if (!ret)
		ioasid_drop(p);
out:
	rcu_read_unlock();
	return ret;
}

int ioasid_free(struct ioasid_set *set, u32 id)
{
	return __ioasid_free(set, id, false);
}

int ioasid_free_user(struct ioasid_set *set, u32 id)
{
	return __ioasid_free(set, id, true);
}

void ioasid_set_close(struct ioasid_set *set)
{
	struct ioasid *id;

	spin_lock(&mm_sets_lock);
	hash_del(&set->mm_node);
	spin_unlock(&mm_sets_lock);

	for (;;) {
		spin_lock_irq(&set->account.lock);
		id = list_first_entry_or_null(&set->user_ids, struct ioasid, node);
		if (id)
			ioasid_set_freed(id);
		spin_unlock_irq(&set->account.lock);
		if (!id)
			break;
		ioasid_drop(id);
		cond_resched();
	}

	ioasid_set_quota(set, 0);
	ioasid_set_put(set);
}

void ioasid_set_get_info(struct ioasid_set *set, struct ioasid_set_info *info)
{
	struct ioasids_account *acct = &set->account;
	struct ioasid_capacity cap;
	unsigned long flags;

	ioasid_get_capacity(&cap);
	spin_lock_irqsave(&acct->lock, flags);
	info->id = set->id;
	info->quota = set->quota;
	info->allocated = acct->allocated;
	if (set->quota)
		info->available = set->quota - acct->allocated;
	else
		info->available = min(cap.available, ioasids_available(acct));
	spin_unlock_irqrestore(&acct->lock, flags);
}

void ioasid_set_show_cgroup(struct seq_file *m, struct ioasid_set *set)
{
	ioasids_show_cgroup(m, &set->account);
}

static int __init ioasid_init(void)
{
	ioasid_cache = KMEM_CACHE(ioasid, SLAB_ACCOUNT | SLAB_PANIC);
	return 0;
}
core_initcall(ioasid_init);

#ifdef CONFIG_IOASID_KUNIT_TEST
#include "ioasid_kunit.c"
#endif
