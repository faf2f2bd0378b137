#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# bench.sh: measures what the controller costs beside its peers, on this machine:
# instructions by callgrind, twice, and time on its processors. Prints tables, and
# leaves them as JSON, with the charts, in $OUT. No result is good or bad.

CDPATH='' cd "$(dirname "$0")/../../.." || exit
MORE_PACKAGES="gnuplot-nox valgrind"
. tools/testing/ioasids/build.sh

OUT=${OUT:-$CACHE/bench}
native bench
mkdir -p "$OUT"
work=$(mktemp -d "$CACHE/bench.XXXXXX")
trap 'rm -rf "$work"' EXIT

# What callgrind dumped, less what a call of nothing costs, for one of each.
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

say "Counting instructions, twice: some minutes"
count 1 &
count 2
wait
say "Measuring time"
"$build/bench" time "$(nproc)" >"$work/time"
"$build/bench" size >"$work/size"

machine="$(sed -n 's/^model name.*: //p' /proc/cpuinfo | sort -u), $(nproc) processors"
sources="${source##*/}, ours $(find kernel drivers include tools/testing/ioasids -name '*.[ch]' -print0 |
	sort -z | xargs -0 sha256sum | sha256sum | cut -c1-12)"
again=$(cmp -s "$work"/count.[12] && echo "the same" || echo "not the same")

# table FILE WHAT COLUMN: a row for each x, a column for each controller.
table() {
	awk -v what="$2" -v column="$3" '
		$1 != what { next }
		!($2 in is) { is[$2]; whose[++n] = $2 }
		!($3 in seen) { seen[$3]; x[++m] = $3 }
		{ value[$2, $3] = $column }
		END {
			printf "%10s", "x"; for (i = 1; i <= n; i++) printf " %13s", whose[i]; print ""
			for (j = 1; j <= m; j++) {
				printf "%10s", x[j]
				for (i = 1; i <= n; i++) printf " %13s", value[whose[i], x[j]]
				print ""
			}
		}' "$work/$1"
}

echo "On $machine; $sources"
echo "A second run counts $again."
awk '!seen[$1]++ { print $1 }' "$work/count.1" | while read -r what; do
	printf '\nInstructions: %s\n' "$what"
	table count.1 "$what" 4
done
for what in depth same siblings cousins; do
	printf '\nNanoseconds for a pair, median of 21 rounds: %s\n' "$what"
	table time "$what" 4
	echo "Of that, ioasids to pids: median and quartiles"
	awk -v what="${what}_to_pids" '$1 == what { printf "%10s %8s %8s %8s\n", $3, $4, $5, $6 }' "$work/time"
done
printf '\nBytes for each cgroup (the part that all have in common is smaller here than in a kernel)\n'
table size size 4

{
	printf '{\n "machine": "%s",\n "sources": "%s",\n "second_run": "%s",\n "results": [\n' \
		"$machine" "$sources" "$again"
	awk '{ printf "%s  {\"unit\": \"%s\", \"what\": \"%s\", \"whose\": \"%s\", \"x\": %s, \"value\": %s", (NR > 1 ? ",\n" : ""),
		FILENAME ~ /count/ ? "instructions" : FILENAME ~ /size/ ? "bytes" : $1 ~ /_to_/ ? "ratio" : "ns", $1, $2, $3, $4
		if (NF > 4) printf ", \"quartiles\": [%s, %s]", $5, $6
		printf "}" } END { print "\n ]\n}" }' "$work"/{count.1,time,size}
} >"$OUT/ioasids-performance.json"

gnuplot -e "work='$work'; out='$OUT/ioasids-performance'" tools/testing/ioasids/charts.gp
echo
echo "The charts, and all of this as JSON, are in $OUT"
