"""Re-ranking from file to file: what is read, what is written, what is refused."""

from __future__ import annotations

import errno
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from fashret.errors import FashretError
from fashret.files import hdf5, saved_arrays
from fashret.files.columns import text_array
from fashret.files.embeddings import open_embeddings
from fashret.files.rankings import open_ranking
from fashret.files.resume import arrays_path
from fashret.files.saved_arrays import SavedArrays
from fashret.knn import Neighbours, Positives, SearchResult, SearchSpec
from fashret.knn import memory as block_memory
from fashret.knn.cpu_filter import CpuFilter
from fashret.options import EvaluateOptions, RerankOptions, SearchOptions
from fashret.reranking.by_category import rerank_all
from fashret.reranking.estimate import estimate
from fashret.reranking.k_reciprocal import KReciprocal
from fashret.reranking.k_reciprocal import rerank as rerank_rows
from fashret.reranking.settings import ASSUMED, by_images
from fashret.stages import evaluate, rerank
from fashret.stages import rerank as rerank_stage
from fashret.stages.search import run as write_search
from fashret.vector_sets import search_sets
from tests.conftest import invoke, make_rows, write_embeddings
from tests.reranking.test_k_reciprocal import check

NUMBERS = RerankOptions(k=12, k1=6, k2=3, lam=0.3, device="cpu")
HOW = KReciprocal(6, 3, 0.3)


@pytest.fixture
def catalogue(tmp_path: Path) -> Path:
    """60 rows: queries, gallery, both, unlabelled gallery rows; three categories."""
    return write_catalogue(tmp_path / "all.emb.h5", 60, seed=1)


def write_catalogue(path: Path, count: int, seed: int, role: int | None = None) -> Path:
    rng = np.random.default_rng(seed)
    product = np.arange(count) // 4
    vectors = rng.standard_normal((count // 4 + 1, 6))[product] + 0.7 * rng.standard_normal((count, 6))
    names = [f"p{number}" for number in product]
    roles = rng.choice([2, 4, 6], count) if role is None else np.full(count, role)
    unlabelled = np.flatnonzero(roles == 4)[::5]
    for row in unlabelled:
        names[row] = ""
    rows = make_rows(
        count,
        source=text_array(f"{path.stem}/{i}.jpg" for i in range(count)),
        product=text_array(names),
        role=roles.astype(np.uint8),
        category=(product % 3).astype(np.int16),
        categories=("bags", "belts", "tops"),
    )
    return write_embeddings(path, rows, vectors.astype(np.float32))


def searched(path: Path, gallery: Path | None = None, **options: object) -> Path:
    output = path.with_name("ranking.h5")
    write_search(path, gallery, output, SearchOptions(**{"k": 5, "metric": "euclidean", "device": "cpu", **options}))
    return output


def read(path: Path) -> tuple[Neighbours, Positives]:
    file = open_ranking(path)
    names = ("offsets", "row", "rank", "rank_in_category", "distance")
    return Neighbours(file.gallery_row, file.distance.astype(float)), Positives(*map(file.positives, names))


def held_to_dense(ranking: Path, queries: Path, gallery: Path | None = None) -> None:
    """Check a re-ranked file against the dense form; its distances are float32."""
    found, positives = read(ranking)
    with open_embeddings(queries) as asked, open_embeddings(gallery or queries) as other:
        sides = search_sets(asked, other)
        request = SearchSpec(k=12, same_matrix=sides.same_matrix, positives=True)
        fine = replace(found, distances=np.where(found.rows >= 0, found.distances, np.nan))
        check(sides.queries, sides.gallery, HOW, request, (fine, positives), same=1e-6)


def test_one_file(catalogue: Path, tmp_path: Path) -> None:
    summary = rerank.run(searched(catalogue), tmp_path / "again.h5", NUMBERS)
    held_to_dense(tmp_path / "again.h5", catalogue)
    file = open_ranking(tmp_path / "again.h5")
    assert (summary.queries, summary.results) == file.gallery_row.shape
    assert summary.positives == len(file.positives("rank")) and summary.method == "k-reciprocal"
    numbers = {"k1": 6, "k2": 3, "lambda": 0.3, "per_query": False}
    assert file.reranking == {"method": "k-reciprocal", **numbers, "settings": "--k1, --k2 and --lambda"}
    assert summary.settings == numbers and summary.settings_from == "--k1, --k2 and --lambda"
    assert file.attribute("gallery_size") == summary.gallery
    assert file.embeddings_path("gallery") == catalogue
    assert (file.positives("rank_in_category") >= 0).all()  # a product is of one category here


def test_auto_goes_by_the_training_rows_and_never_by_the_gallery(catalogue: Path, tmp_path: Path) -> None:
    with h5py.File(catalogue, "r+") as file:
        file.attrs["model"] = '{"name": "m", "images_per_product": 13}'
    auto = RerankOptions(device="cpu")
    summary = rerank.run(searched(catalogue), tmp_path / "again.h5", auto)
    assert (summary.settings["k1"], summary.settings["k2"], summary.settings["lambda"]) == by_images(13)
    assert summary.settings_from == "auto, for 13 images per product (the median of the training rows)"
    assert open_ranking(tmp_path / "again.h5").reranking["settings"] == summary.settings_from
    with h5py.File(catalogue, "r+") as file:
        file["product"][:] = "the same"
    again = rerank.run(searched(catalogue), tmp_path / "again.h5", auto)
    assert (again.settings, again.settings_from) == (summary.settings, summary.settings_from)


def test_a_file_that_does_not_tell_is_reranked(catalogue: Path, tmp_path: Path) -> None:
    for told in ({}, {"images_per_product": 0}, {"images_per_product": float("nan")}):
        with h5py.File(catalogue, "r+") as file:
            file.attrs["model"] = json.dumps(told)
        summary = rerank.run(searched(catalogue), tmp_path / "again.h5", RerankOptions(device="cpu"))
        assert (summary.settings["k1"], summary.settings["k2"], summary.settings["lambda"]) == by_images(ASSUMED)


def test_one_image_in_the_gallery_is_said(catalogue: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rerank.run(searched(catalogue), tmp_path / "again.h5", RerankOptions(device="cpu", images_per_product=3))
    assert "nothing to gain" not in caplog.text
    rerank.run(searched(catalogue), tmp_path / "again.h5", RerankOptions(device="cpu", images_per_product=2))
    assert "products have one image in the gallery: there is nothing to gain from re-ranking" in caplog.text


def test_two_files(tmp_path: Path) -> None:
    street = write_catalogue(tmp_path / "street.emb.h5", 20, seed=2, role=2)
    shop = write_catalogue(tmp_path / "shop.emb.h5", 44, seed=2, role=4)
    rerank.run(searched(street, shop), tmp_path / "again.h5", NUMBERS)
    held_to_dense(tmp_path / "again.h5", street, shop)


def test_queries_in_another_order(catalogue: Path, tmp_path: Path) -> None:
    ranking = searched(catalogue)
    rerank.run(ranking, tmp_path / "again.h5", NUMBERS)
    with h5py.File(ranking, "r+") as file:
        file["query_row"][:] = file["query_row"][:][::-1]
    rerank.run(ranking, tmp_path / "reversed.h5", NUMBERS)
    (found, positives), (back, back_positives) = read(tmp_path / "again.h5"), read(tmp_path / "reversed.h5")
    np.testing.assert_array_equal(found.rows, back.rows[::-1])
    parts = [np.split(part.ranks, part.offsets[1:-1]) for part in (positives, back_positives)]
    assert [list(ranks) for ranks in parts[0]] == [list(ranks) for ranks in parts[1][::-1]]


def test_centroid_scores_are_labelled(catalogue: Path, tmp_path: Path) -> None:
    centroids = Path(shutil.copy(catalogue, tmp_path / "centroids.emb.h5"))
    with h5py.File(centroids, "r+") as file:
        file.attrs["centroids"] = True
    for gallery in (catalogue, centroids):
        plain, again = (tmp_path / f"{gallery.stem}.{kind}.h5" for kind in ("plain", "again"))
        write_search(catalogue, gallery, plain, SearchOptions(k=5, device="cpu"))
        rerank.run(plain, again, NUMBERS)
        for path in (plain, again):
            (table, *_) = evaluate.run([path], EvaluateOptions()).tables
            said = any(note.startswith("Centroid score: one gallery vector per product") for note in table.notes)
            assert said == ("(centroids)" in table.title) == (gallery == centroids) == open_ranking(path).centroids


def test_fewer_queries_than_the_embeddings_have(catalogue: Path, tmp_path: Path) -> None:
    ranking = searched(catalogue)
    with h5py.File(ranking, "r+") as file:
        some = {name: file[name][:][::3] for name in ("query_row", "gallery_row", "distance")}
        some |= {f"positives/{name}": array[:0] for name, array in file["positives"].items()}
        some["positives/offsets"] = np.zeros(len(some["query_row"]) + 1, int)
        for name, array in some.items():
            del file[name]
            file[name] = array
    rerank.run(ranking, tmp_path / "again.h5", replace(NUMBERS, per_query=True))
    rerank.run(searched(catalogue), tmp_path / "all.h5", replace(NUMBERS, per_query=True))
    (found, _), (every, _) = read(tmp_path / "again.h5"), read(tmp_path / "all.h5")
    np.testing.assert_array_equal(found.rows, every.rows[::3])
    assert open_ranking(tmp_path / "all.h5").reranking["per_query"] is True


def test_held_to_the_category(catalogue: Path, tmp_path: Path) -> None:
    rerank.run(searched(catalogue, within="category"), tmp_path / "held.h5", NUMBERS)
    rerank.run(searched(catalogue), tmp_path / "whole.h5", NUMBERS)
    held, whole = open_ranking(tmp_path / "held.h5"), open_ranking(tmp_path / "whole.h5")
    assert held.attribute("within") == "category" and whole.attribute("within") == ""
    with open_embeddings(catalogue) as file:
        category = np.append(file.category, -1)
        own = category[held.query_row][:, None]
        assert ((category[held.gallery_row] == own) | (held.gallery_row < 0)).all()
        assert (category[whole.gallery_row] != own).any()
    for name in ("offsets", "rank"):
        in_category = {"offsets": "offsets", "rank": "rank_in_category"}[name]
        first, second = held.positives(name), whole.positives(in_category)
        assert sorted(first) == sorted(second)


@pytest.mark.parametrize("method", ["aqe", "alpha-qe"])
def test_query_expansion(catalogue: Path, tmp_path: Path, method: str) -> None:
    options = replace(NUMBERS, method=method, neighbours=2)
    summary = rerank.run(searched(catalogue), tmp_path / "again.h5", options)
    file = open_ranking(tmp_path / "again.h5")
    alpha = 3.0 if method == "alpha-qe" else 0.0
    assert file.reranking == {"method": method, "neighbours": 2, "alpha": alpha} and summary.method == method
    assert file.attribute("metric") == "cosine"
    assert not (file.gallery_row == file.query_row[:, None]).any()


def test_leaving_out_the_query_product(catalogue: Path, tmp_path: Path) -> None:
    rerank.run(searched(catalogue, exclude_same_product=True), tmp_path / "again.h5", NUMBERS)
    file = open_ranking(tmp_path / "again.h5")
    with open_embeddings(catalogue) as rows:
        product = np.append(rows.product, "none")
    assert (product[file.gallery_row] != product[file.query_row][:, None]).all()
    assert len(file.positives("rank")) == 0


def test_embeddings_that_moved(catalogue: Path, tmp_path: Path) -> None:
    ranking = searched(catalogue)
    moved = catalogue.rename(tmp_path / "moved.emb.h5")
    with pytest.raises(FashretError, match="are not there; give them with --embeddings"):
        rerank.run(ranking, tmp_path / "again.h5", NUMBERS)
    rerank.run(ranking, tmp_path / "again.h5", replace(NUMBERS, embeddings=(moved,)))
    assert open_ranking(tmp_path / "again.h5").embeddings_path("query") == moved


@pytest.mark.parametrize("given", [False, True])
def test_embeddings_that_changed(catalogue: Path, tmp_path: Path, given: bool) -> None:
    ranking = searched(catalogue)
    with h5py.File(catalogue, "r+") as file:
        file["vectors"][3] = 0.5
    options = replace(NUMBERS, embeddings=(catalogue,) if given else ())
    with pytest.raises(FashretError, match="run `fashret search` again"):
        rerank.run(ranking, tmp_path / "again.h5", options)
    assert not (tmp_path / "again.h5").exists()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"k1": 0}, "--k1 0: must be 1 or more"),
        ({"lam": 1.5}, "--lambda 1.5: must be 0 to 1"),
        ({"method": "magic"}, "expected k-reciprocal, aqe or alpha-qe"),
        ({"method": "aqe", "neighbours": 0}, "--neighbours 0: must be 1 or more"),
        ({"k": 0}, "--top 0: must be 1 or more"),
        ({"embeddings": (Path("a"), Path("b"), Path("c"))}, "3 times"),
    ],
)
def test_options_that_cannot_be(catalogue: Path, tmp_path: Path, wrong: dict, message: str) -> None:
    with pytest.raises(FashretError, match=message):
        rerank.run(searched(catalogue), tmp_path / "again.h5", replace(NUMBERS, **wrong))
    assert not (tmp_path / "again.h5").exists()


def test_queries_that_cannot_be(catalogue: Path, tmp_path: Path) -> None:
    ranking = searched(catalogue)
    with h5py.File(ranking, "r+") as file:
        first = file["query_row"][0]
        file["query_row"][1] = first
    with pytest.raises(FashretError, match=f"row {first} of its queries is twice"):
        rerank.run(ranking, tmp_path / "again.h5", NUMBERS)
    with h5py.File(ranking, "r+") as file:
        file["query_row"][1] = 10**6
    with pytest.raises(FashretError, match='row 1000000 of its queries does not have the role "query"'):
        rerank.run(ranking, tmp_path / "again.h5", NUMBERS)


def test_more_asked_for_than_there_is(tmp_path: Path) -> None:
    few = write_catalogue(tmp_path / "few.emb.h5", 3, seed=3, role=6)
    rerank.run(searched(few), tmp_path / "again.h5", replace(NUMBERS, k=1000, k1=500, k2=70))
    found, positives = read(tmp_path / "again.h5")
    assert found.rows.shape == (3, 3) and (found.rows >= 0).sum() == 6
    assert list(positives.ranks) == [0, 1] * 3


def test_the_command(catalogue: Path, tmp_path: Path) -> None:
    ranking = searched(catalogue)
    done = invoke("rerank", ranking, "-o", tmp_path / "again.h5", "--k1", 6, "--k2", 3, "--lambda", 0.3,
                  "--top", 12, "--json")  # fmt: skip
    assert done.returncode == 0, done.stderr
    held_to_dense(tmp_path / "again.h5", catalogue)
    again = invoke("rerank", ranking, "-o", tmp_path / "no.h5", "--lambda", 2)
    assert again.returncode == 1 and "lambda" in again.stderr and again.stderr.count("\n") == 1


class Interrupted(BaseException):
    pass


def interrupt_after(times: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep finished work at once, in small blocks, and stop after some of them."""
    left = [times]
    save = SavedArrays._save

    def stopping(self: SavedArrays, name: str, arrays: dict) -> None:
        save(self, name, arrays)
        left[0] -= 1
        if left[0] == 0:
            raise Interrupted

    monkeypatch.setattr(SavedArrays, "_save", stopping)
    monkeypatch.setattr(saved_arrays, "SECONDS_BETWEEN", -1.0)
    monkeypatch.setattr(block_memory, "LEAST", 1)
    monkeypatch.setattr(CpuFilter, "largest", 8)


@pytest.mark.parametrize("per_query", [False, True])
@pytest.mark.parametrize("times", [2, 9])  # in the whole gallery, in a category
def test_resume(catalogue: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: int, per_query: bool) -> None:
    ranking, output = searched(catalogue), tmp_path / "again.h5"
    options = replace(NUMBERS, per_query=per_query)
    rerank.run(ranking, tmp_path / "expected.h5", options)
    interrupt_after(times, monkeypatch)
    with pytest.raises(Interrupted):
        rerank.run(ranking, output, options)
    assert not output.exists() and hdf5.kind_of(arrays_path(output)) == saved_arrays.KIND
    with pytest.raises(FashretError, match="resume it with --resume"):
        rerank.run(ranking, output, options)
    with pytest.raises(FashretError, match="--k1 6 → 7"):
        rerank.run(ranking, output, replace(options, k1=7, resume=True))
    rerank.run(ranking, output, replace(options, resume=True))
    for found, expected in zip(read(output), read(tmp_path / "expected.h5"), strict=True):
        for name, array in vars(expected).items():
            np.testing.assert_array_equal(getattr(found, name), array)
    assert not arrays_path(output).exists()


def test_a_full_disk_leaves_what_can_be_resumed(
    catalogue: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, *_: object) -> None:
        with hdf5.write_whole(path, "fashret.ranking", 1):
            raise OSError(errno.ENOSPC, "No space left on device")

    ranking, output = searched(catalogue), tmp_path / "again.h5"
    monkeypatch.setattr(saved_arrays, "SECONDS_BETWEEN", -1.0)
    with monkeypatch.context() as here:
        here.setattr(rerank_stage, "write_ranking", full)
        with pytest.raises(FashretError, match="full"):
            rerank.run(ranking, output, NUMBERS)
    with pytest.raises(
        FashretError, match=r"again\.h5\.unfinished was left by an interrupted run: resume it with --resume"
    ):
        rerank.run(ranking, output, NUMBERS)
    rerank.run(ranking, output, replace(NUMBERS, resume=True))
    held_to_dense(output, catalogue)
    assert not arrays_path(output).exists()


def test_restart(catalogue: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ranking, output = searched(catalogue), tmp_path / "again.h5"
    interrupt_after(1, monkeypatch)
    with pytest.raises(Interrupted):
        rerank.run(ranking, output, NUMBERS)
    rerank.run(ranking, output, replace(NUMBERS, k1=7, restart=True))
    assert open_ranking(output).reranking["k1"] == 7


def test_says_how_long_and_how_much(
    catalogue: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(rerank_stage, "LONG", 1)
    monkeypatch.setattr(rerank_stage.log, "propagate", True)
    caplog.set_level("INFO")
    rerank.run(searched(catalogue), tmp_path / "again.h5", NUMBERS)
    assert [text for text in caplog.messages if text.startswith("re-ranking ") and "of memory" in text]


def test_refuses_what_does_not_fit(catalogue: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ranking = searched(catalogue)
    with pytest.raises(FashretError, match=r"needs \d+[KM]B of memory at least and 1KB are allowed; give"):
        rerank.run(ranking, tmp_path / "again.h5", replace(NUMBERS, memory="1KB"))
    monkeypatch.setattr(rerank_stage, "free_memory", lambda: 1000)
    with pytest.raises(FashretError, match="1KB are free; stop other programs or give a smaller --memory"):
        rerank.run(ranking, tmp_path / "again.h5", NUMBERS)
    assert not (tmp_path / "again.h5").exists()


@pytest.mark.parametrize("within", ["", "category"])
def test_the_memory_that_it_names_is_enough(catalogue: Path, tmp_path: Path, within: str) -> None:
    ranking = searched(catalogue, within=within)
    with pytest.raises(FashretError, match=r"needs (\S+) of memory at least .* give --memory \1 or more") as error:
        rerank.run(ranking, tmp_path / "again.h5", replace(NUMBERS, memory="1KB"))
    named = re.findall(r"--memory (\S+) or", str(error.value))[0]
    rerank.run(ranking, tmp_path / "again.h5", replace(NUMBERS, memory=named))
    assert open_ranking(tmp_path / "again.h5").attribute("within") == within


@pytest.mark.parametrize("k", [3, 30])  # the neighbour lists or the plain search take more
@pytest.mark.parametrize("within", [None, "category"])
def test_the_least_memory_is_that_of_the_smallest_blocks(catalogue: Path, k: int, within: str | None) -> None:
    with open_embeddings(catalogue) as file:
        sides = search_sets(file, file)
        request = SearchSpec(k=k, within=within, same_matrix=sides.same_matrix, positives=True)  # type: ignore[arg-type]
        how = KReciprocal(2, 2, 0.3)
        least = estimate(sides.queries, sides.gallery, request, how.list_length).least

        def method(*asked: Any) -> SearchResult:
            return rerank_rows(*asked[:3], how, asked[3])

        rerank_all(method, sides.queries, sides.gallery, replace(request, memory=least))
        with pytest.raises(FashretError, match=f"least is {least:,} bytes: give --memory \\d+MB or more"):
            rerank_all(method, sides.queries, sides.gallery, replace(request, memory=least - 1))


def test_evaluate_resumes(catalogue: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = EvaluateOptions(rerank=True, k1=6, k2=3, device="cpu")
    expected = evaluate.run([catalogue], options).as_json()
    interrupt_after(2, monkeypatch)
    with pytest.raises(Interrupted):
        evaluate.run([catalogue], options)
    kept = catalogue.with_name("all.emb.h5.reranking.unfinished")
    assert hdf5.kind_of(kept) == saved_arrays.KIND
    with pytest.raises(FashretError, match="resume it with --resume"):
        evaluate.run([catalogue], options)
    assert evaluate.run([catalogue], replace(options, resume=True)).as_json() == expected
    assert not kept.exists()
