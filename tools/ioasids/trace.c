// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <poll.h>
#include <search.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cgroup.h"
#include "ioasidctl.h"
#include "json.h"
#include "names.h"
#include "table.h"
#include "tracer.h"

#define MOVES		(BIT(ON_MOVE) | BIT(ON_ADOPT) | BIT(ON_REPARENT))
/* What is printed without -e, and what the summary needs */
#define USUAL		(BIT(ON_REFUSED) | BIT(ON_ALLOC) | BIT(ON_FREE) | BIT(ON_SET_QUOTA) | MOVES)
#define COUNTED		(BIT(ON_REFUSED) | BIT(ON_ALLOC) | BIT(ON_FREE) | MOVES)

#define NR_IDS		0x100000
#define NR_POWERS	64

enum { TAKEN, GIVEN, REFUSALS, MOVED_IN, MOVED_OUT, COUNTS };

/* What the summary says of a cgroup, or of a process. */
struct counts {
	__u64 key;
	char comm[sizeof(((struct traced *)0)->comm)];
	__u64 of[COUNTS];
};

/*
 * Their number is up to others: they are found in a tree, and beyond MOST_COUNTED, one stands
 * for all that follow.
 */
#define MOST_COUNTED	65536
#define REST		(~0ULL)

struct counted {
	struct counts **array;
	size_t size;
	void *tree;
};

static struct view {
	unsigned int shown;
	const char *within;	/* NULL: everywhere */
	bool json, summary, quiet;
	__u64 left;		/* events to be printed until the end; 0: any number */
	bool ended;
	__u64 lost;
	__u64 nameless;		/* events that were left out, as the cgroups are not found */
	struct counted cgroups, processes;
	__u64 *since;		/* when each ID was allocated; 0: not known */
	__u64 held[NR_POWERS];	/* IDs by how long they were held: 2^n us or more */
	__u64 unknown;		/* IDs that were allocated before the trace began */
} view;

static int stopped;	/* by a signal */

static void stop(__attributes(unused) int signal)
{
	__atomic_store_n(&stopped, 1, __ATOMIC_RELAXED);
}

static bool is_in_view(__u64 id, bool *nameless)
{
	const char *path = id ? cgroup_of_id(id) : NULL;

	if (!view.within)
		return true;
	*nameless |= id && !path;
	return path && cgroup_is_in(path, view.within);
}

/* Names are looked up at once, while the cgroups exist. */
static bool is_wanted(const struct traced *traced)
{
	bool nameless = false, payer, other;

	payer = is_in_view(traced->cgroup, &nameless);
	other = traced->other && is_in_view(traced->other, &nameless);
	if (!payer && !other && nameless)
		view.nameless++;
	return payer || other;
}

static int compare_keys(const void *a, const void *b)
{
	const struct counts *left = a, *right = b;

	return (left->key > right->key) - (left->key < right->key);
}

static struct counts *counts_of(struct counted *counted, __u64 key)
{
	struct counts wanted = { .key = key }, **found, *new;

	found = tfind(&wanted, &counted->tree, compare_keys);
	if (!found && counted->size >= MOST_COUNTED) {
		wanted.key = REST;
		found = tfind(&wanted, &counted->tree, compare_keys);
	}
	if (found)
		return *found;
	new = grow(NULL, 1, sizeof(*new));
	*new = wanted;
	if (!tsearch(new, &counted->tree, compare_keys))
		no_memory();
	counted->array = grow_by_one(counted->array, counted->size, sizeof(*counted->array));
	counted->array[counted->size++] = new;
	return new;
}

static void free_counted(struct counted *counted)
{
	tdestroy(counted->tree, free);
	free(counted->array);
}

static void count_one(struct counts *counts, const struct traced *traced)
{
	if (traced->event == ON_REFUSED)
		counts->of[REFUSALS]++;
	else
		counts->of[traced->event == ON_ALLOC ? TAKEN : GIVEN]++;
}

static void count_held(const struct traced *traced)
{
	__u64 *since;
	int power = 0;

	if (!view.since) {
		view.since = calloc(NR_IDS, sizeof(*view.since));
		if (!view.since)
			no_memory();
	}
	since = &view.since[traced->number % NR_IDS];
	if (traced->event == ON_ALLOC) {
		*since = traced->time;
	} else if (*since) {
		while (power < NR_POWERS - 1 && (traced->time - *since) / 1000 >> (power + 1))
			power++;
		view.held[power]++;
		*since = 0;
	} else {
		view.unknown++;
	}
}

static void count(const struct traced *traced)
{
	bool freed = traced->event == ON_FREE;
	struct counts *process;

	if (BIT(traced->event) & MOVES) {
		counts_of(&view.cgroups, traced->cgroup)->of[MOVED_OUT] += traced->number;
		counts_of(&view.cgroups, traced->other)->of[MOVED_IN] += traced->number;
		return;
	}
	if (!(BIT(traced->event) & COUNTED))
		return;
	if (traced->event != ON_REFUSED)
		count_held(traced);
	count_one(counts_of(&view.cgroups, traced->cgroup), traced);
	/* A stranger can free what a process held. */
	process = counts_of(&view.processes, freed ? traced->owner : traced->tgid);
	if (process->key != REST && (!freed || traced->owner == traced->tgid))
		memcpy(process->comm, traced->comm, sizeof(process->comm));
	count_one(process, traced);
}

static char *in_words(const struct traced *traced)
{
	static const char *const moves[] = {
		[ON_ADOPT] = "adopted from process %d with %u in %s",
		[ON_MOVE] = "of process %d moved with %u from %s",
		[ON_REPARENT] = "of process %d with %u, from %s, which was removed",
	};
	char *from, *text;

	switch (traced->event) {
	case ON_REFUSED:
		return refusal_in_words(traced);
	case ON_ADOPT:
	case ON_MOVE:
	case ON_REPARENT:
		from = name_of_id(traced->cgroup);
		text = format(moves[traced->event], traced->owner, traced->number, from);
		free(from);
		return text;
	case ON_SET_QUOTA:
		return format("%u, before: %u", traced->number, traced->was);
	case ON_SET_OPEN:
	case ON_SET_CLOSE:
		return format("set %llu, %u IDs", traced->set, traced->number);
	default:
		return format("%u", traced->number);
	}
}

static void print_text(const struct traced *traced)
{
	bool moves = BIT(traced->event) & MOVES;
	char *cgroup = name_of_id(moves ? traced->other : traced->cgroup);
	char *comm = format("%.*s", (int)sizeof(traced->comm), traced->comm);
	char *command = printable(comm), *words = in_words(traced);
	struct timespec time = time_of(traced->time);
	char clock[16];

	strftime(clock, sizeof(clock), "%T", localtime(&time.tv_sec));
	printf("%s.%03ld %-9s %s %s[%d]: %s", clock, time.tv_nsec / 1000000,
	       event_name(traced->event), cgroup, command, traced->tgid, words);
	if (!moves && traced->owner && traced->owner != traced->tgid)
		printf(", of process %d", traced->owner);
	putchar('\n');
	free(words);
	free(command);
	free(comm);
	free(cgroup);
}

static void print_event(const struct traced *traced)
{
	if (!view.json) {
		print_text(traced);
		return;
	}
	json_begin(true);
	json_open(NULL, '{');
	json_traced(traced);
	json_close('}');
	json_end();
}

static void take_event(const struct traced *traced, __attributes(unused) void *data)
{
	if (view.ended || !is_wanted(traced))
		return;
	if (view.summary)
		count(traced);
	if (!(view.shown & BIT(traced->event)))
		return;
	if (!view.quiet)
		print_event(traced);
	view.ended = view.left && !--view.left;
}

/* Events that were lost are not counted, so that a summary can be wrong. */
static void print_lost(const struct tracer *tracer)
{
	__u64 lost = tracer_lost(tracer) - view.lost;

	if (!lost)
		return;
	view.lost += lost;
	if (view.json) {
		json_begin(true);
		json_open(NULL, '{');
		json_string("event", "lost");
		json_number("count", lost);
		json_close('}');
		json_end();
	} else {
		warn("trace: %llu events were lost", lost);
	}
}

static void warn_of_nameless(void)
{
	if (view.nameless)
		warn("trace: %llu events of cgroups that are not found were left out",
		     view.nameless);
}

/* The summary */

enum { NAME_COLUMN, COMMAND_COLUMN, FIRST_COUNT };

static const struct column cgroup_array[] = {
	{ "CGROUP", "the cgroup that pays", 0, CUT },
	{ "TAKEN", "IDs that were allocated", 0, RIGHT },
	{ "GIVEN", "IDs that were freed", 0, RIGHT },
	{ "REFUSED", "requests that were refused", 0, RIGHT },
	{ "IN", "IDs that moved in", 0, RIGHT },
	{ "OUT", "IDs that moved out", 0, RIGHT },
};

static const struct column process_array[] = {
	{ "PID", "the process", 0, RIGHT },
	{ "COMMAND", "its name", 0, CUT },
	{ "TAKEN", "IDs that it allocated", 0, RIGHT },
	{ "GIVEN", "IDs of it that were freed", 0, RIGHT },
	{ "REFUSED", "requests of it that were refused", 0, RIGHT },
};

static int compare_counts(const void *a, const void *b)
{
	static const int order[] = { REFUSALS, TAKEN, GIVEN };
	const struct counts *left = *(struct counts *const *)a, *right = *(struct counts *const *)b;
	int i;

	for (i = 0; i < 3; i++)
		if (left->of[order[i]] != right->of[order[i]])
			return left->of[order[i]] < right->of[order[i]] ? 1 : -1;
	return compare_keys(left, right);
}

static void sort_counted(struct counted *counted)
{
	if (counted->size)
		qsort(counted->array, counted->size, sizeof(*counted->array), compare_counts);
}

static char *name_of_counts(const struct counts *counts, bool process)
{
	if (counts->key == REST)
		return format("others");
	return process ? format("%llu", counts->key) : name_of_id(counts->key);
}

static int print_counts(struct counted *counted, const struct column *array, int count)
{
	const struct columns columns = { array, count };
	static const int all[] = { 0, 1, 2, 3, 4, 5 };
	bool processes = array == process_array;
	const struct counts *counts;
	struct selection selection;
	struct grid grid;
	size_t i, row;
	int column, at;

	select_default(&selection, &columns, all, count, 0);
	selection.list = true;
	grid_init(&grid, &selection);
	for (i = 0; i < counted->size; i++) {
		counts = counted->array[i];
		row = grid_add(&grid, -1);
		at = 0;
		grid_set(&grid, row, at++, name_of_counts(counts, processes));
		if (processes)
			grid_set(&grid, row, at++, printable(*counts->comm ? counts->comm : "-"));
		for (column = 0; at < count; column++)
			grid_set(&grid, row, at++, format("%llu", counts->of[column]));
	}
	return grid_finish(&grid);
}

static char *duration(int power)
{
	__u64 us = 1ULL << power;

	if (!power)
		return format("0");
	if (us < 1000)
		return format("%llu us", us);
	if (us < 1000000)
		return format("%llu ms", us / 1000);
	return format("%llu s", us / 1000000);
}

static void print_held(void)
{
	int power, first = NR_POWERS, last = -1, width;
	__u64 most = 1;
	char *text;

	for (power = 0; power < NR_POWERS; power++) {
		if (!view.held[power])
			continue;
		first = power < first ? power : first;
		last = power;
		most = view.held[power] > most ? view.held[power] : most;
	}
	printf("\nHow long IDs were held:\n");
	for (power = first; power <= last; power++) {
		text = duration(power);
		width = view.held[power] * 40 / most;
		printf("%10s or more %10llu%s%.*s\n", text, view.held[power], width ? " " : "",
		       width, "########################################");
		free(text);
	}
	if (view.unknown)
		printf("%10s         %10llu\n", "unknown", view.unknown);
}

/* null: of all others */
static void json_key(const char *name, __u64 key)
{
	if (key == REST)
		json_null(name);
	else
		json_number(name, key);
}

static void json_counts(const char *name, const struct counted *counted, bool processes)
{
	const struct counts *counts;
	char *path;
	size_t i;

	json_open(name, '[');
	for (i = 0; i < counted->size; i++) {
		counts = counted->array[i];
		json_open(NULL, '{');
		if (processes) {
			json_key("pid", counts->key);
			json_string("command", *counts->comm ? counts->comm : NULL);
		} else {
			path = cgroup_of_id(counts->key) ?
			       format("/%s", cgroup_of_id(counts->key)) : NULL;
			json_string("cgroup", path);
			free(path);
			json_key("cgroup_id", counts->key);
			json_number("in", counts->of[MOVED_IN]);
			json_number("out", counts->of[MOVED_OUT]);
		}
		json_number("taken", counts->of[TAKEN]);
		json_number("given", counts->of[GIVEN]);
		json_number("refused", counts->of[REFUSALS]);
		json_close('}');
	}
	json_close(']');
}

static void json_summary(void)
{
	int power;

	json_begin(true);
	json_open(NULL, '{');
	json_string("event", "summary");
	json_number("lost", view.lost);
	json_counts("cgroups", &view.cgroups, false);
	json_counts("processes", &view.processes, true);
	json_open("held", '[');
	for (power = 0; power < NR_POWERS; power++) {
		if (!view.held[power])
			continue;
		json_open(NULL, '{');
		json_number("least_us", power ? 1ULL << power : 0);
		json_number("count", view.held[power]);
		json_close('}');
	}
	json_close(']');
	json_number("held_unknown", view.unknown);
	json_close('}');
	json_end();
}

static int print_summary(void)
{
	int status;

	sort_counted(&view.cgroups);
	sort_counted(&view.processes);
	if (view.json) {
		json_summary();
		return 0;
	}
	if (!view.quiet)
		putchar('\n');
	status = print_counts(&view.cgroups, cgroup_array, FIRST_COUNT + COUNTS - 1);
	putchar('\n');
	if (!status)
		status = print_counts(&view.processes, process_array, FIRST_COUNT + 3);
	print_held();
	return status;
}

static __s64 now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

/* Until it is stopped, @end is there, or nobody reads the output any more. */
static void follow(struct tracer *tracer, __s64 end)
{
	struct pollfd both[] = {
		{ .fd = tracer_fd(tracer), .events = POLLIN },
		{ .fd = STDOUT_FILENO },
	};
	__s64 left = 1000;

	while (!__atomic_load_n(&stopped, __ATOMIC_RELAXED) && !view.ended && !ferror(stdout)) {
		if (end)
			left = end - now_ms();
		if (left <= 0)
			break;
		if (poll(both, 2, left < 1000 ? left : 1000) > 0 &&
		    both[1].revents & (POLLERR | POLLHUP | POLLNVAL))
			break;
		tracer_read(tracer);
		print_lost(tracer);
	}
	tracer_read(tracer);
	print_lost(tracer);
}

static int select_events(const char *list)
{
	char *copy = format("%s", list), *rest = copy, *name;
	int event, status = 0;

	view.shown = 0;
	while (!status && (name = strsep(&rest, ","))) {
		event = event_of_name(name);
		if (!strcmp(name, "all"))
			view.shown = BIT(EVENTS_TRACED) - 1;
		else if (event >= 0)
			view.shown |= BIT(event);
		else
			status = fail(BAD_USAGE,
				      "trace: there is no event '%s'; 'ioasidctl trace --help' has a list",
				      name);
	}
	free(copy);
	return status;
}

static int parse_time(const char *text, __s64 *ms)
{
	char *rest;
	double seconds = strtod(text, &rest);

	if (rest == text || *rest || !(seconds > 0) || seconds > 1e9)
		return fail(BAD_USAGE, "trace: '%s' is no number of seconds", text);
	*ms = seconds * 1000 + 1;
	return 0;
}

static int trace(pid_t process, __s64 ms)
{
	/* Only a program that ends by itself prints a summary. A second signal ends it at once. */
	struct sigaction action = { .sa_handler = stop, .sa_flags = SA_RESTART | SA_RESETHAND };
	struct tracer *tracer;
	int status;

	status = tracer_open(&tracer, view.shown | (view.summary ? COUNTED : 0), process,
			     take_event, NULL);
	if (status)
		return status;
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	setlinebuf(stdout);
	follow(tracer, ms ? now_ms() + ms : 0);
	tracer_close(tracer);
	warn_of_nameless();
	if (view.summary)
		status = print_summary();
	free_counted(&view.cgroups);
	free_counted(&view.processes);
	free(view.since);
	return status;
}

int command_trace(int argc, char **argv)
{
	static const struct option options[] = {
		{ "duration", required_argument, NULL, 'd' },
		{ "event", required_argument, NULL, 'e' },
		{ "help", no_argument, NULL, 'h' },
		{ "json", no_argument, NULL, 'J' },
		{ "number", required_argument, NULL, 'n' },
		{ "pid", required_argument, NULL, 'p' },
		{ "quiet", no_argument, NULL, 'q' },
		{ "summary", no_argument, NULL, 'S' },
		{ }
	};
	char *within = NULL;
	__u64 process = 0;
	int option, status = 0;
	__s64 ms = 0;

	view.shown = USUAL;
	while (!status && (option = getopt_long(argc, argv, "d:e:hJn:p:qS", options, NULL)) != -1) {
		switch (option) {
		case 'd':
			status = parse_time(optarg, &ms);
			break;
		case 'e':
			status = select_events(optarg);
			break;
		case 'J':
			view.json = true;
			break;
		case 'n':
			if (!parse_number(optarg, &view.left) || !view.left)
				status = fail(BAD_USAGE, "trace: '%s' is no number of events",
					      optarg);
			break;
		case 'p':
			if (!parse_number(optarg, &process) || !process || process > INT_MAX)
				status = fail(BAD_USAGE, "trace: '%s' is no PID", optarg);
			break;
		case 'q':
			view.quiet = true;
			view.summary = true;
			break;
		case 'S':
			view.summary = true;
			break;
		default:
			return other_option(option);
		}
	}
	if (!status)
		status = need_subtree(argc, argv, &within);
	if (!status && optind < argc)
		view.within = within;
	if (!status)
		status = trace(process, ms);
	free(within);
	return status;
}
