/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What all the tools know about cgroups: where they are, and how to read, limit
 * and prepare one. A cgroup is named by its path below the root, without a slash
 * in front: the root is "".
 */
#ifndef _CGROUP_H
#define _CGROUP_H

#include <stdbool.h>
#include <stdio.h>
#include <linux/types.h>
#include <stdnoreturn.h>
#include <sys/types.h>

#define NO_LIMIT	(~0ULL)

/* Exit statuses. */
enum {
	FAILED = 1,
	BAD_USAGE = 2,
	NOT_FOUND = 3,
	NO_CONTROLLER = 4,
};

/* What a cgroup's files say; see Documentation/admin-guide/ioasids.rst. */
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
	VALUES
};

#define BIT(n)		(1U << (n))

/* Those that are 0 unless something has been charged, and those that come together. */
#define CHARGES		(BIT(CURRENT) | BIT(ALLOCATED) | BIT(RESERVED))
#define EVENTS		(BIT(REFUSED) | BIT(FAILURES))
#define LOCAL_EVENTS	(BIT(LOCAL_REFUSED) | BIT(LOCAL_FAILURES))

/* The root of the hierarchy, and a descriptor of it. */
extern const char *cgroup_root;
extern int root_fd;

int length_of_character(const char *text, bool any);
void put_printable(FILE *file, const char *text);
[[gnu::format(printf, 2, 3)]] noreturn void die(int status, const char *format, ...);
[[gnu::format(printf, 1, 2)]] void warn(const char *format, ...);
[[gnu::format(printf, 1, 2)]] char *format(const char *format, ...);
noreturn void die_of_off(const char *cgroup);
noreturn void die_of_gone(const char *cgroup);
void *grow(void *array, size_t count, size_t size);

bool is_word_of(const char *list, const char *word);
bool parse_number(const char *text, __u64 *number);
bool parse_max(const char *text, __u64 *max);

void open_root(void);
bool kernel_has_controller(void);
void need_controller(void);

ssize_t read_file(int dir, const char *name, char *buffer, size_t size);
char *read_to_end(int fd);
char *read_all(int dir, const char *name);
int write_file(const char *cgroup, const char *file, const char *text);

bool cgroup_exists(const char *cgroup);
bool cgroup_is_root(const char *cgroup);
bool cgroup_has_controller(const char *cgroup);
bool cgroup_is_populated(const char *cgroup);
bool cgroup_passes_on(const char *cgroup);
char *cgroup_of_process(pid_t pid);
char *cgroup_of_path(const char *path);
char *cgroup_parent(const char *cgroup);
bool read_values(int dir, const char *name, unsigned int wanted, __u64 *values);

void cgroup_make(const char *cgroup);
void cgroup_pass_on(const char *cgroup);
void cgroup_switch_on(const char *cgroup);
void cgroup_limit(const char *cgroup, __u64 max);

#endif
