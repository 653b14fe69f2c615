# SPDX-License-Identifier: MIT
"""The hostile guest, for a moment; ten million accesses are in long_hostile.py."""
import hostile

ROUNDS = 100000


def test_qemu(t):
    hostile.run(t, ROUNDS)
