# SPDX-License-Identifier: MIT
"""Boots that the disk's measurements share: the cases of bench/iobench.c in the guest, or by the bare driver in the disk domain.

Cases: {(name, bytes, depth): (IOPS, MB/s, {domain: us of CPU time a request})}; "itself" is the kernel that issued the requests.
"""
import shutil

import machine
import xendriver


def parse(out):
    """The cases of bench/native.sh's lines."""
    pattern = (r"bench: (\S+) (\d+) B depth (\d+): (\d+) IOPS, ([0-9.]+) MB/s, (\d+) requests in \d+ us, 0 errors"
               r"(?:, busy (\d+) us)?")
    found = {}
    for match, used in machine.cases(out, pattern):
        name, *numbers = match.groups("0")
        size, depth, iops, requests = (int(numbers[i]) for i in (0, 1, 2, 4))
        cost = {domain: ns / requests / 1000 for domain, ns in used.items()}
        cost["itself"] = int(numbers[5]) / requests
        found[name, size, depth] = iops, float(numbers[3]), cost
    return found


def guest(name, options, image=None, words=""):
    """The cases in the guest, its disk domain having these options, its kernel these words more."""
    path = machine.room(name)
    (path / "domains/10-disk.cfg").write_text(machine.disk_cfg(options, image))
    (path / "domains/20-guest.cfg").write_text(machine.GUEST_CFG.format(top=machine.TOP, extra=f"bh.work=bench {words}", target="nvme0n1"))
    (path / "files/who").write_text("guest\n")
    return parse(machine.boot(path, machine.TOP / "bench/native.sh", "--disk", "null:1024"))


def xen(name):
    """The cases in the same guest under Xen, its disk served by the control domain. Domains: "0", "1" (the guest)."""
    path = machine.room(name)
    guest_cfg = machine.GUEST_CFG.replace("backend=disk,vdev=xvda,target={target}", "phy:/dev/{target},xvda,w")
    (path / "domains/20-guest.cfg").write_text(guest_cfg.format(top=machine.TOP, extra="bh.work=bench", target="nvme0n1"))
    (path / "files/who").write_text("guest\n")
    shutil.copy(machine.BUILD / "bench/domtimes", path / "files/domtimes")
    return parse(machine.boot(path, machine.TOP / "bench/native.sh", "--hypervisor", "xen", "--disk", "null:1024"))


def xen_driver(name):
    """The cases in the same guest under Xen, its disk served by a Linux driver domain. Domains: "0", "1" (the driver domain), "2" (the guest)."""
    path = machine.room(name)
    xendriver.bring_driver(path)
    (path / "domains/10-disk.cfg").write_text(xendriver.DISK_CFG)
    (path / "domains/20-guest.cfg").write_text(machine.GUEST_CFG.format(top=machine.TOP, extra="bh.work=bench", target="/dev/nvme0n1"))
    (path / "files/who").write_text("guest\n")
    shutil.copy(machine.BUILD / "bench/domtimes", path / "files/domtimes")
    return parse(machine.boot(path, machine.TOP / "bench/native.sh", *xendriver.BOARD, "--disk", "null:1024"))


def bare(name, words=""):
    """The cases in the guest's kernel on the bare machine, with its own driver."""
    return parse(machine.bare(machine.room(name), "--control-kernel", machine.BUILD / "kernels/guest/vmlinux", "--control-initramfs",
                              machine.BUILD / "guest.cpio", "--disk", "null:1024", "--kernel-append",
                              f"loglevel=4 bh.work=bench bh.disk=nvme0n1 bh.end=poweroff {words}"))


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
