#!/bin/sh
# SPDX-License-Identifier: MIT
# A panic says why, prints registers and a backtrace with symbols, and stops every CPU: by its own word, by a fault, by a stack that
# runs into its guard page, and while the control domain runs.
# limit: 200
. "$(dirname "$0")/lib/host.sh"

# panics MOMENT WHY FUNCTION: boots into a panic; its reason and a function of the backtrace.
panics() {
    qemu --append "panic=$1" --memory 1024 --timeout 60 --log "$OUT/serial.log" </dev/null >"$OUT/out-$1" 2>&1 && fail "$1: the machine did not fail"
    grep -a '^hv|' "$OUT/serial.log" >"$OUT/log-$1"
    grep -q "PANIC: .*$2" "$OUT/log-$1" || fail "$1: no reason"
    grep -q 'cr0 [0-9a-f]* cr2 ' "$OUT/log-$1" || fail "$1: no registers"
    grep -Eq "  f{7}[0-9a-f]{9}  $3\+0x[0-9a-f]+\$" "$OUT/log-$1" || fail "$1: $3 is not in the backtrace"
    tail -n 1 "$OUT/log-$1" | grep -q 'The machine is stopped' || fail "$1: something was said after the end"
    echo "panic=$1: $(grep -c . "$OUT/log-$1") lines, registers, backtrace with $3, stopped"
}
panics boot 'asked for' provoke
panics fault 'page fault' boot_main
panics stack 'double fault' run_over
panics run 'asked for' on_timer
[ "$(grep -a -c '^(BH) PANIC' "$OUT/serial.log")" = 1 ] || fail "not on the console too"
