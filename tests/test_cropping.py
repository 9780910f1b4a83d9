"""What one run of `fashret crop` has to do: photos that changed under their name are cut again, others are kept."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fashret.cropping import result_options
from fashret.datasets import readers
from fashret.files.crops import open_crops
from fashret.files.origins import crop_digest, in_words, photo_digest, read_origins
from fashret.options import CropOptions
from fashret.stages import crop
from tests.dataset_case import write


def photo(path: Path, colour: str) -> Path:
    Image.new("RGB", (40, 30), colour).save(path)
    return path


@pytest.fixture
def table(tmp_path: Path) -> Path:
    for name, colour in (("a", "red"), ("b", "blue"), ("c", "red")):
        photo(tmp_path / f"{name}.png", colour)
    lines = ["a.png,p,,,,", "a.png,p,5,5,20,20", "b.png,q,,,,", "c.png,q,,,,"]
    return write(tmp_path / "t.csv", "\n".join(["image,product,x1,y1,x2,y2", *lines]))


@pytest.mark.parametrize("encoding", ["jpeg", "raw"])
def test_append_cuts_a_photo_again_that_was_replaced_under_its_name(table: Path, tmp_path: Path, encoding: str) -> None:
    output, how = tmp_path / "o.h5", {"encoding": encoding, "size": 32}
    crop.run(str(table), output, CropOptions(**how))
    photo(tmp_path / "a.png", "green")
    os.utime(tmp_path / "b.png", ns=(1, 1))  # touched, and the same
    summary = crop.run(str(table), output, CropOptions(append=True, **how))
    assert (summary.added, summary.changed, summary.unchanged, summary.vanished, summary.crops) == (0, 2, 2, 0, 4)
    crop.run(str(table), tmp_path / "fresh.h5", CropOptions(**how))
    with open_crops(output) as found, open_crops(tmp_path / "fresh.h5") as fresh:
        for row in range(4):
            np.testing.assert_array_equal(found.image(row), fresh.image(row))
        assert (read_origins(found.file, 4).stamp == read_origins(fresh.file, 4).stamp).all()
        assert read_origins(found.file, 4).content.tolist() == read_origins(fresh.file, 4).content.tolist()


def test_content_is_the_digest_of_photo_and_box(table: Path, tmp_path: Path) -> None:
    crop.run(str(table), tmp_path / "o.h5", CropOptions())
    with open_crops(tmp_path / "o.h5") as file:
        origins = read_origins(file.file, 4)
        photo = photo_digest((tmp_path / "a.png").read_bytes())
        assert origins.content[:2].tolist() == [in_words(crop_digest(photo, box)) for box in file.box[:2]]
        assert origins.content[0] == origins.content[3] != origins.content[2]  # a copy under another name
        status = (tmp_path / "a.png").stat()
        assert origins.stamp[1].tolist() == [status.st_size, status.st_mtime_ns]


def test_options_of_the_result(table: Path) -> None:
    listing = readers.load(str(table), CropOptions())
    assert result_options(listing, CropOptions(encoding="raw")) == {"size": 320, "encoding": "raw"}
    assert result_options(listing, CropOptions()) == {"size": 320, "encoding": "jpeg", "quality": 95}
