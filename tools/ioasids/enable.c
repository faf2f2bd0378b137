// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "cgroup.h"
#include "ioasidctl.h"
#include "names.h"

static int enable(const char *cgroup, bool children)
{
	int status = cgroup_switch_on(cgroup);

	if (!status && children)
		status = cgroup_pass_on(cgroup);
	return status;
}

int command_enable(int argc, char **argv)
{
	struct switches switches = { };
	char *cgroup = NULL;
	int i, status, result;
	bool has;

	status = parse_switches(argc, argv, "cEht", "children", &switches);
	if (!status)
		status = need_arguments(argc, argv, !switches.here, switches.here ? 0 : argc);
	if (!status)
		status = need_controller_or_try(&switches, &has);
	if (status || !has)
		return status;
	if (switches.here) {
		status = cgroup_here(&cgroup);
		if (!status)
			status = enable(cgroup, switches.c);
		free(cgroup);
	}
	/* One that fails does not keep the others from it. */
	for (i = optind; i < argc; i++) {
		result = cgroup_find(argv[i], &cgroup);
		if (!result)
			result = enable(cgroup, switches.c);
		free(cgroup);
		report();
		status = status ?: result;
	}
	return status;
}

/* Switches the controller off for the children of @cgroup. */
static int disable_below(const char *cgroup)
{
	int error = write_file(cgroup, "cgroup.subtree_control", "-ioasids");

	if (error == EBUSY)
		return fail(FAILED,
			    "a child of /%s has it switched on for its own children: switch it off there first",
			    cgroup);
	if (error)
		return fail(FAILED, "cannot write -ioasids to %s/%s%scgroup.subtree_control: %s",
			    cgroup_root, cgroup, *cgroup ? "/" : "", strerror(error));
	return 0;
}

int command_disable(int argc, char **argv)
{
	struct switches switches = { };
	char *cgroup = NULL, *above;
	int status;

	status = parse_switches(argc, argv, "ch", "children", &switches);
	if (!status)
		status = need_arguments(argc, argv, 1, 1);
	if (!status)
		status = need_controller();
	if (!status)
		status = cgroup_find(argv[optind], &cgroup);
	if (status)
		return status;
	if (!switches.c && !*cgroup) {
		status = fail(FAILED,
			      "the controller cannot be off in the root; --children is for those below");
	} else {
		above = switches.c ? format("%s", cgroup) : cgroup_parent(cgroup);
		status = disable_below(above);
		free(above);
	}
	free(cgroup);
	return status;
}
