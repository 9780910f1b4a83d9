"""What the dataset tests share: rows as tuples that can be typed by hand, and files written in one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from fashret.files.columns import Domain, Role, Rows

Row = tuple[str, tuple[float, ...] | None, str, str, str, str]


def plain(rows: Rows) -> list[Row]:
    """(source, box or None, product, roles, domain, category) of each row."""
    return [
        (
            rows.source[i],
            None if np.isnan(rows.box[i]).all() else tuple(rows.box[i].tolist()),
            rows.product[i],
            "+".join(role.name.lower() for role in Role if role & int(rows.role[i]) and role.name),
            Domain(int(rows.domain[i])).name.lower(),
            rows.categories[rows.category[i]] if rows.category[i] >= 0 else "",
        )
        for i in range(len(rows))
    ]


def write(path: Path, content: Any) -> Path:
    """Write text as it is, anything else as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def photo(path: Path, size: tuple[int, int] = (40, 30), colour: str = "red", **settings: Any) -> Path:
    """Write a small photo of one colour."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path, **settings)
    return path
