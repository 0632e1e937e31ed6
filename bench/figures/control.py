# SPDX-License-Identifier: MIT
"""A guest's throughput (bench/flow.py) with the control domain running and stopped for a second (bh rest), and the memory that its driver domain
has in use at most meanwhile."""
import flow


def measure(report, _peer):
    for kind, what in (("disk", "4 KiB reads"), ("net", "1514-byte frames")):
        (running, paused), used, whole = flow.run(f"control-{kind}", kind, ["paused"])
        report.figure(f"{kind}: {what}, control domain stopped", round(paused.rate), "/s",
                      f"running {running.rate:.0f}: {100 * paused.rate / running.rate:.0f} %; control's CPU {100 * paused.shares['control']:.0f} %",
                      better="more")
        report.figure(f"{kind} domain, memory at most", used, "KiB", f"of {whole}; packets and rings, heap, image, page tables")
