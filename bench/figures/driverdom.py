# SPDX-License-Identifier: MIT
"""Only with --peer xen: what datapath measures, over Xen with a Linux driver domain that owns the disk (a PV domain, bench/xen/driver-services; the
control domain is a PV domain too, as Xen 4.17 wants it for that). The control domain has no part in a request and is left out."""
import diskcases
from figures import datapath


def measure(report, peer):
    if not peer:
        return
    ours, theirs = diskcases.guest("driverdom", ""), diskcases.xen_driver("driverdom-xen")
    lines = {}
    for case, (_, _, cost) in ours.items():
        name, _, depth = case
        total = {"Bulkhead": 1000 * (cost["guest"] + cost["disk"])}
        who = {words: 1000 * theirs[case][2][key] for words, key in (("guest", "2"), ("driver domain", "1"))}
        total["Xen"] = sum(who.values())
        report.figure(f"{datapath.NAMES[name]}, {depth} deep", round(total["Bulkhead"]), "instructions",
                      f"guest {1000 * cost['guest']:.0f}, disk domain {1000 * cost['disk']:.0f}; Xen: "
                      + ", ".join(f"{words} {value:.0f}" for words, value in who.items()), xen=round(total["Xen"]))
        for side, value in total.items():
            lines.setdefault(name, {}).setdefault(side, []).append((depth, round(1e9 / value)))
    for name, series in lines.items():
        report.curve(f"driverdom-{name}", "requests in flight", "requests/s of one CPU", series)
