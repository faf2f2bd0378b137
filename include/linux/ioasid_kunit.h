/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * For the KUnit tests of the IOASID allocator and of the ioasids controller: call
 * functions for any context in a hard interrupt and in a softirq.
 */
#ifndef _LINUX_IOASID_KUNIT_H
#define _LINUX_IOASID_KUNIT_H

#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/irq_work.h>
#include <linux/preempt.h>
#include <linux/rcupdate.h>

struct ioasid_kunit_call {
	void			(*fn)(void *arg);
	void			*arg;
	struct irq_work		irq;
	struct rcu_head		softirq;
	struct completion	done;
	bool			was_there;
};

static void ioasid_kunit_irq(struct irq_work *work)
{
	struct ioasid_kunit_call *call = container_of(work, struct ioasid_kunit_call, irq);

	call->was_there = in_hardirq();
	call->fn(call->arg);
}

static void ioasid_kunit_softirq(struct rcu_head *rcu)
{
	struct ioasid_kunit_call *call = container_of(rcu, struct ioasid_kunit_call, softirq);

	call->was_there = in_serving_softirq();
	call->fn(call->arg);
	complete(&call->done);
}

static void ioasid_kunit_call_in_irq(struct kunit *test, void (*fn)(void *), void *arg)
{
	struct ioasid_kunit_call call = { .fn = fn, .arg = arg };

	init_irq_work(&call.irq, ioasid_kunit_irq);
	irq_work_queue(&call.irq);
	irq_work_sync(&call.irq);
	KUNIT_EXPECT_TRUE(test, call.was_there || IS_ENABLED(CONFIG_PREEMPT_RT));
}

static void ioasid_kunit_call_in_softirq(struct kunit *test, void (*fn)(void *), void *arg)
{
	struct ioasid_kunit_call call = { .fn = fn, .arg = arg };

	init_completion(&call.done);
	init_rcu_head_on_stack(&call.softirq);
	call_rcu(&call.softirq, ioasid_kunit_softirq);
	wait_for_completion(&call.done);
	destroy_rcu_head_on_stack(&call.softirq);
	KUNIT_EXPECT_TRUE(test, call.was_there || IS_ENABLED(CONFIG_PREEMPT_RT));
}

#endif /* _LINUX_IOASID_KUNIT_H */
