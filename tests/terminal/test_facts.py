"""Results about one file: names are printed as they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fashret.detecting.photos import FoundGarment
from fashret.stages.info import Info
from fashret.stages.search_garments import GarmentHits, GarmentSearch
from fashret.stages.search_photo import Hit, PhotoSearch
from fashret.stages.show import ShowSummary
from fashret.terminal import RENDERERS
from fashret.terminal.facts import file_facts, garment_hits, photo_hits, picture_facts
from tests.terminal import printed


@pytest.mark.parametrize(
    "result",
    [
        Info(Path("a[red].h5"), "fashret.crops", {"rows": {"[b]": 12345, "usable": True}, "none": {}}),
        ShowSummary(Path("row[b].png"), 3, "p[i]1", "photos/[b].jpg", {"plain": 2, "re-ranked": 0}),
        PhotoSearch(Path("q.jpg"), Path("a.h5"), 9, (Hit(1, "", 0.25, "photos/[b]1.jpg", 4),)),
    ],
)
def test_names_are_printed_as_they_are(result: Any) -> None:
    text = printed(result)
    assert "[b]" in text and "None" not in text


def test_each_is_printed_by_its_own_function() -> None:
    assert [RENDERERS[name] for name in ("Info", "ShowSummary", "PhotoSearch")] == [
        file_facts,
        picture_facts,
        photo_hits,
    ]


def test_facts_of_a_file() -> None:
    text = printed(Info(Path("a.h5"), "fashret.crops", {"rows": {"rows": 12345, "usable": True}, "empty": {}}))
    assert text.splitlines() == ["a.h5: fashret.crops", "rows", f"  {'rows':<18} 12,345", f"  {'usable':<18} True"]


def test_facts_of_a_picture() -> None:
    lines = printed(ShowSummary(Path("a.png"), 3, "p1", "b.jpg", {"plain": 2, "re-ranked": 0})).splitlines()
    assert (
        lines[0] == f"{'picture':<22} a.png" and lines[-1] == f"{'rank of the first hit':<22} plain 2, re-ranked none"
    )


def found_with(**columns: list[Any]) -> PhotoSearch:
    each = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    hits = (Hit(i + 1, f"p{i}", 0.25, "a.jpg", i, values) for i, values in enumerate(each))
    return PhotoSearch(Path("q.jpg"), Path("a.h5"), 9, tuple(hits))


def test_further_columns_of_products_are_shown_as_far_as_they_fit() -> None:
    columns = {
        "title": ["Red [b]dress[/b]", "x" * 300],
        "price": [19.0, None],
        "\x1b[31m": ["a\nb\u202e", "\x1b]0;owned\x07"],
        "unknown": [None, None],
        "long": ["y" * 39, "z"],
        "sale": [True, False],
    }
    wide = printed(found_with(**columns), width=200)
    assert "[b]dress[/b]" in wide and "x" * 19 + "…" in wide and " 19 " in wide and "true" in wide
    assert "\x1b" not in wide and "\\x1b[31m" in wide and "a\\nb\\u202e" in wide
    assert "unknown" not in wide and "also known" not in wide
    narrow = printed(found_with(**columns), width=80)
    assert max(map(len, narrow.splitlines())) <= 80
    assert "sale" in narrow and "also known: title, long; --json has all" in narrow


def test_products_found_for_a_photo() -> None:
    hits = (Hit(1, "p1", 0.25, "a.jpg", 4), Hit(2, "", 0.5, "a/b.jpg", 0))
    lines = [line.split() for line in printed(PhotoSearch(Path("q.jpg"), Path("a.h5"), 9, hits)).splitlines()]
    assert ["1", "p1", "0.2500", "a.jpg"] in lines and ["2", "b.jpg", "0.5000", "a/b.jpg"] in lines


def test_products_of_the_garments_of_a_photo() -> None:
    garment = FoundGarment(1, "", "bot[b]tom", 0.876, (1.2, 2, 30.7, 40))
    hits = (Hit(1, "p[b]1", 0.25, "photos/1.jpg", 4),)
    text = printed(GarmentSearch(Path("a.jpg"), Path("s.h5"), "d", 9, 3, (GarmentHits(garment, hits),)))
    assert "1 bot[b]tom  score 0.88, box 1,2,31,40" in text and "p[b]1" in text
    assert "a.jpg: no garment found" in printed(GarmentSearch(Path("a.jpg"), Path("s.h5"), "d", 9, 0, ()))
    assert RENDERERS["GarmentSearch"] is garment_hits
