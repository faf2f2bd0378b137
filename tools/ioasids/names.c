// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cgroup.h"
#include "limits.h"
#include "names.h"
#include "units.h"

/* Takes over @name and @cgroup. */
static int take_if_exists(char *name, char *cgroup, struct unit **units, size_t *count)
{
	*count = cgroup_exists(cgroup);
	if (!*count) {
		free(name);
		free(cgroup);
		return 0;
	}
	*units = grow(NULL, 1, sizeof(**units));
	**units = (struct unit) { .name = name, .cgroup = cgroup };
	return 0;
}

/*
 * The units of the system that @name matches and that have a cgroup. Only systemd knows the
 * cgroup of a unit that is not a slice: users can give the same name to cgroups of theirs.
 * The cgroup of a slice can exist before systemd has started the slice.
 */
int find_units(const char *name, struct unit **units, size_t *count)
{
	const char *suffix = strrchr(name, '.');
	char *pattern, *end;
	int status;

	*units = NULL;
	*count = 0;
	if (is_slice(name))
		return take_if_exists(format("%s", name), cgroup_of_slice(name), units, count);
	if (!systemd_runs())
		return 0;
	if (!is_pattern(name))
		return bus_find_unit(false, name, units, count);
	pattern = grow(NULL, 2 * strlen(name) + 2, 1);
	for (end = pattern; *name; name++) {
		if (name == suffix)
			*end++ = '*';
		/* A backslash in a name is not meant to escape the next character. */
		if (*name == '\\')
			*end++ = '\\';
		*end++ = *name;
	}
	*end = '\0';
	status = bus_find_units(pattern, units, count);
	free(pattern);
	return status;
}

void free_units(struct unit *units, size_t count)
{
	while (count--) {
		free(units[count].name);
		free(units[count].cgroup);
	}
	free(units);
}

/* If several limits match a unit, only one of them is for it. */
int find_limited(const struct limit *limits, size_t count, size_t i, struct unit **units,
		 size_t *found)
{
	size_t matching, n;
	int status;

	*units = NULL;
	*found = 0;
	if (limits[i].cgroup)
		return take_if_exists(format("/%s", limits[i].cgroup),
				      format("%s", limits[i].cgroup), units, found);
	status = find_units(limits[i].unit, units, &matching);
	for (n = 0; n < matching; n++) {
		if (limit_of((*units)[n].name, limits, count) == &limits[i]) {
			(*units)[(*found)++] = (*units)[n];
		} else {
			free((*units)[n].name);
			free((*units)[n].cgroup);
		}
	}
	return status;
}

/* A unit of the system or, if there is none, of the user. */
static int cgroup_of_unit(const char *name, char **cgroup)
{
	struct unit *units = NULL;
	size_t count = 0;
	int status;

	status = bus_find_unit(false, name, &units, &count);
	if (!status && !count && geteuid() && getenv("XDG_RUNTIME_DIR"))
		status = bus_find_unit(true, name, &units, &count);
	*cgroup = count ? format("%s", units->cgroup) : NULL;
	free_units(units, count);
	return status;
}

/* Finds the only cgroup called @name. */
static int search(const char *name, char **found)
{
	char **queue = grow(NULL, 1, sizeof(*queue));
	size_t next = 0, count = 0;
	struct dirent *entry;
	int fd, status = 0;
	DIR *dir;

	*found = NULL;
	queue[count++] = format("%s", "");
	for (; next < count && !status; next++) {
		fd = openat(root_fd, *queue[next] ? queue[next] : ".",
			    O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		dir = fd < 0 ? NULL : fdopendir(fd);
		if (!dir)
			continue;
		while (!status && (entry = readdir(dir))) {
			if (entry->d_type != DT_DIR || !strcmp(entry->d_name, ".") ||
			    !strcmp(entry->d_name, ".."))
				continue;
			queue = grow(queue, count + 1, sizeof(*queue));
			queue[count++] = format("%s%s%s", queue[next], *queue[next] ? "/" : "",
						entry->d_name);
			if (strcmp(entry->d_name, name))
				continue;
			if (*found)
				status = fail(NOT_FOUND, "'%s' can be /%s or /%s: say which", name,
					      *found, queue[count - 1]);
			else
				*found = format("%s", queue[count - 1]);
		}
		closedir(dir);
	}
	while (count)
		free(queue[--count]);
	free(queue);
	if (status) {
		free(*found);
		*found = NULL;
	}
	return status;
}

/* The cgroup that @name stands for, which need not exist; NULL if there is none. */
static int cgroup_named(const char *name, char **cgroup)
{
	int status = open_root();
	__u64 pid;

	*cgroup = NULL;
	if (status)
		return status;
	if (strchr(name, '/'))
		*cgroup = cgroup_of_path(name);
	else if (parse_number(name, &pid) && pid <= INT_MAX)
		return cgroup_of_process(pid, cgroup);
	else if (is_slice(name))
		*cgroup = cgroup_of_slice(name);
	else if (!is_unit(name) || !systemd_runs())
		return search(name, cgroup);
	else if (!is_pattern(name))
		return cgroup_of_unit(name, cgroup);
	return 0;
}

/* Finds the cgroup, process, slice or other unit called @name, which must exist. */
int cgroup_find(const char *name, char **cgroup)
{
	int status = cgroup_named(name, cgroup);

	if (status || (*cgroup && cgroup_exists(*cgroup)))
		return status;
	free(*cgroup);
	*cgroup = NULL;
	return fail(NOT_FOUND, "there is no cgroup, running unit or process '%s'", name);
}

/* The same, but a path or a slice is made if it does not exist. */
int cgroup_find_or_make(const char *name, char **cgroup)
{
	int status = cgroup_named(name, cgroup);

	if (status)
		return status;
	if (!*cgroup)
		return fail(NOT_FOUND,
			    "'%s' does not exist, and only a path or a slice can be made", name);
	status = cgroup_make(*cgroup);
	if (status) {
		free(*cgroup);
		*cgroup = NULL;
	}
	return status;
}
