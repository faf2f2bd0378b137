/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The IOASID allocator: one space of I/O address space IDs for the machine.
 * Documentation/driver-api/ioasid.rst is its manual.
 *
 * An ID belongs to a set. The IDs of a kernel set are charged to nobody; those of
 * a process set to the cgroup of the process that made it. IDs are given out
 * lowest free first, from 1: ID 0 means "no PASID" to devices.
 */
#ifndef _LINUX_IOASID_H
#define _LINUX_IOASID_H

#include <linux/mm_types.h>
#include <linux/types.h>

struct ioasid_set;
struct notifier_block;
struct seq_file;
struct work_struct;

/* PCI Express has 20 bits for a PASID. */
#define IOASID_BITS	20
#define IOASID_MAX	((1U << IOASID_BITS) - 1)

/**
 * struct ioasid_capacity - the machine's IDs
 * @total: how many there are; the highest ID
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
 * enum ioasid_event - what notifiers are told
 * @IOASID_NOTIFY_ALLOC: an ID was allocated; user space cannot free it yet
 * @IOASID_NOTIFY_FREE: an ID is being freed: those who hold it should let go. Each
 *	ID is freed once, after all have been told that it was allocated, and exists
 *	until the notifiers have returned
 * @IOASID_NOTIFY_BIND: a driver has bound an ID, as ioasid_notify() was told
 * @IOASID_NOTIFY_UNBIND: a driver has unbound an ID, as ioasid_notify() was told
 */
enum ioasid_event {
	IOASID_NOTIFY_ALLOC,
	IOASID_NOTIFY_FREE,
	IOASID_NOTIFY_BIND,
	IOASID_NOTIFY_UNBIND,
};

/**
 * enum ioasid_priority - the priority of a notifier_block
 * @IOASID_PRIORITY_DEVICE: drivers of devices; told last
 * @IOASID_PRIORITY_IOMMU: drivers of IOMMUs
 * @IOASID_PRIORITY_CPU: users of IDs on CPUs, such as KVM; told first
 *
 * The order holds over all notifiers that are told of an event, wherever they were
 * registered: first CPUs issue no more requests with the ID, then the IOMMU
 * translates none, then devices let go of it. A notifier that registers while an ID
 * is being allocated may be told that it is freed, and not that it was allocated, as
 * with all IDs that exist already.
 */
enum ioasid_priority {
	IOASID_PRIORITY_DEVICE,
	IOASID_PRIORITY_IOMMU,
	IOASID_PRIORITY_CPU,
};

/**
 * struct ioasid_notification - what the event is about; the data of a notifier
 * @set: the set that the ID belongs to
 * @id: the ID
 * @spid: its private ID; 0: none
 * @data: its private data, or NULL
 *
 * All of it is valid until the notifier returns.
 */
struct ioasid_notification {
	struct ioasid_set	*set;
	u32			id;
	u32			spid;
	void			*data;
};

/**
 * ioasid_report_iommu() - say how many PASIDs an IOMMU can tell apart
 * @max_pasids: the highest PASID plus one; below 2, the IOMMU does not count
 *
 * For the core of the IOMMU subsystem, when an IOMMU registers. The machine has the
 * IDs that the widest IOMMU can tell apart, and %IOASID_MAX until the first registers.
 * The parameter ioasid_capacity= of the kernel's command line sets an upper bound.
 * IDs that are above, and were taken before, stay until they are freed.
 *
 * Context: Process context. May sleep.
 */
void ioasid_report_iommu(u32 max_pasids);

/**
 * ioasid_get_capacity() - how many IDs the machine has, and who has them
 * @cap: filled in; its fields add up, but are of no one instant. More than @total may
 *	have been taken before the first IOMMU registered
 *
 * Context: Any context.
 */
void ioasid_get_capacity(struct ioasid_capacity *cap);

/**
 * ioasid_set_alloc() - make a set of IDs
 * @mm: the mm whose set it is, pinned by the caller; NULL for the kernel, which is
 *	charged to nobody
 * @quota: how many IDs to reserve, as in ioasid_set_quota(); 0: none
 *
 * The set of an mm is charged to the cgroup of the caller and follows the caller's
 * thread group. When that has died or has left the mm, the charge goes to the process
 * of the mm that next asks for an ID or a quota. If SVA has made the mm's set already,
 * that one is shared. The caller ends its use with ioasid_set_close(), that of a
 * kernel set with ioasid_set_put(). When the last user of the address space is gone,
 * what ioasid_set_close() gives back is given back already. Kernel sets can be made,
 * and IDs allocated in them, as soon as interrupts are on, which is before any
 * initcall.
 *
 * Context: Process context. May sleep.
 * Return: The set, with a reference for the caller, or an ERR_PTR():
 * -EEXIST: another caller has @mm's set; -ESRCH: the address space has ended;
 * -ENOMEM; and what ioasid_set_quota() returns.
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
 * ioasid_set_close() - end the use of the set of an mm
 * @set: the set, from ioasid_set_alloc()
 *
 * What user space has allocated is freed, the reservation is withdrawn, and the
 * caller's reference dropped. The kernel's IDs stay, each charged by itself, until
 * they are freed. The mm can have another set from now on or, while it has a
 * PASID for SVA, this one again.
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
 * Context: Process context. May sleep.
 * Return: 0, or an error, and then nothing has changed: -EAGAIN: a cgroup's limit;
 * -ENOSPC: the set holds more than @quota, or the machine has too few left;
 * -ENOENT: the set has ended, with its mm; -ENOMEM.
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
 * ioasid_set_get_own_info() - what a set has, for a process that shares it
 * @set: the set
 * @info: filled in; @info->available is what the limits of the caller's cgroup leave
 *	if the caller's request would be charged there
 *
 * Context: Process context. May sleep.
 * Return: 0, or -ENOMEM.
 */
int ioasid_set_get_own_info(struct ioasid_set *set, struct ioasid_set_info *info);

/**
 * ioasid_set_is_current() - is this the set of the caller's mm?
 * @set: the set
 *
 * Context: Process context.
 */
bool ioasid_set_is_current(struct ioasid_set *set);

/**
 * ioasid_set_show_cgroup() - print the path of the cgroup that pays for a set
 * @m: where to; the path is as the reader's cgroup namespace has it, or "-" if
 *	nobody pays
 * @set: the set
 *
 * Context: Process context, interrupts on.
 */
void ioasid_set_show_cgroup(struct seq_file *m, struct ioasid_set *set);

/**
 * ioasid_set_for_each_ioasid() - visit the IDs of a set
 * @set: the set
 * @fn: called for each ID that is not being freed, in the order in which they
 *	were allocated; the ID is held, and no lock is. May do anything to the ID.
 *	Anything but 0 ends the walk
 * @data: the second argument of @fn
 *
 * IDs that are freed meanwhile may be left out, those that are allocated
 * meanwhile visited.
 *
 * Context: Any context but NMI; @fn may sleep if the caller may.
 * Return: What @fn returned last; 0 if there is no ID.
 */
int ioasid_set_for_each_ioasid(struct ioasid_set *set, int (*fn)(u32 id, void *data),
			       void *data);

/**
 * ioasid_free_all_in_set() - free all IDs of a set
 * @set: the set
 *
 * As ioasid_free() on each ID, those that user space has allocated included.
 *
 * Context: Process context. May sleep.
 */
void ioasid_free_all_in_set(struct ioasid_set *set);

/**
 * ioasid_find_set() - find the set that an ID belongs to
 * @id: the ID
 *
 * Context: Any context but NMI.
 * Return: The set, with a reference for the caller; NULL: there is no such ID.
 */
struct ioasid_set *ioasid_find_set(u32 id);

/**
 * ioasid_find_mm_set() - find the set of an mm
 * @mm: the mm
 *
 * Context: Any context but NMI.
 * Return: The set, with a reference for the caller; NULL: @mm has none.
 */
struct ioasid_set *ioasid_find_mm_set(struct mm_struct *mm);

/**
 * ioasid_mm_alloc() - allocate the PASID of an mm, for SVA
 * @mm: the mm, which has none yet and exists until ioasid_mm_free()
 * @max: the highest ID wanted
 *
 * The PASID is of the set of the mm, which is made if there is none: charged to the
 * cgroup of the caller, and to follow the caller's thread group. User space cannot
 * free it.
 *
 * Context: Process context. May sleep.
 * Return: As ioasid_alloc(); also -EEXIST: @mm has one.
 */
int ioasid_mm_alloc(struct mm_struct *mm, u32 max);

/**
 * ioasid_mm_free() - free the PASID of an mm
 * @mm: the mm; nobody else uses it any more
 * @id: from ioasid_mm_alloc()
 *
 * Context: Any context but NMI.
 */
void ioasid_mm_free(struct mm_struct *mm, u32 id);

void __ioasid_mm_exit(struct mm_struct *mm);
void __ioasid_mm_drop(struct mm_struct *mm);

#ifdef CONFIG_IOASID
/* A new mm: it may be a copy of another, and has no set yet. */
static inline void ioasid_mm_init(struct mm_struct *mm)
{
	mm->ioasid_mm = NULL;
}

/* The last user of the address space is gone. Process context, may sleep. */
static inline void ioasid_mm_exit(struct mm_struct *mm)
{
	if (READ_ONCE(mm->ioasid_mm))
		__ioasid_mm_exit(mm);
}

/* The mm is freed, and its PASID has been. Any context but NMI. */
static inline void ioasid_mm_drop(struct mm_struct *mm)
{
	if (mm->ioasid_mm)
		__ioasid_mm_drop(mm);
}
#else
static inline void ioasid_mm_init(struct mm_struct *mm)
{
}

static inline void ioasid_mm_exit(struct mm_struct *mm)
{
}

static inline void ioasid_mm_drop(struct mm_struct *mm)
{
}
#endif

/**
 * ioasid_alloc() - allocate an ID for the kernel's own use, or on an mm's behalf
 * @set: the set that it is to belong to
 * @min: the lowest ID wanted; 0 means 1, as ID 0 is never given out
 * @max: the highest ID wanted
 * @data: its private data, as from ioasid_attach_data(); NULL: none
 *
 * The ID is the lowest one that is free between @min and @max, both included.
 * User space cannot free it. %IOASID_NOTIFY_ALLOC is sent before this returns; a
 * notifier may already have freed the ID.
 *
 * Context: Process context. May sleep.
 * Return: The ID, which is positive and has a reference that ioasid_free() drops;
 * or -EINVAL: the range is empty; -EAGAIN: a cgroup's limit; -ENOSPC: the set's
 * quota, the range or the machine is used up; -ENOENT: the set has ended, with its mm;
 * -ENOMEM.
 */
int ioasid_alloc(struct ioasid_set *set, u32 min, u32 max, void *data);

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
 * DOC: states of an ID
 *
 * An ID is FREE, IDLE (allocated, nobody holds it), ACTIVE (somebody holds it) or
 * FREE_PENDING (freed, somebody still holds it). What is returned, and the state
 * after it where that changes:
 *
 * ======================== =========== ============ ============ =============
 * ..                       FREE        IDLE         ACTIVE       FREE_PENDING
 * ======================== =========== ============ ============ =============
 * ioasid_get()             -ENOENT     0, ACTIVE    0            -EBUSY
 * ioasid_get_if_owned()    -ENOENT     0, ACTIVE    0            -EBUSY
 * ioasid_put()             --          --           IDLE at last FREE at last
 * ioasid_free()            -ENOENT     0, FREE      0, F_PENDING -EBUSY
 * ioasid_notify()          -ENOENT     0            0            -EBUSY
 * ioasid_attach_data()     -ENOENT     0            0            -EBUSY
 * ioasid_attach_spid()     -ENOENT     0            0            -EBUSY
 * ioasid_detach_data()     -ENOENT     0            0            0
 * ioasid_detach_spid()     -ENOENT     0            0            0
 * ioasid_find()            -ENOENT     the data     the data     the data
 * ioasid_find_by_spid()    -ENOENT     ID, ACTIVE   the ID       -EBUSY
 * ======================== =========== ============ ============ =============
 *
 * In all states but FREE, functions that are given a set that the ID does not
 * belong to return -EACCES, and ioasid_get_if_owned() -EPERM. Only a holder of an
 * ID calls ioasid_put().
 */

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
 * ioasid_get_if_owned() - hold an ID, if it is the current process's
 * @id: the ID
 *
 * Context: Process context.
 * Return: 0, or -ENOENT: no such ID; -EPERM: it is not of a set of current->mm;
 * -EBUSY: it is being freed.
 */
int ioasid_get_if_owned(u32 id);

/**
 * ioasid_put() - let go of an ID
 * @id: the ID, which the caller holds
 *
 * If the ID was freed in the meantime and this was the last reference, the ID can
 * be given out again and its charge is gone.
 *
 * Context: Any context but NMI.
 * Return: Whether the ID is gone.
 */
bool ioasid_put(u32 id);

/**
 * ioasid_free() - free an ID
 * @set: the set that it belongs to
 * @id: the ID
 *
 * Nobody can take hold of it from now on, and %IOASID_NOTIFY_FREE is sent before
 * this returns; or, if %IOASID_NOTIFY_ALLOC is still being sent, after that. It can
 * be given out again, and its charge is gone, when those who hold it have let go.
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
 * Return: As ioasid_free(); also -EACCES: it is from ioasid_alloc(), or
 * %IOASID_NOTIFY_ALLOC is being sent.
 */
int ioasid_free_user(struct ioasid_set *set, u32 id);

/**
 * ioasid_attach_data() - give an ID private data
 * @set: the set that it belongs to
 * @id: the ID
 * @data: not NULL; the caller's, and not looked at
 *
 * Context: Any context but NMI.
 * Return: 0, or -EINVAL: @data is NULL; -EEXIST: it has some; -ENOENT, -EACCES and
 * -EBUSY as ioasid_get().
 */
int ioasid_attach_data(struct ioasid_set *set, u32 id, void *data);

/**
 * ioasid_detach_data() - take the private data from an ID
 * @set: the set that it belongs to
 * @id: the ID; it may be being freed
 *
 * When this returns data, no ioasid_find() is looking at it any more.
 *
 * Context: Process context. May sleep.
 * Return: The data, or NULL if it has none; or an ERR_PTR(): -ENOENT: no such ID;
 * -EACCES: another set's.
 */
void *ioasid_detach_data(struct ioasid_set *set, u32 id);

/**
 * ioasid_find() - find the private data of an ID
 * @set: the set that it belongs to; NULL: any
 * @id: the ID; it may be being freed
 * @getter: called under rcu_read_lock() with the data; takes a reference that
 *	keeps it, or returns false if it is too late. NULL: the caller knows that
 *	the data stays, by being under rcu_read_lock() or otherwise
 *
 * Context: Any context but NMI.
 * Return: The data; NULL: it has none, or @getter returned false; or an ERR_PTR():
 * -ENOENT: no such ID; -EACCES: another set's.
 */
void *ioasid_find(struct ioasid_set *set, u32 id, bool (*getter)(void *data));

/**
 * ioasid_attach_spid() - give an ID a private ID
 * @set: the set that it belongs to
 * @id: the ID
 * @spid: what a guest calls it: from 1 to %IOASID_MAX, of one ID in the set only
 *
 * The ID keeps it until ioasid_detach_spid(), or until it is gone.
 *
 * Context: Process context. May sleep.
 * Return: 0, or -EINVAL: @spid is none; -EEXIST: the ID has one, or @spid is
 * another's in @set; -ENOMEM; -ENOENT, -EACCES and -EBUSY as ioasid_get().
 */
int ioasid_attach_spid(struct ioasid_set *set, u32 id, u32 spid);

/**
 * ioasid_detach_spid() - take the private ID from an ID
 * @set: the set that it belongs to
 * @id: the ID; it may be being freed
 *
 * Context: Process context. May sleep.
 * Return: 0, or -ENOENT: no such ID, or it has none; -EACCES: another set's.
 */
int ioasid_detach_spid(struct ioasid_set *set, u32 id);

/**
 * ioasid_find_by_spid() - find and hold the ID that has a private ID
 * @set: the set
 * @spid: the private ID
 *
 * Context: Any context but NMI.
 * Return: The ID, held until ioasid_put(); or -ENOENT: @spid is of none in @set;
 * -EBUSY: it is being freed.
 */
int ioasid_find_by_spid(struct ioasid_set *set, u32 spid);

/**
 * ioasid_register_notifier() - be told of events
 * @set: of the IDs of this set, which the caller holds until it unregisters;
 *	NULL: of all IDs
 * @nb: its priority is an &enum ioasid_priority. It is called with an &enum
 *	ioasid_event and a &struct ioasid_notification, with no lock held and
 *	under rcu_read_lock(): it must not sleep, but may do to the ID whatever may
 *	be done in any context. For the rest there is ioasid_queue_work(). It
 *	returns %NOTIFY_OK, or %NOTIFY_DONE if the event is of no interest
 *
 * Context: Process context.
 * Return: 0, or -EINVAL: no such priority; -EEXIST: @nb is registered, which is a bug
 * that is warned of.
 */
int ioasid_register_notifier(struct ioasid_set *set, struct notifier_block *nb);

/**
 * ioasid_unregister_notifier() - be told no more
 * @set: as it was registered
 * @nb: what was registered; it is not called any more when this returns. Work
 *	that it has queued is the caller's to flush or cancel
 *
 * Context: Process context. May sleep.
 */
void ioasid_unregister_notifier(struct ioasid_set *set, struct notifier_block *nb);

/**
 * ioasid_register_notifier_mm() - be told of the events of an mm
 * @mm: the mm, pinned by the caller until it unregisters; it need not have a set
 *	yet, and may have one after the other
 * @nb: as in ioasid_register_notifier()
 *
 * Context: Process context. May sleep.
 * Return: 0, or -EINVAL: no such priority; -EEXIST: @nb is registered, which is a bug
 * that is warned of; -ENOMEM.
 */
int ioasid_register_notifier_mm(struct mm_struct *mm, struct notifier_block *nb);

/**
 * ioasid_unregister_notifier_mm() - be told no more of the events of an mm
 * @mm: as it was registered
 * @nb: as in ioasid_unregister_notifier()
 *
 * Context: Process context. May sleep.
 */
void ioasid_unregister_notifier_mm(struct mm_struct *mm, struct notifier_block *nb);

/**
 * ioasid_notify() - tell the notifiers that an ID was bound or unbound
 * @set: the set that it belongs to
 * @id: the ID
 * @event: %IOASID_NOTIFY_BIND or %IOASID_NOTIFY_UNBIND
 *
 * Context: Any context but NMI.
 * Return: 0, or -EINVAL: another event; -ENOENT, -EACCES and -EBUSY as
 * ioasid_get().
 */
int ioasid_notify(struct ioasid_set *set, u32 id, enum ioasid_event event);

/**
 * ioasid_queue_work() - have a notifier's work done where it may sleep
 * @work: what to do; one after the other, in the order in which it was queued
 *
 * Context: Any context but NMI, after the core initcalls.
 * Return: As queue_work(): false if it was queued already.
 */
bool ioasid_queue_work(struct work_struct *work);

#endif /* _LINUX_IOASID_H */
