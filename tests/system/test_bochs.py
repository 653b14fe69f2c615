# SPDX-License-Identifier: MIT
"""What no processor changes: the demonstration guest and the reports of crashing guests, in the words of QEMU's AMD-V on Bochs."""
import guests
import plinth
import test_faulty as crashes
from test_vtx import demonstration

# VT-x full, with APIC virtualization, and the minimum; AMD-V with and without NRIP save.
MODELS = {place: guests.PLACES[f"bochs-{place}"] for place in ("skylake", "haswell", "sandybridge", "ryzen", "phenom")}


def faulty(t, place, amd=False):
    for case, (what, *_) in enumerate(crashes.CASES):
        if amd and "triple fault" in what:
            # Bochs 2.7 stops with "exception with no resolution" where the shutdown intercept is due (APM vol. 2 15.14.3).
            t.result("skip", what, "Bochs' AMD-V does not intercept a shutdown")
        else:
            crashes.on_bochs(t, case, MODELS[place])


def test_faulty_on_skylake(t):
    faulty(t, "skylake")


def test_faulty_on_haswell(t):
    faulty(t, "haswell")


def test_faulty_on_sandybridge(t):
    faulty(t, "sandybridge")


def test_faulty_on_ryzen(t):
    faulty(t, "ryzen", amd=True)


def test_faulty_on_phenom(t):
    faulty(t, "phenom", amd=True)


def test_demonstration_on_ryzen(t):
    demonstration(t, MODELS["ryzen"], "AMD-V")


def test_demonstration_on_phenom(t):
    demonstration(t, MODELS["phenom"], "AMD-V")
