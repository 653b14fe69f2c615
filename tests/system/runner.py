# SPDX-License-Identifier: MIT
"""Runs all of Plinth's tests and counts them; scripts/test starts it.

    runner.py [-l] [--long] [SUITE | PATTERN]...	suites: unit lint fuzz guest system; a pattern picks tests by name;
						--long takes the tests of long_*.py, and no others
"""
import concurrent.futures
import importlib
import os
import shutil
import subprocess
import sys
import threading
import time
import traceback

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import plinth  # noqa: E402
import guests  # noqa: E402
import lint  # noqa: E402
import record  # noqa: E402

SUITES = ("lint", "unit", "fuzz", "guest", "system")
LONG = "long"  # a suite of its own, run only when it is asked for
# Emulators at once: as many as this, or the machine's processors if these are fewer.
JOBS = int(os.environ.get("JOBS", min(2, os.cpu_count() or 1)))
UNIT_TIMEOUT = 120
SLOWEST = 10  # named at the end
FUZZ_RUNS = 20000  # the short round; `make fuzz` is the long one
_stale = set()  # host programs that do not build


class Results:
    """Every result of the run, printed as it comes."""

    def __init__(self):
        self.lock = threading.Lock()
        self.count = {"ok": 0, "FAIL": 0, "skip": 0}
        self.bad = []

    def add(self, status, name, detail=""):
        with self.lock:
            self.count[status] += 1
            line = f"{status:4} {name}" + (f" ({detail})" if detail and status == "skip" else "")
            print(line, flush=True)
            if status == "FAIL":
                text = "".join(f"     | {part}\n" for part in detail.splitlines()[-30:])
                print(text, end="", flush=True)
                self.bad.append(line)

    def summary(self):
        if self.count["FAIL"] and sum(self.count.values()) > 20:
            print("\nFailed:")
            print("\n".join(self.bad))
        last = f"{self.count['ok']} passed, {self.count['FAIL']} failed"
        if self.count["skip"]:
            last += f", {self.count['skip']} skipped"
        print(last, flush=True)
        # Nothing run is no success.
        return 1 if self.count["FAIL"] or not self.count["ok"] else 0


def unit_test(t):
    """One cmocka program: each of its tests is a result."""
    name = t.name.split("/")[1]
    program = unit_program(name)
    if program in _stale:
        raise plinth.does_not_build("unit-build", "make unit T=" + name)
    environment = dict(os.environ, CMOCKA_MESSAGE_OUTPUT="TAP")
    try:
        done = subprocess.run([program], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              env=environment, timeout=UNIT_TIMEOUT * plinth.SLOW)
    except subprocess.TimeoutExpired:
        raise plinth.Failed(f"still running after {UNIT_TIMEOUT} s") from None
    text = done.stdout.decode(errors="replace")
    with open(t.log + ".log", "w") as file:
        file.write(text)
    tap = plinth.Tap(text)
    for what, status in tap.results:
        t.result(status, what, text if status == "FAIL" else "")
    failed = any(status == "FAIL" for _, status in tap.results)
    if not tap.results or (done.returncode and not failed):
        raise plinth.Failed(f"exit status {done.returncode}\n{text}")


def unit_program(name):
    return os.path.join(plinth.BUILD, "unit", "bin", name)


def unit_names():
    return sorted(name[:-2] for name in os.listdir("tests/unit") if name.startswith("test_") and name.endswith(".c"))


def unit_build():
    _stale.update(plinth.make("unit-build", [unit_program(name) for name in unit_names()]))


def unit_tests():
    return [("unit/" + name, unit_test) for name in unit_names()]


def fuzz_test(t):
    """The short round of one harness: the same inputs each time."""
    name = t.name.split("/")[1]
    if not _can_fuzz():
        raise plinth.Skip("no clang with libFuzzer here (libclang-rt-dev)")
    if fuzz_program(name) in _stale:
        raise plinth.does_not_build("fuzz-build", "make fuzz T=" + name)
    environment = dict(os.environ, BUILD=plinth.BUILD, FUZZ_RUNS=str(FUZZ_RUNS))
    done = subprocess.run(["tests/fuzz/run", name], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          env=environment)
    t.check(f"{FUZZ_RUNS} inputs", done.returncode == 0, done.stdout.decode(errors="replace"))


def _can_fuzz():
    where = shutil.which("clang") and subprocess.run(["clang", "-print-resource-dir"], capture_output=True, text=True).stdout.strip()
    return where and os.path.exists(os.path.join(where, "lib", "linux", "libclang_rt.fuzzer-x86_64.a"))


def fuzz_program(name):
    return os.path.join(plinth.BUILD, "fuzz", "bin", name)


def fuzz_names():
    return sorted(name[:-2] for name in os.listdir("tests/fuzz") if name.startswith("fuzz_") and name.endswith(".c"))


def fuzz_build():
    if _can_fuzz():
        _stale.update(plinth.make("fuzz-build", [fuzz_program(name) for name in fuzz_names()]))


def fuzz_tests():
    return [("fuzz/" + name, fuzz_test) for name in fuzz_names()]


def functions(prefix, suite):
    """The functions test_NAME of the modules PREFIX*.py."""
    here = os.path.dirname(os.path.abspath(__file__))
    found = []
    for file in sorted(os.listdir(here)):
        if file.startswith(prefix) and file.endswith(".py"):
            module = importlib.import_module(file[:-3])
            for name, function in vars(module).items():
                if name.startswith("test_") and callable(function):
                    found.append((f"{suite}/{file[len(prefix):-3]}/{name[5:]}", function))
    # The long ones first, so that none is left to run alone at the end.
    return sorted(found, key=lambda test: -getattr(test[1], "seconds", 10))


def system_tests():
    return functions("test_", "system")


def long_tests():
    return functions("long_", LONG)


def run_one(name, function, results):
    t = plinth.Reporter(name, results)
    started = time.monotonic()
    try:
        function(t)
    except plinth.Skip as reason:
        t.result("skip", "skipped", str(reason))
    except plinth.Failed as error:
        t.result("FAIL", "stopped", f"{error}\nlogs: {t.log}*")
    except Exception:  # a mistake in a test is a failure of that test only
        t.result("FAIL", "stopped", traceback.format_exc())
    results.record.test(name, t.seen)
    with results.lock:
        results.times.append((time.monotonic() - started, name))


def main():
    arguments = sys.argv[1:]
    listing = "-l" in arguments
    wanted = [argument for argument in arguments if argument not in ("-l", "--long")]
    # A pattern that begins with no suite's name may be in any.
    named = {w.split("/")[0] for w in wanted}
    if "--long" in arguments or LONG in named:
        suites = (LONG,)
    else:
        suites = [suite for suite in SUITES if suite in named] if wanted and named <= set(SUITES) else SUITES
    os.makedirs(plinth.LOGS, exist_ok=True)

    results = Results()
    results.times = []
    results.record = record.Record(os.path.join(plinth.LOGS, record.FILE))
    results.record.drop_missing(guests.names(), guests.PLACES)
    started = time.monotonic()
    build = {"unit": unit_build, "fuzz": fuzz_build, "guest": guests.build, LONG: guests.build}
    collect = {"unit": unit_tests, "fuzz": fuzz_tests, "lint": lint.tests, "guest": guests.tests, "system": system_tests,
               LONG: long_tests}
    after = {"guest": guests.after}  # when the others of the suite are done
    found = False

    def is_wanted(suite, name):
        return not wanted or any(w in (suite, name) or ("/" in w and w in name) or (w not in SUITES and w in name) for w in wanted)

    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        for suite in suites:
            tests, last = ([test for test in some() if is_wanted(suite, test[0])]
                           for some in (collect[suite], after.get(suite, list)))
            found = found or bool(tests or last)
            if listing:
                for name, _ in tests + last:
                    print(name)
                continue
            if tests and suite in build:
                build[suite]()
            for some in (tests, last):
                list(pool.map(lambda test: run_one(*test, results), some))
                results.record.save()
    if listing:
        return 0
    if not found:
        print(f"no test is called {' '.join(wanted)}", file=sys.stderr)
    slowest = sorted(results.times, reverse=True)[:SLOWEST]
    print("slowest: " + ", ".join(f"{name} {seconds:.1f} s" for seconds, name in slowest))
    print(f"all: {time.monotonic() - started:.0f} s")
    return results.summary()


if __name__ == "__main__":
    sys.exit(main())
