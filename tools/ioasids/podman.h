/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The settings in containers.conf that podman reads.
 */
#ifndef _PODMAN_H
#define _PODMAN_H

#include <stdbool.h>
#include <stddef.h>

struct strings {
	char **array;
	size_t count;
	char *file;		/* where they are set; NULL: nowhere */
};

struct podman {
	struct strings annotations;
	struct strings hooks_dir;
	struct strings runtime;
};

void read_podman(struct podman *podman);
void free_podman(struct podman *podman);
bool has_string(const struct strings *strings, const char *string);

#endif
