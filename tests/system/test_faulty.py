# SPDX-License-Identifier: MIT
"""Guests that go wrong: a report with the cause, the registers and the last exits, then the reset policy."""
import os
import subprocess

import plinth

TRIPLE_FAULT, FETCH_HOLE, FETCH_LAPIC, STACK_HOLE = range(1, 5)
TIMEOUT = 30


def faulty(t, case):
    guest = f"{t.log}.{case}.bin"
    subprocess.run(["nasm", "-f", "bin", f"-DCASE={case}", "-o", guest, "tests/system/faulty.asm"], check=True)
    return [(guest, "")]


def in_long_mode(name):
    """A program of tests/guest as the module."""
    elf = os.path.join(plinth.BUILD, "tests", "guest", f"bad_{name}.elf")
    if plinth.make(elf, [elf]):
        raise plinth.does_not_build(elf, f"make {elf}")
    return [(elf, "")]


NO_MEMORY = "the guest runs where there is no memory: guest-physical "
# Each guest that goes wrong: its name, its modules, the cause as the report has it everywhere, what the guest says before.
CASES = (
    ("triple fault", lambda t: faulty(t, TRIPLE_FAULT), "triple fault", "guest: start"),
    ("runs into a hole", lambda t: faulty(t, FETCH_HOLE), NO_MEMORY + "d0000000", "guest: start"),
    ("runs into the LAPIC", lambda t: faulty(t, FETCH_LAPIC), NO_MEMORY + "fee00000", "guest: start"),
    ("stack in a hole", lambda t: faulty(t, STACK_HOLE), "delivery of vector 6 needs guest-physical d0000ffc, which is not memory", "guest: start"),
    ("long mode: triple fault", lambda _: in_long_mode("triplefault"), "triple fault", "about to"),
    ("long mode: runs into a hole", lambda _: in_long_mode("unmapped"), NO_MEMORY + "d0000000", "about to"),
    ("long mode: runs into the LAPIC", lambda _: in_long_mode("mmio_exec"), NO_MEMORY + "fee00000", "about to"),
)


def report(t, machine, what, cause, start, end):
    """The report of the guest that stops, and the end of the machine by reset=poweroff."""
    machine.expect(start, TIMEOUT)
    line = machine.expect(r"plinth: the guest stopped: ([^\r\n]*)\r?\n", TIMEOUT)[1]
    t.check(f"{what}: the line names the cause", line == cause, line)
    status = machine.end(TIMEOUT)
    text = machine.text()
    t.check(f"{what}: registers are shown", "rip " in text and "rflags " in text and "cr0 " in text)
    t.check(f"{what}: the last exits are shown", "last exits" in text)
    t.check(f"{what}: the reset policy decides", status == end, f"status {status}")
    t.check(f"{what}: no panic", not any(word in text for word in ("PANIC", "survived", "still here")))


def on_qemu(t, case):
    what, modules, cause, start = CASES[case]
    with plinth.Qemu(t.log, kernel=plinth.PLINTH, append=f"{plinth.DEBUG_EXIT} reset=poweroff", modules=modules(t),
                     extra=("-no-reboot",)) as machine:
        report(t, machine, what, cause, start, 0)


def on_bochs(t, case, model):
    what, modules, cause, start = CASES[case]
    iso = plinth.image(f"faulty-{case}-{model}", modules(t), options="reset=poweroff", terminal="console")
    with plinth.Bochs(f"{t.log}.{case}", iso, model) as machine:
        report(t, machine, what, cause, start, "power-off")


def test_reports_on_qemu(t):
    for case in range(len(CASES)):
        on_qemu(t, case)


def test_restart(t):
    """The default policy: again and again, from a pristine image."""
    with plinth.Qemu(t.log, kernel=plinth.PLINTH, append=plinth.DEBUG_EXIT, modules=faulty(t, TRIPLE_FAULT),
                     extra=("-no-reboot",)) as machine:
        for _ in range(3):
            machine.expect("guest: start", TIMEOUT)
            machine.expect("triple fault", TIMEOUT)
        t.check("a triple fault restarts the guest", machine.alive())


def test_halt(t):
    with plinth.Qemu(t.log, kernel=plinth.PLINTH, append="reset=halt", modules=faulty(t, TRIPLE_FAULT),
                     extra=("-no-reboot",)) as machine:
        machine.expect("triple fault", TIMEOUT)
        t.check("reset=halt halts", plinth.wait_until(lambda: not machine.alive() or machine.halted(), 10) and machine.alive())


def test_reboot(t):
    with plinth.Qemu(t.log, kernel=plinth.PLINTH, append="reset=reboot", modules=faulty(t, TRIPLE_FAULT),
                     extra=("-no-reboot",)) as machine:
        machine.expect("triple fault", TIMEOUT)
        t.check("reset=reboot resets the machine", machine.end(TIMEOUT) == 0, machine.status())
