# SPDX-License-Identifier: MIT
# In the control domain, with a stock guest waiting (/files/guest.cfg, no device): disk_connected_us and net_connected_us, from `bh create`
# of the driver domain (/files/disk.cfg, net.cfg) until both ends of a device that the guest is then given say Connected. Prints
# "figure NAME VALUE" (bench/run).
uptime_ns() { bh info | sed -n 's/^uptime_ns *: *//p'; }

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
waits() { grep -q '^guest: Linux' /var/log/bulkhead/console-guest.log 2>/dev/null; }
both_connected() { [ "$(xenstore-read "$1/state" "$(xenstore-read "$1/backend")/state" 2>&1)" = "$(printf '4\n4')" ]; }

bh create -q /files/guest.cfg || exit 1
await 0.1 waits
guest=$(bh domid guest)

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
