"""Results about one file on a terminal: the facts of `info`, the picture of `show`, the products found for a photo."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from fashret.files.photos.names import photo_name
from fashret.report.provenance import flat
from fashret.report.tables import printable
from fashret.terminal.text import one_line

if TYPE_CHECKING:
    from rich.console import Console

    from fashret.stages.info import Info
    from fashret.stages.search_photo import PhotoSearch
    from fashret.stages.show import ShowSummary


def file_facts(info: Info, console: Console) -> Iterator[Any]:
    """What a file is: its sections, each name beside its value."""
    yield one_line(str(info.path), "bold").append_text(one_line(f": {info.kind}", "not bold"))
    for title, facts in info.sections.items():
        if facts:
            yield one_line(title, "bold cyan")
        for name, value in facts.items():
            yield one_line(f"  {name:<18} {_in_words(value)}")


def _in_words(value: Any) -> str:
    """A value on one line: numbers grouped, what is nested on one level."""
    if isinstance(value, dict):
        level = {name: each for name, each in flat(value).items() if each not in ("", None)}
        return ", ".join(f"{name} {_in_words(each)}" for name, each in level.items()) or "–"
    if isinstance(value, list):
        return ", ".join(map(_in_words, value)) or "–"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def picture_facts(shown: ShowSummary, console: Console) -> Iterator[Any]:
    """What a picture of one query shows."""
    hits = ", ".join(f"{name} {hit or 'none'}" for name, hit in shown.first_hits.items())
    facts = {"picture": shown.picture, "query": shown.query, "product": shown.product, "photo": shown.photo}
    for name, value in {**facts, "rank of the first hit": hits}.items():
        yield one_line(f"{name:<22} {printable(str(value), 200)}")


def photo_hits(search: PhotoSearch, console: Console) -> Iterator[Any]:
    """The products found for one photo, best first."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name, side in (("rank", "right"), ("product", "left"), ("distance", "right"), ("photo", "left")):
        table.add_column(name, justify=side, overflow="fold")  # type: ignore[arg-type]
    for hit in search.hits:
        called = one_line(hit.product or photo_name(hit.photo))
        table.add_row(str(hit.rank), called, f"{hit.distance:.4f}", one_line(hit.photo))
    yield table
