# SPDX-License-Identifier: MIT
"""Packets of 64 and 1514 bytes and of 64 KB for the other side to cut (GSO), as fast as a guest sends them: to the wire and to another
guest, by the bare driver, by Linux on the bare machine, and with --peer xen the same over Xen with a Debian control domain (xen-netback,
bridge). Per packet the CPU time of each domain in ns, which is its instructions; what the
hypervisor does for a domain is included. One CPU does all of it, the guests' own part too."""
import shutil

import machine

NET_GUEST = """name = "{name}"
type = "pvh"
kernel = "{top}/build/kernels/guest/vmlinux"
ramdisk = "{top}/build/guest.cpio"
extra = "console=hvc0 loglevel=4 {extra}"
memory = 256
vif = ["backend=net,mac=00:16:3e:00:00:0{number}"]
"""


CASES = 3
BLAST = "bh.net=10.8.8.1/24 bh.work=blast bh.peer=10.8.8.2 bh.to=00:16:3e:00:00:02"
WIRE = "bh.net=10.8.8.1/24 bh.work=blast bh.to=52:55:0a:00:02:02"


def parse(name, out):
    """{(name, bytes): (packets/s, MB/s, packets, {domain: ns of CPU time a packet}, delivered, us)} of bench/native.sh's lines; "itself" is
    the kernel that sent them."""
    pattern = r"bench: (\S+) (\d+) B: (\d+) packets/s, ([0-9.]+) MB/s, (\d+) packets in (\d+) us, 0 errors(?:, busy (\d+) us)?"
    found = {}
    for match, used in machine.cases(out, pattern):
        case, size, rate, speed, packets, us, busy = match.groups("0")
        delivered = used.pop("packets", int(packets))
        cost = {domain: ns / int(packets) for domain, ns in used.items()}
        cost["itself"] = 1000 * int(busy) / int(packets)
        found[case, int(size)] = int(rate), float(speed), int(packets), cost, delivered, int(us)
    if len(found) != CASES:
        raise machine.Failure(f"{name}: {len(found)} cases, not {CASES}: {sorted(found)}")
    return found


def run(name, net_extra, guests, xen=False):
    """The cases in one boot; `guests`: {name: extra}, the first one sends, or the net domain itself if there is none. `xen`: over Xen's
    control domain; domains are then numbers, "0" the control domain and the guests "1" and "2"."""
    path = machine.room(f"net-{name}")
    if not xen:
        (path / "domains/10-net.cfg").write_text(machine.NET_CFG.replace("on_crash", f'extra = "{net_extra}"\non_crash', 1))
    for number, (guest, extra) in enumerate(guests.items(), 1):
        text = NET_GUEST.format(top=machine.TOP, name=guest, extra=extra, number=number)
        (path / f"domains/20-{guest}.cfg").write_text(text.replace("backend=net,", "") if xen else text)
    (path / "files/who").write_text(f"{next(iter(guests), 'net')}\n")
    if xen:
        shutil.copy(machine.BUILD / "bench/domtimes", path / "files/domtimes")
    peer = ["--hypervisor", "xen"] if xen else []
    return parse(name, machine.boot(path, machine.TOP / "bench/native.sh", "--nic", "hubport,hubid=0", *peer))


def bare():
    """The cases in Linux on the bare machine, with its own driver of the card."""
    return parse("bare", machine.bare(machine.room("net-bare"), "--control-initramfs", machine.BUILD / "bench/bare.cpio", "--nic",
                                      "hubport,hubid=0", "--kernel-append", f"loglevel=4 bh.end=poweroff {WIRE}"))


def to_wire(report, what, case, ours, native, linux, peer):
    cost, bare, driver = ours[case][3], linux[case][3]["itself"], native[case][3]["net"]
    total, theirs = cost["net"] + cost["guest"], peer and peer[case][3]
    beside = f"; Xen: control domain {theirs['0']:.0f}, guest {theirs['1']:.0f}" if peer else ""
    report.figure(f"guest to wire, {what}", round(total), "instructions", f"net domain {cost['net']:.0f}, guest {cost['guest']:.0f}; bare "
                  f"machine {bare:.0f}: {100 * bare / total:.0f} % of its rate; driver alone {driver:.0f}{beside}",
                  xen=round(theirs["0"] + theirs["1"]) if peer else None)
    report.figure("  rate", ours[case][0], "packets/s", f"{ours[case][1]:.1f} MB/s; bare machine {linux[case][0]} packets/s",
                  xen=peer[case][0] if peer else None, better="more")


def to_guest(report, what, case, ours, peer):
    def delivered(cases):
        _, _, _, cost, number, us = cases[case]
        used = [cost[domain] * cases[case][2] / max(number, 1) for domain in (("net", "guest", "sink") if cases is ours else ("0", "1", "2"))]
        return number * 1000000 // us, used, number
    rate, used, number = delivered(ours)
    their_rate, theirs, _ = delivered(peer) if peer else (None, None, None)
    beside = "; Xen: control domain {:.0f}, sender {:.0f}, receiver {:.0f}".format(*theirs) if peer else ""
    report.figure(f"guest to guest, {what}, one delivered", round(sum(used)), "instructions",
                  "net domain {:.0f}, sender {:.0f}, receiver {:.0f}".format(*used) + beside, xen=theirs and round(sum(theirs)))
    report.figure("  rate delivered", rate, "packets/s", f"{rate * case[1] / 1e6:.1f} MB/s, {100 * number / ours[case][2]:.0f} % of what was sent",
                  xen=their_rate, better="more")


def measure(report, peer):
    native, linux = run("native", "bench=1", {}), bare()
    wire, pair = run("wire", "", {"guest": WIRE}), run("pair", "", {"guest": BLAST, "sink": "bh.net=10.8.8.2/24"})
    xen_wire = run("xen-wire", "", {"guest": WIRE}, xen=True) if peer else None
    xen_pair = run("xen-pair", "", {"guest": BLAST, "sink": "bh.net=10.8.8.2/24"}, xen=True) if peer else None
    for case in native:
        what = f"{case[1]} B" + (" (GSO)" if case[0] == "gso" else "")
        to_wire(report, what, case, wire, native, linux, xen_wire)
        to_guest(report, what, case, pair, xen_pair)
