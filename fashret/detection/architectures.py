"""torchvision's detectors by name.

In: `DetectorSettings`. Out: the network with random weights. Its images are float32 3×H×W in 0..1 of any size, which
it scales itself; labels are 1, 2, … for the classes 0, 1, …, as 0 is the background.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import nn
from torchvision.models import detection, mobilenet_v3_large
from torchvision.models.detection.anchor_utils import DefaultBoxGenerator
from torchvision.models.detection.ssd import SSD
from torchvision.models.detection.ssdlite import SSDLiteFeatureExtractorMobileNet, SSDLiteHead
from torchvision.ops import FrozenBatchNorm2d

from fashret.detection.settings import DetectorSettings

LOWEST_SCORE = 0.01  # of a box that is found: the score of a whole list counts the doubtful ones too
BOXES_LEARNED = (
    128  # per photo, by the second stage of R-CNNs: 512 take four times as long, and photos have few garments
)
# of ssdlite: with torchvision's momentum of 0.03 the running statistics of a short training lag behind its weights, and
# after 72 steps on 19 photos AP50 is 0.03 instead of 0.75
_NORM = partial(nn.BatchNorm2d, eps=0.001, momentum=0.1)
MOST_FOUND = 100  # boxes per photo, those of the highest scores, as in COCO's scores


@dataclass(frozen=True)
class Architecture:
    """One of torchvision's detectors."""

    build: Callable[..., nn.Module]
    size: int  # shorter side of the input, where none is asked for
    longer: float  # the longer side is at most so many times the shorter
    scores: str  # its parameter for the lowest score
    most: str  # its parameter for the number of boxes
    losses: tuple[str, ...]  # whose sum it learns by
    frozen: bool = False  # torchvision freezes the statistics of its backbone where that is pretrained
    masks: bool = False  # learns masks, and needs them
    fewest: int = 1  # pictures of a batch to learn from: maps of one pixel give batch normalisation one value each


_RCNN = ("loss_classifier", "loss_box_reg", "loss_objectness", "loss_rpn_box_reg")
RCNN = ("box_score_thresh", "box_detections_per_img", _RCNN)
MASK = ("box_score_thresh", "box_detections_per_img", (*_RCNN, "loss_mask"))
_DENSE = ("classification", "bbox_regression")
DENSE = ("score_thresh", "detections_per_img", _DENSE)
CENTRED = ("score_thresh", "detections_per_img", (*_DENSE, "bbox_ctrness"))

ARCHITECTURES: dict[str, Architecture] = {
    "ssdlite320_mobilenet_v3_large": Architecture(detection.ssdlite320_mobilenet_v3_large, 320, 1, *DENSE, fewest=2),
    "fasterrcnn_mobilenet_v3_large_320_fpn": Architecture(
        detection.fasterrcnn_mobilenet_v3_large_320_fpn, 320, 2, *RCNN, frozen=True
    ),
    "fasterrcnn_resnet50_fpn_v2": Architecture(detection.fasterrcnn_resnet50_fpn_v2, 800, 5 / 3, *RCNN),
    "maskrcnn_resnet50_fpn_v2": Architecture(detection.maskrcnn_resnet50_fpn_v2, 800, 5 / 3, *MASK, masks=True),
    "retinanet_resnet50_fpn_v2": Architecture(detection.retinanet_resnet50_fpn_v2, 800, 5 / 3, *DENSE),
    "fcos_resnet50_fpn": Architecture(detection.fcos_resnet50_fpn, 800, 5 / 3, *CENTRED, frozen=True),
}


def build(settings: DetectorSettings) -> nn.Module:
    """The network with random weights, drawn from the seed; the caller's generator stays as it was."""
    kind = ARCHITECTURES[settings.architecture]
    found = {kind.scores: LOWEST_SCORE, kind.most: MOST_FOUND}
    classes = len(settings.classes) + 1  # and the background
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        if settings.architecture.startswith("ssdlite"):
            network = _ssdlite(settings, classes, found)
        else:
            sides = {"min_size": settings.size, "max_size": round(settings.size * kind.longer)}
            learned = {"box_batch_size_per_image": BOXES_LEARNED} if "rcnn" in settings.architecture else {}
            network = kind.build(weights=None, weights_backbone=None, num_classes=classes, **sides, **found, **learned)
    if settings.frozen_norm:
        _freeze_statistics(network.get_submodule("backbone"))
    return network


def mobilenet() -> nn.Module:
    """MobileNetV3 as ssdlite has it, as wide at its end as a classifier, with random weights."""
    return mobilenet_v3_large(weights=None, norm_layer=_NORM)


def extractor(network: nn.Module) -> nn.Module:
    """The backbone of an ssdlite whose features are those of a MobileNetV3."""
    features: Any = network.features
    stages = [i for i, block in enumerate(features) if getattr(block, "_is_cn", False)]  # where the map shrinks
    return SSDLiteFeatureExtractorMobileNet(features, stages[-1], _NORM)


def _ssdlite(settings: DetectorSettings, classes: int, found: dict[str, Any]) -> nn.Module:
    """As `torchvision.models.detection.ssdlite320_mobilenet_v3_large`, at any size of input."""
    network = detection.ssdlite320_mobilenet_v3_large(
        weights=None, weights_backbone=None, num_classes=classes, norm_layer=_NORM, **found
    )
    sides = (settings.size, settings.size)
    if settings.wide_tail:
        backbone = extractor(mobilenet())
        anchors = DefaultBoxGenerator([[2, 3] for _ in range(6)], min_ratio=0.2, max_ratio=0.95)
        widths = detection._utils.retrieve_out_channels(backbone, sides)
        head = SSDLiteHead(widths, anchors.num_anchors_per_location(), classes, _NORM)
        scaled = {name: getattr(network.transform, name) for name in ("image_mean", "image_std")}
        nms = {"nms_thresh": network.nms_thresh, "topk_candidates": network.topk_candidates}
        network = SSD(backbone, anchors, sides, classes, head=head, **scaled, **nms, **found)
    network.transform.fixed_size, network.transform.min_size = sides, (settings.size,)
    network.transform.max_size = settings.size
    return network


def _freeze_statistics(module: nn.Module) -> None:
    """Put batch normalisation with fixed statistics in the place of every other, as torchvision does."""
    for name, inner in module.named_children():
        if isinstance(inner, nn.BatchNorm2d):
            setattr(module, name, FrozenBatchNorm2d(inner.num_features, inner.eps))
        else:
            _freeze_statistics(inner)
