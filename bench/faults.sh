# SPDX-License-Identifier: MIT
# In the control domain: each fault of /files/plan (lines DOMAIN KIND) under a guest that reads its disk and has a TCP stream. For each of them
#   fault DOMAIN KIND disk_us=N net_us=N noticed_us=N
# the guest's longest read and longest silence of the stream around it, and how long it took until somebody noticed, by the hypervisor's log.
console=/var/log/bulkhead/console-guest.log

pauses() { # FROM: how many reports of both kinds since that line of the console, and the longest pauses, us
    tail -n +"$1" $console | tr -d '\r' | awk '
        function field(name, i) { for (i = 1; i < NF; i++) if ($i == name) return $(i + 1) + 0; return 0 }
        /^beat: [0-9]+ s/ { beats++; p = field("pause"); if (p > disk) disk = p }
        /^net: .*verified/ { nets++; p = field("pause") * 1000; if (p > net) net = p }
        END { print (beats < nets ? beats : nets) + 0, "disk_us=" disk + 0, "net_us=" net + 0 }'
}
reports() { # FROM COUNT: wait for so many
    left=600
    until [ "$(pauses "$1" | cut -d' ' -f1)" -ge "$2" ]; do
        left=$((left - 1))
        [ $left -gt 0 ] || { echo "no report"; tail -n 5 $console; bh dmesg | tail -n 20; exit 1; }
        sleep 0.1
    done
}
# The time between the fault and the line that tells of it.
noticed() { # DOMAIN: in the hypervisor's log since the last fault
    bh dmesg | awk -v id="$(bh domid "$1")" '
        { t = $0; sub(/^[^[]*\[ */, "", t); sub(/\].*/, "", t) }
        $0 ~ "d" id ": fault on purpose" { fault = t; seen = 0 }
        fault && !seen && ($0 ~ "domain " id ": shut down" || $0 ~ "d" id ": .*(: reset: |does not send, reset)") { seen = t }
        END { printf "noticed_us=%d\n", fault && seen ? (seen - fault) * 1e6 : 0 }'
}

hit() { # DOMAIN KIND
    case $2 in
        kill) bh kill "$1" ;;
        rekill) bh kill "$1"; sleep 0.004; bh kill "$1" ;;
        *) xenstore-write "/local/domain/$(bh domid "$1")/control/fault" "$2@3" ;;
    esac
}

reports 1 3
echo "fault none none $(pauses 1 | cut -d' ' -f2-) noticed_us=0"
while read -r domain kind; do
    from=$(($(wc -l <$console) + 1))
    hit "$domain" "$kind" || echo "$domain $kind: not done"
    case $kind in
        hang | loop | stall) sleep 3.2 ;;
        stuck) [ "$domain" = net ] && sleep 3.5 || sleep 11.5 ;;
        *) sleep 0.5 ;;
    esac
    reports "$(($(wc -l <$console) + 1))" 2
    case $kind in kill | rekill) what=noticed_us=0 ;; *) what=$(noticed "$domain") ;; esac
    echo "fault $domain $kind $(pauses "$from" | cut -d' ' -f2-) $what"
done </files/plan
grep '^beat: ' $console | tail -n 1 | tr -d '\r' | grep -q ' 0 errors' || { tail -n 3 $console; exit 1; }
