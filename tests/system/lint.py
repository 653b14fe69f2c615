# SPDX-License-Identifier: MIT
"""Checks of the sources themselves: format, compilers' and checkers' warnings, rules of the tree."""
import os
import re
import shutil
import subprocess

import plinth
import record

SOURCE_ROOMS = ("boot", "arch", "vmx", "svm", "mm", "dev", "debug", "include", "tests", "scripts")
# Other releases of it format differently.
CLANG_FORMAT_VERSION = 14
IMAGE_LIMIT = 512 * 1024
FILE_LIMIT = 800
FORBIDDEN = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b")


def files(*endings):
    found = []
    for room in SOURCE_ROOMS:
        for directory, _, names in os.walk(room):
            found += [os.path.join(directory, name) for name in names if name.endswith(endings)]
    return sorted(found)


def shell_scripts():
    found = []
    for directory in ("scripts", ".ci", "tests/linux", "tests/system"):
        for name in sorted(os.listdir(directory)) if os.path.isdir(directory) else ():
            path = os.path.join(directory, name)
            if not os.path.isfile(path):
                continue
            with open(path, "rb") as file:
                first = file.readline()
            if path.endswith(".sh") or (first.startswith(b"#!") and b"sh" in first):
                found.append(path)
    return found


def need(tool):
    if not shutil.which(tool):
        raise plinth.Skip(f"no {tool} here")
    return tool


def run(t, what, command):
    """One result: the command is silent about faults and ends with 0."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    t.check(what, done.returncode == 0, done.stdout.decode(errors="replace"))


def clang_format(t):
    tool = shutil.which(f"clang-format-{CLANG_FORMAT_VERSION}") or need("clang-format")
    version = subprocess.run([tool, "--version"], capture_output=True, text=True).stdout
    found = re.search(r"version (\d+)", version)
    if not found or int(found[1]) != CLANG_FORMAT_VERSION:
        raise plinth.Skip(f"clang-format {CLANG_FORMAT_VERSION} is needed, not {version.strip()}")
    run(t, "the C sources are formatted", [tool, "--dry-run", "-Werror", *files(".c", ".h")])


def shellcheck(t):
    run(t, "no complaints", [need("shellcheck"), "-x", *shell_scripts()])


def gcc(t):
    run(t, "builds without a warning", ["make", "-s", "-k", "all"])
    run(t, "the debug build too", ["make", "-s", "-k", "DEBUG=1", "all"])


def clang(t):
    """The objects, and a link of them: nothing that only gcc accepts."""
    need("clang")
    run(t, "builds without a warning", ["make", "-s", "-k", f"BUILD={plinth.BUILD}/clang", "CC=clang", "all"])
    run(t, "the debug build too", ["make", "-s", "-k", f"BUILD={plinth.BUILD}/clang", "CC=clang", "DEBUG=1", "all"])


def cppcheck(t):
    rooms = [room for room in SOURCE_ROOMS if room not in ("include", "tests", "scripts") and os.path.isdir(room)]
    cache = os.path.join(plinth.BUILD, "cppcheck")
    os.makedirs(cache, exist_ok=True)
    run(t, "no complaints", [need("cppcheck"), "-q", "--std=c11", "--platform=unix64", "-Iinclude",
                             f"--cppcheck-build-dir={cache}",
                             "--enable=warning,performance,portability", "--inline-suppr", "--error-exitcode=1",
                             "--suppress=missingIncludeSystem",
                             # The linker's symbols for where something begins and ends are two objects to it.
                             "--suppress=comparePointers",
                             # It does not know that panics never return, and what callers guarantee.
                             "--suppress=va_end_missing", "--suppress=zerodivcond", "-D__x86_64__", "-D__GNUC__", *rooms])


def clang_tidy(t):
    need("clang-tidy")
    done = subprocess.run(["make", "-s", "-k", f"-j{os.cpu_count()}", "tidy"], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    with open(t.log + ".log", "w") as file:
        file.write(done.stdout)
    short = [line for line in done.stdout.splitlines() if re.search(r": (error|warning): ", line)]
    t.check("no complaints", done.returncode == 0, "\n".join(short or [done.stdout]))


def headers(t):
    """Each header stands alone."""
    failed = []
    for header in files(".h"):
        if header.startswith("include/"):
            done = subprocess.run(["gcc", "-std=gnu17", "-ffreestanding", "-mgeneral-regs-only", "-fsyntax-only", "-Wall", "-Wextra", "-Werror",
                                   "-iquote", "include", "-x", "c", "-include", header, "/dev/null"],
                                  capture_output=True, text=True)
            failed += [done.stderr] if done.returncode else []
    t.check("each header compiles alone", not failed, "".join(failed))


def rules(t):
    sources = files(".c", ".h", ".asm", ".py", ".S", ".ld") + shell_scripts() + ["Makefile", "linker.ld"]
    licence, marks, long = [], [], []
    for source in filter(os.path.exists, sources):
        with open(source, errors="replace") as file:
            lines = file.read().split("\n")
        if not any("SPDX-License-Identifier: MIT" in line for line in lines[:2]):
            licence.append(source)
        marks += [f"{source}:{number}: {line}" for number, line in enumerate(lines, 1) if FORBIDDEN.search(line)]
        if len(lines) > FILE_LIMIT + FILE_LIMIT // 10:
            long.append(f"{source}: {len(lines)} lines")
    t.check("every file begins with its licence", not licence, "\n".join(licence))
    t.check("no unfinished marks", not marks, "\n".join(marks))
    t.check(f"no file much above {FILE_LIMIT} lines", not long, "\n".join(long))


def conformance(t):
    """docs/conformance.md and README's matrix have all that the last recorded run saw."""
    results = os.path.join(plinth.LOGS, record.FILE)
    if os.environ.get("CONFORMANCE") == "writes":
        raise plinth.Skip("they are written after this run")
    if not os.path.exists(results):
        raise plinth.Skip("no run is recorded yet")
    if os.path.getmtime(results) < max(map(os.path.getmtime, files(".c"))):
        raise plinth.Skip("the recorded run is older than the sources")
    run(t, "docs/conformance.md and README.md are up to date: or make conformance", ["scripts/conformance", "--check"])


def image(t):
    if not os.path.exists(plinth.PLINTH):
        raise plinth.Failed(f"no {plinth.PLINTH}")
    run(t, "plinth.elf is a Multiboot kernel for GRUB", [need("grub-file"), "--is-x86-multiboot", plinth.PLINTH])
    size = os.path.getsize(plinth.PLINTH)
    t.check(f"plinth.elf is at most {IMAGE_LIMIT // 1024} KiB", size <= IMAGE_LIMIT, f"{size} bytes")


def tests():
    # The two builds not at once: both would make build/offsets.inc. The image check needs the first.
    named = [("gcc", gcc), ("clang", clang), ("image", image), ("clang-tidy", clang_tidy), ("cppcheck", cppcheck), ("clang-format", clang_format),
             ("shellcheck", shellcheck), ("headers", headers), ("rules", rules), ("conformance", conformance)]
    return [("lint/" + name, function) for name, function in named]
