# SPDX-License-Identifier: MIT
"""From the hypervisor's entry to the control domain's init; from `bh create` of a driver domain to serving, and to the device of a guest
that waits Connected. Under Xen the first."""
import re
import shutil

import machine


def xen():
    """Milliseconds from Xen's first line to its control domain's init. A tick of the TSC is a ns here."""
    path = machine.room("boot-xen")
    out = machine.boot(path, machine.TOP / "bench/boot-xen.sh", "--hypervisor", "xen", "--append", "console_timestamps=raw guest_loglvl=all")
    stamps = [int(stamp, 16) for stamp in re.findall(r"^\(XEN\) \[([0-9a-f]{16})\]", (path / "serial.log").read_text(errors="replace"),
                                                    re.MULTILINE)]
    since = machine.figures(out).get("since_init_s")
    if len(stamps) < 2 or not since:
        raise machine.Failure(f"no time stamps of Xen's; see {path / 'serial.log'}")
    return (stamps[-1] - stamps[0]) / 1e6 - since[0] * 1000


def connect():
    """{"disk_connected_us": [..], "net_connected_us": [..]} of bench/connect.sh."""
    path = machine.room("connect")
    for file in ("kernels/guest/vmlinux", "guest.cpio"):
        shutil.copy(machine.BUILD / file, path / "files")
    for name, text in (("disk", machine.DISK_CFG), ("net", machine.NET_CFG), ("guest", machine.PLAIN_GUEST_CFG)):
        (path / f"files/{name}.cfg").write_text(text)
    return machine.figures(machine.boot(path, machine.TOP / "bench/connect.sh", "--disk", "null:1024", "--nic", "hubport,hubid=0"))


def measure(report, peer):
    path = machine.room("boot")
    (path / "files/10-disk.cfg").write_text(machine.DISK_CFG)
    values = machine.figures(machine.boot(path, machine.TOP / "bench/boot.sh", "--disk", "null:1024"))
    how = "virtual time, one run"
    report.figure("hypervisor's entry to control's init", values["entry_to_init_ms"][0], "ms", how + "; Xen from its first line, the same kernel",
                  xen=xen() if peer else None)
    report.figure("bh create disk to serving", values["create_to_serving_ms"][0], "ms", how + "; 10 ms polling")
    report.figure("  of that inside the disk domain", values["disk_up_us"][0] / 1000, "ms", how)
    connected = connect()
    for name in ("disk", "net"):
        report.figure(f"create of a {name} domain to Connected", connected[f"{name}_connected_us"][0] / 1000, "ms",
                      how + "; `bh create`, then a device for a stock guest that waits, until both ends' states are 4")
