# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2086,SC2154
#
# Guest: engines
#
# podman: the device of CDI, pods, Kubernetes' files, and services that Quadlet makes.

# cgroup_of_container ID: that of its first process.
cgroup_of_container() { cgroup_of "$(podman inspect --format '{{.State.Pid}}' "$1")"; }

# limits_a_container OPTION...: starts a container with options that limit it to five.
limits_a_container() {
	local id cgroup
	id=$(podman run --detach --network none "$@" localhost/box take5)
	cgroup=$(cgroup_of_container $id)
	limited $cgroup 5
	keeps $cgroup podman update --pids-limit 100 $id
	keeps $cgroup systemctl daemon-reload
	podman rm --force --time 0 $id
	gone $cgroup
}

podman_refuses() {
	is '*the annotation ioasids.max is*many*' podman --runtime runc run --rm --network none \
		--device ioasids/ioasid=all --annotation ioasids.max=many localhost/box true
	not podman --runtime crun run --rm --network none --device ioasids/ioasid=all --annotation ioasids.max=many localhost/box true
	is '' podman ps --all --quiet
}

# One container of a pod has a limit, and then all containers of a pod together.
pod_limits_a_container() {
	local id cgroup
	podman pod create --name p1 --network none
	id=$(podman run --detach --pod p1 --device ioasids/ioasid=all --annotation ioasids.max=5 localhost/box take5)
	cgroup=$(cgroup_of_container $id)
	is 'machine.slice/machine-libpod_pod_*' echo $cgroup
	limited $cgroup 5
	podman pod rm --force --time 0 p1
	gone $cgroup
}

pod_in_a_slice() {
	limit work work.slice 5
	ioasidctl apply
	podman pod create --name p2 --network none --cgroup-parent work.slice
	podman run --detach --pod p2 --device ioasids/ioasid=all localhost/box take5
	limited work.slice 5
	podman pod rm --force --time 0 p2
	systemctl stop work.slice
	gone work.slice
	rm /etc/ioasids.d/work.conf
}

kube_play() {
	local cgroup
	cat >/run/pod.yaml <<-'END'
		apiVersion: v1
		kind: Pod
		metadata:
		  name: p3
		  annotations:
		    ioasids.max: "5"
		spec:
		  containers:
		  - name: box
		    image: localhost/box
		    command: [ take5 ]
		    volumeMounts:
		    - { name: ioasid, mountPath: /dev/ioasid }
		  volumes:
		  - name: ioasid
		    hostPath: { path: /dev/ioasid, type: CharDevice }
	END
	podman kube play --network none /run/pod.yaml
	cgroup=$(cgroup_of_container p3-box)
	limited $cgroup 5
	podman kube down --force /run/pod.yaml
	gone $cgroup
}

# The container's cgroup is below that of the service.
quadlet() {
	local cgroup
	mkdir -p /etc/containers/systemd
	cat >/etc/containers/systemd/box.container <<-'END'
		[Container]
		Image=localhost/box
		Exec=take5
		Network=none
		AddDevice=ioasids/ioasid=all
		Annotation=ioasids.max=5
		ContainerName=box
	END
	systemctl daemon-reload
	systemctl start box
	cgroup=$(cgroup_of_container box)
	is 'system.slice/box.service/*' echo $cgroup
	limited $cgroup 5
	keeps $cgroup systemctl daemon-reload
	systemctl restart box
	limited "$(cgroup_of_container box)" 5
	systemctl stop box
	gone system.slice/box.service
}

# The same with a limit of the service.
quadlet_service() {
	sed -i /Annotation/d /etc/containers/systemd/box.container
	limit box box.service 5
	ioasidctl apply
	systemctl start box
	limited system.slice/box.service 5
	systemctl stop box
	gone system.slice/box.service
	rm /etc/ioasids.d/box.conf /etc/containers/systemd/box.container
	systemctl daemon-reload
}

podman --version | sed 's/^/# /'
check 'podman: an image' import_box
for runtime in crun runc; do
	check "podman, $runtime: the device of CDI and an annotation" limits_a_container --runtime $runtime \
		--device ioasids/ioasid=all --annotation ioasids.max=5
done
check 'podman: an annotation that is not a limit' podman_refuses
check 'podman pod: a container with an annotation' pod_limits_a_container
check 'podman pod: in a slice' pod_in_a_slice
check 'podman kube play: the annotation of a pod' kube_play
check 'Quadlet: a container with an annotation' quadlet
check 'Quadlet: the limit of the service' quadlet_service
