# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2154
#
# The same machine after a restart: the kernel of the package runs. Then the packages are
# removed.

package=$(dpkg-deb -f linux-image-*.deb Package)
release=${package#linux-image-}

our_kernel() {
	is "$release" uname -r
	is "BOOT_IMAGE=/boot/vmlinuz-$release root=UUID=*" cat /proc/cmdline
	# The disk was found with modules of the initramfs.
	is '*ext4 *' cat /proc/modules
	is '*virtio_blk *' cat /proc/modules
}

systemd_is_up() {
	is 'active active' systemctl is-active multi-user.target ioasids-enable.service
	is '*0 loaded units listed*' systemctl --failed
}

is_content() {
	ioasidctl check
	not sh -c 'ioasidctl check | grep -v ^ok:'
}

a_slice() {
	systemd-run --slice=web.slice --unit=web sh -c "$inside" 8
	limited web.slice 8
	systemctl stop web.slice
	gone web.slice
}

are_removed() {
	systemctl enable --now ioasids-record.service
	[ -d /sys/kernel/tracing/instances/ioasids ]
	grep -E '^(rm|apt purge) ' commands >remove.commands
	# shellcheck source=/dev/null
	. ./remove.commands
	not dpkg-query -W "$package"
	is "" find /boot /lib/modules -name "*$release*"
	not grep "$release" /boot/grub/grub.cfg
	not command -v ioasidctl
	is "" ls /sys/kernel/tracing/instances
	not systemctl is-enabled ioasids-record.service
}

check 'installed: GRUB starts the kernel of the package, with its initramfs' our_kernel
check 'installed: systemd comes up' systemd_is_up
check 'installed: ioasidctl check finds nothing wrong' is_content
check 'installed: a slice has its limit' a_slice
check 'installed: apt removes the packages' are_removed
