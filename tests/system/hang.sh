#!/bin/sh
# SPDX-License-Identifier: MIT
# The disk's driver domain hangs in the middle of a request: the watchdog sees it, it is restarted, the guest verifies on.
# limit: 300
. "$(dirname "$0")/lib/host.sh"
disk 128
driver_domain 'extra = "fault=hang@400"'
stock_guest guest "bh.work=verify bh.seconds=30 bh.mib=16 bh.workers=2" "$DISK"
script <<'END'
says guest '^verify: ' 150
restarted disk 1 120
grep 'restart disk' /var/log/bulkhead/bhd.log
xenstore-read /tool/bhd/disk/last | grep -q 'reason=watchdog' || fail "the reason is not the watchdog"
verified guest 150
END
LIMIT=280 board --disk "$OUT/disk.img"
