/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Reads the tracepoints of the kernel through BPF programs, see trace.bpf.c.
 */
#ifndef _TRACER_H
#define _TRACER_H

#include <stdbool.h>
#include <stdio.h>
#include <time.h>
#include <linux/types.h>

#include "traced.h"

#define TRACEFS		"/sys/kernel/tracing"

struct tracer;

/* Called for each event, in the order in which they happened. */
typedef void (*traced_function)(const struct traced *traced, void *data);

/*
 * Begins to trace these events, a mask of 1 << enum event; @process: only of this one, or 0.
 * A status NO_TRACING says that the kernel or the permissions lack something, which the
 * message names.
 */
int tracer_open(struct tracer **tracer, unsigned int events, pid_t process,
		traced_function function, void *data);
void tracer_close(struct tracer *tracer);

/* Becomes readable when there are events. */
int tracer_fd(const struct tracer *tracer);
void tracer_read(struct tracer *tracer);
/* How many events could not be read. */
__u64 tracer_lost(const struct tracer *tracer);

/* "alloc" for ioasid_alloc; -1 if there is no such event. */
const char *event_name(enum event event);
int event_of_name(const char *name);

/* The path of a cgroup without a leading slash, or NULL if it is unknown; until tracer_read(). */
const char *cgroup_of_id(__u64 id);
/* The path that a cgroup had, if it does not exist any more. */
void remember_cgroup(__u64 id, const char *path);
/* For people: a new string. */
char *name_of_id(__u64 id);

/* The time of day of an event. */
struct timespec time_of(__u64 boot_time);

/* The refusal in words: "asked for 1; the limit of /web.slice: 24 of 24". A new string. */
char *refusal_in_words(const struct traced *traced);

/* Writes the members of a JSON object that tell the event. */
void json_traced(const struct traced *traced);

#endif
