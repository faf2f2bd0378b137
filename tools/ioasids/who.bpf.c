// SPDX-License-Identifier: GPL-2.0
/*
 * The part of "ioasidctl who" that runs in the kernel: iterators over processes and over their
 * files. The structures have only the fields that are used, which are found by their names, so
 * that one binary serves all kernels (CO-RE).
 *
 * No lock is taken. The programs run under rcu_read_lock(), and what a set, its owner and the
 * owner's task were is freed only after a grace period. An mm is not: but if the task still
 * has it at the end, and it the set, both were what they seemed all the time.
 */
#include <stdbool.h>
#include <linux/types.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

#include "holders.h"

#define FIELDS		__attribute__((preserve_access_index))

#define PF_KTHREAD	0x00200000
#define S_IFMT		0170000
#define S_IFCHR		0020000
#define MINORBITS	20
#define ROOT_CGROUP	1

enum pid_type {
	PIDTYPE_TGID = 1,
};

struct hlist_node {
	struct hlist_node *next;
} FIELDS;

struct hlist_head {
	struct hlist_node *first;
} FIELDS;

struct pid {
	struct hlist_head tasks[PIDTYPE_TGID + 1];
} FIELDS;

struct kernfs_node {
	__u64 id;
} FIELDS;

struct cgroup {
	struct kernfs_node *kn;
} FIELDS;

struct cgroup_subsys_state {
	struct cgroup *cgroup;
} FIELDS;

struct ioasids_cgroup {
	struct cgroup_subsys_state css;
} FIELDS;

struct ioasids_owner;

/* The last two are not there in a kernel without the controller. */
struct ioasids_account {
	__u32 allocated;
	__u32 quota;
	__s32 tgid;
	unsigned long id;
	struct ioasids_owner *owner;
	struct ioasids_cgroup *cg;
} FIELDS;

struct ioasid_set {
	struct ioasids_account account;
	struct pid *owner;
} FIELDS;

struct ioasid_mm {
	struct ioasid_set *set;
} FIELDS;

struct iommu_mm_data;

/* The first is not there in a kernel without SVA; it is made with the PASID. */
struct mm_struct {
	struct iommu_mm_data *iommu_mm;
	struct ioasid_mm *ioasid_mm;
} FIELDS;

struct cred {
	struct {
		__u32 val;
	} uid;
} FIELDS;

struct task_struct {
	unsigned int flags;
	struct mm_struct *mm;
	__s32 pid;
	__s32 tgid;
	struct task_struct *group_leader;
	struct hlist_node pid_links[PIDTYPE_TGID + 1];
	const struct cred *real_cred;
	char comm[16];
} FIELDS;

struct inode {
	unsigned short i_mode;
	__u32 i_rdev;
} FIELDS;

struct file {
	struct inode *f_inode;
} FIELDS;

struct seq_file;

struct bpf_iter_meta {
	struct seq_file *seq;
} FIELDS;

struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
} FIELDS;

struct bpf_iter__task_file {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
	__u32 fd;
	struct file *file;
} FIELDS;

/* From a task to its set */
struct way {
	struct mm_struct *mm;
	struct ioasid_mm *imm;
	struct ioasid_set *set;
};

static __always_inline struct way way_of(struct task_struct *task)
{
	struct mm_struct *mm = BPF_CORE_READ(task, mm);
	struct ioasid_mm *imm = mm ? BPF_CORE_READ(mm, ioasid_mm) : NULL;
	struct ioasid_set *set = imm ? BPF_CORE_READ(imm, set) : NULL;

	/* A kernel thread can borrow an mm. */
	if (BPF_CORE_READ(task, flags) & PF_KTHREAD)
		set = NULL;
	return (struct way) { mm, imm, set };
}

static __always_inline bool is_still(struct way *way, struct task_struct *task)
{
	struct way now = way_of(task);

	return now.mm == way->mm && now.imm == way->imm && now.set == way->set;
}

static __always_inline __u64 payer(struct ioasid_set *set)
{
	struct ioasids_cgroup *cg;

	if (!bpf_core_field_exists(set->account.cg) || !BPF_CORE_READ(set, account.owner))
		return 0;
	cg = BPF_CORE_READ(set, account.cg);
	return cg ? BPF_CORE_READ(cg, css.cgroup, kn, id) : ROOT_CGROUP;
}

/* False if the owner changes meanwhile. */
static __always_inline bool add_owner(struct holder *holder, struct ioasid_set *set)
{
	struct pid *owner = BPF_CORE_READ(set, owner);
	void *link = BPF_CORE_READ(owner, tasks[PIDTYPE_TGID].first);
	struct task_struct *task;

	if (link) {
		task = link - bpf_core_field_offset(struct task_struct, pid_links[PIDTYPE_TGID]);
		holder->owner = BPF_CORE_READ(set, account.tgid);
		holder->user = BPF_CORE_READ(task, real_cred, uid.val);
		BPF_CORE_READ_STR_INTO(&holder->comm, task, comm);
	}
	return BPF_CORE_READ(set, owner) == owner;
}

SEC("iter/task")
int holders(struct bpf_iter__task *ctx)
{
	struct holder holder = { .owner = NO_OWNER, .user = NO_USER };
	struct task_struct *task = ctx->task, *leader;
	struct ioasid_set *set;
	struct way way;

	if (!task)
		return 0;
	/* One of the threads is enough, but the first can have exited. */
	leader = BPF_CORE_READ(task, group_leader);
	if (leader != task && BPF_CORE_READ(leader, mm))
		return 0;
	way = way_of(task);
	set = way.set;
	if (!set)
		return 0;
	holder.set = BPF_CORE_READ(set, account.id);
	holder.cgroup = payer(set);
	holder.quota = BPF_CORE_READ(set, account.quota);
	holder.allocated = BPF_CORE_READ(set, account.allocated);
	if (add_owner(&holder, set) && is_still(&way, task))
		bpf_seq_write(ctx->meta->seq, &holder, sizeof(holder));
	return 0;
}

SEC("iter/task_file")
int devices(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	struct held_device device = {};
	struct ioasid_set *set;
	struct mm_struct *mm;
	struct inode *inode;
	struct way way;
	__u32 number;

	if (!task || !file)
		return 0;
	way = way_of(task);
	set = way.set;
	mm = way.mm;
	if (!set || !bpf_core_field_exists(mm->iommu_mm) || !BPF_CORE_READ(mm, iommu_mm))
		return 0;
	inode = BPF_CORE_READ(file, f_inode);
	if ((BPF_CORE_READ(inode, i_mode) & S_IFMT) != S_IFCHR)
		return 0;
	number = BPF_CORE_READ(inode, i_rdev);
	device.set = BPF_CORE_READ(set, account.id);
	device.major = number >> MINORBITS;
	device.minor = number & ((1U << MINORBITS) - 1);
	if (is_still(&way, task))
		bpf_seq_write(ctx->meta->seq, &device, sizeof(device));
	return 0;
}

char _license[] SEC("license") = "GPL";
