"""What detectors found, on a terminal: in one photo, or counted over many."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from fashret.terminal.text import one_line

if TYPE_CHECKING:
    from rich.console import Console

    from fashret.stages.detect import DetectSummary
    from fashret.stages.detect_photo import PhotoGarments

MEASURES = ("AP", "AP50", "recall")


def found_in_photo(found: PhotoGarments, console: Console) -> Iterator[Any]:
    """The garments of one photo, numbered, with their boxes as viewers show the photo."""
    from rich import box
    from rich.table import Table

    if not found.garments:
        below = f"; the best box has the score {found.best_below:.2f}" if found.best_below else ""
        yield one_line(f"{found.photo}: no garment found{below}")
    else:
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        table.add_column("", justify="right")
        table.add_column("garment", overflow="fold")
        for name in ("score", "x1", "y1", "x2", "y2"):
            table.add_column(name, justify="right")
        for garment in found.garments:
            corners = (f"{side:.0f}" for side in garment.box)
            called = one_line(garment.category or garment.label)
            table.add_row(str(garment.number), called, f"{garment.score:.2f}", *corners)
        yield table
    yield from _left_out(found.left_out)
    for what, path in (("written", found.output), ("drawn", found.picture)):
        if path:
            yield one_line(f"{what:<16} {path}")


def found_in_all(found: DetectSummary, console: Console) -> Iterator[Any]:
    """Counts of what was found in many photos."""
    read = f"{found.photos:,}" + (f", {found.kept:,} of them by an interrupted run" if found.kept else "")
    facts: dict[str, Any] = {
        "output": found.output,
        "photos": read,
        "garments": f"{found.garments:,}",
        "without any": f"{found.without:,}" if found.without else "",
        "categories": ", ".join(f"{name} {count:,}" for name, count in found.categories.items()),
        "dead links": f"{found.lost:,}" if found.lost else "",
        "unreadable": f"{found.failed:,}" if found.failed else "",
        "pictures": found.pictures or "",
        "photos per second": f"{found.photos_per_second:,}" if found.photos_per_second else "",
    }
    for name, value in facts.items():
        if value != "":
            yield one_line(f"{name:<18} {value}")
    yield from _left_out(found.left_out)
    if found.scores:
        measures = ", ".join(f"{name} {100 * found.scores[name]:.1f}" for name in MEASURES)
        true = f"{found.scores['boxes']:,} boxes of {found.scores['photos']:,} photos"
        yield one_line(f"{'scores':<18} {measures} ({found.scores_of}, {true})")
    for name, average in found.per_category.items():
        yield one_line(f"  {name:<16} AP {100 * average:.1f}")


def _left_out(counts: dict[str, int]) -> Iterator[Any]:
    """Boxes of classes that have no category."""
    if counts:
        named = ", ".join(f"{name} {count:,}" for name, count in counts.items())
        yield one_line(f"boxes left out, as --labels has no category for their class: {named}")
