// SPDX-License-Identifier: GPL-2.0-only
/*
 * The controllers of the kernel that are compared, and ours: controllers.h. What pids
 * does is static, so its source is included; the others have functions to call.
 */
#include <linux/cgroup_rdma.h>
#include <linux/misc_cgroup.h>
#include <linux/page_counter.h>

#include "kernel/cgroup/pids.c"
#include <linux/ioasids_cgroup.h>

#include "controllers.h"
#include "harness.h"

static void set_limit(struct cgroup_subsys_state *css, const char *format, unsigned long n)
{
	char text[64];
	ssize_t size = snprintf(text, sizeof(text), format, n);

	WARN_ON(css_write(css, "max", text, size) != size);
}

/* pids */

static void *pids_make(void *parent)
{
	return css_make(&pids_cgrp_subsys, parent, 0);
}

static void pids_limit(void *cgroup, unsigned long n)
{
	set_limit(cgroup, "%lu", n);
}

static int pids_one_more(void *cgroup)
{
	struct pids_cgroup *limit;
	int ret = pids_try_charge(css_pids(cgroup), 1, &limit);

	if (ret)
		pids_event(css_pids(cgroup), limit);
	return ret;
}

static void pids_one_less(void *cgroup)
{
	pids_uncharge(css_pids(cgroup), 1);
}

static void pids_read(void *cgroup, struct seq_file *m)
{
	pids_current_read(cgroup, NULL);
}

const struct peer pids_peer = {
	"pids", pids_make, pids_limit, pids_one_more, pids_one_less, pids_read,
};

/* misc */

static void *misc_make(void *parent)
{
	misc_cg_set_capacity(MISC_CG_RES_SEV, U64_MAX);
	return css_make(&misc_cgrp_subsys, parent, 0);
}

static void misc_limit(void *cgroup, unsigned long n)
{
	set_limit(cgroup, "sev %lu", n);
}

static int misc_one_more(void *cgroup)
{
	return misc_cg_try_charge(MISC_CG_RES_SEV, css_misc(cgroup), 1);
}

static void misc_one_less(void *cgroup)
{
	misc_cg_uncharge(MISC_CG_RES_SEV, css_misc(cgroup), 1);
}

static void misc_read(void *cgroup, struct seq_file *m)
{
	m->css = cgroup;
	misc_cgrp_subsys.dfl_cftypes[1].seq_show(m, NULL);
}

const struct peer misc_peer = {
	"misc", misc_make, misc_limit, misc_one_more, misc_one_less, misc_read,
};

/* rdma, which charges the cgroup of who is running */

static struct rdmacg_device rdma_device = { .name = "rdma" };
static __thread struct css_set rdma_cset;
static __thread struct task_struct rdma_task;

static void *rdma_make(void *parent)
{
	if (!rdma_device.dev_node.next)
		rdmacg_register_device(&rdma_device);
	return css_make(&rdma_cgrp_subsys, parent, 0);
}

static void rdma_limit(void *cgroup, unsigned long n)
{
	set_limit(cgroup, "rdma hca_handle=%lu", n);
}

static int rdma_one_more(void *cgroup)
{
	struct rdma_cgroup *charged;

	rdma_cset.subsys[rdma_cgrp_id] = cgroup;
	rdma_task.cgroups = &rdma_cset;
	current = &rdma_task;
	return rdmacg_try_charge(&charged, &rdma_device, RDMACG_RESOURCE_HCA_HANDLE);
}

static void rdma_one_less(void *cgroup)
{
	rdmacg_uncharge(container_of(cgroup, struct rdma_cgroup, css), &rdma_device,
			RDMACG_RESOURCE_HCA_HANDLE);
}

static void rdma_read(void *cgroup, struct seq_file *m)
{
	m->css = cgroup;
	m->cft = &rdma_cgrp_subsys.dfl_cftypes[1];
	m->cft->seq_show(m, NULL);
}

const struct peer rdma_peer = {
	"rdma", rdma_make, rdma_limit, rdma_one_more, rdma_one_less, rdma_read,
};

/* page_counter, as memcg and hugetlb have it */

static void *page_counter_make(void *parent)
{
	struct page_counter *counter;

	kernel_allocated += sizeof(*counter);
	counter = aligned_alloc(__alignof__(*counter), sizeof(*counter));
	memset(counter, 0, sizeof(*counter));
	page_counter_init(counter, parent, false);
	return counter;
}

static void page_counter_limit(void *cgroup, unsigned long n)
{
	WARN_ON(page_counter_set_max(cgroup, n));
}

static int page_counter_one_more(void *cgroup)
{
	struct page_counter *limit;

	return page_counter_try_charge(cgroup, 1, &limit) ? 0 : -ENOMEM;
}

static void page_counter_one_less(void *cgroup)
{
	page_counter_uncharge(cgroup, 1);
}

static void page_counter_show(void *cgroup, struct seq_file *m)
{
	page_counter_read(cgroup);
}

const struct peer page_counter_peer = {
	"page_counter", page_counter_make, page_counter_limit, page_counter_one_more,
	page_counter_one_less, page_counter_show,
};

/*
 * ioasids. The lock of an account is no part of it, nor taken here, where nobody else
 * has the account: the allocator holds it for reasons of its own.
 */
struct payer {
	struct cgroup_subsys_state *css;
	struct ioasids_account account;
	struct process process;
};

static void *payer_in(struct cgroup_subsys_state *css)
{
	struct payer *payer = calloc(1, sizeof(*payer));

	payer->css = css;
	process_start(&payer->process, css, 1);
	current = payer->process.task;
	payer->account.owner = task_tgid(current);
	ioasids_account_open(&payer->account);
	return payer;
}

static void *ioasids_make(void *parent)
{
	struct payer *above = parent;

	return payer_in(css_make(&ioasids_cgrp_subsys, above ? above->css : NULL, 0));
}

void *ioasids_another(void *cgroup)
{
	return payer_in(((struct payer *)cgroup)->css);
}

static void ioasids_limit(void *cgroup, unsigned long n)
{
	set_limit(((struct payer *)cgroup)->css, "%lu", n);
}

static int ioasids_one_more(void *cgroup)
{
	return ioasids_try_charge(&((struct payer *)cgroup)->account, 1);
}

static void ioasids_one_less(void *cgroup)
{
	ioasids_uncharge(&((struct payer *)cgroup)->account, 1);
}

static void ioasids_read(void *cgroup, struct seq_file *m)
{
	ioasids_cgrp_subsys.dfl_cftypes[1].read_s64(((struct payer *)cgroup)->css, NULL);
}

const struct peer ioasids_peer = {
	"ioasids", ioasids_make, ioasids_limit, ioasids_one_more, ioasids_one_less, ioasids_read,
};
