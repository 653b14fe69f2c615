# SPDX-License-Identifier: MIT
"""The console wire at full speed: 64 KiB in and out without a loss, and output that nobody takes stalls no timer."""
import hashlib
import os
import random
import re
import string
import threading
import time

import plinth

TIMEOUT = 60
PASTE = 65536
LETTERS = string.ascii_letters + string.digits
# For how long nobody reads. The guest sends for 2 s of its time, which is counted in instructions: a busy machine
# would else lose interrupts before Plinth sees them.
DEAF_SECONDS = 6
BY_INSTRUCTIONS = ("-icount", "shift=3")
TICK_TOLERANCE = 0.01


def text_of(size, seed=1):
    """Letters that no Plinth line looks like; always the same."""
    return "".join(random.Random(seed).choices(LETTERS, k=size))


def fnv(data):
    total = 0x811c9dc5
    for byte in data:
        total = (total ^ byte) * 0x01000193 & 0xffffffff
    return total


class Paste(threading.Thread):
    """Sends at once, while somebody else reads."""

    def __init__(self, machine, text):
        super().__init__(daemon=True)
        self.fd, self.data = machine.port.child_fd, text.encode()

    def run(self):
        while self.data:
            self.data = self.data[os.write(self.fd, self.data):]


def guest(log, cmdline, extra=()):
    elf = os.path.join(plinth.BUILD, "tests", "guest", "bad_console.elf")
    if plinth.make(elf, [elf]):
        raise plinth.does_not_build(elf, f"make {elf}")
    return plinth.Qemu(log, kernel=plinth.PLINTH, append=plinth.DEBUG_EXIT, modules=[(elf, cmdline)], extra=extra)


def test_paste(t):
    """Into a program that reads by interrupts, and back."""
    text = text_of(PASTE)
    with guest(t.log, "paste") as machine:
        machine.expect(r"ready\r?\n", TIMEOUT)
        Paste(machine, text).start()
        match = machine.expect(r"got (\d+), checksum ([0-9a-f]+), overruns (\d+)", TIMEOUT)
        t.check("all arrives in the guest", int(match[1]) == PASTE and int(match[2], 16) == fnv(text.encode()), match[0])
        t.check("no overrun", int(match[3]) == 0, match[0])
        machine.expect("back:", TIMEOUT)
        machine.expect(r"\r?\nsent", TIMEOUT)
        back = machine.port.before
        t.check("all comes back", back == text, f"{len(back)} of {len(text)}")


def test_paste_into_linux(t):
    """A file by the shell, both ways."""
    text = text_of(PASTE, seed=2)
    digest = hashlib.md5(text.encode()).hexdigest()
    with plinth.Qemu(t.log, kernel=plinth.PLINTH, append=plinth.DEBUG_EXIT, modules=plinth.linux("console=ttyS0 quiet")) as machine:
        machine.expect(plinth.PROMPT, TIMEOUT * 2)
        machine.type(f"stty raw -echo; echo go; head -c {PASTE} >/tmp/p; stty sane; md5sum /tmp/p\r")
        machine.expect(r"\ngo\r?\n", TIMEOUT)
        Paste(machine, text).start()
        found = machine.expect(r"([0-9a-f]{32})  /tmp/p", TIMEOUT)[1]
        t.check("all arrives in a file", found == digest, found)
        machine.expect(plinth.PROMPT, TIMEOUT)
        machine.type("cat /tmp/p; echo :end\r")
        machine.expect(":end\r?\n", TIMEOUT)  # the echo of the command
        machine.expect(":end", TIMEOUT)
        back = machine.port.before
        t.check("all comes back", back == text, f"{len(back)} of {len(text)}")


def test_nobody_reads(t):
    """The guest sends on while nobody takes it: it sees a busy transmitter, and its timers go on."""
    with guest(t.log, "flood", BY_INSTRUCTIONS) as machine:
        machine.expect(r"flood\r?\n", TIMEOUT)
        time.sleep(DEAF_SECONDS)
        match = machine.expect(r"ticks (\d+) of (\d+), sent (\d+), blocked (\d+) ms", TIMEOUT)
        ticks, expected, sent, blocked = map(int, match.groups())
        t.check("the line was full", blocked > 500, match[0])
        t.check("no timer interrupt is lost meanwhile", abs(ticks - expected) <= expected * TICK_TOLERANCE, match[0])
        text = re.search(r"flood\n(.*?)\nticks", machine.text().replace("\r", ""), re.DOTALL)[1]
        lines = text.strip("\n").split("\n")
        t.check("nothing that was sent is lost", len(lines) * 16 == sent and set(lines) == {"0123456789abcde"},
                f"{len(lines) * 16} of {sent}")
