/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The functions of the C library, and those that the linker uses in their place.
 */
#ifndef _FAKE_H
#define _FAKE_H

#include <stdio.h>
#include <sys/stat.h>
#include <sys/statfs.h>

int __real_access(const char *path, int mode);
int __real_fstatfs(int fd, struct statfs *fs);
int __real_mkdirat(int dir, const char *path, mode_t mode);
int __real_open(const char *path, int flags, ...);
int __real_openat(int dir, const char *path, int flags, ...);
ssize_t __real_write(int fd, const void *data, size_t size);

int __wrap_access(const char *path, int mode);
int __wrap_fstatfs(int fd, struct statfs *fs);
int __wrap_mkdirat(int dir, const char *path, mode_t mode);
int __wrap_open(const char *path, int flags, int mode);
FILE *__wrap_popen(const char *command, const char *type);
int __wrap_pclose(FILE *file);
int __wrap_openat(int dir, const char *path, int flags, int mode);
ssize_t __wrap_write(int fd, const void *data, size_t size);

#endif
