#!/usr/bin/env python3
"""Time of `gadolin bodypart create-database` (SQLite) beside plain copying of the same DICOM files.

    bench/compare_ingest.py PROGRAM [--files 10000] [--kib 512] [--repeat 3] [--folder /tmp]

Makes synthetic DICOM files, then copies them twice over: with one sync of the file system at the end, as `cp -r && sync` does, and with an
fsync of every file, as a program does that must not lose any. Needs nothing but Python; files are in the page cache for all three. A rerun over
the full database is timed as well. Prints medians and ratios; nothing stays.
"""
import argparse
import json
import os
import pathlib
import shutil
import statistics
import struct
import subprocess
import tempfile
import time

PARTS = ["ABDOMEN", "CHEST", "ELBOW", "FOOT", "HAND", "KNEE", "SKULL"]


def element(group, number, vr, value):
    if len(value) % 2:
        value += b"\0" if vr == b"UI" else b" "
    head = struct.pack("<HH", group, number) + vr
    return head + (struct.pack("<HI", 0, len(value)) if vr == b"OW" else struct.pack("<H", len(value))) + value


def film(i, side, noise):
    uid = b"1.2.826.0.1.3680043.99.%d" % i
    us = lambda n, v: element(0x28, n, b"US", struct.pack("<H", v))
    at = (i * 7919) % (len(noise) // 2) & ~1
    pixels = noise[at:at + side * side * 2]
    return (bytes(128) + b"DICM" + element(2, 0x10, b"UI", b"1.2.840.10008.1.2.1") + element(8, 0x18, b"UI", uid) + element(8, 0x60, b"CS", b"DX") +
            element(0x10, 0x20, b"LO", b"P%06d" % (i // 4)) + element(0x18, 0x15, b"CS", PARTS[i % 7].encode()) +
            element(0x20, 0x0D, b"UI", uid[:-1] + b"0") + us(2, 1) + element(0x28, 4, b"CS", b"MONOCHROME2") + us(0x10, side) + us(0x11, side) +
            us(0x100, 16) + us(0x101, 12) + us(0x102, 11) + us(0x103, 0) + element(0x7FE0, 0x10, b"OW", pixels))


def make(folder, files, kib):
    side = int((kib * 512) ** 0.5)
    noise = bytes(b & (0x0F if k % 2 else 0xFF) for k, b in enumerate(os.urandom(1 << 16)))  # 12 bits of 16
    noise *= 2 * (side * side * 2) // len(noise) + 2
    for i in range(files):
        place = folder / f"{i // 500:04d}"
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{i:06d}.dcm").write_bytes(film(i, side, noise))


def copied(source, target, each):
    begin = time.perf_counter()
    for path in sorted(source.rglob("*.dcm")):
        to = target / path.relative_to(source)
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, to)
        if each:
            with open(to, "rb") as file:
                os.fsync(file.fileno())
    if not each:
        os.sync()
    return time.perf_counter() - begin


def ingested(program, source, database):
    begin = time.perf_counter()
    run = subprocess.run([program, "bodypart", "create-database", "-d", source, "--database", database, "--json", "--quiet"], check=True, capture_output=True)
    seconds = time.perf_counter() - begin
    return seconds, json.loads(run.stdout.splitlines()[-1])["metrics"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--files", type=int, default=10000)
    parser.add_argument("--kib", type=int, default=512, help="pixels of one file")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--folder", default=None, help="where to work; the disk that is measured")
    o = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=o.folder) as name:
        work = pathlib.Path(name)
        make(work / "in", o.files, o.kib)
        os.sync()
        times = {"copy, sync at the end": [], "copy, fsync each": [], "create-database": [], "create-database again": []}
        for _ in range(o.repeat):
            for label, each in (("copy, sync at the end", False), ("copy, fsync each", True)):
                times[label].append(copied(work / "in", work / "copy", each))
                shutil.rmtree(work / "copy")
                os.sync()
            seconds, metrics = ingested(o.program, work / "in", work / "a.db")
            assert metrics["inserted"] == o.files, metrics
            times["create-database"].append(seconds)
            seconds, again = ingested(o.program, work / "in", work / "a.db")
            assert again["unchanged"] == o.files, again
            times["create-database again"].append(seconds)
            (work / "a.db").unlink()
            os.sync()
        base = statistics.median(times["copy, sync at the end"])
        print(f"{o.files} files, {metrics['bytes'] / 1e6:.0f} MB, {o.repeat} repeats")
        for label, seconds in times.items():
            s = statistics.median(seconds)
            print(f"{label:24s} {s:8.2f} s  {metrics['bytes'] / 1e6 / s:8.1f} MB/s  {o.files / s:8.0f} files/s  {s / base:5.2f} x copy")


if __name__ == "__main__":
    main()
