# SPDX-License-Identifier: MIT
# In the control domain, ours or Xen's: create as many tiny domains as /files/count says (stubdoms/hello, 4 MiB), destroy them, then
# create, boot and destroy a stock guest. Prints "figure NAME VALUE": create_us once a domain, in order; destroy_us; consoles, how many of
# them have a log; free memory in MiB
# before, with them all, and after, and hypervisor_kib likewise, which no domain owns; guest_create_us, guest_boot_us (create to its user space), guest_destroy_us.
. /services
read -r count </files/count

now() { # the kernel's clock in us, without a process
    while read -r word other value _; do
        [ "$word $other" = "now at" ] && { us=$((value / 1000)); return; }
    done </proc/timer_list
}
memory() { # free, and the hypervisor's; of Xen's, which does not say, what is in use and no domain's
    $toolstack info >/tmp/info
    sed -n "s/^free_memory *: */figure free_$1_mib /p; s/^hypervisor_memory_kib *: */figure hypervisor_$1_kib /p" /tmp/info
    grep -q '^hypervisor_memory' /tmp/info || $toolstack list | awk -v when="$1" '
        FILENAME == "/tmp/info" { if ($1 == "total_memory") rest += $3; if ($1 == "free_memory") rest -= $3; next }
        FNR > 1 { rest -= $3 }
        END { printf "figure hypervisor_%s_kib %d\n", when, rest * 1024 }' /tmp/info -
}
tiny() {
    cat >/tmp/tiny.cfg <<END
name = "tiny$1"
type = "pvh"
kernel = "/files/hello.elf"
memory = 4
shadow_memory = 8
extra = "stay"
END
}
timed() { # NAME COMMAND...: its time as a figure
    name=$1
    shift
    now
    began=$us
    "$@" >/tmp/timed.log 2>&1 || { cat /tmp/timed.log; exit 1; }
    now
    echo "figure $name $((us - began))"
}

sleep 1
memory before
i=0
while [ $((i += 1)) -le "$count" ]; do
    tiny $i
    timed create_us create_domain /tmp/tiny.cfg
done
memory with
echo "figure consoles $(ls $(console_of 'tiny*') | wc -l)"
i=0
while [ $((i += 1)) -le "$count" ]; do
    timed destroy_us $toolstack destroy tiny$i
done
sleep 1
memory after

now
start=$us
timed guest_create_us create_domain /files/guest.cfg
left=6000
until grep -q '^guest: Linux' "$(console_of guest)" 2>/dev/null; do
    left=$((left - 1))
    [ $left -gt 0 ] || { tail "$(console_of guest)" /var/log/bulkhead/bhd.log; exit 1; }
    sleep 0.01
done
now
echo "figure guest_boot_us $((us - start))"
timed guest_destroy_us $toolstack destroy guest
