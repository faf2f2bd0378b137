// SPDX-License-Identifier: GPL-2.0-only
/*
 * I/O address space ID (IOASID) limiting controller for cgroups.
 *
 * An IOASID, on PCI Express a PASID, names an address space to a device. There
 * are 2^20 at most for the whole machine, and any process that may open an
 * accelerator takes them. ioasids.max is the most that a cgroup with all its
 * descendants can be charged: the IDs that processes hold or have reserved. A
 * request over the limit of its cgroup or of an ancestor fails with -EAGAIN. Moving
 * a process moves what it holds and is never refused, nor is lowering a limit;
 * ioasids.current may then exceed ioasids.max, and nothing is granted until it fits.
 *
 * An account stands for the IDs of one owner. It is embedded in the allocator's
 * set, knows the cgroup that pays, and holds a reference to it. The root counts
 * nothing; as a payer it is NULL. Counters are atomics. Three locks, all taken
 * with interrupts off, guard the rest: account->lock the charge and its payer;
 * inside it, cgroup->lock the accounts that a cgroup pays for; and owners_lock,
 * alone, the table of open accounts. A payer changes under cgroup_mutex, or in
 * open and close. Accounts that were looked up are kept in memory by RCU only.
 * Those who read ioasids.stat take turns by stat_mutex, outside cgroup->lock.
 *
 *   ioasids_...             sleeps  takes                        called from
 *   account_open            yes     all, threadgroup rwsem       the owner
 *   account_close           no      all                          any but NMI
 *   try_charge              no      locks of cgroup_file_notify  account->lock
 *   uncharge, cancel, available  no                              account->lock
 *   attach, css_offline     yes     account->lock, cgroup->lock  cgroup_mutex
 *   show_cgroup             yes     cgroup_mutex, css_set_lock,  process
 *                                   account->lock
 *   stat_show               yes     stat_mutex, cgroup->lock     process
 */

#include <linux/cgroup.h>
#include <linux/ctype.h>
#include <linux/hashtable.h>
#include <linux/ioasid.h>
#include <linux/ioasids_cgroup.h>
#include <linux/pid.h>
#include <linux/ratelimit.h>
#include <linux/rcupdate_wait.h>
#include <linux/sched/signal.h>
#include <linux/seq_file.h>
#include <linux/slab.h>

#include "cgroup-internal.h"

#define IOASIDS_MAX	U64_MAX

enum ioasids_event {
	IOASIDS_EVENT_MAX,		/* refused by the limit of this cgroup */
	IOASIDS_EVENT_ALLOC_FAIL,	/* made in this cgroup, and refused */
	NR_IOASIDS_EVENTS,
};

struct ioasids_cgroup {
	struct cgroup_subsys_state	css;

	/* The next cgroup up that counts, and the distance from the root. */
	struct ioasids_cgroup		*parent;
	atomic64_t			count;
	atomic64_t			max;
	atomic64_t			peak;	/* see ioasids_sub() */

	/* Who refused the last request from here that was refused; at first: itself. */
	struct ioasids_cgroup		*limiter;
	unsigned int			level;

	spinlock_t			lock;		/* guards the lists */
	struct list_head		accounts;	/* that it pays for */
	struct list_head		uncounted;	/* so do these, see ioasids_count() */

	struct cgroup_file		events_file;
	struct cgroup_file		events_local_file;
	atomic64_t			events[NR_IOASIDS_EVENTS];
	atomic64_t			events_local[NR_IOASIDS_EVENTS];
};

static DEFINE_SPINLOCK(owners_lock);
static DEFINE_HASHTABLE(owners, 10);
static DEFINE_MUTEX(stat_mutex);

static struct ioasids_cgroup *css_ioasids(struct cgroup_subsys_state *css)
{
	return container_of(css, struct ioasids_cgroup, css);
}

static struct ioasids_cgroup *css_payer(struct cgroup_subsys_state *css)
{
	return css && css->parent ? css_ioasids(css) : NULL;
}

/* How many more the limit of @cg alone would grant. */
static u64 ioasids_left(struct ioasids_cgroup *cg)
{
	u64 count = atomic64_read(&cg->count);
	u64 max = atomic64_read(&cg->max);

	return max > count ? max - count : 0;
}

/*
 * A count is highest just before it falls, or now. So the peak is recorded where
 * the count falls: a charge does not pay for it, and a request that is refused
 * further up takes back what it added here without leaving a mark. A count that
 * has fallen below 0 is higher than any, and found here the next time.
 */
static __always_inline void ioasids_sub(struct ioasids_cgroup *cg, u32 n)
{
	s64 count = atomic64_fetch_sub(n, &cg->count);
	s64 peak = atomic64_read(&cg->peak);

	while (unlikely((u64)count > (u64)peak)) {
		if (WARN_ON_ONCE(count < 0) || atomic64_try_cmpxchg(&cg->peak, &peak, count))
			break;
	}
}

/* Take back what a failed request has added from @cg up to below @end. */
static noinline void ioasids_revert(struct ioasids_cgroup *cg, struct ioasids_cgroup *end, u32 n)
{
	for (; cg != end; cg = cg->parent)
		WARN_ON_ONCE(atomic64_sub_return(n, &cg->count) < 0);
}

/* The nearest cgroup whose limit refuses @n more, or NULL. */
static struct ioasids_cgroup *ioasids_find_limit(struct ioasids_cgroup *cg, u32 n)
{
	while (cg && n <= ioasids_left(cg))
		cg = cg->parent;
	return cg;
}

/* Not inline: who is not refused saves no registers for it. */
static noinline int ioasids_refused(struct ioasids_cgroup *cg, struct ioasids_cgroup *limit)
{
	static DEFINE_RATELIMIT_STATE(log_limit, 5 * HZ, 100);
	struct ioasids_cgroup *p;
	bool over = false;

	if (READ_ONCE(cg->limiter) != limit)
		WRITE_ONCE(cg->limiter, limit);

	/*
	 * Only the first time: what a user can repeat does not print. Who may make
	 * cgroups can make many. Interrupts are off, so a console has to wait.
	 */
	if (atomic64_inc_return(&cg->events_local[IOASIDS_EVENT_ALLOC_FAIL]) == 1 &&
	    __ratelimit(&log_limit)) {
		char *path = kmalloc(PATH_MAX, GFP_ATOMIC);

		if (path && cgroup_path(cg->css.cgroup, path, PATH_MAX) >= 0)
			printk_deferred(KERN_INFO "cgroup: request refused by ioasids controller in %s\n",
					path);
		kfree(path);
	}
	cgroup_file_notify(&cg->events_local_file);
	atomic64_inc(&limit->events_local[IOASIDS_EVENT_MAX]);
	cgroup_file_notify(&limit->events_local_file);

	for (p = cg; p; p = p->parent) {
		atomic64_inc(&p->events[IOASIDS_EVENT_ALLOC_FAIL]);
		over |= p == limit;
		if (over)
			atomic64_inc(&p->events[IOASIDS_EVENT_MAX]);
		cgroup_file_notify(&p->events_file);
	}
	return -EAGAIN;
}

/*
 * A request that cannot fit should add nothing anywhere: others would be refused
 * for it, or record it as the peak if they uncharge just then. A reservation, which
 * can be large, looks at all limits first. A single ID looks at the one that
 * refused the last; only if another one refuses it, or what was looked at changes
 * while it climbs, may others see 1 more for an instant. To exclude that would take
 * a lock that all share, or two atomics for each level.
 */
int ioasids_try_charge(struct ioasids_account *acct, u32 n)
{
	struct ioasids_cgroup *cg = acct->cg, *p;

	lockdep_assert_held(&acct->lock);

	if (cg && (n > 1 || !ioasids_left(READ_ONCE(cg->limiter)))) {
		p = ioasids_find_limit(cg, n);
		if (p)
			return ioasids_refused(cg, p);
	}

	for (p = cg; p; ) {
		s64 count = atomic64_read(&p->count);

		if (unlikely((u64)count + n > (u64)atomic64_read(&p->max))) {
			ioasids_revert(cg, p, n);
			return ioasids_refused(cg, p);
		}
		/* Or another was faster, and here it is tried again. */
		if (likely(atomic64_try_cmpxchg(&p->count, &count, count + n)))
			p = p->parent;
	}
	WRITE_ONCE(acct->charged, acct->charged + n);
	return 0;
}

void ioasids_uncharge(struct ioasids_account *acct, u32 n)
{
	struct ioasids_cgroup *p;

	lockdep_assert_held(&acct->lock);

	WARN_ON_ONCE(acct->charged < n);
	for (p = acct->cg; p; p = p->parent)
		ioasids_sub(p, n);
	WRITE_ONCE(acct->charged, acct->charged - n);
}

void ioasids_cancel(struct ioasids_account *acct, u32 n)
{
	lockdep_assert_held(&acct->lock);

	ioasids_revert(acct->cg, NULL, n);
	WRITE_ONCE(acct->charged, acct->charged - n);
}

u32 ioasids_available(struct ioasids_account *acct)
{
	struct ioasids_cgroup *p;
	u64 left = U32_MAX;

	lockdep_assert_held(&acct->lock);

	for (p = acct->cg; p; p = p->parent)
		left = min(left, ioasids_left(p));
	return left;
}

/*
 * Have @to pay for @acct, whatever the limits say. The ancestors that it shares
 * with who paid until now are not touched.
 */
static void ioasids_move(struct ioasids_account *acct, struct ioasids_cgroup *to)
{
	struct ioasids_cgroup *from = acct->cg, *src = from, *dst = to;

	lockdep_assert_held(&acct->lock);

	if (from == to)
		return;

	while (src != dst) {
		if (!dst || (src && src->level >= dst->level)) {
			ioasids_sub(src, acct->charged);
			src = src->parent;
		} else {
			atomic64_add(acct->charged, &dst->count);
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
		list_add_tail(&acct->cg_node, &to->accounts);
		spin_unlock(&to->lock);
	}
}

/* In the table; under the lock: close has not got to giving the charge back. */
static bool account_is_open(struct ioasids_account *acct)
{
	return !hlist_unhashed_lockless(&acct->owner_node);
}

/*
 * The leader of @task's thread group or, when that has exited, the eldest thread:
 * whose cgroup pays. Only on v1 can the others be elsewhere.
 */
static struct task_struct *eldest_of(struct task_struct *task)
{
	struct task_struct *t;

	for_each_thread(task, t) {
		if (!(READ_ONCE(t->flags) & PF_EXITING))
			return t;
	}
	return task;
}

/*
 * The choice of the payer and the entry among the owner's accounts are one step
 * against migration. Only a thread of v1 that moves itself does not wait for it: it
 * finds the account, or is found where it goes.
 */
void ioasids_account_open(struct ioasids_account *acct)
{
	struct task_struct *eldest;

	if (!cgroup_subsys_enabled(ioasids_cgrp_subsys))
		return;

	cgroup_threadgroup_change_begin(current);
	spin_lock_irq(&owners_lock);
	hash_add_rcu(owners, &acct->owner_node, (unsigned long)acct->owner);
	spin_unlock_irq(&owners_lock);
	smp_mb(); /* the account is seen, or where the eldest is: see ioasids_attach() */

	/* RCU keeps a cgroup that the eldest leaves from going offline meanwhile. */
	rcu_read_lock();
	spin_lock_irq(&acct->lock);
	eldest = eldest_of(current);
	ioasids_move(acct, css_payer(task_css_check(eldest, ioasids_cgrp_id, true)));
	spin_unlock_irq(&acct->lock);
	rcu_read_unlock();
	cgroup_threadgroup_change_end(current);
}

void ioasids_account_close(struct ioasids_account *acct)
{
	unsigned long flags;

	if (!account_is_open(acct))
		return;

	spin_lock_irqsave(&owners_lock, flags);
	hlist_del_init_rcu(&acct->owner_node);
	spin_unlock_irqrestore(&owners_lock, flags);

	spin_lock_irqsave(&acct->lock, flags);
	ioasids_move(acct, NULL);
	spin_unlock_irqrestore(&acct->lock, flags);
}

/*
 * The accounts of a thread group go where its eldest thread goes; only v1 moves
 * threads one by one. None starts or ends meanwhile, but where one moves itself:
 * then an elder that is exiting counts, or does not.
 */
static void ioasids_attach(struct cgroup_taskset *tset)
{
	struct cgroup_subsys_state *css;
	struct ioasids_account *acct;
	struct pid *owner, *done = NULL;
	struct task_struct *task;

	smp_mb(); /* where tasks are is seen, or their accounts: see ioasids_account_open() */
	rcu_read_lock();
	cgroup_taskset_for_each(task, css, tset) {
		owner = task_tgid(task);
		if (owner == done || task != eldest_of(task))
			continue;
		done = owner;

		hash_for_each_possible_rcu(owners, acct, owner_node, (unsigned long)owner) {
			spin_lock_irq(&acct->lock);
			if (acct->owner == owner && account_is_open(acct))
				ioasids_move(acct, css_payer(css));
			spin_unlock_irq(&acct->lock);
		}
		cond_resched_rcu();
	}
	rcu_read_unlock();
}

static struct cgroup_subsys_state *
ioasids_css_alloc(struct cgroup_subsys_state *parent)
{
	struct ioasids_cgroup *cg = kzalloc(sizeof(*cg), GFP_KERNEL);

	if (!cg)
		return ERR_PTR(-ENOMEM);

	cg->parent = css_payer(parent);
	cg->limiter = cg;
	cg->level = cg->parent ? cg->parent->level + 1 : 1;
	spin_lock_init(&cg->lock);
	INIT_LIST_HEAD(&cg->accounts);
	INIT_LIST_HEAD(&cg->uncounted);
	atomic64_set(&cg->max, IOASIDS_MAX);
	return &cg->css;
}

/* Of either list, which are read as one. RCU keeps it in memory. */
static struct ioasids_account *ioasids_any_account(struct ioasids_cgroup *cg)
{
	struct ioasids_account *acct;

	spin_lock_irq(&cg->lock);
	acct = list_first_entry_or_null(&cg->accounts, struct ioasids_account, cg_node) ?:
	       list_first_entry_or_null(&cg->uncounted, struct ioasids_account, cg_node);
	spin_unlock_irq(&cg->lock);
	return acct;
}

/* Accounts may outlive the tasks of their cgroup: the parent takes them over. */
static void ioasids_css_offline(struct cgroup_subsys_state *css)
{
	struct ioasids_cgroup *cg = css_ioasids(css);
	struct ioasids_account *acct;

	rcu_read_lock();
	while ((acct = ioasids_any_account(cg))) {
		spin_lock_irq(&acct->lock);
		if (acct->cg == cg)
			ioasids_move(acct, cg->parent);
		spin_unlock_irq(&acct->lock);
		cond_resched_rcu();
	}
	rcu_read_unlock();
}

static void ioasids_css_free(struct cgroup_subsys_state *css)
{
	kfree(css_ioasids(css));
}

static ssize_t ioasids_max_write(struct kernfs_open_file *of, char *buf,
				 size_t nbytes, loff_t off)
{
	struct ioasids_cgroup *cg = css_ioasids(of_css(of));
	u64 max;

	/* A string may end with its NUL; what follows one is not a string. */
	if (strlen(buf) + 1 < nbytes)
		return -EINVAL;

	buf = strstrip(buf);
	if (!strcmp(buf, "max"))
		max = IOASIDS_MAX;
	else if (!isdigit(*buf) || kstrtou64(buf, 10, &max) || max > S64_MAX)
		return -EINVAL;

	/* As in pids: requests under way may still follow the old limit. */
	atomic64_set(&cg->max, max);
	return nbytes;
}

static int ioasids_max_show(struct seq_file *m, void *v)
{
	u64 max = atomic64_read(&css_ioasids(seq_css(m))->max);

	if (max == IOASIDS_MAX)
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
	struct ioasids_cgroup *cg = css_ioasids(css);

	return max(atomic64_read(&cg->peak), atomic64_read(&cg->count));
}

static int ioasids_events_show(struct seq_file *m, void *v)
{
	struct ioasids_cgroup *cg = css_ioasids(seq_css(m));
	atomic64_t *events = seq_cft(m)->private ? cg->events_local : cg->events;

	seq_printf(m, "max %lld\nalloc_fail %lld\n", atomic64_read(&events[IOASIDS_EVENT_MAX]),
		   atomic64_read(&events[IOASIDS_EVENT_ALLOC_FAIL]));
	return 0;
}

struct ioasids_stat {
	u64 allocated, charged, sets;
};

/* There may be many: now and then others get the lock, and interrupts are on. */
static void ioasids_count(struct ioasids_cgroup *cg, struct ioasids_stat *stat)
{
	struct ioasids_account *acct;

	lockdep_assert_held(&stat_mutex);

	spin_lock_irq(&cg->lock);
	list_splice_init(&cg->accounts, &cg->uncounted);
	while ((acct = list_first_entry_or_null(&cg->uncounted, struct ioasids_account, cg_node))) {
		list_move_tail(&acct->cg_node, &cg->accounts);
		stat->allocated += READ_ONCE(acct->allocated);
		stat->charged += READ_ONCE(acct->charged);
		if (!(++stat->sets % 256)) {
			spin_unlock_irq(&cg->lock);
			spin_lock_irq(&cg->lock);
		}
	}
	spin_unlock_irq(&cg->lock);
}

/* A snapshot: what is taken, given back or moved meanwhile may count or not. */
static int ioasids_stat_show(struct seq_file *m, void *v)
{
	struct cgroup_subsys_state *css;
	struct ioasids_stat stat = {};

	mutex_lock(&stat_mutex);
	rcu_read_lock();
	css_for_each_descendant_pre(css, seq_css(m))
		ioasids_count(css_ioasids(css), &stat);
	rcu_read_unlock();
	mutex_unlock(&stat_mutex);

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
	size_t size;
	char *buf;
	int len;

	if (!account_is_open(acct)) {
		seq_putc(m, '-');
		return;
	}

	/* What is full already is shown anew, with more room. */
	size = seq_get_buf(m, &buf);
	if (!size)
		return;

	/* Until it is unlocked, the root keeps its cgroup: v1 may be unmounted. */
	cgroup_lock();
	spin_lock_irq(&acct->lock);
	css = acct->cg ? &acct->cg->css : init_css_set.subsys[ioasids_cgrp_id];
	css_get(css);
	spin_unlock_irq(&acct->lock);

	spin_lock_irq(&css_set_lock);
	len = cgroup_path_ns_locked(css->cgroup, buf, size, current->nsproxy->cgroup_ns);
	spin_unlock_irq(&css_set_lock);
	cgroup_unlock();
	css_put(css);

	/* One that was cut fills all there is. */
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

/*
 * The cgroup core shows what controllers have in the root of v2 when it adds the
 * files of the next controller, but this one may be the last.
 */
static int __init ioasids_init(void)
{
	kernfs_activate(cgrp_dfl_root.cgrp.kn);
	return 0;
}
subsys_initcall(ioasids_init);

#ifdef CONFIG_IOASIDS_KUNIT_TEST
#include "ioasids_kunit.c"
#endif
