"""The recipe of nodule train-model against the original's (--legacy), on the same patients, and prints the AUC of both on held-back ones.

    python bench/compare_nodule.py --gadolin build/test/apps/gadolin --data ../shared/data/cxr-nih14-small --work /tmp/nodule --out nodule.txt

Films with a nodule or a mass against films without a finding. Each seed divides the patients anew (70/10/20) and draws all weights. Weights of
ImageNet cannot be had here, so two kinds of features stand in: those of a VGG-16 with random weights, and those of a ResNet-18 that learnt the
other films' findings (all of the table) from the seed's training patients alone. Each kind is given to the original's recipe
(flattened; batch statistics, SGD, 20 epochs in a fixed order, the last one counts) and to ours (flattened and pooled; running averages, dropout,
decay, classes in turns, stopped by validation AUC). A step that is in --work is not repeated.
"""

import argparse
import csv
import json
import statistics
import subprocess
import sys
from pathlib import Path

import machine

# Name, options of extract-features and of train-model.
RECIPES = {"original": ([], ["--legacy"]), "3.8, flattened": ([], []), "3.8, pooled": (["--pool"], [])}
EXTRACTORS = ("random VGG-16", "ResNet-18 trained here")
GREY = "grey,resize:112,center-crop:112,normalize:0.5:0.25"


def gadolin(args, *words):
    """The metrics of a command's last event."""
    done = subprocess.run([args.gadolin, *map(str, words), "--json", "--threads", str(args.threads)], capture_output=True, text=True)
    events = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, words))}: {done.stderr}")
    return events[-1]["metrics"]


def tables(args, seed):
    """nodule.csv with the seed's splits by patient, and findings.csv of all films with the same patients held back."""
    folder = args.work / f"seed{seed}"
    folder.mkdir(parents=True, exist_ok=True)
    rows = list(csv.DictReader(open(args.data / "Data_Entry_subset.csv")))
    images = (args.data / "images").resolve()
    films, findings = [], []
    for row in rows:
        labels = row["Finding Labels"].split("|")
        path = str(images / row["Image Index"].replace(".png", ".jpg"))
        findings.append([path, row["Patient ID"], "|".join(labels)])
        if {"Nodule", "Mass"} & set(labels):
            films.append([path, row["Patient ID"], "nodule"])
        elif labels == ["No Finding"]:
            films.append([path, row["Patient ID"], "normal"])
    with open(folder / "all.csv", "w", newline="") as file:
        csv.writer(file).writerows([["path", "patient", "labels"], *films])
    gadolin(args, "data", "split", folder / "all.csv", "--out", folder / "nodule.csv", "--shares", "0.7/0.1/0.2", "--seed", seed,
            "--allow-outside")
    split = {row["patient"]: row["split"] for row in csv.DictReader(open(folder / "nodule.csv"))}
    with open(folder / "findings.csv", "w", newline="") as file:
        csv.writer(file).writerows([["path", "patient", "labels", "split"], *[[*row, split.get(row[1], "train")] for row in findings]])
    return folder


def extractor(args, folder, name, seed):
    """Options of extract-features."""
    if name == EXTRACTORS[0]:
        return ["--net", "vgg16", "--net-option", f"width_divisor={args.divisor}", "--random-weights", "--seed", seed]
    run = folder / "films"
    if not (run / "checkpoints/best.gdck").exists():
        gadolin(args, "train", folder / "findings.csv", "--none-label", "No Finding", "--allow-outside", "--model", "resnet18", "--width", "16",
                "--pipeline", GREY, "--augment", "grey,random-resized-crop:112:0.6:1,brightness:0.2,contrast:0.2,normalize:0.5:0.25",
                "--channels", "1", "--epochs", args.epochs, "--batch-size", "16", "--seed", seed, "--out", run, "--overwrite")
    return ["--weights", run / "checkpoints/best.gdck"]


def auc_of(args, folder, name, recipe, seed):
    of_features, of_model = RECIPES[recipe]
    codes = folder / f"{name.split()[0]}-{'pooled' if of_features else 'flat'}"
    run = folder / f"{name.split()[0]}-{recipe.replace(', ', '-')}"
    gadolin(args, "nodule", "extract-features", folder / "nodule.csv", "--allow-outside", "--out", codes, *extractor(args, folder, name, seed),
            *of_features)
    if not (run / "film.gdck").exists():
        gadolin(args, "nodule", "train-model", codes, "--out", run, "--overwrite", "--seed", seed, *of_model)
    best = run / "checkpoints" / ("best.gdck" if not of_model else "last.gdck")
    metrics = gadolin(args, "nodule", "test-model", codes, "--checkpoint", best, "--batch-size", "25", "--resamples", "0")
    return metrics["roc_auc"]["value"]


def spread(values):
    return f"{statistics.mean(values):+.4f} (standard error {statistics.stdev(values) / len(values) ** 0.5:.4f})"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gadolin", required=True)
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--work", required=True, type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--seeds", type=int, default=5, help="at least two")
    parser.add_argument("--epochs", type=int, default=10, help="of the ResNet-18 on findings")
    parser.add_argument("--divisor", type=int, default=1, help="of the channels of the random VGG-16")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    row = machine.machine_row("cpu", args.threads)
    lines = [f"commit {machine.commit()}, {row.get('cpu', machine.processor())}, {args.threads} threads"]
    found = {(name, recipe): [] for name in EXTRACTORS for recipe in RECIPES}
    for seed in range(args.seeds):
        folder = tables(args, seed)
        test = [r["labels"] for r in csv.DictReader(open(folder / "nodule.csv")) if r["split"] == "test"]
        for (name, recipe), values in found.items():
            values.append(auc_of(args, folder, name, recipe, seed))
            lines.append(f"seed {seed}  {name:24}{recipe:16} AUC {values[-1]:.4f}  "
                         f"({test.count('nodule')} nodules, {test.count('normal')} without a finding)")
            print(lines[-1], flush=True)
    lines.append("mean AUC, and the difference to the original's recipe on the same features and patients:")
    for (name, recipe), values in found.items():
        gains = [ours - theirs for ours, theirs in zip(values, found[name, "original"])]
        lines.append(f"{name:24}{recipe:16} {statistics.mean(values):.4f}  {spread(gains)}")
    print("\n".join(lines[-7:]))
    if args.out:
        args.out.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
