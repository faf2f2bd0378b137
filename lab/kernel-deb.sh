#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Builds Debian packages of a kernel for a real machine, and prints their names. CONFIG is
# its configuration: the name of one of Debian's for this version (amd64, cloud-amd64,
# ...), "running" for that of the running kernel, or a file. With MODULES=used, only the
# modules that are loaded now are built. If the build is interrupted, it can be continued.
#
# CONFIG=lab is the configuration of the Debian guests, with which lab/install.sh tests the
# packages.

CDPATH='' cd "$(dirname "$0")/.." || exit
# A configuration can ask for each of these ways to compress a kernel.
MORE_PACKAGES="build-essential bzip2 debhelper dpkg-dev dwarves kmod libdw-dev libssl-dev lz4 lzop openssl rsync zstd"
. lab/source.sh

: "${CONFIG:=amd64}"
[ "$ARCH" = x86_64 ] || die "Packages of kernels are built for x86-64 only"
fragments=(lab/config/kernel.config "lab/config/arch/$ARCH.config" "lab/config/versions/$KERNEL.config"
	lab/config/variants/debian.config lab/config/installed.config)
name_result() {
	[ "$CONFIG" != lab ] || result=$CACHE/kernel-deb/$(key_of lab/kernel-deb.sh "${fragments[@]}" "${parts[@]}")
}
name_result
if [ ! -d "${result:=}" ]; then
	. lab/tree.sh
	# Another script may have built it while this one waited for the lock.
	name_result
fi
if [ -d "$result" ]; then
	echo "$result"/*.deb
	exit
fi

make_options=(LOCALVERSION=-ioasids KDEB_SOURCENAME=linux-ioasids)
export DEB_BUILD_PROFILES=pkg.linux-ioasids.nokerneldbg INSTALL_MOD_STRIP=1

# Builds the packages in the directory above $build.
package() {
	local made=0 step
	rm -f "${build%/*}"/linux-*.deb
	# In a pipe of the foreground, all of it receives Ctrl-C.
	if ! kmake "${make_options[@]}" bindeb-pkg 2>&1 | tee "$build.log" | while read -r step _; do
		case $step in CC|AS|LD) ;; *) continue ;; esac
		made=$((made + 1))
		[ $((made % 500)) != 0 ] || say "$made ${steps:+of some $steps }files, after $((SECONDS / 60)) minutes"
	done; then
		# What fails first is not what is written last.
		grep -m 1 -B 30 -F '*** [' "$build.log" >&2 || true
		die "The build failed; all of it is in $build.log"
	fi
	# The headers of user space are the distribution's.
	rm -f "${build%/*}"/linux-{libc-dev_*.deb,ioasids_*}
}

if [ "$CONFIG" = lab ]; then
	say "Building packages of the kernel of the Debian guests"
	# kernel.sh builds the variant there, which differs in few objects.
	build_in kernel-debian
	DEB_BUILD_PROFILES+=" pkg.linux-ioasids.nokernelheaders"
	configure "${fragments[@]}"
	! grep -v '^#' "${fragments[-1]}" | grep -vxF -f "$build/.config" || die "These options are not available"
	package
	rm -rf "$result.new"
	mkdir -p "$result.new"
	mv "${build%/*}"/linux-image-*.deb "$result.new"
	mv "$result.new" "$result"
	echo "$result"/*.deb
	exit
fi

# The whole source: the lab's copy is without graphics drivers.
work=$CACHE/package/$version
tree=$work/tree
if [ ! -d "$tree" ]; then
	want_space 5000
	say "Fetching all of $package $version"
	rm -rf "$CACHE/package/$KERNEL".*
	mkdir -p "$work/new"
	(cd "$work" && apt-get -c "$apt" -o APT::Sandbox::User=root download "$package=$version" >&2)
	dpkg-deb --fsys-tarfile "$work"/*.deb | tar -xO "./usr/src/$package.tar.xz" |
		XZ_DEFAULTS=-T0 tar -xJ --strip-components=1 -C "$work/new"
	rm "$work"/*.deb
	mv "$work/new" "$tree"
fi
# Only changed files are written, so that make rebuilds no more than necessary.
rsync -rc "$ours/" "$tree/"

case $CONFIG in
running)
	from=/boot/config-$(uname -r)
	[ -e "$from" ] || die "There is no $from; CONFIG=amd64 takes Debian's own configuration"
	cp "$from" "$work/config"
	;;
*/*)
	cp "$CONFIG" "$work/config"
	;;
*)
	configs=linux-config-$KERNEL
	rm -rf "$work/configs"
	mkdir "$work/configs"
	(cd "$work/configs" && apt-get -c "$apt" -o APT::Sandbox::User=root download "$configs=$version" >&2)
	dpkg-deb -x "$work/configs/"*.deb "$work/configs"
	from=("$work/configs/usr/src/$configs"/config.*_none_"$CONFIG".xz)
	[ ${#from[@]} = 1 ] || die "CONFIG can be running, a file with a /, or one of:" \
		"$(cd "$work/configs/usr/src/$configs" && echo config.amd64_none_*.xz | sed 's/config.amd64_none_//g; s/\.xz//g')"
	xz -dc "${from[0]}" >"$work/config"
	;;
esac
build=$work/build-${CONFIG##*/}${MODULES:+-$MODULES}
mkdir -p "$build"
# Without ccache, whose space other builds need. Each package has a number and a date of its own.
make_options+=(CC=gcc)
unset "${!KBUILD_BUILD_@}"
# Debian's keys are not here: modules are signed with a key that the first build makes.
"$tree/scripts/config" --file "$work/config" -e IOASID_USER -e CGROUP_IOASIDS -d LOCALVERSION_AUTO \
	--set-str SYSTEM_TRUSTED_KEYS "" -d SYSTEM_REVOCATION_LIST -e MODULE_SIG_ALL \
	--set-str MODULE_SIG_KEY certs/signing_key.pem
cp "$work/config" "$build/.config"
if [ "${MODULES:-}" = used ]; then
	# It asks questions: take the defaults. It fails when the input ends.
	yes '' 2>/dev/null | kmake "${make_options[@]}" -s localmodconfig >/dev/null 2>&1 || true
fi
kmake "${make_options[@]}" -s olddefconfig >&2
[ "$(grep -cxE 'CONFIG_(CGROUP_IOASIDS|IOASID_USER)=y' "$build/.config")" = 2 ] ||
	die "This configuration cannot have the controller, which needs cgroups"

# Debian's configurations have five files for each module and one for each other option.
steps=$(awk -F= '$2 == "m" { n += 5.3 } $2 == "y" { n += 1.1 } END { print int(n) }' "$build/.config")
# What is built already needs no space again.
want_space $((steps * 6 / 5 - $(du -sm "$build" | cut -f 1)))
say "Building some $steps files with $(nproc) processors, perhaps $((steps / 60 / $(nproc) + 1)) minutes. It can be"
say "interrupted: the same command goes on where it was."
package
echo "$work"/linux-{image,headers}-*.deb
