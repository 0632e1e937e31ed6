# SPDX-License-Identifier: MIT
"""20 kills of the disk's driver domain under a verifying guest."""
import statistics

import machine


def measure(report, _peer):
    path = machine.room("pause")
    (path / "domains/10-disk.cfg").write_text(machine.DISK_CFG)
    guest = machine.GUEST_CFG.format(top=machine.TOP, extra="bh.work=beat bh.seconds=3000", target="nvme0n1")
    (path / "domains/20-guest.cfg").write_text(guest)
    out = machine.boot(path, machine.TOP / "bench/pause.sh", "--disk", "null:1024")
    times = {name: [us / 1000 for us in values] for name, values in machine.figures(out).items()}
    pauses, runs = times.get("pause_us", []), times.get("running_us", [])
    if len(pauses) != 20 or len(runs) != 20:
        raise machine.Failure(f"{len(pauses)} pauses and {len(runs)} restarts seen, not 20 of each\n{out[-2000:]}")
    report.figure("kill to driver domain running", statistics.median(runs), "ms", f"median of 20; longest {max(runs):.2f}")
    report.figure("guest's pause, kill to completed read", statistics.median(pauses), "ms",
                  f"median of 20 kills; longest {max(pauses):.2f}; without a kill {times['quiet_us'][0]:.2f}")
    report.curve("pause", "kill", "ms", {"the guest's pause": list(enumerate(pauses, 1)), "driver domain running": list(enumerate(runs, 1))})
