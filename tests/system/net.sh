#!/bin/sh
# SPDX-License-Identifier: MIT
# A stock guest gets its address by DHCP through the net domain, pings and keeps one checksummed TCP stream with a service
# on the board's network. The net domain is killed and does wrong what a driver can do wrong: no reset, no wrong byte, the carrier stays.
# limit: 400
. "$(dirname "$0")/lib/host.sh"
: "${FAULTS:=kill wildptr stack heap loop stall}" "${SECONDS_LONG:=200}"

listen
net_domain 'extra = "fault=store"'
stock_guest guest "bh.net=dhcp bh.work=stream bh.port=$port bh.seconds=$SECONDS_LONG" "$NET"
echo "FAULTS='$FAULTS'" >"$OUT/files/settings"
script <<'END'
. /files/settings
bh network-list guest
says guest '^guest: eth0 has 10\.0\.2\.' 150
says guest 'bytes verified' 60
n=0
for kind in $FAULTS; do
    sleep 3
    ! grep -q '^NET RESULT' "$(console guest)" || fail "the stream ended before $kind"
    if [ "$kind" = kill ]; then bh kill net || fail "bh kill net"; else fault net "$kind@30"; fi
    n=$((n + 1))
    restarted net $n 30
done
sleep 3
streamed guest 150
grep 'restart net' /var/log/bulkhead/bhd.log | tail -n 6
grep 'live-lock' "$(console net)" || fail "the queue that stopped was not noticed as such"
grep -q 'incarnation '$((n + 1)) "$(console net)" || fail "the net domain is not in incarnation $((n + 1))"
bh network-stats guest | tee /tmp/stats
awk -v incarnation=$((n + 1)) '$1 ~ /^vif[0-9]+\.0$/ && $2 == incarnation && $3 > 0 && $4 > 0 && $7 > 0 && $8 > 0 { ok = 1 } END { exit !ok }' \
    /tmp/stats || fail "the figures of the interface are wrong"
bh network-list guest | grep -q '^0 .* 4 ' || fail "the interface is not connected: $(bh network-list guest)"
END
LIMIT=380 board --nic user
[ "$(grep -c connection "$OUT/echo.log")" = 1 ] || fail "the stream was not one connection"
! grep RESET "$OUT/echo.log" || fail "the service saw a reset"
