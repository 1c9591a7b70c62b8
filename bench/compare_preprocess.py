"""Preprocesses the same radiographs by the reference algorithms in Python and with Gadolin, and prints the ratios.

    pip install numpy pillow opencv-python-headless
    python bench/compare_preprocess.py --gadolin build/cpu/apps/gadolin [--width 2048 --height 2500] [--repeat 3]

`tools/fixtures/preprocess.py` holds the Python side: NumPy for bits, Pillow for contrast, OpenCV for k-means, threshold and components with one
pass over the picture a component. Times are of one picture of the method alone, from decoded pixels to decoded pixels, the best of several
in turn; both use all processors as they do by default, and --one-thread holds both to one. A ratio above 1 means Gadolin is faster.
"""

import argparse
import importlib.util
import json
import os
import subprocess
import tempfile
import time
from pathlib import Path


def reference_algorithms():
    path = Path(__file__).resolve().parent.parent / "tools/fixtures/preprocess.py"
    spec = importlib.util.spec_from_file_location("reference", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def as_the_reference(ref, folder):
    """Segmentation as the program does it that A1 was taken from: contrast through a JPEG file, each label looked for in the whole picture."""
    import cv2
    import numpy as np
    from PIL import Image

    def segment(image, value):
        with tempfile.TemporaryDirectory(dir=folder) as place:
            path = os.path.join(place, "contrast.jpg")
            Image.fromarray(ref.enhance_contrast(image, value)).save(path)
            grey = cv2.imread(path, cv2.IMREAD_GRAYSCALE)
        binary = cv2.adaptiveThreshold(grey, 255, cv2.ADAPTIVE_THRESH_MEAN_C, cv2.THRESH_BINARY_INV, 51, 2)
        count, labels, stats, _ = cv2.connectedComponentsWithStats(binary, connectivity=8)
        mask = np.zeros_like(binary)
        for i in range(1, count):
            component = labels == i
            if stats[i, cv2.CC_STAT_HEIGHT] > grey.shape[0] / 15 or stats[i, cv2.CC_STAT_WIDTH] > grey.shape[1] / 15:
                mask[component] = 255
        return mask

    return segment


def gadolin_ms(program, folder, out, method, value, threads):
    args = [program, "bodypart", "preprocess-image", "-d", folder, "-p", method, "-v", str(value), "--out", out, "--json", "--device", "cpu"]
    if threads:
        args += ["--threads", str(threads)]
    lines = subprocess.run(args, check=True, capture_output=True, text=True).stdout.splitlines()
    return min(json.loads(line)["method_ms"] for line in lines if '"picture"' in line)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gadolin", required=True)
    parser.add_argument("--width", type=int, default=2048)
    parser.add_argument("--height", type=int, default=2500)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--value", type=int, default=4)
    parser.add_argument("--one-thread", action="store_true")
    args = parser.parse_args()
    ref = reference_algorithms()
    import cv2
    import numpy
    import PIL

    threads = 1 if args.one_thread else 0
    if threads:
        cv2.setNumThreads(1)
    print(f"OpenCV {cv2.__version__}, Pillow {PIL.__version__}, NumPy {numpy.__version__}, {os.cpu_count()} processors"
          f"{', one thread each' if threads else ''}, load before it began {os.getloadavg()[0]:.1f}; value {args.value}, {args.width} x {args.height}\n")
    methods = {"bitwise_downsampling": ref.reduce_bits, "contrast_enhancing": ref.enhance_contrast,
               "color_quantization": ref.quantize_colors, "target_segmentation": ref.segment_target,
               "target_segmentation, JPEG between, a pass a component": as_the_reference(ref, folder=tempfile.gettempdir())}
    print("| picture | method | Python ms | Gadolin ms | ratio |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as scratch:
        for kind in ("grey", "colour"):
            image = ref.radiograph(args.width, args.height, kind == "colour")
            folder = Path(scratch) / kind
            folder.mkdir()
            for i in range(3):  # the first one of a process also warms it up
                image.save(folder / f"{i}.png", compress_level=1)
            for method, python in methods.items():
                theirs, ours = [], []
                for _ in range(args.repeat):
                    start = time.perf_counter()
                    python(image, args.value)
                    theirs.append((time.perf_counter() - start) * 1000)
                    ours.append(gadolin_ms(args.gadolin, folder, Path(scratch) / "out", method.split(",")[0], args.value, threads))
                    if theirs[-1] > 20000:
                        break
                a, b = min(theirs), min(ours)
                print(f"| {kind} | {method} | {a:.1f} | {b:.2f} | {a / b:.1f} |", flush=True)


if __name__ == "__main__":
    main()
