"""Every option of every stage: its default, written once, and one line of help.

In: nothing. Out: one frozen dataclass a stage. The command line makes its flags from these fields, recipes and
configuration files give them other values, and files record them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fashret.errors import FashretError


def option(default: Any, help: str, *, flag: str = "", choices: tuple[str, ...] = ()) -> Any:
    """A dataclass field that the command line shows: default, help, its flag if not the field's name, its values."""
    about = {"help": help, "flag": flag, "choices": choices}
    if isinstance(default, list | dict):
        raise TypeError("use a tuple")
    return field(default=default, metadata=about)


def check_seed(seed: int) -> None:
    """Raise :class:`FashretError` unless random numbers can be drawn from it."""
    if not 0 <= seed < 2**63:
        raise FashretError(f"--seed {seed}: must be 0 or more, and less than 2^63")


MOVED = "embeddings.h5 if moved; give it twice for queries and gallery"  # help of --embeddings

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


@dataclass(frozen=True)
class DemoOptions:
    """`fashret demo`: draw garments."""

    products: int = option(624, "number of products to draw, train, validation and test together")
    seed: int = option(0, "the same seed and options give the same photos")
    layout: str = option(
        "", "a public dataset's layout in place of manifest.csv", choices=("", "street2shop", "deepfashion")
    )
    workers: int = option(0, "processes that draw; 0 = one per core")


@dataclass(frozen=True)
class CropOptions:
    """`fashret crop`: cut the garments out of the photos."""

    root: Path | None = option(None, "folder that the photos' paths start from (default: beside the manifest)")
    size: int = option(320, "longer side of a crop in pixels; smaller crops are never enlarged")
    encoding: str = option("jpeg", "how crops are stored", choices=("jpeg", "raw"))
    quality: int = option(95, "JPEG quality, 1 to 100")
    max_errors: float = option(0.01, "share of unreadable photos at which to stop, 0 to 1")
    workers: int = option(0, "threads that decode; 0 = one per core")
    resume: bool = option(False, "go on where an interrupted run stopped")
    restart: bool = option(False, "throw away what an interrupted run left")
    append: bool = option(False, "add the new rows of a grown manifest to the file")
    check: bool = option(False, "read everything but the pixels and say what is there; needs no --output")
    drop_train_products: bool = option(False, "Street2Shop: leave shop photos of train products out of the gallery")
    drop_shared_photos: bool = option(False, "Street2Shop: leave street photos that are also test out of train")
    gallery: str = option(
        "val+test", "DeepFashion Consumer-to-Shop: shop photos searched", choices=("val+test", "test")
    )
    resolution: str = option(
        "auto", "DeepFashion Consumer-to-Shop: photos of img or img_highres", choices=("auto", "low", "high")
    )
    subset: str = option("", "LookBench: which of its subsets")


@dataclass(frozen=True)
class TrainOptions:
    """`fashret train`: teach a network to tell products apart."""

    recipe: str = option("rst", "set of values that the other options start from")
    # the network
    backbone: str = option("resnet50", "backbone, as `fashret models` lists them, or timm:NAME")
    weights: str = option("imagenet", "the backbone's first weights: imagenet, none (random), or a file")
    pooling: str = option("avg", "feature map to vector", choices=("avg", "max", "gem", "rmac", "cls"))
    neck: str = option("bnneck", "batch normalisation before the classifier, or none", choices=("bnneck", "none"))
    feature: str = option("after", "embedding: the feature after or before the neck", choices=("after", "before"))
    dim: int = option(0, "width of a linear projection before the neck; 0 = none")
    input: str = option("256x128", "input size, height x width in pixels; empty: what the backbone was published with")
    fit: str = option("stretch", "how a crop becomes the input", choices=("stretch", "pad"))
    last_stride: int = option(1, "stride of the backbone's last stage, where it has one")
    # the loss
    loss: tuple[str, ...] = option(("softmax", "triplet"), "NAME or NAME:key=value,…; give it once a loss")
    # the batches
    batch_products: int = option(16, "P, products in a batch; 0 = no sampling by product")
    batch_images: int = option(4, "K, images of each product; with P = 0 the whole batch")
    missing: str = option("resample", "a product of fewer than K images", choices=("resample", "mask", "refuse"))
    same_category: bool = option(False, "all products of a batch from one category")
    accumulate: int = option(1, "parts that a batch is computed in, one after the other, to save memory")
    # augmentation
    flip: float = option(0.5, "chance of a mirrored image")
    pad: int = option(10, "pixels added on each side before a random crop of the input's size")
    erase: float = option(0.5, "chance of random erasing")
    jitter: float = option(0.0, "strength of colour jitter; 0 = none")
    # the schedule
    epochs: int = option(120, "times through the training products")
    optimiser: str = option("adam", "optimiser", choices=("adam", "amsgrad", "adamw", "sgd"))
    lr: float = option(3.5e-4, "base learning rate")
    weight_decay: float = option(5e-4, "weight decay, biases too")
    schedule: str = option("step", "learning rate over the epochs", choices=("step", "cosine", "constant"))
    steps: tuple[int, ...] = option((40, 70), "step: epochs after which the rate is multiplied by --gamma")
    gamma: float = option(0.1, "step: factor of the learning rate")
    warmup: int = option(10, "epochs of warm-up")
    warmup_from: float = option(0.01, "factor that warm-up starts from; 0 = e/warmup in epoch e")
    freeze: int = option(0, "epochs at the start in which only neck and classifier learn")
    freeze_bn: bool = option(False, "keep the backbone's batch-norm statistics as they are")
    # validation and checkpoints
    validate_every: int = option(5, "epochs between two validations; 0 = never")
    best: str = option("mAP", "validation score that chooses the best checkpoint", choices=("mAP", "Acc@1"))
    checkpoint_every: int = option(500, "steps between two checkpoints; 0 = at the end of each epoch only")
    resume: bool = option(False, "go on from the last checkpoint in the output folder, if there is one")
    restart: bool = option(False, "throw away what an interrupted run left")
    # the machine
    seed: int = option(0, "seed of everything random")
    precision: str = option("auto", "arithmetic of the network", choices=("auto", "float32", "bf16", "fp16"))
    sync_bn: bool = option(False, "batch-norm statistics over all GPUs")
    device: str = option("auto", "auto, cpu, cuda, cuda:N or mps")
    workers: int = option(-1, "processes that decode; 0 = none, -1 = chosen from the cores")
    tensorboard: bool = option(False, "write TensorBoard events too (extra fashret[tensorboard])")


@dataclass(frozen=True)
class EmbedOptions:
    """`fashret embed`: one vector a crop."""

    model: tuple[Path, ...] = option((), "folder of a trained model, or its model.json; several are joined")
    model_weight: tuple[float, ...] = option((), "weight of each --model in the cosine (default: equal)")
    backbone: str = option("resnet50", "without --model: a backbone as it comes, with --weights")
    weights: str = option("imagenet", "weights of --backbone: imagenet, none (random), or a file")
    pooling: str = option("avg", "with --backbone: feature map to vector", choices=("avg", "max", "gem", "rmac", "cls"))
    input: str = option("", "with --backbone: input size, height x width in pixels (default: as published)")
    fit: str = option("stretch", "with --backbone: how a crop becomes the input", choices=("stretch", "pad"))
    size: int = option(320, "from photos: longer side of a crop in pixels, as in `fashret crop`")
    batch_size: int = option(64, "crops embedded at a time")
    precision: str = option("auto", "arithmetic of the network", choices=("auto", "float32", "bf16", "fp16"))
    dtype: str = option("float32", "how vectors are stored", choices=("float32", "float16"))
    centroids: bool = option(False, "one vector a product, the mean of its gallery images")
    resume: bool = option(False, "go on where an interrupted run stopped")
    restart: bool = option(False, "throw away what an interrupted run left")
    append: bool = option(False, "keep the vectors that the output has already and embed new rows only")
    device: str = option("auto", "auto, cpu, cuda, cuda:N or mps")
    workers: int = option(-1, "processes that decode; 0 = none, -1 = chosen from the cores")
    seed: int = option(0, "seed of random weights")
    root: Path | None = option(None, "folder that a manifest's paths start from (default: beside the manifest)")
    max_errors: float = option(0.01, "share of unreadable photos at which to stop, 0 to 1")


@dataclass(frozen=True)
class SearchOptions:
    """`fashret search`: the exact nearest gallery rows of every query."""

    k: int = option(50, "results kept for each query", flag="-k,--top")
    metric: str = option("cosine", "distance", choices=("cosine", "euclidean"))
    within: str = option("", "hold each search to the query's category", choices=("", "category"))
    exclude_same_product: bool = option(False, "leave out rows of the query's own product (recommendations)")
    memory: str = option("2GB", "memory budget")
    device: str = option("auto", "auto, cpu, cuda, cuda:N or mps")


@dataclass(frozen=True)
class RerankOptions:
    """`fashret rerank`: k-reciprocal re-ranking, or query expansion."""

    k: int = option(50, "results kept for each query", flag="-k,--top")
    method: str = option("k-reciprocal", "what to re-rank by", choices=("k-reciprocal", "aqe", "alpha-qe"))
    k1: int = option(20, "k-reciprocal: size of the reciprocal neighbour lists")
    k2: int = option(6, "k-reciprocal: neighbours averaged in the query expansion")
    lam: float = option(0.3, "k-reciprocal: weight of the original distance", flag="--lambda")
    per_query: bool = option(
        False, "k-reciprocal: each query as if it were alone (else the result depends on the set of queries)"
    )
    neighbours: int = option(10, "aqe, alpha-qe: gallery rows that a query is averaged with")
    alpha: float = option(3.0, "alpha-qe: power of the similarity that a neighbour counts with")
    embeddings: tuple[Path, ...] = option((), MOVED)
    resume: bool = option(False, "go on where an interrupted run stopped")
    restart: bool = option(False, "throw away what an interrupted run left")
    memory: str = option("2GB", "memory budget")
    device: str = option("auto", "auto, cpu, cuda, cuda:N or mps")


@dataclass(frozen=True)
class EvaluateOptions:
    """`fashret evaluate`: mAP and Acc@k."""

    rerank: bool = option(False, "score the re-ranked results too")
    cross_domain: bool = option(False, "train × test matrix over several embeddings files")
    per_category: bool = option(False, "several files: scores of every category for each (one file: always)")
    k: tuple[int, ...] = option((1, 5, 10, 20, 50), "k of Acc@k", flag="--k")
    hits: str = option("image", "what a hit is counted on", choices=("image", "product"))
    report: Path | None = option(None, "write a page with tables, curves and a gallery of queries into this folder")
    gallery: int = option(60, "report: queries in the gallery: best, worst, moved by re-ranking, random")
    crops: tuple[Path, ...] = option((), "report: crops.h5, or folder of the photos, where it is not beside")
    embeddings: tuple[Path, ...] = option((), "of rankings: " + MOVED)
    size_plot: Path | None = option(None, "draw scores against the models' input sizes into this SVG, PNG or PDF")
    csv: bool = option(False, "print the tables as CSV")
    markdown: bool = option(False, "print the tables as Markdown")
    latex: bool = option(False, "print the tables as LaTeX")
    metric: str = option("cosine", "distance", choices=("cosine", "euclidean"))
    k1: int = option(20, "re-ranking: size of the reciprocal neighbour lists")
    k2: int = option(6, "re-ranking: neighbours averaged in the query expansion")
    lam: float = option(0.3, "re-ranking: weight of the original distance", flag="--lambda")
    per_query: bool = option(False, "re-ranking: each query as if it were alone")
    resume: bool = option(False, "re-ranking: go on where an interrupted run stopped")
    restart: bool = option(False, "re-ranking: throw away what an interrupted run left")
    memory: str = option("2GB", "memory budget")
    device: str = option("auto", "auto, cpu, cuda, cuda:N or mps")


@dataclass(frozen=True)
class ShowOptions:
    """`fashret show`: one query and what was found for it, as a picture."""

    query: int = option(0, "number of the query in the ranking, from 0")
    results: int = option(10, "results shown on a line")
    crops: tuple[Path, ...] = option((), "crops.h5, or folder of the photos, where it is not beside the embeddings")
    embeddings: tuple[Path, ...] = option((), MOVED)
