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
    except ValueError:
        raise FashretError(f"--memory {text}: not an amount of memory; write it like 2GB or 512MiB") from None
    if amount <= 0:
        raise FashretError(f"--memory {text}: must be above zero")
    return amount


@dataclass(frozen=True)
class DemoOptions:
    """`fashret demo`: draw garments."""

    products: int = option(480, "number of products to draw, train, validation and test together")
    seed: int = option(0, "the same seed and options give the same photos")
    workers: int = option(0, "processes that draw; 0 = one per core")


@dataclass(frozen=True)
class CropOptions:
    """`fashret crop`: cut the garments out of the photos."""

    root: Path | None = option(None, "folder that the photos' paths start from (default: beside the manifest)")
    size: int = option(320, "longer side of a crop in pixels; smaller crops are never enlarged")
    encoding: str = option("jpeg", "how crops are stored", choices=("jpeg", "raw"))
    quality: int = option(95, "JPEG quality, 1 to 100")
    max_errors: float = option(0.01, "share of unreadable photos at which to stop, 0 to 1")
    workers: int = option(0, "processes that decode; 0 = one per core")


@dataclass(frozen=True)
class TrainOptions:
    """`fashret train`: teach a network to tell products apart."""

    recipe: str = option("rst", "set of values that the other options start from")
    seed: int = option(0, "seed of everything random")
    device: str = option("auto", "auto, cpu, cuda, cuda:N or mps")
    workers: int = option(0, "processes that decode; 0 = one per core")


@dataclass(frozen=True)
class EmbedOptions:
    """`fashret embed`: one vector a crop."""

    model: tuple[Path, ...] = option((), "folder of a trained model, or its model.json")
    backbone: str = option("", "a backbone without training, with --weights, in place of --model")
    weights: str = option("imagenet", "weights of --backbone: imagenet, none (random), or a file")
    batch_size: int = option(64, "crops embedded at a time")
    device: str = option("auto", "auto, cpu, cuda, cuda:N or mps")
    workers: int = option(0, "processes that decode; 0 = one per core")
    seed: int = option(0, "seed of random weights")
    root: Path | None = option(None, "folder that a manifest's paths start from (default: beside the manifest)")
    max_errors: float = option(0.01, "share of unreadable photos at which to stop, 0 to 1")


@dataclass(frozen=True)
class SearchOptions:
    """`fashret search`: the exact nearest gallery rows of every query."""

    k: int = option(50, "results kept for each query", flag="-k/--top")
    metric: str = option("cosine", "distance", choices=("cosine", "euclidean"))
    within: str = option("", "hold each search to the query's category", choices=("", "category"))
    exclude_same_product: bool = option(False, "leave out rows of the query's own product (recommendations)")
    memory: str = option("2GB", "memory budget")
    device: str = option("auto", "auto, cpu, cuda, cuda:N or mps")


@dataclass(frozen=True)
class RerankOptions:
    """`fashret rerank`: k-reciprocal re-ranking."""

    k: int = option(50, "results kept for each query", flag="-k/--top")
    k1: int = option(20, "size of the reciprocal neighbour lists")
    k2: int = option(6, "neighbours averaged in the query expansion")
    lam: float = option(0.3, "weight of the original distance", flag="--lambda")
    memory: str = option("2GB", "memory budget")
    device: str = option("auto", "auto, cpu, cuda, cuda:N or mps")


@dataclass(frozen=True)
class EvaluateOptions:
    """`fashret evaluate`: mAP and Acc@k."""

    rerank: bool = option(False, "score the re-ranked results too")
    cross_domain: bool = option(False, "train × test matrix over several embeddings files")
    k: tuple[int, ...] = option((1, 5, 10, 20, 50), "k of Acc@k", flag="--k")
    hits: str = option("image", "what a hit is counted on", choices=("image", "product"))
    metric: str = option("cosine", "distance", choices=("cosine", "euclidean"))
    k1: int = option(20, "re-ranking: size of the reciprocal neighbour lists")
    k2: int = option(6, "re-ranking: neighbours averaged in the query expansion")
    lam: float = option(0.3, "re-ranking: weight of the original distance", flag="--lambda")
    memory: str = option("2GB", "memory budget")
    device: str = option("auto", "auto, cpu, cuda, cuda:N or mps")
