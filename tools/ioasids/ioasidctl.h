/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The commands of ioasidctl. argv[0] is what getopt begins its messages with. A command
 * returns an exit status, as described in text.h.
 */
#ifndef _IOASIDCTL_H
#define _IOASIDCTL_H

#include <stdbool.h>
#include <linux/types.h>

struct columns;

int command_apply(int argc, char **argv);
int command_cdi(int argc, char **argv);
int command_check(int argc, char **argv);
int command_disable(int argc, char **argv);
int command_enable(int argc, char **argv);
int command_events(int argc, char **argv);
int command_export(int argc, char **argv);
int command_ls(int argc, char **argv);
int command_record(int argc, char **argv);
int command_restore(int argc, char **argv);
int command_run(int argc, char **argv);
int command_save(int argc, char **argv);
int command_set(int argc, char **argv);
int command_show(int argc, char **argv);
int command_top(int argc, char **argv);
int command_trace(int argc, char **argv);
int command_who(int argc, char **argv);
int command_why(int argc, char **argv);

/* A table of the processes that hold IDs in @within, for a terminal of this width. */
int who_to_string(const char *within, int width, char **text);

/* The same, printed; and as the members "complete" and "sets" of a JSON object. */
int who_print(const char *within);
int who_to_json(const char *within);

/* The columns of who; those of the other tables are in tree.h. */
extern const struct columns who_columns;

/* A command returns this if an option has asked for something else, which is done. */
#define DONE	(-1)

/* Does what an option asks for that many commands have: help, or a list of columns. */
int other_option(int option);

/* The number of arguments that getopt_long() has left must be between these. */
int need_arguments(int argc, char **argv, int least, int most);

/* The cgroup that is left as an argument, or else the root. */
int need_subtree(int argc, char **argv, char **cgroup);

/* The limit that is @text. */
int need_max(const char *text, __u64 *max);

/* The options that set, enable, disable and apply share. */
struct switches {
	bool c;
	bool here;
	bool try;
};

/* @allowed: their letters; @c: the long name of -c. */
int parse_switches(int argc, char **argv, const char *allowed, const char *c,
		   struct switches *switches);

/* Whether the kernel has the controller. With --try it is no error if it has not. */
int need_controller_or_try(const struct switches *switches, bool *has);

/* The cgroup that this command runs in. */
int cgroup_here(char **cgroup);

#endif
