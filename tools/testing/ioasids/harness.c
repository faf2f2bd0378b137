// SPDX-License-Identifier: GPL-2.0-only
/* Stand-in for the kernel's core: see harness.h */
#include <linux/rculist.h>

#include "harness.h"

/* Held while a cgroup is removed or a task is moved, as by the kernel. */
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
	INIT_LIST_HEAD(&cgroup->cset_links);
	list_add(&cgroup->link, &cgroup->cset_links);
	css->cgroup = cgroup;
	css->ss = ss;
	css->parent = parent;
	refcount_set(&css->refs, 1);
	INIT_LIST_HEAD(&css->children);
	INIT_LIST_HEAD(&css->sibling);
	kernel_css_add(css);
	return css;
}

void css_remove(struct cgroup_subsys_state *css)
{
	mutex_lock(&cgroup_mutex);
	WRITE_ONCE(css->flags, CSS_DYING);
	if (css->ss->css_offline)
		css->ss->css_offline(css);
	mutex_unlock(&cgroup_mutex);
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

	if (cft->read_s64)
		seq_printf(&m, "%lld\n", cft->read_s64(css, cft));
	else
		WARN_ON(cft->seq_show(&m, NULL));
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

	/* As from kernfs: a buffer of exactly this size, with a NUL at the end */
	memcpy(buf, text, n);
	buf[n] = '\0';
	ret = find_file(css->ss, name)->write(&of, buf, n, 0);
	free(buf);
	return ret;
}

/* Tasks */

struct test_task {
	struct task_struct task;
	struct css_set cgroups;
	struct rcu_head rcu;
};

static struct nsproxy nsproxy;

static struct mm_struct *mm_new(void)
{
	struct mm_struct *mm = kzalloc(sizeof(*mm), GFP_KERNEL);

	refcount_set(&mm->mm_count, 1);
	refcount_set(&mm->mm_users, 1);
	ioasid_mm_init(mm);
	return mm;
}

static struct task_struct *new_task(struct cgroup_subsys_state *css)
{
	struct test_task *test = kzalloc(sizeof(*test), GFP_KERNEL);
	struct task_struct *task = &test->task;

	css_get(css);
	test->cgroups.subsys[ioasids_cgrp_id] = css;
	refcount_set(&task->usage, 1);
	task->cgroups = &test->cgroups;
	task->nsproxy = &nsproxy;
	memcpy(task->comm, "process", 8);
	return task;
}

void kernel_free_task(struct task_struct *task)
{
	put_signal_struct(task->signal);
	kfree(container_of(task, struct test_task, task));
}

static void delayed_put_task_struct(struct rcu_head *rcu)
{
	put_task_struct(&container_of(rcu, struct test_task, rcu)->task);
}

static void release_task(struct task_struct *task)
{
	struct test_task *test = container_of(task, struct test_task, task);

	list_del_rcu(&task->thread_node);
	css_put(task_ioasids(task));
	put_pid(task->tgid);
	call_rcu(&test->rcu, delayed_put_task_struct);
}

struct task_struct *task_new(struct cgroup_subsys_state *css, int nr, struct mm_struct *mm)
{
	struct signal_struct *signal = kzalloc(sizeof(*signal), GFP_KERNEL);
	struct pid *pid = kzalloc(sizeof(*pid), GFP_KERNEL);
	struct task_struct *task = new_task(css);

	refcount_set(&pid->count, 1);
	pid->nr = nr;
	pid->leader = task;
	if (mm)
		mmget(mm);
	task->tgid = pid;
	task->mm = mm ?: mm_new();
	task->signal = signal;
	task->group_leader = task;
	atomic_set(&signal->live, 1);
	refcount_set(&signal->sigcnt, 1);
	INIT_LIST_HEAD(&signal->thread_head);
	list_add_tail(&task->thread_node, &signal->thread_head);
	return task;
}

struct task_struct *task_new_thread(struct task_struct *task)
{
	struct task_struct *thread = new_task(task_ioasids(task));

	mmget(task->mm);
	thread->tgid = get_pid(task->tgid);
	thread->mm = task->mm;
	thread->signal = task->signal;
	thread->group_leader = task->group_leader;
	thread->self_exec_id = task->self_exec_id;
	atomic_inc(&task->signal->live);
	refcount_inc(&task->signal->sigcnt);
	list_add_tail_rcu(&thread->thread_node, &task->signal->thread_head);
	return thread;
}

void task_exit(struct task_struct *task)
{
	struct mm_struct *mm = task->mm;

	current = task;
	pthread_rwlock_rdlock(&kernel_threadgroups);
	WRITE_ONCE(task->flags, task->flags | PF_EXITING);
	pthread_rwlock_unlock(&kernel_threadgroups);
	atomic_dec(&task->signal->live);
	task_lock(task);
	task->mm = NULL;
	task_unlock(task);
	mmput(mm);
	if (!thread_group_leader(task))
		release_task(task);
}

void task_reap(struct task_struct *leader)
{
	WRITE_ONCE(leader->tgid->leader, NULL);
	release_task(leader);
}

/* The thread that calls exec takes the place and the PID of the leader. */
void task_exec(struct task_struct *task)
{
	struct task_struct *leader = task->group_leader, *t, *next;
	struct mm_struct *mm = task->mm;

	list_for_each_entry_safe(t, next, &task->signal->thread_head, thread_node) {
		if (t != task && !(t->flags & PF_EXITING))
			task_exit(t);
	}
	if (leader != task) {
		WRITE_ONCE(task->tgid->leader, task);
		task->group_leader = task;
		leader->group_leader = task;
		release_task(leader);
	}
	current = task;
	task_lock(task);
	task->mm = mm_new();
	task_unlock(task);
	mmput(mm);
	WRITE_ONCE(task->self_exec_id, task->self_exec_id + 1);
}

void task_move(struct task_struct *task, struct cgroup_subsys_state *css, bool alone)
{
	struct cgroup_taskset tset = { css, &task->signal->thread_head, alone ? task : NULL };
	struct cgroup_subsys_state *from[8], *to;
	struct task_struct *t;
	int n = 0;

	mutex_lock(&cgroup_mutex);
	pthread_rwlock_wrlock(&kernel_threadgroups);
	spin_lock_irq(&css_set_lock);
	cgroup_taskset_for_each(t, to, &tset) {
		css_get(to);
		from[n++] = task_ioasids(t);
		WRITE_ONCE(t->cgroups->subsys[ioasids_cgrp_id], to);
	}
	spin_unlock_irq(&css_set_lock);
	ioasids_cgrp_subsys.attach(&tset);
	while (n)
		css_put(from[--n]);
	pthread_rwlock_unlock(&kernel_threadgroups);
	mutex_unlock(&cgroup_mutex);
}

void process_start(struct process *p, struct cgroup_subsys_state *css, int nr)
{
	p->task = task_new(css, nr, NULL);
	p->file = NULL;
}

void process_exit(struct process *p)
{
	task_exit(p->task);
	task_reap(p->task);
	p->task = NULL;
}

void process_move(struct process *p, struct cgroup_subsys_state *css)
{
	task_move(p->task, css, false);
}

/* The device */

int device_open(struct process *p)
{
	struct file *file = calloc(1, sizeof(*file));
	int ret;

	current = p->task;
	ret = kernel_device->fops->open(NULL, file);
	if (ret)
		free(file);
	else
		p->file = file;
	return ret;
}

void device_close(struct process *p)
{
	current = p->task;
	kernel_device->fops->release(NULL, p->file);
	free(p->file);
	p->file = NULL;
}

static int device_ioctl(struct process *p, unsigned int number, void *arg)
{
	current = p->task;
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

const char *device_fdinfo(struct process *p)
{
	static __thread char text[256];
	struct seq_file m = { text, sizeof(text) };

	current = p->task;
	kernel_device->fops->show_fdinfo(&m, p->file);
	return text;
}
