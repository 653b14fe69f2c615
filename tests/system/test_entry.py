# SPDX-License-Identifier: MIT
"""The debug build (make DEBUG=1): checks before each entry into the guest find nothing wrong in what runs, and agree with the processor
about entries that are broken on purpose (svm/debug_entry.c, vmx/debug_entry.c)."""
import os
import re
import subprocess
import threading

import guests
import plinth

PLINTH = os.path.join(plinth.BUILD, "debug", "plinth.elf")
SVM_MODEL, VMX_MODEL = "ryzen", "corei7_skylake_x"
GUESTS = ("traps", "cr", "paging", "lapic")
build_lock = threading.Lock()

# What a processor answers, by the section of the rule: SDM vol. 3 27.2 and 27.8.
VERDICT = (
    (r"27\.2\.1\.", r"VM-instruction error 7$"),
    (r"27\.2\.[234]", r"VM-instruction error 8$"),
    (r"27\.3\.1\.[1-4]", r"entry failure, reason 33, qualification 0$"),
    (r"27\.3\.1\.5", r"entry failure, reason 33, qualification [04]$"),
    (r"27\.3\.1\.6", r"entry failure, reason 33, qualification 2$"),
    (r"15\.", r"VMEXIT_INVALID$"),
)

# Where an emulator lets through what the manual refuses. A case with a minus is not even tried there: it ends the emulator.
DEVIATIONS = {
    "qemu": {"ncr3": "QEMU does not check the nested CR3", "pat": "QEMU does not check G_PAT"},
    SVM_MODEL: {"-cr3": "Bochs does not check CR3, and takes the guest's shutdown for its own",
                "-lme-without-pe": "Bochs does not check CR0.PE, and panics"},
    VMX_MODEL: {"nmi-blocked": "Bochs injects an NMI whose virtual blocking is on"},
}

# Bochs' own word for each refusal.
BOCHS_SVM = {
    "efer-svme": r"EFER\.SVME = 0", "cr0-nw-without-cd": r"CR0 is broken", "cr0-high": r"CR0\[63:32\]", "cr4": r"CR4 reserved",
    "cr4-high": r"CR4\[63:32\]", "dr6": r"DR6\[63:32\]", "dr7": r"DR7\[63:32\]", "efer-reserved": r"EFER reserved",
    "efer-high": r"EFER\[63:32\]", "lme-without-pae": r"CR4 is broken", "cs-l-and-d": r"CS\.D_B/L", "vmrun-intercept": r"intercept bit",
    "iopm": r"IOPM", "msrpm": r"MSRPM", "asid-zero": r"ASID", "event-type": r"injection type 1", "event-vector": r"vector 32",
    "event-nmi-vector": r"vector 2 ", "ncr3": r"NCR3", "pat": r"PAT_MSR",
}
BOCHS_VMX = {
    "pin-reserved": r"pin-based.*1-settings", "proc-reserved": r"proc-based.*1-settings", "proc2-reserved": r"secondary.*1-settings",
    "cr3-targets": r"CR3 targets 5", "io-bitmap": r"I/O bitmap A", "msr-bitmap": r"MSR bitmap", "vapic": r"virtual apic phy addr",
    "tpr-threshold-reserved": r"TPR threshold too big", "tpr-threshold-high": r"TPR threshold > TPR shadow",
    "virtual-nmis-alone": r"virtual NMI", "nmi-window-alone": r"virtual NMI", "virtual-apic-alone": r"without TPR shadow",
    "x2apic-with-accesses": r"X2APIC mode", "virtual-interrupts-alone": r"external interrupt exiting", "vpid-zero": r"VPID == 0",
    "eptp-type": r"EPTPTR", "eptp-levels": r"EPTPTR", "eptp-reserved": r"EPTPTR", "pml-without-ept": r"PML is enabled without EPT",
    "unrestricted-without-ept": r"unrestricted guest without EPT", "exit-reserved": r"vmexit controls.*1-settings",
    "saved-timer-off": r"preemption_timer", "exit-msr-store": r"VMEXIT CTRL: msr store", "exit-msr-load": r"VMEXIT CTRL: msr load",
    "entry-reserved": r"vmentry controls.*1-settings", "event-type": r"event type 1", "event-nmi-vector": r"vector 3",
    "event-exception-vector": r"vector 32", "event-error-code-missing": r"vector 13 broken error code",
    "event-error-code-extra": r"vector 6 broken error code", "event-reserved": r"interruption info", "error-code-reserved": r"bad error code 0x00010000",
    "event-insn-length": r"instr length", "entry-msr-load": r"VMENTRY CTRL: msr load", "entry-dual-monitor": r"dual-monitor",
    "host-cr0": r"host.*CR0", "host-cr3": r"host.*CR3", "host-cr4": r"host.*CR4", "host-sysenter": r"host SYSENTER_EIP", "host-pat": r"host MSR_PAT",
    "host-efer-reserved": r"host EFER reserved", "host-efer-mode": r"host EFER.*inconsistent", "host-selector": r"host segreg 3",
    "host-cs-null": r"host CS selector 0", "host-tr-null": r"host TR", "host-base": r"host FS BASE", "host-size": r"x86-64 host control",
    "host-pae": r"CR4\.PAE=0 with x86-64 host", "host-rip": r"host RIP", "cr0": r"guest invalid CR0", "cr0-pg-without-pe": r"CR0\.PG without CR0\.PE",
    "cr4": r"guest invalid CR4", "ia32e-without-pae": r"CR4\.PAE=0 in x86-64", "pcide-outside-ia32e": r"PCIDE", "cr3": r"guest invalid CR3",
    "dr7": r"DR7", "sysenter": r"guest SYSENTER_ESP", "pat": r"guest MSR_PAT", "efer-reserved": r"guest EFER reserved", "efer-lma": r"EFER\.LMA",
    "tr-ti": r"TR\.TI", "base-canonical": r"FS\.BASE non canonical", "base-high": r"DS\.BASE > 32", "v86-base": r"v8086 guest bad ES\.BASE",
    "cs-type": r"CS\.TYPE", "ss-type": r"SS\.TYPE", "data-not-accessed": r"DS not ACCESSED", "segment-system": r"ES not segment",
    "segment-absent": r"CS not present", "granularity": r"DS\.AR/LIMIT", "tr-type": r"TR type", "tr-unusable": r"TR invalid",
    "table-base": r"IDTR\.BASE", "table-limit": r"limit > 0xFFFF", "rip-high": r"RIP > 32", "rflags": r"RFLAGS\[1\]",
    "interrupt-if": r"injecting external interrupt", "activity": r"activity state 4", "hlt-cpl": r"HLT state with SS\.DPL=3",
    "inactive-in-shadow": r"non active CPU state", "interruptibility": r"interruptibility state broken", "sti-and-mov-ss": r"interruptibility state broken",
    "sti-without-if": r"EFLAGS\.IF = 0", "smi-blocked": r"SMI blocked", "pending-reserved": r"tmpDR6", "link-pointer": r"link pointer malformed",
    "pdpte": r"PDPTRs",
}
COMPLAINT = re.compile(r"^\d+e\[CPU0 *\] ((?:VMFAIL|VMENTER|VMRUN|SVM: VMRUN|SvmInjectEvents).*)$", re.MULTILINE)


def debug_build():
    with build_lock:
        done = subprocess.run(["make", "-s", f"-j{os.cpu_count()}", "DEBUG=1", f"BUILD={plinth.BUILD}"], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode or not os.path.exists(PLINTH):
        raise plinth.Failed(f"make DEBUG=1: {done.stdout[-1000:]}")


def boot(log, where, options, modules=(), name="", memory=512):
    """The debug build on QEMU or a model of Bochs."""
    debug_build()
    if where == "qemu":
        return plinth.Qemu(log, kernel=PLINTH, append=f"{plinth.DEBUG_EXIT} {options}", modules=modules, memory=memory, extra=("-no-reboot",))
    iso = plinth.image(f"entry-{where}{name}", modules, options, "console", hypervisor=PLINTH)
    return plinth.Bochs(log, iso, where, memory, errors=True)


# --- entries broken on purpose ---------------------------------------------------------------------------


def verdicts(text):
    """{case: (the checker's words, section, the processor's words)} in the order of the run."""
    found = {}
    for case, who, words in re.findall(r"plinth: break-entry (\S+): (check|processor): ([^\r\n]*)", text):
        found.setdefault(case, {})[who] = words
    return {case: (both["check"], (re.search(r"vol\. \d (\S+)\)$", both["check"]) or [None, None])[1], both.get("processor", "nothing"))
            for case, both in found.items()}


def agreed(section, verdict):
    return section and any(re.match(rule, section) and re.match(answer, verdict) for rule, answer in VERDICT)


def compare(t, where, complaints):
    """complaints: Bochs' words by case, or None."""
    deviations = DEVIATIONS[where]
    without = "".join("," + case for case in deviations if case.startswith("-"))
    with boot(t.log, where, f"break-entry=all{without} reset=poweroff", name="-all") as machine:
        machine.expect("break-entry: done", 90)
        machine.expect(r"demo: failures: (\d+)", 60)
        t.check("the guest runs afterwards", machine.port.match[1] == "0")
        machine.expect(r"entry checks: (\d+) entries checked, (\d+) with a violation", 60)
        t.check("later entries are checked and right", int(machine.port.match[1]) > 100 and machine.port.match[2] == "0", machine.port.match[0])
        machine.end(60)
        found = verdicts(machine.text())
    refused = [case for case, (_, _, verdict) in found.items() if not verdict.startswith("enters")]
    for case, (words, section, verdict) in found.items():
        if case not in refused and case in deviations:
            t.result("skip", case, deviations[case])
        else:
            t.check(f"{case}: checker and processor agree", agreed(section, verdict), f"{words}\n{verdict}")
    t.check("at least a dozen rules", len(refused) >= 12, refused)
    if complaints is None:
        return
    with open(machine.bochs_log, errors="replace") as log:
        said = COMPLAINT.findall(log.read())
    t.check("Bochs complains once for each", len(said) == len(refused), f"{len(said)} of {len(refused)}")
    wrong = [f"{case}: {words}" for case, words in zip(refused, said) if not re.search(complaints.get(case, "^$"), words)]
    t.check("Bochs names the same fault", not wrong, "\n".join(wrong))


def test_broken_qemu(t):
    compare(t, "qemu", None)


def test_broken_svm(t):
    compare(t, SVM_MODEL, BOCHS_SVM)


def test_broken_vmx(t):
    compare(t, VMX_MODEL, BOCHS_VMX)


def fails(t, where, case, rule):
    """The first entry fails for good: the check beforehand, the report with the rule, and the end by the reset policy."""
    with boot(f"{t.log}-{where}", where, f"break-entry={case} reset=poweroff", name="-" + case) as machine:
        machine.expect(r"plinth: entry check: " + rule, 60)
        machine.expect(r"plinth: the guest stopped: the processor refused the guest's state", 30)
        machine.expect(r"plinth:   VM entry: " + rule, 30)
        machine.expect(r"entry checks: 1 entries checked, 1 with a violation", 30)
        end = machine.end(60)
    t.check(f"{case} on {where}: reported before and after, and the guest stops", end in (0, "power-off"), end)


def test_failed_entry(t):
    """On AMD-V with faults of the control area: QEMU and Bochs overwrite the state save area as they fail."""
    fails(t, "qemu", "asid-zero", r"ASID 0: guest ASID = 0 \(APM vol\. 2 15\.5\.1\)")
    fails(t, "qemu", "event-vector", r"exception with a vector that is none: EVENTINJ = 80000320 \(APM vol\. 2 15\.20\)")
    fails(t, SVM_MODEL, "iopm", r"I/O permission map beyond the physical addresses: IOPM_BASE_PA = 4[0-9a-f]+ \(APM vol\. 2 15\.5\.1\)")
    fails(t, VMX_MODEL, "vpid-zero", r"VPID 0: VPID = 0 \(SDM vol\. 3 27\.2\.1\.1\)")
    fails(t, VMX_MODEL, "rflags", r"reserved bits of RFLAGS: GUEST_RFLAGS = 0 \(SDM vol\. 3 27\.3\.1\.4\)")


def test_failed_entry_restarts(t):
    """The default policy starts the guest again, and nothing of the failed entry is left."""
    for where, case in (("qemu", "cr4"), (VMX_MODEL, "host-cr3"), (VMX_MODEL, "cs-type")):
        with boot(f"{t.log}-{where}", where, f"break-entry={case}", name="-again-" + case) as machine:
            machine.expect("the processor refused the guest's state", 60)
            machine.expect("the guest restarts", 30)
            machine.expect(r"demo: failures: (\d+)", 60)
            t.check(f"{case} on {where}: runs after a restart", machine.port.match[1] == "0")


# --- no false alarm --------------------------------------------------------------------------------------


def silent(t, what, text, least):
    counts = re.search(r"entry checks: (\d+) entries checked, (\d+) with a violation", text)
    t.check(f"{what}: at least {least} entries were checked", counts and int(counts[1]) >= least, counts[0] if counts else text[-500:])
    t.check(f"{what}: no violation", counts and counts[2] == "0" and "entry check:" not in text, text[-1000:])


def run_guests(t, where):
    for name in GUESTS:
        elf = guests.elf_of(name)
        if plinth.make(elf, [elf]):
            raise plinth.does_not_build(elf, f"make {elf}")
        options = "reset=poweroff" if where == "qemu" else f"{plinth.DEBUG_EXIT} reset=poweroff"
        with boot(f"{t.log}-{name}", where, options, [(elf, "" if where == "qemu" else "emulator=bochs")],
                  "-" + name) as machine:
            tap, _ = plinth.run_tap(machine, 180)
            machine.drain(2)
            t.check(f"{name}: runs to its end", tap.complete() and tap.results, machine.tail())
            silent(t, name, machine.text(), 50)


def test_silent_guests_qemu(t):
    run_guests(t, "qemu")


def test_silent_guests_svm(t):
    run_guests(t, SVM_MODEL)


def test_silent_guests_vmx(t):
    run_guests(t, VMX_MODEL)


def test_silent_linux(t):
    with boot(t.log, "qemu", "reset=poweroff", plinth.linux(), memory=512) as machine:
        machine.expect(plinth.PROMPT, 120)
        machine.command("cat /proc/interrupts")
        machine.type("poweroff -f\r")
        machine.end(60)
        silent(t, "Linux", machine.text(), 10000)


test_silent_linux.seconds = 30
test_silent_guests_vmx.seconds = test_silent_guests_svm.seconds = 60


def test_release(t):
    """None of it is in the other build."""
    with open(plinth.PLINTH, "rb") as file:
        image = file.read()
    t.check("the release image cannot break entries", b"break-entry" not in image and b"entry checks" not in image)
