#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# kernel.sh [VARIANT]: builds a kernel of lab/kernel.config and lab/arch/$ARCH.config,
# with lab/variants/VARIANT.config over them, and prints the directory that it is in.
# The one called stock is built from the package's source, with nothing of ours.

cd "$(dirname "$0")/.." || exit
# What makes the types that BPF programs need
[ "${1:-}" != debian ] || MORE_PACKAGES=dwarves
. lab/source.sh

fragments=(lab/kernel.config "lab/arch/$ARCH.config")
asked=("${fragments[@]}")
if [ "${1:-}" ]; then
	# What depends on what a variant takes away goes with it.
	asked=("lab/variants/$1.config")
	fragments+=("${asked[@]}")
fi
parts=()
[ "${1:-}" = stock ] || parts=("patches/$KERNEL" drivers include kernel)
name_result() { result=$CACHE/kernel/$(key_of lab/kernel.sh "${fragments[@]}" "${parts[@]}"); }
name_result
if [ ! -d "$result" ]; then
	. lab/tree.sh
	# What was waited for may have been this.
	name_result
	[ "${1:-}" != stock ] || tree=$source
fi
if [ ! -d "$result" ]; then
	say "Building a kernel${1:+ ($1)}; every 100th step is shown"
	# Those that lack something share a directory: make rebuilds what differs.
	case ${1:-} in no-*) build_in kernel-lacking ;; *) build_in "kernel${1:+-$1}" ;; esac
	kmake -s tinyconfig >/dev/null
	(cd "$build" && "$tree/scripts/kconfig/merge_config.sh" -m .config "${fragments[@]/#/$OLDPWD/}" >/dev/null)
	kmake -s olddefconfig
	# A line that asks for what cannot be had vanishes without a word.
	awk -F= '!/^CONFIG_/ { next } FILENAME == ARGV[ARGC - 1] { is[$1] = $2; next } { want[$1] = $2 }
		END { for (s in want) if ((s in is ? is[s] : "n") != want[s]) {
			print s " is not " want[s] " as asked for"; bad = 1 } exit bad }' \
		"${asked[@]}" "$build/.config" >&2
	kmake | awk 'NR % 100 == 0 { print; fflush() }' >&8

	rm -rf "$result.new"
	mkdir "$result.new"
	cp "$build/$IMAGE" "$result.new/image"
	cp "$build/.config" "$result.new/config"
	notes=("$build"/*/*/ioasid*.gcno)
	[ ${#notes[@]} = 0 ] || cp "${notes[@]}" "$result.new"
	mv "$result.new" "$result"
fi
echo "$result"
