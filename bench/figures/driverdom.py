# SPDX-License-Identifier: MIT
"""Only with --peer xen: what datapath measures, and net from a guest to the wire, over Xen with a Linux driver domain that owns the disk or the card (a
PV domain, bench/xen/driver-services; the control domain is a PV domain too, as Xen 4.17 wants it for that). The control domain has no part in a
request and is left out."""
import diskcases
import netcases
from figures import datapath


def figure(report, what, *sides):
    """Instructions, ours and Xen's, each {who: instructions}; the sums."""
    ours, theirs = (sum(side.values()) for side in sides)
    words = [", ".join(f"{who} {value:.0f}" for who, value in side.items()) for side in sides]
    report.figure(what, round(ours), "instructions", f"{words[0]}; Xen: {words[1]}", xen=round(theirs))
    return {"Bulkhead": ours, "Xen": theirs}


def costs(cost, scale, **names):
    """{words: instructions} of the domains of these names."""
    return {words.replace("_", " "): scale * cost[domain] for words, domain in names.items()}


def disk(report):
    ours, theirs = diskcases.guest("driverdom", ""), diskcases.xen_driver("driverdom-xen")
    lines = {}
    for case in ours:
        name, _, depth = case
        totals = figure(report, f"{datapath.NAMES[name]}, {depth} deep", costs(ours[case][2], 1000, guest="guest", disk_domain="disk"),
                        costs(theirs[case][2], 1000, guest="2", driver_domain="1"))
        for side, value in totals.items():
            lines.setdefault(name, {}).setdefault(side, []).append((depth, round(1e9 / value)))
    for name, series in lines.items():
        report.curve(f"driverdom-{name}", "requests in flight", "requests/s of one CPU", series)


def wire(report):
    ours = netcases.run("driverdom-net", netcases.PACKETS, {"guest": netcases.TO_WIRE})
    theirs = netcases.xen_driver("driverdom-net-xen", netcases.PACKETS, {"guest": netcases.TO_WIRE})
    for case in ours:
        figure(report, f"guest to wire, {case[1]} B" + (" (GSO)" if case[0] == "gso" else ""),
               costs(ours[case][3], 1, guest="guest", net_domain="net"), costs(theirs[case][3], 1, guest="2", driver_domain="1"))
        report.figure("  rate", ours[case][0], "packets/s", f"{ours[case][1]:.1f} MB/s; Xen {theirs[case][1]:.1f}", xen=theirs[case][0], better="more")


def measure(report, peer):
    if peer:
        disk(report)
        wire(report)
