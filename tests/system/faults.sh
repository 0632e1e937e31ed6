#!/bin/sh
# SPDX-License-Identifier: MIT
# The disk's driver domain does wrong what a driver can do wrong, one kind after the other, in the middle of requests: each time it
# is noticed for what it is and restarted, and the guest verifies on.
# limit: 300
. "$(dirname "$0")/lib/host.sh"
disk 128
driver_domain 'extra = "fault=store"'
stock_guest guest "bh.work=verify bh.seconds=200 bh.mib=16 bh.workers=2" "$DISK"
script <<'END_OF_SCRIPT'
says guest '^verify: ' 150
n=0
for kind in crash/crash wildptr/crash stack/crash heap/crash hang/watchdog loop/watchdog stall/watchdog; do
    n=$((n + 1))
    fault disk "${kind%/*}@40"
    restarted disk $n 40
    xenstore-read /tool/bhd/disk/last
    xenstore-read /tool/bhd/disk/last | grep -q "reason=${kind#*/} " || fail "${kind%/*}: the reason is not ${kind#*/}"
done
fault disk nonsense@1
left=50
until xenstore-read "/local/domain/$(bh domid disk)/control/fault" | grep -qx '? nonsense@1'; do
    left=$((left - 1))
    [ $left -gt 0 ] || fail "a fault that does not exist is not refused"
    sleep 0.2
done
grep 'live-lock' "$(console disk)" || fail "the queue that stopped was not noticed as such"
grep -E 'EXCEPTION|CRASH' "$(console disk)" || fail "no fault is explained on the console"
verified guest 150
END_OF_SCRIPT
LIMIT=280 board --disk "$OUT/disk.img"
