// SPDX-License-Identifier: GPL-2.0
/*
 * A createRuntime hook for OCI runtimes: limits a container that has the annotation
 * ioasids.max. When it runs, the container's cgroup exists and has its first process, which
 * waits. The runtime sends the state of the container, in JSON, to standard input.
 *
 * -m, --max MAX: the limit of a container without the annotation. -t, --try: if the kernel
 * does not have the controller, the container starts without a limit, and a line in the
 * system's log says so.
 */
#include <getopt.h>
#include <json-c/json.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
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

static int limit(pid_t pid, __u64 max, bool try)
{
	char *cgroup;
	int status;

	if (try && !kernel_has_controller()) {
		syslog(LOG_WARNING,
		       "%s/cgroup.controllers does not have ioasids: the container of process %d is not limited",
		       cgroup_root, pid);
		return 0;
	}
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

/* @max is the limit of a container without the annotation; NULL: it has none. */
static int take_state(struct json_object *state, const __u64 *max, bool try)
{
	struct json_object *annotations, *value, *pid;
	__u64 annotated;

	if (!json_object_object_get_ex(state, "pid", &pid) ||
	    !json_object_is_type(pid, json_type_int) || json_object_get_int(pid) <= 0)
		return fail(FAILED,
			    "the runtime should send its state, with a pid, to standard input");
	/* A runtime can be told to run the hook for every container. */
	if (!json_object_object_get_ex(state, "annotations", &annotations) ||
	    !json_object_object_get_ex(annotations, ANNOTATION, &value))
		return max ? limit(json_object_get_int(pid), *max, try) : 0;
	if (!parse_annotation(value, &annotated))
		return fail(FAILED,
			    "the annotation %s is %s; it should be \"max\" or a number from \"0\" to \"%lld\"",
			    ANNOTATION, json_object_to_json_string(value), LLONG_MAX);
	return limit(json_object_get_int(pid), annotated, try);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "max", required_argument, NULL, 'm' },
		{ "try", no_argument, NULL, 't' },
		{ }
	};
	const __u64 *max = NULL;
	struct json_object *state;
	int option, status = 0;
	bool try = false;
	__u64 number;

	while (!status && (option = getopt_long(argc, argv, "m:t", options, NULL)) != -1) {
		if (option == 't')
			try = true;
		else if (option != 'm')
			return BAD_USAGE;
		else if (parse_max(optarg, &number))
			max = &number;
		else
			status = fail(BAD_USAGE,
				      "--max is '%s'; it should be 'max' or a number from 0 to %lld",
				      optarg, LLONG_MAX);
	}
	if (!status) {
		state = json_object_from_fd(STDIN_FILENO);
		status = take_state(state, max, try);
		json_object_put(state);
	}
	report();
	return status;
}
