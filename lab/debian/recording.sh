# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2086,SC2154
#
# Records the output of ioasidctl on a busy machine, for the README.

install_package >/dev/null
use_example
limit web web.slice 60
limit batch batch.slice 24
limit machine machine.slice 1000
ioasidctl apply >/dev/null
for n in 4 17 23; do
	systemd-run -q --slice=web.slice --unit=web-$n ioasid-hold --alloc=$n --hold
done
systemd-run -q --slice=batch.slice --unit=batch-render ioasid-hold --reserve=16 --alloc=9 --hold
systemd-run -q --slice=batch.slice --unit=batch-index ioasid-hold --alloc=8 --hold
systemd-run -q --slice=batch.slice --unit=batch-late sh -c 'while ! ioasid-hold --alloc=1 --hold; do sleep 1; done'
make_box /run/image
tar -C /run/image -cf /run/image.tar .
podman import -q /run/image.tar box >/dev/null
for n in 30 8; do
	podman run -q --detach --name vm-$n --network none --device /dev/ioasid --annotation=ioasids.max=32 \
		localhost/box ioasid-hold --alloc=$n --hold >/dev/null
done
sleep 5
tmux new-session -d -s top -x 80 -y 24 'ioasidctl top -d 1'
sleep 5
tmux send-keys -t top j j
sleep 2
echo '@top'
tmux capture-pane -e -p -t top
echo '@ls'
ioasidctl ls batch.slice
echo '@who'
ioasidctl who | cut -c1-80
echo '@end'
tmux kill-server
