"""Features of VGG-16 (pool5, 25,088 numbers a film) by `gadolin nodule extract-features` and by PyTorch: the same numbers, and how fast.

    pip install torch torchvision pillow safetensors
    python bench/compare_features.py --gadolin build/test/apps/gadolin --films examples/data/cxr-nih14-small/images --threads 2

Both sides read the same JPEGs with the same weights (torchvision's initial ones, by seed) on the same threads, in turns. Gadolin's time is that
of the whole program with its start, reading of weights and writing of codes, less that of the same call for a single film; PyTorch's that of its
loop alone: torchvision's transforms in as many loader processes as there are threads, inference mode, oneDNN, the faster of both memory formats.
Codes must agree within 1e-4 of torchvision's on films that are cut, not resized; resized ones differ by rounding of bytes, which is printed.
"""

import argparse
import csv
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import machine

CUT = "rgb,center-crop:224,normalize:0.485/0.456/0.406:0.229/0.224/0.225"
RESIZED = "rgb,resize:224,center-crop:224,normalize:0.485/0.456/0.406:0.229/0.224/0.225"


class Films:
    """A data set of PyTorch: pictures through torchvision's transforms."""

    def __init__(self, paths, steps):
        self.paths, self.steps = paths, steps

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, i):
        from PIL import Image

        return self.steps(Image.open(self.paths[i]).convert("RGB"))


def steps_of(resize):
    from torchvision import transforms as t

    return t.Compose(([t.Resize(224)] if resize else []) +
                     [t.CenterCrop(224), t.ToTensor(), t.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])])


def by_pytorch(net, paths, resize, batch, workers, channels_last):
    """Codes [N, 25088] and seconds of the loop."""
    import torch

    loader = torch.utils.data.DataLoader(Films(paths, steps_of(resize)), batch_size=batch, num_workers=workers)
    form = torch.channels_last if channels_last else torch.contiguous_format
    net = net.to(memory_format=form)
    codes, begin = [], time.perf_counter()
    with torch.inference_mode():
        for x in loader:
            codes.append(net(x.to(memory_format=form)).contiguous().flatten(1).numpy())
    return np.concatenate(codes), time.perf_counter() - begin


def by_gadolin(args, table, weights, pipeline, out):
    begin = time.perf_counter()
    done = subprocess.run([args.gadolin, "nodule", "extract-features", table, "--weights", weights, "--pipeline", pipeline, "--batch-size",
                           str(args.batch), "--threads", str(args.threads), "--workers", str(args.threads), "--allow-outside", "--out", out,
                           "--quiet"], capture_output=True, text=True)
    seconds = time.perf_counter() - begin
    if done.returncode != 0:
        sys.exit(done.stderr)
    return np.load(Path(out) / "features.npy"), seconds


def table_of(path, films):
    with open(path, "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["path", "labels"])
        rows.writerows([str(film.resolve()), "film"] for film in films)
    return str(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gadolin", required=True)
    parser.add_argument("--films", required=True, help="folder of JPEGs of at least 224 pixels")
    parser.add_argument("--count", type=int, default=48)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--turns", type=int, default=3)
    args = parser.parse_args()

    import torch
    import torchvision
    from safetensors.torch import save_file

    torch.set_num_threads(args.threads)
    torch.manual_seed(1)
    net = torchvision.models.vgg16(weights=None).eval()
    films = sorted(Path(args.films).glob("*.jpg"))[:args.count]
    with tempfile.TemporaryDirectory() as work:
        weights = f"{work}/vgg16.safetensors"
        save_file({k: v for k, v in net.state_dict().items() if k.startswith("features.")}, weights)
        net = net.features
        table, one = table_of(f"{work}/films.csv", films), table_of(f"{work}/one.csv", films[:1])
        result = {"machine": machine.machine_row("cpu", args.threads), "films": len(films), "batch": args.batch, "threads": args.threads}
        for name, pipeline, resize in (("cut", CUT, False), ("resized", RESIZED, True)):
            ours, _ = by_gadolin(args, one, weights, pipeline, f"{work}/{name}")
            theirs, _ = by_pytorch(net, films[:1], resize, 1, 0, False)
            result[f"largest difference, {name}"] = float(np.abs(ours.reshape(1, -1) - theirs).max())
        result["largest code"] = float(np.abs(theirs).max())
        times = {"gadolin": [], "pytorch": []}
        for turn in range(args.turns):
            _, start = by_gadolin(args, one, weights, RESIZED, f"{work}/start{turn}")
            _, whole = by_gadolin(args, table, weights, RESIZED, f"{work}/all{turn}")
            times["gadolin"].append((whole - start) / (len(films) - 1))
            times["pytorch"].append(min(by_pytorch(net, films, True, args.batch, args.threads, last)[1] for last in (False, True)) / len(films))
        for side, seconds in times.items():
            result[side] = {"films a second": 1 / statistics.median(seconds), "turns": [1 / s for s in seconds]}
        result["times PyTorch's"] = result["gadolin"]["films a second"] / result["pytorch"]["films a second"]
    print(json.dumps(result, indent=1))
    if not result["largest difference, cut"] <= 1e-4:
        sys.exit("the codes differ by more than 1e-4")


if __name__ == "__main__":
    main()
