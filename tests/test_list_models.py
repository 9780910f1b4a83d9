"""The table of backbones."""

from __future__ import annotations

import io

from rich.console import Console

from fashret.models.backbones import BACKBONES
from fashret.stages import list_models


def test_every_backbone_has_a_line() -> None:
    table = list_models.run()
    plain = {row["name"]: row for row in table.as_json()}
    assert list(plain) == list(BACKBONES)
    assert plain["resnet50"]["width"] == 2048 and plain["resnet50"]["parameters"] == 23_508_032
    stream = io.StringIO()
    Console(file=stream, width=120).print(table)
    text = stream.getvalue()
    assert "23,508,032" in text and "timm:NAME" in text and all(name in text for name in BACKBONES)
