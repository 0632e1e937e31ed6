#!/bin/sh
# SPDX-License-Identifier: MIT
# A driver domain that makes its device reach outside its memory is stopped, with the reason; nobody else is touched.
# limit: 300
. "$(dirname "$0")/lib/host.sh"
disk 128
truncate -s 64M "$OUT/second.img"
driver_domain
stock_guest guest "bh.work=verify bh.seconds=120 bh.mib=8 bh.workers=1" "$DISK"
cp "$BUILD/tests/domains/misbehave.elf" "$OUT/files/"
tiny_domain rogue "/files/misbehave.elf" "dma" 'driver_domain = 1' 'pci = ["00:05.0"]'
mv "$OUT/domains/30-rogue.cfg" "$OUT/files/rogue.cfg"
script <<'END'
says guest '^verify: ' 150
bh create /files/rogue.cfg || fail "create rogue"
says rogue 'misbehave: dma' 30
becomes rogue c 60
! grep SURVIVED "$(console rogue)" || fail "the rogue domain went on"
bh dmesg | grep -i 'dma' | grep -q '00:05.0' || fail "no word about the fault in the log"
verified guest 200
bh list
[ "$(restarts disk)" = 0 ] || fail "the disk domain was restarted"
END
LIMIT=280 board --disk "$OUT/disk.img" --disk "$OUT/second.img"
