// SPDX-License-Identifier: GPL-2.0
/*
 * A createRuntime hook for OCI runtimes: limits a container that has the annotation
 * ioasids.max. When it runs, the container's cgroup exists and has its first process, which
 * waits. The runtime sends the state of the container, in JSON, to standard input.
 */
#include <json-c/json.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cgroup.h"

#define ANNOTATION	"ioasids.max"

/* A string in JSON can contain a NUL. What follows the NUL must not be ignored. */
static bool parse_annotation(struct json_object *value, __u64 *max)
{
	const char *text = json_object_get_string(value);

	return json_object_is_type(value, json_type_string) &&
	       strlen(text) == (size_t)json_object_get_string_len(value) && parse_max(text, max);
}

/*
 * The runtime runs the hook, and stays in the cgroup of its caller. If that is in the
 * cgroup of the container, the container has no cgroup of its own.
 */
static int check_own(const char *cgroup)
{
	char *runtime;
	int status = cgroup_of_process(getpid(), &runtime);

	if (!status && cgroup_is_in(runtime, cgroup))
		status = fail(FAILED,
			      "the container has no cgroup of its own to be limited: the runtime is in /%s, too",
			      cgroup);
	free(runtime);
	return status;
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
	status = check_own(cgroup);
	if (!status)
		status = cgroup_enable_and_limit(cgroup, max);
	free(cgroup);
	return status;
}

static int take_state(struct json_object *state)
{
	struct json_object *annotations, *value, *pid;
	__u64 max;

	if (!json_object_object_get_ex(state, "pid", &pid) ||
	    !json_object_is_type(pid, json_type_int) || json_object_get_int(pid) <= 0)
		return fail(FAILED,
			    "the runtime should send its state, with a pid, to standard input");
	/* A runtime can be told to run the hook for every container. */
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
