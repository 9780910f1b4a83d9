"""One query as a picture: every result in its place, whatever the names."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from fashret.errors import FashretError
from fashret.report.gallery import GalleryRow, Line, Picture
from fashret.report.row_picture import CELL, GAP, GREEN, HEADING, MARGIN, QUERY, ArrayPictures, _cut, draw_row, save_row
from tests.report_case import HOSTILE

GREEN_RGB = tuple(int(GREEN[i : i + 2], 16) for i in (1, 3, 5))


def row_of(hits, name="p", lines=1) -> GalleryRow:
    results = tuple(Picture("gallery", i, name, "a.jpg", i + 1, 0.1 * i, hit) for i, hit in enumerate(hits))
    line = Line("plain", results, 1 + hits.index(True) if True in hits else 0)
    return GalleryRow(0, "best", name, Picture("query", 0, name, "q.jpg"), (line,) * lines)


COLOURS = {i: np.full((40, 30, 3), (i * 20, 0, 200), np.uint8) for i in range(10)}


PICTURES = {"query": ArrayPictures({0: np.full((9, 99, 3), 7, np.uint8)}), "gallery": ArrayPictures(COLOURS)}


def result_corner(place: int) -> tuple[int, int]:
    return MARGIN + QUERY[0] + 2 * GAP + place * (CELL[0] + GAP), MARGIN + HEADING


def test_every_result_is_in_its_place_and_only_hits_are_framed_in_green():
    hits = [False, True, False, True, False]
    image = draw_row(row_of(hits), PICTURES)
    for place, hit in enumerate(hits):
        x, y = result_corner(place)
        assert image.getpixel((x + CELL[0] // 2, y + CELL[1] // 2)) == (place * 20, 0, 200)
        assert (image.getpixel((x + CELL[0] // 2, y + 1)) == GREEN_RGB) == hit
    assert image.getpixel((MARGIN + QUERY[0] // 2, MARGIN + HEADING + QUERY[1] // 2)) == (7, 7, 7)


def test_two_rankings_are_two_lines_of_the_same_width():
    one, two = draw_row(row_of([True]), PICTURES), draw_row(row_of([True], lines=2), PICTURES)
    assert one.width == two.width and two.height > one.height
    x, y = result_corner(0)
    line_height = two.height - one.height
    assert two.getpixel((x + CELL[0] // 2, y + 1 + max(line_height, 0))) is not None
    found = [
        y for y in range(two.height - 1) if two.getpixel((x + 60, y)) == GREEN_RGB != two.getpixel((x + 60, y + 1))
    ]
    assert len(found) >= 4  # upper and lower edge of two frames


@pytest.mark.parametrize("name", [*HOSTILE, "", "\x00\x1b[2J"])
def test_any_name_can_be_drawn(name):
    image = draw_row(row_of([True, None], name), PICTURES)
    assert image.size == draw_row(row_of([True, None], "p"), PICTURES).size


def test_names_end_where_their_picture_ends():
    """Between two pictures and below the last there is no ink, however long the name."""
    image = draw_row(row_of([False, False], "W" * 300), PICTURES)
    x, y = result_corner(0)
    gap = image.crop((x + CELL[0] + 1, y, x + CELL[0] + GAP - 1, image.height))
    assert gap.getextrema() == ((255, 255),) * 3


def test_a_name_that_fits_is_drawn_in_full():
    pen = ImageDraw.Draw(Image.new("RGB", (9, 9)))
    assert _cut(pen, "bags/286", 132) == "bags/286"
    assert _cut(pen, "outerwear/1234567890-abc", 132).startswith("outer")


def test_no_results_at_all():
    assert draw_row(row_of([]), PICTURES).width > QUERY[0]


def test_an_unknown_kind_of_picture_is_refused_before_any_work(tmp_path):
    with pytest.raises(FashretError, match=r"row.pdf: a picture's name must end in one of \.png"):
        save_row(tmp_path / "row.pdf", row_of([]), {})
    with pytest.raises(FashretError, match="does not exist"):
        save_row(tmp_path / "no" / "row.png", row_of([]), {})


@pytest.mark.parametrize("name", ["row.png", "row.jpg", "row.webp"])
def test_the_picture_is_written_whole(tmp_path, name):
    save_row(tmp_path / name, row_of([True]), PICTURES)
    with Image.open(tmp_path / name) as image:
        assert image.width > QUERY[0]
    with pytest.raises(KeyError):
        save_row(tmp_path / name, row_of([True]), {})
    assert [path.name for path in tmp_path.iterdir()] == [name]
