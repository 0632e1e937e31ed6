# SPDX-License-Identifier: MIT
# In the control domain, for bench/fire: how fast guest "victim" gets on, alone and beside each storm of /files/storms (a line each).
# "window NAME FLOW_BEFORE UPTIME DOMAIN NS..." and "... FLOW_AFTER ..." pairs, the name "alone" without a storm.
console=/var/log/bulkhead/console-victim.log

flow() { tr -d '\r' <$console | sed -n 's/^flow: \([0-9]*\) ms, \([0-9]*\) done, \([0-9]*\) errors$/\1 \2 \3/p' | tail -n 1; }
look() { # NAME
    echo "window $1 flow $(flow) $(bh info | sed -n 's/^uptime_ns *: */time /p')" \
        "$(bh list -l | sed -n 's/^ *"name": "\(.*\)",*$/ \1/p; s/^ *"cpu_time_ns": \([0-9]*\).*/ \1/p' | tr -d '\n')"
}

left=600
until [ -n "$(flow)" ]; do
    left=$((left - 1))
    [ $left -gt 0 ] || { tail -n 20 $console; exit 1; }
    sleep 0.2
done
measure() { # NAME
    look "$1"
    sleep 0.5
    look "$1"
}
sleep 0.5
measure alone
for storm in $(cat /files/storms); do
    sed "s/^extra.*/extra = \"storm=$storm\"/" /files/bad.cfg >/run/bad.cfg
    bh create -q /run/bad.cfg || exit 1
    left=100
    until grep -q "badfront: storm $storm" /var/log/bulkhead/console-bad.log; do
        left=$((left - 1))
        [ $left -gt 0 ] || { echo "no storm $storm"; exit 1; }
        sleep 0.1
    done
    sleep 0.2
    measure "$storm"
    bh destroy bad || exit 1
    sleep 0.1
done
measure alone
