# SPDX-License-Identifier: MIT
"""What a block request costs: instructions of every domain in it, in the stock guest over our disk domain; with --peer xen in the same guest
over Xen, its disk served by a Debian control domain (PVH, xen-blkback on Linux's NVMe driver); and in the same kernel on the bare
machine. 4 KiB random and 1 MiB sequential, read and write, 1, 8 and 32 deep. Rates follow where the CPU is the limit: what one CPU
carries. On a disk that takes time a lone request's rate is 1 / (the disk's time + these instructions)."""
import diskcases

NAMES = {"randread": "4 KiB random read", "seqread": "1 MiB sequential read",
         "randwrite": "4 KiB random write", "seqwrite": "1 MiB sequential write"}


def measure(report, peer):
    native = diskcases.bare("datapath-bare")
    ours = diskcases.guest("datapath", "")
    theirs = diskcases.xen("datapath-xen") if peer else {}
    lines = {}
    for case, (_, _, cost) in ours.items():
        name, _, depth = case
        total = 1000 * (cost["guest"] + cost["disk"])
        bare = 1000 * native[case][2]["itself"]
        peers = theirs[case][2] if case in theirs else None
        beside = f"; Xen: guest {1000 * peers['1']:.0f}, control domain {1000 * peers['0']:.0f}" if peers else ""
        other = 1000 * (peers["0"] + peers["1"]) if peers else None
        report.figure(f"{NAMES[name]}, {depth} deep", round(total), "instructions", f"guest {1000 * cost['guest']:.0f}, disk domain "
                      f"{1000 * cost['disk']:.0f}; bare machine {bare:.0f}: {100 * bare / total:.0f} % of its rate{beside}",
                      xen=other and round(other))
        for who, value in ("Bulkhead", total), ("Xen", other), ("bare machine", bare):
            if value:
                lines.setdefault(name, {}).setdefault(who, []).append((depth, round(1e9 / value)))
    for name, series in lines.items():
        report.curve(f"datapath-{name}", "requests in flight", "requests/s of one CPU", series)
