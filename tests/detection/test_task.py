"""What a detector is to learn: which photos, which classes, and what is refused before any work."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from fashret.detection.task import DIGEST, Task, check_same, make_task, schedule_of
from fashret.errors import FashretError
from fashret.files.tables.boxes import boxes_of
from fashret.files.tables.catalogues import read_catalogue
from fashret.learning.schedules import learning_rate, position
from fashret.learning.steps import Machine
from fashret.loading.processes import Place
from fashret.options import DetectorOptions
from tests.detector_case import draw, tiny


def task_of(table: Path, options: DetectorOptions | None = None, place: Place = Place()) -> Task:  # noqa: B008
    machine = Machine(torch.device("cpu"), place=place)
    return make_task(boxes_of(read_catalogue(table)), table.parent / "detector", options or tiny(), machine)


def sources(task: Task) -> tuple[set[str], set[str]]:
    return set(task.photos.source), set(task.validation.source)


def test_classes_are_the_categories_that_have_a_box(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    table = draw(tmp_path, 6)
    with table.open("a") as stream:
        stream.write("0.png,hats/9,hats,train,,,,\n")
    task = task_of(table)
    assert task.settings.classes == ("bags", "tops") and set(task.photos.label) == {0, 1}
    assert "classes without a box to learn from, left out: hats" in caplog.text
    assert task.left_out == {"rows without a box": 1}
    one = task_of(table, tiny(one_class=True))
    assert one.settings.classes == ("garment",) and set(one.photos.label) == {0}


def test_test_photos_are_on_no_side_and_validation_photos_are_validated_on(tmp_path: Path) -> None:
    split = ("train", "train", "train", "val", "test")
    table = draw(tmp_path, 10, split=lambda photo, garment: split[photo % 5])
    learned, validated = sources(task_of(table))
    assert learned == {f"{i}.png" for i in (0, 1, 2, 5, 6, 7)} and validated == {"3.png", "8.png"}


def test_a_photo_that_is_a_query_too_is_not_learned_from(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "fashret")
    table = draw(tmp_path, 6)
    with table.open("a") as stream:
        stream.write("2.png,bags/test,bags,test,1,1,20,20\n")
    learned, validated = sources(task_of(table))
    assert "2.png" not in learned | validated and len(learned | validated) == 5
    assert "1 photos are train and queries too" in caplog.text


def test_without_a_split_every_photo_is_learned_from(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "fashret")
    learned, validated = sources(task_of(draw(tmp_path, 8, split=lambda photo, garment: "")))
    assert len(learned) == 6 and len(validated) == 2 and "every photo with a box is learned from" in caplog.text


@pytest.mark.parametrize("seed", range(3))
def test_photos_that_share_a_product_are_on_one_side(tmp_path: Path, seed: int) -> None:
    table = draw(tmp_path, 12, 2, product=lambda photo, garment: f"p/{photo // 4 * 10 + (photo + garment) // 2 % 2}")
    learned, held = sources(task_of(table, tiny(seed=seed)))
    assert held and not {int(name[:-4]) // 4 for name in learned} & {int(name[:-4]) // 4 for name in held}


def test_photos_of_a_product_are_held_out_together(tmp_path: Path) -> None:
    table = draw(tmp_path, 12, product=lambda photo, garment: f"p{photo // 3}")
    learned, validated = sources(task_of(table))
    assert len(validated) == 3 and len({int(name[:-4]) // 3 for name in validated}) == 1 and not learned & validated
    assert sources(task_of(table)) == (learned, validated)
    assert sources(task_of(table, tiny(holdout=0.0)))[1] == set()
    assert sources(task_of(table, tiny(validate_every=0)))[1] == set()


def test_one_box_per_photo_means_annotated_in_part(tmp_path: Path) -> None:
    one, two = draw(tmp_path / "one"), draw(tmp_path / "two", garments=2)
    assert task_of(one).in_part and not task_of(two).in_part
    assert not task_of(one, tiny(annotated="all")).in_part and task_of(two, tiny(annotated="one")).in_part


def test_the_rate_follows_the_steps(tmp_path: Path) -> None:
    task = task_of(draw(tmp_path), tiny(epochs=4, lr=0.1, warmup=0))
    schedule = task.schedule
    assert schedule.total_steps == 4 * 3 and schedule_of(task.options).total_steps == 0
    rates = [learning_rate(position(step // 3, step, schedule), schedule) for step in range(12)]
    assert rates[0] == pytest.approx(0.1) and rates == sorted(rates, reverse=True) and rates[6] == pytest.approx(0.05)


def test_a_resumed_run_must_be_the_same(tmp_path: Path) -> None:
    table = draw(tmp_path)
    before = task_of(table).identity
    check_same(task_of(table, tiny(device="cpu", workers=2, checkpoint_every=7)), before)
    with pytest.raises(FashretError, match=r"--lr 0.0005 → 0.1"):
        check_same(task_of(table, tiny(lr=0.1)), before)
    lines = table.read_text().splitlines()
    table.write_text("\n".join(lines[:-1]) + "\n")
    with pytest.raises(FashretError, match=DIGEST):
        check_same(task_of(table), before)


@pytest.mark.parametrize(
    ("changes", "columns", "message"),
    [
        ({"architecture": "maskrcnn_resnet50_fpn_v2"}, {}, "learns masks, and photos has none"),
        ({}, {"category": lambda photo, garment: ""}, "has no categories to learn; add the column category"),
        ({}, {"x2": lambda photo, garment: 0}, "no photo with a box to learn from"),
        ({"resume": True, "restart": True}, {}, "exclude each other"),
        ({"lr": 0.0}, {}, "--lr 0.0: must be a number above zero"),
    ],
)
def test_what_makes_no_sense_is_one_line(
    tmp_path: Path, changes: dict[str, Any], columns: dict[str, Any], message: str
) -> None:
    with pytest.raises(FashretError, match=message) as caught:
        task_of(draw(tmp_path, **columns), tiny(**changes))
    assert "\n" not in str(caught.value)


def test_processes_need_a_photo_each(tmp_path: Path) -> None:
    table = draw(tmp_path)
    with pytest.raises(FashretError, match="in batches of 3 for 2 processes"):
        task_of(table, tiny(batch_size=3), Place(0, 2))
    assert task_of(table, tiny(batch_size=4), Place(0, 2))
