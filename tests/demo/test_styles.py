"""Every style of every category is drawn, and carries trims and prints that can be seen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fashret.demo.catalogue import CATEGORIES, TRIMS, Product
from fashret.demo.drawing import alpha_box, sprite
from fashret.demo.shapes import MOTIFS
from fashret.demo.styles import CUTS
from tests.demo_case import seen, visible_share


@pytest.mark.parametrize("category", CATEGORIES)
def test_every_style_is_drawn_and_every_trim_shows(category: str) -> None:
    plain = Product(0, 0, category, "", "plain", ("camel", "navy", "black"), "none", "none", "train")
    styles, trims = list(CUTS[category]), TRIMS[category][1:]
    for i in range(max(len(styles), len(trims))):
        bare = replace(plain, style=styles[i % len(styles)])
        box = alpha_box(np.asarray(sprite(bare).worn.alpha))
        assert box is not None
        assert max(box[2] - box[0], box[3] - box[1]) > 180  # of 256
        before = seen(bare)
        trimmed, printed = replace(bare, trim=trims[i % len(trims)]), replace(bare, print=list(MOTIFS)[i])
        assert visible_share(before, seen(trimmed)) > 0.003, trimmed
        assert visible_share(before, seen(printed)) > 0.003, printed
