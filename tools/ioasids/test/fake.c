// SPDX-License-Identifier: GPL-2.0
/*
 * Linked into ioasidctl for its tests: a directory that is like cgroup v2.
 *
 * A directory with a file cgroup.procs is taken for a cgroup. One that is made gets the files
 * that the kernel would make, and a write to cgroup.subtree_control makes and removes those of
 * the controller. The directory $FAKE has the rest: root, where the cgroups are; cgroup,
 * the cgroup of each process, and cgroup.1, that of the first if it is another one; units, if
 * systemd runs, each with its cgroup or the error that systemd answers with; sets, all sets of
 * IDs; holders and devices, what BPF tells of them; trace, the record of refusals; events, what
 * is traced; kmsg, the log; and devices in sysfs and what container engines install, under
 * their own paths. A program prints the file of its name in $FAKE/version.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#include <linux/magic.h>

#include "fake.h"
#include "../text.h"

/* Only ioasidctl has these. */
#pragma weak __real_holders_read
#pragma weak __real_tracer_open
#pragma weak __real_bus_reload
#pragma weak event_of_name
#pragma weak sd_bus_error_set
#pragma weak sd_bus_new

#define INSTANCE	"/sys/kernel/tracing/instances/ioasids"

static const struct {
	const char *name;
	const char *content;
} files[] = {
	{ "ioasids.max", "max\n" },
	{ "ioasids.current", "0\n" },
	{ "ioasids.peak", "0\n" },
	{ "ioasids.events", "max 0\nalloc_fail 0\n" },
	{ "ioasids.events.local", "max 0\nalloc_fail 0\n" },
	{ "ioasids.stat", "allocated 0\nreserved 0\nsets 0\n" },
};

static void make(int dir, const char *name, const char *content)
{
	int fd = __real_openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

	if (fd < 0)
		return;
	if (__real_write(fd, content, strlen(content)) < 0)
		abort();
	close(fd);
}

static void switch_controller(int dir, bool on)
{
	size_t i;

	for (i = 0; i < sizeof(files) / sizeof(*files); i++) {
		if (on)
			make(dir, files[i].name, files[i].content);
		else
			unlinkat(dir, files[i].name, 0);
	}
}

/* Whether the cgroup @dir passes the controller on. */
static bool passes_on(int dir)
{
	char list[64] = "";
	int fd = __real_openat(dir, "cgroup.subtree_control", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return false;
	if (read(fd, list, sizeof(list) - 1) < 0)
		abort();
	close(fd);
	return strstr(list, "ioasids");
}

int __wrap_fstatfs(int fd, struct statfs *fs)
{
	int error = __real_fstatfs(fd, fs);

	if (!error && !faccessat(fd, "cgroup.procs", F_OK, 0))
		fs->f_type = CGROUP2_SUPER_MAGIC;
	return error;
}

/* The first process can be in another cgroup. */
static bool is_of_init(const char *path)
{
	char file[PATH_MAX];

	snprintf(file, sizeof(file), "%s/cgroup.1", getenv("FAKE"));
	return !strcmp(path, "/proc/1/cgroup") && !__real_access(file, F_OK);
}

/* The file that takes the place of @path; NULL if there is none. */
static const char *replacement(const char *path)
{
	static const struct {
		const char *path;
		const char *name;
	} replaced[] = {
		{ "/sys/fs/cgroup", "root" },
		{ "/sys/kernel/debug/ioasid/sets", "sets" },
		{ INSTANCE "/events/ioasid/ioasid_refused/enable", "enable" },
		{ INSTANCE "/per_cpu", "per_cpu" },
		{ INSTANCE "/trace", "trace" },
		{ "/dev/kmsg", "kmsg" },
	};
	static const char *const others[] = {
		"/etc/containerd/", "/etc/containers/", "/etc/crio/", "/etc/docker/", "/run/cdi/",
		"/sys/dev/char/", "/usr/bin/", "/usr/local/bin/", "/usr/sbin/",
		"/usr/share/containers/",
	};
	static char other[PATH_MAX];
	const char *name = NULL, *slash = strrchr(path, '/');
	size_t i;

	for (i = 0; i < sizeof(replaced) / sizeof(*replaced); i++)
		if (!strcmp(path, replaced[i].path))
			name = replaced[i].name;
	if (!strncmp(path, "/proc/", strlen("/proc/")) && !strcmp(slash, "/cgroup") &&
	    !__real_access(path, F_OK))
		name = is_of_init(path) ? "cgroup.1" : "cgroup";
	for (i = 0; i < sizeof(others) / sizeof(*others); i++)
		if (!strncmp(path, others[i], strlen(others[i])))
			name = path + 1;
	snprintf(other, sizeof(other), "%s/%s", getenv("FAKE"), name ?: "");
	return name ? other : NULL;
}

int __wrap_access(const char *path, int mode)
{
	char units[PATH_MAX];

	snprintf(units, sizeof(units), "%s/units", getenv("FAKE"));
	if (!strcmp(path, "/run/systemd/system"))
		return __real_access(units, mode);
	if (!strncmp(path, "/run/systemd/", strlen("/run/systemd/"))) {
		errno = ENOENT;
		return -1;
	}
	return __real_access(replacement(path) ?: path, mode);
}

FILE *__wrap_popen(const char *command, const char *type)
{
	char path[PATH_MAX];
	const char *end = strchrnul(command, ' '), *name = end;

	while (name > command && name[-1] != '/')
		name--;
	snprintf(path, sizeof(path), "%s/version/%.*s", getenv("FAKE"), (int)(end - name), name);
	return fopen(path, type);
}

int __wrap_pclose(FILE *file)
{
	return fclose(file);
}

int __wrap_open(const char *path, int flags, int mode)
{
	return __real_open(replacement(path) ?: path, flags, mode);
}

int __wrap_openat(int dir, const char *path, int flags, int mode)
{
	return __real_openat(dir, replacement(path) ?: path, flags, mode);
}

ssize_t __wrap_readlink(const char *path, char *target, size_t size)
{
	return __real_readlink(replacement(path) ?: path, target, size);
}

int __wrap_mkdirat(int dir, const char *path, mode_t mode)
{
	int error = __real_mkdirat(dir, path, mode), fd, above;

	fd = error ? -1 : __real_openat(dir, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return error;
	above = __real_openat(fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	make(fd, "cgroup.procs", "");
	make(fd, "cgroup.events", "populated 0\nfrozen 0\n");
	make(fd, "cgroup.controllers", passes_on(above) ? "ioasids\n" : "\n");
	make(fd, "cgroup.subtree_control", "");
	make(fd, "cgroup.stat", "nr_descendants 0\nnr_dying_descendants 0\n"
	     "nr_subsys_ioasids 1\nnr_dying_subsys_ioasids 0\n");
	switch_controller(fd, passes_on(above));
	close(above);
	close(fd);
	return 0;
}

static void switch_children(const char *path, bool on)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	int fd;

	while (dir && (entry = readdir(dir))) {
		if (entry->d_type != DT_DIR || !strcmp(entry->d_name, ".") ||
		    !strcmp(entry->d_name, ".."))
			continue;
		fd = __real_openat(dirfd(dir), entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0)
			continue;
		switch_controller(fd, on);
		close(fd);
	}
	if (dir)
		closedir(dir);
}

/* A file of a cgroup has the last value that was written, and no other. */
ssize_t __wrap_write(int fd, const void *data, size_t size)
{
	char link[64], path[PATH_MAX] = "", *name;
	bool on = size && *(const char *)data == '+';

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	if (readlink(link, path, sizeof(path) - 1) < 0)
		return __real_write(fd, data, size);
	name = strrchr(path, '/');
	if (name && !strcmp(name, "/cgroup.subtree_control")) {
		if (ftruncate(fd, 0) || (on && __real_write(fd, "ioasids\n", 8) != 8))
			return -1;
		*name = '\0';
		switch_children(path, on);
		return size;
	}
	if (name && !strcmp(name, "/ioasids.max") &&
	    (ftruncate(fd, 0) || __real_write(fd, data, size) < 0 || __real_write(fd, "\n", 1) < 0))
		return -1;
	else if (name && !strcmp(name, "/ioasids.max"))
		return size;
	return __real_write(fd, data, size);
}

static FILE *open_fake(const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", getenv("FAKE"), name);
	return fopen(path, "re");
}

/* What the last request to systemd was for, and the unit that it has come to. */
static struct {
	FILE *units;
	char pattern[NAME_MAX + 1];
	char name[NAME_MAX + 1];
	char answer[PATH_MAX];
} asked;

static bool next_unit(void)
{
	while (fscanf(asked.units, "%255s %4095s", asked.name, asked.answer) == 2)
		if (!fnmatch(asked.pattern, asked.name, 0))
			return true;
	return false;
}

int __wrap_sd_bus_start(__attributes(unused) struct sd_bus *bus)
{
	return __wrap_access("/run/systemd/system", F_OK) ? -ENOENT : 0;
}

int __wrap_sd_bus_open_system(sd_bus **bus)
{
	return __wrap_sd_bus_start(NULL) ?: sd_bus_new(bus);
}

int __wrap_sd_bus_open_user(sd_bus **bus)
{
	return __wrap_sd_bus_open_system(bus);
}

int __wrap_bus_reload(void)
{
	return __wrap_sd_bus_start(NULL) ? __real_bus_reload() : 0;
}

/* GetUnit, or ListUnitsByPatterns */
int __wrap_sd_bus_call_method(__attributes(unused) struct sd_bus *bus,
			      __attributes(unused) const char *service,
			      __attributes(unused) const char *path,
			      __attributes(unused) const char *interface, const char *method,
			      sd_bus_error *error,
			      __attributes(unused) struct sd_bus_message **reply,
			      const char *types, ...)
{
	va_list arguments;

	if (asked.units)
		fclose(asked.units);
	asked.units = open_fake("units");
	va_start(arguments, types);
	/* An empty list, and one of one pattern */
	if (!strcmp(types, "asas") && (va_arg(arguments, int) || va_arg(arguments, int) != 1))
		abort();
	snprintf(asked.pattern, sizeof(asked.pattern), "%s", va_arg(arguments, char *));
	va_end(arguments);
	if (!strcmp(method, "GetUnit") && !next_unit())
		return sd_bus_error_set(error, "org.freedesktop.systemd1.NoSuchUnit", "none");
	return 1;
}

int __wrap_sd_bus_message_enter_container(__attributes(unused) struct sd_bus_message *message,
					  __attributes(unused) char type,
					  __attributes(unused) const char *content)
{
	return 1;
}

/* The object of a unit has its name here. In a list it is the seventh value of each unit. */
int __wrap_sd_bus_message_read(__attributes(unused) struct sd_bus_message *message,
			       const char *types, ...)
{
	va_list arguments;
	int i;

	if (*types == '(' && !next_unit())
		return 0;
	va_start(arguments, types);
	*va_arg(arguments, const char **) = asked.name;
	for (i = 1; *types == '(' && i < 6; i++)
		va_arg(arguments, const char **);
	if (*types == '(')
		*va_arg(arguments, const char **) = asked.name;
	va_end(arguments);
	return 1;
}

int __wrap_sd_bus_get_property_string(__attributes(unused) struct sd_bus *bus,
				      __attributes(unused) const char *service,
				      __attributes(unused) const char *path,
				      __attributes(unused) const char *interface,
				      __attributes(unused) const char *property,
				      sd_bus_error *error, char **value)
{
	if (*asked.answer != '/')
		return sd_bus_error_set(error, asked.answer, "it does not answer");
	*value = strdup(asked.answer);
	return 1;
}

/*
 * If $FAKE has a file holders, each of its lines is the numbers of a struct holder and the
 * command; and in a file devices, those of a struct held_device.
 */
int __wrap_holders_read(holder_function take_holder, held_device_function take_device)
{
	FILE *holders = open_fake("holders"), *devices = open_fake("devices");
	struct held_device device;
	struct holder holder;

	if (!holders && !devices)
		return __real_holders_read(take_holder, take_device);
	while (holders && take_holder &&
	       fscanf(holders, "%llu %llu %u %u %d %u %15[^\n]\n", &holder.set, &holder.cgroup,
		      &holder.quota, &holder.allocated, &holder.owner, &holder.user,
		      holder.comm) == 7)
		take_holder(&holder);
	while (devices && take_device &&
	       fscanf(devices, "%llu %u %u", &device.set, &device.major, &device.minor) == 3)
		take_device(&device);
	if (holders)
		fclose(holders);
	if (devices)
		fclose(devices);
	return 0;
}

/*
 * If $FAKE has a file events, each of its lines is an event: its name, then the numbers of
 * struct traced from cgroup to tgid, without those of the event, and the command.
 */
static struct {
	FILE *file;
	unsigned int events;
	traced_function function;
	void *data;
} source;

int __wrap_tracer_open(struct tracer **tracer, unsigned int events, pid_t process,
		       traced_function function, void *data)
{
	source.file = open_fake("events");
	source.events = events;
	source.function = function;
	source.data = data;
	return source.file ? 0 : __real_tracer_open(tracer, events, process, function, data);
}

void __wrap_tracer_read(__attributes(unused) struct tracer *tracer)
{
	struct traced traced;
	char name[16];
	int n;

	while (source.file && !feof(source.file)) {
		memset(&traced, 0, sizeof(traced));
		n = fscanf(source.file,
			   "%15s %llu %llu %llu %llu %llu %llu %u %u %u %d %d %15[^\n]\n",
			   name, &traced.time, &traced.cgroup, &traced.other, &traced.set,
			   &traced.used, &traced.max, &traced.number, &traced.was, &traced.by,
			   &traced.owner, &traced.tgid, traced.comm);
		if (n != 13)
			abort();
		traced.event = event_of_name(name);
		if (source.events & 1 << traced.event)
			source.function(&traced, source.data);
	}
}

void __wrap_tracer_close(__attributes(unused) struct tracer *tracer)
{
	if (source.file)
		fclose(source.file);
}

int __wrap_tracer_fd(__attributes(unused) const struct tracer *tracer)
{
	return -1;
}

__u64 __wrap_tracer_lost(__attributes(unused) const struct tracer *tracer)
{
	return 3;
}
