# SPDX-License-Identifier: MIT
"""Instructions of the basic operations: hypercalls, exits, event channels, grants (bench/micro, a PVH kernel in the
control domain's place); then what a pair of domains of the same kernel costs each other. With --peer xen the same under Debian's
Xen beside it."""
import re
import shutil
import subprocess

from machine import BUILD, TOP, Failure, boot, room

KERNEL = BUILD / "bench/micro.elf"


def micro(path, *arguments):
    """{operation: instructions, or a word} of one boot of bench/micro."""
    command = [TOP / "tools/board", "qemu", "--icount", "--memory", "1024", "--control-kernel", KERNEL,
               "--log", path / "serial.log", "--timeout", "120", *arguments]
    process = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL, text=True)
    seen = {}
    for line in process.stdout:  # Xen stays at its end: it has no way to power this machine off without a control kernel's help
        words = line.split()
        if words[:2] == ["micro", "done"]:
            process.terminate()
            break
        if words[:1] == ["micro"] and len(words) == 3:
            seen[words[1]] = int(words[2])
        elif words[:1] == ["micro"] and words[2:3] == ["failed"]:
            seen[words[1]] = "refused"
    process.wait()
    if not seen:
        raise Failure(f"no figure; see {path / 'serial.log'}")
    return seen


def pair(name, *arguments):
    """The same of two domains that a control domain makes (bench/pair.sh)."""
    path = room(name)
    shutil.copy(KERNEL, path / "files")
    out = boot(path, TOP / "bench/pair.sh", *arguments)
    return {word: int(value) if value.isdigit() else "refused" for word, value in re.findall(r"^micro (\S+) (\d+|failed .*)$", out, re.MULTILINE)}


def measure(report, peer):
    path = room("micro")
    ours, pairs = micro(path), pair("pair")
    theirs = micro(path, "--hypervisor", "xen", "--control-initramfs", "none") if peer else {}
    their_pairs = pair("pair-xen", "--hypervisor", "xen") if peer else {}
    for name, value in ours.items():
        report.figure(name.replace("_", " "), value, "instructions", "median of 101", xen=theirs.get(name), exact=True)
    for name, value in pairs.items():
        report.figure("pair: " + name.replace("_", " "), value, "instructions", "median of 101, between two domains",
                      xen=their_pairs.get(name), exact=True)
