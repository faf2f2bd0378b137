// SPDX-License-Identifier: GPL-2.0-only
/*
 * The controllers that are compared: see controllers.h. Each is called as the kernel
 * calls it: pids by the functions of its subsystem that fork() and the end of a task
 * call; ioasids with the lock of the account, as by the allocator; the others by the
 * functions that they export.
 */
#include <linux/cgroup_rdma.h>
#include <linux/misc_cgroup.h>
#include <linux/page_counter.h>

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

struct pids_user {
	struct cgroup_subsys_state *css;
	struct css_set cset;
	struct task_struct task;
};

static void *pids_make(void *above)
{
	struct pids_user *user = aligned_alloc(L1_CACHE_BYTES, 512);

	memset(user, 0, sizeof(*user));
	user->css = css_make(&pids_cgrp_subsys, above ? ((struct pids_user *)above)->css : NULL, 0);
	user->cset.subsys[pids_cgrp_id] = user->css;
	user->task.cgroups = &user->cset;
	return user;
}

static void pids_limit(void *user, unsigned long n)
{
	set_limit(((struct pids_user *)user)->css, "%lu", n);
}

static int pids_one_more(void *user)
{
	struct pids_user *u = user;

	return pids_cgrp_subsys.can_fork(&u->task, &u->cset);
}

static void pids_one_less(void *user)
{
	pids_cgrp_subsys.release(&((struct pids_user *)user)->task);
}

static void pids_read(void *user, struct seq_file *m)
{
	pids_cgrp_subsys.dfl_cftypes[1].read_s64(((struct pids_user *)user)->css, NULL);
}

const struct controller pids_controller = {
	"pids", pids_make, pids_limit, NULL, NULL, pids_one_more, pids_one_less, pids_read,
	&pids_cgrp_subsys,
};

/* misc */

static void *misc_make(void *parent)
{
	misc_cg_set_capacity(MISC_CG_RES_SEV, U64_MAX);
	return css_make(&misc_cgrp_subsys, parent, 0);
}

static void misc_limit(void *user, unsigned long n)
{
	set_limit(user, "sev %lu", n);
}

static int misc_one_more(void *user)
{
	return misc_cg_try_charge(MISC_CG_RES_SEV, css_misc(user), 1);
}

static void misc_one_less(void *user)
{
	misc_cg_uncharge(MISC_CG_RES_SEV, css_misc(user), 1);
}

static void misc_read(void *user, struct seq_file *m)
{
	m->css = user;
	misc_cgrp_subsys.dfl_cftypes[1].seq_show(m, NULL);
}

const struct controller misc_controller = {
	"misc", misc_make, misc_limit, NULL, NULL, misc_one_more, misc_one_less, misc_read,
	&misc_cgrp_subsys,
};

/*
 * rdma, which charges the cgroup of the current task. Without a limit, each charge would
 * allocate and free a pool; so each cgroup has a limit.
 */

static struct rdmacg_device rdma_device = { .name = "rdma" };
static __thread struct css_set rdma_cset;
static __thread struct task_struct rdma_task;

static void rdma_limit(void *user, unsigned long n);

static void *rdma_make(void *above)
{
	void *user;

	if (!rdma_device.dev_node.next)
		rdmacg_register_device(&rdma_device);
	user = css_make(&rdma_cgrp_subsys, above, 0);
	if (above)
		rdma_limit(user, 1000000);
	return user;
}

static void rdma_enter(void *user)
{
	rdma_cset.subsys[rdma_cgrp_id] = user;
	rdma_task.cgroups = &rdma_cset;
	current = &rdma_task;
}

static void rdma_limit(void *user, unsigned long n)
{
	set_limit(user, "rdma hca_handle=%lu", n);
}

static int rdma_one_more(void *user)
{
	struct rdma_cgroup *charged;

	return rdmacg_try_charge(&charged, &rdma_device, RDMACG_RESOURCE_HCA_HANDLE);
}

static void rdma_one_less(void *user)
{
	rdmacg_uncharge(container_of(user, struct rdma_cgroup, css), &rdma_device,
			RDMACG_RESOURCE_HCA_HANDLE);
}

static void rdma_read(void *user, struct seq_file *m)
{
	m->css = user;
	m->cft = &rdma_cgrp_subsys.dfl_cftypes[1];
	m->cft->seq_show(m, NULL);
}

const struct controller rdma_controller = {
	"rdma", rdma_make, rdma_limit, rdma_enter, NULL, rdma_one_more, rdma_one_less, rdma_read,
	&rdma_cgrp_subsys,
};

/* page_counter, as memcg and hugetlb use it */

static void *page_counter_make(void *above)
{
	struct page_counter *counter = kzalloc(sizeof(*counter), GFP_KERNEL);

	page_counter_init(counter, above, false);
	return counter;
}

static void page_counter_limit(void *user, unsigned long n)
{
	WARN_ON(page_counter_set_max(user, n));
}

static int page_counter_one_more(void *user)
{
	struct page_counter *limit;

	return page_counter_try_charge(user, 1, &limit) ? 0 : -ENOMEM;
}

static void page_counter_one_less(void *user)
{
	page_counter_uncharge(user, 1);
}

static void page_counter_show(void *user, struct seq_file *m)
{
	page_counter_read(user);
}

const struct controller page_counter_controller = {
	"page_counter", page_counter_make, page_counter_limit, NULL, NULL, page_counter_one_more,
	page_counter_one_less, page_counter_show,
};

/* ioasids */

struct ioasids_user {
	struct cgroup_subsys_state *css;
	struct task_struct *task;	/* NULL: the account is not open yet */
	struct ioasids_account account;
};

static void *user_in(struct cgroup_subsys_state *css)
{
	struct ioasids_user *user = kzalloc(sizeof(*user), GFP_KERNEL);

	user->css = css;
	return user;
}

static void *ioasids_make(void *above)
{
	return user_in(css_make(&ioasids_cgrp_subsys,
				above ? ((struct ioasids_user *)above)->css : NULL, 0));
}

void *ioasids_another(void *user)
{
	return user_in(((struct ioasids_user *)user)->css);
}

static void ioasids_enter(void *user)
{
	struct ioasids_user *u = user;

	if (u->task)
		return;
	u->task = task_new(u->css, 1, NULL);
	current = u->task;
	WARN_ON(ioasids_account_open(&u->account));
}

static void ioasids_leave(void *user)
{
	struct ioasids_user *u = user;

	ioasids_account_close(&u->account);
	task_exit(u->task);
	task_reap(u->task);
	u->task = NULL;
}

static void ioasids_limit(void *user, unsigned long n)
{
	set_limit(((struct ioasids_user *)user)->css, "%lu", n);
}

static int ioasids_one_more(void *user)
{
	struct ioasids_account *acct = &((struct ioasids_user *)user)->account;
	struct ioasids_refusal refusal;
	int ret;

	spin_lock_irq(&acct->lock);
	ret = ioasids_try_charge_one(acct, &refusal);
	spin_unlock_irq(&acct->lock);
	if (unlikely(ret))
		ioasids_report_refusal(&refusal);
	return ret;
}

static void ioasids_one_less(void *user)
{
	struct ioasids_account *acct = &((struct ioasids_user *)user)->account;
	unsigned long flags;

	spin_lock_irqsave(&acct->lock, flags);
	ioasids_uncharge_one(acct);
	spin_unlock_irqrestore(&acct->lock, flags);
}

/* The calls without the lock, which the allocator needs anyway for its own counts */
static int ioasids_one_more_alone(void *user)
{
	struct ioasids_refusal refusal;
	int ret;

	ret = ioasids_try_charge_one(&((struct ioasids_user *)user)->account, &refusal);
	if (unlikely(ret))
		ioasids_report_refusal(&refusal);
	return ret;
}

static void ioasids_one_less_alone(void *user)
{
	ioasids_uncharge_one(&((struct ioasids_user *)user)->account);
}

static void ioasids_read(void *user, struct seq_file *m)
{
	ioasids_cgrp_subsys.dfl_cftypes[1].read_s64(((struct ioasids_user *)user)->css, NULL);
}

const struct controller ioasids_controller = {
	"ioasids", ioasids_make, ioasids_limit, ioasids_enter, ioasids_leave, ioasids_one_more,
	ioasids_one_less, ioasids_read, &ioasids_cgrp_subsys,
};

const struct controller ioasids_alone_controller = {
	"ioasids_alone", ioasids_make, ioasids_limit, ioasids_enter, ioasids_leave,
	ioasids_one_more_alone, ioasids_one_less_alone, ioasids_read, &ioasids_cgrp_subsys,
};
