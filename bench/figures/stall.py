# SPDX-License-Identifier: MIT
"""For how long the hypervisor keeps a CPU from guests at a time, at most: the longest stretch from a guest's exit to the next entry, while
a PVH kernel in the control domain's place (bench/stall) makes the hypercalls that can be long with the largest arguments that are legal, domains of 4 GiB among them."""
import re
import subprocess

from machine import BUILD, TOP, Failure, room

LIMIT_US = 1000
GUEST_MIB = 4096  # of the large domains; all their memory is touched on the host, too
SHOWN = 10


def measure(report, peer):
    path = room("stall")
    command = [TOP / "tools/board", "qemu", "--icount", "--memory", str(GUEST_MIB + 1024), "--disk", "null:1024", "--control-kernel",
               BUILD / "bench/stall.elf", "--kernel-append", f"large={GUEST_MIB} small={GUEST_MIB}", "--log", path / "serial.log", "--timeout", "900"]
    out = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False).stdout
    found = re.findall(r"stall (\S+) (\d+) \d+ (\d+)\r?$", out, re.MULTILINE)
    failed = re.findall(r"stall (\S+ failed .*)", out)
    if failed or "stall done" not in out:
        raise Failure(f"{failed or 'it did not end'}; see {path / 'serial.log'}")
    rows = sorted(((int(ns) / 1000, name.replace("_", " "), ms) for name, ns, ms in found), reverse=True)
    over = [name for us, name, _ in rows if us > LIMIT_US]
    report.figure("longest uninterrupted stretch", round(rows[0][0]), "us", f"of {len(rows)} operations; limit {LIMIT_US}: "
                  + (f"broken by {', '.join(over)}" if over else "kept by all"), exact=True)
    for us, name, ms in rows[:SHOWN]:
        report.figure(f"  {name}", round(us), "us", f"the whole operation {ms} ms", exact=True)
