// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of /dev/ioasid, written from what Documentation/userspace-api/ioasid.rst
 * promises: its ioctls and their errors, fdinfo and debugfs. See ioasids_util.h for
 * the cgroups and the actors.
 */
#define _GNU_SOURCE

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "../kselftest_harness.h"
#include "ioasids_util.h"

/*
 * /dev/ioasid, used by the test itself, in left
 */
FIXTURE(device) {
};

FIXTURE_SETUP(device)
{
	if (!setup(_metadata, DEVICE))
		return;
	ASSERT_EQ(0, enter(left));
	ASSERT_EQ(0, ask(me, open_device));
}

FIXTURE_TEARDOWN(device)
{
	teardown(_metadata);
}

TEST_F(device, only_root_can_open_it)
{
	struct actor *nobody = start(left);
	struct stat st;

	ASSERT_NE(NULL, nobody);
	ASSERT_EQ(0, stat(DEVICE, &st));
	EXPECT_TRUE(S_ISCHR(st.st_mode));
	EXPECT_EQ(0600, st.st_mode & 07777);
	EXPECT_EQ(0, st.st_uid);

	ASSERT_EQ(0, ask(nobody, become_nobody));
	EXPECT_EQ(-EACCES, ask(nobody, open_device));
}

TEST_F(device, version_is_0)
{
	EXPECT_EQ(0, device_ioctl(ABI_GET_API_VERSION, NULL));
	EXPECT_EQ(0, device_ioctl(ABI_GET_API_VERSION, (void *)-1));
}

/* Written from the header and the manual of 2021 alone */
TEST_F(device, program_of_2021_works)
{
	struct abi_info_2021 info = { .argsz = sizeof(info) };
	struct abi_request request = { .argsz = sizeof(request), .min = 1, .max = 0xfffff };
	int fd, id;

	ASSERT_EQ(0, ask(me, close_device));
	fd = open("/dev/ioasid", O_RDWR);
	ASSERT_LE(0, fd);

	EXPECT_EQ(0, ioctl(fd, ABI_GET_API_VERSION));
	EXPECT_EQ(0, ioctl(fd, ABI_GET_INFO, &info));
	EXPECT_LE(1, info.ioasid_bits);
	EXPECT_GE(20, info.ioasid_bits);
	id = ioctl(fd, ABI_REQUEST_ALLOC, &request);
	EXPECT_LT(0, id);
	EXPECT_GE(0xfffff, id);
	EXPECT_EQ(0, ioctl(fd, ABI_REQUEST_FREE, &id));
	EXPECT_EQ(0, close(fd));
}

TEST_F(device, unknown_ioctl_is_enotty)
{
	static const unsigned int cmds[] = {
		ABI_FIRST - 1, ABI_LAST + 1, _IO('i', 0), _IO('i', 0xff), _IO('I', 0x64),
		_IO(0, 0x64), 0, UINT_MAX,
		_IOW('i', 0x64, int), _IOR('i', 0x64, int), _IOW('i', 0x65, struct abi_info),
		_IOR('i', 0x65, struct abi_info), _IOWR('i', 0x65, struct abi_info),
		_IOW('i', 0x66, struct abi_request), _IOWR('i', 0x66, struct abi_request),
		_IOW('i', 0x67, int), _IOW('i', 0x68, struct abi_quota),
		_IOWR('i', 0x68, struct abi_quota),
	};
	struct abi_info info = { .argsz = sizeof(info) };
	int i;

	for (i = 0; i < ARRAY_SIZE(cmds); i++) {
		EXPECT_EQ(-ENOTTY, device_ioctl(cmds[i], &info))
			TH_LOG("0x%x", cmds[i]);
	}
}

TEST_F(device, info_writes_as_much_as_was_asked_for)
{
	const size_t whole = sizeof(struct abi_info);
	size_t argsz;

	ASSERT_EQ(0, ask(me, reserve, 0x11111));
	ASSERT_EQ(0, ask(me, take, 2));

	for (argsz = sizeof(struct abi_info_2021); argsz <= whole; argsz++) {
		struct abi_info want = {
			argsz, 0, 20, 0x11111, 2, 0x1110f,
		};
		unsigned char got[sizeof(struct abi_info) + 16];
		size_t i;

		memset(got, 0xa5, sizeof(got));
		memset(got, 0, argsz);
		memcpy(got, &argsz, sizeof(__u32));

		ASSERT_EQ(0, device_ioctl(ABI_GET_INFO, got));

		EXPECT_EQ(0, memcmp(&want, got, argsz))
			TH_LOG("argsz %zu", argsz);
		for (i = argsz; i < sizeof(got); i++) {
			EXPECT_EQ(0xa5, got[i])
				TH_LOG("argsz %zu, byte %zu", argsz, i);
		}
	}
}

TEST_F(device, info_into_memory_that_cannot_be_written_is_efault)
{
	struct abi_info *info;

	info = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, info);
	info->argsz = sizeof(*info);
	ASSERT_EQ(0, mprotect(info, PAGE_SIZE, PROT_READ));

	EXPECT_EQ(-EFAULT, device_ioctl(ABI_GET_INFO, info));
}

TEST_F(device, range_is_inclusive_and_full_range_is_enospc)
{
	EXPECT_EQ(70000, ask(me, take_between, 70000, 70002));
	EXPECT_EQ(70001, ask(me, take_between, 70000, 70002));
	EXPECT_EQ(70002, ask(me, take_between, 70000, 70002));
	EXPECT_EQ(-ENOSPC, ask(me, take_between, 70000, 70002));

	EXPECT_EQ(70003, ask(me, take_between, 70003, 70003));
	EXPECT_EQ(-ENOSPC, ask(me, take_between, 70003, 70003));
}

/* A failed request must free its memory once: else two IDs would share it later. */
TEST_F(device, failed_requests_mix_up_no_ids)
{
	int i;

	ASSERT_EQ(70000, ask(me, take_between, 70000, 70000));
	for (i = 0; i < 2000; i++)
		ASSERT_EQ(-ENOSPC, ask(me, take_between, 70000, 70000));
	usleep(200000);	/* RCU frees the memory of 2000 requests within this time */

	ASSERT_EQ(0, ask(me, take, 100));
	EXPECT_EQ(101, current_of(left));
	EXPECT_EQ(0, ask(me, give_back, 100));
	EXPECT_EQ(0, ask(me, give, 70000));
	EXPECT_EQ(0, current_of(left));
}

TEST_F(device, lowest_free_id_comes_first)
{
	ASSERT_EQ(80000, ask(me, take_between, 80000, UINT_MAX));
	ASSERT_EQ(80001, ask(me, take_between, 80000, UINT_MAX));
	ASSERT_EQ(80002, ask(me, take_between, 80000, UINT_MAX));

	ASSERT_EQ(0, ask(me, give, 80002));
	ASSERT_EQ(0, ask(me, give, 80000));

	EXPECT_EQ(80000, ask(me, take_between, 80000, UINT_MAX));
	EXPECT_EQ(80002, ask(me, take_between, 80000, UINT_MAX));
	EXPECT_EQ(80003, ask(me, take_between, 80000, UINT_MAX));
}

TEST_F(device, ids_begin_at_1)
{
	long first = ask(me, take_between, 0, UINT_MAX);

	EXPECT_LT(0, first);
	ASSERT_EQ(0, ask(me, give, first));
	EXPECT_EQ(first, ask(me, take_between, 1, UINT_MAX));
	EXPECT_EQ(-EINVAL, ask(me, take_between, 0, 0));
}

TEST_F(device, highest_id_can_be_had)
{
	EXPECT_EQ(TOTAL, ask(me, take_between, TOTAL, TOTAL));
	EXPECT_EQ(-ENOSPC, ask(me, take_between, TOTAL, UINT_MAX));
	EXPECT_EQ(-ENOSPC, ask(me, take_between, TOTAL + 1, UINT_MAX));
	EXPECT_EQ(0, ask(me, give, TOTAL));
}

/* The value of @name on the kernel's command line, or @otherwise */
static long parameter(const char *name, long otherwise)
{
	char *value = strstr(text("/proc", "cmdline"), name);

	return value ? strtol(value + strlen(name), NULL, 0) : otherwise;
}

static int nr_iommus(void)
{
	DIR *dir = opendir("/sys/class/iommu");
	struct dirent *entry;
	int n = 0;

	while (dir && (entry = readdir(dir)))
		n += *entry->d_name != '.';
	if (dir)
		closedir(dir);
	return n;
}

/* ioasid_capacity= can lower it. */
TEST_F(device, capacity_is_what_the_widest_iommu_tells_apart)
{
	long bits = parameter("ioasid_mock.pasid_bits=", 20);
	long total = parameter("ioasid_capacity=", TOTAL);

	if (access(MOCK "a", F_OK) || nr_iommus() > 1)
		SKIP(return, "the mock IOMMU is not the only one");
	if (total < 1 || total > TOTAL)
		total = TOTAL;
	if (total >= 1 << bits)
		total = (1 << bits) - 1;

	EXPECT_EQ(total, capacity_of("total "));
	EXPECT_EQ(64 - __builtin_clzl(total),
		  ask(me, info, offsetof(struct abi_info, ioasid_bits)));
	EXPECT_EQ(total, ask(me, take_between, total, UINT_MAX));
	EXPECT_EQ(-ENOSPC, ask(me, take_between, total + 1, UINT_MAX));
	EXPECT_EQ(total - 1, available_to(me));
}

TEST_F(device, freed_id_is_gone)
{
	long id = ask(me, take_between, 1, TOTAL);

	ASSERT_LT(0, id);
	EXPECT_EQ(0, ask(me, give, id));
	EXPECT_EQ(-ENOENT, ask(me, give, id));
}

TEST_F(device, free_from_bad_memory_is_efault)
{
	EXPECT_EQ(-EFAULT, device_ioctl(ABI_REQUEST_FREE, NULL));
	EXPECT_EQ(-EFAULT, device_ioctl(ABI_REQUEST_FREE, (void *)-1));
}

TEST_F(device, ids_are_unique_over_processes)
{
	struct actor *one = start_with_device(left), *two = start_with_device(right);
	static bool taken[TOTAL + 1];
	int i;

	ASSERT_NE(NULL, one);
	ASSERT_NE(NULL, two);
	for (i = 0; i < 50; i++) {
		ASSERT_EQ(0, ask(one, take, 1));
		ASSERT_EQ(0, ask(two, take, 1));
	}

	for (i = 0; i < 50; i++) {
		EXPECT_FALSE(taken[ask(one, nth_id, i)]);
		taken[ask(one, nth_id, i)] = true;
		EXPECT_FALSE(taken[ask(two, nth_id, i)]);
		taken[ask(two, nth_id, i)] = true;
	}
}

TEST_F(device, second_open_is_ebusy)
{
	EXPECT_EQ(-EBUSY, ask(me, open_device));
	EXPECT_EQ(-EBUSY, ask(me, in_thread, OP(open_device)));

	ASSERT_EQ(0, ask(me, close_device));
	EXPECT_EQ(0, ask(me, open_device));
	EXPECT_EQ(0, ask(me, take, 1));
}

TEST_F(device, open_is_ebusy_until_the_last_duplicate_is_closed)
{
	int copy = dup(device_fd(0, 0));

	ASSERT_LE(0, copy);
	ASSERT_EQ(0, ask(me, close_device));
	EXPECT_EQ(-EBUSY, ask(me, open_device));

	ASSERT_EQ(0, close(copy));
	EXPECT_EQ(0, ask(me, open_device));
}

TEST_F(device, open_is_ebusy_while_another_process_has_a_copy)
{
	struct actor *keeper = start(right);

	ASSERT_NE(NULL, keeper);
	ASSERT_EQ(0, pass_device(me, keeper));
	ASSERT_EQ(0, ask(me, close_device));

	EXPECT_EQ(-EBUSY, ask(me, open_device));

	ASSERT_EQ(0, ask(keeper, close_device));
	EXPECT_EQ(0, ask(me, open_device));
}

TEST_F(device, thread_has_access)
{
	EXPECT_EQ(0, ask(me, in_thread, OP(take), 3));
	EXPECT_EQ(3, current_of(left));
	EXPECT_EQ(0, ask(me, give_back, 3));
}

TEST_F(device, close_releases_everything)
{
	char *before;

	ASSERT_EQ(0, ask(me, close_device));
	before = text(root, "ioasids.capacity");

	ASSERT_EQ(0, ask(me, open_device));
	ASSERT_EQ(0, ask(me, take, 3));
	ASSERT_EQ(0, ask(me, close_device));
	EXPECT_EQ(0, current_of(left));
	EXPECT_STREQ(before, text(root, "ioasids.capacity"));

	ASSERT_EQ(0, ask(me, open_device));
	ASSERT_EQ(0, ask(me, reserve, 10));
	ASSERT_EQ(0, ask(me, take, 3));
	ASSERT_EQ(0, ask(me, close_device));
	EXPECT_EQ(0, current_of(left));
	EXPECT_EQ(0, current_of(top));
	EXPECT_STREQ("allocated 0 reserved 0 sets 0", stat_of(top));
	EXPECT_STREQ(before, text(root, "ioasids.capacity"));
}

TEST_F(device, fdinfo_shows_set_quota_allocated_and_cgroup)
{
	struct actor *other = start_with_device(right);

	ASSERT_NE(NULL, other);
	ASSERT_EQ(0, ask(me, reserve, 7));
	ASSERT_EQ(0, ask(me, take, 3));

	EXPECT_STREQ("7", fdinfo_of(me, "ioasid-quota"));
	EXPECT_STREQ("3", fdinfo_of(me, "ioasid-allocated"));
	EXPECT_STREQ(left + strlen(root), fdinfo_of(me, "ioasid-cgroup"));
	EXPECT_LT(0, atol(fdinfo_of(me, "ioasid-set")));

	EXPECT_STREQ("0", fdinfo_of(other, "ioasid-quota"));
	EXPECT_STREQ("0", fdinfo_of(other, "ioasid-allocated"));
	EXPECT_STREQ(right + strlen(root), fdinfo_of(other, "ioasid-cgroup"));
	EXPECT_STRNE(fdinfo_of(me, "ioasid-set"), fdinfo_of(other, "ioasid-set"));
}

/* fdinfo lists file locks first: vary how much of the buffer is left for the rest. */
TEST_F(device, fdinfo_is_whole_however_much_comes_before)
{
	static char buf[4 * PAGE_SIZE];
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1 };
	char file[64], end[PATH_MAX];
	int device = device_fd(0, 0);

	snprintf(file, sizeof(file), "/proc/self/fdinfo/%d", device);
	snprintf(end, sizeof(end), "\nioasid-cgroup:\t%s\n", left + strlen(root));
	for (lock.l_start = 0; lock.l_start < 300; lock.l_start += 2) {
		ASSERT_EQ(0, fcntl(device, F_SETLK, &lock));
		ASSERT_LT(0, read_text(file, buf, sizeof(buf)));
		ASSERT_NE(NULL, strstr(buf, end));
	}
	ASSERT_LT(2 * PAGE_SIZE, strlen(buf));
}

TEST_F(device, debugfs_shows_the_set_to_root)
{
	char *set, comm[16];
	struct stat st;

	if (access(SETS, F_OK))
		SKIP(return, "no " SETS);
	ASSERT_EQ(0, stat(SETS, &st));
	EXPECT_EQ(0400, st.st_mode & 07777);

	ASSERT_EQ(0, ask(me, reserve, 7));
	ASSERT_EQ(0, ask(me, take, 3));
	set = fdinfo_of(me, "ioasid-set");
	ASSERT_EQ(0, prctl(PR_GET_NAME, comm));
	EXPECT_TRUE(sets_have("\n%s\tprocess\t7\t3\t%d\t%s\t%s\n", set, getpid(), comm,
			      left + strlen(root)));
	ASSERT_EQ(0, ask(me, close_device));
	EXPECT_FALSE(sets_have("\n%s\tprocess\t", set));
}

TEST_F(device, fdinfo_shows_the_cgroup_that_pays_after_a_move)
{
	ASSERT_EQ(0, enter(right));
	EXPECT_STREQ(right + strlen(root), fdinfo_of(me, "ioasid-cgroup"));

	ASSERT_EQ(0, enter(root));
	EXPECT_STREQ("/", fdinfo_of(me, "ioasid-cgroup"));
}

#define MAX_LOCKS	8192

static char *locks[MAX_LOCKS];
static int nr_locks;
static struct order {
	int held, taken;	/* in locks[] */
} *orders;
static int nr_orders;

static int lock_of(const char *name)
{
	int i;

	for (i = 0; i < nr_locks && strcmp(locks[i], name); i++)
		;
	if (i == nr_locks && nr_locks < MAX_LOCKS)
		locks[nr_locks++] = strdup(name);
	return i;
}

/* Read in which orders locks were taken: a line of a lock, then those taken under it. */
static void read_lockdep(void)
{
	FILE *lockdep = fopen("/proc/lockdep", "r");
	char line[256], *name;
	int held = -1;

	nr_orders = 0;
	while (lockdep && fgets(line, sizeof(line), lockdep)) {
		line[strcspn(line, "\n")] = '\0';
		name = strrchr(line, ' ');
		if (!name) {
			held = -1;
		} else if (strncmp(line, " -> ", 4)) {
			held = lock_of(name + 1);
		} else if (held >= 0) {
			orders = realloc(orders, (nr_orders + 1) * sizeof(*orders));
			orders[nr_orders++] = (struct order){ held, lock_of(name + 1) };
		}
	}
	if (lockdep)
		fclose(lockdep);
}

/*
 * Whether a task that holds @held can wait for @taken, itself or through locks that others
 * hold. &of->mutex is of one open file: its holder makes nobody wait.
 */
static bool is_taken_in(const char *held, const char *taken)
{
	bool reached[MAX_LOCKS + 1] = {}, more = true;
	const int own = lock_of("&of->mutex");
	struct order *o;

	reached[lock_of(held)] = true;
	while (more) {
		more = false;
		for (o = orders; o < orders + nr_orders; o++) {
			if (!reached[o->held] || reached[o->taken] || o->taken == own)
				continue;
			reached[o->taken] = true;
			more = true;
		}
	}
	return reached[lock_of(taken)];
}

/*
 * misc_mtx serialises the opening of all misc devices, and iommu_sva_lock all binds: a
 * wait for a migration under either of them delays others. So does a reader of fdinfo
 * or debugfs that takes cgroup_mutex.
 */
TEST_F(device, open_and_show_take_no_lock_of_migrations)
{
	static const struct {
		const char *held, *taken;
	} *row, rows[] = {
		{ "misc_mtx", "cgroup_threadgroup_rwsem" },
		{ "misc_mtx", "cgroup_mutex" },
		{ "iommu_sva_lock", "cgroup_threadgroup_rwsem" },
		{ "iommu_sva_lock", "cgroup_mutex" },
		{ "&p->lock", "cgroup_mutex" },
		{ "&p->lock", "cgroup_threadgroup_rwsem" },
	};
	char *debug_locks = text("/proc", "lockdep_stats");

	debug_locks = strstr(debug_locks, "debug_locks:");
	if (!debug_locks || atoi(debug_locks + strlen("debug_locks:")) != 1)
		SKIP(return, "lockdep is not in this kernel, or has disabled itself");
	read_lockdep();
	/* Any kernel takes locks in this order: check that the file is understood. */
	ASSERT_TRUE(is_taken_in("cgroup_mutex", "cgroup_threadgroup_rwsem") ||
		    is_taken_in("cpu_hotplug_lock", "cgroup_threadgroup_rwsem"));

	bind_in_child(MOCK_A, 0);
	ASSERT_EQ(0, ask(me, close_device));
	ASSERT_EQ(0, ask(me, open_and_take, 1));
	EXPECT_STREQ("1", fdinfo_of(me, "ioasid-allocated"));
	sets_have("process");
	read_lockdep();
	EXPECT_GT(MAX_LOCKS, nr_locks);
	for (row = rows; row < rows + ARRAY_SIZE(rows); row++) {
		EXPECT_FALSE(is_taken_in(row->held, row->taken))
			TH_LOG("%s is taken in %s", row->taken, row->held);
	}
}

/*
 * The structures that ioctls take
 */
FIXTURE(argument) {
	long page;
	char *before;
};

FIXTURE_VARIANT(argument) {
	unsigned int cmd;
	__u32 size;
	__u32 min_size;
	__u32 words[4];
};

FIXTURE_VARIANT_ADD(argument, info) {
	.cmd = ABI_GET_INFO,
	.size = sizeof(struct abi_info),
	.min_size = sizeof(struct abi_info_2021),
};

FIXTURE_VARIANT_ADD(argument, request) {
	.cmd = ABI_REQUEST_ALLOC,
	.size = sizeof(struct abi_request),
	.min_size = sizeof(struct abi_request),
	.words = { 0, 0, 1, TOTAL },
};

FIXTURE_VARIANT_ADD(argument, quota) {
	.cmd = ABI_SET_QUOTA,
	.size = sizeof(struct abi_quota),
	.min_size = sizeof(struct abi_quota),
	.words = { 0, 0, 8 },
};

/* Some memory and its end; the page beyond cannot be accessed. */
static char *memory, *memory_end;

FIXTURE_SETUP(argument)
{
	if (!setup(_metadata, DEVICE))
		return;
	self->page = sysconf(_SC_PAGESIZE);
	memory = mmap(NULL, 3 * self->page, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, memory);
	memory_end = memory + 2 * self->page;
	ASSERT_EQ(0, mprotect(memory_end, self->page, PROT_NONE));
	ASSERT_EQ(0, enter(left));
	ASSERT_EQ(0, ask(me, open_device));
	self->before = numbers();
}

FIXTURE_TEARDOWN(argument)
{
	teardown(_metadata);
}

/* Put @words with @argsz, followed by zeroes, @room bytes before the end of the memory. */
static void *place(const __u32 *words, __u32 argsz, long room)
{
	__u32 arg[4] = { argsz, words[1], words[2], words[3] };

	memset(memory, 0, memory_end - memory);
	return memcpy(memory_end - room, arg, room < sizeof(arg) ? room : sizeof(arg));
}

TEST_F(argument, bad_pointer_is_efault)
{
	EXPECT_EQ(-EFAULT, device_ioctl(variant->cmd, NULL));
	EXPECT_EQ(-EFAULT, device_ioctl(variant->cmd, memory_end));
	EXPECT_EQ(-EFAULT, device_ioctl(variant->cmd, (void *)LONG_MIN));
	EXPECT_EQ(-EFAULT, device_ioctl(variant->cmd, (void *)-8));

	EXPECT_STREQ(self->before, numbers());
}

TEST_F(argument, structure_that_ends_in_bad_memory_is_efault)
{
	const __u32 size = variant->size;
	long room;

	for (room = 0; room < size; room += 2) {
		EXPECT_EQ(-EFAULT, device_ioctl(variant->cmd, place(variant->words, size, room)))
			TH_LOG("%ld bytes are there", room);
	}
	EXPECT_EQ(-EFAULT, device_ioctl(variant->cmd, place(variant->words, size + 8, size)));

	EXPECT_STREQ(self->before, numbers());
}

TEST_F(argument, structure_at_the_end_of_memory_is_fine)
{
	const __u32 size = variant->size, min_size = variant->min_size;

	EXPECT_LE(0, device_ioctl(variant->cmd, place(variant->words, size, size)));
	EXPECT_LE(0, device_ioctl(variant->cmd, place(variant->words, min_size, min_size)));
}

TEST_F(argument, too_small_is_einval)
{
	__u32 argsz;
	void *arg;

	for (argsz = 0; argsz < variant->min_size; argsz++) {
		arg = place(variant->words, argsz, variant->size);
		EXPECT_EQ(-EINVAL, device_ioctl(variant->cmd, arg))
			TH_LOG("argsz %u", argsz);
	}

	EXPECT_STREQ(self->before, numbers());
}

TEST_F(argument, unknown_flag_is_einval)
{
	__u32 *arg;
	int bit;

	for (bit = 0; bit < 32; bit++) {
		arg = place(variant->words, variant->size, variant->size);
		arg[1] = 1U << bit;
		EXPECT_EQ(-EINVAL, device_ioctl(variant->cmd, arg))
			TH_LOG("bit %d", bit);
	}

	EXPECT_STREQ(self->before, numbers());
}

TEST_F(argument, longer_and_zero_is_fine)
{
	const long longer[] = { variant->size + 1, variant->size + 4, 256, self->page };
	void *arg;
	int i;

	for (i = 0; i < ARRAY_SIZE(longer); i++) {
		arg = place(variant->words, longer[i], longer[i]);
		EXPECT_LE(0, device_ioctl(variant->cmd, arg))
			TH_LOG("argsz %ld", longer[i]);
	}
}

TEST_F(argument, longer_and_not_zero_is_e2big)
{
	const long longer[] = { variant->size + 1, variant->size + 4, 256, self->page };
	char *arg;
	int i;

	for (i = 0; i < ARRAY_SIZE(longer); i++) {
		arg = place(variant->words, longer[i], longer[i]);
		arg[longer[i] - 1] = 1;
		EXPECT_EQ(-E2BIG, device_ioctl(variant->cmd, arg))
			TH_LOG("argsz %ld, last byte", longer[i]);

		arg = place(variant->words, longer[i], longer[i]);
		arg[variant->size] = 1;
		EXPECT_EQ(-E2BIG, device_ioctl(variant->cmd, arg))
			TH_LOG("argsz %ld, first byte beyond", longer[i]);
	}

	EXPECT_STREQ(self->before, numbers());
}

TEST_F(argument, longer_than_a_page_is_e2big)
{
	const __u32 longer[] = { self->page + 1, 2 * self->page, INT_MAX, UINT_MAX };
	void *arg;
	int i;

	for (i = 0; i < ARRAY_SIZE(longer); i++) {
		arg = place(variant->words, longer[i], 2 * self->page);
		EXPECT_EQ(-E2BIG, device_ioctl(variant->cmd, arg))
			TH_LOG("argsz %u", longer[i]);
	}

	EXPECT_STREQ(self->before, numbers());
}

/*
 * Another process with the owner's descriptor
 */
FIXTURE(stranger) {
	struct actor *owner;	/* in left, holds 3 IDs */
	struct actor *stranger;
};

FIXTURE_VARIANT(stranger) {
	bool forks;
	bool execs;
};

FIXTURE_VARIANT_ADD(stranger, by_fork) { .forks = true };
FIXTURE_VARIANT_ADD(stranger, by_fork_and_exec) { .forks = true, .execs = true };
FIXTURE_VARIANT_ADD(stranger, by_socket) { };

FIXTURE_SETUP(stranger)
{
	if (!setup(_metadata, DEVICE))
		return;
	self->owner = start_with_device(left);
	ASSERT_NE(NULL, self->owner);
	ASSERT_EQ(0, ask(self->owner, take, 3));

	self->stranger = variant->forks ? start_child(self->owner, 0) : start(left);
	ASSERT_NE(NULL, self->stranger);
	ASSERT_EQ(0, variant->forks ? 0 : pass_device(self->owner, self->stranger));
	ASSERT_EQ(0, variant->execs ? ask(self->stranger, exec_again) : 0);
}

FIXTURE_TEARDOWN(stranger)
{
	teardown(_metadata);
}

TEST_F(stranger, every_ioctl_is_eperm)
{
	char *before = numbers();

	EXPECT_EQ(0, ask(self->stranger, every_ioctl_fails_with, EPERM));

	EXPECT_STREQ(before, numbers());
	EXPECT_EQ(0, ask(self->owner, give_back, 3));
}

TEST_F(stranger, has_nothing_and_can_open_for_itself)
{
	long id = ask(self->owner, nth_id, 0);

	ASSERT_EQ(0, move_pid(self->stranger->pid, right));
	EXPECT_EQ(3, current_of(left));
	EXPECT_EQ(0, current_of(right));

	EXPECT_EQ(0, ask(self->stranger, open_device));
	EXPECT_EQ(0, ask(self->stranger, take, 1));
	EXPECT_EQ(-EACCES, ask(self->stranger, give, id));
	EXPECT_EQ(3, current_of(left));
	EXPECT_EQ(1, current_of(right));
}

TEST_F(stranger, ids_stay_until_it_closes_its_copy)
{
	ASSERT_EQ(0, ask(self->owner, close_device));
	EXPECT_EQ(3, current_of(left));
	EXPECT_EQ(0, ask(self->stranger, every_ioctl_fails_with, EPERM));

	ASSERT_EQ(0, ask(self->stranger, close_device));
	EXPECT_EQ(0, current_of(left));
	EXPECT_EQ(0, current_of(top));
}

TEST_F(stranger, ids_end_with_their_owner)
{
	ASSERT_EQ(0, ask(self->owner, reserve, 10));
	EXPECT_EQ(10, current_of(left));

	kill_actor(self->owner);
	EXPECT_TRUE(eventually(!current_of(left)));
	EXPECT_EQ(0, current_of(top));
	EXPECT_STREQ("allocated 0 reserved 0 sets 0", stat_of(top));
	EXPECT_EQ(0, ask(self->stranger, every_ioctl_fails_with, EPERM));

	/* Its copy of the descriptor does not work, and blocks nothing. */
	ASSERT_EQ(0, move_pid(self->stranger->pid, right));
	EXPECT_EQ(0, rmdir(left));
	EXPECT_EQ(0, ask(self->stranger, close_device));
	EXPECT_EQ(0, ask(self->stranger, open_and_take, 1));
	EXPECT_EQ(1, current_of(right));
}

TEST_F(stranger, ids_end_when_their_owner_execs)
{
	ASSERT_EQ(0, ask(self->owner, reserve, 10));

	ASSERT_EQ(0, ask(self->owner, exec_again));
	EXPECT_TRUE(eventually(!current_of(left)));
	EXPECT_STREQ("allocated 0 reserved 0 sets 0", stat_of(top));
	EXPECT_EQ(0, ask(self->owner, every_ioctl_fails_with, EPERM));
	EXPECT_EQ(0, ask(self->stranger, every_ioctl_fails_with, EPERM));

	EXPECT_EQ(0, ask(self->owner, open_and_take, 1));
	EXPECT_EQ(1, current_of(left));
}

TEST_F(stranger, freed_ids_can_be_had_by_others)
{
	long id = ask(self->owner, nth_id, 0);
	struct actor *other = start_with_device(right);

	ASSERT_NE(NULL, other);
	ASSERT_EQ(-ENOSPC, ask(other, take_between, id, id));
	kill_actor(self->owner);
	EXPECT_TRUE(eventually(ask(other, take_between, id, id) == id));
}

TEST_F(stranger, fdinfo_shows_an_empty_set_when_the_owner_is_gone)
{
	char *set;

	ASSERT_EQ(0, ask(self->owner, reserve, 10));
	set = fdinfo_of(self->stranger, "ioasid-set");
	EXPECT_STREQ(set, fdinfo_of(self->owner, "ioasid-set"));
	EXPECT_STREQ("10", fdinfo_of(self->stranger, "ioasid-quota"));
	EXPECT_STREQ("3", fdinfo_of(self->stranger, "ioasid-allocated"));
	EXPECT_STREQ(left + strlen(root), fdinfo_of(self->stranger, "ioasid-cgroup"));

	kill_actor(self->owner);
	EXPECT_TRUE(eventually(!strcmp("-", fdinfo_of(self->stranger, "ioasid-cgroup"))));
	EXPECT_STREQ(set, fdinfo_of(self->stranger, "ioasid-set"));
	EXPECT_STREQ("0", fdinfo_of(self->stranger, "ioasid-quota"));
	EXPECT_STREQ("0", fdinfo_of(self->stranger, "ioasid-allocated"));
}

TEST_HARNESS_MAIN
