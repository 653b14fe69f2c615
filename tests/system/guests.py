# SPDX-License-Identifier: MIT
"""Runs the guests of tests/guest: Multiboot kernels that print TAP on COM1 and then end.

Each runs on each emulated processor twice: bare, and as Plinth's guest. What passes bare must pass inside. A guest's
end is a write of 0 to the debug exit port, or a power-off.
"""
import glob
import os
import re

import plinth
from plinth import emulators

DIRECTORY = os.path.join(plinth.BUILD, "tests", "guest")
QEMU_TIMEOUT = 60
BOCHS_TIMEOUT = 180
_stale = set()  # programs that do not build
# isa-debug-exit: status 2 * value + 1; a guest with failures ends with the value 1.
ENDS = (0, 1, "power-off", "shutdown port", "ended", "plan done, still running")
END_WITH_FAILURES = 3

# What differs from the defaults, by guest: options (Plinth's), cmdline (the guest's), memory, timeout (a factor), silence (seconds), only (places).
PARTICULARS = {"bad_fuzz": {"timeout": 4, "silence": 180}}
# Random accesses: not a comparison with bare hardware, which they would wreck.
FUZZ = "bad_fuzz"
FUZZ_PLACES = ("qemu", "bochs-ryzen")

PLACES = {
    "qemu": None,
    "bochs-ryzen": "ryzen",
    "bochs-phenom": "phenom_8650_toliman",
}


def particular(guest, what, default):
    return PARTICULARS.get(guest, {}).get(what, default)


def run_qemu(log, guest, elf, bare):
    memory = particular(guest, "memory", 512)
    cmdline = particular(guest, "cmdline", "")
    if bare:
        how = {"kernel": elf, "append": cmdline}
    else:
        how = {"kernel": plinth.PLINTH, "modules": [(elf, cmdline)],
               "append": f"{plinth.DEBUG_EXIT} {particular(guest, 'options', '')}".strip()}
    with plinth.Qemu(log, memory=memory, **how) as machine:
        return plinth.run_tap(machine, QEMU_TIMEOUT * particular(guest, "timeout", 1), particular(guest, "silence", plinth.SILENCE))


def run_bochs(log, guest, elf, bare, model):
    options = f"{plinth.DEBUG_EXIT} {particular(guest, 'options', '')}".strip()
    name = f"guest-{guest}-{'bare' if bare else 'inside'}"
    cmdline = f"{particular(guest, 'cmdline', '')} emulator=bochs".strip()
    iso = plinth.image(name, [(elf, cmdline)], "" if bare else options, terminal="console", bare=bare)
    with plinth.Bochs(log, iso, model, particular(guest, "memory", 512)) as machine:
        return plinth.run_tap(machine, BOCHS_TIMEOUT * particular(guest, "timeout", 1), particular(guest, "silence", plinth.SILENCE))


def run(log, guest, elf, bare, place):
    """(Tap, end) of one run."""
    model = PLACES[place]
    if model:
        return run_bochs(log, guest, elf, bare, model)
    return run_qemu(log, guest, elf, bare)


def judge(t, bare, inside, end):
    """Compares the results test by test."""
    expected = {}
    for name, status in bare.results:
        expected[name] = "FAIL" if "FAIL" in (status, expected.get(name)) else status
    for name, status in inside.results:
        if status == "FAIL" and expected.get(name) == "FAIL":
            t.result("skip", name, "fails bare too")
        elif status == "skip" and expected.get(name) == "ok":
            t.result("FAIL", name, "passes bare, skipped inside")
        else:
            t.result(status, name, "inside" if status == "FAIL" else "")
    tried = {name for name, _ in inside.results}
    for name, _ in bare.results if inside.complete() else ():
        if name not in tried:
            t.result("skip", name, "not tried inside: the processor there has other features")
    failures = any(status == "FAIL" for _, status in inside.results)
    t.check("runs to its end", inside.complete() and not inside.bail and (end in ENDS or failures and end == END_WITH_FAILURES),
            f"end: {end}; results: {len(inside.results)} of {inside.plan}; {inside.bail or ''}")


def one(place, guest, elf):
    def test(t):
        if not os.path.exists(plinth.PLINTH):
            raise plinth.Failed(f"no {plinth.PLINTH}")
        if elf in _stale:
            raise plinth.does_not_build("guests", "make guests")
        if PLACES[place] and not emulators.bochs_program():
            raise plinth.Skip("no Bochs here")
        bare, end = run(t.log + ".bare", guest, elf, True, place)
        if not bare.complete() and not particular(guest, "inside_only", False):
            raise plinth.Failed(f"bare, without Plinth: end: {end}; {len(bare.results)} results of {bare.plan}")
        inside, end = run(t.log + ".inside", guest, elf, False, place)
        judge(t, bare, inside, end)

    return test


def fuzz(place):
    """A guest that writes random things everywhere: Plinth lives, and so does the guest. `make guests` has built it."""
    def test(t):
        elf = elf_of(FUZZ)
        if elf in _stale:
            raise plinth.does_not_build("guests", "make guests")
        if PLACES[place] and not emulators.bochs_program():
            raise plinth.Skip("no Bochs here")
        tap, end = run(t.log, FUZZ, elf, False, place)
        with open(t.log, errors="replace") as file:
            text = file.read()
        t.check("the guest survives", re.search(r"^survived\r?$", text, re.MULTILINE) and tap.complete(), f"end: {end}\n{text[-1500:]}")
        t.check("no panic", "PANIC" not in text, text[-3000:])
        t.check("ends as it asked for", end in ENDS, f"end: {end}")

    return test


def build():
    _stale.update(plinth.make("guests", [elf_of(guest) for guest in names()]))


def names():
    sources = glob.glob("tests/guest/*.c") + glob.glob("tests/guest/*.asm")
    return sorted({os.path.splitext(os.path.basename(source))[0] for source in sources})


def elf_of(guest):
    return os.path.join(DIRECTORY, guest + ".elf")


def tests():
    fuzzed = [(f"guest/{FUZZ} on {place}", fuzz(place)) for place in FUZZ_PLACES if FUZZ in names()]
    # The long ones first.
    return fuzzed + [(f"guest/{guest} on {place}", one(place, guest, elf_of(guest)))
            for place in PLACES for guest in names()
            # What is bad_ is bad to run bare.
            if not guest.startswith("bad_") and place in particular(guest, "only", PLACES)]
