#!/bin/sh
# SPDX-License-Identifier: MIT
# A short campaign: every kind of fault once for each driver domain (tests/campaign/run --help), then both devices leave the bus.
# limit: 500
. "$(dirname "$0")/lib/host.sh"
exec "$TOP/tests/campaign/run" --kills 11 --seconds 75 --seed "${SEED:-1}" --out "$OUT"
