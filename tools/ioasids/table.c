// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include <ctype.h>
#include <getopt.h>
#include <libsmartcols/libsmartcols.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "table.h"
#include "text.h"

/* Other columns are left out before names are cut to less than this. */
#define LEAST_NAME	20

static int find_column(const struct columns *columns, const char *name, size_t length, int *column)
{
	int i;

	for (i = 0; i < columns->count; i++) {
		if (!strncasecmp(columns->array[i].name, name, length) &&
		    !columns->array[i].name[length]) {
			*column = i;
			return 0;
		}
	}
	return fail(BAD_USAGE, "there is no column '%.*s'; --list-columns lists them",
		    (int)length, name);
}

static int select_columns(struct selection *selection, const char *list)
{
	size_t length;
	int status;

	selection->count = 0;
	while (true) {
		length = strcspn(list, ",");
		if (selection->count == MOST_COLUMNS)
			return fail(BAD_USAGE, "no more than %d columns can be shown",
				    MOST_COLUMNS);
		status = find_column(selection->columns, list, length,
				     &selection->shown[selection->count++]);
		if (status || !list[length])
			return status;
		list += length + 1;
	}
}

int select_sort(struct selection *selection, const char *name)
{
	selection->reversed = *name == '-';
	name += selection->reversed;
	return find_column(selection->columns, name, strlen(name), &selection->sort);
}

const struct option *table_options(const struct option *more)
{
	static struct option options[16] = {
		{ "help", no_argument, NULL, 'h' },
		{ "json", no_argument, NULL, 'J' },
		{ "list", no_argument, NULL, 'l' },
		{ "list-columns", no_argument, NULL, 'H' },
		{ "noheadings", no_argument, NULL, 'n' },
		{ "output", required_argument, NULL, 'o' },
		{ "output-all", no_argument, NULL, 'A' },
		{ "pairs", no_argument, NULL, 'P' },
		{ "raw", no_argument, NULL, 'r' },
	};
	int i = 0;

	while (options[i].name)
		i++;
	while (more && more->name)
		options[i++] = *more++;
	return options;
}

void select_default(struct selection *selection, const struct columns *columns,
		    const int *shown, int count, int sort)
{
	*selection = (struct selection) { .columns = columns, .count = count, .sort = sort };
	memcpy(selection->shown, shown, count * sizeof(*shown));
}

/* Takes an option of tables. @known is false if it is none, or asks for help or columns. */
int select_option(struct selection *selection, int option, const char *argument, bool *known)
{
	int i;

	*known = true;
	switch (option) {
	case 'J':
		selection->json = true;
		break;
	case 'l':
		selection->list = true;
		break;
	case 'n':
		selection->no_headings = true;
		break;
	case 'o':
		return select_columns(selection, argument);
	case 'A':
		selection->count = selection->columns->count;
		for (i = 0; i < selection->count; i++)
			selection->shown[i] = i;
		break;
	case 'P':
		selection->pairs = true;
		break;
	case 'r':
		selection->raw = true;
		break;
	default:
		*known = false;
	}
	if (selection->json + selection->pairs + selection->raw > 1)
		return fail(BAD_USAGE, "--json, --pairs and --raw exclude each other");
	return 0;
}

unsigned int selected_values(const struct selection *selection)
{
	unsigned int values = selection->columns->array[selection->sort].values;
	int i;

	for (i = 0; i < selection->count; i++)
		values |= selection->columns->array[selection->shown[i]].values;
	return values;
}

bool is_selected(const struct selection *selection, int column)
{
	int i;

	for (i = 0; i < selection->count; i++)
		if (selection->shown[i] == column)
			return true;
	return false;
}

/* The name of the column in JSON. */
char *key_of_column(const struct column *column)
{
	char *key = format("%s", column->name), *character;

	for (character = key; *character; character++)
		*character = tolower(*character);
	return key;
}

void print_columns(const struct columns *columns)
{
	int i;

	for (i = 0; i < columns->count; i++)
		printf("  %-10s  %s\n", columns->array[i].name, columns->array[i].about);
}

void grid_init(struct grid *grid, const struct selection *selection)
{
	*grid = (struct grid) { .selection = selection };
}

/* Adds a row of empty cells. */
size_t grid_add(struct grid *grid, ssize_t parent)
{
	size_t row = grid->rows, columns = grid->selection->count;

	/* The arrays are as long as the next power of 2. */
	if (!(row & (row - 1))) {
		grid->cells = grow(grid->cells, row ? 2 * row : 1, columns * sizeof(char *));
		grid->parents = grow(grid->parents, row ? 2 * row : 1, sizeof(*grid->parents));
		grid->depths = grow(grid->depths, row ? 2 * row : 1, sizeof(*grid->depths));
	}
	memset(grid->cells + row * columns, 0, columns * sizeof(char *));
	grid->parents[row] = parent;
	grid->depths[row] = parent < 0 ? 0 : grid->depths[parent] + 1;
	return grid->rows++;
}

char *grid_get(const struct grid *grid, size_t row, int column)
{
	return grid->cells[row * grid->selection->count + column];
}

/* Takes over @text. */
void grid_set(struct grid *grid, size_t row, int column, char *text)
{
	grid->cells[row * grid->selection->count + column] = text;
}

void grid_free(struct grid *grid)
{
	size_t i;

	for (i = 0; i < grid->rows * grid->selection->count; i++)
		free(grid->cells[i]);
	free(grid->cells);
	free(grid->parents);
	free(grid->depths);
}

/* 0 if standard output is not a terminal. */
int terminal_width(void)
{
	struct winsize size;

	if (!isatty(STDOUT_FILENO))
		return 0;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) || !size.ws_col)
		return 80;
	return size.ws_col;
}

static const struct column *column_of(const struct grid *grid, int i)
{
	return &grid->selection->columns->array[grid->selection->shown[i]];
}

static char **cell_of(const struct grid *grid, size_t row, int column)
{
	return &grid->cells[row * grid->selection->count + column];
}

/* The tree before a name takes two columns for each level. */
static int indent_of(const struct grid *grid, size_t row, int column)
{
	bool tree = (column_of(grid, column)->flags & TREE) && !grid->selection->list;

	return tree ? 2 * grid->depths[row] : 0;
}

static int width_of_column(const struct grid *grid, int column)
{
	int widest = width_of(column_of(grid, column)->name), width;
	const char *text;
	size_t row;

	for (row = 0; row < grid->rows; row++) {
		text = *cell_of(grid, row, column);
		width = indent_of(grid, row, column) + (text ? width_of(text) : 0);
		if (width > widest)
			widest = width;
	}
	return widest;
}

/* A cell that has been cut. */
struct cut_cell {
	char **cell;
	char *whole;
	int width;
};

static int compare_cuts(const void *a, const void *b)
{
	const struct cut_cell *left = a, *right = b;
	int result = strcmp(*left->cell, *right->cell);

	return result ?: strcmp(left->whole, right->whole);
}

/* Of different names that look the same when cut, the second and later get a number. */
static void tell_apart(struct cut_cell *cuts, size_t count)
{
	size_t i, first = 0, number = 1;
	char *suffix, *text;

	qsort(cuts, count, sizeof(*cuts), compare_cuts);
	for (i = 1; i < count; i++) {
		if (strcmp(*cuts[i].cell, *cuts[first].cell)) {
			first = i;
			number = 1;
			continue;
		}
		number += strcmp(cuts[i].whole, cuts[i - 1].whole) != 0;
		if (number == 1)
			continue;
		suffix = format("~%zu", number);
		text = cut(cuts[i].whole, cuts[i].width - strlen(suffix));
		free(*cuts[i].cell);
		*cuts[i].cell = format("%s%s", text, suffix);
		free(text);
		free(suffix);
	}
}

static void cut_column(struct grid *grid, int column, int width)
{
	struct cut_cell *cuts = grow(NULL, grid->rows + 1, sizeof(*cuts));
	size_t count = 0, row;
	char **cell;
	int room;

	for (row = 0; row < grid->rows; row++) {
		cell = cell_of(grid, row, column);
		room = width - indent_of(grid, row, column);
		if (!*cell || width_of(*cell) <= room)
			continue;
		cuts[count++] = (struct cut_cell) { cell, *cell, room };
		*cell = cut(*cell, room);
	}
	tell_apart(cuts, count);
	while (count)
		free(cuts[--count].whole);
	free(cuts);
}

/*
 * Makes the table fit into @width: first by cutting names down to LEAST_NAME, and then by
 * leaving out columns, the last first.
 */
void grid_fit(struct grid *grid, int width)
{
	int *widths = grid->widths, count = grid->selection->count, total = -1, i, spare;
	bool cuts[MOST_COLUMNS] = { };

	for (i = 0; i < count; i++) {
		widths[i] = width_of_column(grid, i);
		total += widths[i] + 1;
	}
	while (total > width) {
		spare = 0;
		for (i = 0; i < count; i++)
			if ((column_of(grid, i)->flags & CUT) && widths[i] > LEAST_NAME)
				spare += widths[i] - LEAST_NAME;
		if (total - spare <= width || count == 1)
			break;
		count--;
		grid->hidden[count] = true;
		total -= widths[count] + 1;
	}
	for (i = 0; i < count && total > width; i++) {
		if (!(column_of(grid, i)->flags & CUT))
			continue;
		spare = widths[i] - (count == 1 ? 1 : LEAST_NAME);
		if (spare <= 0)
			continue;
		if (spare > total - width)
			spare = total - width;
		widths[i] -= spare;
		total -= spare;
		cuts[i] = true;
	}
	for (i = 0; i < count; i++)
		if (cuts[i])
			cut_column(grid, i, widths[i]);
}

static struct libscols_table *make_table(const struct grid *grid)
{
	const struct selection *selection = grid->selection;
	struct libscols_table *table = scols_new_table();
	struct libscols_line **lines = grow(NULL, grid->rows + 1, sizeof(*lines));
	bool flat = selection->list || selection->raw || selection->pairs;
	const struct column *column;
	int flags, i, n;
	size_t row;

	if (!table)
		no_memory();
	/* It would change the backslashes in names of units: printable() does not. */
	scols_table_enable_noencoding(table, true);
	/* The table fits already, if it is to fit. */
	scols_table_set_termforce(table, SCOLS_TERMFORCE_NEVER);
	scols_table_enable_noheadings(table, selection->no_headings);
	scols_table_enable_raw(table, selection->raw);
	scols_table_enable_export(table, selection->pairs);
	for (i = 0; i < selection->count; i++) {
		column = column_of(grid, i);
		flags = column->flags & RIGHT ? SCOLS_FL_RIGHT : 0;
		if ((column->flags & TREE) && !flat)
			flags |= SCOLS_FL_TREE;
		if (!grid->hidden[i] && !scols_table_new_column(table, column->name, 0, flags))
			no_memory();
	}
	for (row = 0; row < grid->rows; row++) {
		lines[row] = scols_table_new_line(table, flat || grid->parents[row] < 0 ? NULL :
						  lines[grid->parents[row]]);
		if (!lines[row])
			no_memory();
		for (i = 0, n = 0; i < selection->count; i++) {
			if (grid->hidden[i])
				continue;
			if (scols_line_set_data(lines[row], n++, *cell_of(grid, row, i)))
				no_memory();
		}
	}
	free(lines);
	return table;
}

int grid_print(const struct grid *grid)
{
	struct libscols_table *table = make_table(grid);
	int status = 0;

	if (scols_print_table(table))
		status = fail(FAILED, "cannot print the table");
	scols_unref_table(table);
	return status;
}

/* Prints the table as people or programs need it, and frees it. */
int grid_finish(struct grid *grid)
{
	int status;

	if (terminal_width() && !grid->selection->raw && !grid->selection->pairs)
		grid_fit(grid, terminal_width());
	status = grid_print(grid);
	grid_free(grid);
	return status;
}

char *grid_to_string(const struct grid *grid)
{
	struct libscols_table *table = make_table(grid);
	char *text;

	if (scols_print_table_to_string(table, &text))
		no_memory();
	scols_unref_table(table);
	return text;
}
