/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The IOASID allocator: one space of I/O address space IDs for the machine.
 *
 * An ID belongs to a set. The IDs of a kernel set are charged to nobody; those of
 * a process set to the cgroup of the process that made it. IDs are given out
 * lowest free first, from 1: ID 0 means "no PASID" to devices.
 */
#ifndef _LINUX_IOASID_H
#define _LINUX_IOASID_H

#include <linux/types.h>

struct ioasid_set;
struct mm_struct;
struct seq_file;

/* PCI Express has 20 bits for a PASID. */
#define IOASID_BITS	20
#define IOASID_MAX	((1U << IOASID_BITS) - 1)

/**
 * struct ioasid_capacity - the machine's IDs
 * @total: how many there are
 * @kernel: how many kernel sets have taken or reserved
 * @user: how many process sets have taken or reserved
 * @available: how many are left
 */
struct ioasid_capacity {
	u32 total;
	u32 kernel;
	u32 user;
	u32 available;
};

/**
 * struct ioasid_set_info - what a set has
 * @id: names the set; never used twice
 * @quota: how many IDs it has reserved; 0: none
 * @allocated: how many IDs exist in it
 * @available: how many more it could take now
 */
struct ioasid_set_info {
	u64 id;
	u32 quota;
	u32 allocated;
	u32 available;
};

/**
 * ioasid_set_alloc() - make a set of IDs
 * @mm: whose set it is, pinned by the caller until ioasid_set_close(); NULL for
 *	the kernel, which pays nothing
 * @quota: how many IDs to reserve, as in ioasid_set_quota(); 0: none
 *
 * The set of an mm is charged to the cgroup of the caller, follows the caller's
 * thread group, and ends with ioasid_set_close(); that of the kernel with
 * ioasid_set_put().
 *
 * Context: Process context. May sleep.
 * Return: The set, with a reference for the caller, or an ERR_PTR():
 * -EEXIST: @mm has a set; -ENOMEM; and what ioasid_set_quota() returns.
 */
struct ioasid_set *ioasid_set_alloc(struct mm_struct *mm, u32 quota);

/**
 * ioasid_set_get() - hold a set
 * @set: a set that the caller knows to exist
 *
 * Context: Any context.
 * Return: @set, with one more reference.
 */
struct ioasid_set *ioasid_set_get(struct ioasid_set *set);

/**
 * ioasid_set_put() - let go of a set
 * @set: the set; it goes, with its reservation, when nobody holds it, and each of
 *	its IDs holds it
 *
 * Context: Any context but NMI.
 */
void ioasid_set_put(struct ioasid_set *set);

/**
 * ioasid_set_close() - end the set of an mm
 * @set: the set, which the caller made
 *
 * The mm can have another set from now on. What user space has allocated is
 * freed, the reservation is withdrawn, and the caller's reference dropped. The
 * kernel's IDs stay, each charged by itself, until they are freed.
 *
 * Context: Process context. May sleep.
 */
void ioasid_set_close(struct ioasid_set *set);

/**
 * ioasid_set_quota() - reserve IDs for a set
 * @set: the set
 * @quota: how many, those that the set holds included; 0: none
 *
 * A reservation is charged, and taken from the machine's capacity, at once and
 * as a whole. Allocating within it is not refused by a limit; beyond it, it is
 * refused. Without one, each ID is charged by itself; so 0 gives back what is
 * reserved and not allocated.
 *
 * Context: Process context.
 * Return: 0, or an error, and then nothing has changed: -EAGAIN: a cgroup's limit;
 * -ENOSPC: the set holds more than @quota, or the machine has too few left.
 */
int ioasid_set_quota(struct ioasid_set *set, u32 quota);

/**
 * ioasid_set_get_info() - what a set has
 * @set: the set
 * @info: filled in
 *
 * Context: Any context but NMI.
 */
void ioasid_set_get_info(struct ioasid_set *set, struct ioasid_set_info *info);

/**
 * ioasid_set_show_cgroup() - print the path of the cgroup that pays for a set
 * @m: where to; the path is as the reader's cgroup namespace has it
 * @set: the set of an mm, before ioasid_set_close(), or of the kernel; nothing is
 *	printed if nobody pays for it
 *
 * Context: Process context. May sleep.
 */
void ioasid_set_show_cgroup(struct seq_file *m, struct ioasid_set *set);

/**
 * ioasid_alloc() - allocate an ID for the kernel's own use, or on an mm's behalf
 * @set: the set that it is to belong to
 * @min: the lowest ID wanted; 0 means 1, as ID 0 is never given out
 * @max: the highest ID wanted
 *
 * The ID is the lowest one that is free between @min and @max, both included.
 * User space cannot free it.
 *
 * Context: Process context. May sleep.
 * Return: The ID, which is positive and has a reference that ioasid_free() drops;
 * or -EINVAL: the range is empty; -EAGAIN: a cgroup's limit; -ENOSPC: the set's
 * quota, the range or the machine is used up; -ENOMEM.
 */
int ioasid_alloc(struct ioasid_set *set, u32 min, u32 max);

/**
 * ioasid_alloc_user() - allocate an ID that user space asked for
 * @set: the set that it is to belong to
 * @min: as in ioasid_alloc()
 * @max: as in ioasid_alloc()
 *
 * The ID can be freed with ioasid_free_user(), and is by ioasid_set_close().
 *
 * Context: Process context. May sleep.
 * Return: As ioasid_alloc().
 */
int ioasid_alloc_user(struct ioasid_set *set, u32 min, u32 max);

/**
 * ioasid_get() - hold an ID
 * @set: the set that it belongs to
 * @id: the ID; it stays what it is, and charged, until ioasid_put()
 *
 * Context: Any context but NMI.
 * Return: 0, or -ENOENT: no such ID; -EACCES: another set's; -EBUSY: it is being
 * freed.
 */
int ioasid_get(struct ioasid_set *set, u32 id);

/**
 * ioasid_put() - let go of an ID
 * @set: the set that it belongs to
 * @id: the ID, which the caller holds by ioasid_get()
 *
 * If the ID was freed in the meantime and this was the last reference, the ID can
 * be given out again and its charge is gone.
 *
 * Context: Any context but NMI.
 */
void ioasid_put(struct ioasid_set *set, u32 id);

/**
 * ioasid_free() - free an ID
 * @set: the set that it belongs to
 * @id: the ID
 *
 * Nobody can take hold of it from now on. It can be given out again, and its
 * charge is gone, when those who hold it already have let go, or now.
 *
 * Context: Any context but NMI.
 * Return: 0, or -ENOENT: no such ID; -EACCES: another set's; -EBUSY: it is being
 * freed already.
 */
int ioasid_free(struct ioasid_set *set, u32 id);

/**
 * ioasid_free_user() - free an ID that user space asked for
 * @set: the set that it belongs to
 * @id: the ID
 *
 * Context: Any context but NMI.
 * Return: As ioasid_free(); also -EACCES: it is from ioasid_alloc().
 */
int ioasid_free_user(struct ioasid_set *set, u32 id);

/**
 * ioasid_get_capacity() - how many IDs the machine has, and who has them
 * @cap: filled in; its fields add up, but are of no one instant
 *
 * Context: Any context.
 */
void ioasid_get_capacity(struct ioasid_capacity *cap);

#endif /* _LINUX_IOASID_H */
