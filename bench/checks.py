"""Whether both sides of a training comparison learn the same: without this a speed means nothing.

Both start from the same weights (torchvision's) and one batch of random pictures. The weights must move, the losses of 20
steps agree within 2 %, and no first gradient may be further from an fp32 reference (fp64 for fp32) than 1.25 times
PyTorch's own in the type that is timed (relative L2 error, with a small floor). NaN fails everywhere.
"""

import json
import math
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch

from gadolin_side import Failed, run_program
from detector_side import is_detector
from pytorch_side import CLASSES, Step, build_net, loss_of, make_step, random_batch

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tools" / "fixtures"))
from common import write_safetensors  # noqa: E402

STEPS, LOSS_TOLERANCE, GRADIENT_FACTOR = 20, 0.02, 1.25
LR = 5e-5  # at the rate that is timed a few pictures are learnt by heart, where rounding alone parts two runs and a loss near 0 shows nothing
# Relative L2 errors below these are never held against a side: the sign of one value near a ReLU's zero is luck, and moves
# the gradient of a small bias by so much.
FLOOR = {"fp32": 5e-3, "tf32": 1e-2, "fp16": 1e-2, "bf16": 2e-2}


def has_dropout(net):
    return any(isinstance(m, torch.nn.modules.dropout._DropoutNd) and m.p > 0 for m in net.modules())


def relative_l2(got, reference):
    length = float(reference.double().norm())
    return float((got.double() - reference.double()).norm()) / max(length, 1e-300)


def gradients(device, model, dtype, x, labels):
    """Of the first step: a tensor on the CPU for each parameter that has one."""
    step = Step(device, model, "train", "fp32" if dtype == "fp64" else dtype, "eager", x, labels)
    if dtype == "fp64":
        step.net, step.x = step.net.double(), step.x.double()
    with step.cast():
        loss = loss_of(step.net(step.x), step.labels)
    scale = 1024.0 if dtype == "fp16" else 1.0  # small gradients of fp16 would be lost
    (loss * scale).backward()
    return {n: p.grad.cpu() / scale for n, p in step.net.named_parameters() if p.grad is not None}


def numpy_state(net):
    return {n: v.detach().cpu().contiguous().numpy() for n, v in net.state_dict().items()}


def check_losses(args, model, dtype, x, labels, folder):
    start = Path(folder) / "start.safetensors"
    write_safetensors(start, numpy_state(build_net(model)), {"format": "pt"})
    np.save(Path(folder) / "pictures.npy", x.numpy())
    np.save(Path(folder) / "labels.npy", labels.numpy())
    step = make_step(args.device, model, "train", dtype, "eager", x, labels, lr=LR)
    before = [p.detach().clone() for p in step.parameters]
    theirs = []
    for _ in range(STEPS):
        step()
        theirs.append(float(step.loss))
    if not all(bool((a != b).any()) for a, b in zip(before, step.parameters)):
        raise Failed("PyTorch's weights did not move")
    events = run_program(args.gadolin, [
        "bench", "model", model, "--mode", "train", "--dtype", dtype, "--device", args.device, "--threads", args.threads,
        "--weights", start, "--batch-file", Path(folder) / "pictures.npy", "--labels-file", Path(folder) / "labels.npy",
        "--lr", LR, "--losses", STEPS, "--steps", 1, "--blocks", 1, "--warm-up", 0, "--seconds", 0, "--warm-seconds", 0],
        args.gadolin_args.split())  # it fails by itself when its weights do not move
    ours = [event["loss"] for event in events if event.get("event") == "loss"]
    if len(ours) != STEPS:
        raise Failed(f"Gadolin showed {len(ours)} losses of {STEPS}")
    return theirs, ours


def loss_error(theirs, ours):
    """Largest relative difference over the steps; NaN when a loss is."""
    worst = 0.0
    for a, b in zip(theirs, ours):
        off = abs(a - b) / max(abs(a), 0.05)
        if not off <= worst:
            worst = off
    return worst


def check_gradients(args, model, dtype, x, labels, folder):
    """[(parameter, Gadolin's error, PyTorch's)], worst first by what is allowed."""
    reference = gradients(args.device, model, "fp64" if dtype == "fp32" else "fp32", x, labels)
    theirs = gradients(args.device, model, dtype, x, labels)
    reference = {n: g.float() for n, g in reference.items()}  # as the file stores it
    tensors = {"input": x.numpy(), "target": labels.numpy()}
    tensors |= {f"state.{n}": v for n, v in numpy_state(build_net(model)).items()}
    tensors |= {f"grad.{n}": g.contiguous().numpy() for n, g in reference.items()}
    file = Path(folder) / "gradients.safetensors"
    # Tolerances that only NaN breaks: what counts is the error that verify reports.
    write_safetensors(file, tensors, {"format": "gadolin-fixture-1", "model": model, "mode": "train", "loss": "cross_entropy",
                                      "num_classes": CLASSES, "config": json.dumps({}), "rtol": 1e30, "atol": 1e30})
    events = run_program(args.gadolin, ["verify", file, "--dtype", dtype, "--device", args.device, "--threads", args.threads, "--verbose"])
    errors = next(event["relative_l2"] for event in events if "relative_l2" in event)
    rows = [(n, errors[f"grad.{n}"], relative_l2(theirs[n], g)) for n, g in reference.items()]
    if any(error is None for _, error, _ in rows):
        raise Failed("a gradient is not finite")
    return sorted(rows, key=lambda row: -row[1] / allowed(dtype, row[2]))


def allowed(dtype, theirs):
    return max(GRADIENT_FACTOR * theirs, FLOOR[dtype])


def check(args, results, model, dtype, batch, size):
    """One check; prints a line, writes a row, and says whether it passed."""
    label = f"{model} {dtype} check"
    x, labels = random_batch(model, batch, size)
    net = build_net(model)
    no_gradients = "the net drops units at random" if has_dropout(net) else "a test compares them" if is_detector(model) else ""
    row = {"suite": "check", "net": model, "dtype": dtype, "batch": batch, "size": size, "steps": STEPS}
    try:
        with tempfile.TemporaryDirectory(prefix="gadolin-bench-") as folder:
            theirs, ours = check_losses(args, model, dtype, x, labels, folder)
            off = loss_error(theirs, ours)
            passed = off <= LOSS_TOLERANCE and all(map(math.isfinite, theirs + ours))
            row |= {"pytorch_losses": theirs, "gadolin_losses": ours, "loss_error": off if math.isfinite(off) else None}
            text = f"losses of {STEPS} steps differ by at most {100 * off:.2f} % ({theirs[0]:.4f} to {theirs[-1]:.4f})"
            if no_gradients:
                text += f"; gradients not compared: {no_gradients}"
            else:
                name, error, own = check_gradients(args, model, dtype, x, labels, folder)[0]
                passed = passed and error <= allowed(dtype, own)
                row |= {"worst_gradient": name, "gradient_error": error, "pytorch_gradient_error": own}
                text += f"; worst first gradient {name}: error {error:.2e}, PyTorch's {own:.2e}, allowed {allowed(dtype, own):.2e}"
    except Failed as error:
        results.add(**row, passed=False, why=str(error))
        results.fail(label, error)
        return False
    results.add(**row, passed=passed)
    print(f"{label}: {'passed' if passed else 'FAILED'}: {text}", flush=True)
    if not passed:
        results.failed.append(label)
    return passed
