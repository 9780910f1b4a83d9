"""Detectors of the transformers library (YOLOS, DETR, Conditional DETR, RT-DETR, D-FINE, …), run from a local folder.

In: a folder as the hub lays it out: config.json, model.safetensors, preprocessor_config.json. Out: a `Detector`.
Needs the extra `hf`. Nothing is downloaded, no code of the folder is run, and pickles are not read.

Pictures are prepared one by one and only those of one prepared size share a batch, so that a result does not depend on
what else is in it: some of these networks would take a batch's padding for a part of the picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fashret.detection.architectures import LOWEST_SCORE, MOST_FOUND
from fashret.detection.detectors import Found, found_by_shape
from fashret.errors import FashretError
from fashret.files import json_text
from fashret.files.digests import digest
from fashret.files.file_kinds import check_ordinary
from fashret.files.models import PUBLISHED as CONFIG
from fashret.models.devices import choose_device, within_memory

WEIGHTS, PREPARATION = "model.safetensors", "preprocessor_config.json"
DETECTS = "ForObjectDetection"  # how the names of its detectors end
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")


def is_published(folder: Path) -> bool:
    """Whether a folder is one of the transformers library."""
    return (folder / CONFIG).is_file()


class PublishedDetector:
    """A detector of the transformers library."""

    def __init__(self, folder: Path, config: dict[str, Any], network: Any, prepare: Any, device: torch.device) -> None:
        self.network, self.prepare, self.device = network.to(device).eval(), prepare, device
        self.name = folder.resolve().name
        self.classes = tuple(network.config.id2label[i] for i in sorted(network.config.id2label))
        self.architecture = config["architectures"][0]
        self.digest = digest(folder / WEIGHTS)

    @torch.no_grad()
    def find(self, pictures: Sequence[NDArray[np.uint8]]) -> list[Found]:
        """The garments of each H×W×3 RGB picture.

        Raises
        ------
        FashretError
            If memory does not suffice.
        """
        items = [(picture.shape[:2], self._prepared(picture)) for picture in pictures]
        return found_by_shape(items, [inputs["pixel_values"].shape for _, inputs in items], self._batch)

    def _prepared(self, picture: NDArray[np.uint8]) -> dict[str, Tensor]:
        return dict(self.prepare(images=picture, return_tensors="pt", input_data_format="channels_last"))

    def _batch(self, items: Sequence[tuple[tuple[int, ...], dict[str, Tensor]]]) -> list[Found]:
        sizes, inputs = zip(*items, strict=True)

        def work() -> list[dict[str, Tensor]]:
            stacked = {name: torch.cat([each[name] for each in inputs]).to(self.device) for name in inputs[0]}
            outputs = self.network(**stacked)
            targets = torch.tensor(sizes)
            return self.prepare.post_process_object_detection(outputs, threshold=LOWEST_SCORE, target_sizes=targets)

        results = within_memory(work, self.device, f"{len(inputs)} photos at a time", "lower --batch-size")
        return [_found(result, size, len(self.classes)) for result, size in zip(results, sizes, strict=True)]

    def record(self) -> dict[str, Any]:
        """Name, architecture, classes and the digest of its weights."""
        names = {"name": self.name, "architecture": self.architecture, "library": "transformers"}
        return {**names, "classes": list(self.classes), "digest": self.digest}


def _found(result: dict[str, Tensor], size: tuple[int, ...], classes: int) -> Found:
    """The boxes of one picture that are in it, best first."""
    order = torch.sort(result["scores"], descending=True, stable=True).indices
    order = order[result["labels"][order] < classes][:MOST_FOUND]
    boxes = result["boxes"][order].float().cpu().numpy()
    boxes = boxes.clip(0, np.array([size[1], size[0]] * 2, np.float32))
    scores, labels = result["scores"][order].float().cpu().numpy(), result["labels"][order].cpu().numpy()
    there = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
    return Found(boxes[there], scores[there], labels[there].astype(np.int64))


def check_published(folder: Path) -> dict[str, Any]:
    """The description of a folder that holds a detector of the transformers library, read without that library.

    Raises
    ------
    FashretError
        If a file is missing, is a pickle or brings code, or the folder holds another kind of model.
    """
    for name in (CONFIG, PREPARATION):
        if not (folder / name).is_file():
            raise FashretError(f"{folder}: has no {name}; copy all files of the detector")
        check_ordinary(folder / name)
    config, preparation = (json_text.read(folder / name) for name in (CONFIG, PREPARATION))
    if not isinstance(config, dict) or not isinstance(preparation, dict):
        raise FashretError(f"{folder}: its {CONFIG} does not describe a model")
    if "auto_map" in config or "auto_map" in preparation:
        raise FashretError(f"{folder}: brings code of its own, which is not run; give a detector without")
    names = config.get("architectures")
    if not isinstance(names, list) or not names or not str(names[0]).endswith(DETECTS):
        what = f"is a {str(names[0])[:60]}" if isinstance(names, list) and names else "does not say what it is"
        raise FashretError(f"{folder}: {what}, no detector of the transformers library (…{DETECTS})")
    if not (folder / WEIGHTS).is_file():
        pickles = sorted(path.name for path in folder.iterdir() if path.suffix in PICKLES)
        if pickles:
            raise FashretError(f"{folder}: {pickles[0]} is a pickle, which is not read; convert it to {WEIGHTS}")
        raise FashretError(f"{folder}: has no {WEIGHTS}; copy all files of the detector")
    check_ordinary(folder / WEIGHTS)
    return config


def open_published(folder: Path, device: str = "auto") -> PublishedDetector:
    """The detector in a folder of the transformers library.

    Raises
    ------
    FashretError
        If the folder is none (:func:`check_published`), the extra `hf` is not installed, or its weights are not those
        of the network that it describes.
    """
    config = check_published(folder)
    try:
        from transformers import AutoConfig, AutoImageProcessor, AutoModelForObjectDetection
        from transformers.utils import logging
    except ImportError:
        raise FashretError(f"{folder}: needs the transformers library; pip install 'fashret[hf]'") from None
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    local: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    try:
        described = AutoConfig.from_pretrained(folder, **local)
        for part in (described, getattr(described, "backbone_config", None)):
            if part is not None and getattr(part, "use_pretrained_backbone", False):
                part.use_pretrained_backbone = False  # its weights are in the folder, too
        prepare = AutoImageProcessor.from_pretrained(folder, **local)
        network, loaded = AutoModelForObjectDetection.from_pretrained(
            folder, config=described, use_safetensors=True, output_loading_info=True, dtype=torch.float32, **local
        )
    except Exception as error:  # the library raises almost anything on files that it does not expect
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise FashretError(f"{folder}: the transformers library cannot load it ({reason[:200]})") from None
    odd = [str(each) for name in ("missing_keys", "mismatched_keys") for each in sorted(map(str, loaded[name]))]
    if odd:
        raise FashretError(f"{folder}: its weights are not those of {config['architectures'][0]}: {', '.join(odd[:3])}")
    if not all(bool(torch.isfinite(tensor).all()) for tensor in network.state_dict().values()):
        raise FashretError(f"{folder / WEIGHTS}: has weights that are not finite; copy it again")
    return PublishedDetector(folder, config, network, prepare, choose_device(device))
