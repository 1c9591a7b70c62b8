"""The slices of an archive of head CTs as pictures of three windows: the original's way in Python and gadolin hemorrhage img-extract.

    pip install numpy pydicom opencv-python-headless
    gadolin data synth ct-series ct --patients 16 --slices 24 --size 512
    python bench/compare_extract.py --gadolin build/cpu/apps/gadolin ct [--repeat 3]

Python's side does what the original does slice by slice: the member is unpacked into the working folder, read with pydicom, mended, windowed
in NumPy, resized by OpenCV in floating point, written as JPEG, and the unpacked file is removed; on several cores in as many processes.
Both sides alternate, each on one core and on all, times are the best of `--repeat`, whole programs with their start. Then all members are
read and checked by `unzip -tq` and by `gadolin bench zip` on one core. A ratio above 1 means Gadolin is faster.
"""

import argparse
import json
import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

ARCHIVE = "rsna-intracranial-hemorrhage-detection.zip"


def window(image, center, width):
    import numpy as np

    low, high = center - width // 2, center + width // 2
    return (np.clip(image, low, high) - low) / (high - low) * 255


def extract(work):
    """Some members of an archive, as the original takes them one by one."""
    import cv2
    import numpy as np
    import pydicom

    path, names, folder, one_core = work
    if one_core:
        cv2.setNumThreads(1)
    made = 0
    with zipfile.ZipFile(path) as archive:
        for name in names:
            unpacked = archive.extract(name, folder)
            try:
                dicom = pydicom.dcmread(unpacked)
                pixels = dicom.pixel_array.astype(np.int64)
                intercept, slope = int(dicom.RescaleIntercept), int(dicom.RescaleSlope)
                if dicom.PixelRepresentation == 0 and intercept > -100:
                    pixels = pixels + 1000
                    pixels[pixels >= 4096] -= 4096
                    intercept = -1000
                units = pixels * slope + intercept
                channels = [window(units, *w) for w in ((40, 80), (80, 200), (600, 2800))]
                picture = cv2.resize(np.stack(channels, -1), (224, 224), interpolation=cv2.INTER_LINEAR)
                cv2.imwrite(os.path.splitext(unpacked)[0] + ".jpg", picture)
                made += 1
            except ValueError:
                pass
            os.remove(unpacked)
    return made


def python_side(path, folder, processes):
    """In a program of its own: the work shared among processes, one a core."""
    with zipfile.ZipFile(path) as archive:
        names = [n for n in archive.namelist() if n.endswith(".dcm")]
    works = [(path, names[i::processes], folder, True) for i in range(processes)]
    if processes == 1:
        return extract(works[0])
    with multiprocessing.Pool(processes) as pool:
        return sum(pool.map(extract, works))


def best(runs, repeat, scratch):
    """The least seconds of each side, both in turn."""
    times = {name: [] for name in runs}
    for _ in range(repeat):
        for name, command in runs.items():
            out = Path(scratch) / "out"
            shutil.rmtree(out, ignore_errors=True)
            out.mkdir()
            start = time.perf_counter()
            subprocess.run(command(str(out)), check=True, capture_output=True)
            times[name].append(time.perf_counter() - start)
    return {name: min(t) for name, t in times.items()}


def main():
    if len(sys.argv) > 1 and sys.argv[1] == "--python-side":
        return print(python_side(sys.argv[2], sys.argv[3], int(sys.argv[4])))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", help="folder with " + ARCHIVE)
    parser.add_argument("--gadolin", required=True)
    parser.add_argument("--repeat", type=int, default=3)
    args = parser.parse_args()
    path = str(Path(args.folder) / ARCHIVE)
    with zipfile.ZipFile(path) as archive:
        slices = sum(n.endswith(".dcm") for n in archive.namelist())
    cores = len(os.sched_getaffinity(0))

    def python(processes):
        return lambda out: [sys.executable, __file__, "--python-side", path, out, str(processes)]

    def gadolin(threads):
        return lambda out: [args.gadolin, "hemorrhage", "img-extract", "--zip_dir", path, "--data_dir", out, "--min-brain", "-1", "--json",
                            "--threads", str(threads)]

    print(f"{slices} slices, {cores} cores, load before it began {os.getloadavg()[0]:.1f}\n")
    print("| cores | Python slices/s | Gadolin slices/s | ratio |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as scratch:
        rate = {}
        for n in sorted({1, cores}):
            t = best({"python": python(n), "gadolin": gadolin(n)}, args.repeat, scratch)
            rate[n] = slices / t["gadolin"]
            print(f"| {n} | {slices / t['python']:.0f} | {rate[n]:.0f} | {t['python'] / t['gadolin']:.1f} |", flush=True)
        print(f"\nGadolin on {cores} cores is {rate[cores] / rate[1]:.2f} times as fast as on one.\n")
    if shutil.which("unzip"):
        unzip, ours = [], []
        for _ in range(max(args.repeat, 3)):
            start = time.perf_counter()
            subprocess.run(["unzip", "-tq", path], check=True, capture_output=True)
            unzip.append((time.perf_counter() - start) * 1000)
            run = subprocess.run([args.gadolin, "bench", "zip", path, "--repeat", "1", "--threads", "1", "--json"], check=True,
                                 capture_output=True, text=True)
            ours.append(json.loads(run.stdout.splitlines()[-1])["metrics"]["read_least_ms"])
        print(f"All members read and checked on one core: unzip {min(unzip):.0f} ms, Gadolin {min(ours):.0f} ms, ratio "
              f"{min(unzip) / min(ours):.2f}")


if __name__ == "__main__":
    main()
