# SPDX-License-Identifier: MIT
"""The option report=: what nobody answered, and memory that must not change, at each kind of end."""
import os
import re

import plinth

TIMEOUT = 30
# What tests/guest/bad_lookup.c looks for.
UNHANDLED = {"port 0x2f8": 3, "port 0x1234": 1, "port 0xcf4": 2, "memory 0xd0000000": 5, "memory 0xd0001000": 1,
             "msr 0x12345": 2, "msr 0xc0012345": 1}
PARTS = ("image", "page tables", "nested tables", "modules")


def elf(name):
    path = os.path.join(plinth.BUILD, "tests", "guest", f"bad_{name}.elf")
    if plinth.make(path, [path]):
        raise plinth.does_not_build(path, f"make {path}")
    return path


def run(t, guest, cmdline="", options="report=unhandled,memory", log="", debug_exit=True):
    append = f"{plinth.DEBUG_EXIT} {options}" if debug_exit else options
    with plinth.Qemu(t.log + log, kernel=plinth.PLINTH, append=append, modules=[(elf(guest), cmdline)],
                     extra=("-no-reboot",)) as machine:
        status = machine.end(TIMEOUT)
        return machine.text().replace("\r", ""), status


def unhandled(text):
    return {where: int(count) for where, count in re.findall(r"^plinth: unhandled: (\w+ \w+): (\d+)$", text, re.MULTILINE)}


def unchanged(text):
    return re.findall(r"^plinth: memory: ([\w ]+) unchanged, checksum [0-9a-f]{16}$", text, re.MULTILINE)


def complete(t, what, text):
    found = unhandled(text)
    missing = {where: found.get(where) for where, count in UNHANDLED.items() if found.get(where) != count}
    t.check(f"{what}: every look-up is counted", not missing, f"{missing}\n{text}")
    t.check(f"{what}: the memory is unchanged", unchanged(text) == list(PARTS) and "CHANGED" not in text, text)


def test_ends(t):
    text, status = run(t, "lookup", log="-exit")
    complete(t, "debug exit", text)
    t.check("debug exit: the guest's value", status in (1, 3), status)
    text, _ = run(t, "lookup", log="-off", debug_exit=False)
    complete(t, "power-off", text)
    text, _ = run(t, "lookup", cmdline="reset", options="report=memory,unhandled reset=poweroff", log="-reset")
    complete(t, "reset", text)


def test_stopped(t):
    text, _ = run(t, "triplefault", options="report=unhandled,memory reset=poweroff")
    stop, report = text.find("stopped: triple fault"), text.find("unhandled: ")
    t.check("stopped: the report comes last", 0 <= stop < report, text)
    t.check("stopped: the memory is unchanged", unchanged(text) == list(PARTS), text)


def test_restart(t):
    """Each life has its own counts; what must not change is that of the first."""
    with plinth.Qemu(t.log, kernel=plinth.PLINTH, append=f"{plinth.DEBUG_EXIT} report=unhandled,memory",
                     modules=[(elf("lookup"), "reset")]) as machine:
        lives = []
        for _ in range(2):
            machine.expect("looked", TIMEOUT)
            machine.expect(r"the guest restarts", TIMEOUT)
            lives.append(machine.port.before.replace("\r", ""))
    for n, text in enumerate(lives):
        complete(t, f"life {n + 1}", text)
    sums = [re.findall(r"checksum ([0-9a-f]{16})", text) for text in lives]
    t.check("the checksums are those of the first life", sums[0] == sums[1], sums)


def test_silent(t):
    text, _ = run(t, "lookup", options="")
    t.check("without the option there is no report", "unhandled:" not in text and "memory:" not in text, text)
