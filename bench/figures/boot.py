# SPDX-License-Identifier: MIT
"""From the hypervisor's entry to the control domain's init; from `bh create disk` to serving."""
import machine


def measure(report, _peer):
    path = machine.room("boot")
    (path / "files/10-disk.cfg").write_text(machine.DISK_CFG)
    values = machine.figures(machine.boot(path, machine.TOP / "bench/boot.sh", "--disk", "null:1024"))
    how = "virtual time, one run"
    report.figure("hypervisor's entry to control's init", values["entry_to_init_ms"][0], "ms", how)
    report.figure("bh create disk to serving", values["create_to_serving_ms"][0], "ms", how + "; 10 ms polling")
    report.figure("  of that inside the disk domain", values["disk_up_us"][0] / 1000, "ms", how)
