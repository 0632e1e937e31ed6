# SPDX-License-Identifier: MIT
"""What a measurement reports: figures and curves, printed when it has them all and kept as JSON below build/bench/.

A measurement (bench/figures/NAME.py) gets a Report and calls figure() and curve(). bench/run writes build/bench/NAME.json:

    {"name": "micro", "taken": "2026-11-21", "command": "bench/run --peer xen micro", "versions": {"Bulkhead": "3b26c28", ...},
     "figures": [{"figure": "cpuid exit", "unit": "instructions", "bulkhead": 588, "xen": 6725, "ratio": 0.087,
                  "better": "less", "exact": true, "how": "median of 101"}, ...],
     "curves": [{"curve": "create", "x": "domains", "y": "ms", "series": {"Bulkhead": [[1, 4.2], ...], "Xen": ...}}, ...]}

`bulkhead` or `xen` is null where that side has no such figure, and then so is `ratio` (Bulkhead / Xen). `exact`: the same from
run to run, so that bench/check can hold it against the committed figure. `better`: "less", "more", or null where neither is.
"""
import datetime
import json
import os
import subprocess
import sys

import machine

COLUMNS = "{:<46} {:>14} {:>12} {:>12} {:>6}  {}"


def number(value):
    """A value as a table shows it: four digits that count, thousands apart."""
    if value is None:
        return "-"
    if isinstance(value, str):
        return value
    digits = 0 if isinstance(value, int) or abs(value) >= 1000 else 1 if abs(value) >= 100 else 2
    return f"{value:,.{digits}f}"


def output(*command):
    """The first line that a command prints, or "unknown"."""
    try:
        done = subprocess.run(command, cwd=machine.TOP, capture_output=True, text=True, check=True)
        return (done.stdout.splitlines() or ["unknown"])[0]
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def versions(peer):
    """What was measured with what: {name: version}."""
    found = {"Bulkhead": output("git", "describe", "--always", "--dirty"),
             "QEMU": output("qemu-system-x86_64", "--version").partition("version ")[2].split(" ")[0] or "unknown"}
    found["gcc"] = output("gcc", "-dumpfullversion")
    for kind in ("control", "guest"):
        version = machine.BUILD / "kernels" / kind / "version"
        found[f"{kind}'s Linux"] = version.read_text().strip() if version.exists() else "unknown"
    if peer:
        version = machine.BUILD / "kernels/xen/version"
        found["Xen"] = version.read_text().strip() if version.exists() else "unknown"
    return found


class Report:
    """The figures and curves of one measurement."""

    def __init__(self, name):
        self.name, self.figures, self.curves = name, [], []

    def figure(self, figure, value, unit, how, xen=None, better="less", exact=False):
        """One line of the table. `value`, `xen`: numbers, a word ("refused") or None where there is none; `how` it was taken."""
        both = all(isinstance(v, (int, float)) and v for v in (value, xen))
        ratio = value / xen if both else None
        self.figures.append({"figure": figure, "unit": unit, "bulkhead": value, "xen": xen, "ratio": ratio and round(ratio, 3),
                             "better": better, "exact": exact, "how": how})

    def curve(self, curve, x, y, series):
        """Points for a plot: `x`, `y` name the axes, `series`: {"Bulkhead": [(x, y), ...], "Xen": ...}. See bench/plot."""
        self.curves.append({"curve": curve, "x": x, "y": y, "series": series})

    def show(self):
        """Print the figures, in one piece: other measurements may run beside."""
        lines = [COLUMNS.format(line["figure"], line["unit"], number(line["bulkhead"]), number(line["xen"]), number(line["ratio"]), line["how"])
                 for line in self.figures]
        print("\n".join(lines), flush=True)

    def save(self, peer):
        """Write build/bench/NAME.json."""
        settings = [f"{name}={value}" for name, value in sorted(os.environ.items()) if name.startswith("BENCH_") and value]
        command = " ".join([*settings, "bench/run", *(["--peer", peer] if peer else []), self.name])
        whole = {"name": self.name, "taken": datetime.date.today().isoformat(), "command": command, "versions": versions(peer),
                 "figures": self.figures, "curves": self.curves}
        path = machine.BUILD / "bench" / f"{self.name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(whole, indent=1) + "\n")


def heading():
    print(COLUMNS.format("figure", "unit", "Bulkhead", "Xen", "ratio", "how taken"), flush=True)


def load(name):
    """What save() wrote, or a Failure that says how to get it."""
    path = machine.BUILD / "bench" / f"{name}.json"
    try:
        return json.loads(path.read_text())
    except OSError:
        raise machine.Failure(f"no {path.relative_to(machine.TOP)}: bench/run {name} writes it") from None
    except ValueError as error:
        raise machine.Failure(f"{path}: {error}") from None


def complain(name, failure):
    print(f"bench/run: {name}: {failure}", file=sys.stderr, flush=True)
