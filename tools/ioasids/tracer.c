// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "cgroup.h"
#include "json.h"
#include "tracer.h"
#include SKELETON

static const char *const names[EVENTS_TRACED] = {
	[ON_ADOPT]	= "adopt",
	[ON_ALLOC]	= "alloc",
	[ON_FREE]	= "free",
	[ON_MM_BIND]	= "mm_bind",
	[ON_MM_DROP]	= "mm_drop",
	[ON_MOVE]	= "move",
	[ON_REFUSED]	= "refused",
	[ON_REPARENT]	= "reparent",
	[ON_SET_CLOSE]	= "set_close",
	[ON_SET_OPEN]	= "set_open",
	[ON_SET_QUOTA]	= "set_quota",
};

static const char *const reasons[] = {
	[BY_LIMIT]	= "limit",
	[BY_CAPACITY]	= "capacity",
	[BY_QUOTA]	= "quota",
	[BY_RANGE]	= "range",
};

#define NR_REASONS	(sizeof(reasons) / sizeof(*reasons))

struct tracer {
	struct trace_bpf *programs;
	struct ring_buffer *ring;
	traced_function function;
	void *data;
	int batch;		/* how many were read this time */
};

/* More events than fit into the ring: a call reads all that are there, but always returns. */
#define BATCH		16384

const char *event_name(enum event event)
{
	return names[event];
}

int event_of_name(const char *name)
{
	int i;

	for (i = 0; i < EVENTS_TRACED; i++)
		if (!strcmp(names[i], name))
			return i;
	return -1;
}

/* The first thing that is missing, in one line. */
static int need_tracing(unsigned int events)
{
	struct btf *types;
	char *path;
	int i;

	if (access(TRACEFS "/events", F_OK)) {
		if (errno == EACCES)
			return fail(NO_TRACING, "cannot trace: only root may read " TRACEFS);
		return fail(NO_TRACING,
			    "cannot trace: no tracepoints in %s: it is not mounted, or the kernel is built without them",
			    TRACEFS);
	}
	for (i = 0; i < EVENTS_TRACED; i++) {
		path = format(TRACEFS "/events/ioasid/ioasid_%s", names[i]);
		if (events & BIT(i) && access(path, F_OK)) {
			free(path);
			return fail(NO_TRACING,
				    "cannot trace: this kernel has no tracepoint ioasid_%s",
				    names[i]);
		}
		free(path);
	}
	types = btf__load_vmlinux_btf();
	if (!types)
		return fail(NO_TRACING,
			    "cannot trace: no type information (CONFIG_DEBUG_INFO_BTF) in /sys/kernel/btf/vmlinux");
	btf__free(types);
	return 0;
}

static int receive(void *context, void *data, __attributes(unused) size_t size)
{
	struct tracer *tracer = context;

	tracer->function(data, tracer->data);
	return ++tracer->batch < BATCH ? 0 : -EAGAIN;
}

static int load(struct tracer *tracer, unsigned int events, pid_t process)
{
	struct bpf_program *program;
	int event;

	tracer->programs = trace_bpf__open();
	if (!tracer->programs)
		return -errno;
	tracer->programs->rodata->only_process = process;
	bpf_object__for_each_program(program, tracer->programs->obj) {
		event = event_of_name(bpf_program__name(program) + strlen("ioasid_"));
		bpf_program__set_autoload(program, events & BIT(event));
	}
	return trace_bpf__load(tracer->programs) ?: trace_bpf__attach(tracer->programs);
}

int tracer_open(struct tracer **result, unsigned int events, pid_t process,
		traced_function function, void *data)
{
	struct tracer *tracer;
	int error, status;

	libbpf_set_print(NULL);	/* messages are one line, and ours */
	status = need_tracing(events);
	if (status)
		return status;
	tracer = grow(NULL, 1, sizeof(*tracer));
	*tracer = (struct tracer) { .function = function, .data = data };
	error = load(tracer, events, process);
	if (!error) {
		tracer->ring = ring_buffer__new(bpf_map__fd(tracer->programs->maps.ring), receive,
						tracer, NULL);
		error = tracer->ring ? 0 : -errno;
	}
	if (error) {
		tracer_close(tracer);
		if (error == -EPERM || error == -EACCES)
			return fail(NO_TRACING,
				    "cannot trace: it needs CAP_BPF and CAP_PERFMON, or root");
		return fail(NO_TRACING,
			    "cannot trace: the kernel refuses the BPF programs (CONFIG_BPF_EVENTS): %s",
			    strerror(-error));
	}
	*result = tracer;
	return 0;
}

void tracer_close(struct tracer *tracer)
{
	if (!tracer)
		return;
	ring_buffer__free(tracer->ring);
	trace_bpf__destroy(tracer->programs);
	free(tracer);
}

int tracer_fd(const struct tracer *tracer)
{
	return ring_buffer__epoll_fd(tracer->ring);
}

__u64 tracer_lost(const struct tracer *tracer)
{
	return __atomic_load_n(&tracer->programs->bss->lost, __ATOMIC_RELAXED);
}

/*
 * The paths of cgroups, by their IDs. They are kept: an event can name a cgroup that is gone
 * by then. No ID is used twice. Others choose how many there are, so a long trace forgets them
 * now and then.
 */
struct known {
	__u64 id;
	char *path;
};

static void *known;
static unsigned int nr_known;

#define MOST_KNOWN	16384

static void free_known(void *pointer)
{
	struct known *one = pointer;

	free(one->path);
	free(one);
}

static int compare(const void *a, const void *b)
{
	const struct known *left = a, *right = b;

	return (left->id > right->id) - (left->id < right->id);
}

/* Where an open file is, or NULL */
static char *place_of(int fd)
{
	char link[64], target[PATH_MAX];
	ssize_t length;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	length = readlink(link, target, sizeof(target));
	return length > 0 && length < PATH_MAX ? format("%.*s", (int)length, target) : NULL;
}

/* cgroup v2 makes handles of files from IDs. The path that was given for the root can be a link. */
static char *path_of_id(__u64 id)
{
	struct {
		struct file_handle head;
		__u64 id;
	} handle = { { .handle_bytes = sizeof(id), .handle_type = 0xfe }, id };
	int root = open(cgroup_root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int fd = root < 0 ? -1 : open_by_handle_at(root, &handle.head, O_PATH | O_CLOEXEC);
	char *top = NULL, *place = NULL, *path = NULL;
	size_t length;

	if (fd >= 0) {
		top = place_of(root);
		place = place_of(fd);
		close(fd);
	}
	if (root >= 0)
		close(root);
	length = top ? strlen(top) : 0;
	if (length && place && !strncmp(place, top, length) && strchr("/", place[length]))
		path = format("%s", place + length + !!place[length]);
	free(place);
	free(top);
	return path;
}

static const char *add_known(__u64 id, char *path)
{
	struct known *new = grow(NULL, 1, sizeof(*new));

	*new = (struct known) { id, path };
	if (!tsearch(new, &known, compare))
		no_memory();
	nr_known++;
	return path;
}

void tracer_read(struct tracer *tracer)
{
	if (nr_known > MOST_KNOWN) {
		tdestroy(known, free_known);
		known = NULL;
		nr_known = 0;
	}
	tracer->batch = 0;
	ring_buffer__consume(tracer->ring);
}

const char *cgroup_of_id(__u64 id)
{
	struct known **found = tfind(&id, &known, compare);
	char *path;

	if (found)
		return (*found)->path;
	path = path_of_id(id);
	return path ? add_known(id, path) : NULL;
}

void remember_cgroup(__u64 id, const char *path)
{
	if (!cgroup_of_id(id))
		add_known(id, format("%s", path));
}

char *name_of_id(__u64 id)
{
	const char *path = id ? cgroup_of_id(id) : NULL;
	char *name, *text;

	if (!id)
		return format("-");
	if (!path)
		return format("cgroup-%llu (gone)", id);
	name = printable(path);
	text = format("/%s", name);
	free(name);
	return text;
}

struct timespec time_of(__u64 boot_time)
{
	struct timespec now, real, time;
	__s64 ago, then;

	clock_gettime(CLOCK_BOOTTIME, &now);
	clock_gettime(CLOCK_REALTIME, &real);
	ago = now.tv_sec * 1000000000LL + now.tv_nsec - (__s64)boot_time;
	then = real.tv_sec * 1000000000LL + real.tv_nsec - ago;
	time.tv_sec = then / 1000000000;
	time.tv_nsec = then % 1000000000;
	return time;
}

char *refusal_in_words(const struct traced *traced)
{
	char *limit, *text;

	switch (traced->by) {
	case BY_LIMIT:
		limit = name_of_id(traced->other);
		text = format("asked for %u; the limit of %s: %llu of %llu", traced->number, limit,
			      traced->used, traced->max);
		free(limit);
		return text;
	case BY_CAPACITY:
		return format("asked for %u; the machine: %llu of %llu", traced->number,
			      traced->used, traced->max);
	case BY_QUOTA:
		return format("asked for %u; its reservation: %llu of %llu", traced->number,
			      traced->used, traced->max);
	default:
		return format("asked for %u; the range that it can use: %llu of %llu",
			      traced->number, traced->used, traced->max);
	}
}

static void json_cgroup(const char *name, const char *id_name, __u64 id)
{
	const char *path = id ? cgroup_of_id(id) : NULL;
	char *text;

	if (path) {
		text = format("/%s", path);
		json_string(name, text);
		free(text);
	} else {
		json_null(name);
	}
	json_number(id_name, id);
}

void json_traced(const struct traced *traced)
{
	struct timespec time = time_of(traced->time);
	char date[40], *text;

	strftime(date, sizeof(date), "%FT%T", gmtime(&time.tv_sec));
	text = format("%s.%06ldZ", date, time.tv_nsec / 1000);
	json_string("time", text);
	free(text);
	json_string("event", names[traced->event]);
	switch (traced->event) {
	case ON_ADOPT:
	case ON_MOVE:
	case ON_REPARENT:
		json_cgroup("from", "from_id", traced->cgroup);
		json_cgroup("to", "to_id", traced->other);
		json_number("charge", traced->number);
		break;
	case ON_REFUSED:
		json_cgroup("cgroup", "cgroup_id", traced->cgroup);
		json_string("by", traced->by < NR_REASONS ? reasons[traced->by] : NULL);
		json_cgroup("limit", "limit_id", traced->other);
		json_number("asked", traced->number);
		json_number("used", traced->used);
		json_number("max", traced->max);
		break;
	default:
		json_cgroup("cgroup", "cgroup_id", traced->cgroup);
		if (traced->event == ON_SET_QUOTA) {
			json_number("was", traced->was);
			json_number("quota", traced->number);
		} else if (traced->event == ON_SET_OPEN || traced->event == ON_SET_CLOSE) {
			json_number("allocated", traced->number);
		} else {
			json_number("id", traced->number);
		}
	}
	json_number("set", traced->set);
	if (traced->owner)
		json_number("owner", traced->owner);
	else
		json_null("owner");
	json_number("pid", traced->tgid);
	text = format("%.*s", (int)sizeof(traced->comm), traced->comm);
	json_string("command", text);
	free(text);
}
