// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cgroup.h"
#include "limits.h"
#include "units.h"

/* ioasids-limit@NAME.service must be a valid name, too. */
#define LONGEST_NAME	(NAME_MAX - strlen("ioasids-limit@.service"))

#define EACH_HAS	"each limit has Unit= or Cgroup=, and Max="
#define BEGINS		"each limit but the first begins with [Limit]"

/* A file in an earlier directory replaces those of the same name in later ones. */
static const char *const directories[] = {
	SYSCONFDIR "/ioasids.d", "/run/ioasids.d", LIBDIR "/ioasids.d", NULL
};

/* The limit that is being read. */
struct reading {
	struct limit **limits;
	size_t count;
	wrong_line wrong;
	const char *file;
	int line;
	char *unit;
	char *cgroup;
	char *max;
	bool bad;		/* one of these is wrong, which has been reported */
};

static void complain(struct reading *r, const char *what, const char *value, const char *expected)
{
	char *message = format("%s:%d: %s '%s'; %s", r->file, r->line, what, value, expected);

	r->wrong(r->unit, message);
	free(message);
}

static bool is_limited_kind(const char *name)
{
	const char *suffix = strrchr(name, '.');
	char *slice;
	bool can;

	if (!is_unit(name))
		return false;
	/* A drop-in for a-.service would be one for a-b.service, too. */
	if (!strcmp(suffix, ".service"))
		return suffix[-1] != '-';
	slice = format("%.*s.slice", (int)(suffix - name) - is_pattern(name), name);
	can = !strcmp(suffix, ".slice") && is_slice(slice) && strcmp(slice, "-.slice");
	free(slice);
	return can;
}

bool can_be_limited(const char *unit)
{
	return is_limited_kind(unit) && strlen(unit) <= LONGEST_NAME;
}

static bool is_for(const struct limit *limit, const char *unit, const char *cgroup)
{
	if (unit)
		return limit->unit && !strcmp(limit->unit, unit);
	return limit->cgroup && !strcmp(limit->cgroup, cgroup);
}

static void add_limit(struct reading *r, __u64 max)
{
	struct limit *limit = *r->limits, *end = limit + r->count;

	while (limit != end && !is_for(limit, r->unit, r->cgroup))
		limit++;
	if (limit == end) {
		*r->limits = grow(*r->limits, r->count + 1, sizeof(**r->limits));
		limit = *r->limits + r->count++;
		*limit = (struct limit) {
			.unit = r->unit ? format("%s", r->unit) : NULL,
			.cgroup = r->unit ? NULL : format("%s", r->cgroup),
		};
	} else {
		free(limit->file);
	}
	limit->max = max;
	limit->file = format("%s", r->file);
}

static void take_limit(struct reading *r)
{
	__u64 max;

	if ((r->unit || r->cgroup) && r->max && parse_max(r->max, &max))
		add_limit(r, max);
	else if (r->unit || r->cgroup)
		complain(r, "no Max= for", r->unit ?: r->cgroup, EACH_HAS);
	else if (r->max)
		complain(r, "no Unit= for Max", r->max, EACH_HAS);
}

static void end_limit(struct reading *r)
{
	if (!r->bad)
		take_limit(r);
	free(r->cgroup);
	r->unit = NULL;
	r->cgroup = NULL;
	r->max = NULL;
	r->bad = false;
}

static void read_unit(struct reading *r, char *name)
{
	char *expected;

	if (r->unit || r->cgroup) {
		complain(r, "a second Unit", name, BEGINS);
	} else if (!is_limited_kind(name)) {
		complain(r, "Unit is", name,
			 "it should be a service or a slice, such as machine.slice");
		r->bad = true;
	} else if (strlen(name) > LONGEST_NAME) {
		expected = format("it should have no more than %zu characters", LONGEST_NAME);
		complain(r, "Unit is", name, expected);
		free(expected);
		r->bad = true;
	} else {
		r->unit = name;
	}
}

/* A blank in the name is written as \040, and so on. */
static void read_path(struct reading *r, char *name)
{
	char *cgroup = *name == '/' ? cgroup_of_name(unescape(name)) : NULL;

	if (r->unit || r->cgroup) {
		complain(r, "a second Cgroup", name, BEGINS);
	} else if (!cgroup || !*cgroup) {
		complain(r, "Cgroup is", name, "it should be a path below the root, such as /job");
		r->bad = true;
	} else {
		r->cgroup = cgroup;
		return;
	}
	free(cgroup);
}

static void read_max(struct reading *r, char *text)
{
	__u64 max;

	if (r->max) {
		complain(r, "a second Max", text, BEGINS);
	} else if (!parse_max(text, &max)) {
		complain(r, "Max is", text, "it should be 'max' or a number");
		r->bad = true;
	} else {
		r->max = text;
	}
}

/* Removes blanks at both ends, and a comment that follows a blank. */
static char *strip(char *text)
{
	char *end;

	text += strspn(text, " \t\r");
	for (end = text; *end; end++)
		if ((*end == '#' || *end == ';') && (end == text || isspace(end[-1])))
			break;
	while (end > text && isspace(end[-1]))
		end--;
	*end = '\0';
	return text;
}

static void read_line(struct reading *r, char *line)
{
	char *value, *whole;

	line = strip(line);
	if (!*line)
		return;
	if (!strcasecmp(line, "[Limit]")) {
		end_limit(r);
		return;
	}
	whole = format("%s", line);
	value = strchr(line, '=');
	if (value) {
		*value++ = '\0';
		line = strip(line);
		value = strip(value);
	}
	if (value && !strcmp(line, "Unit"))
		read_unit(r, value);
	else if (value && !strcmp(line, "Cgroup"))
		read_path(r, value);
	else if (value && !strcmp(line, "Max"))
		read_max(r, value);
	else
		complain(r, "unknown line", whole, "there are [Limit], Unit=, Cgroup= and Max=");
	free(whole);
}

/*
 * Reads the descriptor itself: /dev/stdin would open a file anew, at its start and only if this
 * user may open it, and no socket. On failure it returns NULL and sets errno.
 */
static char *read_standard_input(void)
{
	char *text = NULL;
	size_t length = 0;
	ssize_t part;
	int error;

	do {
		text = grow(text, length + BUFSIZ + 1, 1);
		part = read(STDIN_FILENO, text + length, BUFSIZ);
		length += part > 0 ? part : 0;
	} while (part > 0);
	text[length] = '\0';
	if (!part)
		return text;
	error = errno;
	free(text);
	errno = error;
	return NULL;
}

static void read_limits_file(struct reading *r, const char *file)
{
	char *text = file ? read_all(AT_FDCWD, file) : read_standard_input();
	char *rest = text, *line;

	r->file = file ?: STANDARD_INPUT;
	r->line = 0;
	if (!text) {
		rest = format("%s: cannot be read: %s", r->file, strerror(errno));
		r->wrong(NULL, rest);
		free(rest);
		return;
	}
	while ((line = strsep(&rest, "\n"))) {
		r->line++;
		read_line(r, line);
	}
	end_limit(r);
	free(text);
}

/* The files that count, in the order of the bytes of their names. */
struct files {
	char **paths;
	size_t count;
};

static const char *base_of(const char *path)
{
	return strrchr(path, '/') + 1;
}

static int compare_files(const void *a, const void *b)
{
	return strcmp(base_of(*(char **)a), base_of(*(char **)b));
}

static void find_files(struct files *files, const char *directory)
{
	DIR *dir = opendir(directory);
	struct dirent *entry;
	size_t length, i;

	while (dir && (entry = readdir(dir))) {
		length = strlen(entry->d_name);
		if (*entry->d_name == '.' || length < strlen(".conf") ||
		    strcmp(entry->d_name + length - strlen(".conf"), ".conf"))
			continue;
		for (i = 0; i < files->count; i++)
			if (!strcmp(base_of(files->paths[i]), entry->d_name))
				break;
		if (i < files->count)
			continue;
		files->paths = grow(files->paths, files->count + 1, sizeof(*files->paths));
		files->paths[files->count++] = format("%s/%s", directory, entry->d_name);
	}
	if (dir)
		closedir(dir);
}

/* An empty file, or a link to /dev/null, only replaces others of its name. */
static bool is_mask(const char *path)
{
	struct stat about;

	return !stat(path, &about) && !about.st_size &&
		(S_ISREG(about.st_mode) || S_ISCHR(about.st_mode));
}

size_t read_limits_in(const char *file, struct limit **limits, wrong_line wrong)
{
	struct reading r = { .limits = limits, .wrong = wrong };

	*limits = NULL;
	read_limits_file(&r, file);
	/* A command that fails leaves such a file. */
	if (r.line == 1)
		complain(&r, "no limits in", r.file, "a limit has two lines");
	return r.count;
}

size_t read_limits(struct limit **limits, wrong_line wrong)
{
	struct reading r = { .limits = limits, .wrong = wrong };
	struct files files = { };
	size_t i;

	*limits = NULL;
	for (i = 0; directories[i]; i++)
		find_files(&files, directories[i]);
	if (files.count)
		qsort(files.paths, files.count, sizeof(*files.paths), compare_files);
	for (i = 0; i < files.count; i++) {
		if (!is_mask(files.paths[i]))
			read_limits_file(&r, files.paths[i]);
		free(files.paths[i]);
	}
	free(files.paths);
	return r.count;
}

/* As for drop-ins of systemd, the longest name counts. */
const struct limit *limit_of(const char *unit, const struct limit *limits, size_t count)
{
	const struct limit *longest = NULL;

	for (; count--; limits++)
		if (limits->unit && unit_matches(limits->unit, unit) &&
		    (!longest || strlen(limits->unit) > strlen(longest->unit)))
			longest = limits;
	return longest;
}

void free_limits(struct limit *limits, size_t count)
{
	while (count--) {
		free(limits[count].unit);
		free(limits[count].cgroup);
		free(limits[count].file);
	}
	free(limits);
}
