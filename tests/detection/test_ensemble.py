"""Detectors as one: common words, fused boxes, what is left out, and what is refused."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from fashret.detection.detectors import Found
from fashret.detection.ensemble import Ensemble, Fusion, ensemble_for, open_ensemble
from fashret.detection.fusion import fuse
from fashret.detection.labels import LabelMap
from fashret.errors import FashretError
from fashret.options import DetectOptions
from tests.painted_case import PaintedDetector, use_painted


def picture(**boxes: tuple[int, int, int, int]) -> np.ndarray:
    from tests.painted_case import COLOURS

    pixels = np.full((60, 80, 3), 128, np.uint8)
    for colour, (x1, y1, x2, y2) in boxes.items():
        pixels[y1:y2, x1:x2] = COLOURS[colour]
    return pixels


BOTH = {"red": (5, 5, 30, 40), "green": (40, 10, 70, 50)}


def names(ensemble: Ensemble, labels: np.ndarray) -> list[str]:
    return [ensemble.kinds[label].name for label in labels]


def test_one_detector_as_it_is() -> None:
    detector = PaintedDetector()
    ensemble = Ensemble([detector], LabelMap(), Fusion())
    [garments] = ensemble.find([picture(**BOTH)])
    assert names(ensemble, garments.found.labels) == ["red", "green"]
    assert garments.found.boxes.tolist() == [[5, 5, 30, 40], [40, 10, 70, 50]]
    assert garments.found.scores.tolist() == pytest.approx([0.9, 0.8]) and not garments.left_out
    assert ensemble.find([]) == [] and ensemble.name == "painted"


def test_classes_of_two_detectors_in_common_words() -> None:
    one = PaintedDetector("one", {"red": "top", "green": "bottom"})
    two = PaintedDetector("two", {"green": "trousers", "red": "sling"}, shift=1)
    ensemble = Ensemble([one, two], LabelMap("street2shop"), Fusion(weights=(2, 1)))
    [garments] = ensemble.find([picture(**BOTH)])
    assert names(ensemble, garments.found.labels) == ["tops", "bottom", "trousers"]
    assert [kind.categories for kind in ensemble.kinds] == [
        ("tops",), ("pants", "skirts", "leggings"), ("pants", "leggings"),
    ]  # fmt: skip
    red = [
        Found(np.array([[5, 5, 30, 40]], np.float32) + s, np.array([0.9], np.float32), np.array([0])) for s in (0, 1)
    ]
    fused = fuse(red, (2, 1))
    np.testing.assert_allclose(garments.found.boxes[0], fused.boxes[0])
    assert garments.found.scores[0] == pytest.approx(fused.scores[0]) and ensemble.name == "one+two"
    assert ensemble.record()["fusion"] == {"iou": 0.55, "weights": [2, 1]}
    assert Ensemble([one], LabelMap(), Fusion(iou=0.7)).record()["fusion"] == {"iou": 0.7, "weights": [1]}


def test_classes_without_a_word_are_counted_or_silent() -> None:
    classes = {"red": "jacket", "green": "sleeve", "blue": "Zipper"}
    everything = {**BOTH, "blue": (0, 50, 10, 60)}
    ensemble = Ensemble([PaintedDetector("d", classes)], LabelMap("street2shop"), Fusion())
    [garments, other] = ensemble.find([picture(**everything), picture()])
    assert garments.left_out == Counter({"sleeve": 1, "Zipper": 1}) and other.left_out == Counter()
    given = LabelMap(given={"": {"jacket": "coats", "zipper": None}})
    [garments] = Ensemble([PaintedDetector("d", classes)], given, Fusion()).find([picture(**everything)])
    assert garments.left_out == Counter({"sleeve": 1}) and garments.found.boxes.tolist() == [[5, 5, 30, 40]]


def test_of_classes_that_become_one_only_the_best_box_of_a_garment_stays() -> None:
    class Twice(PaintedDetector):
        def find(self, pictures):
            box = np.array([[0, 0, 10, 10], [0, 0, 10, 11], [20, 0, 30, 10]], np.float32)
            return [Found(box, np.array([0.9, 0.6, 0.5], np.float32), np.array([0, 1, 1])) for _ in pictures]

    classes = {"red": "shirt, blouse", "green": "top, t-shirt, sweatshirt"}
    [merged] = Ensemble([Twice("d", classes)], LabelMap("street2shop"), Fusion()).find([picture()])
    assert merged.found.scores.tolist() == pytest.approx([0.9, 0.5])
    [apart] = Ensemble([Twice("d", classes)], LabelMap(), Fusion()).find([picture()])
    assert len(apart.found.scores) == 3


def test_masks_of_one_detector_stay_with_their_boxes() -> None:
    class Masked(PaintedDetector):
        def find(self, pictures):
            masks = np.zeros((2, 4, 4), bool)
            masks[1] = True
            boxes = np.array([[0, 0, 4, 4], [1, 1, 4, 4]], np.float32)
            return [Found(boxes, np.array([0.9, 0.6], np.float32), np.array([1, 0]), masks) for _ in pictures]

    labels = LabelMap(given={"": {"red": "tops"}})
    [garments] = Ensemble([Masked("d")], labels, Fusion()).find([picture()])
    assert garments.found.masks is not None and garments.found.masks.shape == (1, 4, 4) and garments.found.masks.all()


@pytest.mark.parametrize(
    ("detectors", "labels", "fusion", "message"),
    [
        ([PaintedDetector(), PaintedDetector()], LabelMap(), Fusion(), "2 detectors are called painted; rename"),
        ([PaintedDetector()], LabelMap(), Fusion((1, 2)), "2 weights for 1 detectors; give one per --detector"),
        (
            [PaintedDetector()],
            LabelMap("modanet"),
            Fusion(),
            "has no category for any class of painted (red, green, blue)",
        ),
    ],
)
def test_what_cannot_work_together(
    detectors: list[PaintedDetector], labels: LabelMap, fusion: Fusion, message: str
) -> None:
    with pytest.raises(FashretError) as error:
        Ensemble(detectors, labels, fusion)
    assert message in str(error.value)


def test_names_of_a_map_that_nobody_has_are_said(caplog: pytest.LogCaptureFixture) -> None:
    labels = LabelMap(given={"": {"red": "tops", "rde": "tops"}, "other": {}})
    Ensemble([PaintedDetector()], labels, Fusion())
    assert "no detector has 'rde', [other]" in caplog.text


def test_words_of_categories_are_taken_where_detectors_have_a_class_for_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [seven, plain] = use_painted(
        monkeypatch, tmp_path, PaintedDetector("seven", {"red": "shoes", "green": "bottom"}), PaintedDetector("plain")
    )
    categories = ["footwear", "skirts"]
    assert ensemble_for(DetectOptions(detector=(seven,)), categories).kinds[0].name == "footwear"
    assert ensemble_for(DetectOptions(detector=(seven, plain)), categories).kinds[0].name == "shoes"
    assert ensemble_for(DetectOptions(detector=(seven,)), ["cups"]).kinds[0].name == "shoes"
    assert (
        ensemble_for(DetectOptions(detector=(seven,), labels="modanet"), categories).kinds[1].categories[0] == "pants"
    )


def test_detectors_are_opened_from_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    [one, two] = use_painted(monkeypatch, tmp_path, PaintedDetector("one"), PaintedDetector("two"))
    assert [detector.name for detector in open_ensemble([one, two]).detectors] == ["one", "two"]
    with pytest.raises(FashretError, match="is given more than once"):
        open_ensemble([one, one / ".." / "one"])
    (tmp_path / "model").mkdir()
    (tmp_path / "model/model.json").write_text("{}")
    with pytest.raises(FashretError, match="is a model that `fashret train` wrote, not a detector"):
        open_ensemble([tmp_path / "model"])
