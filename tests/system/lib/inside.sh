# SPDX-License-Identifier: MIT
# Functions for scripts inside the control domain (put before each by tests/system/lib/host.sh).
fail() {
    echo "FAIL: $*"
    bh list
    for log in /var/log/bulkhead/*; do
        echo "--- $log ---"
        tail -n 25 "$log"
    done
    echo "--- hypervisor ---"
    bh dmesg | tail -n 30
    exit 1
}

refused() { # PATTERN COMMAND...: it fails, and says so
    pattern=$1
    shift
    "$@" >/tmp/said 2>&1 && fail "$* succeeded"
    grep -q -e "$pattern" /tmp/said || fail "$*: said \"$(cat /tmp/said)\", not \"$pattern\""
}

console() { echo "/var/log/bulkhead/console-$1.log"; }

# says NAME PATTERN SECONDS: wait until a domain's console has it.
says() {
    left=$(($3 * 5))
    until grep -q -E "$2" "$(console "$1")" 2>/dev/null; do
        left=$((left - 1))
        [ $left -gt 0 ] || fail "domain $1 did not say \"$2\" within $3 s"
        sleep 0.2
    done
}

# state NAME: the state column of `bh list`, without the dashes; empty for no such domain.
state() { bh list | awk -v name="$1" '$1 == name { gsub("-", "", $5); print $5 " " }'; }

# becomes NAME LETTER SECONDS: wait until its state has that letter (r b p s c d).
becomes() {
    left=$(($3 * 5))
    while true; do
        case $(state "$1") in *"$2"*) return 0 ;; esac
        left=$((left - 1))
        [ $left -gt 0 ] || fail "domain $1 is not \"$2\" within $3 s but \"$(state "$1")\""
        sleep 0.2
    done
}

restarts() { # NAME: how often the supervisor restarted it
    grep -c "restart $1 domid=" /var/log/bulkhead/bhd.log 2>/dev/null || true
}

restarted() { # NAME COUNT SECONDS: wait until it was restarted that often
    left=$(($3 * 5))
    until [ "$(restarts "$1")" -ge "$2" ]; do
        left=$((left - 1))
        [ $left -gt 0 ] || fail "domain $1 was restarted $(restarts "$1") times within $3 s, not $2"
        sleep 0.2
    done
}

fault() { # NAME KIND@N: a driver domain with fault=store does this wrong at its Nth request from now on
    xenstore-write "/local/domain/$(bh domid "$1")/control/fault" "$2" || fail "control/fault of $1 cannot be written"
}

typed() { # NAME LINE: to whoever reads a domain's console
    printf '%s\n\035' "$2" | timeout 3 bh console "$1" >/dev/null
}

enough() { # NAME SECONDS: end a stock guest's workload and wait for its result, which must be good
    left=0
    until grep -q '^GUEST RESULT' "$(console "$1")"; do
        [ $((left % 25)) != 0 ] || typed "$1" enough
        left=$((left + 1))
        [ $left -le $(($2 * 5)) ] || fail "the workload of $1 did not end within $2 s"
        sleep 0.2
    done
    grep -a -E '^(guest: |RESULT|NET RESULT|GUEST RESULT|3 packets)|eth0:' "$(console "$1")"
    grep -q '^GUEST RESULT ok kernel_errors=0' "$(console "$1")" || fail "the workload of $1 failed"
}

streamed() { # NAME SECONDS: enough of its stream, which lost nothing
    enough "$1" "$2"
    grep -q '^NET RESULT sent=[1-9][0-9]* verified=[1-9][0-9]* mismatches=0 errors=0 ' "$(console "$1")" || fail "no byte of $1 verified"
}

verified() { # NAME SECONDS: enough of what it does with its disk, which lost nothing
    enough "$1" "$2"
    grep -q '^RESULT written=[1-9][0-9]* verified=[1-9][0-9]* miscompares=0 io_errors=0 ' "$(console "$1")" ||
        fail "the workload of $1 verified nothing or found errors"
}
