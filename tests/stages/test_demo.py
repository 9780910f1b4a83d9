"""`fashret demo`: what it writes, counts and refuses."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import json
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fashret.demo.catalogue import CATEGORIES
from fashret.errors import FashretError
from fashret.files.columns import Role
from fashret.files.tables.catalogue_tables import read_table
from fashret.options import DemoOptions
from fashret.stages import demo
from tests.demo_case import draw_less

QUICK = DemoOptions(products=24, seed=3, workers=1)


@pytest.fixture
def small(pipeline: Path) -> Path:
    """24 products, drawn by two processes."""
    return pipeline / "demo/photos"


def digest(folder: Path) -> str:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    whole = b"".join(str(path.relative_to(folder)).encode() + path.read_bytes() for path in files)
    return hashlib.sha256(whole).hexdigest()


@pytest.mark.slow
def test_the_same_bytes_whatever_the_number_of_workers(small: Path, tmp_path: Path) -> None:
    demo.run(tmp_path / "demo", DemoOptions(products=24, workers=1))
    assert digest(tmp_path / "demo") == digest(small)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, demo.DemoSummary]:
    """A demo of few photos, and what its making said; tests that write work on a copy."""
    folder = tmp_path_factory.mktemp("demo") / "few"
    with pytest.MonkeyPatch.context() as patch:
        draw_less(patch)
        return folder, demo.run(folder, QUICK)


@pytest.fixture
def copied(drawn: tuple[Path, demo.DemoSummary], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    draw_less(monkeypatch)
    shutil.copytree(drawn[0], tmp_path / "few")
    return tmp_path / "few"


def photos(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.jpg")}


def test_another_seed_gives_other_photos_and_clears_the_old_ones(copied: Path) -> None:
    (copied / "photos/bags/0027-shop-1.jpg").write_bytes(b"of a product that the new one has not")
    before = photos(copied)
    demo.run(copied, dataclasses.replace(QUICK, seed=4))
    after = photos(copied)
    table = list(csv.DictReader((copied / "manifest.csv").open()))
    assert {row["image"] for row in table} == set(after)
    assert set(before) - set(after) and not set(before.values()) & set(after.values())


def test_manifest_is_a_table_that_fashret_reads(small: Path) -> None:
    listing = read_table(small / "manifest.csv")
    rows = listing.rows
    assert Counter(rows.role.tolist()) == {
        Role.TRAIN: 12 * 5,
        Role.VAL_QUERY: 4,
        Role.VAL_GALLERY: 4 * 2,
        Role.QUERY: 8 * 2,
        Role.GALLERY: 8 * 5,
    }
    assert set(rows.categories) <= set(CATEGORIES)
    for source, box, domain in zip(rows.source, rows.box, rows.domain, strict=True):
        with Image.open(small / source) as photo:
            photo.load()
            assert photo.mode == "RGB"
            size = photo.size
        assert np.isnan(box).all() == (domain == 1)
        if domain == 0:
            assert 0 <= box[0] < box[2] <= size[0]
            assert 0 <= box[1] < box[3] <= size[1]
    train = set(rows.product[rows.role == Role.TRAIN])
    assert not train & set(rows.product[rows.role != Role.TRAIN])


def test_summary_counts_what_was_written(drawn: tuple[Path, demo.DemoSummary]) -> None:
    folder, summary = drawn
    assert (summary.products, summary.train_products, summary.test_products) == (24, 12, 8)
    assert (summary.photos, summary.queries, summary.gallery) == (len(photos(folder)), 8, 16)
    assert summary.output == folder / "manifest.csv"


@pytest.mark.parametrize("name", ["photo.jpg", "demo.json", "manifest.csv"])
def test_a_folder_with_anything_else_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text('{"format": "mine"}')
    with pytest.raises(FashretError, match="not an earlier demo"):
        demo.run(tmp_path, DemoOptions(products=24, workers=1))
    assert (tmp_path / name).read_text() == '{"format": "mine"}'
    assert len(list(tmp_path.iterdir())) == 1


def test_bad_options_and_places_are_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FashretError, match="is a file"):
        demo.run(tmp_path / "file", DemoOptions(products=24))
    with pytest.raises(FashretError, match="is a file|cannot be written"):
        demo.run(tmp_path / "file" / "demo", DemoOptions(products=24))
    with pytest.raises(FashretError, match="--products 23"):
        demo.run(tmp_path / "new", DemoOptions(products=23))
    with pytest.raises(FashretError, match="--seed -1"):
        demo.run(tmp_path / "new", DemoOptions(products=24, seed=-1))
    with pytest.raises(FashretError, match="--workers -1"):
        demo.run(tmp_path / "new", DemoOptions(products=24, workers=-1))
    assert not (tmp_path / "new").exists()


def test_an_interrupted_demo_has_no_manifest_and_is_drawn_anew(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    whole = digest(copied)
    with monkeypatch.context() as patch:
        patch.setattr(Image.Image, "save", full)
        with pytest.raises(FashretError, match="No space left on device"):
            demo.run(copied, QUICK)
    assert not (copied / "manifest.csv").exists()
    assert json.loads((copied / "demo.json").read_text())["format"] == demo.FORMAT
    demo.run(copied, QUICK)
    assert digest(copied) == whole
