#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# levels.sh: compares the loops over the levels of the hierarchy, in the controllers
# that bench measures, with those in objects that are compiled for a kernel, with the
# kernel's headers and flags, -O2. They must have the same number of instructions. It
# configures a small kernel for that, once.

cd "$(dirname "$0")/../../.." || exit
. tools/testing/ioasids/build.sh

if [ "$ARCH $(uname -m)" != "x86_64 x86_64" ]; then
	echo "Levels are compared with those of a kernel on x86_64 only."
	exit
fi

dir=$CACHE/build/${source##*_}-levels
native bench

# The kernel itself is not built, only what its headers need.
if [ ! -e "$dir/ready" ]; then
	{
		make -s -C "$source" O="$dir" tinyconfig
		"$source"/scripts/config --file "$dir/.config" -e 64BIT -e SMP -e CGROUPS -e CGROUP_PIDS \
			-e CGROUP_MISC -e CGROUP_RDMA -e MEMCG -e BUG -e PRINTK -e CC_OPTIMIZE_FOR_PERFORMANCE \
			-d CC_OPTIMIZE_FOR_SIZE -d UNWINDER_ORC -e UNWINDER_GUESS
		make -s -C "$source" O="$dir" olddefconfig
		CCACHE_DIR=$CACHE/ccache make -s -C "$source" O="$dir" CC="ccache gcc" -j"$(nproc)" prepare \
			kernel/cgroup/pids.o mm/page_counter.o
	} >&8 2>&8 || die "The headers of a kernel cannot be prepared"
	touch "$dir/ready"
fi

# All files that our patches change, the headers among them
patched=$dir/patched
rm -rf "$patched"
mkdir "$patched"
grep -v '^#' "patches/$KERNEL/series" | sed "s,^,patches/$KERNEL/," | xargs sed -n 's,^+++ b/,,p' | sort -u |
	while read -r file; do
		[ ! -e "$source/$file" ] || (cd "$source" && cp --parents "$file" "$patched")
	done
grep -v '^#' "patches/$KERNEL/series" | while read -r file; do
	patch -s -p1 -d "$patched" <"patches/$KERNEL/$file"
done >&8

# Ours is compiled as pids is.
command=$(sed -n 's/^savedcmd_[^ ]* := //p' "$dir/kernel/cgroup/.pids.o.cmd" |
	sed "s/ -c -o .*//; s/-Wp,-MMD,[^ ]*//; s, -nostdinc,& -I'$patched/include' -I'$PWD/include',")
(cd "$dir" && eval "$command -DCONFIG_IOASID=1 -DCONFIG_CGROUP_IOASIDS=1 -Wno-missing-declarations \
	-c -o ioasids.o '$OLDPWD/kernel/cgroup/ioasids.c'") >&8 2>&8 ||
	die "The controller cannot be compiled for a kernel"

# turns FILE FUNCTION: the length of the shortest loop through each atomic operation.
# Rare code, a warning for example, is not part of it, wherever the compiler puts it.
turns() {
	objdump -d --no-show-raw-insn --disassemble="$2" "$1" | awk '
		$1 ~ /^[0-9a-f]+:$/ { sub(":", "", $1); number[$1] = ++n; op[n] = $2; to[n] = $3 }
		function visit(i, d) {
			if (i && i <= n && !(i in way)) { way[i] = d; queue[++last] = i }
		}
		END {
			for (start = 1; start <= n; start++) {
				if (op[start] != "lock") continue
				split("", way); split("", queue)
				first = 1; last = 0
				visit(start, 0)
				turn = 0
				while (first <= last && !turn) {
					i = queue[first++]
					jump = op[i] ~ /^j/ ? number[to[i]] : 0
					next_ = op[i] ~ /^(jmp|ret|ud2)/ ? 0 : i + 1
					if (jump == start || next_ == start) turn = way[i] + 1
					visit(next_, way[i] + 1)
					visit(jump, way[i] + 1)
				}
				if (turn) print turn
			}
		}' | sort -n | xargs
}

echo "Instructions from each atomic operation to the next level, here and in objects for a kernel:"
status=0
compare() {
	local ours theirs
	ours=$(turns "$build/plain/$1.o" "$3")
	theirs=$(turns "$dir/$2" "$3")
	printf '%28s %20s %20s\n' "$3" "$ours" "$theirs"
	[ "$ours" ] && [ "$ours" = "$theirs" ] || status=1
}
compare ioasids ioasids.o ioasids_try_charge_one
compare ioasids ioasids.o ioasids_uncharge_one
compare pids kernel/cgroup/pids.o pids_can_fork
compare pids kernel/cgroup/pids.o pids_release
compare page_counter mm/page_counter.o page_counter_try_charge
compare page_counter mm/page_counter.o page_counter_uncharge
exit $status
