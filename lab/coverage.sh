#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Prints how many lines of the controller and of the allocator the KUnit suites run, and
# each line that they do not run, with the reason. Fails if a line has no reason below.

CDPATH='' cd "$(dirname "$0")/.." || exit
. lab/source.sh

kernel=$(lab/kernel.sh coverage)
work=$(mktemp -d "$CACHE/coverage.XXXXXX")
trap 'rm -rf "$work"' EXIT
lab/boot.sh coverage coverage >"$work/report"
cd "$work"
cp "$kernel"/*.gcno .
awk '/^file / { file = $2 ".base64"; next } file { print > file }' report
for counts in *.base64; do
	base64 -d "$counts" >"${counts%.base64}"
done
gcov -p ./*.gcda >summary
status=0
reports=()
for file in "${measured[@]##*/}"; do
	reports+=(./*"#$file.gcov")
done
awk -F "['/:%]" -v measured=" ${measured[*]##*/} " '/^File/ { name = $(NF - 1) }
	/^Lines executed/ && index(measured, " " name " ") {
		print name ": " $2 " % of the lines are run by KUnit"
		if ($2 < 95) { print "That should be 95 % or more"; low = 1 }
	} END { exit low }' summary || status=1

# Functions with lines that KUnit does not run, and the reasons
reasons='
ioasid_set_bound        the command line is parsed before KUnit: .ci/check boots with it
set_charge              another request may take the last ID first: threads.two_want_the_last, natively
ioasid_set_show_cgroup  for fdinfo: device.fdinfo_shows_set_quota_allocated_and_cgroup
DEFINE_SEQ_ATTRIBUTE    opening debugfs takes a process: device.debugfs_shows_the_set_to_root
set_make                the xarray retries a failed allocation: fault.with_all_that_follow.open_makes_no_set
ioasid_mm_free          SVA frees only PASIDs that it has
ioasid_init             memory does not run out at boot
__ioasid_alloc          the capacity would have to change at that very moment
ioasids_try_charge      a concurrent charge must win the race: races_end_at_zero, in some runs
ioasids_attach          only on v1 threads move alone: v1.charge_goes_where_a_thread_was_moved_last
'
awk -F : -v reasons="$reasons" '
	BEGIN {
		for (n = split(reasons, lines, "\n"); n; n--)
			if (split(lines[n], words, " "))
				why[words[1]] = substr(lines[n], 25)
	}
	FNR == 1 { name = FILENAME; gsub(/.*#|\.gcov$/, "", name) }
	$2 + 0 { text = $0; sub(/^[^:]*:[^:]*:/, "", text) }
	text ~ /^[A-Za-z].*\(/ { in_ = text; sub(/\(.*/, "", in_); sub(/.*[ *]/, "", in_) }
	$1 ~ /#####/ {
		printf "%s:%d: %s\n", name, $2, text
		if (in_ in why) missed[in_] = 1
		else { print "no reason is given for " in_; bad = 1 }
	}
	END { for (f in missed) print f ": " why[f]; exit bad }
' "${reports[@]}" || status=1
exit $status
