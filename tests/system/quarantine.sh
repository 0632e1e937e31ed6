#!/bin/sh
# SPDX-License-Identifier: MIT
# The controller does not come back after a kill: the guest sees an orderly end of its disk and I/O errors, only then,
# the log says why, and the control domain goes on.
# limit: 300
. "$(dirname "$0")/lib/host.sh"
disk 128
driver_domain 'extra = "fault=noreturn"'
stock_guest guest "bh.work=verify bh.seconds=20 bh.mib=8 bh.workers=1" "$DISK"
script <<'END'
says guest '^verify: [3-9] s, .*errors 0' 150
! grep -q 'errors [1-9]' "$(console guest)" || fail "errors before the kill"
bh kill disk || fail "bh kill"
says guest '^verify: I/O error' 60
says disk 'do not come back' 30
guest=$(bh domid guest)
[ "$(xenstore-read "/local/domain/$(bh domid disk)/backend/vbd/$guest/51712/state")" -ge 5 ] || fail "the backend did not close"
# Linux keeps requests that it has queued until the device is taken away
bh block-detach --force guest xvda || fail "bh block-detach"
says guest '^GUEST RESULT FAILED' 60
grep disk /var/log/bulkhead/bhd.log
bh list
[ "$(state guest)" ] || fail "the guest is gone"
END
LIMIT=280 board --disk "$OUT/disk.img"
