"""fashret crop --check, the census behind it, fashret datasets and export."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fashret.datasets import census
from fashret.datasets.census import counts, doubtful_boxes, search_census, shared_photos
from fashret.files.columns import Role, Rows, empty_rows
from fashret.files.manifests import manifest_names
from fashret.options import CropOptions
from fashret.stages import check
from tests.conftest import make_rows
from tests.dataset_case import photo, write
from tests.datasets.test_street2shop import root as street2shop  # noqa: F401

Run = Callable[..., subprocess.CompletedProcess[str]]

ROW = st.tuples(
    st.integers(0, 31), st.sampled_from(["", "a", "b", "c"]), st.booleans(), st.integers(0, 1), st.integers(-1, 1),
    st.integers(0, 4),
)  # fmt: skip


def rows_of(drawn: list[tuple[int, str, bool, int, int, int]]) -> tuple[Rows, np.ndarray]:
    columns = list(zip(*drawn, strict=True)) or [()] * 6
    rows = make_rows(
        len(drawn),
        role=np.array(columns[0], np.uint8),
        product=np.array(columns[1], object),
        domain=np.array(columns[3], np.uint8),
        category=np.array(columns[4], np.int16),
        source=np.array([f"{n}.jpg" for n in columns[5]], object),
        categories=("bags", "tops"),
    )
    return rows, np.array(columns[2], bool)


@given(st.lists(ROW, max_size=12))
def test_search_census_against_loops(drawn: list[tuple[int, str, bool, int, int, int]]) -> None:
    rows, there = rows_of(drawn)
    found = search_census(rows, there, Role.QUERY, Role.GALLERY)
    every = range(len(rows))
    queries = [i for i in every if rows.role[i] & 2]
    positives = {
        q: [g for g in every if rows.role[g] & 4 and g != q and rows.product[g] == rows.product[q] != ""]
        for q in queries
    }
    alive = {q: [g for g in positives[q] if there[g]] for q in queries if there[q]}
    assert found.queries == len(queries)
    assert found.queries_lost == sum(not there[q] for q in queries)
    assert found.queries_with_positive == sum(bool(gs) for gs in alive.values())
    assert found.queries_without_positive == sum(not gs for gs in alive.values())
    assert found.queries_never_positive == sum(not positives[q] for q in alive)
    assert found.gallery == sum(bool(rows.role[i] & 4) for i in every)
    assert found.gallery_lost == sum(bool(rows.role[i] & 4) and not there[i] for i in every)
    assert found.positives == sum(map(len, positives.values()))
    assert found.positives_lost == found.positives - sum(map(len, alive.values()))


@given(st.lists(ROW, max_size=12))
def test_counts_against_loops(drawn: list[tuple[int, str, bool, int, int, int]]) -> None:
    rows, _ = rows_of(drawn)
    table = counts(rows)
    for name, number in (("", None), ("bags", 0), ("tops", 1)):
        chosen = [i for i in range(len(rows)) if number is None or rows.category[i] == number]
        gallery = [i for i in chosen if rows.role[i] & 4]
        trained = [i for i in chosen if rows.role[i] & 1 and rows.domain[i] == 0]
        assert table[name]["rows"] == len(chosen)
        assert table[name]["photos"] == len({rows.source[i] for i in chosen})
        assert table[name]["products"] == len({rows.product[i] for i in chosen} - {""})
        assert table[name]["gallery rows"] == len(gallery)
        assert table[name]["gallery photos"] == len({rows.source[i] for i in gallery})
        assert table[name]["query products"] == len({rows.product[i] for i in chosen if rows.role[i] & 2} - {""})
        assert table[name]["train street rows"] == len(trained)
        assert table[name]["shop rows"] == sum(rows.domain[i] == 1 for i in chosen)
        assert table[name]["gallery shop rows"] == sum(rows.domain[i] == 1 for i in gallery)
        assert table[name]["validation query rows"] == sum(bool(rows.role[i] & 8) for i in chosen)
        assert table[name]["unused rows"] == sum(rows.role[i] == 0 for i in chosen)
        assert table[name]["train street products"] == len({rows.product[i] for i in trained} - {""})
    of_train = {rows.source[i] for i in range(len(rows)) if rows.role[i] == 1}
    assert shared_photos(rows) == len(of_train & {rows.source[i] for i in range(len(rows)) if rows.role[i] & 6})


def test_counts_of_many_rows_are_those_of_few(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = make_rows(50, product=np.array([f"p{i % 7}" if i % 5 else "" for i in range(50)], object))
    few = counts(rows)
    monkeypatch.setattr(census, "FEW", 0)
    assert counts(rows) == few


def test_counts_of_no_rows() -> None:
    assert set(counts(empty_rows())[""].values()) == {0}


def test_doubtful_boxes() -> None:
    box = np.array(
        [[0, 0, 9, 9], [5, 5, 5, 9], [9, 0, 3, 20], [-1, 0, 20, 20], [0, 0, 3, 20], [np.nan] * 4], np.float32
    )
    found = doubtful_boxes(make_rows(6, box=box))
    assert found == {"no area": 2, "begins outside of the photo": 1, "a side under 8 pixels": 1}


def test_check_of_street2shop(street2shop: Path) -> None:  # noqa: F811
    summary = check.run("street2shop", CropOptions(root=street2shop))
    assert summary.counts[""]["rows"] == 11
    assert summary.counts["bags"]["query rows"] == 2 and summary.counts["tops"]["gallery photos"] == 2
    assert (summary.search.queries, summary.search.queries_with_positive) == (3, 2)
    assert (summary.search.positives, summary.search.positives_lost) == (3, 1)
    assert summary.photos_lost == 3 and summary.shared_photos == 1
    assert summary.notes["street photos both in train and in test"] == 1
    assert {(c.category, c.what): (c.found, c.expected) for c in summary.comparisons}["bags", "query rows"] == (2, 174)
    assert summary.exit_code == 0


def test_expected_counts_hold_only_with_their_options(street2shop: Path) -> None:  # noqa: F811
    summary = check.run("street2shop", CropOptions(root=street2shop, drop_train_products=True))
    assert "gallery photos" not in {c.what for c in summary.comparisons}


def test_check_prints_roles_domains_and_categories(street2shop: Path, fashret: Run) -> None:  # noqa: F811
    done = fashret("crop", "street2shop", "--root", street2shop, "--check")
    assert done.returncode == 0
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert "query 3 3 0 2 3" in lines  # rows, street, shop, photos, products
    assert "gallery 6 0 6 5 5" in lines and "all 11 5 6 8 7" in lines
    assert "bags 3 2 2 (174) 2 (87) 3 (16,308)" in lines  # train rows and products, query rows and products, gallery
    for wanted in (
        "queries: 3, lost: 0", "queries with a positive: 2", "gallery: 6, lost: 4",
        "pairs of query and positive: 3, lost: 1", "missing (dead links): 3", "both in train and in test: 1",
        "no area: 0", "repeats of one photo, box and product, left out: 0", "shop photos under two products: 1",
        "query rows of tops: 1, expected 763", "street2shop: can be used",
    ):  # fmt: skip
        assert wanted in lines


def test_check_reads_no_pixels(tmp_path: Path) -> None:
    for name in ("p/street/a.jpg", "p/shop/b.jpg"):
        write(tmp_path / name, "no photo")
    assert check.run(str(tmp_path), CropOptions()).exit_code == 0


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ("image,product\ngone.png,p\n", "none of its photos is below"),
        ("image,product,domain\na.png,p,street\nb.png,q,shop\n", "none of its 1 queries has a positive"),
        ("image,product\na.png,p\nb.png,p\ngone.png,p\n", "1 photos missing and 0 boxes without area of 3 rows"),
        ("image,product,x1,y1,x2,y2\na.png,p,5,5,5,9\nb.png,p,,,,\na.png,p,,,,", "0 photos missing and 1 boxes"),
    ],
)
def test_what_cannot_be_used_is_exit_code_1_with_the_reason(
    tmp_path: Path, table: str, problem: str, fashret: Run
) -> None:
    photo(tmp_path / "a.png")
    photo(tmp_path / "b.png")
    path = write(tmp_path / "c.csv", table)
    summary = check.run(str(path), CropOptions())
    assert summary.exit_code == 1 and problem in " ".join(summary.problems)


def test_check_on_the_command_line(tmp_path: Path, fashret: Run) -> None:
    photo(tmp_path / "a.png")
    photo(tmp_path / "b.png")
    path = write(tmp_path / "c.csv", "image,product\na.png,p\nb.png,p\n")
    done = fashret("crop", path, "--check", "--json")
    assert done.returncode == 0
    found = json.loads(done.stdout)
    assert found["usable"] and found["counts"][""]["rows"] == 2 and found["search"]["positives"] == 2
    assert {p.name for p in tmp_path.iterdir()} == {"a.png", "b.png", "c.csv"}
    write(path, "image,product\na.png,p\nb.png,q\n")
    done = fashret("crop", path, "--check")
    assert done.returncode == 1 and "cannot be used" in done.stdout and "Traceback" not in done.stderr


def test_datasets_are_listed_and_shown(fashret: Run) -> None:
    done = fashret("datasets", "--json")
    listed = json.loads(done.stdout)
    assert sorted(entry["name"] for entry in listed) == manifest_names()
    assert {e["name"]: e["readable"] for e in listed}["modanet"] is False
    done = fashret("datasets")
    assert all(name in done.stdout for name in ("street2shop", "39,479", "801K", "pairs", "masks"))
    done = fashret("datasets", "street2shop")
    assert "retrieval_{category}.json" in done.stdout and "--root FOLDER -o" in done.stdout
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert "category query rows query products gallery photos" in lines and "bags 174 87 16,308" in lines
    assert "train street rows 30,629" in lines and "images 416,840" in lines
    assert "gallery photos 11,312 (--gallery test)" in fashret("datasets", "deepfashion").stdout
    assert "nothing to retrieve" in fashret("datasets", "modanet").stdout
    assert fashret("datasets", "nothing").returncode == 1


def test_export_on_the_command_line(tmp_path: Path, fashret: Run) -> None:
    photo(tmp_path / "photos/p/street/a.png")
    photo(tmp_path / "photos/p/shop/b.png")
    assert fashret("crop", tmp_path / "photos", "-o", tmp_path / "c.h5").returncode == 0
    done = fashret("export", tmp_path / "c.h5", "-o", tmp_path / "coco", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "output": str(tmp_path / "coco"), "train": 0, "query": 1, "gallery": 1, "left_out": 0,
    }  # fmt: skip
    assert json.loads((tmp_path / "coco/gallery.json").read_text())["annotations"][0]["source"] == "shop"
