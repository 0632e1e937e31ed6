# SPDX-License-Identifier: MIT
"""Which functions the instructions of a steady stretch are in: QEMU executes one instruction a block for a while and logs the blocks.

    with tracing.Board(path, script, *arguments) as board:  # as machine.boot, but while it runs
        board.await_line("ready")                            # the script's line that begins with this
        seen = board.stretch(instructions, start)            # {(mode, pc): times}; mode: "hypervisor" or "guest"

What is seen is everything that the one CPU does: hypervisor and every domain. Nothing is added to either.
"""
import bisect
import os
import re
import socket
import subprocess
import time

import machine

GUEST_MODE = 1 << 21  # of a block's flags: executed behind VMRUN (QEMU's HF_GUEST_MASK)
SETTLE_S = 2  # of the host's time, until whoever said that all is ready has gone to sleep
BLOCK = re.compile(rb"Trace [^[]*\[[0-9a-f]+/([0-9a-f]+)/([0-9a-f]+)")


class Symbols:
    """Functions by address: function_at() one, "" outside of all."""

    def __init__(self, functions, end):
        """[(start, name)] and where the last one ends."""
        functions = sorted(functions)
        self.starts = [start for start, _ in functions]
        self.names = [name for _, name in functions]
        self.end = end

    @classmethod
    def of_file(cls, path):
        """Those of an ELF file."""
        listing = subprocess.run(["nm", "-n", str(path)], capture_output=True, text=True, check=True).stdout
        rows = [line.split() for line in listing.splitlines()]
        functions = [(int(row[0], 16), row[2]) for row in rows if len(row) == 3 and row[1] in "tT"]
        return cls(functions, max(int(row[0], 16) for row in rows if len(row) == 3))

    @classmethod
    def of_lines(cls, lines):
        """Those of a guest's kernel, by the lines "symbol ADDRESS NAME" of bh.symbols (tools/guest/init)."""
        rows = [line.split() for line in lines if line.startswith("symbol ")]
        return cls([(int(row[1], 16), row[2]) for row in rows], 1 << 64)

    def start_of(self, name):
        return self.starts[self.names.index(name)]

    def function_at(self, address):
        """(its name, whether it begins there)"""
        if not self.starts or not self.starts[0] <= address < self.end:
            return "", False
        index = bisect.bisect_right(self.starts, address) - 1
        return self.names[index], self.starts[index] == address


class Board:
    """A machine in virtual time that is looked at while it runs; it ends with the block of `with`."""

    def __init__(self, path, *arguments):
        self.path, self.log = path, path / "blocks"
        command = [machine.TOP / "tools/board", "qemu", "--icount", "--files", path / "files", "--log", path / "serial.log",
                   "--timeout", "900", "--monitor", path / "monitor", *arguments]
        if any((path / "domains").iterdir()):
            command += ["--domains", path / "domains"]
        self.process = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, text=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        self.log.unlink(missing_ok=True)

    def await_line(self, start):
        """Until that has come: the lines before it."""
        before = []
        for line in self.process.stdout:
            if line.startswith(start):
                return before
            before.append(line)
        raise machine.Failure(f"no line \"{start}\"; see {self.path / 'serial.log'}")

    def stretch(self, instructions, start):
        """Whole operations, which begin at the pc `start`, of so many instructions or a few more; then the machine ends."""
        seen, left, began, whole, over = {}, instructions, False, False, False
        time.sleep(SETTLE_S)
        os.mkfifo(self.log)
        with socket.socket(socket.AF_UNIX) as monitor:
            monitor.connect(os.path.realpath(self.path / "monitor"))
            monitor.sendall(f"singlestep on\nlogfile {self.log}\nlog exec,nochain\n".encode())
            with open(self.log, "rb") as log:
                for line in log:
                    match = BLOCK.match(line)
                    if not match or over:
                        continue
                    left -= 1
                    pc = int(match[1], 16)
                    whole = pc == start and began and left <= 0
                    over = whole or left <= -instructions
                    if over:
                        monitor.sendall(b"log none\nquit\n")
                        continue
                    began |= pc == start
                    if began:
                        key = "guest" if int(match[2], 16) & GUEST_MODE else "hypervisor", pc
                        seen[key] = seen.get(key, 0) + 1
        if not whole:
            raise machine.Failure(f"no whole operations in {2 * instructions} instructions; see {self.path / 'serial.log'}")
        return seen
