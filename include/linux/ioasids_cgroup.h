/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The interface between the IOASID allocator and the ioasids cgroup controller.
 *
 * The allocator embeds an account in each set of IDs. Both know accounts; only
 * the allocator knows sets and IDs, and only the controller knows cgroups.
 */
#ifndef _LINUX_IOASIDS_CGROUP_H
#define _LINUX_IOASIDS_CGROUP_H

#include <linux/limits.h>
#include <linux/list.h>
#include <linux/spinlock.h>
#include <linux/seq_file.h>
#include <linux/string.h>
#include <linux/types.h>

struct ioasids_cgroup;
struct ioasids_owner;

/**
 * enum ioasids_by - what refused a request, in the tracepoint ioasid_refused
 * @IOASIDS_BY_LIMIT: the limit of a cgroup
 * @IOASIDS_BY_CAPACITY: the machine has too few IDs left
 * @IOASIDS_BY_QUOTA: the set has used up its reservation
 * @IOASIDS_BY_RANGE: the machine has IDs left, but none that the caller can use
 */
enum ioasids_by {
	IOASIDS_BY_LIMIT,
	IOASIDS_BY_CAPACITY,
	IOASIDS_BY_QUOTA,
	IOASIDS_BY_RANGE,
};

/**
 * struct ioasids_account - the charge of one set of IDs, and the cgroup that pays
 * @lock: guards the other fields and the allocator's own counts, so that a decision,
 *	its charge and its count are one step. Taken with interrupts off, in any
 *	context but NMI
 * @allocated: how many IDs the set has; written by the allocator
 * @quota: how many IDs the set has reserved; 0: none; written by the allocator
 * @tgid: the thread group that owns the set, for tracepoints; written by the allocator
 * @id: the number of the set, for tracepoints; 0: it has none yet; written by the allocator
 * @owner: the thread group that the charge follows; NULL: the account is not open
 * @cg: the cgroup that pays, with a reference; NULL: the root, or none
 * @cg_node: the account's place among those that @cg pays for
 *
 * The charge is @quota or, without one, @allocated. Zeroed memory with an initialised
 * @lock is an account that no cgroup pays for. The memory of an account that was open
 * is freed after a grace period of RCU.
 */
struct ioasids_account {
	spinlock_t			lock;		/* guards all that follows */
	u32				allocated;
	u32				quota;
	pid_t				tgid;
	unsigned long			id;
#ifdef CONFIG_CGROUP_IOASIDS
	struct ioasids_owner		*owner;
	struct ioasids_cgroup		*cg;
	struct list_head		cg_node;
#endif
};

static inline u32 ioasids_charge_of(const struct ioasids_account *acct)
{
	return acct->quota ?: acct->allocated;
}

/**
 * struct ioasids_refusal - a request that a limit has refused
 * @cg: the cgroup that would have paid, with a reference
 * @limit: the cgroup whose limit refused it
 */
struct ioasids_refusal {
	struct ioasids_cgroup		*cg;
	struct ioasids_cgroup		*limit;
};

#ifdef CONFIG_CGROUP_IOASIDS

/**
 * ioasids_cgroup_id() - get the number of a cgroup, for tracepoints
 * @cg: the cgroup; NULL: the root
 *
 * Context: Any context.
 * Return: As cgroup_id().
 */
u64 ioasids_cgroup_id(const struct ioasids_cgroup *cg);

/* The number of the cgroup that pays, under @acct->lock; 0: none does */
static inline u64 ioasids_payer_id(const struct ioasids_account *acct)
{
	return acct->owner ? ioasids_cgroup_id(acct->cg) : 0;
}

/**
 * ioasids_account_open() - make the caller's thread group own an account
 * @acct: the account; the caller lets one task at a time open it
 *
 * The caller's cgroup pays from now on, regardless of its limit, and the charge follows
 * the thread group until another one opens the account, or ioasids_account_close().
 * Does nothing if the controller is disabled.
 *
 * Context: Process context. May sleep.
 * Return: 0, or -ENOMEM, and then nothing has changed.
 */
int ioasids_account_open(struct ioasids_account *acct);

/**
 * ioasids_account_close() - uncharge an account, and end its payment
 * @acct: the account; if it is not open, this does nothing
 *
 * Context: Any context but NMI. Takes @acct->lock.
 */
void ioasids_account_close(struct ioasids_account *acct);

/**
 * ioasids_check() - ask whether the limits allow a charge
 * @acct: the account
 * @n: how many IDs
 * @refusal: filled in if a limit refuses
 *
 * Context: Process context, under @acct->lock.
 * Return: As ioasids_try_charge(), but nothing is charged.
 */
int ioasids_check(struct ioasids_account *acct, u32 n, struct ioasids_refusal *refusal);

/**
 * ioasids_try_charge() - charge an account, if the limits allow it
 * @acct: the account
 * @n: how many IDs; the caller adds them to the account before it unlocks it
 * @refusal: filled in if a limit refuses
 *
 * Context: Process context, under @acct->lock.
 * Return: 0, or -EAGAIN if the limit of the cgroup that pays or of an ancestor
 * refuses. Then nothing has changed, and the caller passes @refusal to
 * ioasids_report_refusal() when it has unlocked the account.
 */
int ioasids_try_charge(struct ioasids_account *acct, u32 n, struct ioasids_refusal *refusal);

/**
 * ioasids_try_charge_one() - ioasids_try_charge() for one ID, in fewer instructions
 * @acct: the account
 * @refusal: filled in if a limit refuses
 *
 * Context: Process context, under @acct->lock.
 * Return: As ioasids_try_charge().
 */
int ioasids_try_charge_one(struct ioasids_account *acct, struct ioasids_refusal *refusal);

/**
 * ioasids_report_refusal() - count the events of a refusal, and log the first one
 * @refusal: from ioasids_check(), ioasids_try_charge() or ioasids_try_charge_one()
 *
 * Context: Process context, without spinlocks.
 */
void ioasids_report_refusal(struct ioasids_refusal *refusal);

/**
 * ioasids_uncharge() - uncharge IDs of an account
 * @acct: the account
 * @n: how many IDs; the caller subtracts them from the account under the same lock
 *
 * Context: Any context but NMI, under @acct->lock.
 */
void ioasids_uncharge(struct ioasids_account *acct, u32 n);

/**
 * ioasids_uncharge_one() - ioasids_uncharge() for one ID, in fewer instructions
 * @acct: the account
 *
 * Context: Any context but NMI, under @acct->lock.
 */
void ioasids_uncharge_one(struct ioasids_account *acct);

/**
 * ioasids_cancel() - undo a charge whose request failed for another reason
 * @acct: the account
 * @n: how many IDs, as charged by ioasids_try_charge()
 *
 * As ioasids_uncharge(), but does not record the peak.
 *
 * Context: Any context but NMI, under @acct->lock.
 */
void ioasids_cancel(struct ioasids_account *acct, u32 n);

/**
 * ioasids_available() - get how many more IDs the limits would grant an account
 * @acct: the account
 *
 * Context: Any context but NMI, under @acct->lock.
 * Return: The number; U32_MAX without a limit.
 */
u32 ioasids_available(struct ioasids_account *acct);

/**
 * ioasids_show_cgroup() - print the path of the cgroup that pays
 * @m: the output: the path as seen from the reader's cgroup namespace, or "-" if the
 *	account is not open
 * @acct: the account
 *
 * Context: Process context, interrupts on.
 */
void ioasids_show_cgroup(struct seq_file *m, struct ioasids_account *acct);

#else /* !CONFIG_CGROUP_IOASIDS */

static inline u64 ioasids_cgroup_id(const struct ioasids_cgroup *cg)
{
	return 0;
}

static inline u64 ioasids_payer_id(const struct ioasids_account *acct)
{
	return 0;
}

static inline int ioasids_account_open(struct ioasids_account *acct)
{
	return 0;
}

static inline void ioasids_account_close(struct ioasids_account *acct)
{
}

static inline int ioasids_check(struct ioasids_account *acct, u32 n,
				struct ioasids_refusal *refusal)
{
	return 0;
}

static inline int ioasids_try_charge(struct ioasids_account *acct, u32 n,
				     struct ioasids_refusal *refusal)
{
	return 0;
}

static inline int ioasids_try_charge_one(struct ioasids_account *acct,
					 struct ioasids_refusal *refusal)
{
	return 0;
}

static inline void ioasids_report_refusal(struct ioasids_refusal *refusal)
{
}

static inline void ioasids_uncharge(struct ioasids_account *acct, u32 n)
{
}

static inline void ioasids_uncharge_one(struct ioasids_account *acct)
{
}

static inline void ioasids_cancel(struct ioasids_account *acct, u32 n)
{
}

static inline u32 ioasids_available(struct ioasids_account *acct)
{
	return U32_MAX;
}

static inline void ioasids_show_cgroup(struct seq_file *m,
				       struct ioasids_account *acct)
{
	seq_putc(m, '-');
}

#endif /* CONFIG_CGROUP_IOASIDS */
#endif /* _LINUX_IOASIDS_CGROUP_H */
