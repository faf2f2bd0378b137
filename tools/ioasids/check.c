// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include <fcntl.h>
#include <getopt.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ioasidctl.h"
#include "limits.h"
#include "names.h"
#include "tree.h"
#include "units.h"

#define DEVICE		"/dev/ioasid"
#define SUBGROUP	"run.oci.systemd.subgroup="

static bool wrong;

/* Says whether what @claim says is so, and if not, @why and what to do. */
static bool expect(bool so, const char *claim, const char *why)
{
	printf("%s: ", so ? "ok" : "WRONG");
	put_printable(stdout, claim);
	if (!so) {
		printf(": ");
		put_printable(stdout, why);
	}
	putchar('\n');
	wrong |= !so;
	return so;
}

static bool exists(const char *path)
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

static int check_kernel(void)
{
	const char *why = "it was built without CGROUP_IOASIDS, or is older";
	int hierarchy = hierarchy_of_controller();

	if (!kernel_has_controller()) {
		if (file_has("/proc/cmdline", "cgroup_disable=ioasids"))
			why = "cgroup_disable=ioasids is on its command line";
		else if (hierarchy > 0)
			why = "a cgroup v1 mount has it: unmount that";
		else if (!hierarchy)
			why = "this cgroup namespace has not got it: switch it on from outside";
	}
	if (!expect(kernel_has_controller(), "the kernel has the controller", why))
		return NO_CONTROLLER;
	expect(exists(DEVICE), DEVICE " exists", "the kernel was built without IOASID_USER");
	return 0;
}

/* Whether those that start units in @cgroup can limit them. */
static void check_passes_on(const char *cgroup)
{
	char *claim = format("the controller is on below /%s", cgroup);
	char *why = format("'ioasidctl enable -c /%s' does it now, %s", cgroup,
			   "ioasids-enable.service when the machine starts");

	if (cgroup_exists(cgroup))
		expect(cgroup_passes_on(cgroup), claim, why);
	free(claim);
	free(why);
}

static void wrong_limit(const char *message)
{
	expect(false, message, "this is ignored");
}

static void check_unit(const struct unit *unit, const struct limit *limit)
{
	char *file = format("%s/ioasids.max", unit->cgroup), *claim, *why;
	char text[32] = "";
	__u64 max = 0;

	if (read_file(root_fd, file, text, sizeof(text)) < 0)
		snprintf(text, sizeof(text), "not there");
	text[strcspn(text, "\n")] = '\0';
	if (limit->max == NO_LIMIT)
		claim = format("%s has no limit, as %s says", unit->name, limit->file);
	else
		claim = format("%s is limited to %llu, as %s says", unit->name, limit->max,
			       limit->file);
	why = format("it is %s; 'ioasidctl apply' makes it so", text);
	expect(parse_max(text, &max) && max == limit->max, claim, why);
	free(why);
	free(claim);
	free(file);
}

static int check_limits(void)
{
	struct limit *limits;
	size_t count = read_limits(&limits, wrong_limit), found, i, j;
	struct unit *units;
	int status = 0;

	for (i = 0; i < count && !status; i++) {
		status = find_units(limits[i].unit, &units, &found);
		for (j = 0; j < found; j++)
			if (limit_of(units[j].name, limits, count) == &limits[i])
				check_unit(&units[j], &limits[i]);
		free_units(units, found);
	}
	free_limits(limits, count);
	return status;
}

/* Of several lists the last one counts, and it can have many lines. */
static void read_annotations(const char *path, bool *told)
{
	char *text = read_all(AT_FDCWD, path), *rest = text, *line;

	while ((line = strsep(&rest, "\n"))) {
		line += strspn(line, " \t");
		if (*line == '#')
			continue;
		if (!strncmp(line, "annotations", strlen("annotations")))
			*told = false;
		if (strstr(line, SUBGROUP))
			*told = true;
	}
	free(text);
}

/* What crun and podman, which know nothing of the controller, must be told. */
static void check_crun(void)
{
	bool told = false;
	glob_t files;
	size_t i;

	if (!exists("/usr/bin/crun") || !exists("/usr/bin/podman"))
		return;
	read_annotations("/etc/containers/containers.conf", &told);
	if (!glob("/etc/containers/containers.conf.d/*.conf", 0, NULL, &files)) {
		for (i = 0; i < files.gl_pathc; i++)
			read_annotations(files.gl_pathv[i], &told);
		globfree(&files);
	}
	expect(told, "podman has crun put containers where --cgroup-conf can limit them",
	       "annotations=[] of [containers] in /etc/containers/containers.conf should have \""
	       SUBGROUP "\"");
}

/* A container that crun has put below its scope, which does not pass the controller on. */
static void check_containers(const struct cgroup *cgroup)
{
	const struct cgroup *child;
	char *inner, *claim, *why;

	for (child = cgroup->child; child; child = child->next) {
		check_containers(child);
		inner = format("%s/container", child->path);
		if (strstr(child->name, ".scope") && cgroup_exists(inner)) {
			claim = format("the container in /%s has the controller", child->path);
			why = format("crun made a cgroup in it that has not; %s /%s MAX'",
				     "what limits it all the same is 'ioasidctl set",
				     child->path);
			expect(cgroup_has_controller(inner), claim, why);
			free(why);
			free(claim);
		}
		free(inner);
	}
}

int command_check(int argc, char **argv)
{
	struct cgroup *tree;
	int status;

	if (getopt_long(argc, argv, "", &(struct option){ }, NULL) != -1)
		return BAD_USAGE;
	status = need_arguments(argc, argv, 0, 0);
	if (!status)
		status = open_root();
	if (!status)
		status = check_kernel();
	if (status)
		return status;
	check_passes_on("");
	check_passes_on("system.slice");
	check_passes_on("user.slice");
	check_passes_on("machine.slice");
	status = check_limits();
	check_crun();
	if (!status)
		status = read_tree("", 0, &tree);
	if (status)
		return status;
	check_containers(tree);
	free_tree(tree);
	return wrong ? FAILED : 0;
}
