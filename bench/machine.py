"""What a measurement ran on: versions, processor, clocks, load, commit. Every result carries these, nobody types them in."""

import contextlib
import datetime
import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
QUERY = {"sm_mhz": "clocks.sm", "mem_mhz": "clocks.mem", "power_w": "power.draw", "temp_c": "temperature.gpu"}


def printed(*command):
    """The output of a command, "" when it is not there or fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, cwd=ROOT)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def clocks():
    """Clocks in MHz, power in W and temperature in degrees of the first GPU; {} without nvidia-smi."""
    line = printed("nvidia-smi", "--query-gpu=" + ",".join(QUERY.values()), "--format=csv,noheader,nounits").split("\n")[0]
    values = [part.strip() for part in line.split(",")]
    found = {}
    if len(values) == len(QUERY):
        for name, value in zip(QUERY, values):
            with contextlib.suppress(ValueError):  # "[N/A]" in a virtual machine
                found[name] = float(value)
    return found


def commit():
    """Of the checkout; on a machine without its history tools/gpu.sh passes it on."""
    return os.environ.get("GADOLIN_COMMIT") or printed("git", "rev-parse", "--short=12", "HEAD") or "unknown"


def processor():
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def versions():
    import torch
    found = {"torch": torch.__version__, "python": platform.python_version()}
    with contextlib.suppress(ImportError):
        import torchvision
        found["torchvision"] = torchvision.__version__
    for peer in ("openvino", "onnxruntime"):
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[peer] = metadata.version(peer)
    if torch.cuda.is_available():
        found |= {"cuda": torch.version.cuda, "cudnn": torch.backends.cudnn.version(),
                  "driver": printed("nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader").split("\n")[0]}
    return found


def machine_row(device, threads):
    """The first and the last row of a file of results."""
    import torch
    row = {"suite": "machine", "time": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
           "commit": commit(), "device": device, "cpu": processor(), "processors": os.cpu_count(), "threads": threads,
           "load": [round(value, 2) for value in os.getloadavg()], "torch": torch.__version__, "versions": versions(), "clocks": clocks()}
    if device == "cuda":
        row["gpu"] = torch.cuda.get_device_name()
    return row
