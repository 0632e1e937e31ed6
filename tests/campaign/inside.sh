# SPDX-License-Identifier: MIT
#
# The control domain's part of a fault campaign; behind tests/system/lib/inside.sh. /files/plan has a line a step:
#   DISK_KIND DISK_DELAY DISK_AT NET_KIND NET_DELAY NET_AT
# A step hits both driver domains, each after its own delay (seconds), at its own moment (request AT from then on), and ends when the
# guest was seen to go on. Steps are begun until the guest's workload is about to end. Then both devices leave the bus. Says
#   FAULT DEVICE KIND recovered=0|1 pause_ms=N errors=N verified=BYTES restarts=N [restart line of bhd]
#   GONE DEVICE orderly=0|1 seconds=N
#   WORKLOAD (the guest's RESULT lines)
. /files/settings
guest=$(console guest)

restarts_of() { xenstore-read "/tool/bhd/$1/restarts" 2>/dev/null || echo 0; }

# reports DEVICE FROM: of the guest's reports about it from that line of its console on:
# their number, the greatest pause (ms), and of the last one: its pause, errors and bytes verified
reports() {
    tail -n +"$2" "$guest" | tr -d '\r' | awk -v device="$1" '
        function field(name, i) { for (i = 1; i < NF; i++) if ($i == name) return $(i + 1) + 0; return 0 }
        device == "disk" && /^verify: [0-9]+ s, / { n++; last = field("pause"); errors = field("errors"); bytes = field("verified") * 1048576 }
        device == "net" && /^net: .* bytes verified/ { n++; errors = field("mismatches"); last = field("pause"); fresh = $2 - bytes; bytes = $2; if (!fresh) last = 0 }
        last > most { most = last }
        END { printf "%d %.1f %.1f %d %.0f\n", n, most, last, errors, bytes }'
}

node() { echo "/local/domain/$(bh domid "$1")/control/fault"; }

hit() { # NAME KIND AT
    case $2 in
        kill | both) bh kill "$1" ;;
        rekill)
            bh kill "$1"
            sleep "0.0$(($3 % 10))"
            bh kill "$1" 2>/dev/null ;; # it may be dead still: then this is one death only
        *) xenstore-write "$(node "$1")" "$2@$3" ;;
    esac
}

# effect NAME KIND RESTARTS LINES: whether the fault has been noticed
effect() {
    case $2 in
        stuck) tail -n +"$4" "$(console "$1")" | grep -q -E 'reset: |does not send, reset' ;;
        *) [ "$(restarts_of "$1")" -gt "$3" ] ;;
    esac
}

inflict() { # NAME KIND DELAY AT
    sleep "$3"
    before=$(restarts_of "$1") own=$(($(wc -l <"$(console "$1")") + 1)) from=$(wc -l <"$guest")
    set -- "$1" "$2" "$4" $(reports "$1" 1)
    errors=$7 bytes=$8
    hit "$1" "$2" "$3"
    recovered=0 left=400 seen=""
    while [ $left -gt 0 ] && [ $recovered = 0 ]; do
        left=$((left - 1))
        sleep 0.2
        if [ -z "$seen" ]; then
            ! effect "$1" "$2" "$before" "$own" || seen=$(($(wc -l <"$guest") + 1))
            continue
        fi
        # reports that the guest has made since: two, and I/O has ended since the last but one
        set -- "$1" "$2" "$3" $(reports "$1" "$seen")
        [ "$4" -lt 2 ] || [ "$6" = 0.0 ] || recovered=1
    done
    set -- "$1" "$2" "$3" $(reports "$1" "$from")
    echo "FAULT $1 $2 recovered=$recovered pause_ms=$5 errors=$(($7 - errors)) verified=$(($8 - bytes))" \
        "restarts=$(($(restarts_of "$1") - before)) $(xenstore-read "/tool/bhd/$1/last" 2>/dev/null)"
}

guest_seconds() { tail -n 30 "$guest" | sed -n 's/^verify: \([0-9]*\) s, .*/\1/p' | tail -n 1; }

closing() { # DEVICE: the state of the guest's backend
    kind=vbd number=51712
    [ "$1" = disk ] || kind=vif number=0
    xenstore-read "/local/domain/$(bh domid "$1")/backend/$kind/$(bh domid guest)/$number/state" 2>/dev/null || echo 0
}

reading='dd if=/dev/xvda of=/dev/null bs=64k iflag=direct'
gone() { # DEVICE: it leaves the bus; its front must see an orderly Closing with the reason in the log
    xenstore-write "$(node "$1")" gone@1
    left=300
    until [ "$(closing "$1")" -ge 5 ] && grep -q "quarantine $1 " /var/log/bulkhead/bhd.log; do
        left=$((left - 1))
        [ $left -gt 0 ] || break
        sleep 0.2
        # the fault needs a request: a line typed at the guest's shell may have been lost
        [ "$1" != disk ] || [ $((left % 50)) != 0 ] || typed guest "$reading &"
    done
    orderly=0
    [ $left = 0 ] || orderly=1
    echo "GONE $1 orderly=$orderly seconds=$(((300 - left) / 5)) $(grep "quarantine $1 " /var/log/bulkhead/bhd.log | tail -n 1)"
}

says guest '^verify: [0-9]' 240
says guest '^net: .* bytes verified' 60
while read -r disk_kind disk_delay disk_at net_kind net_delay net_at; do
    ! grep -q -E '^(GUEST |NET )?RESULT' "$guest" || break
    [ "$(guest_seconds)" -lt $((SECONDS_LONG - 15)) ] || break
    [ "$disk_kind" = none ] || inflict disk "$disk_kind" "$disk_delay" "$disk_at" &
    [ "$net_kind" = none ] || inflict net "$net_kind" "$net_delay" "$net_at" &
    wait
    [ "$(bh list | grep -c '^')" = 5 ] || fail "a domain is missing"
done </files/plan
echo "STEPS DONE"
enough guest 180
grep -a -E '^(NET |GUEST )?RESULT' "$guest" | tr -d '\r' | sed 's/^/WORKLOAD /'
typed guest "$reading & ping -q -c 600 10.0.2.2 &"
gone disk &
gone net &
wait
typed guest 'echo still-$((6 * 7))'
says guest '^still-42' 30
bh list
