"""Trains the same small RetinaNet from random weights with torchvision and with Gadolin, and prints the AP50 of both on held-back pictures.

    pip install torch torchvision pillow
    python bench/compare_detection.py --gadolin build/test/apps/gadolin --data ../shared/data --work /tmp/detection --out detection.txt

Blood cells (det-bccd-voc) are learnt from its train list and found in its val and test lists; haemorrhages (headct-phe-sich) are learnt
from two of three slices and found in the third ones, another third with each seed, so that three seeds judge every slice once. There are six
lesions in all, each in neighbouring slices, so what is learnt of four patients finds nothing in two others (--by-patient shows it), and AP50
says how well nets learn here, not what they know of other patients. Both sides read the same PNGs, made smaller here once, and mirror them at
random. Net, anchors, losses, initial distributions, batches, AdamW, rates and thresholds are torchvision's (--net-option preset=torchvision).
Orders of pictures, mirroring and initial weights differ: that is what the seeds are for. `gadolin data score` scores both. A run that is in
--work is not repeated.
"""

import argparse
import csv
import json
import math
import os
import shutil
import statistics
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from pathlib import Path

CHANNELS, BATCH, RATE, DECAY = 64, 4, 1e-3, 0.01
SETS = {"det-bccd-voc": {"side": 128, "steps": 300, "anchors": [8, 16, 32, 64, 128], "patients": ()},
        "headct-phe-sich": {"side": 128, "steps": 300, "anchors": [8, 16, 32, 64, 128], "patients": ("0023", "0025")}}


def read_voc(root, name):
    """Boxes of a picture as (class, x1, y1, x2, y2); its corners begin at 1."""
    boxes = []
    for thing in ET.parse(root / "Annotations" / f"{name}.xml").iter("object"):
        corner = {c.tag: float(c.text) - 1 for c in thing.find("bndbox")}
        boxes.append((thing.find("name").text, corner["xmin"], corner["ymin"], corner["xmax"], corner["ymax"]))
    return boxes


def prepare(root, name, work):
    """Small PNGs, and pictures as (file, patient, width, height, boxes), in work/name."""
    from PIL import Image

    folder = work / name
    folder.mkdir(parents=True, exist_ok=True)
    pictures = []
    for path in sorted((root / name / "JPEGImages").glob("*.jpg")):
        image = Image.open(path).convert("RGB")
        scale = SETS[name]["side"] / min(image.size)
        size = tuple(round(s * scale) for s in image.size)
        if not (folder / f"{path.stem}.png").exists():
            image.resize(size, Image.Resampling.BILINEAR).save(folder / f"{path.stem}.png")
        boxes = [(c, *(round(v * scale, 3) for v in corners)) for c, *corners in read_voc(root / name, path.stem)]
        pictures.append((f"{path.stem}.png", path.stem.split("_")[0], *size, boxes))
    return folder, pictures


def divide(root, name, pictures, by_patient, seed):
    """Pictures to learn from and held back. Of normal slices half as many are learnt from as of the others, evenly spaced."""
    patients = SETS[name]["patients"]
    if not patients:
        train = set((root / name / "ImageSets" / "Main" / "train.txt").read_text().split())
        return [p for p in pictures if p[0][:-4] in train], [p for p in pictures if p[0][:-4] not in train]
    found, normal = [p for p in pictures if p[4]], [p for p in pictures if not p[4]]
    third = (seed + 1) % 3
    held = [p for p in pictures if p[1] in patients] if by_patient else found[third::3] + normal[third::3]
    found, normal = [p for p in found if p not in held], [p for p in normal if p not in held]
    count = len(found) // 2
    return found + normal[::len(normal) // count][:count], held


def rate_at(step, steps, warmup):
    if step < warmup:
        return RATE * (0.01 + 0.99 * step / warmup)
    return RATE * 0.5 * (1 + math.cos(math.pi * (step - warmup) / (steps - warmup)))


def torchvision_side(folder, train, held, classes, plan, seed):
    import torch
    from torchvision.io import ImageReadMode, read_image
    from torchvision.models import resnet18
    from torchvision.models.detection import RetinaNet
    from torchvision.models.detection.anchor_utils import AnchorGenerator
    from torchvision.models.detection.backbone_utils import BackboneWithFPN
    from torchvision.models.detection.retinanet import RetinaNetHead
    from torchvision.ops.feature_pyramid_network import LastLevelP6P7

    torch.manual_seed(seed)
    torch.set_num_threads(1)
    body = BackboneWithFPN(resnet18(weights=None), {"layer2": "0", "layer3": "1", "layer4": "2"}, [128, 256, 512], CHANNELS,
                           extra_blocks=LastLevelP6P7(512, CHANNELS))
    sizes = tuple((s, int(s * 2 ** (1 / 3)), int(s * 2 ** (2 / 3))) for s in plan["anchors"])
    head = RetinaNetHead(CHANNELS, 9, len(classes), norm_layer=lambda channels: torch.nn.GroupNorm(32, channels))
    net = RetinaNet(body, len(classes), anchor_generator=AnchorGenerator(sizes, ((0.5, 1.0, 2.0),) * 5), head=head,
                    min_size=plan["side"], max_size=plan["side"] * 5 // 3)
    decayed = [p for p in net.parameters() if p.dim() > 1]
    rule = torch.optim.AdamW([{"params": decayed, "weight_decay": DECAY},
                              {"params": [p for p in net.parameters() if p.dim() == 1], "weight_decay": 0}], lr=RATE)

    def picture(p):
        return read_image(str(folder / p[0]), ImageReadMode.RGB).float() / 255

    images = [picture(p) for p in train]
    net.train()
    step, losses = 0, 0.0
    while step < plan["steps"]:
        order = torch.randperm(len(train)).tolist()
        for at in range(0, len(train), BATCH):  # the last batch of an epoch may be smaller, as in Gadolin
            if step == plan["steps"]:
                break
            batch, targets = [], []
            for k in order[at:at + BATCH]:
                image, width = images[k], train[k][2]
                boxes = torch.tensor([b[1:] for b in train[k][4]], dtype=torch.float32).reshape(-1, 4)
                if torch.rand(()) < 0.5:
                    image = image.flip(-1)
                    boxes = torch.stack([width - boxes[:, 2], boxes[:, 1], width - boxes[:, 0], boxes[:, 3]], 1)
                batch.append(image)
                targets.append({"boxes": boxes, "labels": torch.tensor([classes.index(b[0]) for b in train[k][4]], dtype=torch.int64)})
            for group in rule.param_groups:
                group["lr"] = rate_at(step, plan["steps"], plan["steps"] // 10)
            loss = sum(net(batch, targets).values())
            losses += loss.item()
            rule.zero_grad()
            loss.backward()
            rule.step()
            step += 1
    net.eval()
    found = []
    with torch.no_grad():
        for p in held:
            said = net([picture(p)])[0]
            for box, score, label in zip(said["boxes"].tolist(), said["scores"].tolist(), said["labels"].tolist()):
                found.append((p[0], classes[label], box, score))
    return found, losses / step


def gadolin_side(program, folder, train, held, classes, plan, seed):
    run, table = folder / f"run-{os.getpid()}", folder / f"boxes-{os.getpid()}.csv"
    shutil.rmtree(run, ignore_errors=True)
    with open(table, "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow("path,x1,y1,x2,y2,class,split".split(","))
        for part, split in ((train, "train"), (held, "val")):
            for name, patient, _, _, boxes in part:
                rows.writerows([name, *b[1:], b[0], split] for b in boxes)
                if not boxes:
                    rows.writerow([name, "", "", "", "", "", split])
    (folder / "classes.csv").write_text("".join(f"{c},{i}\n" for i, c in enumerate(classes)))
    epoch = math.ceil(len(train) / BATCH)
    options = {"preset": "torchvision", "frozen_norm": "false", "channels": CHANNELS, "anchor_sizes": "/".join(map(str, plan["anchors"]))}
    words = ["train", table, "--task", "detection", "--model", "retinanet_resnet18_fpn_v2", "--out", run, "--channels", 3,
             "--input-size", plan["side"], "--augment", "light", "--batch-size", BATCH, "--optimizer", "adamw", "--lr", RATE,
             "--weight-decay", DECAY, "--schedule", "cosine", "--warmup-epochs", plan["steps"] // 10 / epoch, "--seed", seed,
             "--epochs", plan["steps"], "--max-steps", plan["steps"], "--eval-every", plan["steps"], "--threads", 1]
    for name, value in options.items():
        words += ["--net-option", f"{name}={value}"]
    evaluate = ["eval", table, "--checkpoint", run / "checkpoints" / "last.gdck", "--split", "val", "--out", run / "val", "--resamples", 0,
                "--batch-size", BATCH, "--threads", 1]
    for command in (words, evaluate):
        done = subprocess.run([program, *map(str, command)], capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"gadolin {command[0]} ended with {done.returncode}: {done.stderr or done.stdout}")
    with open(run / "val" / "detections.csv", newline="") as file:
        found = [(r["path"], r["class"], [float(r[k]) for k in ("x1", "y1", "x2", "y2")], float(r["score"])) for r in csv.DictReader(file)]
    with open(run / "metrics.csv", newline="") as file:
        loss = float(list(csv.DictReader(file))[-1]["train_loss"])  # the one row is the mean of all steps
    shutil.rmtree(run)
    return found, loss


def score(program, folder, held, classes, found, name):
    place = {p[0]: i + 1 for i, p in enumerate(held)}
    truth, results = folder / "truth.json", folder / f"found-{name}.json"

    def corners(x1, y1, x2, y2):
        return [x1, y1, x2 - x1, y2 - y1]

    annotations = [{"image_id": place[p[0]], "category_id": classes.index(b[0]) + 1, "bbox": corners(*b[1:])} for p in held for b in p[4]]
    truth.write_text(json.dumps({
        "images": [{"id": i, "file_name": n} for n, i in place.items()],
        "categories": [{"id": c + 1, "name": n} for c, n in enumerate(classes)],
        "annotations": [a | {"id": i + 1, "area": a["bbox"][2] * a["bbox"][3], "iscrowd": 0} for i, a in enumerate(annotations)]}))
    results.write_text(json.dumps([{"image_id": place[n], "category_id": classes.index(c) + 1, "bbox": corners(*box), "score": s}
                                   for n, c, box, s in found]))
    done = subprocess.run([program, "data", "score", "--annotations", truth, "--detections", results, "--json"], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"gadolin data score ended with {done.returncode}: {done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])["metrics"]["AP50"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gadolin", required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=list(SETS))
    parser.add_argument("--sides", nargs="+", default=["torchvision", "gadolin"], choices=["torchvision", "gadolin"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--by-patient", action="store_true", help="haemorrhages of patients that the net has not seen")
    parser.add_argument("--steps", type=int, help="other than the recipe's, to try the script")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    program = os.path.abspath(args.gadolin)
    lines = [f"AP50 of held-back pictures, retinanet_resnet18_fpn_v2 of {CHANNELS} channels trained from random weights, batch {BATCH}, AdamW, peak rate {RATE:g}"]
    for name in args.sets:
        plan = SETS[name] | ({"steps": args.steps} if args.steps else {})
        folder, pictures = prepare(args.data, name, args.work)
        classes = sorted({b[0] for p in pictures for b in p[4]})
        rows, means, counts = {}, {}, set()
        for seed in args.seeds:
            train, held = divide(args.data, name, pictures, args.by_patient, seed)
            counts.add(f"{sum(len(p[4]) for p in held)} boxes in {len(held)}")
            for side in args.sides:
                kept = folder / f"{side}-{seed}-{plan['steps']}{'-by-patient' if args.by_patient else ''}.json"
                if not kept.exists():
                    start = time.perf_counter()
                    found, loss = (torchvision_side(folder, train, held, classes, plan, seed) if side == "torchvision" else
                                   gadolin_side(program, folder, train, held, classes, plan, seed))
                    ap = score(program, folder, held, classes, found, kept.stem)
                    kept.write_text(json.dumps({"AP50": ap, "loss": loss, "seconds": time.perf_counter() - start}))
                result = json.loads(kept.read_text())
                rows.setdefault(side, []).append(result["AP50"])
                means.setdefault(side, []).append(result["loss"])
                print(f"{name} seed {seed} {side}: AP50 {result['AP50']:.4f}, mean loss {result['loss']:.4f}, in {result['seconds']:.0f} s", flush=True)
        lines += ["", f"{name}: {plan['side']} pixels, {plan['steps']} steps, {', '.join(sorted(counts))} held-back pictures, "
                  f"{'val and test lists' if not plan['patients'] else 'of other patients' if args.by_patient else 'a third of the slices, another with each seed'}",
                  "             " + "".join(f"{f'seed {s}':>9}" for s in args.seeds) + "     mean"]
        mean = {side: sum(values) / len(values) for side, values in rows.items()}
        lines += [f"{side:<13}" + "".join(f"{v:9.4f}" for v in values) + f"{mean[side]:9.4f}" for side, values in rows.items()]
        lines += [f"{side}: loss of a step, mean of each run: " + " ".join(f"{v:.4f}" for v in values) for side, values in means.items()]
        if len(mean) < 2:
            continue
        apart = [g - t for g, t in zip(rows["gadolin"], rows["torchvision"])]
        error = statistics.stdev(apart) / len(apart) ** 0.5 if len(apart) > 1 else math.nan
        lines.append(f"difference   {mean['gadolin'] - mean['torchvision']:+.4f}, standard error of the seeds' {error:.4f}: "
                     + ("within 0.02 or better" if mean["gadolin"] >= mean["torchvision"] - 0.02 else "WORSE than torchvision by more than 0.02"))
    text = "\n".join(lines)
    print(text)
    if args.out:
        args.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
