# SPDX-License-Identifier: MIT
"""scripts/run and `make run` as a person uses them: on a terminal, at the shell, and out again by poweroff."""
import os
import subprocess

import pexpect

import plinth
from test_linux import to_prompt

# What would make another machine of it.
VARIABLES = ("KERNEL", "INITRD", "CMDLINE", "OPTIONS", "MEM", "EMU", "CPU", "GUEST", "PROMPT", "MAKEFLAGS")
BOOT_TIMEOUT = 240
END_TIMEOUT = 60
LINES_LIMIT = 3


def environment():
    kept = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    return dict(kept, SETUP="no", TERM="vt100")


class Session(plinth.Machine):
    """A command on a terminal of its own that relays a guest's serial port."""

    def __init__(self, log, *command, **arguments):
        self.logfile = open(log, "w")
        arguments.setdefault("env", environment())
        child = pexpect.spawn(command[0], list(command[1:]), encoding="utf-8", codec_errors="replace", **arguments)
        child.logfile_read = self.logfile
        super().__init__(None, child, log)

    def alive(self):
        return self.port.isalive()

    def status(self):
        return self.port.exitstatus

    def close(self):
        # The hang-up reaches the script's process group; the relay takes the emulator along.
        self.port.close(force=True)
        self.logfile.close()


def shell(t, what, *command):
    if not plinth.emulators.bochs_program():
        raise plinth.Skip("no Bochs here")
    with Session(f"{t.log}-{what}", *command) as machine:
        to_prompt(machine, BOOT_TIMEOUT)
        text = machine.command("uname -m", END_TIMEOUT)
        t.check(f"{what}: the shell answers", "x86_64" in text, text)
        text = machine.command("grep -o -m1 hypervisor /proc/cpuinfo", END_TIMEOUT)
        t.check(f"{what}: the processor is a guest's", text.endswith("hypervisor"), text)
        machine.type("poweroff\r")
        end = machine.end(END_TIMEOUT)
        t.check(f"{what}: poweroff ends it with status 0", end == 0, end)


def test_bochs(t):
    """One after the other: both make build/run."""
    shell(t, "VT-x", "make", "run", "EMU=bochs", "CPU=corei7_skylake_x")
    shell(t, "AMD-V", "scripts/run", "EMU=bochs")


def test_unknown_processor(t):
    for emulator in ("bochs", "qemu"):
        done = subprocess.run(["scripts/run", f"EMU={emulator}", "CPU=corei9_nine"], stdin=subprocess.DEVNULL, env=environment(),
                              capture_output=True, text=True)
        t.check(f"{emulator}: one line names it", done.returncode and "'corei9_nine'" in done.stderr
                and done.stderr.count("\n") <= LINES_LIMIT, done.stderr)


test_bochs.seconds = 70
