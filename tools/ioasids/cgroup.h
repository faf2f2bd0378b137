/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The cgroup hierarchy: where it is, and how to read, limit and prepare a cgroup. A
 * cgroup is named by its path below the root, without a leading slash: the root is "".
 */
#ifndef _CGROUP_H
#define _CGROUP_H

#include <sys/types.h>

#include "text.h"

/* What the files of a cgroup contain; see Documentation/admin-guide/ioasids.rst. */
enum value {
	MAX,
	CURRENT,
	PEAK,
	ALLOCATED,
	RESERVED,
	SETS,
	REFUSED,
	FAILURES,
	LOCAL_REFUSED,
	LOCAL_FAILURES,
	DYING,
	VALUES
};

#define BIT(n)		(1U << (n))

/* Values that are 0 unless something has been charged, and values from the same file. */
#define CHARGES		(BIT(CURRENT) | BIT(ALLOCATED) | BIT(RESERVED))
#define EVENTS		(BIT(REFUSED) | BIT(FAILURES))
#define LOCAL_EVENTS	(BIT(LOCAL_REFUSED) | BIT(LOCAL_FAILURES))

struct values {
	__u64 of[VALUES];
	unsigned int known;	/* those that were read, and that this kernel has */
};

/* What ioasids.capacity contains, in the order of the file. */
struct capacity {
	__u64 total;
	__u64 kernel;
	__u64 user;
	__u64 available;
};

static inline bool is_zero(const struct values *values, enum value which)
{
	return (values->known & BIT(which)) && !values->of[which];
}

/* Where the hierarchy is mounted, and a descriptor of its root. */
extern const char *cgroup_root;
extern int root_fd;

int open_root(void);
bool kernel_has_controller(void);
int need_controller(void);

ssize_t read_file(int dir, const char *name, char *buffer, size_t size);
char *read_all(int dir, const char *name);
int write_file(const char *cgroup, const char *file, const char *text);

bool cgroup_exists(const char *cgroup);
bool cgroup_is_root(const char *cgroup);
bool cgroup_has_controller(const char *cgroup);
bool cgroup_is_of_2021(const char *cgroup);
bool cgroup_passes_on(const char *cgroup);
bool cgroup_is_in(const char *cgroup, const char *above);
int cgroup_of_process(pid_t pid, char **cgroup);
char *cgroup_of_path(const char *path);
char *cgroup_of_name(const char *name);
char *cgroup_parent(const char *cgroup);
bool read_capacity(struct capacity *capacity);
void read_dying(struct values *values);
int read_values(int dir, const char *name, unsigned int wanted, struct values *values);

int fail_off(const char *cgroup);
int fail_gone(const char *cgroup);

int cgroup_make(const char *cgroup);
int cgroup_pass_on(const char *cgroup);
int cgroup_switch_on(const char *cgroup);
int cgroup_limit(const char *cgroup, __u64 max);
int cgroup_enable_and_limit(const char *cgroup, __u64 max);

#endif
