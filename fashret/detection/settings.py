"""What a detector is: every choice that decides its shape, its first weights and its input.

In: option values. Out: one frozen `DetectorSettings`, which goes into detector.json as a plain dict, and from which
`architectures.build` makes the same network again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from fashret.choices import ARCHITECTURES
from fashret.errors import FashretError

SMALLEST_SIDE, LONGEST_SIDE = 32, 2048  # of the input: what a file may ask for
MOST_CLASSES = 10_000


@dataclass(frozen=True)
class DetectorSettings:
    """A network of torchvision, the classes that it tells apart, and the input that it expects."""

    architecture: str  # a name of torchvision
    classes: tuple[str, ...]  # what a box can show; their numbers are 0, 1, …
    size: int  # shorter side of the input in pixels; both sides of ssdlite's
    weights: str = "none"  # first weights: none (random), or a file
    frozen_norm: bool = False  # the backbone's batch normalisation keeps the statistics of its first weights
    wide_tail: bool = False  # ssdlite: the backbone is as wide at its end as classifiers are
    seed: int = 0  # of the random weights

    def __post_init__(self) -> None:
        if self.architecture not in ARCHITECTURES:
            raise FashretError(f"architecture {self.architecture!r} is not known; there are {', '.join(ARCHITECTURES)}")
        if not SMALLEST_SIDE <= self.size <= LONGEST_SIDE:
            raise FashretError(f"size {self.size}: must be {SMALLEST_SIDE} to {LONGEST_SIDE:,} pixels")
        if not 1 <= len(self.classes) <= MOST_CLASSES or len(set(self.classes)) < len(self.classes):
            raise FashretError(f"{len(self.classes)} classes: must be 1 to {MOST_CLASSES:,}, each once")
        if not all(isinstance(name, str) and name for name in self.classes):
            raise FashretError("detector settings: each class needs a name")

    def to_dict(self) -> dict[str, Any]:
        """The settings as JSON holds them."""
        return asdict(self) | {"classes": list(self.classes)}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> DetectorSettings:
        """Settings from `to_dict`'s dict.

        Raises
        ------
        FashretError
            If a key is not one of the settings, or a value is of the wrong type or outside its range.

        >>> some = DetectorSettings("fcos_resnet50_fpn", ("bag", "hat"), 320)
        >>> DetectorSettings.from_dict(some.to_dict()) == some
        True
        """
        known = {field.name: str(field.type) for field in fields(cls)}
        if unknown := sorted(set(plain) - set(known)):
            raise FashretError(f"detector settings: unknown {', '.join(unknown)}; known are {', '.join(known)}")
        values = dict(plain)
        if isinstance(values.get("classes"), list):
            values["classes"] = tuple(values["classes"])
        kinds = {"str": str, "int": int, "bool": bool}
        for name, value in values.items():
            if not isinstance(value, kinds.get(known[name], tuple)) or (known[name] == "int" and value is True):
                raise FashretError(f"detector settings: {name} {value!r} is not of the right kind")
        try:
            return cls(**values)
        except TypeError:
            raise FashretError("detector settings: architecture, classes or size are missing") from None
