// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"
#include "text.h"

static int write_text(int fd, const char *text, size_t length)
{
	ssize_t part;

	for (; length; text += part, length -= part) {
		part = write(fd, text, length);
		if (part < 0)
			return errno;
	}
	return 0;
}

int replace_file(const char *file, const char *text, size_t length)
{
	char *name = format("%s.XXXXXX", file);
	struct stat about;
	int fd, error = 0, status = 0;
	mode_t mask = umask(0);

	umask(mask);
	if (!lstat(file, &about) && !S_ISREG(about.st_mode)) {
		free(name);
		return fail(FAILED, "cannot write %s: it is not a regular file", file);
	}
	fd = mkostemp(name, O_CLOEXEC);
	if (fd < 0)
		error = errno;
	else if (fchmod(fd, 0666 & ~mask))
		error = errno;
	else
		error = write_text(fd, text, length);
	if (fd >= 0 && close(fd) && !error)
		error = errno;
	if (!error && rename(name, file))
		error = errno;
	if (error)
		status = fail(FAILED, "cannot write %s: %s", file, strerror(error));
	if (error && fd >= 0)
		unlink(name);
	free(name);
	return status;
}
