/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The subcommands of ioasidctl. argv[0] is what getopt begins its messages with.
 */
#ifndef _IOASIDCTL_H
#define _IOASIDCTL_H

int command_ls(int argc, char **argv);
int command_top(int argc, char **argv);
int command_show(int argc, char **argv);
int command_who(int argc, char **argv);
int command_events(int argc, char **argv);
int command_check(int argc, char **argv);

/* The arguments that getopt_long() has left must be between so and so many. */
void need_arguments(int argc, char **argv, int least, int most);

/* The one that is left, if any: a cgroup. Else the root. */
char *need_subtree(int argc, char **argv);

#endif
