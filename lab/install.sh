#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# install.sh: tests the packages of a kernel and of the tools on a machine with Debian 13,
# with the commands of the README. The guest boots three times, each time with the kernel
# that GRUB chooses: with Debian's own, it installs the packages; with ours, it removes
# them; and then Debian's own must be the one again.

CDPATH='' cd "$(dirname "$0")/.." || exit
. lab/source.sh

kernel=$(CONFIG=lab lab/kernel-deb.sh)
tools=$(lab/deb.sh)
disk=$(lab/debian.sh machine)
work=$(mktemp -d "$CACHE/install.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir "$work/handed"
cp lab/debian/{guest,lib}.sh "$kernel" "$tools" "$work/handed"
sed -n '/^## On your machine/,/^## Tests/s/^    //p' README.md >"$work/handed/commands"
chmod -R u+w "$work/handed"
cp --reflink=auto --sparse=always "$disk" "$work/root"
export DISKS="$work/root $work/archive" BUILT=disk LIMIT=1800
for step in install installed removed; do
	cp lab/debian/machine/$step.sh "$work/handed/machine.sh"
	tar -C "$work/handed" -cf "$work/archive" .
	lab/boot.sh machine
done
