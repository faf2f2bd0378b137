# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2086,SC2154,SC2164
#
# Guest: engines
#
# Docker: a container with the device of CDI and an annotation; containers in a slice; both
# runtimes and drivers of cgroups; without root.

docker_starts() {
	mkdir -p /etc/docker
	is '*WRONG: Docker does not know --device ioasids/ioasid=all, so no option limits one container: "features" in /etc/docker/daemon.json should have "cdi": true*' \
		ioasidctl check
	# live-restore lets containers run while the daemon restarts.
	cat >/etc/docker/daemon.json <<-END
		{
			"bridge": "none", "iptables": false, "ip6tables": false, "ip-forward": false,
			"userland-proxy": false, "live-restore": true, "features": { "cdi": true },
			"runtimes": { "crun": { "path": "/usr/bin/crun" } }
		}
	END
	is '*ok: Docker: --device ioasids/ioasid=all --annotation ioasids.max=MAX limits a container*' ioasidctl check
	restarts_often docker.service
	systemctl start docker
	make_box /run/docker.box
	tar -C /run/docker.box -c . | docker import - box
}

# docker_run OPTION...: starts a container, and sets $id and $cgroup.
docker_run() {
	id=$(docker run --detach --network none "$@" box take5)
	cgroup=system.slice/docker-$id.scope
}

# The same container and its cgroup, in the tests that follow.
docker_annotation() {
	docker_run --name c1 --device ioasids/ioasid=all --annotation ioasids.max=5
	limited $cgroup 5
	echo $cgroup >/run/docker.cgroup
}

docker_exec() {
	is '*EAGAIN*' docker exec c1 ioasid-hold --alloc=1
	is '*EACCES*' docker exec --user 1000:1000 c1 ioasid-hold --alloc=1
}

docker_keeps() {
	local cgroup
	cgroup=$(cat /run/docker.cgroup)
	keeps $cgroup docker pause c1
	keeps $cgroup docker unpause c1
	keeps $cgroup docker update --pids-limit 100 c1
	keeps $cgroup systemctl daemon-reload
	keeps $cgroup systemctl restart docker
	is 100 cat $root/$cgroup/pids.max
}

docker_restarts() {
	local cgroup
	cgroup=$(cat /run/docker.cgroup)
	docker restart --time 0 c1
	limited $cgroup 5
	docker rm --force c1
	gone $cgroup
}

docker_refuses() {
	is '*the annotation ioasids.max is "many"; it should be "max" or a number from "0"*' \
		docker run --rm --network none --device ioasids/ioasid=all --annotation ioasids.max=many box true
	is '' docker ps --all --quiet
}

# Containers without the annotation, whose user may open the device because of its group.
docker_default() {
	ioasidctl cdi --write --max 5
	docker_run --user 1000:1000 --group-add "$(stat -c %g /dev/ioasid)" --device ioasids/ioasid=all
	limited $cgroup 5
	docker rm --force $id
	gone $cgroup
	ioasidctl cdi --write
}

docker_below_a_slice() {
	limit work work.slice 5
	ioasidctl apply
	docker_run --device /dev/ioasid --cgroup-parent=work.slice
	limited work.slice 5
	docker rm --force $id
	gone work.slice/docker-$id.scope
	systemctl stop work.slice
	gone work.slice
	rm /etc/ioasids.d/work.conf
}

# The cgroup depends on the runtime and on the driver.
docker_limits() {
	id=$(docker run --detach --network none --device ioasids/ioasid=all --annotation ioasids.max=5 "$@" box take5)
	cgroup=$(cgroup_of "$(docker inspect --format '{{.State.Pid}}' $id)")
	limited $cgroup 5
	keeps $cgroup systemctl daemon-reload
	keeps $cgroup systemctl restart docker
	docker rm --force $id
	gone $cgroup
}

docker_with_cgroupfs() {
	sed -i 's/"bridge"/"exec-opts": [ "native.cgroupdriver=cgroupfs" ], &/' /etc/docker/daemon.json
	systemctl restart docker
	is cgroupfs docker info --format '{{.CgroupDriver}}'
	docker_limits --runtime runc
	docker_limits --runtime crun
}

# The network of the host spares it the programs and the kernel options of others.
docker_without_root() {
	systemctl stop docker.service docker.socket
	make_user
	chmod 666 /dev/ioasid
	cd /home/user
	as_user mkdir -p .config/{cdi,docker}
	ioasidctl cdi >.config/cdi/ioasids.json
	cat >.config/docker/daemon.json <<-'END'
		{
			"bridge": "none", "ip-forward": false,
			"features": { "cdi": true }, "cdi-spec-dirs": [ "/home/user/.config/cdi" ]
		}
	END
	as_user systemd-run --user --unit docker --setenv DOCKERD_ROOTLESS_ROOTLESSKIT_NET=host \
		--setenv DOCKERD_ROOTLESS_ROOTLESSKIT_PORT_DRIVER=none --setenv PATH=/usr/sbin:/usr/bin \
		/usr/share/docker.io/contrib/dockerd-rootless.sh --iptables=false --ip6tables=false
	export DOCKER_HOST=unix:///run/user/1000/docker.sock
	eventually as_user docker info || { journalctl --no-pager _SYSTEMD_USER_UNIT=docker.service; false; }
	is systemd as_user docker info --format '{{.CgroupDriver}}'
	tar -C /run/docker.box -c . | as_user docker import - box
	id=$(as_user docker run --detach --network none --device ioasids/ioasid=all --annotation ioasids.max=5 box take5)
	cgroup=$(cgroup_of "$(as_user docker inspect --format '{{.State.Pid}}' $id)")
	[[ $cgroup = $manager/* ]]
	limited $cgroup 5
	keeps $cgroup as_user systemctl --user daemon-reload
	as_user docker rm --force $id
	gone $cgroup
	as_user systemctl --user stop docker
	chmod 660 /dev/ioasid
}

check 'Docker: starts, with CDI' docker_starts
docker --version | sed 's/^/# /'
check 'Docker: a container with the device of CDI and an annotation' docker_annotation
check 'Docker: exec, below the limit and with its device' docker_exec
check 'Docker: the limit survives pause, update, daemon-reload and a restart of Docker' docker_keeps
check 'Docker: a container is restarted, and removed' docker_restarts
check 'Docker: an annotation that is not a limit' docker_refuses
check 'Docker: the limit of containers without an annotation' docker_default
check 'Docker: --cgroup-parent' docker_below_a_slice
check 'Docker: crun' docker_limits --runtime crun
check 'Docker: cgroup driver cgroupfs, runc and crun' docker_with_cgroupfs
check 'Docker: without root' docker_without_root
systemctl stop docker.service docker.socket
