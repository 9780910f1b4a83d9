"""A run of `detect`: which row a box belongs to, where photos are from the output on, what a log depends on."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fashret.detecting.job import Job, write_output
from fashret.detecting.photos import Seen
from fashret.detection.ensemble import Ensemble, Fusion
from fashret.detection.labels import LabelMap
from fashret.files.columns import Domain, Role, Rows, text_array
from fashret.files.further_columns import FurtherColumn
from fashret.files.photos.sources import PhotoFolder
from fashret.files.tables.manifests import Listing
from fashret.options import DetectOptions
from tests.painted_case import PaintedDetector

WHOLE = (np.nan,) * 4
ENSEMBLE = Ensemble([PaintedDetector()], LabelMap(), Fusion())


def job(folder: Path, output: Path, *rows: tuple[str, tuple[float, ...], str, Role], **labels: list[str]) -> Job:
    columns = Rows(
        source=text_array([row[0] for row in rows]),
        box=np.array([row[1] for row in rows], np.float32),
        product=text_array([row[2] for row in rows]),
        role=np.array([row[3] for row in rows], np.uint8),
        domain=np.full(len(rows), Domain.SHOP, np.uint8),
        category=np.full(len(rows), -1, np.int16),
    )
    texts = {name: FurtherColumn("text", text_array(values)) for name, values in labels.items()}
    listing = Listing("shop", folder, replace(columns, further=texts), PhotoFolder(folder))
    return Job(listing, output, DetectOptions(min_score=0), ENSEMBLE)


def written(job: Job, *boxes: list[tuple[float, ...]]) -> list[list[str]]:
    seen = [Seen(((100, 100), 1), np.array(b, np.float32).reshape(-1, 4), np.full(len(b), 0.7, np.float32),
                 np.zeros(len(b), np.int32), Counter()) for b in boxes]  # fmt: skip
    write_output(job, lambda: enumerate(seen))
    return [line.split(",") for line in job.output.read_text().splitlines()]


def test_boxes_take_over_the_row_that_they_belong_to(tmp_path: Path) -> None:
    both = Role.QUERY | Role.GALLERY
    work = job(
        tmp_path, tmp_path / "f.csv",
        ("a.jpg", (0, 0, 40, 40), "p1", Role.QUERY), ("b.jpg", WHOLE, "p2", both),
        ("a.jpg", (50, 50, 90, 90), "p3", both),
        title=["one", "two", "three"], season=["s", "w", "s"],
    )  # fmt: skip
    assert work.sources.tolist() == ["a.jpg", "b.jpg"] and work.rows_of(0).tolist() == [0, 2]
    header, *rows = written(work, [(2, 2, 40, 40), (48, 50, 90, 90), (0, 60, 20, 90)], [(1, 1, 9, 9), (2, 2, 50, 50)])
    place = {name: i for i, name in enumerate(header)}
    assert [[row[place[name]] for name in ("image", "product", "role", "title", "season")] for row in rows] == [
        ["a.jpg", "p1", "query", "one", "s"],
        ["a.jpg", "p3", "query+gallery", "three", "s"],
        ["a.jpg", "", "query+gallery", "", "s"],  # no row's: what both rows have in common, but no product
        ["b.jpg", "p2", "query+gallery", "two", "w"],
        ["b.jpg", "p2", "query+gallery", "two", "w"],
    ]


def test_no_rows_are_no_photos(tmp_path: Path) -> None:
    work = job(tmp_path, tmp_path / "f.csv", ("a.jpg", WHOLE, "p1", Role.GALLERY))
    none = replace(work, listing=replace(work.listing, rows=work.listing.rows.take(np.empty(0, np.int64))))
    assert none.sources.tolist() == [] and none.task["photos"] == 0


def test_two_whole_rows_of_a_photo_own_no_box(tmp_path: Path) -> None:
    work = job(tmp_path, tmp_path / "f.csv", ("a.jpg", WHOLE, "p1", Role.GALLERY), ("a.jpg", WHOLE, "p2", Role.GALLERY))
    assert written(work, [(2, 2, 40, 40)])[1][:2] == ["a.jpg", ""]


def test_photos_below_the_output_are_named_from_there(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    root = tmp_path / "shop/photos"
    root.mkdir(parents=True)
    row = ("a.jpg", WHOLE, "p1", Role.GALLERY)
    assert written(job(root, tmp_path / "f.csv", row), [(1, 1, 9, 9)])[1][0] == "shop/photos/a.jpg"
    assert written(job(root, root / "f.csv", row), [(1, 1, 9, 9)])[1][0] == "a.jpg"
    (tmp_path / "other").mkdir()
    with caplog.at_level("INFO", "fashret"):
        assert written(job(root, tmp_path / "other/f.csv", row), [(1, 1, 9, 9)])[1][0] == "a.jpg"
    assert f"--root {root}" in caplog.text


def test_the_task_changes_with_what_the_result_depends_on(tmp_path: Path) -> None:
    work = job(tmp_path, tmp_path / "f.csv", ("a.jpg", WHOLE, "p1", Role.GALLERY))
    other = Ensemble([PaintedDetector()], LabelMap(given={"": {"red": "tops"}}), Fusion())
    assert work.task != Job(work.listing, work.output, work.options, other).task
    assert work.task["detectors"] == ["painted painted:painted"] and work.task["photos"] == 1
