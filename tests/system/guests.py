# SPDX-License-Identifier: MIT
"""Runs the guests of tests/guest: Multiboot kernels that print TAP on COM1 and then end.

Each runs on each emulated processor twice: bare, and as Plinth's guest. What passes bare must pass inside, and what it
finds inside must be the same everywhere. A guest's end is a write of 0 to the debug exit port, or a power-off.
"""
import collections
import glob
import os
import re

import lint
import plinth
import record
from plinth import emulators

DIRECTORY = os.path.join(plinth.BUILD, "tests", "guest")
QEMU_TIMEOUT = 60
BOCHS_TIMEOUT = 180
_stale = set()  # programs that do not build
# isa-debug-exit: status 2 * value + 1; a guest with failures ends with the value 1.
ENDS = (0, 1, "power-off", "shutdown port", "ended", "plan done, still running")
END_WITH_FAILURES = 3

# What differs from the defaults, by guest: options (Plinth's), cmdline (the guest's), memory, timeout (a factor), silence (seconds),
# only (places), but (not these places), qemu (its options), bare (its options there).
# An instruction takes 32 ns, and the real-time clock goes with it: a busy machine below delays no interrupt.
STEADY = ("-icount", "shift=5", "-rtc", "clock=vm")
PARTICULARS = {
    "bad_fuzz": {"timeout": 4, "silence": 180},
    "timer_edges": {"qemu": STEADY},
    "timers": {"qemu": STEADY},
    "test_device": {"options": "test-device", "bare": ("-device", "pc-testdev")},
    # Bochs 2.7 panics at a #VMEXIT out of virtual-8086 mode ("VM is set in long mode").
    "v8086": {"but": ("bochs-ryzen", "bochs-phenom")},
}
# Random accesses: not a comparison with bare hardware, which they would wreck.
FUZZ = "bad_fuzz"
FUZZ_PLACES = ("qemu", "bochs-ryzen", "bochs-skylake")

# The name of a place, and Bochs' model there. Two of AMD-V from Bochs, with and without NRIP save; three of VT-x: full, with the
# APIC's virtualization but less else, and the least that Plinth takes.
PLACES = {
    "qemu": None,
    "bochs-ryzen": "ryzen",
    "bochs-phenom": "phenom_8650_toliman",
    "bochs-skylake": "corei7_skylake_x",
    "bochs-haswell": "corei7_haswell_4770",
    "bochs-sandybridge": "corei7_sandy_bridge_2600k",
}
LONG_FUZZ_PLACES = [place for place in PLACES if place not in FUZZ_PLACES]  # make test-long


def particular(guest, what, default):
    return PARTICULARS.get(guest, {}).get(what, default)


def run_qemu(log, guest, elf, bare):
    memory = particular(guest, "memory", 512)
    cmdline = particular(guest, "cmdline", "")
    extra = particular(guest, "qemu", ())
    if bare:
        how = {"kernel": elf, "append": cmdline}
        extra += particular(guest, "bare", ())
    else:
        how = {"kernel": plinth.PLINTH, "modules": [(elf, cmdline)],
               "append": f"{plinth.DEBUG_EXIT} {particular(guest, 'options', '')}".strip()}
    with plinth.Qemu(log, memory=memory, extra=extra, **how) as machine:
        return plinth.run_tap(machine, QEMU_TIMEOUT * particular(guest, "timeout", 1), particular(guest, "silence", plinth.SILENCE))


def run_bochs(log, guest, elf, bare, model):
    # No debug exit port there: a guest that finds none powers off, which ends Bochs at once.
    options = particular(guest, "options", "")
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
            t.result(status, name, inside.reasons.get(name, "inside"))
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
        t.results.record.guest(guest, place, bare, inside)
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
        t.results.record.guest(FUZZ, place, None, tap)
        with open(t.log, errors="replace") as file:
            text = file.read()
        t.check("the guest survives", re.search(r"^survived\r?$", text, re.MULTILINE) and tap.complete(), f"end: {end}\n{text[-1500:]}")
        t.check("no panic", "PANIC" not in text, text[-3000:])
        t.check("ends as it asked for", end in ENDS, f"end: {end}")

    return test


def everywhere(guest):
    """The results inside are the same on every processor, check by check, but for what a skip explains."""
    def test(t):
        known = t.results.record
        ran = {place: runs for place, runs in known.guests.get(guest, {}).items()
               if (guest, place) in known.fresh and runs["inside"]["complete"]}
        if len(ran) < 2:
            raise plinth.Skip(f"ran to its end in {len(ran)} places")
        twice = sorted({name for runs in ran.values() for name, count in collections.Counter(row[0] for row in runs["inside"]["results"]).items()
                        if count > 1})
        t.check("each check has a name of its own", not twice, "\n".join(twice))
        lines = record.unexplained(ran)
        t.check("the same results on every processor", not lines, "\n".join(lines))

    return test


def build():
    _stale.update(plinth.make("guests", [elf_of(guest) for guest in names()]))


def names():
    sources = glob.glob("tests/guest/*.c") + glob.glob("tests/guest/*.asm")
    return sorted({os.path.splitext(os.path.basename(source))[0] for source in sources})


def places(guest):
    """Where a program runs in every run of the tests."""
    if guest == FUZZ:
        return list(FUZZ_PLACES)
    # What is bad_ is bad to run bare.
    return [] if guest.startswith("bad_") else [place for place in PLACES if place in particular(guest, "only", PLACES)
                                                and place not in particular(guest, "but", ())]


def elf_of(guest):
    return os.path.join(DIRECTORY, guest + ".elf")


def tests():
    fuzzed = [(f"guest/{FUZZ} on {place}", fuzz(place)) for place in FUZZ_PLACES if FUZZ in names()]
    # The long ones first.
    return fuzzed + [(f"guest/{guest} on {place}", one(place, guest, elf_of(guest)))
            for place in PLACES for guest in names() if guest != FUZZ and place in places(guest)]


def after():
    """Tests of what the others have recorded: run when those are done."""
    same = [(f"guest/{guest} everywhere", everywhere(guest)) for guest in names() if len(places(guest)) > 1 and not guest.startswith("bad_")]
    return [*same, ("guest/conformance", lint.conformance)]
