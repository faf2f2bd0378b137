# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
#
# What every script of the lab starts with.

set -euo pipefail
shopt -s nullglob
export LC_ALL=C
unset MAKEFLAGS

KERNEL=${KERNEL:-6.12}
# As kbuild calls it; uname -m does too, for what most machines are.
ARCH=${ARCH:-$(uname -m)}
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/ioasids
PACKAGES="bc bison busybox-static ccache cpio flex gcc libc6-dev libelf-dev make patch perl python3
	qemu-system-x86 shellcheck sparse xz-utils ${MORE_PACKAGES:-}"

# Progress is shown to whoever started it all, also where output is captured.
{ : >&8; } 2>/dev/null || exec 8>&2
say() { echo "$*" >&8; }
die() { echo "$*" >&2; exit 1; }

case $ARCH in
x86_64)
	CROSS='' QEMU=(qemu-system-x86_64) IMAGE=arch/x86/boot/bzImage CONSOLE=ttyS0
	;;
arm64)
	CROSS=aarch64-linux-gnu- QEMU=(qemu-system-aarch64 -M virt -cpu "max,pauth-impdef=on")
	IMAGE=arch/arm64/boot/Image CONSOLE=ttyAMA0
	PACKAGES+=" gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-system-arm"
	;;
*)	die "The lab cannot do $ARCH yet" ;;
esac

command -v dpkg-query >/dev/null || die "The lab needs Debian: its kernel comes from a package"
# The lists of packages and what is installed: lanes that run side by side take turns.
alone() (
	mkdir -p "$CACHE"
	exec 7>"$CACHE/packages"
	flock 7
	"$@" 7>&-
)
find_missing() {
	# shellcheck disable=SC2086,SC2016
	missing=$(sort <(printf '%s\n' $PACKAGES) <(dpkg-query -W -f '${Package} ${db:Status-Status}\n' $PACKAGES 2>/dev/null |
		sed -n 's/ installed$//p') | uniq -u | xargs)
}
install_missing() {
	find_missing
	[ "$missing" ] || return 0
	local install="apt-get install -y --no-install-recommends $missing"
	[ "$(id -u)" = 0 ] || die "Packages are missing: $missing. As root: $install"
	say "Installing $missing"
	export DEBIAN_FRONTEND=noninteractive
	$install >&2 || { apt-get update >&2 && $install >&2; }
}
find_missing
[ ! "$missing" ] || alone install_missing
