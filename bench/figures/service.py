# SPDX-License-Identifier: MIT
"""The same as disk on a disk that takes time: the disk domain ends no request before 80 us have passed, and moves data at
3 GB/s (its options service= and rate=), under the bare driver and under the guest alike."""
import diskcases


def measure(report, _peer):
    for name, native, guest in diskcases.both("service", "service=80 rate=3000"):
        diskcases.rate(report, f"{name}, 80 us", native, guest)
