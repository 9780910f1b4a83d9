"""A new file under the same name is taken over; one that cannot be used leaves the old one, with one line."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from fashret.serving.living import LivingShop
from fashret.serving.metrics import Metrics
from fashret.serving.shop import Shop
from tests.conftest import make_rows, write_embeddings
from tests.serving_case import SERVED, asked, draw, png, write_shop


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A catalogue of 12 photos, and one of 8 of them."""
    folder = tmp_path_factory.mktemp("living")
    return write_shop(folder), write_shop(folder, 8, "fewer")


@pytest.fixture
def place(both: tuple[Path, Path], tmp_path: Path) -> Path:
    """The first in a folder of its own, which has the photos."""
    shutil.copytree(both[0].parent, tmp_path / "shop")
    return tmp_path / "shop" / "shop.emb.h5"


def replaced(place: Path) -> None:
    os.replace(place.with_name("fewer.emb.h5"), place)


def test_a_new_file_is_taken_over(place: Path) -> None:
    with asked(place) as client:
        before = client.get("/api/catalogue").json()["catalogue"]
        assert not client.living.look()
        replaced(place)
        assert client.living.look() and not client.living.look()
        after = client.get("/api/catalogue").json()["catalogue"]
        assert (before["rows"], after["rows"]) == (12, 8) and before["digest"] != after["digest"]
        hits = client.post("/api/search?results=photos&top_k=1", content=png(draw(7))).json()["hits"]
        assert (hits[0]["row"], round(hits[0]["distance"], 6)) == (7, 0)
        assert client.get("/photos/9").status_code == 404
        text = client.get("/metrics").text
        assert 'fashret_catalogue_changes_total{result="taken"} 1' in text and "fashret_catalogue_rows 8" in text


def test_who_uses_the_old_one_keeps_it(place: Path) -> None:
    living = LivingShop(lambda: Shop(place, SERVED), Metrics())
    with living.using() as old, living.using():
        replaced(place)
        assert living.look()
        with living.using() as new:
            assert new is not old and len(new.rows) == 8
        assert old.file.file.id.valid and len(old.picture(11, 320)) > 0
    assert not old.file.file.id.valid  # closed with its last user
    living.close()


def truncate(place: Path) -> None:
    with place.open("r+b") as stream:
        stream.truncate(1000)


def damage(place: Path) -> None:
    place.with_name("new").write_bytes(place.read_bytes()[:-5000])
    os.replace(place.with_name("new"), place)


def other_width(place: Path) -> None:
    import numpy as np

    vectors = np.ones((4, 3), np.float32)
    write_embeddings(place, make_rows(4), vectors, {"name": "other"})


def folder(place: Path) -> None:
    place.unlink()
    place.mkdir()


@pytest.mark.parametrize("change", [Path.unlink, truncate, damage, other_width, folder], ids=lambda f: f.__name__)
def test_what_cannot_be_used_leaves_the_old_one(
    place: Path, change: Callable[[Path], object], caplog: pytest.LogCaptureFixture
) -> None:
    with asked(place) as client:
        question = {"url": "/api/search?top_k=5", "content": png(draw(4))}
        before = client.post(**question).json()["hits"]
        kept = place.read_bytes()
        change(place)
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            assert not client.living.look() and not client.living.look()
        assert len(caplog.records) == 1 and "\n" not in caplog.records[0].getMessage()
        assert client.post(**question).json()["hits"] == before
        assert client.get("/api/products?where=price %3E 12").json()["count"] == 4
        if place.is_dir():
            place.rmdir()
        place.with_name("mended").write_bytes(kept)
        os.replace(place.with_name("mended"), place)
        assert client.living.look()
