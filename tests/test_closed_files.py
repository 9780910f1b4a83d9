"""Every HDF5 file that a stage opens is closed when it returns, and when it fails."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import pytest

from fashret.errors import FashretError
from fashret.files.embeddings import open_embeddings
from fashret.options import EvaluateOptions, RerankOptions, ShowOptions
from fashret.report.pictures import pictures_of
from fashret.stages import evaluate, rerank, show
from tests.report_case import Case, write_case

K: dict[str, Any] = {"k1": 4, "k2": 2}


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    return write_case(tmp_path_factory.mktemp("closed"), queries=6, gallery=30, products=10)


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Case:
    return write_case(tmp_path_factory.mktemp("other"), queries=6, gallery=31, names=lambda n: f"other/{n}")


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[h5py.File]:
    """Every file that is opened while a test runs; the list keeps those that nobody closes."""
    files: list[h5py.File] = []

    class Noted(h5py.File):
        def __init__(self, *args: Any, **settings: Any) -> None:
            super().__init__(*args, **settings)
            files.append(self)

    monkeypatch.setattr(h5py, "File", Noted)
    return files


def left(files: list[h5py.File]) -> int:
    assert files
    return sum(map(bool, files))


USES: dict[
    str, tuple[Callable[[Case, Case, Path], object], str]
] = {  # what is done, and how it fails ("" = it does not)
    "rerank": (lambda case, _, to: rerank.run(case.ranking, to / "a.h5", RerankOptions(**K)), ""),
    "rerank, other embeddings": (
        lambda case, other, to: rerank.run(case.ranking, to / "a.h5", RerankOptions(embeddings=(other.embeddings,))),
        "given with --embeddings",
    ),
    "evaluate embeddings": (
        lambda case, _, to: evaluate.run([case.embeddings], EvaluateOptions(rerank=True, report=to / "report", **K)),
        "",
    ),
    "evaluate products": (  # searched again with a larger k
        lambda case, _, to: evaluate.run([case.embeddings], EvaluateOptions(hits="product", k=(1, 9))),
        "",
    ),
    "evaluate rankings": (
        lambda case, _, to: evaluate.run([case.ranking, case.reranked], EvaluateOptions(report=to / "report")),
        "",
    ),
    "evaluate, no pictures": (
        lambda case, other, to: evaluate.run(
            [case.ranking], EvaluateOptions(report=to / "report", crops=(other.crops,))
        ),
        "none of",
    ),
    "evaluate, other embeddings": (
        lambda case, other, _: evaluate.run([case.ranking], EvaluateOptions(embeddings=(other.embeddings,))),
        "given with --embeddings",
    ),
    "show": (lambda case, _, to: show.run([case.ranking, case.reranked], to / "a.png", ShowOptions()), ""),
    "show, no such query": (
        lambda case, _, to: show.run([case.ranking], to / "a.png", ShowOptions(query=99)),
        "queries are 0 to 5",
    ),
    "show, other crops": (
        lambda case, other, to: show.run([case.ranking, other.ranking], to / "a.png", ShowOptions()),
        "not rankings of the same",
    ),
}


@pytest.mark.parametrize("what", USES)
def test_nothing_stays_open(what: str, case: Case, other: Case, tmp_path: Path, opened: list[h5py.File]) -> None:
    use, fails = USES[what]
    if fails:
        with pytest.raises(FashretError, match=fails):
            use(case, other, tmp_path)
    else:
        use(case, other, tmp_path)
    assert left(opened) == 0


def test_only_the_crops_of_the_embeddings_are_open_and_only_inside(
    case: Case, other: Case, opened: list[h5py.File]
) -> None:
    with open_embeddings(case.embeddings) as embeddings:
        with pictures_of(embeddings, [other.crops, case.crops]) as pictures:
            assert pictures.image(0).ndim == 3 and left(opened) == 2
        assert left(opened) == 1
