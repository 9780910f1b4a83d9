"""People: what they wear is where it belongs, and the mask is what can be seen of the garment."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from fashret.demo.canvas import Cutout
from fashret.demo.cuts import CROTCH, HEAD_Y, WAIST
from fashret.demo.drawing import alpha_box
from fashret.demo.figures import HAND, View, draw_person, worn_box
from tests.demo_case import scene

VIEW = View((150, 300), (-0.25, -0.01), 297.0)
MIDDLE = {"hats": HEAD_Y - 0.05, "tops": 0.33, "belts": WAIST, "pants": 0.65, "footwear": 0.97, "bags": HAND[1] + 0.1}


def mask_of(category: str, view: View = VIEW, target: str | None = None) -> tuple[np.ndarray, Image.Image]:
    """The mask of one garment on somebody who wears nothing else, and the picture."""
    ground = Image.new("RGB", view.size, (0, 0, 0))
    outfit = {category: scene().clutter[category][0]}
    mask = draw_person(ground, view, outfit, category if target is None else target, np.random.default_rng(1))
    return np.asarray(mask), ground


@pytest.mark.parametrize("category", MIDDLE)
def test_a_garment_is_where_it_is_worn(category: str) -> None:
    mask, _ = mask_of(category)
    box = alpha_box(mask)
    assert box is not None
    top, bottom = box[1] / VIEW.scale + VIEW.origin[1], box[3] / VIEW.scale + VIEW.origin[1]
    assert top < MIDDLE[category] < bottom
    x0, y0, x1, y1 = worn_box(category, scene().clutter[category][0][0])
    assert y0 - 0.01 < top and bottom < y1 + 0.01
    assert x0 - 0.01 < box[0] / VIEW.scale + VIEW.origin[0] and box[2] / VIEW.scale + VIEW.origin[0] < x1 + 0.01


def test_shoes_come_in_twos_and_a_bag_is_on_one_side() -> None:
    middle = round(-VIEW.origin[0] * VIEW.scale)
    shoes, bag = mask_of("footwear")[0], mask_of("bags")[0]
    columns = np.flatnonzero((shoes > 96).any(axis=0))
    assert abs((columns[0] + columns[-1]) / 2 - middle) < 2 and columns[0] < middle - 20
    assert not bag[:, : middle + 3].any() and bag.any()


def test_the_mask_is_of_the_target_and_leaves_out_what_covers_it() -> None:
    assert not mask_of("tops", target="none of them")[0].any()
    alone, _ = mask_of("tops")
    ground = Image.new("RGB", VIEW.size, (0, 0, 0))
    outfit = {name: scene().clutter[name][0] for name in ("tops", "outerwear")}
    under = np.asarray(draw_person(ground, VIEW, outfit, "tops", np.random.default_rng(1)))
    over = np.asarray(draw_person(ground, VIEW, outfit, "outerwear", np.random.default_rng(1)))
    assert (over > 0).sum() > 0 and (under > 0).sum() <= (alone > 0).sum()


def test_somebody_is_drawn_on_a_cutout_as_on_a_photo() -> None:
    cutout = Cutout(Image.new("RGB", VIEW.size, (0, 0, 0)), Image.new("L", VIEW.size, 0))
    draw_person(cutout, VIEW, {}, "", np.random.default_rng(1))
    box = alpha_box(np.asarray(cutout.alpha))
    assert box is not None
    height = (box[3] - box[1]) / VIEW.scale
    assert 0.9 < height < 1.05 and np.asarray(cutout.alpha)[round((CROTCH - 0.1) * VIEW.scale), 74] == 255


def test_a_view_scales_a_sprite_to_its_frame_and_cuts_it_off_at_its_border() -> None:
    square = Cutout(Image.new("RGB", (64, 64), (255, 0, 0)), Image.new("L", (64, 64), 255))
    view = View((100, 100), (0.0, 0.0), 100.0)
    placed = view.place(square, (0.25, 0.5, 0.2))
    assert placed is not None
    picture, at = placed
    assert at == (25, 50) and np.abs(np.subtract(picture.size, 20)).max() <= 1
    cut_off = view.place(square, (-0.1, 0.9, 0.2))
    assert cut_off is not None and cut_off[1] == (0, 90) and cut_off[0].size == (11, 10)
    assert view.place(square, (1.5, 0.0, 0.2)) is None and view.place(square, (0.0, -0.5, 0.2)) is None
