# SPDX-License-Identifier: MIT
"""Starts an emulator under a debugger that has our terminal, and looks after the machine's serial port.

    debugger.py qemu|kvm|bochs DIRECTORY SYMBOLS_ELF MEGABYTES [CPU]		scripts/debug does that

DIRECTORY holds plinth.iso and symbols (address and name a line); what comes of the run is left there.
"""
import os
import pty
import select
import signal
import socket
import struct
import subprocess
import sys
import termios
import threading
import time
import tty

import emulators

ELF_ENTRY = struct.Struct("<24xQ")  # e_entry of an ELF64 header
GDB_SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "plinth-gdb.py")


def entry_point(elf):
    """Plinth's first instruction. It is loaded where it is linked."""
    with open(elf, "rb") as file:
        return ELF_ENTRY.unpack(file.read(ELF_ENTRY.size))[0]


class SerialPort:
    """The machine's COM1 for somebody at another terminal: a file of all that came, and a pseudo terminal for both
    directions, which a link in the directory names."""

    def __init__(self, directory, machine):
        """`machine`: our end of what the emulator has for its port."""
        self.machine = machine
        self.log_name = os.path.join(directory, "com1.txt")
        self.link = os.path.join(directory, "com1")
        self.log = open(self.log_name, "wb", buffering=0)
        # The slave stays open here as well: the terminal lives on when somebody leaves it.
        self.user, self.slave = pty.openpty()
        tty.setraw(self.slave)
        os.set_blocking(self.user, False)
        self.remove_link()
        os.symlink(os.ttyname(self.slave), self.link)
        for function in (self.from_machine, self.to_machine):
            threading.Thread(target=function, daemon=True).start()

    def from_machine(self):
        while data := self.read(self.machine):
            self.log.write(data)
            try:
                os.write(self.user, data)
            except BlockingIOError:
                # Nobody reads. The file has it all.
                termios.tcflush(self.slave, termios.TCIFLUSH)

    def to_machine(self):
        while True:
            ready, _, _ = select.select([self.user], [], [])
            data = self.read(self.user) if ready else b""
            for byte in data:
                os.write(self.machine, bytes((byte,)))
                time.sleep(emulators.TYPING_DELAY)

    @staticmethod
    def read(source):
        try:
            return os.read(source, 4096)
        except OSError:
            return b""

    def remove_link(self):
        if os.path.islink(self.link):
            os.unlink(self.link)

    def describe(self):
        return (f"debug: COM1 is written to {self.log_name} (tail -f); to type there as well:\n"
                f"debug:   busybox microcom {self.link}    (Ctrl-X leaves)\n")


def tell(text):
    sys.stderr.write(text)
    sys.stderr.flush()


def interactive(command, **arguments):
    """A debugger with our terminal. Ctrl-C stops the machine, not us. Its exit status."""
    process = subprocess.Popen(command, **arguments)

    def ended_by_signal(number, _frame):
        sys.exit(128 + number)

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, ended_by_signal)
    try:
        status = process.wait()
    finally:
        process.kill()
    return status if status >= 0 else 128 - status


def debug_bochs(directory, elf, memory, cpu):
    """Bochs' debugger. The same instructions at the same times in each run, as far as nothing is typed."""
    configuration, log, commands, symbols = (os.path.join(directory, name)
                                             for name in ("bochsrc", "bochs.log", "commands", "symbols"))
    master, slave = pty.openpty()
    tty.setraw(slave)
    with open(configuration, "w") as file:
        # At this level it says why an entry failed.
        file.write(emulators.bochs_configuration(os.path.join(directory, "plinth.iso"), log, f"mode=term, dev={os.ttyname(slave)}",
                                                 cpu or emulators.BOCHS_CPU, memory, errors=True))
    with open(commands, "w") as file:
        file.write(f'ldsym global "{symbols}"\npb {entry_point(elf):#x}\nc\nd 1\n')
    serial = SerialPort(directory, master)
    tell(serial.describe() + f"debug: Bochs' log is {log}; `help` lists commands, `quit` ends\n")
    try:
        status = interactive([emulators.bochs_program(), "-q", "-f", configuration, "-rc", commands],
                             env=dict(os.environ, TERM=os.environ.get("TERM") or "vt100"))
        # It ends with 1 when the machine is powered off.
        return 0 if emulators.bochs_end(log) in ("power-off", "shutdown port") else status
    finally:
        serial.remove_link()


def debug_qemu(directory, elf, memory, cpu, kvm):
    """gdb on QEMU's stub, which listens on a socket in the file system: no port to be free."""
    stub, messages = (os.path.join(directory, name) for name in ("gdb", "qemu.txt"))
    if os.path.exists(stub):
        os.unlink(stub)
    near, far = socket.socketpair()
    serial = ("-chardev", f"socket,id=com1,fd={far.fileno()}", "-serial", "chardev:com1")
    extra = ("-S", "-chardev", f"socket,id=gdb,path={stub},server=on,wait=off", "-gdb", "chardev:gdb")
    with open(messages, "w") as out:
        machine = subprocess.Popen(emulators.qemu(memory, cpu, cdrom=os.path.join(directory, "plinth.iso"), kvm=kvm, serial=serial,
                                                  extra=extra), stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                   pass_fds=(far.fileno(),), start_new_session=True)
    far.close()
    try:
        while not os.path.exists(stub):
            if machine.poll() is not None:
                with open(messages) as file:
                    sys.exit("debug: QEMU does not start: " + file.read().strip())
            time.sleep(0.05)
        serial = SerialPort(directory, near.fileno())
        tell(serial.describe() + "debug: `help plinth` lists the commands made for it, `quit` ends\n")
        return interactive(["gdb", "-q", "-iex", "set debuginfod enabled off", "-iex", "set confirm off", elf,
                            "-x", GDB_SCRIPT, "-ex", f"target remote {stub}", "-ex", "thbreak entry", "-ex", "continue"])
    finally:
        emulators.stop(machine)
        serial.remove_link()


def main():
    emulator, directory, elf, memory = sys.argv[1:5]
    cpu = sys.argv[5] if len(sys.argv) > 5 else ""
    if emulator == "bochs":
        status = debug_bochs(directory, elf, int(memory), cpu)
    else:
        status = debug_qemu(directory, elf, int(memory), cpu, emulator == "kvm")
    sys.exit(status)


if __name__ == "__main__":
    main()
