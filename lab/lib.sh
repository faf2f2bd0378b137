# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
#
# Settings, packages and messages, for all scripts of the lab.

set -euo pipefail
shopt -s nullglob
export LC_ALL=C
# Kernel developers export these for builds of their own.
unset CDPATH MAKEFLAGS LLVM LLVM_IAS O V W C CC HOSTCC LD AR NM AS STRIP OBJCOPY OBJDUMP READELF CROSS_COMPILE \
	CFLAGS CPPFLAGS CXXFLAGS LDFLAGS LDLIBS KCFLAGS KCPPFLAGS KAFLAGS KDIR CPATH C_INCLUDE_PATH OUTPUT TARGETS \
	"${!KBUILD_@}" "${!INSTALL_@}" "${!CONFIG_@}"

# Which kernel: patches/$KERNEL belongs to the package linux-source-$KERNEL.
export KERNEL=${KERNEL:-6.12}

# The architecture, as kbuild calls it; for x86_64, uname -m says the same.
ARCH=${ARCH:-$(uname -m)}
PACKAGES="bc bison busybox-static ccache cpio flex gcc libc6-dev libelf-dev make patch perl python3
	xz-utils ${MORE_PACKAGES:-}"

# Progress messages go to the terminal, even where standard error is captured.
{ : >&8; } 2>/dev/null || exec 8>&2
say() { echo "$*" >&8; }
die() { echo "$*" >&2; exit 1; }

# kbuild refuses a path with a space or a colon.
XDG_CACHE_HOME=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}
case $XDG_CACHE_HOME in
*[[:space:]:]*)
	say "No kernel can be built below '$XDG_CACHE_HOME': the cache is /var/tmp/ioasids-$UID instead"
	XDG_CACHE_HOME=/var/tmp/ioasids-$UID
	[ -e "$XDG_CACHE_HOME" ] || mkdir -m 700 "$XDG_CACHE_HOME"
	if [ ! -O "$XDG_CACHE_HOME" ] || [ -L "$XDG_CACHE_HOME" ]; then
		die "$XDG_CACHE_HOME belongs to another user"
	fi
	;;
esac
CACHE=$XDG_CACHE_HOME/ioasids
# /tmp may be small, or mounted noexec.
TMPDIR=$CACHE/tmp
export XDG_CACHE_HOME TMPDIR
mkdir -p "$TMPDIR"

# want_space MIB: ends the script before a step for which the disk has too little space.
want_space() {
	local left
	left=$(($(df -k --output=avail "$CACHE" | tail -n 1) / 1024))
	[ "$left" -ge "$1" ] || die "The disk is full: $left MiB are left for $CACHE, and this step needs $1"
}
# If a command fails, the reason may be a full disk: say so.
set -o errtrace
trap 'want_space 200' ERR

case $ARCH in
x86_64|x86)
	ARCH=x86_64 CROSS='' EMULATOR=qemu-system-x86 QEMU=(qemu-system-x86_64) IMAGE=arch/x86/boot/bzImage CONSOLE=ttyS0
	# The port of QEMU's PM timer, which the kernel cannot learn without ACPI; and an
	# emulated timer that is late on a busy machine is not a broken one.
	BOOT="pmtmr=0x608 no_timer_check"
	;;
arm64)
	CROSS=aarch64-linux-gnu- QEMU=(qemu-system-aarch64 -M virt -cpu "max,pauth-impdef=on")
	EMULATOR=qemu-system-arm IMAGE=arch/arm64/boot/Image CONSOLE=ttyAMA0 BOOT=
	PACKAGES+=" gcc-aarch64-linux-gnu libc6-dev-arm64-cross"
	;;
*)	die "The lab cannot build for $ARCH yet" ;;
esac

command -v dpkg-query >/dev/null || die "The lab needs Debian: its kernel comes from a package"
# Lanes that run side by side use the package manager in turns.
alone() (
	exec 7>"$CACHE/packages"
	flock 7
	"$@" 7>&-
)
missing_of() {
	# shellcheck disable=SC2016
	sort <(printf '%s\n' "$@") <(dpkg-query -W -f '${Package} ${db:Status-Status}\n' "$@" 2>/dev/null |
		sed -n 's/ installed$//p') | uniq -u | xargs
}
install_missing() {
	local missing install
	missing=$(missing_of "$@")
	[ "$missing" ] || return 0
	install="apt-get install -y --no-install-recommends $missing"
	[ "$(id -u)" = 0 ] || die "Packages are missing: $missing. As root: $install"
	say "Installing $missing"
	export DEBIAN_FRONTEND=noninteractive
	$install >&2 || { apt-get update >&2 && $install >&2; }
}
# need PACKAGE...: installs those that are missing.
need() { [ ! "$(missing_of "$@")" ] || alone install_missing "$@"; }
# Only boot.sh needs the emulator, and root installs it there, while a kernel is built.
# shellcheck disable=SC2046,SC2086
need $PACKAGES $([ "$(id -u)" = 0 ] || echo $EMULATOR)
