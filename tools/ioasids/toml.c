// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include <ctype.h>
#include <fcntl.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>

#include "cgroup.h"
#include "toml.h"

bool has_string(const struct strings *strings, const char *string)
{
	size_t i;

	for (i = 0; i < strings->count; i++)
		if (!strcmp(strings->array[i], string))
			return true;
	return false;
}

void empty_strings(struct strings *strings)
{
	while (strings->count)
		free(strings->array[--strings->count]);
	free(strings->array);
	free(strings->file);
	*strings = (struct strings) { };
}

/* Takes over @string. */
static void add(struct strings *strings, char *string)
{
	strings->array = grow(strings->array, strings->count + 1, sizeof(char *));
	strings->array[strings->count++] = string;
}

static const char *skip_blanks(const char *at)
{
	while (isspace(*at) || *at == '#') {
		if (*at == '#')
			at += strcspn(at, "\n");
		else
			at++;
	}
	return at;
}

/* Reads the string that begins at @at, and returns what follows it. */
static const char *read_string(const char *at, char **string)
{
	bool escapes = *at == '"', ended = false;
	char quote[] = { *at, *at, *at, '\0' };
	size_t length = strncmp(at, quote, 3) ? 1 : 3;
	char *end;

	at += length;
	quote[length] = '\0';
	*string = grow(NULL, strlen(at) + 1, 1);
	for (end = *string; *at && !ended; ) {
		ended = !strncmp(at, quote, length);
		if (!ended && escapes && *at == '\\' && at[1])
			at++;
		if (!ended)
			*end++ = *at++;
	}
	*end = '\0';
	return ended ? at + length : at;
}

static char *trimmed(const char *at, const char *end)
{
	while (end > at && isspace(end[-1]))
		end--;
	return format("%.*s", (int)(end - at), at);
}

/*
 * Reads a string, or the strings of a list. In a list there can be { append = true }, with
 * which it adds to the list of earlier files.
 */
static const char *read_value(const char *at, struct strings *strings, bool *append)
{
	const char *end;
	int depth = 0;
	char *string;

	do {
		at = skip_blanks(at);
		if (*at == '[' || *at == '{') {
			depth++;
			at++;
		} else if (*at == ']' || *at == '}') {
			depth--;
			at++;
		} else if (*at == '"' || *at == '\'') {
			at = read_string(at, &string);
			add(strings, string);
		} else if (*at == ',' || *at == '=') {
			at++;
		} else {
			*append |= depth && !strncmp(at, "append", strlen("append"));
			end = at + strcspn(at, ",=]}\n\"'#");
			if (!depth)
				add(strings, trimmed(at, end));
			at = end;
		}
	} while (*at && depth > 0);
	return at;
}

static void take(struct strings *to, struct strings *from, bool append, const char *file)
{
	size_t i;

	if (!append)
		empty_strings(to);
	for (i = 0; i < from->count; i++)
		add(to, format("%s", from->array[i]));
	free(to->file);
	to->file = format("%s", file);
}

/* Reads a name of a table or key up to one of @end, without blanks and quotes. */
static const char *read_key(const char *at, const char *end, char **key)
{
	size_t length = strcspn(at, end);
	char *to = grow(NULL, length + 1, 1);

	*key = to;
	for (; length; length--, at++)
		if (!isspace(*at) && *at != '"' && *at != '\'')
			*to++ = *at;
	*to = '\0';
	return at;
}

void read_toml(const char *file, void *data,
	       struct strings *(*find)(void *data, const char *table, const char *key))
{
	char *text = read_all(AT_FDCWD, file), *table = format("%s", ""), *key;
	struct strings value = { }, *strings;
	const char *at = text;
	bool append;

	while (at && *(at = skip_blanks(at))) {
		if (*at == '[') {
			free(table);
			at = read_key(at + 1, "]\n", &table);
			at += *at == ']';
			continue;
		}
		at = read_key(at, "=\n", &key);
		if (*at == '=') {
			append = false;
			at = read_value(at + 1, &value, &append);
			strings = find(data, table, key);
			if (strings)
				take(strings, &value, append, file);
			empty_strings(&value);
		}
		free(key);
	}
	free(table);
	free(text);
}

void read_toml_and_directory(const char *file, void *data,
			     struct strings *(*find)(void *data, const char *table,
						     const char *key))
{
	char *pattern = format("%s.d/*.conf", file);
	glob_t files;
	size_t i;

	read_toml(file, data, find);
	if (!glob(pattern, 0, NULL, &files)) {
		for (i = 0; i < files.gl_pathc; i++)
			read_toml(files.gl_pathv[i], data, find);
		globfree(&files);
	}
	free(pattern);
}
