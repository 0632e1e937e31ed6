#!/bin/sh
# SPDX-License-Identifier: MIT
# The controller does not come back after a kill: the guest sees an orderly end of its disk and I/O errors, only then,
# the log says why, and the control domain goes on.
# limit: 300
. "$(dirname "$0")/lib/host.sh"
disk 128
driver_domain 'extra = "fault=noreturn watchdog=10"'
stock_guest guest "bh.work=verify bh.seconds=20 bh.mib=8 bh.workers=1" "$DISK"
script <<'END'
says guest '^verify: [3-9] s, .*errors 0' 150
! grep -q 'errors [1-9]' "$(console guest)" || fail "errors before the kill"
bh kill disk || fail "bh kill"
says guest '^verify: I/O error' 60
says disk 'do not come back' 30
node="/local/domain/$(bh domid disk)/backend/vbd/$(bh domid guest)/51712"
left=100
until [ "$(xenstore-read "$node/state")" -ge 5 ]; do
    left=$((left - 1))
    [ $left -gt 0 ] || fail "the backend did not close"
    sleep 0.2
done
grep -q 'quarantine disk ' /var/log/bulkhead/bhd.log || fail "no quarantine in the log"
# Linux 6.1's front stops its queues when its disk closes; a request that it still holds then never ends, so the workload
# may not either. Errors before the Closing, and a guest that lives on, are what a backend can give.
lines=$(wc -l <"$(console guest)")
says guest '^verify: 1[0-9] s' 60
[ "$(wc -l <"$(console guest)")" -gt "$lines" ] || fail "the guest does not run any more"
bh list
[ "$(state guest)" ] || fail "the guest is gone"
END
LIMIT=280 board --disk "$OUT/disk.img"
