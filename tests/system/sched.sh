#!/bin/sh
# SPDX-License-Identifier: MIT
# The credit scheduler on a machine of two CPUs: bh's verbs about CPUs and what they refuse, bh top; vCPUs taken from a kernel and given
# back; a cap holds a domain that burns.
# limit: 300
. "$(dirname "$0")/lib/host.sh"
script <<'END'
{ echo 'name="t"'; echo 'kernel="/usr/lib/bulkhead/hello.elf"'; echo 'memory=16'; echo 'cpu_weight=300'; echo 'cap=40'; echo 'cpus_soft="2"'; echo 'on_poweroff="preserve"'; } >/tmp/t.cfg
bh create -p /tmp/t.cfg || fail "bh create"
bh sched-credit | grep -q '^t  *[0-9]* *300  *40$' || fail "cpu_weight, cap: $(bh sched-credit)"
bh vcpu-list t | grep -q '^t .* [0-9]* *0 .* all / 2$' || fail "bh vcpu-list: $(bh vcpu-list t)"
bh vcpu-list | grep -q '^control  *0  *1 ' || fail "bh vcpu-list without a domain"
bh vcpu-pin t all 1 || fail "bh vcpu-pin"
bh vcpu-list t | grep -q ' 1 / 2$' || fail "not pinned: $(bh vcpu-list t)"
bh vcpu-pin t 0 - 1-2 || fail "bh vcpu-pin, soft"
bh vcpu-list t | grep -q ' 1 / 1-2$' || fail "no soft affinity: $(bh vcpu-list t)"
refused "none of them runs vCPUs" bh vcpu-pin t 0 all 60
refused "none of them runs vCPUs" bh vcpu-pin t 0 60 all
bh vcpu-list t | grep -q ' 1 / 1-2$' || fail "what was refused was half done: $(bh vcpu-list t)"
refused "none of them runs vCPUs" bh vcpu-pin t 0 63
refused "VCPU: '7' is not a number from 0 to 0" bh vcpu-pin t 7 all
bh vcpu-pin t all all || fail "bh vcpu-pin all"
bh info -n | grep -q '^  2: ' || fail "bh info -n: $(bh info -n)"
bh info -n | grep -A 1 '^node:' | grep -q '^   0: ' || fail "bh info -n says nothing of memory"
refused "unexpected '-x'" bh info -x
bh top -b -i 2 -d 1 >/tmp/top || fail "bh top"
[ "$(grep -c '^control .*r' /tmp/top)" = 2 ] && [ "$(grep -c '^t  *--p' /tmp/top)" = 2 ] || fail "bh top: $(cat /tmp/top)"
refused "delay: '0' is not a number from 1 to 3600" bh top -b -d 0
refused "'-i' lacks its value" bh top -i

# vCPUs of a stock kernel, this one's: taken away and given back
online() { # CPUS STATE: what the kernel says, and whether the hypervisor has its vCPU 1 offline (p)
    for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
        [ "$(cat /sys/devices/system/cpu/online)" = "$1" ] && bh vcpu-list 0 | grep -q "^control  *0  *1 .* $2 " && return
        sleep 0.5
    done
    fail "vCPUs online: $(cat /sys/devices/system/cpu/online), not $1; $(bh vcpu-list 0)"
}
bh vcpu-set 0 1 || fail "bh vcpu-set 0 1"
online 0 --p
bh vcpu-set 0 2 || fail "bh vcpu-set 0 2"
for _ in 1 2 3 4 5 6 7 8 9 10; do [ -e /sys/devices/system/cpu/cpu1/online ] || sleep 0.5; done
echo 1 >/sys/devices/system/cpu/cpu1/online || fail "the kernel has no vCPU 1 again" # udev's part
online 0-1 '[r-][b-]-'
refused "COUNT: '0' is not a number from 1 to 2" bh vcpu-set 0 0
refused "COUNT: '3' is not a number from 1 to 2" bh vcpu-set 0 3
refused "no domain" bh vcpu-set nobody 1

bh sched-credit -d t -w 512 -c 80 || fail "bh sched-credit"
bh sched-credit -d t | grep -q '^t  *[0-9]* *512  *80$' || fail "bh sched-credit shows $(bh sched-credit)"
refused "weight: '0' is not a number from 1 to 65535" bh sched-credit -d t -w 0
refused "cap: '101' is not" bh sched-credit -d t -c 101
refused "which domain" bh sched-credit -w 3
bh sched-credit | grep -q '^Cpupool Pool-0: tslice=5ms' || fail "the credit scheduler is not in use: $(bh sched-credit 2>&1)"
bh unpause t || fail "bh unpause"
says t 'tick 1' 20

# the control domain itself burns both CPUs under a cap of 50 %
used() { bh list -l 0 | sed -n 's/.*"cpu_time_ns": \([0-9]*\).*/\1/p' | head -n 1; }
bh sched-credit -d 0 -c 50 || fail "bh sched-credit -d 0"
for n in 1 2; do while :; do :; done & done
sleep 1
set -- "$(used)" "$(cut -d. -f1 /proc/uptime)"
sleep 10
set -- "$@" "$(used)" "$(cut -d. -f1 /proc/uptime)"
bh sched-credit -d 0 -c 0
share=$((($3 - $1) / 10000000 / ($4 - $2)))
kill %1 %2 2>/dev/null || kill $(jobs -p)
echo "capped at 50 %: used $share %"
[ "$share" -ge 35 ] && [ "$share" -le 60 ] || fail "the cap of 50 % let the domain have $share %"
bh destroy t || fail "bh destroy"
echo "sched: all well"
END
LIMIT=280 board --append sched=credit
grep -q "sched: all well" "$OUT/out" || fail "the script did not reach its end"
