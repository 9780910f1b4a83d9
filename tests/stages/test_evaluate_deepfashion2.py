"""`fashret evaluate --protocol deepfashion2` on a dataset of four photos, whose scores are counted by hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from fashret.errors import FashretError
from fashret.files.columns import Role, text_array
from fashret.files.further_columns import FurtherColumn
from fashret.options import EvaluateOptions, SearchOptions
from fashret.stages import evaluate_deepfashion2, search
from tests.conftest import make_rows, write_embeddings
from tests.dataset_case import write

TOP, SKIRT = "short sleeve top", "skirt"
BOXES = {"top": [0, 0, 10, 10], "skirt": [0, 10, 10, 30], "off": [90, 90, 99, 99]}
SHOP = [("000003", "top"), ("000003", "skirt"), ("000004", "top")]  # of pair 1, and of another


def item(name: str, style: int = 1) -> dict:
    number, category = (1, TOP) if name == "top" else (9, SKIRT)
    return {"category_id": number, "category_name": category, "style": style, "bounding_box": BOXES[name]}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write(tmp_path / "train/annos/000001.json", {"source": "user", "pair_id": 1, "item1": item("top")})
    annos = tmp_path / "validation/annos"
    both = {"item1": item("top"), "item2": item("skirt", style=2)}
    write(annos / "000001.json", {"source": "user", "pair_id": 1, **both})
    write(annos / "000002.json", {"source": "user", "pair_id": 2, "item1": item("top")})  # nothing will be found in it
    write(annos / "000003.json", {"source": "shop", "pair_id": 1, **both})
    write(annos / "000004.json", {"source": "shop", "pair_id": 2, "item1": item("top")})
    return tmp_path


def embedded(path: Path, names: list[tuple[str, str]], vectors: np.ndarray, role: Role, **columns) -> Path:
    rows = make_rows(
        len(names),
        source=text_array(f"validation/image/{photo}.jpg" for photo, _ in names),
        box=np.array([BOXES[name] for _, name in names], np.float32),
        product=text_array([""] * len(names)),
        role=np.full(len(names), role, np.uint8),
        category=np.array([name == "skirt" for _, name in names], np.int16),
        categories=(TOP, SKIRT),
        further={name: FurtherColumn("number", np.array(values)) for name, values in columns.items()},
    )
    return write_embeddings(path, rows, vectors.astype(np.float32))


@pytest.fixture
def ranking(root: Path) -> Path:
    """Found in photo 1: a top twice, the better one far off; and a skirt, whose nearest result is the shop's top."""
    found = [("000001", "top"), ("000001", "off"), ("000001", "skirt")]
    vectors = np.array([[0, 0, 1], [1, 0, 0], [0.9, 0.5, 0]])
    asked = embedded(root / "q.emb.h5", found, vectors, Role.QUERY, score=[0.6, 0.7, 0.5])
    searched = embedded(root / "g.emb.h5", SHOP, np.eye(3), Role.GALLERY)
    search.run(asked, searched, root / "ranking.h5", SearchOptions(k=3))
    return root / "ranking.h5"


def row_of(result) -> dict:
    (row,) = result.as_json()["tables"][0]["rows"]
    return row


def test_scores_are_those_of_the_hand(root: Path, ranking: Path) -> None:
    row = row_of(evaluate_deepfashion2.run([ranking], EvaluateOptions(root=root)))
    assert row["found"] == pytest.approx(2 / 3)  # the photo 000002 has no box
    assert row["Acc@1"] == pytest.approx(1 / 3)  # the top by its better box; the skirt's first result is no skirt
    assert row["Acc@5"] == row["Acc@20"] == pytest.approx(2 / 3)
    assert (row["Acc@1 of found"], row["Acc@20 of found"]) == (0.5, 1)


def test_results_have_the_official_form(root: Path, ranking: Path) -> None:
    evaluate_deepfashion2.run([ranking], EvaluateOptions(root=root, results_file=root / "results.json"))
    lines = json.loads((root / "results.json").read_text())
    assert [line["query_cls"] for line in lines] == [1, 1, 9] and {line["query_image_id"] for line in lines} == {1}
    assert lines[1]["query_score"] == 0.7 and lines[1]["query_bbox"] == BOXES["off"]
    assert lines[1]["gallery_image_id"][0] == 3 and lines[1]["gallery_bbox"][0] == BOXES["top"]
    for line in lines:
        assert len(line["gallery_image_id"]) == len(line["gallery_bbox"]) == 20
        assert line["gallery_image_id"][3:] == [-1] * 17 and line["gallery_bbox"][3:] == [[0, 0, 0, 0]] * 17


def test_annotated_queries_are_all_found(root: Path) -> None:
    asked = embedded(
        root / "a.emb.h5", [("000001", "top"), ("000001", "skirt"), ("000002", "top")], np.eye(3), Role.QUERY
    )
    searched = embedded(root / "b.emb.h5", SHOP, np.eye(3), Role.GALLERY)
    search.run(asked, searched, root / "all.h5", SearchOptions(k=1))
    row = row_of(evaluate_deepfashion2.run([root / "all.h5"], EvaluateOptions(root=root)))
    assert row["found"] == row["Acc@1"] == 1


@pytest.mark.parametrize(
    ("source", "category", "message"),
    [
        ("train/image/000001.jpg", TOP, "no query has a photo of validation"),
        ("1.jpg", "tops", "no query has a category"),
    ],
)
def test_what_is_not_of_the_dataset_is_one_line(root: Path, source: str, category: str, message: str) -> None:
    rows = make_rows(2, source=text_array([source] * 2), categories=(category,))
    search.run(
        write_embeddings(root / "o.emb.h5", rows, np.eye(2, dtype=np.float32)), None, root / "o.h5", SearchOptions()
    )
    with pytest.raises(FashretError, match=message):
        evaluate_deepfashion2.run([root / "o.h5"], EvaluateOptions(root=root))


def test_what_is_missing_or_too_much_is_one_line(root: Path, ranking: Path) -> None:
    with pytest.raises(FashretError, match="pass the dataset's folder with --root"):
        evaluate_deepfashion2.run([ranking], EvaluateOptions())
    with pytest.raises(FashretError, match="is of one ranking, and 2 are given"):
        evaluate_deepfashion2.run([ranking] * 2, EvaluateOptions(root=root, results_file=root / "r.json"))
    with pytest.raises(FashretError, match="no folder with the annotations"):
        evaluate_deepfashion2.run([ranking], EvaluateOptions(root=root / "train"))
