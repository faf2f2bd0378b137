// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of the ioasids controller, included by ioasids.c.
 *
 * Each test has a tree of cgroups that the cgroup core does not know: a chain from
 * c[0], the topmost one that counts, to c[DEPTH - 1], and a sibling of c[1].
 */

#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/fs.h>
#include <linux/ioasid_kunit.h>
#include <linux/kthread.h>
#include <linux/mount.h>
#include <linux/sched/mm.h>

#define DEPTH	8
#define LEAF	(DEPTH - 1)

struct ioasids_tree {
	struct cgroup_subsys_state	root;
	struct ioasids_cgroup		*c[DEPTH];
	struct ioasids_cgroup		*sibling;	/* a child of c[0], as c[1] is */
};

static struct ioasids_cgroup *tree_add(struct kunit *test, struct cgroup_subsys_state *parent)
{
	struct cgroup_subsys_state *css = ioasids_css_alloc(parent);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, css);
	css->parent = parent;
	css->flags = CSS_NO_REF;
	css->cgroup = &cgrp_dfl_root.cgrp;
	/* Only real cgroups log their first refusal. */
	atomic64_set(&css_ioasids(css)->events_local[IOASIDS_EVENT_ALLOC_FAIL], 1);
	return css_ioasids(css);
}

static int tree_init(struct kunit *test)
{
	struct ioasids_tree *tree = kunit_kzalloc(test, sizeof(*tree), GFP_KERNEL);
	struct cgroup_subsys_state *parent;
	int i;

	KUNIT_ASSERT_NOT_NULL(test, tree);
	if (!cgroup_subsys_enabled(ioasids_cgrp_subsys))
		kunit_skip(test, "the controller is disabled on the command line");
	test->priv = tree;
	parent = &tree->root;
	for (i = 0; i < DEPTH; i++) {
		tree->c[i] = tree_add(test, parent);
		parent = &tree->c[i]->css;
	}
	tree->sibling = tree_add(test, &tree->c[0]->css);
	return 0;
}

static void tree_exit(struct kunit *test)
{
	struct ioasids_tree *tree = test->priv;
	int i;

	if (!tree)
		return;
	for (i = 0; i < DEPTH; i++)
		ioasids_css_free(&tree->c[i]->css);
	ioasids_css_free(&tree->sibling->css);
}

static int charge(struct ioasids_account *acct, u32 n)
{
	struct ioasids_refusal refusal;
	int ret;

	spin_lock_irq(&acct->lock);
	ret = n == 1 ? ioasids_try_charge_one(acct, &refusal) :
		       ioasids_try_charge(acct, n, &refusal);
	if (!ret)
		acct->allocated += n;
	spin_unlock_irq(&acct->lock);
	if (ret)
		ioasids_report_refusal(&refusal);
	return ret;
}

static void uncharge(struct ioasids_account *acct, u32 n)
{
	spin_lock_irq(&acct->lock);
	if (n == 1)
		ioasids_uncharge_one(acct);
	else
		ioasids_uncharge(acct, n);
	acct->allocated -= n;
	spin_unlock_irq(&acct->lock);
}

static void cancel(struct ioasids_account *acct, u32 n)
{
	spin_lock_irq(&acct->lock);
	ioasids_cancel(acct, n);
	acct->allocated -= n;
	spin_unlock_irq(&acct->lock);
}

static u32 available(struct ioasids_account *acct)
{
	u32 ret;

	spin_lock_irq(&acct->lock);
	ret = ioasids_available(acct);
	spin_unlock_irq(&acct->lock);
	return ret;
}

static void move(struct ioasids_account *acct, struct ioasids_cgroup *to)
{
	spin_lock_irq(&acct->lock);
	ioasids_move(acct, to);
	spin_unlock_irq(&acct->lock);
}

/* An open account, paid for by @cg. */
static struct ioasids_account *account(struct kunit *test, struct ioasids_cgroup *cg)
{
	struct ioasids_account *acct = kunit_kzalloc(test, sizeof(*acct), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, acct);
	spin_lock_init(&acct->lock);
	KUNIT_ASSERT_EQ(test, ioasids_account_open(acct), 0);
	move(acct, cg);
	return acct;
}

static s64 count(struct ioasids_cgroup *cg)
{
	return atomic64_read(&cg->count);
}

static s64 peak(struct ioasids_cgroup *cg)
{
	return ioasids_peak_read(&cg->css, NULL);
}

static void set_max(struct ioasids_cgroup *cg, u64 max)
{
	WRITE_ONCE(cg->max, max);
}

/* Charges and uncharges change the count of each level. */
static void charge_counts_at_every_level(struct kunit *test)
{
	struct ioasids_tree *tree = test->priv;
	struct ioasids_account *acct = account(test, tree->c[LEAF]);
	int i;

	KUNIT_EXPECT_EQ(test, charge(acct, 3), 0);
	KUNIT_EXPECT_EQ(test, charge(acct, 1), 0);
	for (i = 0; i < DEPTH; i++)
		KUNIT_EXPECT_EQ(test, count(tree->c[i]), 4);
	KUNIT_EXPECT_EQ(test, count(tree->sibling), 0);

	uncharge(acct, 1);
	for (i = 0; i < DEPTH; i++)
		KUNIT_EXPECT_EQ(test, count(tree->c[i]), 3);

	ioasids_account_close(acct);
	for (i = 0; i < DEPTH; i++)
		KUNIT_EXPECT_EQ(test, count(tree->c[i]), 0);
}

/* A refused request changes nothing, for any level and any size of the request. */
static void refusal_at_any_level_changes_nothing(struct kunit *test)
{
	struct ioasids_tree *tree = test->priv;
	struct ioasids_account *acct = account(test, tree->c[LEAF]);
	static const u32 asked[] = { 1, 2, 1000, U32_MAX };
	int i, j, k;

	KUNIT_ASSERT_EQ(test, charge(acct, 5), 0);
	for (i = 0; i < DEPTH; i++) {
		set_max(tree->c[i], 5);
		for (k = 0; k < ARRAY_SIZE(asked); k++) {
			KUNIT_EXPECT_EQ(test, charge(acct, asked[k]), -EAGAIN);
			for (j = 0; j < DEPTH; j++) {
				KUNIT_EXPECT_EQ(test, count(tree->c[j]), 5);
				KUNIT_EXPECT_EQ(test, peak(tree->c[j]), 5);
			}
		}
		set_max(tree->c[i], U64_MAX);
	}
	KUNIT_EXPECT_EQ(test, ioasids_charge_of(acct), 5);
	ioasids_account_close(acct);
	KUNIT_EXPECT_EQ(test, peak(tree->c[LEAF]), 5);
}

static void limit_is_reached_exactly(struct kunit *test)
{
	struct ioasids_tree *tree = test->priv;
	struct ioasids_account *acct = account(test, tree->c[0]);

	set_max(tree->c[0], 0);
	KUNIT_EXPECT_EQ(test, charge(acct, 1), -EAGAIN);
	set_max(tree->c[0], 7);
	KUNIT_EXPECT_EQ(test, charge(acct, 8), -EAGAIN);
	KUNIT_EXPECT_EQ(test, charge(acct, 7), 0);
	KUNIT_EXPECT_EQ(test, charge(acct, 1), -EAGAIN);
	set_max(tree->c[0], S64_MAX);
	KUNIT_EXPECT_EQ(test, charge(acct, U32_MAX - 7), 0);
	KUNIT_EXPECT_EQ(test, count(tree->c[0]), (s64)U32_MAX);
	ioasids_account_close(acct);
	KUNIT_EXPECT_EQ(test, count(tree->c[0]), 0);
}

static void peak_is_the_highest_count(struct kunit *test)
{
	struct ioasids_tree *tree = test->priv;
	struct ioasids_account *acct = account(test, tree->c[1]);

	charge(acct, 9);
	KUNIT_EXPECT_EQ(test, peak(tree->c[0]), 9);
	uncharge(acct, 9);
	charge(acct, 4);
	uncharge(acct, 2);
	KUNIT_EXPECT_EQ(test, peak(tree->c[0]), 9);
	KUNIT_EXPECT_EQ(test, peak(tree->c[1]), 9);
	KUNIT_EXPECT_EQ(test, peak(tree->c[2]), 0);
	ioasids_account_close(acct);
}

/* A request that fails after it was charged changes neither the counts nor the peaks. */
static void cancelled_charge_leaves_no_mark(struct kunit *test)
{
	struct ioasids_tree *tree = test->priv;
	struct ioasids_account *acct = account(test, tree->c[LEAF]);
	int i;

	charge(acct, 2);
	charge(acct, 100);
	cancel(acct, 100);
	KUNIT_EXPECT_EQ(test, ioasids_charge_of(acct), 2);
	ioasids_account_close(acct);
	for (i = 0; i < DEPTH; i++) {
		KUNIT_EXPECT_EQ(test, count(tree->c[i]), 0);
		KUNIT_EXPECT_EQ(test, peak(tree->c[i]), 2);
	}
}

static s64 event(struct ioasids_cgroup *cg, enum ioasids_event event)
{
	return atomic64_read(&cg->events[event]);
}

static s64 event_local(struct ioasids_cgroup *cg, enum ioasids_event event)
{
	/* tree_add() starts this one at 1. */
	return atomic64_read(&cg->events_local[event]) - (event == IOASIDS_EVENT_ALLOC_FAIL);
}

static void events_name_the_limit_and_the_requester(struct kunit *test)
{
	struct ioasids_tree *tree = test->priv;
	struct ioasids_account *acct = account(test, tree->c[5]);
	int i;

	set_max(tree->c[2], 0);
	charge(acct, 1);
	charge(acct, 10);

	for (i = 0; i < DEPTH; i++) {
		struct ioasids_cgroup *cg = tree->c[i];

		KUNIT_EXPECT_EQ(test, event(cg, IOASIDS_EVENT_MAX), i <= 2 ? 2 : 0);
		KUNIT_EXPECT_EQ(test, event(cg, IOASIDS_EVENT_ALLOC_FAIL), i <= 5 ? 2 : 0);
		KUNIT_EXPECT_EQ(test, event_local(cg, IOASIDS_EVENT_MAX), i == 2 ? 2 : 0);
		KUNIT_EXPECT_EQ(test, event_local(cg, IOASIDS_EVENT_ALLOC_FAIL), i == 5 ? 2 : 0);
	}
	KUNIT_EXPECT_EQ(test, event(tree->sibling, IOASIDS_EVENT_MAX), 0);
	KUNIT_EXPECT_EQ(test, event(tree->sibling, IOASIDS_EVENT_ALLOC_FAIL), 0);
	ioasids_account_close(acct);
}

static void available_is_the_least_that_is_left(struct kunit *test)
{
	struct ioasids_tree *tree = test->priv;
	struct ioasids_account *acct = account(test, tree->c[LEAF]);

	KUNIT_EXPECT_EQ(test, available(acct), U32_MAX);
	set_max(tree->c[LEAF], 30);
	set_max(tree->c[3], 20);
	set_max(tree->c[0], 40);
	KUNIT_EXPECT_EQ(test, available(acct), 20);
	charge(acct, 15);
	KUNIT_EXPECT_EQ(test, available(acct), 5);
	set_max(tree->c[0], 10);
	KUNIT_EXPECT_EQ(test, available(acct), 0);
	ioasids_account_close(acct);
}

/* Moves are never refused, and ancestors of both cgroups see no change. */
static void move_touches_only_what_differs(struct kunit *test)
{
	struct ioasids_tree *tree = test->priv;
	struct ioasids_account *acct = account(test, tree->c[LEAF]);
	int i;

	charge(acct, 6);
	set_max(tree->c[0], 6);
	set_max(tree->sibling, 2);

	move(acct, tree->sibling);
	KUNIT_EXPECT_EQ(test, count(tree->sibling), 6);
	KUNIT_EXPECT_EQ(test, count(tree->c[0]), 6);
	for (i = 1; i < DEPTH; i++)
		KUNIT_EXPECT_EQ(test, count(tree->c[i]), 0);
	KUNIT_EXPECT_EQ(test, peak(tree->c[0]), 6);

	/* Above its limit, the cgroup grants nothing until it fits again. */
	uncharge(acct, 4);
	KUNIT_EXPECT_EQ(test, charge(acct, 1), -EAGAIN);
	uncharge(acct, 1);
	KUNIT_EXPECT_EQ(test, charge(acct, 1), 0);

	move(acct, tree->c[3]);
	KUNIT_EXPECT_EQ(test, count(tree->sibling), 0);
	for (i = 0; i < DEPTH; i++)
		KUNIT_EXPECT_EQ(test, count(tree->c[i]), i <= 3 ? 2 : 0);
	KUNIT_EXPECT_EQ(test, peak(tree->c[0]), 6);
	ioasids_account_close(acct);
}

static void move_through_the_root_keeps_the_charge(struct kunit *test)
{
	struct ioasids_tree *tree = test->priv;
	struct ioasids_account *acct = account(test, tree->c[2]);

	charge(acct, 3);
	move(acct, NULL);
	KUNIT_EXPECT_EQ(test, count(tree->c[0]), 0);
	/* The root counts nothing, but the account's charge is known when it leaves. */
	charge(acct, 4);
	move(acct, tree->c[1]);
	KUNIT_EXPECT_EQ(test, count(tree->c[1]), 7);
	KUNIT_EXPECT_EQ(test, count(tree->c[0]), 7);
	ioasids_account_close(acct);
	KUNIT_EXPECT_EQ(test, count(tree->c[0]), 0);
}

/* When a cgroup goes offline, its parent pays for its accounts. */
static void offline_hands_accounts_to_the_parent(struct kunit *test)
{
	struct ioasids_tree *tree = test->priv;
	struct ioasids_account *acct[100];
	int i;

	for (i = 0; i < ARRAY_SIZE(acct); i++) {
		acct[i] = account(test, tree->c[3]);
		charge(acct[i], i);
	}
	ioasids_css_offline(&tree->c[3]->css);
	KUNIT_EXPECT_TRUE(test, list_empty(&tree->c[3]->accounts));
	KUNIT_EXPECT_EQ(test, count(tree->c[3]), 0);
	KUNIT_EXPECT_EQ(test, count(tree->c[2]), 99 * 100 / 2);
	KUNIT_EXPECT_EQ(test, peak(tree->c[2]), 99 * 100 / 2);

	for (i = 2; i >= 0; i--)
		ioasids_css_offline(&tree->c[i]->css);
	KUNIT_EXPECT_EQ(test, count(tree->c[0]), 0);
	for (i = 0; i < ARRAY_SIZE(acct); i++) {
		KUNIT_EXPECT_NULL(test, acct[i]->cg);
		ioasids_account_close(acct[i]);
	}
}

static u64 sets_in(struct ioasids_cgroup *cg)
{
	struct ioasids_stat stat = { .css = &cg->css };

	ioasids_walk(cg, &stat);
	return stat.sets;
}

#define NR_COUNTED	1000

struct counter {
	struct ioasids_cgroup	*cg;
	struct completion	done;
	u64			least, most;
};

static int count_again(void *data)
{
	struct counter *counter = data;
	int i;

	for (i = 0; i < 200; i++) {
		u64 sets = sets_in(counter->cg);

		counter->least = min(counter->least, sets);
		counter->most = max(counter->most, sets);
		cond_resched();
	}
	complete(&counter->done);
	return 0;
}

/*
 * Several readers of ioasids.stat run while one account is moved: each counts that
 * account once or not at all.
 */
static void accounts_are_counted_while_they_come_and_go(struct kunit *test)
{
	struct ioasids_tree *tree = test->priv;
	struct ioasids_cgroup *cg = tree->c[1];
	struct ioasids_account cursor[2] = {};
	struct counter counter[2] = {};
	struct ioasids_account **acct = kunit_kcalloc(test, NR_COUNTED, sizeof(*acct), GFP_KERNEL);
	int i;

	KUNIT_ASSERT_NOT_NULL(test, acct);
	for (i = 0; i < NR_COUNTED; i++)
		acct[i] = account(test, cg);
	KUNIT_EXPECT_EQ(test, sets_in(cg), NR_COUNTED);

	for (i = 0; i < 2; i++) {
		counter[i].cg = cg;
		counter[i].least = U64_MAX;
		init_completion(&counter[i].done);
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, kthread_run(count_again, &counter[i],
							       "count/%d", i));
	}
	for (i = 0; i < 2; i++) {
		while (!try_wait_for_completion(&counter[i].done)) {
			move(acct[0], tree->sibling);
			move(acct[0], cg);
			cond_resched();
		}
		KUNIT_EXPECT_GE(test, counter[i].least, NR_COUNTED - 1);
		KUNIT_EXPECT_LE(test, counter[i].most, NR_COUNTED);
	}
	KUNIT_EXPECT_EQ(test, sets_in(cg), NR_COUNTED);

	/* Cursors of readers that dropped the lock do not keep accounts from moving. */
	spin_lock_irq(&cg->lock);
	list_add(&cursor[0].cg_node, &cg->accounts);
	list_add_tail(&cursor[1].cg_node, &cg->accounts);
	spin_unlock_irq(&cg->lock);
	KUNIT_EXPECT_EQ(test, sets_in(cg), NR_COUNTED);
	ioasids_css_offline(&cg->css);
	KUNIT_EXPECT_EQ(test, sets_in(cg), 0);
	KUNIT_EXPECT_EQ(test, sets_in(tree->c[0]), NR_COUNTED);
	for (i = 0; i < NR_COUNTED; i++)
		ioasids_account_close(acct[i]);
}

static void closed_account_owes_nothing(struct kunit *test)
{
	struct ioasids_tree *tree = test->priv;
	struct ioasids_account *acct = account(test, tree->c[1]);

	charge(acct, 2);
	ioasids_account_close(acct);
	KUNIT_EXPECT_EQ(test, count(tree->c[1]), 0);
	KUNIT_EXPECT_NULL(test, acct->owner);
	KUNIT_EXPECT_TRUE(test, list_empty(&tree->c[1]->accounts));
	ioasids_account_close(acct);
	KUNIT_EXPECT_EQ(test, count(tree->c[1]), 0);
}

static void give_all_back(void *data)
{
	struct ioasids_account *acct = data;
	unsigned long flags;
	u32 n;

	spin_lock_irqsave(&acct->lock, flags);
	n = ioasids_available(acct);
	ioasids_uncharge(acct, n);
	ioasids_cancel(acct, acct->allocated - n - 1);
	acct->allocated = 1;
	spin_unlock_irqrestore(&acct->lock, flags);
	ioasids_account_close(acct);
}

/* The last reference may be dropped in an interrupt. */
static void charge_is_given_back_in_any_context(struct kunit *test)
{
	struct ioasids_tree *tree = test->priv;
	struct ioasids_account *acct[2];
	int i;

	set_max(tree->c[0], 7);
	for (i = 0; i < ARRAY_SIZE(acct); i++) {
		acct[i] = account(test, tree->c[LEAF]);
		KUNIT_ASSERT_EQ(test, charge(acct[i], 3), 0);
	}
	ioasid_kunit_call_in_irq(test, give_all_back, acct[0]);
	KUNIT_EXPECT_EQ(test, count(tree->c[0]), 3);
	set_max(tree->c[0], 4);
	ioasid_kunit_call_in_softirq(test, give_all_back, acct[1]);

	for (i = 0; i < DEPTH; i++)
		KUNIT_EXPECT_EQ(test, count(tree->c[i]), 0);
	KUNIT_EXPECT_TRUE(test, list_empty(&tree->c[LEAF]->accounts));
}

#define ROUNDS	2000

struct racer {
	struct ioasids_account	*acct;
	struct completion	done;
	int			refused;
};

static int race(void *data)
{
	struct racer *racer = data;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		u32 n = 1 + i % 3;

		if (charge(racer->acct, n))
			racer->refused++;
		else
			uncharge(racer->acct, n);
		cond_resched();
	}
	complete(&racer->done);
	return 0;
}

/*
 * Two accounts are charged and uncharged concurrently while one of them is moved: in
 * the end, only the charge that the first one still holds is left at every level.
 */
static void races_end_at_zero(struct kunit *test)
{
	struct ioasids_tree *tree = test->priv;
	struct racer racer[2];
	int i;

	set_max(tree->c[0], 4);
	for (i = 0; i < ARRAY_SIZE(racer); i++) {
		racer[i].acct = account(test, tree->c[LEAF]);
		racer[i].refused = 0;
		init_completion(&racer[i].done);
	}
	KUNIT_ASSERT_EQ(test, charge(racer[0].acct, 1), 0);
	for (i = 0; i < ARRAY_SIZE(racer); i++)
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, kthread_run(race, &racer[i], "race/%d", i));
	for (i = 0; i < ROUNDS; i++) {
		move(racer[1].acct, i & 1 ? tree->c[LEAF] : tree->sibling);
		KUNIT_EXPECT_LE(test, count(tree->c[0]), 4);
		cond_resched();
	}
	for (i = 0; i < ARRAY_SIZE(racer); i++)
		wait_for_completion(&racer[i].done);

	for (i = 0; i < DEPTH; i++)
		KUNIT_EXPECT_EQ(test, count(tree->c[i]), 1);
	KUNIT_EXPECT_EQ(test, count(tree->sibling), 0);
	KUNIT_EXPECT_LE(test, peak(tree->c[0]), 4);
	KUNIT_EXPECT_EQ(test, event(tree->c[0], IOASIDS_EVENT_MAX),
			racer[0].refused + racer[1].refused);
	for (i = 0; i < ARRAY_SIZE(racer); i++)
		ioasids_account_close(racer[i].acct);
	KUNIT_EXPECT_EQ(test, count(tree->c[0]), 0);
}

static struct kunit_case ioasids_cases[] = {
	KUNIT_CASE(charge_counts_at_every_level),
	KUNIT_CASE(refusal_at_any_level_changes_nothing),
	KUNIT_CASE(limit_is_reached_exactly),
	KUNIT_CASE(peak_is_the_highest_count),
	KUNIT_CASE(cancelled_charge_leaves_no_mark),
	KUNIT_CASE(events_name_the_limit_and_the_requester),
	KUNIT_CASE(available_is_the_least_that_is_left),
	KUNIT_CASE(move_touches_only_what_differs),
	KUNIT_CASE(move_through_the_root_keeps_the_charge),
	KUNIT_CASE(offline_hands_accounts_to_the_parent),
	KUNIT_CASE(accounts_are_counted_while_they_come_and_go),
	KUNIT_CASE(closed_account_owes_nothing),
	KUNIT_CASE(charge_is_given_back_in_any_context),
	KUNIT_CASE(races_end_at_zero),
	{}
};

static struct kunit_suite ioasids_suite = {
	.name = "ioasids",
	.init = tree_init,
	.exit = tree_exit,
	.test_cases = ioasids_cases,
};

/*
 * The files and the migration of processes, in a hierarchy that the cgroup core
 * knows: the root of v2, a cgroup "ioasids_kunit" in it, and "a" and "b" in that.
 */

#define TOP	"ioasids_kunit"

static struct vfsmount *hierarchy;

/* Read @name into @buf, or write @text to it if there is one. */
static ssize_t file_io(const char *name, char *buf, size_t size, const char *text, size_t len)
{
	struct file *file = file_open_root_mnt(hierarchy, name, text ? O_WRONLY : O_RDONLY, 0);
	loff_t pos = 0;
	ssize_t ret;

	if (IS_ERR(file))
		return PTR_ERR(file);
	if (text) {
		ret = kernel_write(file, text, len, &pos);
	} else {
		ret = kernel_read(file, buf, size - 1, &pos);
		buf[max_t(ssize_t, ret, 0)] = '\0';
	}
	fput(file);
	return ret < 0 ? ret : 0;
}

static ssize_t write_to(const char *name, const char *text)
{
	return file_io(name, NULL, 0, text, strlen(text));
}

static const char *text_of(const char *name)
{
	static char buf[256];
	ssize_t ret = file_io(name, buf, sizeof(buf), NULL, 0);

	if (ret)
		sprintf(buf, "error %zd", ret);
	return buf;
}

/* cgroup_mkdir() and cgroup_rmdir() expect an active node, as system calls provide it. */
static int change_cgroups(const char *path, const char *name)
{
	struct cgroup *cgrp = cgroup_get_from_path(path);
	int ret;

	if (IS_ERR(cgrp))
		return PTR_ERR(cgrp);
	kernfs_unbreak_active_protection(cgrp->kn);
	ret = name ? cgroup_mkdir(cgrp->kn, name, 0755) : cgroup_rmdir(cgrp->kn);
	kernfs_break_active_protection(cgrp->kn);
	cgroup_put(cgrp);
	return ret;
}

static int make_cgroup(const char *parent, const char *name)
{
	return change_cgroups(parent, name);
}

static int remove_cgroup(const char *path)
{
	return change_cgroups(path, NULL);
}

/* The css is valid as long as the cgroup exists. */
static struct cgroup_subsys_state *ioasids_of(const char *path)
{
	struct cgroup *cgrp = cgroup_get_from_path(path);
	struct cgroup_subsys_state *css = rcu_dereference_raw(cgrp->subsys[ioasids_cgrp_id]);

	cgroup_put(cgrp);
	return css;
}

static void hierarchy_exit(struct kunit *test)
{
	if (IS_ERR_OR_NULL(hierarchy))
		return;
	write_to("cgroup.procs", "0");
	remove_cgroup("/" TOP "/a");
	remove_cgroup("/" TOP "/b");
	remove_cgroup("/" TOP);
	write_to("cgroup.subtree_control", "-ioasids");
	kern_unmount(hierarchy);
	hierarchy = NULL;
}

static int hierarchy_init(struct kunit *test)
{
	struct file_system_type *type = get_fs_type("cgroup2");

	if (!cgroup_subsys_enabled(ioasids_cgrp_subsys))
		kunit_skip(test, "the controller is disabled on the command line");
	KUNIT_ASSERT_NOT_NULL(test, type);
	hierarchy = kern_mount(type);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, hierarchy);
	KUNIT_ASSERT_EQ(test, write_to("cgroup.subtree_control", "+ioasids"), 0);
	KUNIT_ASSERT_EQ(test, make_cgroup("/", TOP), 0);
	KUNIT_ASSERT_EQ(test, write_to(TOP "/cgroup.subtree_control", "+ioasids"), 0);
	KUNIT_ASSERT_EQ(test, make_cgroup("/" TOP, "a"), 0);
	KUNIT_ASSERT_EQ(test, make_cgroup("/" TOP, "b"), 0);
	return 0;
}

static void limit_reads_as_it_was_written(struct kunit *test)
{
	static const char * const good[][2] = {
		{ "0", "0\n" }, { " 007\t\n", "7\n" }, { "max", "max\n" }, { "max\n", "max\n" },
		{ "9223372036854775807", "9223372036854775807\n" },
	};
	static const char * const bad[] = {
		" ", "-1", "+1", "0x10", "1x", "1 2", "maximum", "m", "9223372036854775808",
		"18446744073709551615", "18446744073709551616",
	};
	int i;

	KUNIT_EXPECT_STREQ(test, text_of(TOP "/ioasids.max"), "max\n");
	for (i = 0; i < ARRAY_SIZE(good); i++) {
		KUNIT_EXPECT_EQ(test, write_to(TOP "/ioasids.max", good[i][0]), 0);
		KUNIT_EXPECT_STREQ(test, text_of(TOP "/ioasids.max"), good[i][1]);
	}
	KUNIT_EXPECT_EQ(test, write_to(TOP "/ioasids.max", "5"), 0);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		KUNIT_EXPECT_EQ_MSG(test, write_to(TOP "/ioasids.max", bad[i]), -EINVAL,
				    "\"%s\"", bad[i]);
		KUNIT_EXPECT_STREQ(test, text_of(TOP "/ioasids.max"), "5\n");
	}
	/* A NUL is accepted at the end only. */
	KUNIT_EXPECT_EQ(test, file_io(TOP "/ioasids.max", NULL, 0, "6\0", 2), 0);
	KUNIT_EXPECT_EQ(test, file_io(TOP "/ioasids.max", NULL, 0, "7\0008", 3), -EINVAL);
	KUNIT_EXPECT_STREQ(test, text_of(TOP "/ioasids.max"), "6\n");
}

static struct ioasids_account *own_account(struct kunit *test)
{
	struct ioasids_account *acct = kunit_kzalloc(test, sizeof(*acct), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, acct);
	spin_lock_init(&acct->lock);
	KUNIT_ASSERT_EQ(test, ioasids_account_open(acct), 0);
	return acct;
}

/* The cgroup of the opener pays; a move, and the removal of the cgroup, move the account. */
static void account_goes_where_its_owner_goes(struct kunit *test)
{
	struct ioasids_account *acct;
	struct seq_file m = { .size = PATH_MAX };
	size_t left;

	KUNIT_EXPECT_EQ(test, write_to(TOP "/ioasids.max", "5"), 0);
	KUNIT_EXPECT_EQ(test, write_to(TOP "/a/cgroup.procs", "0"), 0);
	acct = own_account(test);
	KUNIT_EXPECT_EQ(test, charge(acct, 3), 0);
	acct->quota = 3;
	acct->allocated = 2;
	KUNIT_EXPECT_STREQ(test, text_of(TOP "/a/ioasids.current"), "3\n");
	KUNIT_EXPECT_STREQ(test, text_of(TOP "/ioasids.stat"), "allocated 2\nreserved 1\nsets 1\n");
	KUNIT_EXPECT_STREQ(test, text_of(TOP "/b/ioasids.stat"),
			   "allocated 0\nreserved 0\nsets 0\n");

	KUNIT_EXPECT_EQ(test, charge(acct, 3), -EAGAIN);
	KUNIT_EXPECT_STREQ(test, text_of(TOP "/ioasids.events"), "max 1\nalloc_fail 1\n");
	KUNIT_EXPECT_STREQ(test, text_of(TOP "/ioasids.events.local"), "max 1\nalloc_fail 0\n");
	KUNIT_EXPECT_STREQ(test, text_of(TOP "/a/ioasids.events.local"), "max 0\nalloc_fail 1\n");

	KUNIT_EXPECT_EQ(test, write_to(TOP "/b/cgroup.procs", "0"), 0);
	KUNIT_EXPECT_STREQ(test, text_of(TOP "/a/ioasids.current"), "0\n");
	KUNIT_EXPECT_STREQ(test, text_of(TOP "/a/ioasids.peak"), "3\n");
	KUNIT_EXPECT_STREQ(test, text_of(TOP "/b/ioasids.current"), "3\n");
	KUNIT_EXPECT_STREQ(test, text_of(TOP "/ioasids.peak"), "3\n");

	m.buf = kunit_kzalloc(test, PATH_MAX, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, m.buf);
	ioasids_show_cgroup(&m, acct);
	KUNIT_EXPECT_STREQ(test, m.buf, "/" TOP "/b");
	/* If the path does not fit, or just fits, the buffer counts as full. */
	for (left = 0; left < PATH_MAX / 2; left++) {
		m.count = PATH_MAX - left;
		ioasids_show_cgroup(&m, acct);
		KUNIT_EXPECT_EQ(test, seq_has_overflowed(&m), left <= sizeof("/" TOP "/b"));
	}

	/* As if the owner were gone: the account stays in "b", where it has no process. */
	KUNIT_EXPECT_EQ(test, write_to("cgroup.procs", "0"), 0);
	KUNIT_EXPECT_STREQ(test, text_of(TOP "/ioasids.current"), "0\n");
	move(acct, css_ioasids(ioasids_of("/" TOP "/b")));
	KUNIT_EXPECT_STREQ(test, text_of(TOP "/b/ioasids.current"), "3\n");
	KUNIT_EXPECT_EQ(test, remove_cgroup("/" TOP "/b"), 0);
	KUNIT_EXPECT_STREQ(test, text_of(TOP "/ioasids.current"), "3\n");

	ioasids_account_close(acct);
	KUNIT_EXPECT_STREQ(test, text_of(TOP "/ioasids.current"), "0\n");
	m.count = 0;
	ioasids_show_cgroup(&m, acct);
	KUNIT_EXPECT_EQ(test, m.buf[0], '-');
}

/* The allocator returns -EAGAIN for a request that a limit refuses. */
static void request_over_the_limit_is_eagain(struct kunit *test)
{
	struct mm_struct *mm = mm_alloc();
	struct ioasid_set *set;
	int id;

	KUNIT_ASSERT_NOT_NULL(test, mm);
	KUNIT_EXPECT_EQ(test, write_to(TOP "/ioasids.max", "2"), 0);
	KUNIT_EXPECT_EQ(test, write_to(TOP "/a/cgroup.procs", "0"), 0);

	set = ioasid_set_alloc(mm, 3);
	KUNIT_EXPECT_PTR_EQ(test, set, ERR_PTR(-EAGAIN));
	set = ioasid_set_alloc(mm, 2);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, set);
	KUNIT_EXPECT_EQ(test, ioasid_set_quota(set, 3), -EAGAIN);
	KUNIT_EXPECT_EQ(test, ioasid_set_quota(set, 0), 0);
	id = ioasid_alloc(set, 1, IOASID_MAX, NULL);
	KUNIT_EXPECT_GT(test, id, 0);
	KUNIT_EXPECT_GT(test, ioasid_alloc_user(set, 1, IOASID_MAX), 0);
	KUNIT_EXPECT_EQ(test, ioasid_alloc(set, 1, IOASID_MAX, NULL), -EAGAIN);
	KUNIT_EXPECT_EQ(test, ioasid_alloc_user(set, 1, IOASID_MAX), -EAGAIN);
	KUNIT_EXPECT_STREQ(test, text_of(TOP "/a/ioasids.current"), "2\n");

	KUNIT_EXPECT_EQ(test, ioasid_mm_alloc(mm, IOASID_MAX), -EAGAIN);

	ioasid_set_close(set);
	KUNIT_EXPECT_STREQ(test, text_of(TOP "/a/ioasids.current"), "1\n");
	KUNIT_EXPECT_EQ(test, ioasid_free(set, id), 0);
	KUNIT_EXPECT_STREQ(test, text_of(TOP "/ioasids.current"), "0\n");
	KUNIT_EXPECT_EQ(test, write_to("cgroup.procs", "0"), 0);
	mmput(mm);
}

static void root_shows_the_capacity(struct kunit *test)
{
	struct ioasid_capacity cap;
	char expected[128];

	ioasid_get_capacity(&cap);
	sprintf(expected, "total %u\nkernel %u\nuser %u\navailable %u\n",
		cap.total, cap.kernel, cap.user, cap.available);
	KUNIT_EXPECT_STREQ(test, text_of("ioasids.capacity"), expected);
}

static struct kunit_case hierarchy_cases[] = {
	KUNIT_CASE(limit_reads_as_it_was_written),
	KUNIT_CASE(account_goes_where_its_owner_goes),
	KUNIT_CASE(request_over_the_limit_is_eagain),
	KUNIT_CASE(root_shows_the_capacity),
	{}
};

static struct kunit_suite hierarchy_suite = {
	.name = "ioasids_hierarchy",
	.init = hierarchy_init,
	.exit = hierarchy_exit,
	.test_cases = hierarchy_cases,
};

kunit_test_suites(&ioasids_suite, &hierarchy_suite);
