// SPDX-License-Identifier: GPL-2.0
/*
 * A library to be preloaded that hides files: the environment variable HIDDEN has their
 * names, separated by colons.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

static int is_hidden(const char *path)
{
	const char *names = getenv("HIDDEN"), *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path, *at = names;
	size_t length = strlen(name);

	while (at && (at = strstr(at, name))) {
		if ((at == names || at[-1] == ':') && (!at[length] || at[length] == ':')) {
			errno = ENOENT;
			return 1;
		}
		at += length;
	}
	return 0;
}

typedef int (*file_call)(int dir, const char *path, int a, int b);

static int pass_on(const char *function, int dir, const char *path, int a, int b)
{
	file_call next = (file_call)dlsym(RTLD_NEXT, function);

	return is_hidden(path) ? -1 : next(dir, path, a, b);
}

int openat(int dir, const char *path, int flags, int mode)
{
	return pass_on("openat", dir, path, flags, mode);
}

int openat64(int dir, const char *path, int flags, int mode)
{
	return pass_on("openat64", dir, path, flags, mode);
}

int __openat_2(int dir, const char *path, int flags)
{
	return pass_on("__openat_2", dir, path, flags, 0);
}

int faccessat(int dir, const char *path, int mode, int flags)
{
	return pass_on("faccessat", dir, path, mode, flags);
}
