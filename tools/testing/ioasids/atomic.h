/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Atomic operations of the compiler, in place of the kernel's: the sanitizers
 * understand these. They are ordered as the kernel's, no more: an operation that
 * returns a value is fully ordered, unless its name says otherwise; the others are
 * not ordered.
 */
#ifndef _IOASIDS_TEST_ATOMIC_H
#define _IOASIDS_TEST_ATOMIC_H

#define smp_load_acquire(p)	__atomic_load_n(p, __ATOMIC_ACQUIRE)
#define smp_store_release(p, v)	__atomic_store_n(p, v, __ATOMIC_RELEASE)
/* ThreadSanitizer does not support fences. */
#define smp_mb() \
	do { static int all; __atomic_fetch_add(&all, 0, __ATOMIC_SEQ_CST); } while (0)
#define smp_rmb()		smp_mb()
#define smp_wmb()		smp_mb()
#define smp_mb__before_atomic()	smp_mb()
#define smp_mb__after_atomic()	smp_mb()

#define try_cmpxchg(p, old, new) \
	__atomic_compare_exchange_n(p, old, new, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED)
#define try_cmpxchg_relaxed(p, old, new) \
	__atomic_compare_exchange_n(p, old, new, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)
#define cmpxchg(p, old, new)	({					\
	typeof(*(p)) _old = (old);					\
	try_cmpxchg(p, &_old, new);					\
	_old;								\
})
#define xchg(p, v)		__atomic_exchange_n(p, v, __ATOMIC_SEQ_CST)

typedef struct {
	int counter;
} atomic_t;

typedef struct {
	s64 counter;
} atomic64_t;

typedef struct {
	long counter;
} atomic_long_t;

#define ATOMIC_INIT(i)		{ (i) }
#define ATOMIC64_INIT(i)	{ (i) }
#define ATOMIC_LONG_INIT(i)	{ (i) }

/* The ordering belongs to @suffix. */
#define KERNEL_ATOMIC_ORDERED(name, type, suffix, order)		\
static inline type name##_add_return##suffix(type i, name##_t *v)	\
{									\
	return __atomic_add_fetch(&v->counter, i, order);		\
}									\
static inline type name##_sub_return##suffix(type i, name##_t *v)	\
{									\
	return __atomic_sub_fetch(&v->counter, i, order);		\
}									\
static inline type name##_fetch_add##suffix(type i, name##_t *v)	\
{									\
	return __atomic_fetch_add(&v->counter, i, order);		\
}									\
static inline type name##_fetch_sub##suffix(type i, name##_t *v)	\
{									\
	return __atomic_fetch_sub(&v->counter, i, order);		\
}									\
static inline type name##_inc_return##suffix(name##_t *v)		\
{									\
	return name##_add_return##suffix(1, v);				\
}									\
static inline type name##_dec_return##suffix(name##_t *v)		\
{									\
	return name##_sub_return##suffix(1, v);				\
}									\
static inline type name##_xchg##suffix(name##_t *v, type i)		\
{									\
	return __atomic_exchange_n(&v->counter, i, order);		\
}									\
static inline bool name##_try_cmpxchg##suffix(name##_t *v, type *old, type i) \
{									\
	return __atomic_compare_exchange_n(&v->counter, old, i, false,	\
					   order, __ATOMIC_RELAXED);	\
}									\
static inline type name##_cmpxchg##suffix(name##_t *v, type old, type i) \
{									\
	name##_try_cmpxchg##suffix(v, &old, i);				\
	return old;							\
}

#define KERNEL_ATOMIC(name, type)					\
KERNEL_ATOMIC_ORDERED(name, type, , __ATOMIC_SEQ_CST)			\
KERNEL_ATOMIC_ORDERED(name, type, _acquire, __ATOMIC_ACQUIRE)		\
KERNEL_ATOMIC_ORDERED(name, type, _release, __ATOMIC_RELEASE)		\
KERNEL_ATOMIC_ORDERED(name, type, _relaxed, __ATOMIC_RELAXED)		\
static inline type name##_read(const name##_t *v)			\
{									\
	return READ_ONCE(v->counter);					\
}									\
static inline void name##_set(name##_t *v, type i)			\
{									\
	WRITE_ONCE(v->counter, i);					\
}									\
static inline type name##_read_acquire(const name##_t *v)		\
{									\
	return smp_load_acquire(&v->counter);				\
}									\
static inline void name##_set_release(name##_t *v, type i)		\
{									\
	smp_store_release(&v->counter, i);				\
}									\
static inline void name##_add(type i, name##_t *v)			\
{									\
	name##_fetch_add_relaxed(i, v);					\
}									\
static inline void name##_sub(type i, name##_t *v)			\
{									\
	name##_fetch_sub_relaxed(i, v);					\
}									\
static inline void name##_inc(name##_t *v)				\
{									\
	name##_add(1, v);						\
}									\
static inline void name##_dec(name##_t *v)				\
{									\
	name##_sub(1, v);						\
}									\
static inline bool name##_dec_and_test(name##_t *v)			\
{									\
	return !name##_dec_return(v);					\
}									\
static inline bool name##_add_negative(type i, name##_t *v)		\
{									\
	return name##_add_return(i, v) < 0;				\
}									\
static inline bool name##_add_unless(name##_t *v, type i, type u)	\
{									\
	type old = name##_read(v);					\
									\
	do {								\
		if (old == u)						\
			return false;					\
	} while (!name##_try_cmpxchg(v, &old, old + i));		\
	return true;							\
}									\
static inline bool name##_inc_not_zero(name##_t *v)			\
{									\
	return name##_add_unless(v, 1, 0);				\
}

KERNEL_ATOMIC(atomic, int)
KERNEL_ATOMIC(atomic64, s64)
KERNEL_ATOMIC(atomic_long, long)

typedef struct {
	atomic_t refs;
} refcount_t;

static inline void refcount_set(refcount_t *r, int n)
{
	atomic_set(&r->refs, n);
}

static inline unsigned int refcount_read(const refcount_t *r)
{
	return atomic_read(&r->refs);
}

static inline void refcount_add(int n, refcount_t *r)
{
	WARN_ON_ONCE(atomic_fetch_add_relaxed(n, &r->refs) <= 0);
}

static inline void refcount_inc(refcount_t *r)
{
	refcount_add(1, r);
}

static inline bool refcount_inc_not_zero(refcount_t *r)
{
	int old = atomic_read(&r->refs);

	do {
		if (!old)
			return false;
	} while (!atomic_try_cmpxchg_relaxed(&r->refs, &old, old + 1));
	return true;
}

static inline bool refcount_sub_and_test(int n, refcount_t *r)
{
	int old = atomic_fetch_sub_release(n, &r->refs);

	if (old != n) {
		WARN_ON_ONCE(old <= n);
		return false;
	}
	/* The kernel has a barrier here; ThreadSanitizer supports this form. */
	(void)smp_load_acquire(&r->refs.counter);
	return true;
}

static inline bool refcount_dec_and_test(refcount_t *r)
{
	return refcount_sub_and_test(1, r);
}

#endif /* _IOASIDS_TEST_ATOMIC_H */
