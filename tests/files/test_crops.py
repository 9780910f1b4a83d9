"""crops.h5: images come back as they went in."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fashret.files import crops, hdf5
from fashret.files.columns import COLUMNS, Role, text_array
from fashret.files.photos.cuts import read_crop
from tests.conftest import make_rows, write_crops
from tests.files.photos.test_cuts import scene
from tests.files.photos.test_picture import encoded


def test_crops_come_back_as_they_went_in(tmp_path: Path) -> None:
    rows = make_rows(5, product=text_array(["a", "", "ü/ß", "a", "b"]), role=np.array([1, 2, 4, 6, 0], np.uint8))
    flat = [np.full((16, 24, 3), 40 * i, np.uint8) for i in range(5)]
    with crops.open_crops(write_crops(tmp_path / "a.crops.h5", rows, flat)) as file:
        assert len(file) == 5 and file.encoding == "jpeg" and file.dataset == "test"
        for name in COLUMNS:
            np.testing.assert_array_equal(getattr(file, name), getattr(rows, name))
        np.testing.assert_array_equal(file.with_role(Role.QUERY | Role.GALLERY), [1, 2, 3])
        for i, image in enumerate(file.images(0, 5)):
            assert image.shape == (16, 24, 3)
            assert np.abs(image.astype(int) - 40 * i).max() <= 2


def test_raw_crops_come_back_bit_by_bit(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 255, (3, 8, 8, 3), np.uint8)
    with hdf5.write_whole(tmp_path / "raw.h5", crops.KIND, 1) as file:
        crops.create_crops(file, (), "raw", 8, "")
        crops.append_crops(file, make_rows(3, categories=()), list(images))
    with crops.open_crops(tmp_path / "raw.h5") as file:
        assert file.encoding == "raw"
        np.testing.assert_array_equal(file.images(1, 3), images[1:])


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
def test_bytes_of_other_software_are_read_as_the_same_photo(tmp_path: Path, kind: str, orientation: int) -> None:
    clear = scene(30, 20).convert("RGBA")
    clear.putalpha(Image.linear_gradient("L").resize(clear.size))
    data = encoded(clear, kind, orientation, **({"lossless": True} if kind == "WEBP" else {}))
    (tmp_path / "photo").write_bytes(data)
    write_encoded(tmp_path / "foreign.h5", [data])
    with crops.open_crops(tmp_path / "foreign.h5") as file:
        np.testing.assert_array_equal(file.image(0), read_crop(tmp_path / "photo", None, 320))
        assert file.image(0).shape == ((20, 30, 3) if orientation < 5 else (30, 20, 3))


def test_wide_numbers_in_a_crop_are_scaled_and_noted(tmp_path: Path) -> None:
    write_encoded(tmp_path / "foreign.h5", [encoded(Image.fromarray(np.full((4, 4), 2048, np.uint16)), "PNG")])
    with crops.open_crops(tmp_path / "foreign.h5") as file:
        assert file.image(0)[0, 0].tolist() == [128] * 3 and file.decoder.scaled == ["12 of 16 bits"]


def write_encoded(path: Path, images: list[bytes]) -> None:
    with hdf5.write_whole(path, crops.KIND, 1) as file:
        crops.create_crops(file, ("tops",), "jpeg", 32, "test")
        crops.append_crops(file, make_rows(len(images)), images)


def test_an_open_file_travels_to_another_process(tmp_path: Path) -> None:
    file = crops.open_crops(write_crops(tmp_path / "a.crops.h5", make_rows(2)))
    with pickle.loads(pickle.dumps(file)) as again:  # the test's own object, not a file's content
        np.testing.assert_array_equal(again.image(1), file.image(1))


def test_long_attributes_fit(tmp_path: Path) -> None:
    many = tuple(f"category number {i}" for i in range(10_000))
    rows = make_rows(2, category=np.array([9_999, 0], np.int16), categories=many)
    with crops.open_crops(write_crops(tmp_path / "a.crops.h5", rows)) as file:
        assert file.categories == many
