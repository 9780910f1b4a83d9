"""What is known of published models."""

from __future__ import annotations

import timm

from fashret.models.layouts import LAYOUTS
from fashret.models.presets import PRESETS


def test_every_preset_is_one_of_its_own_and_names_what_there_is() -> None:
    assert len({(p.hub, p.file, p.note, p.cuts) for p in PRESETS.values()}) == len(PRESETS)
    assert {p.architecture for p in PRESETS.values()} <= set(timm.list_models())
    assert {name for p in PRESETS.values() for name in p.layouts} <= set(LAYOUTS)
    assert all(cut < p.width or cut == p.width for p in PRESETS.values() for cut in p.cuts)
