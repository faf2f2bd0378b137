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
 * always an ID for whom the counters have promised one. A set holds what is known
 * of its mm. Others find that by the mm for as long as it has users, all of which
 * end before the mm does: the last is SVA, at its death. The set may outlive both.
 *
 * Locks, none inside another but for what the controller takes in the first:
 *
 *   set->account.lock	interrupts off; the counts of a set, its list of IDs, which
 *			of them are freed, and the charge
 *   ioasids' xa_lock	interrupts off; also guards the highest ID
 *   sets' xa_lock	interrupts off
 *   set->spids' xa_lock	interrupts off
 *   mms_lock		interrupts off; what is known of which mm, and who shares its set
 *   capacity_mutex	process context; installing a capacity
 *   set->spid_mutex	process context; attaching and detaching private IDs. What
 *			lies under it is taken in it
 *
 * Notifiers are called without any. IDs, sets and what is known of an mm are freed
 * after a grace period of RCU. What makes a set or an ID, changes a quota, closes a
 * set, or deals with private IDs and notifiers runs in process context and may
 * sleep; all else may be called from any context but NMI.
 */

#include <linux/debugfs.h>
#include <linux/hashtable.h>
#include <linux/init.h>
#include <linux/ioasid.h>
#include <linux/ioasids_cgroup.h>
#include <linux/mm_types.h>
#include <linux/mutex.h>
#include <linux/notifier.h>
#include <linux/pid.h>
#include <linux/refcount.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#define NR_PRIORITIES	(IOASID_PRIORITY_CPU + 1)

/* By priority: that of one notifier holds over those of other chains. */
struct ioasid_chain {
	struct atomic_notifier_head	head[NR_PRIORITIES];
};

/* Who shares the set of an mm; the last to leave takes it from the mm. */
enum ioasid_sharer {
	IOASID_SHARER_MAKER	= BIT(0),	/* ioasid_set_alloc() */
	IOASID_SHARER_SVA	= BIT(1),	/* ioasid_mm_alloc() */
};

struct ioasid_mm {
	struct mm_struct	*mm;		/* exists; NULL: there are no @users */
	struct hlist_node	node;
	unsigned int		users;		/* notifiers and @sharers */
	unsigned int		sharers;
	struct ioasid_set	*set;		/* held by each of @sharers */
	struct ioasid_chain	chain;
	refcount_t		refs;
	struct rcu_head		rcu;
};

struct ioasid_set {
	struct ioasids_account	account;
	u32			quota;
	refcount_t		refs;
	unsigned long		id;
	struct ioasid_mm	*mm;		/* NULL: a kernel set */
	struct list_head	ids;		/* those that are not gone */
	struct mutex		spid_mutex;
	struct xarray		spids;
	struct ioasid_chain	chain;
	struct rcu_head		rcu;
};

struct ioasid {
	u32			id;
	u32			spid;		/* 0: none */
	refcount_t		refs;
	bool			live;		/* has an ID, and notifiers know */
	bool			user;		/* user space can free it */
	bool			freed;		/* gone when the last user is */
	struct ioasid_set	*set;
	void __rcu		*data;
	union {
		struct list_head	node;
		struct rcu_head		rcu;
	};
};

static DEFINE_XARRAY_FLAGS(ioasids, XA_FLAGS_ALLOC1 | XA_FLAGS_LOCK_IRQ | XA_FLAGS_ACCOUNT);
static DEFINE_XARRAY_FLAGS(sets, XA_FLAGS_LOCK_IRQ | XA_FLAGS_ACCOUNT);
static struct kmem_cache *ioasid_cache;
static struct workqueue_struct *ioasid_wq;
static struct ioasid_chain all_chain = {
	.head = { [0 ... NR_PRIORITIES - 1] = ATOMIC_NOTIFIER_INIT(all_chain.head) },
};

static DEFINE_SPINLOCK(mms_lock);
static DEFINE_HASHTABLE(mms, 10);

/*
 * The capacity: what is left of it, what kernel sets have of it, and the whole. To
 * lower the whole takes the difference, as a set would.
 */
static atomic_t capacity_left = ATOMIC_INIT(IOASID_MAX);
static atomic_t capacity_kernel;
static u32 capacity_total = IOASID_MAX;
static u32 capacity_bound = IOASID_MAX;		/* by the command line */
static DEFINE_MUTEX(capacity_mutex);

static bool capacity_try_take(u32 n)
{
	int left = atomic_read(&capacity_left);

	do {
		if (n > left)
			return false;
	} while (!atomic_try_cmpxchg(&capacity_left, &left, left - n));

	return true;
}

static bool capacity_take(struct ioasid_set *set, u32 n)
{
	if (!capacity_try_take(n))
		return false;
	if (!set->mm)
		atomic_add(n, &capacity_kernel);
	return true;
}

static void capacity_give(struct ioasid_set *set, u32 n)
{
	if (!set->mm)
		atomic_sub(n, &capacity_kernel);
	WARN_ON_ONCE(atomic_add_return(n, &capacity_left) > IOASID_MAX);
}

void ioasid_get_capacity(struct ioasid_capacity *cap)
{
	cap->total = READ_ONCE(capacity_total);
	cap->available = min_t(u32, atomic_read(&capacity_left), cap->total);
	cap->kernel = min_t(u32, atomic_read(&capacity_kernel), cap->total - cap->available);
	cap->user = cap->total - cap->available - cap->kernel;
}
EXPORT_SYMBOL_GPL(ioasid_get_capacity);

/* Have the IDs from 1 to @total, of which there are no more than now. */
static int capacity_lower(u32 total)
{
	u32 excess = capacity_total - total;
	unsigned long id = total;
	int ret = 0;

	if (!capacity_try_take(excess))
		return -ENOSPC;

	xa_lock_irq(&ioasids);
	if (xa_find_after(&ioasids, &id, ULONG_MAX, XA_PRESENT))
		ret = -ENOSPC;
	else
		WRITE_ONCE(capacity_total, total);
	xa_unlock_irq(&ioasids);

	if (ret)
		atomic_add(excess, &capacity_left);
	return ret;
}

static u32 capacity_installed;

int ioasid_install_capacity(u32 total)
{
	int ret = 0;

	if (!total || total > IOASID_MAX)
		return -EINVAL;

	mutex_lock(&capacity_mutex);
	if (!capacity_installed) {
		ret = capacity_lower(min(total, capacity_bound));
		if (!ret)
			capacity_installed = total;
	} else if (capacity_installed != total) {
		ret = -EBUSY;
	}
	mutex_unlock(&capacity_mutex);
	return ret;
}
EXPORT_SYMBOL_GPL(ioasid_install_capacity);

/* Early: nobody has taken anything yet. */
static int __init ioasid_set_bound(char *arg)
{
	u32 bound;

	if (!arg || kstrtou32(arg, 0, &bound) || !bound || bound > IOASID_MAX) {
		pr_err("ioasid_capacity=%s is ignored: it should be from 1 to %u\n", arg ?: "",
		       IOASID_MAX);
		return 0;
	}
	capacity_bound = bound;
	capacity_total = bound;
	atomic_set(&capacity_left, bound);
	return 0;
}
early_param("ioasid_capacity", ioasid_set_bound);

/*
 * A limit is asked before the capacity: -EAGAIN when both are used up. What the
 * machine does not have should not be charged, not even for an instant.
 */
static int set_charge(struct ioasid_set *set, u32 n)
{
	int ret;

	if (n > (u32)atomic_read(&capacity_left) && n <= ioasids_available(&set->account))
		return -ENOSPC;
	ret = ioasids_try_charge(&set->account, n);
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
EXPORT_SYMBOL_GPL(ioasid_set_quota);

static void chain_init(struct ioasid_chain *chain)
{
	int i;

	for (i = 0; i < NR_PRIORITIES; i++)
		ATOMIC_INIT_NOTIFIER_HEAD(&chain->head[i]);
}

static struct ioasid_mm *mm_find(struct mm_struct *mm)
{
	struct ioasid_mm *known;

	lockdep_assert_held(&mms_lock);

	hash_for_each_possible(mms, known, node, (unsigned long)mm) {
		if (known->mm == mm)
			return known;
	}
	return NULL;
}

static void mm_put(struct ioasid_mm *known)
{
	if (refcount_dec_and_test(&known->refs))
		kfree_rcu(known, rcu);
}

/* Become a user of what is known of @mm. */
static struct ioasid_mm *mm_use(struct mm_struct *mm)
{
	struct ioasid_mm *new = kzalloc(sizeof(*new), GFP_KERNEL_ACCOUNT), *known;

	if (!new)
		return ERR_PTR(-ENOMEM);

	new->mm = mm;
	chain_init(&new->chain);
	refcount_set(&new->refs, 1);

	spin_lock_irq(&mms_lock);
	known = mm_find(mm);
	if (!known) {
		hash_add(mms, &new->node, (unsigned long)mm);
		swap(known, new);
	}
	known->users++;
	spin_unlock_irq(&mms_lock);
	kfree(new);
	return known;
}

static void mm_unuse(struct ioasid_mm *known, unsigned int sharer)
{
	unsigned long flags;
	bool last;

	spin_lock_irqsave(&mms_lock, flags);
	known->sharers &= ~sharer;
	if (!known->sharers)
		known->set = NULL;
	last = !--known->users;
	if (last) {
		hash_del(&known->node);
		/* Its address may be that of another mm soon. */
		WRITE_ONCE(known->mm, NULL);
	}
	spin_unlock_irqrestore(&mms_lock, flags);
	if (last)
		mm_put(known);
}

/* Share the set of the mm or, if it has none, @new; NULL if that is NULL too. */
static struct ioasid_set *mm_share(struct ioasid_mm *known, unsigned int sharer,
				   struct ioasid_set *new)
{
	struct ioasid_set *set;

	spin_lock_irq(&mms_lock);
	set = known->set ?: new;
	if (set && known->sharers & sharer) {
		set = ERR_PTR(-EEXIST);
	} else if (set) {
		known->set = ioasid_set_get(set);
		known->sharers |= sharer;
	}
	spin_unlock_irq(&mms_lock);
	return set;
}

static void set_release(struct ioasid_set *set)
{
	unsigned long flags;

	spin_lock_irqsave(&set->account.lock, flags);
	WARN_ON_ONCE(set->account.allocated);
	set_change_quota(set, 0);
	spin_unlock_irqrestore(&set->account.lock, flags);
	ioasids_account_close(&set->account);
	put_pid(set->account.owner);

	xa_lock_irqsave(&sets, flags);
	__xa_erase(&sets, set->id);
	xa_unlock_irqrestore(&sets, flags);
	if (set->mm)
		mm_put(set->mm);
	/* An insertion that failed can leave a node without an entry. */
	xa_destroy(&set->spids);
	kfree_rcu(set, rcu);
}

/* With the caller for its owner, if it is an mm's. */
static struct ioasid_set *set_make(struct ioasid_mm *known)
{
	static atomic_long_t last_id;
	struct ioasid_set *set;
	int ret;

	set = kzalloc(sizeof(*set), GFP_KERNEL_ACCOUNT);
	if (!set)
		return ERR_PTR(-ENOMEM);

	spin_lock_init(&set->account.lock);
	refcount_set(&set->refs, 1);
	INIT_LIST_HEAD(&set->ids);
	mutex_init(&set->spid_mutex);
	xa_init_flags(&set->spids, XA_FLAGS_LOCK_IRQ | XA_FLAGS_ACCOUNT);
	chain_init(&set->chain);
	if (known) {
		refcount_inc(&known->refs);
		set->mm = known;
		set->account.owner = get_pid(task_tgid(current));
		ioasids_account_open(&set->account);
	}

	/* A long of 32 bits may come round. */
	do {
		set->id = atomic_long_inc_return(&last_id);
		ret = xa_insert_irq(&sets, set->id, set, GFP_KERNEL);
	} while (ret == -EBUSY);
	if (ret) {
		ioasid_set_put(set);
		return ERR_PTR(ret);
	}
	return set;
}

/* The set of @mm, made if need be, with a reference for @sharer. */
static struct ioasid_set *set_of_mm(struct mm_struct *mm, unsigned int sharer)
{
	struct ioasid_mm *known = mm_use(mm);
	struct ioasid_set *set, *new;

	if (IS_ERR(known))
		return ERR_CAST(known);

	set = mm_share(known, sharer, NULL);
	if (!set) {
		/* Complete before others can find it; one of theirs may be first. */
		new = set_make(known);
		set = IS_ERR(new) ? new : mm_share(known, sharer, new);
		if (!IS_ERR(new))
			ioasid_set_put(new);
	}
	if (IS_ERR(set))
		mm_unuse(known, 0);
	return set;
}

static void set_leave(struct ioasid_set *set, unsigned int sharer)
{
	mm_unuse(set->mm, sharer);
	ioasid_set_put(set);
}

struct ioasid_set *ioasid_set_alloc(struct mm_struct *mm, u32 quota)
{
	struct ioasid_set *set = mm ? set_of_mm(mm, IOASID_SHARER_MAKER) : set_make(NULL);
	int ret;

	if (IS_ERR(set) || !quota)
		return set;

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
EXPORT_SYMBOL_GPL(ioasid_set_alloc);

struct ioasid_set *ioasid_set_get(struct ioasid_set *set)
{
	refcount_inc(&set->refs);
	return set;
}
EXPORT_SYMBOL_GPL(ioasid_set_get);

void ioasid_set_put(struct ioasid_set *set)
{
	if (refcount_dec_and_test(&set->refs))
		set_release(set);
}
EXPORT_SYMBOL_GPL(ioasid_set_put);

struct ioasid_set *ioasid_find_mm_set(struct mm_struct *mm)
{
	struct ioasid_mm *known;
	struct ioasid_set *set;
	unsigned long flags;

	spin_lock_irqsave(&mms_lock, flags);
	known = mm_find(mm);
	set = known && known->set ? ioasid_set_get(known->set) : NULL;
	spin_unlock_irqrestore(&mms_lock, flags);
	return set;
}
EXPORT_SYMBOL_GPL(ioasid_find_mm_set);

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
		list_add_tail(&id->node, &set->ids);
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

/* Whether it was the last one. */
static bool ioasid_drop(struct ioasid *id)
{
	unsigned long flags;

	if (!refcount_dec_and_test(&id->refs))
		return false;

	if (id->spid) {
		xa_lock_irqsave(&id->set->spids, flags);
		__xa_erase(&id->set->spids, id->spid);
		xa_unlock_irqrestore(&id->set->spids, flags);
	}
	xa_lock_irqsave(&ioasids, flags);
	__xa_erase(&ioasids, id->id);
	xa_unlock_irqrestore(&ioasids, flags);
	set_remove(id, false);
	return true;
}

static void chain_call(struct ioasid_chain *chain, int priority, enum ioasid_event event,
		       struct ioasid_notification *what)
{
	if (rcu_access_pointer(chain->head[priority].head))
		atomic_notifier_call_chain(&chain->head[priority], event, what);
}

static void notify(struct ioasid *id, enum ioasid_event event)
{
	struct ioasid_set *set = id->set;
	struct ioasid_notification what = { .set = set, .id = id->id };
	int i;

	rcu_read_lock();
	what.spid = READ_ONCE(id->spid);
	what.data = rcu_dereference(id->data);
	for (i = NR_PRIORITIES; i--; ) {
		chain_call(&all_chain, i, event, &what);
		if (set->mm)
			chain_call(&set->mm->chain, i, event, &what);
		chain_call(&set->chain, i, event, &what);
	}
	rcu_read_unlock();
}

static void finish_free(struct ioasid *id)
{
	notify(id, IOASID_NOTIFY_FREE);
	ioasid_drop(id);
}

static int __ioasid_alloc(struct ioasid_set *set, u32 min, u32 max, void *data, bool user)
{
	struct ioasid *id;
	bool freed;
	int ret;

	if (!min)
		min = 1;
	if (min > max)
		return -EINVAL;

	/* The kernel may want IDs before this has its cache. */
	id = ioasid_cache ? kmem_cache_alloc(ioasid_cache, GFP_KERNEL) :
			    kmalloc(sizeof(*id), GFP_KERNEL_ACCOUNT);
	if (!id)
		return -ENOMEM;

	/* Nobody can hold it before it is certain to be. */
	refcount_set(&id->refs, 0);
	id->spid = 0;
	id->live = false;
	id->user = false;
	id->freed = false;
	RCU_INIT_POINTER(id->data, data);
	ret = set_add(set, id);
	if (ret) {
		kfree(id);
		return ret;
	}

	id->set = ioasid_set_get(set);
	xa_lock_irq(&ioasids);
	max = min(max, capacity_total);
	ret = min > max ? -ENOSPC :
	      __xa_alloc(&ioasids, &id->id, id, XA_LIMIT(min, max), GFP_KERNEL);
	/* The lock was dropped if that needed memory. */
	if (!ret && id->id > capacity_total) {
		__xa_erase(&ioasids, id->id);
		ret = -ENOSPC;
	}
	/* One reference more than its own, until this is done with it. */
	if (!ret)
		refcount_set(&id->refs, 2);
	xa_unlock_irq(&ioasids);
	if (ret) {
		set_remove(id, true);
		return ret == -EBUSY ? -ENOSPC : ret;
	}

	notify(id, IOASID_NOTIFY_ALLOC);
	spin_lock_irq(&set->account.lock);
	id->user = user;
	id->live = true;
	freed = id->freed;
	spin_unlock_irq(&set->account.lock);
	ret = id->id;
	/* By a notifier, or who guessed it. All are told of one thing after the other. */
	if (freed)
		finish_free(id);
	ioasid_drop(id);
	return ret;
}

int ioasid_alloc(struct ioasid_set *set, u32 min, u32 max, void *data)
{
	return __ioasid_alloc(set, min, max, data, false);
}
EXPORT_SYMBOL_GPL(ioasid_alloc);

int ioasid_alloc_user(struct ioasid_set *set, u32 min, u32 max)
{
	return __ioasid_alloc(set, min, max, NULL, true);
}

/* Find an ID of @set, or of any if that is NULL, under rcu_read_lock(). */
static struct ioasid *ioasid_lookup(struct ioasid_set *set, u32 id)
{
	struct ioasid *p = xa_load(&ioasids, id);

	if (!p)
		return ERR_PTR(-ENOENT);
	if (set && p->set != set)
		return ERR_PTR(-EACCES);
	return p;
}

/* The same with a reference, whether it is being freed or not. */
static struct ioasid *ioasid_hold(struct ioasid_set *set, u32 id)
{
	struct ioasid *p;

	rcu_read_lock();
	p = ioasid_lookup(set, id);
	if (!IS_ERR(p) && !refcount_inc_not_zero(&p->refs))
		p = ERR_PTR(-ENOENT);
	rcu_read_unlock();
	return p;
}

/* The same, not if it is being freed. */
static struct ioasid *ioasid_hold_live(struct ioasid_set *set, u32 id)
{
	struct ioasid *p = ioasid_hold(set, id);

	if (!IS_ERR(p) && READ_ONCE(p->freed)) {
		ioasid_drop(p);
		p = ERR_PTR(-EBUSY);
	}
	return p;
}

int ioasid_get(struct ioasid_set *set, u32 id)
{
	return PTR_ERR_OR_ZERO(ioasid_hold_live(set, id));
}
EXPORT_SYMBOL_GPL(ioasid_get);

int ioasid_get_if_owned(u32 id)
{
	struct ioasid *p = ioasid_hold_live(NULL, id);

	if (IS_ERR(p))
		return PTR_ERR(p);
	if (!current->mm || !p->set->mm || READ_ONCE(p->set->mm->mm) != current->mm) {
		ioasid_drop(p);
		return -EPERM;
	}
	return 0;
}
EXPORT_SYMBOL_GPL(ioasid_get_if_owned);

bool ioasid_put(u32 id)
{
	struct ioasid *p;
	bool gone = false;

	rcu_read_lock();
	p = ioasid_lookup(NULL, id);
	if (!WARN_ON_ONCE(IS_ERR(p)))
		gone = ioasid_drop(p);
	rcu_read_unlock();
	return gone;
}
EXPORT_SYMBOL_GPL(ioasid_put);

/* Free what the caller holds. */
static int free_held(struct ioasid *id, bool user)
{
	struct ioasids_account *acct = &id->set->account;
	unsigned long flags;
	bool live;
	int ret = 0;

	spin_lock_irqsave(&acct->lock, flags);
	live = id->live;
	if (user && !id->user)
		ret = -EACCES;
	else if (id->freed)
		ret = -EBUSY;
	else
		WRITE_ONCE(id->freed, true);
	spin_unlock_irqrestore(&acct->lock, flags);

	/* Else __ioasid_alloc() does, when all have been told of the allocation. */
	if (!ret && live)
		finish_free(id);
	return ret;
}

static int __ioasid_free(struct ioasid_set *set, u32 id, bool user)
{
	struct ioasid *p = ioasid_hold(set, id);
	int ret;

	if (IS_ERR(p))
		return PTR_ERR(p);
	ret = free_held(p, user);
	ioasid_drop(p);
	return ret;
}

int ioasid_free(struct ioasid_set *set, u32 id)
{
	return __ioasid_free(set, id, false);
}
EXPORT_SYMBOL_GPL(ioasid_free);

int ioasid_free_user(struct ioasid_set *set, u32 id)
{
	return __ioasid_free(set, id, true);
}

/* The first ID after @prev that is not being freed, with a reference; drops @prev's. */
static struct ioasid *set_next(struct ioasid_set *set, struct ioasid *prev)
{
	struct ioasid *id, *next = NULL;
	unsigned long flags;

	spin_lock_irqsave(&set->account.lock, flags);
	id = list_prepare_entry(prev, &set->ids, node);
	list_for_each_entry_continue(id, &set->ids, node) {
		/* What fails in __ioasid_alloc() is nobody's to hold. */
		if (id->live && !id->freed && refcount_inc_not_zero(&id->refs)) {
			next = id;
			break;
		}
	}
	spin_unlock_irqrestore(&set->account.lock, flags);
	if (prev)
		ioasid_drop(prev);
	return next;
}

int ioasid_set_for_each_ioasid(struct ioasid_set *set, int (*fn)(u32 id, void *data),
			       void *data)
{
	struct ioasid *id = NULL;
	int ret = 0;

	while ((id = set_next(set, id))) {
		ret = fn(id->id, data);
		if (ret) {
			ioasid_drop(id);
			break;
		}
	}
	return ret;
}
EXPORT_SYMBOL_GPL(ioasid_set_for_each_ioasid);

static void set_free_all(struct ioasid_set *set, bool user)
{
	struct ioasid *id = NULL;

	while ((id = set_next(set, id))) {
		free_held(id, user);
		cond_resched();
	}
}

void ioasid_free_all_in_set(struct ioasid_set *set)
{
	set_free_all(set, false);
}
EXPORT_SYMBOL_GPL(ioasid_free_all_in_set);

void ioasid_set_close(struct ioasid_set *set)
{
	set_free_all(set, true);
	ioasid_set_quota(set, 0);
	set_leave(set, IOASID_SHARER_MAKER);
}

int ioasid_mm_alloc(struct mm_struct *mm, u32 max)
{
	struct ioasid_set *set = set_of_mm(mm, IOASID_SHARER_SVA);
	int id;

	if (IS_ERR(set))
		return PTR_ERR(set);

	id = ioasid_alloc(set, 1, max, NULL);
	if (id < 0)
		set_leave(set, IOASID_SHARER_SVA);
	return id;
}

void ioasid_mm_free(struct mm_struct *mm, u32 id)
{
	struct ioasid_set *set = ioasid_find_mm_set(mm);

	if (WARN_ON_ONCE(!set))
		return;
	WARN_ON_ONCE(ioasid_free(set, id));
	set_leave(set, IOASID_SHARER_SVA);
	ioasid_set_put(set);
}

struct ioasid_set *ioasid_find_set(u32 id)
{
	struct ioasid *p = ioasid_hold(NULL, id);
	struct ioasid_set *set;

	if (IS_ERR(p))
		return NULL;
	set = ioasid_set_get(p->set);
	ioasid_drop(p);
	return set;
}
EXPORT_SYMBOL_GPL(ioasid_find_set);

int ioasid_attach_data(struct ioasid_set *set, u32 id, void *data)
{
	struct ioasid *p;
	int ret = 0;

	if (!data)
		return -EINVAL;
	p = ioasid_hold_live(set, id);
	if (IS_ERR(p))
		return PTR_ERR(p);
	if (unrcu_pointer(cmpxchg(&p->data, NULL, RCU_INITIALIZER(data))))
		ret = -EEXIST;
	ioasid_drop(p);
	return ret;
}
EXPORT_SYMBOL_GPL(ioasid_attach_data);

void *ioasid_detach_data(struct ioasid_set *set, u32 id)
{
	struct ioasid *p = ioasid_hold(set, id);
	void *data;

	if (IS_ERR(p))
		return ERR_CAST(p);
	data = unrcu_pointer(xchg(&p->data, NULL));
	ioasid_drop(p);
	if (data)
		synchronize_rcu();
	return data;
}
EXPORT_SYMBOL_GPL(ioasid_detach_data);

void *ioasid_find(struct ioasid_set *set, u32 id, bool (*getter)(void *data))
{
	struct ioasid *p;
	void *data;

	rcu_read_lock();
	p = ioasid_lookup(set, id);
	data = IS_ERR(p) ? p : rcu_dereference(p->data);
	if (!IS_ERR_OR_NULL(data) && getter && !getter(data))
		data = NULL;
	rcu_read_unlock();
	return data;
}
EXPORT_SYMBOL_GPL(ioasid_find);

int ioasid_attach_spid(struct ioasid_set *set, u32 id, u32 spid)
{
	struct ioasid *p;
	int ret;

	if (!spid || spid > IOASID_MAX)
		return -EINVAL;
	p = ioasid_hold_live(set, id);
	if (IS_ERR(p))
		return PTR_ERR(p);

	mutex_lock(&set->spid_mutex);
	ret = p->spid ? -EEXIST : xa_insert_irq(&set->spids, spid, p, GFP_KERNEL);
	if (!ret)
		WRITE_ONCE(p->spid, spid);
	mutex_unlock(&set->spid_mutex);
	ioasid_drop(p);
	return ret == -EBUSY ? -EEXIST : ret;
}
EXPORT_SYMBOL_GPL(ioasid_attach_spid);

int ioasid_detach_spid(struct ioasid_set *set, u32 id)
{
	struct ioasid *p = ioasid_hold(set, id);
	int ret = -ENOENT;

	if (IS_ERR(p))
		return PTR_ERR(p);

	mutex_lock(&set->spid_mutex);
	if (p->spid) {
		xa_erase_irq(&set->spids, p->spid);
		WRITE_ONCE(p->spid, 0);
		ret = 0;
	}
	mutex_unlock(&set->spid_mutex);
	ioasid_drop(p);
	return ret;
}
EXPORT_SYMBOL_GPL(ioasid_detach_spid);

int ioasid_find_by_spid(struct ioasid_set *set, u32 spid)
{
	struct ioasid *p;
	int ret;

	rcu_read_lock();
	p = xa_load(&set->spids, spid);
	if (!p)
		ret = -ENOENT;
	else if (READ_ONCE(p->freed) || !refcount_inc_not_zero(&p->refs))
		ret = -EBUSY;
	else
		ret = p->id;
	rcu_read_unlock();
	return ret;
}
EXPORT_SYMBOL_GPL(ioasid_find_by_spid);

static int chain_register(struct ioasid_chain *chain, struct notifier_block *nb)
{
	if (nb->priority < 0 || nb->priority >= NR_PRIORITIES)
		return -EINVAL;
	return atomic_notifier_chain_register(&chain->head[nb->priority], nb);
}

/* Waits for those that are being called. */
static void chain_unregister(struct ioasid_chain *chain, struct notifier_block *nb)
{
	WARN_ON_ONCE(atomic_notifier_chain_unregister(&chain->head[nb->priority], nb));
}

int ioasid_register_notifier(struct ioasid_set *set, struct notifier_block *nb)
{
	return chain_register(set ? &set->chain : &all_chain, nb);
}
EXPORT_SYMBOL_GPL(ioasid_register_notifier);

void ioasid_unregister_notifier(struct ioasid_set *set, struct notifier_block *nb)
{
	chain_unregister(set ? &set->chain : &all_chain, nb);
}
EXPORT_SYMBOL_GPL(ioasid_unregister_notifier);

int ioasid_register_notifier_mm(struct mm_struct *mm, struct notifier_block *nb)
{
	struct ioasid_mm *known = mm_use(mm);
	int ret;

	if (IS_ERR(known))
		return PTR_ERR(known);
	ret = chain_register(&known->chain, nb);
	if (ret)
		mm_unuse(known, 0);
	return ret;
}
EXPORT_SYMBOL_GPL(ioasid_register_notifier_mm);

void ioasid_unregister_notifier_mm(struct mm_struct *mm, struct notifier_block *nb)
{
	struct ioasid_mm *known;

	spin_lock_irq(&mms_lock);
	known = mm_find(mm);
	spin_unlock_irq(&mms_lock);
	if (WARN_ON_ONCE(!known))
		return;
	chain_unregister(&known->chain, nb);
	mm_unuse(known, 0);
}
EXPORT_SYMBOL_GPL(ioasid_unregister_notifier_mm);

int ioasid_notify(struct ioasid_set *set, u32 id, enum ioasid_event event)
{
	struct ioasid *p;

	if (event != IOASID_NOTIFY_BIND && event != IOASID_NOTIFY_UNBIND)
		return -EINVAL;
	p = ioasid_hold_live(set, id);
	if (IS_ERR(p))
		return PTR_ERR(p);
	notify(p, event);
	ioasid_drop(p);
	return 0;
}
EXPORT_SYMBOL_GPL(ioasid_notify);

bool ioasid_queue_work(struct work_struct *work)
{
	return queue_work(ioasid_wq, work);
}
EXPORT_SYMBOL_GPL(ioasid_queue_work);

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
EXPORT_SYMBOL_GPL(ioasid_set_get_info);

void ioasid_set_show_cgroup(struct seq_file *m, struct ioasid_set *set)
{
	ioasids_show_cgroup(m, &set->account);
}

/* debugfs: the sets, by their numbers. An entry that is shown is held. */

static void *sets_from(unsigned long index, loff_t *pos)
{
	struct ioasid_set *set;

	rcu_read_lock();
	do
		set = xa_find(&sets, &index, ULONG_MAX, XA_PRESENT);
	while (set && !refcount_inc_not_zero(&set->refs) && ++index);
	rcu_read_unlock();
	*pos = index;
	return set;
}

static void *sets_start(struct seq_file *m, loff_t *pos)
{
	return *pos ? sets_from(*pos, pos) : SEQ_START_TOKEN;
}

static void sets_stop(struct seq_file *m, void *v)
{
	if (v && v != SEQ_START_TOKEN)
		ioasid_set_put(v);
}

static void *sets_next(struct seq_file *m, void *v, loff_t *pos)
{
	sets_stop(m, v);
	return sets_from(*pos + 1, pos);
}

static int sets_show(struct seq_file *m, void *v)
{
	struct ioasid_set *set = v;
	struct ioasid_set_info info;
	struct task_struct *task;

	if (v == SEQ_START_TOKEN) {
		seq_puts(m, "set\tkind\tquota\tallocated\tpid\tcommand\tcgroup\n");
		return 0;
	}

	ioasid_set_get_info(set, &info);
	seq_printf(m, "%llu\t%s\t%u\t%u\t", info.id, set->mm ? "process" : "kernel",
		   info.quota, info.allocated);

	/* An owner that is dead has neither a number nor a name any more. */
	task = get_pid_task(set->account.owner, PIDTYPE_TGID);
	if (task) {
		char comm[sizeof(task->comm)];

		seq_printf(m, "%d\t", pid_nr(set->account.owner));
		seq_escape(m, get_task_comm(comm, task), " \t\n\\");
		put_task_struct(task);
	} else {
		seq_puts(m, "-\t-");
	}
	seq_putc(m, '\t');
	ioasid_set_show_cgroup(m, set);
	seq_putc(m, '\n');
	return 0;
}

static const struct seq_operations sets_sops = {
	.start	= sets_start,
	.next	= sets_next,
	.stop	= sets_stop,
	.show	= sets_show,
};
DEFINE_SEQ_ATTRIBUTE(sets);

static int __init ioasid_init(void)
{
	ioasid_cache = KMEM_CACHE(ioasid, SLAB_ACCOUNT | SLAB_PANIC);
	ioasid_wq = alloc_ordered_workqueue("ioasid", 0);
	if (!ioasid_wq)
		panic("ioasid: no memory for its workqueue");
	debugfs_create_file("sets", 0400, debugfs_create_dir("ioasid", NULL), NULL, &sets_fops);
	return 0;
}
core_initcall(ioasid_init);

#ifdef CONFIG_IOASID_KUNIT_TEST
#include "ioasid_kunit.c"
#endif
