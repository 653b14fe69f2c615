# SPDX-License-Identifier: MIT
"""The system tests' hands: machines to boot, and results to report.

A test is a function test_NAME(t) in a test_*.py here; `t` is a Reporter. Every t.check() is one counted
result; an exception fails the test where it stands.
"""
import json
import os
import pty
import re
import socket
import subprocess
import sys
import threading
import time
import tty

import pexpect
import pexpect.fdpexpect

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "scripts"))
import emulators  # noqa: E402

BUILD = os.environ.get("BUILD", "build")
LOGS = os.path.join(BUILD, "test")
PLINTH = os.path.join(BUILD, "plinth.elf")
VMLINUZ = os.path.join(BUILD, "guest", "vmlinuz")
INITRD = os.path.join(BUILD, "guest", "initrd.img")

# Every time limit is stretched by this on a slow machine.
SLOW = float(os.environ.get("SLOW", "1"))
TYPING_DELAY = 0.02
# A guest test that says nothing for so long hangs.
SILENCE = 30
PROMPT = "plinth# "
DEBUG_EXIT = f"debug-exit={emulators.DEBUG_EXIT_PORT:#x}"

image_lock = threading.Lock()


class Failed(Exception):
    """What was waited for did not come."""


class Skip(Exception):
    """This machine cannot run the test; the text says why."""


class Reporter:
    """Collects and prints the results of one test."""

    def __init__(self, name, results):
        self.name = name
        self.results = results
        self.log = os.path.join(LOGS, re.sub(r"[^\w.-]+", "_", name))
        self.seen = []  # (check, status)

    def result(self, status, what, detail=""):
        self.seen.append((what, status))
        self.results.add(status, f"{self.name}: {what}", detail)

    def check(self, what, good, detail=""):
        self.result("ok" if good else "FAIL", what, "" if good else str(detail))
        return good


# --- machines ----------------------------------------------------------------------------------------


class Machine:
    """A running emulator with its serial port."""

    def __init__(self, process, port, log):
        self.process, self.port, self.log = process, port, log
        self.prompt = PROMPT
        port.delaybeforesend = None

    def wait(self, what, seconds):
        """pexpect's expect(); a port that was reset has ended."""
        try:
            self.port.expect(what, timeout=seconds)
        except OSError:
            raise pexpect.EOF("the port was reset") from None

    def expect(self, what, timeout=30):
        """Waits for a regular expression on the serial port; returns the match."""
        try:
            self.wait(what, timeout * SLOW)
        except (pexpect.TIMEOUT, pexpect.EOF) as error:
            kind = "the end" if isinstance(error, pexpect.EOF) else f"{timeout} s"
            raise Failed(f"{what!r} did not come before {kind}; last: {self.tail()!r}") from None
        return self.port.match

    def tail(self):
        text = self.port.before if isinstance(self.port.before, str) else self.port.buffer
        return (text or "")[-300:]

    def type(self, text):
        """One character at a time, as a person does: a FIFO has 16 bytes."""
        for character in text:
            self.port.send(character)
            time.sleep(TYPING_DELAY)

    def command(self, line, timeout=30):
        """Types a line at the shell's prompt; returns what it printed, up to the next prompt."""
        self.type(line + "\r")
        # The echo first, whatever the line editor puts into it.
        self.expect(r"\n", timeout)
        self.expect(self.prompt, timeout)
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.port.before).replace("\r", "").strip()

    def drain(self, seconds=0.5):
        """Takes in what comes in that time, or to the end: an emulator that has ended leaves something behind."""
        try:
            self.wait(pexpect.EOF, seconds)
        except (pexpect.TIMEOUT, pexpect.EOF):
            pass

    def end(self, timeout=30):
        """Waits until the emulator ends by itself; returns its exit status."""
        deadline = time.monotonic() + timeout * SLOW
        while self.alive():
            self.drain(0.1)
            if time.monotonic() > deadline:
                raise Failed(f"still running after {timeout} s; last: {self.tail()!r}")
            time.sleep(0.02)
        self.drain()
        return self.status()

    def alive(self):
        return self.process.poll() is None

    def status(self):
        return self.process.returncode

    def text(self):
        """All that came from the serial port so far."""
        with open(self.log, errors="replace") as file:
            return file.read()

    def close(self):
        emulators.stop(self.process)
        self.port.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Qemu(Machine):
    """QEMU; the arguments are those of emulators.qemu()."""

    def __init__(self, log, **arguments):
        self.control = None
        os.makedirs(os.path.dirname(log), exist_ok=True)
        near, far = socket.socketpair()
        control_near, control_far = socket.socketpair()
        serial = ("-chardev", f"socket,id=com1,fd={far.fileno()}", "-serial", "chardev:com1",
                  "-chardev", f"socket,id=qmp,fd={control_far.fileno()}", "-mon", "chardev=qmp,mode=control")
        arguments.setdefault("debug_exit", True)
        command = emulators.qemu(serial=serial, **arguments)
        with open(log + ".stderr", "w") as stderr:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=stderr, stderr=stderr,
                                       pass_fds=(far.fileno(), control_far.fileno()),
                                       start_new_session=True)
        far.close()
        control_far.close()
        self.control_socket = control_near
        self.control = control_near.makefile("rw")
        self.logfile = open(log, "w")
        # Detached: the number has one owner, which closes it once.
        port = pexpect.fdpexpect.fdspawn(near.detach(), encoding="utf-8", codec_errors="replace")
        port.logfile_read = self.logfile
        self.greeted = False
        super().__init__(process, port, log)

    def ask(self, command, **arguments):
        """One command of the QEMU monitor protocol."""
        def receive(wanted):
            while line := self.control.readline():
                message = json.loads(line)
                if wanted in message or "error" in message:
                    return message
            raise Failed("QEMU's monitor has gone")

        def send(name, **values):
            self.control.write(json.dumps({"execute": name, "arguments": values}) + "\n")
            self.control.flush()
            return receive("return")

        self.control_socket.settimeout(10)
        if not self.greeted:
            receive("QMP")
            send("qmp_capabilities")
            self.greeted = True
        return send(command, **arguments)

    def halted(self):
        """Whether the processor sits in HLT with interrupts off: the defined end without an exit port."""
        text = self.ask("human-monitor-command", **{"command-line": "info registers"})["return"]
        flags = int(re.search(r"RFL=([0-9a-f]+)|EFL=([0-9a-f]+)", text)[0][4:], 16)
        return "HLT=1" in text and not flags & 0x200

    def close(self):
        super().close()
        self.control.close()
        self.control_socket.close()
        self.logfile.close()


class Bochs(Machine):
    """Bochs with its serial port on a pseudo terminal."""

    def __init__(self, log, image, model="ryzen", memory=512, errors=False):
        os.makedirs(os.path.dirname(log), exist_ok=True)
        if not emulators.bochs_program():
            raise Skip("no Bochs here")
        self.bochs_log = log + ".bochs"
        master, slave = pty.openpty()
        tty.setraw(slave)
        with open(log + ".bochsrc", "w") as file:
            file.write(emulators.bochs_configuration(image, self.bochs_log, f"mode=term, dev={os.ttyname(slave)}",
                                                     model, memory, errors=errors))
        command = emulators.bochs_command(log + ".bochsrc", log + ".commands")
        with open(log + ".stderr", "w") as stderr:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=stderr, stderr=stderr,
                                       env=emulators.bochs_environment(), start_new_session=True)
        self.slave = slave  # kept open: the master must not see an end before Bochs has opened it
        self.logfile = open(log, "w")
        port = pexpect.fdpexpect.fdspawn(master, encoding="utf-8", codec_errors="replace")
        port.logfile_read = self.logfile
        super().__init__(process, port, log)

    def status(self):
        """The end by name; Bochs' own status does not tell one from another."""
        return emulators.bochs_end(self.bochs_log)

    def close(self):
        super().close()
        os.close(self.slave)
        self.logfile.close()


def wait_until(condition, seconds):
    """Whether it comes true in that time."""
    deadline = time.monotonic() + seconds * SLOW
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


# --- images --------------------------------------------------------------------------------------------


def image(name, modules=(), options="", terminal="serial", bare=False, small=True, hypervisor=PLINTH):
    """Makes (or keeps) build/test/NAME.iso; returns its path."""
    output = os.path.join(LOGS, name + ".iso")
    command = ["scripts/image", "--output", output, "--plinth", hypervisor, "--options", options, "--terminal", terminal, "--timeout", "0"]
    if small:
        command.append("--small")
    if bare:
        command.append("--bare")
    for file, line in modules:
        command += ["--module", file, line]
    with image_lock:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        raise Failed(f"{' '.join(command)}: {done.stderr}")
    return output


def linux(cmdline="console=ttyS0"):
    """The modules of the Linux guest."""
    return ((VMLINUZ, cmdline), (INITRD, ""))


def uefi():
    """QEMU arguments for a UEFI machine."""
    firmware = emulators.ovmf()
    if not firmware:
        raise Skip("no OVMF here")
    return {"machine": "q35", "firmware": firmware}


def make(goal, programs):
    """Makes all that can be made of a goal; returns those of the programs that could not."""
    os.makedirs(LOGS, exist_ok=True)
    with open(make_log(goal), "w") as log:
        good = not subprocess.run(["make", "-s", "-k", f"-j{os.cpu_count()}", goal], stdin=subprocess.DEVNULL, stdout=log, stderr=log).returncode
    if good:
        return set()
    # An old one of the same name must not pass for it.
    return {program for program in programs
            if subprocess.run(["make", "-s", "-q", program], stdin=subprocess.DEVNULL, capture_output=True).returncode}


def make_log(goal):
    return os.path.join(LOGS, f"make-{os.path.basename(goal)}.log")


def does_not_build(goal, command):
    """The failure, with the compilers' first words."""
    with open(make_log(goal), errors="replace") as file:
        errors = [line for line in file if re.search(r"error|undefined reference|\*\*\*", line)]
    return Failed(f"does not build: {command}\n{''.join(errors[:3])}")


# --- TAP -------------------------------------------------------------------------------------------------


class Tap:
    """What a guest printed, read as TAP. Other lines are ignored."""

    LINE = re.compile(r"^(not )?ok\b(?: +(\d+))?(?: *-)? *(.*?)(?: *# *SKIP\b(.*))?$", re.IGNORECASE)
    PLAN = re.compile(r"^1\.\.(\d+)")

    def __init__(self, text):
        self.plan = None
        self.results = []  # (name, "ok" | "FAIL" | "skip")
        self.reasons = {}  # of what was skipped
        self.bail = None
        for line in text.replace("\r", "").split("\n"):
            plan, result = self.PLAN.match(line), self.LINE.match(line)
            if plan:
                self.plan = int(plan[1])
            elif result:
                status = "FAIL" if result[1] else "skip" if result[4] is not None else "ok"
                name = result[3].strip() or f"test {result[2] or len(self.results) + 1}"
                self.results.append((name, status))
                if status == "skip":
                    self.reasons[name] = result[4].strip()
            elif line.startswith("Bail out!"):
                self.bail = line

    def complete(self):
        return self.bail is not None or (self.plan is not None and len(self.results) >= self.plan)


def run_tap(machine, timeout, silence=SILENCE):
    """Runs a guest to the end of its plan; returns (Tap, how it ended)."""
    deadline = time.monotonic() + timeout * SLOW
    grace = None
    heard, heard_at = 0, time.monotonic()
    while machine.alive():
        machine.drain(0.1)
        if not machine.alive():
            break
        now = time.monotonic()
        if grace is None and Tap(machine.text()).complete():
            grace = now + 3 * SLOW
        if grace and now > grace:
            return Tap(machine.text()), "plan done, still running"
        if os.path.getsize(machine.log) > heard:
            heard, heard_at = os.path.getsize(machine.log), now
        if now > min(deadline, heard_at + silence * SLOW):
            return Tap(machine.text()), f"silent for {now - heard_at:.0f} s"
        time.sleep(0.02)
    machine.drain()
    return Tap(machine.text()), machine.status()

