#!/bin/sh
# SPDX-License-Identifier: MIT
# Debian's iperf3 in two stock guests, both ways through the switch of the net domain, which is killed in each direction once: no
# connection breaks, and each end has received something. Nobody is on the wire: QEMU's user network would answer what a new
# switch floods while it does not know the guests, with a reset.
# limit: 300
. "$(dirname "$0")/lib/host.sh"
net_domain
stock_guest server "bh.net=192.168.7.1/24 bh.work=iperf3d" 'vif = ["backend=net,mac=00:16:3e:00:00:01"]'
stock_guest client "bh.net=192.168.7.2/24 bh.work=iperf3 bh.peer=192.168.7.1 bh.seconds=12" 'vif = ["backend=net,mac=00:16:3e:00:00:02"]'
sed -i 's|/guest.cpio|/guest-iperf3.cpio|' "$OUT"/domains/20-*.cfg
mv "$OUT/domains/20-client.cfg" "$OUT/domains/30-client.cfg"
script <<'END'
says client 'connected to 192.168.7.1' 150
sleep 3
bh kill net || fail "bh kill net"
says client 'Reverse mode' 90
sleep 3
bh kill net || fail "bh kill net"
restarted net 2 30
says client '^GUEST RESULT' 90
grep -a -E 'sender|receiver|^GUEST RESULT' "$(console client)"
grep -q '^GUEST RESULT ok' "$(console client)" || fail "iperf3 failed"
[ "$(grep -c -E ' [1-9][0-9.]* .?bits/sec .*receiver' "$(console client)")" = 2 ] || fail "a direction has received nothing"
END
LIMIT=280 board --nic hubport,hubid=0
