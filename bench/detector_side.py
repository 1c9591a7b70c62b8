"""PyTorch's half of bench/compare_pytorch.py for detectors: torchvision's RetinaNet.

Training takes pictures as the net wants them, boxes and classes, without torchvision's resizing. Inference begins with the
bytes of decoded pictures and ends with boxes: conversion, normalisation, net, decoding, suppression. Batch norms are
frozen, as torchvision has them wherever weights are loaded, and everything else learns, as in Gadolin. Anchors stay in fp32
under autocast, which would round them to whole strides otherwise.
"""

import math
import re
from functools import partial

import torch
from torch import nn
from torchvision.models.detection import retinanet as theirs
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
from torchvision.ops.feature_pyramid_network import LastLevelP6P7
from torchvision.ops.misc import FrozenBatchNorm2d

NAME = re.compile(r"retinanet_(resnet\d+)_fpn(_v2)?")
CLASSES, BOXES = 91, 8  # those of `gadolin bench model`
VARIANTS = ["eager", "nchw"]  # channels-last, as everywhere, and PyTorch's own order
CANDIDATES = 1000  # scores of a picture that pass the threshold, about as many as of a trained net


def is_detector(model):
    return NAME.fullmatch(model) is not None


class Anchors(AnchorGenerator):
    def forward(self, image_list, feature_maps):
        plain = torch.empty(1, device=feature_maps[0].device)
        return super().forward(image_list, [plain.expand(f.shape) for f in feature_maps])


def build_detector(model, seed=0, **options):
    torch.manual_seed(seed)
    name, v2 = NAME.fullmatch(model).groups()
    deep = 512 if name in ("resnet18", "resnet34") else 2048
    backbone = resnet_fpn_backbone(backbone_name=name, weights=None, norm_layer=FrozenBatchNorm2d, trainable_layers=5,
                                   returned_layers=[2, 3, 4], extra_blocks=LastLevelP6P7(deep if v2 else 256, 256))
    anchors = Anchors(*zip(*[((s, int(s * 2 ** (1 / 3)), int(s * 2 ** (2 / 3))), (0.5, 1.0, 2.0)) for s in (32, 64, 128, 256, 512)]))
    head = theirs.RetinaNetHead(backbone.out_channels, 9, CLASSES, norm_layer=partial(nn.GroupNorm, 32) if v2 else None)
    if v2:
        head.regression_head._loss_type = "giou"
    for name, module in backbone.body.named_modules():  # random weights behind frozen norms would grow from block to block
        if name.endswith("bn3" if deep == 2048 else "bn2"):
            module.weight.fill_(0.2)
    net = theirs.RetinaNet(backbone, CLASSES, anchor_generator=anchors, head=head, **options)
    net.transform.resize = lambda image, target=None: (image, target)  # pictures have their size already
    return net


def awake(net, pictures, candidates=CANDIDATES):
    """Makes scores spread as those of a trained net do: suppression has something to do."""
    last = net.head.classification_head.cls_logits
    with torch.inference_mode():
        images, _ = net.eval().transform([p.float() / 255 for p in pictures])
        logits = net.head(list(net.backbone(images.tensors).values()))["cls_logits"]
    scale = 1 / float(logits.std())
    least = scale * float(logits.flatten().topk(candidates * len(pictures)).values[-1])
    with torch.no_grad():
        last.weight *= scale
        last.bias.mul_(scale).add_(math.log(0.05 / 0.95) - least)
    return net


def random_scene(batch, size, seed=0):
    """Random bytes, and boxes with classes [batch, BOXES, 5]."""
    generator = torch.Generator().manual_seed(seed)
    pictures = torch.randint(0, 256, (batch, 3, size, size), dtype=torch.uint8, generator=generator)
    side = torch.randint(16, size // 2, (batch, BOXES, 2), generator=generator).float()
    corner = (torch.rand((batch, BOXES, 2), generator=generator) * (size - side)).floor()
    classes = torch.randint(0, CLASSES, (batch, BOXES, 1), generator=generator).float()
    return pictures, torch.cat([corner, corner + side, classes], 2)


class DetectorStep:
    """One step, with the attributes of pytorch_side.Step."""

    def __init__(self, device, model, mode, dtype, variant, pictures, boxes, half, sgd, net=None):
        self.device, self.variant, self.amp, self.mode = device, variant, half.get(dtype), mode
        order = torch.contiguous_format if variant == "nchw" else torch.channels_last
        if mode == "infer":
            net = net or awake(build_detector(model), pictures)
        else:
            net = net or build_detector(model, image_mean=[0.0] * 3, image_std=[1.0] * 3)
        self.net = net.to(device=device, memory_format=order).train(mode == "train")
        self.parameters = [p for p in self.net.parameters() if p.requires_grad]
        self.loss = None
        if mode == "infer":
            self.x = pictures.permute(0, 2, 3, 1).contiguous()  # as decoders give them; on the host
            self.step = self.infer
            return
        self.x = (pictures.float() / 127.5 - 1).to(device).contiguous(memory_format=order)
        self.truth = [{"boxes": b[:, :4].to(device), "labels": b[:, 4].long().to(device)} for b in boxes]
        self.optimiser = torch.optim.SGD(self.parameters, **sgd, fused=True)
        self.scaler = torch.amp.GradScaler(device, enabled=dtype == "fp16")
        self.step = self.train

    def cast(self):
        return torch.autocast(self.device, self.amp, enabled=self.amp is not None)

    def infer(self):
        with torch.inference_mode(), self.cast():
            bytes_ = self.x.to(self.device, non_blocking=True)
            pictures = [p.permute(2, 0, 1).float().div_(255) for p in bytes_]
            self.found = self.net(pictures)

    def train(self):
        with self.cast():
            losses = self.net(list(self.x), self.truth)
            loss = losses["classification"] + losses["bbox_regression"]
        self.optimiser.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()
        self.scaler.step(self.optimiser)
        self.scaler.update()
        self.loss = loss.detach()

    def __call__(self):
        self.step()
