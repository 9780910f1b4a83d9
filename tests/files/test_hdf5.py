"""The HDF5 files: what was written is read back, damage is one line, a final name is always a whole file."""

from __future__ import annotations

import os
import pickle
import resource
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fashret
from fashret.errors import FashretError
from fashret.files import atomic, crops, embeddings, hdf5, rankings
from fashret.files.columns import COLUMNS, Role, Rows, blocks, crop_name, empty_rows, text_array
from tests.conftest import make_rows, write_crops, write_embeddings


def test_rows_of_unequal_length_are_refused() -> None:
    with pytest.raises(FashretError, match="differ in length"):
        make_rows(3, product=text_array("ab"))


@given(st.lists(st.tuples(st.text(), st.integers(0, 3), st.text()), max_size=20, unique=True))
def test_crop_names_tell_different_crops_apart(triples: list[tuple[str, int, str]]) -> None:
    boxes = [np.full(4, np.nan, np.float32), *(np.arange(4, dtype=np.float32) + i for i in range(3))]
    names = {crop_name(source, boxes[box], product) for source, box, product in triples}
    assert len(names) == len(triples)


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


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_vectors_are_mapped_from_the_file(tmp_path: Path, dtype: str) -> None:
    vectors = np.random.default_rng(0).normal(size=(6, 4)).astype(dtype)
    with embeddings.open_embeddings(write_embeddings(tmp_path / "a.emb.h5", make_rows(6), vectors)) as file:
        assert isinstance(file.vectors, np.memmap) and file.vectors.dtype == dtype and file.width == 4
        np.testing.assert_array_equal(file.vectors, vectors)


def test_chunked_and_float64_vectors_of_other_software_are_read(tmp_path: Path) -> None:
    path = write_embeddings(tmp_path / "a.emb.h5", make_rows(6), np.zeros((6, 4), np.float32))
    vectors = np.random.default_rng(0).normal(size=(6, 4))
    with h5py.File(path, "r+") as file:
        del file["vectors"]
        file.create_dataset("vectors", data=vectors, chunks=(2, 4), compression="gzip")
    with embeddings.open_embeddings(path) as file:
        np.testing.assert_array_equal(file.vectors, vectors.astype(np.float32))


def test_no_rows_is_a_file_too(tmp_path: Path) -> None:
    path = write_embeddings(tmp_path / "none.emb.h5", empty_rows(("tops",)), np.empty((0, 4), np.float32))
    with embeddings.open_embeddings(path) as file:
        assert len(file) == 0 and file.vectors.shape == (0, 4) and len(file.product) == 0


def test_an_open_file_travels_to_another_process(tmp_path: Path) -> None:
    file = crops.open_crops(write_crops(tmp_path / "a.crops.h5", make_rows(2)))
    with pickle.loads(pickle.dumps(file)) as again:  # the test's own object, not a file's content
        np.testing.assert_array_equal(again.image(1), file.image(1))


def test_embeddings_are_written_whole_or_not_at_all(tmp_path: Path) -> None:
    rows, vectors = make_rows(6), np.arange(12, dtype=np.float32).reshape(6, 2)
    path, origin = tmp_path / "a.emb.h5", embeddings.EmbeddingsOrigin({"name": "m"})
    with pytest.raises(ValueError, match="3 vectors"), embeddings.write_embeddings(path, (6, 2), (), origin) as append:
        append(rows.take(slice(3)), vectors[:3])
    assert list(tmp_path.iterdir()) == []
    with embeddings.write_embeddings(path, (6, 2), rows.categories, origin) as append:
        append(rows.take(slice(3)), vectors[:3])
        append(rows.take(slice(3, 6)), vectors[3:])
    with embeddings.open_embeddings(path) as file:
        np.testing.assert_array_equal(file.vectors, vectors)
        np.testing.assert_array_equal(file.crop_id, rows.crop_id)


def test_blocks_of_a_file_are_its_rows(tmp_path: Path) -> None:
    rows = make_rows(10)
    chosen = np.array([0, 1, 2, 5, 9])
    with crops.open_crops(write_crops(tmp_path / "a.crops.h5", rows)) as file:
        for source in (file, rows):
            for size in (1, 3, 100):
                found = [name for block in blocks(source, chosen, size) for name in block.crop_id]
                assert found == rows.take(chosen).crop_id.tolist()


def test_long_attributes_fit(tmp_path: Path) -> None:
    many = tuple(f"category number {i}" for i in range(10_000))
    rows = make_rows(2, category=np.array([9_999, 0], np.int16), categories=many)
    with crops.open_crops(write_crops(tmp_path / "a.crops.h5", rows)) as file:
        assert file.categories == many


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    path.write_text("what was there before")
    with pytest.raises(ZeroDivisionError), hdf5.write_whole(path, crops.KIND, 1):
        raise ZeroDivisionError
    assert [p.name for p in tmp_path.iterdir()] == ["a.h5"] and path.read_text() == "what was there before"


def broken(tmp_path: Path, how: str) -> Path:
    """One crops file with one thing wrong."""
    path = write_crops(tmp_path / "a.crops.h5", make_rows(40))
    if how == "truncated":
        path.write_bytes(path.read_bytes()[:-4000])
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "text":
        path.write_text("<html>not found</html>")
    elif how == "missing":
        path.unlink()
    elif how == "folder":
        path.unlink()
        path.mkdir()
    else:
        with h5py.File(path, "r+") as file:
            if how == "newer":
                file.attrs["format_version"] = 99
            elif how == "other kind":
                file.attrs["format"] = embeddings.KIND
            elif how == "no kind":
                del file.attrs["format"]
            elif how == "no column":
                del file["product"]
            elif how == "uneven":
                file["role"].resize(3, axis=0)
    return path


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("truncated", "cut off"),
        ("empty", "not an HDF5 file|cut off"),
        ("text", "not an HDF5 file"),
        ("missing", "no such file"),
        ("folder", "is a folder"),
        ("newer", "format version 99"),
        ("other kind", "is a fashret.embeddings file, not a fashret.crops file"),
        ("no kind", "an HDF5 file that fashret did not define"),
        ("no column", "lacks product"),
        ("uneven", "differ in length"),
    ],
)
def test_damage_is_one_line(tmp_path: Path, how: str, said: str) -> None:
    path = broken(tmp_path, how)
    with pytest.raises(FashretError, match=said) as caught:
        crops.open_crops(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("ending", ["partial", "spool", "unfinished"])
def test_what_an_interrupted_run_left_is_mentioned(tmp_path: Path, ending: str) -> None:
    (tmp_path / f"a.crops.h5.{ending}").touch()
    with pytest.raises(FashretError, match="interrupted"):
        crops.open_crops(tmp_path / "a.crops.h5")


@pytest.mark.parametrize(
    "change",
    [{"format": np.bytes_(embeddings.KIND)}, {"format_version": np.array([1])}, {"dataset": np.array(["other"], "S5")}],
)
def test_attributes_as_other_software_writes_them(tmp_path: Path, change: dict[str, object]) -> None:
    path = write_embeddings(tmp_path / "a.emb.h5", make_rows(2), np.eye(2, dtype=np.float32))
    with h5py.File(path, "r+") as file:
        file.attrs.update(change)
    assert hdf5.kind_of(path) == embeddings.KIND
    with embeddings.open_embeddings(path) as opened:
        assert opened.dataset == ("other" if "dataset" in change else "test")


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("format_version", "x", "has format version x"),
        ("categories", "5", "categories should be a JSON list"),
        ("model", '["x"]', "model should be a JSON dict"),
    ],
)
def test_attributes_that_make_no_sense_are_one_line(tmp_path: Path, name: str, value: str, said: str) -> None:
    path = write_embeddings(tmp_path / "a.emb.h5", make_rows(2), np.eye(2, dtype=np.float32))
    with h5py.File(path, "r+") as file:
        file.attrs[name] = value
    with pytest.raises(FashretError, match=said), embeddings.open_embeddings(path) as opened:
        assert opened.rows and opened.model


def test_category_numbers_without_a_name_are_no_category(tmp_path: Path) -> None:
    rows = make_rows(3, category=np.array([0, -1, 0], np.int16))
    path = write_embeddings(tmp_path / "a.emb.h5", rows, np.eye(3, dtype=np.float32))
    with h5py.File(path, "r+") as file:
        file["category"][:] = [0, 7, -3]
    with embeddings.open_embeddings(path) as opened:
        assert opened.category.tolist() == [0, -1, -1]


def test_an_output_never_replaces_an_input_or_a_device(tmp_path: Path) -> None:
    path, other = tmp_path / "a.csv", tmp_path / "link.csv"
    path.write_text("image\n")
    other.symlink_to(path)
    for output in (path, other):
        with pytest.raises(FashretError, match="would overwrite its own input; choose another output"):
            atomic.check_output(output, None, str(path))
    with pytest.raises(FashretError, match="is not an ordinary file"):
        atomic.check_output(Path("/dev/null"))
    with pytest.raises(FashretError, match="cannot be written .*name too long"):
        atomic.check_output(tmp_path / ("x" * 300))


def test_what_is_read_is_not_blamed_on_what_is_written(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="other"), atomic.output_errors(tmp_path / "a.h5"):
        (tmp_path / "other").read_bytes()


@pytest.mark.parametrize("target", ["missing/a.h5", ".", "file/a.h5"])
def test_an_output_that_cannot_be_is_said_before_the_work(tmp_path: Path, target: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FashretError):
        atomic.check_output(tmp_path / target)


def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    code = (
        "import numpy as np, sys; from pathlib import Path; from fashret.files import hdf5\n"
        "from fashret.errors import FashretError\n"
        "try:\n"
        "    with hdf5.write_whole(Path(sys.argv[1]), 'fashret.crops', 1) as file:\n"
        "        file['big'] = np.ones(4_000_000, np.uint8)\n"
        "except FashretError as error:\n"
        "    print(error)\n"
    )

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))

    path = tmp_path / "big.h5"
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, preexec_fn=limit)
    assert "disk is full" in done.stdout, done.stderr
    assert list(tmp_path.iterdir()) == []


def ranking_arrays() -> dict[str, np.ndarray]:
    return {
        "gallery_row": np.array([[1, 2], [0, -1]]),
        "distance": np.array([[0.1, 0.2], [0.3, np.nan]], np.float32),
        "query_row": np.array([0, 1]),
        "positives/offsets": np.array([0, 1, 1]),
        "positives/row": np.array([2]),
        "positives/rank": np.array([1]),
        "positives/rank_in_category": np.array([1]),
        "positives/distance": np.array([0.2]),
    }


def test_a_ranking_finds_its_embeddings_and_sees_that_they_changed(tmp_path: Path) -> None:
    source = write_embeddings(tmp_path / "a.emb.h5", make_rows(4), np.ones((4, 2), np.float32))
    (tmp_path / "deep").mkdir()
    path = tmp_path / "deep" / "a.ranking.h5"
    rankings.write_ranking(path, rankings.RankingOrigin(source, source, "cosine"), ranking_arrays())
    file = rankings.open_ranking(path)
    np.testing.assert_array_equal(file.gallery_row, [[1, 2], [0, -1]])
    np.testing.assert_array_equal(file.positives("rank"), [1])
    assert file.embeddings_path("gallery").samefile(source) and file.reranking == {}
    write_embeddings(source, make_rows(4), np.zeros((4, 2), np.float32))
    os.utime(source, ns=(0, path.stat().st_mtime_ns + 1))  # whatever the clock's steps
    for check in (True, False):  # what is newer than the ranking is looked at in any case
        with pytest.raises(rankings.ChangedError, match="changed since"):
            file.embeddings_path("gallery", check=check)
    source.unlink()
    with pytest.raises(FashretError, match="not there"):
        file.embeddings_path("query")


def test_a_ranking_of_other_software_may_leave_out_within(tmp_path: Path) -> None:
    source = write_embeddings(tmp_path / "a.emb.h5", make_rows(4), np.ones((4, 2), np.float32))
    path = tmp_path / "a.ranking.h5"
    rankings.write_ranking(path, rankings.RankingOrigin(source, source, "cosine"), ranking_arrays())
    with h5py.File(path, "r+") as file:
        del file.attrs["within"], file.attrs["gallery_size"]
    opened = rankings.open_ranking(path)
    assert opened.attribute("within") == ""
    with pytest.raises(FashretError, match="lacks the attribute gallery_size"):
        opened.attribute("gallery_size")


def test_taking_rows_keeps_columns_together() -> None:
    rows: Rows = make_rows(6)
    some = rows.take(np.array([4, 1]))
    assert list(some.source) == ["photos/4.jpg", "photos/1.jpg"] and list(some.product) == ["p2", "p0"]


def test_every_file_is_opened_for_reading_in_one_place() -> None:
    package = Path(fashret.__file__).parent
    opened = [
        (path.relative_to(package).as_posix(), line.strip())
        for path in sorted(package.rglob("*.py"))
        for line in path.read_text("utf-8").splitlines()
        if "h5py.File(" in line
    ]
    assert opened == [
        ("files/hdf5.py", 'return h5py.File(path, "r")'),
        ("files/hdf5.py", 'with whole_file(path) as part, h5py.File(part, "x") as file:'),
    ]
