// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include <ctype.h>
#include <fcntl.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cgroup.h"
#include "podman.h"

bool has_string(const struct strings *strings, const char *string)
{
	size_t i;

	for (i = 0; i < strings->count; i++)
		if (!strcmp(strings->array[i], string))
			return true;
	return false;
}

static void empty(struct strings *strings)
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

/*
 * The files are TOML. This reads only tables, keys, and values that are strings or lists of
 * strings. Other values are skipped.
 */
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

/*
 * Reads a string, or the strings of a list. In a list there can be { append = true }, with
 * which it adds to the list of earlier files.
 */
static const char *read_value(const char *at, struct strings *strings, bool *append)
{
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
			at += strcspn(at, ",=]}\n\"'#");
		}
	} while (*at && depth > 0);
	return at;
}

static struct strings *strings_of(struct podman *podman, const char *table, const char *key)
{
	if (!strcmp(table, "containers") && !strcmp(key, "annotations"))
		return &podman->annotations;
	if (!strcmp(table, "engine") && !strcmp(key, "hooks_dir"))
		return &podman->hooks_dir;
	if (!strcmp(table, "engine") && !strcmp(key, "runtime"))
		return &podman->runtime;
	return NULL;
}

static void take(struct strings *to, struct strings *from, bool append, const char *file)
{
	size_t i;

	if (!append)
		empty(to);
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

static void read_containers_conf(struct podman *podman, const char *file)
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
			strings = strings_of(podman, table, key);
			if (strings)
				take(strings, &value, append, file);
			empty(&value);
		}
		free(key);
	}
	free(table);
	free(text);
}

/* The file, and those in the directory of the same name with .d. */
static void read_layer(struct podman *podman, const char *file)
{
	char *pattern = format("%s.d/*.conf", file);
	glob_t files;
	size_t i;

	read_containers_conf(podman, file);
	if (!glob(pattern, 0, NULL, &files)) {
		for (i = 0; i < files.gl_pathc; i++)
			read_containers_conf(podman, files.gl_pathv[i]);
		globfree(&files);
	}
	free(pattern);
}

void read_podman(struct podman *podman)
{
	const char *replacement = getenv("CONTAINERS_CONF"), *home = getenv("HOME");
	const char *config = getenv("XDG_CONFIG_HOME");
	char *file;

	*podman = (struct podman) { };
	if (replacement && *replacement) {
		read_containers_conf(podman, replacement);
		return;
	}
	read_containers_conf(podman, "/usr/share/containers/containers.conf");
	read_layer(podman, "/etc/containers/containers.conf");
	if (!geteuid() || (!home && !config))
		return;
	if (config && *config)
		file = format("%s/containers/containers.conf", config);
	else
		file = format("%s/.config/containers/containers.conf", home);
	read_layer(podman, file);
	free(file);
}

void free_podman(struct podman *podman)
{
	empty(&podman->annotations);
	empty(&podman->hooks_dir);
	empty(&podman->runtime);
}
