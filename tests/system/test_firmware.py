# SPDX-License-Identifier: MIT
"""Firmware as the guest: stock SeaBIOS and OVMF from the reset vector to the end of what they can do without a disk."""
import os
import re
import struct

import emulators
import plinth

TIMEOUT = 60
OVMF_TIMEOUT = 120
SEABIOS = r"SeaBIOS \(version [^)]*\)"
PAGE = 4096
MIB = 1 << 20
# Guest RAM is given in chunks of this size, so the guest's first MiB starts at a multiple of it.
CHUNK = 2 * MIB
QEMU_MEMORY = 256
# As a reader of real mode looks for it: ACPI 6.4, 5.2.5.1.
FSEG = range(0xe0000, 0x100000)
ESC = "\x1b"


def image(t, name, content):
    os.makedirs(plinth.LOGS, exist_ok=True)
    path = os.path.join(plinth.LOGS, f"firmware-{name}")
    with open(path, "wb") as out:
        out.write(content)
    return path


def read(path):
    with open(path, "rb") as source:
        return source.read()


def seabios():
    path = emulators.seabios()
    if not path:
        raise plinth.Skip("no SeaBIOS here")
    return path


def qemu(t, log, file, words="", options="", **arguments):
    return plinth.Qemu(t.log + log, kernel=plinth.PLINTH, modules=[(file, words)], append=f"{plinth.DEBUG_EXIT} {options}".strip(), **arguments)


def to_no_device(t, machine, what):
    machine.expect(SEABIOS, TIMEOUT)
    machine.expect("Press ESC for boot menu", TIMEOUT)
    machine.expect("No bootable device", TIMEOUT)
    t.result("ok", f"{what}: from the reset vector to 'No bootable device'")


def nothing_stopped(t, machine, what):
    text = machine.text()
    t.check(f"{what}: Plinth has nothing to say against it", "the guest stopped" not in text and "panic" not in text.lower(), text[-2000:])


# --- ACPI tables in the machine's memory -------------------------------------------------------------


def good_sum(data):
    return data and sum(data) % 256 == 0


def table(memory, base, where):
    """(signature, bytes) of the table at a guest-physical address; the bytes are empty where the sum is wrong."""
    at = base + where
    length = struct.unpack_from("<I", memory, at + 4)[0]
    data = memory[at:at + length]
    return memory[at:at + 4].decode("latin-1"), data if length >= 36 and good_sum(data) else b""


def guest_tables(memory):
    """The tables that the guest's RSDP leads to, {signature: bytes}; None without a RSDP."""
    for found in re.finditer(rb"RSD PTR ", memory):
        at = found.start()
        base = at // CHUNK * CHUNK
        # The real machine has its own below 1 MiB.
        if base == 0 or at - base not in FSEG or not good_sum(memory[at:at + 20]) or not good_sum(memory[at:at + 36]):
            continue
        xsdt = struct.unpack_from("<Q", memory, at + 24)[0]
        name, data = table(memory, base, xsdt)
        tables = {name: data}
        for entry in range(36, len(data), 8):
            name, data_there = table(memory, base, struct.unpack_from("<Q", data, entry)[0])
            tables[name] = data_there
            if name == "FACP" and data_there:
                name, dsdt = table(memory, base, struct.unpack_from("<I", data_there, 40)[0])
                tables[name] = dsdt
        return tables
    return None


def test_seabios(t):
    """The whole of it, then again: the firmware restarts when it has nothing to boot."""
    with qemu(t, "", seabios(), "etc/boot-fail-wait=1000", "mem=64M report=unhandled,memory", memory=QEMU_MEMORY) as machine:
        to_no_device(t, machine, "SeaBIOS")
        dump = os.path.join(plinth.LOGS, "firmware-memory")
        machine.ask("pmemsave", val=0, size=QEMU_MEMORY * MIB, filename=os.path.abspath(dump))
        tables = guest_tables(read(dump))
        os.remove(dump)
        t.check("the loader's script puts RSDP, XSDT, FADT, MADT and DSDT into memory, with their checksums",
                tables and all(tables.get(name) for name in ("XSDT", "FACP", "APIC", "DSDT")),
                {name: len(data) for name, data in (tables or {}).items()})
        machine.expect("Rebooting", TIMEOUT)
        machine.expect("memory: modules unchanged", TIMEOUT)
        t.result("ok", "the image is not written to")
        to_no_device(t, machine, "after a reset")
        nothing_stopped(t, machine, "SeaBIOS")


def test_small_image(t):
    """128 KiB: nothing of it is outside its shadow."""
    path = os.path.join(os.path.dirname(seabios()), "bios.bin")
    if not os.path.exists(path):
        raise plinth.Skip("no SeaBIOS of 128 KiB here")
    with qemu(t, "", path, "etc/boot-menu-wait=1") as machine:
        to_no_device(t, machine, "128 KiB")


def test_keys(t):
    """ESC by the serial line, which SeaBIOS reads itself, and by the keyboard."""
    for options, what in (("", "serial console"), ("keyboard=console", "keyboard")):
        with qemu(t, "-" + what.replace(" ", "-"), seabios(), "etc/boot-menu-wait=10000", options) as machine:
            machine.expect("Press ESC for boot menu", TIMEOUT)
            machine.type(ESC)
            machine.expect("Select boot device", TIMEOUT)
            t.result("ok", f"{what}: ESC opens the boot menu")


def test_bochs(t):
    iso = plinth.image("firmware", [(seabios(), "etc/boot-fail-wait=100 etc/boot-menu-wait=100")], "mem=64M", terminal="console")
    with plinth.Bochs(t.log, iso, "corei7_skylake_x") as machine:
        to_no_device(t, machine, "VT-x")
        to_no_device(t, machine, "VT-x, after a reset")
        nothing_stopped(t, machine, "VT-x")


def test_ovmf(t):
    """UEFI to its shell, a reset, and off."""
    path = emulators.ovmf()
    if not path:
        raise plinth.Skip("no OVMF here")
    with qemu(t, "", path, "", "mem=256M") as machine:
        for life in ("OVMF", "after a reset"):
            machine.expect(r"Press .*ESC", OVMF_TIMEOUT)
            machine.type(ESC)
            machine.expect("Shell> ", TIMEOUT)
            t.result("ok", f"{life}: to the shell")
            machine.type("reset -s\r" if life != "OVMF" else "reset\r")
        status = machine.end(TIMEOUT)
        t.check("powers off", status == 0, f"status {status}")
        nothing_stopped(t, machine, "OVMF")


# --- what is not firmware ----------------------------------------------------------------------------


def refused(t, name, content, cause):
    with qemu(t, f"-{name}", image(t, name, content)) as machine:
        status = machine.end(TIMEOUT)
        lines = re.findall(r"^plinth: .*$", machine.text().replace("\r", ""), re.MULTILINE)
        t.check(f"{name}: refused, with the cause", status not in (0, 1) and re.search(cause, lines[-1]), lines[-1:])


def test_bad_images(t):
    good = read(seabios())
    unknown = "no known kind"
    refused(t, "without-its-end", good[:-PAGE], unknown)
    refused(t, "odd-size", good + bytes(512), unknown)
    refused(t, "of-zeros", bytes(len(good)), unknown)
    refused(t, "erased", b"\xff" * len(good), unknown)
    refused(t, "too-small", good[-PAGE:], unknown)
    volume = bytes(40) + b"_FVH" + bytes(128 * 1024 - 44)
    refused(t, "variables", volume, "firmware image: .*reset vector.*variables")
    refused(t, "volume-of-odd-size", volume[:-512], "firmware image: its size is 130560 bytes")
