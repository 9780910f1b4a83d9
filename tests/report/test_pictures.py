"""The pictures behind rows: from crops.h5 wherever it is, or cut from the photos again."""

from __future__ import annotations

import io

import h5py
import numpy as np
import pytest

from fashret.errors import FashretError
from fashret.files.embeddings import open_embeddings
from fashret.report.pictures import PhotoPictures, pictures_of, thumbnail
from tests.conftest import make_rows, write_embeddings
from tests.report_case import Case, write_case


@pytest.fixture(scope="module")
def case(tmp_path_factory) -> Case:
    return write_case(tmp_path_factory.mktemp("page"))


def test_crops_that_were_moved_are_asked_for(tmp_path):
    case = write_case(tmp_path, queries=2, gallery=3)
    embeddings = open_embeddings(case.embeddings)
    with pictures_of(embeddings, ()) as pictures:
        expected = pictures.image(1)
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    case.crops.rename(moved / "c.h5")
    with pytest.raises(FashretError, match=r"drawn\.crops\.h5.*--crops"):
        pictures_of(embeddings, ()).__enter__()
    with pictures_of(embeddings, [moved / "c.h5"]) as pictures:
        np.testing.assert_array_equal(pictures.image(1), expected)


def test_crops_of_something_else_are_refused(tmp_path, case):
    other = write_case(tmp_path, queries=2, gallery=3, names=lambda n: f"other/{n}")
    with pytest.raises(FashretError, match="none of"):
        pictures_of(open_embeddings(case.embeddings), [other.crops]).__enter__()


def test_the_right_file_of_several_is_taken(tmp_path, case):
    other = write_case(tmp_path, queries=2, gallery=3, names=lambda n: f"other/{n}")
    with pictures_of(open_embeddings(case.embeddings), [other.crops, case.crops]) as pictures:
        assert pictures.crops.path == case.crops


def test_pictures_can_be_cut_from_the_photos(tmp_path):
    from PIL import Image

    case = write_case(tmp_path, queries=1, gallery=1)
    (tmp_path / "street").mkdir()
    Image.new("RGB", (40, 80), "red").save(tmp_path / "street" / "00000.jpg")
    with pictures_of(open_embeddings(case.embeddings), [tmp_path]) as pictures:
        assert isinstance(pictures, PhotoPictures) and pictures.image(0).shape == (80, 40, 3)
        with pytest.raises(FashretError, match=r"shop/00001.jpg: no such photo.*--crops"):
            pictures.image(1)


def test_pictures_are_cut_from_the_photos_that_rows_were_embedded_from(tmp_path):
    from PIL import Image

    (tmp_path / "a").mkdir()
    case = write_case(tmp_path / "a", queries=1, gallery=1)
    (tmp_path / "photos/street").mkdir(parents=True)
    Image.new("RGB", (40, 80), "red").save(tmp_path / "photos/street/00000.jpg")
    case.crops.unlink()
    with h5py.File(case.embeddings, "r+") as file:
        file.attrs["root"] = "../photos"
    with open_embeddings(case.embeddings) as embeddings:
        with pictures_of(embeddings, ()) as pictures:
            assert tuple(pictures.image(0)[9, 9]) == (254, 0, 0)
        (tmp_path / "photos").rename(tmp_path / "gone")
        moved = pytest.raises(FashretError, match=r"its photos is no longer .*/photos; give it with --crops")
        with moved, pictures_of(embeddings, ()):
            pass


def test_pictures_are_read_from_a_parquet_table(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    import pyarrow as pa
    from PIL import Image

    stream = io.BytesIO()
    Image.new("RGB", (40, 30), "blue").save(stream, "PNG")
    parquet.write_table(pa.table({"image": [stream.getvalue(), b"no photo"]}), tmp_path / "t.parquet")
    rows = make_rows(2, source=np.array(["t.parquet#0", "t.parquet#1"], object))
    path = write_embeddings(tmp_path / "a.emb.h5", rows, np.eye(2, dtype=np.float32))
    with open_embeddings(path) as embeddings, pictures_of(embeddings, [tmp_path]) as pictures:
        assert pictures.image(0).shape == (30, 40, 3) and tuple(pictures.image(0)[9, 9]) == (0, 0, 255)
        with pytest.raises(FashretError, match=r"t.parquet#1: cannot be decoded .*--crops"):
            pictures.image(1)


def test_a_thumbnail_keeps_the_aspect_and_is_never_enlarged():
    from PIL import Image

    sizes = [Image.open(io.BytesIO(thumbnail(np.zeros(shape, np.uint8)))).size for shape in ((400, 200, 3), (9, 7, 3))]
    assert sizes == [(88, 176), (7, 9)]
