# SPDX-License-Identifier: MIT
"""The bench's bounds on single operations: deterministic, so that a longer exit path is seen at once."""
import subprocess

import plinth
from plinth import emulators


def bench(t, what, *arguments):
    with open(t.log, "w") as log:
        status = subprocess.run(["scripts/bench", *arguments], stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                                timeout=300 * plinth.SLOW).returncode
    with open(t.log) as log:
        text = log.read()
    t.check(what, status == 0, text)


def test_operations(t):
    bench(t, "every operation is within its bound", "EMU=qemu", "operations")


def test_vtx(t):
    if not emulators.bochs_program():
        raise plinth.Skip("no Bochs here")
    bench(t, "every operation is within its bounds, ticks, VMREADs and VMWRITEs", "EMU=bochs", "CPU=corei7_skylake_x")
