"""Every re-ranker can be built by its name and run; an unknown name is one line."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest

from fashret.errors import FashretError
from fashret.knn import SearchSpec
from fashret.options import Reranking
from fashret.reranking.methods import METHODS, find_method
from tests.knn_case import vector_set, with_ties

RECORDED = {"lam": "lambda"}  # option → the name in files, where they differ


@pytest.mark.parametrize("name", METHODS)
def test_builds_and_runs(name: str) -> None:
    method = find_method(Reranking(method=name))
    rng = np.random.default_rng(0)
    product = rng.integers(0, 4, 20)
    queries, gallery = (vector_set(with_ties(rng, 20, 6), product) for _ in range(2))
    found, positives = method.run(queries, gallery, SearchSpec(k=5, metric=method.metric, positives=True), None)
    assert found.rows.shape == (20, 5) and (found.rows >= 0).all()
    assert positives is not None and len(positives.rows) == (product[:, None] == product).sum()
    assert method.settings and (method.list_length > 0) == (name == "k-reciprocal")


def test_settings_say_what_was_asked_for() -> None:
    asked = Reranking(method="k-reciprocal", k1=7, k2=3, lam=0.5, per_query=True, neighbours=4, alpha=2.5)
    assert find_method(asked).settings == {"k1": 7, "k2": 3, "lambda": 0.5, "per_query": True}
    assert find_method(asked).list_length == 8
    for name, alpha in (("aqe", 0.0), ("alpha-qe", 2.5)):
        settings = find_method(Reranking(method=name, neighbours=4, alpha=2.5)).settings
        assert settings == {"neighbours": 4, "alpha": alpha}
    options = {RECORDED.get(field.name, field.name) for field in fields(Reranking)}
    assert all(set(find_method(Reranking(method=name)).settings) <= options for name in METHODS)


def test_an_unknown_name_is_one_line() -> None:
    with pytest.raises(FashretError, match=r"^--method qe: expected k-reciprocal, aqe or alpha-qe$"):
        find_method(Reranking(method="qe"))
