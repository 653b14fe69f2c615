# SPDX-License-Identifier: MIT
"""VT-x, which of our emulators only Bochs has: full, with virtual APIC features, and the minimum; and what must be refused."""
import plinth

MODELS = {
    "full": "corei7_skylake_x",
    "apicv": "corei7_haswell_4770",
    "minimum": "corei7_sandy_bridge_2600k",
}
REFUSED = {
    "corei5_lynnfield_750": "unrestricted guest",
    "core2_penryn_t9600": "EPT",
    "turion64_tyler": "nested paging",
}
# What makes Linux bearable at some tens of MIPS; the clock of the emulator is the instruction count.
LINUX = "console=ttyS0 quiet nokaslr mitigations=off tsc=reliable cryptomgr.notests"


def demonstration(t, model, banner="VT-x: EPT"):
    iso = plinth.image("vtx-demo", terminal="console", options="reset=poweroff")
    with plinth.Bochs(t.log, iso, model) as machine:
        machine.expect(f"plinth: {banner}", 60)
        machine.expect(r"demo: failures: (\d+)", 60)
        t.check("no failure", machine.port.match[1] == "0")
        machine.expect(r"demo: done", 30)
        t.check("powers off", machine.end(30) == "power-off")


def test_demonstration_full(t):
    demonstration(t, MODELS["full"])


def test_demonstration_apicv(t):
    demonstration(t, MODELS["apicv"])


def test_demonstration_minimum(t):
    demonstration(t, MODELS["minimum"])


def test_refused(t):
    iso = plinth.image("vtx-demo", terminal="console", options="reset=poweroff")
    for model, name in REFUSED.items():
        with plinth.Bochs(f"{t.log}-{model}", iso, model) as machine:
            machine.expect(rf"plinth: [^\n]*{name}[^\n]*\n", 60)
            machine.drain(2)
            t.check(f"{model}: one line names what is missing, and no guest starts",
                    "demo:" not in machine.text() and "PANIC" not in machine.text())


def linux(t, model):
    iso = plinth.image("vtx-linux", plinth.linux(LINUX), options="reset=poweroff", terminal="console")
    with plinth.Bochs(t.log, iso, model, memory=512) as machine:
        machine.expect(r"plinth-guest: init", 240)
        machine.expect(plinth.PROMPT, 120)
        t.check("uname", "x86_64" in machine.command("uname -m", 60))
        t.check("the processor is a guest's", "hypervisor" in machine.command("grep -o -m1 hypervisor /proc/cpuinfo", 60))
        machine.type("poweroff -f\r")
        t.check("poweroff -f ends the machine", machine.end(60) == "power-off")


def test_linux_full(t):
    linux(t, MODELS["full"])


def test_linux_minimum(t):
    linux(t, MODELS["minimum"])


def test_linux_apicv(t):
    linux(t, MODELS["apicv"])
