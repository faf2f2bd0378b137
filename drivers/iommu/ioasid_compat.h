/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The functions of the mock IOMMU have the prototypes of the newest kernel. Here they
 * are adapted to older ones. No other file depends on the version of the kernel.
 *
 * Before 7.2, attach_dev() has no argument for the old domain, and a PASID is unbound by
 * remove_dev_pasid(); since then, by set_dev_pasid() of the blocked domain.
 */
#ifndef __IOASID_COMPAT_H
#define __IOASID_COMPAT_H

#include <linux/iommu.h>
#include <linux/version.h>

static int mock_attach(struct iommu_domain *domain, struct device *dev, struct iommu_domain *old);
static int mock_block_pasid(struct iommu_domain *blocked, struct device *dev, ioasid_t pasid,
			    struct iommu_domain *old);

#if LINUX_VERSION_CODE < KERNEL_VERSION(7, 2, 0)

static int mock_attach_compat(struct iommu_domain *domain, struct device *dev)
{
	return mock_attach(domain, dev, NULL);
}

static void mock_remove_dev_pasid(struct device *dev, ioasid_t pasid, struct iommu_domain *old)
{
	mock_block_pasid(NULL, dev, pasid, old);
}

#define MOCK_ATTACH	.attach_dev = mock_attach_compat
#define MOCK_REMOVE	.remove_dev_pasid = mock_remove_dev_pasid

#else

static const struct iommu_domain_ops mock_blocked_ops = {
	.attach_dev	= mock_attach,
	.set_dev_pasid	= mock_block_pasid,
};

static struct iommu_domain mock_blocked = {
	.type	= IOMMU_DOMAIN_BLOCKED,
	.ops	= &mock_blocked_ops,
};

#define MOCK_ATTACH	.attach_dev = mock_attach
#define MOCK_REMOVE	.blocked_domain = &mock_blocked

#endif
#endif /* __IOASID_COMPAT_H */
