# SPDX-License-Identifier: MIT
"""The scheduler (bench/sched, a PVH kernel in the control domain's place, on the one CPU that virtual time has): shares of eight busy
domains of four weights, and of one with a cap, against the ideal; how late one that sleeps 0.5 to 4.5 ms at a time wakes at that load, by
credit and by round robin; CPU time that goes by while 2 to 256 domains sleep; what a hypercall costs while it is traced. With two CPUs
and more: the host's simulator of the same sources (tests/unit/sched_sim_test.c)."""
import re
import subprocess

from machine import BUILD, TOP, Failure, room


def kernel(name, what, *arguments):
    """{figure: number} of one boot of bench/sched."""
    path = room(name)
    command = [TOP / "tools/board", "qemu", "--icount", "--memory", "1024", "--control-kernel", BUILD / "bench/sched.elf", "--kernel-append", what,
               "--log", path / "serial.log", "--timeout", "1500", *arguments]
    done = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if "figures done" not in done.stdout:
        raise Failure(f"{what}: status {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return {name: int(value) for name, value in re.findall(r"^figure (\S+) (\d+)", done.stdout, re.MULTILINE)}


def shares(report, seen):
    """Each domain's part of what all eight got, against its weight's part; the capped one against its cap."""
    domains = [(int(m[2]), int(m[3]), ns) for name, ns in seen.items() if (m := re.fullmatch(r"share_(\d+)_(\d+)_(\d+)", name))]
    free = [(weight, ns) for weight, cap, ns in domains if not cap]
    time, weights = sum(ns for _, ns in free), sum(weight for weight, _ in free)
    errors = [100 * ((ns / time) / (weight / weights) - 1) for weight, ns in free]
    worst = max(errors, key=abs)
    report.figure("weights: worst error of a share", round(worst, 2), "%", "8 busy domains, weights 128 to 512, 20 s, 1 CPU, of the ideal share")
    for _, cap, ns in domains:
        if cap:
            report.figure(f"cap of {cap} %: used", round(100 * ns / seen["took"], 2), "%", "a ninth busy domain beside them, weight 512")


def simulated(report):
    """The same promise with two CPUs, and the latency of one driver domain at full load."""
    done = subprocess.run([BUILD / "tests/unit/sched_sim"], capture_output=True, text=True)
    unfair = re.search(r"eight busy, 2 CPUs: unfair ([0-9.]+) %", done.stdout)
    late = re.search(r"guests that burn, 4 CPUs: .* p99 (\d+) max (\d+) us", done.stdout)
    if done.returncode or not unfair or not late:
        raise Failure(f"sched_sim: status {done.returncode}\n{done.stdout[-2000:]}")
    report.figure("weights: worst error of a share, 2 CPUs", float(unfair[1]), "%", "the same weights, 10 s, simulated on the host")
    report.figure("wake-up under load, credit, 4 CPUs, max", int(late[2]), "us", "a driver domain, 8 busy vCPUs, 3 s, simulated on the host")


def measure(report, peer):
    credit = kernel("sched", "shares", "--append", "sched=credit")
    shares(report, credit)
    for name, seen in (("credit", credit), ("round robin", kernel("sched-rr", "shares", "--append", "sched=rr"))):
        for part in ("p50", "p99", "max"):
            report.figure(f"wake-up under load, {name}, {part}", round(seen[f"wake_{part}"] / 1000, 1), "us",
                          f"{seen['wakes']} wakes by timer in 20 s, 9 busy domains, 1 CPU")
    simulated(report)
    for name, busy in kernel("sched-idle", "idle").items():
        n = name.split("_")[1]
        report.figure(f"CPU used with {n} idle domains", round(busy / 1000, 1), "us/s", "1 s, one CPU, all asleep but one sleeper's timer")
    cost = kernel("sched-trace", "trace")
    for name, what in (("untraced", "tracing off"), ("traced", "all events traced"), ("other_traced", "only scheduling traced")):
        report.figure(f"null hypercall, {what}", cost[f"null_{name}"], "instructions", "median of 101, with reading the TSC")
