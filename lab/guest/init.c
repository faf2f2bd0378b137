// SPDX-License-Identifier: GPL-2.0
/*
 * The first program in the small guest: mounts file systems, runs guest.sh, and ends
 * the guest.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct {
	const char *type;
	const char *where;
} *m, mounts[] = {
	{ "proc", "/proc" },
	{ "sysfs", "/sys" },
	{ "devtmpfs", "/dev" },
	{ "tmpfs", "/tmp" },
	{ "debugfs", "/sys/kernel/debug" },
	{ "cgroup2", "/sys/fs/cgroup" },
	{ }
};

int main(void)
{
	pid_t pid;

	for (m = mounts; m->type; m++) {
		mkdir(m->where, 0755);
		if (mount("none", m->where, m->type, 0, NULL))
			fprintf(stderr, "init: %s: %s\n", m->where, strerror(errno));
	}
	pid = fork();
	if (pid == 0) {
		setsid();
		ioctl(STDIN_FILENO, TIOCSCTTY, 0);
		execl("/bin/busybox", "sh", "/guest.sh", NULL);
		_exit(127);
	}
	while (wait(NULL) != pid)
		;
	/* With -no-reboot, this ends QEMU; to power off would need ACPI. */
	reboot(RB_AUTOBOOT);
	return 1;
}
