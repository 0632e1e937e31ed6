# SPDX-License-Identifier: MIT
"""Write cpio archives in the "newc" form, which Linux unpacks as its initramfs.

Used by tools/initramfs and tools/board. Archives may be concatenated: Linux unpacks one after
the other into the same tree. Every entry belongs to root and has time 0, so that equal input
gives equal bytes. Facts from the kernel's Documentation/driver-api/early-userspace.
"""
import os
import pathlib
import stat


class Archive:
    """One archive under construction; names are absolute paths, parents are made on demand."""

    def __init__(self):
        self.parts = []
        self.names = {"/"}

    def _entry(self, name, mode, data=b"", rdev=(0, 0)):
        inode = len(self.names)
        self.names.add(name)
        path = name.lstrip("/").encode() + b"\0"
        links = 2 if stat.S_ISDIR(mode) else 1
        fields = (inode, mode, 0, 0, links, 0, len(data), 0, 0, *rdev, len(path), 0)
        header = b"070701" + b"".join(b"%08X" % field for field in fields) + path
        self.parts += [header, b"\0" * (-len(header) % 4), data, b"\0" * (-len(data) % 4)]

    def directory(self, name, mode=0o755):
        name = os.path.normpath("/" + name.lstrip("/"))
        if name in self.names:
            return
        self.directory(os.path.dirname(name))
        self._entry(name, stat.S_IFDIR | mode)

    def file(self, name, data, mode=0o644):
        name = os.path.normpath("/" + name.lstrip("/"))
        if name in self.names:
            return
        self.directory(os.path.dirname(name))
        self._entry(name, stat.S_IFREG | mode, data)

    def copy(self, name, source):
        """A file of the host, with its permission bits."""
        source = pathlib.Path(source)
        self.file(name, source.read_bytes(), source.stat().st_mode & 0o777)

    def tree(self, name, source):
        """Everything below a directory of the host; symbolic links are followed."""
        self.directory(name)
        for path in sorted(pathlib.Path(source).rglob("*")):
            target = f"{name}/{path.relative_to(source)}"
            if path.is_dir():
                self.directory(target)
            elif path.is_file():
                self.copy(target, path)

    def link(self, name, target):
        self.directory(os.path.dirname(name))
        self._entry(name, stat.S_IFLNK | 0o777, target.encode())

    def character(self, name, major, minor):
        self.directory(os.path.dirname(name))
        self._entry(name, stat.S_IFCHR | 0o600, rdev=(major, minor))

    def bytes(self):
        trailer = Archive.__new__(Archive)
        trailer.parts, trailer.names = [], set()
        trailer._entry("TRAILER!!!", 0)
        whole = b"".join(self.parts + trailer.parts)
        return whole + b"\0" * (-len(whole) % 512)
