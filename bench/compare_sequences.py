"""Whether a model that reads the slices of a head CT in their order beats the model of single slices, on made-up heads of patients that neither has seen.

    pip install numpy
    python bench/compare_sequences.py --gadolin build/test/apps/gadolin --work /tmp/sequences --out sequences.txt

A seed makes up an archive (gadolin data synth ct-series), runs all steps of examples/hemorrhage/rsna.toml on it with a small net, and asks both
models for the images of stage_2_test. The score is the challenge's weighted log loss; its difference is drawn with the same patients for
both, and all seeds' patients together. A pipeline that has run in --work does not run again.
"""

import argparse
import csv
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

WEIGHTS = {"any": 2}
HERE = Path(__file__).resolve().parent


def submission(path):
    """{image: {subtype: number}} of a table ID,Label."""
    found = {}
    with open(path, newline="") as file:
        for row in csv.DictReader(file):
            image, subtype = row["ID"].rsplit("_", 1)
            found.setdefault(image, {})[subtype] = float(row["Label"])
    return found


def score(said, truth):
    """Weighted log loss of each image."""
    losses = []
    for image, labels in truth.items():
        p = {s: min(max(said[image][s], 1e-15), 1 - 1e-15) for s in labels}
        weight = {s: WEIGHTS.get(s, 1) for s in labels}
        losses.append(-sum(weight[s] * np.log(p[s] if labels[s] else 1 - p[s]) for s in labels) / sum(weight.values()))
    return np.array(losses)


def run_seed(program, folder, seed, args):
    folder.mkdir(parents=True, exist_ok=True)

    def gadolin(*words):
        done = subprocess.run([program, *map(str, words)], cwd=folder, capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"gadolin {' '.join(map(str, words[:2]))} ended with {done.returncode}: {done.stderr or done.stdout}")

    if not (folder / "archive").exists():
        gadolin("data", "synth", "ct-series", "archive", "--patients", args.patients, "--slices", args.slices, "--size", 96, "--seed", seed)
    start = time.perf_counter()
    values = {"net": "resnet18", "more": "--net-option width=16", "input": args.input, "shards": 4, "folds": 2, "epochs": args.epochs, "rate": 0.001,
              "layers": 1, "cells": 64, "series-epochs": 120, "series-rate": 0.003}
    gadolin("pipeline", "run", HERE.parent / "examples" / "hemorrhage" / "rsna.toml", "--seed", seed, "--threads", args.threads, "--quiet",
            *[word for name, value in values.items() for word in ("--set", f"{name}={value}")])
    seconds = time.perf_counter() - start
    gadolin("hemorrhage", "predict", "features/test", "--model_type", "base", "--data_dir", "ct", "--out", "base.csv", "--quiet")
    truth = submission(folder / "archive" / "stage_2_test_truth.csv")
    with open(folder / "ct" / "test_metadata.csv", newline="") as file:
        patient = {row["ImgID"]: row["PatientID"] for row in csv.DictReader(file)}
    losses = {name: score(submission(folder / f"{name}.csv"), truth) for name in ("base", "output")}
    return [f"{seed}-{patient[image]}" for image in truth], losses["base"], losses["output"], seconds


def interval(patients, values, resamples=2000):
    names, at = np.unique(patients, return_inverse=True)
    sums, counts = np.bincount(at, values), np.bincount(at)
    chance = np.random.default_rng(0)
    drawn = chance.integers(0, len(names), (resamples, len(names)))
    low, high = np.percentile(sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1), [2.5, 97.5])
    return f"{values.mean():.4f} ({low:.4f} to {high:.4f})", low


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gadolin", required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--patients", type=int, default=240)
    parser.add_argument("--slices", type=int, default=20)
    parser.add_argument("--input", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    program = os.path.abspath(args.gadolin)
    lines = [f"Weighted log loss on made-up head CTs of patients that no model has seen: {args.patients} patients of {args.slices} slices a seed, a quarter of them for the test;",
             f"two ResNet-18 of 16 channels at {args.input} pixels, {args.epochs} epochs; a bidirectional LSTM of 64 on their features out of fold, 120 epochs; 95 % intervals by patient",
             f"{'seed':<8}{'images':>8}{'slices alone':>28}{'sequence':>28}{'gain':>28}{'pipeline':>12}"]
    patients, alone, together = [], [], []
    for seed in args.seeds:
        who, base, series, seconds = run_seed(program, args.work / f"seed-{seed}", seed, args)
        lines.append(f"{seed:<8}{len(who):>8}{interval(who, base)[0]:>28}{interval(who, series)[0]:>28}{interval(who, base - series)[0]:>28}{seconds:>10.0f} s")
        print(lines[-1], flush=True)
        patients += who
        alone.append(base)
        together.append(series)
    alone, together = np.concatenate(alone), np.concatenate(together)
    gain, low = interval(patients, alone - together)
    lines.append(f"{'all':<8}{len(patients):>8}{interval(patients, alone)[0]:>28}{interval(patients, together)[0]:>28}{gain:>28}")
    lines.append("the sequence model is better with the whole interval" if low > 0 else "NO difference is shown")
    text = "\n".join(lines)
    print(text)
    if args.out:
        args.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
