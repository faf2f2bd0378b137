// SPDX-License-Identifier: GPL-2.0
/*
 * Measures the cost of taking and giving back an ID through /dev/ioasid while others
 * hold few or many.
 *
 * It measures time. In an emulator whose clock counts instructions, the result is
 * exact, and the same in each run; elsewhere it is noisy, so the least of several
 * rounds is taken. There is no verdict.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/ioasid.h>

#define ROUNDS	9
#define PAIRS	200

static void die(const char *what)
{
	fprintf(stderr, "bench_ioasids: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int open_device(void)
{
	int fd = open("/dev/ioasid", O_RDWR);

	if (fd < 0)
		die("/dev/ioasid");
	return fd;
}

static int take(int fd)
{
	struct ioasid_request request = { .argsz = sizeof(request), .max = -1 };
	int id = ioctl(fd, IOASID_REQUEST_ALLOC, &request);

	if (id < 0)
		die("taking an ID");
	return id;
}

/* A process that holds @n IDs until it is killed. */
static pid_t hold(long n)
{
	int ready[2];
	pid_t pid;
	char c;

	if (pipe(ready))
		die("pipe");
	pid = fork();
	if (pid < 0)
		die("fork");
	if (!pid) {
		int fd = open_device();

		close(ready[0]);
		while (n--)
			take(fd);
		if (write(ready[1], "", 1) != 1)
			die("write");
		pause();
	}
	close(ready[1]);
	if (read(ready[0], &c, 1) != 1) {
		fprintf(stderr, "bench_ioasids: %ld IDs cannot be had\n", n);
		exit(1);
	}
	close(ready[0]);
	return pid;
}

static double pair_ns(int fd)
{
	double least = 0;
	int i, j;

	for (i = 0; i < ROUNDS; i++) {
		struct timespec from, to;
		double ns;

		clock_gettime(CLOCK_MONOTONIC, &from);
		for (j = 0; j < PAIRS; j++) {
			int id = take(fd);

			if (ioctl(fd, IOASID_REQUEST_FREE, &id))
				die("giving an ID back");
		}
		clock_gettime(CLOCK_MONOTONIC, &to);
		ns = (to.tv_sec - from.tv_sec) * 1e9 + to.tv_nsec - from.tv_nsec;
		if (!i || ns < least)
			least = ns;
	}
	return least / PAIRS;
}

int main(int argc, char **argv)
{
	double first = 0;
	int i;

	if (argc < 2) {
		fprintf(stderr, "Usage: bench_ioasids HELD...\n"
			"For each number: the cost of taking and giving back an ID while another\n"
			"process holds so many.\n");
		return 2;
	}
	printf("%10s %14s %8s\n", "held", "ns for a pair", "ratio");
	for (i = 1; i < argc; i++) {
		char *end;
		long held = strtol(argv[i], &end, 10);
		pid_t pid;
		double ns;
		int fd;

		if (held < 0 || *end || end == argv[i]) {
			fprintf(stderr, "bench_ioasids: %s is not a number of IDs\n", argv[i]);
			return 2;
		}
		pid = hold(held);
		fd = open_device();
		ns = pair_ns(fd);
		close(fd);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		if (i == 1)
			first = ns;
		printf("%10ld %14.1f %8.3f\n", held, ns, ns / first);
		fflush(stdout);
	}
	return 0;
}
