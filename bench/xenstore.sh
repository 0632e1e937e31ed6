#!/bin/sh
# SPDX-License-Identifier: MIT
# bench/xenstore.sh [NODES [CLIENTS]]: what requests cost our xenstored and Debian's (package xen-utils-4.17), side by side
# on this machine, without a hypervisor. Needs build/xenstore/xenstored,
# build/bench/xsload and build/bench/fakexen.so.
set -eu
cd "$(dirname "$0")/.."
nodes=${1:-1000} clients=${2:-8}
dir=$(mktemp -d /tmp/xsbench.XXXXXX)
pid=
trap '[ -z "$pid" ] || kill "$pid"; rm -rf "$dir"' EXIT
ulimit -n 2048

load() { # NAME DAEMON...: start it, load it, end it
    echo "== $1: $nodes nodes, $clients clients"
    shift
    rm -f "$dir/socket"
    XENSTORED_RUNDIR=$dir XENSTORED_ROOTDIR=$dir "$@" >"$dir/log" 2>&1 &
    pid=$!
    i=0
    until [ -S "$dir/socket" ]; do
        i=$((i + 1))
        [ $i -lt 100 ] || { cat "$dir/log"; return 1; }
        sleep 0.05
    done
    grep VmRSS "/proc/$pid/status" | tr -s '\t ' ' ' | sed 's/^/   before: /'
    timeout 300 build/bench/xsload "$dir/socket" "$pid" "$nodes" "$clients" || true
    grep VmRSS "/proc/$pid/status" | tr -s '\t ' ' ' | sed 's/^/   after: /'
    kill "$pid"
    wait "$pid" 2>/dev/null || true
    pid=
}

load Bulkhead build/xenstore/xenstored --foreground --no-domain-ring --rundir "$dir"
for theirs in /usr/lib/xen-*/bin/xenstored; do
    [ ! -x "$theirs" ] || load "Debian $theirs" env LD_PRELOAD="$PWD/build/bench/fakexen.so" "$theirs" -N -F "$dir/pid"
done
