#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# check.sh [CHECK]: runs all checks of the sources, or one, and reports them as
# test results. check.sh --run CHECK runs one and shows what it says.

cd "$(dirname "$0")/.."
. lab/lib.sh

variants=(lab/variants/*.config)
variants=("${variants[@]##*/}")
checks=(patches style kernel-doc warnings sparse selftests shell "${variants[@]%.config}")

if [ "${1:-}" != --run ]; then
	for check in "${checks[@]}"; do
		[ "${1:-$check}" = "$check" ] || continue
		say "Checking: $check"
		if output=$(lab/check.sh --run "$check" 2>&1); then
			echo "ok - $check"
		else
			sed 's/^/# /' <<<"$output"
			echo "not ok - $check"
		fi
	done
	exit
fi

kernel_files() { find kernel drivers include -name '*.[ch]'; }

case $2 in
style)
	. lab/tree.sh
	checkpatch="$tree/scripts/checkpatch.pl --strict --no-tree --quiet"
	bad=0
	find kernel drivers include tools lab -name '*.[ch]' | xargs $checkpatch --file || bad=1
	# From a pipe: a patch that git tracks would be taken for a source.
	for patch in patches/*/*.patch; do
		$checkpatch - <"$patch" || { echo "in $patch"; bad=1; }
	done
	exit $bad
	;;
kernel-doc)
	. lab/tree.sh
	kernel_files | xargs "$tree/scripts/kernel-doc" -none -Werror
	;;
warnings|sparse)
	config=$(lab/kernel.sh)/config
	. lab/tree.sh
	start_build check
	cp "$config" "$build/.config"
	kmake -s olddefconfig
	objects=()
	for file in $(kernel_files | sed -n 's/\.c$//p'); do
		# A file that another includes is no object.
		grep -qr "#include \"${file##*/}.c\"" "${file%/*}" || objects+=("$file.o")
	done
	(cd "$build" && rm -f "${objects[@]}")
	[ "$2" = warnings ] && how=W=1 || how=C=2
	kmake -s "$how" "${objects[@]}" 2>&1 | tee "$build.log"
	end_build
	! grep -qF -f <(kernel_files) "$build.log"
	;;
selftests)
	. lab/tree.sh
	start_build selftests
	kmake headers
	kmake -C "$tree/tools/testing/selftests" TARGETS=cgroup
	for test in tools/testing/selftests/*/test_*.c; do
		test=${test#tools/testing/selftests/}
		[ -x "$build/kselftest/${test%.c}" ] || die "$test was not built"
	done
	end_build
	;;
shell)
	find . -name '*.sh' -exec shellcheck -x {} + -o -path ./.ci/run -exec shellcheck {} +
	;;
patches)
	. lab/tree.sh
	;;
*)
	kernel=$(lab/kernel.sh "$2")
	diff <(grep -E '^CONFIG_(CGROUP_IOASIDS|IOASID_USER)=y' "$kernel/config" | sort) \
		<(lab/boot.sh probe "$2" | sort)
	;;
esac
