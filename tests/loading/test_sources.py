"""Sources of images: the same pixels from a file and from photos, failures of photos by their rows."""

from __future__ import annotations

from multiprocessing import get_context
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from fashret.errors import FashretError
from fashret.files.crops import open_crops
from fashret.files.photos.cuts import cut_crops
from fashret.files.tables.catalogue_tables import read_table
from fashret.loading.sources import chosen_rows, crops_source, listing_source, shared_decoder
from fashret.models.preprocessing import prepare
from fashret.models.settings import ModelSettings
from tests.conftest import make_rows, write_crops

SETTINGS = (ModelSettings(height=8, width=6), ModelSettings(height=4, width=4, fit="pad"))


@pytest.fixture
def crops(tmp_path: Path) -> Path:
    return write_crops(tmp_path / "a.crops.h5", make_rows(6))


@pytest.mark.parametrize("rows", [[1, 2, 3], [4, 0, 2], [5]])
def test_crops_are_prepared_for_each_network(crops: Path, rows: list[int]) -> None:
    with open_crops(crops) as file:
        source = crops_source(file, SETTINGS)
        found = chosen_rows(source, np.array(rows))
        expected = [prepare(file.image(row), SETTINGS) for row in rows]
    assert found.rows.tolist() == rows and not found.failures
    assert len(found.images) == len(SETTINGS)
    for number, images in enumerate(found.images):
        np.testing.assert_array_equal(images.numpy(), np.stack([fitted[number] for fitted in expected]))


def test_a_source_of_crops_says_what_it_is(crops: Path) -> None:
    with open_crops(crops) as file:
        source = crops_source(file, SETTINGS)
        assert (source.dataset, source.crop_size, len(source.rows)) == ("test", 32, 6)
        assert (
            source.identity["digest of the crops"].matches(file.content.digest())
            and source.inputs[0]["name"] == "a.crops.h5"
        )
        source.check()
    write_crops(crops, make_rows(7))
    with pytest.raises(FashretError, match="changed while it was in use"):
        source.check()


def test_a_damaged_crop_is_an_error_of_the_file(crops: Path) -> None:
    with h5py.File(crops, "r+") as file:
        file["images"][2] = np.frombuffer(b"no image", np.uint8)
    with open_crops(crops) as opened, pytest.raises(FashretError, match="image of row 2 cannot be decoded"):
        chosen_rows(crops_source(opened, SETTINGS), np.array([2]))


@pytest.fixture
def table(tmp_path: Path) -> Path:
    for number in range(2):
        pixels = np.random.default_rng(number).integers(0, 255, (40, 30, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    (tmp_path / "bad.png").write_bytes(b"no image")
    lines = [
        "image,product,x1,y1,x2,y2",
        "0.png,a,,,,",
        "0.png,a,5,5,25,35",
        "bad.png,b,,,,",
        "gone.png,b,,,,",
        "gone.png,c,,,,",
        "1.png,c,0,0,10,10",
        "1.png,c,50,50,60,60",
    ]
    (tmp_path / "rows.csv").write_text("\n".join(lines) + "\n")
    return tmp_path / "rows.csv"


def test_garments_are_cut_out_of_photos_and_failures_are_of_their_rows(table: Path) -> None:
    source = listing_source(read_table(table), 320, SETTINGS)
    found = chosen_rows(source, np.arange(7))
    assert sorted(found.failures) == [2, 3, 4, 6]
    assert "no such photo" in found.failures[3] == found.failures[4] and "no area" in found.failures[6]
    with Image.open(table.parent / "0.png") as photo:
        whole = np.asarray(photo)
    for row, pixels in ((0, whole), (1, whole[5:35, 5:25])):
        for images, fitted in zip(found.images, prepare(pixels, SETTINGS), strict=True):
            np.testing.assert_array_equal(images[row].numpy(), fitted)
    assert all(not images[row].any() for images in found.images for row in found.failures)


def test_the_rows_of_a_listing_are_its_identity(table: Path) -> None:
    source = listing_source(read_table(table), 320, SETTINGS)
    assert source.crop_size == 320 and source.crops is None and source.inputs[0]["name"] == "rows.csv"
    again = listing_source(read_table(table), 200, SETTINGS)
    assert again.identity == source.identity
    table.write_text(table.read_text().replace("1.png,c,0,0,10,10", "1.png,c,0,0,10,11"))
    assert listing_source(read_table(table), 320, SETTINGS).identity != source.identity
    source.check()  # photos are not watched


def test_processes_that_decode_large_photos_take_turns(table: Path) -> None:
    data = (table.parent / "0.png").read_bytes()
    decoder = shared_decoder("2000", 4)
    assert cut_crops(data, [None], 320, decoder)[0].shape  # type: ignore[union-attr]
    other = get_context("fork").Process(target=cut_crops, args=(data, [None], 320, decoder))
    with decoder.turns:
        other.start()
        other.join(0.3)
        assert other.is_alive()
    other.join(20)
    assert other.exitcode == 0
