#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# boot.sh MODE [VARIANT [NAME=VALUE...]]: boots a lab kernel with lab=MODE and
# the parameters given, passes the guest's report on, and fails if the guest
# did, if it sent no verdict, or if its console shows a fault.

cd "$(dirname "$0")/.."
. lab/lib.sh

mode=$1 variant=${2:-}
shift; shift || true
kernel=$(lab/kernel.sh "$variant")
initramfs=$(lab/initramfs.sh)
: "${SECONDS_MAX:=900}"

# A /dev/kvm that exists may not work: ask a guest, once in the life of a host.
if [ -z "${ACCEL:-}" ] && [ -w /dev/kvm ]; then
	asked=$CACHE/kvm-$(cat /proc/sys/kernel/random/boot_id)
	if [ ! -e "$asked" ]; then
		say "Trying KVM"
		ACCEL=tcg,thread=multi
		! ACCEL=kvm SECONDS_MAX=15 lab/boot.sh probe "$variant" >/dev/null 2>&1 || ACCEL=kvm
		rm -f "$CACHE"/kvm-*
		echo "$ACCEL" >"$asked"
	fi
	ACCEL=$(cat "$asked")
fi

work=$(mktemp -d "$CACHE/boot.XXXXXX")
trap 'kill $guest 2>/dev/null || true; rm -rf "$work"' EXIT
guest=
touch "$work/console" "$work/report"
parameters="lab=$mode console=$CONSOLE panic=-1 oops=panic softlockup_panic=1 hung_task_panic=1 $*"
[ "$mode" = test ] || parameters+=" kunit.enable=0"
qemu=("$QEMU" -accel "${ACCEL:-tcg,thread=multi}" -smp 2 -m "${MEMORY:-1024}" -nodefaults -no-reboot
	-display none -kernel "$kernel/image" -initrd "$initramfs")
[ "${ACCEL:-}" != kvm ] || qemu+=(-cpu host)

if [ "$mode" = shell ]; then
	"${qemu[@]}" -serial mon:stdio -append "$parameters quiet TERM=$TERM"
	exit
fi
timeout -k 5 "$SECONDS_MAX" "${qemu[@]}" -append "$parameters" -serial "file:$work/console" \
	-chardev "file,id=report,path=$work/report" -device virtio-serial \
	-device virtserialport,chardev=report,name=ioasids </dev/null &
guest=$!
tail -f -n +1 -s 0.1 --pid=$guest "$work/report" | grep --line-buffered -v '^end [0-9]*$' || true
status=0
wait $guest || status=$?

splat='WARNING:|BUG:|kernel BUG|Oops|Kernel panic|general protection|blocked for more than|soft lockup|
self-detected stall|detected stalls|detected expedited stalls|unreferenced object|UBSAN:|KASAN:|KCSAN:|
circular locking|recursive locking|inconsistent lock state|lock held when returning|suspicious RCU usage'
splat=${splat//$'\n'/}
verdict=$(sed -n '$s/^end //p' "$work/report")
if grep -E -B 2 -A 60 -m 1 "$splat" "$work/console" >&2; then
	die "The guest's console shows this fault"
elif [ -z "$verdict" ]; then
	tail -n 40 "$work/console" >&2
	[ $status != 124 ] || die "The guest sent no verdict in $SECONDS_MAX s; its console ends like this"
	die "The guest ended without a verdict; its console ends like this"
fi
[ "$verdict" = 0 ]
