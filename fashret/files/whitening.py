"""How the vectors of an embeddings.h5 were whitened: its group `whitening`, which only whitened files have.

    whitening/mean        D float32, what is taken off a vector of length 1
    whitening/directions  K×D float32, what is multiplied with the rest: principal directions, the widest first, each
                          divided by its variance to the power `power`
    and in the attribute `model` an entry `whitening`: `width` (K), `power`, `rows` (how many it was fitted on) and
    `digest`, of both datasets

In: the two matrices. Out: the group and the entry, and back.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from fashret.console import counted
from fashret.errors import FashretError
from fashret.files import stored
from fashret.files.column_checks import Column, check_columns

GROUP = "whitening"
MEAN, DIRECTIONS = f"{GROUP}/mean", f"{GROUP}/directions"


@dataclass(frozen=True, eq=False)
class Whitening:
    """A shift and a projection that make vectors of D numbers into vectors of K."""

    mean: NDArray[np.float32]  # D
    directions: NDArray[np.float32]  # K×D
    power: float
    rows: int  # that it was fitted on

    @property
    def width(self) -> int:
        """K, the length of a whitened vector."""
        return len(self.directions)

    @cached_property
    def digest(self) -> str:
        """What tells it from others, `sha256:…` of the two matrices."""
        total = hashlib.sha256(f"{self.directions.shape}".encode())
        for matrix in (self.mean, self.directions):
            total.update(np.ascontiguousarray(matrix, "<f4").tobytes())
        return "sha256:" + total.hexdigest()

    def record(self) -> dict[str, Any]:
        """What a file says of it beside the matrices."""
        return {"width": self.width, "power": self.power, "rows": self.rows, "digest": self.digest}

    def write(self, file: h5py.File) -> None:
        """Write the group."""
        file.create_dataset(MEAN, data=self.mean, dtype="float32")
        file.create_dataset(DIRECTIONS, data=self.directions, dtype="float32")


def check_whitening(file: h5py.File, width: int) -> None:
    """Refuse a group that is not a whitening to the width of the file's vectors.

    Raises
    ------
    FashretError
        With what it is instead.
    """
    if GROUP not in file:
        return
    missing = [name for name in (MEAN, DIRECTIONS) if not isinstance(file.get(name), h5py.Dataset)]
    if missing:
        raise FashretError(f"{file.filename}: lacks {', '.join(missing)}; embed it again")
    check_columns(file, {MEAN: Column("fractions"), DIRECTIONS: Column("fractions", (None,))})
    mean, directions = file[MEAN].shape, file[DIRECTIONS].shape
    if directions != (width, mean[0]):
        raise FashretError(
            f"{file.filename}: {DIRECTIONS} is of shape {directions} beside vectors of {width} and a mean of "
            f"{mean[0]} numbers; embed it again"
        )


def read_whitening(file: h5py.File, model: Mapping[str, Any]) -> Whitening | None:
    """The whitening of a file whose attribute `model` is given; None if its vectors are not whitened.

    Raises
    ------
    FashretError
        If only one of attribute and group tells of it, or the group is damaged.
    """
    record = model.get(GROUP) or {}
    if bool(record) != (GROUP in file):
        has, lacks = ("attribute model", "group") if record else ("group", "attribute model")
        raise FashretError(f"{file.filename}: its {has} tells of a whitening and its {lacks} does not; embed it again")
    if not record:
        return None
    mean, directions = (np.asarray(stored.read(file, name), np.float32) for name in (MEAN, DIRECTIONS))
    try:
        found = Whitening(mean.reshape(len(mean)), directions, float(record["power"]), int(record["rows"]))
    except (KeyError, TypeError, ValueError, OverflowError):
        raise FashretError(
            f"{file.filename}: its attribute model does not describe a whitening; embed it again"
        ) from None
    if found.digest != record.get("digest"):
        raise FashretError(
            f"{file.filename}: its whitening is not the one that its attribute model describes; embed it again"
        )
    return found


def in_words(model: Mapping[str, Any]) -> str:
    """How a model's record says that vectors were whitened.

    >>> in_words({}), in_words({"whitening": {"width": 512, "power": 0.5}})
    ('none', '512 numbers, power 0.5')
    """
    record = model.get(GROUP) or {}
    if not record:
        return "none"
    width = record.get("width")
    return f"{counted(width, 'number') if isinstance(width, int) else 'any width'}, power {record.get('power')}"


def whitened_otherwise(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """How the vectors of two models' records were whitened in different ways: one line, or none.

    >>> fitted = [{"whitening": {"width": 8, "power": 0.5, "digest": digest}} for digest in ("a", "b")]
    >>> whitened_otherwise(fitted[0], fitted[0]), whitened_otherwise({}, fitted[0])
    ([], ['whitening none → 8 numbers, power 0.5'])
    >>> whitened_otherwise(*fitted)
    ['whitening fitted on other rows: embed the one with --whiten-from the other']
    """
    if (one.get(GROUP) or {}).get("digest") == (other.get(GROUP) or {}).get("digest"):
        return []
    before, now = in_words(one), in_words(other)
    if before == now:
        return ["whitening fitted on other rows: embed the one with --whiten-from the other"]
    return [f"whitening {before} → {now}"]
