"""Settings of a network: through JSON and back, and one line for what cannot be."""

from __future__ import annotations

import dataclasses
import json

import pytest

from fashret.errors import FashretError
from fashret.models.settings import ModelSettings, parse_input_size

TINY = ModelSettings(backbone="osnet_x0_25", weights="none", height=64, width=32)


def test_settings_through_json():
    settings = dataclasses.replace(TINY, dim=8, classes=3, mean=(0.1, 0.2, 0.3), fit="pad", stem_relu=False)
    plain = json.loads(json.dumps(settings.to_dict()))
    assert ModelSettings.from_dict(plain) == settings


def test_a_stride_is_recorded_where_there_is_one_to_set():
    assert "last_stride" not in TINY.to_dict()
    plain = ModelSettings(last_stride=2).to_dict()
    assert plain["last_stride"] == 2 and ModelSettings.from_dict(plain).last_stride == 2
    older = TINY.to_dict() | {"last_stride": 2}  # recorded by a version that did not refuse it
    assert ModelSettings.from_dict(older).backbone == TINY.backbone


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"pooling": "mean"}, ["pooling", "mean", "avg", "gem"]),
        ({"neck": "bn"}, ["neck", "bnneck"]),
        ({"feature": "post"}, ["feature", "after", "before"]),
        ({"fit": "zoom"}, ["fit", "stretch", "pad"]),
        ({"height": 0}, ["0x128"]),
        ({"dim": 0}, ["dim 0"]),
        ({"last_stride": 3}, ["last stride 3", "1 or 2"]),
        ({"pooling": "cls"}, ["no class token", "avg"]),
        ({"std": [1, 0, 1]}, ["std"]),
        ({"mean": "red"}, ["mean"]),
        ({"width": "wide"}, ["width", "wide"]),
        ({"colour": 1}, ["colour", "backbone"]),
    ],
)
def test_bad_settings_are_one_line(values, words):
    with pytest.raises(FashretError) as error:
        ModelSettings.from_dict(values)
    assert "\n" not in str(error.value)
    for word in words:
        assert word in str(error.value)


@pytest.mark.parametrize("text", ["", "0x5", "12x", "axb", "-4", "10x10x10", "1.5"])
def test_bad_input_sizes(text):
    with pytest.raises(FashretError, match="input size"):
        parse_input_size(text)
