#!/bin/sh
# SPDX-License-Identifier: MIT
# bh trace: sums that fit what was done meanwhile, a file that it reads again, what it refuses; then Debian's own xentrace, as it is, and
# bh reads what that wrote; xenalyze reads bh's file, where this machine has it (package xen-utils-common).
# limit: 400
. "$(dirname "$0")/lib/host.sh"
cp "$BUILD/kernels/xen/bin/xentrace" "$OUT/files/"
script <<'END'
sum() { # FILE PATTERN: the count of the line of domain 0 that has it
    awk -v what="$2" '/^domain/ {mine = $2 == "0:"} mine && index($0, what) {print $(NF - 2)}' "$1"
}
refused "seconds: '0' is not a number" bh trace --seconds 0
refused "'-o' lacks its value" bh trace -o
refused "goes with no other" bh trace --read /tmp/a -o /tmp/b
refused "this is no trace" bh trace --read /bin/busybox
refused "No such file" bh trace --read /tmp/nothing
refused "/nowhere/a: No such file" bh trace -o /nowhere/a

# until told to stop: a domain lives and ends, and we ask for something ourselves
{ echo 'name="t"'; echo 'kernel="/usr/lib/bulkhead/hello.elf"'; echo 'memory=16'; echo 'on_poweroff="preserve"'; } >/tmp/t.cfg
bh trace --seconds 100 -o /tmp/t.bin >/tmp/live &
until [ -s /tmp/t.bin ]; do sleep 0.2; done
refused "another bh trace or bh profile is running" bh trace
bh create -q /tmp/t.cfg || fail "bh create"
says t 'tick 1' 60
for _ in 1 2 3; do bh dmesg >/dev/null; done
kill -INT $!
wait $! || fail "bh trace: $(cat /tmp/live)"
cat /tmp/live
grep -q ' 0 lost$' /tmp/live || fail "records were lost"
[ "$(sum /tmp/live 'sysctl (35) 1 ')" -ge 3 ] || fail "three readconsole calls at least, and not $(sum /tmp/live 'sysctl (35) 1 ')"
grep -q "^domain $(bh domid t): ran" /tmp/live || fail "the other domain is not there"
bh trace --read /tmp/t.bin >/tmp/again || fail "bh trace --read"
cmp /tmp/live /tmp/again || fail "read again, the sums differ: $(cat /tmp/again)"

/files/xentrace -T 2 -s 50 -e all /tmp/x.bin || fail "xentrace"
bh trace --read /tmp/x.bin >/tmp/theirs || fail "bh cannot read what xentrace wrote: $(cat /tmp/theirs)"
[ "$(sum /tmp/theirs 'hlt (78)')" -ge 1 ] || fail "nothing in xentrace's file: $(cat /tmp/theirs)"
echo "file begins"
gzip -c /tmp/t.bin | base64
echo "file ends"
echo "trace: all well"
END
(LIMIT=380 board) >"$OUT/said" || { cat "$OUT/said"; exit 1; }
grep -v '^[A-Za-z0-9+/=]\{76\}$' "$OUT/said"
grep -q "trace: all well" "$OUT/out" || fail "the script did not reach its end"
command -v xenalyze >/dev/null || { echo "xenalyze is not here: not tried"; exit 0; }
sed '1,/^file begins/d; /^file ends/,$d' "$OUT/out" | base64 -d | gzip -d >"$OUT/t.bin"
xenalyze --svm-mode -s "$OUT/t.bin" >"$OUT/xenalyze" 2>"$OUT/xenalyze.err" || fail "xenalyze: $(tail -n 5 "$OUT/xenalyze.err")"
grep -q '|-- Domain 0 --|' "$OUT/xenalyze" && grep -q 'VMEXIT_VMMCALL' "$OUT/xenalyze" || fail "xenalyze saw no domain 0 and no hypercall"
