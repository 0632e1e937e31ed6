# SPDX-License-Identifier: MIT
"""What publishing answers in request order costs: random reads in the guest, 1, 8 and 32 deep, against a disk domain that
answers in the order of endings (tests/domains/unordered), on disks that end requests out of order (option late=)."""
import diskcases
from machine import BUILD


def measure(report, _peer):
    for how, options in (("every other request 40 us later", "late=40@2"), ("one request in 100 1 ms later", "late=1000@100")):
        options = "service=80 " + options
        ordered = diskcases.guest("order", options)
        unordered = diskcases.guest("order-not", options, BUILD / "tests/domains/disk-unordered.elf")
        for case in (("randread", 4096, depth) for depth in (1, 8, 32)):
            report.figure(f"4 KiB reads, {case[2]} deep, in order", ordered[case][0], "IOPS",
                          f"80 us, {how}; in the order of endings {unordered[case][0]} IOPS: "
                          f"{100 * ordered[case][0] / unordered[case][0]:.0f} %", better="more")
