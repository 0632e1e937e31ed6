# SPDX-License-Identifier: MIT
# In the control domain: wait for the benchmark of the domain named in /files/who and print its lines; before each of them the
# time, and the CPU time every domain has used until then, in ns: "times UPTIME NAME NS ...". If there is a domain "sink", the packets
# that it has received follow: "... packets N". Under Xen the same with what /files/domtimes says: "times UPTIME ID NS ...".
# With a program /files/notso (bench/notso.c) the second card's driver is to do without segmentation by the card.
who=$(cat /files/who)
[ ! -e /files/notso ] || /files/notso eth1 || exit 1
console=/var/log/bulkhead/console-$who.log
[ ! -e /files/domtimes ] || console=/var/log/xen/console/guest-$who.log

cpu_times() {
    if [ -e /files/domtimes ]; then # the sink is domain 2, what its back-end sends it has received
        echo "$(/files/domtimes)$(sed 's/^/ packets /' /sys/class/net/vif2.0/statistics/tx_packets 2>/dev/null)"
        return
    fi
    bh info | sed -n 's/^uptime_ns *: */times /p' | tr -d '\n'
    bh list -l | sed -n 's/^ *"name": "\(.*\)",*$/ \1/p; s/^ *"cpu_time_ns": \([0-9]*\).*/ \1/p' | tr -d '\n'
    ! bh domid sink >/dev/null 2>&1 || bh network-stats sink | awk '/^vif/ { printf " packets %s", $7 }'
    echo
}

seen=0 left=12000
until grep -q 'bench: done\|bench: failed' $console 2>/dev/null; do
    lines=$(grep -c 'bench: ' $console 2>/dev/null)
    if [ "${lines:-0}" -gt $seen ]; then
        cpu_times
        grep 'bench: ' $console | tail -n +$((seen + 1)) | head -n $((lines - seen))
        seen=$lines
    fi
    left=$((left - 1))
    [ $left -gt 0 ] || { tail -n 20 $console; exit 1; }
    sleep 0.1
done
grep 'bench: ' $console | tail -n +$((seen + 1))
grep -q 'bench: done' $console || { tail -n 20 $console; exit 1; }
