# SPDX-License-Identifier: MIT
# In the control domain: how long the machine's parts took to come up. Prints "figure NAME VALUE" (bench/run).
uptime_ns() { bh info | sed -n 's/^uptime_ns *: *//p'; }

# The kernel's clock began when the kernel did; the hypervisor's when it did.
now=$(uptime_ns)
kernel=$(cut -d' ' -f1 /proc/uptime)
init=$(cat /run/init-started)
awk -v now="$now" -v kernel="$kernel" -v init="$init" \
    'BEGIN { printf "figure entry_to_init_ms %.0f\n", now / 1e6 - (kernel - init) * 1e3 }'

before=$(uptime_ns)
bh create -q /files/10-disk.cfg || exit 1
left=400
until grep -q 'disk: incarnation 1' /var/log/bulkhead/console-disk.log 2>/dev/null; do
    left=$((left - 1))
    [ $left -gt 0 ] || exit 1
    sleep 0.01
done
after=$(uptime_ns)
echo "figure create_to_serving_ms $(((after - before) / 1000000))"
sed -n 's/.*disk: incarnation 1.* up in \([0-9]*\) us.*/figure disk_up_us \1/p' /var/log/bulkhead/console-disk.log
