"""Trains a slice model and a sequence model on real head CTs with PyTorch and with Gadolin by one recipe, and prints how well all four tell bleeding on patients held back.

    pip install torch torchvision numpy pillow
    python bench/compare_headct.py --gadolin build/test/apps/gadolin --data ../shared/data --work /tmp/headct --out headct.txt

headct-phe-sich has 181 slices of 6 patients, in order, 36 of them with blood. Two patients at a time are held back, three times, so that every
slice is judged once a seed by models that have not seen its patient. Of the other four patients two slice nets learn, each without two of them;
each slice's features come from the net that has not learnt from its patient, and a bidirectional LSTM learns on the features of three of the
four patients in their order (gadolin hemorrhage train --folds 2, extract-features --logits, train-lstm; the fourth is its validation set, which
decides nothing here: last weights are used). A held-back slice is judged by both nets, whose probabilities are averaged, and by the LSTM on the
features of each, averaged too. Nets, batches, epochs, optimiser, losses and random changes of pictures are the same; orders, divisions and
initial weights differ: that is what the seeds are for. Intervals draw the six patients anew, 2,000 times; they are wide because six are few.
A run that is in --work is not repeated.
"""

import argparse
import csv
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

SUBTYPES = ["epidural", "intraparenchymal", "intraventricular", "subarachnoid", "subdural", "any"]
SHOWN = [1, 5]  # all blood of this set is in the tissue
SIDE, WIDTH, BATCH, EPOCHS, RATE = 64, 16, 16, 12, 1e-3
CELLS, SERIES_EPOCHS, SERIES_RATE, CLIP = 32, 60, 3e-3, 10
HELD = [["0001", "0034"], ["0023", "0038"], ["0025", "0043"]]
MODELS = ["slices", "sequence"]


def prepare(root, work):
    """Small grey pictures, and slices as {name, patient, place, label}."""
    from PIL import Image

    source, folder = root / "headct-phe-sich", work / "pictures"
    folder.mkdir(parents=True, exist_ok=True)
    slices = []
    with open(source / "slice_labels.csv", newline="") as file:
        for row in csv.DictReader(file):
            name = Path(row["filename"]).stem
            if not (folder / f"{name}.png").exists():
                image = Image.open(source / "JPEGImages" / row["filename"]).convert("L")
                image.resize((SIDE, SIDE), Image.Resampling.BOX).convert("RGB").save(folder / f"{name}.png")
            patient, place = name.split("_")
            slices.append({"name": name, "patient": patient, "place": int(place), "label": int(row["label"])})
    return folder, slices


def row_of(label):
    return [float(label and k in SHOWN) for k in range(6)]


def narrow_resnet(torch):
    """ResNet-18 with WIDTH channels in its first stage, as torchvision begins it."""
    from torchvision.models.resnet import BasicBlock, conv1x1

    def block(inputs, outputs, stride):
        down = torch.nn.Sequential(conv1x1(inputs, outputs, stride), torch.nn.BatchNorm2d(outputs)) if stride > 1 else None
        return BasicBlock(inputs, outputs, stride, down)

    w = WIDTH
    trunk = torch.nn.Sequential(torch.nn.Conv2d(3, w, 7, 2, 3, bias=False), torch.nn.BatchNorm2d(w), torch.nn.ReLU(), torch.nn.MaxPool2d(3, 2, 1),
                                *[block(w << (stage if k else max(stage - 1, 0)), w << stage, 2 if stage and k == 0 else 1)
                                  for stage in range(4) for k in range(2)], torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
    for m in trunk.modules():
        if isinstance(m, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")
    return trunk, torch.nn.Linear(8 * w, 6)


def six_losses(torch, logits, truth):
    return torch.nn.functional.binary_cross_entropy_with_logits(logits, truth, reduction="none").sum(-1)


def pytorch_side(folder, slices, held, seed):
    import torch
    from torchvision.io import ImageReadMode, read_image
    from torchvision.transforms import InterpolationMode, v2

    torch.manual_seed(seed)
    torch.set_num_threads(1)
    change = v2.Compose([v2.RandomHorizontalFlip(), v2.RandomAffine(20, (0.05, 0.05), (0.95, 1.05), interpolation=InterpolationMode.BILINEAR)])
    pixels = {s["name"]: read_image(str(folder / f"{s['name']}.png"), ImageReadMode.RGB) for s in slices}

    def normal(pictures):
        return torch.stack(pictures).float() / 127.5 - 1

    def learn(parts, rule, loss_of, epochs, count, batch):
        for _ in range(epochs):
            order = torch.randperm(count).tolist()
            for at in range(0, count, batch):
                loss = loss_of(order[at:at + batch])
                rule.zero_grad()
                loss.backward()
                torch.nn.utils.clip_grad_norm_(parts, CLIP)
                rule.step()

    others = sorted({s["patient"] for s in slices} - set(held))
    drawn = [others[i] for i in torch.randperm(len(others)).tolist()]
    nets, features = [], {}
    for fold in (drawn[:2], drawn[2:]):
        trunk, head = narrow_resnet(torch)
        net = torch.nn.Sequential(trunk, head)
        train = [s for s in slices if s["patient"] in others and s["patient"] not in fold]
        truth = torch.tensor([row_of(s["label"]) for s in train])
        net.train()
        learn(list(net.parameters()), torch.optim.Adam(net.parameters(), lr=RATE),
              lambda chosen, net=net, train=train, truth=truth:
                  six_losses(torch, net(normal([change(pixels[train[k]["name"]]) for k in chosen])), truth[chosen]).mean(),
              EPOCHS, len(train), BATCH)
        net.eval()
        nets.append(net)
        with torch.inference_mode():
            for s in slices:
                if s["patient"] in fold or s["patient"] in held:
                    pooled = trunk(normal([pixels[s["name"]]]))
                    features[len(nets), s["name"]] = torch.cat([pooled, head(pooled)], 1)[0].clone()

    def series_of(patient, net):
        own = sorted((s for s in slices if s["patient"] == patient), key=lambda s: s["place"])
        return torch.stack([features[net, s["name"]] for s in own]), torch.tensor([row_of(s["label"]) for s in own]), own

    learnt = [series_of(p, 1 if p in drawn[:2] else 2) for p in drawn[:3]]
    lstm, last = torch.nn.LSTM(8 * WIDTH + 6, CELLS, batch_first=True, bidirectional=True), torch.nn.Linear(2 * CELLS, 6)
    with torch.no_grad():  # as TensorFlow's cell: one bias, forget bias 1, one matrix for input and state
        for name, p in lstm.named_parameters():
            limit = (6 / (lstm.input_size + 5 * CELLS)) ** 0.5 if "weight" in name else 0
            p.uniform_(-limit, limit)
            if "bias_ih" in name:
                p[CELLS:2 * CELLS] += 1
        torch.nn.init.xavier_uniform_(last.weight)
        last.bias.zero_()
    parts = [p for name, p in lstm.named_parameters() if "bias_hh" not in name] + [*last.parameters()]
    x, length = torch.nn.utils.rnn.pad_sequence([a for a, _, _ in learnt], batch_first=True), [len(a) for a, _, _ in learnt]
    y = torch.nn.utils.rnn.pad_sequence([b for _, b, _ in learnt], batch_first=True)
    mask = torch.nn.utils.rnn.pad_sequence([torch.ones(n) for n in length], batch_first=True)

    def masked(chosen):
        packed = torch.nn.utils.rnn.pack_padded_sequence(x[chosen], [length[k] for k in chosen], batch_first=True, enforce_sorted=False)
        out, _ = torch.nn.utils.rnn.pad_packed_sequence(lstm(packed)[0], batch_first=True, total_length=x.shape[1])
        return (six_losses(torch, last(out), y[chosen]) * mask[chosen]).sum() / mask[chosen].sum()

    learn(parts, torch.optim.Adam(parts, lr=SERIES_RATE), masked, SERIES_EPOCHS, len(learnt), 8)
    said = {model: {} for model in MODELS}
    with torch.inference_mode():
        for patient in held:
            seen = [series_of(patient, net) for net in (1, 2)]
            alone = sum(torch.sigmoid(a[:, -6:]) for a, _, _ in seen) / 2
            together = sum(torch.sigmoid(last(lstm(a[None])[0]))[0] for a, _, _ in seen) / 2
            for k, s in enumerate(seen[0][2]):
                said["slices"][s["name"]], said["sequence"][s["name"]] = float(alone[k, 5]), float(together[k, 5])
    return said


def gadolin_side(program, folder, slices, held, seed):
    run = folder.parent / f"run-{os.getpid()}"
    shutil.rmtree(run, ignore_errors=True)
    ct = run / "ct"
    for part in ("train", "test"):
        (ct / f"stage_2_{part}").mkdir(parents=True)
        own = [s for s in slices if (s["patient"] in held) == (part == "test")]
        for s in own:
            (ct / f"stage_2_{part}" / f"{s['name']}.png").symlink_to(folder / f"{s['name']}.png")
        with open(ct / f"{part}_metadata.csv", "w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(["ImgID", "PatientID", "StudyInstanceUID", "SeriesInstanceUID", "ImagePositionPatient"])
            rows.writerows([s["name"], s["patient"], "study" + s["patient"], "series" + s["patient"], s["place"]] for s in own)
    with open(ct / "reshaped_stage_2_train.csv", "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["ImgID", "any", "epidural", "intraparenchymal", "intraventricular", "subarachnoid", "subdural"])
        rows.writerows([s["name"], s["label"], 0, s["label"], 0, 0, 0] for s in slices if s["patient"] not in held)

    def gadolin(*words):
        done = subprocess.run([program, "hemorrhage", *map(str, words), "--seed", str(seed), "--threads", "1", "--quiet"], capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"gadolin hemorrhage {words[0]} ended with {done.returncode}: {done.stderr or done.stdout}")

    gadolin("train", "--data_dir", ct, "--folds", 2, "--pretrained_model", "resnet18", "--net-option", f"width={WIDTH}", "--size", SIDE,
            "--num_epochs", EPOCHS, "--lr", RATE, "--batch_size", BATCH, "--clip-norm", CLIP, "--workers", 0, "--out", run / "slices")
    for fold in (1, 2):
        (run / "slices" / f"fold-{fold}" / "checkpoints" / "best.gdck").unlink()  # the last weights, as PyTorch's side
    for part in ("train", "test"):
        gadolin("extract-features", "--data_dir", ct, "--model_id", run / "slices", "--out", run / "features", "--base_data", part, "--logits", "--workers", 0)
    gadolin("train-lstm", run / "features", "--num_layers", 1, "--cell_size", CELLS, "--dropout_rate", 1, "--num_epochs", SERIES_EPOCHS,
            "--lr", SERIES_RATE, "--batch_size", 8, "--clip-norm", CLIP, "--val_ratio", 0.25, "--workers", 0, "--strips", 0, "--out", run / "series")
    said = {}
    for model, kind in zip(MODELS, ("base", "lstm")):
        gadolin("predict", run / "features", "--model_id", run / "series" / "checkpoints" / "last.gdck", "--model_type", kind, "--out", run / f"{kind}.csv")
        with open(run / f"{kind}.csv", newline="") as file:
            said[model] = {r["ID"][:-4]: float(r["Label"]) for r in csv.DictReader(file) if r["ID"].endswith("_any")}
    shutil.rmtree(run)
    return said


def log_losses(truth, p):
    q = np.clip(np.where(truth, p, 1 - p), 1e-6, 1 - 1e-6)
    return -np.log(q)


def auc(truth, p, weight):
    yes, no = p[truth][:, None], p[~truth][None, :]
    w = weight[truth][:, None] * weight[~truth][None, :]
    return float((w * ((yes > no) + 0.5 * (yes == no))).sum() / w.sum()) if w.sum() > 0 else float("nan")


def measured(slices, runs, seeds, resamples=2000):
    """{measure: {(side, model): values [1 + resamples]}}: of the patients as they are, then drawn anew; means over seeds."""
    truth = np.array([bool(s["label"]) for s in slices])
    names, at = np.unique([s["patient"] for s in slices], return_inverse=True)
    chance = np.random.default_rng(0)
    draws = [np.ones(len(at))] + [np.bincount(chance.integers(0, len(names), len(names)), minlength=len(names))[at].astype(float) for _ in range(resamples)]
    p = {key: np.array([[said[seed][s["name"]] for s in slices] for seed in seeds]) for key, said in runs.items()}
    return {"log loss": {key: np.array([np.average(log_losses(truth, v).mean(axis=0), weights=w) for w in draws]) for key, v in p.items()},
            "ROC AUC": {key: np.array([np.mean([auc(truth, one, w) for one in v]) for w in draws]) for key, v in p.items()}}


def interval(values):
    low, high = np.nanpercentile(values[1:], [2.5, 97.5])
    return f"{values[0]:.4f} ({low:.4f} to {high:.4f})"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gadolin", required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    program = os.path.abspath(args.gadolin)
    folder, slices = prepare(args.data, args.work.resolve())
    sides = {"pytorch": lambda held, seed: pytorch_side(folder, slices, held, seed),
             "gadolin": lambda held, seed: gadolin_side(program, folder, slices, held, seed)}
    runs = {(side, model): {seed: {} for seed in args.seeds} for side in sides for model in MODELS}
    for seed in args.seeds:
        for k, held in enumerate(HELD):
            for side, run in sides.items():
                kept = args.work / f"{side}-{seed}-{k}.json"
                if not kept.exists():
                    start = time.perf_counter()
                    said = run(held, seed)
                    kept.write_text(json.dumps({"said": said, "seconds": time.perf_counter() - start}))
                result = json.loads(kept.read_text())
                for model in MODELS:
                    runs[side, model][seed].update(result["said"][model])
                print(f"seed {seed}, {' and '.join(held)} held back, {side}: {result['seconds']:.0f} s", flush=True)
    lines = [f"Blood in a slice of patients held back: headct-phe-sich, {len(slices)} slices of 6 patients at {SIDE} pixels, {sum(s['label'] for s in slices)} with blood;",
             f"seeds {', '.join(map(str, args.seeds))}; ResNet-18 of {WIDTH} channels, {EPOCHS} epochs, Adam {RATE:g}; bidirectional LSTM of {CELLS}, {SERIES_EPOCHS} epochs, Adam {SERIES_RATE:g}",
             "95 % intervals draw the six patients anew"]
    for measure, found in measured(slices, runs, args.seeds).items():
        lines += ["", f"{measure:<12}{'slices alone':>30}{'sequence':>30}{'sequence - slices':>30}"]
        for side in sides:
            alone, together = found[side, "slices"], found[side, "sequence"]
            lines.append(f"{side:<12}{interval(alone):>30}{interval(together):>30}{interval(together - alone):>30}")
        lines.append(f"{'difference':<12}" + "".join(f"{interval(found['gadolin', model] - found['pytorch', model]):>30}" for model in MODELS))
    truth = np.array([bool(s["label"]) for s in slices])
    lines.append("")
    for key, said in runs.items():
        each = [log_losses(truth, np.array([said[seed][s["name"]] for s in slices])).mean() for seed in args.seeds]
        lines.append(f"{key[0]} {key[1]}: log loss of each seed " + " ".join(f"{v:.4f}" for v in each))
    text = "\n".join(lines)
    print(text)
    if args.out:
        args.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
