"""What a network is: every choice that decides its shape, its first weights and its input.

In: option values. Out: one frozen `ModelSettings`, which goes into model.json and the `model` attribute of embeddings
as a plain dict, and from which `network.build` makes the same network again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from fashret.choices import FEATURES, FITS, NECKS, POOLINGS, PRESETS, RESAMPLINGS, STRIDED
from fashret.errors import FashretError
from fashret.options import TrainOptions, parse_input_size

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

POOLINGS_OF_MAPS = ", ".join(
    pooling for pooling in POOLINGS if pooling not in ("cls", "own")
)  # for networks without class token


ACTIVATIONS = ("", "gelu", "gelu_tanh", "quick_gelu")
LONGEST_SIDE = 8192  # of an input: what a file may ask for
MOST_OUTPUTS = 50_000_000  # of a layer

HEIGHT, WIDTH = parse_input_size(TrainOptions.input)


@dataclass(frozen=True)
class ModelSettings:
    """Backbone → pooling → projection → neck → classifier, and the input that it expects.

    What is an option of `fashret train` has its default.
    """

    backbone: str = TrainOptions.backbone  # a name of `backbones.BACKBONES` or timm:NAME
    weights: str = TrainOptions.weights  # first weights of the backbone: imagenet, none (random), or a file
    pooling: str = TrainOptions.pooling  # feature map → vector; cls: the class token of a transformer
    neck: str = TrainOptions.neck  # bnneck: BatchNorm1d with a frozen bias before the classifier
    feature: str = TrainOptions.feature  # which vector is the embedding at retrieval: after or before the neck
    dim: int | None = None  # width of a linear projection between pooling and neck; None: no projection
    height: int = HEIGHT  # of the input, in pixels
    width: int = WIDTH
    # stretch: to height × width; pad: shrink keeping the aspect, centred on white; crop: the middle of it
    fit: str = TrainOptions.fit
    resample: str = "bilinear"  # filter of the fit, over the source area: bilinear or bicubic
    mean: tuple[float, float, float] = IMAGENET_MEAN  # of RGB values in 0..1, taken off
    std: tuple[float, float, float] = IMAGENET_STD  # of RGB values in 0..1, divided by
    last_stride: int = TrainOptions.last_stride  # of backbones that have one: 1 as in the strong baseline, or 2
    stem_relu: bool = True  # ResNets: the ReLU behind the first convolution, which the strong baseline's code lacks
    activation: str = ""  # of a published model's layers, by timm's name; empty: the architecture's own
    cut: int = 0  # numbers at the start of a published model's vector that are kept; 0: all
    classes: int = 0  # outputs of the classifier; 0: none
    seed: int = TrainOptions.seed  # of the random weights

    def __post_init__(self) -> None:
        for name, known in (
            *(("pooling", POOLINGS), ("neck", NECKS), ("feature", FEATURES), ("fit", FITS)),
            *(("resample", RESAMPLINGS), ("activation", ACTIVATIONS)),
        ):
            value = getattr(self, name)
            if value not in known:
                raise FashretError(f"{name} {value!r} is not known; there are {', '.join(known)}")
        if self.pooling == "cls" and not self.backbone.startswith("timm:"):
            raise FashretError(f"{self.backbone} has no class token; use --pooling {POOLINGS_OF_MAPS}")
        if (self.pooling == "own") != (self.backbone in PRESETS):
            raise FashretError(f"pooling {self.pooling}: not one of {self.backbone}; leave out --pooling")
        if self.cut and self.backbone not in PRESETS:
            raise FashretError(
                f"--dim {self.cut}: vectors of {self.backbone} are not made to be cut; --whiten N shortens any vectors"
            )
        if self.height < 1 or self.width < 1:
            raise FashretError(f"input size {self.height}x{self.width}: both sides must be at least 1 pixel")
        if max(self.height, self.width) > LONGEST_SIDE:
            raise FashretError(f"input size {self.height}x{self.width}: at most {LONGEST_SIDE:,} pixels a side")
        if self.dim is not None and not 1 <= self.dim <= MOST_OUTPUTS:
            raise FashretError(f"dim {self.dim}: an embedding needs at least one dimension, and not millions")
        if self.last_stride not in (1, 2):
            raise FashretError(f"last stride {self.last_stride}: expected 1 or 2")
        if not 0 <= self.classes <= MOST_OUTPUTS:
            raise FashretError(f"classes {self.classes}: must be 0 to {MOST_OUTPUTS:,}")
        if len(self.mean) != 3 or len(self.std) != 3 or min(self.std) <= 0:
            raise FashretError("mean and std: three numbers each, for red, green and blue, std above zero")

    def to_dict(self) -> dict[str, Any]:
        """The settings as JSON holds them: numbers, strings, lists."""
        plain = asdict(self)
        if self.backbone not in STRIDED:
            del plain["last_stride"]  # has no effect
        for name, usual in (("resample", "bilinear"), ("activation", ""), ("cut", 0)):
            if plain[name] == usual:
                del plain[name]  # as in files of before
        plain["mean"], plain["std"] = list(self.mean), list(self.std)
        return plain

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> ModelSettings:
        """Settings from `to_dict`'s dict.

        Raises
        ------
        FashretError
            If a key is not one of the settings, or a value is of the wrong type or outside its range.

        >>> ModelSettings.from_dict(ModelSettings(dim=64).to_dict()) == ModelSettings(dim=64)
        True
        """
        known = {field.name for field in fields(cls)}
        if unknown := sorted(set(plain) - known):
            raise FashretError(f"model settings: unknown {', '.join(unknown)}; known are {', '.join(sorted(known))}")
        values = dict(plain)
        for name in {"backbone", "weights", "pooling", "neck", "feature", "fit", "resample", "activation"} & set(
            values
        ):
            if not isinstance(values[name], str):
                raise FashretError(f"model settings: {name} {values[name]!r} is not a text")
        try:
            for name in {"height", "width", "last_stride", "cut", "classes", "seed"} & set(values):
                values[name] = int(values[name])
            if values.get("dim") is not None:
                values["dim"] = int(values["dim"])
            for name in {"mean", "std"} & set(values):
                values[name] = tuple(float(number) for number in values[name])
        except (TypeError, ValueError, OverflowError):
            raise FashretError(f"model settings: {name} {values[name]!r} is not a number") from None
        return cls(**values)
