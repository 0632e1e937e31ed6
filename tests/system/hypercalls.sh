#!/bin/sh
# SPDX-License-Identifier: MIT
# 200,000 fuzzed hypercalls with a seed of the day's own choice (SEED=n repeats one): tests/campaign/fuzz --help. Ten million are in `make campaign`.
# limit: 600
exec "$TOP/tests/campaign/fuzz" --calls 200000 --each 200000 --seed "${SEED:-$(date +%Y%m%d)}" --out "$OUT"
