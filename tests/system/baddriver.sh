#!/bin/sh
# SPDX-License-Identifier: MIT
# A driver domain that turns against everybody it can reach (tests/domains/baddriver): configuration space, interrupt messages with every
# handle, grants it was not given, events, answers that nobody asked for; its last message, to memory that is not its own, is its end.
# The guest that it serves a second disk keeps its first one, whatever its block front makes of such a backend (Linux 6.1 stops its
# xenbus thread by a BUG), and nobody else notices.
# Interrupt messages in the compatibility format are left out: the emulator does not block them (docs/passthrough.md).
# limit: 400
. "$(dirname "$0")/lib/host.sh"
disk 128
truncate -s 64M "$OUT/second.img"
driver_domain
stock_guest guest "bh.work=verify bh.seconds=90 bh.mib=8 bh.workers=1" "$DISK"
cp "$BUILD/tests/domains/baddriver.elf" "$OUT/files/"
tiny_domain bad /files/baddriver.elf "" 'driver_domain = 1' 'pci = ["00:05.0"]'
mv "$OUT/domains/30-bad.cfg" "$OUT/files/bad.cfg"
script <<'END'
says guest '^verify: ' 150
bh create /files/bad.cfg || fail "create bad"
says bad 'baddriver: waiting for the guest' 150
bh block-attach guest backend=bad vdev=xvdb target=lies || fail "bh block-attach"
says bad 'baddriver: a message to memory' 150
becomes bad c 60
grep -a baddriver "$(console bad)"
! grep -a SURVIVED "$(console bad)" || fail "the message was let through"
bh dmesg | grep -i 'dma' | grep '00:05.0' | tail -n 2
bh dmesg | grep -i 'dma' | grep -q '00:05.0' || fail "no word about the fault in the log"
grep -q 'baddriver: RESULT attacks=[1-9][0-9]* wrong=0' "$(console bad)" || fail "it could do what it should not"
typed guest enough
says guest '^RESULT ' 200
grep -a -E '^RESULT|blkfront' "$(console guest)"
grep -a -q '^RESULT written=[1-9][0-9]* verified=[1-9][0-9]* miscompares=0 io_errors=0 ' "$(console guest)" || fail "the first disk suffered"
[ "$(restarts disk)" = 0 ] || fail "the disk domain was restarted"
bh list
END
LIMIT=380 board --disk "$OUT/disk.img" --disk "$OUT/second.img"
