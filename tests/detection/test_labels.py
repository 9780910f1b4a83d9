"""Classes of detectors in the words of datasets, and users' own maps."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fashret import choices
from fashret.datasets import deepfashion2, street2shop
from fashret.detection.labels import CLASSES, FASHIONPEDIA, GROUPS, TABLES, WORDS, Kind, LabelMap, plain, read_labels
from fashret.detection.labels import words_of as words_of_categories
from fashret.errors import FashretError
from fashret.files.tables.manifests import find_manifest

SEVEN = GROUPS[:7]


def test_words_are_those_of_the_datasets() -> None:
    assert set(WORDS["street2shop"]) == set(street2shop.CATEGORIES)
    assert set(WORDS["deepfashion2"]) == set(deepfashion2.CATEGORIES)
    modanet = find_manifest("modanet").layout.partition("polygons of ")[2].partition(";")[0]
    assert set(WORDS["modanet"]) == set(modanet.split(", "))
    assert tuple(WORDS) == choices.LABELS and len(FASHIONPEDIA) == 46


def test_tables_know_only_classes_and_words_of_the_datasets() -> None:
    for (whose, words), table in TABLES.items():
        assert set(table) <= set(CLASSES[whose])
        assert {name for names in table.values() for name in names.split("|")} <= set(WORDS[words])
        assert all(plain(name) == name for name in table)
    assert {(whose, words) for whose in CLASSES for words in WORDS if whose != words} == set(TABLES)


@pytest.mark.parametrize(
    ("classes", "words", "label", "categories"),
    [
        (SEVEN, "street2shop", "bottom", ("pants", "skirts", "leggings")),
        (SEVEN, "modanet", "hat", ("headwear",)),
        (FASHIONPEDIA, "street2shop", "vest", ("outerwear",)),  # a waistcoat there
        (WORDS["deepfashion2"], "street2shop", "vest", ("tops",)),  # without sleeves there
        (WORDS["street2shop"], "modanet", "bags", ("bag",)),
        (WORDS["modanet"], "modanet", "scarf & tie", ("scarf & tie",)),
        (WORDS["deepfashion2"], "modanet", "trousers", ("pants",)),
        (FASHIONPEDIA, "deepfashion2", "sweater", ("long sleeve top",)),
    ],
)
def test_a_class_is_read_among_the_classes_of_its_detector(
    classes: tuple[str, ...], words: str, label: str, categories: tuple[str, ...]
) -> None:
    kind = dict(zip(classes, LabelMap(words).kinds("d", classes), strict=True))[label]
    assert kind is not None and kind.categories == categories
    assert kind.category == (categories[0] if len(categories) == 1 else "")
    assert kind.name == (categories[0] if len(categories) == 1 else label)


def test_classes_without_a_word_have_no_kind() -> None:
    kinds = LabelMap("street2shop").kinds("d", FASHIONPEDIA)
    assert all(kind is None for kind in kinds[27:])  # sleeves and such
    assert kinds[FASHIONPEDIA.index("umbrella")] is None


def test_capitals_and_underscores_do_not_matter() -> None:
    [kind, other] = LabelMap("street2shop").kinds("d", ["Short_Sleeve_Top", "Sling  dress"])
    assert kind == Kind("tops", ("tops",)) and other == Kind("dresses", ("dresses",))


def test_one_class_can_be_anything() -> None:
    for labels in (LabelMap(), LabelMap("modanet")):
        [kind] = labels.kinds("d", ["garment"])
        assert kind == Kind("garment", ()) and kind.category == "" and kind.can_be("bags")


def test_without_words_classes_are_categories() -> None:
    kinds = LabelMap().kinds("d", ["Cap", "mug"])
    assert kinds == [Kind("Cap", ("Cap",)), Kind("mug", ("mug",))]
    assert kinds[0].can_be("Cap") and not kinds[0].can_be("mug")


def test_words_of_categories() -> None:
    assert words_of_categories(["pants", "skirts"]) == "street2shop"
    assert words_of_categories(["pants", "skirt"]) == "modanet"
    assert words_of_categories([]) == words_of_categories(["pants", "cups"]) == ""


MAP = """
Top = "shirts"
bottom = ["jeans", "skirts"]
sleeve = false
thing = ""
[second]
top = "tees"
"""


def test_a_map_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "map.toml").write_text(MAP)
    labels = read_labels(str(tmp_path / "map.toml"))
    classes = ["top", "bottom", "sleeve", "thing", "shoe"]
    first, second = labels.kinds("first", classes), labels.kinds("second", classes)
    assert first == [Kind("shirts", ("shirts",)), Kind("bottom", ("jeans", "skirts")), None, Kind("thing", ()), None]
    assert second == [Kind("tees", ("tees",)), *first[1:]]
    assert labels.expected("first") == {"sleeve"}
    assert labels.unknown({"first": classes[1:], "third": ["x"]}) == ["'top'", "[second]"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("top = 3", "top: write a category, a list of categories, or false to leave it out"),
        ("top = true", "top: write a category"),
        ("top = ['a|b']", "top: write a category"),
        ("[a]\ntop = [['x']]", "top: write a category"),
        ("top = ", "is not TOML"),
        (b"\xff = 1", "is not TOML"),
    ],
)
def test_maps_that_say_something_else(tmp_path: Path, text: str | bytes, message: str) -> None:
    path = tmp_path / "map.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(FashretError, match=re.escape(message)):
        read_labels(str(path))


def test_words_and_files_that_are_not_there(tmp_path: Path) -> None:
    assert read_labels("modanet") == LabelMap("modanet") and read_labels("") == LabelMap()
    with pytest.raises(FashretError, match="--labels modanets: no such file; give street2shop, deepfashion2, modanet"):
        read_labels("modanets")
    with pytest.raises(FashretError, match="cannot be read"):
        read_labels(str(tmp_path))
