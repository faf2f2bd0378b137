// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/ioasid: I/O address space IDs for user space.
 *
 * include/uapi/linux/ioasid.h is the manual. A descriptor belongs to the mm that
 * opened it; for any other mm, ioctls fail with -EPERM. Opening makes the set of the
 * mm. The use of the set ends when the last copy of the descriptor is closed, or when
 * the address space ends, which the allocator handles. An mm has one set, so it can
 * open the device once at a time.
 *
 * There are no locks here: a file's private data is its set, which never changes, and
 * the allocator serialises operations on the set.
 */

#include <linux/fs.h>
#include <linux/init.h>
#include <linux/ioasid.h>
#include <linux/miscdevice.h>
#include <linux/nospec.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/uaccess.h>
#include <uapi/linux/ioasid.h>

static int ioasid_user_open(struct inode *inode, struct file *file)
{
	struct ioasid_set *set;

	if (!current->mm)
		return -EINVAL;

	set = ioasid_set_alloc(current->mm, 0);
	if (IS_ERR(set))
		return set == ERR_PTR(-EEXIST) ? -EBUSY : PTR_ERR(set);

	file->private_data = set;
	return nonseekable_open(inode, file);
}

static int ioasid_user_release(struct inode *inode, struct file *file)
{
	ioasid_set_close(file->private_data);
	return 0;
}

union ioasid_user_arg {
	struct {
		u32		argsz;
		u32		flags;
	} head;				/* common to all of them */
	struct ioasid_info	info;
	struct ioasid_request	request;
	struct ioasid_quota	quota;
};

struct ioasid_user_cmd {
	struct ioasid_set	*set;
	void __user		*uarg;
	u32			argsz;	/* the size of the structure at @uarg */
	union ioasid_user_arg	arg;	/* the part that the kernel knows */
};

static int ioasid_user_get_api_version(struct ioasid_user_cmd *cmd)
{
	return IOASID_API_VERSION;
}

static int ioasid_user_get_info(struct ioasid_user_cmd *cmd)
{
	struct ioasid_set_info set_info;
	struct ioasid_capacity capacity;
	struct ioasid_info *info = &cmd->arg.info;
	int ret;

	ret = ioasid_set_get_own_info(cmd->set, &set_info);
	if (ret)
		return ret;
	ioasid_get_capacity(&capacity);
	info->ioasid_bits = fls(capacity.total);
	info->quota = set_info.quota;
	info->allocated = set_info.allocated;
	info->available = set_info.available;

	if (copy_to_user(cmd->uarg, info, min_t(size_t, cmd->argsz, sizeof(*info))))
		return -EFAULT;
	return 0;
}

static int ioasid_user_request_alloc(struct ioasid_user_cmd *cmd)
{
	return ioasid_alloc_user(cmd->set, cmd->arg.request.min, cmd->arg.request.max);
}

static int ioasid_user_request_free(struct ioasid_user_cmd *cmd)
{
	int id;

	if (get_user(id, (int __user *)cmd->uarg))
		return -EFAULT;
	if (id <= 0)
		return -EINVAL;
	return ioasid_free_user(cmd->set, id);
}

static int ioasid_user_request_quota(struct ioasid_user_cmd *cmd)
{
	return ioasid_set_quota(cmd->set, cmd->arg.quota.quota);
}

static const struct ioasid_user_op {
	unsigned int	number;
	int		(*execute)(struct ioasid_user_cmd *cmd);
	size_t		size;		/* of the structure; 0: there is none */
	size_t		min_size;	/* of its oldest version */
} ioasid_user_ops[] = {
	{ IOASID_GET_API_VERSION, ioasid_user_get_api_version },
	{ IOASID_GET_INFO, ioasid_user_get_info,
	  sizeof(struct ioasid_info), offsetofend(struct ioasid_info, ioasid_bits) },
	{ IOASID_REQUEST_ALLOC, ioasid_user_request_alloc,
	  sizeof(struct ioasid_request), offsetofend(struct ioasid_request, max) },
	{ IOASID_REQUEST_FREE, ioasid_user_request_free },
	{ IOASID_SET_QUOTA, ioasid_user_request_quota,
	  sizeof(struct ioasid_quota), offsetofend(struct ioasid_quota, quota) },
};

static int ioasid_user_copy_struct(struct ioasid_user_cmd *cmd, const struct ioasid_user_op *op)
{
	int ret;

	if (get_user(cmd->argsz, (u32 __user *)cmd->uarg))
		return -EFAULT;
	if (cmd->argsz < op->min_size)
		return -EINVAL;
	/* No structure will be that long: do not scan more than a page for zeroes. */
	if (cmd->argsz > PAGE_SIZE)
		return -E2BIG;

	ret = copy_struct_from_user(&cmd->arg, op->size, cmd->uarg, cmd->argsz);
	if (ret)
		return ret;
	return cmd->arg.head.flags ? -EINVAL : 0;
}

static long ioasid_user_ioctl(struct file *file, unsigned int number, unsigned long arg)
{
	struct ioasid_user_cmd cmd = { .set = file->private_data, .uarg = (void __user *)arg };
	unsigned int nr = _IOC_NR(number) - IOASID_BASE;
	int ret;

	if (nr >= ARRAY_SIZE(ioasid_user_ops))
		return -ENOTTY;
	nr = array_index_nospec(nr, ARRAY_SIZE(ioasid_user_ops));
	if (ioasid_user_ops[nr].number != number)
		return -ENOTTY;
	if (!ioasid_set_is_current(cmd.set))
		return -EPERM;
	if (ioasid_user_ops[nr].size) {
		ret = ioasid_user_copy_struct(&cmd, &ioasid_user_ops[nr]);
		if (ret)
			return ret;
	}
	return ioasid_user_ops[nr].execute(&cmd);
}

static void ioasid_user_show_fdinfo(struct seq_file *m, struct file *file)
{
	struct ioasid_set *set = file->private_data;
	struct ioasid_set_info info;

	ioasid_set_get_info(set, &info);
	seq_printf(m, "ioasid-set:\t%llu\nioasid-quota:\t%u\nioasid-allocated:\t%u\nioasid-cgroup:\t",
		   info.id, info.quota, info.allocated);
	ioasid_set_show_cgroup(m, set);
	seq_putc(m, '\n');
}

static const struct file_operations ioasid_user_fops = {
	.owner		= THIS_MODULE,
	.open		= ioasid_user_open,
	.release	= ioasid_user_release,
	.unlocked_ioctl	= ioasid_user_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
	.show_fdinfo	= ioasid_user_show_fdinfo,
};

static struct miscdevice ioasid_user_dev = {
	.minor	= MISC_DYNAMIC_MINOR,
	.name	= "ioasid",
	.fops	= &ioasid_user_fops,
	.mode	= 0600,
};

builtin_misc_device(ioasid_user_dev);
