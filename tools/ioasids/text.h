/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Text, numbers, memory, and error messages, for all the tools.
 */
#ifndef _TEXT_H
#define _TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdnoreturn.h>
#include <linux/types.h>

#define NO_LIMIT	(~0ULL)

/* Exit statuses. */
enum {
	FAILED = 1,
	BAD_USAGE = 2,
	NOT_FOUND = 3,
	NO_CONTROLLER = 4,
	NO_TRACING = 5,
};

#define __attributes(...)	__attribute__((__VA_ARGS__))
#define __printf(a, b)		__attributes(__format__(printf, a, b))

/*
 * A function that can fail returns 0 or an exit status. It leaves a message with fail(),
 * which returns the status; report() prints the message. Callers pass the status on, or
 * report the error and continue. Only main() ends the program.
 */
__printf(2, 3) int fail(int status, const char *format, ...);
void report(void);
char *take_message(void);
__printf(1, 2) void warn(const char *format, ...);

/* From now on warn() prints nothing: its message is left for take_message(). */
void keep_warnings(void);

/* These end the program if there is no memory. */
noreturn void no_memory(void);
__printf(1, 2) char *format(const char *format, ...);
void *grow(void *array, size_t count, size_t size);
void *grow_by_one(void *array, size_t count, size_t size);

int length_of_character(const char *text);
int width_of(const char *text);
char *printable(const char *text);
int bytes_within(const char *text, int width);
char *cut(const char *text, int width);
void put_printable(FILE *file, const char *text);

char *escape(const char *text);
char *unescape(char *text);

bool is_word_of(const char *list, const char *word);
bool parse_number(const char *text, __u64 *number);
bool parse_max(const char *text, __u64 *max);
char *format_max(__u64 max);

#endif
