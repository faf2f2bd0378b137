#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# test.sh [SECONDS]: builds the native tests and runs them: the model, each fuzzer for
# SECONDS (60), and the threads for half of that. Reports in the format of the guests.

CDPATH='' cd "$(dirname "$0")/../../.." || exit
. tools/testing/ioasids/build.sh

seconds=${1:-60}
here=tools/testing/ioasids
native all
work=$(mktemp -d "$CACHE/native.XXXXXX")
trap 'rm -rf "$work"' EXIT
export ASAN_OPTIONS=detect_leaks=1 TSAN_OPTIONS=halt_on_error=1

# fuzz TARGET: starts from the corpus in the tree, which it does not change.
fuzz() {
	mkdir "$work/$1"
	"$build/fuzz_$1" -max_total_time="$seconds" -max_len=512 -verbosity=0 -artifact_prefix="$work/$1." \
		"$work/$1" "$here/corpus/$1" >"$work/$1.log" 2>&1 || {
		tail -n 40 "$work/$1.log" | sed 's/^/# /'
		for input in "$work/$1".crash-*; do
			echo "# This input, in base64: $(base64 -w 0 "$input")"
		done
		printf 'not '
	}
	echo "ok - fuzz.$1"
}

report() { "$@" 2>&1 || echo "not ok - ${1##*/} failed"; }

fuzz max >"$work/max.result" &
fuzz ioctl >"$work/ioctl.result" &
report "$build/model" ${SEED:+-s "$SEED"} "$here"/sequences/*
report "$build/threads" -t $((seconds / 2))
wait
cat "$work"/*.result
