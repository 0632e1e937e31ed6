#!/bin/sh
# SPDX-License-Identifier: MIT
# A front-end that is hostile to the disk domain and the net domain at once, in every way that tests/domains/badfront knows: each attack ends with an
# error or its device stopped with a reason; no driver domain dies of it, and another guest of both keeps its disk and its stream.
# limit: 400
. "$(dirname "$0")/lib/host.sh"
listen
disk 128
truncate -s 64M "$OUT/second.img"
driver_domain 'pci += ["00:05.0"]'
net_domain
stock_guest guest "bh.net=dhcp bh.work=both bh.port=$port bh.seconds=300 bh.mib=8 bh.workers=1" "$DISK" "$NET"
cp "$BUILD/tests/domains/badfront.elf" "$OUT/files/"
tiny_domain bad /files/badfront.elf "" 'disk = ["backend=disk,vdev=xvda,target=nvme1n1"]' 'vif = ["backend=net,mac=00:16:3e:00:00:66"]'
mv "$OUT/domains/30-bad.cfg" "$OUT/files/bad.cfg"
script <<'END'
says guest '^verify: [3-9] s, ' 150
says guest '^net: .* bytes verified' 60
bh create /files/bad.cfg || fail "create bad"
says bad '^badfront: RESULT' 200
grep badfront "$(console bad)"
grep -a '^verify' "$(console guest)" | tail -n 3
bh destroy bad || fail "destroy bad"
verified guest 200
streamed guest 1
[ "$(restarts disk)$(restarts net)" = 00 ] || fail "a driver domain was restarted: disk $(restarts disk), net $(restarts net)"
grep -q 'badfront: RESULT attacks=[1-9][0-9]* wrong=0' "$(console bad)" || fail "the backends did something wrong"
END
LIMIT=380 board --disk "$OUT/disk.img" --disk "$OUT/second.img" --nic user
