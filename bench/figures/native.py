# SPDX-License-Identifier: MIT
"""The rate in the guest beside that of the same kernel with its own driver on the bare machine, on a disk that takes 80 us for a request and
moves data at 3 GB/s. QEMU's disk takes no time, and could take only the host's: so under both kernels the program holds each request that long
when it has come back (bench/iobench.c, IOBENCH_HOLD), asleep in the call that waits for the next one."""
import diskcases
from figures import datapath

WORDS = "bh.hold=80,3000"


def measure(report, _peer):
    native = diskcases.bare("native-bare", WORDS)
    for case, (iops, rate, _) in diskcases.guest("native", "", words=WORDS).items():
        name, _, depth = case
        bare_iops, bare_rate, _ = native[case]
        report.figure(f"{datapath.NAMES[name]}, {depth} deep, 80 us", iops, "IOPS", f"{rate:.1f} MB/s; bare machine {bare_iops} IOPS, "
                      f"{bare_rate:.1f} MB/s: {100 * iops / bare_iops:.0f} %", better="more")
