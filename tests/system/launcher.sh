#!/bin/sh
# SPDX-License-Identifier: MIT
# The launcher as an interface: script output and status exactly, wrong usage, time limit, nothing left behind.
# limit: 240
. "$(dirname "$0")/lib/host.sh"

refused() { # WORDS ARGS...: exit status 2 and a message that has the words
    words=$1
    shift
    status=0
    qemu "$@" </dev/null >"$OUT/refused" 2>&1 || status=$?
    [ $status = 2 ] || fail "tools/board qemu $*: status $status, not 2"
    grep -q -e "$words" "$OUT/refused" || fail "tools/board qemu $*: says $(cat "$OUT/refused")"
}
refused "--smp: 0" --smp 0
refused "--memory: 100" --memory 100
refused "no file /nowhere" --disk /nowhere
refused "no file /nowhere" --hypervisor /nowhere
refused "no file /nowhere" --script /nowhere
refused "no directory /nowhere" --files /nowhere
refused "no .cfg file" --domains "$OUT/files"
refused "unrecognized" --nonsense
printf 'name = "x"\nkernel = "not-there"\n' >"$OUT/domains/1.cfg"
refused "1.cfg: kernel: no file not-there" --domains "$OUT/domains"
rm "$OUT/domains/1.cfg"
(
    MACHINE=bochs
    refused "--smp: 9" --smp 9
    refused "--memory: 4096" --memory 4096
    refused "unrecognized" --disk null:16
    status=0
    qemu --cpu nonsense --control-kernel "$BUILD/guests/version.elf" </dev/null >"$OUT/refused" 2>&1 || status=$?
    [ $status = 125 ] || fail "tools/board bochs --cpu nonsense: status $status, not 125"
    grep -q "'model'" "$OUT/refused" || fail "tools/board bochs --cpu nonsense: says $(cat "$OUT/refused")"
)
qemu --dry-run --icount | grep -q -e '-icount shift=0' || fail "--dry-run prints no command line"

# output byte for byte, also without a last newline; status; --files
mkdir -p "$OUT/files/sub"
printf 'a\tb\\n%%s\n' >"$OUT/files/sub/text"
cat >"$OUT/script" <<'END'
cat /files/sub/text
echo "to the other stream" >&2
printf 'no newline at the end'
exit 7
END
status=0
qemu --script "$OUT/script" --files "$OUT/files" --timeout 120 --log "$OUT/serial.log" \
    >"$OUT/out" 2>"$OUT/progress" || status=$?
[ $status = 7 ] || fail "status $status, not the script's 7: $(cat "$OUT/progress")"
{ cat "$OUT/files/sub/text"; printf 'to the other stream\nno newline at the end'; } >"$OUT/expected"
cmp "$OUT/out" "$OUT/expected" || fail "the output is not the script's"
[ -s "$OUT/serial.log" ] || fail "--log wrote nothing"

# time limit: status 124, the end of the log, no QEMU left
echo 'echo started; sleep 1000' >"$OUT/script"
status=0
qemu --script "$OUT/script" --timeout 45 --log "$OUT/serial.log" --memory 1003 \
    >"$OUT/out" 2>"$OUT/progress" || status=$?
[ $status = 124 ] || fail "status $status after the time limit, not 124"
grep -q 'serial log ends' "$OUT/progress" || fail "no end of the serial log after the time limit"
! pgrep -f '^qemu-system-x86_64 .* -m 1003 ' >/dev/null || fail "QEMU was left behind after the time limit"

# a signal: no QEMU left
# shellcheck disable=SC2086
"$TOP/tools/board" qemu ${BOARD_ARGS:-} --script "$OUT/script" --memory 1005 >"$OUT/out" 2>"$OUT/progress" &
launcher=$!
sleep 4
pgrep -f '^qemu-system-x86_64 .* -m 1005 ' >/dev/null || fail "QEMU did not start: $(cat "$OUT/progress")"
kill -TERM $launcher
! wait $launcher || fail "status 0 after SIGTERM"
! pgrep -f '^qemu-system-x86_64 .* -m 1005 ' >/dev/null || fail "QEMU was left behind after SIGTERM"
