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


def boot(path, script, *arguments, timeout=900):
    """Boot the machine in virtual time with what is in `path`; the script's output."""
    command = [TOP / "tools/board", "qemu", "--icount", "--script", script, "--files", path / "files",
               "--log", path / "serial.log", "--timeout", str(timeout), *arguments]
    if any((path / "domains").iterdir()):
        command += ["--domains", path / "domains"]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if done.returncode != 0:
        raise Failure(f"status {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-3000:]}")
    return done.stdout


def figures(out):
    """{name: [values]} of a script's lines "figure NAME VALUE", the values as numbers."""
    found = {}
    for name, value in re.findall(r"^figure (\S+) (-?[0-9.]+)$", out, re.MULTILINE):
        found.setdefault(name, []).append(float(value) if "." in value else int(value))
    return found
