# SPDX-License-Identifier: MIT
"""The machine that measurements run on: its rooms, boots in virtual time, and configurations that several of them use.

Every measurement boots tools/board qemu --icount with
one script in the control domain that prints lines for it to read, mostly "figure NAME VALUE".
"""
import pathlib
import re
import shutil
import subprocess

TOP = pathlib.Path(__file__).resolve().parent.parent
BUILD = TOP / "build"
DISK_CFG = (TOP / "tools/demo/10-disk.cfg").read_text()
NET_CFG = (TOP / "tools/demo/net/10-net.cfg").read_text()
PLAIN_GUEST_CFG = """name = "guest"
type = "pvh"
kernel = "/files/vmlinux"
ramdisk = "/files/guest.cpio"
extra = "console=hvc0 loglevel=4 bh.end=shell"
memory = 256
"""
GUEST_CFG = """name = "guest"
type = "pvh"
kernel = "{top}/build/kernels/guest/vmlinux"
ramdisk = "{top}/build/guest.cpio"
extra = "console=hvc0 loglevel=4 {extra}"
memory = 256
disk = ["backend=disk,vdev=xvda,target={target}"]
"""


class Failure(Exception):
    """A measurement that did not happen, in words for the user."""


def room(name):
    """A fresh directory for one boot: domains/ (.cfg files created at boot), files/ (/files in the control domain)."""
    path = BUILD / "bench" / name
    shutil.rmtree(path, ignore_errors=True)
    for part in ("domains", "files"):
        (path / part).mkdir(parents=True)
    return path


def disk_cfg(options="", image=None):
    """The disk domain's configuration with these options on its command line, and another image."""
    text = DISK_CFG.replace("on_crash", f'extra = "{options}"\non_crash', 1) if options else DISK_CFG
    return text.replace("/usr/lib/bulkhead/disk.elf", str(image)) if image else text


def boot(path, script, *arguments, timeout=3600):
    """Boot the machine in virtual time with what is in `path`; the script's output."""
    command = [TOP / "tools/board", "qemu", "--icount", "--script", script, "--files", path / "files",
               "--log", path / "serial.log", "--timeout", str(timeout), *arguments]
    if any((path / "domains").iterdir()):
        command += ["--domains", path / "domains"]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if done.returncode != 0:
        raise Failure(f"status {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-3000:]}")
    return done.stdout


def bare(path, *arguments, timeout=3600):
    """Boot a kernel alone on the same machine, without a hypervisor, until it powers off; what it printed."""
    command = [TOP / "tools/board", "qemu", "--icount", "--hypervisor", "none", "--log", path / "serial.log", "--timeout", str(timeout),
               *arguments]
    done = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode != 0:
        raise Failure(f"status {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-3000:]}")
    return done.stdout


def cases(out, pattern):
    """(match, {domain: ns of CPU time}) of each case that `pattern` finds in the lines of bench/native.sh. What the domains use when nobody
    asks for anything (the case "rest") is taken off, the control domain's script with it. "packets", if there, is what was counted."""
    before, seen, idle = {}, {}, {}
    for line in out.splitlines():
        words = line.split()
        if words[:1] == ["times"]:
            seen = {"": int(words[1]), **dict(zip(words[2::2], map(int, words[3::2])))}
        elif "bench: next" in line:
            before = seen
        elif match := re.search(pattern, line):
            used = {domain: ns - before[domain] for domain, ns in seen.items()}
            clock = used.pop("", 1)
            if match[1] == "rest":
                idle = {domain: ns / clock for domain, ns in used.items() if domain != "packets"}
            else:
                yield match, {domain: ns - clock * idle.get(domain, 0) for domain, ns in used.items()}


def figures(out):
    """{name: [values]} of a script's lines "figure NAME VALUE", the values as numbers."""
    found = {}
    for name, value in re.findall(r"^figure (\S+) (-?[0-9.]+)$", out, re.MULTILINE):
        found.setdefault(name, []).append(float(value) if "." in value else int(value))
    return found
