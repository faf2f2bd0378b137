// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cdi.h"
#include "check.h"
#include "ioasidctl.h"
#include "json.h"
#include "limits.h"
#include "names.h"
#include "tree.h"
#include "units.h"

static bool wrong;
static bool json;

void tell(const char *verdict, const char *fact, const char *advice)
{
	wrong |= strcmp(verdict, "ok") != 0;
	if (json) {
		json_open(NULL, '{');
		json_string("verdict", verdict);
		json_string("fact", fact);
		json_string("advice", advice);
		json_close('}');
		return;
	}
	printf("%s: ", verdict);
	put_printable(stdout, fact);
	if (advice) {
		printf(": ");
		put_printable(stdout, advice);
	}
	putchar('\n');
}

bool expect(bool so, const char *fact, const char *opposite, const char *advice)
{
	if (so)
		tell("ok", fact, NULL);
	else
		tell("WRONG", opposite, advice);
	return so;
}

bool exists(const char *path)
{
	return !access(path, F_OK);
}

static bool file_has(const char *path, const char *text)
{
	char *content = read_all(AT_FDCWD, path);
	bool has = content && strstr(content, text);

	free(content);
	return has;
}

/* The number of the hierarchy that has the controller: 0 is v2. -1 if there is none. */
static int hierarchy_of_controller(void)
{
	char *text = read_all(AT_FDCWD, "/proc/cgroups");
	char *line = text ? strstr(text, "\nioasids\t") : NULL;
	int hierarchy = -1;

	if (line)
		sscanf(line, " ioasids %d", &hierarchy);
	free(text);
	return hierarchy;
}

static const char *why_no_controller(void)
{
	int hierarchy = hierarchy_of_controller();

	if (file_has("/proc/cmdline", "cgroup_disable=ioasids"))
		return "cgroup_disable=ioasids is on the kernel's command line";
	if (hierarchy > 0)
		return "a cgroup v1 mount has it: unmount that";
	if (!hierarchy)
		return "this cgroup namespace does not have it: switch it on from outside";
	return "the kernel was built without CGROUP_IOASIDS, or is older";
}

static int check_kernel(void)
{
	if (!kernel_has_controller()) {
		tell("MISSING", "the controller ioasids", why_no_controller());
		return NO_CONTROLLER;
	}
	tell("ok", "the kernel has the controller", NULL);
	if (cgroup_is_of_2021("") || cgroup_is_of_2021("system.slice"))
		tell("MISSING", "ioasids.capacity, peak, stat and events.local",
		     "the kernel has the controller that was posted in 2021, which can only limit and count");
	if (exists(DEVICE))
		tell("ok", DEVICE " exists", NULL);
	else
		tell("MISSING", DEVICE, "the kernel was built without IOASID_USER");
	return 0;
}

/* Whether the controller is on for units below @cgroup. */
static void check_passes_on(const char *cgroup)
{
	char *fact, *opposite, *advice;

	if (!cgroup_exists(cgroup))
		return;
	fact = format("the controller is on below /%s", cgroup);
	opposite = format("the controller is off below /%s", cgroup);
	advice = format("'ioasidctl enable -c /%s' does it now, %s", cgroup,
			"ioasids-enable.service when the machine starts");
	expect(cgroup_passes_on(cgroup), fact, opposite, advice);
	free(fact);
	free(opposite);
	free(advice);
}

static void wrong_limit(const char *unit, const char *message)
{
	(void)unit;
	tell("WRONG", message, "this is ignored");
}

static void check_unit(const struct unit *unit, const struct limit *limit)
{
	char *file = format("%s/ioasids.max", unit->cgroup), *fact, *opposite;
	char text[32] = "", *wanted;
	__u64 max = 0;

	if (read_file(root_fd, file, text, sizeof(text)) < 0)
		snprintf(text, sizeof(text), "not there");
	text[strcspn(text, "\n")] = '\0';
	wanted = format_max(limit->max);
	fact = format("the limit of %s is %s, as %s says", unit->name, wanted, limit->file);
	opposite = format("the limit of %s is %s, and should be %s, as %s says", unit->name, text,
			  wanted, limit->file);
	expect(parse_max(text, &max) && max == limit->max, fact, opposite,
	       "'ioasidctl apply' sets it");
	free(opposite);
	free(fact);
	free(wanted);
	free(file);
}

static int check_limits(bool only_files)
{
	struct limit *limits;
	size_t count = read_limits(&limits, wrong_limit), found, i, j;
	struct unit *units;
	int status = 0;

	for (i = 0; i < count && !status && !only_files; i++) {
		status = find_limited(limits, count, i, &units, &found);
		for (j = 0; j < found; j++)
			check_unit(&units[j], &limits[i]);
		free_units(units, found);
	}
	free_limits(limits, count);
	return status;
}

/* A container that crun has put below its scope, which does not pass the controller on. */
static void check_containers(const struct cgroup *cgroup)
{
	const struct cgroup *child;
	char *inner, *fact, *opposite, *advice;

	for (child = cgroup->child; child; child = child->next) {
		check_containers(child);
		inner = format("%s/container", child->path);
		if (strstr(child->name, ".scope") && cgroup_exists(inner)) {
			fact = format("the container in /%s has the controller", child->path);
			opposite = format("the container in /%s does not have the controller",
					  child->path);
			advice = format("crun made a cgroup below for it; %s /%s MAX' limits it",
					"'ioasidctl set", child->path);
			expect(cgroup_has_controller(inner), fact, opposite, advice);
			free(advice);
			free(opposite);
			free(fact);
		}
		free(inner);
	}
}

static int check_machine(void)
{
	struct cgroup *tree;
	int status;

	status = check_kernel();
	if (status)
		return status;
	check_passes_on("");
	check_passes_on("system.slice");
	check_passes_on("user.slice");
	check_passes_on("machine.slice");
	status = check_limits(false);
	check_engines();
	if (!status)
		status = read_tree("", 0, &tree);
	if (status)
		return status;
	check_containers(tree);
	free_tree(tree);
	return wrong ? FAILED : 0;
}

int command_check(int argc, char **argv)
{
	static const struct option options[] = {
		{ "files", no_argument, NULL, 'f' },
		{ "help", no_argument, NULL, 'h' },
		{ "json", no_argument, NULL, 'J' },
		{ }
	};
	bool only_files = false;
	int option, status;

	while ((option = getopt_long(argc, argv, "fhJ", options, NULL)) != -1) {
		switch (option) {
		case 'f':
			only_files = true;
			break;
		case 'J':
			json = true;
			break;
		default:
			return other_option(option);
		}
	}
	status = need_arguments(argc, argv, 0, 0);
	if (!status && !only_files)
		status = open_root();
	if (status)
		return status;
	if (json)
		json_begin_list("checks");
	if (only_files) {
		check_limits(true);
		status = wrong ? FAILED : 0;
	} else {
		status = check_machine();
	}
	if (json)
		json_end_list();
	return status;
}
