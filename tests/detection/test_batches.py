"""Batches: every photo once an epoch, the same again from any place on, shared among processes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fashret.detection.batches import Plan, epoch_batches, load_batches
from fashret.detection.samples import Batch
from fashret.errors import FashretError
from fashret.files.photos.decoder import Decoder
from fashret.loading.processes import Place
from tests.detection.test_task import task_of
from tests.detector_case import draw, tiny


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return task_of(draw(tmp_path / "photos", 9), tiny(epochs=3, holdout=0.0)).plan


def shown(batches: list[Batch]) -> list[tuple[int, int, bool, list[list[float]]]]:
    return [(b.epoch, b.number, b.last, [s.boxes.round(3).ravel().tolist() for s in b.samples]) for b in batches]


def test_every_photo_is_seen_about_once_an_epoch(plan: Plan) -> None:
    epochs = [np.concatenate(epoch_batches(plan, epoch)).tolist() for epoch in range(3)]
    assert all(len(epoch) == len(set(epoch)) == 8 for epoch in epochs) and len(set(map(tuple, epochs))) == 3
    assert len(epoch_batches(replace(plan, size=50), 0)) == 1


def test_batches_are_the_same_from_any_place_on(plan: Plan) -> None:
    whole = shown(list(load_batches(plan, 0, 0, Decoder(workers=2))))
    assert [(epoch, number, last) for epoch, number, last, _ in whole] == [
        (e, n, n == 3) for e in range(3) for n in range(4)
    ]
    assert shown(list(load_batches(plan, 1, 2, Decoder(workers=1)))) == whole[6:]


def test_processes_share_each_batch(plan: Plan) -> None:
    whole = list(load_batches(plan, 0, 0, Decoder()))
    parts = [list(load_batches(replace(plan, place=Place(rank, 2), fewest=1), 0, 0, Decoder())) for rank in range(2)]
    for batch, *mine in zip(whole, *parts, strict=True):
        together = [sample.boxes.tolist() for part in mine for sample in part.samples]
        assert together == [sample.boxes.tolist() for sample in batch.samples]
        assert [part.photos for part in mine] == [batch.photos] * 2


def test_too_few_examples_for_batch_normalisation_come_again(plan: Plan) -> None:
    assert plan.fewest == 2  # of the smallest network
    for batch in load_batches(replace(plan, place=Place(0, 2)), 0, 0, Decoder()):
        first, again = batch.samples
        assert first is again
    assert {len(batch.samples) for batch in load_batches(replace(plan, fewest=1), 0, 0, Decoder())} == {2}
    assert {len(batch.samples) for batch in load_batches(replace(plan, size=3), 0, 0, Decoder())} == {3}


def test_a_photo_that_is_damaged_under_way_is_left_out_and_a_whole_batch_of_them_is_one_line(
    plan: Plan, tmp_path: Path
) -> None:
    for name in plan.photos.source[1:]:
        (tmp_path / "photos" / name).write_bytes(b"x")
    with pytest.raises(FashretError, match=r"no photo of a batch can be decoded; the last: \d.png: cannot be decoded"):
        list(load_batches(plan, 0, 0, Decoder()))
