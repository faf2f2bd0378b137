#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Packs the guest's user space, and prints the archive's name.

cd "$(dirname "$0")/.." || exit
. lab/source.sh

# Past the lists and the architectures that this machine's package manager knows.
# Debian calls the architecture what kbuild does.
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
tests=(tools/testing/selftests/*/test_*.c)
programs=(tools/testing/selftests/*/{bench,stress}_*.c)
name_result() {
	result=$CACHE/initramfs/$(key_of lab/init{ramfs.sh,.c} lab/{guest,session}.sh "${tools[@]}" \
		"$busybox" "patches/$KERNEL" include tools/testing/selftests)
}
name_result
if [ ! -e "$result" ]; then
	. lab/tree.sh
	# What was waited for may have been this.
	name_result
fi
if [ ! -e "$result" ]; then
	mapfile -t others < <(cd "$source" && ls tools/testing/selftests/cgroup/test_*.c)
	say "Building the guest's user space"
	build_in user
	kmake -s headers >&2
	root=$build/root
	rm -rf "$root"
	mkdir -p "$root"/{bin,tests,others}
	cp "$busybox" "$root/bin/busybox"
	cp lab/{guest,session}.sh "$root"
	headers="-isystem $build/usr/include"
	cc=("${CROSS}gcc" -O2 -Wall -static)
	"${cc[@]}" -o "$root/init" lab/init.c
	for tool in "${tools[@]}"; do
		# shellcheck disable=SC2086
		"${cc[@]}" $headers -o "$root/bin/$(basename "$tool" .c)" "$tool"
	done
	while read -r where test; do
		make -s -C "$tree/${test%/*}" CROSS_COMPILE="$CROSS" OUTPUT="$root/$where" USERLDFLAGS=-static \
			KHDR_INCLUDES="$headers" "$root/$where/$(basename "$test" .c)" >&2
	done < <(printf '%s\n' "${tests[@]/#/tests }" "${programs[@]/#/bin }" "${others[@]/#/others }")
	(cd "$root" && find . | cpio -o -H newc -R 0:0 --quiet) >"$result.new"
	mv "$result.new" "$result"
fi
echo "$result"
