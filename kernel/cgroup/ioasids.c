// SPDX-License-Identifier: GPL-2.0-only
/*
 * I/O address space ID (IOASID) limiting controller for cgroups.
 *
 * An IOASID, on PCI Express a PASID, names an address space to a device. A machine
 * has at most 2^20, and any process that may open an accelerator can take some.
 * ioasids.max limits how many IDs the processes of a cgroup and its descendants hold
 * or reserve. A request over the limit of its cgroup or of an ancestor fails with
 * -EAGAIN. Moving a process moves its charge and is never refused, nor is lowering a
 * limit: ioasids.current can then exceed ioasids.max, until it fits again.
 *
 * An account is the charge of one set of IDs, embedded in the allocator's set. It
 * knows the thread group that owns it and the cgroup that pays for it, to which it
 * holds a reference. The root counts nothing; an account that it pays for has a NULL
 * payer. pid->ioasids lists the accounts of a thread group. Accounts, and entries of
 * that list, are freed after a grace period of RCU.
 *
 * Opening an account enters it in the list, then picks the payer under css_set_lock.
 * A migration switches tasks under css_set_lock, then walks their lists. So either
 * the migration finds the account, or opening it finds the task where it has gone.
 * account->lock guards the account: its charge, payer and owner; cgroup->lock the
 * accounts that a cgroup pays for. The counts of cgroups are atomics and order
 * nothing. These locks are taken with interrupts off, each inside those before it;
 * the bit that locks pid->ioasids, inside none:
 *
 *   ioasids_...             sleeps  takes                               called from
 *   account_open            yes     css_set_, account-, cgroup->lock    the owner
 *   account_close           no      account-, cgroup->lock              any but NMI
 *   check..available        no      none                                account->lock
 *   report_refusal          no      none                                process
 *   show_cgroup             no      css_set_, account->lock             process
 *   attach, css_offline     yes     account-, cgroup->lock              cgroup_mutex
 *   stat_show               yes     cgroup->lock                        process
 */

#include <linux/cgroup.h>
#include <linux/ctype.h>
#include <linux/ioasid.h>
#include <linux/ioasids_cgroup.h>
#include <linux/pid.h>
#include <linux/ratelimit.h>
#include <linux/rculist_bl.h>
#include <linux/sched/signal.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <trace/events/ioasid.h>

#include "cgroup-internal.h"

enum ioasids_event {
	IOASIDS_EVENT_MAX,		/* refused by the limit of this cgroup */
	IOASIDS_EVENT_ALLOC_FAIL,	/* made in this cgroup, and refused */
	NR_IOASIDS_EVENTS,
};

struct ioasids_cgroup {
	struct cgroup_subsys_state	css;

	/* The nearest ancestor that counts, and the distance from the root. */
	struct ioasids_cgroup		*parent;
	unsigned int			level;
	struct ioasids_cgroup *__data_racy limiter;	/* last to refuse a request made here */
	u64 __data_racy max;		/* read without READ_ONCE(): a stale value will do */

	/* The fields above change rarely: keep their cache line shared. */
	atomic64_t			count ____cacheline_aligned;
	unsigned long __data_racy peak;	/* see ioasids_sub() */

	spinlock_t			lock;		/* guards the list */
	struct list_head		accounts;	/* and cursors of readers */

	struct cgroup_file		events_file;
	struct cgroup_file		events_local_file;
	atomic64_t			events[NR_IOASIDS_EVENTS];
	atomic64_t			events_local[NR_IOASIDS_EVENTS];
};

/* An entry of @pid->ioasids */
struct ioasids_owner {
	struct ioasids_account		*acct;
	struct pid			*pid;		/* with a reference */
	struct hlist_bl_node		node;
	u64				migration;	/* the last one to move it */
	struct rcu_head			rcu;
};

static struct ioasids_cgroup *css_ioasids(struct cgroup_subsys_state *css)
{
	return container_of(css, struct ioasids_cgroup, css);
}

static struct ioasids_cgroup *css_payer(struct cgroup_subsys_state *css)
{
	return css && css->parent ? css_ioasids(css) : NULL;
}

u64 ioasids_cgroup_id(const struct ioasids_cgroup *cg)
{
	return cgroup_id(cg ? cg->css.cgroup : &cgrp_dfl_root.cgrp);
}

/* How many more the limit of @cg alone would grant. */
static u64 ioasids_left(struct ioasids_cgroup *cg)
{
	u64 count = atomic64_read(&cg->count), max = READ_ONCE(cg->max);

	return max > count ? max - count : 0;
}

/*
 * The highest count is the present one, or one just before a decrease. So the peak is
 * recorded when the count falls: charges do not pay for it, and a request that an
 * ancestor refuses is reverted here without changing the peak. A stale peak can only be
 * lower, and is read again. An underflowed count is, as u64, above any peak: warn.
 */
static __always_inline void ioasids_sub(struct ioasids_cgroup *cg, u32 n)
{
	s64 count = atomic64_fetch_sub_relaxed(n, &cg->count);
	unsigned long peak;

	while (unlikely((u64)count > cg->peak)) {
		peak = READ_ONCE(cg->peak);
		if (WARN_ON_ONCE(count < 0) || (u64)count <= peak ||
		    try_cmpxchg_relaxed(&cg->peak, &peak, count))
			break;
	}
}

/* Revert what a failed request has charged below @end. */
static inline void ioasids_revert(struct ioasids_cgroup *cg, struct ioasids_cgroup *end, u32 n)
{
	for (; cg != end; cg = cg->parent)
		WARN_ON_ONCE(atomic64_sub_return_relaxed(n, &cg->count) < 0);
}

/* noinline: keeps this slow path's register saves out of charges. */
static noinline int ioasids_refuse(struct ioasids_account *acct, struct ioasids_refusal *refusal,
				   struct ioasids_cgroup *limit, u32 n, s64 count)
{
	struct ioasids_cgroup *cg = acct->cg;

	trace_ioasid_refused(acct, IOASIDS_BY_LIMIT, limit, n, count, limit->max);
	*refusal = (struct ioasids_refusal){ .cg = cg, .limit = limit };
	if (READ_ONCE(cg->limiter) != limit)
		WRITE_ONCE(cg->limiter, limit);
	css_get(&cg->css);	/* which has a reference to its ancestors */
	return -EAGAIN;
}

static noinline int ioasids_revert_and_refuse(struct ioasids_account *acct,
					      struct ioasids_refusal *refusal,
					      struct ioasids_cgroup *limit, u32 n, s64 count)
{
	ioasids_revert(acct->cg, limit, n);
	return ioasids_refuse(acct, refusal, limit, n, count);
}

void ioasids_report_refusal(struct ioasids_refusal *refusal)
{
	static DEFINE_RATELIMIT_STATE(rs, DEFAULT_RATELIMIT_INTERVAL, DEFAULT_RATELIMIT_BURST);
	struct ioasids_cgroup *cg = refusal->cg, *limit = refusal->limit, *p;

	if (atomic64_inc_return(&cg->events_local[IOASIDS_EVENT_ALLOC_FAIL]) == 1 &&
	    __ratelimit(&rs)) {
		pr_info("cgroup: request refused by ioasids controller in ");
		pr_cont_cgroup_path(cg->css.cgroup);
		pr_cont("\n");
	}
	atomic64_inc(&limit->events_local[IOASIDS_EVENT_MAX]);
	cgroup_file_notify(&limit->events_local_file);
	if (cg != limit)
		cgroup_file_notify(&cg->events_local_file);

	for (p = limit; p; p = p->parent)
		atomic64_inc(&p->events[IOASIDS_EVENT_MAX]);
	for (p = cg; p; p = p->parent) {
		atomic64_inc(&p->events[IOASIDS_EVENT_ALLOC_FAIL]);
		cgroup_file_notify(&p->events_file);
	}
	css_put(&cg->css);
}

static __always_inline int ioasids_climb(struct ioasids_account *acct, u32 n,
					 struct ioasids_refusal *refusal)
{
	for (struct ioasids_cgroup *p = acct->cg; p; p = p->parent) {
		s64 count;

		if (likely(p->max == U64_MAX)) {
			atomic64_add(n, &p->count);
			continue;
		}
		barrier();	/* or GCC loads @max into a register, for both comparisons */
		count = atomic64_read(&p->count);
		do {
			if (unlikely((u64)count + n > p->max))
				return ioasids_revert_and_refuse(acct, refusal, p, n, count);
		} while (!atomic64_try_cmpxchg_relaxed(&p->count, &count, count + n));
	}
	return 0;
}

/* The first cgroup on the way up whose limit @n more exceed, and its @count; or NULL. */
static __always_inline struct ioasids_cgroup *ioasids_full(struct ioasids_account *acct, u32 n,
							   s64 *count)
{
	lockdep_assert_held(&acct->lock);

	for (struct ioasids_cgroup *p = acct->cg; p; p = p->parent) {
		if (p->max == U64_MAX)
			continue;
		*count = atomic64_read(&p->count);
		if ((u64)*count + n > READ_ONCE(p->max))
			return p;
	}
	return NULL;
}

int ioasids_check(struct ioasids_account *acct, u32 n, struct ioasids_refusal *refusal)
{
	s64 count;
	struct ioasids_cgroup *limit = ioasids_full(acct, n, &count);

	return limit ? ioasids_refuse(acct, refusal, limit, n, count) : 0;
}

/*
 * A request that cannot fit should not be charged at any level: other requests would
 * be refused because of it, or record it in the peak. So a reservation, which can be
 * large, checks all limits first; a single ID, only if the limit that last refused one
 * is still full. Else a charge of 1 can show for an instant; only a shared lock avoids it.
 */
int ioasids_try_charge(struct ioasids_account *acct, u32 n, struct ioasids_refusal *refusal)
{
	s64 count;
	struct ioasids_cgroup *limit = ioasids_full(acct, n, &count);

	if (limit)
		return ioasids_refuse(acct, refusal, limit, n, count);
	return ioasids_climb(acct, n, refusal);
}

int ioasids_try_charge_one(struct ioasids_account *acct, struct ioasids_refusal *refusal)
{
	struct ioasids_cgroup *cg = acct->cg;

	lockdep_assert_held(&acct->lock);

	if (cg && unlikely(cg->limiter) && !ioasids_left(READ_ONCE(cg->limiter)))
		return ioasids_try_charge(acct, 1, refusal);
	return ioasids_climb(acct, 1, refusal);
}

void ioasids_uncharge(struct ioasids_account *acct, u32 n)
{
	lockdep_assert_held(&acct->lock);

	for (struct ioasids_cgroup *p = acct->cg; p; p = p->parent)
		ioasids_sub(p, n);
}

void ioasids_uncharge_one(struct ioasids_account *acct)
{
	lockdep_assert_held(&acct->lock);

	for (struct ioasids_cgroup *p = acct->cg; p; p = p->parent)
		ioasids_sub(p, 1);
}

void ioasids_cancel(struct ioasids_account *acct, u32 n)
{
	lockdep_assert_held(&acct->lock);

	ioasids_revert(acct->cg, NULL, n);
}

u32 ioasids_available(struct ioasids_account *acct)
{
	u64 left = U32_MAX;

	lockdep_assert_held(&acct->lock);

	for (struct ioasids_cgroup *p = acct->cg; p; p = p->parent)
		left = min(left, ioasids_left(p));
	return left;
}

/* Make @to pay for @acct, regardless of limits. Shared ancestors see no change. */
static void ioasids_move(struct ioasids_account *acct, struct ioasids_cgroup *to)
{
	struct ioasids_cgroup *from = acct->cg, *src = from, *dst = to;
	u32 charge = ioasids_charge_of(acct);

	lockdep_assert_held(&acct->lock);

	if (from == to)
		return;

	while (charge && src != dst) {
		if (!dst || (src && src->level >= dst->level)) {
			ioasids_sub(src, charge);
			src = src->parent;
		} else {
			atomic64_add(charge, &dst->count);
			dst = dst->parent;
		}
	}

	if (from) {
		spin_lock(&from->lock);
		list_del(&acct->cg_node);
		spin_unlock(&from->lock);
		css_put(&from->css);
	}
	acct->cg = to;
	if (to) {
		css_get(&to->css);
		spin_lock(&to->lock);
		list_add(&acct->cg_node, &to->accounts);	/* see ioasids_walk() */
		spin_unlock(&to->lock);
	}
}

static void ioasids_link(struct ioasids_owner *owner, bool add)
{
	struct hlist_bl_head *list = &owner->pid->ioasids;
	unsigned long flags;

	local_irq_save(flags);
	hlist_bl_lock(list);
	if (add)
		hlist_bl_add_head_rcu(&owner->node, list);
	else
		hlist_bl_del_rcu(&owner->node);
	hlist_bl_unlock(list);
	local_irq_restore(flags);
}

static void ioasids_owner_free(struct ioasids_owner *owner)
{
	if (!owner)
		return;
	ioasids_link(owner, false);
	put_pid(owner->pid);
	kfree_rcu(owner, rcu);
}

int ioasids_account_open(struct ioasids_account *acct)
{
	struct ioasids_owner *owner, *old;
	struct ioasids_cgroup *payer;

	if (!cgroup_subsys_enabled(ioasids_cgrp_subsys))
		return 0;

	owner = kzalloc(sizeof(*owner), GFP_KERNEL);
	if (!owner)
		return -ENOMEM;
	owner->acct = acct;
	owner->pid = get_pid(task_tgid(current));
	ioasids_link(owner, true);

	spin_lock_irq(&css_set_lock);
	spin_lock(&acct->lock);
	payer = css_payer(task_css_check(current, ioasids_cgrp_id, true));
	trace_ioasid_adopt(acct, payer);
	old = acct->owner;
	acct->owner = owner;
	ioasids_move(acct, payer);
	spin_unlock(&acct->lock);
	spin_unlock_irq(&css_set_lock);

	ioasids_owner_free(old);
	return 0;
}

void ioasids_account_close(struct ioasids_account *acct)
{
	struct ioasids_owner *owner;
	unsigned long flags;

	spin_lock_irqsave(&acct->lock, flags);
	owner = acct->owner;
	acct->owner = NULL;
	ioasids_move(acct, NULL);
	spin_unlock_irqrestore(&acct->lock, flags);

	ioasids_owner_free(owner);
}

/* Of the threads of a process that migrate together, the first one moves its accounts. */
static void ioasids_attach(struct cgroup_taskset *tset)
{
	static u64 migration;	/* cgroup_mutex is held throughout */
	struct cgroup_subsys_state *css;
	struct ioasids_owner *owner;
	struct hlist_bl_node *pos;
	struct task_struct *task;

	migration++;
	cgroup_taskset_for_each(task, css, tset) {
		rcu_read_lock();
		hlist_bl_for_each_entry_rcu(owner, pos, &task_tgid(task)->ioasids, node) {
			if (owner->migration == migration)
				break;
			owner->migration = migration;
			spin_lock_irq(&owner->acct->lock);
			/* It may have been closed since, or got another owner. */
			if (owner->acct->owner == owner) {
				trace_ioasid_move(owner->acct, css_payer(css));
				ioasids_move(owner->acct, css_payer(css));
			}
			spin_unlock_irq(&owner->acct->lock);
		}
		rcu_read_unlock();
		cond_resched();
	}
}

static struct cgroup_subsys_state *ioasids_css_alloc(struct cgroup_subsys_state *parent)
{
	struct ioasids_cgroup *cg = kzalloc(sizeof(*cg), GFP_KERNEL);

	if (!cg)
		return ERR_PTR(-ENOMEM);

	cg->parent = css_payer(parent);
	cg->level = cg->parent ? cg->parent->level + 1 : 1;
	spin_lock_init(&cg->lock);
	INIT_LIST_HEAD(&cg->accounts);
	cg->max = U64_MAX;
	return &cg->css;
}

struct ioasids_stat {
	struct cgroup_subsys_state *css;	/* whose file is read */
	u64 allocated, charged, sets;
};

/* The removal of a cgroup waits for readers of its files: they must stop early. */
static bool ioasids_must_stop(struct ioasids_stat *stat)
{
	return stat && (fatal_signal_pending(current) || READ_ONCE(stat->css->flags) & CSS_DYING);
}

/*
 * Count the accounts of @cg or, without @stat, move them to the parent. The lock is
 * dropped after each account: a cursor keeps the place, and new accounts are added
 * before it. Other walkers' cursors have no payer; up to 8 are skipped per lock hold.
 */
static void ioasids_walk(struct ioasids_cgroup *cg, struct ioasids_stat *stat)
{
	struct ioasids_account cursor = {}, *acct;
	unsigned int passed = 0;

	spin_lock_irq(&cg->lock);
	list_add(&cursor.cg_node, &cg->accounts);
	while (!list_is_last(&cursor.cg_node, &cg->accounts) && !ioasids_must_stop(stat)) {
		acct = list_next_entry(&cursor, cg_node);
		list_move(&cursor.cg_node, &acct->cg_node);
		if (!acct->cg) {
			acct = NULL;
			if (++passed % 8)
				continue;
		}
		rcu_read_lock();
		spin_unlock_irq(&cg->lock);
		if (acct && stat) {
			u32 allocated = READ_ONCE(acct->allocated);

			stat->allocated += allocated;
			stat->charged += READ_ONCE(acct->quota) ?: allocated;
			stat->sets++;
		} else if (acct) {
			spin_lock_irq(&acct->lock);
			if (acct->cg == cg) {
				trace_ioasid_reparent(acct, cg->parent);
				ioasids_move(acct, cg->parent);
			}
			spin_unlock_irq(&acct->lock);
		}
		rcu_read_unlock();
		cond_resched();
		spin_lock_irq(&cg->lock);
	}
	list_del(&cursor.cg_node);
	spin_unlock_irq(&cg->lock);
}

/* Accounts can outlive the tasks of their cgroup. */
static void ioasids_css_offline(struct cgroup_subsys_state *css)
{
	ioasids_walk(css_ioasids(css), NULL);
}

static void ioasids_css_free(struct cgroup_subsys_state *css)
{
	kfree(css_ioasids(css));
}

static ssize_t ioasids_max_write(struct kernfs_open_file *of, char *buf, size_t nbytes, loff_t off)
{
	struct ioasids_cgroup *cg = css_ioasids(of_css(of));
	u64 max;

	/* A NUL is accepted at the end only. */
	if (strlen(buf) + 1 < nbytes)
		return -EINVAL;

	buf = strstrip(buf);
	if (!strcmp(buf, "max"))
		max = U64_MAX;
	else if (!isdigit(*buf) || kstrtou64(buf, 10, &max) || max > S64_MAX)
		return -EINVAL;

	/* As in misc: concurrent requests may use the old limit or, on 32 bits, half of it. */
	WRITE_ONCE(cg->max, max);
	return nbytes;
}

static int ioasids_max_show(struct seq_file *m, void *v)
{
	u64 max = READ_ONCE(css_ioasids(seq_css(m))->max);

	if (max == U64_MAX)
		seq_puts(m, "max\n");
	else
		seq_printf(m, "%llu\n", max);
	return 0;
}

static s64 ioasids_current_read(struct cgroup_subsys_state *css, struct cftype *cft)
{
	return atomic64_read(&css_ioasids(css)->count);
}

static s64 ioasids_peak_read(struct cgroup_subsys_state *css, struct cftype *cft)
{
	return max_t(s64, READ_ONCE(css_ioasids(css)->peak), ioasids_current_read(css, cft));
}

static int ioasids_events_show(struct seq_file *m, void *v)
{
	struct ioasids_cgroup *cg = css_ioasids(seq_css(m));
	atomic64_t *events = seq_cft(m)->private ? cg->events_local : cg->events;

	seq_printf(m, "max %lld\nalloc_fail %lld\n", atomic64_read(&events[IOASIDS_EVENT_MAX]),
		   atomic64_read(&events[IOASIDS_EVENT_ALLOC_FAIL]));
	return 0;
}

/* A snapshot: IDs taken, freed or moved meanwhile may be counted or not. */
static int ioasids_stat_show(struct seq_file *m, void *v)
{
	struct ioasids_stat stat = { .css = seq_css(m) };
	struct cgroup_subsys_state *css;

	rcu_read_lock();
	css_for_each_descendant_pre(css, stat.css) {
		if (ioasids_must_stop(&stat))
			break;
		if (!css_tryget(css))
			continue;
		rcu_read_unlock();
		ioasids_walk(css_ioasids(css), &stat);
		cond_resched();
		rcu_read_lock();
		css_put(css);
	}
	rcu_read_unlock();
	if (ioasids_must_stop(&stat))
		return -ENODEV;

	seq_printf(m, "allocated %llu\nreserved %llu\nsets %llu\n", stat.allocated,
		   stat.charged > stat.allocated ? stat.charged - stat.allocated : 0, stat.sets);
	return 0;
}

static int ioasids_capacity_show(struct seq_file *m, void *v)
{
	struct ioasid_capacity cap;

	ioasid_get_capacity(&cap);
	seq_printf(m, "total %u\nkernel %u\nuser %u\navailable %u\n",
		   cap.total, cap.kernel, cap.user, cap.available);
	return 0;
}

void ioasids_show_cgroup(struct seq_file *m, struct ioasids_account *acct)
{
	struct cgroup_subsys_state *css;
	struct ioasids_cgroup *cg;
	bool is_open;
	size_t size;
	char *buf;
	int len;

	/* If the buffer is full, seq_file enlarges it and calls again. */
	size = seq_get_buf(m, &buf);
	if (!size)
		return;

	spin_lock_irq(&acct->lock);
	is_open = acct->owner;
	cg = acct->cg;
	if (cg)
		css_get(&cg->css);
	spin_unlock_irq(&acct->lock);

	/* css_set_lock pins the root's hierarchy. While v1 mounts it, it has no links yet. */
	spin_lock_irq(&css_set_lock);
	css = cg ? &cg->css : init_css_set.subsys[ioasids_cgrp_id];
	if (!is_open)
		len = strscpy(buf, "-", size);
	else if (!cg && list_empty(&css->cgroup->cset_links))
		len = strscpy(buf, "/", size);
	else
		len = cgroup_path_ns_locked(css->cgroup, buf, size, current->nsproxy->cgroup_ns);
	spin_unlock_irq(&css_set_lock);
	if (cg)
		css_put(&cg->css);

	/* A truncated path fills the buffer. */
	seq_commit(m, len < 0 || len + 1 >= size ? -1 : len);
}

static struct cftype ioasids_files[] = {
	{ .name = "max", .flags = CFTYPE_NOT_ON_ROOT,
	  .write = ioasids_max_write, .seq_show = ioasids_max_show },
	{ .name = "current", .flags = CFTYPE_NOT_ON_ROOT, .read_s64 = ioasids_current_read },
	{ .name = "peak", .flags = CFTYPE_NOT_ON_ROOT, .read_s64 = ioasids_peak_read },
	{ .name = "events", .flags = CFTYPE_NOT_ON_ROOT, .seq_show = ioasids_events_show,
	  .file_offset = offsetof(struct ioasids_cgroup, events_file) },
	{ .name = "events.local", .flags = CFTYPE_NOT_ON_ROOT, .seq_show = ioasids_events_show,
	  .file_offset = offsetof(struct ioasids_cgroup, events_local_file), .private = true },
	{ .name = "stat", .flags = CFTYPE_NOT_ON_ROOT, .seq_show = ioasids_stat_show },
	{ .name = "capacity", .flags = CFTYPE_ONLY_ON_ROOT, .seq_show = ioasids_capacity_show },
	{ }	/* terminate */
};

struct cgroup_subsys ioasids_cgrp_subsys = {
	.css_alloc	= ioasids_css_alloc,
	.css_offline	= ioasids_css_offline,
	.css_free	= ioasids_css_free,
	.attach		= ioasids_attach,
	.dfl_cftypes	= ioasids_files,
	.legacy_cftypes	= ioasids_files,
};

#ifdef CONFIG_IOASIDS_KUNIT_TEST
#include "tests/ioasids_kunit.c"
#endif
