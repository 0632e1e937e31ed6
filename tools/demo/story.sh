# SPDX-License-Identifier: MIT
#
# The main job, told while it happens; runs in the control domain (make run).
#
# The guest boots, mounts its disk and runs a verifying workload; the disk's driver domain is crashed
# KILLS times under it by the verb VERB ("kill"), every EVERY seconds. Settings come from /files/settings where
# that exists. Exit status 0 only when the guest verified every byte, saw no I/O error, and every kill was
# followed by a restart.
KILLS=5 EVERY=6 BOOT=180 VERB="bh kill disk"
[ ! -e /files/settings ] || . /files/settings

console=/var/log/bulkhead/console-guest.log
supervisor=/var/log/bulkhead/bhd.log

give_up() {
    echo "FAILED: $1"
    echo "--- the guest's console ends with ---"
    tail -n 25 $console
    echo "--- the supervisor's log ends with ---"
    tail -n 15 $supervisor
    echo "--- the hypervisor's log ends with ---"
    bh dmesg | tail -n 25
    exit 1
}

seen() { # PATTERN SECONDS: wait until the guest's console has it
    left=$(($2 * 5))
    until grep -q -E "$1" $console 2>/dev/null; do
        left=$((left - 1))
        [ $left -gt 0 ] || return 1
        sleep 0.2
    done
}

restarts() { grep -c '^.*restart disk domid=' $supervisor 2>/dev/null; }
field() { sed -n "s/.*$1=\\([0-9]*\\).*/\\1/p" | tail -n 1; }
ms() { awk -v us="${1:-0}" 'BEGIN { printf "%.1f", us / 1000 }'; }
now_seconds() { cut -d. -f1 /proc/uptime; }

echo "Domains:"
bh list || give_up "bh list"
echo
seen '^guest: Linux' $BOOT || give_up "the guest's kernel did not come up within $BOOT s"
grep '^guest: Linux' $console
seen '^guest: mounted' 60 || give_up "the guest did not mount its disk within 60 s"
grep '^guest: mounted' $console
seen '^verify: ' 60 || give_up "the workload did not start within 60 s"
grep '^verify: ' $console | tail -n 1

kill=1
while [ $kill -le $KILLS ]; do
    sleep $EVERY
    ! grep -q '^RESULT' $console || give_up "the workload ended before kill $kill"
    before=$(restarts)
    lines=$(wc -l < $console)
    echo "kill $kill of $KILLS: $VERB"
    $VERB || give_up "$VERB: status $?"
    left=100
    until [ "$(restarts)" -gt "${before:-0}" ]; do
        left=$((left - 1))
        [ $left -gt 0 ] || give_up "the driver domain was not restarted within 20 s"
        sleep 0.2
    done
    last=$(grep 'restart disk domid=' $supervisor | tail -n 1)
    sleep 2
    pause=$(tail -n +$((lines + 1)) $console | sed -n 's/^verify: .*, pause \([0-9.]*\) ms.*/\1/p' | sort -n | tail -n 1)
    echo "    back as incarnation $(echo "$last" | field incarnation): detected after" \
        "$(ms "$(echo "$last" | field detected_us)") ms, running after $(ms "$(echo "$last" | field restarted_us)") ms;" \
        "the guest's longest I/O took ${pause:-?} ms"
    grep '^verify: ' $console | tail -n 1
    kill=$((kill + 1))
done

printf 'enough\n\035' | timeout 3 bh console guest >/dev/null # or it goes on for its bh.seconds
seen '^GUEST RESULT' 300 || give_up "the workload did not end within 300 s"
result=$(grep '^RESULT' $console | tail -n 1)
verdict=$(grep '^GUEST RESULT' $console | tail -n 1)
echo
bh list
echo
echo "written   $(($(echo "$result" | field written) >> 20)) MiB"
echo "verified  $(($(echo "$result" | field verified) >> 20)) MiB, wrong pieces: $(echo "$result" | field miscompares)"
echo "I/O errors $(echo "$result" | field io_errors), kernel errors $(echo "$verdict" | field kernel_errors)"
echo "kills     $KILLS, restarts $(restarts), longest pause $(ms "$(echo "$result" | field longest_io_us)") ms"
case $verdict in
    "GUEST RESULT ok "*) ;;
    *) give_up "the guest says: $verdict" ;;
esac
[ "$(restarts)" -ge "$KILLS" ] || give_up "$KILLS kills, but $(restarts) restarts"
[ "$(echo "$result" | field verified)" -gt 0 ] || give_up "nothing was verified"
echo "RESULT: every byte verified, no I/O error"
