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

#define SET	IOASIDCTL " set --here --create --try "

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

static bool write_file_at(const char *path, const char *content)
{
	FILE *file = fopen(path, "we");
	bool written;

	if (!file)
		return false;
	written = fprintf(file, "# Made from " LIMITS_DIRECTORY ".\n%s", content) > 0;
	return !fclose(file) && written;
}

/*
 * Whatever hinders one limit, the others are to be. The name comes after those of
 * others: an empty ExecStartPre= in one of theirs takes away what came before.
 */
static bool write_dropin(const char *unit, const char *content)
{
	char *where = format("%s/%s.d", directory, unit);
	char *path = format("%s/zz-ioasids.conf", where), *message;
	bool written = (!mkdir(where, 0755) || errno == EEXIST) && write_file_at(path, content);

	if (!written) {
		message = format("cannot write %s: %s", path, strerror(errno));
		say(message);
		free(message);
	}
	free(path);
	free(where);
	return written;
}

static bool limit_unit(const struct limit *limit)
{
	char *content;
	bool written;

	/* A slice runs nothing, but can want a service that comes before it. */
	if (!strcmp(strrchr(limit->unit, '.'), ".slice"))
		content = format("[Unit]\nWants=ioasids-limit@%%n.service\n");
	else if (limit->max == NO_LIMIT)
		content = format("[Service]\nExecStartPre=+" SET "max\n");
	else
		content = format("[Service]\nExecStartPre=+" SET "%llu\n", limit->max);
	written = write_dropin(limit->unit, content);
	free(content);
	return written;
}

int main(int argc, char **argv)
{
	struct limit *limits;
	int status = EXIT_SUCCESS;
	size_t count, i;

	if (argc != 4) {
		warn("systemd runs it, with three directories");
		return BAD_USAGE;
	}
	directory = argv[1];
	count = read_limits(&limits, say);
	for (i = 0; i < count; i++)
		if (!limit_unit(&limits[i]))
			status = FAILED;
	free_limits(limits, count);
	return status;
}
