"""A drawn catalogue in the public datasets' layouts, read back by the readers of those datasets."""

import json

import numpy as np
import pytest
from PIL import Image

from fashret.datasets import deepfashion2, street2shop
from fashret.datasets import deepfashion_consumer_to_shop as deepfashion
from fashret.datasets.flags import CropFlags
from fashret.demo.layouts import LAYOUTS, write_layout
from fashret.files.columns import Domain, Role
from fashret.options import DemoOptions
from fashret.stages import demo

BOX = (10, 20, 110, 220)
ROWS = [  # image, product, domain, category, split, box; the photos are 400 × 600
    ("photos/bags/a-shop.jpg", "bags-1", "shop", "bags", "test", "", "", "", ""),
    ("photos/bags/a-street.jpg", "bags-1", "street", "bags", "test", *BOX),
    ("photos/tops/b-shop.jpg", "tops-7", "shop", "tops", "test", "", "", "", ""),
    ("photos/tops/b-street.jpg", "tops-7", "street", "tops", "test", *BOX),
    ("photos/tops/c-shop-1.jpg", "tops-8", "shop", "tops", "train", "", "", "", ""),
    ("photos/tops/c-shop-2.jpg", "tops-8", "shop", "tops", "train", "", "", "", ""),
    ("photos/tops/c-street.jpg", "tops-8", "street", "tops", "train", *BOX),
    ("photos/pants/d-shop.jpg", "pants-3", "shop", "pants", "val", "", "", "", ""),
    ("photos/pants/d-street.jpg", "pants-3", "street", "pants", "val", *BOX),
]


def draw(folder, *_):
    for i, row in enumerate(ROWS):
        (folder / row[0]).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (400, 600), (i * 20, 0, 0)).save(folder / row[0])
    return ROWS


@pytest.fixture
def drawn(tmp_path):
    draw(tmp_path)
    return tmp_path


def rows_by_photo(root, rows):
    """The red of each photo says which of ROWS it is."""
    found = {}
    for i in range(len(rows)):
        with Image.open(root / rows.source[i]) as photo:
            found[round(photo.getpixel((5, 5))[0] / 20)] = i, photo.size
    return found


def test_street2shop(drawn):
    write_layout(drawn, ROWS, "street2shop")
    rows = street2shop.read(drawn, CropFlags()).rows
    found = rows_by_photo(drawn, rows)
    assert sorted(found) == list(range(len(ROWS)))
    for n, (i, size) in found.items():
        _, _, domain, category, split, *box = ROWS[n]
        assert size == (400, 600)
        assert rows.categories[rows.category[i]] == category and rows.product[i].startswith(category + "/")
        if domain == "street":
            assert rows.box[i].tolist() == box and rows.domain[i] == Domain.STREET
            assert rows.role[i] == (Role.QUERY if split == "test" else Role.TRAIN)
        else:
            assert np.isnan(rows.box[i]).all() and rows.domain[i] == Domain.SHOP
            assert rows.role[i] == Role.GALLERY | (Role(0) if split == "test" else Role.TRAIN)
    assert rows.product[found[2][0]] == rows.product[found[3][0]] != rows.product[found[4][0]]
    lines = (drawn / "photos" / "photos.txt").read_text().splitlines()
    assert len(lines) == len(ROWS) and lines[0].startswith("000000001,http://")
    assert json.loads((drawn / "meta/json/train_pairs_hats.json").read_text()) == []


def test_deepfashion(drawn):
    write_layout(drawn, ROWS, "deepfashion")
    rows = deepfashion.read(drawn, CropFlags()).rows
    found = rows_by_photo(drawn, rows)
    assert sorted(found) == list(range(2, len(ROWS)))  # it knows no bags
    roles = {("street", "train"): Role.TRAIN, ("shop", "train"): Role.TRAIN, ("street", "test"): Role.QUERY,
             ("shop", "test"): Role.GALLERY, ("street", "val"): Role.VAL_QUERY}  # fmt: skip
    for n, (i, size) in found.items():
        _, _, domain, category, split, *box = ROWS[n]
        assert size == (200, 300)
        assert rows.box[i].tolist() == ([x / 2 for x in BOX] if domain == "street" else [0, 0, 200, 300])
        assert rows.role[i] == roles.get((domain, split), Role.VAL_GALLERY | Role.GALLERY)
        assert rows.categories[rows.category[i]] == ("upper-body" if category == "tops" else "lower-body")
    assert len(set(rows.product)) == 3
    assert sorted(path.name for path in drawn.iterdir()) == ["Anno", "Eval", "img"]


def test_a_small_photo_is_not_enlarged(drawn):
    for row in ROWS:
        Image.new("RGB", (120, 240)).save(drawn / row[0])
    write_layout(drawn, ROWS, "deepfashion")
    rows = deepfashion.read(drawn, CropFlags()).rows
    assert rows.box[rows.domain == Domain.STREET][0].tolist() == list(BOX)


def test_the_stage_draws_one_layout_over_another(tmp_path, monkeypatch):
    monkeypatch.setattr(demo, "_draw", draw)
    readers = {"street2shop": street2shop.read, "deepfashion": deepfashion.read, "deepfashion2": deepfashion2.read}
    for layout in (*LAYOUTS, *LAYOUTS):
        summary = demo.run(tmp_path / "d", DemoOptions(products=24, layout=layout))
        rows = readers[layout](tmp_path / "d", CropFlags()).rows
        assert summary.output == tmp_path / "d" and not (tmp_path / "d" / "manifest.csv").exists()
        assert len(rows.with_role(Role.QUERY)) == len(ROWS) // 4 - layout.startswith("deepfashion")
        assert all((tmp_path / "d" / source).is_file() for source in rows.source)
        assert (tmp_path / "d" / "img").exists() == (layout == "deepfashion")
    demo.run(tmp_path / "d", DemoOptions(products=24))
    assert sorted(path.name for path in (tmp_path / "d").iterdir()) == ["demo.json", "manifest.csv", "photos"]


def test_deepfashion2(drawn):
    write_layout(drawn, ROWS, "deepfashion2")
    rows = deepfashion2.read(drawn, CropFlags()).rows
    found = rows_by_photo(drawn, rows)
    assert sorted(found) == [2, 3, 4, 5, 6, 7, 8]  # no bags
    names = {"tops": "short sleeve top", "pants": "trousers"}
    for n, (i, size) in found.items():
        _, _, domain, category, split, *box = ROWS[n]
        assert rows.box[i].tolist() == ([0, 0, *size] if box[0] == "" else list(BOX))
        assert rows.categories[rows.category[i]] == names[category]
        assert rows.domain[i] == (Domain.STREET if domain == "street" else Domain.SHOP)
        role = Role.TRAIN if split != "test" else Role.QUERY if domain == "street" else Role.GALLERY
        assert rows.role[i] == role and rows.source[i].startswith("validation/" if split == "test" else "train/")
    assert len({rows.product[found[n][0]] for n in found}) == 3
