// SPDX-License-Identifier: GPL-2.0
/*
 * The record of refusals: an instance of tracefs, in which only the tracepoint ioasid_refused
 * is on. Its buffer has a fixed size, and no process must run for it. It needs no BPF. Another
 * instance has the names of cgroups that were removed: the name of a cgroup can have any text,
 * that of another event included, and must not be read as a refusal.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cgroup.h"
#include "ioasidctl.h"
#include "json.h"
#include "names.h"
#include "table.h"
#include "tracer.h"

#define REFUSALS	"ioasids"
#define REMOVALS	"ioasids-removals"

#define USUAL_KIB	64
#define MOST_KIB	0x100000
#define MOST_SECONDS	(366 * 86400)

static char *path_of(const char *instance, const char *file)
{
	return format(TRACEFS "/instances/%s%s", instance, file);
}

/* 0 or errno */
static int put(const char *instance, const char *file, const char *text)
{
	char *path = path_of(instance, file);
	int fd = open(path, O_WRONLY | O_CLOEXEC), error = 0;

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		error = errno;
	if (fd >= 0)
		close(fd);
	free(path);
	return error;
}

static int no_tracefs(int error)
{
	if (error == EACCES || error == EPERM)
		return fail(NO_TRACING, "cannot trace: only root may use " TRACEFS);
	return fail(NO_TRACING,
		    "cannot trace: no %s/events/ioasid: it is not mounted, or this kernel does not have them",
		    TRACEFS);
}

/* A record that there is already goes on; @kib: 0: unchanged, or the usual size. */
static int begin_instance(const char *instance, const char *event, const char *filter, __u64 kib)
{
	char *path = path_of(instance, ""), *size, *file;
	bool new = !mkdir(path, 0700);
	int error = new || errno == EEXIST ? 0 : errno;

	/* A clock that all CPUs share, and that the time of day can be told from */
	if (!error && new)
		error = put(instance, "/trace_clock", "mono");
	if (!error && (new || kib)) {
		size = format("%llu", kib ? kib : USUAL_KIB);
		error = put(instance, "/buffer_size_kb", size);
		free(size);
	}
	file = format("/events/%s/filter", event);
	if (!error)
		error = put(instance, file, filter);
	free(file);
	file = format("/events/%s/enable", event);
	if (!error)
		error = put(instance, file, "1");
	free(file);
	if (error)
		fail(FAILED, "record: %s: %s", path, strerror(error));
	free(path);
	return error ? FAILED : 0;
}

static int end_instance(const char *instance)
{
	char *path = path_of(instance, "");
	int status = 0;

	put(instance, "/events/enable", "0");
	if (rmdir(path) && errno != ENOENT)
		status = errno == EACCES ? no_tracefs(errno) :
					   fail(FAILED, "record: %s: %s", path, strerror(errno));
	free(path);
	return status;
}

static int begin_record(__u64 kib)
{
	if (access(TRACEFS "/events/ioasid/ioasid_refused", F_OK))
		return no_tracefs(errno);
	/* Only the hierarchy of cgroup v2 has the number 0. */
	return begin_instance(REMOVALS, "cgroup/cgroup_rmdir", "root == 0", kib) ?:
	       begin_instance(REFUSALS, "ioasid/ioasid_refused", "0", kib);
}

static int end_record(void)
{
	return end_instance(REFUSALS) ?: end_instance(REMOVALS);
}

int command_record(int argc, char **argv)
{
	static const struct option options[] = {
		{ "help", no_argument, NULL, 'h' },
		{ "kib", required_argument, NULL, 'k' },
		{ "stop", no_argument, NULL, 's' },
		{ }
	};
	int option, status = 0;
	bool stop = false;
	__u64 kib = 0;

	while (!status && (option = getopt_long(argc, argv, "hk:s", options, NULL)) != -1) {
		switch (option) {
		case 'k':
			if (!parse_number(optarg, &kib) || !kib || kib > MOST_KIB)
				status = fail(BAD_USAGE, "record: '%s' is no size: 1 to %d KiB",
					      optarg, MOST_KIB);
			break;
		case 's':
			stop = true;
			break;
		default:
			return other_option(option);
		}
	}
	if (!status)
		status = need_arguments(argc, argv, 0, 0);
	if (!status)
		status = stop ? end_record() : begin_record(kib);
	return status;
}

/* Requests of one process in one cgroup, all refused by the same limit. */
struct refused {
	__u64 cgroup;
	__u64 pid;
	char *command;
	__u64 requests;
	__u64 asked;		/* by the last of them */
	__u64 used;
	__u64 max;
	__u64 last;		/* CLOCK_MONOTONIC, in ns */
};

static struct refused *refused;
static size_t count;

static __u64 field(const char *line, const char *name)
{
	const char *at = strstr(line, name);

	return at ? strtoull(at + strlen(name), NULL, 10) : 0;
}

/* The time stands before the name of the event, as seconds with six decimals. */
static __u64 time_before(const char *line, const char *event)
{
	const char *at = event;
	__u64 seconds;
	char *point;

	while (at > line && at[-1] != ' ')
		at--;
	seconds = strtoull(at, &point, 10);
	return *point == '.' ? seconds * 1000000000 + strtoull(point + 1, NULL, 10) * 1000 : 0;
}

/*
 * One line of the record. The name of a command can have any characters, but is too short
 * to look like the name of an event, and the last field.
 */
static void read_line(char *line, __u64 limit, bool machine, __u64 since, __u64 *oldest)
{
	static const char name[] = ": ioasid_refused: ";
	const char *event = strstr(line, name), *comm;
	struct refused *one;
	__u64 time;
	size_t i;

	comm = event ? strstr(event, " comm=") : NULL;
	if (!comm)
		return;
	comm += strlen(" comm=");
	time = time_before(line, event);
	if (!*oldest || time < *oldest)
		*oldest = time;
	if (time < since)
		return;
	if (machine ? !strstr(event, " by=capacity ") : field(event, " limit=") != limit)
		return;
	for (i = 0; i < count; i++)
		if (refused[i].pid == field(event, " tgid=") &&
		    refused[i].cgroup == field(event, " cgroup=") &&
		    !strcmp(refused[i].command, comm))
			break;
	if (i == count) {
		refused = grow(refused, count + 1, sizeof(*refused));
		refused[count++] = (struct refused) {
			.cgroup = field(event, " cgroup="),
			.pid = field(event, " tgid="),
			.command = format("%s", comm),
		};
	}
	one = &refused[i];
	one->requests++;
	if (time >= one->last) {
		one->last = time;
		one->asked = field(event, " asked=");
		one->used = field(event, " used=");
		one->max = field(event, " max=");
	}
}

/* A line of the record of removals: "... id=ID level=N path=PATH" */
static void read_removal(const char *line)
{
	static const char name[] = ": cgroup_rmdir: ";
	const char *event = strstr(line, name), *path;
	size_t i;

	path = event ? strstr(event, " path=/") : NULL;
	if (!path)
		return;
	for (i = 0; i < count; i++)
		if (refused[i].cgroup == field(event, " id="))
			break;
	if (i < count)
		remember_cgroup(refused[i].cgroup, path + strlen(" path=/"));
}

/* "# entries-in-buffer/entries-written: 12/34" */
static bool has_overrun(const char *text)
{
	static const char name[] = "entries-in-buffer/entries-written: ";
	const char *at = strstr(text, name);
	__u64 in;
	char *slash;

	if (!at)
		return false;
	in = strtoull(at + strlen(name), &slash, 10);
	return *slash == '/' && strtoull(slash + 1, NULL, 10) > in;
}

static __u64 monotonic(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

static int compare(const void *a, const void *b)
{
	const struct refused *left = a, *right = b;

	return (left->last < right->last) - (left->last > right->last);
}

static char *clock_text(__u64 time, bool utc)
{
	struct timespec real = time_of(time);
	char text[40];

	if (utc)
		strftime(text, sizeof(text), "%FT%TZ", gmtime(&real.tv_sec));
	else
		strftime(text, sizeof(text), "%T", localtime(&real.tv_sec));
	return format("%s", text);
}

static void read_removals(void)
{
	char *path = path_of(REMOVALS, "/trace");
	char *text = read_all(AT_FDCWD, path), *rest = text, *line;

	while ((line = strsep(&rest, "\n")))
		read_removal(line);
	free(text);
	free(path);
}

/* Reading the record does not empty it. */
static int read_record(__u64 limit, bool machine, __u64 seconds)
{
	__u64 now = monotonic(), since = now - seconds * 1000000000, oldest = 0;
	char *path = path_of(REFUSALS, "/trace"), *text, *rest, *line, *begin;
	bool overrun;

	if (seconds * 1000000000 > now)
		since = 0;
	text = read_all(AT_FDCWD, path);
	free(path);
	if (!text && errno == EACCES)
		return no_tracefs(errno);
	if (!text)
		return fail(NO_TRACING,
			    "cannot trace: nothing is recorded: 'ioasidctl record' or ioasids-record.service begins");
	overrun = has_overrun(text);
	rest = text;
	while ((line = strsep(&rest, "\n")))
		read_line(line, limit, machine, since, &oldest);
	free(text);
	if (overrun && oldest > since) {
		begin = clock_text(oldest, false);
		warn("why: those before %s did not fit into the record; see 'record --kib'",
		     begin);
		free(begin);
	}
	if (count)
		qsort(refused, count, sizeof(*refused), compare);
	read_removals();
	return 0;
}

static void free_record(void)
{
	while (count)
		free(refused[--count].command);
	free(refused);
	refused = NULL;
}

enum {
	LAST_COLUMN,
	REQUESTS_COLUMN,
	ASKED_COLUMN,
	FULL_COLUMN,
	PID_COLUMN,
	COMMAND_COLUMN,
	CGROUP_COLUMN,
	WHY_COLUMNS
};

static const struct column array[] = {
	[LAST_COLUMN] = { "LAST", "when the last of the requests was refused" },
	[REQUESTS_COLUMN] = { "REFUSED", "how many requests were refused", 0, RIGHT },
	[ASKED_COLUMN] = { "ASKED", "how many IDs the last one asked for", 0, RIGHT },
	[FULL_COLUMN] = { "FULL", "how many of how many were in use then", 0, RIGHT },
	[PID_COLUMN] = { "PID", "the process that asked", 0, RIGHT },
	[COMMAND_COLUMN] = { "COMMAND", "its name" },
	[CGROUP_COLUMN] = { "CGROUP", "the cgroup that would have paid", 0, CUT },
};

static const struct columns why_columns = { array, WHY_COLUMNS };

static int print_refused(void)
{
	static const int all[] = {
		LAST_COLUMN, REQUESTS_COLUMN, ASKED_COLUMN, FULL_COLUMN, PID_COLUMN,
		COMMAND_COLUMN, CGROUP_COLUMN,
	};
	struct selection selection;
	struct grid grid;
	size_t i, row;

	select_default(&selection, &why_columns, all, WHY_COLUMNS, LAST_COLUMN);
	selection.list = true;
	grid_init(&grid, &selection);
	for (i = 0; i < count; i++) {
		row = grid_add(&grid, -1);
		grid_set(&grid, row, LAST_COLUMN, clock_text(refused[i].last, false));
		grid_set(&grid, row, REQUESTS_COLUMN, format("%llu", refused[i].requests));
		grid_set(&grid, row, ASKED_COLUMN, format("%llu", refused[i].asked));
		grid_set(&grid, row, FULL_COLUMN,
			 format("%llu/%llu", refused[i].used, refused[i].max));
		grid_set(&grid, row, PID_COLUMN, format("%llu", refused[i].pid));
		grid_set(&grid, row, COMMAND_COLUMN, printable(refused[i].command));
		grid_set(&grid, row, CGROUP_COLUMN, name_of_id(refused[i].cgroup));
	}
	return grid_finish(&grid);
}

static int print_text(const char *cgroup, __u64 seconds, const struct values *values)
{
	char *name = printable(cgroup), *max = format_max(values->of[MAX]);
	bool machine = cgroup_is_root(cgroup);
	__u64 requests = 0;
	int status = 0;
	size_t i;

	for (i = 0; i < count; i++)
		requests += refused[i].requests;
	if (machine)
		printf("Refused in the last %llu s because the machine had too few IDs: %llu\n",
		       seconds, requests);
	else
		printf("Refused in the last %llu s by the limit of /%s: %llu\n", seconds, name,
		       requests);
	if (count)
		status = print_refused();
	if (machine)
		printf("\nHeld:\n");
	else
		printf("\nHeld in /%s, %llu of %s:\n", name, values->of[CURRENT], max);
	free(max);
	free(name);
	fflush(stdout);
	return status ?: who_print(cgroup);
}

static int print_json(const char *cgroup, __u64 seconds, const struct values *values)
{
	char *text;
	size_t i;
	int status;

	json_begin(false);
	json_open(NULL, '{');
	text = format("/%s", cgroup);
	json_string("cgroup", text);
	free(text);
	json_number("seconds", seconds);
	if (values->known & BIT(CURRENT))
		json_number("current", values->of[CURRENT]);
	else
		json_null("current");
	if (values->known & BIT(MAX) && values->of[MAX] != NO_LIMIT)
		json_number("max", values->of[MAX]);
	else
		json_null("max");
	json_open("refused", '[');
	for (i = 0; i < count; i++) {
		json_open(NULL, '{');
		text = clock_text(refused[i].last, true);
		json_string("last", text);
		free(text);
		json_number("requests", refused[i].requests);
		json_number("asked", refused[i].asked);
		json_number("used", refused[i].used);
		json_number("max", refused[i].max);
		json_number("pid", refused[i].pid);
		json_string("command", refused[i].command);
		text = cgroup_of_id(refused[i].cgroup) ?
		       format("/%s", cgroup_of_id(refused[i].cgroup)) : NULL;
		json_string("cgroup", text);
		free(text);
		json_number("cgroup_id", refused[i].cgroup);
		json_close('}');
	}
	json_close(']');
	status = who_to_json(cgroup);
	json_end_list();
	return status;
}

int command_why(int argc, char **argv)
{
	static const struct option options[] = {
		{ "help", no_argument, NULL, 'h' },
		{ "json", no_argument, NULL, 'J' },
		{ "seconds", required_argument, NULL, 's' },
		{ }
	};
	struct values values = { };
	bool json = false, machine;
	int option, status = 0;
	__u64 seconds = 60;
	char *cgroup = NULL;
	struct stat st;

	while (!status && (option = getopt_long(argc, argv, "hJs:", options, NULL)) != -1) {
		switch (option) {
		case 'J':
			json = true;
			break;
		case 's':
			if (!parse_number(optarg, &seconds) || !seconds || seconds > MOST_SECONDS)
				status = fail(BAD_USAGE, "why: '%s' is no number of seconds",
					      optarg);
			break;
		default:
			return other_option(option);
		}
	}
	if (!status)
		status = need_subtree(argc, argv, &cgroup);
	if (status)
		return status;
	machine = cgroup_is_root(cgroup);
	if (fstatat(root_fd, *cgroup ? cgroup : ".", &st, 0))
		status = fail_gone(cgroup);
	if (!status && !machine)
		status = read_values(root_fd, cgroup, BIT(MAX) | BIT(CURRENT), &values) ?
			 fail_off(cgroup) : 0;
	if (!status)
		status = read_record(st.st_ino, machine, seconds);
	if (!status)
		status = json ? print_json(cgroup, seconds, &values) :
				print_text(cgroup, seconds, &values);
	free_record();
	free(cgroup);
	return status;
}
