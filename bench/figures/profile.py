# SPDX-License-Identifier: MIT
"""The costliest functions of the hot paths, in the hypervisor and in the small domain that takes part: instructions of each in one operation, over
a steady stretch of it (bench/tracing.py). BENCH_PROFILE="round_trip_halted read" in the environment chooses some, BENCH_ROWS=n shows n functions of each, not three."""
import os
import shutil

import flow
import machine
import netcases
import tracing

MICRO_ELF = machine.BUILD / "bench/micro.elf"


class Path:
    """One boot in which an operation is done for ever. words: what it is; image: the small domain's ELF, or None; marker: (ELF, function)
    that is entered once an operation; stretch: instructions that are looked at."""

    def __init__(self, words, image, marker, prepare, stretch=2000000):
        self.words, self.image, self.marker, self.prepare, self.stretch = words, image, marker, prepare, stretch


def single(name):
    """bench/micro in the control domain's place."""
    def prepare(_path):
        return f"micro {name} repeats", ["--memory", "1024", "--control-kernel", MICRO_ELF, "--kernel-append", f"repeat={name}"]
    return prepare


def pair(name):
    """Two domains of bench/micro."""
    def prepare(path):
        shutil.copy(MICRO_ELF, path / "files")
        (path / "files/repeat").write_text(name + "\n")
        return "repeats", ["--script", machine.TOP / "bench/pair.sh"]
    return prepare


def guest(driver_cfg, device, extra, *board):
    """The stock guest over a driver domain."""
    def prepare(path):
        (path / "domains/10-driver.cfg").write_text(driver_cfg)
        text = flow.GUEST.replace("bh.work=flow ", "").replace('"victim"', '"guest"')
        (path / "domains/20-guest.cfg").write_text(text.format(top=machine.TOP, extra=extra, device=device))
        return "repeats", ["--script", machine.TOP / "bench/profile.sh", *board]
    return prepare


def link(path):
    """A guest that sends, and one behind another card and net domain that receives."""
    sender = "bh.seconds=100000 bh.work=flow bh.net=10.8.8.1/24 bh.peer=10.8.8.2 bh.to=00:16:3e:00:00:02"
    netcases.furnish(path, {"guest": sender, "sink": "bh.net=10.8.8.2/24"}, link=True)
    return "repeats", ["--script", machine.TOP / "bench/profile.sh", *netcases.CARD * 2]


def lives(path):
    """Tiny domains, one after the other."""
    shutil.copy(machine.BUILD / "domains/hello.elf", path / "files")
    return "repeats", ["--script", machine.TOP / "bench/profile.sh"]


def paths():
    """{name: Path}, in the order of the report."""
    disk, net = machine.BUILD / "domains/disk.elf", machine.BUILD / "domains/net.elf"
    hypervisor = machine.BUILD / "bulkhead.elf"
    vbd = 'disk = ["backend=disk,vdev=xvda,target=nvme0n1"]'
    found = {name: Path(words, MICRO_ELF, (MICRO_ELF, function), single(name)) for name, words, function in (
        ("cpuid", "CPUID exit", "cpuid"), ("hvm_param_read", "HVM parameter read", "hvm_param"),
        ("event_to_handler", "event to handler", "to_handler"), ("event_alloc_close", "event channel allocated and closed", "open_close"))}
    found |= {name: Path(words, MICRO_ELF, (MICRO_ELF, function), pair(name)) for name, words, function in (
        ("round_trip_halted", "round trip between two halted domains", "round_trip"), ("grant_copy_4k", "grant copy, 4 KiB", "copy_1"),
        ("grant_map_unmap", "grant mapped and unmapped", "map_1"))}
    found["life"] = Path("create and destroy of a 4 MiB domain", None, (hypervisor, "domain_create"), lives, stretch=60000000)
    reads = "bh.work=beat", "bh.work=flow bh.depth=8", "bh.work=flow", "bh.work=flow bh.depth=8 bh.bytes=131072"
    for name, words, extra in zip(("read", "reads8", "reads", "large"), ("4 KiB read, 1 deep", "4 KiB reads, 8 deep", "4 KiB reads, 16 deep",
                                                                        "128 KiB reads, 8 deep"), reads):
        found[name] = Path(words, disk, (disk, "nvme_io_ended"), guest(machine.DISK_CFG, vbd, extra, "--disk", "null:1024"), 2000000 if name != "large" else 8000000)
    found["packets"] = Path("1514-byte packet to the wire", net, (net, "nring_tx_answer"),
                            guest(machine.NET_CFG, 'vif = ["backend=net,mac=00:16:3e:00:00:01"]', "bh.work=flow bh.net=10.8.8.1/24 bh.to=52:55:0a:00:02:02",
                                  "--nic", "hubport,hubid=0"))
    found["received"] = Path("1514-byte packet from guest to guest by two cards", net, (net, "nring_rx_answer"), link, stretch=4000000)
    return found


def stretch(name, path):
    """(operations, {(where, function): [instructions, times entered]}) of one boot. where: "hypervisor", the image's name, or "guest" for all
    other code."""
    room = machine.room(f"profile-{name}")
    line, arguments = path.prepare(room)
    hypervisor = tracing.Symbols.of_file(machine.BUILD / "bulkhead.elf")
    image = tracing.Symbols.of_file(path.image) if path.image else None
    start = tracing.Symbols.of_file(path.marker[0]).start_of(path.marker[1])
    with tracing.Board(room, *arguments) as board:
        board.await_line(line)
        seen = board.stretch(path.stretch, start)
    used = {}
    for (mode, address), times in seen.items():
        where, symbols = ("hypervisor", hypervisor) if mode == "hypervisor" else (path.image.stem, image) if image else ("guest", None)
        function, entry = symbols.function_at(address) if symbols else ("", False)
        sums = used.setdefault((where if function else "guest", function), [0, 0])
        sums[0] += times
        sums[1] += times if entry else 0
    return sum(times for (_, address), times in seen.items() if address == start), used


def measure(report, _peer):
    chosen, rows = os.environ.get("BENCH_PROFILE", "").split(), int(os.environ.get("BENCH_ROWS", "3"))
    for name, path in paths().items():
        if chosen and name not in chosen:
            continue
        operations, used = stretch(name, path)
        sums = {}
        for (where, _), (times, _) in used.items():
            sums[where] = sums.get(where, 0) + times
        report.figure(path.words, round(sum(sums.values()) / operations), "instructions",
                      ", ".join(f"{where} {times / operations:.0f}" for where, times in sums.items()) + f"; {operations} operations")
        own = sorted((item for item in used.items() if item[0][1]), key=lambda item: -item[1][0])
        for (where, function), (times, entered) in own[:rows]:
            report.figure(f"  {function}", round(times / operations), "instructions", f"{where}, entered {entered / operations:.1f} times")
