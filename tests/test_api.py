"""The functions of `import fashret` give what the commands write, from files and from arrays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fashret
from fashret import FashretError, Reranking, SearchSpec, VectorSet, api
from fashret.files.crops import Crops
from fashret.files.embeddings import Embeddings
from fashret.files.rankings import Ranking, open_ranking
from fashret.models.opening import open_embedder
from fashret.options import EvaluateOptions, RerankOptions, SearchOptions
from fashret.stages import evaluate, rerank, search
from tests.report_case import Case, write_case

K = 7
MEASURES = ["mAP", "Acc@1", "Acc@5"]
NUMBERS: dict[str, Any] = {"k1": 4, "k2": 2}


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    """Embeddings, crops, a plain ranking and one re-ranked, of the same rows."""
    case = write_case(tmp_path_factory.mktemp("api"))
    search.run(case.embeddings, None, case.folder / "plain.h5", SearchOptions(k=K, device="cpu"))
    rerank.run(case.folder / "plain.h5", case.folder / "again.h5", RerankOptions(k=K, **NUMBERS))
    return case


def check_same(found: fashret.SearchResult, path: Path) -> None:
    with open_ranking(path) as ranking:
        np.testing.assert_array_equal(found.neighbours.rows, ranking.gallery_row)
        np.testing.assert_array_equal(found.neighbours.distances.astype(np.float32), ranking.distance)
        assert found.positives is not None
        np.testing.assert_array_equal(found.positives.ranks, ranking.positives("rank"))
        np.testing.assert_array_equal(found.positives.ranks_in_category, ranking.positives("rank_in_category"))


def test_the_package_hands_out_these_functions() -> None:
    names = ("open", "embed", "search", "rerank", "evaluate")
    assert all(getattr(fashret, name) is getattr(api, name) for name in names)


def test_open_tells_what_a_file_is(case: Case) -> None:
    kinds = {case.crops: Crops, case.embeddings: Embeddings, str(case.folder / "plain.h5"): Ranking}
    for path, kind in kinds.items():
        with fashret.open(path) as file:
            assert type(file) is kind and len(file)
        assert not file.file  # closed


def test_open_files_give_what_the_commands_write(case: Case) -> None:
    spec = SearchSpec(k=K, positives=True)
    with fashret.open(case.embeddings) as file:
        check_same(fashret.search(file, spec=spec), case.folder / "plain.h5")
        check_same(fashret.search(file, file, spec), case.folder / "plain.h5")
        check_same(fashret.rerank(file, spec=spec, options=Reranking(**NUMBERS)), case.folder / "again.h5")
        rows = np.flatnonzero(file.role & 2)
        plain = fashret.search(np.array(file.vectors[rows]), file, SearchSpec(k=K + 1))  # each finds itself too
        with fashret.open(case.folder / "plain.h5") as ranking:
            kept = plain.neighbours.rows != rows[:, None]
            assert [row[keep][:K].tolist() for row, keep in zip(plain.neighbours.rows, kept, strict=True)] == (
                ranking.gallery_row.tolist()
            )


@pytest.mark.parametrize("method", ["k-reciprocal", "aqe"])
def test_matrices_and_sets_are_searched_among_themselves_or_with_each_other(method: str) -> None:
    rng = np.random.default_rng(0)
    vectors, product = rng.standard_normal((20, 6)), rng.integers(0, 4, 20)
    options = Reranking(method=method, k1=4, k2=2, neighbours=3)
    for find in (fashret.search, lambda *given: fashret.rerank(*given, options)):
        own = find(vectors, None, SearchSpec(k=4))
        assert not (own.neighbours.rows == np.arange(20)[:, None]).any() and own.positives is None
        labelled = find(VectorSet.of(vectors, product), None, SearchSpec(k=4, positives=True))
        np.testing.assert_array_equal(labelled.neighbours.rows, own.neighbours.rows)
        assert np.diff(labelled.positives.offsets).tolist() == [(product == p).sum() - 1 for p in product]
        both = find(vectors[:5], vectors.tolist(), SearchSpec(k=30))
        assert (np.sort(both.neighbours.rows[:, :20]) == np.arange(20)).all()
        assert (both.neighbours.rows[:, 20:] == -1).all()


def test_scores_are_those_of_the_command(case: Case) -> None:
    tables = evaluate.run([case.folder / "plain.h5"], EvaluateOptions(k=(1, 5))).as_json()["tables"]
    printed = {next(iter(row.values())): [row[name] for name in MEASURES] for row in tables[0]["rows"]}
    with fashret.open(case.folder / "plain.h5") as ranking, fashret.open(case.embeddings) as file:
        scores = fashret.evaluate(ranking, ks=(1, 5))
        category = file.category[ranking.query_row]
        found = fashret.search(file, spec=SearchSpec(positives=True))
    of_arrays = fashret.evaluate(found, (1, 5), category)
    for each in (scores, of_arrays):
        assert list(each.mean) == list(each.category_mean) == MEASURES
        assert list(each.mean.values()) == pytest.approx(printed["Unconstrained retrieval"])
        assert list(each.category_mean.values()) == pytest.approx(printed["Average over categories"])
    assert fashret.evaluate(found, (1, 5)).mean == of_arrays.mean and fashret.evaluate(found).category_mean == {}


def test_embed_takes_a_folder_or_an_open_embedder(pipeline: Path) -> None:
    photos = sorted((pipeline / "demo/photos").rglob("*shop*.jpg"))[:3]
    vectors = fashret.embed(photos, pipeline / "demo/model", device="cpu")
    assert vectors.dtype == np.float32 and np.linalg.norm(vectors, axis=1) == pytest.approx(1)
    embedder = open_embedder([pipeline / "demo/model"], device="cpu", precision="float32")
    np.testing.assert_array_equal(fashret.embed(photos, embedder), vectors)
    np.testing.assert_allclose(
        fashret.embed(photos[1], str(pipeline / "demo/model/model.json")), vectors[1:2], atol=1e-6
    )


def test_a_device_is_chosen_as_by_the_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    monkeypatch.setattr("fashret.knn.search", lambda asked, searched, spec: seen.append(spec.device))
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    for device in ("auto", "cuda", "cuda:1", "cpu"):
        fashret.search(np.eye(3), spec=SearchSpec(device=device))
    assert seen == ["cuda:0", "cuda:0", "cuda:1", "cpu"]


def test_errors_are_one_line(case: Case, tmp_path: Path) -> None:
    vectors = np.random.default_rng(0).standard_normal((9, 4))
    (tmp_path / "text.h5").write_text("none")
    for use, message in {
        lambda: fashret.open(tmp_path / "none.h5"): "none.h5: no such file",
        lambda: fashret.open(tmp_path / "text.h5"): "text.h5: is a text file",
        lambda: fashret.embed("a.jpg", tmp_path): "model",
        lambda: fashret.embed("a.jpg", tmp_path, size=100_000): "--size 100000: must be 0 to 16,384",
        lambda: fashret.search([1, 2]): "should be a matrix of numbers",
        lambda: fashret.search(vectors, vectors[:, :3]): "vectors of queries have 4 components and those of gallery 3",
        lambda: fashret.search(vectors * np.nan): "hold NaN",
        lambda: fashret.search(vectors, spec=SearchSpec(k=0)): "k 0: keep at least 1 result",
        lambda: fashret.search(vectors, spec=SearchSpec(device="bogus")): "--device bogus: write auto, cpu, cuda",
        lambda: fashret.rerank(vectors, spec=SearchSpec(device="cuda:99")): "--device cuda:99: ",
        lambda: fashret.rerank(vectors, options=Reranking(method="none")): "none: expected k-reciprocal",
        lambda: fashret.rerank(vectors, spec=SearchSpec(memory=10)): "memory",
        lambda: fashret.evaluate(fashret.search(vectors)): "did not rank positives",
        lambda: fashret.evaluate(
            fashret.search(vectors, spec=SearchSpec(positives=True)), categories=[1]
        ): r"per query \(9\)",
    }.items():
        with pytest.raises(FashretError, match=message) as raised:
            use()
        assert "\n" not in str(raised.value)
