# SPDX-License-Identifier: MIT
"""The rate in the guest, on a disk domain that takes 80 us for a request and moves data at 3 GB/s (as service), beside that of the same kernel with its own
driver on the bare machine. QEMU's disk takes no time, or the host's. So on the bare machine the program takes no request back before a disk like that would
have ended it (bench/iobench.c, IOBENCH_HOLD); the disk's interrupt then falls into that time, and a timer's ends it."""
import diskcases
from figures import datapath


def measure(report, _peer):
    native = diskcases.bare("native-bare", "bh.hold=80,3000")
    for case, (iops, rate, _) in diskcases.guest("native", "service=80 rate=3000").items():
        name, _, depth = case
        bare_iops, bare_rate, cost = native[case]
        report.figure(f"{datapath.NAMES[name]}, {depth} deep, 80 us", iops, "IOPS", f"{rate:.1f} MB/s; bare machine {bare_iops} IOPS, "
                      f"{bare_rate:.1f} MB/s, busy {cost['itself']:.1f} us a request: {100 * iops / bare_iops:.0f} %", better="more")
