/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Tables: for people, or as JSON and other formats for programs. A command has a table of
 * its columns, in which it finds a column by an index.
 */
#ifndef _TABLE_H
#define _TABLE_H

#include <stdbool.h>
#include <stddef.h>

#define MOST_COLUMNS	16

/* Flags of columns. */
#define RIGHT		1	/* a number */
#define TREE		2	/* a name, before which the tree is drawn */
#define CUT		4	/* is cut where there is not enough room */

struct column {
	const char *name;
	const char *about;
	unsigned int values;	/* those of a cgroup that it shows */
	int flags;
};

struct columns {
	const struct column *array;
	int count;
};

/* How a table is printed, as chosen by options. */
struct selection {
	const struct columns *columns;
	int shown[MOST_COLUMNS];
	int count;
	int sort;
	bool reversed;
	bool json;
	bool raw;
	bool pairs;
	bool list;
	bool no_headings;
};

struct option;

/* Letters and long options of all tables, for select_option(), and those in @more. */
#define TABLE_LETTERS	"HhJlnPo:r"
const struct option *table_options(const struct option *more);

void select_default(struct selection *selection, const struct columns *columns,
		    const int *shown, int count, int sort);
int select_option(struct selection *selection, int option, const char *argument, bool *known);
int select_sort(struct selection *selection, const char *name);
unsigned int selected_values(const struct selection *selection);
bool is_selected(const struct selection *selection, int column);
char *key_of_column(const struct column *column);
void print_columns(const struct columns *columns);

/* Cells as they are to be printed, row by row. A row belongs below an earlier one, or none. */
struct grid {
	const struct selection *selection;
	size_t rows;
	char **cells;
	ssize_t *parents;
	int *depths;
	bool hidden[MOST_COLUMNS];
	int widths[MOST_COLUMNS];	/* set by grid_fit() */
};

void grid_init(struct grid *grid, const struct selection *selection);
size_t grid_add(struct grid *grid, ssize_t parent);
char *grid_get(const struct grid *grid, size_t row, int column);
void grid_set(struct grid *grid, size_t row, int column, char *text);
void grid_free(struct grid *grid);

int terminal_width(void);
void grid_fit(struct grid *grid, int width);
int grid_print(const struct grid *grid);
int grid_finish(struct grid *grid);
char *grid_to_string(const struct grid *grid);

#endif
