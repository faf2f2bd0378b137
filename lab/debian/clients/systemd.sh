# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2086,SC2154
#
# Guest: restarted
#
# systemd: slices, services, users.

two_lines_and_one_command() {
	limit web web.slice 5
	ioasidctl apply
	systemd-run --slice=web.slice --unit=web sh -c "$inside" 5
	limited web.slice 5
}

survives() {
	keeps web.slice "$@"
	is '*ioasids*' cat $root/cgroup.subtree_control
}

starts_and_stops() {
	systemd-run --slice=web.slice --unit=web2 sleep infinity
	systemctl stop web2.service
}

stop_and_start() {
	systemctl stop web.slice
	gone web.slice
	eventually is 'inactive' systemctl is-active ioasids-limit@web.slice.service
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

# service NAME [LINE...]: makes a service that takes three IDs, and limits it to three.
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
}

services_by_one_command() {
	chmod 666 /dev/ioasid
	service plain
	service -dash
	service guarded User=nobody ProtectControlGroups=yes
	service delegated Delegate=yes
	service refused
	make_box /run/rooted
	service rooted RootDirectory=/run/rooted
	service overridden
	mkdir -p /etc/systemd/system/overridden.service.d
	printf '[Service]\nExecStartPre=\nExecStartPre=true\n' >/etc/systemd/system/overridden.service.d/override.conf
	ioasidctl apply
}

a_service() {
	# A cgroup of the same name at another place must be ignored.
	mkdir "$root/$1.service"
	systemctl start -- "$1.service"
	limited "system.slice/$1.service" 3
	systemctl restart -- "$1.service"
	limited "system.slice/$1.service" 3
}

services_keep_their_limits() {
	local name
	systemctl daemon-reload
	for name in plain -dash guarded delegated overridden; do
		is 3 cat "$root/system.slice/$name.service/ioasids.max"
		systemctl stop -- "$name.service"
		eventually test ! -e "$root/system.slice/$name.service"
		rmdir "$root/$name.service"
	done
	gone system.slice/plain.service
}

# If a slice could have the name of a kernel file, systemd adds a "_" to its cgroup's name.
slices_with_odd_names() {
	printf '[Limit]\nUnit=cpu.slice\nMax=2\n[Limit]\nUnit=odd..er-in.slice\nMax=3\n' >/etc/ioasids.d/odd.conf
	ioasidctl apply
	systemd-run --slice=cpu.slice --unit=odd1 sh -c "$inside" 2
	systemd-run --slice=odd..er-in.slice --unit=odd2 sh -c "$inside" 3
	limited _cpu.slice 2
	limited odd..er.slice/odd..er-in.slice 3
	systemctl stop cpu.slice odd..er.slice
	gone _cpu.slice
	gone odd..er.slice
	rm /etc/ioasids.d/odd.conf
}

# Files that cannot be read, and wrong lines, are reported; all other limits still apply.
error_in_one_file() {
	ln -s /nowhere /etc/ioasids.d/wrong1.conf
	mkdir /etc/ioasids.d/wrong2.conf
	printf 'Unit=kept.slice\nMix=4\nMax=5\nUnit=lost.service\nMax=6\n' >/etc/ioasids.d/wrong3.conf
	limit wrong4 "$(printf 'n%.0s' {1..230}).service" 1
	limit wrong5 right.slice 1
	since=$(date +%s)
	systemctl daemon-reload
	journalctl --sync
	journalctl --since "@$since" -t ioasids-generator -o cat >/run/complaints
	for complaint in '1.conf: cannot be read: No such file or directory' '2.conf: cannot be read: Is a directory' \
		"3.conf:2: unknown line 'Mix=4'; there are [[]Limit], Unit=, Cgroup= and Max=" \
		"3.conf:4: a second Unit 'lost.service'; each limit but the first begins with [[]Limit]" \
		"3.conf:5: a second Max '6'; *" "4.conf:1: Unit is 'nnnn*'; it should have no more than 233 characters"; do
		is "*/etc/ioasids.d/wrong$complaint*" cat /run/complaints
	done
	# The status of the units shows the errors, too.
	is "*3.conf:2: unknown line 'Mix=4'*" systemctl status kept.slice
	is "*1.conf: cannot be read*" systemctl status ioasids-check
	not systemctl start ioasids-check
	is "*WRONG: /etc/ioasids.d/wrong3.conf:2: unknown line 'Mix=4'*" systemctl status ioasids-check
	[ -e /run/systemd/generator/kept.slice.d/zz-ioasids.conf ]
	[ -e /run/systemd/generator/right.slice.d/zz-ioasids.conf ]
	[ ! -e /run/systemd/generator/lost.service.d ]
	rm -r /etc/ioasids.d/wrong?.conf
	systemctl reset-failed ioasids-check
}

# All spellings that systemd accepts are accepted, and others that are unambiguous.
limits_in_any_spelling() {
	printf ' Unit = spelled.slice \n Max =\t4 # a comment\n[limit]\nUnit=other.slice;not a comment\n' >/etc/ioasids.d/spelled.conf
	mkdir -p $root/spelled.slice
	is "*4: Unit is 'other.slice;not a comment'*" ioasidctl apply
	is 4 cat $root/spelled.slice/ioasids.max
	rm /etc/ioasids.d/spelled.conf
	rmdir $root/spelled.slice
}

# Of files with the same name, that in /etc replaces that in /run, and both /usr/lib's.
limits_in_layers() {
	local layer
	mkdir -p /run/ioasids.d /usr/lib/ioasids.d $root/layer.slice $root/layered.slice
	printf 'Unit=layer.slice\nMax=1\n' >/usr/lib/ioasids.d/50-layer.conf
	printf 'Unit=layered.slice\nMax=1\n' >/usr/lib/ioasids.d/60-layer.conf
	ioasidctl apply
	is 1 cat $root/layer.slice/ioasids.max
	for layer in /run:22 /etc:24; do
		printf 'Unit=layer.slice\nMax=%s\n' ${layer#*:} >${layer%:*}/ioasids.d/50-layer.conf
		ioasidctl apply
		is ${layer#*:} cat $root/layer.slice/ioasids.max
	done
	# Of different files, the last one by name counts, in any of the directories.
	printf 'Unit=layer.slice\nMax=3\n' >/usr/lib/ioasids.d/90-layer.conf
	ioasidctl apply
	is 3 cat $root/layer.slice/ioasids.max
	# Masked.
	ln -s /dev/null /etc/ioasids.d/90-layer.conf
	: >/run/ioasids.d/60-layer.conf
	ioasidctl set layered.slice 7
	ioasidctl apply
	is 24 cat $root/layer.slice/ioasids.max
	is 7 cat $root/layered.slice/ioasids.max
	rm /{etc,run,usr/lib}/ioasids.d/?0-layer.conf
	rmdir $root/layer.slice $root/layered.slice
}

# systemd needs 16 MB in /run to reload its units. Running units get their limits even so.
reload_is_refused() {
	local status=0
	limit plain plain.service 3
	ioasidctl apply
	systemctl start plain
	limited system.slice/plain.service 3
	limit plain plain.service 4
	fallocate -l "$(($(df --output=avail -B1 /run | tail -n 1) - 1000000))" /run/full
	ioasidctl apply >/dev/shm/applied 2>&1 || status=$?
	rm /run/full
	is '*systemd cannot reload its units: *' cat /dev/shm/applied
	[ $status = 1 ]
	is 4 cat $root/system.slice/plain.service/ioasids.max
	systemctl stop plain
	limit plain plain.service 3
}

# If one limit cannot be set, the others are set, also those of running units.
one_that_cannot_be_limited() {
	local status=0
	mkdir -p $root/busy.slice/busy-in.slice $root/plain.service
	sleep infinity &
	echo $! >$root/busy.slice/cgroup.procs
	systemctl start plain
	limited system.slice/plain.service 3
	limit apply1 busy-in.slice 3
	limit plain plain.service 4
	ioasidctl apply >/run/applied 2>&1 || status=$?
	is '*/busy.slice has processes of its own*' cat /run/applied
	[ $status = 1 ]
	is 4 cat $root/system.slice/plain.service/ioasids.max
	kill %sleep
	wait
	systemctl stop plain
	rm /etc/ioasids.d/apply1.conf
	limit plain plain.service 3
	rmdir $root/busy.slice/busy-in.slice $root/busy.slice $root/plain.service
}

# A service that cannot be limited must not run without a limit.
a_service_without_its_limit_does_not_start() {
	mount --bind /dev/null /usr/bin/ioasidctl
	systemctl start refused && status=0 || status=$?
	umount /usr/bin/ioasidctl
	[ $status != 0 ]
	systemctl reset-failed refused
}

# The root of the service does not have ioasidctl, which would set the limit.
a_service_with_its_own_root_does_not_start() {
	not systemctl start rooted
	is '*path=/usr/bin/ioasidctl *status=203*' systemctl show --property=ExecStartPre rooted
	systemctl reset-failed rooted
}

users() {
	limit users user@.service 7
	ioasidctl apply
	make_user
	eventually is 7 cat "$root/$manager/ioasids.max"
	# The user's manager runs already, and has another limit.
	limit users user@.service 6
	is '*WRONG: the limit of user@1000.service is 7, and should be 6, as /etc/ioasids.d/users.conf says: *' ioasidctl check
	ioasidctl apply
	is 6 cat "$root/$manager/ioasids.max"
	as_user systemd-run --user --unit=hold sh -c "$inside" 6
	limited $manager 6
	systemctl daemon-reload
	as_user systemctl --user daemon-reload
	is 6 cat "$root/$manager/ioasids.max"
	as_user systemctl --user stop hold
	eventually is 0 cat "$root/$manager/ioasids.current"
}

# All processes of a user are limited together; one user has another limit.
users_with_their_sessions() {
	local slice=user.slice/user-1000.slice
	limit all user-.slice 9
	limit one user-1000.slice 8
	ioasidctl apply
	is 8 cat $root/$slice/ioasids.max
	rm /etc/ioasids.d/one.conf
	systemctl daemon-reload
	systemctl stop user-1000.slice
	systemctl start user@1000.service
	is 9 cat $root/$slice/ioasids.max
	is 6 cat "$root/$manager/ioasids.max"
	systemd-run --slice=user-1000.slice --unit=session sh -c "$inside" 9
	limited $slice 9
	systemctl stop session
	rm /etc/ioasids.d/all.conf
	ioasidctl set user-1000.slice max
}

users_cannot_raise_it() {
	fails 1 '*Permission denied' as_user ioasidctl set user@1000.service max
	# Users control the cgroups below.
	as_user ioasidctl run --max=2 -- sh -c "$inside" 2 &
	eventually is '* 2 2 *' ioasidctl ls -n -o MAX,CURRENT /$manager
	as_user systemctl --user stop 'run-*.scope'
	wait
}

# Settings of systemd that look useful and are not. If this fails, the documents change.
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
check 'systemd: a slice has its limit when it starts again' stop_and_start
check 'systemd: a limit is changed while the slice is in use' changed_while_it_runs
check 'systemd: slices in slices, each with its limit' nested
check 'systemd: slices with odd names' slices_with_odd_names
check 'systemd: an error in one file does not affect others' error_in_one_file
check 'systemd: other spellings of limits' limits_in_any_spelling
check 'systemd: limits in three directories' limits_in_layers
check 'systemd: services, limited by one command' services_by_one_command
check 'systemd: a service' a_service plain
check 'systemd: a service whose name begins with a dash' a_service -dash
check 'systemd: a service of a user, with ProtectControlGroups' a_service guarded
check 'systemd: a service with Delegate' a_service delegated
check 'systemd: a service with a drop-in that clears others' a_service overridden
check 'systemd: a service with a root of its own does not start' a_service_with_its_own_root_does_not_start
check 'systemd: services keep their limits in a daemon-reload' services_keep_their_limits
check 'systemd: a unit that cannot be limited does not affect others' one_that_cannot_be_limited
check 'systemd: running units are limited even if systemd refuses to reload' reload_is_refused
check 'systemd: a service that cannot be limited does not start' a_service_without_its_limit_does_not_start
check 'systemd: the manager of each user' users
check 'systemd: each user, with all sessions' users_with_their_sessions
check 'systemd: users cannot raise their limit, and can set lower ones' users_cannot_raise_it
check 'systemd: no setting of its own limits IDs' facts
