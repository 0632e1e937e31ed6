#!/bin/sh
# SPDX-License-Identifier: MIT
# limit: 150
# together
# xenstored under clients that die at any byte, register a million watches, build trees as deep as paths go and remove them: the others are
# served meanwhile, nothing stays behind, and what they pay does not grow with it. Environment: BUILD, OUT (as tests/run gives them).
set -u
run=$OUT/run
"$BUILD/xenstore/xenstored" --foreground --no-domain-ring --state "$OUT/state" --rundir "$run" 2>"$OUT/xenstored.log" &
supervisor=$!
trap 'kill $supervisor 2>/dev/null' EXIT
i=0
until [ -S "$run/socket" ] || [ $i -ge 100 ]; do sleep 0.05; i=$((i + 1)); done

python3 - "$run/socket" "$supervisor" <<'END' || { tail -n 20 "$OUT/xenstored.log"; exit 1; }
import socket, struct, subprocess, sys, time

PATH, SUPERVISOR = sys.argv[1], sys.argv[2]
CONTROL, DIRECTORY, READ, WATCH, START, END, WRITE, RM, EVENT, ERROR = 0, 1, 2, 4, 6, 7, 11, 13, 15, 16
WATCHES = 1000000


def message(kind, payload, tx=0):
    return struct.pack("<4I", kind, 7, tx, len(payload)) + payload


def client():
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(60)
    s.connect(PATH)
    return s


def answer(s):
    head = s.recv(16, socket.MSG_WAITALL)
    kind, _, _, length = struct.unpack("<4I", head)
    return kind, s.recv(length, socket.MSG_WAITALL) if length else b""


def ask(s, kind, payload, tx=0):
    s.sendall(message(kind, payload, tx))
    while True:
        got = answer(s)
        if got[0] != EVENT:
            return got


def cpu():
    daemon = subprocess.run(["pgrep", "-P", SUPERVISOR], capture_output=True, text=True).stdout.strip()
    return int(open(f"/proc/{daemon}/schedstat").read().split()[0]) / 1000


def cost(s, count=3000):
    """Daemon's microseconds for a write and a read that nobody watches."""
    start = cpu()
    for i in range(count):
        assert ask(s, WRITE, b"/quiet/%d\0v" % (i % 50))[0] == WRITE
        assert ask(s, READ, b"/quiet/%d\0" % (i % 50)) == (READ, b"v")
    return (cpu() - start) / count


def counts(s):
    text = ask(s, CONTROL, b"quota\x000\0")[1].decode().rstrip("\0")
    return {k: int(v) for k, v in (line.split(": ") for line in text.split("\n")[1:])}


other = client()
assert ask(other, WRITE, b"/x\0v")[0] == WRITE
before, quiet = counts(other), cost(other)

# a client dies at any byte: of a request, of several, in and out of a transaction
script = (message(START, b"\0") + message(WRITE, b"/dying/a\0value", 1) + message(READ, b"/x\0", 1) + message(WATCH, b"/x\0tok\0") +
          message(END, b"T\0", 1) + message(DIRECTORY, b"/\0") + message(RM, b"/dying\0"))
for cut in range(len(script) + 1):
    s = client()
    s.sendall(script[:cut])
    if cut % 3 == 0:
        s.shutdown(socket.SHUT_WR)
    if cut % 5 == 0:
        s.settimeout(0.002)
        try:
            s.recv(10)
        except TimeoutError:
            pass
    s.close()
ask(other, RM, b"/dying\0")
time.sleep(0.3)
after = counts(other)
assert after["watches"] == 0 and after["transactions"] == 0, after
assert cost(other) < quiet * 4, "slower after dying clients"
print(f"dead at each of {len(script)} bytes: nothing stays")

# a million watches, their replies and events read in bulk by the same client
s = client()
s.setblocking(False)
sent = got = 0
want = 0
queue = b""
next_watch = 0
start, longest, last = time.monotonic(), 0, time.monotonic()
while next_watch < WATCHES or queue or got < want:
    if not queue and next_watch < WATCHES:
        batch = [b"/w/%d\0t\0" % n for n in range(next_watch, min(next_watch + 500, WATCHES))]
        next_watch += len(batch)
        queue = b"".join(message(WATCH, b) for b in batch)
        want += sum(16 + 3 + 16 + len(b) for b in batch)
    try:
        queue = queue[s.send(queue):]
    except BlockingIOError:
        pass
    try:
        got += len(s.recv(1 << 20))
    except BlockingIOError:
        time.sleep(0.0005)
    if time.monotonic() - last > 0.2:       # the others meanwhile
        last = time.monotonic()
        assert ask(other, READ, b"/x\0") == (READ, b"v")
        longest = max(longest, time.monotonic() - last)
assert counts(other)["watches"] == WATCHES
full = cost(other)
assert full < quiet * 4, f"{full:.1f} us beside a million watches, {quiet:.1f} without"
assert longest < 1, f"another client waited {longest:.2f} s"
s.close()
gone, left = 0, WATCHES
while left:
    last = time.monotonic()
    left = counts(other)["watches"]
    gone = max(gone, time.monotonic() - last)
assert gone < 0.5, f"another client waited {gone:.2f} s while the watches went"
print(f"{WATCHES} watches: another waited {longest * 1000:.0f} ms at most, {gone * 1000:.0f} ms while all went; "
      f"write and read {quiet:.1f} us before, {full:.1f} beside them")

# as deep as a path may be, many times, watched from the top, in a transaction too
deep = b"/d" * 1536
assert len(deep) == 3072
assert ask(other, WRITE, deep + b"\0bottom")[0] == WRITE
assert ask(other, WRITE, deep + b"/d\0")[0] == ERROR
assert ask(other, READ, deep + b"\0") == (READ, b"bottom")
assert ask(other, WATCH, b"/d\0t\0")[0] == WATCH
for i in range(20):
    path = b"/d/%d" % i + b"/e" * 1530
    assert ask(other, WRITE, path + b"\0bottom")[0] == WRITE
tx = int(ask(other, START, b"\0")[1][:-1])
assert ask(other, RM, b"/d/d\0", tx)[0] == RM
assert ask(other, WRITE, deep + b"\0again", tx)[0] == WRITE
assert ask(other, END, b"T\0", tx) == (END, b"OK\0")
assert ask(other, READ, deep + b"\0") == (READ, b"again")
last = time.monotonic()
assert ask(other, RM, b"/d\0")[0] == RM
assert time.monotonic() - last < 2
for _ in range(500):                        # they leave the account by and by
    if counts(other)["nodes"] == before["nodes"] + 51:
        break
    time.sleep(0.01)
else:
    sys.exit("nodes of a deep tree stay in the account")
print("1536 levels deep: made, changed, removed")
END
kill $supervisor
wait $supervisor || exit 1
grep -q "the daemon died" "$OUT/xenstored.log" && exit 1
exit 0
