#!/bin/sh
# SPDX-License-Identifier: MIT
# The 82576: a stock guest gets its address by DHCP through the domain of the physical function, and keeps one checksummed TCP
# stream while that domain is killed.
# limit: 400
. "$(dirname "$0")/lib/host.sh"
: "${SECONDS_LONG:=40}"

listen
net_domain 'pci = ["00:0c.0"]' "extra = 'watchdog=${WATCHDOG:-5}'"
stock_guest guest "bh.net=dhcp bh.work=stream bh.port=$port bh.seconds=$SECONDS_LONG" "$NET"
script <<'END'
says guest '^guest: eth0 has 10\.0\.2\.' 150
says guest 'bytes verified' 60
for kill in 1 2 3; do
    sleep 3
    bh kill net || fail "bh kill net"
    restarted net $kill 30
done
says guest '^GUEST RESULT' 150
grep -a -E '^(guest: eth0|NET RESULT|GUEST RESULT|3 packets)|eth0:' "$(console guest)"
grep -q '^GUEST RESULT ok' "$(console guest)" || fail "the stream failed"
grep -q '^NET RESULT sent=[1-9][0-9]* verified=[1-9][0-9]* mismatches=0 errors=0 ' "$(console guest)" || fail "no byte verified"
END
LIMIT=${LIMIT:-380} board --nic igb:user
[ "$(grep -c connection "$OUT/echo.log")" = 1 ] || fail "the stream was not one connection"
! grep RESET "$OUT/echo.log" || fail "the service saw a reset"
