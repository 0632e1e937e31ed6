#!/bin/sh
# SPDX-License-Identifier: MIT
# An 82576 with two virtual functions: one domain drives the physical function and serves one guest, another drives a virtual one and
# serves a second guest. The guests ping each other through the card's own switch, and each keeps a checksummed TCP stream while both
# domains are killed. What must be refused is.
# limit: 600
. "$(dirname "$0")/lib/host.sh"
: "${SECONDS_LONG:=300}" "${LIMIT:=580}" "${PATIENCE:=200}"

listen
net_domain 'pci = ["00:0c.0,vfs=2"]'
sed -e 's/"net"/"netvf"/' -e 's/00:10.0/00:1c.0/' "$TOP/tools/demo/net/10-net.cfg" >"$OUT/domains/11-netvf.cfg"
work="bh.peer=10.0.2.2 bh.work=stream bh.port=$port bh.seconds=$SECONDS_LONG"
stock_guest physical "bh.net=10.0.2.21/24 $work bh.ping=10.0.2.22" "$NET"
stock_guest virtual "bh.net=10.0.2.22/24 $work bh.ping=10.0.2.21" 'vif = ["backend=netvf,mac=00:16:3e:00:00:02"]'
sed -e 's/"net"/"more"/' -e 's/00:10.0/00:1c.2,vfs=1/' "$TOP/tools/demo/net/10-net.cfg" >"$OUT/files/more.cfg"
echo "PATIENCE=$PATIENCE" >"$OUT/files/settings"
script <<'END'
. /files/settings
grep '2 virtual function' /var/log/bulkhead/pcid.log || fail "pcid made no virtual functions"
bh create /files/more.cfg 2>&1 | grep 'vfs: it can have at most 0' || fail "virtual functions of a virtual function"
sed -e 's/,vfs=1//' /files/more.cfg >/tmp/more.cfg
bh create /tmp/more.cfg || fail "the second virtual function cannot be assigned"
says more 'igbvf0: link is up' "$PATIENCE"
bh destroy more || fail "bh destroy more"
sed -e 's/00:1c.2/00:1c.4/' /tmp/more.cfg >/tmp/third.cfg
bh create /tmp/third.cfg 2>&1 | grep 'no such function' || fail "a virtual function that is not enabled"
for guest in physical virtual; do says $guest 'bytes verified' "$PATIENCE"; done
n=0
for domain in netvf net netvf net; do
    sleep 3
    for guest in physical virtual; do
        ! grep -q '^NET RESULT' "$(console $guest)" || fail "the stream of $guest ended before a kill of $domain"
    done
    bh kill $domain || fail "bh kill $domain"
    n=$((n + 1))
    restarted $domain $(((n + 1) / 2)) 30
done
sleep 3
for guest in physical virtual; do streamed $guest "$PATIENCE"; done
grep -q '^guest: 10.0.2.22 answers 10.0.2.21' "$(console physical)" || fail "the physical function's guest does not reach the virtual one's"
grep -q '^guest: 10.0.2.21 answers 10.0.2.22' "$(console virtual)" || fail "the virtual function's guest does not reach the physical one's"
grep 'igb' "$(console net)" "$(console netvf)"
! grep 'physical function was reset' "$(console netvf)" || fail "the virtual function noticed that the physical one's domain died"
for domain in net netvf; do bh destroy $domain || fail "bh destroy $domain"; done
left=50
until grep -q 'virtual functions off' /var/log/bulkhead/pcid.log; do
    left=$((left - 1))
    [ $left -gt 0 ] || fail "the virtual functions are still on"
    sleep 0.2
done
grep 'virtual' /var/log/bulkhead/pcid.log
grep -q 'release 0000:00:0c.0 .* in use' /var/log/bulkhead/pcid.log || fail "the physical function was reset under its virtual one"
END
board --nic igb:user
[ "$(grep -c connection "$OUT/echo.log")" = 2 ] || fail "the streams were not one connection each"
! grep RESET "$OUT/echo.log" || fail "the service saw a reset"
