# SPDX-License-Identifier: MIT
"""The disk's driver domain is created, serves a guest that keeps 8 reads of 4 KiB in flight, and is killed under it; with --peer xen the same under
Xen with a Linux driver domain, where then a new driver domain is made, the disk attached and detached again, and the guest made anew."""
import re

import machine
import xendriver

WATCH = {"recovery": 2, "recovery-xen": 60}  # s after the kill; ours reads all the time, which costs
TRIES = {"attach": "the disk attached again, from a new driver domain", "detach": "the disk detached", "detach-by-force": "the disk detached by force",
         "attach-once-more": "the disk attached once more"}


def boot(name, driver, *arguments):
    """({figure: value}, [(what, status, done, errors, message)]) of bench/recovery.sh."""
    path = machine.room(name)
    xendriver.bring_guest(path)
    if arguments:
        xendriver.bring_driver(path)
    target = "/dev/nvme0n1" if arguments else "nvme0n1"
    guest = machine.GUEST_CFG.format(top="/files", extra="bh.work=flow bh.depth=8 bh.seconds=100000", target=target)
    (path / "files/driver.cfg").write_text(driver)
    (path / "files/guest.cfg").write_text(guest)
    (path / "files/again.cfg").write_text(guest.replace('"guest"', '"again"', 1))
    (path / "files/watch").write_text(f"{WATCH[name]}\n")
    out = machine.boot(path, machine.TOP / "bench/recovery.sh", "--disk", "null:1024", *arguments)
    values = {figure: numbers[0] for figure, numbers in machine.figures(out).items()}
    return values, re.findall(r"^try (\S+) status (\d+) done (\d+) errors (\d+): (.*)$", out, re.MULTILINE)


def measure(report, peer):
    ours, _ = boot("recovery", machine.DISK_CFG)
    theirs, tries = boot("recovery-xen", xendriver.DISK_CFG, *xendriver.BOARD) if peer else ({}, [])

    def figure(words, key, unit, how, **more):
        mine, peers = (found.get(key) if unit == "reads" or key.endswith("_ms") or not found else found[key] / 1000 for found in (ours, theirs))
        report.figure(words, mine, unit, how, xen=peers, **more)
    figure("create of the driver domain to serving", "driver_ms", "ms", "virtual time, one run, polled")
    figure("create of a guest to its disk connected", "first_connected_ms", "ms", "likewise")
    figure("create of a guest to its first reads", "first_reads_ms", "ms", "likewise")
    watched = f"watched for {WATCH['recovery']} s" + (f", Xen {WATCH['recovery-xen']}" if theirs else "")
    figure("reads done, from 1 s after the kill", "done", "reads", f"8 in flight; {watched}", better="more")
    figure("reads failed", "errors", "reads", "likewise")
    figure("longest time without a read done", "pause_us", "ms", f"around the kill; before it {ours['quiet_us'] / 1000:.2f}"
           + (f"; Xen: all of the time watched, before it {theirs['quiet_us'] / 1000:.2f}" if theirs else ""))
    for what, status, done, errors, message in tries:
        report.figure(f"reads done after: {TRIES[what]}", None, "reads", f"within 10 s; {errors} failed; xl's status {status}"
                      + (f": {message}" if message else ""), xen=int(done), better="more")
    if theirs:
        again = ("kill_ms", "driver_again_ms", "destroy_ms", "again_reads_ms")
        how = ("ours by itself, none lost; Xen: driver domain destroyed and created, guest destroyed and created, to its first reads, "
               "without pauses between, those in flight lost: " + " + ".join(f"{theirs[key]:.0f}" for key in again))
        report.figure("kill to reads again", ours["pause_us"] / 1000, "ms", how, xen=sum(theirs[key] for key in again))
