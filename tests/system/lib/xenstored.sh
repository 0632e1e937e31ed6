# SPDX-License-Identifier: MIT
#
# A xenstored of the test's own, without a hypervisor. Sourced by tests/system/xenstored-*.sh; ends with the test.
run=$OUT/run
log=$OUT/xenstored.log
daemon=$OUT/daemon # a process name of this test alone

# start_xenstored: returns when it serves; its supervisor's process is then $supervisor.
start_xenstored() {
    cp "$BUILD/xenstore/xenstored" "$daemon"
    "$daemon" --no-domain-ring --log "$log" --rundir "$run" || exit 1
    supervisor=$(pgrep -o -f "^$daemon ")
    trap 'kill $supervisor 2>/dev/null' EXIT
}
