"""The columns of a table that hold boxes, in the ways that people write them.

In: the columns of a table. Out: N×4 boxes x1 y1 x2 y2, NaN where the cells are empty.

    x1, y1, x2, y2 · xmin, ymin, xmax, ymax · left, top, right, bottom      two corners
    x, y, w, h · x, y, width, height · left, top, width, height             a corner and the size
    bbox    four numbers as in COCO (x, y, width, height), or an object with the names of one of these forms
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashret.console import log
from fashret.errors import FashretError
from fashret.files.tables.cells import is_blank

CORNERS = ("x1", "y1", "x2", "y2")
OBJECT = "bbox"
FORMS = {  # columns of a form, the first that is complete is read → whether the last two are width and height
    CORNERS: False,
    ("xmin", "ymin", "xmax", "ymax"): False,
    ("left", "top", "right", "bottom"): False,
    ("x", "y", "w", "h"): True,
    ("x", "y", "width", "height"): True,
    ("left", "top", "width", "height"): True,
    (OBJECT,): True,
}
SIZES = {"w", "h", "width", "height"}  # alone they are those of the photo
NAMES = tuple(dict.fromkeys(name for form in FORMS for name in form))  # every column that a box may be in

LARGEST = float(np.finfo(np.float32).max)

Where = Callable[[int], str]  # row → its file and line, for messages


def box_columns(path: Path, names: Collection[str]) -> tuple[str, ...]:
    """The columns of a table that boxes are read from; none if it has no boxes. Others are named as not read.

    Raises
    ------
    FashretError
        If some of x1, y1, x2 and y2 are there, and neither all of them nor another form.
    """
    form: tuple[str, ...] = next((form for form in FORMS if all(name in names for name in form)), ())
    others = [name for name in NAMES if name in names and name not in form and name not in SIZES]
    if not form and (some := [name for name in CORNERS if name in names]):
        raise FashretError(f"{path}: has the column {', '.join(some)}; a box needs x1, y1, x2 and y2")
    if others:
        read = f"boxes are read from {', '.join(form)}" if form else "no form of a box is complete"
        log.warning("%s: columns not read: %s; %s", path, ", ".join(others), read)
    if form == (OBJECT,):
        log.info("%s: bbox is read as x, y, width, height; corners belong in the columns x1, y1, x2, y2", path)
    return form


def read_boxes(columns: Mapping[str, Sequence[Any]], form: tuple[str, ...], where: Where) -> NDArray[np.float32]:
    """N×4 float32 from the columns that `box_columns` chose.

    Raises
    ------
    FashretError
        If cells are neither four finite numbers nor all empty.
    """
    rows = list(zip(*(columns[name] for name in form), strict=True))
    return np.array([_box(cells, form, where, i) for i, cells in enumerate(rows)], np.float32).reshape(-1, 4)


def _box(cells: Sequence[Any], form: tuple[str, ...], where: Where, row: int) -> Sequence[float]:
    if all(map(is_blank, cells)):
        return (math.nan,) * 4
    shown, sized = cells[0] if form == (OBJECT,) else cells, FORMS[form]
    try:
        if form == (OBJECT,):
            cells, sized = _inside(cells[0])
            if len(cells) in (0, 4) and is_blank(cells):
                return (math.nan,) * 4
        numbers = [] if any(map(is_blank, cells)) else [float(cell) for cell in cells]
    except (ValueError, TypeError, OverflowError):
        numbers = []
    if len(numbers) != 4:
        raise FashretError(f"{where(row)}: box {str(shown)[:80]}; expected four numbers, or four empty cells")
    if not all(abs(number) <= LARGEST for number in numbers):  # NaN neither
        raise FashretError(f"{where(row)}: box {str(shown)[:80]}; expected four finite numbers")
    x, y, right, bottom = numbers
    return (x, y, x + right, y + bottom) if sized else numbers


def _inside(cell: Any) -> tuple[Sequence[Any], bool]:
    """The four values of one cell, a list, an object, or either as text; and whether the last two are a size."""
    if isinstance(cell, str):
        try:
            cell = json.loads(cell.replace("'", '"'))
        except (ValueError, RecursionError):
            cell = re.split(r"[\s,;]+", cell.strip(" []()\t"))
    if isinstance(cell, Mapping):
        form = next((form for form in FORMS if all(name in cell for name in form)), (OBJECT,))
        return [cell.get(name) for name in form], FORMS[form]
    return list(cell), True
