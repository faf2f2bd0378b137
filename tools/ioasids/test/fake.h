/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The functions of the C library, and those that the linker uses in their place.
 */
#ifndef _FAKE_H
#define _FAKE_H

#include <stdio.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#include "../holders.h"
#include "../tracer.h"

int __real_access(const char *path, int mode);
int __real_fstatfs(int fd, struct statfs *fs);
int __real_holders_read(holder_function holder, held_device_function device);
int __real_mkdirat(int dir, const char *path, mode_t mode);
int __real_open(const char *path, int flags, ...);
int __real_openat(int dir, const char *path, int flags, ...);
ssize_t __real_readlink(const char *path, char *target, size_t size);
int __real_tracer_open(struct tracer **tracer, unsigned int events, pid_t process,
		       traced_function function, void *data);
ssize_t __real_write(int fd, const void *data, size_t size);

int __wrap_access(const char *path, int mode);
int __wrap_fstatfs(int fd, struct statfs *fs);
int __wrap_holders_read(holder_function holder, held_device_function device);
int __wrap_mkdirat(int dir, const char *path, mode_t mode);
int __wrap_open(const char *path, int flags, int mode);
FILE *__wrap_popen(const char *command, const char *type);
int __wrap_pclose(FILE *file);
int __wrap_openat(int dir, const char *path, int flags, int mode);
ssize_t __wrap_readlink(const char *path, char *target, size_t size);
void __wrap_tracer_close(struct tracer *tracer);
int __wrap_tracer_fd(const struct tracer *tracer);
__u64 __wrap_tracer_lost(const struct tracer *tracer);
int __wrap_tracer_open(struct tracer **tracer, unsigned int events, pid_t process,
		       traced_function function, void *data);
void __wrap_tracer_read(struct tracer *tracer);
ssize_t __wrap_write(int fd, const void *data, size_t size);

#endif
