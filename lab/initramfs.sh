#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Packs what the guest's user space is made of, and prints the archive's name.

cd "$(dirname "$0")/.."
. lab/tree.sh

parts=(lab/init.c lab/guest.sh lab/session.sh lab/initramfs.sh tools/ioasids/*.c /bin/busybox)
result=$CACHE/initramfs/$(key_of "${parts[@]}" "$ours"/{include,tools}).cpio
if [ -e "$result" ]; then
	echo "$result"
	exit
fi

start_build user
say "Building the guest's user space"
kmake -s headers >&2
cc="gcc -O2 -Wall -Wextra -static -I$build/usr/include"
mkdir -p "$build/tests"
$cc -o "$build/init" lab/init.c
$cc -o "$build/gen_init_cpio" -w "$tree/usr/gen_init_cpio.c"
{
	echo "dir /dev 755 0 0"
	echo "nod /dev/console 600 0 0 c 5 1"
	echo "dir /bin 755 0 0"
	echo "dir /tests 755 0 0"
	echo "file /bin/busybox /bin/busybox 755 0 0"
	echo "file /init $build/init 755 0 0"
	echo "file /guest.sh lab/guest.sh 755 0 0"
	echo "file /session.sh lab/session.sh 755 0 0"
	for tool in tools/ioasids/*.c; do
		name=$(basename "$tool" .c)
		$cc -o "$build/$name" "$tool"
		echo "file /bin/$name $build/$name 755 0 0"
	done
	for test in tools/testing/selftests/*/test_*.c; do
		name=$(basename "$test" .c)
		make -s -C "$tree/$(dirname "$test")" OUTPUT="$build/tests" USERLDFLAGS=-static \
			KHDR_INCLUDES="-isystem $build/usr/include" "$build/tests/$name" >&2
		echo "file /tests/$name $build/tests/$name 755 0 0"
	done
} >"$build/contents"
mkdir -p "$CACHE/initramfs"
"$build/gen_init_cpio" "$build/contents" >"$result.new"
end_build
mv "$result.new" "$result"
echo "$result"
