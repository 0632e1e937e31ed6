# SPDX-License-Identifier: MIT
"""4 KiB and 1 MiB reads and writes: a guest through the driver domain against the bare driver. First what a request
costs: CPU time of each domain, what the hypervisor does for it included. These figures hold. The rates beside
them do not hold for a lone request: nobody runs while the emulated disk works, and virtual time then jumps
to the next timer, whatever it is."""
import diskcases


def measure(report, _peer):
    for name, native, guest in diskcases.both("disk", ""):
        cost = guest[2]
        report.figure(f"{name}, a request", cost["guest"] + cost["disk"], "us",
                      f"CPU time: guest {cost['guest']:.1f}, disk domain {cost['disk']:.1f}; bare driver {native[2]['disk']:.1f}")
        diskcases.rate(report, "  rate in the guest", native, guest)
