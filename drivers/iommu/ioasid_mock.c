// SPDX-License-Identifier: GPL-2.0-only
/*
 * A mock IOMMU, and devices behind it that use PASIDs, to test the accounting of
 * PASIDs that drivers take.
 *
 * Only the hardware is simulated: bind, PASID and mm are the kernel's. Opening
 * /dev/ioasid-mock-NAME does what opening an accelerator does, and reading it returns
 * the PASID:
 *
 *	a, b	bind the mm of the caller to one of two devices
 *	narrow	the same, but the device has only MOCK_NARROW_BITS bits for a PASID
 *	broken	the same, but the last step of the bind fails in the IOMMU
 *	kernel	takes a PASID for the driver itself
 *
 * The IOMMU has a PASID table, as real ones do: an entry for each PASID that was bound
 * once, until the allocator notifies that it is freed. From these notifications it
 * also tracks all IDs that exist. It warns if
 *
 *	an ID is allocated that exists, or freed that does not
 *	a PASID is bound that does not exist, or that has an entry for another mm
 *	a PASID is freed while a device is bound to it
 *
 * ioasid_mock.pasid_bits= on the kernel's command line makes the IOMMU narrower.
 *
 * debugfs: ioasid_mock/pasids shows the number of entries, and then lists them.
 *
 * mock_lock guards the table and the IDs. It is taken with interrupts off, in any
 * context but NMI, as notifiers are called, and nothing is called under it.
 */

#include <linux/bitmap.h>
#include <linux/debugfs.h>
#include <linux/hashtable.h>
#include <linux/init.h>
#include <linux/ioasid.h>
#include <linux/iommu.h>
#include <linux/miscdevice.h>
#include <linux/mm_types.h>
#include <linux/moduleparam.h>
#include <linux/notifier.h>
#include <linux/platform_device.h>
#include <linux/property.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#include "ioasid_compat.h"

#define MOCK_NAME		"ioasid-mock"
#define MOCK_NARROW_BITS	5

struct mock_entry {
	struct hlist_node	node;
	u32			pasid;
	unsigned int		bound;		/* devices */
	struct mm_struct	*mm;		/* compared only, not dereferenced */
};

struct mock_device {
	struct miscdevice	misc;
	struct platform_device	*pdev;
	unsigned int		bits;
	bool			broken;
	bool			for_kernel;
};

struct mock_file {
	struct mock_device	*mock;
	struct iommu_sva	*bond;		/* NULL: @pasid is the kernel's */
	u32			pasid;
};

static unsigned int pasid_bits = IOASID_BITS;
module_param(pasid_bits, uint, 0400);
MODULE_PARM_DESC(pasid_bits, "how many bits of a PASID the IOMMU can tell apart");

static DEFINE_SPINLOCK(mock_lock);
static DEFINE_HASHTABLE(mock_table, 10);
static unsigned int mock_entries;
static DECLARE_BITMAP(mock_ids, IOASID_MAX + 1);

static struct mock_entry *mock_find(u32 pasid)
{
	struct mock_entry *entry;

	lockdep_assert_held(&mock_lock);

	hash_for_each_possible(mock_table, entry, node, pasid) {
		if (entry->pasid == pasid)
			return entry;
	}
	return NULL;
}

/* The allocator */

static int mock_notify(struct notifier_block *nb, unsigned long event, void *data)
{
	struct ioasid_notification *what = data;
	struct mock_entry *entry = NULL;
	unsigned long flags;

	spin_lock_irqsave(&mock_lock, flags);
	if (event == IOASID_NOTIFY_ALLOC) {
		WARN_ONCE(__test_and_set_bit(what->id, mock_ids), "ID %u is given out twice",
			  what->id);
	} else if (event == IOASID_NOTIFY_FREE) {
		WARN_ONCE(!__test_and_clear_bit(what->id, mock_ids),
			  "ID %u is freed and does not exist", what->id);
		entry = mock_find(what->id);
	}
	if (entry) {
		WARN_ONCE(entry->bound, "PASID %u is freed and %u devices have it", entry->pasid,
			  entry->bound);
		hash_del(&entry->node);
		mock_entries--;
	}
	spin_unlock_irqrestore(&mock_lock, flags);
	kfree(entry);
	return NOTIFY_OK;
}

/* The highest priority: it must know an ID before a device is told of it. */
static struct notifier_block mock_nb = {
	.notifier_call = mock_notify,
	.priority = IOASID_PRIORITY_CPU,
};

/* The IOMMU */

static const struct iommu_ops mock_ops;
static struct iommu_device mock_iommu;
static struct platform_device *mock_iommu_pdev;

static struct mock_device *mock_of(struct device *dev)
{
	return platform_get_drvdata(to_platform_device(dev));
}

static int mock_set_dev_pasid(struct iommu_domain *domain, struct device *dev, ioasid_t pasid,
			      struct iommu_domain *old)
{
	struct mock_entry *new, *entry;
	int ret = 0;

	if (mock_of(dev)->broken)
		return -EIO;
	new = kzalloc(sizeof(*new), GFP_KERNEL);
	if (!new)
		return -ENOMEM;

	spin_lock_irq(&mock_lock);
	entry = mock_find(pasid);
	if (!entry) {
		swap(entry, new);
		entry->pasid = pasid;
		entry->mm = domain->mm;
		hash_add(mock_table, &entry->node, pasid);
		mock_entries++;
	}
	if (WARN_ONCE(!test_bit(pasid, mock_ids), "PASID %u is bound and does not exist", pasid) ||
	    WARN_ONCE(entry->mm != domain->mm, "PASID %u is bound for two", pasid))
		ret = -EINVAL;
	else
		entry->bound++;
	spin_unlock_irq(&mock_lock);
	kfree(new);
	return ret;
}

static int mock_block_pasid(struct iommu_domain *blocked, struct device *dev, ioasid_t pasid,
			    struct iommu_domain *old)
{
	struct mock_entry *entry;

	/* Each device is alone in its group: if its bind failed, this is not called. */
	spin_lock_irq(&mock_lock);
	entry = mock_find(pasid);
	if (!WARN_ONCE(!entry || !entry->bound, "PASID %u is unbound twice", pasid))
		entry->bound--;
	spin_unlock_irq(&mock_lock);
	return 0;
}

static void mock_domain_free(struct iommu_domain *domain)
{
	kfree(domain);
}

static const struct iommu_domain_ops mock_sva_ops = {
	.set_dev_pasid	= mock_set_dev_pasid,
	.free		= mock_domain_free,
};

static struct iommu_domain *mock_domain_alloc_sva(struct device *dev, struct mm_struct *mm)
{
	struct iommu_domain *domain = kzalloc(sizeof(*domain), GFP_KERNEL);

	if (!domain)
		return ERR_PTR(-ENOMEM);
	domain->ops = &mock_sva_ops;
	return domain;
}

static int mock_attach(struct iommu_domain *domain, struct device *dev, struct iommu_domain *old)
{
	return 0;
}

static const struct iommu_domain_ops mock_identity_ops = {
	MOCK_ATTACH,
};

static struct iommu_domain mock_identity = {
	.type	= IOMMU_DOMAIN_IDENTITY,
	.ops	= &mock_identity_ops,
};

static int mock_def_domain_type(struct device *dev)
{
	return IOMMU_DOMAIN_IDENTITY;
}

static struct iommu_device *mock_probe_device(struct device *dev)
{
	/* Called for every device on the bus. */
	return device_property_present(dev, MOCK_NAME) ? &mock_iommu : ERR_PTR(-ENODEV);
}

static const struct iommu_ops mock_ops = {
	.owner			= THIS_MODULE,
	.probe_device		= mock_probe_device,
	.device_group		= generic_device_group,
	.identity_domain	= &mock_identity,
	.def_domain_type	= mock_def_domain_type,
	.domain_alloc_sva	= mock_domain_alloc_sva,
	MOCK_REMOVE,
};

/* The devices */

static int mock_open(struct inode *inode, struct file *file)
{
	struct miscdevice *misc = file->private_data;
	struct mock_device *mock = container_of(misc, struct mock_device, misc);
	struct device *dev = &mock->pdev->dev;
	struct mock_file *mfile;
	int ret;

	mfile = kzalloc(sizeof(*mfile), GFP_KERNEL);
	if (!mfile)
		return -ENOMEM;
	mfile->mock = mock;

	if (mock->for_kernel) {
		mfile->pasid = iommu_alloc_global_pasid(dev);
		if (mfile->pasid == IOMMU_PASID_INVALID) {
			ret = -ENOSPC;
			goto err_free;
		}
	} else {
		mfile->bond = iommu_sva_bind_device(dev, current->mm);
		if (IS_ERR(mfile->bond)) {
			ret = PTR_ERR(mfile->bond);
			goto err_free;
		}
		mfile->pasid = iommu_sva_get_pasid(mfile->bond);
	}
	file->private_data = mfile;
	return stream_open(inode, file);

err_free:
	kfree(mfile);
	return ret;
}

static int mock_release(struct inode *inode, struct file *file)
{
	struct mock_file *mfile = file->private_data;

	if (mfile->bond)
		iommu_sva_unbind_device(mfile->bond);
	else
		iommu_free_global_pasid(mfile->pasid);
	kfree(mfile);
	return 0;
}

static ssize_t mock_read(struct file *file, char __user *buf, size_t count, loff_t *pos)
{
	struct mock_file *mfile = file->private_data;
	char text[16];
	int len = scnprintf(text, sizeof(text), "%u\n", mfile->pasid);

	if (count < len)
		return -EINVAL;
	return copy_to_user(buf, text, len) ? -EFAULT : len;
}

static const struct file_operations mock_fops = {
	.owner		= THIS_MODULE,
	.open		= mock_open,
	.release	= mock_release,
	.read		= mock_read,
};

#define MOCK_DEVICE(_name)						\
	.misc = {							\
		.minor	= MISC_DYNAMIC_MINOR,				\
		.name	= MOCK_NAME "-" _name,				\
		.fops	= &mock_fops,					\
		.mode	= 0600,						\
	}

static struct mock_device mock_devices[] = {
	{ MOCK_DEVICE("a"), .bits = IOASID_BITS },
	{ MOCK_DEVICE("b"), .bits = IOASID_BITS },
	{ MOCK_DEVICE("narrow"), .bits = MOCK_NARROW_BITS },
	{ MOCK_DEVICE("broken"), .bits = IOASID_BITS, .broken = true },
	{ MOCK_DEVICE("kernel"), .bits = IOASID_BITS, .for_kernel = true },
};

static int __init mock_add(struct mock_device *mock, int nr)
{
	struct property_entry properties[] = {
		PROPERTY_ENTRY_U32("pasid-num-bits", mock->bits),
		PROPERTY_ENTRY_BOOL(MOCK_NAME),
		{ }
	};
	struct platform_device *pdev;
	int ret;

	pdev = platform_device_alloc(MOCK_NAME "-device", nr);
	if (!pdev)
		return -ENOMEM;
	ret = device_create_managed_software_node(&pdev->dev, properties, NULL);
	if (!ret)
		ret = platform_device_add(pdev);
	if (ret) {
		platform_device_put(pdev);
		return ret;
	}
	platform_set_drvdata(pdev, mock);
	mock->pdev = pdev;
	return misc_register(&mock->misc);
}

static int pasids_show(struct seq_file *m, void *v)
{
	struct mock_entry *entry;
	int i;

	spin_lock_irq(&mock_lock);
	seq_printf(m, "%u\n", mock_entries);
	hash_for_each(mock_table, i, entry, node)
		seq_printf(m, "%u\tbound %u\n", entry->pasid, entry->bound);
	spin_unlock_irq(&mock_lock);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(pasids);

static int __init mock_init(void)
{
	int ret, i;

	if (pasid_bits > IOASID_BITS)
		return -EINVAL;
	mock_iommu.max_pasids = 1U << pasid_bits;

	ret = ioasid_register_notifier(NULL, &mock_nb);
	if (ret)
		return ret;

	mock_iommu_pdev = platform_device_register_simple(MOCK_NAME, PLATFORM_DEVID_NONE, NULL, 0);
	if (IS_ERR(mock_iommu_pdev))
		return PTR_ERR(mock_iommu_pdev);
	ret = iommu_device_sysfs_add(&mock_iommu, &mock_iommu_pdev->dev, NULL, MOCK_NAME);
	if (!ret)
		ret = iommu_device_register(&mock_iommu, &mock_ops, NULL);
	for (i = 0; !ret && i < ARRAY_SIZE(mock_devices); i++)
		ret = mock_add(&mock_devices[i], i);
	debugfs_create_file("pasids", 0400, debugfs_create_dir("ioasid_mock", NULL), NULL,
			    &pasids_fops);
	/* An incomplete mock is useless, but harmless. */
	if (WARN(ret, "the mock IOMMU is not complete: %d", ret))
		return ret;
	return 0;
}
device_initcall(mock_init);
