# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2086,SC2154
#
# Guest: engines
#
# incus: one line for LXC, in a container or in a profile.

incus_starts() {
	grep -q ^root: /etc/subuid || echo root:1000000:65536 | tee -a /etc/subuid >>/etc/subgid
	systemctl start incus
	incus storage create default dir
	incus profile device add default root disk path=/ pool=default
	incus profile device add default ioasid unix-char source=/dev/ioasid mode=0666
	make_box /run/incus/rootfs
	mkdir /run/incus/rootfs/sbin
	ln -s /bin/take5 /run/incus/rootfs/sbin/init
	printf 'architecture: x86_64\ncreation_date: 1\nproperties:\n  description: box\n' >/run/incus/metadata.yaml
	tar -C /run/incus -cf /run/incus.tar metadata.yaml rootfs
	incus image import /run/incus.tar --alias box
}

incus_container() {
	incus init box c1 --config raw.lxc='lxc.cgroup2.ioasids.max=5'
	incus start c1
	limited lxc.payload.c1 5
	keeps lxc.payload.c1 systemctl daemon-reload
	keeps lxc.payload.c1 systemctl restart incus
	is '*EAGAIN*' incus exec c1 -- ioasid-hold --alloc=1
	incus restart --force c1
	limited lxc.payload.c1 5
	incus delete --force c1
	gone lxc.payload.c1
}

incus_profile() {
	incus profile set default raw.lxc='lxc.cgroup2.ioasids.max=5'
	incus launch box c2
	limited lxc.payload.c2 5
	incus delete --force c2
	gone lxc.payload.c2
}

incus_refuses() {
	incus init box c3 --config raw.lxc='lxc.cgroup2.ioasids.max=many'
	not incus start c3
	is '*ioasids.max*' incus info --show-log c3
	incus delete --force c3
}

check 'incus: starts' incus_starts
incus --version | sed 's/^/# incus /'
check 'incus: raw.lxc of a container; restarts' incus_container
check 'incus: raw.lxc of a profile' incus_profile
check 'incus: a limit that is none' incus_refuses
systemctl stop incus.service incus.socket lxcfs
