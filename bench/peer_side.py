"""Inference engines that bench/compare_pytorch.py measures beside PyTorch on the CPU, each from the net as torch exports it.

`pip install openvino onnxruntime`; neither is needed without --peers.
"""

import os
import tempfile

import torch

from pytorch_side import build_net

PEERS = {"openvino": "OpenVINO", "onnxruntime": "ONNX Runtime"}


def side_of(variant):
    """The name people read, and the row's framework and variant."""
    return (PEERS[variant], variant, "") if variant in PEERS else (f"PyTorch {variant}", "pytorch", variant)


def openvino_call(path, dtype, x, threads):
    import openvino
    # Where a processor has bf16, OpenVINO would compute fp32 nets in it.
    options = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": {"fp32": "f32", "bf16": "bf16"}[dtype]}
    request = openvino.Core().compile_model(path, "CPU", options).create_infer_request()
    given = {0: openvino.Tensor(x, shared_memory=True)}
    return lambda: request.infer(given, share_outputs=True)[0]


def onnxruntime_call(path, dtype, x, threads):
    import onnxruntime
    if dtype != "fp32":
        raise RuntimeError("ONNX Runtime's CPU kernels are of fp32")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    given = {session.get_inputs()[0].name: x}
    return lambda: session.run(None, given)[0]


class PeerStep:
    """One inference of a net, as pytorch_side.Step; its logits must be those of PyTorch."""

    def __init__(self, peer, model, dtype, x, threads):
        net = build_net(model).eval()
        with torch.inference_mode():
            expected = net(x)
        with tempfile.TemporaryDirectory(prefix="gadolin-bench-") as folder:
            path = os.path.join(folder, "net.onnx")
            torch.onnx.export(net, (x,), path, dynamo=False)
            make = {"openvino": openvino_call, "onnxruntime": onnxruntime_call}[peer]
            self.call = make(path, dtype, x.contiguous().numpy(), threads)
        off = (torch.from_numpy(self.call().copy()) - expected).abs().max() / expected.abs().max()
        if not off < (1e-4 if dtype == "fp32" else 5e-2):
            raise RuntimeError(f"its logits are {off:.1e} from PyTorch's")

    def __call__(self):
        self.call()
