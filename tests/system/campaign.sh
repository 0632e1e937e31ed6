#!/bin/sh
# SPDX-License-Identifier: MIT
# A short campaign: one boot, every kind of fault once for each driver domain if the machine is quick enough (tests/campaign/run --help),
# then both devices leave the bus.
# limit: 400
. "$(dirname "$0")/lib/host.sh"
exec "$TOP/tests/campaign/run" --kills 11 --boots 1 --seconds 60 --seed "${SEED:-1}" --out "$OUT"
