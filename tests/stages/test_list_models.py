"""The table of backbones."""

from __future__ import annotations

import io

from rich.console import Console

from fashret.models.backbones import BACKBONES
from fashret.models.presets import PRESETS
from fashret.stages import list_models
from fashret.terminal import render


def test_every_backbone_has_a_line() -> None:
    table = list_models.run()
    plain = {row["name"]: row for row in table.as_json()}
    assert list(plain) == [*BACKBONES, *PRESETS]
    assert (plain["osnet_x1_0"]["width"], plain["resnet50"]["width"]) == (512, 2048)
    # counted from the list of published shapes, without classifier and running statistics
    assert (plain["osnet_x1_0"]["parameters"], plain["resnet50"]["parameters"]) == (2_169_508, 23_508_032)
    assert all(row["weights"] for row in plain.values())
    stream = io.StringIO()
    console = Console(file=stream, width=120)
    console.print(render(table, console))
    text = stream.getvalue()
    assert "23,508,032" in text and "timm:NAME" in text and all(name in text for name in plain)
