# SPDX-License-Identifier: MIT
"""The option keyboard=console: what is typed on the console becomes scan codes of the guest's keyboard."""
import os
import re

import plinth

TIMEOUT = 30
SHIFT, CTRL = 0x2a, 0x1d
# What tests/guest/keyboard.c shows, by the IBM PS/2 technical reference: set 1, as the controller translates.
KEYS = {"a": 0x1e, "B": 0x30, "1": 0x02, "!": 0x02, "\b": 0x0e, "\x7f": 0x0e, "\x1b": 0x01, "\x03": 0x2e, " ": 0x39, "\t": 0x0f,
        "?": 0x35, "\r": 0x1c}
SHIFTED, WITH_CTRL = "B!?", "\x03"


def translated(text):
    codes = []
    for character in text:
        key = KEYS[character]
        modifier = [SHIFT] if character in SHIFTED else [CTRL] if character in WITH_CTRL else []
        codes += modifier + [key, key | 0x80] + [code | 0x80 for code in modifier]
    return codes


def typed(t, log, cmdline, text, slowly=True, boot=None):
    elf = os.path.join(plinth.BUILD, "tests", "guest", "keyboard.elf")
    if plinth.make(elf, [elf]):
        raise plinth.does_not_build(elf, f"make {elf}")
    options = f"{plinth.DEBUG_EXIT} keyboard=console"
    with boot(t.log + log, elf, cmdline, options) as machine:
        machine.expect(r"type\r?\n", TIMEOUT)
        if slowly:
            machine.type(text)
        else:
            machine.port.send(text)
        found = machine.expect(r"codes((?: [0-9a-f]+)+)\r?\n", TIMEOUT)
        codes = [int(code, 16) for code in found[1].split()]
        machine.expect(r"1\.\.1\r?\n", TIMEOUT)
        t.check(f"{log[1:]}: nothing else came", re.search(r"^ok [^\n]*nothing after Enter", machine.text(), re.MULTILINE), machine.text())
        return codes


def qemu(log, elf, cmdline, options):
    return plinth.Qemu(log, kernel=plinth.PLINTH, append=options, modules=[(elf, cmdline)])


def test_typed(t):
    text = "aB1! ?\t\b\x7f\x1b\x03\r"
    codes = typed(t, "-set1", "keys", text, boot=qemu)
    t.check("set 1: make and break codes", codes == translated(text), " ".join(f"{code:x}" for code in codes))
    raw = typed(t, "-raw", "keys raw", "aB\r", boot=qemu)
    t.check("set 2, untranslated", raw == [0x1c, 0xf0, 0x1c, 0x12, 0x32, 0xf0, 0x32, 0xf0, 0x12, 0x5a, 0xf0, 0x5a],
            " ".join(f"{code:x}" for code in raw))


def test_pasted(t):
    """At full speed: nothing is lost."""
    text = "a1 B" * 40 + "\r"
    codes = typed(t, "-paste", "keys", text, slowly=False, boot=qemu)
    t.check("every key arrives, in order", codes == translated(text), f"{len(codes)} of {len(translated(text))}")


def test_bochs(t):
    def bochs(log, elf, cmdline, options):
        iso = plinth.image("keyboard", [(elf, cmdline)], options, terminal="console")
        return plinth.Bochs(log, iso, "ryzen")

    text = "aB\r"
    codes = typed(t, "-bochs", "keys", text, boot=bochs)
    t.check("on Bochs too", codes == translated(text), " ".join(f"{code:x}" for code in codes))
