/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The functions of the C library, and those that the linker uses in their place.
 */
#ifndef _FAKE_H
#define _FAKE_H

#include <stdio.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <systemd/sd-bus.h>

#include "../holders.h"
#include "../tracer.h"

int __real_access(const char *path, int mode);
int __real_bus_reload(void);
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
int __wrap_bus_reload(void);
int __wrap_fstatfs(int fd, struct statfs *fs);
int __wrap_holders_read(holder_function holder, held_device_function device);
int __wrap_mkdirat(int dir, const char *path, mode_t mode);
int __wrap_open(const char *path, int flags, int mode);
FILE *__wrap_popen(const char *command, const char *type);
int __wrap_pclose(FILE *file);
int __wrap_openat(int dir, const char *path, int flags, int mode);
ssize_t __wrap_readlink(const char *path, char *target, size_t size);
int __wrap_sd_bus_call_method(sd_bus *bus, const char *service, const char *path,
			      const char *interface, const char *method, sd_bus_error *error,
			      sd_bus_message **reply, const char *types, ...);
int __wrap_sd_bus_get_property_string(sd_bus *bus, const char *service, const char *path,
				      const char *interface, const char *property,
				      sd_bus_error *error, char **value);
int __wrap_sd_bus_message_enter_container(sd_bus_message *message, char type,
					  const char *content);
int __wrap_sd_bus_message_read(sd_bus_message *message, const char *types, ...);
int __wrap_sd_bus_open_system(sd_bus **bus);
int __wrap_sd_bus_open_user(sd_bus **bus);
int __wrap_sd_bus_start(sd_bus *bus);
void __wrap_tracer_close(struct tracer *tracer);
int __wrap_tracer_fd(const struct tracer *tracer);
__u64 __wrap_tracer_lost(const struct tracer *tracer);
int __wrap_tracer_open(struct tracer **tracer, unsigned int events, pid_t process,
		       traced_function function, void *data);
void __wrap_tracer_read(struct tracer *tracer);
ssize_t __wrap_write(int fd, const void *data, size_t size);

#endif
