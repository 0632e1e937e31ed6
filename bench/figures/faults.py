# SPDX-License-Identifier: MIT
"""How long a guest's disk and its TCP stream stand still for each kind of fault of the driver domain below them (docs/runtime.md): a read a
millisecond, and a stream of 4 Mb/s to another guest behind another card and driver domain. What a timeout notices has two parts:
until it is noticed, and from there until the guest goes on. One fault of each kind; BENCH_FAULTS="disk.hang net.kill" in the environment chooses some."""
import os
import re

import machine

KINDS = ("kill", "rekill", "crash", "wildptr", "stack", "heap", "hang", "loop", "stall", "stuck")
GUEST = """name = "{name}"
type = "pvh"
kernel = "{top}/build/kernels/guest/vmlinux"
ramdisk = "{top}/build/guest.cpio"
extra = "console=hvc0 loglevel=4 {extra}"
memory = 256
{devices}
"""


def boot(plan):
    path = machine.room("faults")
    (path / "files/plan").write_text("".join(f"{domain} {kind}\n" for domain, kind in plan))
    (path / "domains/10-disk.cfg").write_text(machine.disk_cfg("fault=store"))
    (path / "domains/10-net.cfg").write_text(machine.NET_CFG.replace("on_crash", 'extra = "fault=store"\non_crash', 1))
    other = machine.NET_CFG.replace('name = "net"', 'name = "other"').replace("00:10.0", "00:11.0")
    (path / "domains/11-other.cfg").write_text(other)
    echo = GUEST.format(top=machine.TOP, name="echo", extra="bh.net=10.8.8.2/24 bh.work=echo bh.port=7",
                        devices='vif = ["backend=other,mac=00:16:3e:00:00:02"]')
    guest = GUEST.format(top=machine.TOP, name="guest", extra="bh.net=10.8.8.1/24 bh.work=pulse bh.peer=10.8.8.2 bh.port=7 bh.seconds=80000",
                         devices='vif = ["backend=net,mac=00:16:3e:00:00:01,rate=4Mb/s"]\ndisk = ["backend=disk,vdev=xvda,target=nvme0n1"]')
    (path / "domains/20-echo.cfg").write_text(echo)
    (path / "domains/30-guest.cfg").write_text(guest)
    nic = ["--nic", "hubport,hubid=0"]
    return machine.boot(path, machine.TOP / "bench/faults.sh", "--disk", "null:1024", *nic, *nic, timeout=4000)


def measure(report, _peer):
    chosen = os.environ.get("BENCH_FAULTS", "").split()
    plan = [(domain, kind) for domain in ("disk", "net") for kind in KINDS if not chosen or f"{domain}.{kind}" in chosen]
    seen = re.findall(r"^fault (\S+) (\S+) disk_us=(\d+) net_us=(\d+) noticed_us=(\d+)$", boot(plan), re.MULTILINE)
    if [line[:2] for line in seen] != [("none", "none"), *plan]:
        raise machine.Failure(f"faults seen: {seen}")
    quiet = {"disk": int(seen[0][2]) / 1000, "net": int(seen[0][3]) / 1000}
    for domain, kind, *numbers in seen[1:]:
        pauses = dict(zip(("disk", "net"), (int(number) / 1000 for number in numbers)))
        noticed = int(numbers[2]) / 1000
        how = f"noticed after {noticed:.2f}, going on {max(0, pauses[domain] - noticed):.2f} later" if noticed else "told of at once"
        report.figure(f"{domain} domain: {kind}", pauses[domain], "ms", f"{how}; quiet: {quiet[domain]:.2f}")
