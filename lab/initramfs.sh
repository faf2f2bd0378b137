#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# initramfs.sh [others]: packs the user space of the small guest, with the project's
# tests or with the kernel's own tests of cgroups, and prints the archive's name.

CDPATH='' cd "$(dirname "$0")/.." || exit
. lab/source.sh

# busybox-static of another architecture, fetched with package lists of its own. Debian
# and kbuild have the same name for the architecture.
fetch_busybox() (
	say "Fetching busybox-static for $ARCH"
	mkdir -p "$CACHE/initramfs"
	new=$(mktemp -d "$busybox.XXXXXX")
	mkdir -p "$new"/lists/partial
	cd "$new"
	apt=(apt-get -o "APT::Architecture=$ARCH" -o "APT::Architectures=$ARCH" -o APT::Sandbox::User=root
		-o Acquire::Languages=none -o Dir::Cache="$new" -o Dir::State="$new" -o Dir::State::status=/dev/null)
	"${apt[@]}" update >&2
	"${apt[@]}" download busybox-static >&2
	dpkg-deb --fsys-tarfile ./*.deb | tar -x ./bin/busybox
	mv bin/busybox "$busybox"
	rm -r "$new"
)

busybox=/bin/busybox
if [ "$CROSS" ]; then
	busybox=$CACHE/initramfs/busybox-$ARCH
	[ -e "$busybox" ] || fetch_busybox
fi

tools=(tools/ioasids/ioasid-hold.c)
directory=tools/testing/selftests/cgroup
tests=("$directory"/test_*.c)
programs=("$directory"/{bench,stress}_*.c)
own=(lab/guest "${tools[@]}" include "$directory" "patches/$KERNEL")
[ "${1:-}" != others ] || own=(lab/guest)
name_result() { result=$CACHE/initramfs/$(key_of lab/initramfs.sh "$busybox" "${own[@]}"); }
name_result
if [ ! -e "$result" ]; then
	. lab/tree.sh
	# Another script may have built it while this one waited for the lock.
	name_result
fi
if [ ! -e "$result" ]; then
	say "Building the guest's user space${1:+ ($1)}"
	build_in user
	kmake -s headers >&2
	root=$build/root
	rm -rf "$root"
	mkdir -p "$root"/{bin,tests}
	cp "$busybox" "$root/bin/busybox"
	cp lab/guest/*.sh "$root"
	headers="-isystem $build/usr/include"
	cc=("${CROSS}gcc" -O2 -Wall -static)
	"${cc[@]}" -o "$root/init" lab/guest/init.c
	if [ "${1:-}" = others ]; then
		tree=$source
		mapfile -t tests < <(cd "$tree" && ls "$directory"/test_*.c)
		tools=() programs=()
	fi
	for tool in "${tools[@]}"; do
		# shellcheck disable=SC2086
		"${cc[@]}" $headers -o "$root/bin/$(basename "$tool" .c)" "$tool"
	done
	# selftests DIRECTORY SOURCE...: builds programs of the kernel's selftests there.
	selftests() {
		local where=$root/$1 names
		shift
		names=("${@##*/}")
		make -s -j"$(nproc)" -C "$tree/$directory" CROSS_COMPILE="$CROSS" OUTPUT="$where" USERLDFLAGS=-static \
			KHDR_INCLUDES="$headers" "${names[@]/#/$where/}" >&2
	}
	selftests tests "${tests[@]%.c}"
	[ ${#programs[@]} = 0 ] || selftests bin "${programs[@]%.c}"
	(cd "$root" && find . | cpio -o -H newc -R 0:0 --quiet) >"$result.new" || { want_space 200; exit 1; }
	mv "$result.new" "$result"
fi
echo "$result"
