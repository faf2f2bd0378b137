// SPDX-License-Identifier: GPL-2.0-only
/*
 * Writes arbitrary bytes to ioasids.max. The file accepts "max" or a decimal number from
 * 0, and ignores white space around it. Anything else is EINVAL and changes nothing.
 */
#include "harness.h"

#define SPACES	" \t\n\v\f\r\xa0"

static ssize_t should_be(const char *text, size_t size, u64 *limit)
{
	char buf[PAGE_SIZE + 1];
	size_t i;
	char *s;

	memcpy(buf, text, size);
	buf[size] = '\0';
	if (size && !buf[size - 1])	/* one NUL at the end is accepted */
		size--;
	if (strlen(buf) < size)
		return -EINVAL;
	s = buf + strspn(buf, SPACES);
	for (i = strlen(s); i && strchr(SPACES, s[i - 1]); i--)
		s[i - 1] = '\0';

	if (!strcmp(s, "max")) {
		*limit = U64_MAX;
		return 0;
	}
	if (!*s || s[strspn(s, "0123456789")])
		return -EINVAL;
	s += strspn(s, "0");
	if (strlen(s) > 19 || (strlen(s) == 19 && strcmp(s, "9223372036854775807") > 0))
		return -EINVAL;
	*limit = strtoull(*s ? s : "0", NULL, 10);
	return 0;
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	static struct cgroup_subsys_state *css;
	static u64 limit = U64_MAX;
	const char *text = (const char *)data;
	char shown[32] = "max\n";
	ssize_t ret;

	if (!css) {
		rcu_register_thread();
		css = css_make(&ioasids_cgrp_subsys, css_make(&ioasids_cgrp_subsys, NULL, 0), 1);
	}
	/* kernfs passes on no empty write, and none longer than a page. */
	if (!size || size > PAGE_SIZE)
		return 0;

	ret = should_be(text, size, &limit) ?: size;
	WARN_ON(css_write(css, "max", text, size) != ret);
	if (limit != U64_MAX)
		snprintf(shown, sizeof(shown), "%llu\n", (unsigned long long)limit);
	WARN_ON(strcmp(css_read(css, "max"), shown));
	return 0;
}
