# SPDX-License-Identifier: MIT
"""Boots that the disk's measurements share: the cases of bench/iobench.c in the guest, or by the bare driver in the disk domain.

Cases: {(name, bytes, depth): (IOPS, MB/s, {domain: us of CPU time a request})}.
"""
import re

import machine


def parse(out):
    """The cases of bench/native.sh's lines."""
    pattern = re.compile(r"bench: (\S+) (\d+) B depth (\d+): (\d+) IOPS, ([0-9.]+) MB/s, (\d+) requests in \d+ us, 0 errors")
    cases, before, seen = {}, {}, {}
    for line in out.splitlines():
        words = line.split()
        if words[:1] == ["times"]:
            seen = dict(zip(words[2::2], map(int, words[3::2])))
        elif "bench: next" in line:
            before = seen
        elif match := pattern.search(line):
            name, *numbers = match.groups()
            size, depth, iops, requests = (int(numbers[i]) for i in (0, 1, 2, 4))
            cost = {domain: (ns - before[domain]) / requests / 1000 for domain, ns in seen.items()}
            cases[name, size, depth] = iops, float(numbers[3]), cost
    return cases


def guest(name, options, image=None):
    """The cases in the guest, its disk domain having these options."""
    path = machine.room(name)
    (path / "domains/10-disk.cfg").write_text(machine.disk_cfg(options, image))
    (path / "domains/20-guest.cfg").write_text(machine.GUEST_CFG.format(top=machine.TOP, extra="bh.work=bench", target="nvme0n1"))
    (path / "files/who").write_text("guest\n")
    return parse(machine.boot(path, machine.TOP / "bench/native.sh", "--disk", "null:1024"))


def both(name, options):
    """(title, native, guest) a case: the bare driver's and the guest's, the disk domain having these options."""
    path = machine.room(f"{name}-native")
    (path / "domains/10-disk.cfg").write_text(machine.disk_cfg(f"bench=1 {options}"))
    (path / "files/who").write_text("disk\n")
    native = parse(machine.boot(path, machine.TOP / "bench/native.sh", "--disk", "null:1024"))
    ours = guest(f"{name}-guest", options)
    if not native or native.keys() != ours.keys():
        raise machine.Failure(f"cases differ: native {sorted(native)}, guest {sorted(ours)}")
    for case in native:
        yield f"{case[0]} {case[1] // 1024} KiB, {case[2]} deep", native[case], ours[case]


def rate(report, name, native, ours):
    """The rate in the guest, beside the bare driver's."""
    report.figure(name, ours[0], "IOPS", f"{ours[1]:.1f} MB/s; bare driver {native[0]} IOPS, {native[1]:.1f} MB/s: "
                  f"{100 * ours[0] / native[0]:.0f} %", better="more")
