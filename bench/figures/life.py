# SPDX-License-Identifier: MIT
"""Create and destroy tiny domains, the 1st to the 1,000th (under Xen the 10th), what they keep in memory, and a stock guest's life.
BENCH_DOMAINS in the environment: another number than 1,000."""
import math
import os
import shutil
import statistics

import machine

GUEST = """name = "guest"
type = "pvh"
kernel = "/files/vmlinux"
ramdisk = "/files/guest.cpio"
extra = "console=hvc0 loglevel=4 bh.end=shell"
memory = 256
"""
TINY_MIB = 4
BESIDE_MIB = {"life": 0.25, "life-xen": 9}  # what a tiny domain takes beside its own, roundly
REST_MIB = 1536  # control domain, the stock guest, and what the launcher or Xen want
XEN_COUNT = 10  # xl takes seconds for one


def life(name, count, *arguments):
    """The lists of figures of bench/life.sh in one boot."""
    path = machine.room(name)
    for file in ("domains/hello.elf", "kernels/guest/vmlinux", "guest.cpio"):
        shutil.copy(machine.BUILD / file, path / "files")
    (path / "files/guest.cfg").write_text(GUEST)
    (path / "files/count").write_text(f"{count}\n")
    memory = REST_MIB + math.ceil(count * (TINY_MIB + BESIDE_MIB[name]))
    found = machine.figures(machine.boot(path, machine.TOP / "bench/life.sh", "--memory", str(memory), *arguments, timeout=7200))
    if len(found.get("create_us", [])) != count or "guest_destroy_us" not in found:
        raise machine.Failure(f"{name}: {len(found.get('create_us', []))} of {count} domains, see {path / 'serial.log'}")
    return found


def around(values, n):
    """The median of the five figures nearest to the nth, in ms; None where there is none."""
    near = values[max(0, n - 3):n + 2] if n <= len(values) else []
    return statistics.median(near) / 1000 if near else None


def measure(report, peer):
    count = int(os.environ.get("BENCH_DOMAINS", "1000"))
    ours = life("life", count)
    theirs = life("life-xen", min(count, XEN_COUNT), "--hypervisor", "xen") if peer else {}
    how = "virtual time; `create` of a 4 MiB domain, median of the 5 around it"
    for n in (1, 10, 100, 1000):
        if n <= count:
            report.figure(f"create of domain {n}", around(ours["create_us"], n), "ms", how, xen=around(theirs.get("create_us", []), n))
    report.figure("destroy", statistics.median(ours["destroy_us"]) / 1000, "ms", f"median of {count}; Xen's of {XEN_COUNT} at most",
                  xen=statistics.median(theirs["destroy_us"]) / 1000 if theirs else None)

    def kept(found, total):
        return (found["free_before_mib"][0] - found["free_with_mib"][0]) * 1024 / total - TINY_MIB * 1024
    report.figure("memory per domain beside its own", kept(ours, count), "KiB", "free memory before and with them, by their number; Xen's pool for tables (shadow_memory) is 8 MiB of it",
                  xen=kept(theirs, len(theirs["create_us"])) if theirs else None)
    report.figure("memory not given back", ours["free_before_mib"][0] - ours["free_after_mib"][0], "MiB", "after all are destroyed",
                  xen=theirs["free_before_mib"][0] - theirs["free_after_mib"][0] if theirs else None)
    for key, words in (("guest_create_us", "create of a stock guest, 256 MiB"), ("guest_boot_us", "create to its user space"),
                       ("guest_destroy_us", "destroy of it")):
        report.figure(words, ours[key][0] / 1000, "ms", "virtual time, one run", xen=theirs[key][0] / 1000 if theirs else None)
    report.curve("create", "domain", "ms", {side: [(n, us / 1000) for n, us in enumerate(found["create_us"], 1)]
                                            for side, found in (("Bulkhead", ours), ("Xen", theirs)) if found})
