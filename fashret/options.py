"""Every option of every stage: its default, written once, one line of help, and its panel in the help.

In: nothing. Out: one frozen dataclass per stage. The command line makes its flags from these fields, recipes and
configuration files give them other values, and files record them. An option that several stages have is defined in
the first; the others take it over with `like`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from fashret import choices as known
from fashret.errors import FashretError

PHOTOS = "Photos"
RECIPE = "Recipe"
MODEL = "Model"
NETWORK = "Network"
UNTRAINED = "Network, where no model is given"
LOSS = "Loss"
BATCHES = "Batches"
AUGMENTATION = "Augmentation"
SCHEDULE = "Schedule"
VALIDATION = "Validation"
SEARCH = "Search"
ONE_PHOTO = "Search for photos"
DETECTORS = "Detectors"
SCORES = "Scores"
RERANKING = "Re-ranking"
RECIPROCAL = "Re-ranking by k-reciprocal"
EXPANSION = "Re-ranking by aqe or alpha-qe"
REPORT = "Report"
FORM = "Form of the tables"
MOVED = "Files that were moved"
DRAWING = "Drawing"
OUTPUT = "Output"
ADDRESS_AND_ACCESS = "Address and access"
LOAD = "Limits"
MACHINE = "Machine"
MESSAGES = "Results and messages"
PANELS = (  # of the help, from top to bottom
    PHOTOS, RECIPE, MODEL, NETWORK, UNTRAINED, LOSS, BATCHES, AUGMENTATION, SCHEDULE, VALIDATION, SEARCH, ONE_PHOTO,
    DETECTORS, SCORES, RERANKING, RECIPROCAL, EXPANSION, REPORT, FORM, DRAWING, ADDRESS_AND_ACCESS, LOAD, MOVED, OUTPUT,
    MACHINE, MESSAGES,
)  # fmt: skip

Options = TypeVar("Options")


Needs = dict[str, tuple[str, ...]]  # other options by name (a|b: one of them), and the values that do; () = any


def option(default: Any, help: str, panel: str, *, flag: str = "", choices: tuple[str, ...] = (), **more: Any) -> Any:
    """A dataclass field that the command line shows.

    Parameters
    ----------
    help
        One line without a full stop, as it is printed.
    panel
        The panel of the help that it is in.
    flag
        Its flag, if that is not the field's name; several are separated by commas.
    choices
        The values that it can have; empty = any.
    more
        ``shown``: the type that the help shows; empty = that of the field. ``needs``: the options without which it
        has no effect (:data:`Needs`); where a command has no option of that name, it is not needed.
    """
    if isinstance(default, list | dict):
        raise TypeError("use a tuple")
    about = {"help": help, "panel": panel, "flag": flag, "choices": choices, "shown": "", "needs": {}, **more}
    return field(default=default, metadata=about)


def like(stage: type, name: str, help: str = "", panel: str = "", needs: Needs | None = None) -> Any:
    """The option of that name of another stage, with a help, a panel and needs of its own where they are given."""
    first = stage.__dataclass_fields__[name]  # type: ignore[attr-defined]
    own = {key: value for key, value in {"help": help, "panel": panel, "needs": needs}.items() if value}
    return field(default=first.default, metadata={**first.metadata, **own})


def taken_over(kind: type[Options], options: Any, **values: Any) -> Options:
    """Options of another kind: `values`, then what `options` has under the same names, then the defaults.

    >>> taken_over(SearchOptions, RerankOptions(k=7, device="cpu"), metric="euclidean")
    SearchOptions(k=7, metric='euclidean', within='', exclude_same_product=False,
    exclude_copies=False, collapse='', where=(), memory='2GB', device='cpu')
    """
    names = {f.name for f in fields(kind)}  # type: ignore[arg-type]
    shared = {f.name: getattr(options, f.name) for f in fields(options) if f.name in names}
    return kind(**{**shared, **values})


ADDRESS = re.compile(r"(?:https?|ftps?|s3|gs|hf|file):/{1,3}[^/]", re.IGNORECASE)  # a Path makes one slash of two


def is_address(text: str | Path) -> bool:
    """Whether a path is an address on a network.

    >>> is_address("https://a.org/b.jpg"), is_address(Path("https://a.org/b.jpg")), is_address("C:/b.jpg")
    (True, True, False)
    """
    return ADDRESS.match(str(text)) is not None


def check_no_address(value: Any) -> None:
    """Raise :class:`FashretError` if a path, or one of several, is an address."""
    for one in value if isinstance(value, list | tuple) else (value,):
        if isinstance(one, str | Path) and is_address(one):
            address = str(one) if "://" in str(one) else str(one).replace(":/", "://", 1)
            raise FashretError(f"{address}: is an address, which is not fetched; download it first")


def check_seed(seed: int) -> None:
    """Raise :class:`FashretError` unless random numbers can be drawn from it."""
    if not 0 <= seed < 2**63:
        raise FashretError(f"--seed {seed}: must be 0 or more, and less than 2^63")


LIMITS: dict[str, tuple[float, float]] = {  # of numbers, whatever stage they belong to: the least, the most
    "accumulate": (1, math.inf),
    "alpha": (0, math.inf),
    "batch_images": (1, math.inf),
    "batch_products": (0, math.inf),
    "batch_size": (1, math.inf),
    "boxes_per_photo": (1, math.inf),
    "checkpoint_every": (0, math.inf),
    "dim": (0, math.inf),
    "epochs": (1, math.inf),
    "erase": (0, 1),
    "flip": (0, 1),
    "freeze": (0, math.inf),
    "holdout": (0, 0.5),
    "images_per_product": (1, math.inf),
    "jitter": (0, 1),
    "k": (1, math.inf),
    "k1": (1, math.inf),
    "iou": (0, 1),
    "k2": (1, math.inf),
    "lam": (0, 1),
    "last_stride": (1, 2),
    "max_errors": (0, 1),
    "max_garments": (1, math.inf),
    "min_score": (0, 1),
    "neighbours": (1, math.inf),
    "pad": (0, math.inf),
    "patience": (0, math.inf),
    "port": (0, 65_535),
    "photo_size": (32, 16_384),
    "quality": (1, 100),
    "query": (0, math.inf),
    "report_queries": (0, math.inf),
    "requests": (1, 10_000),
    "results": (1, math.inf),
    "side": (0, 2048),
    "size": (0, 16_384),
    "threads": (0, 1024),
    "timeout": (1, 3600),
    "total_steps": (0, math.inf),
    "validate_every": (0, math.inf),
    "warmup": (0, math.inf),
    "warmup_from": (0, 1),
    "weight_decay": (0, math.inf),
    "whiten": (0, 65_536),
    "whiten_power": (0, 1),
    "workers": (0, math.inf),
    "zoom": (0.1, 1),
}


class Checked:
    """Options that are refused when they are made, if a number is out of its `LIMITS` or a text cannot be read."""

    def __post_init__(self) -> None:
        for about in fields(self):  # type: ignore[arg-type]
            value = getattr(self, about.name)
            if about.name in LIMITS and value is not None:
                least = (
                    about.default if isinstance(about.default, int) else math.inf
                )  # −1 workers: chosen from the cores
                for number in value if isinstance(value, tuple) else (value,):
                    check_number(about.name, number, min(least, LIMITS[about.name][0]), flag_of(about))
            if about.name in TEXTS:
                TEXTS[about.name](value)
            choices = about.metadata.get("choices", ())
            for text in value if choices and isinstance(value, tuple) else ():
                if text not in choices:
                    raise FashretError(f"{flag_of(about)} {text}: expected {', '.join(choices)}")


def flag_of(about: Field[Any]) -> str:
    """The flag of an option, the long one if there are two."""
    return (about.metadata.get("flag") or "--" + about.name.replace("_", "-")).rpartition(",")[2]


def check_number(name: str, value: float, least: float | None = None, flag: str = "") -> None:
    """Raise :class:`FashretError` unless a number is in its `LIMITS`; `least` and `flag` where they are others."""
    low, most = LIMITS[name]
    low = low if least is None else least
    if not low <= value <= most:
        wanted = f"{low:g} to {most:,.0f}" if most < math.inf else f"{low:g} or more"
        raise FashretError(f"{flag or f'--{name}'} {value:.10g}: must be {wanted}")


def check_device(text: str) -> None:
    """Refuse what cannot be the name of a device, on any machine."""
    if not re.fullmatch(r"auto|cpu|mps|cuda(:[0-9]{1,4})?", text):
        raise FashretError(f"--device {text}: write auto, cpu, cuda, cuda:N or mps")


def parse_input_size(text: str) -> tuple[int, int]:
    """Height and width from "256x128".

    >>> parse_input_size("256x128"), parse_input_size("320")
    ((256, 128), (320, 320))

    Raises
    ------
    FashretError
        If it is not one or two whole numbers above zero.
    """
    match = re.fullmatch(r"\s*([1-9][0-9]{0,5})\s*(?:[x×]\s*([1-9][0-9]{0,5}))?\s*", text)
    if match is None:
        raise FashretError(f"input size {text!r}: write height x width in pixels, like 256x128")
    return int(match[1]), int(match[2] or match[1])


UNITS: dict[str, Callable[[float], float]] = {
    "": lambda n: n,
    "K": lambda n: n * 1e3,
    "M": lambda n: n * 1e6,
    "G": lambda n: n * 1e9,
    "T": lambda n: n * 1e12,
    "KI": lambda n: n * 2**10,
    "MI": lambda n: n * 2**20,
    "GI": lambda n: n * 2**30,
    "TI": lambda n: n * 2**40,
}


def parse_memory(text: str) -> int:
    """Read an amount of memory, in bytes.

    >>> parse_memory("2GB"), parse_memory("512 MiB"), parse_memory("1e9")
    (2000000000, 536870912, 1000000000)

    Raises
    ------
    FashretError
        If it is not an amount above zero.
    """
    match = re.fullmatch(r"\s*([0-9.]+(?:e[0-9]+)?)\s*([kmgt]i?)?b?\s*", text, re.IGNORECASE)
    try:
        if match is None:
            raise ValueError
        amount = int(UNITS[(match[2] or "").upper()](float(match[1])))
    except (ValueError, OverflowError):
        raise FashretError(f"--memory {text}: not an amount of memory; write it like 2GB or 512MiB") from None
    if amount <= 0:
        raise FashretError(f"--memory {text}: must be above zero")
    return amount


def parse_upload(text: str) -> int:
    """Read an amount of bytes, of a request's body.

    >>> parse_upload("20MB")
    20000000

    Raises
    ------
    FashretError
        If it is not an amount above zero.
    """
    try:
        return parse_memory(text)
    except FashretError as error:
        raise FashretError(str(error).replace("--memory", "--max-upload", 1)) from None


def parse_pixels(text: str) -> int:
    """Read a number of pixels.

    >>> parse_pixels("64M"), parse_pixels("5000000")
    (64000000, 5000000)

    Raises
    ------
    FashretError
        If it is not a number above zero.
    """
    match = re.fullmatch(r"\s*([0-9.]{1,20})\s*([kmg]?)\s*", text, re.IGNORECASE)
    try:
        if match is None or (pixels := int(UNITS[match[2].upper()](float(match[1])))) < 1:
            raise ValueError
    except ValueError:
        raise FashretError(f"--max-pixels {text}: not a number of pixels; write it like 64M") from None
    return pixels


TEXTS: dict[str, Callable[[Any], object]] = {  # options that are read as something else → what reads them
    "device": check_device,
    "input": lambda text: text and parse_input_size(text),
    "max_pixels": parse_pixels,
    "max_upload": parse_upload,
    "memory": parse_memory,
    "seed": check_seed,
}

PRODUCTS = 10  # that a search for one photo shows


@dataclass(frozen=True)
class DemoOptions(Checked):
    """`fashret demo`: draw garments."""

    products: int = option(624, "Number of products to draw, train, validation and test together", DRAWING)
    seed: int = option(0, "Seed of everything random: the same seed and options give the same photos", DRAWING)
    layout: str = option(
        "", "Write a public dataset's layout in place of manifest.csv", OUTPUT, choices=("", *known.LAYOUTS)
    )
    workers: int = option(0, "Processes that draw; 0 = one per core", MACHINE)


@dataclass(frozen=True)
class CropOptions(Checked):
    """`fashret crop`: cut the garments out of the photos. `fashret.datasets.flags` adds those of single datasets."""

    root: Path | None = option(None, "Folder that the photos' paths start from (default: the manifest's)", PHOTOS)
    boxes: str = option(
        "",
        "What a table's boxes are pixels of: the photo as stored (if not given), or upright, as viewers show it; "
        "ignore: take whole photos",
        PHOTOS,
        choices=("", *known.FRAMES),
    )
    max_errors: float | None = option(
        None, "Share of unreadable photos to allow, 0 to 1 (default: the larger of 1 % and 10 photos)", PHOTOS
    )
    check: bool = option(False, "Read everything but the pixels and report what is there; needs no --output", PHOTOS)
    size: int = option(
        320, "Longer side of a crop in pixels; smaller crops are not enlarged; 0 = the box's own pixels", OUTPUT
    )
    encoding: str = option("jpeg", "How crops are stored", OUTPUT, choices=known.ENCODINGS)
    quality: int = option(95, "JPEG quality, 1 to 100", OUTPUT, needs={"encoding": ("jpeg",)})
    append: bool = option(False, "Add the new and changed rows of a manifest to the output", OUTPUT)
    verify: bool = option(
        False, "With --append: read every photo to see whether it has changed", OUTPUT, needs={"append": ()}
    )
    resume: bool = option(False, "Resume an interrupted run", OUTPUT)
    restart: bool = option(False, "Start over and discard the interrupted run", OUTPUT)
    workers: int = option(0, "Threads that decode; 0 = one per core", MACHINE)
    max_pixels: str = option(
        "64M", "Largest photo, in pixels at the size that it is decoded at; bounds the memory", MACHINE
    )


@dataclass(frozen=True)
class TrainOptions(Checked):
    """`fashret train`: teach a network to tell products apart."""

    recipe: str = option(
        "finetune", "Set of values that the other options start from; `fashret recipes` lists them", RECIPE
    )
    backbone: str = option("resnet50", "Backbone: a name that `fashret models` lists, or timm:NAME", NETWORK)
    weights: str = option("imagenet", "First weights of the backbone: imagenet, none (random), or a file", NETWORK)
    pooling: str = option("avg", "How a feature map becomes a vector", NETWORK, choices=known.POOLINGS)
    neck: str = option("bnneck", "Batch normalisation before the classifier, or none", NETWORK, choices=known.NECKS)
    feature: str = option(
        "after", "Which feature is the embedding: the one after or before the neck", NETWORK, choices=known.FEATURES
    )
    dim: int = option(0, "Width of a linear projection before the neck; 0 = none", NETWORK)
    input: str = option(
        "256x128",
        "Input size, height x width in pixels; empty = the size that the backbone was published with",
        NETWORK,
    )
    fit: str = option("stretch", "How a crop becomes the input", NETWORK, choices=known.FITS)
    last_stride: int = option(1, "Stride of the backbone's last stage, where it has one", NETWORK)
    loss: tuple[str, ...] = option(
        ("softmax", "triplet"),
        "NAME or NAME:key=value,… as `fashret losses` lists them; repeat it to add up several",
        LOSS,
    )
    batch_products: int = option(16, "P, products in a batch; 0 = images at random", BATCHES)
    batch_images: int = option(4, "K, images of each product; with P = 0 the whole batch", BATCHES)
    missing: str = option(
        "resample", "What to do about a product of fewer than K images", BATCHES, choices=known.MISSING
    )
    same_category: bool = option(False, "Take all products of a batch from one category", BATCHES)
    accumulate: int = option(1, "Parts that a batch is computed in, one after the other, to save memory", BATCHES)
    flip: float = option(0.5, "Chance of mirroring an image", AUGMENTATION)
    pad: int = option(10, "Pixels added on each side before a random crop of the input's size", AUGMENTATION)
    erase: float = option(0.5, "Chance of erasing a random rectangle", AUGMENTATION)
    jitter: float = option(0.0, "Strength of colour jitter; 0 = none", AUGMENTATION)
    epochs: int = option(120, "Passes over the training products", SCHEDULE)
    total_steps: int = option(
        0, "Steps to reach, in place of --epochs, in whole epochs; the rate then follows the steps. 0 = none", SCHEDULE
    )
    optimiser: str = option("adam", "Optimiser", SCHEDULE, choices=known.OPTIMISERS)
    lr: float = option(3.5e-4, "Base learning rate", SCHEDULE)
    weight_decay: float = option(5e-4, "Weight decay, of biases too", SCHEDULE)
    schedule: str = option("step", "Learning rate over the epochs", SCHEDULE, choices=known.SCHEDULES)
    steps: tuple[int, ...] = option(
        (40, 70),
        "With --schedule step: epochs after which the rate is multiplied by --gamma",
        SCHEDULE,
        needs={"schedule": ("step",)},
    )
    gamma: float = option(
        0.1, "With --schedule step: factor of the learning rate", SCHEDULE, needs={"schedule": ("step",)}
    )
    warmup: int = option(10, "Epochs of warm-up", SCHEDULE)
    warmup_from: float = option(
        0.01, "Factor that warm-up starts from; 0 = (e + 1)/warmup in epoch e", SCHEDULE, needs={"warmup": ()}
    )
    freeze: int = option(0, "Epochs at the start in which only neck and classifier learn", SCHEDULE)
    freeze_bn: bool = option(False, "Keep the backbone's batch-norm statistics as they are", SCHEDULE)
    validate_every: int = option(5, "Epochs between two validations; 0 = never", VALIDATION)
    holdout: float = option(
        0.0,
        "Share of the products kept from training to validate on, where the crops have no validation rows; 0 = none",
        VALIDATION,
        needs={"validate_every": ()},
    )
    patience: int = option(
        0,
        "Validations without a better score after which training stops; 0 = never",
        VALIDATION,
        needs={"validate_every": ()},
    )
    best: str = option(
        "mAP",
        "Validation score that chooses the best checkpoint",
        VALIDATION,
        choices=known.DECIDING_SCORES,
        needs={"validate_every": ()},
    )
    checkpoint_every: int = option(500, "Steps between two checkpoints; 0 = only at the end of each epoch", OUTPUT)
    resume: bool = like(CropOptions, "resume", "Resume from the last checkpoint in the output folder, if there is one")
    restart: bool = like(CropOptions, "restart")
    seed: int = like(DemoOptions, "seed", "Seed of everything random", MACHINE)
    precision: str = option("auto", "Arithmetic of the network", MACHINE, choices=("auto", *known.PRECISIONS))
    sync_bn: bool = option(False, "Share batch-norm statistics among all GPUs", MACHINE)
    device: str = option("auto", "Where to compute: auto, cpu, cuda, cuda:N or mps", MACHINE)
    workers: int = option(-1, "Processes that decode; 0 = none, -1 = chosen from the cores", MACHINE)
    threads: int = option(
        0, "Threads that the network computes with on a CPU; 0 = the cores that other programs leave free", MACHINE
    )
    tensorboard: bool = option(False, "Write TensorBoard events too; needs the extra `tensorboard`", OUTPUT)


def check_last_stride(options: TrainOptions, given: Collection[str] = ()) -> None:
    """Refuse a stride for a network that has no last stage to set it in; `given`: set on the command line."""
    chosen = "last_stride" in given or options.last_stride != TrainOptions.last_stride
    if chosen and options.backbone not in known.STRIDED:
        raise FashretError(f"--last-stride: {options.backbone} has no last stage whose stride can be set; leave it out")


@dataclass(frozen=True)
class DetectorOptions(Checked):
    """`fashret train-detector`: teach a network to find garments in photos."""

    root: Path | None = like(CropOptions, "root")
    boxes: str = like(CropOptions, "boxes")
    annotated: str = option(
        "auto",
        "Garments of a photo that have boxes: all, or one of many (then the network is shown the photo round that box, "
        "and boxes found elsewhere do not count in the scores); auto = as the dataset says; else one, where no photo "
        "has two boxes",
        PHOTOS,
        choices=known.ANNOTATED,
    )
    one_class: bool = option(False, "Learn one class, garment, in place of the categories", PHOTOS)
    architecture: str = option(
        "fasterrcnn_mobilenet_v3_large_320_fpn", "Network of torchvision", NETWORK, choices=known.ARCHITECTURES
    )
    weights: str = option(
        "none",
        "First weights: none (random), or a file: torchvision's of this network (COCO), or of its backbone (ImageNet)",
        NETWORK,
    )
    side: int = option(0, "Shorter side of the input in pixels; 0 = what the network was published with", NETWORK)
    batch_size: int = option(8, "Photos in a batch", BATCHES)
    flip: float = like(TrainOptions, "flip", "Chance of mirroring a photo")
    zoom: float = option(
        0.5, "Smallest share of a photo's sides that is shown; 1 = always the whole photo", AUGMENTATION
    )
    epochs: int = option(12, "Passes over the training photos", SCHEDULE)
    optimiser: str = option("adamw", "Optimiser", SCHEDULE, choices=known.OPTIMISERS)
    lr: float = option(5e-4, "Base learning rate", SCHEDULE)
    weight_decay: float = like(TrainOptions, "weight_decay")
    schedule: str = option("cosine", "Learning rate over the steps", SCHEDULE, choices=known.SCHEDULES)
    steps: tuple[int, ...] = like(TrainOptions, "steps")
    gamma: float = like(TrainOptions, "gamma")
    warmup: int = option(1, "Epochs of warm-up", SCHEDULE)
    warmup_from: float = like(TrainOptions, "warmup_from")
    validate_every: int = option(1, "Epochs between two validations; 0 = never", VALIDATION)
    holdout: float = option(
        0.1,
        "Share of the products (or photos) kept from training to validate on, where no photo is for that; 0 = none",
        VALIDATION,
        needs={"validate_every": ()},
    )
    patience: int = like(TrainOptions, "patience")
    checkpoint_every: int = like(TrainOptions, "checkpoint_every")
    resume: bool = like(TrainOptions, "resume")
    restart: bool = like(TrainOptions, "restart")
    seed: int = like(TrainOptions, "seed")
    precision: str = like(TrainOptions, "precision")
    device: str = like(TrainOptions, "device")
    workers: int = like(CropOptions, "workers")
    max_pixels: str = like(CropOptions, "max_pixels")


@dataclass(frozen=True)
class EmbedOptions(Checked):
    """`fashret embed`: one vector per crop."""

    model: tuple[Path, ...] = option(
        (), "Folder of a trained model, or its model.json; repeat it to join several models", MODEL
    )
    model_weight: tuple[float, ...] = option((), "Weight of each --model in the cosine (default: equal)", MODEL)
    backbone: str = like(TrainOptions, "backbone", panel=UNTRAINED)
    weights: str = like(TrainOptions, "weights", panel=UNTRAINED)
    offline: bool = option(False, "Fetch no weights: take files that are on this machine", UNTRAINED)
    pooling: str = like(TrainOptions, "pooling", panel=UNTRAINED)
    input: str = option("", "Input size, height x width in pixels (default: as the backbone was published)", UNTRAINED)
    fit: str = like(TrainOptions, "fit", panel=UNTRAINED)
    dim: int = like(
        TrainOptions, "dim", "Numbers of a vector to keep, where a model was trained for it; 0 = all", UNTRAINED
    )
    size: int = like(
        CropOptions,
        "size",
        "Of photos: longer side of a crop in pixels, as in `fashret crop` (published models by name: 0)",
        PHOTOS,
    )
    batch_size: int = option(64, "Crops embedded at a time", MACHINE)
    precision: str = like(TrainOptions, "precision")
    dtype: str = option("float32", "How vectors are stored", OUTPUT, choices=known.VECTOR_TYPES)
    centroids: bool = option(False, "Write one vector per product, the mean of its gallery images", OUTPUT)
    all: bool = option(False, "Embed rows of the role train alone too, which no search looks at", OUTPUT)
    whiten: int = option(0, "Numbers to whiten vectors to, by a PCA of the rows with the role train; 0 = none", OUTPUT)
    whiten_power: float = option(
        0.125, "Power of the variance to divide by: 0.5 evens it out, 0 leaves it", OUTPUT, needs={"whiten": ()}
    )
    whiten_from: Path | None = option(None, "Whiten as this embeddings.h5 of the same model was", OUTPUT)
    resume: bool = like(CropOptions, "resume")
    restart: bool = like(CropOptions, "restart")
    append: bool = like(CropOptions, "append", "Keep the vectors of the output; embed new and changed rows only")
    verify: bool = like(CropOptions, "verify")
    device: str = like(TrainOptions, "device")
    workers: int = like(TrainOptions, "workers")
    threads: int = like(TrainOptions, "threads")
    seed: int = like(TrainOptions, "seed", "Seed of random weights, and of the sample for --whiten", UNTRAINED)
    root: Path | None = like(CropOptions, "root")
    boxes: str = like(CropOptions, "boxes")
    max_errors: float | None = like(CropOptions, "max_errors")
    max_pixels: str = like(CropOptions, "max_pixels")


@dataclass(frozen=True)
class DetectOptions(Checked):
    """`fashret detect`: find the garments of photos. :class:`CropOptions` are those of the photos."""

    detector: tuple[Path, ...] = option(
        (),
        "Folder of a detector, of `fashret train-detector` or the transformers library; repeat it to fuse several",
        DETECTORS,
    )
    detector_weight: tuple[float, ...] = option((), "Weight of each --detector (default: equal)", DETECTORS)
    iou: float = option(0.55, "Boxes of several detectors that overlap more are one garment", DETECTORS)
    labels: str = option(
        "",
        f"Categories to give: words of {', '.join(known.LABELS)}, or a TOML file (default: as the detectors name them)",
        DETECTORS,
        shown="<words|file>",
    )
    min_score: float = option(0.5, "Leave out boxes of a lower score", DETECTORS)
    max_garments: int = option(8, "Garments kept per photo, the best", DETECTORS)
    role: tuple[str, ...] = option(
        (), "Look only at photos of rows with this role; repeat it for several", PHOTOS, choices=known.ROLES
    )
    evaluate: bool = option(False, "Print AP, AP50 and recall against the manifest's boxes", SCORES)
    show: Path | None = option(None, "Draw the boxes on the photos, into this folder", OUTPUT)
    root: Path | None = like(CropOptions, "root")
    boxes: str = like(CropOptions, "boxes")
    max_errors: float | None = like(CropOptions, "max_errors")
    max_pixels: str = like(CropOptions, "max_pixels")
    resume: bool = like(CropOptions, "resume")
    restart: bool = like(CropOptions, "restart")
    photo_size: int = option(1333, "Longer side, in pixels, of the photo that detectors get", PHOTOS)
    batch_size: int = option(4, "Photos looked at together", MACHINE)
    device: str = like(TrainOptions, "device")
    threads: int = like(TrainOptions, "threads")
    workers: int = like(CropOptions, "workers")


WITH_DETECTOR: Needs = {"detector": ()}


@dataclass(frozen=True)
class BoxOptions(Checked):
    """Of `fashret crop`: boxes that detectors find, in place of those that are missing or given."""

    detector: tuple[Path, ...] = like(
        DetectOptions, "detector", "Find boxes with the detector in this folder; repeat it to fuse several"
    )
    detect: str = option(
        "missing",
        "Rows whose box is found: those without one, or all of shop or street photos, or all",
        DETECTORS,
        choices=known.DETECT,
        needs=WITH_DETECTOR,
    )
    boxes_per_photo: int = option(
        1, "Boxes of a shop photo that are kept, as rows of its product", DETECTORS, needs=WITH_DETECTOR
    )
    detector_weight: tuple[float, ...] = like(DetectOptions, "detector_weight", needs=WITH_DETECTOR)
    iou: float = like(DetectOptions, "iou", needs=WITH_DETECTOR)
    labels: str = like(
        DetectOptions,
        "labels",
        "Words of the rows' categories, as in `fashret detect` (default: those that have all of them)",
        needs=WITH_DETECTOR,
    )
    min_score: float = like(DetectOptions, "min_score", needs=WITH_DETECTOR)
    device: str = like(DetectOptions, "device", "Where detectors compute: auto, cpu, cuda, cuda:N or mps", DETECTORS)
    threads: int = like(DetectOptions, "threads", panel=DETECTORS, needs=WITH_DETECTOR)


OF_BACKBONE = ("backbone", "weights", "pooling", "input", "fit", "dim")  # a trained model has its own


def check_embed_options(options: EmbedOptions, given: Collection[str]) -> None:
    """Refuse options of `fashret embed` that exclude each other; `given` are those set on the command line."""
    defaults = EmbedOptions()
    chosen = [n for n in OF_BACKBONE if n in given or getattr(options, n) != getattr(defaults, n)]
    if options.model and chosen:
        names = ", ".join(f"--{name}" for name in chosen)
        raise FashretError(f"--model and {names} exclude each other: a trained model brings its own; leave one out")
    if options.backbone in known.PRESETS and (own := [n for n in ("pooling", "fit") if n in given]):
        raise FashretError(f"--{own[0]}: {options.backbone} brings its own; leave it out")
    if options.model_weight and not options.model:
        raise FashretError("--model-weight: is the weight of a --model, and none was given")
    if options.whiten and options.whiten_from:
        raise FashretError("--whiten and --whiten-from exclude each other: a file brings its width; leave one out")
    if options.centroids and options.append:
        raise FashretError("--centroids and --append exclude each other: a centroid needs all images of its product")


@dataclass(frozen=True)
class SearchOptions(Checked):
    """`fashret search`: the exact nearest gallery rows of every query."""

    k: int = option(
        50,
        f"Results kept per query; with --image or --images, products per photo ({PRODUCTS} if not given)",
        OUTPUT,
        flag="-k,--top",
    )
    metric: str = option("cosine", "Distance", SEARCH, choices=known.METRICS)
    within: str = option("", "Search only in the query's category", SEARCH, choices=("", "category"))
    exclude_same_product: bool = option(False, "Leave out rows of the query's own product (recommendations)", SEARCH)
    exclude_copies: bool = option(False, "Leave out copies of the query's photo that have another name", SEARCH)
    collapse: str = option(
        "",
        "Rank photos or products of the gallery instead of its rows: only the nearest row of each counts",
        SEARCH,
        choices=("", *known.COLLAPSES),
    )
    where: tuple[str, ...] = option(
        (),
        "Search only gallery rows of which this holds, like 'price < 50', 'brand in (A, B)', 'sale is null'; "
        "repeat it for several",
        SEARCH,
        shown="<condition>",
    )
    memory: str = option("2GB", "Memory budget, such as 2GB or 512MiB", MACHINE)
    device: str = like(TrainOptions, "device")


RERANKED: Needs = {"rerank": ()}  # of `evaluate`; `fashret rerank` always does
BY_RECIPROCAL: Needs = RERANKED | {"method": ("k-reciprocal",)}
BY_EXPANSION: Needs = RERANKED | {"method": ("aqe", "alpha-qe")}
OF_PHOTO: Needs = {"image": ()}
OF_GARMENTS: Needs = OF_PHOTO | {"detector": ()}
OF_PHOTOS: Needs = {"images": ()}
OF_EITHER: Needs = {"image|images": ()}


@dataclass(frozen=True)
class Reranking(Checked):
    """How results are re-ranked; `fashret rerank` and `fashret evaluate --rerank` share these options."""

    method: str = option("k-reciprocal", "What to re-rank by", RERANKING, needs=RERANKED)  # fashret.reranking.methods
    settings: str = option(
        "auto",
        "Where --k1, --k2 and --lambda come from if not given: the number of images per product, or the method's paper",
        RECIPROCAL,
        choices=known.SETTINGS,
        needs=BY_RECIPROCAL,
    )
    images_per_product: int | None = option(
        None,
        "With --settings auto: images that a product has (default: the median of the rows that the model learned from)",
        RECIPROCAL,
        needs=BY_RECIPROCAL | {"settings": ("auto",)},
    )
    k1: int | None = option(None, "Size of the reciprocal neighbour lists", RECIPROCAL, needs=BY_RECIPROCAL)
    k2: int | None = option(None, "Neighbours averaged in the query expansion", RECIPROCAL, needs=BY_RECIPROCAL)
    lam: float | None = option(
        None, "Weight of the original distance, 0 to 1", RECIPROCAL, flag="--lambda", needs=BY_RECIPROCAL
    )
    per_query: bool = option(
        False,
        "Re-rank each query as if it were alone; otherwise the result depends on the set of queries",
        RECIPROCAL,
        needs=BY_RECIPROCAL,
    )
    neighbours: int = option(10, "Gallery rows that a query is averaged with", EXPANSION, needs=BY_EXPANSION)
    alpha: float = option(
        3.0,
        "With alpha-qe: power of the similarity that a neighbour counts with",
        EXPANSION,
        needs=RERANKED | {"method": ("alpha-qe",)},
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.settings not in known.SETTINGS:
            raise FashretError(f"--settings {self.settings}: not known; give {' or '.join(known.SETTINGS)}")


@dataclass(frozen=True)
class RerankOptions(Reranking):
    """`fashret rerank`: by k-reciprocal neighbours, or by query expansion."""

    k: int = like(SearchOptions, "k", "Results kept per query")
    embeddings: tuple[Path, ...] = option(
        (), "embeddings.h5, if it was moved; repeat it for queries and gallery", MOVED
    )
    resume: bool = like(CropOptions, "resume")
    restart: bool = like(CropOptions, "restart")
    memory: str = like(SearchOptions, "memory")
    device: str = like(TrainOptions, "device")


@dataclass(frozen=True)
class EvaluateOptions(Reranking):
    """`fashret evaluate`: mAP and Acc@k."""

    rerank: bool = option(False, "Re-rank, and score the re-ranked results too", SCORES)
    cross_domain: bool = option(False, "Show several embeddings files as a train × test matrix", SCORES)
    per_category: bool = option(
        False, "With several files: scores of every category for each (one file: always)", SCORES
    )
    k: tuple[int, ...] = option((1, 5, 10, 20, 50), "The k of Acc@k; repeat it for several", SCORES, flag="--k")
    hits: str = option("image", "What a hit is counted on", SCORES, choices=known.HITS)
    protocol: str = option(
        "",
        "Score rankings by a dataset's official rule, from the photo on",
        SCORES,
        choices=("", *known.PROTOCOLS),
    )
    root: Path | None = like(CropOptions, "root", "The dataset's folder", SCORES, needs={"protocol": ()})
    results_file: Path | None = option(
        None,
        "Write the results to this file, in the official form",
        SCORES,
        flag="--results",
        needs={"protocol": ()},
    )
    report: Path | None = option(
        None, "Write a page with tables, curves and a gallery of queries to this folder", REPORT
    )
    report_queries: int = option(
        60, "Queries in that gallery: best, worst, moved by re-ranking, random", REPORT, needs={"report": ()}
    )
    crops: tuple[Path, ...] = option(
        (), "crops.h5, or the folder of the photos, if not beside the embeddings", MOVED, needs={"report": ()}
    )
    embeddings: tuple[Path, ...] = like(
        RerankOptions, "embeddings", "embeddings.h5 of rankings, if it was moved; repeat it for queries and gallery"
    )
    size_plot: Path | None = option(None, "Draw scores against the models' input sizes to this SVG, PNG or PDF", REPORT)
    csv: bool = option(False, "Print the tables as CSV", FORM)
    formulas: bool = option(
        False,
        "With --csv: leave names that a spreadsheet would run as a formula without an apostrophe",
        FORM,
        needs={"csv": ()},
    )
    markdown: bool = option(False, "Print the tables as Markdown", FORM)
    latex: bool = option(False, "Print the tables as LaTeX", FORM)
    metric: str = like(SearchOptions, "metric", panel=SCORES)
    exclude_copies: bool = like(SearchOptions, "exclude_copies", panel=SCORES)
    resume: bool = like(CropOptions, "resume", "Resume an interrupted re-ranking", RERANKING, needs=RERANKED)
    restart: bool = like(
        CropOptions, "restart", "Start over and discard the interrupted re-ranking", RERANKING, needs=RERANKED
    )
    memory: str = like(SearchOptions, "memory")
    device: str = like(TrainOptions, "device")


@dataclass(frozen=True)
class PhotoOptions(SearchOptions):
    """`fashret search`: with --image or --images, the nearest products of one photo or of many."""

    image: tuple[Path, ...] = option((), "Search for this photo and print the best products", ONE_PHOTO, shown="<path>")
    images: Path | None = option(
        None,
        "Search for each photo of this folder, table, or text file with one path per line; -o results.jsonl or .csv",
        ONE_PHOTO,
    )
    box: str = option(
        "", "Its garment: x1,y1,x2,y2 in pixels of the photo as viewers show it", ONE_PHOTO, needs=OF_PHOTO
    )
    model: tuple[Path, ...] = like(
        EmbedOptions, "model", "The catalogue's model, if it was moved", ONE_PHOTO, needs=OF_EITHER
    )
    max_pixels: str = like(CropOptions, "max_pixels", panel=ONE_PHOTO, needs=OF_EITHER)
    boxes: str = like(CropOptions, "boxes", panel=ONE_PHOTO, needs=OF_PHOTOS)
    max_errors: float | None = like(CropOptions, "max_errors", panel=ONE_PHOTO, needs=OF_PHOTOS)
    show: Path | None = like(
        DetectOptions, "show", "Draw what was found to this PNG or JPEG", ONE_PHOTO, needs=OF_PHOTO
    )
    crops: tuple[Path, ...] = like(
        EvaluateOptions,
        "crops",
        "With --show: crops.h5 or the folder of the photos, if not beside",
        ONE_PHOTO,
        needs=OF_PHOTO | {"show": ()},
    )
    detector: tuple[Path, ...] = like(
        DetectOptions,
        "detector",
        "With --image: find the photo's garments with the detector in this folder; repeat it to fuse several",
        needs=OF_PHOTO,
    )
    garment: str = option(
        "",
        "Search only for this garment: its number, or a category",
        DETECTORS,
        needs=OF_GARMENTS,
        shown="<n|category>",
    )
    detector_weight: tuple[float, ...] = like(DetectOptions, "detector_weight", needs=OF_GARMENTS)
    iou: float = like(DetectOptions, "iou", needs=OF_GARMENTS)
    labels: str = like(
        DetectOptions,
        "labels",
        "Words to call garments by, as in `fashret detect` (default: the catalogue's, if a dataset's)",
        needs=OF_GARMENTS,
    )
    min_score: float = like(DetectOptions, "min_score", needs=OF_GARMENTS)
    max_garments: int = like(DetectOptions, "max_garments", needs=OF_GARMENTS)


@dataclass(frozen=True)
class ShowOptions(Checked):
    """`fashret show`: one query and what was found for it, as a picture."""

    query: int = option(0, "Number of the query in the ranking, from 0", DRAWING)
    results: int = option(10, "Results per line", DRAWING)
    crops: tuple[Path, ...] = like(EvaluateOptions, "crops")
    embeddings: tuple[Path, ...] = like(RerankOptions, "embeddings")


@dataclass(frozen=True)
class ServeOptions(Checked):
    """`fashret serve`: a page and a JSON API for a catalogue."""

    host: str = option(
        "127.0.0.1", "Address to listen at; other than this machine's own only with --token-file", ADDRESS_AND_ACCESS
    )
    port: int = option(8000, "Port to listen at; 0 = any that is free", ADDRESS_AND_ACCESS)
    token_file: Path | None = option(
        None, "File of tokens, one per line, of which every request needs one", ADDRESS_AND_ACCESS
    )
    allow_origin: tuple[str, ...] = option(
        (), "Let pages of this origin ask, like https://shop.example; repeat it for several", ADDRESS_AND_ACCESS
    )
    allow_host: tuple[str, ...] = option(
        (), "Name that the server is called by, such as that of a proxy; repeat it for several", ADDRESS_AND_ACCESS
    )
    root_path: str = option("", "Path below which a proxy shows the server, like /search", ADDRESS_AND_ACCESS)
    requests: int = option(64, "Requests that are worked on at once; others are asked to come again", LOAD)
    max_upload: str = option("20MB", "Largest body of a request", LOAD)
    timeout: float = option(30.0, "Seconds that a request may take", LOAD)
    max_pixels: str = like(CropOptions, "max_pixels", panel=LOAD)
    detector: tuple[Path, ...] = like(
        DetectOptions, "detector", "Find garments with the detector in this folder; repeat it to fuse several"
    )
    detector_weight: tuple[float, ...] = like(DetectOptions, "detector_weight", needs=WITH_DETECTOR)
    iou: float = like(DetectOptions, "iou", needs=WITH_DETECTOR)
    labels: str = like(DetectOptions, "labels", needs=WITH_DETECTOR)
    min_score: float = like(DetectOptions, "min_score", needs=WITH_DETECTOR)
    max_garments: int = like(DetectOptions, "max_garments", needs=WITH_DETECTOR)
    metric: str = like(SearchOptions, "metric")
    model: tuple[Path, ...] = like(EmbedOptions, "model", "The catalogue's model, if it was moved", MOVED)
    crops: tuple[Path, ...] = like(
        EvaluateOptions, "crops", "crops.h5, or the folder of the photos, if not beside the catalogue", MOVED
    )
    memory: str = like(SearchOptions, "memory")
    device: str = like(TrainOptions, "device")
    threads: int = like(TrainOptions, "threads")
