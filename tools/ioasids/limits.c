// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include <ctype.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cgroup.h"
#include "limits.h"

/* The limit that is being read. */
struct reading {
	struct limit **limits;
	size_t count;
	void (*wrong)(const char *message);
	const char *file;
	int line;
	char *unit;
	char *max;
	bool bad;		/* and that has been said */
};

static void complain(struct reading *r, const char *what, const char *value, const char *expected)
{
	char *message = format("%s:%d: %s '%s'; %s", r->file, r->line, what, value, expected);

	r->wrong(message);
	r->bad = true;
	free(message);
}

static bool is_unit(const char *name)
{
	const char *suffix = strrchr(name, '.');

	if (!suffix || suffix == name || strcspn(name, "/ \t\"'%$") != strlen(name))
		return false;
	return !strcmp(suffix, ".service") ||
		(!strcmp(suffix, ".slice") && strcmp(name, "-.slice"));
}

static void end_limit(struct reading *r)
{
	__u64 max = NO_LIMIT;

	if (r->bad) {
		/* It has been said why. */
	} else if (r->unit && r->max && parse_max(r->max, &max)) {
		*r->limits = grow(*r->limits, r->count + 1, sizeof(**r->limits));
		(*r->limits)[r->count++] = (struct limit) {
			.unit = format("%s", r->unit), .max = max, .file = format("%s", r->file),
		};
	} else if (r->unit && !r->max) {
		complain(r, "no Max= for", r->unit, "each limit has Unit= and Max=");
	} else if (r->max && !r->unit) {
		complain(r, "no Unit= for Max", r->max, "each limit has Unit= and Max=");
	}
	r->unit = NULL;
	r->max = NULL;
	r->bad = false;
}

static void read_line(struct reading *r, char *line)
{
	char *end = line + strlen(line);
	__u64 max;

	while (end > line && isspace(end[-1]))
		*--end = '\0';
	line += strspn(line, " \t");
	if (!*line || *line == '#' || *line == ';')
		return;
	if (!strcmp(line, "[Limit]")) {
		end_limit(r);
	} else if (!strncmp(line, "Unit=", 5)) {
		if (!is_unit(line + 5))
			complain(r, "Unit is", line + 5,
				 "it should be a service or a slice, such as machine.slice");
		else
			r->unit = line + 5;
	} else if (!strncmp(line, "Max=", 4)) {
		if (!parse_max(line + 4, &max))
			complain(r, "Max is", line + 4, "it should be 'max' or a number");
		else
			r->max = line + 4;
	} else {
		complain(r, "unknown line", line, "there are [Limit], Unit= and Max=");
	}
}

size_t read_limits(struct limit **limits, void (*wrong)(const char *message))
{
	struct reading r = { .limits = limits, .wrong = wrong };
	char *text, *rest, *line;
	glob_t files;
	size_t i;

	*limits = NULL;
	if (glob(LIMITS_DIRECTORY "/*.conf", 0, NULL, &files))
		return 0;
	for (i = 0; i < files.gl_pathc; i++) {
		r.file = files.gl_pathv[i];
		r.line = 0;
		text = read_all(AT_FDCWD, r.file);
		if (!text) {
			complain(&r, "cannot read", r.file, "is it a file?");
			continue;
		}
		rest = text;
		while ((line = strsep(&rest, "\n"))) {
			r.line++;
			read_line(&r, line);
		}
		end_limit(&r);
		free(text);
	}
	globfree(&files);
	return r.count;
}

void free_limits(struct limit *limits, size_t count)
{
	while (count--) {
		free(limits[count].unit);
		free(limits[count].file);
	}
	free(limits);
}
