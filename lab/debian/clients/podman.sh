# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2086,SC2154
#
# Guest: restarted
#
# podman: with each runtime and each manager of cgroups.

podman_below_a_slice() {
	local id
	id=$(podman --runtime "$1" --cgroup-manager systemd run --detach --network none --device /dev/ioasid \
		--cgroup-parent=work.slice localhost/box sh -c "$inside" 5)
	limited work.slice 5
	podman rm --force --time 0 "$id"
	eventually is 0 cat $root/work.slice/ioasids.current
	systemctl stop work.slice
	gone work.slice
}

podman_again() {
	local id
	id=$(podman run --detach --network none --device /dev/ioasid --cgroup-conf=ioasids.max=5 localhost/box sh -c "$inside" 5)
	podman stop --time 0 "$id"
	eventually is '*kernel 0 user 0 *' cat $root/ioasids.capacity
	podman start "$id"
	limited "machine.slice/libpod-$id.scope" 5
	podman rm --force --time 0 "$id"
	gone "machine.slice/libpod-$id.scope"
}

# crun loses the message of the hook, but the container does not start.
podman_refuses() {
	not podman --runtime crun run --name refused --network none --annotation=ioasids.max=lots localhost/box true
	podman rm --force --time 0 refused
	not podman container exists refused
}

# podman and the container stay in the cgroup of the caller, whose limit must stay, too.
podman_without_cgroup() {
	mkdir $root/caller
	ioasidctl set -c /caller 9
	(
		echo $BASHPID >$root/caller/cgroup.procs
		not podman --runtime crun run --name shared --network none --cgroups=disabled \
			--annotation=ioasids.max=5 localhost/box true
		podman rm --force --time 0 shared
	)
	is 9 cat $root/caller/ioasids.max
	eventually rmdir $root/caller
}

# With hooks_dir podman does not look for hooks in the directories of the default.
podman_with_other_hooks() {
	ioasidctl check
	mkdir -p /etc/containers/containers.conf.d /run/hooks
	printf '[engine]\nhooks_dir = [ "/run/hooks" ] # ours\n' >/etc/containers/containers.conf.d/90-hooks.conf
	is '*WRONG: podman does not find the hook, so --annotation=ioasids.max=MAX does nothing: hooks_dir of *engine* in /etc/containers/containers.conf.d/90-hooks.conf should have "/usr/share/containers/oci/hooks.d"*' \
		ioasidctl check
	cp /usr/share/containers/oci/hooks.d/ioasids.json /run/hooks
	ioasidctl check
	rm -r /run/hooks /etc/containers/containers.conf.d/90-hooks.conf
}

# Annotations that were configured before are kept, and the hook needs none for crun.
podman_keeps_annotations() {
	rm -f /etc/containers/containers.conf.d/50-ioasids.conf
	mkdir -p /etc/containers/containers.conf.d
	printf '[containers]\nannotations = ["lab.own=kept"]\n' >/etc/containers/containers.conf.d/10-own.conf
	podman create --name own --network none localhost/box true
	is kept podman inspect --format '{{index .Config.Annotations "lab.own"}}' own
	podman rm own
	podman_limits env crun systemd --annotation=ioasids.max=5
	rm /etc/containers/containers.conf.d/10-own.conf
}

check 'podman: an image' import_box
limit work work.slice 5
ioasidctl apply >"$log"
check 'podman, crun: annotations that were there before' podman_keeps_annotations
use_example
for runtime in crun runc; do
	for driver in systemd cgroupfs; do
		# crun makes the cgroup above the container's, without the controller in it.
		[ $driver = systemd ] || ioasidctl set -c /libpod_parent max
		[ $driver = systemd ] || ioasidctl enable -c /libpod_parent
		check "podman, $runtime, $driver: --cgroup-conf" podman_limits env $runtime $driver --cgroup-conf=ioasids.max=5
		check "podman, $runtime, $driver: --annotation" podman_limits env $runtime $driver --annotation=ioasids.max=5
	done
	check "podman, $runtime: --cgroup-parent" podman_below_a_slice $runtime
	check "podman, $runtime: an annotation that is no limit" podman_refuses $runtime
done
check 'podman: hooks elsewhere' podman_with_other_hooks
check 'podman, crun: an annotation, and no cgroup for the container' podman_without_cgroup
check 'podman: a container that is stopped and started' podman_again
