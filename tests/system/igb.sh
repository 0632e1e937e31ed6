#!/bin/sh
# SPDX-License-Identifier: MIT
# The 82576: a stock guest gets its address by DHCP through the domain of the physical function, and keeps one checksummed TCP
# stream while that domain is killed, hangs and stops silently, and while the card does not hear it until it is reset.
# limit: 400
. "$(dirname "$0")/lib/host.sh"
: "${SECONDS_LONG:=200}" "${LIMIT:=380}" "${PATIENCE:=150}"

listen
net_domain 'pci = ["00:0c.0"]' "extra = \"fault=store ${EXTRA:-}\""
stock_guest guest "bh.net=dhcp bh.work=stream bh.port=$port bh.seconds=$SECONDS_LONG" "$NET"
echo "PATIENCE=$PATIENCE" >"$OUT/files/settings"
script <<'END'
. /files/settings
says guest '^guest: eth0 has 10\.0\.2\.' "$PATIENCE"
says guest 'bytes verified' "$PATIENCE"
n=0
for kind in kill loop stall kill; do
    sleep 3
    ! grep -q '^NET RESULT' "$(console guest)" || fail "the stream ended before $kind"
    if [ $kind = kill ]; then bh kill net || fail "bh kill net"; else fault net $kind@30; fi
    n=$((n + 1))
    restarted net $n 60
done
sleep 3
fault net stuck@30
says net 'igb0: it does not send, reset 1' "$PATIENCE"
says net 'igb0: link is up' "$PATIENCE"
streamed guest "$PATIENCE"
grep 'restart net' /var/log/bulkhead/bhd.log
END
board --nic igb:user
[ "$(grep -c connection "$OUT/echo.log")" = 1 ] || fail "the stream was not one connection"
! grep RESET "$OUT/echo.log" || fail "the service saw a reset"
