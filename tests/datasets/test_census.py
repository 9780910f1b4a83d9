"""Counts over rows against loops."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fashret.datasets import census
from fashret.datasets.census import counts, doubtful_boxes, search_census, shared_photos
from fashret.files.columns import Role, Rows
from tests.conftest import make_rows

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
    assert set(counts(make_rows(0))[""].values()) == {0}


def test_doubtful_boxes() -> None:
    box = np.array(
        [[0, 0, 9, 9], [5, 5, 5, 9], [9, 0, 3, 20], [-1, 0, 20, 20], [0, 0, 3, 20], [np.nan] * 4], np.float32
    )
    found = doubtful_boxes(make_rows(6, box=box))
    assert found == {"no area": 2, "begins outside of the photo": 1, "a side under 8 pixels": 1}
