#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# debian.sh [engines|machine]: makes the disk of a Debian guest with systemd and the clients
# to be tested, or with container engines, and prints its name. Packages come from the sources
# of this machine's package manager. SUITE chooses another of Debian's suites than that of this
# machine or, with "engines", than that of Debian 13, whose Docker knows CDI. With "machine" it
# is Debian 13 as on a real machine: it boots Debian's own kernel with GRUB.

CDPATH='' cd "$(dirname "$0")/.." || exit
MORE_PACKAGES="e2fsprogs fakeroot fdisk mmdebstrap"
. lab/lib.sh

own=$(. /etc/os-release && echo "$VERSION_CODENAME")
guest=busybox-static,crun,dbus,dbus-user-session,libbpf1,libjson-c5,libncursesw6,libpam-systemd,libsmartcols1
guest+=,libsystemd0,podman,procps,runc,systemd-sysv,udev,uidmap
hook=true
if [ "${1:-}" = engines ]; then
	: "${SUITE:=trixie}"
	guest+=,bubblewrap,catatonit,containerd,curl,docker-cli,docker.io,incus-base,incus-client,jq
	guest+=,protobuf-compiler,rootlesskit,systemd-container
elif [ "${1:-}" = machine ]; then
	SUITE=trixie
	guest=busybox-static,dbus,grub-pc-bin,grub2-common,initramfs-tools,kmod,libbpf1,libjson-c5,libncursesw6
	guest+=,libsmartcols1,libsystemd0,linux-image-cloud-amd64,procps,systemd-sysv,udev,zstd
	# grub-install would need a disk. This is the GRUB of the guest.
	# shellcheck disable=SC2016
	hook='chroot "$1" grub-mkimage -O i386-pc -p "(hd0,msdos1)/boot/grub" -o /boot/core.img biosdisk part_msdos ext2'
else
	: "${SUITE:=$own}"
	guest+=,bash-completion,bpftool,bpftrace,cgroup-tools,fish,linux-perf,lxc,prometheus
	guest+=,prometheus-node-exporter,python3-drgn,tmux,trace-cmd,zsh
fi

name=${1:+$1-}$SUITE
disk=$CACHE/debian/$name-$(sha256sum lab/debian.sh | cut -c1-16)
if [ ! -e "$disk" ]; then
	mkdir -p "$CACHE/debian"
	exec 9>"$CACHE/debian/lock"
	flock 9
fi
if [ ! -e "$disk" ]; then
	say "Installing Debian $SUITE${1:+ ($1)}; this takes minutes"
	work=$(mktemp -d "$CACHE/debian/new.XXXXXX")
	trap 'rm -rf "$work"' EXIT
	chmod 755 "$work"
	# shellcheck disable=SC2016
	apt-get indextargets --format 'deb $(SIGNED_BY) $(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
		awk -v own="$own" -v suite="$SUITE" '
		# sid has no sid-updates and no sid-security.
		suite ~ /^(sid|unstable)$/ && $(NF - 1) != own { next }
		{ signed = $2 ~ /^\// ? " [signed-by=" $2 "]" : ""; $2 = ""; sub(own, suite); sub(/^deb/, "deb" signed); print }' |
		sort -u >"$work/sources"
	apt-config dump | grep -E '^Acquire::[^ ]+ "' >"$work/apt.conf"
	# mmdebstrap uses other user IDs, which cannot enter a home directory: no TMPDIR there.
	TMPDIR=/var/tmp mmdebstrap --variant=minbase --include="$guest" --aptopt="$work/apt.conf" \
		--dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
		--customize-hook="$hook" \
		"$SUITE" "$work/root.tar" "$work/sources" >&2
	say "Making its disk"
	cat >"$work/disk.sh" <<-'END'
		cd "$1"
		mkdir root
		tar -xf root.tar -C root --exclude='./dev/*' --exclude='./var/lib/apt/lists/*'
		cat >root/etc/systemd/system/lab.service <<-'UNIT'
			# The second disk is an archive with guest.sh. An initramfs mounts /run with noexec.
			[Unit]
			Description=Tests of the lab
			After=multi-user.target systemd-user-sessions.service
			FailureAction=reboot-force
			[Service]
			Type=oneshot
			Slice=lab.slice
			Environment=HOME=/root
			ExecStart=/bin/sh -c 'mkdir -p /run/lab && cd /run/lab && tar -xf /dev/vdb && exec bash ./guest.sh'
			TimeoutStartSec=infinity
			[Install]
			WantedBy=default.target
		UNIT
		mkdir -p root/etc/systemd/system/default.target.wants
		ln -s ../lab.service root/etc/systemd/system/default.target.wants
		for unit in getty@tty1 serial-getty@ttyS0 apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer \
			e2scrub_reap e2scrub_all.timer fstrim.timer lxc lxc-net lxc-monitord \
			podman podman.socket podman-auto-update podman-auto-update.timer podman-restart \
			prometheus prometheus-node-exporter; do
			case $unit in *.*) ;; *) unit=$unit.service ;; esac
			ln -sf /dev/null "root/etc/systemd/system/$unit"
		done
		# These start when a test asks for them.
		for unit in docker containerd incus incus-startup lxcfs; do
			rm -f root/etc/systemd/system/*.wants/$unit.s*
		done
		echo "/dev/vda$([ "$2" != machine ] || echo 1) / ext4 defaults 0 1" >root/etc/fstab
		echo lab >root/etc/hostname
		: >root/etc/machine-id
		truncate -s 4G disk
		if [ "$2" != machine ]; then
			mke2fs -q -t ext4 -L lab -d root disk
			exit
		fi
		# Parameters as in lab/boot.sh. This grub.cfg is for the first boot: update-grub makes the next.
		parameters="lab=machine console=ttyS0 no_timer_check panic=-1 oops=panic"
		mkdir -p root/boot/grub
		cp -r root/usr/lib/grub/i386-pc root/boot/grub
		cat >root/etc/default/grub <<-GRUB
			GRUB_TIMEOUT=0
			GRUB_TERMINAL=serial
			GRUB_CMDLINE_LINUX="$parameters"
		GRUB
		cat >root/boot/grub/grub.cfg <<-GRUB
			serial
			terminal_output serial
			linux /vmlinuz root=LABEL=lab ro $parameters
			initrd /initrd.img
			boot
		GRUB
		echo '2048,,L,*' | sfdisk -q disk
		mke2fs -q -t ext4 -L lab -E offset=$((2048 * 512)) -d root disk $((4096 - 1))M
		dd status=none conv=notrunc of=disk if=root/boot/grub/i386-pc/boot.img bs=440 count=1
		dd status=none conv=notrunc of=disk if=root/boot/core.img seek=1
	END
	fakeroot sh -eu "$work/disk.sh" "$work" "${1:-}"
	rm -f "$CACHE/debian/$name"-*
	mv "$work/disk" "$disk"
fi
echo "$disk"
