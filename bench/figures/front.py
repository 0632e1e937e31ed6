# SPDX-License-Identifier: MIT
"""Where a read's instructions are in the guest's own kernel, over our disk domain and on the bare machine, and what its stock front-end adds: a steady
stretch of each (bench/tracing.py), every instruction counted, the kernel's functions by its own list of them. BENCH_ROWS=n shows n functions, not six."""
import os
import re

import machine
import tracing
from figures import profile

MARKER = "aio_complete_rw"  # a kernel's function, entered once a request
LISTS = "bh.symbols="
FRONTS = (("", "the stock front-end"), ("xen_blkfront.max_indirect_segments=256", "uncut: 256 segments a request"),
          ("xen_blkfront.feature_persistent=0", "without persistent grants"))
# What a function of the kernel is for, the first that fits; the rest is the block layer, asynchronous I/O and pinning the program's memory.
KINDS = (("copying pages", r"_*memcpy|memcpy_orig|copy_page"),
         ("the front-end, its ring and grants", r"blkif|blkfront|gnttab|xen_blk|get_grant|get_indirect_grant|__radix_tree|do_get_pages|gnttab_foreach"),
         ("events, hypercalls and interrupts", r"evtchn|xen_|__xen|hypercall|.*sysvec|handle_.*irq|.*irq_(enter|exit)|asm_|generic_handle|__handle_irq|unmask_irq|.*pvclock"),
         ("the NVMe driver, DMA and IOMMU", r"nvme|.*iommu|.*dma|.*iova|pci_|.*qi_|intel_"))
REST = "block layer, asynchronous I/O, memory, scheduler"
CASES = (("4 KiB read, 1 deep", "bh.depth=1", 3000000, FRONTS[:1]), ("4 KiB reads, 8 deep", "bh.depth=8", 3000000, FRONTS[:1]),
         ("1 MiB reads, 4 deep", "bh.depth=4 bh.bytes=1048576", 12000000, FRONTS))


class Look:
    """One stretch: instructions a request, of each {place}: "kernel", "program", "hypervisor", "disk", and of each {kernel function}."""

    def __init__(self, seen, kernel, ours):
        hypervisor = tracing.Symbols.of_file(machine.BUILD / "bulkhead.elf")
        disk = tracing.Symbols.of_file(machine.BUILD / "domains/disk.elf")
        requests = sum(times for (_, address), times in seen.items() if address == kernel.start_of(MARKER))
        self.places, self.functions = {}, {}
        for (mode, address), times in seen.items():
            function = kernel.function_at(address)[0] if address >> 63 else ""
            if ours and mode == "hypervisor":
                place, function = "hypervisor", hypervisor.function_at(address)[0]
            elif ours and disk.function_at(address)[0]:
                place = "disk"
            else:
                place = "kernel" if function else "program"
            self.places[place] = self.places.get(place, 0) + times / requests
            if place == "kernel":
                self.functions[function] = self.functions.get(function, 0) + times / requests

    def guest(self):
        return self.places["kernel"] + self.places["program"]

    def all(self):
        return sum(self.places.values())


    def kinds(self):
        """{kind: instructions a request}"""
        sums = {kind: 0 for kind in [kind for kind, _ in KINDS] + [REST]}
        for function, times in self.functions.items():
            sums[next((kind for kind, pattern in KINDS if re.match(pattern, function)), REST)] += times
        return sums


def bare(name, words, stretch, core):
    """(Look, lines of the kernel's symbols) on the bare machine; `core`: as below, [] asks for them."""
    room = machine.room(f"front-{name}-bare")
    with tracing.Board(room, "--hypervisor", "none", "--control-kernel", machine.BUILD / "kernels/guest/vmlinux", "--control-initramfs",
                       machine.BUILD / "guest.cpio", "--disk", "null:1024", "--kernel-append",
                       f"loglevel=4 bh.work=flow bh.disk=nvme0n1 bh.seconds=100000 {LISTS}{'modules' if core else 'all'} {words}") as board:
        lines = board.await_line("flow: ")
        kernel = tracing.Symbols.of_lines(core + lines)
        return Look(board.stretch(stretch, kernel.start_of(MARKER)), kernel, False), lines


def guest(name, words, stretch, core):
    """Look over our disk domain; `core`: lines of the kernel's own symbols, to which its modules' come."""
    room = machine.room(f"front-{name}")
    line, arguments = profile.guest(machine.DISK_CFG, 'disk = ["backend=disk,vdev=xvda,target=nvme0n1"]',
                                    f"bh.work=flow {LISTS}modules {words}", "--disk", "null:1024")(room)
    with tracing.Board(room, *arguments) as board:
        kernel = tracing.Symbols.of_lines(core + board.await_line(line))
        return Look(board.stretch(stretch, kernel.start_of(MARKER)), kernel, True)


def own_symbols(lines):
    """Without those of modules, which are elsewhere in each boot."""
    return [line for line in lines if line.startswith("symbol ffffffff8")]


def compare(report, rows, own, native):
    """The kernels' kinds of work, then the functions that differ most."""
    theirs = native.kinds()
    for kind, times in own.kinds().items():
        report.figure(f"  {kind}", round(times), "instructions", f"guest's kernel; on the bare machine {theirs[kind]:.0f}")
    both = {function: (own.functions.get(function, 0), native.functions.get(function, 0)) for function in {*own.functions, *native.functions}}
    for function, (times, bare_times) in sorted(both.items(), key=lambda item: -abs(item[1][0] - item[1][1]))[:rows]:
        report.figure(f"    {function}", round(times), "instructions", f"of these; on the bare machine {bare_times:.0f}")


def measure(report, _peer):
    rows = int(os.environ.get("BENCH_ROWS", "6"))
    core = []
    for number, (words, load, stretch, fronts) in enumerate(CASES):
        native, lines = bare(number, load, stretch, core)
        core = core or own_symbols(lines)
        if len(fronts) > 1:
            free = bare(f"{number}-off", f"{load} intel_iommu=off", stretch, core)[0]
            report.figure(f"{words}; the bare machine without IOMMU", round(free.all()), "instructions", f"with it, as below, {native.all():.0f}")
        for variant, (option, front) in enumerate(fronts):
            ours = guest(f"{number}-{variant}", f"{load} {option}", stretch, core)
            report.figure(f"{words}; {front}", round(ours.all()), "instructions",
                          ", ".join(f"{place} {times:.0f}" for place, times in ours.places.items()) +
                          f"; bare machine {native.all():.0f}: {100 * native.all() / ours.all():.0f} % of its rate, "
                          f"and {100 * native.all() / ours.guest():.0f} % if all but the guest cost nothing")
            compare(report, rows, ours, native)
