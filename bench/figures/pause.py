# SPDX-License-Identifier: MIT
"""20 kills of the disk's driver domain under a guest that reads one block after the other, from a disk that takes 1 ms for each: so a request is in
flight at every kill, and is read again."""
import statistics

import machine

KILLS = 20


def measure(report, _peer):
    path = machine.room("pause")
    (path / "domains/10-disk.cfg").write_text(machine.disk_cfg("service=1000"))
    guest = machine.GUEST_CFG.format(top=machine.TOP, extra="bh.work=beat bh.seconds=3000", target="nvme0n1")
    (path / "domains/20-guest.cfg").write_text(guest)
    (path / "files/kills").write_text(f"{KILLS}\n")
    out = machine.boot(path, machine.TOP / "bench/pause.sh", "--disk", "null:1024", timeout=1800)
    times = {name: [us / 1000 for us in values] for name, values in machine.figures(out).items()}
    pauses, runs = times.get("pause_us", []), times.get("running_us", [])
    if len(pauses) != KILLS or len(runs) != KILLS:
        raise machine.Failure(f"{len(pauses)} pauses and {len(runs)} restarts seen, not {KILLS} of each\n{out[-2000:]}")
    report.figure("kill to driver domain running", statistics.median(runs), "ms", f"median of {KILLS}; longest {max(runs):.2f}")
    report.figure("guest's pause, kill to completed read", statistics.median(pauses), "ms",
                  f"median of {KILLS} kills; longest {max(pauses):.2f}; without a kill {times['quiet_us'][0]:.2f}, the disk's 1 ms within")
    report.curve("pause", "kill", "ms", {"the guest's pause": list(enumerate(pauses, 1)), "driver domain running": list(enumerate(runs, 1))})
