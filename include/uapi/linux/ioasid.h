/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/**
 * DOC: /dev/ioasid
 *
 * An IOASID (on PCI Express: a PASID) names an address space to a device. A
 * process opens /dev/ioasid, takes IDs, and gives them back one by one or all
 * at once by closing the descriptor or by dying. A process (more exactly: an
 * address space) opens the device once at a time; the descriptor works in no
 * other address space, even if it is inherited or passed on.
 *
 * The IDs of a process are charged to its cgroup: see
 * Documentation/admin-guide/ioasids.rst.
 *
 * Every ioctl may fail with:
 *
 * * ENOTTY - the number is not one of these
 * * EPERM - the caller is not the address space that opened the device
 * * EFAULT - the argument cannot be read or written
 *
 * and those with a structure, where argsz is the size of the caller's version:
 *
 * * EINVAL - argsz is too small, or flags is not 0
 * * E2BIG - argsz is larger than the kernel's structure, and the bytes beyond that
 *   are not all zero; or it is larger than a page
 */
#ifndef _UAPI_LINUX_IOASID_H
#define _UAPI_LINUX_IOASID_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define IOASID_TYPE			'i'
#define IOASID_BASE			0x64

/**
 * IOASID_GET_API_VERSION - the version of this interface; no argument
 *
 * Return: IOASID_API_VERSION. It will not change: extensions get a number of
 * their own or a longer structure.
 */
#define IOASID_GET_API_VERSION		_IO(IOASID_TYPE, IOASID_BASE + 0)

#define IOASID_API_VERSION		0

/**
 * struct ioasid_info - the caller's IDs, and the available ones
 * @argsz: in: the size of this structure, 12 at least
 * @flags: in: 0
 * @ioasid_bits: out: the width of the machine's IDs
 * @quota: out: how many IDs the caller has reserved; 0: none
 * @allocated: out: how many IDs the caller holds, including those that the
 *	kernel took on its behalf
 * @available: out: how many more the caller could take right now. With a
 *	reservation: the unused rest of it. Without: the minimum of the numbers
 *	that its cgroup, each of the ancestors and the machine have left
 *
 * IOASID_GET_INFO fills in as much of the structure as @argsz covers.
 *
 * Return:
 * * 0
 * * ENOMEM - no memory
 */
struct ioasid_info {
	__u32 argsz;
	__u32 flags;
	__u32 ioasid_bits;
	__u32 quota;
	__u32 allocated;
	__u32 available;
};

#define IOASID_GET_INFO			_IO(IOASID_TYPE, IOASID_BASE + 1)

/**
 * struct ioasid_request - take an ID
 * @argsz: in: sizeof(struct ioasid_request)
 * @flags: in: 0
 * @min: in: the lowest ID wanted; 0 means 1, as ID 0 is never given out
 * @max: in: the highest ID wanted, at least 1 and not below @min
 *
 * IOASID_REQUEST_ALLOC takes the lowest ID that is free between @min and @max,
 * both included.
 *
 * Return:
 * * the ID, which is positive
 * * EINVAL - also: the range is empty
 * * EAGAIN - a cgroup's limit
 * * ENOSPC - the caller's quota, the range or the machine is used up
 * * ENOMEM - no memory
 */
struct ioasid_request {
	__u32 argsz;
	__u32 flags;
	__u32 min;
	__u32 max;
};

#define IOASID_REQUEST_ALLOC		_IO(IOASID_TYPE, IOASID_BASE + 2)

/**
 * IOASID_REQUEST_FREE - give an ID back; the argument points to an int
 *
 * The charge is gone, and the ID can be given out again, when the kernel does
 * not use it any more, which is usually at once.
 *
 * Return:
 * * 0
 * * EINVAL - the number is not positive
 * * ENOENT - there is no such ID
 * * EACCES - the ID is another set's, or the kernel took it and will free it
 * * EBUSY - the ID is being freed already
 */
#define IOASID_REQUEST_FREE		_IO(IOASID_TYPE, IOASID_BASE + 3)

/**
 * struct ioasid_quota - reserve IDs
 * @argsz: in: sizeof(struct ioasid_quota)
 * @flags: in: 0
 * @quota: in: how many IDs to reserve, including those that the caller holds;
 *	0 withdraws the reservation: the IDs held are charged one by one again
 *
 * IOASID_SET_QUOTA sets, raises, lowers or withdraws the caller's reservation.
 * A reservation is charged at once and as a whole, so that no limit refuses an
 * ID within it; beyond it, requests fail. If this ioctl fails, nothing has
 * changed.
 *
 * Return:
 * * 0
 * * EAGAIN - a cgroup's limit
 * * ENOSPC - the caller holds more than @quota, or the machine has too few left
 * * ENOMEM - no memory
 */
struct ioasid_quota {
	__u32 argsz;
	__u32 flags;
	__u32 quota;
};

#define IOASID_SET_QUOTA		_IO(IOASID_TYPE, IOASID_BASE + 4)

#endif /* _UAPI_LINUX_IOASID_H */
