# SPDX-License-Identifier: MIT
"""Plinth under KVM, on a machine without the hardware: an emulator runs Linux with KVM, which runs QEMU, which runs Plinth,
which runs its guest. QEMU's software emulation has kvm-amd, which offers Plinth what the emulator alone does not: clean bits
that count, x2APIC, the TSC deadline timer, -cpu host. Bochs has kvm-intel, which judges Plinth's use of the VMCS.
"""
import functools
import re
import shlex

import guests
import kvmhost
import plinth
import test_linux
from plinth import emulators

# Without XSAVE: on this emulator KVM's CPUID leaf 0Dh does not follow its guest's XCR0, and Linux warns of it, on Plinth and
# under KVM without Plinth.
CPU = "max,-xsave"
MEMORY = 2560
GUEST_MEMORY = 256
DEMO_TIMEOUT = 120
BOOT_TIMEOUT = 300
VTX_MODEL = "corei7_skylake_x"
VTX_CMDLINE = "console=ttyS0 quiet nokaslr mitigations=off tsc=reliable cryptomgr.notests"
# Seconds of the host.
GUEST_TIMEOUT = 120
# An access to a port is several of KVM's exits.
TOO_SLOW = {"pit": "its loops wait to see counts that the 8254 shows for less than two port accesses take here"}
GUEST_SCRIPT = """timeout -s KILL {seconds} {command} </dev/null
echo "ended with $?"
cat serial; rm serial"""


def ended(machine, script, timeout=60):
    machine.expect(rf"{script} ended with (\d+)\.", timeout)
    return int(machine.port.match[1])


def check_host(t, machine):
    t.check("KVM has nesting", re.search(r"^[1Y]\r?$", machine.text(), re.MULTILINE), machine.text())
    text = machine.command("cat /sys/module/kvm_amd/parameters/npt /sys/module/kvm_intel/parameters/ept 2>/dev/null")
    t.check("with nested paging", re.search(r"^[1Y]$", text, re.MULTILINE), text)


def demonstration_image(name, modules=()):
    """A host with the scripts demonstration and, with a guest's modules, guest."""
    options = f"{plinth.DEBUG_EXIT} reset=poweroff"
    arguments = {"kernel": plinth.PLINTH, "append": options, "memory": GUEST_MEMORY, "debug_exit": True}
    scripts = {"demonstration": kvmhost.qemu(**arguments)}
    if modules:
        scripts["guest"] = kvmhost.qemu(modules=modules, **arguments)
    return kvmhost.image(name, [plinth.PLINTH, *(file for file, _ in modules)], scripts)


def demonstration(t, machine, found):
    machine.type("demonstration\r")
    machine.expect(r"plinth: (AMD-V|VT-x): [^\r\n]*\r", DEMO_TIMEOUT)
    t.check(f"Plinth is offered: {', '.join(found)}", all(word in machine.port.match[0] for word in found), machine.port.match[0])
    machine.expect(r"demo: failures: (\d+)", DEMO_TIMEOUT)
    t.check("no failure", machine.port.match[1] == "0", machine.text())
    t.check("ends as the guest asked", ended(machine, "demonstration") == 0)


def test_demonstration(t):
    """What Plinth finds there, and its own guest."""
    with kvmhost.boot(t.log, demonstration_image("kvm-demo"), MEMORY, cpu=CPU) as machine:
        check_host(t, machine)
        demonstration(t, machine, ("AMD-V", "nested paging", "clean bits"))


def test_vtx(t):
    """kvm-intel in Bochs: the demonstration guest, and Linux."""
    image = demonstration_image("kvm-vtx", plinth.linux(VTX_CMDLINE))
    with kvmhost.boot_bochs(t.log, image, VTX_MODEL) as machine:
        check_host(t, machine)
        demonstration(t, machine, ("VT-x", "EPT with 1 GiB pages", "unrestricted guest", "VPID"))
        machine.type("guest\r")
        machine.expect(r"plinth: VT-x: ", DEMO_TIMEOUT)
        shell(t, machine)
        t.check("poweroff -f ends it", ended(machine, "guest") == 0)
        machine.prompt = kvmhost.PROMPT
        machine.expect(machine.prompt)
        text = machine.command("dmesg | grep -iE 'kvm|vmx'; echo end")
        t.check("KVM complains of nothing", not re.search(r"fail|error|invalid|unhandled|unexpected", text), text)
        machine.type("poweroff -f\r")
        t.check("the host powers off", machine.end(60) == "power-off")


def shell(t, machine):
    """From the start of the innermost Linux to its power-off."""
    test_linux.to_prompt(machine, BOOT_TIMEOUT)
    t.check("a prompt", True)
    machine.prompt = plinth.PROMPT
    check_shell(t, machine)
    machine.type("poweroff -f\r")


def check_shell(t, machine):
    text = machine.command("uname -a")
    t.check("uname -a", re.search(r"^Linux \S+ \d+\.\d+.* x86_64", text, re.MULTILINE), text)
    text = machine.command("cat /proc/cpuinfo")
    t.check("/proc/cpuinfo: the hypervisor flag, and no svm",
            " hypervisor" in text and not re.search(r" (svm|vmx)\b", text), text)
    first = test_linux.interrupts(machine.command("cat /proc/interrupts"))
    second = test_linux.interrupts(machine.command("sleep 1; cat /proc/interrupts"))
    t.check("the timer's interrupts grow", second.get("LOC", 0) > first.get("LOC", 0), second)
    t.check("the serial port's interrupts grow", second.get("4", 0) > first.get("4", 0), second)
    t.check("no spurious or error interrupts", not second.get("ERR") and not second.get("SPU"), second)
    test_linux.check_sum(t, machine)
    text = machine.command("dmesg | grep -E 'Oops|BUG:|WARNING: CPU|Call Trace'; echo end")
    t.check("nothing alarming in dmesg", re.search(r"^end$", text, re.MULTILINE) and "[ " not in text, text)


def test_linux_by_grub(t):
    """Three levels, with the command line that `make run EMU=kvm` gives to QEMU, at a terminal."""
    iso = plinth.image("kvm-linux", plinth.linux(test_linux.CMDLINE))
    run = shlex.join(emulators.foreground_arguments(iso, GUEST_MEMORY, True, True))
    image = kvmhost.image("kvm-linux", [iso], {"run": run})
    with kvmhost.boot(t.log, image, MEMORY, cpu=CPU) as machine:
        check_host(t, machine)
        machine.type("run\r")
        machine.expect(r"plinth: AMD-V: nested paging", 120)
        shell(t, machine)
        t.check("poweroff -f ends it, as make run does", ended(machine, "run") == 0)


def seconds(guest):
    return int(GUEST_TIMEOUT * guests.particular(guest, "timeout", 1))


def names():
    return [guest for guest in guests.names() if not guest.startswith("bad_")]


@functools.lru_cache(maxsize=None)
def guests_image():
    """Shell scripts GUEST-bare and GUEST-inside."""
    scripts = {}
    for guest in names():
        elf = guests.elf_of(guest)
        memory = guests.particular(guest, "memory", 512)
        cmdline = guests.particular(guest, "cmdline", "")
        options = f"{plinth.DEBUG_EXIT} {guests.particular(guest, 'options', '')}".strip()
        for kind, how in (("bare", {"kernel": elf, "append": cmdline}),
                          ("inside", {"kernel": plinth.PLINTH, "append": options, "modules": [(elf, cmdline)]})):
            command = kvmhost.qemu(memory=memory, serial=("-serial", "file:serial"), debug_exit=True, **how)
            scripts[f"{guest}-{kind}"] = GUEST_SCRIPT.format(seconds=seconds(guest), command=command)
    return kvmhost.image("kvm-guests", [plinth.PLINTH, *map(guests.elf_of, names())], scripts)


def one_guest(guest):
    """A guest test on Plinth. What passes bare in the emulator must pass, unless it fails under KVM without Plinth too."""
    def test(t):
        if guest in TOO_SLOW:
            raise plinth.Skip(TOO_SLOW[guest])
        with plinth.Qemu(t.log + ".bare", cpu=CPU, memory=guests.particular(guest, "memory", 512), kernel=guests.elf_of(guest),
                         append=guests.particular(guest, "cmdline", "")) as machine:
            reference, _ = plinth.run_tap(machine, guests.QEMU_TIMEOUT)
        with kvmhost.boot(t.log, guests_image(), MEMORY, cpu=CPU) as machine:
            inside, end = nested(machine, guest, "inside")
            failing = {name for name, status in reference.results if status == "FAIL"}
            if any(status == "FAIL" and name not in failing for name, status in inside.results):
                under_kvm, _ = nested(machine, guest, "bare")
                reference.results += [result for result in under_kvm.results if result[1] == "FAIL"]
        guests.judge(t, reference, inside, end)

    return test


def nested(machine, guest, kind):
    """(Tap, the inner QEMU's exit status) of one run."""
    machine.type(f"{guest}-{kind}\r")
    machine.expect(r"\nended with (\d+)\r?\n", 3 * seconds(guest))
    end = int(machine.port.match[1])
    ended(machine, f"{guest}-{kind}")
    return plinth.Tap(machine.port.before), end


globals().update({f"test_guest_{guest}": one_guest(guest) for guest in names()})
