"""Which products exist: families of near twins, and the split each family goes to.

In: a number of products and a seed. Out: a list of `Product`, the same for the same numbers.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np

from fashret.demo.fabrics import COLOURS, PATTERNS, luminance
from fashret.demo.shapes import MOTIFS
from fashret.demo.styles import CUTS

CATEGORIES = tuple(CUTS)

_CLOTHING = ("none", "buttons", "zip", "pockets", "contrast", "fringe", "piping", "bow", "band", "studs")
TRIMS: dict[str, tuple[str, ...]] = {
    "bags": ("none", "zip", "contrast", "fringe", "piping", "bow", "band", "studs"),
    "belts": ("none", "contrast", "piping", "studs"),
    "dresses": tuple(t for t in _CLOTHING if t != "zip"),
    "eyewear": ("none", "contrast", "piping", "studs", "bow"),
    "footwear": ("none", "contrast", "piping", "band", "bow", "studs"),
    "hats": ("none", "contrast", "piping", "bow", "band", "studs"),
    "leggings": ("none", "contrast", "piping", "zip", "pockets", "band"),
    "outerwear": ("none", "buttons", "zip", "pockets", "contrast", "fringe", "piping", "band", "studs"),
    "pants": ("none", "buttons", "pockets", "contrast", "fringe", "piping", "bow", "band", "studs"),
    "skirts": tuple(t for t in _CLOTHING if t != "piping"),
    "tops": _CLOTHING,
}
"""Category → the trims that it can carry."""

TWINS = 4  # products in a family: one and three that differ from it in one attribute each
ATTRIBUTES = ("style", "pattern", "colours", "trim", "print")


@dataclass(frozen=True)
class Product:
    """Everything that identifies a product; two products differ in at least one field beside `number` and `family`."""

    number: int
    family: int
    category: str
    style: str
    pattern: str
    colours: tuple[str, str, str]  # cloth, pattern, accent
    trim: str
    print: str  # a motif, or "none"
    split: str  # train, val or test

    @property
    def name(self) -> str:
        """Identity in the manifest, such as ``tops/0012``."""
        return f"{self.category}/{self.number:04d}"

    @property
    def looks(self) -> tuple[object, ...]:
        """What can be seen of the product."""
        return tuple(getattr(self, f.name) for f in fields(self) if f.name not in ("number", "family", "split"))


def _other(rng: np.random.Generator, choices: list[str], current: str) -> str:
    return str(rng.choice([c for c in choices if c != current]))


def _colours(rng: np.random.Generator, base: str | None = None) -> tuple[str, str, str]:
    """Cloth, a pattern colour that stands out from it and an accent that stands out from it."""
    names = list(COLOURS)
    cloth = base or str(rng.choice(names))

    def stands_out(name: str) -> bool:
        return abs(luminance(COLOURS[name]) - luminance(COLOURS[cloth])) > 60

    second = str(rng.choice([n for n in names if stands_out(n)]))
    accent = str(rng.choice([n for n in names if stands_out(n) and n != second]))
    return cloth, second, accent


def _first(rng: np.random.Generator, family: int) -> Product:
    category = CATEGORIES[family % len(CATEGORIES)]
    pattern = "plain" if rng.random() < 0.2 else str(rng.choice([p for p in PATTERNS if p != "plain"]))
    motif = str(rng.choice(list(MOTIFS))) if rng.random() < 0.5 else "none"
    style, trim = str(rng.choice(list(CUTS[category]))), str(rng.choice(TRIMS[category]))
    return Product(0, family, category, style, pattern, _colours(rng), trim, motif, "train")


def _twin(rng: np.random.Generator, product: Product, attribute: str) -> Product:
    """The product with one attribute changed."""
    if attribute == "style":
        return replace(product, style=_other(rng, list(CUTS[product.category]), product.style))
    if attribute == "pattern":
        return replace(product, pattern=_other(rng, list(PATTERNS), product.pattern))
    if attribute == "colours":
        return replace(product, colours=_colours(rng, _other(rng, list(COLOURS), product.colours[0])))
    if attribute == "trim":
        return replace(product, trim=_other(rng, list(TRIMS[product.category]), product.trim))
    return replace(product, print=_other(rng, [*MOTIFS, "none"], product.print))


def _splits(families: int) -> list[str]:
    """Every third family to test, every twelfth to validation, the rest to train: all categories get some of each."""
    names = []
    for family in range(families):
        turn = family // len(CATEGORIES) + family % len(CATEGORIES)  # shift by one each round of the categories
        names.append("test" if turn % 3 == 0 else "val" if turn % 12 == 1 else "train")
    return names


def products(count: int, seed: int) -> list[Product]:
    """All products of a demo, twins beside each other, no two alike.

    Parameters
    ----------
    count : number of products.
    seed : any integer ≥ 0; equal arguments give equal lists.
    """
    families = -(-count // TWINS)
    splits = _splits(families)
    chosen: list[Product] = []
    seen: set[tuple[object, ...]] = set()
    for family in range(families):
        rng = np.random.default_rng((seed, family, 0))
        order = rng.permutation(ATTRIBUTES)[: TWINS - 1]
        first = _first(rng, family)
        while first.looks in seen:
            first = _first(rng, family)
        members = [first]
        for attribute in order:
            twin = _twin(rng, first, attribute)
            while twin.looks in seen or twin.looks in [m.looks for m in members]:
                twin = _twin(rng, first, attribute)
            members.append(twin)
        for member in members:
            seen.add(member.looks)
            chosen.append(replace(member, number=len(chosen), split=splits[family]))
    return chosen[:count]
