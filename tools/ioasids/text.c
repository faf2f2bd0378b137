// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>
#include <wctype.h>

#include "text.h"

/* The message of the last error, until it is reported. */
static char *message;

noreturn void no_memory(void)
{
	fprintf(stderr, "%s: no memory\n", program_invocation_short_name);
	exit(FAILED);
}

int fail(int status, const char *format, ...)
{
	va_list arguments;
	char *text;

	va_start(arguments, format);
	if (vasprintf(&text, format, arguments) < 0)
		no_memory();
	va_end(arguments);
	free(message);
	message = text;
	return status;
}

/* Output written before the message must appear before it. */
static void print_message(const char *text)
{
	fflush(stdout);
	fprintf(stderr, "%s: ", program_invocation_short_name);
	put_printable(stderr, text);
	fputc('\n', stderr);
}

void report(void)
{
	if (message)
		print_message(message);
	free(message);
	message = NULL;
}

void warn(const char *format, ...)
{
	va_list arguments;
	char *text;

	va_start(arguments, format);
	if (vasprintf(&text, format, arguments) < 0)
		no_memory();
	va_end(arguments);
	print_message(text);
	free(text);
}

/* Like asprintf(). */
char *format(const char *format, ...)
{
	va_list arguments;
	char *text;

	va_start(arguments, format);
	if (vasprintf(&text, format, arguments) < 0)
		no_memory();
	va_end(arguments);
	return text;
}

void *grow(void *array, size_t count, size_t size)
{
	array = reallocarray(array, count, size);
	if (!array)
		no_memory();
	return array;
}

/* The length of the first character; 0 if it is not valid or, unless for JSON, not printable. */
int length_of_character(const char *text, bool json)
{
	wchar_t character;
	int length = mbtowc(&character, text, MB_CUR_MAX);

	return length > 0 && (json || iswprint(character)) ? length : 0;
}

/*
 * A copy of @text that a terminal can be given: other characters become \xHH. In JSON, in
 * which libsmartcols quotes what must be quoted, invalid UTF-8 is replaced.
 */
char *printable(const char *text, bool json)
{
	char *result = grow(NULL, 4 * strlen(text) + 1, 1), *end = result;
	int length;

	for (; *text; text += length ?: 1) {
		length = length_of_character(text, json);
		if (length)
			end = mempcpy(end, text, length);
		else
			end += json ? sprintf(end, "\ufffd") : sprintf(end, "\\x%02hhx", *text);
	}
	*end = '\0';
	return result;
}

void put_printable(FILE *file, const char *text)
{
	char *copy = printable(text, false);

	fputs(copy, file);
	free(copy);
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

/* As the kernel does: only decimal digits, and at most LLONG_MAX. */
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
