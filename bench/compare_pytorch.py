"""Runs the same work in PyTorch and in Gadolin, alternating in one session, and prints the ratios.

    python bench/compare_pytorch.py --gadolin build/cpu/gadolin                        training and inference steps
    python bench/compare_pytorch.py --gadolin G --device cuda --batches 32,256 --dtypes bf16,fp16
    python bench/compare_pytorch.py --gadolin G --check                                only whether both learn the same
    python bench/compare_pytorch.py --gadolin G --latency                              single pictures: p50, p90, p99
    python bench/compare_pytorch.py --gadolin G --modes infer --dtypes fp32 --peers openvino,onnxruntime    other engines too
    python bench/compare_pytorch.py --gadolin G --memory                               peak memory of a training step
    python bench/compare_pytorch.py --gadolin G --models retinanet_resnet50_fpn --batches 4    detectors (bench/detector_side.py)
    python bench/compare_pytorch.py --gadolin G --share                                  steps beside a busy job on every core
    python bench/compare_pytorch.py --gadolin G --startup                              process start to the first step
    python bench/compare_pytorch.py --gadolin G --loader IMAGE_FOLDER                  decode and augment
    python bench/compare_pytorch.py --gadolin G --end-to-end IMAGE_FOLDER              JPEG files to trained parameters
    python bench/compare_pytorch.py                                                    PyTorch's half alone

PyTorch runs at its best (bench/pytorch_side.py), in every variant that `--variants` names; the first ratio is to the
fastest, the second to eager. Above 1 means that Gadolin is faster; where the measured ranges overlap it is a tie. On CUDA
Gadolin's steps are recorded; its eager steps are measured too. Before training is timed, both sides must learn the same
from the same start (bench/checks.py). `--json` writes a line a measurement, with versions, clocks and commit.
Exit code: 0 when all ran, every check passed and no variant of Gadolin failed.
"""

import argparse
import os
import statistics
import sys


def parse():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--gadolin", help="the program; without it only PyTorch runs")
    p.add_argument("--gadolin-args", default="", help="more options for the program, one string")
    p.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    p.add_argument("--models", default="resnet18,resnet50")
    p.add_argument("--modes", default="train,infer")
    p.add_argument("--dtypes", default="fp32,bf16", help="of fp32, tf32 (CUDA), bf16, fp16 (CUDA)")
    p.add_argument("--variants", help="of eager, folded, cast, graph, compile, compile-reduce-overhead, compile-max-autotune; of detectors eager, nchw")
    p.add_argument("--peers", default="", help="of openvino, onnxruntime (CPU): inference of classifiers by these, too (bench/peer_side.py)")
    p.add_argument("--batches", "--batch", default="16", help="one or more: 8,32,128,256")
    p.add_argument("--size", type=int, default=0, help="0: 224, 299 for Inception and 512 for detectors; loaders always 224")
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--steps", type=int, default=0, help="steps a block (default 5 on the CPU, 20 on CUDA)")
    p.add_argument("--blocks", type=int, default=0, help="blocks an alternation (default 1 on the CPU, 2 on CUDA)")
    p.add_argument("--seconds", type=float, default=-1, help="least seconds a block (default 0 on the CPU, 1 on CUDA)")
    p.add_argument("--warmup", type=int, default=0, help="steps before a block (default 2 on the CPU, 20 on CUDA)")
    p.add_argument("--alternations", type=int, default=3)
    p.add_argument("--calls", type=int, default=0, help="single calls of --latency (default 50 on the CPU, 1000 on CUDA)")
    p.add_argument("--check", action="store_true", help="only the checks")
    p.add_argument("--check-batch", type=int, default=0, help="pictures of a check (default 8 on the CPU, 32 on CUDA)")
    p.add_argument("--no-check", action="store_true", help="time without checking")
    p.add_argument("--latency", action="store_true")
    p.add_argument("--memory", action="store_true")
    p.add_argument("--share", action="store_true", help="on the CPU, also with a neighbour that keeps every core busy")
    p.add_argument("--startup", action="store_true")
    p.add_argument("--loader", metavar="FOLDER", help="a folder of class folders")
    p.add_argument("--end-to-end", metavar="FOLDER", help="likewise; pictures are made when it does not exist")
    p.add_argument("--pictures", type=int, default=4000, help="how many are made")
    p.add_argument("--workers", type=int, default=1, help="loader workers on both sides")
    p.add_argument("--epochs", type=int, default=1, help="passes over the folder in a block")
    p.add_argument("--json", metavar="FILE", help="write all measurements")
    p.add_argument("--child", nargs="+", help=argparse.SUPPRESS)  # a process of --memory or --startup
    args = p.parse_args()
    cuda = args.device == "cuda"
    args.batches = [int(word) for word in args.batches.split(",")]
    args.steps = args.steps or (20 if cuda else 5)
    args.blocks = args.blocks or (2 if cuda else 1)
    args.warmup = args.warmup or (20 if cuda else 2)
    args.calls = args.calls or (1000 if cuda else 50)
    args.check_batch = args.check_batch or (32 if cuda else 8)
    args.seconds = args.seconds if args.seconds >= 0 else (1.0 if cuda else 0.0)
    args.warm_seconds = min(3.0, 3 * args.seconds)
    return args


ARGS = parse()
os.environ["OMP_NUM_THREADS"] = str(ARGS.threads)  # before torch starts its pool

import compare_more  # noqa: E402

if ARGS.child:
    sys.exit(compare_more.child(ARGS, ARGS.child))  # measures the import of torch, or what comes after it

import contextlib  # noqa: E402
import tempfile  # noqa: E402

import numpy as np  # noqa: E402
import torch  # noqa: E402

from checks import check, numpy_state, write_safetensors  # noqa: E402
from detector_side import awake, build_detector, is_detector  # noqa: E402
from compare_share import compare_share  # noqa: E402
from gadolin_side import Failed, Results, percentiles, rows_of, run_program, spread, verdict  # noqa: E402
from peer_side import PeerStep, side_of  # noqa: E402
from pytorch_side import quiet_build, random_batch, time_block, time_calls, variants_of, warm  # noqa: E402


def size_of(model):
    return ARGS.size or (512 if is_detector(model) else 299 if model.startswith("inception") else 224)


def one_line(error):
    return (str(error).splitlines() or [type(error).__name__])[0][:120]


def build_variants(model, mode, dtype, batch):
    """Steps by variant, and why others do not run here."""
    wanted = ARGS.variants.split(",") if ARGS.variants else list(variants_of(ARGS.device, model, mode))
    if not is_detector(model) and "cast" not in wanted and not ARGS.variants and mode == "infer" and dtype in ("bf16", "fp16"):
        wanted.append("cast")
    steps, failed = {}, {}
    for variant in wanted:
        if variant == "cast" and (dtype not in ("bf16", "fp16") or (mode == "train" and dtype == "fp16")):
            continue
        try:
            step = quiet_build(ARGS.device, model, mode, dtype, variant, *random_batch(model, batch, size_of(model)))
            warm(step, ARGS.device, ARGS.warmup, ARGS.warm_seconds)
            steps[variant] = step
        except Exception as error:  # a variant that this PyTorch cannot run must not end the suite
            failed[variant] = one_line(error)
    for peer in [] if mode != "infer" or is_detector(model) or not ARGS.peers else ARGS.peers.split(","):
        try:
            step = PeerStep(peer, model, dtype, random_batch(model, batch, size_of(model))[0], ARGS.threads)
            warm(step, ARGS.device, ARGS.warmup, ARGS.warm_seconds)
            steps[peer] = step
        except Exception as error:
            failed[peer] = one_line(error)
    return steps, failed


def gadolin_words(model, mode, dtype, batch):
    size = size_of(model)
    return ["bench", "model", model, "--mode", mode, "--batch", batch, "--input", f"3x{size}x{size}", "--dtype", dtype, "--threads", ARGS.threads,
            "--device", ARGS.device, "--warm-up", ARGS.warmup, "--warm-seconds", ARGS.warm_seconds]


@contextlib.contextmanager
def same_start(model, mode, batch):
    """Words for the program: what a detector's inference costs depends on what it finds, so both sides get the same weights and pictures."""
    if mode != "infer" or not is_detector(model) or not ARGS.gadolin:
        yield []
        return
    with tempfile.TemporaryDirectory(prefix="gadolin-bench-") as folder:
        pictures, _ = random_batch(model, batch, size_of(model))
        write_safetensors(f"{folder}/start.safetensors", numpy_state(awake(build_detector(model), pictures)), {"format": "pt"})
        np.save(f"{folder}/pictures.npy", pictures.numpy())
        yield ["--weights", f"{folder}/start.safetensors", "--batch-file", f"{folder}/pictures.npy"]


def gadolin_variants():
    """Name -> more options. On the CPU nothing is recorded."""
    return {} if not ARGS.gadolin else {"graph": [], "eager": ["--eager"]} if ARGS.device == "cuda" else {"eager": []}


def fill(store, key, values):
    store.setdefault(key, []).extend(values)


def compare_steps(results, model, mode, dtype, batch):
    with same_start(model, mode, batch) as start:
        compare_from(start, results, model, mode, dtype, batch)


def compare_from(start, results, model, mode, dtype, batch):
    label = f"{model} {mode} {dtype} x{batch}"
    steps, failed = build_variants(model, mode, dtype, batch)
    theirs, ours, peaks, broken = {}, {}, {}, set()
    common = {"suite": "model", "net": model, "mode": mode, "dtype": dtype, "batch": batch, "size": size_of(model)}

    def known(store, key, framework, variant, times):
        """What is measured is on disk at once: a comparison that is cut off leaves its blocks."""
        fill(store, key, times)
        results.add(**(common | {"suite": "block", "of": common["suite"]}), framework=framework, variant=variant, ms=times)

    for _ in range(ARGS.alternations):
        for variant, step in steps.items():
            step()
            if ARGS.device == "cuda":
                times = [time_block(step, "cuda", ARGS.steps, ARGS.seconds) for _ in range(ARGS.blocks)]
            else:
                times = [statistics.median(time_calls(step, "cpu", ARGS.steps * ARGS.blocks))]
            known(theirs, variant, *side_of(variant)[1:], times)
        for variant, words in gadolin_variants().items():
            if variant in broken:
                continue
            try:
                events = run_program(ARGS.gadolin, gadolin_words(model, mode, dtype, batch) + words + start + [
                    "--steps", ARGS.steps, "--blocks", ARGS.blocks, "--seconds", ARGS.seconds], ARGS.gadolin_args.split())
            except Failed as error:
                ours.pop(variant, None)
                broken.add(variant)
                results.fail(f"{label} Gadolin {variant}", error)
                continue
            row = rows_of(events, "model")[-1]
            known(ours, variant, "gadolin", variant, [row["median_ms"], row["min_ms"], row["max_ms"]] if ARGS.device == "cuda" else [row["median_ms"]])
            peaks[variant] = row["peak_mb"]
    for key, times in theirs.items():
        row, (_, framework, variant) = spread(times), side_of(key)
        results.add(**common, framework=framework, variant=variant, **row, img_s=1e3 * batch / row["median_ms"])
    for variant, times in ours.items():
        row = spread(times)
        results.add(**common, framework="gadolin", variant=variant, **row, img_s=1e3 * batch / row["median_ms"], peak_mb=peaks[variant])
    for key, why in failed.items():
        name, framework, variant = side_of(key)
        results.add(**common, framework=framework, variant=variant, failed=why)
        print(f"{label:<28} {name:<31} did not run: {why}", flush=True)
    report(results, label, common, {v: spread(t) for v, t in theirs.items()}, {v: spread(t) for v, t in ours.items()})


def report(results, label, common, theirs, ours):
    """A line a side, and the ratios; `theirs` and `ours` by variant."""
    rate = lambda side: f"{side['median_ms']:9.3f} ms ({side['min_ms']:.3f} to {side['max_ms']:.3f}) {1e3 * common['batch'] / side['median_ms']:9.1f} img/s"
    best = min(theirs, key=lambda v: theirs[v]["median_ms"], default=None)
    for variant, side in theirs.items():
        print(f"{label:<28} {side_of(variant)[0]:<31} {rate(side)}{'   best' if variant == best else ''}", flush=True)
    for variant, side in ours.items():
        line = f"{label:<28} Gadolin {variant:<23} {rate(side)}"
        for other in dict.fromkeys([best, "eager"]):
            if other in theirs:
                v = verdict(theirs[other], side)
                line += f"   {v['ratio']:.2f} x {other}" + (" (tie)" if v["tie"] else f" ({v['low']:.2f} to {v['high']:.2f})")
                results.add(**(common | {"suite": "ratio", "of": common["suite"]}), variant=variant, against=other, best=other == best, **v)
        print(line, flush=True)


def compare_latency(results, model, dtype):
    label = f"{model} latency {dtype}"
    batch = 1
    steps, failed = build_variants(model, "infer", dtype, batch)
    theirs, ours = {}, {}
    calls = max(1, ARGS.calls // ARGS.alternations)
    for _ in range(ARGS.alternations):
        for variant, step in steps.items():
            fill(theirs, variant, time_calls(step, ARGS.device, calls))
        for variant, words in gadolin_variants().items():
            try:
                events = run_program(ARGS.gadolin, gadolin_words(model, "infer", dtype, batch) + words + ["--latency", "--calls", calls],
                                     ARGS.gadolin_args.split())
            except Failed as error:
                results.fail(f"{label} Gadolin {variant}", error)
                continue
            for row in rows_of(events, "latency"):
                fill(ours, (variant, row["from"]), [row])
    common = {"suite": "latency", "net": model, "mode": "infer", "dtype": dtype, "batch": batch, "size": size_of(model)}
    shown = {}
    for key, times in theirs.items():
        row, (name, framework, variant) = percentiles(times) | {"median_ms": statistics.median(times)}, side_of(key)
        results.add(**common, framework=framework, variant=variant, **row, **{"from": "device"})
        shown[name] = row
    for (variant, place), rows in ours.items():
        row = {key: statistics.median(r[key] for r in rows) for key in ("p50_ms", "p90_ms", "p99_ms")} | {"calls": calls * len(rows)}
        results.add(**common, framework="gadolin", variant=variant, **row, median_ms=row["p50_ms"], **{"from": place})
        shown[f"Gadolin {variant}" + ("" if place == "device" else f", from the {place}")] = row
    for key, why in failed.items():
        print(f"{label:<28} {side_of(key)[0]:<31} did not run: {why}", flush=True)
    best = min((row["p50_ms"] for name, row in shown.items() if not name.startswith("Gadolin")), default=None)
    eager = shown.get("PyTorch eager", {}).get("p50_ms")
    for name, row in shown.items():
        line = f"{label:<28} {name:<31} p50 {row['p50_ms']:8.3f}  p90 {row['p90_ms']:8.3f}  p99 {row['p99_ms']:8.3f} ms"
        if name.startswith("Gadolin") and best:
            line += f"   {best / row['p50_ms']:.2f} x best" + (f"   {eager / row['p50_ms']:.2f} x eager" if eager else "")
        print(line, flush=True)


def compare_beside(results, model, mode, dtype, batch):
    common = {"suite": "share", "net": model, "mode": mode, "dtype": dtype, "batch": batch, "size": size_of(model)}
    compare_share(ARGS, results, common, *build_variants(model, mode, dtype, batch), gadolin_words(model, mode, dtype, batch))


def forget(device):
    if device == "cuda":
        torch._dynamo.reset()
        torch.cuda.empty_cache()


def main():
    torch.set_num_threads(ARGS.threads)
    results = Results(ARGS.json, ARGS)
    before = results.machine()
    if before["load"][0] > 0.5 and ARGS.device == "cpu":
        print(f"compare_pytorch: the load is {before['load'][0]:.1f} already; these times will not be clean", file=sys.stderr)
    models, modes, dtypes = ARGS.models.split(","), ARGS.modes.split(","), ARGS.dtypes.split(",")
    if ARGS.loader:
        compare_more.compare_loaders(ARGS, results, report)
    elif ARGS.end_to_end:
        compare_more.compare_end_to_end(ARGS, results, report, models, dtypes)
    else:
        for model in models:
            for dtype in dtypes:
                if ARGS.gadolin and (ARGS.check or ("train" in modes and not (ARGS.no_check or ARGS.memory or ARGS.latency or ARGS.share or ARGS.startup))):
                    check(ARGS, results, model, dtype, ARGS.check_batch, size_of(model))
                    forget(ARGS.device)
                if ARGS.latency:
                    compare_latency(results, model, dtype)
                elif ARGS.startup:
                    compare_more.compare_startup(ARGS, results, model, dtype, size_of(model))
                elif not ARGS.check:
                    for batch in ARGS.batches:
                        for mode in [] if not ARGS.memory else modes if is_detector(model) else ["train"]:
                            compare_more.compare_memory(ARGS, results, model, mode, dtype, batch, size_of(model))
                        for mode in [] if ARGS.memory else modes:
                            (compare_beside if ARGS.share else compare_steps)(results, model, mode, dtype, batch)
                            forget(ARGS.device)
    results.machine()
    if results.failed:
        print("compare_pytorch: failed: " + "; ".join(results.failed), file=sys.stderr)
    return 1 if results.failed else 0


if __name__ == "__main__":
    sys.exit(main())
