# SPDX-License-Identifier: MIT
"""Programs that know nothing of Plinth, from the distribution's packages: 32-bit kernels, a memory test, another hypervisor.

The packages are downloaded and unpacked below build/foreign, with package lists of their own, and never installed.
"""
import glob
import os
import re
import subprocess

import plinth

FOREIGN = os.path.abspath(os.path.join(plinth.BUILD, "foreign"))
BOOT_TIMEOUT = 90


def apt(program, *arguments, cwd=None):
    state = os.path.join(FOREIGN, "apt")
    for directory in ("lists/partial", "cache/archives/partial"):
        os.makedirs(os.path.join(state, directory), exist_ok=True)
    with open(os.path.join(state, "status"), "a"):
        pass
    options = {"Dir::State": state, "Dir::State::status": os.path.join(state, "status"), "Dir::Cache": os.path.join(state, "cache"),
               "APT::Architecture": "amd64", "APT::Sandbox::User": "root", "Acquire::Languages": "none"}
    command = [program, "-q"] + [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    command += ["-o", "APT::Architectures::=amd64", "-o", "APT::Architectures::=i386", *arguments]
    return subprocess.run(command, cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, text=True)


def fetch(package):
    """Unpacks a package below build/foreign; returns where. A name that only stands for another one is followed."""
    target = os.path.join(FOREIGN, package.replace(":", "_"))
    if os.path.isdir(target):
        return target
    with plinth.image_lock:
        if not glob.glob(os.path.join(FOREIGN, "apt", "lists", "*Packages*")):
            apt("apt-get", "update")
        depends = re.search(r"Depends: (linux-image-\d\S+)", apt("apt-cache", "depends", package).stdout)
        done = apt("apt-get", "download", depends[1] if depends else package, cwd=FOREIGN)
        name = (depends[1] if depends else package).split(":")[0]
        files = glob.glob(os.path.join(FOREIGN, name + "_*.deb"))
        if done.returncode or not files:
            raise plinth.Skip(f"no package {package} to be had here")
        os.makedirs(target + ".new", exist_ok=True)
        archive = subprocess.run(["dpkg-deb", "--fsys-tarfile", files[0]], stdout=subprocess.PIPE, check=True).stdout
        # A kernel's modules are most of it, and not needed.
        subprocess.run(["tar", "-x", "-C", target + ".new", "--exclude=./lib"], input=archive, check=True)
        os.replace(target + ".new", target)
        os.remove(files[0])
    return target


def only(directory, pattern):
    found = glob.glob(os.path.join(directory, pattern))
    if not found:
        raise plinth.Skip(f"no {pattern} in {directory}")
    return found[0]


def inside(t, modules, memory=512):
    return plinth.Qemu(t.log, kernel=plinth.PLINTH, append=plinth.DEBUG_EXIT, memory=memory, modules=modules)


def linux_32(t, package):
    kernel = only(fetch(package), "boot/vmlinuz-*")
    busybox = only(fetch("busybox-static:i386"), "bin/busybox")
    initrd = os.path.join(FOREIGN, "initrd32.img")
    subprocess.run(["python3", "scripts/initramfs.py", busybox, "scripts/init", initrd], check=True)
    with inside(t, ((kernel, "console=ttyS0"), (initrd, ""))) as machine:
        machine.expect("plinth-guest: init", BOOT_TIMEOUT)
        machine.expect(plinth.PROMPT, BOOT_TIMEOUT)
        text = machine.command("uname -m")
        t.check("a shell in 32 bits", re.search(r"^i[3-6]86$", text, re.MULTILINE), text)
        machine.type("poweroff -f\r")
        t.check("powers off", machine.end() == 0, machine.status())


def test_linux_686(t):
    """32-bit paging."""
    linux_32(t, "linux-image-686:i386")


def test_linux_686_pae(t):
    linux_32(t, "linux-image-686-pae:i386")


def memtest(t, name):
    image = only(fetch("memtest86+"), "boot/" + name)
    with inside(t, ((image, "console=ttyS0,115200"),)) as machine:
        machine.expect(r"Address test", BOOT_TIMEOUT)
        machine.expect(r"Moving inversions, 1s", BOOT_TIMEOUT)
        t.check("gets to its second test", True)
        t.check("finds no errors", re.search(r"Errors: 0 ", machine.text()) and not re.search(r"Errors: [1-9]", machine.text()))


def test_memtest_64(t):
    memtest(t, "memtest86+x64.bin")


def test_memtest_32(t):
    memtest(t, "memtest86+ia32.bin")


def test_xen(t):
    """It asks a BIOS for its memory map on the way. QEMU's software emulation does not bear its first domain, bare or not."""
    packed = only(fetch("xen-hypervisor-4.17-amd64"), "boot/xen-*-amd64.gz")
    xen = os.path.join(FOREIGN, "xen")
    with open(xen, "wb") as file:
        subprocess.run(["gzip", "-dc", packed], stdout=file, check=True)
    modules = ((xen, "console=com1 com1=115200,8n1 loglvl=all"), *plinth.linux("console=hvc0"))
    with inside(t, modules, 1024) as machine:
        machine.expect(r"Xen-e820 RAM map", BOOT_TIMEOUT)
        t.check("its memory map is the BIOS'", True)
        machine.expect(r"Brought up 1 CPUs", BOOT_TIMEOUT)
        machine.expect(r"Building a PV Dom0", BOOT_TIMEOUT)
        t.check("builds its first domain", True)
