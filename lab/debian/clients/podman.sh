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

# crun does not show the message of the hook, but the container must not start.
podman_refuses() {
	not podman --runtime crun run --name refused --network none --annotation=ioasids.max=lots localhost/box true
	podman rm --force --time 0 refused
	not podman container exists refused
}

# podman and the container stay in the caller's cgroup. Its limit must not be changed.
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

# With hooks_dir, podman does not search the default directory for hooks.
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

# Annotations that an administrator has configured stay, and the hook needs none for crun.
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
check "podman, crun: an administrator's annotations stay" podman_keeps_annotations
use_example
for runtime in crun runc; do
	for driver in systemd cgroupfs; do
		# crun makes the parent of the container's cgroup without enabling the controller.
		[ $driver = systemd ] || ioasidctl set -c /libpod_parent max
		[ $driver = systemd ] || ioasidctl enable -c /libpod_parent
		check "podman, $runtime, $driver: --cgroup-conf" podman_limits env $runtime $driver --cgroup-conf=ioasids.max=5
		check "podman, $runtime, $driver: --annotation" podman_limits env $runtime $driver --annotation=ioasids.max=5
	done
	device=ioasids/ioasid=all check "podman, $runtime: the device of CDI" podman_limits env $runtime systemd \
		--annotation=ioasids.max=5
	check "podman, $runtime: --cgroup-parent" podman_below_a_slice $runtime
	check "podman, $runtime: an annotation that is not a limit" podman_refuses $runtime
done
check 'podman: another directory of hooks' podman_with_other_hooks
check 'podman, crun: a container without a cgroup of its own' podman_without_cgroup
check 'podman: a container is stopped and started again' podman_again
