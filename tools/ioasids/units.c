// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cgroup.h"
#include "units.h"

#define CHARACTERS \
	"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ:-_.\\@"

static const char *suffix_of(const char *name)
{
	const char *suffix = strrchr(name, '.');

	return suffix ? suffix : name + strlen(name);
}

static bool systemd_runs(void)
{
	return !access("/run/systemd/system", F_OK);
}

/* Whether it is a name that a unit with a cgroup can have. */
bool is_unit(const char *name)
{
	static const char *const suffixes[] = {
		".service", ".slice", ".scope", ".socket", ".mount", ".swap", NULL
	};
	const char *suffix = suffix_of(name);
	int i = 0;

	while (suffixes[i] && strcmp(suffix, suffixes[i]))
		i++;
	return suffixes[i] && suffix != name && *name != '@' &&
		strspn(name, CHARACTERS) == strlen(name) && strlen(name) <= NAME_MAX;
}

/* Each dash is between two names of slices: the one before, and what it has of its own. */
bool is_slice(const char *name)
{
	const char *suffix = suffix_of(name);

	if (!is_unit(name) || strcmp(suffix, ".slice") || strchr(name, '@'))
		return false;
	return !strcmp(name, "-.slice") ||
		(*name != '-' && suffix[-1] != '-' && !strstr(name, "--"));
}

bool stands_for_many(const char *name)
{
	const char *suffix = suffix_of(name);

	return suffix - name > 1 && suffix[-1] == (strcmp(suffix, ".slice") ? '@' : '-');
}

bool stands_for(const char *name, const char *unit)
{
	const char *suffix = suffix_of(name);

	if (!stands_for_many(name))
		return !strcmp(name, unit);
	return !strncmp(name, unit, suffix - name) && !strcmp(suffix_of(unit), suffix);
}

/* What @command prints; NULL if it fails. */
char *output_of(char *const *command)
{
	int ends[2], status;
	pid_t child;
	char *text;

	if (pipe2(ends, O_CLOEXEC))
		die(FAILED, "no pipe: %s", strerror(errno));
	child = fork();
	if (child < 0)
		die(FAILED, "no process for %s: %s", *command, strerror(errno));
	if (!child) {
		dup2(ends[1], STDOUT_FILENO);
		execvp(*command, command);
		_exit(127);
	}
	close(ends[1]);
	text = read_to_end(ends[0]);
	if (waitpid(child, &status, 0) < 0 || status) {
		free(text);
		text = NULL;
	}
	return text;
}

/* What a manager of systemd, that of the system or of the user, says of units. */
static char *ask(const char *manager, const char *name)
{
	const char *suffix = suffix_of(name);
	char *pattern = format("%.*s%s%s", (int)(suffix - name), name,
			       stands_for_many(name) ? "*" : "", suffix);
	char *const command[] = {
		"systemctl", (char *)manager, "show", "--property=Id,ControlGroup", "--",
		pattern, NULL
	};
	char *text = output_of(command);

	if (!text)
		die(FAILED, "'systemctl %s show' does not say which cgroup '%s' has",
		    manager, name);
	free(pattern);
	return text;
}

/* Those of the units that @manager knows. It prints a block of lines for each. */
static size_t find_by(const char *manager, const char *name, struct unit **units)
{
	char *text = ask(manager, name), *rest = text, *line;
	const char *id = name, *cgroup = "";
	size_t count = 0;

	*units = NULL;
	while ((line = strsep(&rest, "\n"))) {
		/* What was asked for by one name may have another. */
		if (!strncmp(line, "Id=", 3) && stands_for_many(name))
			id = line + 3;
		if (!strncmp(line, "ControlGroup=/", 14))
			cgroup = line + 14;
		if (*line || !*cgroup)
			continue;
		*units = grow(*units, count + 1, sizeof(**units));
		(*units)[count++] = (struct unit) {
			.name = format("%s", id), .cgroup = format("%s", cgroup),
		};
		cgroup = "";
	}
	free(text);
	return count;
}

/*
 * The units of the system that @name stands for and that have a cgroup. Only systemd knows
 * which: whoever has a part of the hierarchy can call a cgroup as he likes.
 */
size_t find_units(const char *name, struct unit **units)
{
	char *cgroup;

	*units = NULL;
	if (!is_slice(name))
		return systemd_runs() ? find_by("--system", name, units) : 0;
	/* The cgroup of a slice can be there before it is, and nowhere else. */
	cgroup = cgroup_of_slice(name);
	if (!cgroup_exists(cgroup)) {
		free(cgroup);
		return 0;
	}
	*units = grow(NULL, 1, sizeof(**units));
	**units = (struct unit) { .name = format("%s", name), .cgroup = cgroup };
	return 1;
}

void free_units(struct unit *units, size_t count)
{
	while (count--) {
		free(units[count].name);
		free(units[count].cgroup);
	}
	free(units);
}

/* systemd puts an underscore before names that files of the kernel can have, too. */
static bool needs_underscore(const char *name)
{
	static const char *const reserved[] = {
		"cgroup.", "cpu.", "cpuacct.", "cpuset.", "io.", "blkio.", "memory.",
		"devices.", "pids.", "bpf-firewall.", "bpf-devices.", "bpf-foreign.",
		"bpf-socket-bind.", "bpf-restrict-network-interfaces.", NULL
	};
	int i = 0;

	while (reserved[i] && strncmp(name, reserved[i], strlen(reserved[i])))
		i++;
	return reserved[i] || *name == '_' || *name == '.';
}

/* a-b.slice is in a.slice; -.slice is the root. */
char *cgroup_of_slice(const char *slice)
{
	size_t length = strlen(slice) - strlen(".slice");
	char *cgroup = format("%s", ""), *longer, *part;
	size_t i;

	if (!strcmp(slice, "-.slice"))
		return cgroup;
	for (i = 1; i <= length; i++) {
		if (i != length && slice[i] != '-')
			continue;
		part = format("%.*s.slice", (int)i, slice);
		longer = format("%s%s%s%s", cgroup, *cgroup ? "/" : "",
				needs_underscore(part) ? "_" : "", part);
		free(part);
		free(cgroup);
		cgroup = longer;
	}
	return cgroup;
}

/* Users mean units of their own, too. */
static char *cgroup_of_unit(const char *name)
{
	struct unit *units;
	size_t count = find_by("--system", name, &units);
	char *cgroup;

	if (!count && geteuid() && getenv("XDG_RUNTIME_DIR"))
		count = find_by("--user", name, &units);
	cgroup = count ? format("%s", units->cgroup) : NULL;
	free_units(units, count);
	return cgroup;
}

/* The cgroup that is called @name, if there is one. */
static char *search(const char *name)
{
	char **queue = NULL, *found = NULL;
	size_t next = 0, count = 0;
	struct dirent *entry;
	DIR *dir;
	int fd;

	queue = grow(queue, 1, sizeof(*queue));
	queue[count++] = format("%s", "");
	for (; next < count; next++) {
		fd = openat(root_fd, *queue[next] ? queue[next] : ".",
			    O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		dir = fd < 0 ? NULL : fdopendir(fd);
		if (!dir)
			continue;
		while ((entry = readdir(dir))) {
			if (entry->d_type != DT_DIR || !strcmp(entry->d_name, ".") ||
			    !strcmp(entry->d_name, ".."))
				continue;
			queue = grow(queue, count + 1, sizeof(*queue));
			queue[count++] = format("%s%s%s", queue[next], *queue[next] ? "/" : "",
						entry->d_name);
			if (strcmp(entry->d_name, name))
				continue;
			if (found)
				die(NOT_FOUND, "'%s' can be /%s or /%s: say which", name, found,
				    queue[count - 1]);
			found = format("%s", queue[count - 1]);
		}
		closedir(dir);
	}
	while (count)
		free(queue[--count]);
	free(queue);
	return found;
}

/* The cgroup that @name stands for, which need not be there; NULL if it stands for none. */
static char *cgroup_named(const char *name)
{
	__u64 pid;

	open_root();
	if (strchr(name, '/'))
		return cgroup_of_path(name);
	if (parse_number(name, &pid) && pid <= INT_MAX)
		return cgroup_of_process(pid);
	if (is_slice(name))
		return cgroup_of_slice(name);
	if (is_unit(name) && systemd_runs())
		return stands_for_many(name) ? NULL : cgroup_of_unit(name);
	return search(name);
}

/* Dies if @name is no cgroup, process, slice or other unit that is there. */
char *cgroup_find(const char *name)
{
	char *cgroup = cgroup_named(name);

	if (!cgroup || !cgroup_exists(cgroup))
		die(NOT_FOUND, "there is no cgroup, running unit or process '%s'", name);
	return cgroup;
}

/* The same, but a path or a slice need not be there. */
char *cgroup_find_or_make(const char *name)
{
	char *cgroup = cgroup_named(name);

	if (!cgroup)
		die(NOT_FOUND, "'%s' is not there, and what is made should be a path or a slice",
		    name);
	cgroup_make(cgroup);
	return cgroup;
}
