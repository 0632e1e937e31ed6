#!/bin/sh
# SPDX-License-Identifier: MIT
# The basic operations cost no more than the committed figures say (bench/check), and the check can fail: a baseline that was
# 6 % better, or that has a figure nobody takes, fails by name; one 4 % better passes; another compiler's is not compared. And the profile
# of an operation (bench/run profile) adds up to what the operation costs.
# limit: 240
# together
set -eu
cd "$TOP"
fail() { echo "FAIL: $*"; exit 1; }

bench/run micro
bench/check

scaled() { # FACTOR: a baseline of what was just taken, "cpuid" so much better, into $OUT/baseline.json
    bench/check --update --baseline "$OUT/now.json" >/dev/null
    python3 -c 'import json, sys
whole = json.load(open(sys.argv[1])); whole["micro"]["cpuid"] /= float(sys.argv[3]); json.dump(whole, open(sys.argv[2], "w"))' \
        "$OUT/now.json" "$OUT/baseline.json" "$1"
}
scaled 1.06
! bench/check --baseline "$OUT/baseline.json" >"$OUT/said" || fail "a figure 6 % worse passed"
grep -q '^micro: cpuid: .*+6.0 %: worse' "$OUT/said" || fail "6 % worse: $(cat "$OUT/said")"
scaled 1.04
bench/check --baseline "$OUT/baseline.json" >"$OUT/said" || fail "a figure 4 % worse failed: $(cat "$OUT/said")"
grep -q '[1-9][0-9]* figures compared, 0 worse' "$OUT/said" || fail "4 % worse: $(cat "$OUT/said")"
sed 's/"cpuid"/"gone"/' "$OUT/now.json" >"$OUT/baseline.json"
! bench/check --baseline "$OUT/baseline.json" >"$OUT/said" || fail "a figure that is gone passed"
grep -q '^micro: gone: .*not measured any more' "$OUT/said" || fail "gone: $(cat "$OUT/said")"
sed 's/"gcc": "[^"]*"/"gcc": "1.2.3"/' "$OUT/now.json" >"$OUT/baseline.json"
bench/check --baseline "$OUT/baseline.json" | grep -q 'not compared: gcc .*not 1.2.3' || fail "another compiler's figures were compared"

BENCH_PROFILE=cpuid BENCH_ROWS=1000 bench/run profile
python3 - <<END
import json
figures = {name: json.load(open(f"build/bench/{name}.json"))["figures"] for name in ("micro", "profile")}
cost = next(line["bulkhead"] for line in figures["micro"] if line["figure"] == "cpuid")
whole, *functions = (line["bulkhead"] for line in figures["profile"])
assert cost <= whole < cost + 150, f"a CPUID exit costs {cost}, its profile says {whole}"
assert abs(sum(functions) - whole) < 50, f"the functions of {whole} are {sum(functions)}"
assert any(line["figure"] == "  svm_run" and "entered 1.0 times" in line["how"] for line in figures["profile"]), "svm_run is not entered once an exit"
END
