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
#include "json.h"
#include "tracer.h"
#include "tree.h"

#define WANTED	(EVENTS | LOCAL_EVENTS)

/* New cgroups are found when something happens, or after this many ms. */
#define RESCAN	1000

static bool json;

/*
 * Of one cgroup, or of all in @cgroup. The controller of 2021 has only one file of events,
 * which is not hierarchical, and does not count failures.
 */
static void print_all(const struct cgroup *cgroup)
{
	const struct values *values = &cgroup->values;
	bool local = values->known & BIT(LOCAL_REFUSED);
	__u64 refused = values->of[local ? LOCAL_REFUSED : REFUSED];
	__u64 failed = values->of[LOCAL_FAILURES];
	const struct cgroup *child;
	char *name;

	if (json && (refused || failed)) {
		json_open(NULL, '{');
		name = format("/%s", cgroup->path);
		json_string("cgroup", name);
		free(name);
		json_number("max", refused);
		if (local)
			json_number("alloc_fail", failed);
		else
			json_null("alloc_fail");
		json_close('}');
	} else if (refused || failed) {
		name = printable(cgroup->path);
		printf("/%s max %llu alloc_fail ", name, refused);
		free(name);
		if (local)
			printf("%llu\n", failed);
		else
			printf("-\n");
	}
	for (child = cgroup->child; child; child = child->next)
		print_all(child);
}

static void print_json(time_t now, const char *path, bool gone, __u64 refused, __u64 failed)
{
	char date[32], *name = format("/%s", path);

	strftime(date, sizeof(date), "%FT%TZ", gmtime(&now));
	json_begin(true);
	json_open(NULL, '{');
	json_string("time", date);
	json_string("cgroup", name);
	json_bool("gone", gone);
	json_number("max", refused);
	json_number("alloc_fail", failed);
	json_close('}');
	json_end();
	free(name);
}

/* @gone: they happened in a cgroup below @path that is gone. */
static void print_new(const char *path, bool gone, __s64 refused, __s64 failed)
{
	time_t now = time(NULL);
	char clock[16], *name;

	refused = refused > 0 ? refused : 0;
	failed = failed > 0 ? failed : 0;
	if (!refused && !failed)
		return;
	if (json) {
		print_json(now, path, gone, refused, failed);
		return;
	}
	strftime(clock, sizeof(clock), "%T", localtime(&now));
	name = printable(path);
	printf("%s /%s%s max +%lld alloc_fail +%lld\n", clock, name, gone ? "/... (gone)" : "",
	       refused, failed);
	free(name);
}

/*
 * Finds the cgroup with this ID in a list that starts with @first. The path does not
 * identify it: a service that starts again has a new cgroup. Both lists usually have the
 * same order, so the search starts at @next, and moves it.
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

/* Events that were printed for a cgroup that is now gone, and that its parent had not counted. */
static void inherit(__s64 *surplus, const struct cgroup *gone)
{
	const struct cgroup *child;

	surplus[0] += gone->surplus[0];
	surplus[1] += gone->surplus[1];
	for (child = gone->child; child; child = child->next)
		inherit(surplus, child);
}

/*
 * Events of a cgroup that are neither its own nor of a child happened in a child that is
 * gone. A cgroup is read before its children, so the children can have counted an event
 * that the cgroup shows only in the next round. The surplus is the number of such events.
 */
static void print_changes(struct cgroup *cgroup, struct cgroup *old)
{
	static const struct cgroup none;
	const __u64 *then = old ? old->values.of : none.values.of, *now = cgroup->values.of;
	__s64 refused = now[LOCAL_REFUSED] - then[LOCAL_REFUSED];
	__s64 failed = now[LOCAL_FAILURES] - then[LOCAL_FAILURES];
	struct cgroup *children = old ? old->child : NULL, *next = NULL, *child, *before;
	__s64 *surplus = cgroup->surplus;
	int i;

	print_new(cgroup->path, false, refused, failed);
	surplus[0] = now[REFUSED] - then[REFUSED] - refused + (old ? old->surplus[0] : 0);
	surplus[1] = now[FAILURES] - then[FAILURES] - failed + (old ? old->surplus[1] : 0);
	for (child = cgroup->child; child; child = child->next) {
		before = find(children, &next, child->id);
		print_changes(child, before);
		then = before ? before->values.of : none.values.of;
		surplus[0] -= child->values.of[REFUSED] - then[REFUSED];
		surplus[1] -= child->values.of[FAILURES] - then[FAILURES];
	}
	for (child = children, next = NULL; child; child = child->next)
		if (!find(cgroup->child, &next, child->id))
			inherit(surplus, child);
	/* The root has no events of its own. */
	if (cgroup_is_root(cgroup->path))
		return;
	print_new(cgroup->path, true, surplus[0], surplus[1]);
	for (i = 0; i < 2; i++)
		if (surplus[i] > 0)
			surplus[i] = 0;
}

/* The cgroups whose events wake the command up: a watch, or -1, of each. */
struct watch {
	ino_t id;
	int descriptor;
};

struct watches {
	int notifier;		/* -1: none was to be had */
	struct watch *array;
	size_t count;
};

/*
 * A watch outlives its cgroup, and counts against a limit of the user. So the watches of the
 * last round are kept for the cgroups that still exist, and the others are removed.
 */
static void move_watch(struct watches *old, struct watches *new, const struct cgroup *cgroup)
{
	struct watch *watch;
	char *file;
	size_t i;

	new->array = grow(new->array, new->count + 1, sizeof(*new->array));
	watch = &new->array[new->count++];
	watch->id = cgroup->id;
	for (i = 0; i < old->count; i++) {
		if (old->array[i].id == cgroup->id && old->array[i].descriptor >= 0) {
			watch->descriptor = old->array[i].descriptor;
			old->array[i] = old->array[--old->count];
			return;
		}
	}
	file = format("%s/%s/ioasids.events", cgroup_root, cgroup->path);
	watch->descriptor = inotify_add_watch(new->notifier, file, IN_MODIFY);
	free(file);
}

static void update_watches(struct watches *watches, const struct cgroup *cgroup)
{
	struct watches new = { .notifier = watches->notifier };
	const struct cgroup *child;

	if (watches->notifier < 0)
		return;
	/* The events of a cgroup include those of its descendants. The root has none. */
	if (cgroup_is_root(cgroup->path))
		for (child = cgroup->child; child; child = child->next)
			move_watch(watches, &new, child);
	else
		move_watch(watches, &new, cgroup);
	while (watches->count)
		inotify_rm_watch(watches->notifier, watches->array[--watches->count].descriptor);
	free(watches->array);
	*watches = new;
}

/* Who was refused, if the caller may trace that */
static void print_refusal(const struct traced *traced, void *within)
{
	struct timespec time = time_of(traced->time);
	const char *path = cgroup_of_id(traced->cgroup);
	char clock[16], *name, *comm, *command, *words;

	if (*(char *)within && (!path || !cgroup_is_in(path, within)))
		return;
	strftime(clock, sizeof(clock), "%T", localtime(&time.tv_sec));
	name = name_of_id(traced->cgroup);
	comm = format("%.*s", (int)sizeof(traced->comm), traced->comm);
	command = printable(comm);
	words = refusal_in_words(traced);
	printf("%s %s %s[%d] %s\n", clock, name, command, traced->tgid, words);
	free(words);
	free(command);
	free(comm);
	free(name);
}

/* What the counters say is complete; lines with processes can be missing. */
static void read_refusals(struct tracer *tracer)
{
	static __u64 lost;
	__u64 now;

	tracer_read(tracer);
	now = tracer_lost(tracer);
	if (now != lost)
		warn("events: %llu lines with processes were lost", now - lost);
	lost = now;
}

/* Waits for events, but not long. False if nobody reads the output any more. */
static bool wait_for_events(int notifier, struct tracer *tracer)
{
	struct pollfd both[] = {
		{ .fd = notifier, .events = POLLIN },
		{ .fd = STDOUT_FILENO },
	};
	char ignored[4096];

	if (poll(both, 2, RESCAN) > 0 && both[1].revents & (POLLERR | POLLHUP | POLLNVAL))
		return false;
	while (notifier >= 0 && read(notifier, ignored, sizeof(ignored)) > 0)
		;
	if (tracer)
		read_refusals(tracer);
	return !ferror(stdout);
}

/* Whether the kernel counts events of single cgroups; the controller of 2021 does not. */
static bool has_local_events(const struct cgroup *cgroup)
{
	if (cgroup_is_root(cgroup->path))
		return !cgroup->child || has_local_events(cgroup->child);
	return cgroup->values.known & BIT(LOCAL_REFUSED);
}

static int follow(char *path)
{
	struct cgroup *old, *cgroup;
	struct tracer *tracer = NULL;
	struct watches watches = { };
	int status;

	status = read_tree(path, WANTED, &old);
	if (status)
		return status;
	if (!has_local_events(old)) {
		free_tree(old);
		return fail(FAILED, "events -f: this kernel has no ioasids.events.local");
	}
	setlinebuf(stdout);
	/* Without one the cgroups are looked at once a second. */
	watches.notifier = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (!json && tracer_open(&tracer, BIT(ON_REFUSED), 0, print_refusal, path))
		free(take_message());
	update_watches(&watches, old);
	while (wait_for_events(watches.notifier, tracer)) {
		status = read_tree(path, WANTED, &cgroup);
		if (status)
			break;
		print_changes(cgroup, cgroup->id == old->id ? old : NULL);
		update_watches(&watches, cgroup);
		free_tree(old);
		old = cgroup;
	}
	free_tree(old);
	tracer_close(tracer);
	free(watches.array);
	if (watches.notifier >= 0)
		close(watches.notifier);
	return status;
}

static int print_events(const char *path)
{
	struct cgroup *tree;
	int status = read_tree(path, WANTED, &tree);

	if (status)
		return status;
	if (json)
		json_begin_list("events");
	print_all(tree);
	if (json)
		json_end_list();
	free_tree(tree);
	return 0;
}

int command_events(int argc, char **argv)
{
	static const struct option options[] = {
		{ "follow", no_argument, NULL, 'f' },
		{ "help", no_argument, NULL, 'h' },
		{ "json", no_argument, NULL, 'J' },
		{ }
	};
	bool following = false;
	int option, status;
	char *path;

	while ((option = getopt_long(argc, argv, "fhJ", options, NULL)) != -1) {
		switch (option) {
		case 'f':
			following = true;
			break;
		case 'J':
			json = true;
			break;
		default:
			return other_option(option);
		}
	}
	status = need_subtree(argc, argv, &path);
	if (status)
		return status;
	status = following ? follow(path) : print_events(path);
	free(path);
	return status;
}
