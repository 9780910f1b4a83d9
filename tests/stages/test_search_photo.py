"""`fashret search --image`: the nearest products of one photo, by a network with random weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fashret.errors import FashretError
from fashret.files.embeddings import open_embeddings
from fashret.files.photos.orientation import turn_back
from fashret.options import PhotoOptions
from fashret.stages import search_photo
from fashret.stages.search_photo import PhotoSearch, parse_box
from tests.catalogue_case import write_catalogue
from tests.conftest import make_rows, write_embeddings
from tests.training_case import add_tiny_backbone

OPTIONS = PhotoOptions(device="cpu")


@pytest.fixture(autouse=True)
def tiny() -> None:
    add_tiny_backbone()


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_catalogue(tmp_path_factory.mktemp("catalogue"))


def find(catalogue: Path, photo: str, products: int = 10, **changes: Any) -> PhotoSearch:
    return search_photo.run(catalogue, catalogue.parent / photo, replace(OPTIONS, **changes), products)


@pytest.mark.parametrize("number", range(8))
def test_a_photo_of_the_catalogue_finds_itself_first(catalogue: Path, number: int) -> None:
    first = find(catalogue, f"{number}.png").hits[0]
    assert (first.rank, first.photo, first.row) == (1, f"{number}.png", number)
    assert first.distance == pytest.approx(0, abs=1e-5) and first.product == (f"p{number // 2}" if number < 6 else "")


def test_each_product_is_found_once_and_unlabelled_photos_each(catalogue: Path) -> None:
    found = find(catalogue, "0.png")
    assert found.gallery == 8 and len(found.hits) == 5
    assert sorted(hit.product for hit in found.hits) == ["", "", "p0", "p1", "p2"]
    assert [hit.rank for hit in found.hits] == [1, 2, 3, 4, 5]
    distances = [hit.distance for hit in found.hits]
    assert distances == sorted(distances)
    assert [hit.row for hit in find(catalogue, "0.png", products=2).hits] == [hit.row for hit in found.hits[:2]]


def test_the_search_is_widened_until_products_suffice(catalogue: Path, tmp_path: Path) -> None:
    """Forty photos of one product are nearer than the only one of another."""
    random = np.random.default_rng(1)
    with open_embeddings(catalogue) as file:
        vector, model = np.array(file.vectors[0]), file.model
    vectors = np.concatenate([vector + random.normal(0, 1e-4, (40, len(vector))), -vector[None]]).astype(np.float32)
    rows = make_rows(41, product=np.array(["near"] * 40 + ["far"], object))
    many = write_embeddings(tmp_path / "many.emb.h5", rows, vectors, model)
    hits = search_photo.run(many, catalogue.parent / "0.png", OPTIONS, 2).hits
    assert [hit.product for hit in hits] == ["near", "far"] and hits[1].row == 40


def test_a_box_is_cut_out_before_it_is_embedded(catalogue: Path, tmp_path: Path) -> None:
    with Image.open(catalogue.parent / "3.png") as inner:
        outer = Image.new("RGB", (60, 60), "white")
        outer.paste(inner, (10, 20))
    outer.save(tmp_path / "outer.png")
    found = search_photo.run(catalogue, tmp_path / "outer.png", replace(OPTIONS, box="10,20,30,44"), 1)
    assert found.hits[0].row == 3 and found.hits[0].distance == pytest.approx(0, abs=1e-5)
    whole = search_photo.run(catalogue, tmp_path / "outer.png", OPTIONS, 1)
    assert whole.hits[0].distance > 1e-4


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_box_is_in_pixels_of_the_upright_photo(catalogue: Path, tmp_path: Path, orientation: int) -> None:
    with Image.open(catalogue.parent / "3.png") as inner:
        upright = np.full((50, 60, 3), 255, np.uint8)
        upright[20:44, 10:30] = np.asarray(inner)
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(turn_back(upright, orientation)).save(tmp_path / "outer.png", exif=exif)
    found = search_photo.run(catalogue, tmp_path / "outer.png", replace(OPTIONS, box="10,20,30,44"), 1)
    assert found.hits[0].row == 3 and found.hits[0].distance == pytest.approx(0, abs=1e-5)


def test_a_box_of_fractions_and_a_photo_that_is_too_large_are_refused(catalogue: Path) -> None:
    with pytest.raises(FashretError, match=r"--box 0.1,0.2,0.9,1: .*are these fractions"):
        find(catalogue, "3.png", box="0.1,0.2,0.9,1")
    with pytest.raises(FashretError, match=r"3\.png: has 20 x 24 pixels, more than --max-pixels 479"):
        find(catalogue, "3.png", max_pixels="479")


@pytest.mark.parametrize("text", ["1,2,3", "1,2,3,4,5", "a,b,c,d", "5,0,5,9", "0,9,5,9", "1,2,nan,4", "1,2,inf,4", ""])
def test_boxes_that_are_none(text: str) -> None:
    with pytest.raises(FashretError, match="write x1,y1,x2,y2 in pixels, with x1 < x2 and y1 < y2"):
        parse_box(text)


def test_what_was_found_is_drawn(catalogue: Path, tmp_path: Path) -> None:
    find(catalogue, "1.png", products=3, show=tmp_path / "row.png", crops=(catalogue.parent,))
    with Image.open(tmp_path / "row.png") as picture:
        assert picture.width > 3 * 100 and picture.height > 100
    with pytest.raises(FashretError, match=r"row\.txt"):
        find(catalogue, "1.png", show=tmp_path / "row.txt")


def test_what_cannot_be_searched_is_one_line(catalogue: Path, tmp_path: Path) -> None:
    with pytest.raises(FashretError, match="--top 0: must be 1 or more"):
        find(catalogue, "0.png", products=0)
    (tmp_path / "text.jpg").write_text("no picture")
    with pytest.raises(FashretError, match=r"text\.jpg: "):
        search_photo.run(catalogue, tmp_path / "text.jpg", OPTIONS, 1)
    queries = make_rows(2, role=np.full(2, 2, np.uint8))
    path = write_embeddings(tmp_path / "q.emb.h5", queries, np.eye(2, dtype=np.float32))
    with pytest.raises(FashretError, match="no row has the role gallery \\(2 rows"):
        search_photo.run(path, catalogue.parent / "0.png", OPTIONS, 1)
    other = write_embeddings(tmp_path / "o.emb.h5", make_rows(2), np.eye(2, dtype=np.float32))
    with pytest.raises(FashretError, match="does not say which model made it"):
        search_photo.run(other, catalogue.parent / "0.png", OPTIONS, 1)
