# SPDX-License-Identifier: MIT
"""Between two machines' worth of network cards on one wire: packets of 64 and 1514 bytes from the wire to a guest, and TCP streams of
iperf3 both ways. Both ends are on the one CPU. Bulkhead: a guest and a net domain at each end, each with its own CPU time. Bare machine: a
kernel with a network of its own for the second card; its receiving costs what both ends do less what sending alone does (`bench/run net`), and of a
stream each end has the share that it has when threads poll the cards. The far card does not segment, which QEMU 7.2 does wrongly (bench/notso.c). With
--peer xen, packets only: a guest at each end, and the control domain is in between twice; its sending is taken off as the bare machine's."""
import machine
import netcases

FAR = "bh.net=10.8.8.1/24 bh.work=blast bh.peer=10.8.8.2 bh.far=10.8.8.2/24 bh.to=52:54:00:12:34:57"


def ratio(bare, ours):
    return f"{100 * bare / ours:.0f} % of its rate"


def received(report, what, case, ours, linux, sends, peer):
    """One packet delivered. `sends`: bare and Xen's cases of sending alone."""
    def delivered(cases):
        _, _, sent, cost, number, us = cases[case]
        return {domain: ns * sent / max(number, 1) for domain, ns in cost.items()}, number * 1000000 // us, 100 * number / sent
    cost, rate, share = delivered(ours)
    bare, _, bare_share = delivered(linux)
    bare = bare["itself"] - sends["bare"][case][3]["itself"] * 100 / bare_share
    whole, theirs, their_rate = cost["wire"] + cost["sink"], None, None
    beside = ""
    if peer:
        parts, their_rate, their_share = delivered(peer)
        control = parts["0"] - sends["xen"][case][3]["0"] * 100 / their_share
        theirs, beside = round(control + parts["2"]), f"; Xen: control domain {control:.0f}, guest {parts['2']:.0f}"
    report.figure(f"wire to guest, {what}, one delivered", round(whole), "instructions",
                  f"net domain {cost['wire']:.0f}, guest {cost['sink']:.0f}; bare machine {bare:.0f}: {ratio(bare, whole)}{beside}", xen=theirs)
    report.figure("  rate delivered, sender on the same CPU", rate, "packets/s", f"{share:.0f} % of what was sent", xen=their_rate, better="more")


def streams(report, ours, linux):
    for way, sender, receiver in ("to", ("net", "guest"), ("wire", "sink")), ("from", ("wire", "sink"), ("net", "guest")):
        cost, rate = netcases.stream(ours, way)
        bare, bare_rate = netcases.stream(linux, way)
        split = netcases.stream(linux, f"{way}-split")[0]
        far = bare["itself"] * split["far"] / split["itself"]
        ends = (bare["itself"] - far, far) if way == "to" else (far, bare["itself"] - far)
        label = {"to": "guest to wire", "from": "wire to guest (-R)"}[way]
        whole = sum(cost[domain] for domain in (*sender, *receiver))
        report.figure(f"TCP stream {label}, 1 MiB, both ends", round(whole), "instructions",
                      f"bare machine {bare['itself']:.0f}: {ratio(bare['itself'], whole)}")
        for what, end, alone in ("sending", sender, ends[0]), ("receiving", receiver, ends[1]):
            mine = cost[end[0]] + cost[end[1]]
            report.figure(f"  {what} end", round(mine), "instructions", f"net domain {cost[end[0]]:.0f}, guest {cost[end[1]]:.0f}; bare machine "
                          f"{alone:.0f}: {ratio(alone, mine)}")
        report.figure("  rate, both ends on one CPU", round(rate), "Mbit/s", f"iperf3, 64 MiB; bare machine {bare_rate:.0f}", better="more")


def measure(report, peer):
    both, guests = netcases.PACKETS + netcases.STREAMS, {"guest": netcases.SENDER, "sink": netcases.RECEIVER}
    ours = netcases.run("link-ours", both, guests, link=True)
    linux = netcases.bare("link-bare", both + netcases.STREAMS, FAR, cards=2)
    sends = {"bare": netcases.bare("link-sends", netcases.PACKETS, netcases.TO_WIRE)}
    theirs = None
    if peer:
        theirs = netcases.run("link-xen", netcases.PACKETS, guests, xen=True, link=True)
        sends["xen"] = netcases.run("link-xen-sends", netcases.PACKETS, {"guest": netcases.TO_WIRE}, xen=True)
    for case in (case for case in linux if case[1] <= 1514):  # large ones QEMU 7.2 cuts into fragments
        received(report, f"{case[1]} B", case, ours, linux, sends, theirs)
    streams(report, ours, linux)
