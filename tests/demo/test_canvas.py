"""Pictures without a ground: where things are drawn, and what lies over what."""

from __future__ import annotations

import numpy as np
from PIL import Image

from fashret.demo.canvas import Canvas, Cutout
from fashret.demo.drawing import alpha_box
from fashret.demo.shapes import rectangle

RED, BLUE = (200, 40, 40), (40, 40, 200)


def covered(cutout: Cutout) -> tuple[int, int, int, int] | None:
    return alpha_box(np.asarray(cutout.alpha))


def patch(box: tuple[int, int, int, int], colour: tuple[int, int, int] = RED, size: int = 40) -> Cutout:
    """A square cutout that is opaque in a box."""
    alpha = Image.new("L", (size, size), 0)
    alpha.paste(255, box)
    return Cutout(Image.new("RGB", (size, size), colour), alpha)


def test_body_coordinates_are_scaled_from_the_origin() -> None:
    canvas = Canvas((60, 80), (-0.3, 0.1), 100.0, BLUE)
    canvas.fill(rectangle(-0.1, 0.2, 0.2, 0.5), RED)
    drawn = canvas.finished()
    assert drawn.size == (60, 80) and canvas.span == 0.6
    box = covered(drawn)
    assert box is not None and np.abs(np.subtract(box, (20, 10, 50, 40))).max() <= 1
    assert drawn.rgb.getpixel((30, 20)) == RED
    assert drawn.alpha.getpixel((5, 70)) == 0


def test_transparent_pixels_keep_the_colour_of_the_ground_however_they_are_scaled() -> None:
    canvas = Canvas((20, 20), (0.0, 0.0), 20.0, RED)
    canvas.fill(rectangle(0.25, 0.25, 0.75, 0.75), RED)
    drawn = canvas.finished()
    assert drawn.alpha.getextrema() == (0, 255)
    for cutout in (drawn, drawn.resize(33, 47), drawn.resize(7, 9), drawn.mirrored()):
        assert np.abs(np.asarray(cutout.rgb, int) - RED).max() <= 1  # no dark edge


def test_discs_and_lines_are_measured_in_fractions_of_the_canvas() -> None:
    canvas = Canvas((100, 100), (0.0, 0.0), 50.0, BLUE)  # two body heights
    canvas.disc(1.0, 0.5, 0.1, RED)
    disc = covered(canvas.finished())
    assert disc is not None and np.abs(np.subtract(disc, (40, 15, 60, 35))).max() <= 1
    canvas = Canvas((100, 100), (0.0, 0.0), 100.0, BLUE)
    canvas.line(np.array([(0.2, 0.5), (0.8, 0.5)]), RED, 0.1)
    line = covered(canvas.finished())
    assert line is not None and np.abs(np.subtract(line, (20, 45, 80, 55))).max() <= 1


def test_cloth_keeps_its_place_under_the_outline() -> None:
    canvas = Canvas((40, 40), (0.0, 0.0), 40.0, BLUE)
    cloth = Image.linear_gradient("L").resize(canvas.size).convert("RGB")
    canvas.cloth(rectangle(0.25, 0.25, 0.75, 0.75), cloth)
    drawn = canvas.finished()
    for y in (12, 20, 27):
        assert abs(drawn.rgb.getpixel((20, y))[0] - cloth.getpixel((40, 2 * y))[0]) <= 6
    assert drawn.alpha.getpixel((5, 5)) == 0 and drawn.alpha.getpixel((20, 20)) == 255


def test_cutouts_change_colours_and_coverage_together() -> None:
    one = patch((2, 4, 10, 20))
    assert covered(one.mirrored()) == (30, 4, 38, 20)
    assert covered(one.resize(80, 80)) == (4, 8, 20, 40)
    turned = covered(one.turned(90))
    assert turned is not None and np.abs(np.subtract(turned, (4, 30, 20, 38))).max() <= 1
    assert one.turned(45, expand=True).size > one.size


def test_what_is_pasted_covers_what_was_there_and_nothing_else() -> None:
    ground = patch((0, 0, 20, 20), BLUE)
    patch((5, 5, 10, 10), RED, 20).paste_on(ground, (10, 10))
    assert ground.rgb.getpixel((17, 17)) == RED and ground.rgb.getpixel((12, 12)) == BLUE
    assert ground.alpha.getpixel((12, 12)) == ground.alpha.getpixel((17, 17)) == 255  # what was covered stays so
    photo = Image.new("RGB", (40, 40), BLUE)
    patch((5, 5, 10, 10)).paste_on(photo)
    assert photo.getpixel((7, 7)) == RED and photo.getpixel((20, 20)) == BLUE
