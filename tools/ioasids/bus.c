// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#include "bus.h"
#include "cgroup.h"

#define SERVICE		"org.freedesktop.systemd1"
#define PATH		"/org/freedesktop/systemd1"
#define MANAGER		SERVICE ".Manager"

/* A machine with thousands of units needs minutes to reload, where others are busy too. */
#define RELOAD_TIME	(10 * 60 * 1000000ULL)

/* The connections to the manager of the system and to that of the user. */
static sd_bus *buses[2];

bool systemd_runs(void)
{
	return !access("/run/systemd/system", F_OK);
}

/* A manager can also be reached where no message bus runs, by root or by its own user. */
static int connect_directly(sd_bus **bus, const char *directory)
{
	char *address = format("unix:path=%s/systemd/private", directory);
	int error = sd_bus_new(bus);

	if (error >= 0)
		error = sd_bus_set_address(*bus, address);
	if (error >= 0)
		error = sd_bus_start(*bus);
	if (error < 0)
		*bus = sd_bus_unref(*bus);
	free(address);
	return error;
}

static int connect_to(bool user, sd_bus **bus)
{
	const char *directory = user ? getenv("XDG_RUNTIME_DIR") : "/run";
	int error = -ENOENT;

	if (!buses[user]) {
		if (directory && (user || !geteuid()))
			error = connect_directly(&buses[user], directory);
		if (error < 0)
			error = user ? sd_bus_open_user(&buses[user]) :
				       sd_bus_open_system(&buses[user]);
		if (error < 0)
			return fail(FAILED, "cannot connect to systemd%s: %s",
				    user ? " of this user" : "", strerror(-error));
	}
	*bus = buses[user];
	return 0;
}

void bus_close(void)
{
	sd_bus_flush_close_unref(buses[false]);
	sd_bus_flush_close_unref(buses[true]);
	buses[false] = NULL;
	buses[true] = NULL;
}

/* Takes over @error. */
static int fail_bus(const char *what, int result, sd_bus_error *error)
{
	int status = fail(FAILED, "systemd cannot %s: %s", what,
			  error->message ?: strerror(-result));

	sd_bus_error_free(error);
	return status;
}

/* The interface on which a unit has its cgroup. NULL if it is of a kind that has none. */
static const char *interface_of(const char *name)
{
	static const struct {
		const char *suffix;
		const char *interface;
	} kinds[] = {
		{ ".service", SERVICE ".Service" },
		{ ".slice", SERVICE ".Slice" },
		{ ".scope", SERVICE ".Scope" },
		{ ".socket", SERVICE ".Socket" },
		{ ".mount", SERVICE ".Mount" },
		{ ".swap", SERVICE ".Swap" },
		{ }
	};
	const char *suffix = strrchr(name, '.');
	int i;

	for (i = 0; suffix && kinds[i].suffix; i++)
		if (!strcmp(kinds[i].suffix, suffix))
			return kinds[i].interface;
	return NULL;
}

/* A unit that has been unloaded meanwhile has no cgroup. */
static bool says_no_cgroup(const sd_bus_error *error)
{
	return sd_bus_error_has_name(error, SERVICE ".NoSuchUnit") ||
		sd_bus_error_has_name(error, SD_BUS_ERROR_UNKNOWN_OBJECT) ||
		sd_bus_error_has_name(error, SD_BUS_ERROR_UNKNOWN_INTERFACE) ||
		sd_bus_error_has_name(error, SD_BUS_ERROR_UNKNOWN_PROPERTY);
}

static int fail_cgroup(const char *name, int result, sd_bus_error *error)
{
	char *what = format("tell the cgroup of %s", name);
	int status = fail_bus(what, result, error);

	free(what);
	return status;
}

/* Adds the unit whose object is @path, if it has a cgroup. */
static int add_unit(sd_bus *bus, const char *name, const char *path, struct unit **units,
		    size_t *count)
{
	sd_bus_error error = SD_BUS_ERROR_NULL;
	const char *interface = interface_of(name);
	char *text = NULL, *cgroup;
	int result;

	if (!interface)
		return 0;
	result = sd_bus_get_property_string(bus, SERVICE, path, interface, "ControlGroup", &error,
					    &text);
	if (result < 0 && !says_no_cgroup(&error))
		return fail_cgroup(name, result, &error);
	sd_bus_error_free(&error);
	cgroup = text && *text ? cgroup_of_name(text) : NULL;
	if (cgroup) {
		*units = grow(*units, *count + 1, sizeof(**units));
		(*units)[(*count)++] = (struct unit) {
			.name = format("%s", name), .cgroup = cgroup,
		};
	}
	free(text);
	return 0;
}

/* A unit can be asked for by an alias. It is added under the name given here. */
int bus_find_unit(bool user, const char *name, struct unit **units, size_t *count)
{
	sd_bus_error error = SD_BUS_ERROR_NULL;
	sd_bus_message *reply = NULL;
	const char *path;
	sd_bus *bus;
	int status, result;

	status = connect_to(user, &bus);
	if (status)
		return status;
	result = sd_bus_call_method(bus, SERVICE, PATH, MANAGER, "GetUnit", &error, &reply, "s",
				    name);
	if (result >= 0)
		result = sd_bus_message_read(reply, "o", &path);
	if (result >= 0)
		status = add_unit(bus, name, path, units, count);
	else if (!sd_bus_error_has_name(&error, SERVICE ".NoSuchUnit"))
		status = fail_bus("find the unit", result, &error);
	sd_bus_error_free(&error);
	sd_bus_message_unref(reply);
	return status;
}

int bus_find_units(const char *pattern, struct unit **units, size_t *count)
{
	const char *name, *path, *alias;
	sd_bus_error error = SD_BUS_ERROR_NULL;
	sd_bus_message *reply = NULL;
	sd_bus *bus;
	int status, result;

	status = connect_to(false, &bus);
	if (status)
		return status;
	result = sd_bus_call_method(bus, SERVICE, PATH, MANAGER, "ListUnitsByPatterns", &error,
				    &reply, "asas", 0, 1, pattern);
	if (result >= 0)
		result = sd_bus_message_enter_container(reply, 'a', "(ssssssouso)");
	while (!status && result >= 0 &&
	       (result = sd_bus_message_read(reply, "(ssssssouso)", &name, NULL, NULL, NULL, NULL,
					     &alias, &path, NULL, NULL, NULL)) > 0)
		status = add_unit(bus, name, path, units, count);
	if (result < 0)
		status = fail_bus("list its units", result, &error);
	sd_bus_message_unref(reply);
	return status;
}

int bus_reload(void)
{
	sd_bus_error error = SD_BUS_ERROR_NULL;
	sd_bus_message *message = NULL;
	sd_bus *bus;
	int status, result;

	status = connect_to(false, &bus);
	if (status)
		return status;
	result = sd_bus_message_new_method_call(bus, &message, SERVICE, PATH, MANAGER, "Reload");
	if (result >= 0)
		result = sd_bus_call(bus, message, RELOAD_TIME, &error, NULL);
	if (result < 0)
		status = fail_bus("reload its units", result, &error);
	sd_bus_message_unref(message);
	return status;
}

/* The job that starts a scope, and its result when it has ended. */
struct job {
	const char *path;
	char *result;
};

static int job_removed(sd_bus_message *message, void *data, sd_bus_error *error)
{
	struct job *job = data;
	const char *path, *result;

	(void)error;
	if (sd_bus_message_read(message, "uoss", NULL, &path, NULL, &result) > 0 && job->path &&
	    !strcmp(path, job->path))
		job->result = format("%s", result);
	return 0;
}

static int ask_for_scope(sd_bus *bus, const char *scope, const char *slice, sd_bus_error *error,
			 sd_bus_message **reply)
{
	sd_bus_message *message = NULL;
	int result;

	result = sd_bus_message_new_method_call(bus, &message, SERVICE, PATH, MANAGER,
						"StartTransientUnit");
	if (result >= 0)
		result = sd_bus_message_append(message, "ss", scope, "fail");
	if (result >= 0)
		result = sd_bus_message_open_container(message, 'a', "(sv)");
	if (result >= 0)
		result = sd_bus_message_append(message, "(sv)(sv)(sv)",
					       "Description", "s", "A command run by ioasidctl",
					       "CollectMode", "s", "inactive-or-failed",
					       "PIDs", "au", 1, (unsigned int)getpid());
	if (result >= 0 && slice)
		result = sd_bus_message_append(message, "(sv)", "Slice", "s", slice);
	if (result >= 0)
		result = sd_bus_message_close_container(message);
	if (result >= 0)
		result = sd_bus_message_append(message, "a(sa(sv))", 0);
	if (result >= 0)
		result = sd_bus_call(bus, message, 0, error, reply);
	sd_bus_message_unref(message);
	return result;
}

/* Starts a scope that has this process in it, and waits until that is so. */
int bus_start_scope(bool user, const char *scope, const char *slice)
{
	sd_bus_error error = SD_BUS_ERROR_NULL;
	sd_bus_message *reply = NULL;
	sd_bus_slot *slot = NULL;
	struct job job = { };
	sd_bus *bus;
	int status, result;

	status = connect_to(user, &bus);
	if (status)
		return status;
	result = sd_bus_match_signal(bus, &slot, NULL, PATH, MANAGER, "JobRemoved", job_removed,
				     &job);
	if (result >= 0)
		result = ask_for_scope(bus, scope, slice, &error, &reply);
	if (result >= 0)
		result = sd_bus_message_read(reply, "o", &job.path);
	while (result >= 0 && !job.result) {
		result = sd_bus_process(bus, NULL);
		if (!result)
			result = sd_bus_wait(bus, UINT64_MAX);
	}
	if (result < 0)
		status = fail_bus("start a scope", result, &error);
	else if (strcmp(job.result, "done"))
		status = fail(FAILED, "systemd cannot start a scope: %s", job.result);
	free(job.result);
	sd_bus_message_unref(reply);
	sd_bus_slot_unref(slot);
	return status;
}
