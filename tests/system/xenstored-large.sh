#!/bin/sh
# SPDX-License-Identifier: MIT
# limit: 240
# together
# A large registry, without a hypervisor: while its state file is written anew, a part a turn, clients are served, and a death in the middle
# of it loses nothing; so does one after it. Environment: BUILD, OUT, TOP (as tests/run gives them).
set -u
. "$TOP/tests/system/lib/xenstored.sh"
start_xenstored

python3 - "$run" "$supervisor" <<'END' || { tail -n 20 "$log"; exit 1; }
import os, random, signal, socket, struct, subprocess, sys, time

RUN, SUPERVISOR = sys.argv[1], int(sys.argv[2])
READ, WRITE, RM = 2, 11, 13
NODES = 10000
random.seed(4)


class Client:
    def __init__(self):
        self.s = socket.socket(socket.AF_UNIX)
        self.s.settimeout(30)
        self.s.connect(RUN + "/socket")
        self.file = self.s.makefile("rb")

    def send(self, kind, payload):
        self.s.sendall(struct.pack("<4I", kind, 0, 0, len(payload)) + payload)

    def answer(self):
        kind, _, _, length = struct.unpack("<4I", self.file.read(16))
        return kind, self.file.read(length)

    def ask(self, kind, payload):
        self.send(kind, payload)
        return self.answer()


def path(n):
    return b"/large/%d/%d/%d" % (n // 1000, n // 10 % 100, n)


def write_many(c, numbers, values, size):
    """Pipelined; what was answered is in `values`, what was sent and not answered is returned."""
    pending = []
    try:
        for n in numbers:
            value = b"%d " % random.randrange(10 ** 9) + b"v" * size
            pending.append((n, value))
            c.send(WRITE, path(n) + b"\0" + value)
            if len(pending) == 16:
                while pending:
                    assert c.answer() == (WRITE, b"OK\0")
                    n, value = pending.pop(0)
                    values[n] = value
        while pending:
            assert c.answer() == (WRITE, b"OK\0")
            n, value = pending.pop(0)
            values[n] = value
    except (OSError, EOFError, struct.error):
        return pending
    return []


def child():
    while True:
        out = subprocess.run(["pgrep", "-P", str(SUPERVISOR)], capture_output=True, text=True).stdout
        if out:
            return int(out)
        time.sleep(0.01)


def writing():
    return os.path.exists(RUN + "/state.new")


def death(values, during):
    """Write until the file is being written anew, or has just been, and kill the daemon."""
    c, seen, unknown = Client(), False, []
    for _ in range(5000):
        unknown = write_many(c, [random.randrange(NODES) for _ in range(16)], values, 1500)
        assert not unknown
        seen = seen or writing()
        if seen and (during or not writing()):
            break
    else:
        raise SystemExit("the file was never written anew")
    rest = random.randrange(3)
    unknown = write_many(c, range(rest), values, 1500)
    was = writing()
    os.kill(child(), signal.SIGKILL)
    time.sleep(0.1)
    return was


def check(values, what):
    c, order = Client(), list(values)
    for at in range(0, len(order), 20): # as many as are answered unread
        some = order[at:at + 20]
        for n in some:
            c.send(READ, path(n) + b"\0")
        for n in some:
            got = c.answer()
            assert got == (READ, values[n]), f"{what}: {path(n)}: {got[1][:20]} is not {values[n][:20]}"
    assert c.ask(READ, b"/gone\0")[1] == b"ENOENT\0"


values = {}
c = Client()
assert not write_many(c, range(NODES), values, 4)
hits = 0
for i in range(4):
    c = Client()
    assert c.ask(WRITE, b"/gone\0here") == (WRITE, b"OK\0")
    assert c.ask(RM, b"/gone\0") == (RM, b"OK\0")
    hits += death(values, during=i < 3)
    check(values, f"death {i}")
assert hits >= 2, f"only {hits} deaths while the file was written"
for _ in range(3):              # an orderly update in the middle of it
    for _ in range(5000):
        c = Client()
        assert not write_many(c, [random.randrange(NODES) for _ in range(64)], values, 1500)
        if writing():
            break
    os.kill(SUPERVISOR, signal.SIGHUP)
    assert c.ask(READ, b"/large\0")[0] == READ
check(values, "after updates")
print(f"4 deaths, {hits} of them while the state of {NODES} nodes was written anew: nothing lost")
END
grep -q "the daemon died" "$log"
