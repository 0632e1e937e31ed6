#!/bin/sh
# SPDX-License-Identifier: MIT
# The disk's driver domain is killed 20 times while the guest verifies; not one error.
# limit: 420
. "$(dirname "$0")/lib/host.sh"
disk 128
driver_domain
stock_guest guest "bh.work=verify bh.seconds=200 bh.mib=16 bh.workers=2 bh.end=shell" "$DISK"
cp "$TOP/tools/demo/story.sh" "$OUT/script"
echo 'KILLS=20 EVERY=0' >"$OUT/files/settings"
LIMIT=400 board --disk "$OUT/disk.img"
[ "$(grep -c 'back as incarnation' "$OUT/out")" = 20 ] || fail "not 20 recoveries"
