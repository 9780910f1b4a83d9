"""Settings of a detector: there and back, and what is refused."""

from __future__ import annotations

import re
from typing import Any

import pytest

from fashret.detection.settings import DetectorSettings
from fashret.errors import FashretError

PLAIN = DetectorSettings("ssdlite320_mobilenet_v3_large", ("bag", "hat"), 320).to_dict()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"architecture": "yolo"}, "architecture 'yolo' is not known; there are ssdlite320"),
        ({"classes": []}, "0 classes: must be 1 to 10,000"),
        ({"classes": ["bag", "bag"]}, "each once"),
        ({"classes": ["bag", ""]}, "each class needs a name"),
        ({"classes": ["bag", 5]}, "each class needs a name"),
        ({"classes": "bag"}, "classes 'bag' is not of the right kind"),
        ({"size": 5_000_000}, "must be 32 to 2,048 pixels"),
        ({"size": "320"}, "size '320' is not of the right kind"),
        ({"size": True}, "size True is not of the right kind"),
        ({"frozen_norm": 1}, "frozen_norm 1 is not of the right kind"),
        ({"colour": "red"}, "unknown colour"),
    ],
)
def test_bad_settings_are_one_line(change: dict[str, Any], words: str) -> None:
    with pytest.raises(FashretError, match=re.escape(words)) as caught:
        DetectorSettings.from_dict(PLAIN | change)
    assert "\n" not in str(caught.value)


def test_missing_settings_are_one_line() -> None:
    with pytest.raises(FashretError, match="missing"):
        DetectorSettings.from_dict({"architecture": PLAIN["architecture"]})
