#!/bin/sh
# SPDX-License-Identifier: MIT
#
# One boot of a fault campaign (tests/campaign/run): control domain, disk domain, net domain, and an unmodified guest that
# verifies its disk and a TCP stream with the echo service at PORT for SECONDS_LONG; inside.sh inflicts what $OUT/files/plan says.
# Started with OUT, PORT and SECONDS_LONG in the environment.
. "$(dirname "$0")/../system/lib/host.sh"
disk 128
driver_domain "extra = \"fault=store timeout=1\""
net_domain "extra = \"fault=store\""
stock_guest guest "bh.net=dhcp bh.work=both bh.port=$PORT bh.seconds=$SECONDS_LONG bh.mib=16 bh.workers=2" "$DISK" "$NET"
echo "SECONDS_LONG=$SECONDS_LONG" >"$OUT/files/settings"
script <"$TOP/tests/campaign/inside.sh"
LIMIT=$((SECONDS_LONG + 420)) board --disk "$OUT/disk.img" --nic user
