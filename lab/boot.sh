#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# boot.sh MODE [VARIANT [NAME=VALUE...]]: boots a kernel of the lab with lab=MODE and
# prints the guest's report. Fails if the guest fails, sends no verdict, or prints a fault
# on its console. BUILT is the directory of a kernel that is built already, or "disk" if the
# guest boots from its disk. The guest is the small one of lab/initramfs.sh; or, if DISKS is
# set, a Debian guest with these disks: the first is its root, the others are read-only.

CDPATH='' cd "$(dirname "$0")/.." || exit
. lab/source.sh

mode=$1 variant=${2:-}
shift $(($# < 2 ? $# : 2))
need "$EMULATOR" &
kernel=${BUILT:-$(lab/kernel.sh "$variant")}
wait $!

# An existing /dev/kvm may not work: try it with a guest, once per boot of the host.
kvm=$CACHE/kvm-$ARCH-$(cat /proc/sys/kernel/random/boot_id)
if [ -z "${ACCEL:-}" ] && [ -w /dev/kvm ] && [ ! -e "$kvm" ]; then
	rm -f "$CACHE/kvm-$ARCH-"*
	DISKS='' BUILT=${kernel#disk} ACCEL=kvm LIMIT=15 lab/boot.sh probe "$variant" >/dev/null 2>&1 &&
		echo kvm >"$kvm" || echo tcg >"$kvm"
fi
: "${ACCEL:=$(cat "$kvm" 2>/dev/null || echo tcg)}" "${LIMIT:=900}"
case $variant in debug|kcsan) : "${MEMORY:=3072}" ;; esac

if [ "${DISKS:-}" ]; then
	root=()
	for disk in $DISKS; do
		root+=(-drive "file=$disk,format=raw,if=virtio${root:+,readonly=on}")
	done
	: "${MEMORY:=2048}"
	set -- root=/dev/vda rw "$@"
else
	archive=$(lab/initramfs.sh "$([ "$mode" != others ] || echo others)")
	root=(-initrd "$archive")
fi
qemu=("${QEMU[@]}" -accel "$ACCEL" -smp "2,sockets=2" -m "${MEMORY:-1024}" -nodefaults -display none -no-reboot
	"${root[@]}")
[ "$ACCEL" != kvm ] || qemu+=(-cpu host)
# With a clock that counts instructions, measurements are exact.
[ "$mode" != bench ] || qemu+=(-accel tcg -icount "shift=0,sleep=off" -smp 1)
parameters="lab=$mode console=$CONSOLE $BOOT panic=-1 oops=panic softlockup_panic=1 hung_task_panic=1 $*"
[ "$mode" != shell ] || parameters+=" quiet TERM=${TERM:-linux}"
case $mode in test|stress|coverage) ;; *) parameters+=" kunit.enable=0" ;; esac
[ "$kernel" = disk ] || qemu+=(-kernel "$kernel/image" -append "$parameters")
[ "$mode" != shell ] || exec "${qemu[@]}" -serial mon:stdio

work=$(mktemp -d "$CACHE/boot.XXXXXX")
trap 'kill ${guest:-} 2>/dev/null || true; rm -rf "$work"' EXIT
touch "$work"/{console,report}
timeout -k 5 "$LIMIT" "${qemu[@]}" -serial "file:$work/console" \
	-chardev "file,id=report,path=$work/report" -device virtio-serial \
	-device virtserialport,chardev=report,name=ioasids </dev/null &
guest=$!
tail -f -n +1 -s 0.1 --pid=$guest "$work/report" | grep --line-buffered -v '^end [0-9]*$' || true
status=0
wait $guest || status=$?

fault='WARNING:|BUG:|kernel BUG|Oops|Kernel panic|general protection|blocked for more than|soft lockup'
fault+='|self-detected stall|detected stalls|expedited stalls|lock held when returning|suspicious RCU usage'
fault+='|(circular|recursive) locking|inconsistent lock state|(UBSAN|KASAN|KCSAN):|unreferenced object'
# KCSAN also reports races in other parts of the kernel: those are only counted. In a
# stack trace, the functions that were interrupted have no part in the race.
awk '/^======/ { open = !open; if (!open && report ~ /KCSAN:/ && stacks !~ /ioasid/) { others++; report = "" } }
	!open { printf "%s", report; report = stacks = ""; print; next }
	{ report = report $0 "\n" } /^$/ { below = 0 } /asm_sysvec_|asm_common_interrupt|el1h_64_irq/ { below = 1 }
	/\+0x[0-9a-f]+\// && !below { stacks = stacks $0 }
	END { printf "%s", report; if (others) print "# " others " data races elsewhere in the kernel" >"/dev/stderr" }' \
	"$work/console" >"$work/faults" 2>"$work/elsewhere"
cat "$work/elsewhere"
verdict=$(sed -n '$s/^end //p' "$work/report")
if grep -E -B 2 -A 60 -m 1 "$fault" "$work/faults" >&2; then
	die "This fault is on the guest's console"
elif [ -z "$verdict" ]; then
	tail -n 40 "$work/console" >&2
	[ $status != 124 ] || die "The guest sent no verdict in $LIMIT s; this is the end of its console"
	die "The guest ended without a verdict; this is the end of its console"
fi
[ "$verdict" = 0 ]
