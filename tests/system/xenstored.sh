#!/bin/sh
# SPDX-License-Identifier: MIT
# limit: 60
# together
# xenstored as a program, without a hypervisor, driven by Debian's xenstore-utils and by hostile bytes on its socket.
# Environment: BUILD, OUT (as tests/run gives them).
set -u
daemon=$BUILD/xenstore/xenstored
run=$OUT/run
log=$OUT/xenstored.log
export XENSTORED_RUNDIR="$run" XENSTORED_PATH="$run/socket"
failed=0 checks=0 pid=

finish() {
    [ -z "$pid" ] || kill "$pid" 2>/dev/null
    echo "$checks checks, $failed failed"
    [ "$checks" -gt 30 ] && [ "$failed" = 0 ] && exit 0
    exit 1
}
trap finish EXIT

is() { # WANTED COMMAND...: its output is as wanted
    wanted=$1
    shift
    got=$(timeout 10 "$@" 2>&1)
    checks=$((checks + 1))
    [ "$got" = "$wanted" ] && return
    failed=$((failed + 1))
    printf 'FAIL %s\n  wanted: %s\n  got:    %s\n' "$*" "$wanted" "$got"
}
ok() { # COMMAND...: it succeeds
    checks=$((checks + 1))
    timeout 10 "$@" >"$OUT/last" 2>&1 && return
    failed=$((failed + 1))
    echo "FAIL $*: $(cat "$OUT/last")"
}
no() { # COMMAND...: it fails by itself, within its time
    checks=$((checks + 1))
    timeout 10 "$@" >"$OUT/last" 2>&1
    status=$?
    [ $status -ne 0 ] && [ $status -lt 124 ] && return
    failed=$((failed + 1))
    echo "FAIL (status $status) $*"
}
ctl() { # ARGS...: XS_CONTROL, prints the answer (xenstore-control is in a package that wants Xen)
    python3 - "$run/socket" "$@" <<'END'
import socket, struct, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
body = b"".join(a.encode() + b"\0" for a in sys.argv[2:])
s.sendall(struct.pack("<4I", 0, 1, 0, len(body)) + body)
answer = s.recv(65536)
print(answer[16:].decode().rstrip("\0"))
sys.exit(struct.unpack("<I", answer[:4])[0] != 0)
END
}

no "$daemon" --nonsense
no "$daemon" extra
no "$daemon" --no-domain-ring --rundir /proc/nowhere
ok "$daemon" --help
ok "$daemon" --no-domain-ring --verbose --log "$log" --rundir "$run" # returns when it serves
[ -S "$run/socket" ] || echo "no socket"
is 600 stat -c %a "$run/socket"
no "$daemon" --no-domain-ring --rundir "$run" # one is there already, and goes on
is "xenstored: $run/lock: another xenstored serves here" "$daemon" --no-domain-ring --rundir "$run"

tools() { # NAME: Debian's xenstore-utils do what they do
    ok xenstore-write /a/b/c hello /a/d world
    is hello xenstore-read /a/b/c
    is "$(printf 'b\nd')" xenstore-list /a
    ok xenstore-exists /a/d
    no xenstore-exists /a/e
    no xenstore-read /a/e
    no xenstore-list /a/e
    ok xenstore-chmod -r /a n5 r3
    is '/a/b = ""   (n5,r3)' sh -c 'xenstore-ls -fp / | grep "^/a/b "'
    ok xenstore-rm /a/b
    is d xenstore-list /a
    no xenstore-rm /a/x/y
    no xenstore-write not//valid x
    watch=$1
    set --
    i=0
    while [ $i -lt 1200 ]; do # more than one message holds
        set -- "$@" "/many/a-rather-long-name-$i" $i
        i=$((i + 1))
    done
    ok xenstore-write "$@"
    set -- "$watch"
    is 1200 sh -c 'xenstore-list /many | wc -l'
    is 1199 xenstore-read /many/a-rather-long-name-1199
    ok xenstore-rm /many

    # a watcher sees its registration and one change
    timeout 10 xenstore-watch -n 2 "/w$1" >"$OUT/watch" 2>&1 &
    watcher=$!
    until grep -q "WATCH /w$1" "$log"; do sleep 0.05; done
    ok xenstore-write "/w$1/x" 1
    wait $watcher
    is "$(printf '/w%s\n/w%s/x' "$1" "$1")" cat "$OUT/watch"
}
tools 1
export LD_LIBRARY_PATH="$BUILD/xenstore" # and so they do with our libxenstore
ok sh -c 'ldd "$(command -v xenstore-read)" | grep -q "$LD_LIBRARY_PATH/libxenstore.so.4"'
tools 2
unset LD_LIBRARY_PATH

python3 - "$run/socket" <<'END' || { failed=$((failed + 1)); echo "FAIL hostile clients"; }
import os, random, socket, struct, sys, time

def client():
    s = socket.socket(socket.AF_UNIX)
    s.connect(sys.argv[1])
    s.settimeout(5)
    return s

def message(kind, payload, tx=0, length=None):
    return struct.pack("<4I", kind, 7, tx, len(payload) if length is None else length) + payload

def answer(s):
    head = b""
    while len(head) < 16:
        more = s.recv(16 - len(head))
        if not more:
            raise SystemExit("closed")
        head += more
    kind, _, _, length = struct.unpack("<4I", head)
    body = b""
    while len(body) < length:
        body += s.recv(length - len(body))
    return kind, body

def alive():
    s = client()
    start = time.monotonic()
    s.sendall(message(2, b"/tool\0"))
    assert answer(s) == (2, b""), "wrong answer"
    assert time.monotonic() - start < 2, "slow"

half = client()                 # half a request, never finished
half.sendall(message(2, b"/to", length=6))
alive()
deaf = client()                 # thousands of requests, no reply read
deaf.setblocking(False)
try:
    for _ in range(100000):
        deaf.send(message(1, b"/\0") * 50)
except BlockingIOError:
    pass
alive()
watcher = client()              # watches everything, reads nothing
watcher.sendall(message(4, b"/\0all\0"))
writer = client()
for i in range(5000):
    writer.sendall(message(11, b"/flood/%d\0" % i + b"v" * 500))
    assert answer(writer) == (11, b"OK\0")
alive()
half.sendall(b"ol\0")           # and now the rest
assert answer(half) == (2, b"")
long = client()                 # longer than allowed: closed, nobody else
long.sendall(message(2, b"x" * 5000))
try:
    assert long.recv(100) == b""
except ConnectionResetError:
    pass
random.seed(1)
for _ in range(300):            # random bytes
    s = client()
    try:
        s.sendall(os.urandom(random.randrange(1, 400)) if random.random() < .5 else
                  message(random.randrange(0, 24), random.randbytes(random.randrange(0, 80)), random.choice((0, 1))))
    except OSError:
        pass
    s.close()
crowd = [client() for _ in range(300)]
for s in crowd:
    s.sendall(message(6, b"\0"))
for s in crowd:
    assert answer(s)[0] == 6
alive()
writer.sendall(message(13, b"/flood\0"))
assert answer(writer) == (13, b"OK\0")
END
checks=$((checks + 1))

ctl print hello >"$OUT/control" || failed=$((failed + 1))
ok grep -q "control: hello" "$log"
ctl quota >"$OUT/control" || failed=$((failed + 1))
ok grep -q "^nodes: 1000" "$OUT/control"
ctl nonsense >"$OUT/control" && failed=$((failed + 1))
is EINVAL cat "$OUT/control"
pid=$(pgrep -o -f -x "$daemon --no-domain-ring --verbose --log $log --rundir $run")
ok kill "$pid"
i=0
while [ -e "$run/socket" ] && [ $i -lt 100 ]; do sleep 0.05; i=$((i + 1)); done
no test -e "$run/socket"
ok grep -q "stopped by a signal" "$log"
no xenstore-read /tool
