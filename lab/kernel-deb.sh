#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Builds Debian packages of a kernel for a real machine, and prints their names. CONFIG is
# its configuration: the name of one of Debian's for this version (amd64, cloud-amd64,
# ...), "running" for that of the running kernel, or a file. With MODULES=used, only the
# modules that are loaded now are built. If the build is interrupted, it can be continued.

CDPATH='' cd "$(dirname "$0")/.." || exit
MORE_PACKAGES="debhelper dpkg-dev dwarves kmod libdw-dev libssl-dev rsync"
. lab/tree.sh

: "${CONFIG:=amd64}"
[ "$ARCH" = x86_64 ] || die "Packages of kernels are built for x86-64 only"
want_space 25000

# The whole source: the lab's copy is without graphics drivers.
work=$CACHE/package
tree=$work/$version
if [ ! -d "$tree" ]; then
	say "Fetching all of $package $version"
	rm -rf "$work"
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
make=(make --no-print-directory -C "$tree" O="$build" CC="ccache gcc" LOCALVERSION=-ioasids "-j$(nproc)")
export KBUILD_BUILD_USER=ioasids KBUILD_BUILD_HOST=ioasids
"$tree/scripts/config" --file "$work/config" -e IOASID_USER -e CGROUP_IOASIDS -d LOCALVERSION_AUTO \
	--set-str SYSTEM_TRUSTED_KEYS "" -d SYSTEM_REVOCATION_LIST
cmp -s "$work/config" "$build/.config.given" || cp "$work/config" "$build/.config"
cp "$work/config" "$build/.config.given"
if [ "${MODULES:-}" = used ]; then
	# It asks questions: take the defaults. It fails when the input ends.
	yes '' 2>/dev/null | "${make[@]}" -s localmodconfig >/dev/null 2>&1 || true
fi
"${make[@]}" -s olddefconfig >&2
[ "$(grep -cxE 'CONFIG_(CGROUP_IOASIDS|IOASID_USER)=y' "$build/.config")" = 2 ] ||
	die "This configuration cannot have the controller, which needs cgroups"

# Debian's configurations have three files for each module and one for each other option.
steps=$(awk -F= '$2 == "m" { n += 3.1 } $2 == "y" { n += 1.1 } END { print int(n) }' "$build/.config")
say "Building some $steps files with $(nproc) processors, perhaps $((steps / 60 / $(nproc) + 1)) minutes. It can be"
say "interrupted: the same command goes on where it was."
export DEB_BUILD_PROFILES=pkg.linux-upstream.nokerneldbg INSTALL_MOD_STRIP=1
rm -f "$work"/*.deb
"${make[@]}" KDEB_SOURCENAME=linux-ioasids bindeb-pkg >"$work/log" 2>&1 &
built=$!
trap 'kill "$built" 2>/dev/null || true' EXIT
last=0
while sleep 10 && kill -0 "$built" 2>/dev/null; do
	made=$(grep -cE '^ +(CC|AS|LD) ' "$work/log" || true)
	[ $((made / 500)) = "$last" ] || say "$made of some $steps files, after $((SECONDS / 60)) minutes"
	last=$((made / 500))
done
wait "$built" || { grep -iE -B 5 'error|\*\*\*' "$work/log" | tail -n 40 >&2; die "The build failed; all of it is in $work/log"; }
# The headers of user space are the distribution's.
rm -f "$work"/linux-libc-dev_*.deb
echo "$work"/linux-{image,headers}-*.deb
