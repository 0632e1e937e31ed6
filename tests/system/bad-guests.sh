#!/bin/sh
# SPDX-License-Identifier: MIT
# Domains that execute garbage, triple-fault, flood hypercalls or events, or never yield: each is alone in its trouble.
# limit: 300
. "$(dirname "$0")/lib/host.sh"
disk 128
driver_domain
stock_guest guest "bh.work=verify bh.seconds=120 bh.mib=8 bh.workers=1" "$DISK"
for mode in garbage triple flood events spin; do
    mkdir -p "$OUT/files"
    tiny_domain $mode "/files/misbehave.elf" "$mode 1"
    mv "$OUT/domains/30-$mode.cfg" "$OUT/files/$mode.cfg"
done
cp "$BUILD/tests/domains/misbehave.elf" "$OUT/files/"
script <<'END'
says guest '^verify: ' 150
for mode in garbage triple flood events spin; do
    bh create /files/$mode.cfg || fail "create $mode"
done
becomes garbage c 30
becomes triple c 30
says flood 'misbehave: flood' 30
says events 'misbehave: events' 30
verified guest 200
bh list
[ "$(restarts disk)" = 0 ] || fail "the disk domain was restarted"
case $(state garbage)$(state triple) in "c c ") ;; *) fail "states" ;; esac
for mode in garbage triple flood events spin; do
    bh destroy $mode || fail "destroy $mode"
done
bh list
[ "$(bh list | wc -l)" = 4 ] || fail "not exactly control, disk and guest are left"
END
LIMIT=280 board --disk "$OUT/disk.img"
