// SPDX-License-Identifier: GPL-2.0
/*
 * ioasidctl: shows and limits the I/O address space IDs that cgroups hold.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bus.h"
#include "ioasidctl.h"
#include "limits.h"
#include "names.h"
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

/* The name of the command that runs. */
static const char *subcommand;

static int print_help(void)
{
	int i;

	fputs(usage, stdout);
	for (i = 0; i < COLUMNS; i++)
		printf("  %-10s  %s\n", columns[i].name, columns[i].about);
	return 0;
}

int need_arguments(int argc, char **argv, int least, int most)
{
	if (argc - optind < least)
		return fail(BAD_USAGE,
			    "%s: an argument is missing; 'ioasidctl --help' says which",
			    subcommand);
	if (argc - optind > most)
		return fail(BAD_USAGE, "%s: '%s' is one argument too many", subcommand,
			    argv[optind + most]);
	return 0;
}

int need_subtree(int argc, char **argv, char **cgroup)
{
	int status = need_arguments(argc, argv, 0, 1);

	if (!status)
		status = need_controller();
	if (!status)
		status = cgroup_find(optind < argc ? argv[optind] : "/", cgroup);
	return status;
}

int parse_switches(int argc, char **argv, const char *letters, const struct option *options,
		   struct switches *switches)
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
			return BAD_USAGE;
	}
	return 0;
}

int need_controller_or_try(const struct switches *switches, bool *has)
{
	*has = kernel_has_controller();
	if (*has)
		return 0;
	if (!switches->try)
		return need_controller();
	warn("%s/cgroup.controllers does not have ioasids: nothing is limited", cgroup_root);
	return 0;
}

/*
 * If it runs as ExecStartPre= of a unit, this is the cgroup of the unit. systemd starts such
 * a command one level below, in .control, if the unit's main process gets a level of its own.
 */
int cgroup_here(char **cgroup)
{
	int status = cgroup_of_process(getpid(), cgroup);
	const char *slash = status ? NULL : strrchr(*cgroup, '/');
	char *above;

	if (!slash || strcmp(slash, "/.control"))
		return status;
	above = cgroup_parent(*cgroup);
	free(*cgroup);
	*cgroup = above;
	return 0;
}

static int run_command(int argc, char **argv)
{
	char *name = argv[0];
	int i, status;

	for (i = 0; commands[i].name; i++) {
		if (strcmp(commands[i].name, name))
			continue;
		subcommand = name;
		argv[0] = format("%s: %s", program_invocation_short_name, subcommand);
		/* getopt must start anew. */
		optind = 0;
		status = commands[i].run(argc, argv);
		free(argv[0]);
		return status;
	}
	return fail(BAD_USAGE, "there is no command '%s'; 'ioasidctl --help' has a list", name);
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {
		{ "root", required_argument, NULL, 'r' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	int option;

	while ((option = getopt_long(argc, argv, "+r:h", options, NULL)) != -1) {
		switch (option) {
		case 'r':
			cgroup_root = optarg;
			break;
		case 'h':
			return print_help();
		default:
			return BAD_USAGE;
		}
	}
	if (optind == argc)
		return fail(BAD_USAGE, "what should it do? 'ioasidctl --help' has a list");
	return run_command(argc - optind, argv + optind);
}

int main(int argc, char **argv)
{
	int status;

	setlocale(LC_ALL, "");
	/* Files must be sorted as the generator sorts them, which has no locale. */
	setlocale(LC_COLLATE, "C");
	status = run(argc, argv);
	/* Output that could not be written must not look like a success. */
	if ((fflush(stdout) || ferror(stdout)) && !status)
		status = fail(FAILED, "cannot write to standard output");
	report();
	bus_close();
	return status;
}
