#!/bin/sh
# SPDX-License-Identifier: MIT
# Two stock guests reach each other through the switch of the net domain: a checksummed TCP stream, kept while the domain is killed. A
# third interface comes and goes meanwhile. The guests are in a VLAN, with a host on the wire; the client's rate is limited, and it
# reaches nobody with an address that is not its own. The domain drives two cards; the third interface is on the second.
# limit: 400
. "$(dirname "$0")/lib/host.sh"
base=$((20000 + $$ % 20000))
python3 "$TOP/tests/system/lib/wire.py" $base $((base + 1)) 192.168.7.9 7 "$OUT/wire.log" &
wire_pid=$!
trap 'kill $wire_pid 2>/dev/null' EXIT
net_domain 'pci += ["00:11.0"]'
stock_guest server "bh.net=192.168.7.1/24 bh.work=echo bh.port=7" 'vif = ["backend=net,mac=00:16:3e:00:00:01,vlan=7"]'
stock_guest client "bh.net=192.168.7.2/24 bh.work=stream bh.peer=192.168.7.1 bh.port=7 bh.seconds=120 bh.ping=192.168.7.9 bh.spoof=192.168.7.99" \
    'vif = ["backend=net,mac=00:16:3e:00:00:02,vlan=7,ip=192.168.7.2,rate=8Mb/s"]'
mv "$OUT/domains/20-client.cfg" "$OUT/files/client.cfg"
cp "$BUILD/guest.cpio" "$OUT/files/"
script <<'END_OF_SCRIPT'
says server '^guest: echo service' 150
sed -e 's|^kernel = .*|kernel = "/domains/vmlinux"|' -e 's|^ramdisk = .*|ramdisk = "/files/guest.cpio"|' /files/client.cfg >/tmp/client.cfg
kernel=$(sed -n 's/^kernel = "\(.*\)"/\1/p' /domains/20-server.cfg)
sed -i "s|^kernel = .*|kernel = \"$kernel\"|" /tmp/client.cfg
bh create /tmp/client.cfg || fail "bh create client"
says client 'bytes verified' 150
bh network-attach server backend=net mac=00:16:3e:00:00:09 bridge=wire1 || fail "bh network-attach"
bh network-attach server backend=nowhere 2>&1 | grep -q "no domain called 'nowhere'" || fail "attach to no backend"
bh network-attach server mac=01:16:3e:00:00:09 2>&1 | grep -q 'multicast' || fail "attach with a multicast address"
bh network-attach server rate=fast 2>&1 | grep -q "rate: 'fast' is not" || fail "attach with a rate that is none"
left=100
until bh network-list server | grep -q '^1 .*00:16:3e:00:00:09 .* 4 '; do
    left=$((left - 1))
    [ $left -gt 0 ] || fail "vif 1 is not connected: $(bh network-list server)"
    sleep 0.2
done
for kill in 1 2 3; do
    bh kill net || fail "bh kill net"
    restarted net $kill 20
    sleep 3
done
bh network-list server | grep -q '^1 .*00:16:3e:00:00:09 .* 4 ' || fail "vif 1 did not survive"
bh network-detach server 00:16:3e:00:00:09 || fail "bh network-detach"
! bh network-list server | grep -q '^1 ' || fail "vif 1 is still there"
streamed client 150
grep -q '^guest: 192.168.7.9 answers 192.168.7.2' "$(console client)" || fail "the host on the wire is not reached in the VLAN"
grep -q '^guest: 192.168.7.1 does not answer 192.168.7.99' "$(console client)" || fail "an address passed that is not the client's"
grep -q '2 card(s)' "$(console net)" || fail "the net domain does not drive two cards"
grep 'vif .*/1: adopted on wire1' "$(console net)" || fail "the third interface is not on the second card"
result=$(sed -n 's/^NET RESULT sent=\([0-9]*\) .* seconds=\([0-9]*\).*/\1 \2/p' "$(console client)")
limit=$((${result#* } * 1000000))
[ "${result% *}" -lt $((limit + limit / 10)) ] || fail "${result% *} bytes in ${result#* } s are more than 8 Mb/s"
END_OF_SCRIPT
LIMIT=380 board --nic "socket,udp=127.0.0.1:$base,localaddr=127.0.0.1:$((base + 1))" --nic user
cat "$OUT/wire.log"
grep -q 'heard 00:16:3e:00:00:02 vlan 7' "$OUT/wire.log" || fail "nothing of the client was heard on the wire"
! grep -E '^heard 00:16:3e:00:00:0[12] vlan [^7]' "$OUT/wire.log" || fail "a guest was heard outside its VLAN"
