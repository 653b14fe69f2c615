# SPDX-License-Identifier: MIT
"""Writes the guest's initramfs: initramfs.py BUSYBOX INIT OUTPUT [DIRECTORY]

A cpio archive in the "newc" format (Linux, Documentation/driver-api/early-userspace/buffer-format.rst),
gzipped. Written here rather than by cpio(1), for that the device node /dev/console needs no root, and
the same input gives the same bytes. The files of DIRECTORY, if it exists, go to /plinth.d.
"""
import gzip
import os
import stat
import sys


class Archive:
    def __init__(self):
        self.data = bytearray()
        self.inode = 1

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


def main():
    busybox, init, output = sys.argv[1:4]
    extra = sys.argv[4] if len(sys.argv) > 4 else ""
    archive = Archive()
    for name in ("bin", "dev", "plinth.d"):
        archive.add(name, stat.S_IFDIR | 0o755)
    # Linux opens it for process 1 before anything is mounted.
    archive.add("dev/console", stat.S_IFCHR | 0o600, rdev=(5, 1))
    for source, name in ((busybox, "bin/busybox"), (init, "init")):
        with open(source, "rb") as file:
            archive.add(name, stat.S_IFREG | 0o755, file.read())
    archive.add("bin/sh", stat.S_IFLNK | 0o777, b"busybox")
    for name in sorted(os.listdir(extra)) if os.path.isdir(extra) else ():
        with open(os.path.join(extra, name), "rb") as file:
            archive.add("plinth.d/" + name, stat.S_IFREG | 0o755, file.read())
    archive.add("TRAILER!!!", 0)

    temporary = output + ".tmp"
    with open(temporary, "wb") as file:
        file.write(gzip.compress(bytes(archive.data), 9, mtime=0))
    os.replace(temporary, output)


main()
