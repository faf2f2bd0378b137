// SPDX-License-Identifier: GPL-2.0
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"
#include "units.h"

#define CHARACTERS \
	"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ:-_.\\@"

static const char *suffix_of(const char *name)
{
	const char *suffix = strrchr(name, '.');

	return suffix ? suffix : name + strlen(name);
}

/* Whether a unit that has a cgroup can have this name. */
bool is_unit(const char *name)
{
	static const char *const suffixes[] = {
		".service", ".slice", ".scope", ".socket", ".mount", ".swap", NULL
	};
	const char *suffix = suffix_of(name);
	int i = 0;

	while (suffixes[i] && strcmp(suffix, suffixes[i]))
		i++;
	return suffixes[i] && suffix != name && *name != '@' &&
		strspn(name, CHARACTERS) == strlen(name) && strlen(name) <= NAME_MAX;
}

/* A dash separates the name of the parent slice from the last part; neither is empty. */
bool is_slice(const char *name)
{
	const char *suffix = suffix_of(name);

	if (!is_unit(name) || strcmp(suffix, ".slice") || strchr(name, '@'))
		return false;
	return !strcmp(name, "-.slice") ||
		(*name != '-' && suffix[-1] != '-' && !strstr(name, "--"));
}

bool is_pattern(const char *name)
{
	const char *suffix = suffix_of(name);

	return suffix - name > 1 && suffix[-1] == (strcmp(suffix, ".slice") ? '@' : '-');
}

bool unit_matches(const char *name, const char *unit)
{
	const char *suffix = suffix_of(name);

	if (!is_pattern(name))
		return !strcmp(name, unit);
	return !strncmp(name, unit, suffix - name) && !strcmp(suffix_of(unit), suffix);
}

/* systemd puts an underscore before names that a file of the kernel could have, too. */
static bool needs_underscore(const char *name)
{
	static const char *const reserved[] = {
		"cgroup.", "cpu.", "cpuacct.", "cpuset.", "io.", "blkio.", "memory.",
		"devices.", "pids.", "bpf-firewall.", "bpf-devices.", "bpf-foreign.",
		"bpf-socket-bind.", "bpf-restrict-network-interfaces.", NULL
	};
	int i = 0;

	while (reserved[i] && strncmp(name, reserved[i], strlen(reserved[i])))
		i++;
	return reserved[i] || *name == '_' || *name == '.';
}

/* a-b.slice is below a.slice; -.slice is the root. */
char *cgroup_of_slice(const char *slice)
{
	size_t length = strlen(slice) - strlen(".slice");
	char *cgroup = format("%s", ""), *longer, *part;
	size_t i;

	if (!strcmp(slice, "-.slice"))
		return cgroup;
	for (i = 1; i <= length; i++) {
		if (i != length && slice[i] != '-')
			continue;
		part = format("%.*s.slice", (int)i, slice);
		longer = format("%s%s%s%s", cgroup, *cgroup ? "/" : "",
				needs_underscore(part) ? "_" : "", part);
		free(part);
		free(cgroup);
		cgroup = longer;
	}
	return cgroup;
}
