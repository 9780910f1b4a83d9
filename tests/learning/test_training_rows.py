"""Training rows: who loads what, the same pixels whoever loads them, images that are kept."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from fashret.errors import FashretError
from fashret.files.columns import Role
from fashret.files.crops import open_crops
from fashret.learning import training_rows
from fashret.learning.augmentation import Augmentation
from fashret.learning.batches import Batching
from fashret.learning.training_rows import Request, TrainingImages, TrainingRows, requests
from fashret.loading.batches import CropsFile, load
from fashret.loading.processes import Place
from fashret.models.settings import ModelSettings
from tests.conftest import make_rows, write_crops
from tests.training_case import TRAIN_PRODUCTS, write_training_crops

SETTINGS = ModelSettings(height=16, width=16)


@pytest.fixture(scope="module")
def crops(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_training_crops(tmp_path_factory.mktemp("crops") / "a.crops.h5")


def test_only_labelled_training_rows_count(crops: Path, tmp_path: Path) -> None:
    with open_crops(crops) as file:
        rows = TrainingRows.of(file)
        assert rows.products == tuple(f"p{i}" for i in range(TRAIN_PRODUCTS))
        assert all(file.role[row] & Role.TRAIN and file.product[row] == rows.products[label]
                   for row, label in zip(rows.row, rows.label, strict=True))  # fmt: skip
    nothing = make_rows(3, role=np.ones(3, np.uint8), product=np.array(["", "", ""], object))
    with (
        open_crops(write_crops(tmp_path / "b.h5", nothing)) as file,
        pytest.raises(FashretError, match="no row has the role train and a product"),
    ):
        TrainingRows.of(file)


def test_requests_go_on_in_the_middle(crops: Path) -> None:
    with open_crops(crops) as file:
        rows = TrainingRows.of(file)
    whole = list(requests(rows, Batching(3, 2), 3, Place()))
    for epoch, batch in ((0, 0), (0, 2), (1, 0), (2, 3), (3, 0)):
        left = list(requests(rows, Batching(3, 2), 3, Place(), epoch, batch))
        expected = [r for r in whole if (r.epoch, r.number) >= (epoch, batch)]
        assert [(r.epoch, r.number, r.last, r.rows.tolist()) for r in left] == [
            (r.epoch, r.number, r.last, r.rows.tolist()) for r in expected
        ]
    assert [r.last for r in whole if r.epoch == 0] == [False] * (sum(r.epoch == 0 for r in whole) - 1) + [True]


def test_the_processes_together_load_the_batch_of_one(crops: Path) -> None:
    with open_crops(crops) as file:
        rows = TrainingRows.of(file)
    for batching in (Batching(4, 2), Batching(0, 8), Batching(2, 3, "mask")):
        whole = list(requests(rows, batching, 2, Place()))
        parts = [list(requests(rows, batching, 2, Place(rank, 2))) for rank in range(2)]
        for request, *shares in zip(whole, *parts, strict=True):
            placed = {
                p: r for share in shares for p, r in zip(share.positions.tolist(), share.rows.tolist(), strict=True)
            }
            assert placed == dict(zip(request.positions.tolist(), request.rows.tolist(), strict=True))
        positions = [p for request in whole if request.epoch == 0 for p in request.positions.tolist()]
        assert positions == list(range(len(positions)))


def test_augmentation_goes_by_the_place_in_the_epoch(crops: Path) -> None:
    """Whoever loads an image, and in whichever batch it lies among others."""
    with open_crops(crops) as file:
        rows = TrainingRows.of(file)
        images = TrainingImages(CropsFile.of(crops), SETTINGS, Augmentation(pad=3), seed=5)
        whole = {}
        for request in requests(rows, Batching(4, 2), 1, Place()):
            whole |= dict(zip(request.positions.tolist(), images[request].images, strict=True))
        for rank in range(2):
            for request in requests(rows, Batching(4, 2), 1, Place(rank, 2)):
                for position, image in zip(request.positions.tolist(), images[request].images, strict=True):
                    assert image.equal(whole[position])
        one_row = np.full(len(whole), rows.row[0])
        request = Request(0, 0, True, one_row, np.zeros(len(whole), np.int64), np.array(list(whole)))
        different = len({image.numpy().tobytes() for image in images[request].images})
        assert different > 0.7 * len(whole)  # the same image, changed in another way at most places
        images.close()


@pytest.mark.parametrize("workers", [0, 2])
def test_kept_images_are_the_same(crops: Path, workers: int) -> None:
    """Decoded once, whichever process does it, and then the same pixels as ever."""
    with open_crops(crops) as file:
        rows = TrainingRows.of(file)
    wanted = list(requests(rows, Batching(3, 2), 3, Place()))
    plain = TrainingImages(CropsFile.of(crops), SETTINGS, Augmentation(pad=2), 5)
    keeping = TrainingImages(CropsFile.of(crops), SETTINGS, Augmentation(pad=2), 5, rows.row)
    assert keeping.kept is not None
    cpu = torch.device("cpu")
    for one, other in zip(load(plain, wanted, 0, cpu), load(keeping, wanted, workers, cpu), strict=True):
        assert one.images.equal(other.images) and one.labels.equal(other.labels)
    seen = {row for request in wanted for row in request.rows.tolist()}
    assert {int(rows.row[i]) for i in np.flatnonzero(keeping.kept.there)} == seen
    assert not pickle.loads(pickle.dumps(keeping.kept)).there.any()  # the test's own object, not a file's content
    plain.close()
    keeping.close()


def test_too_many_images_are_not_kept(crops: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_crops(crops) as file:
        rows = TrainingRows.of(file)
    monkeypatch.setattr(training_rows, "MOST_KEPT", len(rows.row) * 16 * 16 * 3 - 1)
    assert TrainingImages(CropsFile.of(crops), SETTINGS, Augmentation(), 0, rows.row).kept is None


def test_rows_are_parted_by_product():
    counts = [3, 1, 4, 2, 2]
    label = np.repeat(np.arange(5), counts)
    names = tuple(f"p{i}" for i in range(5))
    rows = TrainingRows(np.arange(12) * 10, label, names, (label % 2).astype(np.uint8), label.astype(np.int16))
    left, held = rows.parted(np.array([0, 3]))
    assert left.products == ("p1", "p2", "p4") and held.products == ("p0", "p3")
    assert sorted([*left.row, *held.row]) == rows.row.tolist()
    for part in (left, held):
        for i, row in enumerate(part.row.tolist()):
            before = label[row // 10]
            assert part.products[part.label[i]] == f"p{before}" and part.category[i] == before
            assert part.domain[i] == before % 2
