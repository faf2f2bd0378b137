// SPDX-License-Identifier: GPL-2.0
/*
 * The record of refusals: an instance of tracefs, in which only the tracepoint ioasid_refused
 * is on. Its buffer has a fixed size, and no process must run for it. It needs no BPF. Another
 * instance has the names of cgroups that were removed: the name of a cgroup can have any text,
 * that of another event included, and must not be read as a refusal.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <search.h>
#include <stdio.h>
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
#define REFUSAL		"ioasid/ioasid_refused"
#define REMOVALS	"ioasids-removals"
#define REMOVAL		"cgroup/cgroup_rmdir"

#define USUAL_KIB	64
#define MOST_KIB	0x100000
#define MOST_SECONDS	(366 * 86400)

static char *path_of(const char *instance, const char *file)
{
	return format(TRACEFS "/instances/%s%s", instance, file);
}

/* 0 or errno. As in a shell, the old content goes: of the file trace, all events. */
static int put(const char *instance, const char *file, const char *text)
{
	char *path = path_of(instance, file);
	int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC), error = 0;

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

/* False, with an error number, if there is no instance, or one that has been ended. */
static bool is_recording(const char *instance, const char *event)
{
	char *file = format("/events/%s/enable", event), *path = path_of(instance, file);
	char *text = read_all(AT_FDCWD, path);
	int error = text ? ENOENT : errno;
	bool is = text && *text == '1';

	free(text);
	free(path);
	free(file);
	errno = error;
	return is;
}

/*
 * A record that there is already goes on; @kib: 0: unchanged, or the usual size. @begun: it is
 * up to the caller to end it.
 */
static int begin_instance(const char *instance, const char *event, const char *filter, __u64 kib,
			  bool *begun)
{
	char *path = path_of(instance, ""), *size, *file;
	bool new = !mkdir(path, 0700);
	int error = new || errno == EEXIST ? 0 : errno;

	*begun = new || (!error && !is_recording(instance, event) && errno == ENOENT);
	/* A clock that all CPUs share, and that the time of day can be told from */
	if (*begun)
		error = put(instance, "/trace_clock", "boot");
	/* There can be events from before the end of a record that was open in some program. */
	if (!error && *begun)
		error = put(instance, "/trace", "");
	if (!error && (*begun || kib)) {
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

/* 0 or errno: EBUSY if some program has it open. No event is recorded any more then, either. */
static int end_instance(const char *instance)
{
	char *path = path_of(instance, "");
	int error;

	put(instance, "/events/enable", "0");
	error = rmdir(path) && errno != ENOENT ? errno : 0;
	free(path);
	return error;
}

/* If it fails it leaves nothing, which would take memory, and look like a record. */
static int begin_record(__u64 kib)
{
	bool removals = false, refusals = false;
	int status;

	if (access(TRACEFS "/events/" REFUSAL, F_OK))
		return no_tracefs(errno);
	/* Only the hierarchy of cgroup v2 has the number 0. */
	status = begin_instance(REMOVALS, REMOVAL, "root == 0", kib, &removals) ?:
		 begin_instance(REFUSALS, REFUSAL, "0", kib, &refusals);
	if (status && removals)
		end_instance(REMOVALS);
	if (status && refusals)
		end_instance(REFUSALS);
	return status;
}

static int end_record(void)
{
	int refusals = end_instance(REFUSALS), removals = end_instance(REMOVALS);
	int error = refusals ?: removals, status;
	char *path;

	if (!error)
		return 0;
	if (error == EACCES)
		return no_tracefs(error);
	path = path_of(refusals ? REFUSALS : REMOVALS, "");
	status = fail(FAILED, "record: %s: %s", path, strerror(error));
	free(path);
	return status;
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

/*
 * Requests of one process in one cgroup, all refused by the same limit. A process can change
 * its name, so the last one is kept.
 */
struct refused {
	__u64 cgroup;
	__u64 pid;
	char *command;
	__u64 requests;
	__u64 asked;		/* by the last of them */
	__u64 used;
	__u64 max;
	__u64 last;		/* CLOCK_BOOTTIME, in ns */
};

static struct refused **refused;
static size_t count;
/* The same, by process and cgroup: their number is up to others. */
static void *known;

static int compare_askers(const void *a, const void *b)
{
	const struct refused *left = a, *right = b;

	if (left->pid != right->pid)
		return (left->pid > right->pid) - (left->pid < right->pid);
	return (left->cgroup > right->cgroup) - (left->cgroup < right->cgroup);
}

static struct refused *find_or_add(__u64 pid, __u64 cgroup)
{
	struct refused key = { .pid = pid, .cgroup = cgroup }, **found;

	found = tfind(&key, &known, compare_askers);
	if (found)
		return *found;
	refused = grow_by_one(refused, count, sizeof(*refused));
	refused[count] = grow(NULL, 1, sizeof(**refused));
	*refused[count] = key;
	if (!tsearch(refused[count], &known, compare_askers))
		no_memory();
	return refused[count++];
}

static __u64 field(const char *line, const char *name)
{
	const char *at = strstr(line, name);

	return at ? strtoull(at + strlen(name), NULL, 10) : 0;
}

/* A time in seconds with six decimals */
static __u64 parse_time(const char *text)
{
	char *point;
	__u64 seconds = strtoull(text, &point, 10);

	return *point == '.' ? seconds * 1000000000 + strtoull(point + 1, NULL, 10) * 1000 : 0;
}

/* It stands before the name of an event. */
static __u64 time_before(const char *line, const char *event)
{
	while (event > line && event[-1] != ' ')
		event--;
	return parse_time(event);
}

/*
 * One line of the record, with the event at @event. The name of a command can look like other
 * fields; but it is the last one, and of two that look alike the first is read.
 */
static void read_refusal(const char *event, __u64 time, __u64 limit, bool machine)
{
	static const char by_capacity[] = " by=capacity ";
	const char *by = strstr(event, " by="), *comm = strstr(event, " comm=");
	struct refused *one;

	if (!by || !comm)
		return;
	if (machine && strncmp(by, by_capacity, strlen(by_capacity)))
		return;
	if (!machine && field(event, " limit=") != limit)
		return;
	one = find_or_add(field(event, " tgid="), field(event, " cgroup="));
	one->requests++;
	if (time >= one->last) {
		one->last = time;
		free(one->command);
		one->command = format("%s", comm + strlen(" comm="));
		one->asked = field(event, " asked=");
		one->used = field(event, " used=");
		one->max = field(event, " max=");
	}
}

static __u64 boot_time(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

static int compare_cgroups(const void *a, const void *b)
{
	const struct refused *const *left = a, *const *right = b;

	return ((*left)->cgroup > (*right)->cgroup) - ((*left)->cgroup < (*right)->cgroup);
}

/* "... id=ID level=N path=PATH". The askers are sorted by their cgroups. */
static void read_removal(const char *event)
{
	struct refused key = { .cgroup = field(event, " id=") }, *wanted = &key;
	const char *path = strstr(event, " path=/");

	if (path && bsearch(&wanted, refused, count, sizeof(*refused), compare_cgroups))
		remember_cgroup(key.cgroup, path + strlen(" path=/"));
}

/*
 * Since when the record has all refusals; 0: always. Each CPU has a buffer, and the one whose
 * oldest event is the youngest decides, of those that have lost events.
 */
static __u64 complete_since(void)
{
	char *path = path_of(REFUSALS, "/per_cpu"), *file, *text;
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *cpus = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	__u64 since = 0, oldest;
	const char *at;

	while (cpus && (entry = readdir(cpus))) {
		if (*entry->d_name == '.')
			continue;
		file = format("%s/stats", entry->d_name);
		text = read_all(fd, file);
		free(file);
		if (text && field(text, "\noverrun: ")) {
			at = strstr(text, "\noldest event ts: ");
			oldest = at ? parse_time(at + strlen("\noldest event ts: ")) : 0;
			since = oldest > since ? oldest : since;
		}
		free(text);
	}
	if (cpus)
		closedir(cpus);
	free(path);
	return since;
}

/* The time of day at which tracefs made or last emptied the file, in CLOCK_BOOTTIME; or 0. */
static __u64 begun_at(void)
{
	char *path = path_of(REFUSALS, "/trace");
	struct timespec now;
	struct stat about;
	__s64 at = 0;

	clock_gettime(CLOCK_REALTIME, &now);
	if (!stat(path, &about))
		at = boot_time() - (now.tv_sec - about.st_mtim.tv_sec) * 1000000000LL -
		     (now.tv_nsec - about.st_mtim.tv_nsec);
	free(path);
	/* If the clock was wrong then, it is not known. */
	return at < 0 ? 0 : at;
}

static int compare(const void *a, const void *b)
{
	const struct refused *const *left = a, *const *right = b;

	return ((*left)->last < (*right)->last) - ((*left)->last > (*right)->last);
}

static char *clock_text(__u64 time, const char *parts, struct tm *(*convert)(const time_t *time))
{
	struct timespec real = time_of(time);
	char text[40];

	strftime(text, sizeof(text), parts, convert(&real.tv_sec));
	return format("%s", text);
}

/*
 * Calls @function for the lines of a record, which are in the order of time, of the events
 * from @since until now: others can record events faster than these are read. Reading does
 * not empty the record. False if there is none.
 */
static bool read_record(const char *instance, const char *name, __u64 since,
			void (*function)(const char *event, __u64 time, void *data), void *data)
{
	char *path = path_of(instance, "/trace"), *line = NULL, *event;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	FILE *file = fd < 0 ? NULL : fdopen(fd, "r");
	__u64 now = boot_time(), time;
	int error = errno;
	size_t size = 0;

	free(path);
	errno = error;
	if (!file)
		return false;
	while (getline(&line, &size, file) > 0) {
		event = strstr(line, name);
		if (!event)
			continue;
		line[strcspn(line, "\n")] = '\0';
		time = time_before(line, event);
		if (time > now)
			break;
		if (time >= since)
			function(event, time, data);
	}
	free(line);
	fclose(file);
	return true;
}

/* What the record does not have of the time from @since on. */
static void warn_of_gap(__u64 since)
{
	__u64 begun = begun_at(), complete = complete_since();
	char *text = clock_text(complete > since ? complete : begun, "%F %T", localtime);

	if (complete > since)
		warn("why: some of those before %s did not fit into the record; see 'record --kib'",
		     text);
	else if (begun > since)
		warn("why: the record began at %s", text);
	free(text);
}

struct wanted {
	__u64 limit;
	bool machine;		/* refused because the machine had too few IDs */
};

static void on_refusal(const char *event, __u64 time, void *data)
{
	const struct wanted *wanted = data;

	read_refusal(event, time, wanted->limit, wanted->machine);
}

static void on_removal(const char *event, __attributes(unused) __u64 time,
		       __attributes(unused) void *data)
{
	read_removal(event);
}

static int read_refusals(__u64 limit, bool machine, __u64 seconds)
{
	struct wanted wanted = { limit, machine };
	__u64 now = boot_time(), since = 0;

	if (seconds * 1000000000 < now)
		since = now - seconds * 1000000000;
	if (!is_recording(REFUSALS, REFUSAL) ||
	    !read_record(REFUSALS, ": ioasid_refused: ", since, on_refusal, &wanted)) {
		if (errno == EACCES)
			return no_tracefs(errno);
		return fail(NO_TRACING,
			    "cannot trace: nothing is recorded: 'ioasidctl record' or ioasids-record.service begins");
	}
	warn_of_gap(since);
	if (!count)
		return 0;
	qsort(refused, count, sizeof(*refused), compare_cgroups);
	read_record(REMOVALS, ": cgroup_rmdir: ", 0, on_removal, NULL);
	qsort(refused, count, sizeof(*refused), compare);
	return 0;
}

static void free_refused(void *pointer)
{
	struct refused *one = pointer;

	free(one->command);
	free(one);
}

static void free_record(void)
{
	tdestroy(known, free_refused);
	known = NULL;
	free(refused);
	refused = NULL;
	count = 0;
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
		grid_set(&grid, row, LAST_COLUMN, clock_text(refused[i]->last, "%T", localtime));
		grid_set(&grid, row, REQUESTS_COLUMN, format("%llu", refused[i]->requests));
		grid_set(&grid, row, ASKED_COLUMN, format("%llu", refused[i]->asked));
		grid_set(&grid, row, FULL_COLUMN,
			 format("%llu/%llu", refused[i]->used, refused[i]->max));
		grid_set(&grid, row, PID_COLUMN, format("%llu", refused[i]->pid));
		grid_set(&grid, row, COMMAND_COLUMN,
			 printable(*refused[i]->command ? refused[i]->command : "-"));
		grid_set(&grid, row, CGROUP_COLUMN, name_of_id(refused[i]->cgroup));
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
		requests += refused[i]->requests;
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
		text = clock_text(refused[i]->last, "%FT%TZ", gmtime);
		json_string("last", text);
		free(text);
		json_number("requests", refused[i]->requests);
		json_number("asked", refused[i]->asked);
		json_number("used", refused[i]->used);
		json_number("max", refused[i]->max);
		json_number("pid", refused[i]->pid);
		json_string("command", *refused[i]->command ? refused[i]->command : NULL);
		text = cgroup_of_id(refused[i]->cgroup) ?
		       format("/%s", cgroup_of_id(refused[i]->cgroup)) : NULL;
		json_string("cgroup", text);
		free(text);
		json_number("cgroup_id", refused[i]->cgroup);
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
		status = read_refusals(st.st_ino, machine, seconds);
	if (!status)
		status = json ? print_json(cgroup, seconds, &values) :
				print_text(cgroup, seconds, &values);
	free_record();
	free(cgroup);
	return status;
}
