// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>
#include <wchar.h>

#include "ioasidctl.h"
#include "tree.h"

#define SHOWN		"CGROUP,MAX,CURRENT,USE,PEAK,RESERVED,REFUSED"
#define KEYS		"q quit  arrows, j k move  space fold  sort: c current u use p peak r refused n name, i inverts"
#define DELAY		2
#define HOME		"\033[H"
#define END_OF_LINE	"\033[K\n"
#define END_OF_SCREEN	"\033[K\033[J"
#define BOLD		"\033[1m"
#define REVERSE		"\033[7m"
#define NORMAL		"\033[0m"
/* The cursor and the wrapping of lines that are too long: off, and on again. */
#define TAKE		"\033[?25l\033[?7l\033[H\033[2J"
#define GIVE_BACK	"\033[?7h\033[?25h"

static struct termios before;
static bool taken;

/* What the user has chosen. A cgroup can go, so it is known by its path. */
static struct selection selection;
static char *chosen;
static char **folded;
static size_t folds;
static bool help;

/* Also called at exit, so that the terminal is usable after an error. */
static void restore(void)
{
	if (!taken)
		return;
	taken = false;
	printf(GIVE_BACK);
	fflush(stdout);
	tcsetattr(STDIN_FILENO, TCSANOW, &before);
}

static void take_terminal(void)
{
	struct termios raw = before;

	taken = true;
	raw.c_lflag &= ~(ICANON | ECHO);
	tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	printf(TAKE);
}

/* Makes a descriptor from which signals are read. */
static int take_signals(int *fd)
{
	static const int taken[] = {
		SIGWINCH, SIGINT, SIGTERM, SIGQUIT, SIGTSTP, SIGCONT,
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

/* Stops, as it would by itself: where no shell could start it again it goes on. */
static void stop(void)
{
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGTSTP);
	restore();
	raise(SIGTSTP);
	sigprocmask(SIG_UNBLOCK, &signals, NULL);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	take_terminal();
}

/* False if it was to end. */
static bool obey_signal(int signals)
{
	struct signalfd_siginfo signal;

	if (read(signals, &signal, sizeof(signal)) != sizeof(signal))
		return true;
	switch (signal.ssi_signo) {
	case SIGWINCH:
		return true;
	case SIGTSTP:
		stop();
		return true;
	case SIGCONT:
		/* Who stopped it may have changed the terminal. */
		take_terminal();
		return true;
	}
	return false;
}

static size_t fold_of(const char *path)
{
	size_t i;

	for (i = 0; i < folds && strcmp(folded[i], path); i++)
		;
	return i;
}

static void fold_or_unfold(const char *path)
{
	size_t i = fold_of(path);

	if (i < folds) {
		free(folded[i]);
		folded[i] = folded[--folds];
	} else {
		folded = grow(folded, folds + 1, sizeof(*folded));
		folded[folds++] = format("%s", path);
	}
}

/* Puts all that is shown into @list, which may be NULL; returns how many it is. */
static size_t flatten(struct cgroup *cgroup, struct cgroup **list, size_t count)
{
	struct cgroup *child;

	if (list)
		list[count] = cgroup;
	count++;
	cgroup->folded = fold_of(cgroup->path) < folds;
	for (child = cgroup->child; child && !cgroup->folded; child = child->next)
		count = flatten(child, list, count);
	return count;
}

/* How wide the widest line is. */
static int width_of(const char *text)
{
	int width = 0, widest = 0, length;
	wchar_t character;

	for (; (length = mbtowc(&character, text, MB_CUR_MAX)) > 0; text += length) {
		width = character == L'\n' ? 0 : width + wcwidth(character);
		if (width > widest)
			widest = width;
	}
	return widest;
}

/* What the table shows; columns for which there is no room are left out, the last first. */
static char *print_fitting(struct libscols_table *table, int width)
{
	size_t count = scols_table_get_ncols(table);
	char *text;

	while (true) {
		if (scols_print_table_to_string(table, &text))
			no_memory();
		if (width_of(text) <= width || --count == 0)
			return text;
		free(text);
		scols_column_set_flags(scols_table_get_column(table, count), SCOLS_FL_HIDDEN);
	}
}

/*
 * Draws a frame over the one before: nothing is erased before it is written anew,
 * and it all goes out in one piece, so it does not flicker.
 */
static void draw(struct cgroup *tree, size_t at, const struct winsize *size)
{
	struct libscols_table *table = new_table(&selection, false);
	size_t rows = size->ws_row > 3 ? size->ws_row - 3 : 1;
	size_t first = at < rows ? 0 : at - rows + 1;
	char *text, *line, *rest, *frame, *name, clock[16];
	time_t now = time(NULL);
	size_t length, n = 0;
	const char *how;
	FILE *out;

	scols_table_set_termforce(table, SCOLS_TERMFORCE_ALWAYS);
	scols_table_set_termwidth(table, size->ws_col);
	add_lines(table, &selection, tree);
	out = open_memstream(&frame, &length);
	if (!out)
		no_memory();
	text = print_fitting(table, size->ws_col);
	strftime(clock, sizeof(clock), "%T", localtime(&now));
	name = printable(tree->path, false);
	line = format("%s  /%s: %llu IDs  by %s%s  h: keys", clock, name,
		      tree->values[CURRENT], columns[selection.sort].name,
		      selection.reversed ? ", inverted" : "");
	free(name);
	fprintf(out, HOME "%.*s" END_OF_LINE, size->ws_col - 1, help ? KEYS : line);
	free(line);
	rest = text;
	for (n = 0; (line = strsep(&rest, "\n")) && *line; n++) {
		/* The first is the heading. */
		if (n && (n - 1 < first || n - 1 >= first + rows))
			continue;
		how = !n ? BOLD : n - 1 == at ? REVERSE : "";
		/* At the edge, what clears the rest would take the last character. */
		fprintf(out, "%s%s" NORMAL "%s", how, line,
			width_of(line) < size->ws_col ? END_OF_LINE : "\n");
	}
	fputs(END_OF_SCREEN, out);
	fclose(out);
	fwrite(frame, 1, length, stdout);
	fflush(stdout);
	free(frame);
	free(text);
	scols_unref_table(table);
}

/* What one key asks for; false to end. */
static bool obey(int key, struct cgroup **list, size_t count, size_t *at)
{
	static const struct {
		char key;
		const char *column;
	} *s, sorts[] = {
		{ 'n', "CGROUP" },
		{ 'c', "CURRENT" },
		{ 'u', "USE" },
		{ 'p', "PEAK" },
		{ 'r', "REFUSED" },
		{ }
	};

	for (s = sorts; s->key; s++)
		if (key == s->key)
			select_sort(&selection, s->column);
	switch (key) {
	case 'q':
		return false;
	case 'h':
		help = !help;
		break;
	case 'i':
		selection.reversed = !selection.reversed;
		break;
	case 'j':
		*at += *at + 1 < count;
		break;
	case 'k':
		*at -= *at > 0;
		break;
	case ' ':
		if (list[*at]->child)
			fold_or_unfold(list[*at]->path);
		break;
	}
	return true;
}

/* Waits for keys and signals, @delay seconds at most; false if one of them was to end. */
static bool obey_user(int signals, int delay, struct cgroup **list, size_t count, size_t *at)
{
	/* Arrows send three characters; right and left fold, as space does. */
	static const char arrows[] = "kj  ";
	struct pollfd both[] = {
		{ .fd = STDIN_FILENO, .events = POLLIN },
		{ .fd = signals, .events = POLLIN },
	};
	ssize_t length, i;
	char keys[64];

	if (poll(both, 2, delay * 1000) <= 0)
		return true;
	if (both[1].revents && !obey_signal(signals))
		return false;
	if (!both[0].revents)
		return true;
	length = read(STDIN_FILENO, keys, sizeof(keys));
	if (length <= 0)
		return false;
	for (i = 0; i < length; i++) {
		if (keys[i] == '\033' && i + 2 < length && keys[i + 2] >= 'A' &&
		    keys[i + 2] <= 'D') {
			i += 2;
			keys[i] = arrows[keys[i] - 'A'];
		}
		if (!obey(keys[i], list, count, at))
			return false;
	}
	return true;
}

static int look(const char *path, int signals, int delay, bool *go_on)
{
	struct cgroup *tree, **list;
	struct winsize size;
	size_t count, at;
	int status;

	status = read_tree(path, wanted_values(&selection), &tree);
	if (status)
		return status;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) || !size.ws_row || !size.ws_col)
		size = (struct winsize) { .ws_row = 24, .ws_col = 80 };
	sort_tree(tree, &selection);
	count = flatten(tree, NULL, 0);
	list = grow(NULL, count, sizeof(*list));
	flatten(tree, list, 0);
	for (at = 0; at < count && chosen && strcmp(list[at]->path, chosen); at++)
		;
	if (at == count)
		at = 0;
	draw(tree, at, &size);
	*go_on = obey_user(signals, delay, list, count, &at);
	free(chosen);
	chosen = format("%s", list[at]->path);
	free(list);
	free_tree(tree);
	return 0;
}

static int run_top(const char *path, int delay)
{
	bool go_on = true;
	int signals, status;

	if (!isatty(STDOUT_FILENO) || tcgetattr(STDIN_FILENO, &before))
		return fail(FAILED, "top: this is no terminal; 'ioasidctl ls' works without");
	status = take_signals(&signals);
	if (status)
		return status;
	take_terminal();
	atexit(restore);
	while (!status && go_on)
		status = look(path, signals, delay, &go_on);
	restore();
	return status;
}

int command_top(int argc, char **argv)
{
	static const struct option options[] = {
		{ "delay", required_argument, NULL, 'd' },
		{ "sort", required_argument, NULL, 's' },
		{ }
	};
	int option, status = 0;
	__u64 delay = DELAY;
	char *path;

	select_columns(&selection, SHOWN);
	select_sort(&selection, "CURRENT");
	while (!status && (option = getopt_long(argc, argv, "d:s:", options, NULL)) != -1) {
		switch (option) {
		case 'd':
			if (!parse_number(optarg, &delay) || !delay || delay > 3600)
				status = fail(BAD_USAGE,
					      "the delay is '%s'; it should be 1 to 3600 seconds",
					      optarg);
			break;
		case 's':
			status = select_sort(&selection, optarg);
			break;
		default:
			return BAD_USAGE;
		}
	}
	if (!status)
		status = need_subtree(argc, argv, &path);
	if (status)
		return status;
	status = run_top(path, delay);
	free(path);
	free(chosen);
	while (folds)
		free(folded[--folds]);
	free(folded);
	return status;
}
