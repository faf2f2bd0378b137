# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2086,SC2154
#
# Guest: engines
#
# systemd-nspawn: in a slice, and as a service.

nspawn_in_a_slice() {
	make_box /var/lib/machines/box
	mkdir -p /var/lib/machines/box/usr
	limit work work.slice 5
	ioasidctl apply
	systemd-nspawn --quiet --machine=box --slice=work.slice --property='DeviceAllow=/dev/ioasid rw' --bind=/dev/ioasid \
		take5 </dev/null >/run/nspawn.log 2>&1 &
	limited work.slice 5 || { cat /run/nspawn.log; return 1; }
	keeps work.slice systemctl daemon-reload
	keeps work.slice systemctl restart systemd-machined
	is '*box*' machinectl list
	machinectl terminate box
	wait
	systemctl stop work.slice
	gone work.slice
	rm /etc/ioasids.d/work.conf
}

nspawn_as_a_service() {
	local service=machine.slice/systemd-nspawn@box.service
	mkdir -p /etc/systemd/nspawn /etc/systemd/system/systemd-nspawn@box.service.d
	printf '[Exec]\nBoot=no\nParameters=take5\nPrivateUsers=no\n[Files]\nBind=/dev/ioasid\n[Network]\nVirtualEthernet=no\n' \
		>/etc/systemd/nspawn/box.nspawn
	printf '[Service]\nDeviceAllow=/dev/ioasid rw\n' >/etc/systemd/system/systemd-nspawn@box.service.d/ioasid.conf
	limit box systemd-nspawn@box.service 5
	ioasidctl apply
	machinectl start box
	limited $service 5
	keeps $service systemctl daemon-reload
	systemctl restart systemd-nspawn@box
	limited $service 5
	systemctl stop systemd-nspawn@box
	gone $service
	rm /etc/ioasids.d/box.conf
	systemctl daemon-reload
}

systemd-nspawn --version | sed 's/^/# /; 1q'
check 'systemd-nspawn: --slice; restarts' nspawn_in_a_slice
check 'systemd-nspawn: a service with a limit; restarts' nspawn_as_a_service
