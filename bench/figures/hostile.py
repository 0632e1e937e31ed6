# SPDX-License-Identifier: MIT
"""What a hostile front-end takes from another guest of the same driver domain: the guest's throughput (bench/flow.py) beside a domain that attacks
in one way over and over (tests/domains/badfront, storm=), in percent of that alone; first beside one that is connected and does nothing. The
attacker's own CPU time says nothing about the driver domain: it is kept small (credit scheduler, cap=30) and the time that its vCPU ran is
taken out. HOSTILE="vbd.bad vif.events" in the environment chooses some of the attacks."""
import os

import flow

ATTACKS = {
    "disk": {"idle": "a second front, idle", "bad": "requests with no grant", "maps": "256 segments, the last no grant", "revoke": "grants revoked in flight",
             "events": "events without requests", "jump": "index jumps, then connects again", "handshake": "connects and closes",
             "states": "walks through all states", "nodes": "bad ring references", "flood": "good 4 KiB reads", "big": "good 1 MiB reads"},
    "net": {"idle": "a second front, idle", "bad": "packets with no grant", "lies": "packets too short", "revoke": "grants revoked in flight",
            "events": "events without packets", "jump": "index jumps, then connects again", "handshake": "connects and closes", "states": "walks through all states",
            "nodes": "bad ring references", "flood": "good small packets"},
}
TYPES = {"disk": "vbd", "net": "vif"}


def measure(report, _peer):
    chosen = os.environ.get("HOSTILE", "").split()
    for kind, attacks in ATTACKS.items():
        names = {f"{TYPES[kind]}.{name}": what for name, what in attacks.items()}
        storms = [name for name in names if not chosen or name in chosen]
        if not storms:
            continue
        (alone, *windows), most, whole = flow.run(f"hostile-{kind}", kind, storms)
        for window in windows:
            if window.errors:
                raise flow.machine.Failure(f"{window.condition}: the guest saw {window.errors} errors")
            report.figure(f"{kind}: {names[window.condition]}", round(100 * window.free_rate() / alone.rate), "%",
                          f"{window.rate:.0f} of {alone.rate:.0f} a second; {window.cpu(kind, 'victim', 'control', 'bad')}", better="more")
        report.figure(f"{kind} domain, memory at most", most, "KiB", f"of {whole}, through all of this; packets and rings, heap, image, page tables")
