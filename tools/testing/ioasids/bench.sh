#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# bench.sh: compares the cost of the controller with others, on this machine:
# instructions by callgrind, twice, and time on its processors. Prints tables. Fails
# if the measurement is not valid: if a second run counts other instructions, or if a
# level takes other instructions here than in objects that are compiled for a kernel.

CDPATH='' cd "$(dirname "$0")/../../.." || exit
MORE_PACKAGES="valgrind"
. tools/testing/ioasids/build.sh

native bench
work=$(mktemp -d "$CACHE/bench.XXXXXX")
trap 'rm -rf "$work"' EXIT

# count NAME: the instructions of one operation each, less those of an empty call.
count() {
	mkdir "$work/$1"
	valgrind -q --tool=callgrind --collect-atstart=no --callgrind-out-file="$work/$1/out" \
		"$build/bench" count
	# shellcheck disable=SC2016
	find "$work/$1" -name 'out.*' | sort -V | xargs awk '
		sub(/^desc: Trigger: Client Request: /, "") { split($0, name, " ") }
		/^totals:/ && name[4] {
			per = $2 / name[4]
			if (name[1] == "nothing") nothing = per
			else if (name[4] == 1) print name[1], name[2], name[3], per
			else printf "%s %s %s %.1f\n", name[1], name[2], name[3], per - nothing
			name[4] = 0
		}' >"$work/count.$1"
}

say "Counting instructions, twice"
count 1 &
count 2
wait
say "Measuring time"
"$build/bench" time >"$work/time"
"$build/bench" size >"$work/size"
say "Comparing with objects of a kernel"
tools/testing/ioasids/levels.sh >"$work/levels" || failed=1
cmp -s "$work"/count.[12] || failed=1

machine="$(sed -n 's/^model name.*: //p' /proc/cpuinfo | sort -u), $(nproc) processors"
sources="${source##*/}, ours $(find kernel drivers include tools/testing/ioasids -name '*.[ch]' -print0 |
	sort -z | xargs -0 sha256sum | sha256sum | cut -c1-12)"
echo "On $machine; $sources"
echo "A second run counts $(cmp -s "$work"/count.[12] && echo the same || echo OTHER) instructions."
echo
cat "$work/levels"

# table FILE WHAT: a row for each x, a column for each controller.
table() {
	awk -v what="$2" '
		$1 != what { next }
		!($2 in is) { is[$2]; whose[++n] = $2 }
		!($3 in seen) { seen[$3]; x[++m] = $3 }
		{ value[$2, $3] = $4 >= 1000 ? int($4 + 0.5) : $4 + 0 }
		END {
			printf "%10s", "x"; for (i = 1; i <= n; i++) printf " %13s", whose[i]; print ""
			for (j = 1; j <= m; j++) {
				printf "%10s", x[j]
				for (i = 1; i <= n; i++) printf " %13.6g", value[whose[i], x[j]]
				print ""
			}
		}' "$work/$1"
}

# tables FILE UNIT: all tables of the file, in its order.
tables() {
	awk '$1 !~ /:to:/ && !seen[$1]++ { print $1 }' "$work/$1" | while read -r what; do
		printf '\n%s: %s\n' "$2" "$what"
		table "$1" "$what"
	done
}

tables count.1 Instructions
tables time "Nanoseconds, median"
tables size "Bytes for each cgroup, in the classes of kmalloc()"

echo
awk '
	FILENAME ~ /count/ { count[$1, $2, $3] = $4; next }
	FILENAME ~ /size/ { size[$2] = $4; next }
	{ time[$1, $2, $3] = $4; low[$1, $2, $3] = $5; high[$1, $2, $3] = $6 }
	function row(what, ours, unit, ratio, goal, more) {
		printf "%-60s %8.6g %-3s", what, ours, unit
		if (ratio != "") printf " %6.2f", ratio; else printf " %6s", ""
		if (goal != "")
			printf "  at most %5s  %s", goal, (ratio != "" ? ratio : ours) <= goal + 0.005 ? "met" : "SHORT"
		print more
	}
	function instructions(title, what, goals,    d, g, i) {
		split("1 8 32", d, " "); split(goals, g, " ")
		for (i = 1; i <= 3; i++)
			row(title ", depth " d[i], count[what, "ioasids", d[i]], "", \
			    count[what, "ioasids", d[i]] / count[what, "pids", d[i]], g[i])
	}
	function threads(title, what, goal,    p, i, best, at, r) {
		split("pids misc page_counter", p, " ")
		for (i = 1; i <= 3; i++) {
			r = time[what ":to:" p[i], "ioasids", 2]
			if (!best || r > best) { best = r; at = p[i] }
		}
		if (!best) print title ": NOT MEASURED, the machine is too busy"
		else {
			row(title ", to " at, time[what, "ioasids", 2], "ns", best, goal, \
			    sprintf("  (quartiles %.2f, %.2f)", low[what ":to:" at, "ioasids", 2], high[what ":to:" at, "ioasids", 2]))
			row("    to rdma, whose mutex is a spinlock here", time[what, "rdma", 2], "ns", time[what ":to:rdma", "ioasids", 2])
		}
	}
	END {
		printf "%-60s %8s %-3s %6s\n", "Goal", "ours", "", "ratio"
		instructions("pair to pids, the top limited", "pair", "1.00 0.90 0.85")
		instructions("pair to pids, a limit at each level", "pair_all_limited", "1.10 1.10 1.10")
		split("1 4 8 32", d, " ")
		for (i = 1; i <= 4; i++)
			row("pair to pids, one thread, depth " d[i], time["pair", "ioasids", d[i]], "ns", time["pair:to:pids", "ioasids", d[i]], 1.02)
		for (i = 1; i <= 4; i++)
			row("    without the lock of the account, depth " d[i], time["pair", "ioasids_alone", d[i]], "ns", \
			    time["pair", "ioasids_alone", d[i]] / time["pair", "pids", d[i]])
		row("    for each level", (time["pair", "ioasids", 32] - time["pair", "ioasids", 8]) / 24, "ns", \
		    (time["pair", "ioasids", 32] - time["pair", "ioasids", 8]) / (time["pair", "pids", 32] - time["pair", "pids", 8]))
		threads("pair, two threads, the same cgroup", "same", 1.10)
		threads("pair, two threads, siblings", "siblings", 1.00)
		threads("pair, two threads, only the top shared", "top_shared", 0.80)
		instructions("refusal to pids", "refused", "1.25 1.25 1.25")
		for (i = 1; i <= 4; i++)
			row("    time, depth " d[i], time["refused", "ioasids", d[i]], "ns", time["refused:to:pids", "ioasids", d[i]])
		row("pair through the allocator to IDA, alone, in the root", time["allocator", "root", 0], "ns", time["allocator:to:ida", "root", 0])
		row("pair through the allocator to IDA, 10000 held, in the root", time["allocator", "root", 10000], "ns", time["allocator:to:ida", "root", 10000], 2.50)
		row("    the same at depth 1", time["allocator_limited", "depth_1", 10000], "ns", time["allocator_limited:to:ida", "depth_1", 10000], 2.50)
		row("moving a process without IDs, no sets in the machine", time["attach_without_ids", "ioasids", 0], "ns", "", 25)
		row("moving a process without IDs, 100000 sets", time["attach_without_ids", "ioasids", 100000], "ns", "", 25)
		row("bytes for each cgroup", size["ioasids"], "", "", 512)
		row("pair inside a reservation, depth 32 to depth 1", count["reserved", "ioasids", 32], "", \
		    count["reserved", "ioasids", 32] / count["reserved", "ioasids", 1], 1.00)
		two = 2 * time["syscall", "ioctl", 1]
		row("pair through the device, depth 8, to disabled, alone", time["device", "depth_8", 0], "ns", time["device:to:disabled", "depth_8", 0])
		row("    with the time of two system calls", time["device", "depth_8", 0] + two, "ns", (time["device", "depth_8", 0] + two) / (time["device", "disabled", 0] + two))
		row("pair through the device, depth 8, to disabled, 10000 held", time["device", "depth_8", 10000], "ns", time["device:to:disabled", "depth_8", 10000])
		row("    with the time of two system calls", time["device", "depth_8", 10000] + two, "ns", (time["device", "depth_8", 10000] + two) / (time["device", "disabled", 10000] + two))
		row("pair, eight levels that are in no cache, to pids", time["cold", "ioasids", 8], "ns", time["cold", "ioasids", 8] / time["cold", "pids", 8])
		row("opening and closing the device, no sets in the machine", time["open_and_close", "ioasids", 0], "ns")
		row("opening and closing the device, 100000 sets", time["open_and_close", "ioasids", 100000], "ns", time["open_and_close", "ioasids", 100000] / time["open_and_close", "ioasids", 0])
		row("ioasids.stat with 100000 sets", time["stat", "ioasids", 100000] / 1e6, "ms")
		row("mkdir to pids", time["mkdir", "ioasids", 1], "ns", time["mkdir", "ioasids", 1] / time["mkdir", "pids", 1])
		row("rmdir to pids", time["rmdir", "ioasids", 1], "ns", time["rmdir", "ioasids", 1] / time["rmdir", "pids", 1])
	}' "$work"/{count.1,size,time}
exit "${failed:-0}"
