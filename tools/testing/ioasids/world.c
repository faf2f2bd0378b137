// SPDX-License-Identifier: GPL-2.0-only
/* What the core of the kernel does: world.h. */
#include <linux/list.h>

#include "world.h"

/* Guards the lists of children, as cgroup_mutex does. */
DEFINE_MUTEX(cgroup_mutex);

struct cgroup_subsys_state *css_make(struct cgroup_subsys *ss, struct cgroup_subsys_state *parent,
				     int number)
{
	struct cgroup_subsys_state *css = ss->css_alloc(parent);
	struct cgroup *cgroup;

	if (IS_ERR(css))
		return css;
	cgroup = kzalloc(sizeof(*cgroup), GFP_KERNEL);
	if (!cgroup) {
		ss->css_free(css);
		return ERR_PTR(-ENOMEM);
	}
	cgroup->number = number;
	css->cgroup = cgroup;
	css->ss = ss;
	css->parent = parent;
	refcount_set(&css->refs, 1);
	INIT_LIST_HEAD(&css->children);
	INIT_LIST_HEAD(&css->sibling);
	if (parent) {
		css_get(parent);
		mutex_lock(&cgroup_mutex);
		list_add_tail(&css->sibling, &parent->children);
		mutex_unlock(&cgroup_mutex);
	}
	return css;
}

void css_remove(struct cgroup_subsys_state *css)
{
	mutex_lock(&cgroup_mutex);
	if (css->ss->css_offline)
		css->ss->css_offline(css);
	list_del_init(&css->sibling);
	mutex_unlock(&cgroup_mutex);
	kfree(css->cgroup);
	css->cgroup = NULL;
	css_put(css);
}

static struct cftype *find_file(struct cgroup_subsys *ss, const char *name)
{
	struct cftype *cft;

	for (cft = ss->dfl_cftypes; cft->name; cft++) {
		if (!strcmp(cft->name, name))
			return cft;
	}
	kernel_warning(name, 0);
}

const char *css_read(struct cgroup_subsys_state *css, const char *name)
{
	static __thread char text[256];
	struct cftype *cft = find_file(css->ss, name);
	struct seq_file m = { text, sizeof(text), 0, css, cft };

	mutex_lock(&cgroup_mutex);
	if (cft->read_s64)
		seq_printf(&m, "%lld\n", cft->read_s64(css, cft));
	else
		cft->seq_show(&m, NULL);
	mutex_unlock(&cgroup_mutex);
	return text;
}

s64 css_number(struct cgroup_subsys_state *css, const char *name)
{
	struct cftype *cft = find_file(css->ss, name);

	return cft->read_s64(css, cft);
}

ssize_t css_write(struct cgroup_subsys_state *css, const char *name, const char *text, size_t n)
{
	struct kernfs_open_file of = { css };
	char *buf = malloc(n + 1);
	ssize_t ret;

	/* As kernfs does: exactly so long, and with a NUL behind it. */
	memcpy(buf, text, n);
	buf[n] = '\0';
	ret = find_file(css->ss, name)->write(&of, buf, n, 0);
	free(buf);
	return ret;
}

void process_start(struct process *p, struct cgroup_subsys_state *css, int nr)
{
	struct pid *pid = malloc(sizeof(*pid));
	struct mm_struct *mm = malloc(sizeof(*mm));

	memset(p, 0, sizeof(*p));
	refcount_set(&pid->count, 1);
	pid->nr = nr;
	pid->leader = &p->task;
	refcount_set(&mm->mm_count, 1);
	p->cgroups.subsys[ioasids_cgrp_id] = css;
	p->task.cgroups = &p->cgroups;
	p->task.nsproxy = &p->nsproxy;
	p->task.tgid = pid;
	p->task.mm = mm;
	memcpy(p->task.comm, "process", 8);
}

void process_exit(struct process *p)
{
	WRITE_ONCE(p->task.tgid->leader, NULL);
	mmdrop(p->task.mm);
	put_pid(p->task.tgid);
	p->task.tgid = NULL;
	p->task.mm = NULL;
}

void process_move(struct process *p, struct cgroup_subsys_state *css)
{
	struct cgroup_taskset tset = { &p->task, css };

	mutex_lock(&cgroup_mutex);
	pthread_rwlock_wrlock(&kernel_threadgroups);
	p->cgroups.subsys[ioasids_cgrp_id] = css;
	ioasids_cgrp_subsys.attach(&tset);
	pthread_rwlock_unlock(&kernel_threadgroups);
	mutex_unlock(&cgroup_mutex);
}

int device_open(struct process *p)
{
	struct file *file = calloc(1, sizeof(*file));
	int ret;

	current = &p->task;
	ret = kernel_device->fops->open(NULL, file);
	if (ret)
		free(file);
	else
		p->file = file;
	return ret;
}

void device_close(struct process *p)
{
	current = &p->task;
	kernel_device->fops->release(NULL, p->file);
	free(p->file);
	p->file = NULL;
}

static int device_ioctl(struct process *p, unsigned int number, void *arg)
{
	current = &p->task;
	return kernel_device->fops->unlocked_ioctl(p->file, number, (unsigned long)arg);
}

int device_alloc(struct process *p, u32 min, u32 max)
{
	struct ioasid_request request = { sizeof(request), 0, min, max };

	return device_ioctl(p, IOASID_REQUEST_ALLOC, &request);
}

int device_free(struct process *p, int id)
{
	return device_ioctl(p, IOASID_REQUEST_FREE, &id);
}

int device_quota(struct process *p, u32 quota)
{
	struct ioasid_quota request = { sizeof(request), 0, quota };

	return device_ioctl(p, IOASID_SET_QUOTA, &request);
}

int device_info(struct process *p, struct ioasid_info *info)
{
	*info = (struct ioasid_info){ .argsz = sizeof(*info) };
	return device_ioctl(p, IOASID_GET_INFO, info);
}
