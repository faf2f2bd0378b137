/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The seam between the IOASID allocator and the ioasids cgroup controller.
 *
 * The allocator embeds an account in each set of IDs. The controller knows
 * accounts, and nothing of sets or IDs; the allocator knows accounts, and
 * nothing of cgroups.
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
struct pid;

/**
 * struct ioasids_account - what one owner of IDs is charged, and to whom
 * @lock: guards the rest and the allocator's own counts beside it, so that a
 *	decision, its charge and its count are one step. Taken with interrupts
 *	off, in any context but NMI
 * @allocated: how many IDs exist; the allocator writes it, the controller shows
 *	it
 * @owner: the thread group that the charge follows; the allocator sets it, with a
 *	reference, before it opens the account. NULL: the kernel
 * @charged: how much @cg is charged: @allocated, or a reservation
 * @cg: the cgroup that pays, with a reference; NULL is the root, or nobody
 * @cg_node: the account's place among those that @cg pays for
 * @owner_node: the account's place in the table of open accounts
 *
 * Zeroed memory with an initialised @lock is an account that nobody pays for.
 * The memory of an account that was open is freed after a grace period of RCU.
 */
struct ioasids_account {
	spinlock_t			lock;		/* guards all that follows */
	u32				allocated;
	struct pid			*owner;
#ifdef CONFIG_CGROUP_IOASIDS
	u32				charged;
	struct ioasids_cgroup		*cg;
	struct list_head		cg_node;
	struct hlist_node		owner_node;
#endif
};

#ifdef CONFIG_CGROUP_IOASIDS

/**
 * ioasids_account_open() - have an account paid for by its owner's cgroup
 * @acct: an account that nobody pays for, and that is charged nothing; its owner is
 *	the caller's thread group
 *
 * That of the leader of the thread group or, when it has exited, of the eldest thread.
 * From here on the charge follows, until ioasids_account_close(). Does nothing if the
 * controller is disabled.
 *
 * Context: Process context. May sleep.
 */
void ioasids_account_open(struct ioasids_account *acct);

/**
 * ioasids_account_close() - give back all that an account is charged, for good
 * @acct: the account; nothing happens if it is not open
 *
 * Context: Any context but NMI. Takes @acct->lock.
 */
void ioasids_account_close(struct ioasids_account *acct);

/**
 * ioasids_try_charge() - charge an account, if the limits allow it
 * @acct: the account
 * @n: how many IDs
 *
 * Context: Process context, under @acct->lock.
 * Return: 0, or -EAGAIN if the limit of the cgroup that pays or of an ancestor
 * refuses; then nothing has changed but the events.
 */
int ioasids_try_charge(struct ioasids_account *acct, u32 n);

/**
 * ioasids_uncharge() - give back what an account was charged
 * @acct: the account
 * @n: how many IDs, at most what it is charged
 *
 * Context: Any context but NMI, under @acct->lock.
 */
void ioasids_uncharge(struct ioasids_account *acct, u32 n);

/**
 * ioasids_cancel() - undo a charge whose request failed for another reason
 * @acct: the account
 * @n: how many IDs, as charged by ioasids_try_charge()
 *
 * As ioasids_uncharge(), but the request leaves no mark in the peak.
 *
 * Context: Any context but NMI, under @acct->lock.
 */
void ioasids_cancel(struct ioasids_account *acct, u32 n);

/**
 * ioasids_available() - how many more IDs the limits would grant an account
 * @acct: the account
 *
 * Context: Any context but NMI, under @acct->lock.
 * Return: The number; U32_MAX if nothing limits it.
 */
u32 ioasids_available(struct ioasids_account *acct);

/**
 * ioasids_show_cgroup() - print the path of the cgroup that pays
 * @m: where to; the path is as the reader's cgroup namespace has it, or "-" if the
 *	account is not open
 * @acct: the account, which nobody closes meanwhile
 *
 * Context: Process context. May sleep.
 */
void ioasids_show_cgroup(struct seq_file *m, struct ioasids_account *acct);

#else /* !CONFIG_CGROUP_IOASIDS */

static inline void ioasids_account_open(struct ioasids_account *acct)
{
}

static inline void ioasids_account_close(struct ioasids_account *acct)
{
}

static inline int ioasids_try_charge(struct ioasids_account *acct, u32 n)
{
	return 0;
}

static inline void ioasids_uncharge(struct ioasids_account *acct, u32 n)
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
