// SPDX-License-Identifier: GPL-2.0
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "podman.h"
#include "text.h"

static struct strings *strings_of(void *data, const char *table, const char *key)
{
	struct podman *podman = data;

	if (!strcmp(table, "containers") && !strcmp(key, "annotations"))
		return &podman->annotations;
	if (!strcmp(table, "engine") && !strcmp(key, "hooks_dir"))
		return &podman->hooks_dir;
	if (!strcmp(table, "engine") && !strcmp(key, "runtime"))
		return &podman->runtime;
	return NULL;
}

void read_podman(struct podman *podman)
{
	const char *replacement = getenv("CONTAINERS_CONF"), *home = getenv("HOME");
	const char *config = getenv("XDG_CONFIG_HOME");
	char *file;

	*podman = (struct podman) { };
	if (replacement && *replacement) {
		read_toml(replacement, podman, strings_of);
		return;
	}
	read_toml("/usr/share/containers/containers.conf", podman, strings_of);
	read_toml_and_directory("/etc/containers/containers.conf", podman, strings_of);
	if (!geteuid() || (!home && !config))
		return;
	if (config && *config)
		file = format("%s/containers/containers.conf", config);
	else
		file = format("%s/.config/containers/containers.conf", home);
	read_toml_and_directory(file, podman, strings_of);
	free(file);
}

void free_podman(struct podman *podman)
{
	empty_strings(&podman->annotations);
	empty_strings(&podman->hooks_dir);
	empty_strings(&podman->runtime);
}
