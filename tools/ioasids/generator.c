// SPDX-License-Identifier: GPL-2.0
/*
 * A systemd generator: makes drop-ins from what is in /etc/ioasids.d. It is too
 * early to write to a cgroup, so each unit is given something to do when it starts.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cgroup.h"
#include "limits.h"

static const char *directory;

/* The kernel's log is all there is. It takes a line by one write, and cannot seek. */
static void say(const char *message)
{
	int log = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);
	char *line = format("<4>ioasids-generator: %s\n", message);

	if (log < 0 || write(log, line, strlen(line)) < 0)
		warn("%s", message);
	if (log >= 0)
		close(log);
	free(line);
}

static void write_dropin(const char *unit, const char *content)
{
	char *where = format("%s/%s.d", directory, unit);
	char *path = format("%s/50-ioasids.conf", where);
	FILE *file;

	if (mkdir(where, 0755) && errno != EEXIST)
		die(FAILED, "cannot make %s: %s", where, strerror(errno));
	file = fopen(path, "we");
	if (!file || fprintf(file, "# Made from " LIMITS_DIRECTORY ".\n%s", content) < 0 ||
	    fclose(file))
		die(FAILED, "cannot write %s: %s", path, strerror(errno));
	free(path);
	free(where);
}

static void limit_unit(const struct limit *limit)
{
	char *max = limit->max == NO_LIMIT ? format("max") : format("%llu", limit->max);
	const char *when = "ExecStartPre";
	char *content, *service;

	if (strstr(limit->unit, ".slice")) {
		/* A slice runs nothing, but can want a service that comes before it. */
		service = format("ioasids-limit@%s.service", limit->unit);
		content = format("[Unit]\nWants=%s\n", service);
		write_dropin(limit->unit, content);
		free(content);
		content = format("[Service]\nEnvironment=MAX=%s\n", max);
		write_dropin(service, content);
		free(service);
	} else {
		/* A user's manager has its cgroup, and those above it, when it is up. */
		if (!strncmp(limit->unit, "user@", 5))
			when = "ExecStartPost";
		content = format("[Service]\n%s=+" IOASIDCTL " set --create --try %%n %s\n",
				 when, max);
		write_dropin(limit->unit, content);
	}
	free(content);
	free(max);
}

int main(int argc, char **argv)
{
	struct limit *limits;
	size_t count, i;

	if (argc != 4)
		die(BAD_USAGE, "systemd runs it, with three directories");
	directory = argv[1];
	count = read_limits(&limits, say);
	for (i = 0; i < count; i++)
		limit_unit(&limits[i]);
	free_limits(limits, count);
	return EXIT_SUCCESS;
}
