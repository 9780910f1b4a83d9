"""What `fashret crop … --check` found, on a terminal: counts beside those that are expected, and the verdict."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from fashret.datasets.census import ROLES, SearchCensus
from fashret.terminal.text import one_line

if TYPE_CHECKING:
    from rich.console import Console

    from fashret.stages.check import CheckSummary

COLUMNS = ("train rows", "train products", "query rows", "query products", "gallery photos")


def check_summary(summary: CheckSummary, console: Console) -> Iterator[Any]:
    """A table of the categories, one of the roles, sections of lines, and whether the data can be used."""
    yield _table(summary)
    yield ""
    yield _role_table(summary.counts[""])
    for title, lines in _sections(summary).items():
        yield one_line(title, "bold")
        for line in lines:
            yield one_line("  " + line)
    verdict = "cannot be used" if summary.problems else "can be used"
    yield one_line(f"{summary.dataset}: {verdict}", "bold red" if summary.problems else "bold green")
    for problem in summary.problems:
        yield one_line("  " + problem)


def _sections(summary: CheckSummary) -> dict[str, list[str]]:
    """What is below the tables: title → lines."""
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
        "compared with the manifest": expected,
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
    expected = {(c.category, c.what): c.expected for c in summary.comparisons}
    caption = "in brackets what the manifest expects" if expected else None
    table = _plain_table("category", COLUMNS, title=one_line(summary.dataset, "italic"), caption=caption)
    for category in _shown_categories(summary):
        cells = []
        for what in COLUMNS:
            known = expected.get((category, what))
            found = f"{summary.counts[category][what]:,}"
            cells.append(found if known is None else f"{found} ({known:,})")
        table.add_row(one_line(category or "all"), *cells)
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
