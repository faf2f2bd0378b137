# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2086,SC2154
#
# Guest: engines
#
# containerd: ctr, and pods by CRI, the interface that Kubernetes uses. No client of CRI is in
# Debian: curl sends messages that protoc has encoded.

containerd_starts() {
	# check looks at the settings for pods only if there is a kubelet.
	install /dev/null /usr/local/bin/kubelet
	is '*WRONG: containerd gives no pod the device ioasids/ioasid=all: enable_cdi of the plugin cri in /etc/containerd/config.toml should be true*' \
		ioasidctl check
	is '*WRONG: containerd does not pass on the annotation ioasids.max of a pod, which does nothing: pod_annotations of the runtime in /etc/containerd/config.toml should have "ioasids.max"*' \
		ioasidctl check
	cat >/etc/containerd/config.toml <<-'END'
		version = 2
		[plugins."io.containerd.grpc.v1.cri"]
		  sandbox_image = "localhost/box:latest"
		  enable_cdi = true
		  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
		    runtime_type = "io.containerd.runc.v2"
		    pod_annotations = [ "ioasids.max" ]
		    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
		      SystemdCgroup = true
		  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.hooked]
		    runtime_type = "io.containerd.runc.v2"
		    container_annotations = [ "ioasids.max" ]
		    base_runtime_spec = "/etc/containerd/hooked.json"
		    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.hooked.options]
		      SystemdCgroup = true
	END
	command ctr oci spec | jq '.hooks.createRuntime = [{ "path": "/usr/libexec/ioasids/oci-hook" }]' >/etc/containerd/hooked.json
	is '*ok: containerd: pods can have the device*ok: containerd: the annotation ioasids.max of a pod limits each container that has the device*' \
		ioasidctl check
	rm /usr/local/bin/kubelet
	restarts_often containerd.service
	systemctl start containerd
}

# An archive as that of 'docker save'. A pod needs a container that only sleeps, of the same
# image.
containerd_image() {
	make_box /run/box
	mkdir -p /run/box.image
	tar -C /run/box -cf /run/box.image/layer.tar .
	printf '{ "architecture": "amd64", "os": "linux", "config": { "Cmd": [ "/bin/busybox", "sleep", "1000000" ] }, "rootfs": { "type": "layers", "diff_ids": [ "sha256:%s" ] } }' \
		"$(sha256sum </run/box.image/layer.tar | cut -d ' ' -f 1)" >/run/box.image/config.json
	echo '[ { "Config": "config.json", "RepoTags": [ "localhost/box:latest" ], "Layers": [ "layer.tar" ] } ]' >/run/box.image/manifest.json
	tar -C /run/box.image -c . | ctr images import -
	ctr images label localhost/box:latest io.cri-containerd.image=managed
}

ctr() { command ctr --namespace k8s.io "$@"; }

ctr_below_a_slice() {
	limit work work.slice 5
	ioasidctl apply
	ctr run --detach --runc-systemd-cgroup --cgroup work.slice:ctr:c1 --device /dev/ioasid localhost/box:latest c1 take5
	limited work.slice 5
	keeps work.slice systemctl daemon-reload
	keeps work.slice systemctl restart containerd
	ctr_removes c1
	systemctl stop work.slice
	gone work.slice
	rm /etc/ioasids.d/work.conf
}

ctr_removes() {
	ctr task rm --force $1 || true
	ctr container rm $1
	gone work.slice/ctr-$1.scope
}

# A specification with the hook, as base_runtime_spec of CRI can have it, too.
ctr_spec() {
	ctr oci spec | jq --argjson major $((0x$(stat -c %t /dev/ioasid))) --argjson minor $((0x$(stat -c %T /dev/ioasid))) '
		.process.args = ["/bin/take5"] | .process.terminal = false | .root.path = "/run/box" |
		.annotations = { "ioasids.max": $max } |
		.hooks.createRuntime = [{ "path": "/usr/libexec/ioasids/oci-hook" }] |
		.linux.cgroupsPath = "system.slice:ctr:c2" |
		.linux.devices = [{ "path": "/dev/ioasid", "type": "c", "major": $major, "minor": $minor, "fileMode": 432 }] |
		.linux.resources.devices += [{ "allow": true, "type": "c", "major": $major, "minor": $minor, "access": "rw" }]' \
		--arg max "$1" >/run/spec.json
}

ctr_with_a_specification() {
	ctr_spec 5
	ctr run --detach --runc-systemd-cgroup --cgroup system.slice:ctr:c2 --config /run/spec.json c2
	limited system.slice/ctr-c2.scope 5
	ctr task rm --force c2 || true
	ctr container rm c2
	gone system.slice/ctr-c2.scope
	ctr_spec many
	is '*the annotation ioasids.max is "many"*' \
		ctr run --runc-systemd-cgroup --cgroup system.slice:ctr:c2 --config /run/spec.json c2
	ctr container rm c2 || true
}

# cri METHOD: sends the message in standard input, and prints what comes back.
cri() {
	local method=$1 size
	protoc -I clients --encode=runtime.v1.${method}Request cri.proto >/run/cri.message
	size=$(printf %08x "$(stat -c %s /run/cri.message)")
	# shellcheck disable=SC2059
	printf "\\x00\\x${size:0:2}\\x${size:2:2}\\x${size:4:2}\\x${size:6:2}" | cat - /run/cri.message >/run/cri.request
	curl -sS --http2-prior-knowledge --unix-socket /run/containerd/containerd.sock -H 'content-type: application/grpc' \
		-H 'te: trailers' --data-binary @/run/cri.request -D /run/cri.headers -o /run/cri.answer \
		http://localhost/runtime.v1.RuntimeService/$method
	grep -qi '^grpc-status: 0' /run/cri.headers || { cat /run/cri.headers >&2; return 1; }
	tail -c +6 /run/cri.answer | protoc -I clients --decode=runtime.v1.${method}Response cri.proto
}

# pod_config NUMBER [MAX]: as kubelet makes it, but with the network of the machine.
pod_config() {
	local annotation=
	[ $# = 1 ] || annotation="annotations { key: \"ioasids.max\" value: \"$2\" }"
	cat <<-END
		metadata { name: "pod$1" uid: "$1" namespace: "default" }
		$annotation
		linux {
			cgroup_parent: "kubepods-besteffort-pod$1.slice"
			security_context { namespace_options { network: NODE } }
		}
	END
}

# The members of a container that give it the device, and a runtime of containerd
with='CDI_devices { name: "ioasids/ioasid=all" }'
runtime=runc

# make_pod NUMBER [MAX]: makes a pod with a container, and sets $pod and $container.
make_pod() {
	pod=$(cri RunPodSandbox <<<"config { $(pod_config "$@") } runtime_handler: \"$runtime\"" | cut -s -d '"' -f 2)
	container=$(cri CreateContainer <<-END | cut -s -d '"' -f 2
		pod_sandbox_id: "$pod"
		sandbox_config { $(pod_config "$@") }
		config {
			metadata { name: "box" }
			image { image: "localhost/box:latest" }
			command: "take5"
			$with
			linux { security_context { namespace_options { network: NODE } } }
		}
	END
	)
	[ "$pod" ] && [ "$container" ]
}

remove_pod() {
	cri StopPodSandbox <<<"pod_sandbox_id: \"$1\""
	cri RemovePodSandbox <<<"pod_sandbox_id: \"$1\""
}

besteffort=kubepods.slice/kubepods-besteffort.slice

# All pods together, those of a class, each pod of the class, and a container.
cri_limits_at_all_levels() {
	local pod container
	printf '[Limit]\nUnit=%s\nMax=%s\n' kubepods.slice 9 kubepods-besteffort.slice 7 kubepods-besteffort-.slice 6 \
		>/etc/ioasids.d/pods.conf
	ioasidctl apply
	make_pod 1 5
	cri StartContainer <<<"container_id: \"$container\""
	limited $besteffort/kubepods-besteffort-pod1.slice/cri-containerd-$container.scope 5
	is '9 7 6' cat $root/{kubepods.slice,$besteffort,$besteffort/kubepods-besteffort-pod1.slice}/ioasids.max
	keeps $besteffort systemctl daemon-reload
	keeps $besteffort systemctl restart containerd
	remove_pod $pod
	gone $besteffort/kubepods-besteffort-pod1.slice/cri-containerd-$container.scope
}

# No annotation: the limit is that of the pod.
cri_limits_a_pod() {
	local pod container
	sed -i 's/^Max=6/Max=5/' /etc/ioasids.d/pods.conf
	ioasidctl apply
	make_pod 2
	cri StartContainer <<<"container_id: \"$container\""
	limited $besteffort/kubepods-besteffort-pod2.slice 5
	remove_pod $pod
	systemctl stop kubepods.slice
	gone kubepods.slice
	rm /etc/ioasids.d/pods.conf
	systemctl daemon-reload
}

# The hook is in the specification that all containers of a runtime begin with.
cri_limits_by_the_base_specification() {
	local pod container runtime=hooked
	local with='devices { container_path: "/dev/ioasid" host_path: "/dev/ioasid" permissions: "rw" }
		annotations { key: "ioasids.max" value: "5" }'
	make_pod 4
	cri StartContainer <<<"container_id: \"$container\""
	limited $besteffort/kubepods-besteffort-pod4.slice/cri-containerd-$container.scope 5
	remove_pod $pod
	systemctl stop kubepods.slice
	gone kubepods.slice
}

cri_refuses() {
	local pod container
	make_pod 3 many
	not cri StartContainer <<<"container_id: \"$container\"" 2>/run/cri.refused
	is '*the annotation ioasids.max is*many*' cat /run/cri.refused
	remove_pod $pod
	systemctl stop kubepods.slice
	gone kubepods.slice
}

check 'containerd: starts, with CDI and the annotation of pods' containerd_starts
containerd --version | sed 's/^/# /'
check 'containerd: an image' containerd_image
check 'containerd: ctr run --cgroup, in a slice; restarts' ctr_below_a_slice
check 'containerd: ctr run --config, with the hook' ctr_with_a_specification
check 'CRI: pods, classes of pods and containers, each with a limit; restarts' cri_limits_at_all_levels
check 'CRI: a container without an annotation, in a pod with a limit' cri_limits_a_pod
check 'CRI: a container with an annotation, and the hook of its runtime' cri_limits_by_the_base_specification
check 'CRI: an annotation that is not a limit' cri_refuses
