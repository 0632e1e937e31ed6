# SPDX-License-Identifier: MIT
"""A stock guest that does 4 KiB reads, sixteen at a time, or sends frames of 1514 bytes, under conditions one after the other.

One emulated CPU does everything, so what others ran in a window is known for each domain. No CPU idles meanwhile: the disk domain lets each
request take 80 us (service=80) with sixteen of them out, and frames are sent as fast as they go.
"""
import re

import machine

GUEST = """name = "victim"
type = "pvh"
kernel = "{top}/build/kernels/guest/vmlinux"
ramdisk = "{top}/build/guest.cpio"
extra = "console=hvc0 loglevel=4 bh.seconds=100000 bh.work=flow {extra}"
memory = 256
{device}
"""
BAD = """name = "bad"
type = "pvh"
kernel = "/files/badfront.elf"
extra = ""
memory = 16
cap = 30
on_crash = "preserve"
{device}
"""


class Window:
    """What happened under one condition."""

    def __init__(self, first, last):
        self.condition = first[0]
        (ms, done, _), (ms2, done2, self.errors) = ([int(word) for word in look[2:5]] for look in (first, last))
        self.rate = (done2 - done) * 1000 / max(1, ms2 - ms)
        time = int(last[6]) - int(first[6])
        used, used2 = (dict(zip(look[7::2], map(int, look[8::2]))) for look in (first, last))
        self.shares = {domain: (used2[domain] - used.get(domain, 0)) / time for domain in used2}

    def free_rate(self):
        """Operations for each second that the attacker's own vCPU did not run."""
        return self.rate / (1 - self.shares.get("bad", 0))

    def cpu(self, *domains):
        return "CPU %: " + ", ".join(f"{domain} {100 * self.shares.get(domain, 0):.0f}" for domain in domains)


def run(name, kind, conditions, driver=""):
    """One boot: ([Window], KiB of the driver domain's memory in use at most, KiB of it). kind: disk or net; driver: more words for the driver domain."""
    path = machine.room(name)
    (path / "files/conditions").write_text("\n".join(conditions) + "\n")
    (path / "files/driver").write_text(kind + "\n")
    (path / "files/badfront.elf").write_bytes((machine.BUILD / "tests/domains/badfront.elf").read_bytes())
    if kind == "disk":
        (path / "domains/10-disk.cfg").write_text(machine.disk_cfg(f"service=80 {driver}") + 'pci += ["00:05.0"]\n')
        device, extra = 'disk = ["backend=disk,vdev=xvda,target=nvme{}n1"]', ""
        guest, bad, board = device.format(0), device.format(1), ["--disk", "null:1024", "--disk", "null:64"]
    else:
        (path / "domains/10-net.cfg").write_text(machine.NET_CFG)
        device, extra = 'vif = ["backend=net,mac=00:16:3e:00:00:{}"]', "bh.net=10.8.8.1/24 bh.to=52:55:0a:00:02:02"
        guest, bad, board = device.format("01"), device.format("66"), ["--nic", "hubport,hubid=0"]
    (path / "domains/20-victim.cfg").write_text(GUEST.format(top=machine.TOP, extra=extra, device=guest))
    (path / "files/bad.cfg").write_text(BAD.format(device=bad))
    out = machine.boot(path, machine.TOP / "bench/flow.sh", "--append", "sched=credit", *board, timeout=4000)
    looks = [line.split() for line in re.findall(r"^window (.*)$", out, re.MULTILINE)]
    memory = re.search(r"^memory \d+ of (\d+), at most (\d+) KiB$", out, re.MULTILINE)
    if len(looks) != 2 * (1 + len(conditions)) or not memory:
        raise machine.Failure(f"{name}: not all was measured\n{out[-2000:]}")
    return [Window(*pair) for pair in zip(looks[::2], looks[1::2])], int(memory[2]), int(memory[1])
