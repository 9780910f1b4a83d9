"""What detectors call garments, in the words of a dataset: tables, or a user's own map.

In: the classes of a detector. Out: for each class its `Kind`, which says the categories that it can be, or None where
the words that are asked for have none for it.

A class that is wider than the words (bottom: pants, skirts or leggings) can be any of several categories; files leave
its category empty. A class that says nothing (garment) can be any category.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fashret.choices import LABELS
from fashret.errors import FashretError

Table = Mapping[str, str]  # class → categories, joined by "|"; "" = any; a class that is not there has none

STREET2SHOP, DEEPFASHION2, MODANET = LABELS
ANYTHING = {"garment": "", "clothing": "", "clothes": "", "item": ""}  # classes that say nothing

S2S_WORDS = (
    "bags",
    "belts",
    "dresses",
    "eyewear",
    "footwear",
    "hats",
    "leggings",
    "outerwear",
    "pants",
    "skirts",
    "tops",
)
DF2_TOPS = "short sleeve top|long sleeve top|vest|sling"
DF2_COATS = "short sleeve outwear|long sleeve outwear"
DF2_DRESSES = "short sleeve dress|long sleeve dress|vest dress|sling dress"
DF2_WORDS = (*DF2_TOPS.split("|"), *DF2_COATS.split("|"), "shorts", "trousers", "skirt", *DF2_DRESSES.split("|"))
MODANET_WORDS = (
    "bag", "belt", "boots", "footwear", "outer", "dress", "sunglasses", "pants", "top", "shorts", "skirt", "headwear",
    "scarf & tie",
)  # fmt: skip
GROUPS = ("bag", "bottom", "dress", "hat", "outer", "shoes", "top", "accessory")  # of several published detectors
FASHIONPEDIA = (  # of which the last 19 are parts of garments
    "shirt, blouse", "top, t-shirt, sweatshirt", "sweater", "cardigan", "jacket", "vest", "pants", "shorts", "skirt",
    "coat", "dress", "jumpsuit", "cape", "glasses", "hat", "headband, head covering, hair accessory", "tie", "glove",
    "watch", "belt", "leg warmer", "tights, stockings", "sock", "shoe", "bag, wallet", "scarf", "umbrella",
    "hood", "collar", "lapel", "epaulette", "sleeve", "pocket", "neckline", "buckle", "zipper", "applique", "bead",
    "bow", "flower", "fringe", "ribbon", "rivet", "ruffle", "sequin", "tassel",
)  # fmt: skip
WORDS = {STREET2SHOP: S2S_WORDS, DEEPFASHION2: DF2_WORDS, MODANET: MODANET_WORDS}
CLASSES = {**WORDS, "groups": GROUPS, "fashionpedia": FASHIONPEDIA}

TABLES: dict[tuple[str, str], Table] = {  # (whose classes, whose words)
    (DEEPFASHION2, STREET2SHOP): {
        **dict.fromkeys(DF2_TOPS.split("|"), "tops"), **dict.fromkeys(DF2_COATS.split("|"), "outerwear"),
        **dict.fromkeys(DF2_DRESSES.split("|"), "dresses"), "trousers": "pants|leggings", "skirt": "skirts",
    },
    (MODANET, STREET2SHOP): {
        "bag": "bags", "belt": "belts", "boots": "footwear", "footwear": "footwear", "outer": "outerwear",
        "dress": "dresses", "sunglasses": "eyewear", "pants": "pants|leggings", "top": "tops", "skirt": "skirts",
        "headwear": "hats",
    },
    ("groups", STREET2SHOP): {
        "bag": "bags", "bottom": "pants|skirts|leggings", "dress": "dresses", "hat": "hats", "outer": "outerwear",
        "shoes": "footwear", "top": "tops",
    },
    ("fashionpedia", STREET2SHOP): {
        "shirt, blouse": "tops", "top, t-shirt, sweatshirt": "tops", "sweater": "tops", "cardigan": "outerwear",
        "jacket": "outerwear", "vest": "outerwear", "coat": "outerwear", "cape": "outerwear", "pants": "pants|leggings",
        "skirt": "skirts", "dress": "dresses", "glasses": "eyewear", "hat": "hats", "belt": "belts",
        "tights, stockings": "leggings", "shoe": "footwear", "bag, wallet": "bags",
    },
    (STREET2SHOP, DEEPFASHION2): {
        "dresses": DF2_DRESSES, "leggings": "trousers", "outerwear": DF2_COATS, "pants": "trousers", "skirts": "skirt",
        "tops": DF2_TOPS,
    },
    (MODANET, DEEPFASHION2): {
        "outer": DF2_COATS, "dress": DF2_DRESSES, "pants": "trousers", "top": DF2_TOPS, "shorts": "shorts",
        "skirt": "skirt",
    },
    ("groups", DEEPFASHION2): {
        "bottom": "shorts|trousers|skirt", "dress": DF2_DRESSES, "outer": DF2_COATS, "top": DF2_TOPS,
    },
    ("fashionpedia", DEEPFASHION2): {
        "shirt, blouse": DF2_TOPS, "top, t-shirt, sweatshirt": DF2_TOPS, "sweater": "long sleeve top",
        "cardigan": "long sleeve outwear", "jacket": "long sleeve outwear", "coat": "long sleeve outwear",
        "cape": DF2_COATS, "pants": "trousers", "shorts": "shorts", "skirt": "skirt", "dress": DF2_DRESSES,
    },
    (STREET2SHOP, MODANET): {
        "bags": "bag", "belts": "belt", "dresses": "dress", "eyewear": "sunglasses", "footwear": "footwear",
        "hats": "headwear", "leggings": "pants", "outerwear": "outer", "pants": "pants", "skirts": "skirt",
        "tops": "top",
    },
    (DEEPFASHION2, MODANET): {
        **dict.fromkeys(DF2_TOPS.split("|"), "top"), **dict.fromkeys(DF2_COATS.split("|"), "outer"),
        **dict.fromkeys(DF2_DRESSES.split("|"), "dress"), "shorts": "shorts", "trousers": "pants", "skirt": "skirt",
    },
    ("groups", MODANET): {
        "bag": "bag", "bottom": "pants|shorts|skirt", "dress": "dress", "hat": "headwear", "outer": "outer",
        "shoes": "footwear|boots", "top": "top",
    },
    ("fashionpedia", MODANET): {
        "shirt, blouse": "top", "top, t-shirt, sweatshirt": "top", "sweater": "top|outer", "cardigan": "outer",
        "jacket": "outer", "vest": "outer", "coat": "outer", "cape": "outer", "pants": "pants", "shorts": "shorts",
        "skirt": "skirt", "dress": "dress", "glasses": "sunglasses", "hat": "headwear",
        "headband, head covering, hair accessory": "headwear", "tie": "scarf & tie", "scarf": "scarf & tie",
        "belt": "belt", "shoe": "footwear|boots", "bag, wallet": "bag",
    },
}  # fmt: skip


@dataclass(frozen=True)
class Kind:
    """What a class of a detector can be; `categories` () = anything."""

    name: str  # as people are shown it
    categories: tuple[str, ...]

    @property
    def category(self) -> str:
        """Its category in files; empty if it can be several."""
        return self.categories[0] if len(self.categories) == 1 else ""

    def can_be(self, category: str) -> bool:
        """Whether a garment of the category may be found as this."""
        return not self.categories or category in self.categories


@dataclass(frozen=True)
class LabelMap:
    """How classes become kinds: by the words of a dataset, a user's map, or not at all.

    ``words``: a name of `LABELS`; empty = by ``given``, or as they are where that is None. ``given``: class →
    categories joined by "|", in the key "" for all detectors and by the detector's name for one; None in place of
    categories = to be left out.
    """

    words: str = ""
    given: Mapping[str, Mapping[str, str | None]] | None = None

    def kinds(self, name: str, classes: Sequence[str]) -> list[Kind | None]:
        """The kind of each class of the detector `name`; None: left out."""
        if self.given is not None:
            known = {**self.given.get("", {}), **self.given.get(name, {})}
            return [_kind(each, known.get(plain(each))) for each in classes]
        if not self.words:
            return [Kind(each, () if plain(each) in ANYTHING else (each,)) for each in classes]
        known = {**dict.fromkeys(ANYTHING, ""), **table_of(classes, self.words)}
        return [_kind(each, known.get(plain(each))) for each in classes]

    def expected(self, name: str) -> set[str]:
        """Classes of the detector `name` that are left out because the user's map says so."""
        given = self.given or {}
        known = {**given.get("", {}), **given.get(name, {})}
        return {label for label, categories in known.items() if categories is None}

    def unknown(self, classes: Mapping[str, Sequence[str]]) -> list[str]:
        """Detectors and classes that the user's map names and nobody has; `classes` by the detector's name."""
        there = {name: {plain(each) for each in of_one} for name, of_one in classes.items()}
        everywhere = {each for of_one in there.values() for each in of_one}
        odd = []
        for name, known in (self.given or {}).items():
            if name and name not in there:
                odd.append(f"[{name}]")
            else:
                odd += [f"{label!r}" for label in known if label not in there.get(name, everywhere)]
        return odd


def table_of(classes: Sequence[str], words: str) -> Table:
    """Class → categories in the words of a dataset, for a detector with these classes.

    >>> table_of(["bag", "bottom", "dress", "hat", "shoes", "outer", "top"], "street2shop")["bottom"]
    'pants|skirts|leggings'
    """
    names = {plain(each) for each in classes}
    whose = max(CLASSES, key=lambda each: (len(names.intersection(CLASSES[each])), each == words))
    same = {word: word for word in WORDS[words]}
    return same if whose == words else {**same, **TABLES[whose, words]}


def words_of(categories: Sequence[str]) -> str:
    """The dataset whose words all of some categories are; empty if there is none.

    >>> words_of(["tops", "bags"]), words_of(["trousers"]), words_of(["mugs"])
    ('street2shop', 'deepfashion2', '')
    """
    return next((name for name, words in WORDS.items() if categories and set(categories) <= set(words)), "")


def read_labels(text: str) -> LabelMap:
    """What `--labels` asks for: a dataset's words, or a TOML file.

    Raises
    ------
    FashretError
        If it is neither, or the file says something else than names.
    """
    if not text or text in LABELS:
        return LabelMap(text)
    path = Path(text)
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FashretError(f"--labels {text}: no such file; give {', '.join(LABELS)} or a TOML file") from None
    except OSError as error:
        raise FashretError(f"--labels {text}: cannot be read ({error.strerror})") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise FashretError(f"--labels {text}: is not TOML ({error})") from None
    given: dict[str, dict[str, str | None]] = {"": {}}
    for key, value in content.items():
        if isinstance(value, dict):
            given[key] = {plain(name): _categories(text, name, each) for name, each in value.items()}
        else:
            given[""][plain(key)] = _categories(text, key, value)
    return LabelMap(given=given)


def _categories(where: str, label: str, value: Any) -> str | None:
    """One value of a user's map: a category, several, "" for any, false for none."""
    names = [value] if isinstance(value, str) else value
    if value is False:
        return None
    if not isinstance(names, list) or not all(isinstance(name, str) and "|" not in name for name in names):
        raise FashretError(
            f"--labels {where}: {label}: write a category, a list of categories, or false to leave it out"
        )
    return "|".join(name.strip() for name in names)


def _kind(label: str, categories: str | None) -> Kind | None:
    if categories is None:
        return None
    several = tuple(categories.split("|")) if categories else ()
    return Kind(several[0] if len(several) == 1 else label, several)


def plain(label: str) -> str:
    """A class as tables have it: without capitals and underscores.

    >>> plain("Short_Sleeve top ")
    'short sleeve top'
    """
    return " ".join(label.lower().replace("_", " ").split())
