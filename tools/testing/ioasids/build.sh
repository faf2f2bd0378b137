# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Sourced by test.sh, bench.sh and levels.sh: finds the kernel's source and builds from it.

MORE_PACKAGES="clang libclang-rt-14-dev liburcu-dev ${MORE_PACKAGES:-}"
. lab/lib.sh

# The lock of the lab's trees is taken only to fetch the source.
newest() { find "$CACHE/source" -maxdepth 1 -name "linux-source-${KERNEL}_*" 2>/dev/null | sort -V | tail -n 1; }
[ "$(newest)" ] || bash -c '. lab/tree.sh'
source=$(newest)

build=$CACHE/build/${source##*_}-native-$(pwd | sha256sum | cut -c1-8)

# native TARGET...: builds in a directory of its own for each checkout.
native() {
	local targets=("$@")
	[ "$1" = all ] || targets=("${@/#/$build/}")
	mkdir -p "$build"
	CCACHE_DIR=$CACHE/ccache make -s -C tools/testing/ioasids -j"$(nproc)" SOURCE="$source" O="$build" \
		"${targets[@]}" >&8 2>&8 || die "The native build failed"
}
