"""Detectors from their folders: what they find, and what is refused."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from fashret.detection.architectures import build
from fashret.detection.detectors import Found, TrainedDetector, as_image, open_detector
from fashret.detection.settings import DetectorSettings
from fashret.errors import FashretError
from fashret.files.models import DETECTOR, open_model, write_model

SETTINGS = DetectorSettings("ssdlite320_mobilenet_v3_large", ("bag", "hat"), 64)


def folder_of_a_detector(folder: Path, settings: DetectorSettings = SETTINGS) -> Path:
    folder.mkdir()
    about = {"settings": settings.to_dict(), "trained_on": {"dataset": "drawn"}}
    write_model(folder, build(settings).state_dict(), about, DETECTOR)
    return folder


def test_a_folder_gives_its_detector_again(tmp_path: Path) -> None:
    folder = folder_of_a_detector(tmp_path / "finder")
    detector = open_detector(folder, "cpu")
    assert detector.name == "finder" and detector.classes == ("bag", "hat")
    assert detector.record()["trained_on"] == {"dataset": "drawn"}
    assert detector.record()["digest"] == json.loads((folder / "detector.json").read_text())["digest"]
    pictures = [np.random.default_rng(i).integers(0, 255, (50 + i, 90, 3), np.uint8) for i in range(2)]
    found = detector.find(pictures)
    again = open_detector(folder / "detector.json", "cpu").find(pictures)
    assert detector.find([]) == [] and len(found) == 2
    for one, other, picture in zip(found, again, pictures, strict=True):
        assert len(one.boxes) and one.boxes.shape == (len(one.scores), 4) and one.masks is None
        assert (one.boxes.dtype, one.scores.dtype, one.labels.dtype) == (np.float32, np.float32, np.int64)
        assert (np.diff(one.scores) <= 0).all() and set(one.labels) <= {0, 1}
        assert (one.boxes >= 0).all() and (one.boxes <= [90, len(picture)] * 2).all()
        assert np.array_equal(one.boxes, other.boxes) and np.array_equal(one.scores, other.scores)


def test_what_is_found_in_a_photo_does_not_depend_on_the_others_of_its_batch() -> None:
    settings = DetectorSettings("fasterrcnn_mobilenet_v3_large_320_fpn", ("bag", "hat"), 64)
    detector = TrainedDetector(build(settings), settings, torch.device("cpu"))
    random = np.random.default_rng(0)
    shapes = ((60, 90), (120, 50), (60, 90), (90, 60))
    pictures = [random.integers(0, 255, (*shape, 3), np.uint8) for shape in shapes]
    together = detector.find(pictures)
    for picture, found in zip(pictures, together, strict=True):
        [alone] = detector.find([picture])
        assert len(alone.boxes) and np.array_equal(alone.labels, found.labels)
        np.testing.assert_allclose(alone.boxes, found.boxes, atol=1e-3)
        np.testing.assert_allclose(alone.scores, found.scores, atol=1e-5)


def test_results_are_sorted_and_counted_from_class_0() -> None:
    class Fixed(torch.nn.Module):
        def forward(self, images: list[torch.Tensor]) -> list[dict[str, torch.Tensor]]:
            box = torch.tensor([[0.0, 0, 1, 1], [0, 0, 2, 2], [0, 0, 3, 3]])
            masks = torch.linspace(0, 1, 12).reshape(3, 1, 2, 2)
            scores = torch.tensor([0.2, 0.9, 0.2])
            return [{"boxes": box, "scores": scores, "labels": torch.tensor([1, 2, 2]), "masks": masks}]

    detector = TrainedDetector(Fixed(), SETTINGS, torch.device("cpu"))
    [found] = detector.find([np.zeros((2, 2, 3), np.uint8)])
    assert isinstance(found, Found) and found.labels.tolist() == [1, 0, 1]
    assert found.boxes[:, 2].tolist() == [2, 1, 3] and found.scores.tolist() == pytest.approx([0.9, 0.2, 0.2])
    assert found.masks is not None and found.masks.sum(axis=(1, 2)).tolist() == [2, 0, 4]


def test_pixels_become_the_input() -> None:
    picture = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    image = as_image(picture[:, ::-1])
    assert image.shape == (3, 2, 3) and float(image[1, 0, 2]) == pytest.approx(picture[0, 0, 1] / 255)


def test_models_and_detectors_are_told_apart(tmp_path: Path) -> None:
    detector = folder_of_a_detector(tmp_path / "detector")
    model = tmp_path / "model"
    model.mkdir()
    write_model(model, {"a": torch.zeros(1)}, {"settings": {"backbone": "tiny"}})
    for given in (model, model / "model.json"):
        with pytest.raises(FashretError, match="model: is a model that `fashret train` wrote, not a detector; give a"):
            open_detector(given, "cpu")
    for given in (detector, detector / "detector.json"):
        words = "detector: is a detector that `fashret train-detector` wrote, not a model; give a folder of `fashret tr"
        with pytest.raises(FashretError, match=words):
            open_model(given)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"classes": ["bag"]}, "weights and detector.json do not fit: shapes"),
        ({"wide_tail": True}, "weights and detector.json do not fit"),
        ({"architecture": "fcos_resnet9"}, "architecture 'fcos_resnet9' is not known"),
    ],
)
def test_other_settings_are_one_line(tmp_path: Path, change: dict[str, object], words: str) -> None:
    folder = folder_of_a_detector(tmp_path / "detector")
    about = json.loads((folder / "detector.json").read_text())
    about["settings"] |= change
    (folder / "detector.json").write_text(json.dumps(about))
    with pytest.raises(FashretError, match=re.escape(words)) as caught:
        open_detector(folder, "cpu")
    assert "\n" not in str(caught.value)


def test_weights_that_are_no_numbers_are_one_line(tmp_path: Path) -> None:
    folder = tmp_path / "detector"
    folder.mkdir()
    tensors = build(SETTINGS).state_dict()
    next(iter(tensors.values())).fill_(float("nan"))
    write_model(folder, tensors, {"settings": SETTINGS.to_dict()}, DETECTOR)
    with pytest.raises(FashretError, match="holds NaN or infinite weights"):
        open_detector(folder, "cpu")
