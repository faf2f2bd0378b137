/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The settings in containers.conf that podman reads.
 */
#ifndef _PODMAN_H
#define _PODMAN_H

#include "toml.h"

struct podman {
	struct strings annotations;
	struct strings hooks_dir;
	struct strings runtime;
};

void read_podman(struct podman *podman);
void free_podman(struct podman *podman);

#endif
