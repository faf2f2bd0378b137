// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>
#include <wctype.h>

#include <linux/magic.h>

#include "cgroup.h"

const char *cgroup_root = "/sys/fs/cgroup";
int root_fd = -1;

/* Of the first one; 0 if it is none, or, unless @any will do, cannot be printed. */
int length_of_character(const char *text, bool any)
{
	wchar_t character;
	int length = mbtowc(&character, text, MB_CUR_MAX);

	return length > 0 && (any || iswprint(character)) ? length : 0;
}

/* Without what a terminal would obey: whoever makes a cgroup chooses its name. */
void put_printable(FILE *file, const char *text)
{
	int length;

	for (; *text; text += length ?: 1) {
		length = length_of_character(text, false);
		if (length)
			fwrite(text, length, 1, file);
		else
			fprintf(file, "\\x%02hhx", *text);
	}
}

static void complain(const char *format, va_list arguments)
{
	char *text;

	fflush(stdout);
	fprintf(stderr, "%s: ", program_invocation_short_name);
	if (vasprintf(&text, format, arguments) < 0)
		text = NULL;
	put_printable(stderr, text ?: "no memory");
	fputc('\n', stderr);
	free(text);
}

noreturn void die(int status, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	complain(format, arguments);
	va_end(arguments);
	exit(status);
}

void warn(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	complain(format, arguments);
	va_end(arguments);
}

noreturn void die_of_off(const char *cgroup)
{
	die(NO_CONTROLLER, "the controller is off in /%s: 'ioasidctl enable /%s' switches it on",
	    cgroup, cgroup);
}

noreturn void die_of_gone(const char *cgroup)
{
	die(NOT_FOUND, "the cgroup /%s is gone", cgroup);
}

/* What printf would print, in memory that is the caller's. */
char *format(const char *format, ...)
{
	va_list arguments;
	char *text;

	va_start(arguments, format);
	if (vasprintf(&text, format, arguments) < 0)
		die(FAILED, "no memory");
	va_end(arguments);
	return text;
}

void *grow(void *array, size_t count, size_t size)
{
	array = reallocarray(array, count, size);
	if (!array)
		die(FAILED, "no memory");
	return array;
}

bool is_word_of(const char *list, const char *word)
{
	size_t length = strlen(word);
	const char *at = list;

	while ((at = strstr(at, word))) {
		if ((at == list || isspace(at[-1])) &&
		    (!at[length] || isspace(at[length])))
			return true;
		at += length;
	}
	return false;
}

/* Like the kernel: nothing but decimal digits, and no more than fits. */
bool parse_number(const char *text, __u64 *number)
{
	char *rest;

	errno = 0;
	*number = strtoull(text, &rest, 10);
	return isdigit(*text) && !*rest && !errno && *number <= LLONG_MAX;
}

bool parse_max(const char *text, __u64 *max)
{
	if (strcmp(text, "max"))
		return parse_number(text, max);
	*max = NO_LIMIT;
	return true;
}

/* Whether there is a v2 hierarchy at the root. */
static bool find_root(void)
{
	struct statfs fs;

	if (root_fd < 0)
		root_fd = open(cgroup_root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return root_fd >= 0 && !fstatfs(root_fd, &fs) && fs.f_type == CGROUP2_SUPER_MAGIC;
}

void open_root(void)
{
	if (find_root())
		return;
	if (root_fd < 0)
		die(FAILED, "%s: %s", cgroup_root, strerror(errno));
	die(FAILED, "%s is not a cgroup v2 hierarchy; 'ioasidctl --root' is for one elsewhere",
	    cgroup_root);
}

/* Not either if there is no v2 hierarchy. */
bool kernel_has_controller(void)
{
	char list[4096];

	return find_root() &&
		read_file(root_fd, "cgroup.controllers", list, sizeof(list)) >= 0 &&
		is_word_of(list, "ioasids");
}

void need_controller(void)
{
	open_root();
	if (!kernel_has_controller())
		die(NO_CONTROLLER,
		    "%s/cgroup.controllers does not have ioasids: 'ioasidctl check' says why",
		    cgroup_root);
}

/* Reads a file that is not longer than @size - 1, and ends it with a NUL. */
ssize_t read_file(int dir, const char *name, char *buffer, size_t size)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	ssize_t length;
	int error;

	if (fd < 0)
		return -1;
	length = read(fd, buffer, size - 1);
	error = errno;
	close(fd);
	errno = error;
	if (length >= 0)
		buffer[length] = '\0';
	return length;
}

/* Reads what is left, and closes; NULL, and errno, if that fails. */
char *read_to_end(int fd)
{
	size_t length = 0, size = 4096;
	char *buffer = grow(NULL, size, 1);
	ssize_t part = -1;
	int error;

	while (fd >= 0 && (part = read(fd, buffer + length, size - length - 1)) > 0) {
		length += part;
		if (length == size - 1) {
			size *= 2;
			buffer = grow(buffer, size, 1);
		}
	}
	error = errno;
	if (fd >= 0)
		close(fd);
	errno = error;
	buffer[length] = '\0';
	if (part < 0) {
		free(buffer);
		return NULL;
	}
	return buffer;
}

/* Reads a file of any length; NULL, and errno, if that fails. */
char *read_all(int dir, const char *name)
{
	return read_to_end(openat(dir, name, O_RDONLY | O_CLOEXEC));
}

static char *path_of(const char *cgroup, const char *file)
{
	return format("%s%s%s", cgroup, *cgroup ? "/" : "", file);
}

/* Returns 0 or an errno. */
int write_file(const char *cgroup, const char *file, const char *text)
{
	char *path = path_of(cgroup, file);
	int fd = openat(root_fd, path, O_WRONLY | O_CLOEXEC);
	int error = 0;

	free(path);
	if (fd < 0)
		return errno;
	if (write(fd, text, strlen(text)) < 0)
		error = errno;
	close(fd);
	return error;
}

static bool has_file(const char *cgroup, const char *file)
{
	char *path = path_of(cgroup, file);
	bool has = !faccessat(root_fd, path, F_OK, 0);

	free(path);
	return has;
}

bool cgroup_exists(const char *cgroup)
{
	return has_file(cgroup, "cgroup.procs");
}

/*
 * Whether it is the root of the machine, which has no limit, but a file that says what
 * there is. The root of a cgroup namespace is a cgroup like any other.
 */
bool cgroup_is_root(const char *cgroup)
{
	return !*cgroup && has_file(cgroup, "ioasids.capacity");
}

bool cgroup_has_controller(const char *cgroup)
{
	return cgroup_is_root(cgroup) || has_file(cgroup, "ioasids.max");
}

bool cgroup_is_populated(const char *cgroup)
{
	char *path = path_of(cgroup, "cgroup.procs");
	char pid[2];
	bool is = read_file(root_fd, path, pid, sizeof(pid)) > 0;

	free(path);
	return is;
}

/* Whether the children of @cgroup have the controller. */
bool cgroup_passes_on(const char *cgroup)
{
	char *path = path_of(cgroup, "cgroup.subtree_control");
	char list[4096];
	bool does = read_file(root_fd, path, list, sizeof(list)) >= 0 &&
		is_word_of(list, "ioasids");

	free(path);
	return does;
}

char *cgroup_parent(const char *cgroup)
{
	const char *slash = strrchr(cgroup, '/');

	return format("%.*s", slash ? (int)(slash - cgroup) : 0, cgroup);
}

char *cgroup_of_process(pid_t pid)
{
	char *file = format("/proc/%d/cgroup", pid);
	char *text = read_all(AT_FDCWD, file);
	char *line, *cgroup;

	free(file);
	if (!text)
		die(NOT_FOUND, "there is no process %d", pid);
	line = *text == '0' ? text : strstr(text, "\n0::");
	if (!line)
		die(NOT_FOUND, "process %d is in no cgroup of the v2 hierarchy", pid);
	line = strchr(line, '/') + 1;
	cgroup = format("%.*s", (int)strcspn(line, "\n"), line);
	free(text);
	return cgroup;
}

/*
 * @path, which may begin with where the hierarchy is mounted, as cgroups are named here;
 * NULL if it leads out of the hierarchy.
 */
char *cgroup_of_path(const char *path)
{
	size_t length = strlen(cgroup_root);
	char *cgroup, *end;

	while (length && cgroup_root[length - 1] == '/')
		length--;
	if (!strncmp(path, cgroup_root, length) && (!path[length] || path[length] == '/'))
		path += length;
	cgroup = grow(NULL, strlen(path) + 1, 1);
	end = cgroup;
	while (*(path += strspn(path, "/"))) {
		length = strcspn(path, "/");
		if (length == 2 && !strncmp(path, "..", 2)) {
			free(cgroup);
			return NULL;
		}
		if (length != 1 || *path != '.') {
			if (end != cgroup)
				*end++ = '/';
			end = mempcpy(end, path, length);
		}
		path += length;
	}
	*end = '\0';
	return cgroup;
}

static __u64 value_of(const char *text, const char *key)
{
	const char *at = strstr(text, key);

	return at ? strtoull(at + strlen(key), NULL, 10) : 0;
}

/* Reads one of the files of the cgroup that is called @name in @dir. */
static bool read_of(int dir, const char *name, const char *file, char *text, size_t size)
{
	char path[PATH_MAX];

	if (snprintf(path, sizeof(path), "%s/%s", *name ? name : ".", file) >= (int)sizeof(path))
		return false;
	if (read_file(dir, path, text, size) >= 0)
		return true;
	if (errno == EMFILE || errno == ENFILE)
		die(FAILED, "cannot read %s: %s", path, strerror(errno));
	return false;
}

/*
 * Fills in the limit, and those of @values that @wanted has, of the cgroup that is
 * called @name in @dir. Each file costs time, so none is read that need not be. False
 * if the controller is off there, or the cgroup is gone.
 */
bool read_values(int dir, const char *name, unsigned int wanted, __u64 *values)
{
	char text[256];

	memset(values, 0, VALUES * sizeof(*values));
	if (!read_of(dir, name, "ioasids.max", text, sizeof(text)))
		return false;
	values[MAX] = *text == 'm' ? NO_LIMIT : strtoull(text, NULL, 10);
	if (wanted & BIT(PEAK)) {
		if (!read_of(dir, name, "ioasids.peak", text, sizeof(text)))
			return false;
		values[PEAK] = strtoull(text, NULL, 10);
		if (!values[PEAK])
			wanted &= ~CHARGES;
	}
	if (wanted & CHARGES) {
		if (!read_of(dir, name, "ioasids.current", text, sizeof(text)))
			return false;
		values[CURRENT] = strtoull(text, NULL, 10);
	}
	/* Nothing is reserved where nothing is charged, but there can be sets. */
	if ((wanted & BIT(SETS)) ||
	    (values[CURRENT] && (wanted & (BIT(RESERVED) | BIT(ALLOCATED))))) {
		if (!read_of(dir, name, "ioasids.stat", text, sizeof(text)))
			return false;
		values[ALLOCATED] = value_of(text, "allocated ");
		values[RESERVED] = value_of(text, "reserved ");
		values[SETS] = value_of(text, "sets ");
	}
	if (wanted & EVENTS) {
		if (!read_of(dir, name, "ioasids.events", text, sizeof(text)))
			return false;
		values[REFUSED] = value_of(text, "max ");
		values[FAILURES] = value_of(text, "alloc_fail ");
	}
	if (wanted & LOCAL_EVENTS) {
		if (!read_of(dir, name, "ioasids.events.local", text, sizeof(text)))
			return false;
		values[LOCAL_REFUSED] = value_of(text, "max ");
		values[LOCAL_FAILURES] = value_of(text, "alloc_fail ");
	}
	return true;
}

/* Makes @cgroup, and those above it that do not exist. */
void cgroup_make(const char *cgroup)
{
	char *parent;

	if (cgroup_exists(cgroup))
		return;
	parent = cgroup_parent(cgroup);
	cgroup_make(parent);
	free(parent);
	if (mkdirat(root_fd, cgroup, 0755) && errno != EEXIST)
		die(FAILED, "cannot make %s/%s: %s", cgroup_root, cgroup, strerror(errno));
}

/* Switches the controller on for the children of @cgroup, if it is off. */
void cgroup_pass_on(const char *cgroup)
{
	int error;

	if (cgroup_passes_on(cgroup))
		return;
	error = write_file(cgroup, "cgroup.subtree_control", "+ioasids");
	if (error == EBUSY)
		die(FAILED,
		    "/%s has processes of its own, so its children cannot have the controller: move them into a child first",
		    cgroup);
	if (error == EOPNOTSUPP)
		die(FAILED, "/%s is threaded, and the controller is not", cgroup);
	if (error)
		die(FAILED, "cannot write +ioasids to %s/%s%scgroup.subtree_control: %s",
		    cgroup_root, cgroup, *cgroup ? "/" : "", strerror(error));
}

/* Switches the controller on in @cgroup: in all above it, from the root down. */
void cgroup_switch_on(const char *cgroup)
{
	char *parent;

	if (!*cgroup || cgroup_has_controller(cgroup))
		return;
	parent = cgroup_parent(cgroup);
	cgroup_switch_on(parent);
	cgroup_pass_on(parent);
	free(parent);
}

void cgroup_limit(const char *cgroup, __u64 max)
{
	char *text;
	int error;

	if (cgroup_is_root(cgroup))
		die(FAILED, "the root has no limit: ioasids.capacity says what there is");
	text = max == NO_LIMIT ? format("max") : format("%llu", max);
	error = write_file(cgroup, "ioasids.max", text);
	if (error && !cgroup_exists(cgroup))
		die_of_gone(cgroup);
	if (error == ENOENT)
		die_of_off(cgroup);
	if (error)
		die(FAILED, "cannot write %s to %s/%s%sioasids.max: %s", text, cgroup_root,
		    cgroup, *cgroup ? "/" : "", strerror(error));
	free(text);
}
