"""Which training rows make up each batch.

In: the product, domain and category of every training row. Out: for one epoch the batches of one process, each an int64
array of row numbers, −1 where a product has no image left. Everything is a function of the arguments: the same seed and
epoch give the same batches on every machine, and the parts of `world` processes together are the batch of one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from fashret.console import counted
from fashret.errors import FashretError
from fashret.loading.processes import Place
from fashret.options import TrainOptions

Rows = NDArray[np.int64]
ALONE = Place()  # one process


class Batch(NamedTuple):
    """One training batch."""

    epoch: int
    number: int  # in its epoch, from 0
    last: bool  # the epoch ends with it
    images: Tensor  # B×3×H×W float32, normalised
    labels: Tensor  # B int64
    valid: Tensor  # B bool


@dataclass(frozen=True)
class Batching:
    """How batches are drawn; the defaults are those of `fashret train`."""

    products: int = TrainOptions.batch_products  # P, products in a batch; 0: rows at random
    images: int = TrainOptions.batch_images  # K, images of each product; with P = 0 the whole batch
    missing: str = (
        TrainOptions.missing
    )  # a product of fewer than K images: draw some again, leave rows empty (mask), or refuse
    same_category: bool = TrainOptions.same_category  # all products of a batch are of one category
    seed: int = TrainOptions.seed


def check_batching(product: NDArray, batching: Batching, world: int = 1, needs_pairs: bool = False) -> None:
    """Refuse what would not work, before training.

    Parameters
    ----------
    product
        N integer labels of the training rows.
    world
        Number of processes that share a batch.
    needs_pairs
        Whether a loss needs two images of a product in a batch.

    Raises
    ------
    FashretError
        For no rows, one product, a batch that the data cannot fill, or K = 1 where a loss needs pairs.
    """
    labels, counts = np.unique(product, return_counts=True)
    if len(product) == 0:
        raise FashretError("no training rows: no crop has the role train")
    if len(labels) == 1:
        raise FashretError("only one product among the training rows: nothing to tell apart")
    p, k = batching.products, batching.images
    if p == 0:
        if needs_pairs:
            raise FashretError("a chosen loss compares images of one product: set --batch-products above 0")
        if batching.same_category:
            raise FashretError("--same-category draws products of one category: set --batch-products above 0")
        if k < 2 or k % world:
            raise FashretError(f"a batch of {k} images: at least 2, and a multiple of the {world} processes")
        return
    if k < 2 and needs_pairs:
        raise FashretError(f"a chosen loss needs two images of a product in a batch: --batch-images {k} is too few")
    if p < 2 or k < 1 or p % world:
        raise FashretError(f"batches of {p} products x {k} images: at least 2 x 1, and products a multiple of {world}")
    if p > len(labels):
        raise FashretError(f"batches of {p} products, but the training rows have {len(labels)}: lower --batch-products")
    if batching.missing == "refuse" and counts.min() < k:
        short = int((counts < k).sum())
        raise FashretError(
            f"{counted(short, 'product has', 'products have')} fewer than {k} images: "
            "lower --batch-images or set --missing"
        )


def epoch_batches(
    product: NDArray,
    domain: NDArray,
    category: NDArray,
    batching: Batching,
    epoch: int,
    place: Place = ALONE,
) -> list[Rows]:
    """The batches of one epoch for one process.

    Parameters
    ----------
    product, domain, category
        N integers each: what the training rows show.
    epoch
        From 0; each epoch draws its own batches.
    place
        This process among those that share each batch: it gets every `world`-th product (P×K) or row.

    Returns
    -------
    List of arrays of P·K / world rows, those of a product side by side; −1 is an empty place. Every product's images
    are dealt into groups of K, so that an epoch shows each image about once; groups that make no full batch at the
    end wait for another epoch.

    >>> product, zeros = np.array([0, 0, 1, 1, 2, 2]), np.zeros(6, int)
    >>> batches = epoch_batches(product, zeros, zeros, Batching(products=3, images=2), epoch=0)
    >>> len(batches), sorted(batches[0].tolist())
    (1, [0, 1, 2, 3, 4, 5])
    """
    random = np.random.default_rng([batching.seed, epoch])
    if batching.products == 0:
        return [rows[place.rank :: place.world] for rows in _random_batches(len(product), batching.images, random)]
    groups = {int(label): _groups(rows, domain, batching, random) for label, rows in _by_value(product)}
    if batching.same_category:
        shelf_of = dict(zip(product.tolist(), category.tolist(), strict=True))
        shelves: dict[int, dict[int, list[Rows]]] = {}
        for label, dealt in groups.items():
            shelves.setdefault(shelf_of[label], {})[label] = dealt
        batches = [batch for shelf in shelves.values() for batch in _product_batches(shelf, batching, random)]
        random.shuffle(batches)  # the categories take turns
    else:
        batches = list(_product_batches(groups, batching, random))
    return [np.concatenate(batch[place.rank :: place.world]) for batch in batches]


def _random_batches(count: int, size: int, random: np.random.Generator) -> list[Rows]:
    """All rows in random order in batches of `size`; a smaller rest is left out, unless it is everything."""
    order = random.permutation(count)
    return [order[i : i + size] for i in range(0, max(1, count - size + 1), size)]


def _by_value(labels: NDArray) -> Sequence[tuple[int, Rows]]:
    """Each different label with the rows that carry it."""
    values, counts = np.unique(labels, return_counts=True)
    rows = np.split(np.argsort(labels, kind="stable"), np.cumsum(counts)[:-1])
    return list(zip(values, rows, strict=True))


def _groups(rows: Rows, domain: NDArray, batching: Batching, random: np.random.Generator) -> list[Rows]:
    """Deal a product's rows into groups of K, each with both domains where the product has both.

    A rest smaller than K is left out when resampling, since its images come up in other epochs; when masking it becomes
    a group of its own with empty places, unless it is a single image.
    """
    k = batching.images
    rows = random.permutation(rows)
    if len(rows) < k:
        return [_filled(rows, k, batching.missing, random)]
    count = len(rows) // k
    if batching.missing == "mask" and len(rows) % k > 1:
        count += 1
    fewer, more = _two_domains(rows, domain)
    if len(fewer) == 0 or k == 1:
        dealt = [rows[i * k : (i + 1) * k] for i in range(count)]
    else:
        dealt = _dealt(fewer, more, count, k)
    return [_filled(group, k, batching.missing, random) for group in dealt]


def _two_domains(rows: Rows, domain: NDArray) -> tuple[Rows, Rows]:
    """Rows of the rarer and of the more frequent domain."""
    street = domain[rows] == domain[rows[0]]
    fewer, more = rows[street], rows[~street]
    return (fewer, more) if len(fewer) < len(more) else (more, fewer)


def _dealt(fewer: Rows, more: Rows, count: int, k: int) -> list[Rows]:
    """Groups of at most K, each with a row of either domain first; the rarer domain's rows come up again if need be."""
    rest = np.concatenate([fewer[count:], more[count:]])
    groups = []
    for i in range(count):
        both = [fewer[i % len(fewer)], more[i % len(more)]]
        groups.append(np.concatenate([both, rest[i * (k - 2) : (i + 1) * (k - 2)]]))
    return groups


def _filled(group: Rows, k: int, missing: str, random: np.random.Generator) -> Rows:
    """A group brought to K rows: by drawing some again, or by empty places."""
    short = k - len(group)
    more = random.choice(group, short) if missing == "resample" else np.full(short, -1)
    return np.concatenate([group, more]).astype(np.int64)


def _product_batches(
    groups: dict[int, list[Rows]], batching: Batching, random: np.random.Generator
) -> list[list[Rows]]:
    """Draw P different products with a group left, again and again while there are as many.

    In a category with fewer than P products the batch is filled with empty places.
    """
    labels = np.array(list(groups))
    wanted = min(batching.products, len(labels))
    if wanted < 2:
        return []  # a category with a single product: nothing to tell apart
    left = {label: list(dealt) for label, dealt in groups.items()}
    empty = [np.full(batching.images, -1, np.int64)] * (batching.products - wanted)
    batches = []
    while len(labels) >= wanted:
        places = random.choice(len(labels), wanted, replace=False)
        chosen = labels[places].tolist()
        batches.append([left[label].pop() for label in chosen] + empty)
        labels = np.delete(labels, [place for place, label in zip(places, chosen, strict=True) if not left[label]])
    return batches
