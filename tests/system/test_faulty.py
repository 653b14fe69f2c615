# SPDX-License-Identifier: MIT
"""Guests that go wrong: a report with the cause, the registers and the last exits, then the reset policy."""
import os
import subprocess

import plinth

TRIPLE_FAULT, FETCH_HOLE, FETCH_LAPIC, STACK_HOLE = range(1, 5)
TIMEOUT = 30


def faulty(case):
    guest = os.path.join(plinth.LOGS, f"faulty{case}.bin")
    subprocess.run(["nasm", "-f", "bin", f"-DCASE={case}", "-o", guest, "tests/system/faulty.asm"], check=True)
    return [(guest, "")]


def report(t, modules, cause, start="guest: start", log=""):
    what = f"{log}: " if log else ""
    with plinth.Qemu(t.log + log, kernel=plinth.PLINTH, append=f"{plinth.DEBUG_EXIT} reset=poweroff", modules=modules,
                     extra=("-no-reboot",)) as machine:
        machine.expect(start, TIMEOUT)
        machine.expect(r"plinth: [^\r\n]*\bstopped: [^\r\n]*(?:" + cause + r")[^\r\n]*\r?\n", TIMEOUT)
        t.check(what + "the line names the cause", True)
        status = machine.end(TIMEOUT)
        text = machine.text()
        t.check(what + "registers are shown", "rip " in text and "rflags " in text and "cr0 " in text)
        t.check(what + "the last exits are shown", "last exits" in text)
        t.check(what + "the reset policy decides", status == 0, f"status {status}")
        t.check(what + "no panic", not any(word in text for word in ("PANIC", "survived", "still here")))


def test_triple_fault(t):
    report(t, faulty(TRIPLE_FAULT), "triple fault")


def test_runs_into_a_hole(t):
    report(t, faulty(FETCH_HOLE), "d0000000")


def test_runs_into_mmio(t):
    report(t, faulty(FETCH_LAPIC), "fee00000")


def test_stack_in_a_hole(t):
    report(t, faulty(STACK_HOLE), "d0000ffc")


def test_in_long_mode(t):
    """The same from 64-bit code, by the programs of tests/guest."""
    for name, cause in (("triplefault", "triple fault"), ("unmapped", "d0000000"), ("mmio_exec", "fee00000")):
        elf = os.path.join(plinth.BUILD, "tests", "guest", f"bad_{name}.elf")
        if plinth.make(elf, [elf]):
            raise plinth.does_not_build(elf, f"make {elf}")
        report(t, [(elf, "")], cause, "about to", name)


def test_restart(t):
    """The default policy: again and again, from a pristine image."""
    with plinth.Qemu(t.log, kernel=plinth.PLINTH, append=plinth.DEBUG_EXIT, modules=faulty(TRIPLE_FAULT),
                     extra=("-no-reboot",)) as machine:
        for _ in range(3):
            machine.expect("guest: start", TIMEOUT)
            machine.expect("triple fault", TIMEOUT)
        t.check("a triple fault restarts the guest", machine.alive())


def test_halt(t):
    with plinth.Qemu(t.log, kernel=plinth.PLINTH, append="reset=halt", modules=faulty(TRIPLE_FAULT),
                     extra=("-no-reboot",)) as machine:
        machine.expect("triple fault", TIMEOUT)
        t.check("reset=halt halts", plinth.wait_until(lambda: not machine.alive() or machine.halted(), 10) and machine.alive())


def test_reboot(t):
    with plinth.Qemu(t.log, kernel=plinth.PLINTH, append="reset=reboot", modules=faulty(TRIPLE_FAULT),
                     extra=("-no-reboot",)) as machine:
        machine.expect("triple fault", TIMEOUT)
        t.check("reset=reboot resets the machine", machine.end(TIMEOUT) == 0, machine.status())
