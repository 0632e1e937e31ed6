# SPDX-License-Identifier: MIT
"""Lines of code of hypervisor/, and what the hypervisor occupies in memory."""
import re
import subprocess

from machine import BUILD, TOP


def code_lines(path):
    """Lines that hold code: neither blank nor comment only."""
    text = re.sub(r"/\*.*?\*/", lambda match: "\n" * match.group().count("\n"), path.read_text(), flags=re.DOTALL)
    text = re.sub(r"//[^\n]*", "", text)
    return sum(1 for line in text.splitlines() if line.strip())


def measure(report, _peer):
    files = [path for path in (TOP / "hypervisor").rglob("*") if path.suffix in (".c", ".h", ".S", ".lds")]
    report.figure("hypervisor, lines of code", sum(map(code_lines, files)), "lines", f"{len(files)} files, no blank or comment lines")
    words = subprocess.run(["size", BUILD / "bulkhead.elf"], capture_output=True, text=True, check=True).stdout.split()
    text, data, bss = map(int, words[6:9])
    report.figure("hypervisor, resident", (text + data + bss) // 1024, "KiB",
                  f"text {text // 1024}, data {data // 1024}, bss {bss // 1024} KiB; without heap and page tables")
