// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sequences of ioctls. Each has a byte for the ioctl and the caller, a byte for the size
 * of the argument, and the argument; the memory behind it is not mapped. The errors must
 * be those of include/uapi/linux/ioasid.h, no ID may be given out twice, and nothing may
 * be left in the end.
 */
#include "harness.h"

#define LIMIT		20
#define STRANGER	0x80	/* another process than the one that opened the device */
#define OTHER		0x40	/* an unknown number */

static const struct {
	unsigned int number;
	u32 least;	/* the size of the structure's first version; 0: there is none */
	u32 size;	/* of its present version */
} ioctls[] = {
	{ IOASID_GET_API_VERSION },
	{ IOASID_GET_INFO, 12, sizeof(struct ioasid_info) },
	{ IOASID_REQUEST_ALLOC, sizeof(struct ioasid_request), sizeof(struct ioasid_request) },
	{ IOASID_REQUEST_FREE },
	{ IOASID_SET_QUOTA, sizeof(struct ioasid_quota), sizeof(struct ioasid_quota) },
};

/* The error for a malformed structure, or 0 */
static int should_be(const u8 *arg, size_t size, u32 least, u32 kernel_size)
{
	u32 argsz, flags, i;

	if (size < sizeof(argsz))
		return -EFAULT;
	memcpy(&argsz, arg, sizeof(argsz));
	if (argsz < least)
		return -EINVAL;
	if (argsz > PAGE_SIZE)
		return -E2BIG;
	if (argsz > size)
		return -EFAULT;
	for (i = kernel_size; i < argsz; i++) {
		if (arg[i])
			return -E2BIG;
	}
	memcpy(&flags, arg + 4, sizeof(flags));
	return flags ? -EINVAL : 0;
}

static bool may_be(unsigned int number, int ret)
{
	switch (number) {
	case IOASID_GET_API_VERSION:
		return ret == IOASID_API_VERSION;
	case IOASID_GET_INFO:
		return !ret;
	case IOASID_REQUEST_ALLOC:
		return ret > 0 || ret == -EINVAL || ret == -EAGAIN || ret == -ENOSPC;
	case IOASID_REQUEST_FREE:
		return !ret || ret == -EFAULT || ret == -EINVAL || ret == -ENOENT;
	default:
		return !ret || ret == -EAGAIN || ret == -ENOSPC;
	}
}

/* The n-th number that is not in the table */
static unsigned int unknown_number(unsigned int n)
{
	unsigned int i, last = 0;

	for (i = 0; i < ARRAY_SIZE(ioctls); i++)
		last = max(last, ioctls[i].number);
	return last + 1 + n;
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	static struct cgroup_subsys_state *root, *css;
	struct process owner, stranger;
	bool taken[LIMIT + 1] = {};

	if (!css) {
		rcu_register_thread();
		root = css_make(&ioasids_cgrp_subsys, NULL, 0);
		css = css_make(&ioasids_cgrp_subsys, root, 1);
		css_write(css, "max", "20", 2);
	}
	process_start(&owner, css, 1);
	process_start(&stranger, css, 2);
	WARN_ON(device_open(&owner));

	while (size >= 2) {
		unsigned int i = (data[0] & ~(STRANGER | OTHER)) % ARRAY_SIZE(ioctls);
		unsigned int number = ioctls[i].number;
		size_t n = min(data[1], size - 2);
		u8 *arg = malloc(n);
		int ret, should = 0;

		memcpy(arg, data + 2, n);
		if (data[0] & OTHER)
			number = unknown_number(data[0] * 77);
		current = data[0] & STRANGER ? stranger.task : owner.task;
		kernel_user_end = (char *)arg + n;
		ret = kernel_device->fops->unlocked_ioctl(owner.file, number, (unsigned long)arg);
		kernel_user_end = NULL;

		if (data[0] & OTHER)
			should = -ENOTTY;
		else if (data[0] & STRANGER)
			should = -EPERM;
		else if (ioctls[i].least)
			should = should_be(data + 2, n, ioctls[i].least, ioctls[i].size);
		WARN_ON(should ? ret != should : !may_be(number, ret));

		if (!should && number == IOASID_REQUEST_ALLOC && ret > 0) {
			/* No other process takes IDs, so the limit bounds the numbers, too. */
			WARN_ON(css_number(css, "current") > LIMIT);
			WARN_ON(ret <= LIMIT && taken[ret]);
			if (ret <= LIMIT)
				taken[ret] = true;
		}
		if (!should && number == IOASID_REQUEST_FREE && !ret) {
			memcpy(&i, data + 2, sizeof(i));
			WARN_ON(i <= LIMIT && !taken[i]);
			if (i <= LIMIT)
				taken[i] = false;
		}
		free(arg);
		data += 2 + n;
		size -= 2 + n;
	}

	device_close(&owner);
	process_exit(&owner);
	process_exit(&stranger);
	kernel_rcu_barrier();
	WARN_ON(css_number(css, "current"));
	WARN_ON(!strstr(css_read(root, "capacity"), "user 0\n"));
	return 0;
}
