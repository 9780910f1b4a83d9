"""Found garments in three forms, as the readers of manifests take them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from fashret.errors import FashretError
from fashret.files.columns import Domain, Role
from fashret.files.tables.catalogue_tables import read_table
from fashret.files.tables.found_garments import About, FoundPhoto, Garment, check_ending, role_text, write_found

ABOUT = About("one+two", {"title": "text", "price": "number"}, {"detectors": [{"name": "one"}]})
BOX = (1.5, 2.0, 30.25, 40.13)


def garment(category: str, product: str = "", **more: object) -> Garment:
    role = Role.QUERY | Role.GALLERY if product else Role.GALLERY
    return Garment(BOX, category, 0.5, product, Domain.STREET, role, more)


def photos() -> Iterator[FoundPhoto]:
    yield FoundPhoto("a,b.jpg", (60, 80), (garment("tops", "p/1", title='Red "T"', price=9.5), garment("", title=None)))
    yield FoundPhoto("without.jpg", (10, 20), ())
    yield FoundPhoto("c.jpg", (5, 5), (garment("bags", title="Tasche"),))


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_tables_are_read_as_manifests(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"found.{ending}"
    write_found(path, photos, ABOUT)
    rows = read_table(path).rows
    assert rows.source.tolist() == ["a,b.jpg", "a,b.jpg", "c.jpg"]
    np.testing.assert_array_equal(rows.box, np.array([BOX] * 3, np.float32))
    assert rows.product.tolist() == ["p/1", "", ""]
    assert rows.categories == ("bags", "tops") and rows.category.tolist() == [1, -1, 0]
    assert rows.role.tolist() == [Role.QUERY | Role.GALLERY, Role.GALLERY, Role.GALLERY]
    assert set(rows.domain.tolist()) == {Domain.STREET}


def test_csv_has_the_columns_that_came_in(tmp_path: Path) -> None:
    write_found(tmp_path / "found.csv", photos, ABOUT)
    lines = (tmp_path / "found.csv").read_text().splitlines()
    assert lines[0] == "image,product,domain,role,category,x1,y1,x2,y2,score,detector,title,price"
    assert lines[1] == '"a,b.jpg",p/1,street,query+gallery,tops,1.5,2,30.25,40.13,0.5,one+two,"Red ""T""",9.5'
    assert lines[2] == '"a,b.jpg",,street,gallery,,1.5,2,30.25,40.13,0.5,one+two,,'


def test_coco_has_every_photo_and_sizes(tmp_path: Path) -> None:
    write_found(tmp_path / "found.coco.json", photos, ABOUT)
    content = json.loads((tmp_path / "found.coco.json").read_text())
    assert content["info"] == ABOUT.record
    assert content["images"][1] == {"id": 2, "file_name": "without.jpg", "width": 10, "height": 20}
    assert content["categories"] == [{"id": 0, "name": "none"}, {"id": 1, "name": "bags"}, {"id": 2, "name": "tops"}]
    first, second, third = content["annotations"]
    assert (first["image_id"], first["category_id"], first["bbox"]) == (1, 2, [1.5, 2.0, 28.75, 38.13])
    assert first["title"] == 'Red "T"' and first["score"] == 0.5 and first["iscrowd"] == 0
    assert (second["category_id"], third["image_id"], third["category_id"]) == (0, 3, 1)
    assert [each["id"] for each in content["annotations"]] == [1, 2, 3] and "title" not in second


def test_nothing_found(tmp_path: Path) -> None:
    for name in ("a.csv", "a.parquet", "a.coco.json"):
        write_found(tmp_path / name, lambda: [], ABOUT)
        assert (tmp_path / name).exists()
    assert json.loads((tmp_path / "a.coco.json").read_text())["annotations"] == []
    with pytest.raises(FashretError, match="has no rows"):
        read_table(tmp_path / "a.parquet")


def test_parquet_says_what_found_them(tmp_path: Path) -> None:
    from pyarrow import parquet

    write_found(tmp_path / "a.parquet", photos, ABOUT)
    assert json.loads(parquet.read_schema(tmp_path / "a.parquet").metadata[b"fashret"]) == ABOUT.record


def test_an_error_leaves_the_file_that_was_there(tmp_path: Path) -> None:
    def broken() -> Iterator[FoundPhoto]:
        yield from photos()
        raise FashretError("stop")

    (tmp_path / "a.csv").write_text("before")
    with pytest.raises(FashretError, match="stop"):
        write_found(tmp_path / "a.csv", broken, ABOUT)
    assert (tmp_path / "a.csv").read_text() == "before" and len(list(tmp_path.iterdir())) == 1


def test_endings() -> None:
    for name in ("a.csv", "a.CSV", "a.parquet", "a.coco.json", "a.json"):
        check_ending(Path(name))
    with pytest.raises(FashretError, match=r"a.h5: name the output .csv, .parquet or .coco.json"):
        check_ending(Path("a.h5"))


def test_roles_as_tables_have_them() -> None:
    assert role_text(Role(0)) == "" and role_text(Role.VAL_QUERY) == "val_query"
