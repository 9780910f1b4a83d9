"""Further columns of a table on their way: crop, embed from crops and from the table, --append, centroids."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from fashret.files.columns import RowFile
from fashret.files.crops import open_crops
from fashret.files.embeddings import open_embeddings
from fashret.options import CropOptions
from fashret.stages import crop, embed
from tests.catalogue_case import OPTIONS
from tests.dataset_case import photo, write
from tests.training_case import add_tiny_backbone

HEADER = "image,product,title,price,stock,sale"
ROWS = [
    "0.png,p,Red <b>dress</b>,19.99,3,true",
    "1.png,p,Red <b>dress</b>,19.99,,true",
    "2.png,q,Shirt,5,0,",
    "3.png,q,Shirt blue,5,2,false",
]
COLUMNS: dict[str, tuple[str, list[Any]]] = {
    "title": ("text", ["Red <b>dress</b>", "Red <b>dress</b>", "Shirt", "Shirt blue"]),
    "price": ("number", [19.99, 19.99, 5.0, 5.0]),
    "stock": ("integer", [3, None, 0, 2]),
    "sale": ("boolean", [True, True, None, False]),
}


@pytest.fixture
def table(tmp_path: Path) -> Path:
    add_tiny_backbone()
    for i in range(6):
        photo(tmp_path / f"{i}.png", (30 + i, 30), "red")
    return write(tmp_path / "shop.csv", "\n".join([HEADER, *ROWS]))


def plain(file: RowFile) -> dict[str, tuple[str, list[Any]]]:
    with file:
        return {name: (each.kind, each.plain()) for name, each in file.rows.further.items()}


def cropped(table: Path, **options: Any) -> Path:
    output = table.with_name("out.crops.h5")
    crop.run(str(table), output, CropOptions(**options))
    return output


def embedded(source: Path, **options: Any) -> Path:
    output = source.with_name("out.emb.h5")
    embed.run(source, output, dataclasses.replace(OPTIONS, **options))
    return output


def test_from_a_table_through_crops_to_embeddings(table: Path) -> None:
    crops = cropped(table)
    assert plain(open_crops(crops)) == COLUMNS
    assert plain(open_embeddings(embedded(crops))) == COLUMNS
    assert plain(open_embeddings(embedded(table))) == COLUMNS


def test_a_photo_that_cannot_be_read_takes_its_values_along(table: Path) -> None:
    (table.parent / "1.png").write_bytes(b"no photo")
    expected = {name: (kind, values[:1] + values[2:]) for name, (kind, values) in COLUMNS.items()}
    assert plain(open_crops(cropped(table))) == expected
    assert plain(open_embeddings(embedded(table))) == expected


NEW = ["2.png,q,7.5,0,2026-11-29", "4.png,r,8,1,", "0.png,p,20,,2026-11-30"]
MERGED: dict[str, tuple[str, list[Any]]] = {
    "price": ("number", [7.5, 8.0, 20.0]),
    "stock": ("integer", [0, 1, None]),
    "added": ("date", ["2026-11-29", None, "2026-11-30"]),
    "title": ("text", ["Shirt", None, "Red <b>dress</b>"]),
    "sale": ("boolean", [None, None, True]),
}


@pytest.mark.parametrize("replaced", [False, True])
def test_append_takes_the_new_values_and_keeps_columns_that_the_table_no_longer_has(
    table: Path, replaced: bool
) -> None:
    crops, from_table = cropped(table), embedded(table)
    write(table, "\n".join(["image,product,price,stock,added", *NEW]))
    if replaced:  # another photo of the same name: its row is the same
        photo(table.parent / "0.png", (50, 40), "blue")
    assert plain(open_crops(cropped(table, append=True))) == MERGED
    assert plain(open_embeddings(embedded(table, append=True))) == MERGED
    from_table.unlink()
    write(table, "\n".join([HEADER, *ROWS]))
    cropped(table)
    embedded(crops)
    write(table, "\n".join(["image,product,price,stock,added", *NEW]))
    cropped(table)
    assert plain(open_embeddings(embedded(crops, append=True))) == MERGED


def test_centroids_keep_what_all_photos_of_a_product_say(table: Path) -> None:
    expected = {
        "title": ("text", ["Red <b>dress</b>", None]),
        "price": ("number", [19.99, 5.0]),
        "stock": ("integer", [None, None]),
        "sale": ("boolean", [True, None]),
    }
    assert plain(open_embeddings(embedded(table, centroids=True))) == expected
    assert plain(open_embeddings(embedded(cropped(table), centroids=True))) == expected


def test_a_table_without_further_columns_makes_no_group(table: Path) -> None:
    write(table, "image,product\n0.png,p\n")
    for path in (cropped(table), embedded(table)):
        with (open_crops if "crops" in path.name else open_embeddings)(path) as file:
            assert file.further_kinds == {} and "columns" not in file.file
