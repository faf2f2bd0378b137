// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <linux/magic.h>

#include "cgroup.h"

const char *cgroup_root = "/sys/fs/cgroup";
int root_fd = -1;

int fail_off(const char *cgroup)
{
	return fail(NO_CONTROLLER,
		    "the controller is off in /%s: 'ioasidctl enable /%s' switches it on",
		    cgroup, cgroup);
}

int fail_gone(const char *cgroup)
{
	return fail(NOT_FOUND, "the cgroup /%s is gone", cgroup);
}

/* Whether a cgroup v2 hierarchy is mounted at the root. */
static bool find_root(void)
{
	struct statfs fs;

	if (root_fd < 0)
		root_fd = open(cgroup_root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return root_fd >= 0 && !fstatfs(root_fd, &fs) && fs.f_type == CGROUP2_SUPER_MAGIC;
}

int open_root(void)
{
	if (find_root())
		return 0;
	if (root_fd < 0)
		return fail(FAILED, "%s: %s", cgroup_root, strerror(errno));
	return fail(FAILED,
		    "%s is not a cgroup v2 hierarchy; 'ioasidctl --root' is for one elsewhere",
		    cgroup_root);
}

/* False also if there is no v2 hierarchy. */
bool kernel_has_controller(void)
{
	char list[4096];

	return find_root() &&
		read_file(root_fd, "cgroup.controllers", list, sizeof(list)) >= 0 &&
		is_word_of(list, "ioasids");
}

int need_controller(void)
{
	int status = open_root();

	if (!status && !kernel_has_controller())
		status = fail(NO_CONTROLLER,
			      "%s/cgroup.controllers does not have ioasids: 'ioasidctl check' says why",
			      cgroup_root);
	return status;
}

/* Reads at most @size - 1 bytes of a file, and adds a NUL. */
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

/* Reads a file of any length. On failure it returns NULL and sets errno. */
char *read_all(int dir, const char *name)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
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

static char *path_of(const char *cgroup, const char *file)
{
	return format("%s%s%s", cgroup, *cgroup ? "/" : "", file);
}

/* Returns 0 or an error number. */
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
 * Whether it is the root of the whole hierarchy, which has a capacity instead of a limit.
 * The root of a cgroup namespace is an ordinary cgroup.
 */
bool cgroup_is_root(const char *cgroup)
{
	return !*cgroup && !has_file(cgroup, "cgroup.events");
}

bool cgroup_has_controller(const char *cgroup)
{
	return cgroup_is_root(cgroup) ? kernel_has_controller() : has_file(cgroup, "ioasids.max");
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

/* Whether @cgroup is @above or below it. */
bool cgroup_is_in(const char *cgroup, const char *above)
{
	size_t length = strlen(above);

	return !length || (!strncmp(cgroup, above, length) &&
			   (!cgroup[length] || cgroup[length] == '/'));
}

char *cgroup_parent(const char *cgroup)
{
	const char *slash = strrchr(cgroup, '/');

	return format("%.*s", slash ? (int)(slash - cgroup) : 0, cgroup);
}

/* @path without needless slashes and dots. NULL if it leads out of the hierarchy. */
static char *normalize(const char *path)
{
	char *cgroup = grow(NULL, strlen(path) + 1, 1), *end = cgroup;
	size_t length;

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

/*
 * The cgroup at @path, which may begin with the mount point of the hierarchy. NULL if the
 * path leads out of the hierarchy.
 */
char *cgroup_of_path(const char *path)
{
	size_t length = strlen(cgroup_root);

	while (length && cgroup_root[length - 1] == '/')
		length--;
	if (!strncmp(path, cgroup_root, length) && (!path[length] || path[length] == '/'))
		path += length;
	return normalize(path);
}

/*
 * The cgroup that the kernel or systemd calls @name. The kernel writes /.. for what is
 * above the root of our cgroup namespace: for that, this is NULL.
 */
char *cgroup_of_name(const char *name)
{
	return normalize(name);
}

int cgroup_of_process(pid_t pid, char **cgroup)
{
	char *file = format("/proc/%d/cgroup", pid);
	char *text = read_all(AT_FDCWD, file), *line;
	int status = 0;

	*cgroup = NULL;
	free(file);
	if (!text)
		return fail(NOT_FOUND, "there is no process %d", pid);
	line = !strncmp(text, "0::", 3) ? text : strstr(text, "\n0::");
	if (line) {
		line = strchr(line, '/');
		line[strcspn(line, "\n")] = '\0';
		*cgroup = cgroup_of_name(line);
		if (!*cgroup)
			status = fail(NOT_FOUND,
				      "process %d is outside of this cgroup namespace, in %s", pid,
				      line);
	} else {
		status = fail(NOT_FOUND, "process %d is in no cgroup of the v2 hierarchy", pid);
	}
	free(text);
	return status;
}

/* Reads one file of the cgroup called @name in @dir. */
static int read_of(int dir, const char *name, const char *file, char *text, size_t size)
{
	char path[PATH_MAX];

	if (snprintf(path, sizeof(path), "%s/%s", *name ? name : ".", file) >= (int)sizeof(path))
		return fail(FAILED, "the path %s/%s is too long", name, file);
	if (read_file(dir, path, text, size) >= 0)
		return 0;
	if (errno == EMFILE || errno == ENFILE)
		return fail(FAILED, "cannot read %s: %s", path, strerror(errno));
	return NOT_FOUND;
}

/*
 * The same for a file that not every kernel with a controller of this name has. If it is
 * not there, but the cgroup is, @text is empty.
 */
static int read_optional(int dir, const char *name, const char *file, char *text, size_t size)
{
	int status = read_of(dir, name, file, text, size);
	char ignored[32];

	if (status != NOT_FOUND)
		return status;
	*text = '\0';
	return read_of(dir, name, "ioasids.max", ignored, sizeof(ignored));
}

/* Removed cgroups whose part of the controller exists, in cgroup.stat. */
#define DYING_KEY	"nr_dying_subsys_ioasids "

/* Takes the number that follows @key in @text, if there is one. */
static void take_value(struct values *values, enum value which, const char *text, const char *key)
{
	const char *at = strstr(text, key);

	if (!at || !*text)
		return;
	values->of[which] = strtoull(at + strlen(key), NULL, 10);
	values->known |= BIT(which);
}

/* A file that not every kernel has, and the keys of the values in it. */
struct optional_file {
	const char *name;
	struct {
		enum value value;
		const char *key;
	} values[3];
	int count;
};

static int read_wanted(int dir, const char *name, const struct optional_file *file,
		       unsigned int wanted, struct values *values)
{
	unsigned int all = 0;
	char text[2048];
	int status, i;

	for (i = 0; i < file->count; i++)
		all |= BIT(file->values[i].value);
	if (!(wanted & all))
		return 0;
	status = read_optional(dir, name, file->name, text, sizeof(text));
	for (i = 0; i < file->count && !status; i++)
		take_value(values, file->values[i].value, text, file->values[i].key);
	return status;
}

/* False if there is none: not every kernel with a controller of this name has it. */
bool read_capacity(struct capacity *capacity)
{
	char *text = read_all(root_fd, "ioasids.capacity");
	bool complete = text && sscanf(text, "total %llu kernel %llu user %llu available %llu",
				       &capacity->total, &capacity->kernel, &capacity->user,
				       &capacity->available) == 4;

	free(text);
	return complete;
}

/* Adds the one value that the root has in a file like others. */
void read_dying(struct values *values)
{
	char *text = read_all(root_fd, "cgroup.stat");

	if (text)
		take_value(values, DYING, text, DYING_KEY);
	free(text);
}

/*
 * Reads the limit, and the values in the set @wanted, of the cgroup called @name in @dir.
 * Every file takes time, so only those that are needed are read. Returns NOT_FOUND, without
 * a message, if the controller is off there or the cgroup is gone.
 */
int read_values(int dir, const char *name, unsigned int wanted, struct values *values)
{
	static const struct optional_file peak = { "ioasids.peak", { { PEAK, "" } }, 1 };
	static const struct optional_file rest[] = {
		{ "ioasids.stat", { { ALLOCATED, "allocated " }, { RESERVED, "reserved " },
				    { SETS, "sets " } }, 3 },
		{ "ioasids.events", { { REFUSED, "max " }, { FAILURES, "alloc_fail " } }, 2 },
		{ "ioasids.events.local", { { LOCAL_REFUSED, "max " },
					    { LOCAL_FAILURES, "alloc_fail " } }, 2 },
		{ "cgroup.stat", { { DYING, DYING_KEY } }, 1 },
	};
	char text[256];
	int status, i;

	memset(values, 0, sizeof(*values));
	status = read_of(dir, name, "ioasids.max", text, sizeof(text));
	if (status)
		return status;
	values->of[MAX] = *text == 'm' ? NO_LIMIT : strtoull(text, NULL, 10);
	values->known = BIT(MAX);
	status = read_wanted(dir, name, &peak, wanted, values);
	if (is_zero(values, PEAK)) {
		values->known |= wanted & CHARGES;
		wanted &= ~CHARGES;
	}
	if (!status && wanted & CHARGES) {
		status = read_of(dir, name, "ioasids.current", text, sizeof(text));
		if (!status)
			take_value(values, CURRENT, text, "");
		/* Where nothing is charged nothing is reserved, but there can be sets. */
		if (is_zero(values, CURRENT)) {
			values->known |= wanted & CHARGES;
			wanted &= ~CHARGES;
		}
	}
	for (i = 0; i < (int)(sizeof(rest) / sizeof(*rest)) && !status; i++)
		status = read_wanted(dir, name, &rest[i], wanted, values);
	return status;
}

/* A kernel that does not have this file has the controller that was posted in 2021. */
bool cgroup_is_of_2021(const char *cgroup)
{
	return cgroup_has_controller(cgroup) &&
		!has_file(cgroup, cgroup_is_root(cgroup) ? "ioasids.capacity" : "ioasids.peak");
}

/* Makes @cgroup, and those above it that do not exist. */
int cgroup_make(const char *cgroup)
{
	char *parent;
	int status;

	if (cgroup_exists(cgroup))
		return 0;
	parent = cgroup_parent(cgroup);
	status = cgroup_make(parent);
	free(parent);
	if (!status && mkdirat(root_fd, cgroup, 0755) && errno != EEXIST)
		status = fail(FAILED, "cannot make %s/%s: %s", cgroup_root, cgroup,
			      strerror(errno));
	return status;
}

/* Switches the controller on for the children of @cgroup, if it is off. */
int cgroup_pass_on(const char *cgroup)
{
	int error;

	if (cgroup_passes_on(cgroup))
		return 0;
	error = write_file(cgroup, "cgroup.subtree_control", "+ioasids");
	if (error == EBUSY)
		return fail(FAILED,
			    "/%s has processes of its own, so its children cannot have the controller: move them into a child first",
			    cgroup);
	if (error == EOPNOTSUPP)
		return fail(FAILED, "/%s is threaded, and the controller is not", cgroup);
	if (error)
		return fail(FAILED, "cannot write +ioasids to %s/%s%scgroup.subtree_control: %s",
			    cgroup_root, cgroup, *cgroup ? "/" : "", strerror(error));
	return 0;
}

/* Switches the controller on in @cgroup: in all above it, from the root down. */
int cgroup_switch_on(const char *cgroup)
{
	char *parent;
	int status;

	if (!*cgroup || cgroup_has_controller(cgroup))
		return 0;
	parent = cgroup_parent(cgroup);
	status = cgroup_switch_on(parent);
	if (!status)
		status = cgroup_pass_on(parent);
	free(parent);
	return status;
}

int cgroup_limit(const char *cgroup, __u64 max)
{
	int error, status = 0;
	char *text;

	if (cgroup_is_root(cgroup))
		return fail(FAILED, "the root has no limit: ioasids.capacity says what there is");
	text = format_max(max);
	error = write_file(cgroup, "ioasids.max", text);
	if (error && !cgroup_exists(cgroup))
		status = fail_gone(cgroup);
	else if (error == ENOENT)
		status = fail_off(cgroup);
	else if (error)
		status = fail(FAILED, "cannot write %s to %s/%s%sioasids.max: %s", text,
			      cgroup_root, cgroup, *cgroup ? "/" : "", strerror(error));
	free(text);
	return status;
}

int cgroup_enable_and_limit(const char *cgroup, __u64 max)
{
	int status = cgroup_switch_on(cgroup);

	return status ?: cgroup_limit(cgroup, max);
}
