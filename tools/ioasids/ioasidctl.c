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
"  set [-c] [-t] CGROUP MAX\n"
"                          limit a cgroup to MAX IDs; 'max': no limit\n"
"  enable [-c] [-t] CGROUP...\n"
"                          switch the controller on in all cgroups above\n"
"  disable [-c] CGROUP     switch it off, in CGROUP and its siblings\n"
"  events [-f] [CGROUP]    refused requests; -f: as they happen\n"
"  run -m MAX [-S SLICE] -- COMMAND...\n"
"                          run a command that may hold MAX IDs\n"
"  apply                   put what is in " LIMITS_DIRECTORY " into effect\n"
"  check                   is all as it should be, and if not, what to do\n"
"\n"
"  -c, --create            of set: make the cgroup, switch the controller on\n"
"  -c, --children          of enable and disable: in the children of CGROUP\n"
"  -d, --delay SECONDS     between two looks (2)\n"
"  -f, --follow            wait for more\n"
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

/* Options that set, enable and disable have. */
struct switches {
	bool c;
	bool try;
};

static bool parse_switches(int argc, char **argv, struct switches *switches)
{
	const struct option options[] = {
		{ strcmp(subcommand, "set") ? "children" : "create", no_argument, NULL, 'c' },
		{ "try", no_argument, NULL, 't' },
		{ }
	};
	int option;

	while ((option = getopt_long(argc, argv, strcmp(subcommand, "disable") ? "+ct" : "+c",
				     options, NULL)) != -1) {
		if (option == 'c')
			switches->c = true;
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
	warn("the kernel has no ioasids controller: nothing is limited");
	return true;
}

/* Not only what is there: a slice that will be, or a path. */
static char *find_or_make(const char *name)
{
	const char *suffix = strrchr(name, '.');
	char *cgroup;

	if (suffix && !strcmp(suffix, ".slice") && !strchr(name, '/'))
		cgroup = cgroup_of_slice(name);
	else if (*name == '/' && strncmp(name, cgroup_root, strlen(cgroup_root)))
		cgroup = format("%s", name + strspn(name, "/"));
	else
		return cgroup_find(name);
	cgroup_make(cgroup);
	return cgroup;
}

static int command_set(int argc, char **argv)
{
	struct switches switches = { };
	__u64 max;
	char *cgroup;

	if (!parse_switches(argc, argv, &switches))
		return BAD_USAGE;
	need_arguments(argc, argv, 2, 2);
	max = need_max(argv[optind + 1]);
	if (give_up(&switches))
		return EXIT_SUCCESS;
	cgroup = switches.c ? find_or_make(argv[optind]) : cgroup_find(argv[optind]);
	if (switches.c)
		cgroup_switch_on(cgroup);
	cgroup_limit(cgroup, max);
	free(cgroup);
	return EXIT_SUCCESS;
}

static int command_enable(int argc, char **argv)
{
	struct switches switches = { };
	char *cgroup;
	int i;

	if (!parse_switches(argc, argv, &switches))
		return BAD_USAGE;
	need_arguments(argc, argv, 1, argc);
	if (give_up(&switches))
		return EXIT_SUCCESS;
	for (i = optind; i < argc; i++) {
		cgroup = cgroup_find(argv[i]);
		cgroup_switch_on(cgroup);
		if (switches.c)
			cgroup_pass_on(cgroup);
		free(cgroup);
	}
	return EXIT_SUCCESS;
}

static int command_disable(int argc, char **argv)
{
	struct switches switches = { };
	char *cgroup, *above;
	int error;

	if (!parse_switches(argc, argv, &switches))
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
	char **command = grow(NULL, argc + 12, sizeof(*command));
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
		cgroup = cgroup_of_process(getpid());
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

/* systemd reads the generator's units anew; what is there already is limited here. */
static int command_apply(int argc, char **argv)
{
	struct limit *limits;
	size_t count, i;
	char *cgroup;

	if (getopt_long(argc, argv, "", &(struct option){ }, NULL) != -1)
		return BAD_USAGE;
	need_arguments(argc, argv, 0, 0);
	need_controller();
	count = read_limits(&limits, wrong_limit);
	if (system("systemctl daemon-reload"))
		die(FAILED, "'systemctl daemon-reload' failed");
	for (i = 0; i < count; i++) {
		cgroup = cgroup_of_unit(limits[i].unit);
		if (cgroup) {
			cgroup_switch_on(cgroup);
			cgroup_limit(cgroup, limits[i].max);
		} else {
			printf("%s has no cgroup now: limited when it starts\n", limits[i].unit);
		}
		free(cgroup);
	}
	free_limits(limits, count);
	return wrong_limits ? FAILED : EXIT_SUCCESS;
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
		open_root();
		return commands[i].run(argc, argv);
	}
	die(BAD_USAGE, "there is no command '%s'; 'ioasidctl --help' has a list", argv[0]);
}
