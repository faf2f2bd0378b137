#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Runs the kernel's own cgroup selftests on the lab's kernel and, at the same time, on
# one without the project, and compares the results. Some cases depend on timing: a
# program with a case that differs is run again, at most ten times, and a case that
# passed once counts as passed.

CDPATH='' cd "$(dirname "$0")/.." || exit
. lab/source.sh

compare() {
	awk '
	/: (not )?ok [0-9]/ {
		verdict = /# SKIP/ ? "skipped" : $2 == "not" ? "fails" : "passes"
		name = $1; sub(/^.*ok [0-9]+ -? ?/, ""); sub(/ *# SKIP.*/, "")
		name = name ($0 == "" ? " the rest" : " " $0)
	}
	/: ended with/ { verdict = $NF ? $NF == 4 ? "skipped" : "fails" : "passes"; name = $1 " all" }
	name == "" { next }
	{
		names[name] = 1
		if (is[FILENAME, name] != "passes")
			is[FILENAME, name] = verdict
		name = ""
	}
	END {
		for (name in names) {
			without = is[ARGV[1], name]; with = is[ARGV[2], name]
			print (without == with ? "" : "not ") "ok - " name " (without the project: " without ", with it: " with ")"
		}
	}' "$@" | sort
}

lab/kernel.sh >/dev/null
lab/kernel.sh stock >/dev/null
work=$(mktemp -d "$CACHE/compare.XXXXXX")
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$work"' EXIT
programs=
for round in {1..11}; do
	say "Running the kernel's own cgroup tests with the project and without, round $round${programs:+:$programs}"
	lab/boot.sh others stock "programs=${programs// /,}" >>"$work/without" &
	lab/boot.sh others '' "programs=${programs// /,}" >>"$work/with"
	wait $!
	compare "$work"/{without,with} >"$work/result"
	programs=$(sed -n 's/^not ok - \([^:]*\):.*/ \1/p' "$work/result" | sort -u | tr -d '\n')
	[ "$programs" ] || break
done
# A forked child prints unflushed lines of its parent again: show each line once.
awk '!shown[$0]++ { print "# without: " $0 }' "$work/without"
awk '!shown[$0]++ { print "# with: " $0 }' "$work/with"
cat "$work/result"
