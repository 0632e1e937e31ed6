# SPDX-License-Identifier: MIT
# In the control domain: how long the machine's parts took to come up. Prints "figure NAME VALUE" (bench/run): entry_to_init_ms; of
# `bh create disk` create_to_serving_ms and disk_up_us; and with a stock guest waiting (/files/guest.cfg, no device) disk_connected_us and
# net_connected_us, from `bh create` of the driver domain until both ends of a device that the guest is then given say Connected.
uptime_ns() { bh info | sed -n 's/^uptime_ns *: *//p'; }

# The kernel's clock began when the kernel did; the hypervisor's when it did.
now=$(uptime_ns)
kernel=$(cut -d' ' -f1 /proc/uptime)
init=$(cat /run/init-started)
awk -v now="$now" -v kernel="$kernel" -v init="$init" \
    'BEGIN { printf "figure entry_to_init_ms %.0f\n", now / 1e6 - (kernel - init) * 1e3 }'

await() { # SECONDS_BETWEEN COMMAND...: until it succeeds
    left=20000
    pause=$1
    shift
    until "$@"; do
        left=$((left - 1))
        [ $left -gt 0 ] || { echo "never: $*"; exit 1; }
        sleep "$pause"
    done
}
says() { grep -q "$2" "/var/log/bulkhead/console-$1.log" 2>/dev/null; }

before=$(uptime_ns)
bh create -q /files/disk.cfg || exit 1
await 0.01 says disk 'disk: incarnation 1'
after=$(uptime_ns)
echo "figure create_to_serving_ms $(((after - before) / 1000000))"
sed -n 's/.*disk: incarnation 1.* up in \([0-9]*\) us.*/figure disk_up_us \1/p' /var/log/bulkhead/console-disk.log
bh destroy disk

bh create -q /files/guest.cfg || exit 1
await 0.1 says guest '^guest: Linux'
guest=$(bh domid guest)
both_connected() { [ "$(xenstore-read "$1/state" "$(xenstore-read "$1/backend")/state" 2>&1)" = "$(printf '4\n4')" ]; }

connect() { # DRIVER_DOMAIN KIND/DEVID VERB WORD...
    driver=$1 device=$2 verb=$3
    shift 3
    before=$(uptime_ns)
    bh create -q "/files/$driver.cfg" && bh "$verb" guest "backend=$driver" "$@" || exit 1
    await 0.001 both_connected "/local/domain/$guest/device/$device"
    after=$(uptime_ns)
    echo "figure ${driver}_connected_us $(((after - before) / 1000))"
}
connect disk vbd/51712 block-attach vdev=xvda target=nvme0n1
connect net vif/0 network-attach mac=00:16:3e:00:00:01
