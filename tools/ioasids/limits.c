// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "cgroup.h"
#include "limits.h"
#include "units.h"

/* ioasids-limit@NAME.service is to be a name, too. */
#define LONGEST_NAME	(NAME_MAX - strlen("ioasids-limit@.service"))

/* The limit that is being read. */
struct reading {
	struct limit **limits;
	size_t count;
	void (*wrong)(const char *message);
	const char *file;
	int line;
	char *unit;
	char *max;
	bool bad;		/* its unit or max, and that has been said */
};

static void complain(struct reading *r, const char *what, const char *value, const char *expected)
{
	char *message = format("%s:%d: %s '%s'; %s", r->file, r->line, what, value, expected);

	r->wrong(message);
	free(message);
}

/* A service, a slice, or all of a template or with a prefix: user@.service, user-.slice. */
static bool can_be_limited(const char *name)
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

static void add_limit(struct reading *r, __u64 max)
{
	struct limit *limit = *r->limits, *end = limit + r->count;

	while (limit != end && strcmp(limit->unit, r->unit))
		limit++;
	if (limit == end) {
		*r->limits = grow(*r->limits, r->count + 1, sizeof(**r->limits));
		limit = *r->limits + r->count++;
		limit->unit = format("%s", r->unit);
	} else {
		free(limit->file);
	}
	limit->max = max;
	limit->file = format("%s", r->file);
}

static void take_limit(struct reading *r)
{
	__u64 max;

	if (r->unit && r->max && parse_max(r->max, &max))
		add_limit(r, max);
	else if (r->unit)
		complain(r, "no Max= for", r->unit, "each limit has Unit= and Max=");
	else if (r->max)
		complain(r, "no Unit= for Max", r->max, "each limit has Unit= and Max=");
}

static void end_limit(struct reading *r)
{
	if (!r->bad)
		take_limit(r);
	r->unit = NULL;
	r->max = NULL;
	r->bad = false;
}

static void read_unit(struct reading *r, char *name)
{
	char *expected;

	if (r->unit) {
		complain(r, "a second Unit", name, "each limit but the first begins with [Limit]");
	} else if (!can_be_limited(name)) {
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

static void read_max(struct reading *r, char *text)
{
	__u64 max;

	if (r->max) {
		complain(r, "a second Max", text, "each limit but the first begins with [Limit]");
	} else if (!parse_max(text, &max)) {
		complain(r, "Max is", text, "it should be 'max' or a number");
		r->bad = true;
	} else {
		r->max = text;
	}
}

static void read_line(struct reading *r, char *line)
{
	char *end = line + strlen(line);

	while (end > line && isspace(end[-1]))
		*--end = '\0';
	line += strspn(line, " \t");
	if (!*line || *line == '#' || *line == ';')
		return;
	if (!strcmp(line, "[Limit]"))
		end_limit(r);
	else if (!strncmp(line, "Unit=", 5))
		read_unit(r, line + 5);
	else if (!strncmp(line, "Max=", 4))
		read_max(r, line + 4);
	else
		complain(r, "unknown line", line, "there are [Limit], Unit= and Max=");
}

static void read_limits_file(struct reading *r, const char *file)
{
	char *text = read_all(AT_FDCWD, file), *rest = text, *line;

	r->file = file;
	r->line = 0;
	if (!text) {
		rest = format("%s: cannot be read: %s", file, strerror(errno));
		r->wrong(rest);
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

size_t read_limits(struct limit **limits, void (*wrong)(const char *message))
{
	struct reading r = { .limits = limits, .wrong = wrong };
	glob_t files;
	size_t i;

	*limits = NULL;
	if (glob(LIMITS_DIRECTORY "/*.conf", 0, NULL, &files))
		return 0;
	for (i = 0; i < files.gl_pathc; i++)
		read_limits_file(&r, files.gl_pathv[i]);
	globfree(&files);
	return r.count;
}

/* systemd does the same with drop-ins: the longest name counts. */
const struct limit *limit_of(const char *unit, const struct limit *limits, size_t count)
{
	const struct limit *longest = NULL;

	for (; count--; limits++)
		if (unit_matches(limits->unit, unit) &&
		    (!longest || strlen(limits->unit) > strlen(longest->unit)))
			longest = limits;
	return longest;
}

void free_limits(struct limit *limits, size_t count)
{
	while (count--) {
		free(limits[count].unit);
		free(limits[count].file);
	}
	free(limits);
}
