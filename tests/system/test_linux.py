# SPDX-License-Identifier: MIT
"""Linux on Plinth, from GRUB to a shell and to power-off, driven over the serial port."""
import re
import time

import plinth

CMDLINE = "console=ttyS0"
BOOT_TIMEOUT = 90
# 64 MiB of zeros.
SUM_BYTES_MIB = 64
SUM = "3b6a07d0d404fab4e23b6d34bc6696a6a312dd92821332385e5af7c01c421351"
CLOCK_TOLERANCE = 2
SLEEP = 2
SLEEP_TOLERANCE = 1


def to_prompt(machine, timeout=BOOT_TIMEOUT):
    machine.expect("plinth-guest: init", timeout)
    machine.expect(plinth.PROMPT, timeout)


def banner(t, machine):
    machine.expect(r"plinth: [^\r\n]*\bPlinth\b[^\r\n]*", 30)
    t.check("Plinth's banner", True)


def interrupts(text):
    """Name: sum over the processors, of /proc/interrupts."""
    found = {}
    for line in text.split("\n"):
        match = re.match(r"\s*(\w+):((?:\s+\d+)+)", line)
        if match:
            found[match[1]] = sum(map(int, match[2].split()))
    return found


def check_shell(t, machine):
    """What a person would look at first."""
    text = machine.command("uname -a")
    t.check("uname -a", re.search(r"^Linux \S+ \d+\.\d+.* x86_64", text, re.MULTILINE), text)

    text = machine.command("cat /proc/cpuinfo")
    flags = re.search(r"^flags\s*:(.*)$", text, re.MULTILINE)
    t.check("/proc/cpuinfo: a model name", re.search(r"^model name\s*: \S", text, re.MULTILINE), text)
    t.check("/proc/cpuinfo: the hypervisor flag", flags and " hypervisor" in flags[1], text)
    t.check("/proc/cpuinfo: no svm or vmx", flags and not re.search(r" (svm|vmx)\b", flags[1]), text)

    first = interrupts(machine.command("cat /proc/interrupts"))
    second = interrupts(machine.command("sleep 1; cat /proc/interrupts"))
    grown = {name for name in second if second[name] > first.get(name, 0)}
    t.check("/proc/interrupts: the timer's grows", grown & {"0", "LOC"}, second)
    t.check("/proc/interrupts: the serial port's grows", "4" in grown, second)
    t.check("/proc/interrupts: no spurious or error interrupts", not second.get("ERR") and not second.get("SPU"), second)

    check_clock(t, machine)
    check_sum(t, machine)
    text = machine.command("dmesg | grep -E 'Oops|BUG:|WARNING: CPU|Call Trace|could not calculate'; echo end")
    t.check("nothing alarming in dmesg", re.search(r"^end$", text, re.MULTILINE) and "[ " not in text, text)


def check_clock(t, machine):
    before = time.time()
    text = machine.command("date -u +%s")
    after = time.time()
    stamp = re.search(r"^(\d{9,})$", text, re.MULTILINE)
    good = stamp and before - CLOCK_TOLERANCE <= int(stamp[1]) <= after + CLOCK_TOLERANCE
    t.check("date is right to the second", good, f"{text}; here {before:.1f} to {after:.1f}")

    before = time.monotonic()
    text = machine.command(f"a=$(cut -d' ' -f1 /proc/uptime); sleep {SLEEP}; b=$(cut -d' ' -f1 /proc/uptime); echo slept $a $b")
    outside = time.monotonic() - before
    match = re.search(r"slept ([\d.]+) ([\d.]+)", text)
    inside = float(match[2]) - float(match[1]) if match else 0
    t.check(f"sleep {SLEEP} by the guest's clock", SLEEP <= inside < SLEEP + SLEEP_TOLERANCE, f"{inside}")
    # Typing it took its time, and a busy machine adds to it: only the lower side is sharp.
    t.check(f"sleep {SLEEP} by the clock outside", SLEEP * 0.9 <= outside < SLEEP + 8 * plinth.SLOW, f"{outside}")


def check_sum(t, machine):
    text = machine.command(f"dd if=/dev/zero bs=1M count={SUM_BYTES_MIB} 2>/dev/null | sha256sum", 120)
    t.check(f"sha256sum of {SUM_BYTES_MIB} MiB", SUM in text, text)


def power_off(t, machine, command="poweroff -f", status=0):
    machine.type(command + "\r")
    end = machine.end(30)
    t.check(f"{command} ends the machine", end == status, end)


def test_bios(t):
    """Everything, on a PC with a BIOS, by the GRUB image that people use."""
    iso = plinth.image("linux-full", plinth.linux(CMDLINE), small=False)
    with plinth.Qemu(t.log, cdrom=iso, memory=1024) as machine:
        banner(t, machine)
        to_prompt(machine)
        t.check("a prompt", True)
        check_shell(t, machine)
        machine.type("reboot -f\r")
        to_prompt(machine)
        t.check("reboot -f comes back to the prompt", True)
        text = machine.command("uname -a")
        t.check("uname -a after the reboot", "Linux" in text and "x86_64" in text, text)
        check_clock(t, machine)
        power_off(t, machine)


def test_uefi(t):
    """The same image on UEFI and a Q35 board."""
    machine_arguments = plinth.uefi()
    iso = plinth.image("linux-uefi", plinth.linux(CMDLINE), small=False)
    with plinth.Qemu(t.log, cdrom=iso, memory=1024, **machine_arguments) as machine:
        banner(t, machine)
        to_prompt(machine)
        t.check("a prompt", True)
        check_shell(t, machine)
        power_off(t, machine, "poweroff")


def test_kernel_option(t):
    """Plinth loaded by QEMU itself, without GRUB; little memory."""
    with plinth.Qemu(t.log, kernel=plinth.PLINTH, append=plinth.DEBUG_EXIT, memory=256,
                     modules=plinth.linux(CMDLINE + " quiet")) as machine:
        to_prompt(machine)
        t.check("a prompt", True)
        check_sum(t, machine)
        power_off(t, machine)


def test_memory_above_4g(t):
    """More memory than fits below the PCI hole, in the host and in the guest."""
    with plinth.Qemu(t.log, kernel=plinth.PLINTH, append=plinth.DEBUG_EXIT, memory=5120,
                     modules=plinth.linux(CMDLINE + " quiet")) as machine:
        to_prompt(machine)
        text = machine.command("free -m")
        match = re.search(r"Mem:\s+(\d+)", text)
        t.check("nearly all memory is the guest's", match and int(match[1]) > 4600, text)
        check_sum(t, machine)
        power_off(t, machine)


def test_policies(t):
    """What a guest's reset and power-off do is Plinth's to decide."""
    with plinth.Qemu(t.log + ".reset", kernel=plinth.PLINTH, append=f"{plinth.DEBUG_EXIT} reset=poweroff",
                     modules=plinth.linux(CMDLINE + " quiet plinth.run=reboot")) as machine:
        t.check("reset=poweroff: a reset powers off", machine.end(BOOT_TIMEOUT) == 0, machine.status())
    with plinth.Qemu(t.log + ".off", kernel=plinth.PLINTH, append=f"{plinth.DEBUG_EXIT} poweroff=reboot",
                     modules=plinth.linux(CMDLINE + " quiet plinth.run=poweroff"), extra=("-no-reboot",)) as machine:
        machine.expect("plinth-guest: init", BOOT_TIMEOUT)
        t.check("poweroff=reboot: a power-off resets the machine", machine.end(30) == 0, machine.status())
    with plinth.Qemu(t.log + ".halt", kernel=plinth.PLINTH, append="poweroff=halt",
                     modules=plinth.linux(CMDLINE + " quiet plinth.run=poweroff")) as machine:
        machine.expect(r"plinth: [^\r\n]*halt", BOOT_TIMEOUT)
        time.sleep(0.5)
        t.check("poweroff=halt: a power-off halts", machine.alive() and machine.halted())


test_bios.seconds = 60
test_uefi.seconds = 50
