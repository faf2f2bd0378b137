/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Reads the part of TOML that container engines use for their configuration.
 */
#ifndef _TOML_H
#define _TOML_H

#include <stdbool.h>
#include <stddef.h>

struct strings {
	char **array;
	size_t count;
	char *file;		/* where they are set; NULL: nowhere */
};

void empty_strings(struct strings *strings);
bool has_string(const struct strings *strings, const char *string);

/*
 * Calls @find for each key whose value is a list of strings, or one string, number or
 * boolean; others are skipped. If @find returns strings, they become the value. The names of
 * tables and keys have no quotes and no blanks. A file that cannot be read has no keys.
 */
void read_toml(const char *file, void *data,
	       struct strings *(*find)(void *data, const char *table, const char *key));

/* The same for the file and those in the directory of the same name with .d. */
void read_toml_and_directory(const char *file, void *data,
			     struct strings *(*find)(void *data, const char *table,
						     const char *key));

#endif
