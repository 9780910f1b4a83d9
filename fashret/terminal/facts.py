"""Results about one file on a terminal: the facts of `info`, the picture of `show`, the products found for a photo."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from fashret.files.further_columns import in_words
from fashret.files.photos.names import photo_name
from fashret.report.provenance import flat
from fashret.report.tables import printable
from fashret.terminal.text import one_line, side_by_side

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from fashret.stages.info import Info
    from fashret.stages.search_garments import GarmentSearch
    from fashret.stages.search_photo import PhotoSearch
    from fashret.stages.show import ShowSummary


LONGEST = 40  # characters of a further column's value or name
NAMED = 8  # further columns that are only named
GAP = 3  # between columns of a table


def file_facts(info: Info, console: Console) -> Iterator[Any]:
    """What a file is: its sections, each name beside its value."""
    yield one_line(str(info.path), "bold").append_text(one_line(f": {info.kind}", "not bold"))
    for title, facts in info.sections.items():
        if facts:
            yield one_line(title, "bold cyan")
        yield from side_by_side({name: _in_words(value) for name, value in facts.items()}, least=18, indent="  ")


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
    facts["rank of the first hit"] = hits
    yield from side_by_side({name: printable(str(value), 200) for name, value in facts.items()}, least=22)


def photo_hits(search: PhotoSearch, console: Console) -> Iterator[Any]:
    """The products found for one photo, best first."""
    from rich import box
    from rich.table import Table

    columns, others = _fitting(search, console)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, caption=others and one_line(others), caption_justify="left")
    for name, side in (("rank", "right"), ("product", "left"), ("distance", "right"), ("photo", "left")):
        table.add_column(name, justify=side, overflow="fold")  # type: ignore[arg-type]
    for name in columns:
        numbers = all(isinstance(hit.columns.get(name), int | float | None) for hit in search.hits)
        table.add_column(_cell(name), justify="right" if numbers else "left", overflow="fold")
    for hit in search.hits:
        called = one_line(hit.product or photo_name(hit.photo))
        cells = (_cell(hit.columns.get(name)) for name in columns)
        table.add_row(str(hit.rank), called, f"{hit.distance:.4f}", one_line(hit.photo), *cells)
    yield table


def garment_hits(search: GarmentSearch, console: Console) -> Iterator[Any]:
    """The products found for each garment of a photo."""
    from fashret.stages.search_photo import PhotoSearch

    if not search.found:
        yield one_line(f"{search.photo}: no garment found")
    for each in search.garments:
        garment = each.garment
        box = ",".join(f"{side:.0f}" for side in garment.box)
        called = f"{garment.number} {garment.category or garment.label}"
        yield one_line(called, "bold").append_text(one_line(f"  score {garment.score:.2f}, box {box}", "not bold"))
        yield from photo_hits(PhotoSearch(search.photo, search.catalogue, search.gallery, each.hits), console)


def _cell(value: Any) -> Text:
    """A value of a further column, cut short."""
    return one_line(printable(in_words(value), LONGEST))


def _fitting(search: PhotoSearch, console: Console) -> tuple[list[str], str]:
    """The further columns that fit beside the others on one line each, and a sentence about the rest."""
    filled = (name for hit in search.hits for name, value in hit.columns.items() if value is not None)
    names = sorted(set(filled), key=list(search.hits[0].columns).index) if search.hits else []
    own = [
        max((one_line(text).cell_len for text in texts), default=0)
        for texts in zip(*((hit.product or photo_name(hit.photo), hit.photo) for hit in search.hits), strict=True)
    ]
    left = console.width - sum(max(width, 7) + GAP for width in own) - len("rank") - len("distance") - 2 * GAP
    shown = []
    for name in names:
        width = max(_cell(name).cell_len, *(_cell(hit.columns.get(name)).cell_len for hit in search.hits)) + GAP
        if width <= left:
            shown.append(name)
            left -= width
    others = [printable(name, LONGEST) for name in names if name not in shown]
    more = f" and {len(others) - NAMED} more" if len(others) > NAMED else ""
    return shown, f"also known: {', '.join(others[:NAMED])}{more}; --json has all" if others else ""
