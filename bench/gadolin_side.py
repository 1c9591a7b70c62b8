"""Gadolin's half of bench/compare_pytorch.py: the program with --json, and the file that results go to."""

import json
import math
import statistics
import subprocess
from pathlib import Path

import machine


class Failed(Exception):
    """A side that could not be measured; the message is one line."""


def run_program(program, words, extra=()):
    """Events of `gadolin WORDS --json`, the final one last."""
    command = [str(program), *map(str, words), "--json", *extra]
    done = subprocess.run(command, capture_output=True, text=True)
    events = []
    for line in done.stdout.splitlines():
        if line.startswith("{"):
            events.append(json.loads(line))
    if done.returncode != 0 or not events or events[-1].get("event") != "done":
        said = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()]
        raise Failed(f"{' '.join(command[1:5])} ended with {done.returncode}: {said[-1] if said else 'nothing printed'}")
    return events


def rows_of(events, suite):
    return [event for event in events if event.get("suite") == suite]


def finite(value):
    """The same with None for what is no number, which JSON has no word for."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: finite(v) for key, v in value.items()}
    return [finite(v) for v in value] if isinstance(value, (list, tuple)) else value


class Results:
    """JSON lines, each written when it is known, so that a run that is cut off leaves what it had."""

    def __init__(self, path, args, append=False):
        self.args, self.failed = args, []
        self.common = {"commit": machine.commit(), "device": args.device, "seed": 0}
        self.file = None
        if path:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            self.file = open(path, "a" if append else "w")

    def machine(self):
        row = machine.machine_row(self.args.device, self.args.threads)
        self.common["versions"] = row["versions"]
        self.write(row)
        return row

    def add(self, **row):
        self.write(row | self.common | {"clocks": machine.clocks()})

    def write(self, row):
        if self.file:
            self.file.write(json.dumps(finite(row), allow_nan=False) + "\n")
            self.file.flush()

    def fail(self, label, why):
        self.failed.append(label)
        print(f"{label}: FAILED: {why}", flush=True)


def spread(times):
    """Median, least and most as fields of a row."""
    return {"median_ms": statistics.median(times), "min_ms": min(times), "max_ms": max(times), "blocks": len(times)}


def percentiles(times):
    ordered = sorted(times)
    at = lambda share: ordered[min(len(ordered) - 1, int(share * len(ordered)))]
    return {"p50_ms": at(0.5), "p90_ms": at(0.9), "p99_ms": at(0.99), "calls": len(ordered)}


def verdict(theirs, ours):
    """Their time through ours and what the ranges allow; a tie when the ranges overlap."""
    low, high = theirs["min_ms"] / ours["max_ms"], theirs["max_ms"] / ours["min_ms"]
    return {"ratio": theirs["median_ms"] / ours["median_ms"], "low": low, "high": high, "tie": low <= 1 <= high}
