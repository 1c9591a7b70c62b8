"""Counts the machine instructions of each kernel in files of nvcc, to compare a kernel before and after a change without a GPU.

    nvcc -std=c++20 --expt-relaxed-constexpr -arch=sm_90 -O3 -DGADOLIN_CUDA=1 -I. -cubin -o new.cubin -x cu tensor/ops/copy.cu
    python3 bench/sass.py [--cuobjdump PROGRAM] [--kernels REGEX] new.cubin [old.cubin...]

A row a kernel: file, instructions, loads and stores of device memory by width, calls (such as of 64-bit division), name.
cuobjdump comes with CUDA's toolkit, or inside Triton's Python package.
"""

import argparse
import collections
import re
import subprocess
import sys
from pathlib import Path


def kernels(program, path):
    """Demangled name -> Counter of instructions."""
    done = subprocess.run([program, "-sass", path], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"sass: {program} {path}: {done.stderr.strip() or done.returncode}")
    found, present = {}, None
    for line in done.stdout.splitlines():
        if header := re.match(r"\s*Function : (\S+)", line):
            name = subprocess.run(["c++filt", header[1]], capture_output=True, text=True).stdout.strip()
            present = found.setdefault(name, collections.Counter())
        elif present is not None and (op := re.match(r"\s*/\*[0-9a-f]{4,}\*/\s+(?:@!?\S+\s+)?([A-Z0-9_.]+)", line)):
            present[op[1]] += 1
    return found


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("files", nargs="+")
    p.add_argument("--cuobjdump", default="cuobjdump")
    p.add_argument("--kernels", default="", help="only kernels whose name matches")
    args = p.parse_args()
    for path in args.files:
        for name, counts in kernels(args.cuobjdump, path).items():
            if not re.search(args.kernels, name):
                continue
            memory = " ".join(f"{op}:{n}" for op, n in sorted(counts.items()) if op.startswith(("LDG", "STG")))
            calls = sum(n for op, n in counts.items() if op.startswith("CALL"))
            print(f"{Path(path).name} | {sum(counts.values())} | {memory} | calls {calls} | {name}")


if __name__ == "__main__":
    main()
