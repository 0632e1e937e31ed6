# SPDX-License-Identifier: MIT
# In the control domain, ours or Xen's: the driver domain of /files/driver.cfg is killed under a guest that keeps 8 small reads in flight, which is
# watched for the seconds of /files/watch from one second after the kill. Prints "figure NAME VALUE": ms from create to serving, to the guest's
# disk connected and to its first reads; reads done and failed while it was watched; the longest time without one that was done, us, before and after.
# Under Xen then what could bring the reads back, each a line "try WHAT status N done N errors N: MESSAGE", done within 10 s, all
# errors until then; and, as figures, a new guest.
. /services

now() { read -r uptime _ </proc/uptime; ms=$((${uptime%.*}${uptime#*.}0)); }
since() { # NAME FROM: a figure
    now
    echo "figure $1 $((ms - $2))"
}
timed() { # NAME COMMAND...
    name=$1
    shift
    now
    began=$ms
    "$@" >/tmp/timed.log 2>&1 || { cat /tmp/timed.log; tail -n 20 "$(console_of disk)"; exit 1; }
    since "$name" "$began"
}
until_so() { # TEST...: within 60 s
    left=1200
    until "$@"; do
        left=$((left - 1))
        [ $left -gt 0 ] || { echo "never: $*"; tail -n 20 "$(console_of guest)" "$(console_of disk)"; exit 1; }
        sleep 0.05
    done
}
flow() { tr -d '\r' <"$(console_of "$1")" | sed -n 's/^flow: [0-9]* ms, \([0-9]*\) done, \([0-9]*\) errors$/done=\1 errors=\2/p' | tail -n 1; }
reads() { # GUEST
    done=0 errors=0
    eval "$(flow "$1")"
    [ "$done" -gt 0 ]
}
connected() { [ "$(xenstore-read "$vbd/state")" = 4 ]; }
pause() { # NAME FROM: the longest since that line of the console, as a figure
    tail -n +"$2" "$(console_of guest)" | tr -d '\r' | sed -n 's/^flow: pause \([0-9]*\) us$/\1/p' | sort -n | tail -n 1 | sed "s/^/figure $1 /"
}
lines() { wc -l <"$(console_of guest)"; }
serves() { [ $toolstack = xl ] || grep -q 'disk: incarnation 1' "$(console_of disk)"; } # under Xen create_domain waits for that
start_driver() { create_domain /files/driver.cfg && until_so serves; }
start_guest() { # NAME PREFIX
    now
    began=$ms
    create_domain "/files/$1.cfg" >/tmp/create.log 2>&1 || { cat /tmp/create.log; exit 1; }
    since "$2create_ms" "$began"
    vbd=/local/domain/$($toolstack domid "$1")/device/vbd/51712
    until_so connected
    since "$2connected_ms" "$began"
    until_so reads "$1"
    since "$2reads_ms" "$began"
}
kill_driver() { if [ $toolstack = xl ]; then xl destroy disk; else bh kill disk; fi; }
try() { # WHAT COMMAND...
    what=$1
    shift
    reads guest
    before=$done
    timeout 120 "$@" >/tmp/try.log 2>&1
    status=$?
    sleep 10
    reads guest
    echo "try $what status $status done $((done - before)) errors $errors: $(sed 's/^libxl: [a-z]*: [^ ]* //' /tmp/try.log | tail -n 1)"
}

timed driver_ms start_driver
start_guest guest first_
from=$(lines)
sleep 0.5
pause quiet_us "$from"
from=$(lines)
timed kill_ms kill_driver
sleep 1
reads guest
before=$done
sleep "$(cat /files/watch)"
reads guest
echo "figure done $((done - before))"
echo "figure errors $errors"
pause pause_us "$from"
[ $toolstack = xl ] || exit 0

timed driver_again_ms start_driver
disk=backend=disk,vdev=xvda,target=/dev/nvme0n1
try attach xl block-attach guest $disk
try detach xl block-detach guest xvda
try detach-by-force xl block-detach --force guest xvda
try attach-once-more xl block-attach guest $disk
timed destroy_ms xl destroy guest
start_guest again again_
