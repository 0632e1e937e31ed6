#!/bin/sh
# SPDX-License-Identifier: MIT
# What make run shows, short: its exit status is honest both ways. A disk that fails under the guest must not pass.
# limit: 300
. "$(dirname "$0")/lib/host.sh"
disk 128
driver_domain
stock_guest guest "bh.work=verify bh.seconds=12 bh.mib=8 bh.workers=1" "$DISK"
# the guest's disk goes away in the middle: I/O errors, and a status that is not 0
cp "$TOP/tools/demo/story.sh" "$OUT/script"
echo 'KILLS=1 EVERY=2 VERB="bh destroy disk"' >"$OUT/files/settings"
status=0
qemu --script "$OUT/script" --files "$OUT/files" --domains "$OUT/domains" --disk "$OUT/disk.img" \
    --timeout 280 --log "$OUT/serial.log" >"$OUT/out" 2>"$OUT/progress" || status=$?
[ $status = 1 ] || fail "status $status of a story that failed, not 1"
grep -q '^FAILED: ' "$OUT/out" || fail "no reason given"
