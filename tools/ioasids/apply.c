// SPDX-License-Identifier: GPL-2.0
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "bus.h"
#include "cgroup.h"
#include "ioasidctl.h"
#include "limits.h"
#include "names.h"
#include "units.h"

static bool failed;

static void wrong_limit(const char *unit, const char *message)
{
	(void)unit;
	warn("%s", message);
	failed = true;
}

/* An error with one unit is reported, and the others get their limits. */
static void limit_unit(const struct unit *unit, __u64 max)
{
	int status = cgroup_enable_and_limit(unit->cgroup, max);

	if (!status)
		return;
	report();
	/* A unit that has ended meanwhile needs no limit. */
	failed |= status != NOT_FOUND;
}

/* Limits the units that exist. */
static void limit_units(const struct limit *limits, size_t count)
{
	struct unit *units;
	size_t found, i, j;

	for (i = 0; i < count; i++) {
		if (find_limited(limits, count, i, &units, &found)) {
			report();
			failed = true;
		} else if (!found && limits[i].unit) {
			printf("%s has no cgroup now: limited when it starts\n", limits[i].unit);
		} else if (!found) {
			putchar('/');
			put_printable(stdout, limits[i].cgroup);
			printf(" does not exist: not limited\n");
		}
		for (j = 0; j < found; j++)
			limit_unit(&units[j], limits[i].max);
		free_units(units, found);
	}
}

/* Makes the cgroup of a slice that is about to start, and limits it if it has a limit. */
static int prepare_slice(const char *slice, const struct limit *limits, size_t count)
{
	const struct limit *limit = limit_of(slice, limits, count);
	char *cgroup;
	int status;

	status = cgroup_find_or_make(slice, &cgroup);
	if (!status)
		status = cgroup_switch_on(cgroup);
	if (!status && limit)
		status = cgroup_limit(cgroup, limit->max);
	free(cgroup);
	return status;
}

/* systemd runs the generator again, for units that start later; those that run are limited here. */
int command_apply(int argc, char **argv)
{
	struct switches switches = { };
	struct limit *limits;
	size_t count;
	int status;
	bool has;

	status = parse_switches(argc, argv, "ht", NULL, &switches);
	if (!status)
		status = need_arguments(argc, argv, 0, 1);
	if (!status && optind < argc && !is_slice(argv[optind]))
		status = fail(BAD_USAGE, "apply: '%s' should be a slice, or nothing", argv[optind]);
	if (!status)
		status = need_controller_or_try(&switches, &has);
	if (status || !has)
		return status;
	count = read_limits(&limits, wrong_limit);
	if (optind < argc) {
		status = prepare_slice(argv[optind], limits, count);
	} else {
		/* Units that run can be limited even if systemd cannot reload. */
		if (bus_reload()) {
			report();
			failed = true;
		}
		limit_units(limits, count);
		if (failed)
			status = FAILED;
	}
	free_limits(limits, count);
	return status;
}
