"""Trains ResNet-18 and DenseNet-121 from random weights on real chest films with PyTorch and with Gadolin, and prints the ROC AUC of both on patients held back.

    pip install torch torchvision numpy
    python bench/compare_chest.py --gadolin build/test/apps/gadolin --data ../shared/data --work /tmp/chest --out chest.txt

The 711 films of cxr-nih14-small are divided by patient into three parts, each with its share of every finding, the rarest first. Seed k
learns from two parts and is judged on part k % 3, so that three seeds judge every film once. Both sides read the same grey PNGs, made
smaller here once, and turn, shift, scale and mirror them at random within the same limits. Batches, steps, AdamW, rates and the loss are the
same; orders of films, random pictures and initial weights differ: that is what the seeds are for. A finding's AUC is over pairs of films
judged by the same net; its interval is a bootstrap by patient, and so is that of the difference of both sides. The same lines judge both
sides. A run that is in --work is not repeated.
"""

import argparse
import csv
import json
import math
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from compare_detection import DECAY, RATE, rate_at

FINDINGS = ["Atelectasis", "Cardiomegaly", "Edema", "Effusion", "Infiltration", "Pneumonia"]  # the last five have 60 films or more
ABOVE_CHANCE = ["Cardiomegaly", "Effusion"]
NETS = ["resnet18", "densenet121"]
SIDE, BATCH, EPOCHS, PARTS, RESAMPLES = 112, 16, 20, 3, 1000
TURN, SHIFT, LEAST, LARGEST = 10, 0.05, 0.9, 1.1


def prepare(root, work):
    """Small grey PNGs, and films as {file, patient, findings, part} in the order of the table."""
    from PIL import Image

    source, folder = root / "cxr-nih14-small", work / "films"
    folder.mkdir(parents=True, exist_ok=True)
    films = []
    with open(source / "Data_Entry_subset.csv", newline="") as file:
        for row in csv.DictReader(file):
            name = row["Image Index"]
            if not (folder / name).exists():
                image = Image.open(source / "images" / name.replace(".png", ".jpg")).convert("L")
                image.resize((SIDE, SIDE), Image.Resampling.BILINEAR).save(folder / name)
            found = [f for f in row["Finding Labels"].split("|") if f in FINDINGS]
            films.append({"file": name, "patient": row["Patient ID"], "findings": found})
    divide(films)
    return folder, films


def divide(films):
    """Patients with the rarest finding first, then those with the next, are given to the parts in turn."""
    count = {f: sum(f in film["findings"] for film in films) for f in FINDINGS}
    rarest = {}
    for film in films:
        rank = min([count[f] for f in film["findings"]], default=len(films))
        rarest[film["patient"]] = min(rank, rarest.get(film["patient"], len(films)))
    order = sorted(rarest, key=lambda patient: (rarest[patient], int(patient)))
    part = {patient: k % PARTS for k, patient in enumerate(order)}
    for film in films:
        film["part"] = part[film["patient"]]


def pytorch_side(folder, films, name, part, seed, plan):
    import torch
    import torchvision
    from torchvision.io import ImageReadMode, read_image
    from torchvision.transforms import InterpolationMode, v2

    torch.manual_seed(seed)
    torch.set_num_threads(1)
    net = getattr(torchvision.models, name)(weights=None, num_classes=len(FINDINGS))
    first = net.conv1 if name == "resnet18" else net.features.conv0
    grey = torch.nn.Conv2d(1, first.out_channels, 7, 2, 3, bias=False)
    torch.nn.init.kaiming_normal_(grey.weight, **({"mode": "fan_out", "nonlinearity": "relu"} if name == "resnet18" else {}))
    if name == "resnet18":
        net.conv1 = grey
    else:
        net.features.conv0 = grey
    net.to(memory_format=torch.channels_last)
    rule = torch.optim.AdamW([{"params": [p for p in net.parameters() if p.dim() > 1], "weight_decay": DECAY},
                              {"params": [p for p in net.parameters() if p.dim() == 1], "weight_decay": 0}], lr=RATE)
    change = v2.Compose([v2.RandomAffine(TURN, (SHIFT, SHIFT), (LEAST, LARGEST), interpolation=InterpolationMode.BILINEAR),
                         v2.RandomHorizontalFlip()])

    def picture(film):
        return read_image(str(folder / film["file"]), ImageReadMode.GRAY)

    def normal(pictures):
        return ((torch.stack(pictures).float() / 255 - 0.5) / 0.25).contiguous(memory_format=torch.channels_last)

    train, held = [f for f in films if f["part"] != part], [f for f in films if f["part"] == part]
    pictures = [picture(f) for f in train]
    truth = torch.tensor([[float(c in f["findings"]) for c in FINDINGS] for f in train])
    epoch = math.ceil(len(train) / BATCH)
    steps, step, losses = epoch * plan["epochs"], 0, 0.0
    net.train()
    while step < steps:
        order = torch.randperm(len(train)).tolist()
        order += order[:epoch * BATCH - len(order)]
        for at in range(0, epoch * BATCH, BATCH):
            chosen = order[at:at + BATCH]
            for group in rule.param_groups:
                group["lr"] = rate_at(step, steps, epoch)
            said = net(normal([change(pictures[k]) for k in chosen]))
            loss = torch.nn.functional.binary_cross_entropy_with_logits(said, truth[chosen])
            rule.zero_grad()
            loss.backward()
            rule.step()
            losses += loss.item() * (step >= steps - epoch) / epoch
            step += 1
    net.eval()
    with torch.inference_mode():
        said = torch.cat([net(normal([picture(f) for f in held[at:at + BATCH]])) for at in range(0, len(held), BATCH)])
    return {f["file"]: row for f, row in zip(held, torch.sigmoid(said.double()).tolist())}, losses


def gadolin_side(program, folder, films, name, part, seed, plan):
    run, table = folder / f"run-{os.getpid()}", folder / f"films-{os.getpid()}.csv"
    shutil.rmtree(run, ignore_errors=True)
    with open(table, "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["path", "patient", "labels", "split"])
        rows.writerows([f["file"], f["patient"], "|".join(f["findings"]), "val" if f["part"] == part else "train"] for f in films)
    train = ["train", table, "--multi-label", "--model", name, "--out", run, "--channels", 1, "--input-size", SIDE,
             "--augment", f"grey,affine:{TURN}:{SHIFT}:{LEAST}:{LARGEST},hflip,normalize:0.5:0.25", "--pipeline", "grey,normalize:0.5:0.25",
             "--batch-size", BATCH, "--optimizer", "adamw", "--lr", RATE, "--weight-decay", DECAY, "--schedule", "cosine",
             "--warmup-epochs", 1, "--seed", seed, "--epochs", plan["epochs"], "--threads", 1]
    evaluate = ["eval", table, "--checkpoint", run / "checkpoints" / "last.gdck", "--split", "val", "--out", run / "val", "--resamples", 0,
                "--report-cams", 0, "--batch-size", BATCH, "--threads", 1]
    for command in (train, evaluate):
        done = subprocess.run([program, *map(str, command)], capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"gadolin {command[0]} ended with {done.returncode}: {done.stderr or done.stdout}")
    with open(run / "val" / "predictions.csv", newline="") as file:
        said = {Path(r["path"]).name: [float(r[c]) for c in FINDINGS] for r in csv.DictReader(file)}
    with open(run / "metrics.csv", newline="") as file:
        loss = float(list(csv.DictReader(file))[-1]["train_loss"])
    shutil.rmtree(run)
    table.unlink()
    return said, loss


def judged(films, runs, seeds):
    """The films that each of the seeds judged, one after another: patients, seeds, truth [film, finding], scores of each side."""
    import numpy as np

    kept = [(seed, f) for seed in seeds for f in films if f["part"] == seed % PARTS]
    truth = np.array([[c in f["findings"] for c in FINDINGS] for _, f in kept])
    scores = {side: np.array([said[seed][f["file"]] for seed, f in kept]) for side, said in runs.items()}
    return [f["patient"] for _, f in kept], np.array([seed for seed, _ in kept]), truth, scores


def auc(truth, score, seed, weight):
    """Share of pairs, one film with the finding and one without judged by the same net, that are in order; equal scores count half."""
    right = pairs = 0.0
    for k in set(seed.tolist()):
        yes, no = (seed == k) & truth, (seed == k) & ~truth
        difference = score[yes][:, None] - score[no][None, :]
        both = weight[yes][:, None] * weight[no][None, :]
        right += float((both * ((difference > 0) + 0.5 * (difference == 0))).sum())
        pairs += float(both.sum())
    return right / pairs if pairs > 0 else math.nan


def summary(films, runs, seeds, resamples=RESAMPLES):
    """AUCs of each side [1 + resamples, finding]: of the films as they are, then of patients drawn with replacement."""
    import numpy as np

    patients, seed, truth, scores = judged(films, runs, seeds)
    names, at = np.unique(patients, return_inverse=True)
    chance = np.random.default_rng(0)
    weights = [np.ones(len(at))] + [np.bincount(chance.integers(0, len(names), len(names)), minlength=len(names))[at].astype(float)
                                    for _ in range(resamples)]
    return {side: np.array([[auc(truth[:, c], score[:, c], seed, w) for c in range(len(FINDINGS))] for w in weights])
            for side, score in scores.items()}


def mean_auc(films, runs, side, seed):
    return float(summary(films, {side: runs[side]}, [seed], 0)[side].mean())


def interval(values):
    import numpy as np

    low, high = np.nanpercentile(values[1:], [2.5, 97.5])
    return f"{values[0]:.4f} ({low:.4f} to {high:.4f})", low


def compare(name, films, runs, losses, seeds):
    found = summary(films, runs, seeds)
    lines = [f"{name}: AUC of seeds {', '.join(map(str, seeds))} with 95 % intervals",
             f"{'':<16}" + "".join(f"{side:>28}" for side in runs) + "    films"]
    chance = True
    for c, finding in enumerate(FINDINGS):
        cells = {side: interval(values[:, c]) for side, values in found.items()}
        count = sum(finding in f["findings"] for f in films if f["part"] in {seed % PARTS for seed in seeds})
        lines.append(f"{finding:<16}" + "".join(f"{text:>28}" for text, _ in cells.values()) + f"{count:9}")
        if finding in ABOVE_CHANCE and "gadolin" in cells:
            chance = chance and bool(cells["gadolin"][1] > 0.5)
    means = {side: values.mean(axis=1) for side, values in found.items()}
    lines.append(f"{'mean':<16}" + "".join(f"{interval(values)[0]:>28}" for values in means.values()))
    for side in runs:
        lines.append(f"{side}: mean AUC of a seed " + " ".join(f"{mean_auc(films, runs, side, seed):.4f}" for seed in seeds)
                     + ", loss of the last epoch " + " ".join(f"{v:.4f}" for v in losses[side]))
    if len(means) == 2:
        difference = means["gadolin"] - means["pytorch"]
        lines.append(f"difference of the means {interval(difference)[0]}: "
                     + ("within 0.02 or better" if difference[0] >= -0.02 else "WORSE than PyTorch by more than 0.02"))
    if "gadolin" in means:
        lines.append(f"Gadolin's {' and '.join(ABOVE_CHANCE)}: " + ("above chance with their whole interval" if chance else "NOT above chance"))
    return lines


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gadolin", required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--nets", nargs="+", default=NETS, choices=NETS)
    parser.add_argument("--sides", nargs="+", default=["pytorch", "gadolin"], choices=["pytorch", "gadolin"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="three in a row judge every film once")
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    program, plan = os.path.abspath(args.gadolin), {"epochs": args.epochs}
    folder, films = prepare(args.data, args.work)
    lines = [f"ROC AUC on chest films of patients held back: cxr-nih14-small, {len(films)} films at {SIDE} pixels, {PARTS} parts by patient,",
             f"random weights, {args.epochs} epochs, batch {BATCH}, AdamW, peak rate {RATE:g}, cosine, decay {DECAY}"]
    for name in args.nets:
        runs, losses = {side: {} for side in args.sides}, {side: [] for side in args.sides}
        for seed in args.seeds:
            for side in args.sides:
                kept = folder / f"{name}-{side}-{seed}-{args.epochs}.json"
                if not kept.exists():
                    start = time.perf_counter()
                    said, loss = (pytorch_side(folder, films, name, seed % PARTS, seed, plan) if side == "pytorch" else
                                  gadolin_side(program, folder, films, name, seed % PARTS, seed, plan))
                    kept.write_text(json.dumps({"said": said, "loss": loss, "seconds": time.perf_counter() - start}))
                result = json.loads(kept.read_text())
                runs[side][seed] = result["said"]
                losses[side].append(result["loss"])
                print(f"{name} seed {seed} {side}: mean AUC {mean_auc(films, runs, side, seed):.4f}, loss {result['loss']:.4f}, in {result['seconds']:.0f} s", flush=True)
        lines += ["", *compare(name, films, runs, losses, args.seeds)]
    text = "\n".join(lines)
    print(text)
    if args.out:
        args.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
