// SPDX-License-Identifier: GPL-2.0
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "json.h"
#include "text.h"

static int depth;
static bool first, one_line;

void json_begin(bool lines)
{
	/* JSON is UTF-8 in every locale. */
	setlocale(LC_CTYPE, "C.UTF-8");
	depth = 0;
	first = true;
	one_line = lines;
}

void json_end(void)
{
	putchar('\n');
	first = true;
}

static void put_unit(unsigned int unit)
{
	printf("\\u%04x", unit);
}

/*
 * Characters that a terminal would obey are escaped, and bytes that are not UTF-8 become
 * U+FFFD.
 */
static void put_string(const char *text)
{
	wchar_t character;
	int length;

	putchar('"');
	for (; *text; text += length > 0 ? length : 1) {
		length = mbtowc(&character, text, MB_CUR_MAX);
		/* glibc takes what lies beyond Unicode, too. */
		if (length <= 0 || character > 0x10ffff) {
			fputs("\xef\xbf\xbd", stdout);
		} else if (character == L'"' || character == L'\\') {
			printf("\\%c", (char)character);
		} else if (length_of_character(text)) {
			fwrite(text, length, 1, stdout);
		} else if (character < 0x10000) {
			put_unit(character);
		} else {
			put_unit(0xd800 + ((character - 0x10000) >> 10));
			put_unit(0xdc00 + ((character - 0x10000) & 0x3ff));
		}
	}
	putchar('"');
}

static void put_space(void)
{
	int i;

	if (one_line)
		return;
	putchar('\n');
	for (i = 0; i < depth; i++)
		fputs("   ", stdout);
}

static void put_name(const char *name)
{
	if (!first)
		fputs(one_line ? ", " : ",", stdout);
	if (depth)
		put_space();
	first = false;
	if (!name)
		return;
	put_string(name);
	fputs(": ", stdout);
}

void json_open(const char *name, char bracket)
{
	put_name(name);
	putchar(bracket);
	depth++;
	first = true;
}

void json_close(char bracket)
{
	depth--;
	if (!first)
		put_space();
	putchar(bracket);
	first = false;
}

void json_string(const char *name, const char *value)
{
	if (!value) {
		json_null(name);
		return;
	}
	put_name(name);
	put_string(value);
}

void json_number(const char *name, __u64 value)
{
	put_name(name);
	printf("%llu", value);
}

/* The decimal point is a point in every locale. */
void json_percent(const char *name, double value)
{
	__u64 tenths = value * 1000 + 0.5;

	put_name(name);
	printf("%llu.%llu", tenths / 10, tenths % 10);
}

void json_bool(const char *name, bool value)
{
	put_name(name);
	fputs(value ? "true" : "false", stdout);
}

void json_null(const char *name)
{
	put_name(name);
	fputs("null", stdout);
}

void json_begin_list(const char *name)
{
	json_begin(false);
	json_open(NULL, '{');
	json_open(name, '[');
}

void json_end_list(void)
{
	json_close(']');
	json_close('}');
	json_end();
}
