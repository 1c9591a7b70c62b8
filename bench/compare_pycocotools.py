"""Scores the same detections with pycocotools and with Gadolin on one core and prints times, memory and the largest difference.

    pip install numpy pycocotools
    python bench/compare_pycocotools.py --gadolin build/test/apps/gadolin                    5,000 pictures, 80 classes
    python bench/compare_pycocotools.py --gadolin build/test/apps/gadolin --crowded          Gadolin alone: 100 pictures of 3,000 boxes

Both read the two JSON files and end with the twelve numbers. Gadolin's time is that of the whole program; pycocotools' begins behind its
imports. Runs alternate; the least of each side counts. Memory is the largest resident set of a process that does nothing else.
"""

import argparse
import contextlib
import io
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

NAMES = "AP AP50 AP75 APs APm APl AR1 AR10 AR100 ARs ARm ARl".split()


def draw(folder, pictures, classes, truths, detections, side):
    import numpy as np

    random = np.random.default_rng(0)
    truth = {"images": [{"id": i + 1, "file_name": f"{i}.jpg", "width": side, "height": side} for i in range(pictures)],
             "categories": [{"id": c + 1, "name": f"class {c}"} for c in range(classes)], "annotations": []}
    results = []
    for i in range(pictures):
        own = []
        for _ in range(int(random.integers(truths // 2, truths + truths // 2 + 1))):
            w, h = np.exp(random.uniform(np.log(8), np.log(side / 3), 2))
            box = [random.uniform(0, side - w), random.uniform(0, side - h), w, h]
            label = int(random.integers(classes))
            own.append((box, label))
            truth["annotations"].append({"id": len(truth["annotations"]) + 1, "image_id": i + 1, "category_id": label + 1,
                                         "bbox": [round(float(v), 2) for v in box], "area": round(float(w * h), 2), "iscrowd": 0})
        for _ in range(detections):
            box, label = own[int(random.integers(len(own)))] if own and random.random() < 0.6 else (
                [*random.uniform(0, side * 0.7, 2), *random.uniform(8, side * 0.3, 2)], int(random.integers(classes)))
            move = random.normal(0, 0.08, 4) * box[2]
            box = [box[0] + move[0], box[1] + move[1], max(1, box[2] + move[2]), max(1, box[3] + move[3])]
            results.append({"image_id": i + 1, "category_id": label + 1, "bbox": [round(float(v), 2) for v in box], "score": round(float(random.random()), 4)})
    (folder / "truth.json").write_text(json.dumps(truth))
    (folder / "results.json").write_text(json.dumps(results))
    return len(truth["annotations"]), len(results)


def pycocotools(folder, most):
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    start = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(folder / "truth.json"))
        evaluation = COCOeval(truth, truth.loadRes(str(folder / "results.json")), "bbox")
        evaluation.params.maxDets = [1, 10, most]
        read = time.perf_counter()
        evaluation.evaluate()
        evaluation.accumulate()
        end = time.perf_counter()
    # summarize() takes AP at 100 detections whatever maxDets says.
    p, r = evaluation.eval["precision"], evaluation.eval["recall"]

    def mean(v):
        return float(v[v > -1].mean()) if (v > -1).any() else None

    values = [mean(p[:, :, :, 0, 2]), mean(p[0, :, :, 0, 2]), mean(p[5, :, :, 0, 2]), *[mean(p[:, :, :, a, 2]) for a in (1, 2, 3)],
              *[mean(r[:, :, 0, m]) for m in range(3)], *[mean(r[:, :, a, 2]) for a in (1, 2, 3)]]
    return {"seconds": end - start, "evaluation": end - read, "values": values, "mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def gadolin(program, folder, most):
    command = [program, "data", "score", "--annotations", str(folder / "truth.json"), "--detections", str(folder / "results.json"),
               "--max-dets", str(most), "--json", "--threads", "1"]
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, "OMP_NUM_THREADS": "1"}, text=True)
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    if status != 0:
        sys.exit(f"gadolin ended with status {status}")
    metrics = json.loads(output.splitlines()[-1])["metrics"]
    return {"seconds": seconds, "values": [metrics[n] for n in NAMES], "mib": usage.ru_maxrss / 1024}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gadolin")
    parser.add_argument("--crowded", action="store_true")
    parser.add_argument("--repeat", type=int, default=2)
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        print(json.dumps(pycocotools(Path(args.child[0]), int(args.child[1]))))
        return
    with contextlib.suppress(AttributeError):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    most = 3000 if args.crowded else 100
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        truths, detections = draw(folder, 100, 1, 3000, 3000, 4000) if args.crowded else draw(folder, 5000, 80, 7, 100, 640)
        theirs, ours = [], []
        for _ in range(args.repeat):
            if not args.crowded:  # pycocotools would take a minute a picture
                child = subprocess.run([sys.executable, __file__, "--child", name, str(most)], check=True, capture_output=True, text=True)
                theirs.append(json.loads(child.stdout))
            ours.append(gadolin(args.gadolin, folder, most))
    b = min(ours, key=lambda r: r["seconds"])
    print(f"{truths} truths, {detections} detections, {most} of a class in a picture count; load before: {os.getloadavg()[0]:.1f}")
    print(f"Gadolin     {b['seconds']:.2f} s with reading, {b['mib']:.0f} MiB")
    if args.crowded:
        return
    a = min(theirs, key=lambda r: r["seconds"])
    worst = max(abs((x if x is not None else -1) - (y if y is not None else -1)) for x, y in zip(a["values"], b["values"]))
    print(f"pycocotools {a['seconds']:.2f} s ({a['evaluation']:.2f} s of them behind reading), {a['mib']:.0f} MiB")
    print(f"ratio {a['seconds'] / b['seconds']:.1f}; largest difference of the twelve numbers {worst:.1e}")
    if not worst <= 1e-9:
        sys.exit("the numbers differ")


if __name__ == "__main__":
    main()
