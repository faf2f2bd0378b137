// SPDX-License-Identifier: GPL-2.0-only
/*
 * I/O address space ID (IOASID) allocator.
 *
 * The IDs of the machine live in one xarray. An ID belongs to a set for all of its
 * life. The set's quota says how many IDs it may have, and its account, which is
 * embedded in it, which cgroup pays (include/linux/ioasids_cgroup.h).
 *
 * The set of an mm. mm->ioasid_mm is made when the mm is first used here, and lives
 * until the mm is freed, or longer if sets refer to it. It has the mm's set and the
 * sharers of that set: one user of ioasid_set_alloc(), such as /dev/ioasid, and SVA.
 * The user leaves when it closes the set or when the address space ends, SVA when the
 * mm is freed. The last sharer to leave ends the set: no more IDs can be allocated in
 * it.
 *
 * The owner of a set is the process that made it. If the owner has died, or has left
 * the mm by exec, the process of the mm that next asks for an ID or a quota becomes
 * the owner before the request is judged: see set_lock().
 *
 * References. The sharers of a set hold one reference together, its IDs another, and
 * each caller of ioasid_set_alloc() one. An ID starts with one, which ioasid_free()
 * drops; ioasid_get() adds more. When the last reference is dropped, the ID leaves the
 * xarray before it is uncharged, so that each request that the counters grant finds a
 * free number.
 *
 * Locks. They do not nest, except that the controller takes locks of its own under
 * the first, and that set->mutex is taken outside of the others:
 *
 *   set->account.lock	interrupts off; the counts of a set, its list of IDs and their
 *			freed flags, the owner, and the charge
 *   ioasids' xa_lock	interrupts off; the IDs
 *   sets' xa_lock	interrupts off; the numbers of sets
 *   set->spids' xa_lock	interrupts off; the private IDs of a set
 *   ioasid_mm->lock	interrupts off; the set of an mm and its sharers
 *   set->mutex		process context; changing the owner
 *   capacity_mutex	process context; IOMMUs that register
 *
 * Memory. The IDs that user space takes are accounted to its memcg. The objects that
 * exist once per mm, its PASID included, are not: they are allocated under locks that
 * others wait for, such as misc_mtx and iommu_sva_lock, where reclaim for one memcg
 * would delay everybody. Nor are the xarray's nodes: they need some 10 MB at most.
 *
 * Notifiers are called without locks. IDs, sets and ioasid_mm are freed after a grace
 * period of RCU. Functions that make a set or an ID, change a quota, close a set, or
 * deal with private IDs and notifiers run in process context and may sleep. All others
 * may be called from any context but NMI or, on PREEMPT_RT, where spinlocks may sleep.
 */

#include <linux/debugfs.h>
#include <linux/init.h>
#include <linux/ioasid.h>
#include <linux/ioasids_cgroup.h>
#include <linux/mm_types.h>
#include <linux/mutex.h>
#include <linux/notifier.h>
#include <linux/pid.h>
#include <linux/refcount.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#define CREATE_TRACE_POINTS
#include <trace/events/ioasid.h>

#define NR_PRIORITIES	(IOASID_PRIORITY_CPU + 1)

/* Instead of the SPID of an ID, while it is attached or detached */
#define SPID_CHANGES	U32_MAX

/* One list per priority: all notifiers of one are called before any of the next. */
struct ioasid_chain {
	struct atomic_notifier_head	head[NR_PRIORITIES];
};

enum ioasid_sharer {
	IOASID_SHARER_USER	= BIT(0),	/* ioasid_set_alloc() */
	IOASID_SHARER_SVA	= BIT(1),	/* ioasid_mm_alloc() */
};

struct ioasid_mm {
	spinlock_t		lock;		/* guards @sharers and @set */
	unsigned int		sharers;
	struct ioasid_set	*set;		/* NULL: there are no @sharers */
	struct ioasid_chain	chain;
	refcount_t		refs;
	struct rcu_head		rcu;
};

struct ioasid_set {
	struct ioasids_account	account;
	refcount_t		refs;
	bool			ended;		/* no more IDs can be allocated */
	struct ioasid_mm	*mm;		/* NULL: a kernel set */
	struct pid		*owner;		/* NULL: a kernel set */
	u64			owner_exec_id;	/* U64_MAX: the owner is not in the mm */
	struct list_head	ids;
	struct mutex		mutex;		/* changing the owner */
	struct xarray		spids;
	struct ioasid_chain	chain;
	struct rcu_head		rcu;
};

struct ioasid {
	u32			id;
	u32			spid;		/* 0: none; or SPID_CHANGES */
	refcount_t		refs;
	bool			live;		/* notifiers have been told of it */
	bool			user;		/* user space can free it */
	bool			freed;		/* gone when the last reference is */
	struct ioasid_set	*set;
	void __rcu		*data;
	union {
		struct list_head	node;
		struct rcu_head		rcu;
	};
};

static DEFINE_XARRAY_FLAGS(ioasids, XA_FLAGS_ALLOC1 | XA_FLAGS_LOCK_IRQ);
static DEFINE_XARRAY_FLAGS(sets, XA_FLAGS_LOCK_IRQ);
static struct kmem_cache *ioasid_cache;
static struct workqueue_struct *ioasid_wq;

/* Capacity */

static u32 capacity_total = IOASID_MAX;
static u32 capacity_bound = IOASID_MAX;		/* from the command line */
static u32 capacity_widest;			/* of the IOMMUs; 0: there is none */
static DEFINE_MUTEX(capacity_mutex);
/* Negative if more IDs were taken than the first IOMMU to register can tell apart */
static atomic_t capacity_left = ATOMIC_INIT(IOASID_MAX);
static atomic_t capacity_kernel;		/* what kernel sets have */

static u32 capacity_available(void)
{
	return max(atomic_read(&capacity_left), 0);
}

/* Tell tracers that only @left IDs were left for a request. */
static void capacity_trace(struct ioasid_set *set, u32 n, u32 left)
{
	if (trace_ioasid_refused_enabled()) {
		u32 total = READ_ONCE(capacity_total);

		trace_ioasid_refused(&set->account, IOASIDS_BY_CAPACITY, NULL, n,
				     total - min(left, total), total);
	}
}

static bool capacity_charge(struct ioasid_set *set, u32 n)
{
	int left = atomic_read(&capacity_left);

	do {
		if (n > (u32)max(left, 0)) {
			capacity_trace(set, n, max(left, 0));
			return false;
		}
	} while (!atomic_try_cmpxchg(&capacity_left, &left, left - (int)n));

	if (!set->mm)
		atomic_add(n, &capacity_kernel);
	return true;
}

static void capacity_uncharge(struct ioasid_set *set, u32 n)
{
	if (!set->mm)
		atomic_sub(n, &capacity_kernel);
	WARN_ON_ONCE(atomic_add_return(n, &capacity_left) > (int)IOASID_MAX);
}

void ioasid_get_capacity(struct ioasid_capacity *cap)
{
	int total = READ_ONCE(capacity_total);
	int left = min(atomic_read(&capacity_left), total);

	cap->total = total;
	cap->kernel = min(atomic_read(&capacity_kernel), total - left);
	cap->user = total - left - cap->kernel;
	cap->available = max(left, 0);
}
EXPORT_SYMBOL_GPL(ioasid_get_capacity);

static void capacity_set_total(u32 total)
{
	int more = (int)total - (int)capacity_total;

	/* Whenever capacity_left grants an ID, there must be a number for it. */
	if (more > 0)
		WRITE_ONCE(capacity_total, total);
	atomic_add(more, &capacity_left);
	WRITE_ONCE(capacity_total, total);
}

void ioasid_report_iommu(u32 max_pasids)
{
	/* PASID 0 is never given out. */
	if (max_pasids < 2)
		return;

	mutex_lock(&capacity_mutex);
	if (max_pasids - 1 > capacity_widest) {
		capacity_widest = max_pasids - 1;
		capacity_set_total(min(capacity_widest, capacity_bound));
	}
	mutex_unlock(&capacity_mutex);
}

/* An early parameter: no ID has been allocated yet. */
static int __init ioasid_set_bound(char *arg)
{
	u32 bound;

	if (!arg || kstrtou32(arg, 0, &bound) || !bound || bound > IOASID_MAX) {
		pr_err("ioasid_capacity=%s is ignored: it should be from 1 to %u\n", arg ?: "",
		       IOASID_MAX);
		return 0;
	}
	capacity_bound = bound;
	capacity_set_total(bound);
	return 0;
}
early_param("ioasid_capacity", ioasid_set_bound);

/* Notifiers */

static atomic_t nr_notifiers;
static struct ioasid_chain all_chain = {
	.head = { [0 ... NR_PRIORITIES - 1] = ATOMIC_NOTIFIER_INIT(all_chain.head) },
};

static void chain_init(struct ioasid_chain *chain)
{
	int i;

	for (i = 0; i < NR_PRIORITIES; i++)
		ATOMIC_INIT_NOTIFIER_HEAD(&chain->head[i]);
}

static int chain_register(struct ioasid_chain *chain, struct notifier_block *nb)
{
	int ret;

	if (nb->priority < 0 || nb->priority >= NR_PRIORITIES)
		return -EINVAL;
	atomic_inc(&nr_notifiers);
	ret = atomic_notifier_chain_register(&chain->head[nb->priority], nb);
	if (ret)
		atomic_dec(&nr_notifiers);
	return ret;
}

/* Waits for calls that have begun. */
static void chain_unregister(struct ioasid_chain *chain, struct notifier_block *nb)
{
	if (!WARN_ON_ONCE(atomic_notifier_chain_unregister(&chain->head[nb->priority], nb)))
		atomic_dec(&nr_notifiers);
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

	if (!atomic_read(&nr_notifiers))
		return;

	rcu_read_lock();
	what.spid = READ_ONCE(id->spid);
	if (what.spid == SPID_CHANGES)
		what.spid = 0;
	what.data = rcu_dereference(id->data);
	for (i = NR_PRIORITIES; i--; ) {
		chain_call(&all_chain, i, event, &what);
		if (set->mm)
			chain_call(&set->mm->chain, i, event, &what);
		chain_call(&set->chain, i, event, &what);
	}
	rcu_read_unlock();
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

bool ioasid_queue_work(struct work_struct *work)
{
	return queue_work(ioasid_wq, work);
}
EXPORT_SYMBOL_GPL(ioasid_queue_work);

/* Tracepoints are called under the lock of the account; see trace/events/ioasid.h. */
#define trace_locked(event, set, ...) do {						\
	if (trace_##event##_enabled()) {						\
		struct ioasids_account *_acct = &(set)->account;			\
		unsigned long _flags;							\
											\
		spin_lock_irqsave(&_acct->lock, _flags);				\
		trace_##event(_acct, ##__VA_ARGS__);					\
		spin_unlock_irqrestore(&_acct->lock, _flags);				\
	}										\
} while (0)

/* Charge and quota */

/*
 * Limits are checked before the capacity: -EAGAIN if both are used up. A request that
 * the capacity cannot satisfy is not charged: it could show in the peak, and others would
 * be refused because of it. If the capacity falls between the two looks at it, the
 * request is charged for an instant.
 */
static __always_inline int set_charge(struct ioasid_set *set, u32 n,
				      struct ioasids_refusal *refusal)
{
	u32 left = capacity_available();
	int ret;

	if (n > left) {
		ret = ioasids_check(&set->account, n, refusal);
		if (ret)
			return ret;
		capacity_trace(set, n, left);
		return -ENOSPC;
	}
	ret = n == 1 ? ioasids_try_charge_one(&set->account, refusal) :
		       ioasids_try_charge(&set->account, n, refusal);
	if (ret)
		return ret;
	if (!capacity_charge(set, n)) {
		ioasids_cancel(&set->account, n);
		return -ENOSPC;
	}
	return 0;
}

static __always_inline void set_uncharge(struct ioasid_set *set, u32 n)
{
	if (n == 1)
		ioasids_uncharge_one(&set->account);
	else
		ioasids_uncharge(&set->account, n);
	capacity_uncharge(set, n);
}

static int set_change_quota(struct ioasid_set *set, u32 quota, struct ioasids_refusal *refusal)
{
	struct ioasids_account *acct = &set->account;
	u32 from = ioasids_charge_of(acct);
	u32 to = quota ?: acct->allocated;
	int ret = 0;

	lockdep_assert_held(&acct->lock);

	if (to < acct->allocated)
		return -ENOSPC;

	if (to > from)
		ret = set_charge(set, to - from, refusal);
	else if (to < from)
		set_uncharge(set, from - to);
	if (!ret) {
		trace_ioasid_set_quota(acct, quota);
		WRITE_ONCE(acct->quota, quota);
	}
	return ret;
}

static void set_withdraw_quota(struct ioasid_set *set)
{
	unsigned long flags;

	spin_lock_irqsave(&set->account.lock, flags);
	WARN_ON_ONCE(set_change_quota(set, 0, NULL));
	spin_unlock_irqrestore(&set->account.lock, flags);
}

/* The sets of mms */

static void mm_put(struct ioasid_mm *imm)
{
	if (refcount_dec_and_test(&imm->refs))
		kfree_rcu(imm, rcu);
}

/* The ioasid_mm of @mm, made on first use; valid as long as the mm is. */
static struct ioasid_mm *mm_of(struct mm_struct *mm)
{
	struct ioasid_mm *imm = READ_ONCE(mm->ioasid_mm), *other;

	if (imm)
		return imm;

	imm = kzalloc(sizeof(*imm), GFP_KERNEL);
	if (!imm)
		return ERR_PTR(-ENOMEM);
	spin_lock_init(&imm->lock);
	chain_init(&imm->chain);
	refcount_set(&imm->refs, 1);

	/* Publish it fully built; readers depend on the address that READ_ONCE() gets. */
	other = cmpxchg(&mm->ioasid_mm, NULL, imm);
	if (other)
		kfree(imm);
	return other ?: imm;
}

static bool mm_is_current(struct ioasid_mm *imm)
{
	return imm && current->mm && READ_ONCE(current->mm->ioasid_mm) == imm;
}

/* False for a kernel thread that borrows the mm. */
static bool current_is_process_of(struct ioasid_mm *imm)
{
	return mm_is_current(imm) && !(current->flags & PF_KTHREAD);
}

/*
 * Share the set of the mm or, if it has none, @new. Return: the set, with a reference
 * for the caller, or NULL if @new is NULL, too.
 */
static struct ioasid_set *mm_join(struct ioasid_mm *imm, unsigned int sharer,
				  struct ioasid_set *new)
{
	struct ioasid_set *set;

	spin_lock_irq(&imm->lock);
	set = imm->set ?: new;
	if (set && imm->sharers & sharer) {
		set = ERR_PTR(-EEXIST);
	} else if (set) {
		if (!imm->set)
			imm->set = ioasid_set_get(set);
		imm->sharers |= sharer;
		ioasid_set_get(set);
	}
	spin_unlock_irq(&imm->lock);
	return set;
}

/* The last sharer to leave ends the set. */
static void mm_leave(struct ioasid_mm *imm, unsigned int sharer)
{
	struct ioasid_set *set = NULL;
	unsigned long flags;
	bool unused;

	spin_lock_irqsave(&imm->lock, flags);
	imm->sharers &= ~sharer;
	if (!imm->sharers)
		swap(set, imm->set);
	spin_unlock_irqrestore(&imm->lock, flags);
	if (!set)
		return;

	spin_lock_irqsave(&set->account.lock, flags);
	WARN_ON_ONCE(set_change_quota(set, 0, NULL));
	set->ended = true;
	trace_ioasid_set_close(&set->account);
	unused = !set->account.allocated;
	spin_unlock_irqrestore(&set->account.lock, flags);
	/* Do not wait for the last reference: it may last. With IDs, set_remove_id() closes. */
	if (unused)
		ioasids_account_close(&set->account);
	ioasid_set_put(set);
}

/* The set that is shared by one of @sharers, with a reference, or NULL. */
static struct ioasid_set *mm_get_set(struct ioasid_mm *imm, unsigned int sharers)
{
	struct ioasid_set *set = NULL;
	unsigned long flags;

	if (!imm)
		return NULL;

	spin_lock_irqsave(&imm->lock, flags);
	if (imm->sharers & sharers)
		set = ioasid_set_get(imm->set);
	spin_unlock_irqrestore(&imm->lock, flags);
	return set;
}

struct ioasid_set *ioasid_find_mm_set(struct mm_struct *mm)
{
	return mm_get_set(READ_ONCE(mm->ioasid_mm), IOASID_SHARER_USER | IOASID_SHARER_SVA);
}
EXPORT_SYMBOL_GPL(ioasid_find_mm_set);

int ioasid_register_notifier_mm(struct mm_struct *mm, struct notifier_block *nb)
{
	struct ioasid_mm *imm = mm_of(mm);

	return IS_ERR(imm) ? PTR_ERR(imm) : chain_register(&imm->chain, nb);
}
EXPORT_SYMBOL_GPL(ioasid_register_notifier_mm);

void ioasid_unregister_notifier_mm(struct mm_struct *mm, struct notifier_block *nb)
{
	struct ioasid_mm *imm = READ_ONCE(mm->ioasid_mm);

	if (!WARN_ON_ONCE(!imm))
		chain_unregister(&imm->chain, nb);
}
EXPORT_SYMBOL_GPL(ioasid_unregister_notifier_mm);

/* Sets */

static void set_free(struct ioasid_set *set)
{
	unsigned long flags;

	WARN_ON_ONCE(set->account.allocated);
	set_withdraw_quota(set);
	/* Those of mms have ended, but for one that lost the race in set_share(). */
	if (set->account.id && !set->ended)
		trace_locked(ioasid_set_close, set);
	ioasids_account_close(&set->account);
	put_pid(set->owner);

	if (set->account.id) {
		xa_lock_irqsave(&sets, flags);
		__xa_erase(&sets, set->account.id);
		xa_unlock_irqrestore(&sets, flags);
	}
	if (set->mm)
		mm_put(set->mm);
	/* A failed insertion can leave a node without an entry. */
	xa_destroy(&set->spids);
	kfree_rcu(set, rcu);
}

struct ioasid_set *ioasid_set_get(struct ioasid_set *set)
{
	refcount_inc(&set->refs);
	return set;
}
EXPORT_SYMBOL_GPL(ioasid_set_get);

void ioasid_set_put(struct ioasid_set *set)
{
	if (refcount_dec_and_test(&set->refs))
		set_free(set);
}
EXPORT_SYMBOL_GPL(ioasid_set_put);

/* True until the owner dies or calls exec; self_exec_id is valid for an exited leader, too. */
static bool set_owner_is_in_mm(struct ioasid_set *set)
{
	struct task_struct *task;
	bool is_in;

	lockdep_assert_held(&set->account.lock);

	rcu_read_lock();
	task = pid_task(set->owner, PIDTYPE_TGID);
	is_in = task && atomic_read(&task->signal->live) &&
		READ_ONCE(task->self_exec_id) == set->owner_exec_id;
	rcu_read_unlock();
	return is_in;
}

/* Should the caller become the owner? */
static bool set_is_for_current(struct ioasid_set *set)
{
	return current_is_process_of(set->mm) && set->owner != task_tgid(current) &&
		!set->ended && !set_owner_is_in_mm(set);
}

/* Make the caller's thread group the owner, and its cgroup pay. */
static int set_own(struct ioasid_set *set)
{
	bool wanted = true;
	struct pid *old;
	int ret = 0;

	mutex_lock(&set->mutex);
	/* Another caller may have become the owner since. */
	if (set->owner) {
		spin_lock_irq(&set->account.lock);
		wanted = set_is_for_current(set);
		spin_unlock_irq(&set->account.lock);
	}
	if (wanted)
		ret = ioasids_account_open(&set->account);
	if (wanted && !ret) {
		spin_lock_irq(&set->account.lock);
		old = set->owner;
		set->owner = get_pid(task_tgid(current));
		set->account.tgid = pid_nr(set->owner);
		set->owner_exec_id = current_is_process_of(set->mm) ? current->self_exec_id :
								      U64_MAX;
		spin_unlock_irq(&set->account.lock);
		put_pid(old);
	}
	mutex_unlock(&set->mutex);
	return ret;
}

/*
 * Lock the account for a request of the caller. Processes that share an mm share its
 * set, and the owner is charged for all of them. If the owner has left the mm, the
 * caller becomes the owner. Under the lock, the removal of a cgroup cannot move the
 * charge to another. The lock is held even if this fails.
 */
static int set_lock(struct ioasid_set *set)
	__acquires(&set->account.lock)
{
	int ret = 0;

	spin_lock_irq(&set->account.lock);
	while (!ret && set_is_for_current(set)) {
		spin_unlock_irq(&set->account.lock);
		ret = set_own(set);
		spin_lock_irq(&set->account.lock);
	}
	return ret;
}

static struct ioasid_set *set_make(struct ioasid_mm *imm)
{
	static atomic_long_t last_id;
	struct ioasid_set *set;
	unsigned long id;
	int ret = 0;

	set = kzalloc(sizeof(*set), GFP_KERNEL);
	if (!set)
		return ERR_PTR(-ENOMEM);

	spin_lock_init(&set->account.lock);
	refcount_set(&set->refs, 1);
	INIT_LIST_HEAD(&set->ids);
	mutex_init(&set->mutex);
	xa_init_flags(&set->spids, XA_FLAGS_LOCK_IRQ | XA_FLAGS_ACCOUNT);
	chain_init(&set->chain);
	if (imm) {
		refcount_inc(&imm->refs);
		set->mm = imm;
		ret = set_own(set);
	}

	/* A 32-bit long can wrap: skip 0 and the numbers that are in use. */
	while (!ret) {
		id = atomic_long_inc_return(&last_id) ?: atomic_long_inc_return(&last_id);
		WRITE_ONCE(set->account.id, id);	/* tracepoints read it */
		ret = xa_insert_irq(&sets, id, set, GFP_KERNEL);
		if (!ret) {
			trace_locked(ioasid_set_open, set);
			return set;
		}
		if (ret == -EBUSY)
			ret = 0;
	}
	WRITE_ONCE(set->account.id, 0);
	ioasid_set_put(set);
	return ERR_PTR(ret);
}

/* The set of @mm, made if need be, shared by @sharer, with a reference. */
static struct ioasid_set *set_share(struct mm_struct *mm, unsigned int sharer)
{
	struct ioasid_mm *imm = mm_of(mm);
	struct ioasid_set *set, *new;

	if (IS_ERR(imm))
		return ERR_CAST(imm);

	set = mm_join(imm, sharer, NULL);
	if (set)
		return set;

	/* Build it fully, then publish; if another caller published first, use theirs. */
	new = set_make(imm);
	if (IS_ERR(new))
		return new;
	set = mm_join(imm, sharer, new);
	ioasid_set_put(new);
	return set;
}

struct ioasid_set *ioasid_set_alloc(struct mm_struct *mm, u32 quota)
{
	struct ioasid_set *set;
	int ret;

	if (mm) {
		/* __ioasid_mm_exit() has run already, and would never end the set. */
		if (!mmget_not_zero(mm))
			return ERR_PTR(-ESRCH);
		set = set_share(mm, IOASID_SHARER_USER);
		mmput(mm);
	} else {
		set = set_make(NULL);
	}
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

int ioasid_set_quota(struct ioasid_set *set, u32 quota)
{
	struct ioasids_refusal refusal;
	int ret;

	ret = set_lock(set);
	if (!ret)
		ret = set->ended ? -ENOENT : set_change_quota(set, quota, &refusal);
	spin_unlock_irq(&set->account.lock);
	if (ret == -EAGAIN)
		ioasids_report_refusal(&refusal);
	return ret;
}
EXPORT_SYMBOL_GPL(ioasid_set_quota);

bool ioasid_set_is_current(struct ioasid_set *set)
{
	return mm_is_current(set->mm);
}

static void set_get_info(struct ioasid_set *set, struct ioasid_set_info *info)
{
	struct ioasids_account *acct = &set->account;

	info->id = set->account.id;
	info->quota = acct->quota;
	info->allocated = acct->allocated;
	if (acct->quota)
		info->available = acct->quota - acct->allocated;
	else if (set->ended)
		info->available = 0;
	else
		info->available = min(capacity_available(), ioasids_available(acct));
}

int ioasid_set_get_own_info(struct ioasid_set *set, struct ioasid_set_info *info)
{
	int ret = set_lock(set);

	if (!ret)
		set_get_info(set, info);
	spin_unlock_irq(&set->account.lock);
	return ret;
}

void ioasid_set_get_info(struct ioasid_set *set, struct ioasid_set_info *info)
{
	unsigned long flags;

	spin_lock_irqsave(&set->account.lock, flags);
	set_get_info(set, info);
	spin_unlock_irqrestore(&set->account.lock, flags);
}
EXPORT_SYMBOL_GPL(ioasid_set_get_info);

/* IDs */

/* Charge and count @id, which is not visible yet. */
static int set_add_id(struct ioasid_set *set, struct ioasid *id, struct ioasids_refusal *refusal)
{
	struct ioasids_account *acct = &set->account;
	int ret;

	ret = set_lock(set);
	if (!ret && set->ended)
		ret = -ENOENT;
	if (!ret && acct->quota && acct->allocated >= acct->quota) {
		trace_ioasid_refused(acct, IOASIDS_BY_QUOTA, NULL, 1, acct->allocated, acct->quota);
		ret = -ENOSPC;
	}
	if (!ret && !acct->quota)
		ret = set_charge(set, 1, refusal);
	if (!ret) {
		if (!acct->allocated)
			ioasid_set_get(set);
		WRITE_ONCE(acct->allocated, acct->allocated + 1);
		list_add_tail(&id->node, &set->ids);
	}
	spin_unlock_irq(&acct->lock);
	return ret;
}

/* Uncharge @id, which is not visible any more. */
static void set_remove_id(struct ioasid *id, bool failed)
{
	struct ioasid_set *set = id->set;
	struct ioasids_account *acct = &set->account;
	bool last, ended;
	unsigned long flags;

	spin_lock_irqsave(&acct->lock, flags);
	list_del(&id->node);
	WRITE_ONCE(acct->allocated, acct->allocated - 1);
	if (!acct->quota) {
		if (failed) {
			ioasids_cancel(acct, 1);
			capacity_uncharge(set, 1);
		} else {
			set_uncharge(set, 1);
		}
	}
	last = !acct->allocated;
	ended = set->ended;
	spin_unlock_irqrestore(&acct->lock, flags);

	if (last) {
		if (ended)
			ioasids_account_close(acct);
		ioasid_set_put(set);
	}
}

/* Drop a reference; the last one frees it. Return: whether it was the last. */
static bool put_or_free(struct ioasid *id)
{
	unsigned long flags;

	if (!refcount_dec_and_test(&id->refs))
		return false;

	if (id->spid) {
		xa_lock_irqsave(&id->set->spids, flags);
		__xa_erase(&id->set->spids, id->spid);
		xa_unlock_irqrestore(&id->set->spids, flags);
	}
	trace_locked(ioasid_free, id->set, id->id);	/* before the number is given out again */
	xa_lock_irqsave(&ioasids, flags);
	__xa_erase(&ioasids, id->id);
	xa_unlock_irqrestore(&ioasids, flags);
	set_remove_id(id, false);
	kfree_rcu(id, rcu);
	return true;
}

static void finish_free(struct ioasid *id)
{
	notify(id, IOASID_NOTIFY_FREE);
	put_or_free(id);
}

/* User space may free the ID only after all notifiers have been told of it. */
static void finish_alloc(struct ioasid *id, bool user)
{
	struct ioasids_account *acct = &id->set->account;
	bool freed;

	notify(id, IOASID_NOTIFY_ALLOC);
	spin_lock_irq(&acct->lock);
	id->user = user;
	WRITE_ONCE(id->live, true);
	freed = id->freed;
	spin_unlock_irq(&acct->lock);
	/* Freed meanwhile, as by a notifier: send FREE now, after everybody got ALLOC. */
	if (freed)
		finish_free(id);
	put_or_free(id);
}

/* Tell tracers that all numbers from @min to @max are taken. */
static void range_trace(struct ioasid_set *set, u32 min, u32 max)
{
	u32 n = min > max ? 0 : max - min + 1;

	trace_locked(ioasid_refused, set, IOASIDS_BY_RANGE, NULL, 1, n, n);
}

static int __ioasid_alloc(struct ioasid_set *set, u32 min, u32 max, void *data, bool user)
{
	bool tell = atomic_read(&nr_notifiers);
	struct ioasids_refusal refusal;
	struct ioasid *id;
	int ret;

	if (!min)
		min = 1;
	if (min > max)
		return -EINVAL;

	id = user ? kmem_cache_alloc(ioasid_cache, GFP_KERNEL) : kmalloc(sizeof(*id), GFP_KERNEL);
	if (!id)
		return -ENOMEM;

	/* No reference can be taken before the ID has a number. */
	refcount_set(&id->refs, 0);
	id->spid = 0;
	id->live = !tell;
	id->user = user && !tell;
	id->freed = false;
	id->set = set;
	RCU_INIT_POINTER(id->data, data);
	ret = set_add_id(set, id, &refusal);
	if (ret) {
		kfree(id);
		if (ret == -EAGAIN)
			ioasids_report_refusal(&refusal);
		return ret;
	}

	xa_lock_irq(&ioasids);
	max = min(max, READ_ONCE(capacity_total));
	ret = min > max ? -ENOSPC :
	      __xa_alloc(&ioasids, &id->id, id, XA_LIMIT(min, max), GFP_KERNEL);
	if (ret) {
		xa_unlock_irq(&ioasids);
		set_remove_id(id, true);
		kfree(id);
		if (ret != -ENOMEM)
			range_trace(set, min, max);
		return ret == -EBUSY ? -ENOSPC : ret;
	}
	ret = id->id;
	xa_unlock_irq(&ioasids);
	trace_locked(ioasid_alloc, set, ret);	/* before it can be freed */
	smp_wmb(); /* the number before the reference; pairs with set_next_id() */
	/* A second reference keeps it while notifiers are called. */
	refcount_set(&id->refs, tell ? 2 : 1);

	if (tell)
		finish_alloc(id, user);
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
static struct ioasid *find_id(struct ioasid_set *set, u32 nr)
{
	struct ioasid *id = xa_load(&ioasids, nr);

	if (!id)
		return ERR_PTR(-ENOENT);
	if (set && id->set != set)
		return ERR_PTR(-EACCES);
	return id;
}

/* The same, with a reference; the ID may be being freed. */
static struct ioasid *get_id(struct ioasid_set *set, u32 nr)
{
	struct ioasid *id;

	rcu_read_lock();
	id = find_id(set, nr);
	if (!IS_ERR(id) && !refcount_inc_not_zero(&id->refs))
		id = ERR_PTR(-ENOENT);
	rcu_read_unlock();
	return id;
}

/* The same, but -EBUSY if it is being freed. */
static struct ioasid *get_live_id(struct ioasid_set *set, u32 nr)
{
	struct ioasid *id = get_id(set, nr);

	if (!IS_ERR(id) && READ_ONCE(id->freed)) {
		put_or_free(id);
		id = ERR_PTR(-EBUSY);
	}
	return id;
}

int ioasid_get(struct ioasid_set *set, u32 id)
{
	return PTR_ERR_OR_ZERO(get_live_id(set, id));
}
EXPORT_SYMBOL_GPL(ioasid_get);

int ioasid_get_if_owned(u32 id)
{
	struct ioasid *p = get_live_id(NULL, id);

	if (IS_ERR(p))
		return PTR_ERR(p);
	if (!mm_is_current(p->set->mm)) {
		put_or_free(p);
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
	p = find_id(NULL, id);
	if (!WARN_ON_ONCE(IS_ERR(p)))
		gone = put_or_free(p);
	rcu_read_unlock();
	return gone;
}
EXPORT_SYMBOL_GPL(ioasid_put);

/*
 * The caller holds @id, or is under rcu_read_lock(). Return: 1 if the caller must call
 * finish_free(), and now has the reference that the ID started with; 0 if
 * finish_alloc() will; or an error.
 */
static int begin_free(struct ioasid *id, bool user)
{
	struct ioasids_account *acct = &id->set->account;
	unsigned long flags;
	int ret;

	spin_lock_irqsave(&acct->lock, flags);
	if (!refcount_read(&id->refs)) {
		ret = -ENOENT;
	} else if (user && !id->user) {
		ret = -EACCES;
	} else if (id->freed) {
		ret = -EBUSY;
	} else {
		WRITE_ONCE(id->freed, true);
		ret = id->live;
	}
	spin_unlock_irqrestore(&acct->lock, flags);
	return ret;
}

static int __ioasid_free(struct ioasid_set *set, u32 nr, bool user)
{
	struct ioasid *id;
	int ret;

	rcu_read_lock();
	id = find_id(set, nr);
	ret = IS_ERR(id) ? PTR_ERR(id) : begin_free(id, user);
	rcu_read_unlock();
	if (ret <= 0)
		return ret;

	finish_free(id);
	return 0;
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

/*
 * The first ID after @prev that is not being freed, with a reference; drops @prev's.
 * Every 64th of the others is returned as well, so that the lock is dropped.
 */
static struct ioasid *set_next_id(struct ioasid_set *set, struct ioasid *prev)
{
	struct ioasid *id, *next = NULL;
	unsigned long flags;
	int passed = 0;

	spin_lock_irqsave(&set->account.lock, flags);
	id = list_prepare_entry(prev, &set->ids, node);
	list_for_each_entry_continue(id, &set->ids, node) {
		if ((!id->live || id->freed) && ++passed % 64)
			continue;
		if (refcount_inc_not_zero(&id->refs)) {
			smp_rmb(); /* pairs with __ioasid_alloc() */
			next = id;
			break;
		}
	}
	spin_unlock_irqrestore(&set->account.lock, flags);
	if (prev)
		put_or_free(prev);
	return next;
}

int ioasid_set_for_each_ioasid(struct ioasid_set *set, int (*fn)(u32 id, void *data),
			       void *data)
{
	struct ioasid *id = NULL;
	int ret = 0;

	while ((id = set_next_id(set, id))) {
		if (READ_ONCE(id->freed) || !READ_ONCE(id->live))
			continue;
		ret = fn(id->id, data);
		if (ret) {
			put_or_free(id);
			break;
		}
	}
	return ret;
}
EXPORT_SYMBOL_GPL(ioasid_set_for_each_ioasid);

static void set_free_ids(struct ioasid_set *set, bool user)
{
	struct ioasid *id = NULL;

	while ((id = set_next_id(set, id))) {
		if (begin_free(id, user) > 0)
			finish_free(id);
		cond_resched();
	}
}

void ioasid_free_all_in_set(struct ioasid_set *set)
{
	set_free_ids(set, false);
}
EXPORT_SYMBOL_GPL(ioasid_free_all_in_set);

struct ioasid_set *ioasid_find_set(u32 id)
{
	struct ioasid *p = get_id(NULL, id);
	struct ioasid_set *set;

	if (IS_ERR(p))
		return NULL;
	set = ioasid_set_get(p->set);
	put_or_free(p);
	return set;
}
EXPORT_SYMBOL_GPL(ioasid_find_set);

int ioasid_notify(struct ioasid_set *set, u32 id, enum ioasid_event event)
{
	struct ioasid *p;

	if (event != IOASID_NOTIFY_BIND && event != IOASID_NOTIFY_UNBIND)
		return -EINVAL;
	p = get_live_id(set, id);
	if (IS_ERR(p))
		return PTR_ERR(p);
	notify(p, event);
	put_or_free(p);
	return 0;
}
EXPORT_SYMBOL_GPL(ioasid_notify);

/* The end of a set of an mm */

/*
 * Free the IDs of user space, and withdraw the quota. The end of the mm and the close
 * of the descriptor can run this concurrently: each step may be done twice, and does
 * not rely on the progress of the other caller.
 */
static void set_end_use(struct ioasid_set *set)
{
	struct ioasid_mm *imm = set->mm;

	set_free_ids(set, true);
	set_withdraw_quota(set);
	mm_leave(imm, IOASID_SHARER_USER);
}

void ioasid_set_close(struct ioasid_set *set)
{
	set_end_use(set);
	ioasid_set_put(set);
}

void __ioasid_mm_exit(struct mm_struct *mm)
{
	struct ioasid_set *set = mm_get_set(READ_ONCE(mm->ioasid_mm), IOASID_SHARER_USER);

	if (!set)
		return;
	set_end_use(set);
	ioasid_set_put(set);
}

void __ioasid_mm_drop(struct mm_struct *mm)
{
	mm_put(mm->ioasid_mm);
}

int ioasid_mm_alloc(struct mm_struct *mm, u32 max)
{
	struct ioasid_set *set = set_share(mm, IOASID_SHARER_SVA);
	int id;

	if (IS_ERR(set))
		return PTR_ERR(set);

	id = ioasid_alloc(set, 1, max, NULL);
	if (id < 0)
		mm_leave(set->mm, IOASID_SHARER_SVA);
	else
		trace_locked(ioasid_mm_bind, set, id);
	ioasid_set_put(set);
	return id;
}

void ioasid_mm_free(struct mm_struct *mm, u32 id)
{
	struct ioasid_set *set = mm_get_set(READ_ONCE(mm->ioasid_mm), IOASID_SHARER_SVA);

	if (WARN_ON_ONCE(!set))
		return;
	trace_locked(ioasid_mm_drop, set, id);
	WARN_ON_ONCE(ioasid_free(set, id));
	mm_leave(set->mm, IOASID_SHARER_SVA);
	ioasid_set_put(set);
}

/* Private data, and private IDs */

int ioasid_attach_data(struct ioasid_set *set, u32 id, void *data)
{
	struct ioasid *p;
	int ret = 0;

	if (!data)
		return -EINVAL;
	p = get_live_id(set, id);
	if (IS_ERR(p))
		return PTR_ERR(p);
	if (unrcu_pointer(cmpxchg(&p->data, NULL, RCU_INITIALIZER(data))))
		ret = -EEXIST;
	put_or_free(p);
	return ret;
}
EXPORT_SYMBOL_GPL(ioasid_attach_data);

void *ioasid_detach_data(struct ioasid_set *set, u32 id)
{
	struct ioasid *p = get_id(set, id);
	void *data;

	if (IS_ERR(p))
		return ERR_CAST(p);
	data = unrcu_pointer(xchg(&p->data, NULL));
	put_or_free(p);
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
	p = find_id(set, id);
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
	p = get_live_id(set, id);
	if (IS_ERR(p))
		return PTR_ERR(p);

	/* No lock: the insertion can reclaim memory of the caller's memcg. */
	if (cmpxchg(&p->spid, 0, SPID_CHANGES)) {
		ret = -EEXIST;
	} else {
		ret = xa_insert_irq(&set->spids, spid, p, GFP_KERNEL);
		WRITE_ONCE(p->spid, ret ? 0 : spid);
	}
	put_or_free(p);
	return ret == -EBUSY ? -EEXIST : ret;
}
EXPORT_SYMBOL_GPL(ioasid_attach_spid);

int ioasid_detach_spid(struct ioasid_set *set, u32 id)
{
	struct ioasid *p = get_id(set, id);
	int ret = -ENOENT;
	u32 spid;

	if (IS_ERR(p))
		return PTR_ERR(p);

	spid = READ_ONCE(p->spid);
	if (spid && spid != SPID_CHANGES && cmpxchg(&p->spid, spid, SPID_CHANGES) == spid) {
		xa_erase_irq(&set->spids, spid);
		WRITE_ONCE(p->spid, 0);
		ret = 0;
	}
	put_or_free(p);
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

/* fdinfo and debugfs */

void ioasid_set_show_cgroup(struct seq_file *m, struct ioasid_set *set)
{
	ioasids_show_cgroup(m, &set->account);
}

/* debugfs: the sets, by number. The iterator holds a reference to its current set. */

static void *sets_from(unsigned long index, loff_t *pos)
{
	struct ioasid_set *set;

	rcu_read_lock();
	for (;;) {
		set = xa_find(&sets, &index, ULONG_MAX, XA_PRESENT);
		if (!set || refcount_inc_not_zero(&set->refs))
			break;
		if (!++index) {
			set = NULL;
			break;
		}
	}
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
	return *pos < ULONG_MAX ? sets_from(*pos + 1, pos) : NULL;
}

static int sets_show(struct seq_file *m, void *v)
{
	struct ioasid_set *set = v;
	struct ioasid_set_info info;
	struct task_struct *task;
	struct pid *owner;

	if (v == SEQ_START_TOKEN) {
		seq_puts(m, "set\tkind\tquota\tallocated\tpid\tcommand\tcgroup\n");
		return 0;
	}

	ioasid_set_get_info(set, &info);
	seq_printf(m, "%llu\t%s\t%u\t%u\t", info.id, set->mm ? "process" : "kernel",
		   info.quota, info.allocated);

	spin_lock_irq(&set->account.lock);
	owner = get_pid(set->owner);
	spin_unlock_irq(&set->account.lock);
	/* A dead owner is shown without PID and command. */
	task = get_pid_task(owner, PIDTYPE_TGID);
	if (task) {
		char comm[sizeof(task->comm)];

		seq_printf(m, "%d\t", pid_nr(owner));
		seq_escape(m, get_task_comm(comm, task), " \t\n\\");
		put_task_struct(task);
	} else {
		seq_puts(m, "-\t-");
	}
	put_pid(owner);
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
#include "tests/ioasid_kunit.c"
#endif
