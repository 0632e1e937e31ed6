# SPDX-License-Identifier: MIT
"""Create and destroy tiny domains, the 1st to the 1,000th (under Xen the 100th), what they take of memory, and a stock guest's life.
BENCH_DOMAINS in the environment: another number than 1,000."""
import math
import os
import shutil
import statistics

import machine

TINY_MIB = 4
BESIDE_MIB = {"life": 0.25, "life-xen": 9}  # what a tiny domain takes beside its own, roundly
REST_MIB = 1536  # control domain, the stock guest, and what the launcher or Xen want
XEN_COUNT = 100  # xl takes seconds of the host's time for one


def machine_mib(name, count):
    """The memory of the machine for so many tiny domains."""
    return REST_MIB + math.ceil(count * (TINY_MIB + BESIDE_MIB[name]))


def life(name, count, *arguments):
    """The lists of figures of bench/life.sh in one boot."""
    path = machine.room(name)
    for file in ("domains/hello.elf", "kernels/guest/vmlinux", "guest.cpio"):
        shutil.copy(machine.BUILD / file, path / "files")
    (path / "files/guest.cfg").write_text(machine.PLAIN_GUEST_CFG)
    (path / "files/count").write_text(f"{count}\n")
    found = machine.figures(machine.boot(path, machine.TOP / "bench/life.sh", "--memory", str(machine_mib(name, count)), *arguments, timeout=7200))
    if len(found.get("create_us", [])) != count or "guest_destroy_us" not in found:
        raise machine.Failure(f"{name}: {len(found.get('create_us', []))} of {count} domains, see {path / 'serial.log'}")
    if found["consoles"] != [count]:
        raise machine.Failure(f"{name}: {found['consoles'][0]} of {count} domains have a console")
    return found


def around(values, n):
    """The median of the five figures nearest to the nth, in ms; None where there is none."""
    near = values[max(0, n - 3):n + 2] if n <= len(values) else []
    return statistics.median(near) / 1000 if near else None


def lives(report, ours, theirs, count):
    """Create and destroy over the number of domains."""
    there = [n for n in (1, 10, 100, 1000) if n <= count]
    how = "virtual time; `{}` of a 4 MiB domain, median of the 5 around it"
    for n in there:
        report.figure(f"create of domain {n}", around(ours["create_us"], n), "ms", how.format("create"), xen=around(theirs.get("create_us", []), n))
    for n in there:  # the first that is destroyed is one of all
        report.figure(f"destroy of one of {n}", around(ours["destroy_us"][::-1], n), "ms", how.format("destroy"),
                      xen=around(theirs.get("destroy_us", [])[::-1], n))


def memory(report, ours, theirs):
    """What is taken beside the domains' own."""
    sides = {"life": ours} | ({"life-xen": theirs} if theirs else {})
    number = {name: len(found["create_us"]) for name, found in sides.items()}

    def figure(words, unit, how, value):
        values = [value(name, found) for name, found in sides.items()]
        report.figure(words, values[0], unit, how, xen=values[1] if theirs else None)

    def held(key, of):
        return ", Xen ".join(f"{found[key][0] / 1024:.1f} MiB {of(name)}" for name, found in sides.items())
    figure("memory per domain beside its own", "KiB", "free memory before and with them, by their number; Xen's pool for tables (shadow_memory) is 8 MiB of it",
           lambda name, found: (found["free_before_mib"][0] - found["free_with_mib"][0]) * 1024 / number[name] - TINY_MIB * 1024)
    figure("  of that in the hypervisor", "KiB", "in use and no domain's own: " + held("hypervisor_with_kib", lambda name: f"with {number[name]}"),
           lambda name, found: (found["hypervisor_with_kib"][0] - found["hypervisor_before_kib"][0]) / number[name])
    figure("memory in the hypervisor, control domain only", "MiB a GiB",
           "image, table of the frames, heap, page tables: " + held("hypervisor_before_kib", lambda name: f"of {machine_mib(name, number[name])}"),
           lambda name, found: found["hypervisor_before_kib"][0] / machine_mib(name, number[name]))
    figure("memory not given back", "MiB", "after all are destroyed", lambda name, found: found["free_before_mib"][0] - found["free_after_mib"][0])


def measure(report, peer):
    count = int(os.environ.get("BENCH_DOMAINS", "1000"))
    ours = life("life", count)
    theirs = life("life-xen", min(count, XEN_COUNT), "--hypervisor", "xen") if peer else {}
    lives(report, ours, theirs, count)
    memory(report, ours, theirs)
    for key, words in (("guest_create_us", "create of a stock guest, 256 MiB"), ("guest_boot_us", "create to its user space"),
                       ("guest_destroy_us", "destroy of it")):
        report.figure(words, ours[key][0] / 1000, "ms", "virtual time, one run", xen=theirs[key][0] / 1000 if theirs else None)
    for curve, order in (("create", 1), ("destroy", -1)):  # over the number of domains that are there
        report.curve(curve, "domains", "ms", {side: [(n, us / 1000) for n, us in enumerate(found[f"{curve}_us"][::order], 1)]
                                              for side, found in (("Bulkhead", ours), ("Xen", theirs)) if found})
