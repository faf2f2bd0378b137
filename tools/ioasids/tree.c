// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tree.h"

/* IDs that no cgroup pays for belong to the kernel or to processes in the root. */
static void read_root(unsigned int wanted, struct values *values)
{
	struct capacity capacity;

	memset(values, 0, sizeof(*values));
	if (read_capacity(&capacity)) {
		values->of[MAX] = capacity.total;
		values->of[CURRENT] = capacity.kernel + capacity.user;
		values->known = BIT(MAX) | BIT(CURRENT);
	}
	if (wanted & BIT(DYING))
		read_dying(values);
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
		read_root(wanted, &cgroup->values);
	else
		status = read_values(dir, name, wanted, &cgroup->values);
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

static int read_children(int dir, const char *name, struct cgroup *cgroup, unsigned int wanted,
			 unsigned int zero, int levels);

/*
 * Values that are 0 in all descendants, and that need not be read there: those that include
 * the descendants and are 0 here. Where there are many cgroups, this is so for most of them.
 */
static unsigned int zero_below(const struct cgroup *cgroup)
{
	const struct values *values = &cgroup->values;
	unsigned int zero = 0;

	if (is_zero(values, PEAK))
		zero |= BIT(PEAK) | CHARGES;
	if (is_zero(values, REFUSED) && is_zero(values, FAILURES))
		zero |= EVENTS | LOCAL_EVENTS;
	if (is_zero(values, DYING))
		zero |= BIT(DYING);
	return zero;
}

/* What is left out, once. */
static void warn_of_depth(const char *path)
{
	static bool warned;
	char *name, *text;

	if (warned)
		return;
	warned = true;
	name = printable(path);
	text = cut(name, 100);
	warn("some cgroups are left out, as their paths are too long: in /%s", text);
	free(text);
	free(name);
}

/*
 * Reads the child called @name of @cgroup, whose directory is @dir. Users choose how deep
 * cgroups are nested, and each has its whole path here: one that no system call takes is left
 * out, with all below it.
 */
static int read_child(int dir, const char *name, struct cgroup *cgroup, unsigned int wanted,
		      unsigned int zero, int levels, struct cgroup **child)
{
	char *path;
	int status;

	*child = NULL;
	if (strlen(cgroup->path) + 1 + strlen(name) >= PATH_MAX) {
		warn_of_depth(cgroup->path);
		return NOT_FOUND;
	}
	path = format("%s%s%s", cgroup->path, *cgroup->path ? "/" : "", name);
	status = read_cgroup_at(dir, name, path, cgroup, wanted & ~zero, child);
	if (!status) {
		(*child)->values.known |= zero;
		status = read_children(dir, name, *child, wanted, zero, levels);
	}
	if (status && *child) {
		free_tree(*child);
		*child = NULL;
	}
	return status;
}

/*
 * Reads the descendants of @cgroup, which is called @name in @dir, at most this many levels
 * of them, and its ID. Returns NOT_FOUND, without a message, if the cgroup is gone.
 */
static int read_children(int dir, const char *name, struct cgroup *cgroup, unsigned int wanted,
			 unsigned int zero, int levels)
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
	if (about.st_nlink == 2 || !levels)
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
	zero |= zero_below(cgroup);
	while (!status && (entry = readdir(children))) {
		if (entry->d_type != DT_DIR || !strcmp(entry->d_name, ".") ||
		    !strcmp(entry->d_name, ".."))
			continue;
		status = read_child(fd, entry->d_name, cgroup, wanted, zero, levels - 1, end);
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

int read_levels(const char *path, unsigned int wanted, int levels, struct cgroup **tree)
{
	int status = read_cgroup(path, wanted, tree);

	allow_many_levels();
	if (!status)
		status = read_children(root_fd, path, *tree, wanted, 0, levels);
	else if (status == NOT_FOUND && cgroup_exists(path))
		return fail_off(path);
	if (!status)
		return 0;
	if (*tree)
		free_tree(*tree);
	*tree = NULL;
	return status == NOT_FOUND ? fail_gone(path) : status;
}

int read_tree(const char *path, unsigned int wanted, struct cgroup **tree)
{
	return read_levels(path, wanted, INT_MAX, tree);
}

/* CURRENT of MAX. Negative if there is no limit, or if this kernel does not say enough. */
double use_of(const struct cgroup *cgroup)
{
	const struct values *values = &cgroup->values;

	if (~values->known & (BIT(MAX) | BIT(CURRENT)) || values->of[MAX] == NO_LIMIT)
		return -1;
	if (!values->of[MAX])
		return values->of[CURRENT] ? 2 : 1;
	return (double)values->of[CURRENT] / values->of[MAX];
}

/* Names are sorted upwards, numbers downwards. */
static int compare(const void *a, const void *b, void *data)
{
	const struct cgroup *left = *(struct cgroup **)a, *right = *(struct cgroup **)b;
	const struct selection *selection = data;
	const struct column *column = &selection->columns->array[selection->sort];
	int result = 0;
	unsigned int value;

	if (selection->sort == USE_COLUMN) {
		result = (use_of(left) < use_of(right)) - (use_of(left) > use_of(right));
	} else if (column->values) {
		value = __builtin_ctz(column->values);
		result = (left->values.of[value] < right->values.of[value]) -
			 (left->values.of[value] > right->values.of[value]);
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
		array = grow_by_one(array, count, sizeof(*array));
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
