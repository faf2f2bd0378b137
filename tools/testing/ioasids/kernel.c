// SPDX-License-Identifier: GPL-2.0-only
/*
 * Stand-ins for the kernel that are not inline: see kernel.h
 */
#include <sched.h>
#include <unistd.h>

#include <linux/ctype.h>
#include <linux/rculist.h>
#include <linux/xarray.h>

#include "radix-tree.h"

#ifdef __SANITIZE_THREAD__
#include <sanitizer/tsan_interface.h>
#else
#define __tsan_acquire(p)	((void)(p))
#define __tsan_release(p)	((void)(p))
#endif

#include <linux/ioasid.h>
#include <linux/ioasids_cgroup.h>

#include "kernel.h"

struct css_set init_css_set;
DEFINE_SPINLOCK(css_set_lock);
struct cgroup_root cgrp_dfl_root;
__thread struct task_struct *current;
bool kernel_ioasids_disabled;
bool kernel_cgroups_hidden;
struct miscdevice *kernel_device;
const struct file_operations *kernel_debugfs_file;
pthread_rwlock_t kernel_threadgroups = PTHREAD_RWLOCK_INITIALIZER;

void kernel_warning(const char *file, int line)
{
	fprintf(stderr, "WARNING: %s:%d\n", file, line);
	abort();
}

unsigned long kernel_lines;

void kernel_print(const char *format, ...)
{
	__atomic_fetch_add(&kernel_lines, 1, __ATOMIC_RELAXED);
}

#ifdef KERNEL_ATOMICS
void refcount_warn_saturate(refcount_t *r, enum refcount_saturation_type t)
{
	kernel_warning("refcount", t);
}
#endif

/* With more threads than processors, the holder of the lock may be waiting for this one. */
void kernel_spin(spinlock_t *lock)
{
	int i = 0;

	while (atomic_read(&lock->locked) || !spin_trylock(lock)) {
		if (++i % 100 == 0)
			sched_yield();
	}
}

/* RCU */

static struct rcu_head *rcu_callbacks;
static char rcu_order;

#ifdef __SANITIZE_THREAD__

void kernel_rcu_read_unlock(void)
{
	__tsan_release(&rcu_order);
	urcu_memb_read_unlock();
}
#endif

void call_rcu(struct rcu_head *head, void (*func)(struct rcu_head *head))
{
	head->func = func;
	head->next = READ_ONCE(rcu_callbacks);
	while (!__atomic_compare_exchange_n(&rcu_callbacks, &head->next, head, false,
					    __ATOMIC_RELEASE, __ATOMIC_RELAXED))
		;
}

void kernel_free_rcu(struct rcu_head *head, void *object)
{
	head->object = object;
	call_rcu(head, NULL);
}

void kernel_rcu_barrier(void)
{
	struct rcu_head *head;

	/* A callback can drop a last reference, and so add callbacks. */
	while ((head = __atomic_exchange_n(&rcu_callbacks, NULL, __ATOMIC_ACQUIRE))) {
		synchronize_rcu();
		__tsan_acquire(&rcu_order);
		while (head) {
			struct rcu_head *next = head->next;

			if (head->func)
				head->func(head);
			else
				kfree(head->object);
			head = next;
		}
	}
}

/* Memory */

__thread unsigned long kernel_failing_allocation;
__thread size_t kernel_allocated;

#ifdef KERNEL_DEBUG

/* Of the exact size, so that AddressSanitizer detects accesses beyond it. */
static void *get_memory(size_t size)
{
	void *p;

	return posix_memalign(&p, L1_CACHE_BYTES, size) ? NULL : p;
}

void kernel_free(void *p)
{
	free(p);
}

#else

/*
 * As kmalloc() and kfree(): objects are of a class of sizes, aligned as in the kernel,
 * and kept in lists for each thread. Each object is in a chunk that begins with the
 * number of the class.
 */
#define CHUNK_SIZE	(64UL << 10)
#define CLASSES		14
#define LARGE		CLASSES

static __thread void *free_objects[CLASSES];

static unsigned int class_of(size_t size)
{
	if (size > 64 && size <= 96)
		return 1;
	if (size > 128 && size <= 192)
		return 2;
	return size <= 8 ? 3 : ilog2(size - 1) + 1;
}

static size_t class_size(unsigned int class)
{
	return class == 1 ? 96 : class == 2 ? 192 : 1UL << class;
}

/* The place of the first object of a chunk has the number of the class. */
static void *get_chunk(size_t size, unsigned int class)
{
	unsigned int *chunk;

	if (posix_memalign((void **)&chunk, CHUNK_SIZE, size))
		return NULL;
	*chunk = class;
	return chunk;
}

static noinline void refill(unsigned int class)
{
	char *chunk = get_chunk(CHUNK_SIZE, class);
	size_t size = class_size(class), at;

	if (!chunk)
		return;
	for (at = CHUNK_SIZE / size * size - size; at; at -= size) {
		*(void **)(chunk + at) = free_objects[class];
		free_objects[class] = chunk + at;
	}
}

static void *get_memory(size_t size)
{
	unsigned int class = class_of(size);
	void *p;

	if (class >= CLASSES) {
		p = get_chunk(PAGE_SIZE + size, LARGE);
		return p ? p + PAGE_SIZE : NULL;
	}
	if (unlikely(!free_objects[class]))
		refill(class);
	p = free_objects[class];
	if (p)
		free_objects[class] = *(void **)p;
	return p;
}

void kernel_free(void *p)
{
	unsigned int *chunk = (void *)((unsigned long)p & ~(CHUNK_SIZE - 1));

	if (!p)
		return;
	if (*chunk == LARGE) {
		free(chunk);
		return;
	}
	*(void **)p = free_objects[*chunk];
	free_objects[*chunk] = p;
}
#endif

void *kernel_malloc(size_t size, bool zero)
{
	void *p;

	if (kernel_failing_allocation && !--kernel_failing_allocation)
		return NULL;
	p = get_memory(size);
	if (p && zero)
		memset(p, 0, size);
	kernel_allocated += size;
	return p;
}

static struct kmem_cache radix_tree_nodes = { sizeof(struct xa_node) };
struct kmem_cache *radix_tree_node_cachep = &radix_tree_nodes;

void radix_tree_node_rcu_free(struct rcu_head *head)
{
	kmem_cache_free(radix_tree_node_cachep, container_of(head, struct xa_node, rcu_head));
}

void kernel_bit_spin(int bit, unsigned long *word)
{
	int i = 0;

	while (!bit_spin_trylock(bit, word)) {
		if (++i % 100 == 0)
			sched_yield();
	}
}

/* Strings */

char *strim(char *s)
{
	size_t n = strlen(s);

	while (n && isspace(s[n - 1]))
		s[--n] = '\0';
	while (isspace(*s))
		s++;
	return s;
}

ssize_t strscpy(char *to, const char *from, size_t size)
{
	size_t n = strnlen(from, size);

	if (n == size)
		return -E2BIG;
	memcpy(to, from, n + 1);
	return n;
}

int match_int(substring_t *s, int *result)
{
	char text[16] = "";
	size_t n = s->to - s->from;
	long long value;

	if (n >= sizeof(text))
		return -ERANGE;
	memcpy(text, s->from, n);
	if (kstrtoll(text, 0, &value) || value != (int)value)
		return -EINVAL;
	*result = value;
	return 0;
}

/* Only numbers without a unit */
unsigned long long memparse(const char *s, char **end)
{
	return strtoull(s, end, 0);
}

void seq_commit(struct seq_file *m, int n)
{
	m->count = n < 0 || n > m->size - m->count ? m->size : m->count + n;
}

void seq_printf(struct seq_file *m, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(m->buf + m->count, m->size - m->count, format, args);
	va_end(args);
	seq_commit(m, n);
}

/* Processes and cgroups */

struct task_struct *get_pid_task(struct pid *pid, enum pid_type type)
{
	struct task_struct *task;

	if (!pid)
		return NULL;
	rcu_read_lock();
	task = pid_task(pid, type);
	if (task && !refcount_inc_not_zero(&task->usage))
		task = NULL;
	rcu_read_unlock();
	return task;
}

void put_pid(struct pid *pid)
{
	if (pid && refcount_dec_and_test(&pid->count))
		kfree(pid);
}

void (*kernel_mm_pasid_drop)(struct mm_struct *mm);

void mmdrop(struct mm_struct *mm)
{
	if (!refcount_dec_and_test(&mm->mm_count))
		return;
	if (mm->pasid)
		kernel_mm_pasid_drop(mm);
	ioasid_mm_drop(mm);
	kfree(mm);
}

void mmput(struct mm_struct *mm)
{
	if (!refcount_dec_and_test(&mm->mm_users))
		return;
	ioasid_mm_exit(mm);
	mmdrop(mm);
}

static void css_free_rcu(struct rcu_head *rcu)
{
	struct cgroup_subsys_state *css = container_of(rcu, struct cgroup_subsys_state, rcu);
	struct cgroup_subsys_state *parent = css->parent;

	kfree(css->cgroup);
	css->ss->css_free(css);
	if (parent)
		css_put(parent);
}

static DEFINE_SPINLOCK(css_list_lock);

void kernel_css_add(struct cgroup_subsys_state *css)
{
	static u64 last_nr;

	if (css->parent)
		css_get(css->parent);
	spin_lock(&css_list_lock);
	css->serial_nr = ++last_nr;
	if (css->parent)
		list_add_tail_rcu(&css->sibling, &css->parent->children);
	spin_unlock(&css_list_lock);
}

void kernel_css_release(struct cgroup_subsys_state *css)
{
	spin_lock(&css_list_lock);
	WRITE_ONCE(css->released, true);
	if (css->parent)
		list_del_rcu(&css->sibling);
	spin_unlock(&css_list_lock);
	call_rcu(&css->rcu, css_free_rcu);
}

/* The next child of @parent after @css, by number; @css may have been removed. */
static struct cgroup_subsys_state *css_next_child(struct cgroup_subsys_state *css,
						  struct cgroup_subsys_state *parent)
{
	struct cgroup_subsys_state *next;

	if (!css) {
		next = list_entry_rcu(parent->children.next, typeof(*next), sibling);
	} else if (!READ_ONCE(css->released)) {
		next = list_entry_rcu(css->sibling.next, typeof(*next), sibling);
	} else {
		list_for_each_entry_rcu(next, &parent->children, sibling) {
			if (next->serial_nr > css->serial_nr)
				break;
		}
	}
	return &next->sibling != &parent->children ? next : NULL;
}

struct cgroup_subsys_state *kernel_css_next(struct cgroup_subsys_state *css,
					    struct cgroup_subsys_state *root)
{
	struct cgroup_subsys_state *next;

	if (!css)
		return root;
	next = css_next_child(NULL, css);
	for (; !next && css != root; css = css->parent)
		next = css_next_child(css, css->parent);
	return next;
}

struct task_struct *cgroup_taskset_next(struct task_struct *task, struct cgroup_subsys_state **css,
					struct cgroup_taskset *tset)
{
	struct list_head *pos = task ? task->thread_node.next : tset->threads->next;

	*css = tset->css;
	for (; pos != tset->threads; pos = pos->next) {
		task = list_entry(pos, struct task_struct, thread_node);
		if (!(task->flags & PF_EXITING) && (!tset->only || tset->only == task))
			return task;
	}
	return NULL;
}

static DEFINE_SPINLOCK(cgroup_files_lock);

/* All files share a lock, as in the kernel. */
void cgroup_file_notify(struct cgroup_file *file)
{
	spin_lock(&cgroup_files_lock);
	file->notified++;
	spin_unlock(&cgroup_files_lock);
}

int cgroup_path(struct cgroup *cgroup, char *buf, size_t size)
{
	return snprintf(buf, size, "/%d", cgroup->number);
}

/* User memory */

__thread const char *kernel_user_end;

static bool is_mapped(const void *p, size_t n)
{
	return !kernel_user_end || ((const char *)p <= kernel_user_end &&
				    n <= kernel_user_end - (const char *)p);
}

int copy_from_user(void *to, const void *from, size_t n)
{
	if (!is_mapped(from, n))
		return n;
	memcpy(to, from, n);
	return 0;
}

int copy_to_user(void *to, const void *from, size_t n)
{
	if (!is_mapped(to, n))
		return n;
	memcpy(to, from, n);
	return 0;
}

int copy_struct_from_user(void *to, size_t to_size, const void *from, size_t from_size)
{
	const char *bytes = from;
	size_t i;

	if (!is_mapped(from, from_size))
		return -EFAULT;
	for (i = to_size; i < from_size; i++) {
		if (bytes[i])
			return -E2BIG;
	}
	memset(to, 0, to_size);
	memcpy(to, from, min(to_size, from_size));
	return 0;
}

/* Notifiers: the last one registered is called first. */

int atomic_notifier_chain_register(struct atomic_notifier_head *head, struct notifier_block *nb)
{
	struct notifier_block *p;

	spin_lock(&head->lock);
	for (p = head->head; p && p != nb; p = p->next)
		;
	if (!p) {
		nb->next = head->head;
		rcu_assign_pointer(head->head, nb);
	}
	spin_unlock(&head->lock);
	return p ? -EEXIST : 0;
}

int atomic_notifier_chain_unregister(struct atomic_notifier_head *head, struct notifier_block *nb)
{
	struct notifier_block **p;
	int ret = -ENOENT;

	spin_lock(&head->lock);
	for (p = &head->head; *p && *p != nb; p = &(*p)->next)
		;
	if (*p) {
		rcu_assign_pointer(*p, nb->next);
		ret = 0;
	}
	spin_unlock(&head->lock);
	synchronize_rcu();
	return ret;
}

int atomic_notifier_call_chain(struct atomic_notifier_head *head, unsigned long event, void *data)
{
	struct notifier_block *nb;

	rcu_read_lock();
	for (nb = rcu_dereference(head->head); nb; nb = rcu_dereference(nb->next))
		nb->notifier_call(nb, event, data);
	rcu_read_unlock();
	return 0;
}

/* Work is done at once. */

struct workqueue_struct *alloc_ordered_workqueue(const char *name, unsigned int flags)
{
	static struct workqueue_struct wq;

	return &wq;
}

bool queue_work(struct workqueue_struct *wq, struct work_struct *work)
{
	__atomic_fetch_add(&wq->done, 1, __ATOMIC_RELAXED);
	work->func(work);
	return true;
}

/*
 * Tracepoints. What they read, the kernel's read, too: under the lock of the account, and of
 * cgroups that exist. Each ID and each set is traced once when it is made and once when it is
 * freed, in this order.
 */
#ifdef KERNEL_DEBUG

static atomic_t taken[IOASID_MAX + 1];
static atomic_t opened[1 << 16];	/* sets, by the last bits of their numbers */

static void check_payer(struct ioasids_account *acct)
{
	lockdep_assert_held(&acct->lock);
	if (!kernel_cgroups_hidden)
		ioasids_payer_id(acct);
}

static void check_account(struct ioasids_account *acct)
{
	check_payer(acct);
	WARN_ON(!acct->id || acct->tgid < 0);
}

void trace_ioasid_alloc(struct ioasids_account *acct, u32 id)
{
	check_account(acct);
	WARN_ON(!acct->allocated || atomic_xchg(&taken[id], 1));
}

void trace_ioasid_free(struct ioasids_account *acct, u32 id)
{
	check_account(acct);
	WARN_ON(!acct->allocated || !atomic_xchg(&taken[id], 0));
}

void trace_ioasid_mm_bind(struct ioasids_account *acct, u32 id)
{
	check_account(acct);
	WARN_ON(!atomic_read(&taken[id]));
}

void trace_ioasid_mm_drop(struct ioasids_account *acct, u32 id)
{
	check_account(acct);
	WARN_ON(!atomic_read(&taken[id]));
}

void trace_ioasid_set_open(struct ioasids_account *acct)
{
	check_account(acct);
	WARN_ON(acct->allocated || acct->quota);
	atomic_inc(&opened[acct->id % ARRAY_SIZE(opened)]);
}

void trace_ioasid_set_close(struct ioasids_account *acct)
{
	check_account(acct);
	WARN_ON(acct->quota || atomic_dec_return(&opened[acct->id % ARRAY_SIZE(opened)]) < 0);
}

void trace_ioasid_set_quota(struct ioasids_account *acct, u32 quota)
{
	if (acct->quota == quota)
		return;
	check_account(acct);
	WARN_ON(quota && quota < acct->allocated);
}

void trace_ioasid_refused(struct ioasids_account *acct, int by, struct ioasids_cgroup *limit,
			  u32 asked, u64 used, u64 max)
{
	check_payer(acct);
	WARN_ON(!asked || (by == IOASIDS_BY_LIMIT) != !!limit);
	if (limit)
		ioasids_cgroup_id(limit);
	/* A limit that rises meanwhile may be read after the decision. */
#ifndef __SANITIZE_THREAD__
	WARN_ON(used + asked <= max);
#endif
}

void trace_ioasid_move(struct ioasids_account *acct, struct ioasids_cgroup *to)
{
	check_payer(acct);
	if (READ_ONCE(acct->id) && acct->cg != to)
		ioasids_cgroup_id(to);
}

void trace_ioasid_reparent(struct ioasids_account *acct, struct ioasids_cgroup *to)
{
	trace_ioasid_move(acct, to);
}

void trace_ioasid_adopt(struct ioasids_account *acct, struct ioasids_cgroup *to)
{
	lockdep_assert_held(&acct->lock);
	if (!acct->owner)
		return;
	check_account(acct);
	ioasids_cgroup_id(to);
}

#endif
