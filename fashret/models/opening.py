"""Embedders of trained models, of backbones as they come, or of what a file says.

In: model folders, or settings of a backbone, or what an embeddings.h5 says of its model. Out: `Part`, or an `Embedder`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from fashret.console import log
from fashret.errors import FashretError
from fashret.files.models import open_model, weights_digest
from fashret.files.whitening import GROUP, Whitening
from fashret.models.devices import choose_device, choose_precision
from fashret.models.embedder import Embedder, Part
from fashret.models.network import build
from fashret.models.presets import PRESETS
from fashret.models.settings import ModelSettings
from fashret.models.weights import check_finite, start


def trained_part(path: Path, weight: float = 1.0) -> Part:
    """The network in a model folder (or its model.json).

    Raises
    ------
    FashretError
        If the folder is not a complete model.
    """
    file = open_model(path)
    network = build(ModelSettings.from_dict(file.settings))
    tensors = file.weights()
    check_finite(tensors, file.folder)
    try:
        network.load_state_dict(tensors)
    except RuntimeError:
        own = set(network.state_dict())
        odd = sorted(own ^ set(tensors)) or ["shapes"]
        raise FashretError(f"{file.folder}: weights and model.json do not fit: {', '.join(odd[:5])}") from None
    name, dataset = file.folder.resolve().name, str(file.about.get("trained_on", {}).get("dataset", ""))
    return Part(network, name, file.digest, file.folder, dataset, weight, file.images_per_product)


def backbone_part(settings: ModelSettings, offline: bool = False) -> Part:
    """A backbone with the weights that its settings name, without training; `offline`: nothing is fetched."""
    if settings.weights == "none":
        log.warning("RANDOM WEIGHTS: the vectors of an untrained %s tell little about products", settings.backbone)
    network = start(settings, offline)
    if settings.backbone in PRESETS and (licence := PRESETS[settings.backbone].licence).startswith("DINOv3"):
        log.info("%s: under the licence %s, which has terms on passing it on", settings.backbone, licence)
    return Part(network, settings.backbone, weights_digest(network.state_dict()), None, "")


def recorded_part(record: Mapping[str, Any], beside: Path, given: Path | None) -> Part:
    """One network of a record, checked against the record's digest."""
    if given is None and not (record.get("path") or record.get("absolute_path")):
        settings = ModelSettings.from_dict(record["settings"])
        weights = beside.resolve().parent / settings.weights
        part = backbone_part(replace(settings, weights=str(weights)) if weights.exists() else settings)
    else:
        part = trained_part(given or _found(record, beside), float(record.get("weight", 1.0)))
    if part.digest != record["digest"]:
        what = part.folder or f"the backbone {part.name}"
        raise FashretError(
            f"{what}: its weights are not those that made {beside}; pass the folder of the right one with --model"
        )
    return part


def _found(record: Mapping[str, Any], beside: Path) -> Path:
    """Folder of a trained model: as seen from the embeddings file, or where it was."""
    places = [beside.resolve().parent / str(record.get("path", ""))]
    if record.get("absolute_path"):  # in files of version 0.1
        places.append(Path(record["absolute_path"]))
    for place in places:
        if place.is_dir():
            return place
    raise FashretError(f"{beside}: its model is no longer at {places[0]}; pass its folder with --model")


def open_embedder(
    models: Sequence[Path], weights: Sequence[float] = (), device: str = "auto", precision: str = "auto"
) -> Embedder:
    """Embedder of one or several model folders.

    Parameters
    ----------
    weights
        Weight of each model's cosine; empty: equal weights.

    Raises
    ------
    FashretError
        If a folder is not a complete model, or there are not as many weights as models.
    """
    if weights and len(weights) != len(models):
        raise FashretError(f"{len(models)} models and {len(weights)} weights: give as many of both")
    if any(not weight > 0 for weight in weights):
        raise FashretError("weights of models must be above zero")
    where = choose_device(device)
    parts = [trained_part(path, weight) for path, weight in zip(models, weights or [1.0] * len(models), strict=True)]
    return Embedder(parts, where, choose_precision(precision, where))


def embedder_of(
    record: Mapping[str, Any],
    beside: Path,
    models: Sequence[Path] = (),
    device: str = "auto",
    whitening: Whitening | None = None,
) -> Embedder:
    """The embedder that made an embeddings file, from the file's `model` attribute.

    Parameters
    ----------
    record
        `open_embeddings(path).model`.
    beside
        The embeddings file: the models' paths start from it.
    models
        Where the models are now, if not where they were.
    whitening
        `open_embeddings(path).whitening`.

    Raises
    ------
    FashretError
        If the file does not say, a model is not there (pass its folder with `--model`), or its weights have changed.
    """
    records = list(record.get("parts") or [record])
    if record.get(GROUP) and whitening is None:
        raise FashretError(f"{beside}: its vectors are whitened, and the whitening was not given")
    if not record or any("settings" not in each or "digest" not in each for each in records):
        raise FashretError(f"{beside}: does not say which model made it; embed it again with fashret")
    if models and len(models) != len(records):
        raise FashretError(
            f"{beside}: give --model once per model that made it, {len(records)} in all, in the same order"
        )
    parts = [recorded_part(each, beside, models[i] if models else None) for i, each in enumerate(records)]
    where = choose_device(device)
    precision = str(record.get("precision", "float32"))
    if where.type == "cpu" and precision == "fp16":
        precision = "float32"
    return Embedder(parts, where, precision, whitening)
