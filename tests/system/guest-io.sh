#!/bin/sh
# SPDX-License-Identifier: MIT
# An unmodified guest verifies its files on a disk that another domain drives; then the image is sound on the host.
# limit: 300
. "$(dirname "$0")/lib/host.sh"
disk 128
driver_domain
stock_guest guest "bh.work=verify bh.seconds=60 bh.mib=16 bh.workers=2 bh.end=poweroff" "$DISK"
script <<'END'
bh list
says guest '^verify: 1[0-9] s' 200
verified guest 200
END
LIMIT=280 board --disk "$OUT/disk.img"
# what the guest wrote is in the image, and the filesystem is sound
dd if="$OUT/disk.img" of="$OUT/part.img" bs=1M skip=1 status=none
PATH=$PATH:/sbin:/usr/sbin
e2fsck -fn "$OUT/part.img" || fail "e2fsck found the filesystem damaged"
debugfs -R 'ls -l /' "$OUT/part.img" 2>/dev/null | grep -q 'w1-f0' || fail "no file of the guest in the image"
