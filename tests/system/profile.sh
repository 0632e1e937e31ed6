#!/bin/sh
# SPDX-License-Identifier: MIT
# bh profile: folded stacks of the hypervisor and of the control domain's kernel, by name, while it makes hypercalls; the idle loop; as many
# samples as were asked for; perf's text as the readers of `perf script` match it; what is refused; and nothing goes on afterwards.
# limit: 300
. "$(dirname "$0")/lib/host.sh"
script <<'END'
refused "seconds: '0' is not a number" bh profile --seconds 0
refused "frequency: '1001' is not a number from 1 to 1000" bh profile -f 1001
refused "'-o' lacks its value" bh profile -o
refused "'x' is no option" bh profile x
refused "'control' is not DOMAIN=FILE" bh profile --symbols control
refused "no domain" bh profile --symbols nobody=/proc/kallsyms
refused "/nowhere: No such file" bh profile --symbols 0=/nowhere
refused "no symbol table (stripped)" bh profile --symbols 0=/bin/busybox
refused "/nowhere/a: No such file" bh profile -o /nowhere/a

while :; do bh dmesg >/dev/null; done &
burner=$!
bh profile -s 100 -o /tmp/early 2>/tmp/early.sum &
early=$!
sleep 2
refused "another bh trace or bh profile is running" bh profile
refused "another bh trace or bh profile is running" bh trace
kill -INT $early
wait $early || fail "bh profile ended early: $(cat /tmp/early.sum)"
bh profile -s 8 -f 200 --symbols 0=/proc/kallsyms -o /tmp/folded 2>/tmp/sum || fail "bh profile: $(cat /tmp/sum)"
bh profile -s 3 --perf -o /tmp/perf --symbols 0=/proc/kallsyms 2>/tmp/perf.sum || fail "bh profile --perf: $(cat /tmp/perf.sum)"
kill $burner
cat /tmp/sum /tmp/early.sum /tmp/perf.sum
sort -k 2 -n -r -t ' ' /tmp/folded | head -n 30
grep -q -v -E '^[^ ;]+(;[^ ;]+)+ [0-9]+$' /tmp/folded && fail "no folded stack: $(grep -v -E '^[^ ;]+(;[^ ;]+)+ [0-9]+$' /tmp/folded | head -n 3)"
grep -q '^control;\[hypervisor\];cpu_loop;call_hypercall;call_[a-z_]*[ ;]' /tmp/folded || fail "no hypercall of the control domain"
grep -q '^idle;\[hypervisor\];cpu_loop' /tmp/folded || fail "nobody idles"
grep -q '^control;[a-z_][a-z_0-9.]* ' /tmp/folded || fail "no name of the control domain's kernel"
n=$(awk '{n += $NF} END {print n}' /tmp/folded)
[ "$(sed 's/ samples.*//' /tmp/sum)" = "$n" ] || fail "the stacks are $n samples, the sum is $(cat /tmp/sum)"
[ "$n" -ge 480 ] && [ "$n" -le 5760 ] || fail "$n samples of 3 CPUs in 8 s, 200 a second"
grep -q ' 0 records lost' /tmp/sum || fail "records were lost"

# afterwards bh trace records what it did before
bh trace -s 1 -o /tmp/t.bin >/dev/null || fail "bh trace"
before=$(wc -c </tmp/t.bin)
[ "$before" -gt 100 ] || fail "bh trace records nothing after a profile"
echo "perf begins"
cat /tmp/perf
echo "perf ends"
echo "profile: all well"
END
(LIMIT=280 board) >"$OUT/said" || { cat "$OUT/said"; exit 1; }
sed '/^perf begins/,/^perf ends/d' "$OUT/said"
grep -q "profile: all well" "$OUT/out" || fail "the script did not reach its end"
sed '1,/^perf begins/d; /^perf ends/,$d' "$OUT/out" >"$OUT/perf"
python3 - "$OUT/perf" <<'END' || fail "perf's text is not what its readers expect"
import re
import sys
samples = frames = 0
for line in open(sys.argv[1]):
    line = line.rstrip("\n")
    if re.match(r"\S.*?\s+\d+/\d+\s+\[\d{3}\]\s+\d+\.\d+:\s+\d+\s+\S+:\s*$", line):
        samples += 1
    elif re.match(r"\t\s*[0-9a-f]+ .+ \((\[hypervisor\]|\[guest\])\)$", line):
        frames += 1
    elif line:
        sys.exit(f"not a line of perf script: {line!r}")
print(f"{samples} samples, {frames} frames")
sys.exit(not (samples > 50 and frames >= samples))
END
