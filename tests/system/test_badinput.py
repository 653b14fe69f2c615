# SPDX-License-Identifier: MIT
"""Bad input: each case gets one clear line with the cause, and a defined end.

The defined end is the debug exit port with a value other than 0, or, where Plinth cannot know of the port yet,
a halted processor. QEMU runs with -no-reboot: a reset would end it with status 0, and be seen.
"""
import os
import re
import struct
import subprocess

import plinth

# A page short of its protected-mode part.
TRUNCATED = 0x8000
SETUP_VERSION_OFFSET = 0x206
OLD_PROTOCOL = 0x0201
COMMAND_LINE_LIMIT = 2048
TIMEOUT = 30
# The end of a fatal line takes the debug exit: 2 * value + 1, and value is not 0.
SUCCESS = (0, 1)
LINE_LIMIT = 200
ELF32_ENTRY_OFFSET = 0x18
# tests/system/jumper.asm: where it looks for the entry point, and its cases.
ENTRY_AT = 0x7000000
NO_MAGIC, NO_MEMORY, EMPTY_MAP = range(1, 4)


def file(name, content):
    path = os.path.join(plinth.LOGS, "bad-" + name)
    with open(path, "wb") as out:
        out.write(content)
    return path


def kernel_bytes():
    with open(plinth.VMLINUZ, "rb") as source:
        return source.read()


def refused(t, cause, exit_port=True, options="", modules=(), log="", **arguments):
    """Boots Plinth and wants its last line to match `cause`, and then the end."""
    what = log or "refused"
    append = f"{plinth.DEBUG_EXIT} {options}".strip() if exit_port else options
    name = t.log + ("." + log.replace(" ", "-") if log else "")
    with plinth.Qemu(name, kernel=plinth.PLINTH, append=append, modules=modules, extra=("-no-reboot",),
                     **arguments) as machine:
        ended(t, machine, what, exit_port)
        lines = re.findall(r"^plinth: .*$", machine.text().replace("\r", ""), re.MULTILINE)
        last = lines[-1] if lines else ""
        t.check(f"{what}: the last line names the cause", re.search(cause, last, re.IGNORECASE) and len(last) < LINE_LIMIT,
                "\n".join(lines[-5:]))
        panics = [line for line in lines if "panic" in line.lower()]
        t.check(f"{what}: no panic", not panics, "\n".join(panics))


def ended(t, machine, what, exit_port):
    if exit_port:
        status = machine.end(TIMEOUT)
        t.check(f"{what}: ends by the debug exit port, with an error", status not in SUCCESS, f"status {status}")
        return
    plinth.wait_until(lambda: not machine.alive() or machine.halted(), TIMEOUT)
    t.check(f"{what}: ends halted", machine.alive() and machine.halted(), machine.tail())
    machine.drain(0.1)


def test_no_long_mode(t):
    # Found out in 32-bit code, before the command line is read.
    refused(t, "long mode|64-bit", exit_port=False, cpu="qemu32")


def test_no_virtualization(t):
    refused(t, "(?=.*(svm|amd-v))(?=.*(vmx|vt-x))", cpu="EPYC,check=off,-svm")


def test_no_nested_paging(t):
    refused(t, "nested paging|npt", cpu="qemu64")


def test_halt_without_exit_port(t):
    """The same without the option: it halts, and does not spin or reset."""
    refused(t, "nested paging|npt", exit_port=False, cpu="qemu64")


def test_too_little_memory(t):
    """What is needed, and what is there."""
    least = r"too little memory for a guest: at least 32 MiB are needed, {} MiB are free beside Plinth and the modules$"
    refused(t, least.format("[0-8]"), memory=8, modules=())
    refused(t, "too little memory: \\d+ KiB .* are needed for Plinth itself$", memory=3, modules=(), log="3 MB")
    refused(t, least.format(r"(1\d|2\d)"), memory=40, modules=plinth.linux(), log="Linux in 40 MB")
    refused(t, "mem=16M is too little memory for a guest: 32 MiB are the least$", options="mem=16M", log="mem=16M")
    refused(t, r"with mem=4096M: \d+ MiB are free", memory=256, options="mem=4G", log="more than there is")


def test_unknown_module(t):
    garbage = file("garbage", bytes((i * 167 + 13) & 0xFF for i in range(20000)))
    refused(t, r"(?=.*module)(?=.*(bzImage|Linux))", modules=[(garbage, "")], log="garbage")
    refused(t, r"(?=.*module)(?=.*(bzImage|Linux))", modules=[(file("tiny", b"x"), "")], log="one byte")
    script = file("script", b"#!/bin/sh\necho hello\n" * 10)
    refused(t, r"(?=.*module)(?=.*(bzImage|Linux))", modules=[(script, "")], log="a script")


def test_truncated_bzimage(t):
    refused(t, "truncated|short", modules=[(file("truncated", kernel_bytes()[:TRUNCATED]), "")], log="truncated")
    half = kernel_bytes()
    refused(t, "truncated|short", modules=[(file("half", half[:len(half) // 2]), "")], log="half")


def test_old_protocol(t):
    old = bytearray(kernel_bytes())
    struct.pack_into("<H", old, SETUP_VERSION_OFFSET, OLD_PROTOCOL)
    refused(t, r"protocol", modules=[(file("old", old), "")])


def test_initrd_too_large(t):
    big = file("initrd", b"")
    os.truncate(big, 100 << 20)
    refused(t, r"initrd|module", memory=256, options="mem=96M", modules=[(plinth.VMLINUZ, ""), (big, "")])


def test_long_command_line(t):
    line = "console=ttyS0 " + "x" * (2 * COMMAND_LINE_LIMIT)
    limit = rf"command line of module 1 \([^)]*vmlinuz\) is too long: the limit is {COMMAND_LINE_LIMIT - 1} bytes"
    refused(t, limit, modules=[(plinth.VMLINUZ, line), (plinth.INITRD, "")])


def test_unknown_option(t):
    """Named in a warning; the boot goes on."""
    with plinth.Qemu(t.log, kernel=plinth.PLINTH, append=f"{plinth.DEBUG_EXIT} frobnicate=7 loglevel=loud mem=banana") as machine:
        for word in ("frobnicate", "loud", "banana"):
            machine.expect(rf"plinth: [^\r\n]*{word}", TIMEOUT)
        t.check("each unknown option is named", True)
        machine.end(60)
        t.check("the boot goes on", "frobnicate" in machine.text())


def test_help(t):
    with plinth.Qemu(t.log, kernel=plinth.PLINTH, append=f"{plinth.DEBUG_EXIT} help") as machine:
        machine.end(60)
        text = machine.text()
        missing = [option for option in ("console", "mem", "loglevel", "reset", "poweroff", "debug-exit", "test-device", "keyboard", "report") if option not in text]
        t.check("help names every option", not missing, missing)


def test_demonstration_guest(t):
    """No module at all: the built-in guest, to its end."""
    with plinth.Qemu(t.log, kernel=plinth.PLINTH, append=plinth.DEBUG_EXIT) as machine:
        status = machine.end(60)
        text = machine.text()
        t.check("says that it is the demonstration guest", re.search("(?i)demonstration", text), text)
        t.check("ends well", status in SUCCESS, f"status {status}: {text[-500:]}")


def jump(t, case):
    """Plinth entered by tests/system/jumper.asm, which is no good boot loader."""
    jumper = f"{t.log}.{case}.bin"
    subprocess.run(["nasm", "-f", "bin", f"-DCASE={case}", "-o", jumper, "tests/system/jumper.asm"], check=True)
    with open(plinth.PLINTH, "rb") as source:
        entry = struct.unpack_from("<I", source.read(), ELF32_ENTRY_OFFSET)[0]
    loaded = ("-device", f"loader,file={plinth.PLINTH}",
              "-device", f"loader,addr={ENTRY_AT:#x},data={entry:#x},data-len=4")
    return plinth.Qemu(f"{t.log}.{case}", kernel=jumper, extra=("-no-reboot", *loaded))


def test_not_multiboot(t):
    """Entered by something that is no Multiboot loader."""
    with jump(t, NO_MAGIC) as machine:
        machine.expect(r"(?i)plinth: [^\r\n]*multiboot[^\r\n]*\r?\n", TIMEOUT)
        t.check("the line names the cause", True)
        ended(t, machine, "not Multiboot", False)


def test_no_memory_map(t):
    """Entered with Multiboot information that does not tell of any memory."""
    for case, what in ((NO_MEMORY, "no memory fields"), (EMPTY_MAP, "an empty map")):
        with jump(t, case) as machine:
            machine.expect(r"plinth: the boot loader gave no memory map\r?\n", TIMEOUT)
            t.check(f"{what}: the line names the cause", True)
            ended(t, machine, what, True)
            t.check(f"{what}: it is the last line, and no panic",
                    machine.text().rstrip().endswith("no memory map") and "panic" not in machine.text().lower(), machine.text())
