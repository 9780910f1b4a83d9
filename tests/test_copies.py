"""Queries that are in the gallery too: the same row in another file, copies of another name."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from fashret.copies import find_copies
from fashret.files.columns import Rows, text_array
from fashret.files.embeddings import open_embeddings
from fashret.files.origins import Origins
from fashret.files.rankings import open_ranking
from fashret.options import EvaluateOptions, RerankOptions, SearchOptions
from fashret.stages import embed, evaluate, rerank, search
from tests.conftest import invoke, make_rows, write_embeddings
from tests.stages.test_embed import make_photos, options, write_tiny_model
from tests.training_case import add_tiny_backbone

COUNT = 12
VECTORS = np.random.default_rng(3).standard_normal((COUNT, 6)).astype(np.float32)


def written(path: Path, rows: Rows, vectors: np.ndarray, content: list[str] | None = None) -> Path:
    write_embeddings(path, rows, vectors)
    if content is not None:
        with h5py.File(path, "r+") as file:
            Origins(text_array(content), np.zeros((len(rows), 2), np.int64)).write(file)
    return path


def found(query: Path, gallery: Path, exclude: bool = False) -> tuple[int, int, np.ndarray | None]:
    """Counts, and which query is which gallery row: Q×G."""
    with open_embeddings(query) as asked, open_embeddings(gallery) as searched:
        rows = np.arange(len(asked)), np.arange(len(searched))
        copies = find_copies((asked, searched), rows, one=query == gallery, exclude=exclude)
    identity = copies.identity
    return copies.same, copies.copies, None if identity is None else identity[0][:, None] == identity[1]


@pytest.mark.parametrize("told", [True, False])
def test_rows_of_the_same_photo_box_and_content_are_the_same(tmp_path: Path, told: bool) -> None:
    boxes = np.full((4, 4), np.nan, np.float32)
    boxes[2:] = [0, 0, 5, 5]
    names = text_array(["a.jpg", "b.jpg", "b.jpg", "c.jpg"])
    one = make_rows(4, source=names, box=boxes, product=text_array(["x", "", "y", "z"]))
    moved = boxes.copy()
    moved[3] = [0, 0, 5, 6]
    order = np.array([3, 2, 1, 0, 1])  # b.jpg is there twice, under two products
    products = text_array(["z", "y", "u", "x", "v"])
    other = make_rows(5, source=names[order], box=moved[order], product=products)
    vectors = VECTORS[:4]
    elsewhere = vectors[order].copy()
    elsewhere[1] += 1  # another photo of the same name and box
    contents = (["1", "2", "3", "4"], ["4", "9", "2", "1", "2"]) if told else (None, None)
    query = written(tmp_path / "q.h5", one, vectors, contents[0])
    gallery = written(tmp_path / "g.h5", other, elsewhere if not told else vectors[order], contents[1])
    same, copies, pairs = found(query, gallery)
    assert pairs is not None
    assert [tuple(pair) for pair in np.argwhere(pairs)] == [(0, 3), (1, 2), (1, 4)]
    assert (same, copies) == (2, 1)  # c.jpg with another box: a copy
    _, _, pairs = found(query, gallery, exclude=True)
    assert pairs is not None and [tuple(pair) for pair in np.argwhere(pairs)] == [(0, 3), (1, 2), (1, 4), (3, 0)]


def test_vectors_decide_where_one_file_does_not_tell(tmp_path: Path) -> None:
    rows, contents = make_rows(COUNT), [str(i) for i in range(COUNT)]
    query = written(tmp_path / "q.h5", rows, VECTORS, contents)
    contents[4] = ""
    gallery = written(tmp_path / "g.h5", rows, VECTORS.astype(np.float16), contents)  # equal but for the rounding
    assert found(query, gallery)[:2] == (COUNT, 0)
    changed = VECTORS.copy()
    changed[[3, 4]] *= -1
    gallery = written(tmp_path / "h.h5", rows, changed, contents)
    assert found(query, gallery)[0] == COUNT - 1  # row 3 has the same content, row 4 tells nothing


def test_vectors_decide_where_contents_are_of_two_kinds(tmp_path: Path) -> None:
    rows, photos = make_rows(COUNT), [f"xxh3:{i:032x}" for i in range(COUNT)]
    query = written(tmp_path / "q.h5", rows, VECTORS, [f"crop-{text}" for text in photos])
    assert found(query, written(tmp_path / "g.h5", rows, VECTORS, photos))[0] == COUNT


def test_one_file_knows_its_rows(tmp_path: Path) -> None:
    path = written(tmp_path / "a.h5", make_rows(4), VECTORS[:4], ["1", "2", "1", "3"])
    assert found(path, path) == (0, 0, None)
    same, copies, pairs = found(path, path, exclude=True)
    assert (same, copies) == (0, 2) and pairs is not None
    assert [tuple(p) for p in np.argwhere(pairs)] == [(0, 0), (0, 2), (1, 1), (2, 0), (2, 2), (3, 3)]


def test_nothing_in_common_changes_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    one = written(tmp_path / "q.h5", make_rows(3), VECTORS[:3])
    other = written(tmp_path / "g.h5", make_rows(3), VECTORS[3:6])  # other photos of the same names
    assert found(one, other) == (0, 0, None) and not caplog.text


ARRAYS = ("gallery_row", "distance", "query_row")


def arrays(path: Path) -> list[Any]:
    with open_ranking(path) as ranking:
        names = ("offsets", "row", "rank", "rank_in_category")
        return [np.nan_to_num(getattr(ranking, name), nan=-1).tolist() for name in ARRAYS] + [
            ranking.positives(n).tolist() for n in names
        ]


@pytest.mark.parametrize("told", [True, False])
def test_a_second_file_of_the_same_rows_gives_what_the_first_gives_alone(tmp_path: Path, told: bool) -> None:
    rows, contents = make_rows(COUNT), [str(i) for i in range(COUNT)] if told else None
    one = written(tmp_path / "a.h5", rows, VECTORS, contents)
    other = shutil.copy(one, tmp_path / "b.h5")
    search.run(one, None, tmp_path / "alone.h5", SearchOptions())
    summary = search.run(one, Path(other), tmp_path / "two.h5", SearchOptions())
    assert arrays(tmp_path / "alone.h5") == arrays(tmp_path / "two.h5")
    assert (summary.queries_in_gallery, summary.queries_with_copies) == (COUNT, 0)
    for method in ("aqe", "k-reciprocal"):
        for name in ("alone", "two"):
            rerank.run(tmp_path / f"{name}.h5", tmp_path / f"{name}-{method}.h5", RerankOptions(method=method))
    assert arrays(tmp_path / "alone-aqe.h5") == arrays(tmp_path / "two-aqe.h5")
    with open_ranking(tmp_path / "two-k-reciprocal.h5") as ranking:
        assert all(query not in row for query, row in zip(ranking.query_row, ranking.gallery_row, strict=True))


def test_copies_are_kept_said_and_left_out_on_request(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """From photos on: a folder, and another with copies and hard links of its photos under other names."""
    add_tiny_backbone()
    model = write_tiny_model(tmp_path / "model")
    first = make_photos(tmp_path / "first")
    second = tmp_path / "second"
    second.mkdir()
    photos = sorted(first.glob("*.jpg"))
    for photo in photos[:5]:
        shutil.copy(photo, second / photo.name)
    os.link(photos[5], second / photos[5].name)
    shutil.copy(photos[6], second / "copy.jpg")
    os.link(photos[7], second / "link.jpg")
    for folder in (first, second):
        embed.run(folder, tmp_path / f"{folder.name}.emb.h5", options(model))
    with h5py.File(tmp_path / "second.emb.h5", "r+") as file:
        file["role"][:] = 2
    paths = tmp_path / "second.emb.h5", tmp_path / "first.emb.h5"
    kept = search.run(*paths, tmp_path / "kept.h5", SearchOptions())
    assert (kept.queries, kept.queries_in_gallery, kept.queries_with_copies) == (8, 6, 2)
    assert "2 queries show the same as gallery rows of another name, such as copy.jpg and" in caplog.text
    assert "--exclude-copies leaves them out" in caplog.text
    search.run(*paths, tmp_path / "dropped.h5", SearchOptions(exclude_copies=True))
    rerank.run(tmp_path / "dropped.h5", tmp_path / "again.h5", RerankOptions())
    with open_embeddings(paths[0]) as asked, open_embeddings(paths[1]) as searched:
        for name, expected in (("kept", 2), ("dropped", 0), ("again", 0)):
            with open_ranking(tmp_path / f"{name}.h5") as ranking:
                contents = [read.file["content"].asstr()[:] for read in (asked, searched)]
                met = contents[0][ranking.query_row][:, None] == contents[1][ranking.gallery_row]
                assert int((met & (ranking.gallery_row >= 0)).sum()) == expected


def test_evaluate_says_of_a_ranking_how_many_queries_have_copies(tmp_path: Path) -> None:
    named = {name: text_array([f"{name}{i}" for i in range(COUNT)]) for name in ("asked", "searched")}
    sides = [written(tmp_path / f"{name}.h5", make_rows(COUNT, source=named[name]), VECTORS) for name in named]
    note = f"{COUNT} queries show the same as gallery rows of another name; search --exclude-copies leaves these out."
    search.run(*sides, tmp_path / "kept.h5", SearchOptions())
    rerank.run(tmp_path / "kept.h5", tmp_path / "again.h5", RerankOptions(method="aqe"))
    for name in ("kept", "again"):
        assert note in evaluate.run([tmp_path / f"{name}.h5"], EvaluateOptions()).tables[0].notes
    search.run(*sides, tmp_path / "dropped.h5", SearchOptions(exclude_copies=True))
    assert "another name" not in " ".join(evaluate.run([tmp_path / "dropped.h5"], EvaluateOptions()).tables[0].notes)


def test_evaluate_leaves_copies_out_where_it_searches(tmp_path: Path) -> None:
    products = text_array(["a", "a", "b", "b", "c", "c"])
    vectors = np.repeat(VECTORS[:3], 2, axis=0)
    path = written(tmp_path / "a.emb.h5", make_rows(6, product=products), vectors, list("112233"))
    plain = evaluate.run([path], EvaluateOptions(k=(1,)))
    assert "1" in str(plain.as_json())
    done = invoke("evaluate", path, "--exclude-copies")
    assert done.returncode == 1 and "no query has a positive in the gallery (6 queries)" in done.stderr
    search.run(path, None, tmp_path / "r.h5", SearchOptions())
    done = invoke("evaluate", tmp_path / "r.h5", "--exclude-copies")
    assert done.returncode == 1 and "is a ranking, which --exclude-copies does not change" in done.stderr
