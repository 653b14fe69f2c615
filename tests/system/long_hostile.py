# SPDX-License-Identifier: MIT
"""Ten million accesses by the hostile guest on each backend: AMD-V without NRIP save, AMD-V with it, VT-x."""
import hostile

ROUNDS = 10000000


def test_qemu(t):
    hostile.run(t, ROUNDS)


def test_bochs_ryzen(t):
    hostile.run(t, ROUNDS, "ryzen", 600)


def test_bochs_skylake(t):
    hostile.run(t, ROUNDS, "corei7_skylake_x", 600)
