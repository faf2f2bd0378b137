// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ioasidctl.h"
#include "names.h"
#include "tree.h"

#define SETS_FILE	"/sys/kernel/debug/ioasid/sets"

struct set {
	__u64 id;
	__u64 quota;
	__u64 allocated;
	char *pid;		/* of the owner, "-" if it is dead */
	char *command;
	char *cgroup;
	char *open;		/* PID:FD of each copy of the descriptor */
};

static struct set *sets;
static size_t count;

static struct set *find_or_add(__u64 id)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (sets[i].id == id)
			return &sets[i];
	sets = grow(sets, count + 1, sizeof(*sets));
	sets[count] = (struct set) { .id = id };
	return &sets[count++];
}

/* What the kernel writes as \ooo, in place. */
static char *unescape(char *text)
{
	char *from = text, *to = text;
	unsigned int character;
	int length;

	while (*from) {
		if (sscanf(from, "\\%3o%n", &character, &length) == 1 && character) {
			*to++ = character;
			from += length;
		} else {
			*to++ = *from++;
		}
	}
	*to = '\0';
	return text;
}

/* All sets there are, the kernel's too; root alone can read it. False if not. */
static bool read_debugfs(void)
{
	char *text = read_all(AT_FDCWD, SETS_FILE), *rest = text, *line;
	char *part[7];
	struct set *set;
	int i;

	if (!text)
		return false;
	while ((line = strsep(&rest, "\n"))) {
		/* The last one, the cgroup, is the rest: it is the only one not escaped. */
		for (i = 0; i < 6 && line; i++)
			part[i] = strsep(&line, "\t");
		part[6] = line;
		if (!line || !isdigit(*part[0]))
			continue;
		set = find_or_add(strtoull(part[0], NULL, 10));
		set->quota = strtoull(part[2], NULL, 10);
		set->allocated = strtoull(part[3], NULL, 10);
		set->pid = format("%s", part[4]);
		set->command = unescape(format("%s", part[5]));
		set->cgroup = format("%s", part[6]);
	}
	free(text);
	return true;
}

static char *command_of(const char *pid)
{
	char *path = format("/proc/%s/comm", pid);
	char *command = read_all(AT_FDCWD, path);

	free(path);
	if (!command)
		return format("-");
	command[strcspn(command, "\n")] = '\0';
	return command;
}

static const char *field(const char *text, const char *name)
{
	const char *at = strstr(text, name);

	return at ? at + strlen(name) : NULL;
}

/* Takes what the fdinfo of one descriptor says, if it is one of /dev/ioasid. */
static void read_fdinfo(int process, const char *pid, const char *fd)
{
	char *path = format("fdinfo/%s", fd), *open;
	char *text = read_all(process, path);
	const char *id, *cgroup;
	struct set *set;

	free(path);
	id = text ? field(text, "\nioasid-set:\t") : NULL;
	if (id) {
		set = find_or_add(strtoull(id, NULL, 10));
		if (!set->pid) {
			/* The owner is not told here: it is whoever is seen first. */
			set->pid = format("%s", pid);
			set->command = command_of(pid);
			set->quota = strtoull(field(text, "\nioasid-quota:\t"), NULL, 10);
			set->allocated = strtoull(field(text, "\nioasid-allocated:\t"), NULL, 10);
			cgroup = field(text, "\nioasid-cgroup:\t");
			set->cgroup = format("%.*s", (int)strcspn(cgroup, "\n"), cgroup);
		}
		open = format("%s%s%s:%s", set->open ? set->open : "", set->open ? "," : "",
			      pid, fd);
		free(set->open);
		set->open = open;
	}
	free(text);
}

static void read_process(const char *pid)
{
	char *path = format("/proc/%s", pid), *name;
	int process = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int fds = process < 0 ? -1 : openat(process, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fds < 0 ? NULL : fdopendir(fds);
	struct dirent *entry;
	struct stat about;

	free(path);
	while (dir && (entry = readdir(dir))) {
		/* fdinfo takes its time: only a device can be the one looked for. */
		name = entry->d_name;
		if (*name != '.' && !fstatat(fds, name, &about, 0) && S_ISCHR(about.st_mode))
			read_fdinfo(process, pid, name);
	}
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

static int compare(const void *a, const void *b)
{
	const struct set *left = a, *right = b;
	__u64 l = left->quota ? left->quota : left->allocated;
	__u64 r = right->quota ? right->quota : right->allocated;

	return l != r ? (l < r) - (l > r) : (left->id > right->id) - (left->id < right->id);
}

static bool is_below(const char *cgroup, const char *above)
{
	size_t length = strlen(above);

	cgroup += *cgroup == '/';
	return !length || (!strncmp(cgroup, above, length) &&
			   (!cgroup[length] || cgroup[length] == '/'));
}

static struct libscols_table *new_who_table(bool json)
{
	static const struct {
		const char *name;
		double width;
		int flags;
	} *h, headings[] = {
		{ "PID", 0, SCOLS_FL_RIGHT },
		{ "COMMAND" },
		{ "ALLOCATED", 0, SCOLS_FL_RIGHT },
		{ "QUOTA", 0, SCOLS_FL_RIGHT },
		{ "SET", 0, SCOLS_FL_RIGHT },
		{ "CGROUP", 0.3, SCOLS_FL_TRUNC },
		{ "OPEN", 0, SCOLS_FL_WRAP },
		{ }
	};
	struct libscols_table *table = new_empty_table("sets", json);
	struct libscols_column *column;

	for (h = headings; h->name; h++) {
		column = scols_table_new_column(table, h->name, h->width, h->flags);
		if (!column)
			no_memory();
		if (h->flags & SCOLS_FL_RIGHT)
			scols_column_set_json_type(column, SCOLS_JSON_NUMBER);
	}
	return table;
}

static void add_set(struct libscols_table *table, const struct set *set)
{
	struct libscols_line *line = scols_table_new_line(table, NULL);
	bool json = scols_table_is_json(table);

	if (!line)
		no_memory();
	if (!json || strcmp(set->pid, "-"))
		scols_line_set_data(line, 0, set->pid);
	scols_line_refer_data(line, 1, printable(set->command, json));
	scols_line_refer_data(line, 2, format("%llu", set->allocated));
	scols_line_refer_data(line, 3, format("%llu", set->quota));
	scols_line_refer_data(line, 4, format("%llu", set->id));
	scols_line_refer_data(line, 5, printable(set->cgroup, json));
	scols_line_set_data(line, 6, set->open);
}

static void free_sets(void)
{
	while (count--) {
		free(sets[count].pid);
		free(sets[count].command);
		free(sets[count].cgroup);
		free(sets[count].open);
	}
	free(sets);
}

int command_who(int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'J' },
		{ "noheadings", no_argument, NULL, 'n' },
		{ }
	};
	bool json = false, no_headings = false;
	struct libscols_table *table;
	int option, status;
	char *within;
	size_t i;

	while ((option = getopt_long(argc, argv, "Jn", options, NULL)) != -1) {
		if (option == 'J')
			json = true;
		else if (option == 'n')
			no_headings = true;
		else
			return BAD_USAGE;
	}
	status = need_arguments(argc, argv, 0, 1);
	if (!status)
		status = cgroup_find(optind < argc ? argv[optind] : "/", &within);
	if (status)
		return status;
	if (!read_debugfs())
		warn("who: only descriptors that you may see are listed: cannot read " SETS_FILE);
	status = read_processes();
	if (!status) {
		qsort(sets, count, sizeof(*sets), compare);
		table = new_who_table(json);
		scols_table_enable_noheadings(table, no_headings);
		for (i = 0; i < count; i++)
			if (is_below(sets[i].cgroup, within))
				add_set(table, &sets[i]);
		status = print_table(table);
	}
	free_sets();
	free(within);
	return status;
}
