# SPDX-License-Identifier: MIT
"""The bench's bounds on single operations: deterministic, so that a longer exit path is seen at once."""
import subprocess

import plinth


def test_operations(t):
    with open(t.log, "w") as log:
        status = subprocess.run(["scripts/bench", "operations"], stdin=subprocess.DEVNULL, stdout=log,
                                stderr=subprocess.STDOUT, timeout=300 * plinth.SLOW).returncode
    with open(t.log) as log:
        text = log.read()
    t.check("every operation is within its bound", status == 0, text)
