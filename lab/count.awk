#!/usr/bin/awk -f
# SPDX-License-Identifier: GPL-2.0
#
# Passes test results (KTAP) on and counts them. Fails if one failed, if less
# came than was announced, or if there were none.

# A result that sums up those above it, which are indented deeper, is counted
# only if it failed and none of them did.
/^ *(not )?ok / {
	match($0, /^ */)
	bad = /^ *not/
	sum = RLENGTH < depth
	depth = RLENGTH
	if (/ok [0-9]/)
		got[depth]++
	if (bad && !(sum && blamed))
		fail($0)
	else if (!sum && /# SKIP/)
		skipped++
	else if (!sum && !bad)
		passed++
	blamed = depth && (blamed || bad)
}

/^ *1\.\.[0-9]+/ {
	match($0, /^ */)
	finish(RLENGTH)
	planned[RLENGTH] = substr($0, RLENGTH + 4) + 0
	if (/# SKIP/)
		skipped++
}

{ print; fflush() }

END {
	for (depth in planned)
		finish(depth)
	if (passed + failed + skipped == 0)
		print only ? "There is no test " only : "There are no tests"
	if (failed)
		printf "\nFailed:\n%s", failures
	printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped
	exit failed || passed + skipped == 0
}

function finish(depth)
{
	if (depth in planned && planned[depth] != got[depth])
		fail(planned[depth] " results were announced, " got[depth] + 0 " came")
	got[depth] = 0
}

function fail(what)
{
	failed++
	failures = failures "  " what "\n"
}
