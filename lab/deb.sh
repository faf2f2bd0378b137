#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Builds the Debian package of the tools, and prints its name. It is built from the source
# package, which shows that no file is missing there.

CDPATH='' cd "$(dirname "$0")/.." || exit
MORE_PACKAGES="build-essential debhelper dpkg-dev $(grep -oE 'bpftool|clang|lib[a-z0-9-]+-dev' tools/ioasids/debian/control | xargs)"
. lab/lib.sh

sources=(tools/ioasids include/uapi)
result=$CACHE/deb/$(find "${sources[@]}" lab/deb.sh -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum | cut -c1-16)
if [ ! -d "$result" ]; then
	say "Building the package of the tools"
	mkdir -p "$CACHE/deb"
	work=$(mktemp -d "$CACHE/deb/new.XXXXXX")
	trap 'rm -rf "$work"' EXIT
	cp -r tools/ioasids "$work/packed"
	chmod u+w "$work/packed"
	mkdir "$work/packed/include"
	cp -r include/uapi "$work/packed/include"
	chmod -R u+w "$work"
	(cd "$work" && dpkg-source -b packed && dpkg-source -x ./*.dsc unpacked &&
		cd unpacked && dpkg-buildpackage -us -uc) >"$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
	mkdir "$work/result"
	cp "$work"/ioasids-tools[_-]* "$work/result"
	mv "$work/result" "$result"
fi
echo "$result"/ioasids-tools_*.deb
