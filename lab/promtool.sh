#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Prints the name of promtool, with which metrics, rules and alerts are tested. It is taken
# out of Debian's package prometheus, since installing that would start a server.

CDPATH='' cd "$(dirname "$0")/.." || exit
. lab/lib.sh

result=$CACHE/promtool
if [ ! -x "$result/promtool" ]; then
	say "Fetching promtool"
	want_space 300
	work=$(mktemp -d "$CACHE/promtool.XXXXXX")
	trap 'rm -rf "$work"' EXIT
	fetch() { (cd "$work" && alone apt-get -o APT::Sandbox::User=root download prometheus >&2); }
	# A list from the day before may have a version that no longer exists.
	fetch || { [ "$(id -u)" = 0 ] && alone apt-get update >&2 && fetch; }
	mkdir "$work/new"
	dpkg-deb --fsys-tarfile "$work"/*.deb | tar -x --strip-components=3 -C "$work/new" ./usr/bin/promtool
	# Another script may have been faster.
	mv -T "$work/new" "$result" 2>/dev/null || [ -x "$result/promtool" ]
fi
echo "$result/promtool"
