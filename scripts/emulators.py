# SPDX-License-Identifier: MIT
"""What Plinth's scripts and tests know about the emulators: their command lines and how they end.

Run as a program it boots one image and gives the terminal to the guest; scripts/run does that:
    emulators.py qemu|kvm|bochs IMAGE MEGABYTES BUILD [CPU]
    emulators.py models EMULATOR		the processors that it can be
"""
import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import time
import tty

# QEMU's software emulation has AMD-V with nested paging in this model; check=off silences its list of the
# features it cannot emulate.
QEMU_CPU = "EPYC,check=off"
# The AMD-V of a current processor.
BOCHS_CPU = "ryzen"
OVMF = ("/usr/share/ovmf/OVMF.fd", "/usr/share/qemu/OVMF.fd")
SEABIOS = ("/usr/share/seabios/bios-256k.bin", "/usr/share/qemu/bios-256k.bin")
DEBUG_EXIT_PORT = 0xF4

# The guest's TSC frequency under Bochs is the ips; a fast one only makes the guest wait longer for time to pass.
BOCHS_IPS_TEST = 20_000_000
BOCHS_IPS_INTERACTIVE = 50_000_000
BOCHS_TIME0 = 946681200


def ovmf():
    """The UEFI firmware, or None."""
    return next((path for path in OVMF if os.path.exists(path)), None)


def seabios():
    """The BIOS of 256 KiB, or None."""
    return next((path for path in SEABIOS if os.path.exists(path)), None)


def bochs_program():
    """The emulator itself: Debian's `bochs` is a wrapper that changes settings."""
    for directory in os.environ["PATH"].split(":"):
        for name in ("bochs-bin", "bochs"):
            if os.access(os.path.join(directory, name), os.X_OK):
                return os.path.join(directory, name)
    return None


def models(emulator):
    """The names of the processors that an emulator can be."""
    if emulator == "bochs":
        # It lists them on the standard output, and its own doings on both; they hold blanks.
        done = subprocess.run([bochs_program(), "--help", "cpu"], stdin=subprocess.DEVNULL, capture_output=True, text=True)
        return re.findall(r"^\w+$", done.stdout + done.stderr, re.MULTILINE)
    done = subprocess.run(["qemu-system-x86_64", "-cpu", "help"], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    return re.findall(r"^x86 (\S+)", done.stdout, re.MULTILINE)


def qemu(memory=512, cpu=None, machine="pc", cdrom=None, kernel=None, append="", modules=(),
         firmware=None, kvm=False, serial=("-serial", "stdio"), debug_exit=False, extra=()):
    """The argument list of a headless QEMU. `modules`: (file, command line) pairs for -kernel."""
    args = ["qemu-system-x86_64", "-nodefaults", "-display", "none", "-vga", "std",
            "-machine", machine, "-cpu", cpu or ("host" if kvm else QEMU_CPU), "-m", str(memory), *serial]
    # -machine accel= would not know a fallback; the choice is scripts/run's.
    args += ["-accel", "kvm" if kvm else "tcg"]
    if cdrom:
        args += ["-cdrom", cdrom, "-boot", "d"]
    if kernel:
        args += ["-kernel", kernel, "-append", append]
    if modules:
        # A comma separates modules; a doubled one is a comma.
        args += ["-initrd", ",".join(f"{file} {line}".strip().replace(",", ",,") for file, line in modules)]
    if firmware:
        args += ["-bios", firmware]
    if debug_exit:
        args += ["-device", f"isa-debug-exit,iobase={DEBUG_EXIT_PORT:#x},iosize=4"]
    return args + list(extra)


def bochs_configuration(image, log, com1, model=BOCHS_CPU, memory=512, interactive=False, extra=(), errors=False):
    """The text of a bochsrc. `com1`: what follows `com1: enabled=1,`; `extra`: lines. With errors Bochs says why it refuses something."""
    ips, sync = (BOCHS_IPS_INTERACTIVE, "slowdown") if interactive else (BOCHS_IPS_TEST, "none")
    time0 = "utc" if interactive else BOCHS_TIME0
    return f"""config_interface: textconfig
display_library: term
romimage: file=/usr/share/bochs/BIOS-bochs-latest
vgaromimage: file=/usr/share/vgabios/vgabios.bin
memory: guest={memory}, host={min(memory, 2048)}
cpu: model={model}, count=1, ips={ips}, reset_on_triple_fault=0
clock: sync={sync}, time0={time0}
ata0-master: type=cdrom, path={image}, status=inserted
boot: cdrom
com1: enabled=1, {com1}
log: {log}
panic: action=fatal
error: action={'report' if errors else 'ignore'}
info: action=report
debug: action=ignore
mouse: enabled=0
speaker: enabled=0
sound: driver=dummy
port_e9_hack: enabled=1
""" + "".join(line + "\n" for line in extra)


# What Bochs' log says of its end, and how this is called here. Its exit status is 1 for all of them.
BOCHS_ENDS = (
    ("ACPI control: soft power off", "power-off"),
    ("Shutdown port: shutdown requested", "shutdown port"),
    ("exception with no resolution", "triple fault"),
)


def bochs_end(log):
    """'power-off', 'shutdown port', 'triple fault', or the last complaint in the log."""
    try:
        with open(log, errors="replace") as file:
            text = file.read()
    except OSError:
        return "no log"
    for mark, name in BOCHS_ENDS:
        if mark in text:
            return name
    complaints = re.findall(r"^\d+[pe]\[.*$|^.*PANIC.*$", text, re.MULTILINE)
    return complaints[-1].strip() if complaints else "ended"


def bochs_command(configuration, commands, script=("c",)):
    """Debian's build has the debugger always on: `commands` is the file for what it is told."""
    with open(commands, "w") as file:
        file.writelines(line + "\n" for line in (*script, "quit"))
    return [bochs_program(), "-q", "-f", configuration, "-rc", commands]


def bochs_environment():
    """The terminal it draws the screen on is /dev/null, but must have a name."""
    return dict(os.environ, TERM="vt100")


def stop(process):
    """Ends an emulator and all that it started (it leads its own process group)."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        if process.poll() is not None:
            return
        try:
            os.killpg(process.pid, number)
            process.wait(3)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            pass


# --- one image in the foreground -------------------------------------------------------------------

ESCAPE = 0x01  # Ctrl-A, as in QEMU
END_OF_FILE = b"\x04"
# A 16-byte FIFO and a guest that is not always listening: one character at a time.
TYPING_DELAY = 0.01
TERMINAL_SEQUENCES = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]")
PROMPT = re.compile(os.environ.get("PROMPT", r"plinth# |(?:^|[\r\n])[^\r\n]*[#$>] $").encode())
PROMPT_TAIL = 400


class Relay:
    """Joins our standard input and output to the serial port of a machine.

    From a terminal each key is sent on, and Ctrl-A X ends the machine. From a file or pipe a line is sent
    at each prompt (the last thing printed ends in "# ", "$ " or "> ", or matches PROMPT), then Ctrl-D,
    which ends a shell.
    """

    def __init__(self, process, source, sink):
        self.process, self.source, self.sink = process, source, sink
        self.terminal = os.isatty(0)
        self.typed = bytearray()
        self.tail = b""
        self.next_key = 0.0
        self.escaped = False
        self.input_open = True

    def keys(self):
        data = os.read(0, 256)
        if not data:
            self.input_open = False
        for byte in data:
            if self.escaped:
                self.escaped = False
                if byte in b"xX":
                    stop(self.process)
                    return
                if byte != ESCAPE:
                    continue
            elif byte == ESCAPE:
                self.escaped = True
                continue
            self.typed.append(byte)

    def answer_prompt(self):
        plain = TERMINAL_SEQUENCES.sub(b"", self.tail)
        if self.typed or not PROMPT.search(plain):
            return
        self.tail = b""
        line = sys.stdin.buffer.readline()
        self.typed += line.rstrip(b"\r\n") + b"\r" if line else END_OF_FILE

    def output(self):
        try:
            data = os.read(self.source, 4096)
        except OSError:
            data = b""
        if data:
            os.write(1, data)
            self.tail = (self.tail + data)[-PROMPT_TAIL:]
        return bool(data)

    def run(self):
        while True:
            ended = self.process.poll() is not None
            watched = [self.source] + ([0] if self.terminal and self.input_open else [])
            ready, _, _ = select.select(watched, [], [], TYPING_DELAY if self.typed else 0.2)
            if self.source in ready and not self.output():
                break
            if ended and self.source not in ready:
                break
            if 0 in ready:
                self.keys()
            if not self.terminal and not ready:
                self.answer_prompt()
            if self.typed and time.monotonic() >= self.next_key:
                self.next_key = time.monotonic() + TYPING_DELAY
                try:
                    os.write(self.sink, self.typed[:1])
                except OSError:
                    break
                del self.typed[:1]
        return self.process.wait()


def foreground_arguments(image, memory, kvm, terminal, cpu=None):
    """The argument list of a QEMU in the foreground, at a terminal or not; Ctrl-C goes to the guest."""
    if terminal:
        serial = ("-chardev", "stdio,id=com1,mux=on,signal=off", "-serial", "chardev:com1", "-mon", "chardev=com1")
    else:
        serial = ("-chardev", "stdio,id=com1,signal=off", "-serial", "chardev:com1")
    return qemu(memory, cpu, cdrom=image, kvm=kvm, serial=serial)


def foreground_qemu(image, memory, kvm, cpu):
    """QEMU with our terminal."""
    if os.isatty(0):
        return subprocess.Popen(foreground_arguments(image, memory, kvm, True, cpu)).wait()
    process = subprocess.Popen(foreground_arguments(image, memory, kvm, False, cpu), stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, start_new_session=True)
    return guarded(process, process.stdout.fileno(), process.stdin.fileno())


def foreground_bochs(image, memory, build, cpu):
    """Bochs with its serial port on a pseudo terminal. 0 when the machine was powered off."""
    directory = os.path.join(build, "run")
    os.makedirs(directory, exist_ok=True)
    configuration, log = (os.path.join(directory, name) for name in ("bochsrc", "bochs.log"))
    master, slave = pty.openpty()
    tty.setraw(slave)
    with open(configuration, "w") as file:
        file.write(bochs_configuration(image, log, f"mode=term, dev={os.ttyname(slave)}", cpu or BOCHS_CPU, memory,
                                         interactive=True))
    with open(os.path.join(directory, "bochs.out"), "w") as out:
        process = subprocess.Popen(bochs_command(configuration, os.path.join(directory, "bochs.commands")),
                                   stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=bochs_environment(),
                                   start_new_session=True)
    saved = termios.tcgetattr(0) if os.isatty(0) else None
    if saved:
        tty.setraw(0)
    try:
        guarded(process, master, master)
    finally:
        if saved:
            termios.tcsetattr(0, termios.TCSADRAIN, saved)
    end = bochs_end(log)
    print(f"bochs: {end}", file=sys.stderr)
    return 0 if end in ("power-off", "shutdown port") else 1


def guarded(process, source, sink):
    """Relays until the end; takes the machine along when we are ended."""
    def ended_by_signal(number, _frame):
        stop(process)
        sys.exit(128 + number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, ended_by_signal)
    try:
        return Relay(process, source, sink).run()
    finally:
        stop(process)


def main():
    if sys.argv[1] == "models":
        print("\n".join(models(sys.argv[2])))
        return
    emulator, image, memory, build = sys.argv[1:5]
    cpu = sys.argv[5] if len(sys.argv) > 5 else ""
    if emulator == "bochs":
        status = foreground_bochs(image, int(memory), build, cpu)
    else:
        status = foreground_qemu(image, int(memory), emulator == "kvm", cpu)
    sys.exit(status if status >= 0 else 128 - status)


if __name__ == "__main__":
    main()
