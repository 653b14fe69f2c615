# SPDX-License-Identifier: MIT
"""What the runs showed, kept in build/test/results.json: scripts/conformance makes the tables of docs and README from it.

    tests   {name of the test: [[check, "ok" | "FAIL" | "skip"]...]}
    guests  {program of tests/guest: {place: {"bare" | "inside": {"complete": bool, "results": [[check, status, reason]...]}}}}

A run of a part replaces that part only. `fresh` names what this run has run itself.
"""
import json
import os
import threading

FILE = "results.json"


class Record:
    def __init__(self, path):
        self.path = path
        self.lock = threading.Lock()
        self.tests, self.guests = {}, {}
        self.fresh = set()  # (guest, place)
        try:
            with open(path) as file:
                kept = json.load(file)
            self.tests, self.guests = kept["tests"], kept["guests"]
        except (OSError, ValueError, KeyError):
            pass  # none, or one of another time

    def test(self, name, results):
        with self.lock:
            self.tests[name] = [list(result) for result in results]

    def guest(self, guest, place, bare, inside):
        """One program's two runs (plinth.Tap; bare may be None)."""
        runs = {}
        for how, tap in (("bare", bare), ("inside", inside)):
            if tap is not None:
                runs[how] = {"complete": tap.complete() and not tap.bail,
                             "results": [[name, status, tap.reasons.get(name, "")] for name, status in tap.results]}
        with self.lock:
            self.guests.setdefault(guest, {})[place] = runs
            self.fresh.add((guest, place))

    def drop_missing(self, guests, places):
        """Forgets programs and places that the tree has no more."""
        self.guests = {guest: {place: runs for place, runs in found.items() if place in places}
                       for guest, found in self.guests.items() if guest in guests}

    def save(self):
        with self.lock:
            text = json.dumps({"tests": self.tests, "guests": self.guests}, indent=1, sort_keys=True)
        with open(self.path + ".new", "w") as file:
            file.write(text + "\n")
        os.replace(self.path + ".new", self.path)


def statuses(run):
    """{check: status} of one run; a check that comes more than once has failed if it ever did."""
    found = {}
    for name, status, _ in run["results"]:
        found[name] = "FAIL" if "FAIL" in (status, found.get(name)) else status
    return found


def outcomes(runs):
    """{check: "ok" | "FAIL" | "skip" | "bare"} inside Plinth at one place; "bare": the emulator's own failure, met without Plinth too."""
    bare = statuses(runs["bare"]) if "bare" in runs else {}
    return {name: "bare" if status == "FAIL" and bare.get(name) == "FAIL" else status
            for name, status in statuses(runs["inside"]).items()}


def unexplained(places):
    """Where the results of one program inside differ between places ({place: runs}) and nothing says why; a list of lines.

    What explains a difference is printed by the program: a result skipped with its reason. The skipped name stands for all that
    begin with it, and the emulator's failure without Plinth is one as well.
    """
    inside = {place: outcomes(runs) for place, runs in places.items()}
    skips = {place: [name for name, status, reason in runs["inside"]["results"] if status == "skip" and reason]
             for place, runs in places.items()}
    lines = []
    for check in sorted(set().union(*inside.values())):
        best = next((status for status in ("ok", "FAIL") if status in [found.get(check) for found in inside.values()]), None)
        for place, found in sorted(inside.items()):
            status = found.get(check)
            if best is None or status in (best, "bare") or any(check.startswith(name) for name in skips[place]):
                continue
            lines.append(f"{check}: {best} elsewhere, on {place} {status or 'not tried'}")
    return lines
