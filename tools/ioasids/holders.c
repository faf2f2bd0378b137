// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "holders.h"
#include "text.h"
#include SKELETON

/* The first thing that the kernel lacks. */
static int need_types(void)
{
	struct btf *types = btf__load_vmlinux_btf();
	int allocator;

	if (!types)
		return fail(NO_TRACING,
			    "no type information (CONFIG_DEBUG_INFO_BTF) in /sys/kernel/btf/vmlinux");
	allocator = btf__find_by_name_kind(types, "ioasid_mm", BTF_KIND_STRUCT);
	btf__free(types);
	return allocator < 0 ? fail(NO_TRACING, "this kernel has no allocator of IDs") : 0;
}

/*
 * Reads all records of an iterator, of which a read returns whole ones. It returns EAGAIN after
 * many files that are of no interest. Returns 0 or a negative error number.
 */
static int read_records(const struct bpf_program *program, size_t size,
			void (*take)(const void *record))
{
	struct bpf_link *link = bpf_program__attach_iter(program, NULL);
	int fd = link ? bpf_iter_create(bpf_link__fd(link)) : -1, error = 0;
	char buffer[64 * sizeof(struct holder)];
	ssize_t length, at;

	if (fd < 0)
		error = -errno;
	while (!error) {
		length = read(fd, buffer, sizeof(buffer) / size * size);
		if (!length)
			break;
		if (length < 0 && errno != EAGAIN && errno != EINTR)
			error = -errno;
		for (at = 0; at + (ssize_t)size <= length; at += size)
			take(buffer + at);
	}
	if (fd >= 0)
		close(fd);
	bpf_link__destroy(link);
	return error;
}

static holder_function take_holder;
static held_device_function take_device;

static void pass_holder(const void *record)
{
	take_holder(record);
}

static void pass_device(const void *record)
{
	take_device(record);
}

static int load_and_read(void)
{
	struct who_bpf *programs = who_bpf__open();
	int error;

	if (!programs)
		return -errno;
	bpf_program__set_autoload(programs->progs.holders, take_holder);
	bpf_program__set_autoload(programs->progs.devices, take_device);
	error = who_bpf__load(programs);
	if (!error && take_holder)
		error = read_records(programs->progs.holders, sizeof(struct holder), pass_holder);
	if (!error && take_device)
		error = read_records(programs->progs.devices, sizeof(struct held_device),
				     pass_device);
	who_bpf__destroy(programs);
	return error;
}

int holders_read(holder_function holder, held_device_function device)
{
	int error, status;

	libbpf_set_print(NULL);	/* messages are one line, and ours */
	status = need_types();
	if (status)
		return status;
	take_holder = holder;
	take_device = device;
	error = load_and_read();
	if (error == -EPERM || error == -EACCES)
		return fail(NO_TRACING, "BPF needs CAP_BPF and CAP_PERFMON, or root");
	if (error)
		return fail(NO_TRACING, "the kernel refuses the BPF programs: %s",
			    strerror(-error));
	return 0;
}
