// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <pwd.h>
#include <search.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cgroup.h"
#include "holders.h"
#include "ioasidctl.h"
#include "json.h"
#include "names.h"
#include "table.h"
#include "tracer.h"

#define SETS_FILE	"/sys/kernel/debug/ioasid/sets"

/* What the kernel writes for a value that does not exist. */
#define NONE		"-"

/* How many entries of a list a table for people shows. */
#define MOST_LISTED	10

enum {
	PID_COLUMN,
	COMMAND_COLUMN,
	ALLOCATED_COLUMN,
	RESERVED_COLUMN,
	QUOTA_COLUMN,
	SET_COLUMN,
	CGROUP_COLUMN,
	OPEN_COLUMN,
	USER_COLUMN,
	LIMIT_COLUMN,
	DEVICE_COLUMN,
	WHO_COLUMNS
};

static const struct column array[] = {
	[PID_COLUMN] = { "PID", "the owner", 0, RIGHT },
	[COMMAND_COLUMN] = { "COMMAND", "the name of its program" },
	[ALLOCATED_COLUMN] = { "ALLOCATED", "IDs allocated", 0, RIGHT },
	[RESERVED_COLUMN] = { "RESERVED", "IDs charged but not allocated yet", 0, RIGHT },
	[QUOTA_COLUMN] = { "QUOTA", "the reservation as a whole; - if there is none", 0, RIGHT },
	[SET_COLUMN] = { "SET", "the number of the set of IDs", 0, RIGHT },
	[CGROUP_COLUMN] = { "CGROUP", "the cgroup that is charged", 0, CUT },
	[OPEN_COLUMN] = { "OPEN", "open descriptors of the set: PID:DESCRIPTOR", 0, CUT },
	[USER_COLUMN] = { "USER", "the user of the owner" },
	[LIMIT_COLUMN] = { "LIMIT", "the lowest limit of the cgroup and those above it", 0, RIGHT },
	[DEVICE_COLUMN] = { "DEVICE", "devices that are open and can use the PASID of a process",
			    0, CUT },
};

const struct columns who_columns = { array, WHO_COLUMNS };

static const int usual[] = {
	PID_COLUMN, COMMAND_COLUMN, ALLOCATED_COLUMN, RESERVED_COLUMN, SET_COLUMN,
	CGROUP_COLUMN, OPEN_COLUMN,
};

struct list {
	char **array;
	size_t count;
};

struct set {
	__u64 id;
	__u64 quota;
	__u64 allocated;
	bool from_kernel;	/* the owner is known */
	char *pid;		/* of the owner, or NONE if it is dead */
	char *command;		/* "" if it has no name or is dead */
	char *cgroup;		/* NONE if the set has ended */
	__u32 user;		/* if BPF told it, or NO_USER */
	struct list open;	/* PID:DESCRIPTOR */
	struct list devices;
};

static struct set **sets;
static size_t count;
/* The same, by number: others choose how many sets and descriptors there are. */
static void *known;

/* Whether the list has all sets, those of the kernel too. */
static bool complete;
static bool devices_are_known;
/* If BPF was wanted and could not be used, why. */
static char *missing;

static int compare_ids(const void *a, const void *b)
{
	const struct set *left = a, *right = b;

	return (left->id > right->id) - (left->id < right->id);
}

static struct set *find(__u64 id)
{
	struct set key = { .id = id }, **found = tfind(&key, &known, compare_ids);

	return found ? *found : NULL;
}

static struct set *find_or_add(__u64 id)
{
	struct set *set = find(id);

	if (set)
		return set;
	set = grow(NULL, 1, sizeof(*set));
	*set = (struct set) { .id = id, .user = NO_USER };
	if (!tsearch(set, &known, compare_ids))
		no_memory();
	sets = grow_by_one(sets, count, sizeof(*sets));
	sets[count++] = set;
	return set;
}

/* Takes over @text. */
static void add_to_list(struct list *list, char *text)
{
	list->array = grow_by_one(list->array, list->count, sizeof(*list->array));
	list->array[list->count++] = text;
}

static void free_list(struct list *list)
{
	while (list->count)
		free(list->array[--list->count]);
	free(list->array);
}

/*
 * Takes over @pid, @command and @cgroup. Users choose how deep cgroups are nested, so a path
 * that no system call takes is shortened.
 */
static void fill_set(struct set *set, __u64 quota, __u64 allocated, char *pid, char *command,
		     char *cgroup)
{
	char *whole = cgroup;

	if (strlen(whole) > PATH_MAX) {
		cgroup = format("%.*s...", PATH_MAX, whole);
		free(whole);
	}
	free(set->pid);
	free(set->command);
	free(set->cgroup);
	set->quota = quota;
	set->allocated = allocated;
	set->pid = pid;
	set->command = command;
	set->cgroup = cgroup;
}

/* Reads all sets, those of the kernel too. Only root can. */
static bool read_debugfs(void)
{
	int fd = open(SETS_FILE, O_RDONLY | O_CLOEXEC), i;
	FILE *file = fd < 0 ? NULL : fdopen(fd, "r");
	char *line = NULL, *rest, *part[7];
	size_t size = 0;
	bool alive, whole;
	struct set *set;

	if (!file)
		return false;
	while (getline(&line, &size, file) > 0) {
		rest = line;
		rest[strcspn(rest, "\n")] = '\0';
		/* The last part, the cgroup, is the only one that is not escaped. */
		for (i = 0; i < 6 && rest; i++)
			part[i] = strsep(&rest, "\t");
		part[6] = rest;
		if (!rest || !isdigit(*part[0]))
			continue;
		set = find_or_add(strtoull(part[0], NULL, 10));
		set->from_kernel = true;
		alive = strcmp(part[4], NONE);
		fill_set(set, strtoull(part[2], NULL, 10), strtoull(part[3], NULL, 10),
			 format("%s", part[4]), unescape(format("%s", alive ? part[5] : "")),
			 format("%s", part[6]));
	}
	whole = !ferror(file);
	free(line);
	fclose(file);
	return whole;
}

/* In the words of the kernel's list. Processes that share a set are in it several times. */
static void take_holder(const struct holder *holder)
{
	const char *path = holder->cgroup ? cgroup_of_id(holder->cgroup) : NULL;
	struct set *set = find_or_add(holder->set);
	bool alive = holder->owner != NO_OWNER;

	set->from_kernel = true;
	set->user = holder->user;
	fill_set(set, holder->quota, holder->allocated,
		 alive ? format("%d", holder->owner) : format(NONE),
		 format("%.*s", alive ? (int)sizeof(holder->comm) : 0, holder->comm),
		 path ? format("/%s", path) : format(NONE));
}

/* The last part of what a link of sysfs leads to, where a slash is written as !. */
static char *name_at(const char *path)
{
	char target[PATH_MAX], *name, *at;
	ssize_t length = readlink(path, target, sizeof(target) - 1);

	if (length < 0)
		return NULL;
	target[length] = '\0';
	name = strrchr(target, '/');
	name = format("%s", name ? name + 1 : target);
	for (at = name; (at = strchr(at, '!')); )
		*at = '/';
	return name;
}

/* Whether drivers of this subsystem bind the address space of who opens a device. */
static bool uses_pasids(const char *subsystem)
{
	static const char *const names[] = { "accel", "dsa", "uacce", "uio" };
	size_t i;

	for (i = 0; subsystem && i < sizeof(names) / sizeof(*names); i++)
		if (!strcmp(subsystem, names[i]))
			return true;
	return false;
}

static void take_device(const struct held_device *device)
{
	char *path = format("/sys/dev/char/%u:%u", device->major, device->minor);
	char *subsystem_path = format("%s/subsystem", path);
	char *subsystem = name_at(subsystem_path), *name = name_at(path);
	struct set *set = find(device->set);
	bool wanted = set && name && uses_pasids(subsystem);
	size_t i;

	for (i = 0; wanted && i < set->devices.count; i++)
		wanted = strcmp(set->devices.array[i], name);
	if (wanted)
		add_to_list(&set->devices, name);
	else
		free(name);
	free(subsystem);
	free(subsystem_path);
	free(path);
}

static char *command_of(const char *pid)
{
	char *path = format("/proc/%s/comm", pid);
	char *command = read_all(AT_FDCWD, path);

	free(path);
	if (!command)
		return format("%s", "");
	command[strcspn(command, "\n")] = '\0';
	return command;
}

/* A copy of what follows @name in its line; NULL if there is no such line. */
static char *field(const char *text, const char *name)
{
	const char *at = strstr(text, name);

	if (!at)
		return NULL;
	at += strlen(name);
	return format("%.*s", (int)strcspn(at, "\n"), at);
}

static __u64 number_field(const char *text, const char *name)
{
	char *value = field(text, name);
	__u64 number = value ? strtoull(value, NULL, 10) : 0;

	free(value);
	return number;
}

/* Takes what the fdinfo of one descriptor says, if it is a descriptor of /dev/ioasid. */
static void read_fdinfo(int process, const char *pid, const char *fd)
{
	char *path = format("fdinfo/%s", fd), *id = NULL, *cgroup;
	char *text = read_all(process, path);
	struct set *set;

	free(path);
	if (text)
		id = field(text, "\nioasid-set:\t");
	if (id) {
		set = find_or_add(strtoull(id, NULL, 10));
		cgroup = field(text, "\nioasid-cgroup:\t") ?: format(NONE);
		/*
		 * The owner is not named here, so the first process that has the set open is
		 * shown. Once the owner's address space has ended, no copy of the descriptor
		 * names a cgroup any more, and the first one is kept.
		 */
		if (!set->from_kernel &&
		    (!set->cgroup || (!strcmp(set->cgroup, NONE) && strcmp(cgroup, NONE))))
			fill_set(set, number_field(text, "\nioasid-quota:\t"),
				 number_field(text, "\nioasid-allocated:\t"), format("%s", pid),
				 command_of(pid), cgroup);
		else
			free(cgroup);
		add_to_list(&set->open, format("%s:%s", pid, fd));
	}
	free(id);
	free(text);
}

/*
 * The links are read but not followed: the file system of an open file need not answer. Only
 * what has a path can be the device, which makes most descriptors cheap.
 */
static void read_process(const char *pid)
{
	char *path = format("/proc/%s", pid), target[2];
	int process = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int fds = process < 0 ? -1 : openat(process, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fds < 0 ? NULL : fdopendir(fds);
	struct dirent *entry;

	free(path);
	while (dir && (entry = readdir(dir)))
		if (*entry->d_name != '.' &&
		    readlinkat(fds, entry->d_name, target, sizeof(target)) > 0 && *target == '/')
			read_fdinfo(process, pid, entry->d_name);
	if (dir)
		closedir(dir);
	if (process >= 0)
		close(process);
}

static int read_processes(void)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;

	if (!proc)
		return fail(FAILED, "cannot read /proc");
	while ((entry = readdir(proc)))
		if (isdigit(*entry->d_name))
			read_process(entry->d_name);
	closedir(proc);
	return 0;
}

/* Those that are charged most come first. */
static int compare(const void *a, const void *b)
{
	const struct set *left = *(struct set **)a, *right = *(struct set **)b;
	__u64 l = left->quota ? left->quota : left->allocated;
	__u64 r = right->quota ? right->quota : right->allocated;

	return l != r ? (l < r) - (l > r) : compare_ids(left, right);
}

/*
 * The same cgroup, or NULL, which is everywhere: to the root of the hierarchy belong also sets
 * that no cgroup pays for.
 */
static const char *narrowed(const char *within)
{
	return within && !cgroup_is_root(within) ? within : NULL;
}

/* Whether the set is charged to @within or below; NULL is everywhere. */
static bool is_within(const struct set *set, const char *within)
{
	char *cgroup;
	bool is;

	if (!within)
		return true;
	cgroup = *set->cgroup == '/' ? cgroup_of_name(set->cgroup) : NULL;
	is = cgroup && cgroup_is_in(cgroup, within);
	free(cgroup);
	return is;
}

/* The first @most entries, and how many more there are; NULL if there is none. */
static char *joined(const struct list *list, size_t most)
{
	size_t length, i;
	char *text;
	FILE *out;

	if (!list->count)
		return NULL;
	out = open_memstream(&text, &length);
	if (!out)
		no_memory();
	for (i = 0; i < list->count && i < most; i++)
		fprintf(out, "%s%s", i ? "," : "", list->array[i]);
	if (i < list->count)
		fprintf(out, " and %zu more", list->count - i);
	if (fclose(out))
		no_memory();
	return text;
}

/* The name of the owner's user or, if it has none, the number. */
static char *user_of(const struct set *set)
{
	char *path = format("/proc/%s/status", set->pid), *text = NULL;
	struct passwd *entry;
	__u32 user = set->user;

	if (user == NO_USER && strcmp(set->pid, NONE))
		text = read_all(AT_FDCWD, path);
	free(path);
	path = text ? field(text, "\nUid:\t") : NULL;
	if (path)
		user = strtoul(path, NULL, 10);
	free(path);
	free(text);
	if (user == NO_USER)
		return format(NONE);
	entry = getpwuid(user);
	return entry ? format("%s", entry->pw_name) : format("%u", user);
}

/* A cgroup whose limits have been read, with those above it: many sets can be there. */
struct limited {
	char *cgroup;
	__u64 lowest;
};

static void *limits;

static int compare_limited(const void *a, const void *b)
{
	const struct limited *left = a, *right = b;

	return strcmp(left->cgroup, right->cgroup);
}

/* Takes over @cgroup. */
static __u64 lowest_limit(char *cgroup)
{
	struct limited key = { cgroup, NO_LIMIT }, **found, *new;
	struct values values;

	found = tfind(&key, &limits, compare_limited);
	if (found) {
		free(cgroup);
		return (*found)->lowest;
	}
	if (*cgroup)
		key.lowest = lowest_limit(cgroup_parent(cgroup));
	/* In some the controller is off. */
	if (read_values(root_fd, cgroup, 0, &values))
		free(take_message());
	else if (values.of[MAX] < key.lowest)
		key.lowest = values.of[MAX];
	new = grow(NULL, 1, sizeof(*new));
	*new = key;
	if (!tsearch(new, &limits, compare_limited))
		no_memory();
	return key.lowest;
}

static void free_limited(void *pointer)
{
	struct limited *limited = pointer;

	free(limited->cgroup);
	free(limited);
}

/* The lowest limit from the set's cgroup up to the root that is seen from here. */
static char *limit_of_set(const struct set *set)
{
	char *cgroup = *set->cgroup == '/' ? cgroup_of_name(set->cgroup) : NULL;

	if (cgroup && kernel_has_controller())
		return format_max(lowest_limit(cgroup));
	free(cgroup);
	return format(NONE);
}

static char *cell(const struct set *set, int column, bool plain)
{
	const struct list *list = column == DEVICE_COLUMN ? &set->devices : &set->open;
	char *text, *safe;

	switch (column) {
	case PID_COLUMN:
		return format("%s", set->pid);
	case COMMAND_COLUMN:
		if (!*set->command)
			return format(NONE);
		return plain ? format("%s", set->command) : printable(set->command);
	case ALLOCATED_COLUMN:
		return format("%llu", set->allocated);
	case RESERVED_COLUMN:
		return set->quota ? format("%llu", set->quota - set->allocated) : format(NONE);
	case QUOTA_COLUMN:
		return set->quota ? format("%llu", set->quota) : format(NONE);
	case SET_COLUMN:
		return format("%llu", set->id);
	case CGROUP_COLUMN:
		return plain ? format("%s", set->cgroup) : printable(set->cgroup);
	case USER_COLUMN:
		text = user_of(set);
		break;
	case LIMIT_COLUMN:
		return limit_of_set(set);
	default:
		text = joined(list, plain ? SIZE_MAX : MOST_LISTED);
		if (!text)
			return plain || (column == DEVICE_COLUMN && !devices_are_known) ?
				format(NONE) : NULL;
	}
	if (plain)
		return text;
	safe = printable(text);
	free(text);
	return safe;
}

static void json_list(const char *key, const struct list *list)
{
	size_t i;

	json_open(key, '[');
	for (i = 0; i < list->count; i++)
		json_string(NULL, list->array[i]);
	json_close(']');
}

static void json_set(const struct set *set, const struct selection *selection)
{
	char *key, *text;
	int i, column;

	json_open(NULL, '{');
	for (i = 0; i < selection->count; i++) {
		column = selection->shown[i];
		key = key_of_column(&array[column]);
		text = cell(set, column, true);
		if (column == OPEN_COLUMN) {
			json_list(key, &set->open);
		} else if (column == DEVICE_COLUMN && devices_are_known) {
			json_list(key, &set->devices);
		} else if (column == COMMAND_COLUMN) {
			/* This one can be called NONE. */
			json_string(key, *set->command ? set->command : NULL);
		} else if (!strcmp(text, NONE) ||
			   (column == LIMIT_COLUMN && !strcmp(text, "max"))) {
			json_null(key);
		} else if (array[column].flags & RIGHT) {
			json_number(key, strtoull(text, NULL, 10));
		} else {
			json_string(key, text);
		}
		free(text);
		free(key);
	}
	json_close('}');
}

/* Members of an object whose end is left to the caller: json_end_list(). */
static void json_sets(const struct selection *selection, const char *within)
{
	size_t i;

	within = narrowed(within);
	/* Whether these are all sets, or only those that this user may see. */
	json_bool("complete", complete);
	json_open("sets", '[');
	for (i = 0; i < count; i++)
		if (is_within(sets[i], within))
			json_set(sets[i], selection);
}

static void print_json(const struct selection *selection, const char *within)
{
	json_begin(false);
	json_open(NULL, '{');
	json_sets(selection, within);
	json_end_list();
}

static void fill_grid(struct grid *grid, const struct selection *selection, const char *within)
{
	bool plain = selection->raw || selection->pairs;
	size_t i, row;
	int column;

	within = narrowed(within);
	grid_init(grid, selection);
	for (i = 0; i < count; i++) {
		if (!is_within(sets[i], within))
			continue;
		row = grid_add(grid, -1);
		for (column = 0; column < selection->count; column++)
			grid_set(grid, row, column,
				 cell(sets[i], selection->shown[column], plain));
	}
}

static int print_sets(const struct selection *selection, const char *within)
{
	struct grid grid;

	fill_grid(&grid, selection, within);
	return grid_finish(&grid);
}

static void free_set(void *pointer)
{
	struct set *set = pointer;

	free(set->pid);
	free(set->command);
	free(set->cgroup);
	free_list(&set->open);
	free_list(&set->devices);
	free(set);
}

static void free_sets(void)
{
	tdestroy(known, free_set);
	known = NULL;
	tdestroy(limits, free_limited);
	limits = NULL;
	free(missing);
	missing = NULL;
	free(sets);
	sets = NULL;
	count = 0;
}

/* What is not in the list, in one line. */
static void warn_of_missing(void)
{
	if (complete && missing)
		warn("who: no devices are listed: %s", missing);
	else if (!complete && missing)
		warn("who: only descriptors that you may see are listed: cannot read " SETS_FILE
		     ", and %s", missing);
	else if (!complete)
		warn("who: only the sets of processes are listed, none of the kernel: cannot read "
		     SETS_FILE);
}

/* Only what is shown is read. */
static int read_sets(const struct selection *selection)
{
	bool devices = is_selected(selection, DEVICE_COLUMN);
	int status = 0;

	complete = read_debugfs();
	if (!complete || devices)
		status = holders_read(complete ? NULL : take_holder, devices ? take_device : NULL);
	devices_are_known = devices && !status;
	if (status)
		missing = take_message();
	warn_of_missing();
	status = read_processes();
	if (!status && count)
		qsort(sets, count, sizeof(*sets), compare);
	return status;
}

static void select_columns_of_who(struct selection *selection)
{
	select_default(selection, &who_columns, usual, sizeof(usual) / sizeof(*usual),
		       ALLOCATED_COLUMN);
	selection->list = true;
}

int who_to_string(const char *within, int width, char **text)
{
	struct selection selection;
	struct grid grid;
	int status;

	select_columns_of_who(&selection);
	status = read_sets(&selection);
	if (!status) {
		fill_grid(&grid, &selection, within);
		grid_fit(&grid, width);
		*text = grid_to_string(&grid);
		grid_free(&grid);
	}
	free_sets();
	return status;
}

int who_print(const char *within)
{
	struct selection selection;
	int status;

	select_columns_of_who(&selection);
	status = read_sets(&selection);
	if (!status)
		status = print_sets(&selection, within);
	free_sets();
	return status;
}

int who_to_json(const char *within)
{
	struct selection selection;
	int status;

	select_columns_of_who(&selection);
	status = read_sets(&selection);
	json_sets(&selection, within);
	free_sets();
	return status;
}

static int print_who(const struct selection *selection, const char *within)
{
	int status = read_sets(selection);

	if (!status && selection->json)
		print_json(selection, within);
	else if (!status)
		status = print_sets(selection, within);
	free_sets();
	return status;
}

int command_who(int argc, char **argv)
{
	const struct option *options = table_options(NULL);
	struct selection selection;
	int option, status = 0;
	char *within = NULL;
	bool known;

	select_columns_of_who(&selection);
	while (!status && (option = getopt_long(argc, argv, TABLE_LETTERS, options, NULL)) != -1) {
		status = select_option(&selection, option, optarg, &known);
		if (!known)
			return other_option(option);
	}
	if (!status)
		status = need_arguments(argc, argv, 0, 1);
	/* All of them can be listed without a hierarchy, too. */
	if (!status && optind < argc)
		status = cgroup_find(argv[optind], &within);
	if (!status)
		status = print_who(&selection, within);
	free(within);
	return status;
}
