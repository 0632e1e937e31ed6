# SPDX-License-Identifier: MIT
#
# What the system tests share. Sourced by tests/system/*.sh, which tests/run starts with OUT (a directory of the
# test's own), BUILD and TOP. A test ends by its last command's status, or earlier by `fail`.
set -eu
: "${TOP:=$(cd "$(dirname "$0")/../.." && pwd)}"
: "${BUILD:=$TOP/build}"
: "${OUT:=$(mktemp -d "$BUILD/manual-XXXXXX")}"
mkdir -p "$OUT/domains" "$OUT/files"

fail() {
    echo "FAIL: $*"
    [ ! -e "$OUT/serial.log" ] || { echo "--- serial log ---"; tail -n 60 "$OUT/serial.log"; }
    exit 1
}

# qemu [ARGS...]: the launcher, with the machine that MACHINE names. BOARD_ARGS may hold more options for all of a run's boots.
qemu() {
    # shellcheck disable=SC2086
    "$TOP/tools/board" "${MACHINE:-qemu}" ${BOARD_ARGS:-} "$@"
}

# board [ARGS...]: boot with the domains written so far and with $OUT/script; output in $OUT/out, exit status 0 or fail.
board() {
    set -- --timeout "${LIMIT:-240}" --log "$OUT/serial.log" --script "$OUT/script" --files "$OUT/files" "$@"
    [ -z "$(ls "$OUT/domains")" ] || set -- --domains "$OUT/domains" "$@"
    status=0
    qemu "$@" >"$OUT/out" 2>"$OUT/progress" || status=$?
    cat "$OUT/progress" "$OUT/out"
    [ $status = 0 ] || fail "the launcher's status is $status"
}

# script: what to run in the control domain, from standard input.
script() {
    { cat "$TOP/tests/system/lib/inside.sh"; cat; } >"$OUT/script"
}

# disk MIB: a partitioned image $OUT/disk.img with an ext4 filesystem.
disk() {
    "$TOP/tools/mkdisk" "$OUT/disk.img" "$1"
}

# driver_domain [LINES...]: the disk's driver domain, with more lines for its configuration.
driver_domain() {
    cp "$TOP/tools/demo/10-disk.cfg" "$OUT/domains/10-disk.cfg"
    for line in "$@"; do echo "$line" >>"$OUT/domains/10-disk.cfg"; done
}

# net_domain [LINES...]: the network card's driver domain, with more lines for its configuration.
net_domain() {
    cp "$TOP/tools/demo/net/10-net.cfg" "$OUT/domains/10-net.cfg"
    for line in "$@"; do echo "$line" >>"$OUT/domains/10-net.cfg"; done
}

# stock_guest NAME EXTRA [LINES...]: a guest with Debian's kernel; EXTRA goes to its command line.
stock_guest() {
    name=$1 extra=$2
    shift 2
    cat >"$OUT/domains/20-$name.cfg" <<END
name = "$name"
type = "pvh"
kernel = "$BUILD/kernels/guest/vmlinux"
ramdisk = "$BUILD/guest.cpio"
extra = "console=hvc0 loglevel=4 $extra"
memory = 256
vcpus = 1
on_crash = "preserve"
END
    for line in "$@"; do echo "$line" >>"$OUT/domains/20-$name.cfg"; done
}

# tiny_domain NAME IMAGE EXTRA [LINES...]: a small domain from build/domains or build/guests.
tiny_domain() {
    name=$1 image=$2 extra=$3
    shift 3
    cat >"$OUT/domains/30-$name.cfg" <<END
name = "$name"
type = "pvh"
kernel = "$image"
extra = "$extra"
memory = 16
vcpus = 1
on_crash = "preserve"
END
    for line in "$@"; do echo "$line" >>"$OUT/domains/30-$name.cfg"; done
}
# listen [tell]: the services of lib/listen.py for this test; sets $port (echo) and $tell, which writes to $OUT/tell.
listen() {
    python3 "$TOP/tests/system/lib/listen.py" "$OUT/port" ${1:+"$OUT/tell"} >"$OUT/echo.log" 2>&1 &
    echo_pid=$!
    trap 'kill $echo_pid 2>/dev/null' EXIT
    for _ in 1 2 3 4 5 6 7 8 9 10; do [ -e "$OUT/port" ] || sleep 0.5; done
    read -r port tell <"$OUT/port" || fail "no echo service"
}
DISK='disk = ["backend=disk,vdev=xvda,target=nvme0n1p1"]'
NET='vif = ["backend=net,mac=00:16:3e:00:00:01"]'
