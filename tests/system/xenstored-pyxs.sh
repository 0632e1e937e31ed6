#!/bin/sh
# SPDX-License-Identifier: MIT
# limit: 60
# together
# python3-pyxs (Debian's package) against our xenstored, without a hypervisor: client, errors, transactions, monitor, a router that several
# threads share; then all of it once more after a live update and after a death of the daemon (Debian's python3, whose package it is).
set -u
. "$TOP/tests/system/lib/xenstored.sh"
start_xenstored

cat >"$OUT/conform.py" <<'END'
import copy, errno, sys, threading
import pyxs
from pyxs.connection import UnixSocketConnection

PATH = sys.argv[1]
pyxs.Client.SU = True  # it looks for a hypervisor before it sends what is for domain 0 alone
checks = 0


def is_(got, wanted):
    global checks
    checks += 1
    assert got == wanted, f"got {got!r}, wanted {wanted!r}"


def fails(number, call, *args):
    global checks
    checks += 1
    try:
        got = call(*args)
    except pyxs.PyXSError as e:
        assert e.args[0] == number, f"{call.__name__}{args}: {e}, wanted {errno.errorcode[number]}"
    else:
        raise AssertionError(f"{call.__name__}{args}: {got!r}, wanted {errno.errorcode[number]}")


def nodes(c):
    c.write(b"/py/a/b", b"hello")
    is_(c.read(b"/py/a/b"), b"hello")
    is_(c[b"/py/a/b"], b"hello")
    is_(c.read(b"/py/a"), b"")
    c[b"/py/a/c"] = b"w"
    c.mkdir(b"/py/a/b")  # there already: its value stays
    c.mkdir(b"/py/d/e/f")
    is_(c[b"/py/a/b"], b"hello")
    is_(sorted(c.list(b"/py")), [b"a", b"d"])
    is_(c.list(b"/py/d/e/f"), [])
    is_(c.exists(b"/py/a"), True)
    is_(c.exists(b"/py/x"), False)
    is_(c.read(b"/py/x", b"default"), b"default")
    is_([(top, value, sorted(kids)) for top, value, kids in c.walk(b"/py/a")],
        [(b"/py/a", b"", [b"b", b"c"]), (b"/py/a/b", b"hello", []), (b"/py/a/c", b"w", [])])
    fails(errno.ENOENT, c.read, b"/py/x")
    fails(errno.ENOENT, c.list, b"/py/x")
    fails(errno.ENOENT, c.get_perms, b"/py/x")
    fails(errno.ENOENT, c.delete, b"/py/x/y")
    c.delete(b"/py/x")
    del c[b"/py/a/c"]
    is_(c.list(b"/py/a"), [b"b"])
    c.write(b"/py/rest", bytes(range(32, 127)) * 40)  # nearly as long as a message may be
    is_(c.read(b"/py/rest"), bytes(range(32, 127)) * 40)
    c.set_perms(b"/py/a", [b"n5", b"r3", b"b0", b"w7"])
    is_(c.get_perms(b"/py/a"), [b"n5", b"r3", b"b0", b"w7"])
    is_(c.get_perms(b"/py/a/b")[0], b"n0")
    fails(errno.EINVAL, c.ack, pyxs.client.Op.SET_PERMS, b"/py/a\0", b"q1\0")


def domains(c):
    is_(c.get_domain_path(5), b"/local/domain/5")
    is_(c.is_domain_introduced(5), False)
    c.introduce_domain(5, 1, 2)
    is_(c.is_domain_introduced(5), True)
    c.introduce_domain(6, 1, 3)
    c.set_target(6, 5)
    c.resume_domain(5)
    c.release_domain(6)
    c.release_domain(5)
    is_(c.is_domain_introduced(5), False)
    fails(errno.ENOENT, c.release_domain, 5)
    fails(errno.ENOENT, c.resume_domain, 5)
    fails(errno.ENOENT, c.set_target, 6, 5)


def transactions(a, b):
    a.transaction()
    fails(errno.EALREADY, a.transaction)
    a[b"/py/t/1"] = b"one"
    is_(b.exists(b"/py/t/1"), False)
    is_(a[b"/py/t/1"], b"one")
    is_(a.commit(), True)
    is_(b[b"/py/t/1"], b"one")
    a.transaction()
    del a[b"/py/t/1"]
    a.rollback()
    is_(a[b"/py/t/1"], b"one")
    a.transaction()
    a.read(b"/py/t/1")
    b[b"/py/t/1"] = b"two"  # what the transaction read
    a[b"/py/t/2"] = b"x"
    is_(a.commit(), False)
    is_(a.exists(b"/py/t/2"), False)
    other = copy.copy(a)  # two transactions of one connection
    a.transaction()
    other.transaction()
    a[b"/py/t/3"] = b"a"
    other[b"/py/t/4"] = b"o"
    is_(a.exists(b"/py/t/4"), False)
    is_((a.commit(), other.commit()), (True, True))
    is_(sorted(b.list(b"/py/t")), [b"1", b"3", b"4"])
    a.tx_id = 4711
    fails(errno.ENOENT, a.read, b"/py/t/1")
    a.tx_id = 0


def monitors(a, b):
    with a.monitor() as m:
        m.watch(b"/py/w", b"tok")
        events = m.wait()
        is_(tuple(next(events)), (b"/py/w", b"tok"))
        b[b"/py/w/below"] = b"1"
        is_(tuple(next(events)), (b"/py/w/below", b"tok"))
        b.transaction()
        b[b"/py/w/in"] = b"1"
        b[b"/py/other"] = b"1"
        is_(b.commit(), True)
        is_(tuple(next(events)), (b"/py/w/in", b"tok"))
        m.watch(b"@introduceDomain", b"in")
        m.watch(b"@releaseDomain", b"out")
        is_([tuple(next(m.wait(unwatched=True))) for _ in range(2)], [(b"@introduceDomain", b"in"), (b"@releaseDomain", b"out")])
        b.introduce_domain(9, 1, 2)
        b.release_domain(9)
        is_([tuple(next(m.wait(unwatched=True))) for _ in range(2)], [(b"@introduceDomain", b"in"), (b"@releaseDomain", b"out")])
        fails(errno.EEXIST, m.watch, b"/py/w", b"tok")
        m.unwatch(b"/py/w", b"tok")
        fails(errno.ENOENT, m.unwatch, b"/py/w", b"tok")
        b[b"/py/w/late"] = b"1"
        a.read(b"/py/w/late")
        is_(m.events.empty(), True)


def crowd(path):
    """One connection, threads that count by transactions, each with a client of its own on the same router."""
    router = pyxs.Router(UnixSocketConnection(path))
    threads, faults = [], []

    def count(n):
        c = pyxs.Client(router=router)
        try:
            for _ in range(40):
                while True:
                    c.transaction()
                    c[b"/py/count"] = b"%d" % (int(c.read(b"/py/count", b"0")) + 1)
                    if c.commit():
                        break
        except Exception as e:
            faults.append(repr(e))
    router.start()
    for n in range(6):
        threads.append(threading.Thread(target=count, args=(n,)))
        threads[-1].start()
    for t in threads:
        t.join()
    assert not faults, faults
    is_(pyxs.Client(router=router).read(b"/py/count"), b"240")
    router.terminate()


with pyxs.Client(unix_socket_path=PATH) as a, pyxs.Client(unix_socket_path=PATH) as b:
    nodes(a)
    domains(a)
    transactions(a, b)
    monitors(a, b)
    crowd(PATH)
    a.delete(b"/py")
    print(checks, "checks")
    assert checks == 48
END
conform() {
    timeout 20 /usr/bin/python3 "$OUT/conform.py" "$run/socket" || { echo "FAIL $1"; tail -n 5 "$log"; exit 1; }
}
conform "the daemon as it started"
kill -HUP "$supervisor"
conform "after a live update"
kill -KILL "$(pgrep -P "$supervisor")"
conform "after a death"
grep -q "live update" "$log" && grep -q "the daemon died" "$log"
