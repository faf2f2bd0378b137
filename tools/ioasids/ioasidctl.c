// SPDX-License-Identifier: GPL-2.0
/*
 * ioasidctl: shows and limits what cgroups hold of the I/O address space IDs.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ioasidctl.h"
#include "limits.h"
#include "tree.h"
#include "units.h"

static const char usage[] =
"Usage: ioasidctl [--root DIR] COMMAND [ARGUMENT]...\n"
"\n"
"Shows and limits what cgroups hold of the I/O address space IDs. A CGROUP is a\n"
"path below /sys/fs/cgroup, a slice or other unit that is there, or a PID.\n"
"\n"
"  ls [-J] [-n] [-o LIST] [-s COLUMN] [CGROUP]\n"
"                          the tree of cgroups, or what is below CGROUP\n"
"  top [-d SECONDS] [-s COLUMN] [CGROUP]\n"
"                          the same, live; h there explains the keys\n"
"  show [-J] CGROUP        one cgroup, and the limits above it\n"
"  who [-J] [-n] [CGROUP]  the processes that hold IDs\n"
"  set [-c] [-t] CGROUP|--here MAX\n"
"                          limit a cgroup to MAX IDs; 'max': no limit\n"
"  enable [-c] [-t] CGROUP...|--here\n"
"                          switch the controller on in all cgroups above\n"
"  disable [-c] CGROUP     switch it off, in CGROUP and its siblings\n"
"  events [-f] [CGROUP]    refused requests; -f: as they happen\n"
"  run -m MAX [-S SLICE] -- COMMAND...\n"
"                          run a command that may hold MAX IDs\n"
"  apply [-t] [SLICE]      put what is in " LIMITS_DIRECTORY " into effect\n"
"  check                   is all as it should be, and if not, what to do\n"
"\n"
"  -c, --create            of set: make the cgroup, switch the controller on\n"
"  -c, --children          of enable and disable: in the children of CGROUP\n"
"  -d, --delay SECONDS     between two looks (2)\n"
"  -f, --follow            wait for more\n"
"      --here              the cgroup that this command is in\n"
"  -J, --json              for programs\n"
"  -m, --max MAX           the limit\n"
"  -n, --noheadings        no line with the names of the columns\n"
"  -o, --output LIST       columns, separated by commas\n"
"  -r, --root DIR          where the cgroups are, if not in /sys/fs/cgroup\n"
"  -s, --sort COLUMN       largest first; -COLUMN: last\n"
"  -S, --slice SLICE       run it in this slice\n"
"  -t, --try               it is no error if the kernel has no such controller\n"
"  -h, --help              print this\n"
"\n"
"Exit status: 0, or 1: it failed, 2: a wrong argument, 3: no such cgroup, unit\n"
"or process, 4: the controller is off, or the kernel has none. run: what COMMAND\n"
"returns.\n"
"\n"
"Columns:\n";

/* Which one of them it is. */
static const char *subcommand;

static void print_help(void)
{
	int i;

	fputs(usage, stdout);
	for (i = 0; i < COLUMNS; i++)
		printf("  %-10s  %s\n", columns[i].name, columns[i].about);
}

void need_arguments(int argc, char **argv, int least, int most)
{
	if (argc - optind < least)
		die(BAD_USAGE, "%s: an argument is missing; 'ioasidctl --help' says which",
		    subcommand);
	if (argc - optind > most)
		die(BAD_USAGE, "%s: '%s' is one argument too many", subcommand,
		    argv[optind + most]);
}

char *need_subtree(int argc, char **argv)
{
	need_arguments(argc, argv, 0, 1);
	need_controller();
	return cgroup_find(optind < argc ? argv[optind] : "/");
}

static __u64 need_max(const char *text)
{
	__u64 max;

	if (!parse_max(text, &max))
		die(BAD_USAGE, "'%s' is no limit: it should be 'max' or a number from 0 to %lld",
		    text, LLONG_MAX);
	return max;
}

/* Options that set, enable, disable and apply have. */
struct switches {
	bool c;
	bool here;
	bool try;
};

static bool parse_switches(int argc, char **argv, const char *letters,
			   const struct option *options, struct switches *switches)
{
	int option;

	while ((option = getopt_long(argc, argv, letters, options, NULL)) != -1) {
		if (option == 'c')
			switches->c = true;
		else if (option == 'H')
			switches->here = true;
		else if (option == 't')
			switches->try = true;
		else
			return false;
	}
	return true;
}

static bool give_up(const struct switches *switches)
{
	if (kernel_has_controller())
		return false;
	if (!switches->try)
		need_controller();
	warn("%s/cgroup.controllers does not have ioasids: nothing is limited", cgroup_root);
	return true;
}

/*
 * The one that this command is in; a unit's own if it is run before the unit's main
 * process. systemd starts it one below if that process will not be in the unit's own.
 */
static char *cgroup_here(void)
{
	char *cgroup = cgroup_of_process(getpid());
	const char *slash = strrchr(cgroup, '/');
	char *above;

	if (!slash || strcmp(slash, "/.control"))
		return cgroup;
	above = cgroup_parent(cgroup);
	free(cgroup);
	return above;
}

static int command_set(int argc, char **argv)
{
	static const struct option options[] = {
		{ "create", no_argument, NULL, 'c' },
		{ "here", no_argument, NULL, 'H' },
		{ "try", no_argument, NULL, 't' },
		{ }
	};
	struct switches switches = { };
	__u64 max;
	char *cgroup;

	if (!parse_switches(argc, argv, "+ct", options, &switches))
		return BAD_USAGE;
	need_arguments(argc, argv, 2 - switches.here, 2 - switches.here);
	max = need_max(argv[argc - 1]);
	if (give_up(&switches))
		return EXIT_SUCCESS;
	if (switches.here)
		cgroup = cgroup_here();
	else if (switches.c)
		cgroup = cgroup_find_or_make(argv[optind]);
	else
		cgroup = cgroup_find(argv[optind]);
	if (switches.c)
		cgroup_switch_on(cgroup);
	cgroup_limit(cgroup, max);
	free(cgroup);
	return EXIT_SUCCESS;
}

static void enable(char *cgroup, bool children)
{
	cgroup_switch_on(cgroup);
	if (children)
		cgroup_pass_on(cgroup);
	free(cgroup);
}

static int command_enable(int argc, char **argv)
{
	static const struct option options[] = {
		{ "children", no_argument, NULL, 'c' },
		{ "here", no_argument, NULL, 'H' },
		{ "try", no_argument, NULL, 't' },
		{ }
	};
	struct switches switches = { };
	int i;

	if (!parse_switches(argc, argv, "+ct", options, &switches))
		return BAD_USAGE;
	need_arguments(argc, argv, !switches.here, switches.here ? 0 : argc);
	if (give_up(&switches))
		return EXIT_SUCCESS;
	if (switches.here)
		enable(cgroup_here(), switches.c);
	for (i = optind; i < argc; i++)
		enable(cgroup_find(argv[i]), switches.c);
	return EXIT_SUCCESS;
}

static int command_disable(int argc, char **argv)
{
	static const struct option options[] = {
		{ "children", no_argument, NULL, 'c' },
		{ }
	};
	struct switches switches = { };
	char *cgroup, *above;
	int error;

	if (!parse_switches(argc, argv, "+c", options, &switches))
		return BAD_USAGE;
	need_arguments(argc, argv, 1, 1);
	need_controller();
	cgroup = cgroup_find(argv[optind]);
	if (!switches.c && !*cgroup)
		die(FAILED,
		    "the controller cannot be off in the root; --children is for those below");
	above = switches.c ? format("%s", cgroup) : cgroup_parent(cgroup);
	error = write_file(above, "cgroup.subtree_control", "-ioasids");
	if (error == EBUSY)
		die(FAILED,
		    "a child of /%s has it switched on for its own children: switch it off there first",
		    above);
	if (error)
		die(FAILED, "cannot write -ioasids to %s/%s%scgroup.subtree_control: %s",
		    cgroup_root, above, *above ? "/" : "", strerror(error));
	free(above);
	free(cgroup);
	return EXIT_SUCCESS;
}

/*
 * A scope has no place for a command of ours, so what systemd-run starts in it is
 * this command again, with --here: it limits its own cgroup and becomes COMMAND.
 */
static int command_run(int argc, char **argv)
{
	static const struct option options[] = {
		{ "max", required_argument, NULL, 'm' },
		{ "slice", required_argument, NULL, 'S' },
		{ "here", no_argument, NULL, 'H' },
		{ }
	};
	const char *max = NULL, *slice = NULL;
	char **command = grow(NULL, argc + 13, sizeof(*command));
	char *self = realpath("/proc/self/exe", NULL), *cgroup;
	bool here = false;
	int option, n = 0;

	while ((option = getopt_long(argc, argv, "+m:S:", options, NULL)) != -1) {
		switch (option) {
		case 'm':
			max = optarg;
			break;
		case 'S':
			slice = optarg;
			break;
		case 'H':
			here = true;
			break;
		default:
			return BAD_USAGE;
		}
	}
	if (!max)
		die(BAD_USAGE, "run: --max is missing");
	need_max(max);
	need_arguments(argc, argv, 1, argc);
	need_controller();
	if (here) {
		cgroup = cgroup_here();
		cgroup_switch_on(cgroup);
		cgroup_limit(cgroup, need_max(max));
		execvp(argv[optind], argv + optind);
		die(errno == ENOENT ? 127 : 126, "%s: %s", argv[optind], strerror(errno));
	}
	command[n++] = "systemd-run";
	command[n++] = geteuid() ? "--user" : "--system";
	command[n++] = "--scope";
	command[n++] = "--quiet";
	if (slice)
		command[n++] = format("--slice=%s", slice);
	command[n++] = "--";
	command[n++] = self;
	command[n++] = format("--root=%s", cgroup_root);
	command[n++] = "run";
	command[n++] = "--here";
	command[n++] = format("--max=%s", max);
	command[n++] = "--";
	memcpy(command + n, argv + optind, (argc - optind + 1) * sizeof(*command));
	execvp(command[0], command);
	die(FAILED, "systemd-run: %s: without systemd, cgexec does the same", strerror(errno));
}

static bool wrong_limits;

static void wrong_limit(const char *message)
{
	warn("%s", message);
	wrong_limits = true;
}

/* What goes wrong ends the process that does it, and not the limits of others. */
static bool limit_unit(const struct unit *unit, __u64 max)
{
	pid_t child = fork();
	int status;

	if (child < 0)
		die(FAILED, "no process for %s: %s", unit->name, strerror(errno));
	if (!child) {
		cgroup_switch_on(unit->cgroup);
		cgroup_limit(unit->cgroup, max);
		exit(EXIT_SUCCESS);
	}
	/* Others need not wait for one that has ended meanwhile. */
	return waitpid(child, &status, 0) == child && WIFEXITED(status) &&
		(!WEXITSTATUS(status) || WEXITSTATUS(status) == NOT_FOUND);
}

/* Limits those units that are there. */
static bool limit_units(const struct limit *limits, size_t count)
{
	size_t found, i, j;
	struct unit *units;
	bool done = true;

	for (i = 0; i < count; i++) {
		found = find_units(limits[i].unit, &units);
		if (!found)
			printf("%s has no cgroup now: limited when it starts\n", limits[i].unit);
		fflush(stdout);
		for (j = 0; j < found; j++)
			if (limit_of(units[j].name, limits, count) == &limits[i])
				done &= limit_unit(&units[j], limits[i].max);
		free_units(units, found);
	}
	return done;
}

/* A slice that is to be started gets its cgroup here, and whatever limit it has. */
static void prepare_slice(const char *slice, const struct limit *limits, size_t count)
{
	const struct limit *limit = limit_of(slice, limits, count);
	char *cgroup = cgroup_find_or_make(slice);

	cgroup_switch_on(cgroup);
	if (limit)
		cgroup_limit(cgroup, limit->max);
	free(cgroup);
}

/* systemd reads the generator's units anew; what is there already is limited here. */
static int command_apply(int argc, char **argv)
{
	static const struct option options[] = {
		{ "try", no_argument, NULL, 't' },
		{ }
	};
	static char *const reload[] = { "systemctl", "daemon-reload", NULL };
	struct switches switches = { };
	int status = EXIT_SUCCESS;
	struct limit *limits;
	size_t count;
	char *text;

	if (!parse_switches(argc, argv, "+t", options, &switches))
		return BAD_USAGE;
	need_arguments(argc, argv, 0, 1);
	if (optind < argc && !is_slice(argv[optind]))
		die(BAD_USAGE, "apply: '%s' should be a slice, or nothing", argv[optind]);
	if (give_up(&switches))
		return EXIT_SUCCESS;
	count = read_limits(&limits, wrong_limit);
	if (optind < argc) {
		prepare_slice(argv[optind], limits, count);
	} else {
		text = output_of(reload);
		if (!text)
			die(FAILED, "'systemctl daemon-reload' failed");
		free(text);
		if (!limit_units(limits, count) || wrong_limits)
			status = FAILED;
	}
	free_limits(limits, count);
	return status;
}

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
} commands[] = {
	{ "ls", command_ls },
	{ "top", command_top },
	{ "show", command_show },
	{ "who", command_who },
	{ "set", command_set },
	{ "enable", command_enable },
	{ "disable", command_disable },
	{ "events", command_events },
	{ "run", command_run },
	{ "apply", command_apply },
	{ "check", command_check },
	{ }
};

/* What could not be written should not look like a success. */
static void finish_output(void)
{
	if (!fflush(stdout) && !ferror(stdout))
		return;
	warn("cannot write to standard output");
	_exit(FAILED);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "root", required_argument, NULL, 'r' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	int option, i;

	setlocale(LC_ALL, "");
	/* The order of files is the generator's, which has no locale. */
	setlocale(LC_COLLATE, "C");
	atexit(finish_output);
	while ((option = getopt_long(argc, argv, "+r:h", options, NULL)) != -1) {
		switch (option) {
		case 'r':
			cgroup_root = optarg;
			break;
		case 'h':
			print_help();
			return EXIT_SUCCESS;
		default:
			return BAD_USAGE;
		}
	}
	if (optind == argc)
		die(BAD_USAGE, "what should it do? 'ioasidctl --help' has a list");
	argc -= optind;
	argv += optind;
	for (i = 0; commands[i].name; i++) {
		if (strcmp(commands[i].name, argv[0]))
			continue;
		subcommand = commands[i].name;
		argv[0] = format("%s: %s", program_invocation_short_name, subcommand);
		/* So that getopt starts anew. */
		optind = 0;
		return commands[i].run(argc, argv);
	}
	die(BAD_USAGE, "there is no command '%s'; 'ioasidctl --help' has a list", argv[0]);
}
