// SPDX-License-Identifier: GPL-2.0
#include <ctype.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cdi.h"
#include "cgroup.h"
#include "check.h"
#include "podman.h"

#define SUBGROUP	"run.oci.systemd.subgroup="
#define HOOK		"ioasids.json"
#define ANNOTATION	"ioasids.max"
#define DOCKER_CONF	"/etc/docker/daemon.json"
#define CONTAINERD_CONF	"/etc/containerd/config.toml"
#define CRIO_CONF	"/etc/crio/crio.conf"

/* The version that a program prints, in thousands and ones: 28002 is 28.2. 0: unknown. */
static unsigned int version_of(const char *program)
{
	char *command = format("%s --version 2>/dev/null", program);
	unsigned int major = 0, minor = 0;
	FILE *output = popen(command, "r");
	char line[256] = "", *at;

	free(command);
	if (!output)
		return 0;
	if (!fgets(line, sizeof(line), output))
		*line = '\0';
	pclose(output);
	for (at = line; *at; at++)
		if (isspace(*at) && isdigit(at[1]) &&
		    sscanf(at, " %u.%u", &major, &minor) == 2)
			return major * 1000 + minor;
	return 0;
}

/* Engines look for hooks in the directories of hooks_dir or, without it, in these. */
static bool finds_hook(const struct strings *hooks_dir)
{
	static const char *const usual[] = {
		"/usr/share/containers/oci/hooks.d", "/etc/containers/oci/hooks.d",
	};
	size_t count = hooks_dir->file ? hooks_dir->count : 2, i;
	bool found = false;
	char *file;

	for (i = 0; i < count; i++) {
		file = format("%s/" HOOK, hooks_dir->file ? hooks_dir->array[i] : usual[i]);
		found |= exists(file);
		free(file);
	}
	return found;
}

static void expect_hook(const struct strings *hooks_dir, const char *table, const char *file,
			const char *fact, const char *opposite)
{
	char *advice = format("hooks_dir of [%s] in %s should have \"" HOOKSDIR "\"", table,
			      hooks_dir->file ?: file);

	expect(finds_hook(hooks_dir), fact, opposite, advice);
	free(advice);
}

static void check_podman(const char *program)
{
	struct podman podman;

	(void)program;
	read_podman(&podman);
	expect_hook(&podman.hooks_dir, "engine", "/etc/containers/containers.conf",
		    "podman: --annotation=ioasids.max=MAX limits a container",
		    "podman does not find the hook, so --annotation=ioasids.max=MAX does nothing");
	/* crun does not switch on a controller that it does not know. */
	if (exists("/usr/bin/crun"))
		expect(has_string(&podman.annotations, SUBGROUP),
		       "podman with crun: --cgroup-conf=ioasids.max=MAX limits a container that is in no pod and without --cgroups=split",
		       "podman with crun: --cgroup-conf=ioasids.max=MAX fails",
		       "annotations of [containers] in /etc/containers/containers.conf should have \""
		       SUBGROUP "\"");
	free_podman(&podman);
}

static struct json_object *read_json(const char *file)
{
	char *text = read_all(AT_FDCWD, file);
	struct json_object *value = text ? json_tokener_parse(text) : NULL;

	free(text);
	return value;
}

/* The member @name of the member @of. */
static struct json_object *member(struct json_object *object, const char *of, const char *name)
{
	struct json_object *outer = NULL, *inner = NULL;

	json_object_object_get_ex(object, of, &outer);
	json_object_object_get_ex(outer, name, &inner);
	return inner;
}

static bool list_has(struct json_object *object, const char *name, const char *string)
{
	struct json_object *list = NULL;
	const char *value;
	size_t i;

	json_object_object_get_ex(object, name, &list);
	if (!json_object_is_type(list, json_type_array))
		return false;
	for (i = 0; i < json_object_array_length(list); i++) {
		value = json_object_get_string(json_object_array_get_idx(list, i));
		if (value && !strcmp(value, string))
			return true;
	}
	return false;
}

/* Docker knows CDI from 25 on if a feature is set, which it is by default from 28.2 on. */
static void check_docker(const char *program)
{
	struct json_object *conf = read_json(DOCKER_CONF);
	struct json_object *feature = member(conf, "features", "cdi");
	unsigned int version = version_of(program);

	expect((!version || version >= 25000) &&
	       (feature ? json_object_get_boolean(feature) : version >= 28002),
	       "Docker: --device " CDI_DEVICE " --annotation ioasids.max=MAX limits a container",
	       "Docker does not know --device " CDI_DEVICE ", so no option limits one container",
	       version && version < 25000 ? "it is older than 25" :
	       "\"features\" in " DOCKER_CONF " should have \"cdi\": true");
	expect(!list_has(conf, "exec-opts", "native.cgroupdriver=cgroupfs"),
	       "Docker: --cgroup-parent=NAME.slice limits containers together, with Unit=NAME.slice in ioasids.d",
	       "Docker: --cgroup-parent=NAME.slice does not put a container into the slice of systemd",
	       "\"exec-opts\" in " DOCKER_CONF " should not have \"native.cgroupdriver=cgroupfs\"");
	json_object_put(conf);
}

/* The settings of containerd for pods. */
struct containerd {
	struct strings enable_cdi;
	struct strings default_runtime;
	struct strings annotations;	/* those of pods that are passed on, as patterns */
};

static bool ends_with(const char *text, const char *end)
{
	size_t length = strlen(text), tail = strlen(end);

	return length >= tail && !strcmp(text + length - tail, end);
}

/* The names of tables differ between versions of the file, in how they begin. */
static struct strings *containerd_strings(void *data, const char *table, const char *key)
{
	struct containerd *containerd = data;
	const struct strings *name = &containerd->default_runtime;
	char *runtime = format("containerd.runtimes.%s", name->count ? name->array[0] : "runc");
	struct strings *found = NULL;

	if (ends_with(table, ".cri") || ends_with(table, ".cri.v1.runtime")) {
		if (!strcmp(key, "enable_cdi"))
			found = &containerd->enable_cdi;
	} else if (ends_with(table, ".containerd")) {
		if (!strcmp(key, "default_runtime_name"))
			found = &containerd->default_runtime;
	} else if (ends_with(table, runtime)) {
		if (!strcmp(key, "pod_annotations"))
			found = &containerd->annotations;
	}
	free(runtime);
	return found;
}

static bool matches(const struct strings *patterns, const char *text)
{
	size_t i;

	for (i = 0; i < patterns->count; i++)
		if (!fnmatch(patterns->array[i], text, FNM_PATHNAME))
			return true;
	return false;
}

static void check_pods_of_containerd(const char *program)
{
	struct containerd containerd = { };
	bool cdi;

	/* The table of the runtime can stand before the name of the default runtime. */
	read_toml(CONTAINERD_CONF, &containerd, containerd_strings);
	empty_strings(&containerd.annotations);
	read_toml(CONTAINERD_CONF, &containerd, containerd_strings);
	if (containerd.enable_cdi.count)
		cdi = !strcmp(containerd.enable_cdi.array[0], "true");
	else
		cdi = version_of(program) >= 2000;
	expect(cdi, "containerd: pods can have the device " CDI_DEVICE,
	       "containerd gives no pod the device " CDI_DEVICE,
	       "enable_cdi of the plugin cri in " CONTAINERD_CONF " should be true");
	expect(matches(&containerd.annotations, ANNOTATION),
	       "containerd: the annotation ioasids.max of a pod limits each container that has the device",
	       "containerd does not pass on the annotation ioasids.max of a pod, which does nothing",
	       "pod_annotations of the runtime in " CONTAINERD_CONF " should have \""
	       ANNOTATION "\"");
	empty_strings(&containerd.enable_cdi);
	empty_strings(&containerd.default_runtime);
	empty_strings(&containerd.annotations);
}

static void check_containerd(const char *program)
{
	tell("ok",
	     "containerd: ctr run --runc-systemd-cgroup --cgroup=NAME.slice:PREFIX:ID limits containers together, with Unit=NAME.slice in ioasids.d",
	     NULL);
	/* Docker uses it, too, and then it has no pods. */
	if (exists("/usr/bin/kubelet") || exists("/usr/local/bin/kubelet"))
		check_pods_of_containerd(program);
}

static struct strings *crio_strings(void *data, const char *table, const char *key)
{
	return strcmp(table, "crio.runtime") || strcmp(key, "hooks_dir") ? NULL : data;
}

static void check_crio(const char *program)
{
	struct strings hooks_dir = { };

	(void)program;
	read_toml_and_directory(CRIO_CONF, &hooks_dir, crio_strings);
	expect_hook(&hooks_dir, "crio.runtime", CRIO_CONF,
		    "CRI-O finds the hook for the annotation ioasids.max",
		    "CRI-O does not find the hook, so the annotation ioasids.max does nothing");
	empty_strings(&hooks_dir);
}

static void check_lxc(const char *program)
{
	(void)program;
	tell("ok", "LXC: lxc.cgroup2.ioasids.max = MAX limits a container", NULL);
}

static void check_incus(const char *program)
{
	(void)program;
	tell("ok", "incus: raw.lxc=lxc.cgroup2.ioasids.max=MAX limits a container", NULL);
}

static void check_nspawn(const char *program)
{
	(void)program;
	tell("ok",
	     "systemd-nspawn: --slice=NAME.slice limits containers together, with Unit=NAME.slice in ioasids.d",
	     NULL);
}

static const struct engine {
	const char *name;
	const char *programs[2];	/* one of them is there if it is installed */
	void (*check)(const char *program);
	bool knows_cdi;
} engines[] = {
	{ "podman", { "/usr/bin/podman" }, check_podman, true },
	{ "Docker", { "/usr/bin/dockerd", "/usr/sbin/dockerd" }, check_docker, true },
	{ "containerd", { "/usr/bin/containerd", "/usr/local/bin/containerd" }, check_containerd,
	  true },
	{ "CRI-O", { "/usr/bin/crio", "/usr/local/bin/crio" }, check_crio, true },
	{ "LXC", { "/usr/bin/lxc-start" }, check_lxc },
	{ "incus", { "/usr/bin/incus" }, check_incus },
	{ "systemd-nspawn", { "/usr/bin/systemd-nspawn" }, check_nspawn },
	{ }
};

static const char *program_of(const struct engine *engine)
{
	size_t i;

	for (i = 0; i < 2 && engine->programs[i]; i++)
		if (exists(engine->programs[i]))
			return engine->programs[i];
	return NULL;
}

/* The program of the first hook of the first device that @file describes. */
static char *hook_of(const char *file)
{
	struct json_object *all = read_json(file), *list = NULL, *path = NULL;
	char *hook = NULL;

	json_object_object_get_ex(all, "devices", &list);
	if (json_object_is_type(list, json_type_array))
		list = member(json_object_array_get_idx(list, 0), "containerEdits", "hooks");
	if (json_object_is_type(list, json_type_array))
		json_object_object_get_ex(json_object_array_get_idx(list, 0), "path", &path);
	if (path)
		hook = format("%s", json_object_get_string(path));
	json_object_put(all);
	return hook;
}

static void check_cdi(void)
{
	static const char *const files[] = { "/run/cdi/" CDI_FILE, CDIDIR "/" CDI_FILE };
	char *hook = NULL, *fact;
	size_t i;

	for (i = 0; i < 2; i++) {
		if (exists(files[i]))
			break;
	}
	if (i == 2) {
		tell("WRONG", "no file describes the device " CDI_DEVICE,
		     "'ioasidctl cdi --write' writes one");
		return;
	}
	hook = hook_of(files[i]);
	fact = format("%s describes the device %s", files[i], CDI_DEVICE);
	if (hook && exists(hook)) {
		tell("ok", fact, NULL);
	} else {
		free(fact);
		fact = format("%s has no hook, or one that does not exist", files[i]);
		tell("WRONG", fact, "'ioasidctl cdi --write' writes the file anew");
	}
	free(fact);
	free(hook);
}

/* Adds a name to a list, behind the others. */
static void append(char **list, const char *name)
{
	char *longer = format("%s%s%s", *list, **list ? ", " : "", name);

	free(*list);
	*list = longer;
}

static void list_engines(void)
{
	char *installed = format("%s", ""), *others = format("%s", ""), *fact;
	const struct engine *engine;

	for (engine = engines; engine->name; engine++)
		append(program_of(engine) ? &installed : &others, engine->name);
	fact = format("container engines that are installed: %s; that are not: %s",
		      *installed ? installed : "none", *others ? others : "none");
	tell("ok", fact, NULL);
	free(fact);
	free(others);
	free(installed);
}

void check_engines(void)
{
	const struct engine *engine;
	bool needs_cdi = false;

	list_engines();
	for (engine = engines; engine->name; engine++)
		needs_cdi |= engine->knows_cdi && program_of(engine);
	if (needs_cdi)
		check_cdi();
	for (engine = engines; engine->name; engine++)
		if (program_of(engine))
			engine->check(program_of(engine));
}
