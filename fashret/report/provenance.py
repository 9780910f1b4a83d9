"""Where the numbers of a report come from: its rankings, embeddings, model and crops.

In: open files. Out: heading → name → value, from their attributes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fashret.files import hdf5
from fashret.report.gallery import Found
from fashret.report.pictures import CropPictures, Pictures


def facts(found: Found) -> dict[str, dict[str, Any]]:
    """How the ranking came about: heading → name → value, from the attributes of the files."""
    parts: dict[str, dict[str, Any]] = {}
    for name, ranking in found.rankings.items():
        about = {"file": ranking.path.name, "metric": ranking.attribute("metric"), **_stamp(ranking.file)}
        used = flat(ranking.reranking)  # also where the options left it open
        about |= used | flat(hdf5.read_json(ranking.file, "options", {})) | used
        parts[f"Ranking, {name}"] = about
    sides = {"Embeddings": found.query}
    if found.gallery.path.resolve() != found.query.path.resolve():
        sides = {"Embeddings of the queries": found.query, "Embeddings of the gallery": found.gallery}
    for heading, embeddings in sides.items():
        parts[heading] = {
            "file": embeddings.path.name,
            "dataset": embeddings.dataset or "not recorded",
            "rows": f"{len(embeddings):,}",
            "width": embeddings.width,
            **_stamp(embeddings.file),
        }
    parts["Model"] = model_facts(found.query.model) or {"model": "not recorded"}
    return {heading: {k: v for k, v in values.items() if v not in ("", None)} for heading, values in parts.items()}


def crop_facts(pictures: Mapping[str, Pictures]) -> dict[str, dict[str, Any]]:
    """How the crops were made, and which photos of the dataset are searched. Nothing for photos in a folder."""
    files = {side: made.crops for side, made in pictures.items() if isinstance(made, CropPictures)}
    one = len({crops.path.resolve() for crops in files.values()}) == 1
    parts = {}
    for side, crops in files.items():
        about = {"file": crops.path.name, "dataset": crops.dataset, "rows": f"{len(crops):,}", **_stamp(crops.file)}
        about |= flat(hdf5.read_json(crops.file, "options", {}))
        heading = "Crops" if one else {"query": "Crops of the queries", "gallery": "Crops of the gallery"}[side]
        parts[heading] = {name: value for name, value in about.items() if value not in ("", None)}
    return parts


def _stamp(file: Any) -> dict[str, Any]:
    inputs = [str(each.get("name", "")) for each in hdf5.read_json(file, "inputs", []) if isinstance(each, dict)]
    about = {"created": hdf5.setting(file, "created", ""), "fashret": hdf5.setting(file, "fashret_version", "")}
    return about | {"made from": ", ".join(inputs)}


def model_facts(model: Mapping[str, Any]) -> dict[str, Any]:
    """The attribute `model` on one level: its settings beside its name; no path of this machine."""
    own = {name: value for name, value in model.items() if name not in ("settings", "path", "absolute_path", "parts")}
    level = flat(own) | flat(model.get("settings") or {})
    for i, part in enumerate(model.get("parts") or [], start=1):
        level |= {f"part {i} {name}": value for name, value in model_facts(part).items()}
    return level


def flat(nested: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested values as one level.

    >>> flat({"a": {"b": 1}, "c": [1, 2]})
    {'a b': 1, 'c': '1, 2'}
    """
    level: dict[str, Any] = {}
    for name, value in nested.items():
        if isinstance(value, Mapping):
            level |= flat(value, f"{prefix}{name} ")
        elif isinstance(value, list | tuple):
            level[prefix + name] = ", ".join(map(str, value))
        else:
            level[prefix + name] = value
    return level
