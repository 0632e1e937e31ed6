# SPDX-License-Identifier: MIT
"""Packets of 64 and 1514 bytes and of 64 KB for the other side to cut (GSO), as fast as a guest sends them, to the wire and to another
guest, there also a TCP stream of iperf3: by the bare driver, by Linux on the bare machine, and with --peer xen the same over Xen with a Debian control
domain (xen-netback, bridge). Per packet or MiB the CPU time of each domain in ns, which is its instructions; what the
hypervisor does for a domain is included. One CPU does all of it, the guests' own part too. `bench/run link` has what comes from the wire."""
import machine
import netcases


def to_wire(report, what, case, ours, native, linux, peer):
    cost, bare, driver = ours[case][3], linux[case][3]["itself"], native[case][3]["net"]
    total, theirs = cost["net"] + cost["guest"], peer and peer[case][3]
    beside = f"; Xen: control domain {theirs['0']:.0f}, guest {theirs['1']:.0f}" if peer else ""
    report.figure(f"guest to wire, {what}", round(total), "instructions", f"net domain {cost['net']:.0f}, guest {cost['guest']:.0f}; bare "
                  f"machine {bare:.0f}: {100 * bare / total:.0f} % of its rate; driver alone {driver:.0f}{beside}",
                  xen=round(theirs["0"] + theirs["1"]) if peer else None)
    report.figure("  rate", ours[case][0], "packets/s", f"{ours[case][1]:.1f} MB/s; bare machine {linux[case][0]} packets/s",
                  xen=peer[case][0] if peer else None, better="more")


def to_guest(report, what, case, ours, peer):
    def delivered(cases):
        _, _, _, cost, number, us = cases[case]
        used = [cost[domain] * cases[case][2] / max(number, 1) for domain in (("net", "guest", "sink") if cases is ours else ("0", "1", "2"))]
        return number * 1000000 // us, used, number
    rate, used, number = delivered(ours)
    their_rate, theirs, _ = delivered(peer) if peer else (None, None, None)
    beside = "; Xen: control domain {:.0f}, sender {:.0f}, receiver {:.0f}".format(*theirs) if peer else ""
    report.figure(f"guest to guest, {what}, one delivered", round(sum(used)), "instructions",
                  "net domain {:.0f}, sender {:.0f}, receiver {:.0f}".format(*used) + beside, xen=theirs and round(sum(theirs)))
    report.figure("  rate delivered", rate, "packets/s", f"{rate * case[1] / 1e6:.1f} MB/s, {100 * number / ours[case][2]:.0f} % of what was sent",
                  xen=their_rate, better="more")


def pair(name, xen=False):
    """Guest to guest."""
    return netcases.run(name, netcases.PACKETS + netcases.STREAMS, {"guest": netcases.SENDER, "sink": netcases.RECEIVER}, xen=xen)


def stream(report, ours, peer):
    for way, direction in ("to", "to the other guest"), ("from", "from it"):
        cost, rate = netcases.stream(ours, way)
        theirs, their_rate = netcases.stream(peer, way) if peer else ({}, None)
        beside = "; Xen: control domain {0:.0f}, guest {1:.0f}, other {2:.0f}".format(*(theirs[d] for d in "012")) if peer else ""
        parts = [cost[domain] for domain in ("net", "guest", "sink")]
        report.figure(f"TCP stream {direction}, 1 MiB", round(sum(parts)), "instructions",
                      "net domain {:.0f}, guest {:.0f}, other {:.0f}".format(*parts) + beside, xen=round(sum(theirs[d] for d in "012")) if peer else None)
        report.figure("  rate", round(rate), "Mbit/s", "iperf3, 64 MiB", xen=their_rate and round(their_rate), better="more")


def measure(report, peer):
    native, linux = netcases.run("net-native", netcases.PACKETS, {}, "bench=1"), netcases.bare("net-bare", netcases.PACKETS, netcases.TO_WIRE)
    wire, both = netcases.run("net-wire", netcases.PACKETS, {"guest": netcases.TO_WIRE}), pair("net-pair")
    xen_wire = netcases.run("net-xen-wire", netcases.PACKETS, {"guest": netcases.TO_WIRE}, xen=True) if peer else None
    xen_pair = pair("net-xen-pair", xen=True) if peer else None
    for case in native:
        what = f"{case[1]} B" + (" (GSO)" if case[0] == "gso" else "")
        to_wire(report, what, case, wire, native, linux, xen_wire)
        to_guest(report, what, case, both, xen_pair)
    stream(report, both, xen_pair)
