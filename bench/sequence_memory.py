"""Resident memory of train-lstm and predict on features of head CTs, at shares of the original's size.

    pip install numpy
    python bench/sequence_memory.py --gadolin build/test/apps/gadolin --work /tmp/memory --out memory.txt

Random features of the original's width (1,536 numbers of fp16 and the six logits), 30 slices a series, six of seven series to learn from and one
to answer for, as extract-features leaves them. The largest resident memory is the kernel's (ru_maxrss), so pages of mapped files count.
A share of 1 is 874,035 slices in about 29,000 series.
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

ALL, LENGTH, WIDTH = 874_035, 30, 1542
SUBTYPES = ["epidural", "intraparenchymal", "intraventricular", "subarachnoid", "subdural", "any"]


def write_array(path, rows, width, dtype, chance):
    """A .npy, a piece at a time."""
    header = {"descr": np.dtype(dtype).str, "fortran_order": False, "shape": (rows, width)}
    with open(path, "wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for at in range(0, rows, 8192):
            file.write(chance.random((min(8192, rows - at), width), dtype=np.float32).astype(dtype).tobytes())


def make(folder, share):
    chance = np.random.default_rng(0)
    shutil.rmtree(folder, ignore_errors=True)
    series = int(ALL * share) // LENGTH
    test = series // 7
    folder.mkdir(parents=True)
    (folder / "classes.txt").write_text("".join(f"{s}\n" for s in SUBTYPES))
    for part, first, count in (("fold-1", 0, (series - test) // 2), ("fold-2", (series - test) // 2, series - test - (series - test) // 2), ("test", series - test, test)):
        (folder / part).mkdir()
        rows = count * LENGTH
        write_array(folder / part / "features.npy", rows, WIDTH, np.float16, chance)
        write_array(folder / part / "base.npy", rows, 6, np.float32, chance)
        ill = chance.random(rows) < 0.14
        with open(folder / part / "index.csv", "w") as file:
            file.write("row,path,patient,study,series,position,label,labelled\n")
            for i in range(rows):
                s = first + i // LENGTH
                file.write(f"{i},ID_{s * LENGTH + i % LENGTH:09x},ID_{s // 2:08x},ID_{s:010x},ID_{s:010x},{5 * (i % LENGTH)},"
                           f"{'subdural|any' if ill[i] and part != 'test' else ''},{0 if part == 'test' else 1}\n")
    return series * LENGTH, series


def measured(words):
    """Seconds and largest resident MB of a command."""
    start = time.perf_counter()
    process = subprocess.Popen([str(w) for w in words], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    said = process.stderr.read().decode()
    _, status, used = os.wait4(process.pid, 0)
    if status != 0:
        sys.exit(f"{' '.join(map(str, words[1:3]))} ended with {status}: {said}")
    return time.perf_counter() - start, used.ru_maxrss / 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gadolin", required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--shares", type=float, nargs="+", default=[0.025, 0.1])
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    program = os.path.abspath(args.gadolin)
    lines = [f"train-lstm (2 x 256, {args.epochs} epoch, batch 32, with the evaluation of a tenth of the patients) and predict, on {WIDTH} features of fp16, 2 threads",
             f"{'slices':>10}{'series':>10}{'features':>12}{'train-lstm':>24}{'predict':>24}"]
    for share in args.shares:
        features, run = args.work / "features", args.work / "run"
        slices, series = make(features, share)
        size = sum(f.stat().st_size for f in features.rglob("*") if f.is_file()) / 2**20
        shutil.rmtree(run, ignore_errors=True)
        train = measured([program, "hemorrhage", "train-lstm", features, "--num_epochs", args.epochs, "--strips", 0, "--threads", 2, "--out", run, "--quiet"])
        answer = measured([program, "hemorrhage", "predict", features, "--model_id", run, "--threads", 2, "--out", args.work / "output.csv", "--quiet"])
        lines.append(f"{slices:>10}{series:>10}{size:>9.0f} MB" + "".join(f"{seconds:>11.0f} s{rss:>8.0f} MB" for seconds, rss in (train, answer)))
        print(lines[-1], flush=True)
    shutil.rmtree(args.work, ignore_errors=True)
    text = "\n".join(lines)
    print(text)
    if args.out:
        args.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
