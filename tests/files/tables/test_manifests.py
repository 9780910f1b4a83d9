"""Manifests of public datasets: whole, found by name, their counts compared with what was read."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fashret.datasets import readers
from fashret.datasets.census import counts
from fashret.errors import FashretError
from fashret.files.tables import manifests
from fashret.files.tables.manifests import drop_repeats, find_manifest, manifest_names
from fashret.options import CropOptions
from fashret.stages import crop
from tests.conftest import make_rows
from tests.dataset_case import photo, plain, write
from tests.datasets.test_street2shop import root as street2shop  # noqa: F401

NAMES = manifest_names()


@pytest.mark.parametrize("name", NAMES)
def test_every_manifest_is_whole(name: str) -> None:
    about = find_manifest(name)
    assert about.title and 2014 < about.year < 2030 and about.paper and about.data and about.licence
    assert set(about.published) == {"pairs", "images", "categories", "boxes", "landmarks", "masks"}
    assert set(about.protocol) == {"query", "gallery", "positive"} and all(about.protocol.values())
    assert about.layout.strip()
    assert bool(about.no_pairs) == (name not in readers.READERS)
    known = counts(make_rows(0))[""]
    assert all(entry.what in known and entry.count > 0 for entry in about.expected)


def test_every_reader_has_a_manifest() -> None:
    assert set(readers.READERS) < set(NAMES)


def test_street2shop_expects_the_published_counts() -> None:
    expected = {(e.category, e.what): e.count for e in find_manifest("street2shop").expected}
    assert expected["", "query rows"] == 8637 == sum(n for (c, w), n in expected.items() if c and w == "query rows")
    assert sum(n for (c, w), n in expected.items() if w == "gallery photos") == 304_380
    assert sum(n for (c, w), n in expected.items() if c and w == "query products") == 2587


@pytest.mark.parametrize("name", ["modanet", "fashionai", "fashionpedia", "zalando"])
def test_a_dataset_without_pairs_says_so_in_one_line(name: str) -> None:
    with pytest.raises(FashretError, match=rf"^{name}: .*(nothing to retrieve|never published)"):
        readers.load(name, CropOptions(root=Path(".")))


def test_an_unknown_name_lists_those_that_are_known() -> None:
    with pytest.raises(FashretError, match="no such file or folder.*known: coco, darn, deepfashion"):
        readers.load("street2shopp", CropOptions())


def test_a_public_dataset_needs_a_root() -> None:
    with pytest.raises(FashretError, match="--root FOLDER"):
        readers.load("street2shop", CropOptions())
    with pytest.raises(FashretError, match="no such folder"):
        readers.load("street2shop", CropOptions(root=Path("nowhere")))


def test_a_folder_named_like_a_dataset_is_taken_where_no_root_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo(tmp_path / "coco/a.jpg")
    monkeypatch.chdir(tmp_path)
    assert plain(readers.load("coco", CropOptions()).rows) == [("a.jpg", None, "", "gallery", "shop", "")]
    with pytest.raises(FashretError, match=r"coco: .*train.*\.json"):
        readers.load("coco", CropOptions(root=Path("coco")))


def test_a_damaged_manifest_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifests, "manifest_folder", lambda: tmp_path)
    write(tmp_path / "mine.toml", "title = \n")
    with pytest.raises(FashretError, match=r"mine\.toml: is not a manifest"):
        find_manifest("mine")
    write(tmp_path / "mine.toml", 'title = "x"\nunknown = 1')
    with pytest.raises(FashretError, match=r"mine\.toml: is not a manifest"):
        find_manifest("mine")


# repeats


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(0, 1), st.integers(0, 31)), max_size=12))
def test_drop_repeats_against_a_loop(triples: list[tuple[int, int, int, int]]) -> None:
    count = len(triples)
    box = np.array([[0, 0, 1 + b, 1] if b else [np.nan] * 4 for _, b, _, _ in triples], np.float32).reshape(-1, 4)
    columns = {
        "source": np.array([f"{s}.jpg" for s, _, _, _ in triples], object),
        "box": box,
        "product": np.array([f"p{p}" for _, _, p, _ in triples], object),
        "role": np.array([r for _, _, _, r in triples], np.uint8),
    }
    kept, dropped = drop_repeats(make_rows(count, **columns))
    seen: dict[tuple[int, int, int], int] = {}
    for s, b, p, r in triples:
        seen[s, b, p] = seen.get((s, b, p), 0) | r
    assert dropped == count - len(seen)
    assert kept.role.tolist() == list(seen.values())
    assert kept.source.tolist() == [f"{s}.jpg" for s, _, _ in seen]


def test_counts_that_differ_are_a_warning_with_both(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:

    write(tmp_path / "Anno/list_bbox_inshop.txt", "0\nimage_name clothes_type pose_type x_1 y_1 x_2 y_2\n")
    write(tmp_path / "Eval/list_eval_partition.txt", "1\nimage_name item_id evaluation_status\nimg/a.jpg id_1 query\n")
    photo(tmp_path / "img/a.jpg")
    with caplog.at_level(logging.WARNING, "fashret"):
        crop.run("deepfashion-inshop", tmp_path / "out.h5", CropOptions(root=tmp_path))
    assert "photos: 1, expected 52,712" in caplog.text


def test_of_many_counts_that_differ_the_first_are_named(
    street2shop: Path,  # noqa: F811
    caplog: pytest.LogCaptureFixture,
) -> None:

    with caplog.at_level(logging.WARNING, "fashret"):
        crop.run("street2shop", street2shop / "out.h5", CropOptions(root=street2shop, max_errors=1))
    warnings = [record.getMessage() for record in caplog.records]
    assert warnings[0] == "street2shop: query rows: 3, expected 8,637"
    assert len(warnings) == 6 and warnings[5] == "street2shop: 32 more counts differ; --check shows them all"
