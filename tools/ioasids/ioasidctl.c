// SPDX-License-Identifier: GPL-2.0
/*
 * ioasidctl: shows and limits the I/O address space IDs that cgroups hold.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bus.h"
#include "ioasidctl.h"
#include "names.h"
#include "tree.h"

#define PROGRAM		"ioasidctl"

#define TABLE_HELP \
"  -J, --json              JSON\n" \
"  -l, --list              paths instead of a tree\n" \
"  -n, --noheadings        no line with the names of the columns\n" \
"  -o, --output LIST       these columns, separated by commas\n" \
"      --output-all        all columns\n" \
"  -P, --pairs             NAME=\"value\"\n" \
"  -r, --raw               values separated by one blank\n" \
"  -H, --list-columns      print the names of the columns\n"

#define SORT_HELP \
"  -s, --sort COLUMN       largest first; -COLUMN: last\n"

#define TRY_HELP \
"  -t, --try               it is no error if the kernel has no such controller\n"

static const struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *arguments;
	const char *about;
	const char *options;
	const struct columns *columns;
} commands[] = {
	{
		"ls", command_ls, "[OPTION]... [CGROUP]",
		"list the tree of cgroups, or what is below CGROUP",
		TABLE_HELP SORT_HELP, &cgroup_columns
	}, {
		"top", command_top, "[OPTION]... [CGROUP]",
		"show the tree and update it; h shows the keys",
		"  -b, --batch             print tables instead of using the terminal\n"
		"  -d, --delay SECONDS     time between two updates (2)\n"
		"  -J, --json              with --batch: a JSON object a line\n"
		"  -n, --iterations N      end after N updates\n"
		"  -o, --output LIST       these columns, separated by commas\n"
		"  -H, --list-columns      print the names of the columns\n"
		SORT_HELP, &cgroup_columns
	}, {
		"show", command_show, "[OPTION]... CGROUP",
		"show one cgroup, and the limits above it",
		TABLE_HELP, &cgroup_columns
	}, {
		"who", command_who, "[OPTION]... [CGROUP]",
		"list the processes that hold IDs",
		TABLE_HELP, &who_columns
	}, {
		"set", command_set, "[-c] [-t] CGROUP|--here MAX",
		"limit a cgroup to MAX IDs; 'max': no limit",
		"  -c, --create            make the cgroup, and switch the controller on\n"
		"      --here              the cgroup that this command is in\n"
		TRY_HELP
	}, {
		"enable", command_enable, "[-c] [-t] CGROUP...|--here",
		"switch the controller on in CGROUP and all above it",
		"  -c, --children          also in the children of CGROUP\n"
		"      --here              the cgroup that this command is in\n"
		TRY_HELP
	}, {
		"disable", command_disable, "[-c] CGROUP",
		"switch it off in CGROUP and its siblings",
		"  -c, --children          in the children of CGROUP instead\n"
	}, {
		"events", command_events, "[-f] [-J] [CGROUP]",
		"count refused requests, or print them as they happen",
		"  -f, --follow            print new ones as they happen\n"
		"  -J, --json              JSON; with --follow an object a line\n"
	}, {
		"trace", command_trace, "[OPTION]... [CGROUP]",
		"print who takes IDs, is refused and moves, as it happens",
		"  -d, --duration SECONDS  end after this time\n"
		"  -e, --event EVENTS      print these, separated by commas; or all\n"
		"  -J, --json              a JSON object a line\n"
		"  -n, --number N          end after N events\n"
		"  -p, --pid PID           only what this process asks for or owns\n"
		"  -q, --quiet             print only the summary\n"
		"  -S, --summary           in the end, count by cgroup and process\n"
		"\n"
		"Events: adopt, alloc, free, mm_bind, mm_drop, move, refused, reparent,\n"
		"set_close, set_open, set_quota. mm_ and set_open, set_close only with -e.\n\n"
	}, {
		"why", command_why, "[-J] [-s N] [CGROUP]",
		"tell who was refused by the limit of CGROUP, and who holds its IDs",
		"  -J, --json              JSON\n"
		"  -s, --seconds N         in the last N seconds (60)\n"
	}, {
		"record", command_record, "[-k KIB] [-s]",
		"begin to record refusals, for why",
		"  -k, --kib KIB           size of the record of each CPU (64)\n"
		"  -s, --stop              end, and forget them\n"
	}, {
		"export", command_export, "[OPTION]... [CGROUP]",
		"print the numbers of all cgroups as metrics, for Prometheus",
		"  -d, --depth N           only N levels of cgroups below CGROUP\n"
		"  -o, --output FILE       replace FILE in one step, for node_exporter\n"
		"  -O, --openmetrics       OpenMetrics instead of Prometheus's own format\n"
	}, {
		"run", command_run, "-m MAX [-S SLICE] [--] COMMAND...",
		"run a command that may hold MAX IDs",
		"  -m, --max MAX           the limit\n"
		"  -S, --slice SLICE       run it in this slice\n"
	}, {
		"apply", command_apply, "[-t] [SLICE]",
		"put the files of ioasids.d into effect",
		TRY_HELP
	}, {
		"save", command_save, "[CGROUP]",
		"print the limits that are set, for restore and ioasids.d", ""
	}, {
		"restore", command_restore, "[-e] [-n] [FILE]",
		"set the limits that save has printed",
		"  -e, --exact             remove all limits that FILE does not have\n"
		"  -n, --dry-run           print what would change, and change nothing\n"
	}, {
		"check", command_check, "[-f] [-J]",
		"tell whether everything is set up, and if not, what to do",
		"  -f, --files             check only the files of ioasids.d\n"
		"  -J, --json              JSON\n"
	}, {
		"cdi", command_cdi, "[-m MAX] [-t] [-w]",
		"describe /dev/ioasid for Docker, podman and containerd",
		"  -m, --max MAX           the limit of a container without an annotation\n"
		"  -t, --try               containers start even if the kernel cannot limit them\n"
		"  -w, --write             write it to where engines look for it\n"
	},
	{ }
};

/* The command that runs, for its messages and its help. */
static const struct command *current;

static int print_help(void)
{
	const struct command *command;

	printf("Usage: %s [--root DIR] COMMAND [ARGUMENT]...\n\n"
	       "Shows and limits the I/O address space IDs that cgroups hold.\n\n"
	       "Commands:\n", PROGRAM);
	for (command = commands; command->name; command++)
		printf("  %-10s  %s\n", command->name, command->about);
	printf("\nA CGROUP is a path below the mount point of the hierarchy, the name of a slice\n"
	       "or of another unit that runs, or the PID of a process in it.\n\n"
	       "  -r, --root DIR          where cgroup v2 is mounted, if not in /sys/fs/cgroup\n"
	       "  -h, --help              print this; '%s COMMAND --help': more\n"
	       "  -V, --version           print the version\n\n"
	       "Exit status: 0: success; 1: failure; 2: a wrong argument; 3: no such cgroup,\n"
	       "unit or process; 4: the controller is off, or the kernel does not have it;\n"
	       "5: what tracing needs is missing.\n\n"
	       "Columns of ls, top and show:\n", PROGRAM);
	print_columns(&cgroup_columns);
	return 0;
}

static int print_command_help(void)
{
	printf("Usage: %s %s%s%s\n\n%c%s.\n\n%s  -h, --help              print this\n",
	       PROGRAM, current->name, *current->arguments ? " " : "", current->arguments,
	       toupper(*current->about), current->about + 1, current->options);
	if (current->columns) {
		printf("\nColumns:\n");
		print_columns(current->columns);
	}
	return 0;
}

int other_option(int option)
{
	int i;

	if (option == 'h')
		print_command_help();
	else if (option != 'H')
		return BAD_USAGE;
	for (i = 0; option == 'H' && i < current->columns->count; i++)
		puts(current->columns->array[i].name);
	return DONE;
}

int need_arguments(int argc, char **argv, int least, int most)
{
	if (argc - optind < least)
		return fail(BAD_USAGE,
			    "%s: an argument is missing; 'ioasidctl %s --help' says which",
			    current->name, current->name);
	if (argc - optind > most)
		return fail(BAD_USAGE, "%s: '%s' is one argument too many", current->name,
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

/* --here has no letter. */
int parse_switches(int argc, char **argv, const char *allowed, const char *c,
		   struct switches *switches)
{
	const struct option all[] = {
		{ c, no_argument, NULL, 'c' },
		{ "help", no_argument, NULL, 'h' },
		{ "here", no_argument, NULL, 'E' },
		{ "try", no_argument, NULL, 't' },
	};
	struct option options[5] = { };
	char letters[5] = "";
	int option, count = 0;
	size_t i;

	for (i = 0; i < sizeof(all) / sizeof(*all); i++) {
		if (!strchr(allowed, all[i].val))
			continue;
		options[count++] = all[i];
		if (all[i].val != 'E')
			letters[strlen(letters)] = all[i].val;
	}
	while ((option = getopt_long(argc, argv, letters, options, NULL)) != -1) {
		if (option == 'c')
			switches->c = true;
		else if (option == 'E')
			switches->here = true;
		else if (option == 't')
			switches->try = true;
		else
			return other_option(option);
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

static int find_command(const char *name)
{
	for (current = commands; current->name; current++)
		if (!strcmp(current->name, name))
			return 0;
	return fail(BAD_USAGE, "there is no command '%s'; 'ioasidctl --help' has a list", name);
}

static int run_command(int argc, char **argv)
{
	int status;

	if (!strcmp(argv[0], "help")) {
		if (argc == 1)
			return print_help();
		status = find_command(argv[1]);
		return status ?: print_command_help();
	}
	status = find_command(argv[0]);
	if (status)
		return status;
	argv[0] = format("%s: %s", program_invocation_short_name, current->name);
	/* getopt must start anew. */
	optind = 0;
	status = current->run(argc, argv);
	free(argv[0]);
	return status == DONE ? 0 : status;
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {
		{ "root", required_argument, NULL, 'r' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ }
	};
	int option;

	while ((option = getopt_long(argc, argv, "+r:hV", options, NULL)) != -1) {
		switch (option) {
		case 'r':
			cgroup_root = optarg;
			break;
		case 'h':
			return print_help();
		case 'V':
			printf("%s %s\n", PROGRAM, VERSION);
			return 0;
		default:
			return BAD_USAGE;
		}
	}
	if (optind == argc)
		return fail(BAD_USAGE, "a command is missing; 'ioasidctl --help' has a list");
	return run_command(argc - optind, argv + optind);
}

/*
 * If the caller has closed standard input or output, a file of a cgroup would take its
 * place. This one can be neither read nor written, as if it was closed.
 */
static void open_standard_files(void)
{
	int fd = open("/dev/null", O_PATH);

	while (fd >= 0 && fd <= STDERR_FILENO)
		fd = dup(fd);
	if (fd >= 0)
		close(fd);
}

int main(int argc, char **argv)
{
	int status;

	open_standard_files();
	setlocale(LC_ALL, "");
	/* Files must be sorted as the generator sorts them, which has no locale. */
	setlocale(LC_COLLATE, "C");
	setlocale(LC_NUMERIC, "C");
	status = run(argc, argv);
	/* Output that could not be written must not look like a success. */
	if (fflush(stdout) || ferror(stdout))
		status = fail(FAILED, "cannot write to standard output");
	report();
	bus_close();
	return status;
}
