#!/bin/sh
# SPDX-License-Identifier: MIT
# limit: 90
# together
# xenstored is replaced under load, and dies, without a hypervisor: what clients on its socket see of a live update (nothing), and
# what a death leaves (everything but the connections). Environment: BUILD, OUT, TOP (as tests/run gives them).
set -u
. "$TOP/tests/system/lib/xenstored.sh"
start_xenstored

python3 - "$run/socket" "$supervisor" "$daemon" <<'END' || { tail -n 20 "$log"; exit 1; }
import os, random, signal, socket, struct, subprocess, sys, threading, time

PATH, SUPERVISOR, PROGRAM = sys.argv[1], int(sys.argv[2]), sys.argv[3]
DIRECTORY, READ, WATCH, START, END, WRITE, RM, EVENT, ERROR, CONTROL = 1, 2, 4, 6, 7, 11, 13, 15, 16, 0


class Client:
    def __init__(self):
        self.s = socket.socket(socket.AF_UNIX)
        self.s.settimeout(20)
        self.s.connect(PATH)
        self.events = []
        self.id = 0

    def send(self, kind, payload, tx=0):
        self.id += 1
        self.s.sendall(struct.pack("<4I", kind, self.id, tx, len(payload)) + payload)

    def exactly(self, n):
        data = b""
        while len(data) < n:
            more = self.s.recv(n - len(data))
            if not more:
                raise EOFError
            data += more
        return data

    def message(self):
        kind, number, tx, length = struct.unpack("<4I", self.exactly(16))
        return kind, number, self.exactly(length)

    def answer(self):
        while True:
            kind, number, body = self.message()
            if kind != EVENT:
                assert number == self.id, "an answer to another request"
                return kind, body
            self.events.append(body)

    def ask(self, kind, payload, tx=0):
        self.send(kind, payload, tx)
        return self.answer()


def child():
    return int(subprocess.run(["pgrep", "-P", str(SUPERVISOR)], capture_output=True, text=True).stdout or 0)


def update():
    """Live update, as xenstore-control asks for it; back when the new program answers."""
    c = Client()
    assert c.ask(CONTROL, b"live-update\0-f\0%s\0" % PROGRAM.encode()) == (CONTROL, b"OK\0")
    assert c.ask(CONTROL, b"live-update\0-s\0-t\00060\0") == (CONTROL, b"OK\0")
    assert c.ask(READ, b"/tool\0")[0] == READ


# what is half done at the moment of an update
watcher, half, txn, deaf = Client(), Client(), Client(), Client()
assert watcher.ask(WRITE, b"/w\0x") == (WRITE, b"OK\0")
assert watcher.ask(WATCH, b"/w\0tok\0")[0] == WATCH
half.id = 1
half.s.sendall(struct.pack("<4I", READ, 1, 0, 3) + b"/")
tx = int(txn.ask(START, b"\0")[1][:-1])
assert txn.ask(READ, b"/w\0", tx) == (READ, b"x")
assert txn.ask(WRITE, b"/t\0inside", tx)[0] == WRITE
for i in range(3000):                       # replies that nobody reads: far more than a socket holds
    deaf.s.setblocking(False)
    try:
        deaf.s.sendall(struct.pack("<4I", DIRECTORY, i + 1, 0, 2) + b"/\0")
    except BlockingIOError:
        break
asked = i
before = child()
update()
assert child() == before, "the process is another"
half.s.sendall(b"w\0")
assert half.answer() == (READ, b"x"), "half a request"
assert txn.ask(READ, b"/t\0", tx) == (READ, b"inside"), "an open transaction"
assert half.ask(READ, b"/t\0")[1] == b"ENOENT\0"
assert txn.ask(END, b"T\0", tx) == (END, b"OK\0")
assert half.ask(READ, b"/t\0") == (READ, b"inside")
assert half.ask(WRITE, b"/w/below\0y")[0] == WRITE
while not any(b"/w/below\0tok\0" == e for e in watcher.events):
    watcher.events.append(watcher.message()[2])
deaf.s.settimeout(20)
for i in range(asked):
    kind, number, body = deaf.message()
    assert (kind, number) == (DIRECTORY, i + 1), "replies not yet sent"

# under load: counters moved by transactions, while the daemon is replaced again and again
WORKERS, UPDATES = 8, 25
stop, sums, faults = False, [0] * WORKERS, []


def work(n):
    c = Client()
    r = random.Random(n)
    try:
        while not stop:
            node = b"/count/%d\0" % r.randrange(4)
            t = int(c.ask(START, b"\0")[1][:-1])
            kind, body = c.ask(READ, node, t)
            value = int(body) if kind == READ else 0
            assert c.ask(WRITE, node + b"%d" % (value + 1), t) == (WRITE, b"OK\0")
            kind, body = c.ask(END, b"T\0", t)
            assert kind == END or body == b"EAGAIN\0", body
            sums[n] += kind == END
    except Exception as e:
        faults.append((n, repr(e)))


threads = [threading.Thread(target=work, args=(n,)) for n in range(WORKERS)]
for t in threads:
    t.start()
for _ in range(UPDATES):
    time.sleep(0.1)
    update()
    os.kill(SUPERVISOR, signal.SIGHUP)      # the other way to ask
stop = True
for t in threads:
    t.join()
c = Client()
total = sum(int(c.ask(READ, b"/count/%d\0" % n)[1]) for n in range(4))
assert not faults, faults
assert total == sum(sums) and min(sums) > 0, (total, sums)
print(f"{2 * UPDATES} live updates under {WORKERS} clients: {total} commits, each counted once")

# an update to what is no program is refused
assert c.ask(CONTROL, b"live-update\0-f\0/etc/passwd\0")[0] == CONTROL
assert c.ask(CONTROL, b"live-update\0-s\0")[1] == b"EINVAL\0"
assert c.ask(READ, b"/t\0") == (READ, b"inside")


def reconnect():
    time.sleep(0.2)                         # let it die first
    for _ in range(200):
        try:
            n = Client()
            n.ask(READ, b"/tool\0")
            return n
        except (OSError, EOFError):
            time.sleep(0.05)
    raise SystemExit("not back")


# death: everything is there but the connections, and watches and transactions of those
for i in range(3):
    assert c.ask(WRITE, b"/death/%d\0now" % i) == (WRITE, b"OK\0")
    assert c.ask(RM, b"/death/%d\0" % (i - 1))[0] in (RM, ERROR)
    os.kill(child(), signal.SIGKILL if i else signal.SIGSEGV)
    try:
        while True:
            c.message()
    except (EOFError, OSError):
        pass
    c = reconnect()
    assert c.ask(READ, b"/death/%d\0" % i) == (READ, b"now")
    assert c.ask(DIRECTORY, b"/death\0") == (DIRECTORY, b"%d\0" % i)
assert sum(int(c.ask(READ, b"/count/%d\0" % n)[1]) for n in range(4)) == total
# so does an update to a program that fails at once
assert c.ask(CONTROL, b"live-update\0-f\0/bin/false\0")[0] == CONTROL
assert c.ask(CONTROL, b"live-update\0-s\0")[1] == b"OK\0"
c = reconnect()
assert c.ask(READ, b"/death/2\0") == (READ, b"now")
# the state file is written anew as it grows, and holds what was written last
big = b"v" * 2000
for i in range(4000):
    assert c.ask(WRITE, b"/big/%d\0" % (i % 50) + big)[0] == WRITE
assert os.stat(os.path.dirname(PATH) + "/state").st_size < 4 << 20, "the state file grows and grows"
os.kill(child(), signal.SIGKILL)
c = reconnect()
assert c.ask(READ, b"/big/49\0") == (READ, big)
print("5 deaths: nothing lost")
END
kill "$supervisor"
i=0
while kill -0 "$supervisor" 2>/dev/null && [ $i -lt 100 ]; do sleep 0.05; i=$((i + 1)); done
[ ! -e "$run/state" ] && [ ! -e "$run/socket" ] || { echo "an orderly end leaves files: $(ls "$run")"; exit 1; }
grep -q "the daemon died" "$log" || { echo "the log does not tell of the deaths"; exit 1; }

# no room for the state: the log says so, clients do not notice, and no half state stays
(ulimit -f 4096 && exec "$daemon" --foreground --no-domain-ring --log "$log.full" --rundir "$run") & # 2 MiB
supervisor=$!
python3 - "$run/socket" <<'END' || { tail -n 20 "$log.full"; exit 1; }
import socket, struct, sys, time

for _ in range(100):
    try:
        s = socket.socket(socket.AF_UNIX)
        s.connect(sys.argv[1])
        break
    except OSError:
        time.sleep(0.05)
for i in range(1500):
    payload = b"/full/%d\0" % i + b"v" * 2000
    s.sendall(struct.pack("<4I", 11, i, 0, len(payload)) + payload)
    assert s.recv(19, socket.MSG_WAITALL)[16:] == b"OK\0", i
END
grep -q "state $run/state: .*a crash would lose the registry" "$log.full" || { echo "a full filesystem is not told of"; exit 1; }
[ ! -e "$run/state" ] && [ ! -e "$run/state.new" ] || { echo "half a state stays"; exit 1; }
kill "$supervisor"
wait "$supervisor" || { echo "status $? of a daemon without room"; exit 1; }
