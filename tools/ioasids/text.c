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
static bool warnings_are_kept;

noreturn void no_memory(void)
{
	fprintf(stderr, "%s: no memory\n", program_invocation_short_name);
	exit(FAILED);
}

static char *vformat(const char *format, va_list arguments)
{
	char *text;

	if (vasprintf(&text, format, arguments) < 0)
		no_memory();
	return text;
}

/* Like asprintf(). */
char *format(const char *format, ...)
{
	va_list arguments;
	char *text;

	va_start(arguments, format);
	text = vformat(format, arguments);
	va_end(arguments);
	return text;
}

int fail(int status, const char *format, ...)
{
	va_list arguments;
	char *text;

	va_start(arguments, format);
	text = vformat(format, arguments);
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

/* The message itself, for a program that shows it elsewhere. */
char *take_message(void)
{
	char *text = message;

	message = NULL;
	return text;
}

void keep_warnings(void)
{
	warnings_are_kept = true;
}

void warn(const char *format, ...)
{
	va_list arguments;
	char *text;

	va_start(arguments, format);
	text = vformat(format, arguments);
	va_end(arguments);
	if (warnings_are_kept) {
		free(message);
		message = text;
		return;
	}
	print_message(text);
	free(text);
}

void *grow(void *array, size_t count, size_t size)
{
	array = reallocarray(array, count, size);
	if (!array)
		no_memory();
	return array;
}

/* Makes room for one more element. The array is as long as the next power of 2. */
void *grow_by_one(void *array, size_t count, size_t size)
{
	if (count & (count - 1))
		return array;
	return grow(array, count ? 2 * count : 1, size);
}

/*
 * Whether a terminal shows this character, and nothing else happens. Users choose the names
 * of cgroups and processes. Some of the characters that have no shape of their own reorder
 * the text around them, and the C library takes those for printable.
 */
static bool is_harmless(wchar_t character)
{
	static const struct {
		wchar_t first;
		wchar_t last;
	} hidden[] = {
		{ 0x80, 0x9f }, { 0xad, 0xad }, { 0x61c, 0x61c }, { 0x180e, 0x180e },
		{ 0x200b, 0x200f }, { 0x2028, 0x202e }, { 0x2060, 0x206f }, { 0xfeff, 0xfeff },
		{ 0xfff9, 0xfffb }, { 0xe0000, 0xe0fff },
	};
	size_t i;

	for (i = 0; i < sizeof(hidden) / sizeof(*hidden); i++)
		if (character >= hidden[i].first && character <= hidden[i].last)
			return false;
	return iswprint(character);
}

/* The length of the first character; 0 if it is not valid or should not be printed. */
int length_of_character(const char *text)
{
	wchar_t character;
	int length = mbtowc(&character, text, MB_CUR_MAX);

	return length > 0 && is_harmless(character) ? length : 0;
}

/* How many columns of a terminal @text takes. It must be printable. */
int width_of(const char *text)
{
	wchar_t character;
	int width = 0, length;

	for (; (length = mbtowc(&character, text, MB_CUR_MAX)) > 0; text += length)
		width += wcwidth(character);
	return width;
}

/* A copy of @text that a terminal can be given: other characters become \xHH. */
char *printable(const char *text)
{
	char *result = grow(NULL, 4 * strlen(text) + 1, 1), *end = result;
	int length;

	for (; *text; text += length ?: 1) {
		length = length_of_character(text);
		if (length)
			end = mempcpy(end, text, length);
		else
			end += sprintf(end, "\\x%02hhx", *text);
	}
	*end = '\0';
	return result;
}

/* How many bytes at the start of @text are at most @width columns wide. */
int bytes_within(const char *text, int width)
{
	wchar_t character;
	int bytes = 0, length;

	while ((length = mbtowc(&character, text + bytes, MB_CUR_MAX)) > 0) {
		width -= wcwidth(character);
		if (width < 0)
			break;
		bytes += length;
	}
	return bytes;
}

/* A copy of printable text that is at most @width wide. It is shortened in the middle. */
char *cut(const char *text, int width)
{
	const char *ellipsis = MB_CUR_MAX > 1 ? "\xe2\x80\xa6" : "~", *tail = text;
	int rest = width_of(text), head;
	wchar_t character;

	if (rest <= width)
		return format("%s", text);
	if (width < 1)
		return format("%s", "");
	head = bytes_within(text, width / 2);
	while (rest > width - 1 - width / 2) {
		tail += mbtowc(&character, tail, MB_CUR_MAX);
		rest -= wcwidth(character);
	}
	return format("%.*s%s%s", head, text, ellipsis, tail);
}

void put_printable(FILE *file, const char *text)
{
	char *copy = printable(text);

	fputs(copy, file);
	free(copy);
}

static bool is_octal(const char *text)
{
	return strspn(text, "01234567") >= 3 && *text < '4';
}

/*
 * A copy of @text that unescape() turns back, and that can stand in a file with one value a
 * line: \ooo replaces blanks, what begins a comment, and what cannot be printed.
 */
char *escape(const char *text)
{
	char *result = grow(NULL, 4 * strlen(text) + 1, 1), *end = result;
	int length;

	for (; *text; text += length ?: 1) {
		length = length_of_character(text);
		if (strchr(" #;", *text) || (*text == '\\' && is_octal(text + 1)))
			length = 0;
		if (length)
			end = mempcpy(end, text, length);
		else
			end += sprintf(end, "\\%03hho", *text);
	}
	*end = '\0';
	return result;
}

/* Replaces each \ooo, in place. A backslash before anything else is itself. */
char *unescape(char *text)
{
	char *from = text, *to = text, digits[4] = "";

	for (; *from; to++) {
		if (*from == '\\' && is_octal(from + 1) && strncmp(from, "\\000", 4)) {
			memcpy(digits, from + 1, 3);
			*to = strtoul(digits, NULL, 8);
			from += 4;
		} else {
			*to = *from++;
		}
	}
	*to = '\0';
	return text;
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

char *format_max(__u64 max)
{
	return max == NO_LIMIT ? format("max") : format("%llu", max);
}
