#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Builds the Debian package of the tools, checks it with lintian, and prints its name. It is
# built from the source package, which shows that no file is missing there. An RPM package
# is built as a test.

CDPATH='' cd "$(dirname "$0")/.." || exit
MORE_PACKAGES="debhelper dpkg-dev lintian rpm $(grep -oE 'bpftool|clang|lib[a-z0-9-]+-dev' tools/ioasids/debian/control | xargs)"
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
	# The maintainer has no address yet, and there is no bug to close.
	lintian --allow-root --fail-on error,warning,info --suppress-tags \
		bogus-mail-host,bogus-mail-host-in-debian-changelog,initial-upload-closes-no-bugs "$work"/*.changes >&2
	# The RPM packages are a test of the source tarball, and are not kept.
	make -s -C tools/ioasids O="$work" dist
	rpmbuild -tb --nodeps --define "_topdir $work/rpm" "$work"/*.tar.gz >"$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
	mkdir "$work/result"
	cp "$work"/ioasids-tools_*.deb "$work/result"
	mv "$work/result" "$result"
fi
echo "$result"/*.deb
