"""Runs the same work in PyTorch and in Gadolin, alternating in one session, and prints the ratios.

    python bench/compare_pytorch.py --gadolin build/cpu/gadolin                         training and inference steps
    python bench/compare_pytorch.py --gadolin build/cuda/gadolin --device cuda --batch 256 --dtypes bf16
    python bench/compare_pytorch.py --gadolin build/cpu/gadolin --loader IMAGE_FOLDER    decode and augment
    python bench/compare_pytorch.py --gadolin build/cpu/gadolin --memory                 peak memory of a training step
    python bench/compare_pytorch.py                                                      PyTorch's half alone

PyTorch is run at its best: channels-last, inference mode, fused optimiser, gradients set to None, nothing read back in
the loop, every variant that `--variants` names; the ratio is to the fastest. A ratio above 1 means Gadolin is faster.
"""

import argparse
import contextlib
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

VARIANTS = {  # (device, mode) -> what is tried unless --variants says otherwise
    ("cpu", "train"): ["eager"],
    ("cpu", "infer"): ["eager", "folded"],
    ("cuda", "train"): ["eager", "graph", "compile", "compile-reduce-overhead", "compile-max-autotune"],
    ("cuda", "infer"): ["eager", "graph", "folded", "compile", "compile-reduce-overhead", "compile-max-autotune"],
}


def parse():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--gadolin", help="the program; without it only PyTorch runs")
    p.add_argument("--gadolin-args", default="", help="more options for the program, one string")
    p.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    p.add_argument("--models", default="resnet18,resnet50")
    p.add_argument("--modes", default="train,infer")
    p.add_argument("--dtypes", default="fp32,bf16", help="of fp32, tf32 (CUDA), bf16, fp16 (CUDA)")
    p.add_argument("--variants", help="of eager, folded, cast, graph, compile, compile-reduce-overhead, compile-max-autotune")
    p.add_argument("--batch", type=int, default=16)
    p.add_argument("--size", type=int, default=0, help="0: 224, and 299 for Inception; loaders always 224")
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--steps", type=int, default=0, help="steps a block (default 5 on the CPU, 20 on CUDA)")
    p.add_argument("--warmup", type=int, default=0, help="steps before a variant's first block (default 2, 20)")
    p.add_argument("--alternations", type=int, default=3)
    p.add_argument("--loader", metavar="FOLDER", help="compare the loaders on this folder of class folders")
    p.add_argument("--workers", type=int, default=1, help="loader workers on both sides")
    p.add_argument("--epochs", type=int, default=1, help="passes over the folder in a block, with --loader")
    p.add_argument("--memory", action="store_true", help="peak memory of training steps instead of times")
    p.add_argument("--peak-of", nargs=2, metavar=("MODEL", "DTYPE"), help=argparse.SUPPRESS)  # a child of --memory
    p.add_argument("--json", metavar="FILE", help="write all measurements")
    args = p.parse_args()
    args.steps = args.steps or (20 if args.device == "cuda" else 5)
    args.warmup = args.warmup or (20 if args.device == "cuda" else 2)
    return args


ARGS = parse()
os.environ["OMP_NUM_THREADS"] = str(ARGS.threads)  # before torch starts its pool

import torch  # noqa: E402
import torch.nn.functional as F  # noqa: E402
import torchvision  # noqa: E402
from torchvision import transforms  # noqa: E402


NET_OPTIONS = {"inception_v3": {"init_weights": False}, "googlenet": {"init_weights": False}}


def size_of(model):
    return ARGS.size or (299 if model.startswith("inception") else 224)


def loss_of(output, labels):
    """Cross-entropy; auxiliary heads count 0.4 each."""
    if torch.is_tensor(output):
        return F.cross_entropy(output, labels)
    return sum((1 if i == 0 else 0.4) * F.cross_entropy(part, labels) for i, part in enumerate(output) if part is not None)


# PyTorch's steps -----------------------------------------------------------------------------------------------------

def build_step(model, mode, dtype, variant):
    """A callable that does one step and returns a tensor on the device."""
    device = torch.device(ARGS.device)
    torch.manual_seed(0)
    torch.backends.cudnn.benchmark = True
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = dtype != "fp32"
    net = torchvision.models.get_model(model, weights=None, num_classes=1000, **NET_OPTIONS.get(model, {}))
    net = net.to(device=device, memory_format=torch.channels_last)
    x = torch.randint(0, 256, (ARGS.batch, 3, size_of(model), size_of(model)), dtype=torch.uint8).to(device).float().div_(127.5)
    x = x.sub_(1).contiguous(memory_format=torch.channels_last)
    labels = torch.randint(0, 1000, (ARGS.batch,)).to(device)
    amp = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(dtype)
    cast = (lambda: torch.autocast(ARGS.device, amp, cache_enabled=variant != "graph")) if amp else contextlib.nullcontext
    net.train(mode == "train")

    if variant == "folded":
        from torch.fx.experimental.optimization import fuse
        net = fuse(net.eval()).to(memory_format=torch.channels_last)
    if variant == "cast" and amp:
        net, x, cast = net.to(amp), x.to(amp), contextlib.nullcontext
    if variant.startswith("compile"):
        kind = variant.removeprefix("compile").lstrip("-")
        net = torch.compile(net, mode=kind or None)

    if mode == "infer":
        def step():
            with torch.inference_mode(), cast():
                return net(x)
    else:
        optimiser = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4, fused=True)
        scaler = torch.amp.GradScaler(ARGS.device, enabled=dtype == "fp16")

        def step():
            optimiser.zero_grad(set_to_none=True)
            with cast():
                loss = loss_of(net(x), labels)
            scaler.scale(loss).backward()
            scaler.step(optimiser)
            scaler.update()
            return loss.detach()

    if variant == "graph":
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(5):
                step()
        torch.cuda.current_stream().wait_stream(side)
        recorded = torch.cuda.CUDAGraph()
        with torch.cuda.graph(recorded):
            out = step()

        def replay():
            recorded.replay()
            return out
        return replay
    return step


def time_steps(step, count):
    """Milliseconds a step: of each one on the CPU, the mean of the block on CUDA."""
    if ARGS.device == "cuda":
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        torch.cuda.synchronize()
        begin.record()
        for _ in range(count):
            step()
        end.record()
        torch.cuda.synchronize()
        return [begin.elapsed_time(end) / count]
    times = []
    for _ in range(count):
        start = time.perf_counter()
        step()
        times.append((time.perf_counter() - start) * 1e3)
    return times


def warm(step):
    start = time.perf_counter()
    for _ in range(ARGS.warmup):
        step()
    while ARGS.device == "cuda" and time.perf_counter() - start < 3:  # until the clocks have settled
        step()
        torch.cuda.synchronize()


# Gadolin's half ------------------------------------------------------------------------------------------------------

def gadolin(*words):
    """The metrics of the final event."""
    command = [ARGS.gadolin, "bench", *map(str, words), "--json", *ARGS.gadolin_args.split()]
    done = subprocess.run(command, capture_output=True, text=True)
    events = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode != 0 or not events or events[-1].get("event") != "done":
        sys.exit(f"compare_pytorch: {' '.join(command)} failed ({done.returncode}):\n{done.stderr}{done.stdout[-2000:]}")
    return events[-1]["metrics"]


# One comparison ------------------------------------------------------------------------------------------------------

def compare_steps(model, mode, dtype):
    variants = ARGS.variants.split(",") if ARGS.variants else list(VARIANTS[ARGS.device, mode])
    if mode == "infer" and dtype in ("bf16", "fp16") and not ARGS.variants:
        variants.append("cast")
    steps, failed = {}, {}
    for variant in variants:
        try:
            steps[variant] = build_step(model, mode, dtype, variant)
            warm(steps[variant])
        except Exception as error:  # a variant that this PyTorch cannot run must not end the suite
            steps.pop(variant, None)
            failed[variant] = str(error).splitlines()[0] if str(error) else type(error).__name__
    theirs, ours = {v: [] for v in steps}, []
    for _ in range(ARGS.alternations):
        for variant, step in steps.items():
            step()
            theirs[variant] += time_steps(step, ARGS.steps)
        if ARGS.gadolin:
            ours.append(gadolin("model", model, "--mode", mode, "--batch", ARGS.batch, "--input",
                                f"3x{size_of(model)}x{size_of(model)}", "--dtype", dtype, "--threads", ARGS.threads,
                                "--steps", ARGS.steps, "--device", ARGS.device)["median_ms"])
    row = {"suite": "model", "net": model, "mode": mode, "dtype": dtype, "batch": ARGS.batch, "size": size_of(model),
           "pytorch_ms": {v: summary(t) for v, t in theirs.items()}, "pytorch_failed": failed,
           "gadolin_ms": summary(ours)}
    best = min(theirs, key=lambda v: statistics.median(theirs[v]), default=None)
    return finish(row, f"{model} {mode} {dtype}", best, theirs, ours, ARGS.batch)


def finish(row, label, best, theirs, ours, images):
    row["best_variant"] = best
    if best and ours:
        row["ratio_to_best"] = statistics.median(theirs[best]) / statistics.median(ours)
    if "eager" in theirs and ours:
        row["ratio_to_eager"] = statistics.median(theirs["eager"]) / statistics.median(ours)
    for variant, times in theirs.items():
        middle = statistics.median(times)
        line = f"{label:<22} PyTorch {variant:<23} {middle:9.2f} ms (least {min(times):9.2f}) "
        line += f"{images / middle * 1e3:9.1f} img/s"
        if ours:
            line += f"   Gadolin {statistics.median(ours):9.2f} ms   ratio {middle / statistics.median(ours):5.2f}"
        print(line, flush=True)
    for variant, why in row["pytorch_failed"].items():
        print(f"{label:<22} PyTorch {variant:<23} did not run: {why[:80]}", flush=True)
    return row


def summary(times):
    if not times:
        return None
    return {"median": statistics.median(times), "min": min(times), "max": max(times), "count": len(times)}


def process_peak(command):
    """Largest resident memory of a process in MB, and what it printed."""
    process = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, text=True)
    peak = 0
    while process.poll() is None:  # getrusage of a child would count what this process held when it forked
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
                if line.startswith("VmHWM"):
                    peak = int(line.split()[1]) / 1024
        time.sleep(0.01)
    if process.returncode != 0:
        sys.exit(f"compare_pytorch: {command} failed")
    return peak, process.stdout.read()


def peak_of(model, dtype):
    """Prints what three training steps of PyTorch need beyond the process that has imported it, in MB."""
    resident = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
    step = build_step(model, "train", dtype, "eager")
    for _ in range(3):
        step()
    if ARGS.device == "cuda":
        print(torch.cuda.max_memory_allocated() / 2**20)
    else:
        status = Path("/proc/self/status").read_text().split("VmHWM:")[1]
        print(int(status.split()[0]) / 1024 - resident)


def compare_memory(model, dtype):
    """On the CPU the whole Gadolin process against PyTorch's growth after its import; on CUDA the allocators' peaks."""
    size = size_of(model)
    common = ["--device", ARGS.device, "--batch", ARGS.batch, "--threads", ARGS.threads]
    theirs = float(process_peak([sys.executable, __file__, *common, "--size", size, "--peak-of", model, dtype])[1])
    words = ["model", model, "--mode", "train", "--input", f"3x{size}x{size}", "--dtype", dtype, "--steps", 2, *common]
    if ARGS.device == "cuda":
        ours = gadolin(*words)["peak_bytes"] / 2**20
    else:
        ours = process_peak([ARGS.gadolin, "bench", *words, "--json"])[0]
    print(f"{model} train {dtype}, batch {ARGS.batch}: peak memory PyTorch {theirs:.0f} MB   Gadolin {ours:.0f} MB   "
          f"share {ours / theirs:.2f}", flush=True)
    return {"suite": "memory", "net": model, "dtype": dtype, "batch": ARGS.batch, "size": size, "pytorch_mb": theirs,
            "gadolin_mb": ours, "share": ours / theirs}


def compare_loaders():
    """Milliseconds to decode, crop, flip and normalise the whole folder once, batches thrown away."""
    change = transforms.Compose([
        transforms.RandomResizedCrop(ARGS.size or 224), transforms.RandomHorizontalFlip(), transforms.ToTensor(),
        transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])])
    data = torchvision.datasets.ImageFolder(ARGS.loader, change)
    loader = torch.utils.data.DataLoader(data, ARGS.batch, shuffle=True, num_workers=ARGS.workers,
                                         persistent_workers=ARGS.workers > 0)

    def epochs():
        start = time.perf_counter()
        for _ in range(ARGS.epochs):
            for _ in loader:
                pass
        return (time.perf_counter() - start) * 1e3 / ARGS.epochs

    epochs()  # workers started, files in the page cache
    theirs, ours = [], []
    for _ in range(ARGS.alternations):
        theirs.append(epochs())
        if ARGS.gadolin:
            rate = gadolin("data", ARGS.loader, "--batch", ARGS.batch, "--size", ARGS.size or 224, "--workers", ARGS.workers,
                           "--epochs", ARGS.epochs)["images_per_s"]
            ours.append(len(data) / rate * 1e3)
    row = {"suite": "loader", "images": len(data), "batch": ARGS.batch, "size": ARGS.size or 224, "workers": ARGS.workers,
           "pytorch_ms": {"pillow": summary(theirs)}, "pytorch_failed": {}, "gadolin_ms": summary(ours)}
    return finish(row, f"loader, {ARGS.workers} worker(s)", "pillow", {"pillow": theirs}, ours, len(data))


def machine():
    about = {"torch": torch.__version__, "torchvision": torchvision.__version__, "python": platform.python_version(),
             "threads": ARGS.threads, "device": ARGS.device, "load": os.getloadavg(), "config": torch.__config__.show()}
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        about["cpu"] = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "")
    if ARGS.device == "cuda":
        about |= {"gpu": torch.cuda.get_device_name(), "cudnn": torch.backends.cudnn.version()}
        with contextlib.suppress(OSError):
            query = ["nvidia-smi", "--query-gpu=clocks.sm,clocks.mem,power.draw,temperature.gpu", "--format=csv,noheader"]
            about["clocks_power_temperature"] = subprocess.run(query, capture_output=True, text=True).stdout.strip()
    return about


def main():
    torch.set_num_threads(ARGS.threads)
    if ARGS.peak_of:
        return peak_of(*ARGS.peak_of)
    before = machine()
    if before["load"][0] > 0.5:
        print(f"compare_pytorch: the load is {before['load'][0]:.1f} already; these times will not be clean", file=sys.stderr)
    rows = []
    if ARGS.memory:
        rows = [compare_memory(model, dtype) for model in ARGS.models.split(",") for dtype in ARGS.dtypes.split(",")]
    elif ARGS.loader:
        rows.append(compare_loaders())
    else:
        for model in ARGS.models.split(","):
            for mode in ARGS.modes.split(","):
                for dtype in ARGS.dtypes.split(","):
                    rows.append(compare_steps(model, mode, dtype))
                    if ARGS.device == "cuda":
                        torch._dynamo.reset()
                        torch.cuda.empty_cache()
    if ARGS.json:
        Path(ARGS.json).parent.mkdir(parents=True, exist_ok=True)
        Path(ARGS.json).write_text(json.dumps({"machine": before, "after": machine(), "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
