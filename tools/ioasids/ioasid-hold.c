// SPDX-License-Identifier: GPL-2.0
/*
 * ioasid-hold: takes, reserves, holds and frees I/O address space IDs, to see
 * what a cgroup's limits do.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <stdnoreturn.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include <linux/ioasid.h>

#define DEVICE		"/dev/ioasid"
#define FOREVER		UINT_MAX
#define USAGE_ERROR	2

static const char help[] =
"Usage: ioasid-hold OPERATION...\n"
"\n"
"Takes I/O address space IDs from " DEVICE " and holds them until it ends. It\n"
"performs the operations in the order given, and stops at the first that fails.\n"
"\n"
"  -a, --alloc=N           allocate N IDs and print them, one a line\n"
"  -R, --range=MIN-MAX     allocate from this range from now on\n"
"  -f, --free=ID|all       free an ID, or all of them\n"
"  -r, --reserve=N         reserve N IDs, including those allocated; 0: none\n"
"  -i, --info              print the quota, and what is allocated and available\n"
"  -w, --hold[=SECONDS]    wait for SIGUSR1, or until the time is over\n"
"  -h, --help              print this\n"
"\n"
"Exit status: 0: success; 1: an operation was refused; 2: an operation is not\n"
"valid.\n"
"\n"
"Examples:\n"
"  ioasid-hold --alloc=5 --hold        hold five IDs until killed\n"
"  ioasid-hold -r 10 -a 3 -i           reserve ten, take three, look\n"
"  ioasid-hold -R 100-199 -a 1 -w60    an ID from 100 to 199, for a minute\n"
"  ioasid-hold -a 5 -w -f all -w &     take; kill -USR1 $! frees them\n";

static const struct option options[] = {
	{ "alloc", required_argument, NULL, 'a' },
	{ "range", required_argument, NULL, 'R' },
	{ "free", required_argument, NULL, 'f' },
	{ "reserve", required_argument, NULL, 'r' },
	{ "info", no_argument, NULL, 'i' },
	{ "hold", optional_argument, NULL, 'w' },
	{ "help", no_argument, NULL, 'h' },
	{ }
};

/* An operation, and its number or, for a range, numbers. */
struct operation {
	int what;
	unsigned int number;
	unsigned int last;
};

static int device = -1;
static sigset_t go_on;
static int *ids;
static size_t count;

/* strerrorname_np() does this, but only since glibc 2.32. */
static const char *name_of_error(int error)
{
	static const struct {
		int number;
		const char *name;
	} names[] = {
		{ EACCES, "EACCES" }, { EAGAIN, "EAGAIN" }, { EBUSY, "EBUSY" },
		{ EFAULT, "EFAULT" }, { EINVAL, "EINVAL" }, { ENOENT, "ENOENT" },
		{ ENOMEM, "ENOMEM" }, { ENOSPC, "ENOSPC" }, { ENOTTY, "ENOTTY" },
		{ ENXIO, "ENXIO" }, { EPERM, "EPERM" }, { }
	};
	int i;

	for (i = 0; names[i].name; i++)
		if (names[i].number == error)
			return names[i].name;
	return "error";
}

static noreturn void refused(const char *request)
{
	const char *why = "";
	int error = errno;

	if (error == EAGAIN)
		why = " (a cgroup's limit)";
	else if (error == ENOSPC)
		why = " (the quota, the range or the machine is used up)";
	fflush(stdout);
	fprintf(stderr, "ioasid-hold: %s: %s: %s%s\n", request,
		name_of_error(error), strerror(error), why);
	exit(EXIT_FAILURE);
}

/* An ID that could not be printed is of no use to anybody. */
static void write_out(void)
{
	if (!fflush(stdout) && !ferror(stdout))
		return;
	fprintf(stderr, "ioasid-hold: cannot write to standard output\n");
	exit(EXIT_FAILURE);
}

static noreturn void bad(const char *argument)
{
	fprintf(stderr, "ioasid-hold: '%s' is no valid operation; see --help\n",
		argument);
	exit(USAGE_ERROR);
}

/* Reads a number that ends at @end; returns what comes after it. */
static const char *number(const char *text, char end, unsigned int *value)
{
	unsigned long n;
	char *rest;

	errno = 0;
	n = strtoul(text, &rest, 10);
	if (*text < '0' || *text > '9' || errno || n > INT_MAX || *rest != end)
		bad(text);
	*value = n;
	return rest + 1;
}

static void parse(struct operation *op)
{
	switch (op->what) {
	case 'f':
		op->number = 0;
		if (!strcmp(optarg, "all"))
			break;
		number(optarg, '\0', &op->number);
		if (!op->number)
			bad(optarg);
		break;
	case 'R':
		number(number(optarg, '-', &op->number), '\0', &op->last);
		break;
	case 'w':
		op->number = FOREVER;
		if (optarg)
			number(optarg, '\0', &op->number);
		break;
	case 'i':
		break;
	case 'h':
		fputs(help, stdout);
		write_out();
		exit(EXIT_SUCCESS);
	case '?':
		exit(USAGE_ERROR);
	default:
		number(optarg, '\0', &op->number);
	}
}

static void take(unsigned int n, unsigned int min, unsigned int max)
{
	struct ioasid_request request = {
		.argsz = sizeof(request), .min = min, .max = max,
	};
	int id;

	ids = reallocarray(ids, count + n, sizeof(*ids));
	if (!ids && count + n)
		refused("memory");
	while (n--) {
		id = ioctl(device, IOASID_REQUEST_ALLOC, &request);
		if (id < 0)
			refused("IOASID_REQUEST_ALLOC");
		printf("%d\n", id);
		ids[count++] = id;
	}
}

/* Frees @id or, if it is 0, all that were allocated. */
static void give_back(int id)
{
	size_t i, kept = 0;

	for (i = 0; i < count; i++) {
		if (id && ids[i] != id)
			ids[kept++] = ids[i];
		else if (!id && ioctl(device, IOASID_REQUEST_FREE, &ids[i]))
			refused("IOASID_REQUEST_FREE");
	}
	count = kept;
	if (id && ioctl(device, IOASID_REQUEST_FREE, &id))
		refused("IOASID_REQUEST_FREE");
}

static void reserve(unsigned int n)
{
	struct ioasid_quota quota = { .argsz = sizeof(quota), .quota = n };

	if (ioctl(device, IOASID_SET_QUOTA, &quota))
		refused("IOASID_SET_QUOTA");
}

static void print_info(void)
{
	struct ioasid_info info = { .argsz = sizeof(info) };

	if (ioctl(device, IOASID_GET_INFO, &info))
		refused("IOASID_GET_INFO");
	printf("bits %u\nquota %u\nallocated %u\navailable %u\n",
	       info.ioasid_bits, info.quota, info.allocated, info.available);
}

/* SIGUSR1 is blocked at all other times, so that an early one is not lost. */
static void hold(unsigned int seconds)
{
	const struct timespec time = { .tv_sec = seconds };

	while (sigtimedwait(&go_on, NULL, seconds == FOREVER ? NULL : &time) < 0 &&
	       errno == EINTR)
		;
}

static void perform(const struct operation *op)
{
	static unsigned int min, max = INT_MAX;

	switch (op->what) {
	case 'a':
		take(op->number, min, max);
		break;
	case 'R':
		min = op->number;
		max = op->last;
		break;
	case 'f':
		give_back(op->number);
		break;
	case 'r':
		reserve(op->number);
		break;
	case 'i':
		print_info();
		break;
	case 'w':
		hold(op->number);
		break;
	}
	write_out();
}

/* Parses the operations and, if @device is open, performs them. */
static void each_operation(int argc, char **argv)
{
	struct operation op = { };

	optind = 0;
	while ((op.what = getopt_long(argc, argv, "a:R:f:r:iw::h", options,
				      NULL)) != -1) {
		parse(&op);
		if (device >= 0)
			perform(&op);
	}
	if (optind < argc || argc < 2)
		bad(argc < 2 ? "" : argv[optind]);
}

int main(int argc, char **argv)
{
	sigemptyset(&go_on);
	sigaddset(&go_on, SIGUSR1);
	sigprocmask(SIG_BLOCK, &go_on, NULL);

	/* All operations are checked before the first is performed. */
	each_operation(argc, argv);
	device = open(DEVICE, O_RDWR | O_CLOEXEC);
	if (device < 0)
		refused(DEVICE);
	each_operation(argc, argv);
	return EXIT_SUCCESS;
}
