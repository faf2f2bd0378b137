// SPDX-License-Identifier: GPL-2.0
/*
 * Writes the description of the device for CDI. It has no device numbers: engines then take
 * those of the device when a container starts.
 */
#include <errno.h>
#include <getopt.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cdi.h"
#include "file.h"
#include "ioasidctl.h"
#include "text.h"

static void put(struct json_object *object, const char *name, const char *value)
{
	json_object_object_add(object, name, json_object_new_string(value));
}

/* A list of one object. */
static struct json_object *list_of(struct json_object *object)
{
	struct json_object *list = json_object_new_array();

	json_object_array_add(list, object);
	return list;
}

/* The device in the container gets the mode and the owner that it has here. */
static struct json_object *new_node(void)
{
	struct json_object *node = json_object_new_object();
	struct stat device = { .st_mode = 0660 };

	if (stat(DEVICE, &device))
		warn("%s: %s: its owner is not known", DEVICE, strerror(errno));
	put(node, "path", DEVICE);
	put(node, "permissions", "rw");
	json_object_object_add(node, "fileMode", json_object_new_int(device.st_mode & 0777));
	if (device.st_uid)
		json_object_object_add(node, "uid", json_object_new_int64(device.st_uid));
	if (device.st_gid)
		json_object_object_add(node, "gid", json_object_new_int64(device.st_gid));
	return node;
}

/* @max is the limit of a container without the annotation, or NULL. */
static struct json_object *new_hook(const char *max, bool try)
{
	struct json_object *hook = json_object_new_object(), *arguments;

	put(hook, "hookName", "createRuntime");
	put(hook, "path", OCI_HOOK);
	if (!max && !try)
		return hook;
	arguments = list_of(json_object_new_string("oci-hook"));
	if (max) {
		json_object_array_add(arguments, json_object_new_string("--max"));
		json_object_array_add(arguments, json_object_new_string(max));
	}
	if (try)
		json_object_array_add(arguments, json_object_new_string("--try"));
	json_object_object_add(hook, "args", arguments);
	return hook;
}

static struct json_object *new_description(const char *max, bool try)
{
	struct json_object *all = json_object_new_object();
	struct json_object *device = json_object_new_object();
	struct json_object *edits = json_object_new_object();

	json_object_object_add(edits, "deviceNodes", list_of(new_node()));
	json_object_object_add(edits, "hooks", list_of(new_hook(max, try)));
	put(device, "name", CDI_NAME);
	json_object_object_add(device, "containerEdits", edits);
	put(all, "cdiVersion", "0.3.0");
	put(all, "kind", CDI_KIND);
	json_object_object_add(all, "devices", list_of(device));
	return all;
}

/* Engines read the file whenever it changes. */
static int write_description(const char *text)
{
	char *line;
	int status;

	if (mkdir(CDIDIR, 0755) && errno != EEXIST)
		return fail(FAILED, "cannot make %s: %s", CDIDIR, strerror(errno));
	line = format("%s\n", text);
	status = replace_file(CDIDIR "/" CDI_FILE, line, strlen(line));
	free(line);
	return status;
}

int command_cdi(int argc, char **argv)
{
	static const struct option options[] = {
		{ "help", no_argument, NULL, 'h' },
		{ "max", required_argument, NULL, 'm' },
		{ "try", no_argument, NULL, 't' },
		{ "write", no_argument, NULL, 'w' },
		{ }
	};
	struct json_object *description;
	bool try = false, write = false;
	const char *max = NULL, *text;
	int option, status = 0;
	__u64 number;

	while (!status && (option = getopt_long(argc, argv, "hm:tw", options, NULL)) != -1) {
		switch (option) {
		case 'm':
			max = optarg;
			status = need_max(max, &number);
			break;
		case 't':
			try = true;
			break;
		case 'w':
			write = true;
			break;
		default:
			return other_option(option);
		}
	}
	if (!status)
		status = need_arguments(argc, argv, 0, 0);
	if (status)
		return status;
	description = new_description(max, try);
	text = json_object_to_json_string_ext(description, JSON_C_TO_STRING_PRETTY |
					      JSON_C_TO_STRING_NOSLASHESCAPE);
	if (write)
		status = write_description(text);
	else
		puts(text);
	json_object_put(description);
	return status;
}
