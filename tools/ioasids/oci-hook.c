// SPDX-License-Identifier: GPL-2.0
/*
 * A createRuntime hook for OCI runtimes: limits a container that has the annotation
 * ioasids.max. The runtime has made the container's cgroup and put its first process
 * there, which waits; what the runtime knows comes as JSON from standard input.
 */
#include <json-c/json.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cgroup.h"

#define ANNOTATION	"ioasids.max"

/* A string can have a NUL in it, and what follows that must not be lost. */
static bool parse_annotation(struct json_object *value, __u64 *max)
{
	const char *text = json_object_get_string(value);

	return json_object_is_type(value, json_type_string) &&
	       strlen(text) == (size_t)json_object_get_string_len(value) && parse_max(text, max);
}

static int limit(pid_t pid, __u64 max)
{
	char *cgroup;
	int status;

	status = need_controller();
	if (!status)
		status = cgroup_of_process(pid, &cgroup);
	if (status)
		return status;
	status = cgroup_switch_on(cgroup);
	if (!status)
		status = cgroup_limit(cgroup, max);
	free(cgroup);
	return status;
}

/* What the runtime tells about the container, and what it is told back. */
static int take_state(struct json_object *state)
{
	struct json_object *annotations, *value, *pid;
	__u64 max;

	if (!json_object_object_get_ex(state, "pid", &pid) ||
	    !json_object_is_type(pid, json_type_int) || json_object_get_int(pid) <= 0)
		return fail(FAILED,
			    "the runtime should send its state, with a pid, to standard input");
	/* It may be called for a container that wants no limit. */
	if (!json_object_object_get_ex(state, "annotations", &annotations) ||
	    !json_object_object_get_ex(annotations, ANNOTATION, &value))
		return 0;
	if (!parse_annotation(value, &max))
		return fail(FAILED,
			    "the annotation %s is %s; it should be \"max\" or a number from \"0\" to \"%lld\"",
			    ANNOTATION, json_object_to_json_string(value), LLONG_MAX);
	return limit(json_object_get_int(pid), max);
}

int main(void)
{
	struct json_object *state = json_object_from_fd(STDIN_FILENO);
	int status = take_state(state);

	json_object_put(state);
	report();
	return status;
}
