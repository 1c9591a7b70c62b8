"""Runs the same recurrent layers in PyTorch and in Gadolin, in turns, and prints the ratios of their times.

    pip install torch
    python bench/compare_lstm.py --gadolin build/test/apps/gadolin [--cells lstm,gru] [--dtypes fp32,bf16] [--threads 2] [--device cuda]
        [--out lstm.txt] [--json lstm.json]

Two layers of 256 units in two directions over 60 steps of 1,536 features, batch 32: the sequence model of head CT. Gadolin's side is
`gadolin bench op`. Training is forward and backward to the gradients of the weights, from a sum of the outputs; the features want
none. On a GPU twenty calls are measured as one, and PyTorch's are cudnnRNN's as well. PyTorch's bf16 is autocast in training, as its documentation advises, and the faster of autocast and weights in bf16 in evaluation. Each
side is measured --alternations times; the ratio is of the medians, above 1 where Gadolin is faster.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import time

BATCH, STEPS, FEATURES, HIDDEN = 32, 60, 1536, 256


def pytorch_times(torch, device, cell, dtype, training, seconds):
    """Milliseconds a call, the faster of the ways that PyTorch has for this type."""
    ways = [torch.float32] if dtype == "fp32" else ["autocast"] + ([] if training else [torch.bfloat16])
    best = None
    for way in ways:
        net = (torch.nn.LSTM if cell == "lstm" else torch.nn.GRU)(FEATURES, HIDDEN, 2, batch_first=True, bidirectional=True).to(device)
        x = torch.randn(BATCH, STEPS, FEATURES, device=device)
        if way == torch.bfloat16:
            net, x = net.to(way), x.to(way)
        net.train(training)

        def call():
            with torch.autocast(device, torch.bfloat16, enabled=way == "autocast"):
                if training:
                    net.zero_grad(set_to_none=True)
                    net(x)[0].float().sum().backward()
                else:
                    with torch.no_grad():
                        net(x)

        calls, done = (20, torch.cuda.synchronize) if device == "cuda" else (1, lambda: None)
        for _ in range(2):
            call()
        done()
        times, end = [], time.perf_counter() + seconds
        while len(times) < 3 or time.perf_counter() < end:
            start = time.perf_counter()
            for _ in range(calls):
                call()
            done()
            times.append((time.perf_counter() - start) * 1000 / calls)
        median = statistics.median(times)
        best = median if best is None else min(best, median)
    return best


def gadolin_times(args, cell, dtype, training):
    name = f"recurrent: {cell} 2 x 256, two directions, {'training' if training else 'evaluation'}"
    command = [args.gadolin, "bench", "op", name, "--batch", str(BATCH), "--dtype", dtype, "--threads", str(args.threads),
               "--block-ms", str(args.seconds * 200), "--device", args.device, "--json"]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    return next(e["median_ms"] for e in map(json.loads, lines) if e.get("event") == "op")


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--gadolin", required=True, help="the program")
    p.add_argument("--cells", default="lstm")
    p.add_argument("--dtypes", default="fp32,bf16")
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    p.add_argument("--seconds", type=float, default=1.0, help="of each measurement")
    p.add_argument("--alternations", type=int, default=3)
    p.add_argument("--out", help="write the table to this file too")
    p.add_argument("--json", help="and rows for bench/gpu_report.py to this one")
    args = p.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(args.threads)
    import torch

    torch.set_num_threads(args.threads)
    torch.manual_seed(1)
    where = torch.cuda.get_device_name() if args.device == "cuda" else platform.processor() or platform.machine()
    lines = [f"PyTorch {torch.__version__}, {args.threads} threads, {where}", "",
             "| layers | pass | type | PyTorch ms | Gadolin ms | ratio |", "|---|---|---|---|---|---|"]
    print("\n".join(lines), flush=True)
    rows = []
    for cell in args.cells.split(","):
        for training in (True, False):
            for dtype in args.dtypes.split(","):
                theirs, ours = [], []
                for _ in range(args.alternations):
                    theirs.append(pytorch_times(torch, args.device, cell, dtype, training, args.seconds))
                    ours.append(gadolin_times(args, cell, dtype, training))
                a, b = statistics.median(theirs), statistics.median(ours)
                lines.append(f"| {cell} 2 x {HIDDEN} | {'training' if training else 'evaluation'} | {dtype} | {a:.1f} | {b:.1f} | {a / b:.2f} |")
                print(lines[-1], flush=True)
                for framework, variant, times in (("pytorch", "eager", theirs), ("gadolin", "", ours)):
                    rows.append({"suite": "model", "net": f"{cell} 2x{HIDDEN}", "mode": "train" if training else "infer", "dtype": dtype, "batch": BATCH,
                                 "framework": framework, "variant": variant, "median_ms": statistics.median(times), "min_ms": min(times),
                                 "max_ms": max(times), "versions": {"torch": torch.__version__}, "commit": os.environ.get("GADOLIN_COMMIT", "")})
    if args.out:
        with open(args.out, "w") as file:
            file.write("\n".join(lines) + "\n")
    if args.json:
        with open(args.json, "w") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows)


if __name__ == "__main__":
    main()
