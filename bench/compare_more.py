"""The comparisons of bench/compare_pytorch.py that are not steps of a net: memory, start-up, loaders, end to end."""

import contextlib
import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from gadolin_side import Failed, rows_of, run_program, spread

HERE = Path(__file__).resolve().parent
MEAN, DEVIATION = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def common_options(args):
    return ["--device", args.device, "--threads", args.threads]


def run_child(args, *words, env=None):
    """JSON lines that this script printed as another process, and that process's largest resident memory in MB."""
    command = [sys.executable, str(HERE / "compare_pytorch.py"), *map(str, common_options(args)), "--child", *map(str, words)]
    events, peak = follow(command, env)
    return [json.loads(line) for line in events.splitlines() if line.startswith("{")], peak


def follow(command, env=None):
    """Output of a process and its largest resident memory in MB: getrusage of a child counts what this process held."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        process = subprocess.Popen(list(map(str, command)), stdout=out, stderr=err, text=True, env={**os.environ, **(env or {})})
        peak = 0.0
        while process.poll() is None:
            with contextlib.suppress(OSError):
                for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
                    if line.startswith("VmHWM"):
                        peak = int(line.split()[1]) / 1024
            time.sleep(0.01)
        out.seek(0), err.seek(0)
        if process.returncode != 0:
            said = [line for line in err.read().splitlines() if line.strip()]
            raise Failed(f"a process ended with {process.returncode}: {said[-1][:120] if said else 'nothing printed'}")
        return out.read(), peak


def child(args, words):
    if words[0] == "memory":
        return memory_child(args, words[1], words[2], words[3], int(words[4]), int(words[5]))
    return startup_child(args, words[1], words[2], words[3], int(words[4]), int(words[5]), float(words[6]))


# Memory --------------------------------------------------------------------------------------------------------------

def memory_child(args, model, mode, dtype, batch, size):
    """What three steps of PyTorch need: on the CPU beyond the process that has imported it."""
    import torch
    from pytorch_side import make_step, random_batch
    resident = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
    step = make_step(args.device, model, mode, dtype, "eager", *random_batch(model, batch, size))
    for _ in range(3):
        step()
    if args.device == "cuda":
        free, total = torch.cuda.mem_get_info()
        print(json.dumps({"peak_mb": torch.cuda.max_memory_allocated() / 2**20, "reserved_mb": torch.cuda.max_memory_reserved() / 2**20,
                          "device_mb": (total - free) / 2**20}))
    else:
        status = Path("/proc/self/status").read_text().split("VmHWM:")[1]
        print(json.dumps({"peak_mb": int(status.split()[0]) / 1024 - resident}))


def compare_memory(args, results, model, mode, dtype, batch, size):
    """On the CPU the whole Gadolin process against PyTorch's growth after its import; on CUDA the allocators' peaks."""
    label = f"{model} {dtype} x{batch} memory" + ("" if mode == "train" else f" {mode}")
    common = {"suite": "memory", "net": model, "mode": mode, "dtype": dtype, "batch": batch, "size": size}
    try:
        theirs = run_child(args, "memory", model, mode, dtype, batch, size)[0][-1]
        results.add(**common, framework="pytorch", variant="eager", **theirs)
        line = f"{label:<28} PyTorch {theirs['peak_mb']:.0f} MB"
        if args.gadolin:
            words = ["bench", "model", model, "--mode", mode, "--input", f"3x{size}x{size}", "--dtype", dtype, "--batch", batch, "--steps", 2,
                     "--blocks", 1, "--seconds", 0, "--warm-up", 1, "--warm-seconds", 0, *common_options(args)]
            if args.device == "cuda":
                row = rows_of(run_program(args.gadolin, words, args.gadolin_args.split()), "model")[-1]
                ours = {"peak_mb": row["peak_mb"], "reserved_mb": row["reserved_mb"]}
            else:
                ours = {"peak_mb": follow([args.gadolin, *words, "--json", *args.gadolin_args.split()])[1]}
            results.add(**common, framework="gadolin", variant="graph" if args.device == "cuda" else "eager", **ours)
            line += f"   Gadolin {ours['peak_mb']:.0f} MB   share {ours['peak_mb'] / theirs['peak_mb']:.2f}"
        print(line, flush=True)
    except Failed as error:
        results.fail(label, error)


# From the start of the process to the end of the first step ------------------------------------------------------------

def startup_child(args, model, dtype, variant, batch, size, begin):
    """Prints seconds by part; `begin` is the monotonic clock when the process was asked for."""
    parts, before = [], begin

    def part(name):
        nonlocal before
        now = time.monotonic()
        parts.append((name, now - before))
        before = now

    part("interpreter and own imports")
    import torch
    import torchvision  # noqa: F401
    from pytorch_side import make_step, random_batch, synchronize
    part("import of torch")
    if args.device == "cuda":
        torch.zeros(1, device="cuda")
        synchronize(args.device)
        part("device context")
    step = make_step(args.device, model, "train", dtype, variant.split("+")[0], *random_batch(model, batch, size))
    torch.backends.cudnn.benchmark = "+heuristic" not in variant
    synchronize(args.device)
    part("net and batch on the device")
    step()
    synchronize(args.device)
    part("first step")
    for name, seconds in parts:
        print(json.dumps({"part": name, "ms": 1e3 * seconds}))


def add_startup(results, common, framework, variant, runs):
    """Rows by part (median of runs) and the whole; returns the median of wholes in seconds."""
    names = list(dict.fromkeys(name for run in runs for name, _ in run))
    for name in names:
        values = [sum(ms for n, ms in run if n == name) for run in runs]
        results.add(**common, framework=framework, variant=variant, part=name, ms=max(1e-6, statistics.median(values)),
                    min_ms=max(1e-6, min(values)), max_ms=max(1e-6, max(values)))
    wholes = [sum(ms for _, ms in run) for run in runs]
    results.add(**(common | {"suite": "first step"}), framework=framework, variant=variant, **spread(wholes))
    return wholes


def compare_startup(args, results, model, dtype, size):
    """PyTorch eager (cudnn.benchmark on and off) and compiled (empty and warm cache), Gadolin with an empty and a warm
    plan database; each in processes of its own, the first of a kind not counted where a cache is warm."""
    batch = args.batches[0]
    common = {"suite": "startup", "net": model, "mode": "train", "dtype": dtype, "batch": batch, "size": size}
    variants = args.variants.split(",") if args.variants else ["eager"] + (["eager+heuristic", "compile"] if args.device == "cuda" else [])
    with tempfile.TemporaryDirectory(prefix="gadolin-startup-") as folder:
        for variant in variants:
            for cache in ["empty cache", "warm cache"] if variant.startswith("compile") else [""]:
                runs = []
                env = {"TORCHINDUCTOR_CACHE_DIR": f"{folder}/{variant}", "TRITON_CACHE_DIR": f"{folder}/{variant}-triton"} if cache else {}
                try:
                    for _ in range(1 if cache == "empty cache" else args.alternations):
                        events, _ = run_child(args, "startup", model, dtype, variant, batch, size, time.monotonic(), env=env)
                        runs.append([(event["part"], event["ms"]) for event in events])
                except Failed as error:
                    print(f"{model} {dtype} start-up, PyTorch {variant} did not run: {error}", flush=True)
                    break
                show_startup(model, dtype, f"PyTorch {variant} {cache}", add_startup(results, common, "pytorch", f"{variant} {cache}".strip(), runs), runs)
        if not args.gadolin:
            return
        words = ["bench", "startup", "--model", model, "--batch", batch, "--input", f"3x{size}x{size}", "--dtype", dtype, *common_options(args)]
        before = os.environ.get("GADOLIN_CACHE_DIR")
        os.environ["GADOLIN_CACHE_DIR"] = f"{folder}/plans"
        try:
            for cache, count in [("empty database", 1), ("graph", args.alternations)] if args.device == "cuda" else [("eager", args.alternations)]:
                events = run_program(args.gadolin, [*words, "--runs", count], args.gadolin_args.split())
                runs = {}
                for event in events:
                    if event.get("event") == "startup":
                        runs.setdefault(event["run"], []).append((event["part"], 1e3 * event["seconds"]))
                until = lambda run: run[:1 + [name for name, _ in run].index("first step")]
                runs = [until(run) for run in runs.values()]
                show_startup(model, dtype, f"Gadolin {cache}", add_startup(results, common, "gadolin", cache, runs), runs)
        except Failed as error:
            results.fail(f"{model} {dtype} start-up Gadolin", error)
        finally:
            os.environ.pop("GADOLIN_CACHE_DIR") if before is None else os.environ.update(GADOLIN_CACHE_DIR=before)


def show_startup(model, dtype, side, wholes, runs):
    parts = ", ".join(f"{name} {ms / 1e3:.2f}" for name, ms in runs[-1])
    print(f"{model} {dtype} start-up, {side}: {statistics.median(wholes) / 1e3:.2f} s ({parts})", flush=True)


# Pictures ------------------------------------------------------------------------------------------------------------

def make_picture(job):
    """A smooth random picture of about 100 kB as a JPEG of 500 x 375, the size of common photographs."""
    import numpy as np
    from PIL import Image
    path, seed = job
    random = np.random.default_rng(seed)
    coarse = Image.fromarray(random.integers(0, 256, (24, 32, 3), dtype=np.uint8)).resize((500, 375), Image.Resampling.BICUBIC)
    noise = random.normal(0, 14, (375, 500, 3))
    Image.fromarray(np.clip(np.asarray(coarse) + noise, 0, 255).astype(np.uint8)).save(path, quality=88)


def make_pictures(folder, count, workers):
    jobs = []
    for i in range(count):
        kind = Path(folder) / f"class{i % 10}"
        kind.mkdir(parents=True, exist_ok=True)
        jobs.append((str(kind / f"{i:06}.jpg"), i))
    with multiprocessing.get_context("spawn").Pool(max(1, workers)) as pool:
        pool.map(make_picture, jobs, chunksize=16)


def torch_loader(args, folder, batch, pinned=False):
    import torch
    import torchvision
    from torchvision import transforms
    change = transforms.Compose([transforms.RandomResizedCrop(args.size or 224), transforms.RandomHorizontalFlip(), transforms.ToTensor(),
                                 transforms.Normalize(MEAN, DEVIATION)])
    data = torchvision.datasets.ImageFolder(folder, change)
    return data, torch.utils.data.DataLoader(data, batch, shuffle=True, drop_last=pinned, num_workers=args.workers, pin_memory=pinned,
                                             persistent_workers=args.workers > 0)


def compare_loaders(args, results, report):
    """Milliseconds to decode, crop, flip and normalise the whole folder once, batches thrown away."""
    data, loader = torch_loader(args, args.loader, args.batches[0])

    def epochs():
        start = time.perf_counter()
        for _ in range(args.epochs):
            for _ in loader:
                pass
        return (time.perf_counter() - start) * 1e3 / args.epochs

    epochs()  # workers started, files in the page cache
    theirs, ours = [], []
    for _ in range(args.alternations):
        theirs.append(epochs())
        if args.gadolin:
            words = ["bench", "data", args.loader, "--batch", args.batches[0], "--size", args.size or 224, "--workers", args.workers,
                     "--epochs", args.epochs]
            try:
                ours.append(len(data) / run_program(args.gadolin, words)[-1]["metrics"]["images_per_s"] * 1e3)
            except Failed as error:
                return results.fail("loader", error)
    common = {"suite": "loader", "name": "loader", "batch": len(data), "size": args.size or 224, "workers": args.workers}
    finish(results, report, f"loader, {args.workers} worker(s)", common, "pillow", theirs, ours)


def compare_end_to_end(args, results, report, models, dtypes):
    """Milliseconds of an epoch from JPEG files to trained parameters; the first of each side is not counted."""
    from pytorch_side import quiet_build, random_batch, synchronize
    folder = args.end_to_end
    if not Path(folder).exists():
        make_pictures(folder, args.pictures, os.cpu_count())
    batch = args.batches[0]
    for model in models:
        for dtype in dtypes:
            data, loader = torch_loader(args, folder, batch, pinned=True)
            step = quiet_build(args.device, model, "train", dtype, "eager", *random_batch(model, batch, args.size or 224))
            count = len(loader) * batch

            def epoch():
                start = time.perf_counter()
                for x, labels in loader:
                    step.x.copy_(x, non_blocking=True)
                    step.labels.copy_(labels, non_blocking=True)
                    step()
                synchronize(args.device)
                return (time.perf_counter() - start) * 1e3

            epoch()
            theirs, ours = [], []
            try:
                for _ in range(args.alternations):
                    theirs.append(epoch())
                    if args.gadolin:
                        ours.append(count / gadolin_epoch(args, folder, model, dtype, batch) * 1e3)
            except Failed as error:
                results.fail(f"{model} {dtype} end to end", error)
            common = {"suite": "endtoend", "net": model, "mode": "train", "dtype": dtype, "batch": count, "loader_batch": batch,
                      "size": args.size or 224, "workers": args.workers}
            finish(results, report, f"{model} {dtype} end to end", common, "eager", theirs, ours)


def gadolin_epoch(args, folder, model, dtype, batch):
    """Images a second of `gadolin train` after its first epoch."""
    size = args.size or 224
    with tempfile.TemporaryDirectory(prefix="gadolin-train-") as out:
        events = run_program(args.gadolin, [
            "train", folder, "--out", f"{out}/run", "--model", model, "--input-size", size, "--epochs", 1 + args.epochs, "--batch-size", batch,
            "--optimizer", "momentum", "--lr", 1e-3, "--shares", "0.9/0.05/0.05", "--workers", args.workers, "--dtype", dtype,
            "--augment", f"rgb,random-resized-crop:{size},hflip,normalize:0.485/0.456/0.406:0.229/0.224/0.225", *common_options(args)],
            args.gadolin_args.split())
    rates = [event["images_per_second"] for event in events if event.get("event") == "epoch"]
    return statistics.median(rates[1:])


def finish(results, report, label, common, variant, theirs, ours):
    for framework, name, times in (("pytorch", variant, theirs), ("gadolin", "", ours)):
        if times:
            results.add(**common, framework=framework, variant=name, **spread(times))
    if theirs:
        report(results, label, common, {variant: spread(theirs)}, {"": spread(ours)} if ours else {})
