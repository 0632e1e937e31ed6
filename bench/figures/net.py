# SPDX-License-Identifier: MIT
"""Packets of 64 and 1514 bytes and of 64 KB for the other side to cut (GSO), as fast as a guest sends them: to the wire, to another
guest, and by the bare driver. Per packet the CPU time of each domain in ns, which is its instructions; what the
hypervisor does for a domain is included. One CPU does all of it, the guests' own part too."""
import re

import machine

NET_CFG = (machine.TOP / "tools/demo/net/10-net.cfg").read_text()
NET_GUEST = """name = "{name}"
type = "pvh"
kernel = "{top}/build/kernels/guest/vmlinux"
ramdisk = "{top}/build/guest.cpio"
extra = "console=hvc0 loglevel=4 {extra}"
memory = 256
vif = ["backend=net,mac=00:16:3e:00:00:0{number}"]
"""


def parse(out):
    """{(name, bytes): (packets/s, MB/s, packets, {domain: ns of CPU time a packet}, delivered, us)} of bench/native.sh's lines."""
    pattern = re.compile(r"bench: (\S+) (\d+) B: (\d+) packets/s, ([0-9.]+) MB/s, (\d+) packets in (\d+) us, 0 errors")
    cases, before, seen = {}, {}, {}
    for line in out.splitlines():
        words = line.split()
        if words[:1] == ["times"]:
            seen = dict(zip(words[2::2], map(int, words[3::2])))
        elif "bench: next" in line:
            before = seen
        elif match := pattern.search(line):
            name, size, rate, speed, packets, us = match.groups()
            used = {domain: seen[domain] - before[domain] for domain in seen}
            delivered = used.pop("packets", int(packets))
            cost = {domain: ns / int(packets) for domain, ns in used.items()}
            cases[name, int(size)] = int(rate), float(speed), int(packets), cost, delivered, int(us)
    return cases


def run(name, net_extra, guests):
    """The cases in one boot; `guests`: {name: extra}, the first one sends, or the net domain itself if there is none."""
    path = machine.room(f"net-{name}")
    (path / "domains/10-net.cfg").write_text(NET_CFG.replace("on_crash", f'extra = "{net_extra}"\non_crash', 1))
    for number, (guest, extra) in enumerate(guests.items(), 1):
        text = NET_GUEST.format(top=machine.TOP, name=guest, extra=extra, number=number)
        (path / f"domains/20-{guest}.cfg").write_text(text)
    (path / "files/who").write_text(f"{next(iter(guests), 'net')}\n")
    cases = parse(machine.boot(path, machine.TOP / "bench/native.sh", "--nic", "hubport,hubid=0"))
    if len(cases) != 3:
        raise machine.Failure(f"{name}: {len(cases)} cases, not 3: {sorted(cases)}")
    return cases


def measure(report, _peer):
    native = run("native", "bench=1", {})
    wire = run("wire", "", {"guest": "bh.net=10.8.8.1/24 bh.work=blast bh.to=52:55:0a:00:02:02"})
    blast = "bh.net=10.8.8.1/24 bh.work=blast bh.peer=10.8.8.2 bh.to=00:16:3e:00:00:02"
    pair = run("pair", "", {"guest": blast, "sink": "bh.net=10.8.8.2/24"})
    for case, (rate, speed, _, cost, _, _) in native.items():
        what = f"{case[1]} B" + (" (GSO)" if case[0] == "gso" else "")
        report.figure(f"bare driver, {what}", rate, "packets/s", f"{speed:.1f} MB/s; net domain {cost['net']:.0f} instructions a packet",
                      better="more")
        rate, speed, _, cost, _, _ = wire[case]
        report.figure("  guest to wire", rate, "packets/s", f"{speed:.1f} MB/s; a packet: net domain {cost['net']:.0f}, guest "
                      f"{cost['guest']:.0f} instructions", better="more")
        _, _, packets, cost, delivered, us = pair[case]
        report.figure("  guest to guest, delivered", delivered * 1000000 // us, "packets/s", f"{delivered * case[1] / us:.1f} MB/s, "
                      f"{100 * delivered / packets:.0f} % of what was sent; a packet sent: net domain {cost['net']:.0f}, sender "
                      f"{cost['guest']:.0f}, receiver {cost['sink']:.0f} instructions", better="more")
