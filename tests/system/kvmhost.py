# SPDX-License-Identifier: MIT
"""A Linux with KVM, nesting switched on, that runs in an emulator: the host for Plinth under KVM where no processor has it.
QEMU's software emulation gives kvm-amd, Bochs kvm-intel.

Its initramfs holds the kernel package's KVM modules, this machine's QEMU with its libraries and firmware, and what QEMU
shall run. A path means the same there as here: relative ones start at /plinth, where the shell stands.
"""
import functools
import glob
import gzip
import lzma
import os
import re
import shlex
import shutil
import stat
import subprocess
import threading

import initramfs
import plinth
from plinth import emulators

INIT = "tests/system/kvmhost-init"
PROMPT = "host# "
VENDORS = ("kvm-amd", "kvm-intel")
FIRMWARE = ("bios-256k.bin", "vgabios-stdvga.bin", "kvmvapic.bin", "linuxboot.bin", "linuxboot_dma.bin", "multiboot.bin",
            "multiboot_dma.bin")
CMDLINE = "console=ttyS0 quiet mitigations=off"
# What makes Linux bearable at some tens of MIPS.
BOCHS_CMDLINE = CMDLINE + " nokaslr tsc=reliable cryptomgr.notests"
BOCHS_MEMORY = 1024
_unpacking = threading.Lock()  # tests that run side by side need the same modules


@functools.cache
def unpack_modules():
    """The directory with the modules of the kernel package that scripts/guest fetched."""
    packages = glob.glob(os.path.join(plinth.BUILD, "guest", "linux-image-*.deb"))
    if not packages:
        raise plinth.Skip("no kernel package in build/guest: scripts/guest was given a kernel")
    directory = os.path.join(plinth.LOGS, "kvm-modules")
    shutil.rmtree(directory, ignore_errors=True)
    os.makedirs(directory)
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", sorted(packages)[-1]], stdout=subprocess.PIPE) as package:
        subprocess.run(["tar", "-x", "-C", directory, "--wildcards", "*.ko*"], stdin=package.stdout, check=True)
    return directory


def module_files():
    """Name: content, of KVM's modules and all that they depend on, each after what it needs."""
    found = {}
    with _unpacking:
        directory = unpack_modules()
    for path in glob.glob(os.path.join(directory, "**", "*.ko*"), recursive=True):
        found[os.path.basename(path).split(".")[0].replace("_", "-")] = path
    contents = {}

    def take(name):
        path = found.get(name)
        if not path:
            raise plinth.Skip(f"the kernel package has no module {name}")
        with open(path, "rb") as file:
            data = file.read()
        if path.endswith(".xz"):
            data = lzma.decompress(data)
        elif not path.endswith(".ko"):
            raise plinth.Skip(f"cannot unpack {path}")
        for needed in re.search(rb"\0depends=([^\0]*)\0", data)[1].decode().split(","):
            if needed and needed.replace("_", "-") not in contents:
                take(needed.replace("_", "-"))
        contents[name] = data

    for vendor in VENDORS:
        take(vendor)
    return contents


def add_qemu(archive):
    """QEMU as it is installed here."""
    program = os.path.realpath(shutil.which("qemu-system-x86_64"))
    # It looks for its firmware from where it is itself.
    archive.file(program[1:], program, 0o755)
    libraries = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    for library in re.findall(r"(/\S+) \(0x", libraries):
        archive.file(library[1:], library, 0o755)
    directories = subprocess.run([program, "-L", "help"], capture_output=True, text=True, check=True).stdout.split()
    for name in FIRMWARE:
        place = next((path for path in (os.path.join(d, name) for d in directories) if os.path.exists(path)), None)
        if place:
            archive.file(os.path.normpath(place)[1:], place)


def inside(path):
    """Where a file is in the host's initramfs."""
    return os.path.normpath(os.path.join("/plinth", path))[1:]


def image(name, files, scripts):
    """Makes build/test/NAME.img with these files, and shell scripts (name: text) to be started by their names."""
    archive = initramfs.Archive()
    busybox = next((path for path in (os.environ.get("BUSYBOX", ""), "/bin/busybox", "/usr/bin/busybox") if os.path.exists(path)), None)
    if not busybox:
        raise plinth.Skip("no busybox here")
    archive.base(busybox, INIT)
    for place in ("usr/bin", "plinth", "modules"):
        archive.directory(place)
    order = ""
    for module, data in module_files().items():
        archive.add(f"modules/{module}.ko", stat.S_IFREG | 0o644, data)
        order += f"{module}.ko{' nested=1' if module in VENDORS else ''}\n"
    archive.add("modules/order", stat.S_IFREG | 0o644, order.encode())
    add_qemu(archive)
    for file in files:
        archive.file(inside(file), file)
    for script, text in scripts.items():
        archive.add("bin/" + script, stat.S_IFREG | 0o755, f"#!/bin/sh\n{text}\necho {script} ended with $?.\n".encode())
    output = os.path.join(plinth.LOGS, name + ".img")
    with open(output, "wb") as file:
        file.write(gzip.compress(archive.end(), 6, mtime=0))
    return output


def qemu(**arguments):
    """The command line of a QEMU with KVM inside, with its serial port at the terminal."""
    return shlex.join(emulators.qemu(kvm=True, **arguments))


def boot(log, initrd, memory=2048, **arguments):
    """The host in QEMU, up to its prompt; a Machine."""
    return prompt(plinth.Qemu(log, kernel=plinth.VMLINUZ, append=CMDLINE, modules=[(initrd, "")], memory=memory, **arguments), 120)


def boot_bochs(log, initrd, model):
    """The host in Bochs, by GRUB."""
    name = os.path.splitext(os.path.basename(initrd))[0]
    iso = plinth.image(name + "-bochs", [(plinth.VMLINUZ, BOCHS_CMDLINE), (initrd, "")], terminal="console", bare=True)
    return prompt(plinth.Bochs(log, iso, model, BOCHS_MEMORY), 300)


def prompt(machine, timeout):
    machine.prompt = PROMPT
    try:
        machine.expect(PROMPT, timeout)
    except plinth.Failed:
        machine.close()
        raise
    return machine
