# SPDX-License-Identifier: MIT
"""build/plinth.iso, the image that people write to a CD or a USB stick: each way to boot it, both entries of its menu."""
import os
import subprocess

import plinth
from test_linux import power_off, to_prompt

ISO = os.path.join(plinth.BUILD, "plinth.iso")
MENU = "Demonstration guest"
MENU_TIMEOUT = 60
DEMO_TIMEOUT = 60
DOWN = "\x1b[B"
MEMORY = 1024
UEFI = "uefi"
IMAGE_VARIABLES = ("KERNEL", "INITRD", "CMDLINE")  # they would make another image


def iso():
    """As `make iso` makes it."""
    with plinth.image_lock:
        done = subprocess.run(["scripts/image"], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              env={name: value for name, value in os.environ.items() if name not in IMAGE_VARIABLES})
    if done.returncode:
        raise plinth.Failed(f"scripts/image: {done.stderr}")
    return ISO


def stick(controller):
    """The image as a USB stick, and nothing else to boot from."""
    return ("-drive", f"if=none,id=stick,format=raw,readonly=on,file={iso()}", "-device", f"{controller},id=usb",
            "-device", "usb-storage,bus=usb.0,drive=stick,bootindex=1")


def boot(t, firmware=None, usb=None):
    arguments = plinth.uefi() if firmware == UEFI else {}
    if usb:
        arguments["extra"] = stick(usb)
    else:
        arguments["cdrom"] = iso()
    return plinth.Qemu(t.log, memory=MEMORY, **arguments)


def linux(t, machine):
    """The first entry, taken by waiting."""
    machine.expect(MENU, MENU_TIMEOUT)
    t.check("GRUB's menu offers both", "Linux on Plinth" in machine.text())
    to_prompt(machine)
    text = machine.command("uname -a")
    t.check("Linux comes up to its prompt", "Linux plinth" in text, text)
    power_off(t, machine)


def demonstration(t, machine):
    """The second one, chosen over the serial port."""
    machine.expect(MENU, MENU_TIMEOUT)
    # The keys of one sequence arrive together, as from a terminal.
    machine.port.send(DOWN)
    machine.drain(0.5)
    machine.type("\r")
    machine.expect("plinth: no module given", MENU_TIMEOUT)
    machine.expect("demo: done", DEMO_TIMEOUT)
    t.check("the demonstration guest runs to its end", True)
    end = machine.end(30)
    t.check("and powers the machine off", end == 0, end)


def test_bios_cd(t):
    with boot(t) as machine:
        linux(t, machine)


def test_bios_cd_demonstration(t):
    with boot(t) as machine:
        demonstration(t, machine)


def test_bios_usb2(t):
    with boot(t, usb="usb-ehci") as machine:
        linux(t, machine)


def test_bios_usb3_demonstration(t):
    with boot(t, usb="qemu-xhci") as machine:
        demonstration(t, machine)


def test_uefi_cd(t):
    with boot(t, UEFI) as machine:
        linux(t, machine)


def test_uefi_cd_demonstration(t):
    with boot(t, UEFI) as machine:
        demonstration(t, machine)


def test_uefi_usb3(t):
    with boot(t, UEFI, "qemu-xhci") as machine:
        linux(t, machine)


def test_uefi_usb2_demonstration(t):
    with boot(t, UEFI, "usb-ehci") as machine:
        demonstration(t, machine)


for slow in (test_uefi_cd, test_uefi_usb3, test_uefi_cd_demonstration, test_uefi_usb2_demonstration):
    slow.seconds = 30
