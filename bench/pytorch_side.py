"""PyTorch's half of bench/compare_pytorch.py: its steps in every variant, at its best.

Channels-last net and pictures, autocast, cudnn.benchmark, a fused optimiser, gradients set to None, TF32 where the type
allows it, the loss added up on the device, and nothing read back in the loop.
"""

import contextlib
import time
import warnings

import torch
import torch.nn.functional as F
import torchvision

from detector_side import VARIANTS as DETECTOR_VARIANTS
from detector_side import DetectorStep, build_detector, is_detector, random_scene

VARIANTS = {  # (device, mode) -> what is tried unless --variants says otherwise
    ("cpu", "train"): ["eager"],
    ("cpu", "infer"): ["eager", "folded"],
    ("cuda", "train"): ["eager", "graph", "cast", "compile", "compile-reduce-overhead", "compile-max-autotune"],
    ("cuda", "infer"): ["eager", "graph", "folded", "cast", "compile", "compile-reduce-overhead", "compile-max-autotune"],
}
NET_OPTIONS = {"inception_v3": {"init_weights": False}, "googlenet": {"init_weights": False}}
HALF = {"bf16": torch.bfloat16, "fp16": torch.float16}
CLASSES = 1000
LR, MOMENTUM, WEIGHT_DECAY = 1e-3, 0.9, 1e-4  # those of `gadolin bench model`


def variants_of(device, model, mode):
    return DETECTOR_VARIANTS if is_detector(model) else VARIANTS[device, mode]


def build_net(model, seed=0):
    if is_detector(model):
        return build_detector(model, seed)
    torch.manual_seed(seed)
    return torchvision.models.get_model(model, weights=None, num_classes=CLASSES, **NET_OPTIONS.get(model, {}))


def random_batch(model, batch, size, seed=0):
    """Random bytes as pictures in [-1, 1], and labels, on the host; of a detector bytes, and boxes."""
    if is_detector(model):
        return random_scene(batch, size, seed)
    generator = torch.Generator().manual_seed(seed)
    x = torch.randint(0, 256, (batch, 3, size, size), dtype=torch.uint8, generator=generator)
    return x.float().div_(127.5).sub_(1), torch.randint(0, CLASSES, (batch,), generator=generator)


def loss_of(output, labels):
    """Cross-entropy; auxiliary heads count 0.4 each."""
    if torch.is_tensor(output):
        return F.cross_entropy(output, labels)
    return sum((1 if i == 0 else 0.4) * F.cross_entropy(part, labels) for i, part in enumerate(output) if part is not None)


def set_precision(dtype):
    torch.backends.cudnn.benchmark = True
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = dtype != "fp32"


class Step:
    """One step of a net; calling it does the step. In training `loss` is that of the last one and `total` their sum."""

    def __init__(self, device, model, mode, dtype, variant, x, labels, net=None, lr=LR):
        set_precision(dtype)
        self.device, self.variant, self.amp = device, variant, HALF.get(dtype)
        if variant == "cast" and not self.amp:
            raise RuntimeError("the cast variant is of bf16 and fp16")
        if variant == "cast" and dtype == "fp16" and mode == "train":
            raise RuntimeError("weights of fp16 cannot be trained with GradScaler")
        net = (net or build_net(model)).to(device=device, memory_format=torch.channels_last).train(mode == "train")
        self.x = x.to(device).contiguous(memory_format=torch.channels_last)
        self.labels = labels.to(device)
        if variant == "folded":
            from torch.fx.experimental.optimization import fuse
            net = fuse(net.eval()).to(memory_format=torch.channels_last)
        self.masters = None
        if variant == "cast":
            if mode == "train":  # fp32 parameters for the optimiser, which the net's are copied from
                self.masters = [p.detach().clone().requires_grad_() for p in net.parameters()]
            net, self.x = net.to(self.amp), self.x.to(self.amp)
        self.parameters = list(net.parameters())
        self.net = net
        if variant.startswith("compile"):
            self.net = torch.compile(net, mode=variant.removeprefix("compile").lstrip("-") or None)
        if mode == "infer":
            self.step = self.infer
        else:
            self.optimiser = torch.optim.SGD(self.masters or self.parameters, lr=lr, momentum=MOMENTUM, weight_decay=WEIGHT_DECAY, fused=True)
            self.scaler = torch.amp.GradScaler(device, enabled=dtype == "fp16")
            self.total = torch.zeros((), device=device)
            self.loss = None
            self.step = self.train
        if variant == "graph":
            self.record()

    def cast(self):
        if not self.amp or self.variant == "cast":
            return contextlib.nullcontext()
        return torch.autocast(self.device, self.amp, cache_enabled=self.variant != "graph")

    def infer(self):
        with torch.inference_mode(), self.cast():
            self.loss = self.net(self.x)

    def train(self):
        with self.cast():
            loss = loss_of(self.net(self.x), self.labels)
        if self.masters:
            loss.backward()
            for master, p in zip(self.masters, self.parameters):
                master.grad = p.grad.float()
                p.grad = None
            self.optimiser.step()
            with torch.no_grad():
                torch._foreach_copy_(self.parameters, self.masters)
        else:
            self.optimiser.zero_grad(set_to_none=True)
            self.scaler.scale(loss).backward()
            self.scaler.step(self.optimiser)
            self.scaler.update()
        self.loss = loss.detach()
        self.total += self.loss

    def record(self):
        """The whole step as one CUDA graph."""
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(5):
                self.step()
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self.step()
        self.graph, self.step = graph, graph.replay

    def __call__(self):
        self.step()


def make_step(device, model, mode, dtype, variant, x, labels, lr=LR):
    if is_detector(model):
        set_precision(dtype)
        return DetectorStep(device, model, mode, dtype, variant, x, labels, HALF, {"lr": lr, "momentum": MOMENTUM, "weight_decay": WEIGHT_DECAY})
    return Step(device, model, mode, dtype, variant, x, labels, lr=lr)


def synchronize(device):
    if device == "cuda":
        torch.cuda.synchronize()


def quiet_build(*args):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return make_step(*args)


def warm(step, device, steps, seconds):
    start = time.perf_counter()
    for _ in range(steps):
        step()
    synchronize(device)
    while time.perf_counter() - start < seconds:  # until the clocks have settled
        step()
        synchronize(device)


def time_block(step, device, steps, seconds):
    """Milliseconds a step of one block: at least so many steps and so long; waited for only at its ends."""
    synchronize(device)
    count, total = 0, 0.0
    while count < steps or total < seconds * 1e3:
        if device == "cuda":
            begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
            begin.record()
            for _ in range(steps):
                step()
            end.record()
            torch.cuda.synchronize()
            total += begin.elapsed_time(end)
        else:
            start = time.perf_counter()
            for _ in range(steps):
                step()
            total += (time.perf_counter() - start) * 1e3
        count += steps
    return total / count


def time_calls(step, device, count):
    """Milliseconds of single calls, each waited for."""
    times = []
    for _ in range(count):
        start = time.perf_counter()
        step()
        synchronize(device)
        times.append((time.perf_counter() - start) * 1e3)
    return times
