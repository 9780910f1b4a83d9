"""The report: a folder with one page that needs no network and no server, and the pictures it shows.

In: `Report`: tables, plots, gallery rows, facts. Out: DIR/index.html, DIR/thumbs/*.jpg (every picture once) and
DIR/report.json, by which a folder is known as a report. It is built beside DIR and takes its place once it is complete;
a folder that is neither a report nor empty is left alone.

Names come from data. They reach the page through Jinja2 with autoescape; the only script that the page may run is the
one whose digest its content security policy names.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any

import fashret
from fashret.console import progress
from fashret.errors import FashretError
from fashret.files.atomic import check_no_loop, whole_folder
from fashret.files.further_columns import in_words
from fashret.report.gallery import KINDS, RESULTS, GalleryRow, Picture
from fashret.report.pictures import Pictures, thumbnail
from fashret.report.plots import Plot
from fashret.report.tables import Score, Table, cell_text, is_number, printable

MARK = "report.json"
KIND = "fashret.report"
LONGEST_SHOWN = 300  # characters of a name or a sentence on the page
COLUMNS = 3  # further columns that are written below a result; its tooltip has more


@dataclass(frozen=True)
class Card:
    """One headline number: plain; beside it, if there is such a ranking, re-ranked and how much that changes."""

    group: str
    measure: str
    score: Score
    reranked: Score | None = None
    change: Score | None = None


@dataclass(frozen=True)
class Report:
    """Everything that the page shows.

    Attributes
    ----------
    facts
        Settings and origins: heading → name → value.
    notes
        What is missing, and why; one sentence each.
    """

    title: str
    subtitle: str = ""
    cards: Sequence[Card] = ()
    tables: Sequence[Table] = ()
    plots: Sequence[Plot] = ()
    rows: Sequence[GalleryRow] = ()
    facts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    notes: Sequence[str] = ()


def write_report(folder: Path, report: Report, pictures: Mapping[str, Pictures]) -> Path:
    """Write a report folder, complete or not at all.

    Parameters
    ----------
    pictures
        Where the pictures of each side are: "query" and "gallery".

    Returns
    -------
    Path
        The page.

    Raises
    ------
    FashretError
        If the folder holds something that is no report, cannot be written, or a picture is missing.
    """
    with report_folder(folder) as part:
        (part / "thumbs").mkdir()
        names = _write_thumbnails(part / "thumbs", report.rows, pictures)
        (part / "index.html").write_text(render(report, names), encoding="utf-8")
        mark = {"format": KIND, "format_version": 1, "fashret_version": fashret.__version__, "created": _now()}
        (part / MARK).write_text(json.dumps(mark, indent=1) + "\n", encoding="utf-8")
    return folder / "index.html"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


# --- the folder ---


@contextmanager
def report_folder(folder: Path) -> Iterator[Path]:
    """A new empty folder beside `folder`, which takes its place when the block ends without an error."""
    check_folder(folder)
    with whole_folder(folder.resolve()) as part:
        yield part


def check_folder(folder: Path) -> None:
    """Before any work, refuse a folder that a report cannot be written to.

    Raises
    ------
    FashretError
        If the name is taken by a file or by a folder that is no report, or the folder above it cannot be written.
    """
    check_no_loop(folder)
    folder = folder.resolve()
    if folder.exists() and not folder.is_dir():
        raise FashretError(f"{folder}: is a file; give a folder for the report")
    if folder.is_dir() and any(folder.iterdir()) and not is_report(folder):
        raise FashretError(f"{folder}: is a folder with other things in it, not a report; give a new name")
    if not folder.parent.is_dir() or not os.access(folder.parent, os.W_OK):
        raise FashretError(f"{folder}: the folder {folder.parent} does not exist or is not writable")


def is_report(folder: Path) -> bool:
    """Whether a folder holds a report that fashret wrote."""
    try:
        return json.loads((folder / MARK).read_text(encoding="utf-8")).get("format") == KIND
    except (OSError, ValueError, AttributeError):
        return False


# --- the pictures ---


def _write_thumbnails(
    folder: Path, rows: Sequence[GalleryRow], pictures: Mapping[str, Pictures]
) -> dict[tuple[str, int], str]:
    """Write each picture once; (side, row) → its file's name."""
    wanted = sorted({(p.side, p.row) for row in rows for p in _pictures_in(row)})
    names = {}
    with progress(len(wanted), "thumbnails", "pictures") as advance:
        for side, row in wanted:
            name = f"{side}-{row}.jpg"
            (folder / name).write_bytes(thumbnail(pictures[side].image(row)))
            names[side, row] = name
            advance()
    return names


def _pictures_in(row: GalleryRow) -> Iterator[Picture]:
    yield row.query
    for line in row.lines:
        yield from line.results


# --- the page ---


def render(report: Report, thumbs: Mapping[tuple[str, int], str]) -> str:
    """The page as HTML; `thumbs` are file names of pictures under thumbs/."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=PackageLoader("fashret.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "percent": lambda share: f"{100 * share:.1f}",
        "text": cell_text,
        "name": lambda name: printable(name, LONGEST_SHOWN),
        "words": in_words,
    }
    environment.tests |= {"score": lambda cell: isinstance(cell, Score), "nan": math.isnan}
    script, style = (_package_text(name) for name in ("page.js", "page.css"))
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return environment.get_template("page.html").render(
        report=report,
        thumbs=thumbs,
        kinds=KINDS,
        results=RESULTS,
        columns=COLUMNS,
        is_number=is_number,
        categories=sorted({row.category for row in report.rows if row.category}),
        svg=Markup,
        script=Markup(script),  # ours, from this package
        style=Markup(style),
        digest=digest,
        version=fashret.__version__,
        created=_now(),
    )


def _package_text(name: str) -> str:
    return resources.files("fashret.report").joinpath(name).read_text(encoding="utf-8")
