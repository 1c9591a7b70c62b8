"""bench/compare_pytorch.py --share: what is left of a step's rate while another job keeps every core busy, on each side.

Half is what the kernel's scheduler gives each of two jobs. Less means that threads wait for one another.
"""

import contextlib
import os
import statistics
import subprocess
import sys
import time

from gadolin_side import Failed, rows_of, run_program
from peer_side import side_of
from pytorch_side import time_calls


@contextlib.contextmanager
def busy_neighbours(count):
    """A process that never rests on each of so many cores."""
    loop = "import os, sys\nos.sched_setaffinity(0, [int(sys.argv[1])])\nwhile True: pass"
    neighbours = [subprocess.Popen([sys.executable, "-c", loop, str(core)]) for core in sorted(os.sched_getaffinity(0))[:count]]
    try:
        time.sleep(0.3)
        yield
    finally:
        for one in neighbours:
            one.kill()
            one.wait()


def compare_share(args, results, common, steps, failed, words):
    """`steps`: PyTorch's and the other engines', by variant; `words`: of the program, for the same step."""
    label = f"{common['net']} {common['mode']} {common['dtype']} x{common['batch']}"
    calls = args.steps * args.blocks

    def ours():
        row = rows_of(run_program(args.gadolin, [*words, "--steps", args.steps, "--blocks", args.blocks, "--seconds", 0], args.gadolin_args.split()), "model")[-1]
        return row["median_ms"]

    sides = {side_of(key): lambda step=step: statistics.median(time_calls(step, "cpu", calls)) for key, step in steps.items()}
    if args.gadolin:
        sides["Gadolin", "gadolin", "eager"] = ours
    for key, why in failed.items():
        print(f"{label:<28} {side_of(key)[0]:<31} did not run: {why}", flush=True)
    for (name, framework, variant), once in sides.items():
        idle, busy = [], []
        try:
            for _ in range(args.alternations):
                idle.append(once())
                with busy_neighbours(args.threads):
                    busy.append(once())
        except Failed as error:
            results.fail(f"{label} {name}", error)
            continue
        alone, beside = statistics.median(idle), statistics.median(busy)
        results.add(**common, framework=framework, variant=variant, idle_ms=alone, busy_ms=beside, share=alone / beside)
        print(f"{label:<28} {name:<31} alone {alone:9.3f} ms, beside a busy job {beside:9.3f} ms: share {alone / beside:.2f}", flush=True)
