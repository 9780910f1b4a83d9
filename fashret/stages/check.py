"""`fashret crop … --check`: everything that can be known before a long run, pixels aside.

In: what `fashret crop` is given. Out: counts beside those that the manifest expects, and whether the data can be used.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashret.datasets import readers
from fashret.datasets.census import (
    ROLES,
    Comparison,
    SearchCensus,
    compare,
    counts,
    doubtful_boxes,
    search_census,
    shared_photos,
)
from fashret.files.columns import Role
from fashret.files.manifests import Listing
from fashret.options import CropOptions

COLUMNS = ("train rows", "train products", "query rows", "query products", "gallery photos")


@dataclass(frozen=True)
class CheckSummary:
    """What a dataset holds."""

    dataset: str
    counts: dict[str, dict[str, int]]  # category ("" = all) → what → count
    comparisons: tuple[Comparison, ...]
    photos_lost: int
    search: SearchCensus
    validation: SearchCensus
    shared_photos: int  # both in train and in test
    doubtful_boxes: dict[str, int]
    repeats: int
    notes: dict[str, int]
    problems: tuple[str, ...]  # why it cannot be used; none = it can

    @property
    def exit_code(self) -> int:
        """0 if the data can be used."""
        return 1 if self.problems else 0

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {**asdict(self), "usable": not self.problems}

    def __rich_console__(self, console: Any, options: Any) -> Iterator[Any]:
        from rich.text import Text

        yield _table(self)
        yield ""
        yield _role_table(self.counts[""])
        for title, lines in _sections(self).items():
            yield Text(title, "bold")
            for line in lines:
                yield Text("  " + line)
        verdict = "cannot be used" if self.problems else "can be used"
        yield Text(f"{self.dataset}: {verdict}", "bold red" if self.problems else "bold green")
        for problem in self.problems:
            yield Text("  " + problem)


def run(manifest: str, options: CropOptions) -> CheckSummary:
    """Read everything but the pixels and count.

    Raises
    ------
    FashretError
        If the annotations cannot be read.
    """
    listing = readers.load(manifest, options)
    rows = listing.rows
    there = listing.photos.present(rows.source)
    table = counts(rows)
    search = search_census(rows, there, Role.QUERY, Role.GALLERY)
    doubtful = doubtful_boxes(rows)
    return CheckSummary(
        dataset=listing.name,
        counts=table,
        comparisons=compare(table, listing.expected, listing.options),
        photos_lost=len(set(rows.source[~there])),
        search=search,
        validation=search_census(rows, there, Role.VAL_QUERY, Role.VAL_GALLERY),
        shared_photos=shared_photos(rows),
        doubtful_boxes=doubtful,
        repeats=listing.repeats,
        notes=listing.notes,
        problems=tuple(_problems(listing, there, search, doubtful["no area"], options)),
    )


def _problems(
    listing: Listing, there: NDArray[np.bool_], search: SearchCensus, empty_boxes: int, options: CropOptions
) -> Iterator[str]:
    """What would stop `fashret crop`, or leave nothing to train or search."""
    if not there.any():
        yield f"none of its photos is below {listing.root}"
        return
    lost = 0 if listing.public else int(np.count_nonzero(~there))
    if lost + empty_boxes > options.max_errors * len(there):
        found = f"{lost:,} photos missing and {empty_boxes:,} boxes without area"
        yield f"{found} of {len(there):,} rows, more than --max-errors {options.max_errors:g}"
    if search.queries and not search.queries_with_positive:
        yield f"none of its {search.queries:,} queries has a positive in the gallery"


def _sections(summary: CheckSummary) -> dict[str, list[str]]:
    """What stands below the table: title → lines."""
    wrong = [f"{c}" for c in summary.comparisons if c.found != c.expected]
    agree = len(summary.comparisons) - len(wrong)
    expected = [f"{agree} of {len(summary.comparisons)} counts are as expected", *wrong] if summary.comparisons else []
    doubtful = [f"{reason}: {n:,}" for reason, n in summary.doubtful_boxes.items()]
    sections = {
        "search": _search_lines(summary.search),
        "validation": _search_lines(summary.validation),
        "photos": [
            f"missing (dead links): {summary.photos_lost:,}",
            f"both in train and in test: {summary.shared_photos:,}",
        ],
        "boxes": [*doubtful, f"repeats of one photo, box and product, left out: {summary.repeats:,}"],
        "notes": [f"{what}: {n:,}" for what, n in summary.notes.items()],
        "beside the manifest": expected,
    }
    return {title: lines for title, lines in sections.items() if lines}


def _search_lines(search: SearchCensus) -> list[str]:
    if not search.queries:
        return []
    return [
        f"queries: {search.queries:,}, lost: {search.queries_lost:,}",
        f"queries with a positive: {search.queries_with_positive:,}",
        f"queries without: {search.queries_without_positive:,}"
        f" (of these {search.queries_never_positive:,} have none in the annotations either)",
        f"gallery: {search.gallery:,}, lost: {search.gallery_lost:,}",
        f"pairs of query and positive: {search.positives:,}, lost: {search.positives_lost:,}",
    ]


def _table(summary: CheckSummary) -> Any:
    """Counts of each category, with what is expected in brackets."""
    from rich.text import Text

    expected = {(c.category, c.what): c.expected for c in summary.comparisons}
    caption = "in brackets what the manifest expects" if expected else None
    table = _plain_table("category", COLUMNS, title=summary.dataset, caption=caption)
    for category in _shown_categories(summary):
        cells = []
        for what in COLUMNS:
            known = expected.get((category, what))
            found = f"{summary.counts[category][what]:,}"
            cells.append(found if known is None else f"{found} ({known:,})")
        table.add_row(Text(category or "all"), *cells)
    return table


def _shown_categories(summary: CheckSummary) -> list[str]:
    """Categories that have rows or should have some, in order; "" = all, the last."""
    expected = {c.category for c in summary.comparisons}
    known = (name for name, found in summary.counts.items() if found["rows"] or name in expected or not name)
    return sorted(known, key=lambda name: (name == "", name))


def _role_table(total: dict[str, int]) -> Any:
    """Rows of each role, and of each domain in it."""
    columns = ("rows", "street rows", "shop rows", "photos", "products")
    table = _plain_table("role", columns)
    for role in ROLES:
        if total[f"{role} rows"]:
            table.add_row(role, *(f"{total[f'{role} {what}']:,}" for what in columns))
    table.add_row("all", *(f"{total[what]:,}" for what in columns))
    return table


def _plain_table(first: str, columns: Iterable[str], **about: Any) -> Any:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, **about)
    table.add_column(first, no_wrap=True)
    for name in columns:
        table.add_column(name, justify="right")
    return table
