#!/bin/sh
# SPDX-License-Identifier: MIT
# The CD image boots through GRUB to the control domain's prompt, which answers and powers the machine off.
# limit: 240
. "$(dirname "$0")/lib/host.sh"
printf 'bh list | sed s/^/row:/\npoweroff\n' |
    qemu --iso "$BUILD/bulkhead.iso" --timeout 220 --log "$OUT/serial.log" >"$OUT/out" 2>"$OUT/progress" ||
    fail "status $?: $(cat "$OUT/progress")"
grep -a -q '^row:control .* 0 ' "$OUT/out" || fail "no row of the control domain"
