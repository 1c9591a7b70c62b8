"""Writes into bench/results/README.md which files of the CUDA side have never run on a GPU, by folder.

    python3 bench/never_run.py            rewrites the block between the two comments
    python3 bench/never_run.py --check    exit code 1 when the page says something else

A file has run when a part `correctness`, or the CUDA tests of `first`, without a failure are stored under bench/results/<gpu>/<commit>.json and the file
is as it was at that commit; one that calls NCCL, when the part `gpus` is among them.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "bench" / "results" / "README.md"
FOLDERS = ["tensor", "io", "layers", "nets", "data", "train", "tasks", "apps"]
BEGIN, END = "<!-- begin never-run (python3 bench/never_run.py) -->\n", "<!-- end never-run -->"
COMPILED_FOR_CUDA = re.compile(r"GADOLIN_CUDA\b|__CUDACC__|__CUDA_ARCH__|is_cuda\(\)|GADOLIN_NCCL\b")
SEVERAL_GPUS = re.compile(r"GADOLIN_NCCL\b")  # what the part `gpus` runs, and no other


def git(*words):
    return subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, text=True)


def cuda_files():
    """Files with kernels, and sources with code that only a GPU reaches."""
    for name in git("ls-files", "--cached", "--others", "--exclude-standard", *FOLDERS).stdout.split():
        path = ROOT / name
        if not path.exists():
            continue
        if path.suffix == ".cu" or (path.suffix in (".cpp", ".h") and COMPILED_FOR_CUDA.search(path.read_text(errors="replace"))):
            yield name


def good_commits():
    for file in sorted((ROOT / "bench" / "results").glob("*/*.json")):
        steps = []
        for line in file.read_text().splitlines():
            try:
                row = json.loads(line)
            except ValueError:
                break  # a file of another form: of the CPU
            if isinstance(row, dict) and (row.get("part") in ("correctness", "gpus") or
                                          (row.get("part") == "first" and row.get("step", "").startswith("cuda-"))):
                steps.append(row)
        if steps and all(row["exit"] == 0 for row in steps):
            yield file.stem, any(row["part"] == "gpus" for row in steps)


def block():
    commits = list(good_commits())
    never = {folder: [] for folder in FOLDERS}
    for name in sorted(cuda_files()):
        several = SEVERAL_GPUS.search((ROOT / name).read_text(errors="replace"))
        if not any((on_several or not several) and git("diff", "--quiet", commit, "--", name).returncode == 0
                   for commit, on_several in commits):
            never[name.split("/")[0]].append(name)
    lines = ["" if commits else "No folder of a GPU is stored here yet: nothing of the CUDA side has run.\n"]
    for folder, names in never.items():
        if names:
            kernels = [n for n in names if n.endswith(".cu")]
            others = [n for n in names if not n.endswith(".cu")]
            lines.append(f"- `{folder}/`")
            lines += [f"  - {title}: " + ", ".join(f"`{n.removeprefix(folder + '/')}`" for n in group)
                      for title, group in (("kernels", kernels), ("host code with a GPU's side", others)) if group]
    return "\n".join(line for line in lines if line) + "\n"


def wrapped(text, width=130):
    """Lines of a list broken between names."""
    out = []
    for line in text.split("\n"):
        indent = " " * (len(line) - len(line.lstrip()) + 2)
        while len(line) > width:
            at = line.rfind(" ", len(indent), width)
            out.append(line[:at])
            line = indent + line[at + 1:]
        out.append(line)
    return "\n".join(out)


def main():
    page = PAGE.read_text()
    if BEGIN not in page or END not in page:
        sys.exit(f"never_run: {PAGE.name} lacks the lines {BEGIN.strip()} and {END}")
    head, rest = page.split(BEGIN)
    new = head + BEGIN + wrapped(block()) + END + rest.split(END)[1]
    if "--check" in sys.argv:
        return 0 if new == page else 1
    PAGE.write_text(new)
    return 0


if __name__ == "__main__":
    sys.exit(main())
