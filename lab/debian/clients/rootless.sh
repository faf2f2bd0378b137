# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2086,SC2154
#
# Guest: other
#
# podman without root, in the subtree that systemd delegates to a user.

rootless_below_a_slice() {
	local id slice=$manager/work.slice
	as_user systemctl --user start work.slice
	as_user ioasidctl set -c /$slice 5
	id=$(as_user podman --runtime "$1" run --detach --network none --device /dev/ioasid \
		--cgroup-parent=work.slice localhost/box sh -c "$inside" 5)
	limited "$slice" 5
	as_user podman rm --force --time 0 "$id"
	as_user systemctl --user stop work.slice
	gone "$slice"
}

# The container keeps the user's groups; only crun supports that.
rootless_by_group() {
	local id
	chmod 660 /dev/ioasid
	id=$(as_user podman run --detach --pidfile "$PWD/pid" --network none --device /dev/ioasid \
		--group-add keep-groups --cgroup-conf=ioasids.max=5 localhost/box sh -c "$inside" 5)
	limited "$(cgroup_of "$(cat pid)")" 5
	as_user podman rm --force --time 0 "$id"
	chmod 666 /dev/ioasid
}

check 'rootless podman: a user' make_user
use_example
chmod 666 /dev/ioasid
cd /home/user || exit
check 'rootless podman: an image' import_box as_user
for runtime in crun runc; do
	check "rootless podman, $runtime: --cgroup-conf" podman_limits as_user $runtime systemd --cgroup-conf=ioasids.max=5
	check "rootless podman, $runtime: --annotation" podman_limits as_user $runtime systemd --annotation=ioasids.max=5
	check "rootless podman, $runtime: --cgroup-parent" rootless_below_a_slice $runtime
done
check 'rootless podman: a member of the group ioasid can open the device' rootless_by_group
cd /run/lab || exit
