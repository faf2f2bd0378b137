// SPDX-License-Identifier: GPL-2.0
#include <ctype.h>
#include <getopt.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "cgroup.h"
#include "ioasidctl.h"
#include "names.h"

int need_max(const char *text, __u64 *max)
{
	if (parse_max(text, max))
		return 0;
	return fail(BAD_USAGE, "'%s' is no limit: it should be 'max' or a number from 0 to %lld",
		    text, LLONG_MAX);
}

int command_set(int argc, char **argv)
{
	struct switches switches = { };
	char *cgroup = NULL;
	int i, status;
	bool has;
	__u64 max;

	/* Else getopt would take -1 for an option. */
	for (i = 1; i < argc && strcmp(argv[i], "--"); i++)
		if (*argv[i] == '-' && isdigit(argv[i][1]))
			return need_max(argv[i], &max);
	status = parse_switches(argc, argv, "cEht", "create", &switches);
	if (!status)
		status = need_arguments(argc, argv, 2 - switches.here, 2 - switches.here);
	if (!status)
		status = need_max(argv[argc - 1], &max);
	if (!status)
		status = need_controller_or_try(&switches, &has);
	if (status || !has)
		return status;
	if (switches.here)
		status = cgroup_here(&cgroup);
	else if (switches.c)
		status = cgroup_find_or_make(argv[optind], &cgroup);
	else
		status = cgroup_find(argv[optind], &cgroup);
	if (!status)
		status = switches.c ? cgroup_enable_and_limit(cgroup, max) :
				      cgroup_limit(cgroup, max);
	free(cgroup);
	return status;
}
