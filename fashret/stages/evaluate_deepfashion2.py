"""`fashret evaluate --protocol deepfashion2`: rankings of found garments → scores of the way from photo to product.

In: ranking.h5 files whose queries are garments of DeepFashion2's customers' photos, found or annotated, and its folder.
Out: a table with one row per ranking, and the results in the form of the official evaluation where asked.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from fashret.console import counted
from fashret.datasets import deepfashion2
from fashret.datasets.flags import CropFlags
from fashret.errors import FashretError
from fashret.evaluation.deepfashion2 import Annotated, Garments, Outcome, Results, score_from_photos
from fashret.files.atomic import check_output, whole_file
from fashret.files.columns import Role, Rows
from fashret.files.embeddings import Embeddings, open_embeddings
from fashret.files.moved import moved_embeddings
from fashret.files.photos.outlines import Outline
from fashret.files.rankings import Ranking, open_ranking
from fashret.options import EvaluateOptions
from fashret.report.evaluation import Evaluation, chosen_form
from fashret.report.runs import short_names
from fashret.report.tables import Cell, Score, Table

RANKS = (1, 5, 10, 15, 20)  # the official k of Acc@k
SCORES = ("score", "box_score")  # columns with the score of a found box: of `detect`, of `crop --detector`
NUMBER = {name: i for i, name in enumerate(deepfashion2.CATEGORIES, start=1)}


@dataclass(frozen=True)
class _Truth:
    queries: Annotated
    gallery: Annotated


def run(files: Sequence[Path], options: EvaluateOptions) -> Evaluation:
    """Score every ranking.

    Raises
    ------
    FashretError
        If the dataset or a ranking cannot be read, or no query is a garment of its customers' photos.
    """
    form = chosen_form(options)
    if options.root is None:
        raise FashretError("--protocol deepfashion2: pass the dataset's folder with --root FOLDER")
    if options.results_file is not None:
        if len(files) > 1:
            raise FashretError(f"--results {options.results_file}: is of one ranking, and {len(files)} are given")
        check_output(options.results_file, *files)
    truth = _truth(options.root)
    moved = moved_embeddings(options.embeddings)
    outcomes = []
    for path in files:
        with ExitStack() as stack:
            ranking = stack.enter_context(open_ranking(path, moved))
            asked = stack.enter_context(open_embeddings(ranking.embeddings_path("query")))
            searched = stack.enter_context(open_embeddings(ranking.embeddings_path("gallery")))
            results = _results(ranking, asked, searched)
        outcomes.append(score_from_photos(truth.queries, truth.gallery, results))
        if options.results_file is not None:
            _write_results(options.results_file, results)
    return Evaluation([_table(short_names([str(path) for path in files]), outcomes, truth)], form)


def _truth(root: Path) -> _Truth:
    """The annotated garments of validation, those without a pair too."""
    outlines: list[Outline | None] = []
    rows = deepfashion2.read(root, CropFlags(root=root), outlines).rows
    codes: dict[str, int] = {"": -1}
    for product in rows.product:
        codes.setdefault(product, len(codes) - 1)
    both = [
        Annotated(_garments(rows, chosen), np.array([codes[name] for name in rows.product[chosen]], np.int64))
        for chosen in (rows.with_role(Role.QUERY), rows.with_role(Role.GALLERY))
    ]
    return _Truth(*both)


def _garments(rows: Rows | Embeddings, chosen: NDArray[np.int64]) -> Garments:
    photo = np.array([_photo_number(source) for source in rows.source[chosen]], np.int64)
    number = np.array([*(NUMBER.get(name, -1) for name in rows.categories), -1], np.int64)
    return Garments(photo, rows.box[chosen], number[rows.category[chosen]])


def _photo_number(source: str) -> int:
    """The number of a photo of validation; −1: it is none.

    >>> _photo_number("validation/image/000012.jpg"), _photo_number("train/image/000012.jpg"), _photo_number("a.jpg")
    (12, -1, -1)
    """
    path = PurePosixPath(source)
    return int(path.stem) if path.stem.isascii() and path.stem.isdigit() and "train" not in path.parts else -1


def _results(ranking: Ranking, asked: Embeddings, searched: Embeddings) -> Results:
    """What was found for each query, of which some may be of no photo of the dataset."""
    ranking.check_rows(len(asked), len(searched))
    garments = _garments(asked, ranking.query_row)
    for wrong, what in (
        (garments.photo < 0, "photo of validation, such as validation/image/000001.jpg"),
        (garments.category < 0, "category of DeepFashion2; `fashret detect --labels deepfashion2` uses its words"),
    ):
        if len(garments) and wrong.all():
            raise FashretError(f"{asked.path}: no query has a {what}")
    score = np.ones(len(garments))
    for name in SCORES:
        if name in asked.further_kinds:
            score = asked.further_column(name, ranking.query_row).values.astype(np.float64)
            break
    found = ranking.gallery_row[:, : max(RANKS)]
    shop = _garments(searched, np.unique(found[found >= 0]))
    place = np.searchsorted(np.unique(found[found >= 0]), np.maximum(found, 0))
    there = found >= 0
    place = np.where(there, place, 0)
    photo = np.where(there, shop.photo[place], -1) if len(shop) else found
    box = np.where(there[..., None], shop.box[place], 0) if len(shop) else np.zeros((*found.shape, 4))
    return Results(garments, np.nan_to_num(score), photo, box)


def _table(names: Sequence[str], outcomes: Sequence[Outcome], truth: _Truth) -> Table:
    def cells(name: str, outcome: Outcome) -> tuple[Cell, ...]:
        accuracy = [outcome.accuracy(k) for k in RANKS]
        of_found = [outcome.accuracy_of_found(k) for k in (RANKS[0], RANKS[-1])]
        return (name, *map(Score, (*accuracy, outcome.recall, *of_found)))

    asked, shop = len(outcomes[0].rank), len(truth.gallery.product)
    return Table(
        "deepfashion2",
        "DeepFashion2, from the customer's photo to the shop",
        ("ranking", *(f"Acc@{k}" for k in RANKS), "found", "Acc@1 of found", "Acc@20 of found"),
        tuple(map(cells, names, outcomes)),
        notes=(
            f"Acc@k: of all {counted(asked, 'annotated garment')} with a pair, missed ones included; "
            f"{counted(shop, 'annotated garment')} of shop photos.",
            "found: a box of its category belongs to the garment, the detector's part; the rest is the embedding's.",
            "The official rule: a box belongs to the garment that it overlaps most, however little.",
        ),
    )


def _write_results(path: Path, results: Results) -> None:
    """Results in the form of the official evaluation, which wants 20 of each; −1 and zeros where there are fewer."""
    missing = max(RANKS) - results.photo.shape[1]
    photo = np.pad(results.photo, ((0, 0), (0, missing)), constant_values=-1)
    box = np.pad(results.box, ((0, 0), (0, missing), (0, 0)))
    garments = results.garments
    with whole_file(path) as part, part.open("w", encoding="utf-8") as stream:
        stream.write("[")
        first = True
        for i in np.flatnonzero((garments.photo >= 0) & (garments.category > 0)).tolist():
            line = {
                "query_image_id": int(garments.photo[i]),
                "query_bbox": np.round(garments.box[i].astype(float), 2).tolist(),
                "query_cls": int(garments.category[i]),
                "query_score": round(float(results.score[i]), 4),
                "gallery_image_id": photo[i].tolist(),
                "gallery_bbox": np.round(box[i].astype(float), 2).tolist(),
            }
            stream.write(("" if first else ",") + "\n" + json.dumps(line))
            first = False
        stream.write("\n]\n")
