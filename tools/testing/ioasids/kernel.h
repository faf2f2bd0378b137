/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Stand-ins for the kernel, whose sources are compiled here for user space. The compiler
 * includes this file before each of them. The headers that they include are the
 * kernel's or the C library's, and otherwise empty.
 *
 * Measured code must cost as much as in the kernel: an atomic operation is one
 * instruction, a spinlock has four bytes, and inline functions are inline. For
 * ThreadSanitizer, atomics are the compiler's, and ordered as the kernel's, no more.
 */
#ifndef _IOASIDS_TEST_KERNEL_H
#define _IOASIDS_TEST_KERNEL_H

#include <errno.h>
#include <limits.h>
#include <linux/types.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

/* Types */

typedef __u8	u8;
typedef __u16	u16;
typedef __u32	u32;
typedef __u64	u64;
typedef __s8	s8;
typedef __s16	s16;
typedef __s32	s32;
typedef __s64	s64;
typedef unsigned __int128 u128;
typedef unsigned int gfp_t;
typedef unsigned short umode_t;

#define U32_MAX		((u32)~0U)
#define S32_MAX		((s32)(U32_MAX >> 1))
#define U64_MAX		((u64)~0ULL)
#define S64_MAX		((s64)(U64_MAX >> 1))
#define BITS_PER_LONG	64
#define PAGE_SHIFT	12
#define PAGE_SIZE	(1UL << PAGE_SHIFT)
#define NUMA_NO_NODE	(-1)
#define CONFIG_64BIT	1
#define CONFIG_SMP	1
#define PID_MAX_LIMIT	(4 * 1024 * 1024)

struct seq_file;
struct kernfs_open_file;

struct list_head {
	struct list_head *next, *prev;
};

struct hlist_head {
	struct hlist_node *first;
};

struct hlist_node {
	struct hlist_node *next, **pprev;
};

/* The compiler */

#define __rcu
#define __user
#define __force
#define __init
#define __must_hold(x)
#define __acquires(x)
#define __context_unsafe(reason)
#undef __CONCAT
#define __releases(x)
#define __release(x)
#define __ro_after_init
#define __read_mostly
#define __used			__attribute__((used))
#define __must_check		__attribute__((warn_unused_result))
#define __maybe_unused		__attribute__((unused))
#define __packed		__attribute__((packed))
#define __printf(a, b)		__attribute__((format(printf, a, b)))
#undef __always_inline
#define __always_inline		inline __attribute__((always_inline))
#define fallthrough		__attribute__((fallthrough))
#define noinline		__attribute__((noinline))
#define __noreturn		__attribute__((noreturn))
#define L1_CACHE_BYTES		64
#define SMP_CACHE_BYTES		L1_CACHE_BYTES
#define ____cacheline_aligned	__attribute__((aligned(L1_CACHE_BYTES)))
#define ____cacheline_aligned_in_smp ____cacheline_aligned
#define ____cacheline_internodealigned_in_smp ____cacheline_aligned
#define CACHELINE_PADDING(x)	char x[0] __attribute__((aligned(64)))
#define likely(x)		__builtin_expect(!!(x), 1)
#define unlikely(x)		__builtin_expect(!!(x), 0)
#define barrier()		__asm__ __volatile__("" : : : "memory")
#define data_race(x)		(x)
#define ASSERT_EXCLUSIVE_ACCESS(x)	do { } while (0)
#define array_index_nospec(i, n)	(i)
#define BUILD_BUG_ON(x)		_Static_assert(!(x), #x)

#define EXPORT_SYMBOL(x)
#define EXPORT_SYMBOL_GPL(x)
#define THIS_MODULE		NULL

#define __initcall(fn) \
	static void __attribute__((constructor)) call_##fn(void) { (void)fn(); }
#define core_initcall(fn)	__initcall(fn)
#define subsys_initcall(fn)	__initcall(fn)
#define early_param(name, fn)	static int (*const param_##fn)(char *) __used = fn

#define ARRAY_SIZE(a)		(sizeof(a) / sizeof((a)[0]))
#define BIT(n)			(1UL << (n))
#define sizeof_field(t, m)	sizeof(((t *)0)->m)
#define offsetofend(t, m)	(offsetof(t, m) + sizeof_field(t, m))
#define container_of(p, t, m)	((t *)((char *)(p) - offsetof(t, m)))
#define min_t(t, a, b)		({ t _a = (a), _b = (b); _a < _b ? _a : _b; })
#define max_t(t, a, b)		({ t _a = (a), _b = (b); _a > _b ? _a : _b; })
#define min(a, b)		min_t(typeof((a) + (b)), a, b)
u64 int_pow(u64 base, unsigned int exponent);
#define check_add_overflow(a, b, d)	__builtin_add_overflow(a, b, d)
#define check_mul_overflow(a, b, d)	__builtin_mul_overflow(a, b, d)
#define max(a, b)		max_t(typeof((a) + (b)), a, b)
#define swap(a, b)		do { typeof(a) _t = (a); (a) = (b); (b) = _t; } while (0)

#ifdef __SANITIZE_THREAD__
#define __data_racy		_Atomic		/* no race, and no order: it is written relaxed */
#define READ_ONCE(x)		__atomic_load_n(&(x), __ATOMIC_RELAXED)
#define WRITE_ONCE(x, v)	__atomic_store_n(&(x), (typeof(x))(v), __ATOMIC_RELAXED)
#else
#define __data_racy
#define READ_ONCE(x)		(*(const volatile typeof(x) *)&(x))
#define WRITE_ONCE(x, v)	do { *(volatile typeof(x) *)&(x) = (v); } while (0)
#endif

/* A warning is a bug here: it ends the program. */
void __attribute__((noreturn, cold)) kernel_warning(const char *file, int line);

#define WARN_ON_ONCE(x)		({					\
	bool _bad = (x);						\
	if (unlikely(_bad))						\
		kernel_warning(__FILE__, __LINE__);			\
	_bad;								\
})
#define WARN_ON(x)		WARN_ON_ONCE(x)
#define WARN_ONCE(x, ...)	WARN_ON_ONCE(x)
#define WARN(x, ...)		WARN_ON_ONCE(x)
#define BUG_ON(x)		((void)WARN_ON_ONCE(x))
#define panic(...)		kernel_warning(__FILE__, __LINE__)

/* Tracepoints: off in measured code; else they check in what order, and how, they are called. */
#ifdef KERNEL_DEBUG
#define TRACEPOINT(name, ...)						\
	void trace_##name(__VA_ARGS__);					\
	static inline bool trace_##name##_enabled(void) { return true; }
#else
#define TRACEPOINT(name, ...)						\
	static inline void trace_##name(__VA_ARGS__) { }		\
	static inline bool trace_##name##_enabled(void) { return false; }
#endif
struct ioasids_account;
struct ioasids_cgroup;
TRACEPOINT(ioasid_alloc, struct ioasids_account *acct, u32 id)
TRACEPOINT(ioasid_free, struct ioasids_account *acct, u32 id)
TRACEPOINT(ioasid_mm_bind, struct ioasids_account *acct, u32 id)
TRACEPOINT(ioasid_mm_drop, struct ioasids_account *acct, u32 id)
TRACEPOINT(ioasid_set_open, struct ioasids_account *acct)
TRACEPOINT(ioasid_set_close, struct ioasids_account *acct)
TRACEPOINT(ioasid_set_quota, struct ioasids_account *acct, u32 quota)
TRACEPOINT(ioasid_refused, struct ioasids_account *acct, int by, struct ioasids_cgroup *limit,
	   u32 asked, u64 used, u64 max)
TRACEPOINT(ioasid_move, struct ioasids_account *acct, struct ioasids_cgroup *to)
TRACEPOINT(ioasid_reparent, struct ioasids_account *acct, struct ioasids_cgroup *to)
TRACEPOINT(ioasid_adopt, struct ioasids_account *acct, struct ioasids_cgroup *to)

/* Lines that are printed are counted. */
extern unsigned long kernel_lines;
void __printf(1, 2) kernel_print(const char *format, ...);

#define pr_info(...)		kernel_print(__VA_ARGS__)
#define KERN_INFO
#define DEFINE_RATELIMIT_STATE(name, interval, burst)	bool name = true
#define DEFAULT_RATELIMIT_INTERVAL	5
#define DEFAULT_RATELIMIT_BURST		10
#define __ratelimit(state)	(*(state))
#define printk_deferred(...)	kernel_print(__VA_ARGS__)
#define pr_err(...)		kernel_print(__VA_ARGS__)
#define pr_warn(...)		kernel_print(__VA_ARGS__)
#define pr_cont(...)		do { } while (0)	/* continues a counted line */
#define pr_cont_cgroup_path(cgroup)	((void)(cgroup))

#define MAX_ERRNO		4095
#define IS_ERR_VALUE(x)		((unsigned long)(void *)(x) >= (unsigned long)-MAX_ERRNO)

static inline void *ERR_PTR(long error)
{
	return (void *)error;
}

static inline long PTR_ERR(const void *p)
{
	return (long)p;
}

static inline bool IS_ERR(const void *p)
{
	return IS_ERR_VALUE(p);
}

static inline bool IS_ERR_OR_NULL(const void *p)
{
	return !p || IS_ERR_VALUE(p);
}

static inline int PTR_ERR_OR_ZERO(const void *p)
{
	return IS_ERR(p) ? PTR_ERR(p) : 0;
}

#define ERR_CAST(p)		((void *)(p))

/*
 * Atomics. With KERNEL_ATOMICS, the kernel's own for this architecture, so that measured
 * code has the same instructions.
 */
#ifdef KERNEL_ATOMICS
#define LOCK_PREFIX			"lock; "
#define __READ_ONCE(x)			READ_ONCE(x)
#define __WRITE_ONCE(x, v)		WRITE_ONCE(x, v)
#define __cond_acquires(x)
#define __native_word(t)		(sizeof(t) <= sizeof(long))
#define __unqual_scalar_typeof(x)	typeof(x)
#define __compiletime_error(m)
#define __cpuidle
#define __signed_wrap
#define instrument_read_write(v, n)		do { } while (0)
#define instrument_atomic_read(v, n)		do { } while (0)
#define instrument_atomic_write(v, n)		do { } while (0)
#define instrument_atomic_read_write(v, n)	do { } while (0)
#define kcsan_mb()			do { } while (0)
#define kcsan_release()			do { } while (0)
#define CC_SET(c)			"\n\t/* output condition code " #c "*/\n"
#define CC_OUT(c)			"=@cc" #c
#define smp_mb() \
	__asm__ __volatile__("lock; addl $0,-4(%%rsp)" : : : "memory", "cc")
#define smp_rmb()			barrier()
#define smp_wmb()			barrier()
#define smp_mb__before_atomic()		barrier()
#define smp_mb__after_atomic()		barrier()
#define smp_acquire__after_ctrl_dep()	barrier()
#define smp_load_acquire(p)		({ typeof(*(p)) _v = READ_ONCE(*(p)); barrier(); _v; })
#define smp_store_release(p, v)		do { barrier(); WRITE_ONCE(*(p), v); } while (0)
typedef struct {
	int counter;
} atomic_t;

typedef struct {
	s64 counter;
} atomic64_t;

#define ATOMIC_INIT(i)			{ (i) }
#include <linux/atomic.h>
#else
#include "atomic.h"
#endif

/* Locks */

typedef struct {
	atomic_t locked;
} spinlock_t;

#define __SPIN_LOCK_UNLOCKED(name)	{ ATOMIC_INIT(0) }
#define DEFINE_SPINLOCK(name)		spinlock_t name

void kernel_spin(spinlock_t *lock);

static inline void spin_lock_init(spinlock_t *lock)
{
	atomic_set(&lock->locked, 0);
}

static inline bool spin_trylock(spinlock_t *lock)
{
	int unlocked = 0;

	return atomic_try_cmpxchg_acquire(&lock->locked, &unlocked, 1);
}

static inline void spin_lock(spinlock_t *lock)
{
	if (unlikely(!spin_trylock(lock)))
		kernel_spin(lock);
}

static inline void spin_unlock(spinlock_t *lock)
{
	smp_store_release(&lock->locked.counter, 0);
}

#define spin_lock_irq(lock)			spin_lock(lock)
#define spin_unlock_irq(lock)			spin_unlock(lock)
#define spin_lock_bh(lock)			spin_lock(lock)
#define spin_unlock_bh(lock)			spin_unlock(lock)
#define spin_lock_irqsave(lock, flags)		do { (flags) = 0; spin_lock(lock); } while (0)
#define spin_unlock_irqrestore(lock, flags)	do { (void)(flags); spin_unlock(lock); } while (0)
#define lockdep_is_held(lock)			kernel_is_locked(lock)

/* For a mutex, too */
static inline bool kernel_is_locked(const void *lock)
{
	return atomic_read(&((const spinlock_t *)lock)->locked);
}

#ifdef KERNEL_DEBUG
#define lockdep_assert_held(lock)	((void)WARN_ON_ONCE(!kernel_is_locked(lock)))
#else
#define lockdep_assert_held(lock)	((void)(lock))
#endif

struct mutex {
	spinlock_t lock;
};

#define DEFINE_MUTEX(name)	struct mutex name
#define mutex_init(mutex)	spin_lock_init(&(mutex)->lock)
#define mutex_lock(mutex)	spin_lock(&(mutex)->lock)
#define mutex_unlock(mutex)	spin_unlock(&(mutex)->lock)

#ifdef KERNEL_ATOMICS
#include <linux/refcount.h>
#endif

#define cond_resched()		do { } while (0)
#define cond_resched_rcu()	do { rcu_read_unlock(); rcu_read_lock(); } while (0)

/* RCU: liburcu's, with callbacks that run when kernel_rcu_barrier() is called. */

#define rcu_head urcu_rcu_head
#ifndef __SANITIZE_THREAD__
#define _LGPL_SOURCE			/* inline; not where ThreadSanitizer would check it */
#endif
#include <urcu.h>
#undef rcu_head
#undef call_rcu
#undef rcu_dereference
#undef rcu_assign_pointer

struct rcu_head {
	struct rcu_head *next;
	void (*func)(struct rcu_head *head);	/* NULL: free @object */
	void *object;
};

void call_rcu(struct rcu_head *head, void (*func)(struct rcu_head *head));
void kernel_free_rcu(struct rcu_head *head, void *object);
void kernel_rcu_barrier(void);

#ifdef __SANITIZE_THREAD__
/* Tell ThreadSanitizer that reads before this happen before the memory is freed. */
#undef rcu_read_unlock
void kernel_rcu_read_unlock(void);
#define rcu_read_unlock()		kernel_rcu_read_unlock()
#endif

#define kfree_rcu(p, field)		kernel_free_rcu(&(p)->field, p)
#ifdef __SANITIZE_THREAD__
#define rcu_dereference(p)		__atomic_load_n(&(p), __ATOMIC_CONSUME)
#else
#define rcu_dereference(p)		READ_ONCE(p)
#endif
#define rcu_dereference_raw(p)		rcu_dereference(p)
#define rcu_dereference_check(p, c)	rcu_dereference(p)
#define rcu_dereference_protected(p, c)	READ_ONCE(p)
#define rcu_access_pointer(p)		READ_ONCE(p)
#define rcu_assign_pointer(p, v)	smp_store_release(&(p), v)
#define RCU_INIT_POINTER(p, v)		WRITE_ONCE(p, v)
#define RCU_INITIALIZER(v)		(v)
#define unrcu_pointer(p)		(p)
#define RCU_LOCKDEP_WARN(c, s)		do { } while (0)
#define rcu_read_lock_any_held()	true

/* Memory */

#define GFP_KERNEL		1U
#define GFP_ATOMIC		2U
#define GFP_NOWAIT		4U
#define __GFP_NOWARN		0U
#define __GFP_ACCOUNT		8U
#define __GFP_BITS_SHIFT	4
#define GFP_KERNEL_ACCOUNT	(GFP_KERNEL | __GFP_ACCOUNT)
#define gfpflags_allow_blocking(gfp)	((gfp) & GFP_KERNEL)
#define might_alloc(gfp)	do { } while (0)
#define SLAB_ACCOUNT		0
#define SLAB_PANIC		0

struct kmem_cache {
	size_t size;
};

/* Counts down to the allocation that fails, in this thread; 0: none does. */
extern __thread unsigned long kernel_failing_allocation;

/* The bytes that this thread has allocated so far */
extern __thread size_t kernel_allocated;

void *kernel_malloc(size_t size, bool zero);
void kernel_free(void *p);

static inline void *kmalloc(size_t size, gfp_t gfp)
{
	return kernel_malloc(size, false);
}

static inline void *kzalloc(size_t size, gfp_t gfp)
{
	return kernel_malloc(size, true);
}

static inline void *kcalloc(size_t n, size_t size, gfp_t gfp)
{
	return kernel_malloc(n * size, true);
}

static inline void *kmem_cache_alloc(struct kmem_cache *cache, gfp_t gfp)
{
	return kernel_malloc(cache->size, false);
}

#define KMEM_CACHE(type, flags)		({				\
	static struct kmem_cache _cache = { sizeof(struct type) };	\
	&_cache;							\
})
#define kmem_cache_alloc_lru(cache, lru, gfp) \
	((void)(gfp), kernel_malloc((cache)->size, true))
#define kfree(p)				kernel_free((void *)(p))
#define kmem_cache_free(cache, p)		kernel_free(p)

/* Strings */

char *strim(char *s);
ssize_t strscpy(char *to, const char *from, size_t size);
#define strstrip(s)		strim(s)

static inline int match_string(const char * const *strings, size_t n, const char *s)
{
	for (size_t i = 0; i < n; i++) {
		if (!strcmp(strings[i], s))
			return i;
	}
	return -EINVAL;
}

#include <linux/kstrtox.h>

#define div_u64(a, b)		((u64)(a) / (b))

/* The part of <linux/parser.h> that rdma.c uses */
typedef struct {
	char *from;
	char *to;
} substring_t;

int match_int(substring_t *s, int *result);
unsigned long long memparse(const char *s, char **end);

/* Bit operations for the xarray and the IDA, and bit locks */

#define BITS_TO_LONGS(n)	(((n) + BITS_PER_LONG - 1) / BITS_PER_LONG)
#define DECLARE_BITMAP(n, bits)	unsigned long n[BITS_TO_LONGS(bits)]
#define ilog2(n)		(63 - __builtin_clzll(n))
#define __ffs(w)		((unsigned long)__builtin_ctzl(w))
#define fls(n)			((n) ? 32 - __builtin_clz(n) : 0)

#define local_irq_save(flags)		((flags) = 0)
#define local_irq_restore(flags)	((void)(flags))

void kernel_bit_spin(int bit, unsigned long *word);

static inline bool bit_spin_trylock(int bit, unsigned long *word)
{
	/* Acquire: under the lock, the word is read without atomics. */
	unsigned long old = smp_load_acquire(word);

	return !(old & BIT(bit)) && try_cmpxchg(word, &old, old | BIT(bit));
}

static inline void bit_spin_lock(int bit, unsigned long *word)
{
	if (unlikely(!bit_spin_trylock(bit, word)))
		kernel_bit_spin(bit, word);
}

static inline void bit_spin_unlock(int bit, unsigned long *word)
{
	smp_store_release(word, READ_ONCE(*word) & ~BIT(bit));
}

#define __bit_spin_unlock(bit, word)	bit_spin_unlock(bit, word)
#define bit_spin_is_locked(bit, word)	test_bit(bit, word)

/* For <linux/radix-tree.h>, which idr.h includes; the IDA does not use it. */
typedef struct {
} local_lock_t;

#define DECLARE_PER_CPU(type, name)	extern type name
#define local_unlock(lock)		do { } while (0)

static inline bool test_bit(unsigned long bit, const unsigned long *map)
{
	return READ_ONCE(map[bit / BITS_PER_LONG]) >> bit % BITS_PER_LONG & 1;
}

static inline void __set_bit(unsigned long bit, unsigned long *map)
{
	map[bit / BITS_PER_LONG] |= BIT(bit % BITS_PER_LONG);
}

static inline bool __test_and_set_bit(unsigned long bit, unsigned long *map)
{
	bool was = test_bit(bit, map);

	WRITE_ONCE(map[bit / BITS_PER_LONG],
		   READ_ONCE(map[bit / BITS_PER_LONG]) | BIT(bit % BITS_PER_LONG));
	return was;
}

static inline bool __test_and_clear_bit(unsigned long bit, unsigned long *map)
{
	bool was = test_bit(bit, map);

	WRITE_ONCE(map[bit / BITS_PER_LONG],
		   READ_ONCE(map[bit / BITS_PER_LONG]) & ~BIT(bit % BITS_PER_LONG));
	return was;
}

/* The first bit from @from on that is set or, if @invert is ~0, that is not */
static inline unsigned long kernel_find_bit(const unsigned long *map, unsigned long size,
					    unsigned long from, unsigned long invert)
{
	while (from < size) {
		unsigned long word = READ_ONCE(map[from / BITS_PER_LONG]) ^ invert;

		word >>= from % BITS_PER_LONG;
		if (word)
			return min(from + __ffs(word), size);
		from = (from / BITS_PER_LONG + 1) * BITS_PER_LONG;
	}
	return size;
}

#define find_next_bit(map, size, from)		kernel_find_bit(map, size, from, 0)
#define find_next_zero_bit(map, size, from)	kernel_find_bit(map, size, from, ~0UL)

static inline bool bitmap_full(const unsigned long *map, unsigned int bits)
{
	return find_next_zero_bit(map, bits, 0) == bits;
}

#define __clear_bit(bit, map)		__test_and_clear_bit(bit, map)

#define for_each_set_bit(i, map, size) \
	for ((i) = find_next_bit(map, size, 0); (unsigned long)(i) < (size); \
	     (i) = find_next_bit(map, size, (i) + 1))

static inline bool bitmap_empty(const unsigned long *map, unsigned int bits)
{
	return find_next_bit(map, bits, 0) == bits;
}

static inline void bitmap_fill(unsigned long *map, unsigned int bits)
{
	memset(map, 0xff, BITS_TO_LONGS(bits) * sizeof(long));
}

static inline void bitmap_clear(unsigned long *map, unsigned int from, unsigned int n)
{
	while (n--)
		__test_and_clear_bit(from++, map);
}

/* From here on, headers define what they have for the kernel only. */
#define __KERNEL__

#include <linux/list_bl.h>

/* Tasks. A test makes them, and sets "current". */

enum cgroup_subsys_id {
	ioasids_cgrp_id,
	pids_cgrp_id,
	misc_cgrp_id,
	rdma_cgrp_id,
	CGROUP_SUBSYS_COUNT,
};

struct cgroup_subsys_state;

struct css_set {
	struct cgroup_subsys_state *subsys[CGROUP_SUBSYS_COUNT];
};

extern struct css_set init_css_set;

enum pid_type {
	PIDTYPE_TGID,
};

struct pid {
	refcount_t count;
	int nr;
	struct task_struct *leader;	/* NULL: reaped */
	struct hlist_bl_head ioasids;
};

struct mm_struct {
	refcount_t mm_count;
	refcount_t mm_users;
	int pasid;			/* stands in for iommu_mm_data */
	struct ioasid_mm *ioasid_mm;
};

struct signal_struct {
	atomic_t live;			/* threads that have not exited */
	struct list_head thread_head;
	refcount_t sigcnt;
};

struct nsproxy {
	void *cgroup_ns;
};

struct task_struct {
	refcount_t usage;
	u64 self_exec_id;
	struct css_set *cgroups;
	struct signal_struct *signal;
	struct task_struct *group_leader;
	struct list_head thread_node;
	struct pid *tgid;
	spinlock_t alloc_lock;
	struct mm_struct *mm;
	struct nsproxy *nsproxy;
	unsigned int flags;
	char comm[16];
};

#define PF_EXITING	0x00000004
#define PF_KTHREAD	0x00200000
#define fatal_signal_pending(task)	false
#define signal_pending(task)		false

extern __thread struct task_struct *current;

#define task_css(task, id)			READ_ONCE((task)->cgroups->subsys[id])
#define task_css_check(task, id, c)		task_css(task, id)
#define task_tgid(task)				((task)->tgid)
#define pid_task(pid, type)			READ_ONCE((pid)->leader)
#define task_lock(task)				spin_lock(&(task)->alloc_lock)
#define task_unlock(task)			spin_unlock(&(task)->alloc_lock)
#define thread_group_leader(task)		((task)->group_leader == (task))
#define pid_nr(pid)				((pid)->nr)
#define get_task_comm(buf, task)		strcpy(buf, (task)->comm)

static inline struct pid *get_pid(struct pid *pid)
{
	refcount_inc(&pid->count);
	return pid;
}

void put_pid(struct pid *pid);

static inline struct task_struct *get_task_struct(struct task_struct *task)
{
	refcount_inc(&task->usage);
	return task;
}

void kernel_free_task(struct task_struct *task);

static inline void put_task_struct(struct task_struct *task)
{
	if (refcount_dec_and_test(&task->usage))
		kernel_free_task(task);
}

static inline void put_signal_struct(struct signal_struct *signal)
{
	if (refcount_dec_and_test(&signal->sigcnt))
		kfree(signal);
}

struct task_struct *get_pid_task(struct pid *pid, enum pid_type type);

static inline void mmgrab(struct mm_struct *mm)
{
	refcount_inc(&mm->mm_count);
}

static inline void mmget(struct mm_struct *mm)
{
	refcount_inc(&mm->mm_users);
}

static inline bool mmget_not_zero(struct mm_struct *mm)
{
	return refcount_inc_not_zero(&mm->mm_users);
}

/* The last mmput() ends the address space; the last mmdrop() frees the mm. */
void mmput(struct mm_struct *mm);
void mmdrop(struct mm_struct *mm);

/* The mm is about to be freed: __mmdrop() gives back the PASID of SVA here. */
extern void (*kernel_mm_pasid_drop)(struct mm_struct *mm);

/* cgroups */

struct kernfs_node;

struct cgroup {
	struct kernfs_node *kn;
	struct list_head cset_links;	/* empty: being mounted */
	struct list_head link;		/* the entry in @cset_links */
	int number;			/* used by the test */
};

struct cgroup_root {
	struct cgroup cgrp;
	unsigned int flags;
};

extern struct cgroup_root cgrp_dfl_root;

static inline u64 cgroup_id(const struct cgroup *cgrp)
{
	return cgrp->number;
}

#define CGRP_ROOT_PIDS_LOCAL_EVENTS	1

/*
 * It has the size of the kernel's, and the fields that measured code uses are at the
 * same offsets, so that counters share cache lines as in the kernel.
 */
struct cgroup_subsys_state {
	struct cgroup *cgroup;
	struct cgroup_subsys *ss;
	refcount_t refs;
	bool released;
	struct list_head sibling;
	struct list_head children;
	struct rcu_head rcu;
	u64 serial_nr;
	unsigned int flags;
	char rest[100];
	struct cgroup_subsys_state *parent;
	int nr_descendants;
};

_Static_assert(offsetof(struct cgroup_subsys_state, parent) == 192, "as in the kernel");
_Static_assert(sizeof(struct cgroup_subsys_state) == 208, "as in the kernel");

#define CSS_DYING		1

struct cgroup_file {
	struct kernfs_node *kn;
	unsigned long notified;
	char timer[40];
};

struct cftype {
	const char *name;
	unsigned long private;
	unsigned int flags;
	unsigned int file_offset;
	s64 (*read_s64)(struct cgroup_subsys_state *css, struct cftype *cft);
	int (*seq_show)(struct seq_file *m, void *v);
	ssize_t (*write)(struct kernfs_open_file *of, char *buf, size_t n, loff_t off);
};

#define CFTYPE_NOT_ON_ROOT	1
#define CFTYPE_ONLY_ON_ROOT	2

/* The threads of one process that move, in the order in which they were made */
struct cgroup_taskset {
	struct cgroup_subsys_state *css;
	struct list_head *threads;
	struct task_struct *only;	/* NULL: all of them */
};

struct task_struct *cgroup_taskset_next(struct task_struct *task, struct cgroup_subsys_state **css,
					struct cgroup_taskset *tset);

#define cgroup_taskset_for_each(task, css, tset)			\
	for ((task) = cgroup_taskset_next(NULL, &(css), tset); (task);	\
	     (task) = cgroup_taskset_next(task, &(css), tset))

struct cgroup_subsys {
	struct cgroup_subsys_state *(*css_alloc)(struct cgroup_subsys_state *parent);
	void (*css_offline)(struct cgroup_subsys_state *css);
	void (*css_free)(struct cgroup_subsys_state *css);
	int (*can_attach)(struct cgroup_taskset *tset);
	void (*cancel_attach)(struct cgroup_taskset *tset);
	void (*attach)(struct cgroup_taskset *tset);
	int (*can_fork)(struct task_struct *task, struct css_set *cset);
	void (*cancel_fork)(struct task_struct *task, struct css_set *cset);
	void (*release)(struct task_struct *task);
	struct cftype *dfl_cftypes;
	struct cftype *legacy_cftypes;
	bool threaded;
};

extern struct cgroup_subsys ioasids_cgrp_subsys, pids_cgrp_subsys, misc_cgrp_subsys,
			    rdma_cgrp_subsys;

/* cgroup_disable=ioasids */
extern bool kernel_ioasids_disabled;
extern bool kernel_cgroups_hidden;	/* tracepoints do not read them */
#define cgroup_subsys_enabled(ss)	(!kernel_ioasids_disabled)
#define cgroup_subsys_on_dfl(ss)	true

static inline void css_get(struct cgroup_subsys_state *css)
{
	refcount_inc(&css->refs);
}

static inline bool css_tryget(struct cgroup_subsys_state *css)
{
	return refcount_inc_not_zero(&css->refs);
}

void kernel_css_add(struct cgroup_subsys_state *css);
void kernel_css_release(struct cgroup_subsys_state *css);

static inline void css_put(struct cgroup_subsys_state *css)
{
	if (refcount_dec_and_test(&css->refs))
		kernel_css_release(css);
}

static inline struct cgroup_subsys_state *task_get_css(struct task_struct *task, int id)
{
	struct cgroup_subsys_state *css = task_css(task, id);

	css_get(css);
	return css;
}

struct cgroup_subsys_state *kernel_css_next(struct cgroup_subsys_state *css,
					    struct cgroup_subsys_state *root);

/* Under rcu_read_lock(); it may be dropped while the caller has a reference to @css. */
#define css_for_each_descendant_pre(css, root) \
	for ((css) = kernel_css_next(NULL, root); (css); (css) = kernel_css_next(css, root))

void cgroup_file_notify(struct cgroup_file *file);
int cgroup_path(struct cgroup *cgroup, char *buf, size_t size);
extern struct mutex cgroup_mutex;
extern spinlock_t css_set_lock;
#define cgroup_lock()				mutex_lock(&cgroup_mutex)
#define cgroup_unlock()				mutex_unlock(&cgroup_mutex)
#define cgroup_path_ns_locked(cgroup, buf, size, ns)	cgroup_path(cgroup, buf, size)
#define kernfs_activate(kn)			((void)(kn))

extern pthread_rwlock_t kernel_threadgroups;
#define cgroup_threadgroup_change_begin(task)	pthread_rwlock_rdlock(&kernel_threadgroups)
#define cgroup_threadgroup_change_end(task)	pthread_rwlock_unlock(&kernel_threadgroups)

/* Files */

struct file {
	void *private_data;
};

struct inode;

struct file_operations {
	void *owner;
	int (*open)(struct inode *inode, struct file *file);
	int (*release)(struct inode *inode, struct file *file);
	long (*unlocked_ioctl)(struct file *file, unsigned int cmd, unsigned long arg);
	long (*compat_ioctl)(struct file *file, unsigned int cmd, unsigned long arg);
	void (*show_fdinfo)(struct seq_file *m, struct file *file);
	const void *seq;
};

#define compat_ptr_ioctl		NULL
#define nonseekable_open(inode, file)	0

struct miscdevice {
	int minor;
	const char *name;
	const struct file_operations *fops;
	umode_t mode;
};

#define MISC_DYNAMIC_MINOR	255

extern struct miscdevice *kernel_device;
#define builtin_misc_device(dev) \
	static void __attribute__((constructor)) register_##dev(void) { kernel_device = &(dev); }

struct kernfs_open_file {
	struct cgroup_subsys_state *css;
};

#define of_css(of)			((of)->css)

/* Output that does not fit into @buf is lost; then @count is @size. */
struct seq_file {
	char *buf;
	size_t size;
	size_t count;
	struct cgroup_subsys_state *css;
	struct cftype *cft;
};

#define seq_css(m)			((m)->css)
#define seq_cft(m)			((m)->cft)
#define SEQ_START_TOKEN			((void *)1)

struct seq_operations {
	void *(*start)(struct seq_file *m, loff_t *pos);
	void (*stop)(struct seq_file *m, void *v);
	void *(*next)(struct seq_file *m, void *v, loff_t *pos);
	int (*show)(struct seq_file *m, void *v);
};

#define DEFINE_SEQ_ATTRIBUTE(name) \
	static const struct file_operations name##_fops = { .seq = &name##_sops }

void __printf(2, 3) seq_printf(struct seq_file *m, const char *format, ...);
void seq_commit(struct seq_file *m, int n);
#define seq_puts(m, s)			seq_printf(m, "%s", s)
#define seq_putc(m, c)			seq_printf(m, "%c", c)
#define seq_escape(m, s, esc)		seq_puts(m, s)

static inline size_t seq_get_buf(struct seq_file *m, char **buf)
{
	*buf = m->count < m->size ? m->buf + m->count : NULL;
	return m->size - m->count;
}

extern const struct file_operations *kernel_debugfs_file;
#define debugfs_create_dir(name, parent)		NULL
#define debugfs_create_file(name, mode, dir, data, fops) \
	((void)(dir), kernel_debugfs_file = (fops))

/* The end of the mapped user memory, for copy_from_user() and copy_to_user() */
extern __thread const char *kernel_user_end;

int copy_from_user(void *to, const void *from, size_t n);
int copy_to_user(void *to, const void *from, size_t n);
int copy_struct_from_user(void *to, size_t to_size, const void *from, size_t from_size);
#define get_user(x, p)			(copy_from_user(&(x), p, sizeof(x)) ? -EFAULT : 0)

#define _IOC_NR(cmd)			((cmd) & 0xff)
#define _IO(type, nr)			((unsigned int)(type) << 8 | (nr))

/* Notifiers and work */

struct notifier_block {
	int (*notifier_call)(struct notifier_block *nb, unsigned long event, void *data);
	struct notifier_block *next;
	int priority;
};

struct atomic_notifier_head {
	spinlock_t lock;
	struct notifier_block *head;
};

#define ATOMIC_NOTIFIER_INIT(name)	{ __SPIN_LOCK_UNLOCKED(name), NULL }
#define ATOMIC_INIT_NOTIFIER_HEAD(h)	do { spin_lock_init(&(h)->lock); (h)->head = NULL; } while (0)

int atomic_notifier_chain_register(struct atomic_notifier_head *head, struct notifier_block *nb);
int atomic_notifier_chain_unregister(struct atomic_notifier_head *head, struct notifier_block *nb);
int atomic_notifier_call_chain(struct atomic_notifier_head *head, unsigned long event, void *data);

struct work_struct {
	void (*func)(struct work_struct *work);
};

struct workqueue_struct {
	unsigned long done;
};

struct workqueue_struct *alloc_ordered_workqueue(const char *name, unsigned int flags);
bool queue_work(struct workqueue_struct *wq, struct work_struct *work);

#endif /* _IOASIDS_TEST_KERNEL_H */
