// SPDX-License-Identifier: GPL-2.0
/*
 * The part of "ioasidctl trace" that runs in the kernel: a program for each tracepoint puts
 * what it says into a ring buffer. The fields are found by their names, so that one binary
 * serves all kernels (CO-RE). Only the fields are used that are documented in
 * Documentation/admin-guide/ioasids-tracing.rst.
 */
#include <linux/types.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "traced.h"

#define FIELDS	__attribute__((preserve_access_index))

struct trace_event_raw_ioasid_id {
	__u64 cgroup, set;
	__u32 id;
	__s32 owner, tgid;
} FIELDS;

struct trace_event_raw_ioasid_set {
	__u64 cgroup, set;
	__u32 allocated;
	__s32 owner, tgid;
} FIELDS;

struct trace_event_raw_ioasid_set_quota {
	__u64 cgroup, set;
	__u32 was, quota;
	__s32 owner, tgid;
} FIELDS;

struct trace_event_raw_ioasid_refused {
	__u64 cgroup, set, limit, used, max;
	__u32 by, asked;
	__s32 owner, tgid;
} FIELDS;

struct trace_event_raw_ioasid_payer {
	__u64 from, to, set;
	__u32 charge;
	__s32 owner, tgid;
} FIELDS;

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
} ring SEC(".maps");

/* Only what this process asks for or owns; 0: any */
const volatile __s32 only_process;

/* How many events did not fit into the ring */
__u64 lost;

static __always_inline struct traced *begin(enum event event, __s32 owner, __s32 tgid)
{
	struct traced *traced;

	if (only_process && owner != only_process && tgid != only_process)
		return NULL;
	traced = bpf_ringbuf_reserve(&ring, sizeof(*traced), 0);
	if (!traced) {
		__sync_fetch_and_add(&lost, 1);
		return NULL;
	}
	__builtin_memset(traced, 0, sizeof(*traced));
	traced->time = bpf_ktime_get_boot_ns();
	traced->event = event;
	traced->owner = owner;
	traced->tgid = tgid;
	bpf_get_current_comm(traced->comm, sizeof(traced->comm));
	return traced;
}

#define PROGRAM(class, name, event, ...)						\
	SEC("tp/ioasid/" #name)								\
	int name(struct trace_event_raw_##class *from)					\
	{										\
		struct traced *to = begin(event, from->owner, from->tgid);		\
											\
		if (!to)								\
			return 0;							\
		to->set = from->set;							\
		__VA_ARGS__;								\
		bpf_ringbuf_submit(to, 0);						\
		return 0;								\
	}

#define ID_PROGRAM(name, event)								\
	PROGRAM(ioasid_id, name, event, to->cgroup = from->cgroup, to->number = from->id)
#define SET_PROGRAM(name, event)							\
	PROGRAM(ioasid_set, name, event, to->cgroup = from->cgroup, to->number = from->allocated)
#define PAYER_PROGRAM(name, event)							\
	PROGRAM(ioasid_payer, name, event, to->cgroup = from->from, to->other = from->to,	\
		to->number = from->charge)

ID_PROGRAM(ioasid_alloc, ON_ALLOC)
ID_PROGRAM(ioasid_free, ON_FREE)
ID_PROGRAM(ioasid_mm_bind, ON_MM_BIND)
ID_PROGRAM(ioasid_mm_drop, ON_MM_DROP)
SET_PROGRAM(ioasid_set_open, ON_SET_OPEN)
SET_PROGRAM(ioasid_set_close, ON_SET_CLOSE)
PAYER_PROGRAM(ioasid_move, ON_MOVE)
PAYER_PROGRAM(ioasid_adopt, ON_ADOPT)
PAYER_PROGRAM(ioasid_reparent, ON_REPARENT)
PROGRAM(ioasid_set_quota, ioasid_set_quota, ON_SET_QUOTA, to->cgroup = from->cgroup,
	to->number = from->quota, to->was = from->was)
PROGRAM(ioasid_refused, ioasid_refused, ON_REFUSED, to->cgroup = from->cgroup,
	to->other = from->limit, to->number = from->asked, to->by = from->by,
	to->used = from->used, to->max = from->max)

char _license[] SEC("license") = "GPL";
