/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Writes JSON to standard output. In an array the name of a value is NULL.
 */
#ifndef _JSON_H
#define _JSON_H

#include <stdbool.h>
#include <linux/types.h>

/* The first call: all that follows is one value. @lines: each value is on a line of its own. */
void json_begin(bool lines);
void json_end(void);

/* The same for an object with a list, which is its last member. */
void json_begin_list(const char *name);
void json_end_list(void);

/* @bracket is { or [, and the matching one closes. */
void json_open(const char *name, char bracket);
void json_close(char bracket);

/* A NULL string is null. */
void json_string(const char *name, const char *value);
void json_number(const char *name, __u64 value);
void json_percent(const char *name, double value);
void json_bool(const char *name, bool value);
void json_null(const char *name);

#endif
