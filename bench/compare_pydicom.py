"""Reads the same DICOM files with pydicom and with Gadolin on one core, alternating, and prints the ratios.

    pip install pydicom pylibjpeg pylibjpeg-libjpeg pylibjpeg-openjpeg
    python bench/compare_pydicom.py --gadolin build/cpu/apps/gadolin FILE...             decoding, each file
    python bench/compare_pydicom.py --gadolin build/cpu/apps/gadolin --index FOLDER      headers of all files in a folder
    python bench/compare_pydicom.py --gadolin build/cpu/apps/gadolin --index FOLDER --copies 10000     of that many copies of them

Times are medians; both readers open the file each time and end with all stored values in memory. The index takes the same attributes of
each file on both sides. A ratio above 1 means Gadolin is faster.
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

ATTRIBUTES = ("PatientID StudyInstanceUID SeriesInstanceUID SOPInstanceUID Modality BodyPartExamined ViewPosition Laterality PatientSex "
              "PatientAge Rows Columns NumberOfFrames BitsStored PhotometricInterpretation RescaleSlope RescaleIntercept WindowCenter "
              "WindowWidth PixelSpacing SliceThickness GantryDetectorTilt InstanceNumber ImagePositionPatient ImageOrientationPatient").split()


def one_thread():
    return {**os.environ, "OMP_NUM_THREADS": "1"}


def gadolin(program, *args):
    lines = subprocess.run([program, *args, "--json", "--threads", "1"], check=True, capture_output=True, text=True, env=one_thread()).stdout
    return [json.loads(line) for line in lines.splitlines()]


def median_ms(work, repeat):
    work()
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        work()
        times.append((time.perf_counter() - start) * 1000)
    return statistics.median(times)


def decode(program, files, repeat):
    import pydicom

    print("| file | transfer syntax | pydicom ms | Gadolin ms | ratio |\n|---|---|---|---|---|")
    for file in files:
        syntax = pydicom.dcmread(file, stop_before_pixels=True).file_meta.TransferSyntaxUID.name
        theirs, ours = [], []
        for _ in range(3):
            theirs.append(median_ms(lambda: pydicom.dcmread(file).pixel_array, repeat))
            event = gadolin(program, "bench", "dicom", str(file), "--repeat", str(repeat * 5))[0]
            ours.append(event["decode_ms"])
        a, b = min(theirs), min(ours)
        print(f"| {Path(file).name[-40:]} | {syntax} | {a:.3f} | {b:.3f} | {a / b:.1f} |", flush=True)


def index(program, folder, copies):
    import pydicom

    files = sorted(p for p in Path(folder).rglob("*") if p.is_file())
    with tempfile.TemporaryDirectory() as scratch:
        if copies:
            for i in range(copies):
                shutil.copyfile(files[i % len(files)], Path(scratch) / f"{i:06d}.dcm")
            folder = scratch
            files = sorted(Path(scratch).iterdir())
        theirs, ours, read = [], [], 0
        for _ in range(3):
            start = time.perf_counter()
            read = 0
            for file in files:
                try:
                    data = pydicom.dcmread(file, stop_before_pixels=True)
                except pydicom.errors.InvalidDicomError:
                    continue
                [str(data.get(name, "")) for name in ATTRIBUTES]
                read += 1
            theirs.append(time.perf_counter() - start)
            done = gadolin(program, "dicom", "index", str(folder), "--out", str(Path(scratch) / "index.csv"))[-1]
            ours.append(done["metrics"]["index_seconds"])
            (Path(scratch) / "index.csv").unlink()
    a, b = min(theirs), min(ours)
    print(f"index of {read} files: pydicom {a:.2f} s, Gadolin {b:.2f} s ({done['metrics']['files']} files), ratio {a / b:.1f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gadolin", required=True)
    parser.add_argument("--repeat", type=int, default=10)
    parser.add_argument("--index")
    parser.add_argument("--copies", type=int, default=0)
    parser.add_argument("files", nargs="*")
    args = parser.parse_args()
    import pydicom

    print(f"pydicom {pydicom.__version__}, Python {platform.python_version()}, {os.cpu_count()} processors, load before it began "
          f"{os.getloadavg()[0]:.1f}\n")
    if args.index:
        index(args.gadolin, args.index, args.copies)
    if args.files:
        decode(args.gadolin, args.files, args.repeat)


main()
