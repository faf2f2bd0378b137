// SPDX-License-Identifier: GPL-2.0
/*
 * A systemd generator: turns the limits of ioasids.d into drop-ins. When it runs the cgroups
 * do not exist yet, so a drop-in has the unit do something when it starts.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

#include "cgroup.h"
#include "limits.h"

#define SET	IOASIDCTL " set --here --create --try "
#define CHECKER	"ioasids-check.service"

static const char *directory;
static bool complained;

/*
 * The journal shows a message in the status of the unit that it names. At boot it does not
 * run yet, and reads the kernel's log later. That takes a line by one write.
 */
static void say(const char *unit, const char *message)
{
	char *line = format("<4>ioasids-generator: %s\n", message);
	int log = -1;

	complained = true;
	if (!access("/run/systemd/journal/socket", W_OK) &&
	    !sd_journal_send("MESSAGE=%s", message, "PRIORITY=4",
			     "SYSLOG_IDENTIFIER=ioasids-generator",
			     "OBJECT_SYSTEMD_UNIT=%s", unit ?: CHECKER, NULL)) {
		free(line);
		return;
	}
	log = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);
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
	written = fprintf(file, "# Made from ioasids.d.\n%s", content) > 0;
	return !fclose(file) && written;
}

/*
 * A drop-in that cannot be written does not keep the others from being written. The name is
 * sorted after most others, as an empty ExecStartPre= in another drop-in removes what came
 * before.
 */
static bool write_dropin(const char *unit, const char *content)
{
	char *where = format("%s/%s.d", directory, unit);
	char *path = format("%s/zz-ioasids.conf", where), *message;
	bool written = (!mkdir(where, 0755) || errno == EEXIST) && write_file_at(path, content);

	if (!written) {
		message = format("cannot write %s: %s", path, strerror(errno));
		say(unit, message);
		free(message);
	}
	free(path);
	free(where);
	return written;
}

static bool limit_unit(const struct limit *limit)
{
	char *content, *max;
	bool written;

	max = format_max(limit->max);
	/* A slice runs nothing itself, but can want a service that starts before it. */
	if (!strcmp(strrchr(limit->unit, '.'), ".slice"))
		content = format("[Unit]\nWants=ioasids-limit@%%n.service\n");
	else
		content = format("[Service]\nExecStartPre=+" SET "%s\n", max);
	free(max);
	written = write_dropin(limit->unit, content);
	free(content);
	return written;
}

/* At boot, a service prints the complaints again, for its status, and fails. */
static void want_checker(void)
{
	char *where = format("%s/multi-user.target.wants", directory);
	char *link = format("%s/" CHECKER, where);

	if ((mkdir(where, 0755) && errno != EEXIST) || symlink(UNITDIR "/" CHECKER, link))
		warn("cannot make %s: %s", link, strerror(errno));
	free(link);
	free(where);
}

int main(int argc, char **argv)
{
	struct limit *limits;
	size_t count, i;
	int status = 0;

	if (argc != 4) {
		warn("systemd runs it, with three directories");
		return BAD_USAGE;
	}
	directory = argv[1];
	count = read_limits(&limits, say);
	/* A cgroup that is no unit's is not started by systemd: 'ioasidctl apply' limits it. */
	for (i = 0; i < count; i++)
		if (limits[i].unit && !limit_unit(&limits[i]))
			status = FAILED;
	free_limits(limits, count);
	if (complained)
		want_checker();
	return status;
}
