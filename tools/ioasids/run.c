// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "bus.h"
#include "cgroup.h"
#include "ioasidctl.h"
#include "units.h"

/* Limits the cgroup of this process, but only if it is that of @scope. */
static int limit_scope(const char *scope, __u64 max)
{
	char *cgroup = NULL;
	const char *slash;
	int status;

	status = cgroup_of_process(getpid(), &cgroup);
	if (status)
		return status;
	slash = strrchr(cgroup, '/');
	if (!slash || strcmp(slash + 1, scope))
		status = fail(FAILED, "systemd has not moved this process into %s", scope);
	if (!status)
		status = cgroup_enable_and_limit(cgroup, max);
	free(cgroup);
	return status;
}

int command_run(int argc, char **argv)
{
	static const struct option options[] = {
		{ "help", no_argument, NULL, 'h' },
		{ "max", required_argument, NULL, 'm' },
		{ "slice", required_argument, NULL, 'S' },
		{ }
	};
	const char *slice = NULL, *limit = NULL;
	int option, status;
	__u64 max, random;
	char *scope;

	while ((option = getopt_long(argc, argv, "+hm:S:", options, NULL)) != -1) {
		switch (option) {
		case 'm':
			limit = optarg;
			break;
		case 'S':
			slice = optarg;
			break;
		default:
			return other_option(option);
		}
	}
	if (!limit)
		return fail(BAD_USAGE, "run: --max is missing");
	status = need_max(limit, &max);
	if (!status && slice && !is_slice(slice))
		status = fail(BAD_USAGE, "run: '%s' is no slice", slice);
	if (!status)
		status = need_arguments(argc, argv, 1, argc);
	if (!status)
		status = need_controller();
	if (status)
		return status;
	if (!systemd_runs())
		return fail(FAILED,
			    "run: systemd does not run here; cgexec of libcgroup needs none");
	if (getrandom(&random, sizeof(random), 0) != sizeof(random))
		return fail(FAILED, "run: no random number: %s", strerror(errno));
	scope = format("run-r%016llx.scope", random);
	status = bus_start_scope(geteuid(), scope, slice);
	if (!status)
		status = limit_scope(scope, max);
	free(scope);
	if (status)
		return status;
	bus_close();
	execvp(argv[optind], argv + optind);
	return fail(errno == ENOENT ? 127 : 126, "%s: %s", argv[optind], strerror(errno));
}
