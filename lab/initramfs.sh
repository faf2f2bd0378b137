#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Packs the guest's user space, and prints the archive's name.

cd "$(dirname "$0")/.." || exit
. lab/tree.sh

tools=(tools/ioasids/*.c)
tests=(tools/testing/selftests/*/test_*.c)
programs=(tools/testing/selftests/*/{bench,stress}_*.c)
mapfile -t others < <(cd "$source" && ls tools/testing/selftests/cgroup/test_*.c)
result=$CACHE/initramfs/$(key_of lab/init{ramfs.sh,.c} lab/{guest,session}.sh "${tools[@]}" \
	/bin/busybox "$ours"/{include,tools})
if [ ! -e "$result" ]; then
	say "Building the guest's user space"
	build_in user
	kmake -s headers >&2
	root=$build/root
	rm -rf "$root"
	mkdir -p "$root"/{bin,tests,others}
	cp /bin/busybox "$root/bin"
	cp lab/{guest,session}.sh "$root"
	headers="-isystem $build/usr/include"
	gcc -O2 -Wall -static -o "$root/init" lab/init.c
	for tool in "${tools[@]}"; do
		# shellcheck disable=SC2086
		gcc -O2 -Wall -static $headers -o "$root/bin/$(basename "$tool" .c)" "$tool"
	done
	while read -r where test; do
		make -s -C "$tree/${test%/*}" OUTPUT="$root/$where" USERLDFLAGS=-static \
			KHDR_INCLUDES="$headers" "$root/$where/$(basename "$test" .c)" >&2
	done < <(printf '%s\n' "${tests[@]/#/tests }" "${programs[@]/#/bin }" "${others[@]/#/others }")
	(cd "$root" && find . | cpio -o -H newc -R 0:0 --quiet) >"$result.new"
	mv "$result.new" "$result"
fi
echo "$result"
