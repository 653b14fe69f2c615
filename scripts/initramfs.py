# SPDX-License-Identifier: MIT
"""Writes the guest's initramfs: initramfs.py BUSYBOX INIT OUTPUT [DIRECTORY]

A cpio archive in the "newc" format (Linux, Documentation/driver-api/early-userspace/buffer-format.rst),
gzipped. Written here rather than by cpio(1), for that the device node /dev/console needs no root, and
the same input gives the same bytes. The files of DIRECTORY, if it exists, go to /plinth.d. The nested tests make
their own with Archive.
"""
import gzip
import os
import pathlib
import stat
import sys


class Archive:
    def __init__(self):
        self.data = bytearray()
        self.inode = 1
        self.names = set()

    def add(self, name, mode, content=b"", rdev=(0, 0)):
        path = name.encode() + b"\0"
        nlink = 2 if stat.S_ISDIR(mode) else 1
        fields = (self.inode, mode, 0, 0, nlink, 0, len(content), 0, 0, *rdev, len(path), 0)
        self.inode += 1
        self.data += b"070701" + b"".join(b"%08X" % field for field in fields) + path
        self.pad()
        self.data += content
        self.pad()

    def pad(self):
        self.data += b"\0" * (-len(self.data) % 4)

    def directory(self, name):
        """With those that lead to it; once."""
        if name not in self.names and name != ".":
            self.directory(str(pathlib.PurePosixPath(name).parent))
            self.names.add(name)
            self.add(name, stat.S_IFDIR | 0o755)

    def file(self, name, source, mode=0o644):
        """A copy of a file; once."""
        if name not in self.names:
            self.directory(str(pathlib.PurePosixPath(name).parent))
            self.names.add(name)
            with open(source, "rb") as file:
                self.add(name, stat.S_IFREG | mode, file.read())

    def base(self, busybox, init):
        """What every one of them begins with."""
        self.directory("dev")
        # Linux opens it for process 1 before anything is mounted.
        self.add("dev/console", stat.S_IFCHR | 0o600, rdev=(5, 1))
        self.file("bin/busybox", busybox, 0o755)
        self.file("init", init, 0o755)
        self.add("bin/sh", stat.S_IFLNK | 0o777, b"busybox")

    def end(self):
        self.add("TRAILER!!!", 0)
        return bytes(self.data)


def main():
    busybox, init, output = sys.argv[1:4]
    extra = sys.argv[4] if len(sys.argv) > 4 else ""
    archive = Archive()
    archive.base(busybox, init)
    archive.directory("plinth.d")
    for name in sorted(os.listdir(extra)) if os.path.isdir(extra) else ():
        archive.file("plinth.d/" + name, os.path.join(extra, name), 0o755)

    temporary = output + ".tmp"
    with open(temporary, "wb") as file:
        file.write(gzip.compress(archive.end(), 9, mtime=0))
    os.replace(temporary, output)


if __name__ == "__main__":
    main()
