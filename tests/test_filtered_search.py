"""Searches with conditions: the same, number by number, as searches of a gallery that has no other rows."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import fashret
from fashret.catalogue import Catalogue
from fashret.errors import FashretError
from fashret.files.columns import Role, Rows, text_array
from fashret.files.embeddings import open_embeddings
from fashret.files.further_columns import FurtherColumn
from fashret.files.rankings import open_ranking
from fashret.options import RerankOptions, SearchOptions
from fashret.stages import rerank, search
from tests.conftest import invoke, make_rows, write_embeddings

WHERE = ("price < 50", "brand in (a, b)")
COUNT, WIDTH = 120, 12


def rows_of() -> tuple[Rows, np.ndarray]:
    """Rows, and of which the conditions hold."""
    rng = np.random.default_rng(0)
    price, brand = rng.integers(0, 100, COUNT).astype(float), rng.choice(["a", "b", "c", ""], COUNT)
    price[::7] = np.nan
    further = {"price": FurtherColumn("number", price), "brand": FurtherColumn("text", text_array(map(str, brand)))}
    rows = make_rows(
        COUNT,
        product=text_array(f"p{i}" for i in rng.integers(0, 20, COUNT)),
        role=rng.choice([2, 4, 6], COUNT).astype(np.uint8),
        category=rng.integers(0, 2, COUNT).astype(np.int16),
        categories=("tops", "bags"),
        further=further,
    )
    return rows, (price < 50) & np.isin(brand, ["a", "b"])


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A catalogue, and one in which only rows of which the conditions hold are in the gallery."""
    folder = tmp_path_factory.mktemp("filtered")
    rows, holds = rows_of()
    vectors = np.random.default_rng(1).normal(size=(COUNT, WIDTH)).astype(np.float32)
    vectors[5] = vectors[9]  # a tie
    role = np.where(holds, rows.role, rows.role & ~np.uint8(Role.GALLERY))
    assert 10 < np.count_nonzero(role & Role.GALLERY) < 40
    every = write_embeddings(folder / "every.emb.h5", rows, vectors)
    return every, write_embeddings(folder / "some.emb.h5", replace(rows, role=role), vectors)


def check_same(one: Path, other: Path) -> None:
    with open_ranking(one) as found, open_ranking(other) as expected:
        for name in ("gallery_row", "distance", "query_row"):
            np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
        for name in ("offsets", "row", "rank", "rank_in_category", "distance"):
            np.testing.assert_array_equal(found.positives(name), expected.positives(name))
        assert found.attribute("gallery_size") == expected.attribute("gallery_size")
        assert found.where == WHERE and expected.where == ()


@pytest.mark.parametrize("within", ["", "category"])
def test_a_search_and_its_re_ranking(files: tuple[Path, Path], tmp_path: Path, within: str) -> None:
    for path in files:
        options = SearchOptions(k=9, within=within, where=WHERE if path == files[0] else ())
        search.run(path, None, tmp_path / f"{path.stem}.h5", options)
        again = RerankOptions(k=9, k1=5, k2=2, device="cpu")
        rerank.run(tmp_path / f"{path.stem}.h5", tmp_path / f"{path.stem}.again.h5", again)
    check_same(tmp_path / "every.emb.h5", tmp_path / "some.emb.h5")
    check_same(tmp_path / "every.emb.again.h5", tmp_path / "some.emb.again.h5")


def test_two_files(files: tuple[Path, Path], tmp_path: Path) -> None:
    queries = tmp_path / "queries.emb.h5"
    rng = np.random.default_rng(2)
    rows = make_rows(5, product=text_array(["p1", "p2", "p3", "p4", ""]), source=text_array("abcde"))
    write_embeddings(queries, rows, rng.normal(size=(5, WIDTH)).astype(np.float32))
    for path, where in zip(files, (WHERE, ()), strict=True):
        search.run(queries, path, tmp_path / f"{path.stem}.h5", SearchOptions(where=where))
    check_same(tmp_path / "every.emb.h5", tmp_path / "some.emb.h5")


def test_python_and_catalogues(files: tuple[Path, Path]) -> None:
    spec, queries = fashret.SearchSpec(k=9, positives=True), np.random.default_rng(3).normal(size=(4, WIDTH))
    with open_embeddings(files[0]) as every, open_embeddings(files[1]) as some:
        for method in (fashret.search, fashret.rerank):
            for asked in (every, queries):
                how = replace(spec, positives=asked is every)
                found = method(asked, every, how, where=WHERE)
                expected = method(some if asked is every else asked, some, how)
                np.testing.assert_array_equal(found.neighbours.rows, expected.neighbours.rows)
                np.testing.assert_array_equal(found.neighbours.distances, expected.neighbours.distances)
        with pytest.raises(FashretError, match="where: is of columns"):
            fashret.search(queries, queries, where=WHERE)
    with Catalogue.open(files[0]) as every, Catalogue.open(files[1]) as some:
        assert every.search(queries, 7, where=WHERE) == some.search(queries, 7)
        assert every.search(queries, 7, rows=every.rows_where(WHERE)) == some.search(queries, 7)
        every_product = every.search(queries, COUNT, where=WHERE)
        assert {len(hits) for hits in every_product} == {len({hit.product for hit in every_product[0]})}
        assert every.search(queries, 7, where=["price < -1"]) == [()] * 4
        limited = every.search(queries, 7, rows=np.arange(60), where=WHERE)
        assert limited == some.search(queries, 7, rows=np.arange(60)) and limited != some.search(queries, 7)


def test_the_command(files: tuple[Path, Path], tmp_path: Path) -> None:
    conditions = [word for condition in WHERE for word in ("--where", condition)]
    done = invoke("search", files[0], *conditions, "-o", tmp_path / "r.h5", "--json", "-q")
    with open_embeddings(files[1]) as some:
        assert json.loads(done.stdout)["gallery"] == len(some.with_role(Role.GALLERY))
    shown = invoke("evaluate", tmp_path / "r.h5", "-q").stdout
    assert "Only gallery rows were searched where price < 50 and brand in (a, b)." in shown
    assert json.loads(invoke("info", tmp_path / "r.h5", "--json").stdout)["attributes"]["where"] == list(WHERE)


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("prise < 5", "has no column prise; did you mean price?"),
        ("price <", "lacks a value"),
        ("price < -1", "no gallery row is left where price < -1"),
    ],
)
def test_conditions_that_cannot_be_used_leave_nothing(
    files: tuple[Path, Path], tmp_path: Path, where: str, message: str
) -> None:
    for words in (["-o", tmp_path / "r.h5"], ["--image", files[0]]):
        done = invoke("search", files[0], "--where", where, *words)
        assert done.returncode == 1 and done.stderr.count("\n") == 1 and message in done.stderr, done.stderr
    assert list(tmp_path.iterdir()) == []


def test_scores_with_and_without_conditions_are_not_compared(files: tuple[Path, Path], tmp_path: Path) -> None:
    search.run(files[0], None, tmp_path / "a.h5", SearchOptions())
    search.run(files[0], None, tmp_path / "b.h5", SearchOptions(where=WHERE))
    shown = invoke("evaluate", tmp_path / "a.h5", tmp_path / "b.h5", "-q").stdout
    assert "gallery" in shown and "differ" in shown
