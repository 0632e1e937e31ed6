# SPDX-License-Identifier: MIT
# In the control domain: how fast guest "victim" gets on, alone and in each of the conditions of /files/conditions (a line each): "paused" is this
# domain stopped, every other a storm of tests/domains/badfront. For each two lines "window NAME flow MS DONE ERRORS time NS DOMAIN NS...": at its
# begin and at its end. Last "memory USED of ALL, at most MOST KiB", of the driver domain of /files/driver.
console=/var/log/bulkhead/console-victim.log

flow() { tr -d '\r' <$console | sed -n 's/^flow: \([0-9]*\) ms, \([0-9]*\) done, \([0-9]*\) errors$/\1 \2 \3/p' | tail -n 1; }
look() { # NAME
    echo "window $1 flow $(flow) $(bh info | sed -n 's/^uptime_ns *: */time /p')" \
        "$(bh list -l | sed -n 's/^ *"name": "\(.*\)",*$/ \1/p; s/^ *"cpu_time_ns": \([0-9]*\).*/ \1/p' | tr -d '\n')"
}
measure() { # NAME COMMAND...: what happens while the command runs
    name=$1
    shift
    look "$name"
    "$@" || exit 1
    look "$name"
}
storm() { # NAME
    sed "s/^extra.*/extra = \"storm=$1\"/" /files/bad.cfg >/run/bad.cfg
    bh create -q /run/bad.cfg || exit 1
    left=100
    until grep -q "badfront: storm $1" /var/log/bulkhead/console-bad.log; do
        left=$((left - 1))
        [ $left -gt 0 ] || { echo "no storm $1"; exit 1; }
        sleep 0.1
    done
    sleep 0.2
    measure "$1" sleep 0.5
    bh destroy bad || exit 1
    sleep 0.1
}

left=600
until [ -n "$(flow)" ]; do
    left=$((left - 1))
    [ $left -gt 0 ] || { tail -n 20 $console; exit 1; }
    sleep 0.2
done
sleep 0.3
measure alone sleep 1
for condition in $(cat /files/conditions); do
    case $condition in
        paused) measure paused bh rest 1 ;;
        *) storm "$condition" ;;
    esac
done
node=/local/domain/$(bh domid "$(cat /files/driver)")/control/memory
xenstore-write "$node" '?'
sleep 0.1
echo "memory $(xenstore-read "$node") KiB"
