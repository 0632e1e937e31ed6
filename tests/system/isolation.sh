#!/bin/sh
# SPDX-License-Identifier: MIT
# Nobody's I/O needs the control domain: a guest verifies its disk and a TCP stream while the control domain stops for 8 s, while bhd is
# killed and started again (and then still restarts a driver domain), while xenstored stops, while xenstored is killed with its supervisor and
# started again, and after the control domain's kernel has panicked.
# limit: 300
. "$(dirname "$0")/lib/host.sh"
LINGER=15
listen tell
disk 128
driver_domain
net_domain
stock_guest guest "bh.net=dhcp bh.work=both bh.port=$port bh.tell=$tell bh.seconds=600 bh.mib=16 bh.workers=2" "$DISK" "$NET"
script <<'END'
says guest '^guest: the rest goes to' 150
begin=$(cut -d. -f1 /proc/uptime)
sleep 8
bh rest 8 || fail "bh rest"
bh rest 0 2>&1 | grep -q 'from 1 to 60' || fail "bh rest 0"
sleep 2
echo "bhd is killed"
kill -9 "$(cat /run/bulkhead/bhd.pid 2>/dev/null || pidof bhd)" || fail "no bhd"
sleep 6
bhd || fail "bhd does not start again"
before=$(restarts disk)
bh kill disk || fail "bh kill disk"
restarted disk $((before + 1)) 20
sleep 3 # a driver domain that comes back needs xenstored
echo "xenstored stops"
kill -STOP $(pidof xenstored) || fail "no xenstored" # the daemon and its supervisor
sleep 8
kill -CONT $(pidof xenstored)
bh list || fail "bh list: xenstored does not go on"
kill -STOP $(pidof xenstored) # or the supervisor would start the next daemon
kill -9 $(pidof xenstored) || fail "no xenstored"
echo "xenstored is killed"
sleep 6
xenstored || fail "xenstored does not start again"
sleep 3
echo "panic after $(($(cut -d. -f1 /proc/uptime) - begin)) s"
echo c >/proc/sysrq-trigger
END
status=0
qemu --timeout 280 --log "$OUT/serial.log" --script "$OUT/script" --files "$OUT/files" --domains "$OUT/domains" \
    --append "control_linger=$LINGER" --disk "$OUT/disk.img" --nic user >"$OUT/out" 2>"$OUT/progress" || status=$?
cat "$OUT/progress" "$OUT/out"
lived=$(sed -n 's/^panic after \([0-9]*\) s$/\1/p' "$OUT/out")
[ -n "$lived" ] || fail "the control domain's part did not come to its end"
grep -q "domain 0 is gone .* the others run on for $LINGER s" "$OUT/serial.log" || fail "the hypervisor saw no crash of domain 0"
tail -n 4 "$OUT/tell"
# one report a second, hardly one missing, to the end; no I/O took as long as any of the stops (a restart of the disk domain
# is among them, on a machine that may be busy); no error, no wrong byte
verdict=$(awk -v last="$((lived + LINGER - 5))" '
    /^verify: [0-9]+ s,/ { n++; t = $2; for (i = 1; i < NF; i++) { if ($i == "pause") p = $(i + 1) + 0; if ($i == "errors") e += $(i + 1) } if (p > disk) disk = p }
    /^net: .*verified/ { m++; for (i = 1; i < NF; i++) { if ($i == "pause") p = $(i + 1) + 0; if ($i == "mismatches") e += $(i + 1) } if (p > net) net = p }
    /I\/O error|WRONG|RESULT/ { bad = 1 }
    END {
        printf "%d disk reports up to second %d (wanted: %d), longest pause %d ms; %d net reports, longest pause %d ms; errors %d\n", n, t, last, disk, m, net, e
        exit !(t >= last && n >= last - 8 && m >= last - 8 && disk < 4500 && net < 4500 && !e && !bad)
    }' "$OUT/tell") || fail "the guest's I/O was disturbed: $verdict"
echo "$verdict"
