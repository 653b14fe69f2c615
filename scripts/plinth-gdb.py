# SPDX-License-Identifier: MIT
"""gdb's commands for Plinth; scripts/debug loads them. docs/debugging.md walks through them.

What belongs to Plinth is read by physical addresses: it is identity-mapped, and the processor may be in the guest, with
the guest's page tables, when the machine stops. That goes by a packet of QEMU's stub.
"""
import contextlib
import re
import subprocess
import tempfile

import gdb

ALL_EXITS = "vcpu_handle_exit"
# Functions that get one kind only: stopping there spares gdb a look at every exit.
EXITS_OF = {"port_io": "exit_io", "nested_page_fault": "exit_npf", "cr_access": "exit_cr",
            **{kind: "exit_" + kind for kind in ("cpuid", "rdmsr", "wrmsr", "xsetbv", "hlt", "interrupt", "exception", "hypercall")}}
ENTRIES = ("svm_enter.run", "vmx_enter.launch", "vmx_enter.resume")
INSTRUCTIONS = 4  # shown by `code`
INSTRUCTION_MAX = 15
PAGE = 4096
SEG_CS = 1  # enum segreg
SEG_L, SEG_DB = 1 << 13, 1 << 14  # segment.attr as in the descriptor
CR0_PE, CR0_PG, CR4_PAE, CR4_LA57, EFER_LMA = 1, 1 << 31, 1 << 5, 1 << 12, 1 << 10
PTE_P, PTE_PS, PTE_ADDRESS = 1, 1 << 7, 0x000FFFFFFFFFF000
GENERAL = ("rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", *(f"r{n}" for n in range(8, 16)))


@contextlib.contextmanager
def physical_memory():
    """Inside, gdb's reads are by physical address."""
    def mode(on):
        gdb.execute(f"maintenance packet Qqemu.PhyMemMode:{on:d}", to_string=True)
        gdb.execute("maintenance flush dcache", to_string=True)

    mode(True)
    try:
        yield
    finally:
        mode(False)


def names(enumeration, prefix, exclude=()):
    """Value: lower-case name, of an enum of the image."""
    found = {}
    for field in gdb.lookup_type("enum " + enumeration).fields():
        if field.name.startswith(prefix) and field.name not in exclude:
            found[field.enumval] = field.name[len(prefix):].lower()
    return found


def bits(value, enumeration, prefix):
    """The names of the bits of an enum that are set."""
    table = names(enumeration, prefix)
    return " ".join(name for bit, name in sorted(table.items()) if value & bit) or "none"


def exit_kind(value):
    return names("exit_kind", "EXIT_").get(int(value), f"kind {int(value)}")


def current_vcpu():
    """The vCPU of the boot processor."""
    pointer = gdb.parse_and_eval("boot_cpu.vcpu")
    if not int(pointer):
        raise gdb.GdbError("There is no vCPU yet: `exits`, then `continue`.")
    return pointer.dereference()


def event(value):
    kind = names("event_type", "EVENT_").get(int(value["type"]), "?")
    if kind == "none":
        return kind
    error = f", error {int(value['error']):#x}" if value["has_error"] else ""
    return f"{kind} {int(value['vector']):#x}{error}"


def exit_text(v):
    """One line that says why the guest was left."""
    e = v["exit"]
    kind = exit_kind(e["kind"])
    text = f"exit {kind} (code {int(e['raw']):#x}) at rip {int(v['rip']):#x}"
    if kind == "port_io":
        io = e["io"]
        text += f": {'in' if io['in'] else 'out'} port {int(io['port']):#x}, {int(io['size'])} byte(s)"
        text += ", string" if io["string"] else ""
    elif kind == "nested_page_fault":
        npf = e["npf"]
        text += f": {'write' if npf['write'] else 'fetch' if npf['fetch'] else 'read'} of guest-physical {int(npf['gpa']):#x}"
    elif kind == "cpuid":
        text += f": leaf {int(v['gpr'][0]) & 0xffffffff:#x}"
    elif kind in ("rdmsr", "wrmsr"):
        text += f": MSR {int(v['gpr'][1]) & 0xffffffff:#x}"
    elif kind == "cr_access":
        text += f": CR{int(e['cr']['cr'])}"
    elif kind == "exception":
        text += f": vector {int(e['exception']['vector'])}"
    return text


def vcpu_text(v):
    """A struct vcpu for a person. Register groups that were not read since the exit are marked."""
    gpr = [int(v["gpr"][i]) for i in range(len(GENERAL))]
    available = int(v["reg_avail"])
    stale = names("vcpu_reg", "REG_", ("REG_ALL",))
    lines = [f"vCPU {int(v['id'])} ({v['ops']['name'].string()})"]
    for first in range(0, len(GENERAL), 4):
        lines.append("  " + " ".join(f"{name:3} {value:016x}" for name, value in list(zip(GENERAL, gpr))[first:first + 4]))
    lines.append(f"  rip {int(v['rip']):016x} rflags {int(v['rflags']):x}")
    lines.append(f"  cr0 {int(v['cr0']):x} cr2 {int(v['cr2']):x} cr3 {int(v['cr3']):x} cr4 {int(v['cr4']):x} efer {int(v['efer']):x}")
    lines.append("  last " + exit_text(v) if int(v["trace_next"]) else "  not entered yet")
    lines.append(f"  pending event: {event(v['pending'])}; requests: {bits(int(v['requests']), 'vcpu_request', 'VCPU_REQ_')}; "
                 f"windows: {bits(int(v['windows']), 'vcpu_window', 'WINDOW_')}{'; halted' if v['halted'] else ''}")
    lines.append("  not read since the exit: " + (" ".join(name for bit, name in sorted(stale.items()) if not available & bit) or "nothing"))
    return "\n".join(lines)


class VcpuPrinter:
    """print *v; `print/r` shows all of the structure."""

    def __init__(self, value):
        self.value = value

    def to_string(self):
        return vcpu_text(self.value)


class EventPrinter:
    def __init__(self, value):
        self.value = value

    def to_string(self):
        return event(self.value)


def printer(value):
    if value.type.code != gdb.TYPE_CODE_STRUCT:
        return None
    return {"vcpu": VcpuPrinter, "event": EventPrinter}.get(value.type.tag, lambda _: None)(value)


gdb.pretty_printers.append(printer)


# --- where the processor is ---------------------------------------------------------------------------


def in_plinth():
    """Plinth runs with its own page tables, the guest with the guest's. Before the first vCPU there is no guest."""
    with physical_memory():
        own = int(gdb.parse_and_eval("(unsigned long)paging.root"))
        vcpu = int(gdb.parse_and_eval("(unsigned long)boot_cpu.vcpu"))
    return not vcpu or int(gdb.parse_and_eval("$cr3")) & PTE_ADDRESS == own


def processor():
    """The registers of the processor that tell where it executes. gdb's own lack the segments' descriptors."""
    text = gdb.execute("monitor info registers", to_string=True)
    state = {name: int(gdb.parse_and_eval("$" + name)) for name in ("cr0", "cr3", "cr4", "efer")}
    state["rip"] = int(gdb.parse_and_eval("(unsigned long)$pc"))
    selector, base, _limit, flags = re.search(r"^CS =(\w+) (\w+) (\w+) (\w+)", text, re.MULTILINE).groups()
    # As the descriptor has them, without the limit's bits between.
    state.update(base=int(base, 16), attr=int(flags, 16) >> 8 & 0xF0FF, cs=int(selector, 16))
    return state


def call(function, *arguments):
    """Calls a function of the image with the vCPU: in between, all is as it was."""
    if not in_plinth():
        raise gdb.GdbError("The guest runs: not before the next exit (`exits`, `continue`).")
    current_vcpu()
    gdb.execute(f"call (void){function}({', '.join(('boot_cpu.vcpu', *arguments))})", to_string=True)


# --- the guest's memory -------------------------------------------------------------------------------


class GuestMemory:
    """The guest's linear memory through its page tables and Plinth's guest-physical map. Use inside physical_memory()."""

    def __init__(self, vcpu, cr0, cr3, cr4, efer):
        gpmap = vcpu["vm"]["gpmap"]
        self.extents = [(int(e["gpa"]), int(e["hpa"]), int(e["len"])) for e in (gpmap["extent"][i] for i in range(int(gpmap["n"])))]
        self.cr0, self.cr3, self.cr4, self.efer = cr0, cr3, cr4, efer

    def host(self, gpa):
        for start, host, length in self.extents:
            if start <= gpa < start + length:
                return host + gpa - start
        raise gdb.GdbError(f"guest-physical {gpa:#x} is no memory")

    def translate(self, linear):
        """Guest-physical address: SDM vol. 3 4.3 to 4.5, APM vol. 2 5.2, 5.3."""
        if not self.cr0 & CR0_PG:
            return linear & 0xFFFFFFFF
        if not self.cr4 & CR4_PAE:
            return self.walk(linear, levels=2, index_bits=10, entry_size=4)
        levels = 3 if not self.efer & EFER_LMA else 5 if self.cr4 & CR4_LA57 else 4
        return self.walk(linear, levels, index_bits=9, entry_size=8)

    def walk(self, linear, levels, index_bits, entry_size):
        table = self.cr3 & (PTE_ADDRESS if levels != 3 else PTE_ADDRESS | 0xFE0)
        for level in reversed(range(levels)):
            shift = 12 + index_bits * level
            index = linear >> shift & (1 << index_bits) - 1
            raw = gdb.selected_inferior().read_memory(self.host(table + index * entry_size), entry_size)
            entry = int.from_bytes(bytes(raw), "little")
            if not entry & PTE_P:
                raise gdb.GdbError(f"linear {linear:#x} is not mapped by the guest's page tables")
            table = entry & PTE_ADDRESS & -1 << 12
            if level == 0 or (entry & PTE_PS and level < 3):
                return table & -1 << shift | linear & (1 << shift) - 1
        raise AssertionError("the last level returns")

    def read(self, linear, length):
        """Up to the first byte that is not there."""
        data = b""
        while len(data) < length:
            here = linear + len(data)
            part = min(length - len(data), PAGE - here % PAGE)
            try:
                data += bytes(gdb.selected_inferior().read_memory(self.host(self.translate(here)), part))
            except gdb.GdbError:
                if not data:
                    raise
                break
        return data


def disassemble(data, address, code_bits):
    """By objdump: gdb has one architecture for the whole machine."""
    machine = {64: ["-mi386:x86-64"], 32: ["-mi386"], 16: ["-mi386", "-Mi8086"]}[code_bits]
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        done = subprocess.run(["objdump", "-w", "-D", "-b", "binary", *machine, "-Mintel", f"--adjust-vma={address:#x}", file.name],
                              capture_output=True, text=True)
    lines = [line for line in done.stdout.splitlines() if re.match(r" *[0-9a-f]+:\t", line)]
    return "\n".join(lines[:INSTRUCTIONS])


class Command(gdb.Command):
    """A command whose documentation is the class's."""

    def __init_subclass__(cls, name):
        cls.name = name

    def __init__(self, kind=gdb.COMMAND_USER):
        super().__init__(self.name, kind)


class Plinth(Command, name="plinth"):
    """Plinth: commands made for it.

exits [KIND|off]  stop at each exit from the guest, or at those of one kind (exits cpuid); off ends that
into              go on to the next entry and stop at the guest's first instruction
vcpu              the virtual processor: registers, last exit, what is pending (print *v does the same)
trace             the last exits, newest last
code              the guest's next instructions
control           the control structure: VMCB, or VMCS
report            have the image print its whole report on COM1"""

    def invoke(self, _argument, _from_tty):
        gdb.execute("help plinth")


class ExitBreakpoint(gdb.Breakpoint):
    """Every exit of every backend comes to one function."""

    def __init__(self, kind, value):
        super().__init__(EXITS_OF.get(kind, ALL_EXITS), type=gdb.BP_HARDWARE_BREAKPOINT)
        self.kind = value

    def stop(self):
        v = gdb.parse_and_eval("(struct vcpu *)$rdi").dereference()
        if self.kind is not None and int(v["exit"]["kind"]) != self.kind:
            return False
        gdb.write(exit_text(v) + "\n")
        return True


class Exits(Command, name="exits"):
    """Stop at each exit from the guest: exits [KIND|off].
KIND is a name of enum exit_kind without EXIT_, such as cpuid or port_io."""

    breakpoint = None

    def invoke(self, argument, _from_tty):
        kinds = {name: value for value, name in names("exit_kind", "EXIT_").items()}
        kind = argument.lower()
        if kind not in ("", "off", *kinds):
            raise gdb.GdbError(f"No such kind: {argument} ({' '.join(kinds)})")
        if Exits.breakpoint and Exits.breakpoint.is_valid():
            Exits.breakpoint.delete()
        Exits.breakpoint = None if kind == "off" else ExitBreakpoint(kind, kinds.get(kind))

    def complete(self, text, _word):
        return [name for name in names("exit_kind", "EXIT_").values() if name.startswith(text)]


class Into(Command, name="into"):
    """Go on to the next entry and stop at the guest's first instruction.
Stops earlier where a breakpoint is on the way."""

    def invoke(self, _argument, _from_tty):
        doors = {int(gdb.parse_and_eval(f"(unsigned long)&'{name}'")) for name in ENTRIES}
        if self.pc() not in doors:
            stops = [gdb.Breakpoint(f"*{door:#x}", type=gdb.BP_HARDWARE_BREAKPOINT, internal=True) for door in doors]
            try:
                self.quietly("continue")
            finally:
                for stop in stops:
                    stop.delete()
        if self.pc() not in doors:
            gdb.execute("frame")
            return
        self.quietly("stepi")
        if in_plinth():
            gdb.write("Back in Plinth at once: an event was waiting, or the entry was refused. The next exit tells.\n")
            gdb.execute("frame")
            return
        gdb.write("In the guest:\n")
        gdb.execute("code")

    @staticmethod
    def pc():
        return int(gdb.parse_and_eval("(unsigned long)$pc"))

    @staticmethod
    def quietly(command):
        """gdb would name Plinth's function at the guest's address."""
        with contextlib.suppress(gdb.error):  # before gdb 12
            gdb.execute("set suppress-cli-notifications on")
        try:
            gdb.execute(command, to_string=True)
        finally:
            with contextlib.suppress(gdb.error):
                gdb.execute("set suppress-cli-notifications off")


class Vcpu(Command, name="vcpu"):
    """The virtual processor: registers, last exit, what is pending."""

    def invoke(self, _argument, _from_tty):
        with physical_memory():
            gdb.write(vcpu_text(current_vcpu()) + "\n")


class Trace(Command, name="trace"):
    """The last exits, newest last."""

    def invoke(self, _argument, _from_tty):
        with physical_memory():
            v = current_vcpu()
            size, following = v["trace"].type.range()[1] + 1, int(v["trace_next"])
            for i in range(max(0, following - size), following):
                t = v["trace"][i % size]
                gdb.write(f"  rip {int(t['rip']):016x} {exit_kind(t['kind'])} ({int(t['raw']):#x}) info {int(t['info']):#x}\n")


class Code(Command, name="code"):
    """The guest's next instructions, wherever the machine has stopped."""

    def invoke(self, _argument, _from_tty):
        outside = in_plinth()
        if outside:
            call("vcpu_load", f"{ALL_REGISTERS:#x} & ~boot_cpu.vcpu->reg_avail")
        else:
            state = processor()
        with physical_memory():
            v = current_vcpu()
            if outside:
                cs = v["seg"][SEG_CS]
                state = {name: int(v[name]) for name in ("cr0", "cr3", "cr4", "efer", "rip")}
                state.update(base=int(cs["base"]), attr=int(cs["attr"]))
            long_mode = state["efer"] & EFER_LMA and state["attr"] & SEG_L
            memory = GuestMemory(v, state["cr0"], state["cr3"], state["cr4"], state["efer"])
            linear = state["rip"] + (0 if long_mode else state["base"])
            data = memory.read(linear, INSTRUCTIONS * INSTRUCTION_MAX)
        gdb.write(disassemble(data, state["rip"], 64 if long_mode else 32 if state["attr"] & SEG_DB else 16) + "\n")


class Control(Command, name="control"):
    """The control structure: the VMCB as it lies in memory; the VMCS by VMREADs of the image, on COM1."""

    def invoke(self, _argument, _from_tty):
        with physical_memory():
            v = current_vcpu()
            if v["ops"]["name"].string() == "AMD-V":
                vmcb = v["svm"]["vmcb"]
                gdb.write(f"VMCB at {int(vmcb):#x} (fields not listed are 0):\n")
                self.fields(vmcb.dereference())
                return
        call("boot_cpu.vcpu->ops->dump")

    @staticmethod
    def fields(vmcb):
        for field in vmcb.type.fields():
            value = vmcb[field.name]
            if field.name.startswith("reserved"):
                continue
            if value.type.strip_typedefs().code == gdb.TYPE_CODE_STRUCT:
                gdb.write(f"  {field.bitpos // 8:03x} {field.name:22} {int(value['selector']):04x} base {int(value['base']):x} "
                          f"limit {int(value['limit']):x} attrib {int(value['attrib']):x}\n")
            elif value.type.strip_typedefs().code == gdb.TYPE_CODE_ARRAY:
                data = bytes(gdb.selected_inferior().read_memory(value.address, value.type.sizeof))
                if any(data):
                    gdb.write(f"  {field.bitpos // 8:03x} {field.name:22} {data.hex(' ')}\n")
            elif int(value):
                gdb.write(f"  {field.bitpos // 8:03x} {field.name:22} {int(value):x}\n")


class Report(Command, name="report"):
    """Have the image print its whole report on COM1, as after a guest's crash."""

    def invoke(self, _argument, _from_tty):
        call("vcpu_dump")
        gdb.write("The report is on COM1.\n")


ALL_REGISTERS = sum(names("vcpu_reg", "REG_", ("REG_ALL",)))
for command in (Exits, Into, Vcpu, Trace, Code, Control, Report):
    command()
Plinth(gdb.COMMAND_USER)
gdb.execute("set code-cache off")
gdb.execute("set stack-cache off")
gdb.execute("set print pretty on")
gdb.execute("set disassembly-flavor intel")
