"""`fashret datasets`: the public datasets that fashret knows.

In: nothing, or a dataset's name. Out: all of them, or what is known about the one.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from fashret.datasets.readers import READERS
from fashret.files.tables.manifests import Manifest, find_manifest, manifest_names


@dataclass(frozen=True)
class Dataset:
    """What is known about one public dataset."""

    manifest: Manifest
    readable: bool  # by `fashret crop`

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {**asdict(self.manifest), "readable": self.readable, "good_for": self.manifest.good_for}


@dataclass(frozen=True)
class DatasetTable:
    """All public datasets, the oldest first."""

    datasets: tuple[Dataset, ...]

    def as_json(self) -> list[dict[str, Any]]:
        """Plain values."""
        return [dataset.as_json() for dataset in self.datasets]


def run(name: str = "") -> DatasetTable | Dataset:
    """Describe one public dataset, or list them all.

    Raises
    ------
    FashretError
        If there is no dataset of that name.
    """
    if name:
        return Dataset(find_manifest(name), name in READERS)
    datasets = [Dataset(find_manifest(known), known in READERS) for known in manifest_names()]
    return DatasetTable(tuple(sorted(datasets, key=lambda d: (d.manifest.year, d.manifest.name))))
