#!/bin/sh
# SPDX-License-Identifier: MIT
# bench/xenstore.sh [NODES [CLIENTS]]: what requests cost our xenstored (without and with its state file) and Debian's two, the one in C
# and oxenstored (package xen-utils-4.17), side by side on this machine, without a hypervisor. Needs build/xenstore/xenstored,
# build/bench/xsload, build/bench/xscore (the core's share, without the kernel's), build/bench/xsfloor (the kernel's, without any) and build/bench/fakexen.so. oxenstored's socket is fixed: it is measured only where /run/xenstored/socket is free.
set -eu
cd "$(dirname "$0")/.."
nodes=${1:-1000} clients=${2:-8}
dir=$(mktemp -d /tmp/xsbench.XXXXXX)
pid=
trap '[ -z "$pid" ] || kill "$pid"; rm -rf "$dir"' EXIT
ulimit -n 2048

load() { # NAME SOCKET DAEMON...: start it, load it, end it
    echo "== $1: $nodes nodes, $clients clients"
    socket=$2
    shift 2
    rm -f "$socket"
    XENSTORED_RUNDIR=$dir XENSTORED_ROOTDIR=$dir "$@" >"$dir/log" 2>&1 &
    pid=$!
    i=0
    until [ -S "$socket" ]; do
        i=$((i + 1))
        [ $i -lt 100 ] || { cat "$dir/log"; return 1; }
        sleep 0.05
    done
    sleep 0.2
    daemon=$(pgrep -P "$pid" || echo "$pid") # ours has a supervisor
    grep VmRSS "/proc/$daemon/status" | tr -s '\t ' ' ' | sed 's/^/   before: /'
    timeout 300 build/bench/xsload "$socket" "$daemon" "$nodes" "$clients" $only || true
    grep VmRSS "/proc/$daemon/status" | tr -s '\t ' ' ' | sed 's/^/   after: /'
    kill "$pid"
    wait "$pid" 2>/dev/null || true
    pid=
}

only=floor
load "nothing but recv and send" "$dir/socket" build/bench/xsfloor "$dir"
only=
load Bulkhead "$dir/socket" build/xenstore/xenstored --foreground --no-state --no-domain-ring --rundir "$dir"
build/bench/xscore "$nodes"
load "Bulkhead, state file" "$dir/socket" build/xenstore/xenstored --foreground --state /dev/shm/xsbench.$$ --no-domain-ring --rundir "$dir"
for theirs in /usr/lib/xen-*/bin/xenstored; do
    [ ! -x "$theirs" ] || load "Debian $theirs" "$dir/socket" env LD_PRELOAD="$PWD/build/bench/fakexen.so" "$theirs" -N -F "$dir/pid"
done
for theirs in /usr/lib/xen-*/bin/oxenstored; do
    [ -x "$theirs" ] && [ ! -e /run/xenstored/socket ] || continue
    printf 'quota-activate = false\npid-file = %s\nxenstored-log-file = %s\naccess-log-file = /dev/null\n' "$dir/pid" "$dir/oxlog" >"$dir/conf"
    mkdir -p /run/xenstored
    load "Debian $theirs" /run/xenstored/socket env LD_PRELOAD="$PWD/build/bench/fakexen.so" "$theirs" --no-fork --no-domain-init \
        --config-file "$dir/conf"
    rm -f /run/xenstored/socket
done
