"""Puts together what the parts of tools/gpu.sh wrote: PREFIX.json (a line a measurement) and PREFIX.md with the goals.

    python3 bench/gpu_report.py LOGS PREFIX --gpu NAME --driver VERSION --cuda VERSION --commit COMMIT

Only the standard library is used. A line that is no JSON object ends with an error: half a result is none.
"""

import argparse
import datetime
import json
import re
import statistics
import sys
from pathlib import Path

PARTS = ["first", "second", "build", "correctness", "kernels", "gpus", "train", "infer", "endtoend", "startup", "memory"]

# What is compared, with what of PyTorch's, the least that is asked for, and the target (performance-guide.md, 15.5).
SPEEDS = [  # suite, net, mode, dtype, batches, against, gate, target
    ("model", "resnet50", "train", "bf16", [256], "eager", 1.25, 1.45),
    ("model", "resnet50", "train", "bf16", [256], "compile", 1.05, 1.25),
    ("model", "resnet50", "train", "fp16", [256], "eager", 1.15, 1.35),
    ("model", "resnet50", "train", "fp16", [256], "compile", 1.05, 1.2),
    ("model", "resnet50", "train", "bf16", [8, 16, 32], "eager", 1.6, 2.5),
    ("model", "densenet121", "train", "bf16", None, "eager", 1.4, 1.9),
    ("model", "densenet121", "train", "bf16", None, "compile", 1.15, 1.5),
    ("model", "vgg16", "train", "bf16", None, "eager", 1.12, 1.3),
    ("model", "vgg16", "train", "bf16", None, "compile", 1.02, 1.12),
    ("model", "inception_v3", "train", "bf16", None, "eager", 1.25, 1.5),
    ("model", "inception_v3", "train", "bf16", None, "compile", 1.05, 1.25),
    ("latency", "resnet50", "infer", "bf16", [1], "eager", 3, 5),
    ("latency", "resnet50", "infer", "bf16", [1], "compile", 1.05, 1.2),
    ("model", "resnet50", "infer", "bf16", [256], "eager", 1.6, 2.0),
    ("model", "resnet50", "infer", "bf16", [256], "compile", 1.05, 1.15),
    ("model", "retinanet_resnet50_fpn", "train", "bf16", [16], "eager", 1.5, 2.0),
    ("model", "lstm 2x256", "train", "bf16", [32], "eager", 0.98, 1.15),
    ("endtoend", "resnet50", "train", "bf16", None, "eager", 1.5, 2.0),
]
MEMORY = [("resnet50", 0.9, 0.75), ("densenet121", 0.5, 0.3), ("retinanet_resnet50_fpn", 0.8, 0.6)]       # share of PyTorch's peak
FIRST_STEP = [("graph", "warm database", 3.0, 1.5), ("empty database", "empty database", 15.0, 8.0)]  # seconds
KERNELS = ["norm", "pool", "update"]                                # share of the ceiling
KERNEL_GATE, KERNEL_TARGET, REGRESSION = 0.75, 0.85, 0.98


def read_lines(path):
    rows = []
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        if not line.startswith("{"):
            continue
        try:
            rows.append(json.loads(line))
        except ValueError as error:
            # The last line of a step that was cut off may be half written.
            if not path.with_name(path.stem + ".ended").exists():
                continue
            sys.exit(f"gpu_report: {path}, line {number}: {error}")
    return rows


def read_steps(logs):
    """A row for each step that ended: part, step, exit code, seconds, tests."""
    rows = []
    for part in PARTS:
        for file in sorted((logs / part).glob("*.ended")):
            code, seconds = file.read_text().split()
            row = {"suite": "part", "part": part, "step": file.stem, "exit": int(code), "seconds": int(seconds)}
            text = file.with_suffix(".txt").read_text(errors="replace") if file.with_suffix(".txt").exists() else ""
            counts = re.findall(r"^TESTS (\d+) passed, (\d+) failed, (\d+) skipped$", text, re.M)
            if counts:
                row |= dict(zip(("passed", "failed", "skipped"), map(int, counts[-1])))
            rows.append(row)
    return rows


def time_of(row):
    return row.get("p50_ms") or row["median_ms"]


def against(row, kind):
    """Whether a row of PyTorch's is of this kind: eager, or the fastest of the compiled."""
    return row["framework"] == "pytorch" and row.get("variant", "").split(" ")[0].startswith(kind) and "failed" not in row


def speed(rows, suite, net, mode, dtype, batches, kind):
    """Least ratio over the batches, or None."""
    found = {}
    for row in rows:
        same = (row.get("suite"), row.get("net"), row.get("mode"), row.get("dtype")) == (suite, net, mode, dtype)
        if same and row.get("from", "device") == "device" and "failed" not in row and (batches is None or row["batch"] in batches):
            found.setdefault((row["batch"], row.get("size"), row.get("session")), []).append(row)
    ratios = []
    for group in found.values():
        ours = [time_of(r) for r in group if r["framework"] == "gadolin" and r.get("variant") in ("graph", "")]
        theirs = [time_of(r) for r in group if against(r, kind)]
        if ours and theirs:
            ratios.append(min(theirs) / min(ours))
    return min(ratios, default=None)


def goal_rows(rows):
    """(what, reached or None, gate, target, whether more is better)"""
    goals = []
    for suite, net, mode, dtype, batches, kind, gate, target in SPEEDS:
        what = f"{net} {mode if suite == 'model' else suite} {dtype}" + (f", batch {'/'.join(map(str, batches))}" if batches else "") + f", vs {kind}"
        goals.append((what, speed(rows, suite, net, mode, dtype, batches, kind), gate, target, True))
    for net, gate, target in MEMORY:
        sides = {r["framework"]: r["peak_mb"] for r in rows if r.get("suite") == "memory" and r["net"] == net}
        goals.append((f"{net} peak memory, share of PyTorch's", sides["gadolin"] / sides["pytorch"] if len(sides) == 2 else None, gate, target, False))
    for variant, name, gate, target in FIRST_STEP:
        times = [r["median_ms"] / 1e3 for r in rows if r.get("suite") == "first step" and r["framework"] == "gadolin" and r["variant"] == variant]
        goals.append((f"seconds to the first step, {name}", min(times, default=None), gate, target, False))
    for family in KERNELS:
        shares = [r["share"] for r in rows if r.get("event") == "op" and r.get("family") == family and r.get("dtype") == "bf16" and "share" in r]
        goals.append((f"kernels of {family} bf16, median share of the ceiling", statistics.median(shares) if shares else None, KERNEL_GATE, KERNEL_TARGET, True))
    everywhere = []
    for row in rows:
        if row.get("suite") == "model" and row["framework"] == "gadolin" and row.get("variant") == "graph":
            ratio = speed(rows, "model", row["net"], row["mode"], row["dtype"], [row["batch"]], "eager")
            everywhere += [] if ratio is None else [ratio]
    goals.append(("least of all nets, modes and batches, vs eager", min(everywhere, default=None), REGRESSION, 1.0, True))
    return goals


def verdict(value, gate, target, more):
    if value is None:
        return "not measured"
    reached = (lambda bound: value >= bound) if more else (lambda bound: value <= bound)
    return "target" if reached(target) else "gate" if reached(gate) else "**missed**"


def markdown(args, steps, rows, left_out):
    lines = [f"# {args.gpu}, commit {args.commit}", "", f"Driver {args.driver}, CUDA {args.cuda}. Written by `tools/gpu.sh`; nothing here is typed by hand.", ""]
    broken = [row for row in steps if row["exit"] != 0]
    if broken:
        lines += ["**Failed: " + ", ".join(f"{row['part']}/{row['step']} ({row['exit']})" for row in broken) + "**", ""]
    wanted = PARTS[:2] if any(row["part"] in PARTS[:2] for row in steps) else PARTS[2:]
    missing = [part for part in wanted if not any(row["part"] == part for row in steps)]
    if missing:
        lines += ["Not run: " + ", ".join(missing) + ".", ""]
    lines += [f"{part}: {why}." for part, why in left_out] + ([""] if left_out else [])
    lines += ["| part | step | exit code | seconds | passed | failed | skipped |", "|---|---|---|---|---|---|---|"]
    for row in steps:
        counts = " | ".join(str(row.get(key, "")) for key in ("passed", "failed", "skipped"))
        lines.append(f"| {row['part']} | {row['step']} | {row['exit']} | {row['seconds']} | {counts} |")
    lines += ["", "| goal | reached | gate | target | |", "|---|---|---|---|---|"]
    for what, value, gate, target, more in goal_rows(rows):
        sign = "" if more else "at most "
        lines.append(f"| {what} | {'' if value is None else f'{value:.2f}'} | {sign}{gate} | {sign}{target} | {verdict(value, gate, target, more)} |")
    checks = [row for row in rows if row.get("suite") == "check"]
    if checks:
        lines += ["", "| check | losses differ by | worst gradient's error | PyTorch's own | |", "|---|---|---|---|---|"]
        shown = lambda row, key: "" if row.get(key) is None else f"{row[key]:.3g}"
        for row in checks:
            lines.append(f"| {row['net']} {row['dtype']} | {shown(row, 'loss_error')} | {shown(row, 'gradient_error')} | "
                         f"{shown(row, 'pytorch_gradient_error')} | {'passed' if row.get('passed') else '**failed**'} |")
    lines += ["", "| | | batch | side | ms | least | most | images/s |", "|---|---|---|---|---|---|---|---|"]
    for row in rows:
        if row.get("suite") in ("model", "latency", "endtoend", "loader") and "failed" not in row:
            times = (row["p50_ms"], row["p90_ms"], row["p99_ms"]) if "p99_ms" in row else (row["median_ms"], row["min_ms"], row["max_ms"])
            what = f"{row.get('mode', '')} {row.get('dtype', '')}".strip() if row["suite"] == "model" else f"{row['suite']} {row.get('dtype', '')}".strip()
            lines.append(f"| {row.get('net', '')} | {what} | {row['batch']} | {row['framework']} {row.get('variant', '')} {row.get('from', '')} | "
                         + " | ".join(f"{t:.3f}" for t in times) + f" | {1e3 * row['batch'] / time_of(row):.0f} |")
    return "\n".join(lines) + "\n"


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("logs", type=Path)
    p.add_argument("prefix", type=Path)
    for name in ("gpu", "driver", "cuda", "commit"):
        p.add_argument(f"--{name}", default="")
    args = p.parse_args()
    steps, rows, left_out = read_steps(args.logs), [], []
    for part in PARTS:
        for file in sorted((args.logs / part).glob("*.json")):
            rows += [row | {"session": f"{part}/{file.stem}"} for row in read_lines(file) if row.get("suite") != "machine" and row.get("event") != "done"]
        note = args.logs / part / "left_out.txt"
        if note.exists():
            left_out.append((part, note.read_text().strip()))
    now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
    machine = {"suite": "machine", "time": now, "gpu": args.gpu, "driver": args.driver, "cuda": args.cuda, "commit": args.commit}
    for row in rows:
        machine |= {"torch": row["versions"]["torch"]} if "torch" in row.get("versions", {}) else {}
    args.prefix.parent.mkdir(parents=True, exist_ok=True)
    for suffix, text in ((".json", "".join(json.dumps(row) + "\n" for row in [machine, *steps, *rows])), (".md", markdown(args, steps, rows, left_out))):
        new = args.prefix.with_name(args.prefix.name + suffix + ".new")
        new.write_text(text)
        new.replace(args.prefix.with_name(args.prefix.name + suffix))
    reached = {"target": 0, "gate": 0, "**missed**": 0, "not measured": 0}
    for _, value, gate, target, more in goal_rows(rows):
        reached[verdict(value, gate, target, more)] += 1
    print(f"gpu_report: {args.prefix}.json and .md: {len(rows)} rows; goals: {reached['target']} at the target, {reached['gate']} at the gate, "
          f"{reached['**missed**']} missed, {reached['not measured']} not measured")


if __name__ == "__main__":
    main()
