# SPDX-License-Identifier: MIT
"""A hostile guest (tests/guest/bad_fuzz.c): random accesses to all that exits. Plinth lives, the guest gets its faults and lives
too, and the memory that nothing may write has the same checksums before and after.
"""
import os
import re
import time

import plinth
from plinth import emulators

PARTS = ("image", "page tables", "nested tables", "modules")
OPTIONS = "report=unhandled,memory poweroff=halt"


def seed():
    """A new one each time, in the guest's first line; FUZZ_SEED gives one again."""
    return int(os.environ.get("FUZZ_SEED", "0"), 0) or time.time_ns() | 1


def machine(log, elf, cmdline, model):
    if model is None:
        return plinth.Qemu(log, kernel=plinth.PLINTH, append=f"{plinth.DEBUG_EXIT} {OPTIONS}", modules=[(elf, cmdline)])
    if not emulators.bochs_program():
        raise plinth.Skip("no Bochs here")
    iso = plinth.image("hostile-" + model, [(elf, cmdline)], OPTIONS, terminal="console")
    return plinth.Bochs(log, iso, model)


def run(t, rounds, model=None, silence=120):
    elf = os.path.join(plinth.BUILD, "tests", "guest", "bad_fuzz.elf")
    if plinth.make(elf, [elf]):
        raise plinth.does_not_build(elf, f"make {elf}")
    cmdline = f"rounds={rounds} seed={seed():#x}"
    with machine(t.log, elf, cmdline, model) as guest:
        guest.expect(r"seed 0x[0-9a-f]+, (\d+) accesses", plinth.SILENCE * 2)
        done = int(guest.port.match[1]) == rounds
        # A report each hundred thousand: only silence is a failure.
        while guest.expect(r"# \d+\r?\n|survived\r?\n|Bail out", silence)[0].startswith("#"):
            pass
        t.check(f"the guest survives {rounds} accesses", done and guest.port.match[0].startswith("survived"), cmdline)
        found = [guest.expect(r"memory: ([\w ]+) (unchanged|CHANGED)", silence)[1] for _ in PARTS]
        text = guest.text()
        t.check("Plinth's memory is unchanged", found == list(PARTS) and "CHANGED" not in text, f"{cmdline}\n{text[-1000:]}")
        t.check("no panic, and the guest was never stopped", "PANIC" not in text and "stopped:" not in text, f"{cmdline}\n{text[-3000:]}")
        faults = re.search(r"^# faults: (.*?)\r?$", text, re.MULTILINE)
        t.check("the guest got its faults", faults and re.match(r"#UD [1-9]\d*, #GP [1-9]\d*,", faults[1]), text[-500:])
