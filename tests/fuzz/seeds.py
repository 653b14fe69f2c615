#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes the hand-made part of the corpus, tests/fuzz/corpus/NAME/seed-WHAT: inputs that get a harness past
the first checks. To be run again when a harness reads its input in another way.
"""
import os
import struct

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "corpus")


def seed(harness, what, data):
    directory = os.path.join(HERE, "fuzz_" + harness)
    os.makedirs(directory, exist_ok=True)
    with open(os.path.join(directory, "seed-" + what), "wb") as file:
        file.write(data)


# --- steps of device.h ---------------------------------------------------------------------------

IN, OUT, MMIO_READ, MMIO_WRITE, PASS, TICK, ACK, LINE, OUTSIDE = 0, 4, 8, 9, 10, 11, 12, 13, 14


def outb(where, offset, value):
    return bytes([OUT, where, offset, 0, value])


def inb(where, offset):
    return bytes([IN, where, offset, 0])


def wide(step, where, offset, size, value=0):
    return bytes([step, where, offset, {2: 2, 4: 3}[size]]) + (value.to_bytes(size, "little") if step == OUT else b"")


def wait(us):
    return bytes([PASS]) + struct.pack("<H", us)


def tick(bits):
    return bytes([TICK, bits])


def ioapic(register, value):
    return bytes([MMIO_WRITE, 0, 2]) + struct.pack("<I", register) + bytes([MMIO_WRITE, 0x10, 2]) + struct.pack("<I", value)


ack = bytes([ACK, 0])


def line(n, level):
    return bytes([LINE, n << 1 | level])


def typed(text):
    return bytes([OUTSIDE, len(text) << 2]) + text


def pics(first, second):
    """Initialises both 8259A: vectors 20 and 28, all open."""
    return b"".join(outb(where, offset, value) for where, offset, value in (
        (first, 0, 0x11), (first, 1, 0x20), (first, 1, 4), (first, 1, 1), (second, 0, 0x11), (second, 1, 0x28),
        (second, 1, 2), (second, 1, 1), (first, 1, 0), (second, 1, 0)))


def devices():
    seed("pic", "init", pics(0, 1) + line(1, 1) + line(9, 1) + ack + ack + outb(1, 0, 0x20) + outb(0, 0, 0x20) + line(1, 0)
         + outb(0, 0, 0x0b) + inb(0, 0) + outb(0, 0, 0x0c) + inb(0, 0) + ack)
    seed("pic", "rotate", pics(0, 1) + outb(0, 0, 0x68) + outb(0, 0, 0xa0) + outb(0, 0, 0x80) + line(3, 1) + ack + outb(2, 0, 0x20))
    for mode in range(6):
        seed("pit", f"mode{mode}", outb(0, 3, 0x30 | mode << 1) + outb(0, 0, 0xa9) + outb(0, 0, 4) + wait(1000) + inb(0, 0)
             + outb(0, 3, 0x00) + inb(0, 0) + inb(0, 0) + tick(30) + outb(0, 3, 0xe2) + inb(0, 0) + outb(1, 0, 3)
             + outb(0, 3, 0xb0 | mode << 1 | 1) + outb(0, 2, 0x34) + outb(0, 2, 0x12) + wait(100) + inb(1, 0))
    seed("ioapic", "edge-level", ioapic(0x10 + 2 * 3, 0x31) + ioapic(0x10 + 2 * 16, 0x8041) + line(1, 1) + line(0, 1)
         + bytes([15, 0x0f << 1]) + struct.pack("<I", 0x1ff) + ack + line(0, 0) + bytes([MMIO_WRITE, 0x40, 2]) + struct.pack("<I", 0x41))
    seed("uart", "fifo", outb(0, 2, 0xc7) + outb(0, 4, 0x0b) + outb(0, 1, 0x0f) + typed(b"hello, world") + inb(0, 2) + inb(0, 5)
         + inb(0, 0) * 13 + outb(0, 0, 0x41) * 3 + inb(0, 2) + tick(24) + inb(0, 2) + inb(0, 6))
    seed("uart", "loopback", outb(0, 4, 0x1f) + outb(0, 1, 0x0f) + outb(0, 0, 0x55) + inb(0, 5) + inb(0, 0) + inb(0, 6)
         + outb(0, 3, 0x83) + outb(0, 0, 1) + outb(0, 1, 0) + outb(0, 3, 0x03) + outb(0, 7, 0xa5) + inb(0, 7))

    def cmos(index, value=None):
        return outb(0, 0, index) + (inb(0, 1) if value is None else outb(0, 1, value))

    seed("rtc", "periodic", cmos(0x0b, 0x42) + cmos(0x0a, 0x26) + wait(5000) + cmos(0x0c) + cmos(0x0b, 0x12) + tick(31) + cmos(0x0c))
    seed("rtc", "set", cmos(0x0b, 0x82) + b"".join(cmos(i, 0x12) for i in (0, 2, 4, 6, 7, 8, 9, 0x32)) + cmos(0x0b, 0x22)
         + cmos(1, 0xff) + cmos(3, 0x13) + cmos(5, 0xff) + tick(36) + cmos(0x0c) + b"".join(cmos(i) for i in range(10)))
    seed("i8042", "keyboard", outb(0, 4, 0xaa) + inb(0, 0) + outb(0, 4, 0x60) + outb(0, 0, 0x45) + outb(0, 0, 0xff) + inb(0, 0) * 2
         + outb(0, 0, 0xf2) + inb(0, 0) * 3 + typed(b"aB\x03") + inb(0, 4) + inb(0, 0) * 8 + inb(0, 0) + outb(0, 4, 0xd1) + outb(0, 0, 3)
         + outb(0, 4, 0xfe))
    seed("pci", "config", wide(OUT, 0, 0, 4, 0x80000b40) + wide(OUT, 1, 0, 4, 0xb001) + wide(IN, 1, 0, 4) + wide(OUT, 0, 0, 4, 0x80000804)
         + wide(IN, 1, 2, 2) + outb(1, 1, 0xff) + wide(IN, 3, 8, 4))
    seed("acpi_pm", "timer", outb(1, 0, 0xf1) + wide(OUT, 0, 2, 2, 0x121) + tick(32) + wide(IN, 0, 8, 4) + wide(IN, 0, 0, 2)
         + wide(OUT, 0, 0, 2, 0xffff) + bytes([OUTSIDE, 3]) + wide(IN, 0, 0, 4) + wide(OUT, 0, 4, 2, 0x2001))
    def order(at, to, key, control, length):
        """One DMA step of fuzz_fw_cfg.c; both addresses in low memory."""
        return (b"\0" + b"".join(b"\0" + struct.pack("<H", a) for a in (at, to)) + struct.pack("<HB", key << 1 | 1, control)
                + struct.pack("<I", length))

    seed("fw_cfg", "dma", order(0x100, 0x200, 0x19, 0x0a, 4) + order(0x100, 0x200, 0, 0x02, 64) + order(0x100, 0x200, 0x20, 0x0c, 3)
         + order(0x100, 0x200, 0, 0x10, 3) + order(0x100, 0x300, 0x22, 0x0a, 0x4000) + order(0x100, 0xffff, 0x23, 0x0a, 0x10000))
    seed("fw_cfg", "ports", b"".join(b"\2" + bytes([41]) + struct.pack("<H", key << 1 | 1) for key in (0, 1, 3, 5, 0x19, 0x20, 0x25))
         + b"\3\x01\x12\x34\0\0" + b"\3\x94")
    # The ranges of fuzz_board.c: 1 is the first 8259A, 2 the 8254, 4 the RTC, 6 the other 8259A, 9 COM1.
    seed("board", "interrupts", pics(1, 6) + outb(2, 3, 0x34) + outb(2, 0, 0) + outb(2, 0, 1) + wait(500) + ack + outb(1, 0, 0x20)
         + outb(9, 4, 8) + outb(9, 1, 1) + typed(b"x") + ack + inb(9, 0) + outb(4, 0, 0x0b) + outb(4, 1, 0x52) + tick(31) + ack)


# --- the others ----------------------------------------------------------------------------------

def decoder_and_emulator():
    seed("decode", "prefixes", bytes.fromhex("66f2674b8b84244433221190"))
    seed("decode", "vex", bytes.fromhex("c4e2fd1844242012"))
    seed("decode", "evex", bytes.fromhex("62f17c48104424018f"))
    seed("decode", "far", bytes.fromhex("669a112233445566"))
    head = bytes([0x20, 0, 0])
    registers = b"\0" + b"".join(bytes([2]) + struct.pack("<H", n * 8) for n in range(16)) + struct.pack("<I", 0x202)
    for what, code in (("mov", "488943108b4b10"), ("movs", "f3a5"), ("add", "f0014b10"), ("bts", "0fab4310"), ("xchg", "874310"),
                       ("cmpxchg", "f00fb10b"), ("movzx", "0fb74310"), ("push", "ff7310"), ("call", "ff5310"), ("outs", "f36f"),
                       ("div", "48f77310"), ("shld", "0fa44b1007"), ("cmps", "f3a6"), ("movsseg", "8e5b10")):
        for mode in (0, 2):
            seed("emulate", f"{what}-{mode}", bytes([mode]) + head[1:] + b"\0" + registers + b"\0\0" + bytes.fromhex(code))


def walker():
    def entry(at, index, to, flags=0x7, how=1):
        return bytes([how, at, to]) + struct.pack("<HH", index, flags)

    tables = entry(1, 0, 2) + entry(2, 0, 3) + entry(3, 0, 4) + b"".join(entry(4, i, 8 + i, f) for i, f in enumerate((7, 5, 3, 1, 0x67)))
    ask = b"".join(bytes([access, i << 1]) + struct.pack("<H", 0x123) for access in range(8) for i in range(5))
    seed("walk", "long", bytes([4, 3]) + b"\1\0\0" + bytes([8]) + tables + ask)
    seed("walk", "la57", bytes([4, 0x43]) + b"\6\0\0" + bytes([9]) + entry(6, 0, 1) + tables + ask)
    seed("walk", "pae", bytes([0x84, 0x43]) + b"\2\0\0" + bytes([7]) + entry(2, 0, 3, 1) + tables[14:] + ask)
    seed("walk", "classic", bytes([0x84, 0x83]) + b"\1\0\0" + bytes([2]) + entry(1, 0, 2, 7, 0x11) + entry(2, 0, 8, 7, 0x11) + ask)


def lapic():
    def write(cpu, register, value):
        return bytes([cpu << 6 | 3, register >> 4]) + struct.pack("<I", value)

    def msr(cpu, what, value):
        return bytes([cpu << 6 | 6, what]) + struct.pack("<Q", value)

    enable = b"".join(write(cpu, 0xf0, 0x1ff) for cpu in range(4))
    seed("lapic", "ipi", enable + write(0, 0x310, 2 << 24) + write(0, 0x300, 0x4031) + bytes([2 << 6 | 0x18]) + write(0, 0x300, 0xc4500)
         + write(0, 0x300, 0x44041) + bytes([0x18, 0x18]))
    seed("lapic", "timer", enable + write(0, 0x320, 0x20031) + write(0, 0x3e0, 3) + write(0, 0x380, 1000) + bytes([9, 200, 0x18, 0x19, 40])
         + write(0, 0x320, 0x40032) + msr(0, 0x40, 2100000000) + bytes([0x19, 31, 0x18]))
    seed("lapic", "x2apic", msr(1, 0x80, 0xfee00c00) + msr(1, 0x0f, 0x1ff) + msr(1, 0x3f, 0x41) + bytes([0x58])
         + msr(1, 0x30, 0x0000000300004051) + bytes([0x45, 2]))
    seed("lapic", "ioapic", enable + bytes([11, 4]) + struct.pack("<Q", 0x8061) + bytes([0x3a, 4, 0x18, 0x1a, 4]))


def policy():
    def control(which, value):
        return bytes([which, 0]) + struct.pack("<Q", value) + b"\1"

    for host in range(5):
        seed("policy", f"long-mode-{host}", bytes([host]) + control(2, 0x20) + control(3, 0x100)[:-1] + b"\1" + bytes([1, 0]) + struct.pack("<Q", 0x1000)
             + control(0, 0x80000011) + control(2, 0x406a0) + bytes([4, 0]) + struct.pack("<Q", 7) + b"\0" + control(0, 0x11) + bytes([10]))


def parsers():
    seed("cmdline", "all", b"console=com1,115200,vga mem=512M loglevel=debug reset=halt poweroff=reboot debug-exit=0xf4 help nonsense=1")
    info = bytearray(0x200)
    entries = b"".join(struct.pack("<IQQI", 20, *e) for e in (
        (0, 0x9fc00, 1), (0x9fc00, 0x400, 2), (0xf0000, 0x10000, 2), (0x100000, 0x7fee0000, 1), (0x7ffe0000, 0x20000, 3),
        (0x100000000, 0x40000000, 1)))
    struct.pack_into("<IIIIIII", info, 0, 0x124d, 639, 0x1ff80, 0, 0x180, 1, 0x150)
    struct.pack_into("<II", info, 44, len(entries), 0x80)
    struct.pack_into("<I", info, 64, 0x1a0)
    info[0x80:0x80 + len(entries)] = entries
    struct.pack_into("<IIII", info, 0x150, 0x400000, 0x500123, 0x1b0, 0)
    info[0x180:0x18b] = b"/p.elf a=b\0"
    info[0x1a0:0x1a5] = b"GRUB\0"
    info[0x1b0:0x1b8] = b"/m x y\0\0"
    seed("multiboot", "grub", struct.pack("<IHH", 0, 0, 0) + bytes(info))
    seed("multiboot", "sized", struct.pack("<IHH", 0, 256, 64) + bytes(info))

    def table(which, body, wrong=0):
        return bytes([which]) + struct.pack("<H", len(body)) + bytes([wrong, wrong, 1]) + body

    fadt = bytearray(0x70)
    struct.pack_into("<HI", fadt, 10, 9, 0xb2)
    fadt[16:18] = b"\xf1\xf0"
    for offset, port in ((20, 0x600), (28, 0x604), (40, 0x608)):
        struct.pack_into("<I", fadt, offset, port)
    fadt[52:54] = b"\4\2"
    struct.pack_into("<I", fadt, 76, 0x525)
    madt = struct.pack("<II", 0xfee00000, 1) + bytes([0, 8, 0, 0, 1, 0, 0, 0, 1, 12, 4, 0, 0, 0, 0xc0, 0xfe, 0, 0, 0, 0,
                                                      2, 10, 0, 0, 2, 0, 0, 0, 0, 0, 4, 6, 255, 5, 0, 1])
    s5 = b"\x08_S5_\x12\x06\x04\x0a\x05\x0a\x05\x00\x00"
    for how in (0, 2):
        seed("acpi", f"root{how}", bytes([how, 2]) + table(0, bytes(fadt)) + table(1, madt) + table(2, b"\x10\x0e\\/" + s5))

    head = struct.pack("<BH", 0, 4096) + b"console=ttyS0".ljust(63, b"\0")
    image = bytearray(4 * 512 + 0x800)
    image[0x1f1] = 3
    struct.pack_into("<I", image, 0x1f4, 0x800 // 16)
    struct.pack_into("<H", image, 0x1fe, 0xaa55)
    struct.pack_into("<H4sH", image, 0x200, 0x6aeb, b"HdrS", 0x020f)
    image[0x211] = 1
    struct.pack_into("<I", image, 0x214, 0x100000)
    struct.pack_into("<IIB", image, 0x22c, 0x7fffffff, 0x200000, 1)
    struct.pack_into("<HI", image, 0x236, 0x3f, 2047)
    struct.pack_into("<QI", image, 0x258, 16 << 20, 1 << 20)
    seed("linux", "alone", head + bytes(image))
    seed("linux", "initrd", b"\1" + head[1:] + bytes(image))

    kernel = bytearray(0x300)
    kernel[0:7] = b"\x7fELF\1\1\1"
    struct.pack_into("<HH", kernel, 16, 2, 3)
    struct.pack_into("<II", kernel, 24, 0x200010, 0x34)
    struct.pack_into("<HH", kernel, 42, 32, 2)
    struct.pack_into("<8I", kernel, 0x34, 1, 0x200, 0x200000, 0x200000, 0x100, 0x100, 5, 0x1000)
    struct.pack_into("<8I", kernel, 0x54, 1, 0x200, 0x204000, 0x204000, 0x80, 0x2000, 6, 0x1000)
    struct.pack_into("<III", kernel, 0x80, 0x1badb002, 3, -(0x1badb002 + 3) & 0xffffffff)
    seed("guest_multiboot", "elf32", head + bytes(kernel))
    seed("guest_multiboot", "modules", b"\2" + head[1:] + bytes(kernel))
    wide_kernel = bytearray(0x300)
    wide_kernel[0:7] = b"\x7fELF\2\1\1"
    struct.pack_into("<HH", wide_kernel, 16, 2, 62)
    struct.pack_into("<QQ", wide_kernel, 24, 0xffffffff80200020, 0x100)
    struct.pack_into("<HH", wide_kernel, 54, 56, 1)
    struct.pack_into("<II6Q", wide_kernel, 0x100, 1, 5, 0x200, 0xffffffff80200000, 0x200000, 0x100, 0x300, 0x1000)
    struct.pack_into("<III", wide_kernel, 0x80, 0x1badb002, 1, -(0x1badb002 + 1) & 0xffffffff)
    seed("guest_multiboot", "elf64", head + bytes(wide_kernel))
    flat = bytearray(0x300)
    struct.pack_into("<8I", flat, 0x80, 0x1badb002, 0x10003, -(0x1badb002 + 0x10003) & 0xffffffff, 0x200080, 0x200000, 0x200280, 0x205000,
                     0x200030)
    seed("guest_multiboot", "aout", head + bytes(flat))


devices()
decoder_and_emulator()
walker()
lapic()
policy()
parsers()
