"""`fashret crop --check`: what a dataset offers, and what is lost with missing photos."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fashret.datasets.flags import CropFlags
from fashret.stages import check
from tests.conftest import invoke
from tests.dataset_case import photo, write
from tests.datasets.test_street2shop import root as street2shop  # noqa: F401


def test_check_of_street2shop(street2shop: Path) -> None:  # noqa: F811
    summary = check.run("street2shop", CropFlags(root=street2shop))
    assert summary.counts[""]["rows"] == 11
    assert summary.counts["bags"]["query rows"] == 2 and summary.counts["tops"]["gallery photos"] == 2
    assert (summary.search.queries, summary.search.queries_with_positive) == (3, 2)
    assert (summary.search.positives, summary.search.positives_lost) == (3, 1)
    assert summary.photos_lost == 3 and summary.shared_photos == 1
    assert summary.notes["street photos both in train and in test"] == 1
    assert {(c.category, c.what): (c.found, c.expected) for c in summary.comparisons}["bags", "query rows"] == (2, 174)
    assert summary.exit_code == 0


def test_expected_counts_hold_only_with_their_options(street2shop: Path) -> None:  # noqa: F811
    summary = check.run("street2shop", CropFlags(root=street2shop, drop_train_products=True))
    assert "gallery photos" not in {c.what for c in summary.comparisons}


def test_check_prints_roles_domains_and_categories(street2shop: Path) -> None:  # noqa: F811
    done = invoke("crop", "street2shop", "--root", street2shop, "--check")
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
    assert check.run(str(tmp_path), CropFlags()).exit_code == 0


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ("image,product\ngone.png,p\n", "none of its photos is below"),
        ("image,product,domain\na.png,p,street\nb.png,q,shop\n", "no query has a positive in the gallery (1 query)"),
        ("image,product\na.png,p\nb.png,p\ngone.png,p\n", "1 photo missing and 0 boxes without area of 3 rows"),
        ("image,product,x1,y1,x2,y2\na.png,p,5,5,5,9\nb.png,p,,,,\na.png,p,,,,", "0 photos missing and 1 box without"),
    ],
)
def test_what_cannot_be_used_is_exit_code_1_with_the_reason(tmp_path: Path, table: str, problem: str) -> None:
    photo(tmp_path / "a.png")
    photo(tmp_path / "b.png")
    path = write(tmp_path / "c.csv", table)
    summary = check.run(str(path), CropFlags(max_errors=0.01))
    assert summary.exit_code == 1 and problem in " ".join(summary.problems)


def test_check_on_the_command_line(tmp_path: Path) -> None:
    photo(tmp_path / "a.png")
    photo(tmp_path / "b.png")
    path = write(tmp_path / "c.csv", "image,product\na.png,p\nb.png,p\n")
    done = invoke("crop", path, "--check", "--json")
    assert done.returncode == 0
    found = json.loads(done.stdout)
    assert found["usable"] and found["counts"][""]["rows"] == 2 and found["search"]["positives"] == 2
    assert {p.name for p in tmp_path.iterdir()} == {"a.png", "b.png", "c.csv"}
    write(path, "image,product\na.png,p\nb.png,q\n")
    done = invoke("crop", path, "--check")
    assert done.returncode == 1 and "cannot be used" in done.stdout and "Traceback" not in done.stderr
