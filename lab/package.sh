#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# package.sh: finds the package that kernels are built from, linux-source-$KERNEL, and
# prints its name, its version, and the apt configuration to download it with. If this
# machine's suites do not have it, other suites of Debian are searched. Their lists are
# kept in the cache for a day; the machine's own sources are not changed. package.sh list
# prints the packages that exist.

CDPATH='' cd "$(dirname "$0")/.." || exit
. lab/lib.sh

package=linux-source-$KERNEL
suites=$CACHE/suites

# Compares the name, because apt-cache takes it for a pattern.
find_version() {
	version=$({ alone apt-cache -c "$1" show --no-all-versions "$package" 2>/dev/null || true; } |
		awk -v name="$package" '$1 == "Package:" { ours = $2 == name } $1 == "Version:" && ours { print $2 }')
	[ "$version" ]
}

ask_others() {
	local own from signed suite
	say "This machine's suites have no $package: asking others of Debian's"
	mkdir -p "$suites"/{lists,archives}/partial
	cat >"$suites/apt.conf" <<-END
		Dir::Etc::sourcelist "$suites/sources.list";
		Dir::Etc::sourceparts "/dev/null";
		Dir::State::lists "$suites/lists";
		Dir::Cache "$suites";
		APT::Sandbox::User "root";
		Acquire::Languages "none";
	END
	own=$(. /etc/os-release && echo "${VERSION_CODENAME-}")
	# shellcheck disable=SC2016
	from=$(apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT) $(SIGNED_BY)' 'Created-By: Packages' |
		awk -v own="$own" '($2 == own || $2 == "stable") && $3 == "main" { print $1, $4 ~ "^/" ? "signed-by=" $4 : ""; exit }')
	[ "$from" ] || return 0
	signed=${from#* }
	: >"$suites/sources.list"
	# Stop at the first suite that has the package.
	for suite in "$own-backports" trixie-backports testing unstable experimental; do
		echo "deb ${signed:+[$signed]} ${from% *} $suite main" >>"$suites/sources.list"
		alone apt-get -c "$suites/apt.conf" update >/dev/null 2>&1 || true
		! find_version "$suites/apt.conf" || break
	done
	touch "$suites/asked"
}

if [ "${1-}" = list ]; then
	for configuration in /dev/null "$suites/apt.conf"; do
		[ ! -e "$configuration" ] || apt-cache -c "$configuration" search --names-only '^linux-source-[0-9]'
	done | sed 's/ .*//' | sort -uV | xargs
	exit
fi
configuration=/dev/null
if ! find_version "$configuration"; then
	configuration=$suites/apt.conf
	# Fetch the lists again if they are old, or do not have the package.
	if [ ! "$(find "$suites/asked" -mtime -1 2>/dev/null)" ] || ! find_version "$configuration"; then
		ask_others
	fi
fi
echo "$package $version $configuration"
