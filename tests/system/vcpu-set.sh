#!/bin/sh
# SPDX-License-Identifier: MIT
# bh vcpu-set on a stock guest of four vCPUs over two CPUs: its kernel takes vCPUs offline and online again, round after round, while
# two processes burn; the hypervisor agrees about which are there, and time goes on at the same pace on all.
# limit: 600
. "$(dirname "$0")/lib/host.sh"
stock_guest guest "" "vcpus = 4"
sed -i '/^vcpus = 1$/d' "$OUT/domains/20-guest.cfg"
script <<'END'
says guest "this is the guest's shell" 120
refused "COUNT: '5' is not a number from 1 to 4" bh vcpu-set guest 5
refused "COUNT: '0' is not a number from 1 to 4" bh vcpu-set guest 0
refused "COUNT: 'x' is not a number from 1 to 4" bh vcpu-set guest x

online() { # CPUS COUNT MARK: what the guest's kernel says, and how many vCPUs the hypervisor runs
    typed guest "echo $3 \$(cat /sys/devices/system/cpu/online) \$(grep -c ^processor /proc/cpuinfo) end"
    says guest "^$3 $1 $2 end" 30
    n=$(bh vcpu-list guest | awk '$1 == "guest" && $5 !~ /p/' | wc -l)
    [ "$n" = "$2" ] || fail "$3: $n vCPUs are online, not $2: $(bh vcpu-list guest)"
}
# udev's part: what the toolstack gives back is taken online
typed guest 'while :; do for c in /sys/devices/system/cpu/cpu[1-3]; do [ "$(cat $c/online 2>/dev/null)" = 0 ] && echo 1 >$c/online; done; sleep 0.3; done 2>/dev/null &'
typed guest 'for n in 1 2; do while :; do :; done & done'
online 0-3 4 first
for round in 1 2 3; do
    for want in 1 3 2 4; do
        bh vcpu-set guest $want || fail "bh vcpu-set guest $want"
        last=$((want - 1))
        [ $last = 0 ] && cpus=0 || cpus=0-$last
        left=60
        until [ "$(bh vcpu-list guest | awk '$1 == "guest" && $5 !~ /p/' | wc -l)" = $want ]; do
            left=$((left - 1))
            [ $left -gt 0 ] || fail "round $round: not $want vCPUs within 30 s: $(bh vcpu-list guest)"
            sleep 0.5
        done
    done
done
online 0-3 4 last
# the guest's clock against ours
uptime_of() { # MARK: the guest's, in seconds
    typed guest "echo $1 \$(cut -d. -f1 /proc/uptime) end"
    says guest "^$1 [0-9]* end" 30
    sed -n "s/^$1 \([0-9]*\) end.*/\1/p" "$(console guest)" | tail -n 1
}
set -- "$(uptime_of then)" "$(cut -d. -f1 /proc/uptime)"
sleep 10
set -- "$@" "$(uptime_of now)" "$(cut -d. -f1 /proc/uptime)"
echo "seconds of the guest's clock: $(($3 - $1)), of ours: $(($4 - $2))"
[ $(($3 - $1 + 5)) -ge $(($4 - $2)) ] && [ $(($3 - $1)) -le $(($4 - $2 + 5)) ] || fail "the guest's clock does not go as ours: $*"
typed guest 'dmesg | grep -E "BUG:|lockup|detected stall|Call Trace:"; echo trouble $? end'
says guest "^trouble 1 end" 20
bh vcpu-list guest
echo "vcpu-set: all well"
END
LIMIT=580 board
grep -q "vcpu-set: all well" "$OUT/out" || fail "the script did not reach its end"
