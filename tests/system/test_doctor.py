# SPDX-License-Identifier: MIT
"""scripts/doctor: what it concludes from the records in tests/system/doctor, as they are and with one thing changed."""
import os
import re
import shutil
import subprocess

import plinth

RECORDS = "tests/system/doctor"
INTEL, AMD, GUEST, WSL = "intel-hardware", "amd-hardware", "kvm-guest", "wsl"
WAYS = ("kvm", "qemu", "bochs")
SHOWN = r"shown neither vmx nor svm by its host"

# What it is; the record; its `system` facts changed, and words replaced in its other files; the ways that work; what the
# report must say, each a regular expression.
CASES = (
    ("Intel, ready", INTEL, {}, {}, WAYS, ["VT-x \\(vmx\\)", "real hardware", "make run takes kvm", "nested=Y"]),
    ("AMD, ready, an old kernel's spelling", AMD, {}, {}, WAYS, ["AMD-V \\(svm\\)", "nested=1"]),
    ("Intel, nesting off", INTEL, {"kvm_intel nested": "N"}, {}, WAYS[1:],
     ["kvm_intel has no nesting", "virtual machines must be stopped first", r"\$ sudo modprobe -r kvm_intel && sudo modprobe kvm_intel nested=1",
      r"\$ echo options kvm_intel nested=1 \| sudo tee /etc/modprobe.d/", "make run takes qemu"]),
    ("AMD, nesting off in the old spelling, as root", AMD, {"kvm_amd nested": "0", "root": "yes"}, {}, WAYS[1:],
     ["kvm_amd has no nesting", r"\$ modprobe -r kvm_amd && modprobe kvm_amd nested=1", r"nested=1 \| tee /etc/modprobe.d/"]),
    ("nesting off, built in", INTEL, {"kvm_intel": "builtin", "kvm_intel nested": "N"}, {}, WAYS[1:],
     ["built into this kernel", "kvm_intel.nested=1"]),
    ("no nested paging", INTEL, {"kvm_intel ept": "N"}, {}, WAYS[1:], ["without nested paging", "ept=1"]),
    ("AMD without nested paging, the old spelling", AMD, {"kvm_amd npt": "0"}, {}, WAYS[1:], ["without nested paging", "npt=1"]),
    ("the module is not loaded", AMD, {"kvm_amd": "module", "kvm_amd nested": "", "device": "no", "device usable": "no"}, {}, WAYS[1:],
     ["kvm_amd is not loaded", r"\$ sudo modprobe kvm_amd nested=1", "disabled by bios"]),
    ("no module", INTEL, {"kvm_intel": "none", "device": "no"}, {}, WAYS[1:], ["no kvm_intel", "linux-image-amd64"]),
    ("no module on Ubuntu", AMD, {"kvm_amd": "none", "device": "no"}, {}, WAYS[1:], ["linux-image-generic"]),
    ("switched off in the firmware", INTEL, {}, {"vmx": "xmv", "ept": "xpt"}, WAYS[1:],
     ["no vmx or svm", "neither vmx nor svm: it has none, or the firmware", "SVM Mode"]),
    ("no /dev/kvm", INTEL, {"device": "no", "device usable": "no", "device owner": ""}, {}, WAYS[1:], ["there is no /dev/kvm, although"]),
    ("no /dev/kvm in a container", INTEL, {"device": "no", "device usable": "no", "container": "docker"}, {}, WAYS[1:],
     ["in a container \\(docker\\)", "docker run --device /dev/kvm"]),
    ("/dev/kvm for its group only", INTEL, {"device usable": "no", "member of kvm": "no"}, {}, WAYS[1:],
     ["for the group kvm", r"\$ sudo usermod -aG kvm", "log out and in"]),
    ("in the group since this session began", INTEL, {"device usable": "no"}, {}, WAYS[1:], ["older than your being in the group", "newgrp kvm"]),
    ("/dev/kvm for root only", AMD, {"device usable": "no", "device owner": "root:root 600"}, {}, WAYS[1:],
     ["root:root 600", r"chgrp kvm /dev/kvm", "chmod 660 /dev/kvm"]),
    ("two obstacles at once", INTEL, {"kvm_intel nested": "N", "device usable": "no"}, {}, WAYS[1:],
     ["kvm_intel has no nesting", "/dev/kvm may not be used"]),
    ("in a virtual machine of KVM", GUEST, {}, {}, WAYS[1:], [SHOWN, "a virtual machine \\(KVM\\)", "host-passthrough", "nested=1"]),
    ("in a virtual machine that has it, module to load", GUEST, {}, {"hypervisor": "hypervisor vmx"}, WAYS[1:],
     ["kvm_intel is not loaded", r"\$ modprobe kvm_intel nested=1"]),
    ("in VMware", GUEST, {"vendor": "VMware, Inc.", "product": "VMware20,1"}, {}, WAYS[1:], ["\\(VMware\\)", "vhv.enable"]),
    ("in VirtualBox", GUEST, {"vendor": "innotek GmbH", "product": "VirtualBox"}, {}, WAYS[1:], ["VBoxManage modifyvm NAME --nested-hw-virt on"]),
    ("in Hyper-V", GUEST, {"vendor": "Microsoft Corporation", "product": "Virtual Machine"}, {}, WAYS[1:],
     ["\\(Hyper-V\\)", r"-ExposeVirtualizationExtensions \$true"]),
    ("in EC2", GUEST, {"vendor": "Amazon EC2", "product": "m5.large"}, {}, WAYS[1:], ["\\.metal"]),
    ("in Google's cloud", GUEST, {"vendor": "Google", "product": "Google Compute Engine"}, {}, WAYS[1:], ["--enable-nested-virtualization"]),
    ("in an unknown virtual machine", GUEST, {"vendor": "", "product": ""}, {}, WAYS[1:], ["unknown kind", SHOWN]),
    ("WSL, ready", WSL, {}, {}, WAYS, ["Windows Subsystem for Linux"]),
    ("WSL without nesting", WSL, {}, {"vmx": "xmv"}, WAYS[1:], ["nestedVirtualization=true", r"\$ wsl --shutdown"]),
    ("WSL, /dev/kvm forbidden", WSL, {"device usable": "no", "member of kvm": "no"}, {}, WAYS[1:], ["usermod -aG kvm"]),
    ("no packages for QEMU", INTEL, {}, {"packages": "qemu qemu-system-x86\nqemu seabios\n"}, ("bochs",),
     ["missing packages: qemu-system-x86 seabios", r"\$ scripts/setup build image guest qemu", "make run EMU=bochs"]),
    ("no packages at all", AMD, {}, {"packages": "build gcc\nbuild nasm\nimage xorriso\nqemu qemu-system-x86\nbochs bochs\n"}, (),
     ["missing packages: gcc nasm xorriso qemu-system-x86", "gcc nasm xorriso bochs", "No way works yet"]),
    ("packages of the tests", INTEL, {}, {"packages": "test libcmocka-dev\n"}, WAYS, []),
    ("another architecture", GUEST, {"arch": "aarch64"}, {}, (), ["x86-64 machines; this one is aarch64"]),
)


def variant(name, record, facts, words):
    """A copy of a record with changes."""
    directory = os.path.join(plinth.LOGS, "doctor", re.sub(r"\W+", "-", name))
    shutil.rmtree(directory, ignore_errors=True)
    shutil.copytree(os.path.join(RECORDS, record), directory)
    for file in os.listdir(directory):
        path = os.path.join(directory, file)
        with open(path) as source:
            text = source.read()
        if file == "system":
            for key, value in facts.items():
                text, count = re.subn(rf"^{key}:.*$", f"{key}: {value}", text, flags=re.MULTILINE)
                assert count == 1, key
        elif file == "packages":
            text = words.get("packages", text)
        else:
            for old, new in words.items():
                text = re.sub(rf"\b{old}\b", new, text)
        with open(path, "w") as out:
            out.write(text)
    return directory


def doctor(*arguments):
    return subprocess.run(["scripts/doctor", *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_records(t):
    for name, record, facts, words, works, said in CASES:
        directory = variant(name, record, facts, words)
        done = doctor("--recorded", directory)
        found = tuple(way for way in WAYS if re.search(f"^{way} works: ", done.stdout, re.MULTILINE))
        t.check(f"{name}: {', '.join(works) or 'nothing'} works", found == works and not done.stderr, done.stdout + done.stderr)
        t.check(f"{name}: the exit status", done.returncode == (0 if works else 1), done.returncode)
        missing = [words for words in said if not re.search(words, done.stdout)]
        t.check(f"{name}: causes and what mends them", not missing, f"missing: {missing}\n{done.stdout}")
        # Every obstacle comes with what to do, and no way is left without a word.
        blank = [way for way in WAYS if not re.search(rf"^{way} (works|does not work now)", done.stdout, re.MULTILINE)]
        t.check(f"{name}: a verdict for each way", not blank, done.stdout)


def test_works(t):
    """What scripts/run asks: a status and one line; packages do not count, as it installs them."""
    for name, record, facts, words, status in (
            ("ready", INTEL, {}, {"packages": "qemu qemu-system-x86\n"}, 0),
            ("nesting off", AMD, {"kvm_amd nested": "0"}, {}, 1),
            ("hidden", GUEST, {}, {}, 1)):
        done = doctor("--recorded", variant("works-" + name, record, facts, words), "--works", "kvm")
        t.check(f"{name}: status {status}", done.returncode == status, done.returncode)
        lines = done.stderr.splitlines()
        t.check(f"{name}: {'silent' if not status else 'one line'}", len(lines) == status and not done.stdout, done.stderr)


def test_this_machine(t):
    """The probe itself: the record of this machine has every fact, and the verdict on the emulators is right."""
    directory = os.path.join(plinth.LOGS, "doctor", "this-machine")
    t.check("records", doctor("--record", directory).returncode == 0)
    with open(os.path.join(directory, "system")) as file:
        facts = [line.split(":")[0] for line in file]
    with open(os.path.join(RECORDS, INTEL, "system")) as file:
        t.check("has the facts of the other records", facts == [line.split(":")[0] for line in file], facts)
    with open(os.path.join(directory, "cpuinfo")) as file:
        t.check("has the processor's flags", re.search(r"^flags\s*:.* lm ", file.read(), re.MULTILINE))
    done = doctor()
    t.check("a report", re.search("^processor .*\nmachine .*\n/dev/kvm ", done.stdout) and not done.stderr, done.stdout + done.stderr)
    t.check("QEMU works, as the other tests show", "\nqemu works: " in done.stdout, done.stdout)
    t.check("unknown arguments are named", "frob" in doctor("--frob").stderr)
    t.check("unknown ways are named", "vmware" in doctor("--works", "vmware").stderr)
