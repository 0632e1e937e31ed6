#!/bin/sh
# SPDX-License-Identifier: MIT
# The control domain comes up on two CPUs with its daemons, and says what machine it is on.
# limit: 150
. "$(dirname "$0")/lib/host.sh"
script <<'END'
[ "$(cat /sys/hypervisor/type)" = xen ] || fail "no hypervisor seen"
[ "$(nproc)" = 2 ] || fail "$(nproc) vCPUs, not 2"
[ "$(xenstore-read /local/domain/0/name)" = control ] || fail "xenstore does not answer"
bh list | awk 'NR == 1 && $1 == "Name" && $2 == "ID" { head = 1 }
    NR == 2 && $2 == 0 && $4 == 2 { control = 1 } END { exit !(head && control && NR == 2) }' || fail "bh list"
bh info | grep -q '^nr_cpus *: 2$' || fail "bh info: $(bh info)"
bh dmesg | grep -q . || fail "bh dmesg is empty"
# Under TCG a third CPU takes the interrupts, and the two run the vCPUs (docs/architecture.md, Quirks).
[ "$(bh info | sed -n 's/^max_cpu_id *: //p')" = 1 ] || bh dmesg | grep -q 'CPU 0 takes interrupts only' || fail "CPU 0 is not spared"
for daemon in xenstored bhd pcid; do
    pidof $daemon >/dev/null || fail "$daemon does not run"
done
! dmesg | grep -E 'WARNING:|BUG:|Oops|Call Trace' || fail "the control kernel complains"
mem=$(awk '$1 == "MemTotal:" { print $2 }' /proc/meminfo)
[ "$mem" -lt 262144 ] || fail "the control domain has $mem KiB, above 256 MiB"
echo all well
END
LIMIT=120 board
grep -qx 'all well' "$OUT/out"
