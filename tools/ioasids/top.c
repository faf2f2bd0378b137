// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include <curses.h>
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "ioasidctl.h"
#include "json.h"
#include "tree.h"

/* The time between two updates, in ms. */
#define DELAY		2000
#define LEAST_DELAY	100
#define MOST_DELAY	3600000

/* Part of the limit from which a row is coloured. */
#define NEARLY_FULL	0.8

/* What next_key() returns besides keys. */
#define TIME_OVER	(-1)
#define STOPPED		(-2)
#define RESIZED		KEY_RESIZE

static const char help[] =
"q              quit\n"
"Up k, Down j   choose a cgroup; also Page Up and Down, Home and End\n"
"Space          fold or unfold what is below it; also Left and Right\n"
"/              find a cgroup by a part of its path; nothing typed: the next one\n"
"Enter          list the processes that hold IDs in it\n"
"s              set its limit\n"
"n c u p r      sort by name, current, use, peak, refused\n"
"i              invert the order\n"
"+ -            wait longer or less long between updates\n"
"h              show this; any key returns\n";

struct view {
	const char *path;
	struct selection selection;
	struct cgroup *tree;
	struct cgroup **rows;	/* those that are not folded away */
	size_t count;
	size_t at;		/* the one that is chosen */
	size_t first;		/* the one at the top of the window */
	struct grid grid;
	char *chosen;		/* the path: a cgroup can go */
	char **folded;		/* paths, too */
	size_t folds;
	char *find;
	char *message;
	int delay;
	int signals;
};

static __u64 now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000ULL + time.tv_nsec / 1000000;
}

static size_t fold_of(const struct view *view, const char *path)
{
	size_t i;

	for (i = 0; i < view->folds && strcmp(view->folded[i], path); i++)
		;
	return i;
}

static void fold_or_unfold(struct view *view, const char *path)
{
	size_t i = fold_of(view, path);

	if (i < view->folds) {
		free(view->folded[i]);
		view->folded[i] = view->folded[--view->folds];
	} else {
		view->folded = grow(view->folded, view->folds + 1, sizeof(*view->folded));
		view->folded[view->folds++] = format("%s", path);
	}
}

/* Lists the cgroups that have a row, in the order of add_tree(). */
static void list_rows(struct view *view, struct cgroup *cgroup)
{
	struct cgroup *child;

	view->rows = grow_by_one(view->rows, view->count, sizeof(*view->rows));
	view->rows[view->count++] = cgroup;
	cgroup->folded = fold_of(view, cgroup->path) < view->folds;
	for (child = cgroup->child; child && !cgroup->folded; child = child->next)
		list_rows(view, child);
}

/* Prepares the table anew: after an update, and if something is shown in another way. */
static void arrange(struct view *view)
{
	size_t i;

	grid_free(&view->grid);
	view->count = 0;
	list_rows(view, view->tree);
	grid_init(&view->grid, &view->selection);
	add_tree(&view->grid, view->tree, -1);
	grid_fit(&view->grid, COLS);
	view->at = 0;
	for (i = 0; i < view->count && view->chosen; i++)
		if (!strcmp(view->rows[i]->path, view->chosen))
			view->at = i;
}

static void choose(struct view *view, size_t at)
{
	view->at = at;
	free(view->chosen);
	view->chosen = format("%s", view->rows[at]->path);
}

/* Takes over @message, which can have names that users chose. */
static void say(struct view *view, char *message)
{
	free(view->message);
	view->message = message ? printable(message) : NULL;
	free(message);
}

static int update(struct view *view)
{
	struct cgroup *tree;
	char *warning;
	int status;

	status = read_tree(view->path, selected_values(&view->selection), &tree);
	if (status)
		return status;
	warning = take_message();
	if (warning)
		say(view, warning);
	if (view->tree)
		free_tree(view->tree);
	view->tree = tree;
	sort_tree(tree, &view->selection);
	arrange(view);
	return 0;
}

/* The branches of the tree before the name of a cgroup. */
static void put_branches(FILE *out, const struct cgroup *cgroup, const struct cgroup *top)
{
	bool lines = MB_CUR_MAX > 1;

	if (cgroup == top)
		return;
	if (cgroup->parent != top)
		put_branches(out, cgroup->parent, top);
	fputs(cgroup->next ? lines ? "\xe2\x94\x82 " : "| " : "  ", out);
}

/* One row, with the branch that leads to it. */
static char *row_of(const struct view *view, size_t row)
{
	const struct cgroup *cgroup = view->rows[row], *top = view->tree;
	const struct grid *grid = &view->grid;
	bool lines = MB_CUR_MAX > 1;
	const struct column *column;
	int i, width;
	size_t length;
	char *line;
	FILE *out = open_memstream(&line, &length);

	if (!out)
		no_memory();
	for (i = 0; i < view->selection.count && !grid->hidden[i]; i++) {
		const char *text = grid_get(grid, row, i) ?: "";

		column = &view->selection.columns->array[view->selection.shown[i]];
		width = grid->widths[i] - width_of(text);
		if (i)
			fputc(' ', out);
		if (column->flags & RIGHT)
			fprintf(out, "%*s%s", width, "", text);
		if (column->flags & RIGHT)
			continue;
		if ((column->flags & TREE) && cgroup != top) {
			width -= 2 * grid->depths[row];
			put_branches(out, cgroup->parent, top);
			fputs(cgroup->next ? lines ? "\xe2\x94\x9c\xe2\x94\x80" : "|-" :
			      lines ? "\xe2\x94\x94\xe2\x94\x80" : "`-", out);
		}
		fprintf(out, "%s%*s", text, width > 0 ? width : 0, "");
	}
	fclose(out);
	return line;
}

static char *headings_of(const struct view *view)
{
	const struct grid *grid = &view->grid;
	char *line = format("%s", ""), *longer;
	const struct column *column;
	int i, width;

	for (i = 0; i < view->selection.count && !grid->hidden[i]; i++) {
		column = &view->selection.columns->array[view->selection.shown[i]];
		width = column->flags & RIGHT ? grid->widths[i] : -grid->widths[i];
		longer = format("%s%s%*s", line, i ? " " : "", width, column->name);
		free(line);
		line = longer;
	}
	return line;
}

/* Puts as much of @text as fits into a line of the screen. */
static void put_line(int y, const char *text)
{
	mvaddnstr(y, 0, text, bytes_within(text, COLS));
}

static void put_title(const struct view *view)
{
	const struct values *values = &view->tree->values;
	char clock[16], *name = printable(view->tree->path), *line, *held;
	time_t seconds = time(NULL);

	strftime(clock, sizeof(clock), "%T", localtime(&seconds));
	if (values->known & BIT(CURRENT))
		held = format(": %llu ID%s", values->of[CURRENT],
			      values->of[CURRENT] == 1 ? "" : "s");
	else
		held = format("%s", "");
	line = format("%s  /%s%s  by %s%s  every %g s  h: help", clock, name, held,
		      view->selection.columns->array[view->selection.sort].name,
		      view->selection.reversed ? ", inverted" : "", view->delay / 1000.0);
	free(held);
	free(name);
	put_line(0, line);
	free(line);
}

static int attributes_of(const struct view *view, size_t row)
{
	double use = use_of(view->rows[row]);
	int attributes = row == view->at ? A_REVERSE : 0;

	if (has_colors() && use >= NEARLY_FULL)
		attributes |= COLOR_PAIR(use >= 1 ? COLOR_RED : COLOR_YELLOW);
	return attributes;
}

static void draw(struct view *view)
{
	size_t room = LINES > 3 ? LINES - 3 : 1, i;
	char *line;

	erase();
	put_title(view);
	line = headings_of(view);
	attron(A_BOLD);
	put_line(1, line);
	attroff(A_BOLD);
	free(line);
	if (view->at < view->first)
		view->first = view->at;
	if (view->at >= view->first + room)
		view->first = view->at - room + 1;
	if (view->first + room > view->count)
		view->first = view->count > room ? view->count - room : 0;
	for (i = view->first; i < view->count && i < view->first + room; i++) {
		line = row_of(view, i);
		attrset(attributes_of(view, i));
		put_line(2 + i - view->first, line);
		attrset(A_NORMAL);
		free(line);
	}
	if (view->message)
		put_line(LINES - 1, view->message);
	refresh();
}

/* Stops, as the program would by itself. Where no shell could continue it, it does not stop. */
static void stop(void)
{
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGTSTP);
	endwin();
	raise(SIGTSTP);
	sigprocmask(SIG_UNBLOCK, &signals, NULL);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	clearok(curscr, TRUE);
}

static int key_of_signal(int signals)
{
	struct signalfd_siginfo signal;
	struct winsize size;

	if (read(signals, &signal, sizeof(signal)) != sizeof(signal))
		return TIME_OVER;
	switch (signal.ssi_signo) {
	case SIGWINCH:
		if (!ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) && size.ws_row && size.ws_col)
			resizeterm(size.ws_row, size.ws_col);
		return RESIZED;
	case SIGTSTP:
		stop();
		return RESIZED;
	case SIGCONT:
		/* The shell may have changed the terminal. */
		clearok(curscr, TRUE);
		return RESIZED;
	}
	return STOPPED;
}

/* Waits for a key or a signal, @wait ms or, if that is negative, for ever. */
static int next_key(const struct view *view, int wait)
{
	struct pollfd both[] = {
		{ .fd = STDIN_FILENO, .events = POLLIN },
		{ .fd = view->signals, .events = POLLIN },
	};
	int key = getch();

	if (key != ERR)
		return key;
	if (poll(both, 2, wait) <= 0)
		return TIME_OVER;
	if (both[1].revents)
		return key_of_signal(view->signals);
	key = getch();
	if (key == ERR && both[0].revents & (POLLHUP | POLLERR))
		return STOPPED;
	return key == ERR ? TIME_OVER : key;
}

/* Waits for any key; false if the program should end. */
static bool wait_for_key(const struct view *view)
{
	int key;

	do
		key = next_key(view, -1);
	while (key == TIME_OVER);
	return key != STOPPED;
}

/* Shows lines of text instead of the table, until a key is pressed. */
static bool show_text(const struct view *view, const char *title, const char *text)
{
	const char *line = text;
	int y;

	erase();
	attron(A_BOLD);
	put_line(0, title);
	attroff(A_BOLD);
	for (y = 1; y < LINES && *line; y++) {
		char *copy = format("%.*s", (int)strcspn(line, "\n"), line);

		put_line(y, copy);
		line += strlen(copy);
		line += *line == '\n';
		free(copy);
	}
	refresh();
	return wait_for_key(view);
}

/* Asks in the last line. Returns NULL if Escape was pressed, or the program should end. */
static char *ask(const struct view *view, const char *question, bool *go_on)
{
	char answer[256] = "", *line;
	size_t length = 0;
	int key;

	while (true) {
		line = format("%s%s_", question, answer);
		move(LINES - 1, 0);
		clrtoeol();
		put_line(LINES - 1, line);
		free(line);
		refresh();
		key = next_key(view, -1);
		if (key == STOPPED)
			*go_on = false;
		if (key == STOPPED || key == '\033')
			return NULL;
		if (key == '\n' || key == '\r' || key == KEY_ENTER)
			return format("%s", answer);
		if ((key == KEY_BACKSPACE || key == '\b' || key == 127) && length) {
			answer[--length] = '\0';
		} else if (key >= ' ' && key < 256 && key != 127 && length + 1 < sizeof(answer)) {
			answer[length++] = key;
			answer[length] = '\0';
		}
	}
}

/* Chooses the next cgroup whose path has the text in it. */
static bool find(struct view *view)
{
	bool go_on = true;
	char *text = ask(view, "Find: ", &go_on);
	size_t i, at;

	if (text && *text) {
		free(view->find);
		view->find = text;
	} else {
		free(text);
	}
	if (!text || !view->find)
		return go_on;
	for (i = 1; i <= view->count; i++) {
		at = (view->at + i) % view->count;
		if (strstr(view->rows[at]->path, view->find)) {
			choose(view, at);
			return true;
		}
	}
	say(view, format("No cgroup that is shown has '%s' in its path", view->find));
	return true;
}

/* Sets the limit of the chosen cgroup, if the user confirms it. */
static bool set_limit(struct view *view)
{
	char *path = format("%s", view->rows[view->at]->path), *name = printable(path);
	char *question = format("New limit of /%s: ", name), *text, *sure = NULL;
	bool go_on = true;
	__u64 max;

	text = ask(view, question, &go_on);
	free(question);
	if (text && *text) {
		if (need_max(text, &max)) {
			say(view, take_message());
		} else {
			question = format("Limit /%s to %s? y or n: ", name, text);
			sure = ask(view, question, &go_on);
			free(question);
		}
	}
	if (sure && !strcmp(sure, "y") && cgroup_limit(path, max))
		say(view, take_message());
	free(sure);
	free(text);
	free(name);
	free(path);
	return go_on;
}

static bool show_holders(struct view *view)
{
	char *name = printable(view->rows[view->at]->path);
	char *title = format("Processes that hold IDs in /%s; any key returns", name), *text;
	bool go_on = true;
	int status;

	status = who_to_string(view->rows[view->at]->path, COLS, &text);
	/* An error, or what is not in the list */
	say(view, take_message());
	if (!status) {
		go_on = show_text(view, title, text);
		free(text);
	}
	free(title);
	free(name);
	return go_on;
}

static void change_delay(struct view *view, bool longer)
{
	view->delay = longer ? view->delay * 2 : view->delay / 2;
	if (view->delay > MOST_DELAY)
		view->delay = MOST_DELAY;
	if (view->delay < LEAST_DELAY)
		view->delay = LEAST_DELAY;
}

static void sort_by(struct view *view, int column)
{
	view->selection.reversed = false;
	view->selection.sort = column;
}

/* Keys that move the choice, or SIZE_MAX. */
static size_t target_of(const struct view *view, int key)
{
	size_t last = view->count - 1, page = LINES > 4 ? LINES - 4 : 1;

	switch (key) {
	case 'j':
	case KEY_DOWN:
		return view->at < last ? view->at + 1 : last;
	case 'k':
	case KEY_UP:
		return view->at ? view->at - 1 : 0;
	case KEY_NPAGE:
		return last - view->at > page ? view->at + page : last;
	case KEY_PPAGE:
		return view->at > page ? view->at - page : 0;
	case KEY_HOME:
		return 0;
	case KEY_END:
		return last;
	}
	return SIZE_MAX;
}

/* Does what a key asks for; false to end. */
static bool obey(struct view *view, int key)
{
	size_t target = target_of(view, key);
	bool go_on = true;

	if (target != SIZE_MAX) {
		choose(view, target);
		return true;
	}
	switch (key) {
	case 'q':
	case STOPPED:
		return false;
	case 'h':
	case '?':
		return show_text(view, "Keys of ioasidctl top", help);
	case '/':
		return find(view);
	case 's':
		go_on = set_limit(view);
		break;
	case '\n':
	case '\r':
	case KEY_ENTER:
		return show_holders(view);
	case '+':
	case '-':
		change_delay(view, key == '+');
		return true;
	case 'n':
		sort_by(view, NAME_COLUMN);
		break;
	case 'c':
		sort_by(view, CURRENT_COLUMN);
		break;
	case 'u':
		sort_by(view, USE_COLUMN);
		break;
	case 'p':
		sort_by(view, PEAK_COLUMN);
		break;
	case 'r':
		sort_by(view, REFUSED_COLUMN);
		break;
	case 'i':
		view->selection.reversed = !view->selection.reversed;
		break;
	case ' ':
	case KEY_LEFT:
	case KEY_RIGHT:
		if (view->rows[view->at]->child)
			fold_or_unfold(view, view->rows[view->at]->path);
		choose(view, view->at);
		break;
	case RESIZED:
		break;
	default:
		return true;
	}
	sort_tree(view->tree, &view->selection);
	arrange(view);
	return go_on;
}

/* Signals come as from a file, so that none of them interrupts a drawing. */
static int take_signals(int *fd)
{
	static const int taken[] = {
		SIGWINCH, SIGINT, SIGTERM, SIGQUIT, SIGHUP, SIGTSTP, SIGCONT,
	};
	sigset_t signals;
	size_t i;

	sigemptyset(&signals);
	for (i = 0; i < sizeof(taken) / sizeof(*taken); i++)
		sigaddset(&signals, taken[i]);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	*fd = signalfd(-1, &signals, SFD_CLOEXEC);
	if (*fd < 0)
		return fail(FAILED, "top: %s", strerror(errno));
	return 0;
}

static int take_terminal(void)
{
	const char *name = getenv("TERM");
	const char *cursor;
	SCREEN *screen;

	if (!isatty(STDOUT_FILENO) || !isatty(STDIN_FILENO))
		return fail(FAILED, "top: this is no terminal; --batch needs none");
	screen = newterm(NULL, stdout, stdin);
	cursor = screen ? tigetstr("cup") : NULL;
	if (!cursor || cursor == (char *)-1) {
		if (screen)
			endwin();
		return fail(FAILED,
			    "top: the terminal '%s' cannot move its cursor; --batch needs no terminal",
			    name ?: "");
	}
	keep_warnings();
	set_escdelay(50);
	cbreak();
	noecho();
	keypad(stdscr, TRUE);
	nodelay(stdscr, TRUE);
	curs_set(0);
	if (!getenv("NO_COLOR") && has_colors()) {
		start_color();
		use_default_colors();
		init_pair(COLOR_RED, COLOR_RED, -1);
		init_pair(COLOR_YELLOW, COLOR_YELLOW, -1);
	}
	return 0;
}

/* Also runs at exit, so that the terminal is usable after an error. */
static void give_back_terminal(void)
{
	if (!isendwin())
		endwin();
}

static int show_live(struct view *view, __u64 times)
{
	bool go_on = true;
	__u64 next, time;
	int status, key;

	status = take_signals(&view->signals);
	if (!status)
		status = take_terminal();
	if (status)
		return status;
	atexit(give_back_terminal);
	status = update(view);
	next = now() + view->delay;
	while (!status && go_on) {
		draw(view);
		time = now();
		key = next_key(view, next > time ? next - time : 0);
		if (key != TIME_OVER) {
			say(view, NULL);
			go_on = obey(view, key);
		}
		if (now() < next)
			continue;
		if (times && !--times)
			break;
		status = update(view);
		next = now() + view->delay;
	}
	endwin();
	return status;
}

static void print_frame(const struct view *view)
{
	char date[32];
	time_t seconds = time(NULL);
	struct grid grid;

	if (view->selection.json) {
		strftime(date, sizeof(date), "%FT%TZ", gmtime(&seconds));
		json_begin(true);
		json_open(NULL, '{');
		json_string("time", date);
		json_open("cgroups", '[');
		json_tree(&view->selection, view->tree);
		json_end_list();
		return;
	}
	strftime(date, sizeof(date), "%F %T", localtime(&seconds));
	printf("%s\n", date);
	grid_init(&grid, &view->selection);
	add_tree(&grid, view->tree, -1);
	grid_finish(&grid);
	putchar('\n');
}

/* Prints one table after the other, until nobody reads them any more. */
static int print_live(struct view *view, __u64 times)
{
	struct pollfd reader = { .fd = STDOUT_FILENO };
	int status;

	while (true) {
		status = read_tree(view->path, selected_values(&view->selection), &view->tree);
		if (status)
			return status;
		sort_tree(view->tree, &view->selection);
		print_frame(view);
		free_tree(view->tree);
		view->tree = NULL;
		if (fflush(stdout) || (times && !--times))
			return 0;
		if (poll(&reader, 1, view->delay) > 0)
			return 0;
	}
}

static int parse_delay(const char *text, int *delay)
{
	char *rest;
	double seconds = strtod(text, &rest);

	if (rest == text || *rest || !(seconds * 1000 >= LEAST_DELAY) ||
	    seconds * 1000 > MOST_DELAY)
		return fail(BAD_USAGE, "the delay is '%s'; it should be 0.1 to 3600 seconds", text);
	*delay = seconds * 1000;
	return 0;
}

static void free_view(struct view *view)
{
	if (view->tree)
		free_tree(view->tree);
	grid_free(&view->grid);
	free(view->rows);
	free(view->chosen);
	free(view->find);
	free(view->message);
	while (view->folds)
		free(view->folded[--view->folds]);
	free(view->folded);
}

int command_top(int argc, char **argv)
{
	static const struct option options[] = {
		{ "batch", no_argument, NULL, 'b' },
		{ "delay", required_argument, NULL, 'd' },
		{ "help", no_argument, NULL, 'h' },
		{ "iterations", required_argument, NULL, 'N' },
		{ "json", no_argument, NULL, 'J' },
		{ "list-columns", no_argument, NULL, 'H' },
		{ "output", required_argument, NULL, 'o' },
		{ "sort", required_argument, NULL, 's' },
		{ }
	};
	struct view view = { .delay = DELAY };
	bool batch = false, known;
	int option, status = 0;
	__u64 times = 0;
	char *path;

	select_usual(&view.selection, CURRENT_COLUMN);
	view.grid.selection = &view.selection;
	while (!status &&
	       (option = getopt_long(argc, argv, "bd:hn:HJo:s:", options, NULL)) != -1) {
		switch (option) {
		case 'b':
			batch = true;
			break;
		case 'd':
			status = parse_delay(optarg, &view.delay);
			break;
		case 'n':
		case 'N':
			if (!parse_number(optarg, &times) || !times)
				status = fail(BAD_USAGE, "'%s' is no number of updates", optarg);
			break;
		case 's':
			status = select_sort(&view.selection, optarg);
			break;
		default:
			status = select_option(&view.selection, option, optarg, &known);
			if (!known)
				return other_option(option);
		}
	}
	if (!status && view.selection.json && !batch)
		status = fail(BAD_USAGE, "top: --json needs --batch");
	if (!status)
		status = need_subtree(argc, argv, &path);
	if (status)
		return status;
	view.path = path;
	status = batch ? print_live(&view, times) : show_live(&view, times);
	free_view(&view);
	free(path);
	return status;
}
