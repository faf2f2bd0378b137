# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2086,SC2154
#
# The restarted guest without the controller: units still start, and ioasidctl tells the
# reason.

nothing_fails() {
	is '*0 loaded units listed*' systemctl --failed
	printf '[Service]\nExecStart=sleep infinity\n' >/etc/systemd/system/idle.service
	limit idle idle.service 3
	systemctl daemon-reload
	systemctl start idle
	is 'active' systemctl is-active idle
	systemctl stop idle
	systemd-run --slice=web.slice --wait true
	# A user with lingering, whose manager has a limit
	eventually is 'active' systemctl is-active user@1000.service
	eventually is '*ioasidctl*cgroup.controllers does not have ioasids: nothing is limited*' journalctl --no-pager -u user@1000.service
	eventually is '*cgroup.controllers does not have ioasids: nothing is limited*' journalctl --no-pager -u ioasids-limit@web.slice.service
}

is_told() {
	fails 4 "MISSING: the controller ioasids: cgroup_disable=ioasids is on the kernel's command line" ioasidctl check
	for command in ls top events 'show /' 'set web.slice 5' 'enable /' 'disable /' 'run -m 5 -- true' apply; do
		# shellcheck disable=SC2086
		fails 4 "*cgroup.controllers does not have ioasids: 'ioasidctl check' says why" ioasidctl $command
	done
	fails 0 '*nothing is limited' ioasidctl set --create --try new.slice 5
	[ ! -e $root/new.slice ]
	# IDs can still be allocated.
	is 1 ioasid-hold --alloc=1
}

# The hook keeps a container from starting or, with --try, says that it has no limit.
a_container() {
	local run=(podman --runtime runc run --name c1 --network none --device /dev/ioasid --annotation=ioasids.max=5
		localhost/box ioasid-hold --alloc=1)
	is '*cgroup.controllers does not have ioasids*' "${run[@]}"
	podman rm --force --time 0 c1
	sed -i 's,/oci-hook",&\, "args": [ "oci-hook"\, "--try" ],' /usr/share/containers/oci/hooks.d/ioasids.json
	is 1 "${run[@]}"
	podman rm --force --time 0 c1
	eventually is '*cgroup.controllers does not have ioasids: the container of process * is not limited*' journalctl --no-pager -t oci-hook
}

check 'without the controller: units start, and the journal says so' nothing_fails
check 'without the controller: ioasidctl says why' is_told
check 'without the controller: a container does not start, or has no limit' a_container
