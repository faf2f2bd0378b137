// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tree.h"

#define BAR_WIDTH	10

/* In the order of the enum. */
const struct column columns[COLUMNS] = {
	{ "CGROUP", "name, as a tree", 0, SCOLS_FL_TREE | SCOLS_FL_TRUNC, 0.4 },
	{ "PATH", "path below the root of the hierarchy", 0, SCOLS_FL_TRUNC, 0.4 },
	{ "MAX", "the limit; of the root: what the machine has", BIT(MAX), SCOLS_FL_RIGHT },
	{ "CURRENT", "what is charged", BIT(CURRENT), SCOLS_FL_RIGHT },
	{ "USE", "a bar: CURRENT of MAX", BIT(CURRENT) | BIT(MAX), 0, BAR_WIDTH },
	{ "PEAK", "the highest CURRENT so far", BIT(PEAK), SCOLS_FL_RIGHT },
	{ "ALLOCATED", "IDs that exist", BIT(ALLOCATED), SCOLS_FL_RIGHT },
	{ "RESERVED", "charged, and not allocated yet", BIT(RESERVED), SCOLS_FL_RIGHT },
	{ "SETS", "owners of IDs", BIT(SETS), SCOLS_FL_RIGHT },
	{ "REFUSED", "requests refused by this limit, or one below", BIT(REFUSED), SCOLS_FL_RIGHT },
	{ "FAILED", "requests made here or below, and refused", BIT(FAILURES), SCOLS_FL_RIGHT },
};

static int find_column(const char *name, size_t length, int *column)
{
	int i;

	for (i = 0; i < COLUMNS; i++) {
		if (!strncasecmp(columns[i].name, name, length) && !columns[i].name[length]) {
			*column = i;
			return 0;
		}
	}
	return fail(BAD_USAGE, "there is no column '%.*s'; --help lists them", (int)length, name);
}

int select_columns(struct selection *selection, const char *list)
{
	size_t length;
	int status;

	selection->count = 0;
	while (true) {
		length = strcspn(list, ",");
		if (selection->count == COLUMNS)
			return fail(BAD_USAGE, "no more than %d columns can be shown", COLUMNS);
		status = find_column(list, length, &selection->shown[selection->count++]);
		if (status || !list[length])
			return status;
		list += length + 1;
	}
}

int select_sort(struct selection *selection, const char *name)
{
	selection->reversed = *name == '-';
	name += selection->reversed;
	return find_column(name, strlen(name), &selection->sort);
}

unsigned int wanted_values(const struct selection *selection)
{
	unsigned int wanted = columns[selection->sort].values;
	int i;

	for (i = 0; i < selection->count; i++)
		wanted |= columns[selection->shown[i]].values;
	return wanted;
}

/* What is charged to nobody below is the kernel's, or of processes in the root. */
static void read_capacity(__u64 *values)
{
	char *text = read_all(root_fd, "ioasids.capacity");
	__u64 kernel = 0, user = 0;

	memset(values, 0, VALUES * sizeof(*values));
	if (text)
		sscanf(text, "total %llu kernel %llu user %llu",
		       &values[MAX], &kernel, &user);
	values[CURRENT] = kernel + user;
	free(text);
}

/* Takes over @path. Returns NOT_FOUND, without a message, if the controller is off there. */
static int read_cgroup_at(int dir, const char *name, char *path, struct cgroup *parent,
			  unsigned int wanted, struct cgroup **result)
{
	struct cgroup *cgroup = grow(NULL, 1, sizeof(*cgroup));
	const char *slash = strrchr(path, '/');
	int status = 0;

	*cgroup = (struct cgroup) {
		.path = path, .name = slash ? slash + 1 : path, .parent = parent,
	};
	if (cgroup_is_root(path))
		read_capacity(cgroup->values);
	else
		status = read_values(dir, name, wanted, cgroup->values);
	if (status) {
		free_tree(cgroup);
		cgroup = NULL;
	}
	*result = cgroup;
	return status;
}

int read_cgroup(const char *path, unsigned int wanted, struct cgroup **cgroup)
{
	return read_cgroup_at(root_fd, path, format("%s", path), NULL, wanted, cgroup);
}

static int read_children(int dir, const char *name, struct cgroup *cgroup, unsigned int wanted);

/*
 * The values that must be read below @cgroup. A value that includes the descendants, and is 0,
 * is 0 in each of them; where there are many cgroups that is most of them.
 */
static unsigned int wanted_below(const struct cgroup *cgroup, unsigned int wanted)
{
	const __u64 *values = cgroup->values;

	/* The root has no such values. */
	if (cgroup_is_root(cgroup->path))
		return wanted;
	if ((wanted & BIT(PEAK)) && !values[PEAK])
		wanted &= ~(BIT(PEAK) | CHARGES);
	if ((wanted & EVENTS) && !values[REFUSED] && !values[FAILURES])
		wanted &= ~(EVENTS | LOCAL_EVENTS);
	return wanted;
}

/* Reads the child called @name of @cgroup, whose directory is @dir. */
static int read_child(int dir, const char *name, struct cgroup *cgroup, unsigned int wanted,
		      struct cgroup **child)
{
	char *path = format("%s%s%s", cgroup->path, *cgroup->path ? "/" : "", name);
	int status = read_cgroup_at(dir, name, path, cgroup, wanted, child);

	if (!status)
		status = read_children(dir, name, *child, wanted);
	if (status && *child) {
		free_tree(*child);
		*child = NULL;
	}
	return status;
}

/*
 * Reads what is below @cgroup, which is called @name in @dir, and its ID. Returns
 * NOT_FOUND, without a message, if the cgroup is gone.
 */
static int read_children(int dir, const char *name, struct cgroup *cgroup, unsigned int wanted)
{
	struct cgroup **end = &cgroup->child;
	struct dirent *entry;
	struct stat about;
	DIR *children;
	int fd, status = 0;

	name = *name ? name : ".";
	if (fstatat(dir, name, &about, 0))
		return NOT_FOUND;
	cgroup->id = about.st_ino;
	/* Each child adds a link to a directory, and most cgroups have no child. */
	if (about.st_nlink == 2)
		return 0;
	fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	children = fd < 0 ? NULL : fdopendir(fd);
	if (!children) {
		if (errno == ENOENT)
			return NOT_FOUND;
		if (errno == EACCES)
			return 0;
		return fail(FAILED, "cannot read what is below /%s: %s", cgroup->path,
			    strerror(errno));
	}
	wanted = wanted_below(cgroup, wanted);
	while (!status && (entry = readdir(children))) {
		if (entry->d_type != DT_DIR || !strcmp(entry->d_name, ".") ||
		    !strcmp(entry->d_name, ".."))
			continue;
		status = read_child(fd, entry->d_name, cgroup, wanted, end);
		if (!status)
			end = &(*end)->next;
		else if (status == NOT_FOUND)
			status = 0;
	}
	closedir(children);
	return status;
}

/* One descriptor is open per level, and users choose how deep their cgroups are nested. */
static void allow_many_levels(void)
{
	struct rlimit limit;

	if (!getrlimit(RLIMIT_NOFILE, &limit)) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

int read_tree(const char *path, unsigned int wanted, struct cgroup **tree)
{
	int status = read_cgroup(path, wanted, tree);

	allow_many_levels();
	if (!status)
		status = read_children(root_fd, path, *tree, wanted);
	else if (status == NOT_FOUND && cgroup_exists(path))
		return fail_off(path);
	if (!status)
		return 0;
	if (*tree)
		free_tree(*tree);
	*tree = NULL;
	return status == NOT_FOUND ? fail_gone(path) : status;
}

static double use_of(const struct cgroup *cgroup)
{
	const __u64 *values = cgroup->values;

	if (values[MAX] == NO_LIMIT)
		return 0;
	if (!values[MAX])
		return values[CURRENT] ? 2 : 1;
	return (double)values[CURRENT] / values[MAX];
}

/* Names go up, numbers go down: the first is what one looks for. */
static int compare(const void *a, const void *b, void *data)
{
	const struct cgroup *left = *(struct cgroup **)a, *right = *(struct cgroup **)b;
	const struct selection *selection = data;
	int sort = selection->sort, result = 0;
	unsigned int value;

	if (sort == USE_COLUMN) {
		result = (use_of(left) < use_of(right)) - (use_of(left) > use_of(right));
	} else if (columns[sort].values) {
		value = __builtin_ctz(columns[sort].values);
		result = (left->values[value] < right->values[value]) -
			 (left->values[value] > right->values[value]);
	}
	if (!result)
		result = strcmp(left->path, right->path);
	return selection->reversed ? -result : result;
}

void sort_tree(struct cgroup *cgroup, const struct selection *selection)
{
	struct cgroup **array = NULL, *child;
	size_t count = 0, i;

	for (child = cgroup->child; child; child = child->next) {
		if (!(count & (count - 1)))
			array = grow(array, count ? 2 * count : 1, sizeof(*array));
		array[count++] = child;
		sort_tree(child, selection);
	}
	if (!count)
		return;
	qsort_r(array, count, sizeof(*array), compare, (void *)selection);
	for (i = 0; i < count; i++)
		array[i]->next = i + 1 < count ? array[i + 1] : NULL;
	cgroup->child = array[0];
	free(array);
}

void free_tree(struct cgroup *cgroup)
{
	struct cgroup *child, *next;

	for (child = cgroup->child; child; child = next) {
		next = child->next;
		free_tree(child);
	}
	free(cgroup->path);
	free(cgroup);
}

struct libscols_table *new_empty_table(const char *name, bool json)
{
	struct libscols_table *table = scols_new_table();

	if (!table)
		no_memory();
	scols_table_set_name(table, name);
	scols_table_enable_json(table, json);
	/* It would change the backslashes in the names of units: printable() does not. */
	scols_table_enable_noencoding(table, true);
	/* JSON is UTF-8 everywhere. */
	if (json)
		setlocale(LC_CTYPE, "C.UTF-8");
	return table;
}

struct libscols_table *new_table(const struct selection *selection, bool json)
{
	struct libscols_table *table = new_empty_table("cgroups", json);
	struct libscols_column *made;
	const struct column *column;
	int i;

	for (i = 0; i < selection->count; i++) {
		column = &columns[selection->shown[i]];
		made = scols_table_new_column(table, column->name, column->width, column->flags);
		if (!made)
			no_memory();
		if (column->flags & SCOLS_FL_RIGHT)
			scols_column_set_json_type(made, SCOLS_JSON_NUMBER);
	}
	return table;
}

/* A bar for people, a percentage for programs; nothing where there is no limit. */
static char *bar(const struct cgroup *cgroup, bool json)
{
	double use = use_of(cgroup);
	int full = use >= 1 ? BAR_WIDTH : (int)(use * BAR_WIDTH);

	if (cgroup->values[MAX] == NO_LIMIT)
		return NULL;
	/* One ID of a million is to be seen, too. */
	full += full < BAR_WIDTH && full < use * BAR_WIDTH;
	if (json)
		return format("%.0f%%", use * 100);
	return format("%.*s%.*s%s", full, "##########", BAR_WIDTH - full, "..........",
		      use > 1 ? "!" : "");
}

static char *cell(const struct cgroup *cgroup, int column, bool json)
{
	char *path, *text;
	__u64 value;

	if (column == NAME_COLUMN && cgroup->parent)
		return printable(cgroup->name, json);
	if (column == NAME_COLUMN || column == PATH_COLUMN) {
		path = printable(cgroup->path, json);
		text = format("/%s", path);
		free(path);
		return text;
	}
	if (column == USE_COLUMN)
		return bar(cgroup, json);
	/* The root has neither peak nor events. */
	if (cgroup_is_root(cgroup->path) && column != MAX_COLUMN && column != CURRENT_COLUMN)
		return json ? NULL : format("-");
	value = cgroup->values[__builtin_ctz(columns[column].values)];
	if (column == MAX_COLUMN && value == NO_LIMIT)
		return json ? NULL : format("max");
	return format("%llu", value);
}

void add_line(struct libscols_table *table, const struct selection *selection,
	      struct cgroup *cgroup, struct cgroup *below)
{
	bool json = scols_table_is_json(table);
	char *data;
	int i;

	cgroup->line = scols_table_new_line(table, below ? below->line : NULL);
	if (!cgroup->line)
		no_memory();
	for (i = 0; i < selection->count; i++) {
		data = cell(cgroup, selection->shown[i], json);
		if (data)
			scols_line_refer_data(cgroup->line, i, data);
	}
}

/* Adds a line for @cgroup, and for all below that are not folded away. */
void add_lines(struct libscols_table *table, const struct selection *selection,
	       struct cgroup *cgroup)
{
	struct cgroup *child;

	add_line(table, selection, cgroup, cgroup->parent);
	for (child = cgroup->child; child && !cgroup->folded; child = child->next)
		add_lines(table, selection, child);
}

/* Prints and frees a table. */
int print_table(struct libscols_table *table)
{
	int status = 0;

	if (scols_print_table(table))
		status = fail(FAILED, "cannot print the table");
	scols_unref_table(table);
	return status;
}
