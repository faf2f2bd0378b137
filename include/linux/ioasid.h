/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The IOASID allocator: one space of I/O address space IDs for the machine.
 * Documentation/driver-api/ioasid.rst is its manual.
 *
 * An ID belongs to a set. The IDs of a process set are charged to the cgroup of the
 * process that made it; those of a kernel set are not charged. IDs are given out
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
 * @total: how many there are, which is also the highest ID
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
 * struct ioasid_set_info - the numbers of a set
 * @id: the number of the set; not 0, and not used again before a long wraps
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
 * enum ioasid_event - the events that notifiers are called for
 * @IOASID_NOTIFY_ALLOC: an ID was allocated; user space cannot free it yet
 * @IOASID_NOTIFY_FREE: an ID is being freed: holders should drop their references.
 *	Sent once for each ID, after ALLOC was sent to all notifiers. The ID exists
 *	until the notifiers have returned
 * @IOASID_NOTIFY_BIND: a driver has bound an ID, and called ioasid_notify()
 * @IOASID_NOTIFY_UNBIND: a driver has unbound an ID, and called ioasid_notify()
 */
enum ioasid_event {
	IOASID_NOTIFY_ALLOC,
	IOASID_NOTIFY_FREE,
	IOASID_NOTIFY_BIND,
	IOASID_NOTIFY_UNBIND,
};

/**
 * enum ioasid_priority - the priority of a notifier_block
 * @IOASID_PRIORITY_DEVICE: drivers of devices; called last
 * @IOASID_PRIORITY_IOMMU: drivers of IOMMUs
 * @IOASID_PRIORITY_CPU: users of IDs on CPUs, such as KVM; called first
 *
 * The order holds over all notifiers of an event, whether they were registered for all
 * IDs, a set or an mm: first CPUs issue no more requests with the ID, then the IOMMU
 * translates none, then devices stop using it. A notifier that is registered while an
 * ID is being allocated may get FREE without ALLOC, as for all existing IDs.
 */
enum ioasid_priority {
	IOASID_PRIORITY_DEVICE,
	IOASID_PRIORITY_IOMMU,
	IOASID_PRIORITY_CPU,
};

/**
 * struct ioasid_notification - the subject of an event; the data of a notifier
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
 * ioasid_report_iommu() - report how many PASIDs an IOMMU can tell apart
 * @max_pasids: the highest PASID plus one; below 2, the IOMMU does not count
 *
 * Called by the core of the IOMMU subsystem when an IOMMU registers. The machine has
 * the IDs that the widest IOMMU can tell apart, and %IOASID_MAX until the first
 * registers. The parameter ioasid_capacity= of the kernel's command line sets an upper
 * bound. Higher IDs that were taken before stay until they are freed.
 *
 * Context: Process context. May sleep.
 */
void ioasid_report_iommu(u32 max_pasids);

/**
 * ioasid_get_capacity() - get how many IDs the machine has and how many are taken
 * @cap: filled in; its fields add up, but are not of one instant. More than @total may
 *	have been taken before the first IOMMU registered
 *
 * Context: Any context.
 */
void ioasid_get_capacity(struct ioasid_capacity *cap);

/**
 * ioasid_set_alloc() - make a set of IDs
 * @mm: the mm whose set it is, pinned by the caller; NULL for a kernel set, which is
 *	not charged
 * @quota: how many IDs to reserve, as in ioasid_set_quota(); 0: none
 *
 * The set of an mm is charged to the cgroup of the caller and follows the caller's
 * thread group. If that has died or has left the mm, the charge goes to the process
 * of the mm that next asks for an ID or a quota. If SVA has made the mm's set already,
 * that one is shared. The caller ends its use of the set with ioasid_set_close(), or
 * with ioasid_set_put() for a kernel set. At the end of the address space, everything
 * that ioasid_set_close() gives back is given back already. Kernel sets can be made,
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
 * ioasid_set_get() - take a reference to a set
 * @set: a set that the caller knows to exist
 *
 * Context: Any context.
 * Return: @set, with one more reference.
 */
struct ioasid_set *ioasid_set_get(struct ioasid_set *set);

/**
 * ioasid_set_put() - drop a reference to a set
 * @set: the set; the last reference frees it, with its reservation. Its IDs hold it
 *
 * Context: Any context but NMI.
 */
void ioasid_set_put(struct ioasid_set *set);

/**
 * ioasid_set_close() - end the use of the set of an mm
 * @set: the set, from ioasid_set_alloc()
 *
 * The IDs of user space are freed, the reservation is withdrawn, and the caller's
 * reference is dropped. The kernel's IDs stay, each charged by itself, until they are
 * freed. The mm can have another set from now on or, while it has a PASID for SVA,
 * this one again.
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
 * as a whole. No limit refuses allocations within it; allocations beyond it fail.
 * Without one, each ID is charged by itself; so 0 gives back the IDs that are reserved
 * and not allocated.
 *
 * Context: Process context. May sleep.
 * Return: 0, or an error, and then nothing has changed: -EAGAIN: a cgroup's limit;
 * -ENOSPC: the set holds more than @quota, or the machine has too few left;
 * -ENOENT: the set has ended, with its mm; -ENOMEM.
 */
int ioasid_set_quota(struct ioasid_set *set, u32 quota);

/**
 * ioasid_set_get_info() - get the numbers of a set
 * @set: the set
 * @info: filled in
 *
 * Context: Any context but NMI.
 */
void ioasid_set_get_info(struct ioasid_set *set, struct ioasid_set_info *info);

/**
 * ioasid_set_get_own_info() - get the numbers of a set, for a process that shares it
 * @set: the set
 * @info: filled in. If the owner has left the mm, the caller becomes the owner first,
 *	and @info->available is for the caller's cgroup
 *
 * Context: Process context. May sleep.
 * Return: 0, or -ENOMEM.
 */
int ioasid_set_get_own_info(struct ioasid_set *set, struct ioasid_set_info *info);

/**
 * ioasid_set_is_current() - whether a set is that of the caller's mm
 * @set: the set
 *
 * Context: Process context.
 */
bool ioasid_set_is_current(struct ioasid_set *set);

/**
 * ioasid_set_show_cgroup() - print the path of the cgroup that pays for a set
 * @m: the output: the path as seen from the reader's cgroup namespace, or "-" if no
 *	cgroup pays
 * @set: the set
 *
 * Context: Process context, interrupts on.
 */
void ioasid_set_show_cgroup(struct seq_file *m, struct ioasid_set *set);

/**
 * ioasid_set_for_each_ioasid() - visit the IDs of a set
 * @set: the set
 * @fn: called for each ID that is not being freed, in the order in which they were
 *	allocated, with a reference to the ID and without locks. May call any function
 *	for the ID. A result other than 0 ends the walk
 * @data: the second argument of @fn
 *
 * IDs that are freed or allocated meanwhile may be visited or not.
 *
 * Context: Any context but NMI; @fn may sleep if the caller may.
 * Return: The last result of @fn; 0 if there is no ID.
 */
int ioasid_set_for_each_ioasid(struct ioasid_set *set, int (*fn)(u32 id, void *data),
			       void *data);

/**
 * ioasid_free_all_in_set() - free all IDs of a set
 * @set: the set
 *
 * As ioasid_free() for each ID, including those that user space has allocated, and the
 * PASID of SVA: not for a set of an address space that devices may be bound to.
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
 * @mm: the mm, which has no PASID yet and is not freed before ioasid_mm_free()
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
 * @mm: the mm, which has no other users any more
 * @id: from ioasid_mm_alloc()
 *
 * Context: Any context but NMI.
 */
void ioasid_mm_free(struct mm_struct *mm, u32 id);

void __ioasid_mm_exit(struct mm_struct *mm);
void __ioasid_mm_drop(struct mm_struct *mm);

#ifdef CONFIG_IOASID
/* A new mm may be a copy of another, but has no set. */
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

/* The mm is being freed; its PASID is freed already. Any context but NMI. */
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
 * ioasid_free_user() and ioasid_set_close() can free the ID.
 *
 * Context: Process context. May sleep.
 * Return: As ioasid_alloc().
 */
int ioasid_alloc_user(struct ioasid_set *set, u32 min, u32 max);

/**
 * DOC: states of an ID
 *
 * An ID is FREE, IDLE (allocated and not held), ACTIVE (held) or FREE_PENDING (freed,
 * but still held). The functions return, and change the state to:
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
 * ioasid_get() - take a reference to an ID
 * @set: the set that it belongs to
 * @id: the ID; until ioasid_put() it stays charged, and is not given out again
 *
 * Context: Any context but NMI.
 * Return: 0, or -ENOENT: no such ID; -EACCES: another set's; -EBUSY: it is being
 * freed.
 */
int ioasid_get(struct ioasid_set *set, u32 id);

/**
 * ioasid_get_if_owned() - take a reference to an ID of the current process
 * @id: the ID
 *
 * Context: Process context.
 * Return: 0, or -ENOENT: no such ID; -EPERM: it is not of a set of current->mm;
 * -EBUSY: it is being freed.
 */
int ioasid_get_if_owned(u32 id);

/**
 * ioasid_put() - drop a reference to an ID
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
 * No new reference can be taken from now on. %IOASID_NOTIFY_FREE is sent before this
 * returns; or, if %IOASID_NOTIFY_ALLOC is still being sent, after that. When the last
 * reference is dropped, its charge is gone, and it can be given out again.
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
 * @data: not NULL; not dereferenced
 *
 * Context: Any context but NMI.
 * Return: 0, or -EINVAL: @data is NULL; -EEXIST: the ID has data; -ENOENT, -EACCES and
 * -EBUSY as ioasid_get().
 */
int ioasid_attach_data(struct ioasid_set *set, u32 id, void *data);

/**
 * ioasid_detach_data() - remove the private data of an ID
 * @set: the set that it belongs to
 * @id: the ID; it may be being freed
 *
 * When this returns data, no ioasid_find() uses it any more.
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
 * @getter: called under rcu_read_lock() with the data; takes a reference to it, or
 *	returns false if that is not possible any more. NULL: the caller keeps the data
 *	valid, by rcu_read_lock() or otherwise
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
 * @spid: its number in a guest: from 1 to %IOASID_MAX, unique in the set
 *
 * The ID keeps it until ioasid_detach_spid(), or until it is gone.
 *
 * Context: Process context. May sleep.
 * Return: 0, or -EINVAL: @spid is out of range; -EEXIST: the ID has one, or another ID
 * in @set has @spid; -ENOMEM; -ENOENT, -EACCES and -EBUSY as ioasid_get().
 */
int ioasid_attach_spid(struct ioasid_set *set, u32 id, u32 spid);

/**
 * ioasid_detach_spid() - remove the private ID of an ID
 * @set: the set that it belongs to
 * @id: the ID; it may be being freed
 *
 * Context: Process context. May sleep.
 * Return: 0, or -ENOENT: no such ID, or it has none; -EACCES: another set's.
 */
int ioasid_detach_spid(struct ioasid_set *set, u32 id);

/**
 * ioasid_find_by_spid() - find an ID by its private ID, and take a reference
 * @set: the set
 * @spid: the private ID
 *
 * Context: Any context but NMI.
 * Return: The ID, held until ioasid_put(); or -ENOENT: no ID in @set has @spid;
 * -EBUSY: it is being freed.
 */
int ioasid_find_by_spid(struct ioasid_set *set, u32 spid);

/**
 * ioasid_register_notifier() - register a notifier
 * @set: for the IDs of this set, which the caller holds until it unregisters;
 *	NULL: for all IDs
 * @nb: its priority is an &enum ioasid_priority. It is called with an &enum
 *	ioasid_event and a &struct ioasid_notification, with no lock held and
 *	under rcu_read_lock(): it must not sleep, but may call all functions for any
 *	context. For work that sleeps there is ioasid_queue_work(). It returns
 *	%NOTIFY_OK, or %NOTIFY_DONE if it ignores the event
 *
 * Context: Process context.
 * Return: 0, or -EINVAL: no such priority; -EEXIST: @nb is registered already, which is
 * a bug and causes a warning.
 */
int ioasid_register_notifier(struct ioasid_set *set, struct notifier_block *nb);

/**
 * ioasid_unregister_notifier() - unregister a notifier
 * @set: as for ioasid_register_notifier()
 * @nb: the notifier; it is not called any more when this returns. The caller flushes
 *	or cancels work that it has queued
 *
 * Context: Process context. May sleep.
 */
void ioasid_unregister_notifier(struct ioasid_set *set, struct notifier_block *nb);

/**
 * ioasid_register_notifier_mm() - register a notifier for the IDs of an mm
 * @mm: the mm, pinned by the caller until it unregisters; it need not have a set yet,
 *	and may get another one later
 * @nb: as in ioasid_register_notifier()
 *
 * Context: Process context. May sleep.
 * Return: 0, or -EINVAL: no such priority; -EEXIST: @nb is registered already, which is
 * a bug and causes a warning; -ENOMEM.
 */
int ioasid_register_notifier_mm(struct mm_struct *mm, struct notifier_block *nb);

/**
 * ioasid_unregister_notifier_mm() - unregister a notifier for the IDs of an mm
 * @mm: as for ioasid_register_notifier_mm()
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
 * ioasid_queue_work() - queue work of a notifier that may sleep
 * @work: the work; items run one after the other, in the order in which they were queued
 *
 * Context: Any context but NMI, after the core initcalls.
 * Return: As queue_work(): false if it was queued already.
 */
bool ioasid_queue_work(struct work_struct *work);

#endif /* _LINUX_IOASID_H */
