#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# kernel.sh [VARIANT]: builds a kernel of lab/config/kernel.config and
# lab/config/arch/$ARCH.config, with lab/config/variants/VARIANT.config over them, and
# prints its directory. The variant "stock" is built from the package's source, without
# the project.

CDPATH='' cd "$(dirname "$0")/.." || exit
variant=${1:-}
# dwarves has pahole, which makes the type information for BPF programs.
[ "$variant" != debian ] || MORE_PACKAGES=dwarves
. lab/source.sh

fragments=(lab/config/kernel.config "lab/config/arch/$ARCH.config")
[ ! -e "lab/config/versions/$KERNEL.config" ] || fragments+=("lab/config/versions/$KERNEL.config")
asked=("${fragments[@]}")
if [ "$variant" ]; then
	# A variant may switch off options that other fragments depend on.
	asked=("lab/config/variants/$variant.config")
	fragments+=("${asked[@]}")
fi
[ "$variant" != stock ] || parts=()
name_result() { result=$CACHE/kernel/$(key_of lab/kernel.sh lab/tree.sh "${fragments[@]}" "${parts[@]}"); }
name_result
if [ ! -d "$result" ]; then
	. lab/tree.sh
	# Another script may have built it while this one waited for the lock.
	name_result
	[ "$variant" != stock ] || tree=$source
fi
if [ ! -d "$result" ]; then
	say "Building a kernel${variant:+ ($variant)}; every 100th step is shown"
	# Variants that differ in few objects share a directory, in which make rebuilds those.
	case $variant in
	''|coverage|no-device) build_in kernel ;;
	no-*) build_in kernel-without ;;
	*) build_in "kernel-$variant" ;;
	esac
	configure "${fragments[@]}"
	# kconfig silently ignores a line whose dependencies are not met.
	awk -F= '!/^CONFIG_/ { next } FILENAME == ARGV[ARGC - 1] { is[$1] = $2; next } { want[$1] = $2 }
		END { for (s in want) if ((s in is ? is[s] : "n") != want[s]) {
			print s " is not " want[s] ": its dependencies are not met"; bad = 1 } exit bad }' \
		"${asked[@]}" "$build/.config" >&2
	kmake | awk 'NR % 100 == 0 { print; fflush() }' >&8

	rm -rf "$result.new"
	mkdir "$result.new"
	cp "$build/$IMAGE" "$result.new/image"
	cp "$build/.config" "$result.new/config"
	# For a debugger in the guest. It is large, so that the old ones are removed.
	if [ "$variant" = debian ]; then
		"${CROSS}objcopy" --compress-debug-sections=zlib "$build/vmlinux" "$result.new/vmlinux"
		find "$CACHE/kernel" -mindepth 2 -name vmlinux -mtime +7 -printf '%h\0' | xargs -0r rm -r
	fi
	if [ "$variant" = coverage ]; then
		for file in "${measured[@]}"; do
			cp "$build/${file%.c}.gcno" "$result.new"
		done
	fi
	mv "$result.new" "$result"
fi
echo "$result"
