/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tracepoints of the IOASID allocator and the ioasids cgroup controller. Their names and
 * fields are an interface: Documentation/admin-guide/ioasids-tracing.rst.
 *
 * All are called under the lock of the account, so that the cgroup, the set and its owner
 * are those of the same instant. The fields are numbers that stay valid, no pointers.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM ioasid

#if !defined(_TRACE_IOASID_H) || defined(TRACE_HEADER_MULTI_READ)
#define _TRACE_IOASID_H

#include <linux/ioasids_cgroup.h>
#include <linux/sched.h>
#include <linux/tracepoint.h>

TRACE_DEFINE_ENUM(IOASIDS_BY_LIMIT);
TRACE_DEFINE_ENUM(IOASIDS_BY_CAPACITY);
TRACE_DEFINE_ENUM(IOASIDS_BY_QUOTA);
TRACE_DEFINE_ENUM(IOASIDS_BY_RANGE);

DECLARE_EVENT_CLASS(ioasid_id,

	TP_PROTO(struct ioasids_account *acct, u32 id),

	TP_ARGS(acct, id),

	TP_STRUCT__entry(
		__field(u64, cgroup)
		__field(u64, set)
		__field(u32, id)
		__field(pid_t, owner)
		__field(pid_t, tgid)
		__array(char, comm, TASK_COMM_LEN)
	),

	TP_fast_assign(
		__entry->cgroup = ioasids_payer_id(acct);
		__entry->set = acct->id;
		__entry->id = id;
		__entry->owner = acct->tgid;
		__entry->tgid = current->tgid;
		memcpy(__entry->comm, current->comm, TASK_COMM_LEN);
	),

	TP_printk("cgroup=%llu set=%llu id=%u owner=%d tgid=%d comm=%s",
		  __entry->cgroup, __entry->set, __entry->id, __entry->owner,
		  __entry->tgid, __entry->comm)
);

DEFINE_EVENT(ioasid_id, ioasid_alloc,

	TP_PROTO(struct ioasids_account *acct, u32 id),

	TP_ARGS(acct, id)
);

DEFINE_EVENT(ioasid_id, ioasid_free,

	TP_PROTO(struct ioasids_account *acct, u32 id),

	TP_ARGS(acct, id)
);

DEFINE_EVENT(ioasid_id, ioasid_mm_bind,

	TP_PROTO(struct ioasids_account *acct, u32 id),

	TP_ARGS(acct, id)
);

DEFINE_EVENT(ioasid_id, ioasid_mm_drop,

	TP_PROTO(struct ioasids_account *acct, u32 id),

	TP_ARGS(acct, id)
);

DECLARE_EVENT_CLASS(ioasid_set,

	TP_PROTO(struct ioasids_account *acct),

	TP_ARGS(acct),

	TP_STRUCT__entry(
		__field(u64, cgroup)
		__field(u64, set)
		__field(u32, allocated)
		__field(pid_t, owner)
		__field(pid_t, tgid)
		__array(char, comm, TASK_COMM_LEN)
	),

	TP_fast_assign(
		__entry->cgroup = ioasids_payer_id(acct);
		__entry->set = acct->id;
		__entry->allocated = acct->allocated;
		__entry->owner = acct->tgid;
		__entry->tgid = current->tgid;
		memcpy(__entry->comm, current->comm, TASK_COMM_LEN);
	),

	TP_printk("cgroup=%llu set=%llu allocated=%u owner=%d tgid=%d comm=%s",
		  __entry->cgroup, __entry->set, __entry->allocated, __entry->owner,
		  __entry->tgid, __entry->comm)
);

DEFINE_EVENT(ioasid_set, ioasid_set_open,

	TP_PROTO(struct ioasids_account *acct),

	TP_ARGS(acct)
);

DEFINE_EVENT(ioasid_set, ioasid_set_close,

	TP_PROTO(struct ioasids_account *acct),

	TP_ARGS(acct)
);

/* Called just before the quota changes. */
TRACE_EVENT_CONDITION(ioasid_set_quota,

	TP_PROTO(struct ioasids_account *acct, u32 quota),

	TP_ARGS(acct, quota),

	TP_CONDITION(acct->quota != quota),

	TP_STRUCT__entry(
		__field(u64, cgroup)
		__field(u64, set)
		__field(u32, was)
		__field(u32, quota)
		__field(u32, allocated)
		__field(pid_t, owner)
		__field(pid_t, tgid)
		__array(char, comm, TASK_COMM_LEN)
	),

	TP_fast_assign(
		__entry->cgroup = ioasids_payer_id(acct);
		__entry->set = acct->id;
		__entry->was = acct->quota;
		__entry->quota = quota;
		__entry->allocated = acct->allocated;
		__entry->owner = acct->tgid;
		__entry->tgid = current->tgid;
		memcpy(__entry->comm, current->comm, TASK_COMM_LEN);
	),

	TP_printk("cgroup=%llu set=%llu was=%u quota=%u allocated=%u owner=%d tgid=%d comm=%s",
		  __entry->cgroup, __entry->set, __entry->was, __entry->quota,
		  __entry->allocated, __entry->owner, __entry->tgid, __entry->comm)
);

/* @limit is NULL unless @by is IOASIDS_BY_LIMIT. */
TRACE_EVENT(ioasid_refused,

	TP_PROTO(struct ioasids_account *acct, enum ioasids_by by, struct ioasids_cgroup *limit,
		 u32 asked, u64 used, u64 max),

	TP_ARGS(acct, by, limit, asked, used, max),

	TP_STRUCT__entry(
		__field(u64, cgroup)
		__field(u64, set)
		__field(u64, limit)
		__field(u64, used)
		__field(u64, max)
		__field(u32, by)
		__field(u32, asked)
		__field(pid_t, owner)
		__field(pid_t, tgid)
		__array(char, comm, TASK_COMM_LEN)
	),

	TP_fast_assign(
		__entry->cgroup = ioasids_payer_id(acct);
		__entry->set = acct->id;
		__entry->limit = limit ? ioasids_cgroup_id(limit) : 0;
		__entry->used = used;
		__entry->max = max;
		__entry->by = by;
		__entry->asked = asked;
		__entry->owner = acct->tgid;
		__entry->tgid = current->tgid;
		memcpy(__entry->comm, current->comm, TASK_COMM_LEN);
	),

	TP_printk("cgroup=%llu set=%llu by=%s limit=%llu asked=%u used=%llu max=%llu owner=%d tgid=%d comm=%s",
		  __entry->cgroup, __entry->set,
		  __print_symbolic(__entry->by,
				   { IOASIDS_BY_LIMIT,		"limit" },
				   { IOASIDS_BY_CAPACITY,	"capacity" },
				   { IOASIDS_BY_QUOTA,		"quota" },
				   { IOASIDS_BY_RANGE,		"range" }),
		  __entry->limit, __entry->asked, __entry->used, __entry->max,
		  __entry->owner, __entry->tgid, __entry->comm)
);

#ifdef CONFIG_CGROUP_IOASIDS

/* Called just before another cgroup pays. A set in the making has no number yet. */
DECLARE_EVENT_CLASS(ioasid_payer,

	TP_PROTO(struct ioasids_account *acct, struct ioasids_cgroup *to),

	TP_ARGS(acct, to),

	TP_STRUCT__entry(
		__field(u64, from)
		__field(u64, to)
		__field(u64, set)
		__field(u32, charge)
		__field(pid_t, owner)
		__field(pid_t, tgid)
		__array(char, comm, TASK_COMM_LEN)
	),

	TP_fast_assign(
		__entry->from = ioasids_payer_id(acct);
		__entry->to = ioasids_cgroup_id(to);
		__entry->set = READ_ONCE(acct->id);
		__entry->charge = ioasids_charge_of(acct);
		__entry->owner = acct->tgid;
		__entry->tgid = current->tgid;
		memcpy(__entry->comm, current->comm, TASK_COMM_LEN);
	),

	TP_printk("from=%llu to=%llu set=%llu charge=%u owner=%d tgid=%d comm=%s",
		  __entry->from, __entry->to, __entry->set, __entry->charge,
		  __entry->owner, __entry->tgid, __entry->comm)
);

DEFINE_EVENT_CONDITION(ioasid_payer, ioasid_move,

	TP_PROTO(struct ioasids_account *acct, struct ioasids_cgroup *to),

	TP_ARGS(acct, to),

	TP_CONDITION(READ_ONCE(acct->id) && acct->cg != to)
);

DEFINE_EVENT_CONDITION(ioasid_payer, ioasid_reparent,

	TP_PROTO(struct ioasids_account *acct, struct ioasids_cgroup *to),

	TP_ARGS(acct, to),

	TP_CONDITION(READ_ONCE(acct->id))
);

/* @owner is the thread group that had the set, and @tgid the one that has it now. */
DEFINE_EVENT_CONDITION(ioasid_payer, ioasid_adopt,

	TP_PROTO(struct ioasids_account *acct, struct ioasids_cgroup *to),

	TP_ARGS(acct, to),

	TP_CONDITION(acct->owner)
);

#endif /* CONFIG_CGROUP_IOASIDS */

#endif /* _TRACE_IOASID_H */

#include <trace/define_trace.h>
