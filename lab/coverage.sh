#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Prints how many lines of the controller and of the allocator the KUnit suites
# run, and which they do not.

cd "$(dirname "$0")/.."
. lab/lib.sh

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
gcov ./*.gcda >summary
awk -F "['/:%]" '/^File/ { name = $(NF - 1) }
	/^Lines executed/ && name ~ /^ioasids?\.c$/ { print name ": " $2 " % of the lines are run by KUnit" }' summary
grep -H '#####' ioasid.c.gcov ioasids.c.gcov | sed 's/\.gcov: *#####: */:/'
