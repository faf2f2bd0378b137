// SPDX-License-Identifier: GPL-2.0
#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <time.h>
#include <unistd.h>

#include "ioasidctl.h"
#include "tree.h"

/* In which order they are read matters: see tell_changes(). */
#define WANTED	(EVENTS | LOCAL_EVENTS)

/* New cgroups are found when something happens, or after so many ms. */
#define RESCAN	1000

static void tell_all(const struct cgroup *cgroup)
{
	const __u64 *values = cgroup->values;
	const struct cgroup *child;
	char *name;

	if (values[LOCAL_REFUSED] || values[LOCAL_FAILURES]) {
		name = printable(cgroup->path, false);
		printf("/%s max %llu alloc_fail %llu\n", name,
		       values[LOCAL_REFUSED], values[LOCAL_FAILURES]);
		free(name);
	}
	for (child = cgroup->child; child; child = child->next)
		tell_all(child);
}

static void tell_one(const char *path, const char *which, __s64 refused, __s64 failed)
{
	time_t now = time(NULL);
	char clock[16], *name;

	if (refused <= 0 && failed <= 0)
		return;
	strftime(clock, sizeof(clock), "%T", localtime(&now));
	name = printable(path, false);
	printf("%s /%s%s max +%lld alloc_fail +%lld\n", clock, name, which,
	       refused > 0 ? refused : 0, failed > 0 ? failed : 0);
	free(name);
}

/*
 * Which of those from @first on has that ID; not the path, where a service that starts
 * again has a new cgroup. Two looks find the same order, so @next is often the one.
 */
static struct cgroup *find(struct cgroup *first, struct cgroup **next, ino_t id)
{
	struct cgroup *start = *next ? *next : first, *cgroup = start;

	while (cgroup && cgroup->id != id) {
		cgroup = cgroup->next ? cgroup->next : first;
		if (cgroup == start)
			return NULL;
	}
	*next = cgroup ? cgroup->next : NULL;
	return cgroup;
}

/* What has been told of a cgroup that has gone, and is not yet known above it. */
static void inherit(__s64 *surplus, const struct cgroup *gone)
{
	const struct cgroup *child;

	surplus[0] += gone->surplus[0];
	surplus[1] += gone->surplus[1];
	for (child = gone->child; child; child = child->next)
		inherit(surplus, child);
}

/*
 * What is new in a cgroup and neither its own nor a child's is of a cgroup that has
 * gone meanwhile. A cgroup is read before its children, so they may already know of
 * something that it is told only the next time: that is the surplus.
 */
static void tell_changes(struct cgroup *cgroup, struct cgroup *old)
{
	static const struct cgroup none;
	const __u64 *then = old ? old->values : none.values, *now = cgroup->values;
	__s64 refused = now[LOCAL_REFUSED] - then[LOCAL_REFUSED];
	__s64 failed = now[LOCAL_FAILURES] - then[LOCAL_FAILURES];
	struct cgroup *children = old ? old->child : NULL, *next = NULL, *child, *before;
	__s64 *surplus = cgroup->surplus;

	tell_one(cgroup->path, "", refused, failed);
	surplus[0] = now[REFUSED] - then[REFUSED] - refused + (old ? old->surplus[0] : 0);
	surplus[1] = now[FAILURES] - then[FAILURES] - failed + (old ? old->surplus[1] : 0);
	for (child = cgroup->child; child; child = child->next) {
		before = find(children, &next, child->id);
		tell_changes(child, before);
		surplus[0] -= child->values[REFUSED] - (before ? before->values[REFUSED] : 0);
		surplus[1] -= child->values[FAILURES] - (before ? before->values[FAILURES] : 0);
	}
	for (child = children, next = NULL; child; child = child->next)
		if (!find(cgroup->child, &next, child->id))
			inherit(surplus, child);
	/* The root has no events of its own. */
	if (cgroup_is_root(cgroup->path))
		return;
	tell_one(cgroup->path, "/... (gone)", surplus[0], surplus[1]);
	for (int i = 0; i < 2; i++)
		if (surplus[i] > 0)
			surplus[i] = 0;
}

static void watch(int notifier, const struct cgroup *cgroup)
{
	const struct cgroup *child;
	char *file;

	if (cgroup_is_root(cgroup->path)) {
		for (child = cgroup->child; child; child = child->next)
			watch(notifier, child);
		return;
	}
	/* It tells of all below, too. To add what is watched already does nothing. */
	file = format("%s/%s/ioasids.events", cgroup_root, cgroup->path);
	inotify_add_watch(notifier, file, IN_MODIFY);
	free(file);
}

static int follow(const char *path)
{
	struct pollfd notifier = { .events = POLLIN };
	struct cgroup *old, *cgroup;
	char ignored[4096];
	int status;

	status = read_tree(path, WANTED, &old);
	if (status)
		return status;
	notifier.fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (notifier.fd < 0) {
		free_tree(old);
		return fail(FAILED, "events: no inotify");
	}
	setlinebuf(stdout);
	while (true) {
		watch(notifier.fd, old);
		poll(&notifier, 1, RESCAN);
		while (read(notifier.fd, ignored, sizeof(ignored)) > 0)
			;
		status = read_tree(path, WANTED, &cgroup);
		if (status)
			break;
		tell_changes(cgroup, cgroup->id == old->id ? old : NULL);
		free_tree(old);
		old = cgroup;
		if (ferror(stdout))
			break;
	}
	free_tree(old);
	close(notifier.fd);
	return status;
}

int command_events(int argc, char **argv)
{
	static const struct option options[] = {
		{ "follow", no_argument, NULL, 'f' },
		{ }
	};
	bool following = false;
	struct cgroup *tree;
	int option, status;
	char *path;

	while ((option = getopt_long(argc, argv, "f", options, NULL)) != -1) {
		if (option != 'f')
			return BAD_USAGE;
		following = true;
	}
	status = need_subtree(argc, argv, &path);
	if (status)
		return status;
	if (following) {
		status = follow(path);
	} else {
		status = read_tree(path, WANTED, &tree);
		if (!status) {
			tell_all(tree);
			free_tree(tree);
		}
	}
	free(path);
	return status;
}
