# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# A machine with Debian's own kernel: the packages are installed.

package=$(dpkg-deb -f linux-image-*.deb Package)
release=${package#linux-image-}

other_kernel() {
	is '*-cloud-amd64' uname -r
	uname -r >/var/lib/kernel-before
	is '*0 loaded units listed*' systemctl --failed
}

# shellcheck disable=SC2034
are_installed() {
	local packages='./linux-image-*.deb ./ioasids-tools_*.deb'
	echo 'APT::Get::Assume-Yes "true";' >/etc/apt/apt.conf.d/yes
	grep -E '^(echo|apt install) ' commands >install.commands
	# shellcheck source=/dev/null
	. ./install.commands
	is "*-ioasids*" dpkg-query -W "$package"
	limit web web.slice 8
}

has_initramfs() {
	lsinitramfs "/boot/initrd.img-$release" >/run/initramfs.list
	grep "/modules/$release/kernel/fs/ext4/ext4.ko" /run/initramfs.list
	grep "/modules/$release/kernel/drivers/block/virtio_blk.ko" /run/initramfs.list
}

# Until the restart
is_told() {
	fails 4 'MISSING: the controller ioasids: the kernel was built without CGROUP_IOASIDS, or is older' ioasidctl check
	is '*0 loaded units listed*' systemctl --failed
}

check "install: Debian's own kernel runs" other_kernel
check 'install: apt installs the packages' are_installed
check "install: Debian's tools make an initramfs, with modules of this kernel" has_initramfs
check 'install: before the restart, ioasidctl check says what is missing' is_told
