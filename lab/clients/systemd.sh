# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2086,SC2154
#
# systemd: slices, services, users.

two_lines_and_one_command() {
	limit web web.slice 5
	ioasidctl apply
	systemd-run --slice=web.slice --unit=web sh -c "$inside" 5
	limited web.slice 5
}

survives() {
	before=$(grep . $root/web.slice/ioasids.{max,current,events})
	"$@"
	is "$(tr -s ' \n' ' ' <<<"$before" | sed 's/ $//')" grep . $root/web.slice/ioasids.{max,current,events}
	is '*ioasids*' cat $root/cgroup.subtree_control
}

starts_and_stops() {
	systemd-run --slice=web.slice --unit=web2 sleep infinity
	systemctl stop web2.service
}

stop_and_start() {
	systemctl stop web.slice
	gone web.slice
	is 'inactive' systemctl is-active ioasids-limit@web.slice.service
	systemd-run --slice=web.slice --unit=web sh -c "$inside" 5
	limited web.slice 5
	systemctl stop web.slice
	gone web.slice
}

changed_while_it_runs() {
	systemd-run --slice=web.slice --unit=web sh -c "$inside" 5
	limited web.slice 5
	limit web web.slice 8
	ioasidctl apply
	is 8 cat $root/web.slice/ioasids.max
	is 5 cat $root/web.slice/ioasids.current
	systemctl stop web.slice
	gone web.slice
}

nested() {
	printf '[Limit]\nUnit=team.slice\nMax=7\n[Limit]\nUnit=team-a.slice\nMax=4\n' >/etc/ioasids.d/team.conf
	ioasidctl apply
	systemd-run --slice=team-a.slice --unit=team-a sh -c "$inside" 4
	limited team.slice/team-a.slice 4
	is 4 cat $root/team.slice/ioasids.current
	systemd-run --slice=team-b.slice --unit=team-b sh -c "$inside" 3
	limited team.slice 7
	is 3 cat $root/team.slice/team-b.slice/ioasids.current
	systemctl stop team.slice
	gone team.slice
}

# service NAME [LINE...]: one that takes three.
service() {
	local name=$1
	shift
	{
		printf '[Service]\n'
		printf '%s\n' "$@"
		# shellcheck disable=SC2016
		printf 'ExecStart=sh -c "%s" 3\n' "${inside//'$'/'$$'}"
	} >"/etc/systemd/system/$name.service"
	limit "$name" "$name.service" 3
	ioasidctl apply
}

a_service() {
	chmod 666 /dev/ioasid
	service "$@"
	systemctl start "$1"
	limited "system.slice/$1.service" 3
	systemctl restart "$1"
	limited "system.slice/$1.service" 3
	systemctl daemon-reload
	is 3 cat "$root/system.slice/$1.service/ioasids.max"
	systemctl stop "$1"
	gone "system.slice/$1.service"
}

# A service that cannot be limited must not run without a limit.
a_service_without_its_limit_does_not_start() {
	service refused
	mount --bind /dev/null /usr/bin/ioasidctl
	systemctl start refused && status=0 || status=$?
	umount /usr/bin/ioasidctl
	[ $status != 0 ]
	systemctl reset-failed refused
}

users() {
	limit users user@.service 6
	ioasidctl apply
	make_user
	eventually is 6 cat "$root/$manager/ioasids.max"
	as_user systemd-run --user --unit=hold sh -c "$inside" 6
	limited $manager 6
	systemctl daemon-reload
	as_user systemctl --user daemon-reload
	is 6 cat "$root/$manager/ioasids.max"
	as_user systemctl --user stop hold
	eventually is 0 cat "$root/$manager/ioasids.current"
}

users_cannot_raise_it() {
	fails 1 '*Permission denied' as_user ioasidctl set user@1000.service max
	# What is below is theirs.
	as_user ioasidctl run --max=2 -- sh -c "$inside" 2 &
	eventually is '* 2 2 *' ioasidctl ls -n -o MAX,CURRENT /$manager
	as_user systemctl --user stop 'run-*.scope'
	wait
}

# What is read in systemd's documentation does not help: research that is to hold.
conditions_do_not_tell() {
	is '*ignoring*' systemd-analyze verify /etc/systemd/system/delegates.service
	is 'active' systemctl is-active condition.service
}

facts() {
	printf '[Service]\nDelegate=ioasids\nExecStart=sleep infinity\n' >/etc/systemd/system/delegates.service
	printf '[Unit]\nConditionControlGroupController=nonsense\n[Service]\nExecStart=sleep infinity\n' \
		>/etc/systemd/system/condition.service
	systemctl daemon-reload
	systemctl start condition.service
	conditions_do_not_tell
	systemctl stop condition.service
	rm /etc/systemd/system/{condition,delegates}.service
	fails 1 '*IOASIDSMax*' systemd-run -p X-IOASIDSMax=5 true
}

check 'systemd: a file of two lines and one command limit a slice' two_lines_and_one_command
check 'systemd: the limit survives daemon-reload' survives systemctl daemon-reload
check 'systemd: the limit survives daemon-reexec' survives systemctl daemon-reexec
check 'systemd: the limit survives set-property' survives systemctl set-property web.slice TasksMax=1000
check 'systemd: the limit survives units that start and stop' survives starts_and_stops
check 'systemd: a slice that was stopped has its limit when it starts again' stop_and_start
check 'systemd: a limit is changed while the slice is in use' changed_while_it_runs
check 'systemd: slices in slices, each with its limit' nested
check 'systemd: a service' a_service plain
check 'systemd: a service of a user, with ProtectControlGroups' a_service guarded User=nobody ProtectControlGroups=yes
check 'systemd: a service with Delegate' a_service delegated Delegate=yes
check 'systemd: a service that cannot be limited does not start' a_service_without_its_limit_does_not_start
check 'systemd: the manager of each user' users
check 'systemd: a user cannot raise his limit, and can set lower ones' users_cannot_raise_it
check 'systemd: it does not know the controller' facts
