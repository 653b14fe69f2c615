# SPDX-License-Identifier: MIT
"""docs/debugging.md is followed: the commands of its sessions are typed, and what they print is compared.

A fenced block behind `<!-- walk: NAME -->` is a part of the session NAME, which begins with `$ make debug`. Lines that begin with a
prompt are typed; the lines behind one are all that it prints, except that "..." stands for anything and a line of it for any lines.
What differs from build to build may be any number: addresses, which are known by their size, and what PLACE names.
"""
import os
import re
import shlex
import subprocess
import threading
import time

import pexpect

import plinth
from test_run import Session, environment

DOCUMENT = "docs/debugging.md"
WALK = re.compile(r"^<!-- walk: (\w+) -->\n+```\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PROMPTS = r"\(gdb\) |<bochs:\d+> |\$ "
DEBUGGER_PROMPT = r"(?:\n|^)(?:\(gdb\)|<bochs:\d+>) $"
NUMBER = r"(?:0x)?[0-9a-f]{4,}"
ADDRESSES = range(0x10000, 0x20000000)
# Lines of the source, times, offsets from a symbol.
PLACE = r"(?:\.c:|\.asm:|line |\bt=|\+)[0-9a-f]+\b"
START_TIMEOUT = 120
COMMAND_TIMEOUT = 60
SHELL_TIMEOUT = 20
END_TIMEOUT = 15
ROWS, COLUMNS = 1000, 300
# Sessions of an emulator have one directory.
locks = {name: threading.Lock() for name in ("bochs", "qemu")}
ESCAPES = re.compile(r"\x1b\[[?0-9;]*[A-Za-z]|\x1b[=>]")


def sessions():
    """Name: list of (prompt, command, expected lines)."""
    with open(DOCUMENT) as file:
        text = file.read()
    found = {}
    for name, block in WALK.findall(text):
        steps = found.setdefault(name, [])
        for line in block.splitlines():
            typed = re.match(f"({PROMPTS})(.*)", line)
            if typed:
                steps.append((typed[1].strip(), typed[2], []))
            else:
                steps[-1][2].append(line)
    return found


def pattern(line):
    """The regular expression of one expected line."""
    parts = []
    for part in re.split(rf"(\.\.\.|{PLACE}|(?<![0-9A-Za-z]){NUMBER}(?![0-9A-Za-z])|\s+)", line.strip()):
        if part == "...":
            parts.append(".*")
        elif re.fullmatch(PLACE, part):
            parts.append(re.escape(re.match(r".*[:+= ]", part)[0]) + "[0-9a-f]+")
        elif re.fullmatch(NUMBER, part) and int(part, 16) in ADDRESSES:
            parts.append(NUMBER)
        elif part.isspace():
            parts.append(r"\s+")
        else:
            parts.append(re.escape(part))
    return "".join(parts)


def differs(expected, text):
    """What is wrong with the text, or an empty string."""
    actual = [line.strip() for line in ESCAPES.sub("", text).replace("\r", "").split("\n") if line.strip()]
    whole = "".join(r"(?:.*\n)*?" if line.strip() == "..." else pattern(line) + r"\n" for line in expected if line.strip())
    if re.fullmatch(whole, "".join(line + "\n" for line in actual)):
        return ""
    return "expected:\n" + "\n".join(expected) + "\ngot:\n" + "\n".join(actual)


class Debugger(Session):
    """A debugger's session on a terminal."""

    def __init__(self, log, command):
        super().__init__(log, *command, env=dict(environment(), TERM="dumb"), dimensions=(ROWS, COLUMNS))

    def output(self, timeout):
        """Up to the next prompt, or to the end."""
        try:
            self.wait([DEBUGGER_PROMPT, pexpect.EOF], timeout * plinth.SLOW)
        except pexpect.TIMEOUT:
            raise plinth.Failed(f"no prompt after {timeout} s; last: {self.tail()!r}") from None
        return self.port.before

    def ask(self, command):
        self.port.sendline(command)
        # Without its echo.
        return self.output(COMMAND_TIMEOUT).partition("\n")[2]


def shell(command, expected):
    """A command beside the session: what it looks at may still be on its way."""
    deadline = time.monotonic() + SHELL_TIMEOUT * plinth.SLOW
    while True:
        done = subprocess.run(command, shell=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        wrong = differs(expected, done.stdout)
        if not wrong or time.monotonic() > deadline:
            return wrong
        time.sleep(0.3)


def leftovers(directory):
    """Processes that name the directory of the session, and what should not be left in it."""
    found = [name for name in ("com1", "gdb") if os.path.lexists(os.path.join(directory, name))]
    for process in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{process}/cmdline", "rb") as file:
                line = file.read().replace(b"\0", b" ").decode(errors="replace")
            if directory in line and os.readlink(f"/proc/{process}/cwd") == os.getcwd():
                found.append(line)
        except OSError:
            pass
    return found


def walk(t, name):
    steps = sessions()[name]
    _, start, expected = steps[0]
    emulator = re.search(r"EMU=(\w+)", start)[1]
    directory = os.path.join(plinth.BUILD, "debugger", emulator)
    with locks[emulator]:
        follow(t, steps, expected, Debugger(t.log, shlex.split(start)))
        left = leftovers(directory)
    t.check("nothing is left behind", not left, left)


def follow(t, steps, expected, session):
    with session:
        wrong = differs(expected, session.output(START_TIMEOUT))
        t.check(f"{steps[0][1]}: stops at Plinth's entry", not wrong, wrong)
        for prompt, command, expected in steps[1:]:
            if prompt == "$":
                wrong = shell(command.replace("build/", plinth.BUILD + "/"), expected)
            else:
                wrong = differs(expected, session.ask(command))
            t.check(f"{prompt} {command}", not wrong, wrong)
        status = session.end(END_TIMEOUT)
        t.check("the session ends with status 0", status == 0, status)


def need_bochs():
    if not plinth.emulators.bochs_program():
        raise plinth.Skip("no Bochs here")


def test_bochs(t):
    need_bochs()
    walk(t, "bochs")


def test_broken(t):
    need_bochs()
    walk(t, "broken")


def test_qemu(t):
    walk(t, "qemu")


def test_killed(t):
    """The terminal goes away in the middle of it."""
    need_bochs()
    for name, lock in locks.items():
        directory = os.path.join(plinth.BUILD, "debugger", name)
        with lock:
            with Debugger(f"{t.log}-{name}", ["scripts/debug", f"EMU={name}", "GUEST=demo"]) as session:
                session.output(START_TIMEOUT)
                session.port.sendline("c")
            deadline = time.monotonic() + END_TIMEOUT * plinth.SLOW
            while (left := leftovers(directory)) and time.monotonic() < deadline:
                time.sleep(0.2)
            t.check(f"{name}: nothing is left behind", not left, left)


test_bochs.seconds = test_qemu.seconds = 30
