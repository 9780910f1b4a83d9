"""`fashret datasets`: the public datasets that fashret knows.

In: nothing, or a dataset's name. Out: a table of all, or what is known about the one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from fashret.datasets import READERS
from fashret.files.manifests import Manifest, find_manifest, manifest_names

FIGURES = ("pairs", "images", "categories", "boxes", "landmarks", "masks")


@dataclass(frozen=True)
class DatasetTable:
    """All public datasets, the oldest first."""

    manifests: tuple[Manifest, ...]

    def as_json(self) -> list[dict[str, Any]]:
        """Plain values."""
        return [_plain(manifest) for manifest in self.manifests]

    def __rich_console__(self, console: Any, options: Any) -> Iterator[Any]:
        from rich import box
        from rich.table import Table
        from rich.text import Text

        caption = "figures as the literature writes them; × = none, empty = not known"
        table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), caption=caption)
        for column in ("name", "year", "pairs", "images", "categ.", "boxes", "landm.", "masks", "crop"):
            table.add_column(column, justify="left" if column in ("name", "crop") else "right", no_wrap=True)
        for manifest in self.manifests:
            readable = "yes" if manifest.name in READERS else "no"
            figures = (manifest.published.get(figure, "") for figure in FIGURES)
            table.add_row(*map(Text, (manifest.name, str(manifest.year), *figures, readable)))
        yield table


@dataclass(frozen=True)
class DatasetPage:
    """What is known about one public dataset."""

    manifest: Manifest

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return _plain(self.manifest)

    def __rich_console__(self, console: Any, options: Any) -> Iterator[Any]:
        from rich.text import Text

        about = self.manifest
        yield Text(f"{about.title} ({about.year})", "bold")
        facts = {"paper": about.paper, "data": about.data, "licence": about.licence, **about.protocol}
        for name, value in facts.items():
            yield Text(f"  {name:<10} {value}")
        for title, lines in self._sections().items():
            yield Text(title, "bold")
            for line in lines:
                yield Text("  " + line)
        usage = about.no_pairs or f"fashret crop {about.name} --root FOLDER -o {about.name}.crops.h5"
        yield Text("no retrieval" if about.no_pairs else "to crop it", "bold")
        yield Text("  " + usage)

    def _sections(self) -> dict[str, list[str]]:
        about = self.manifest
        expected = []
        for entry in about.expected:
            condition = "".join(
                f" (--{name.replace('_', '-')} {value})" for name, value in entry.options.items() if value
            )
            expected.append(f"{entry.category or 'all'}: {entry.what} {entry.count:,}{condition}")
        sections = {
            "layout": about.layout.strip().splitlines(),
            "published figures": [f"{name}: {value}" for name, value in about.published.items() if value],
            "expected counts": expected,
        }
        return {title: lines for title, lines in sections.items() if lines}


def run(name: str = "") -> DatasetTable | DatasetPage:
    """Describe one public dataset, or list them all.

    Raises
    ------
    FashretError
        If there is no dataset of that name.
    """
    if name:
        return DatasetPage(find_manifest(name))
    manifests = [find_manifest(known) for known in manifest_names()]
    return DatasetTable(tuple(sorted(manifests, key=lambda m: (m.year, m.name))))


def _plain(manifest: Manifest) -> dict[str, Any]:
    return {**asdict(manifest), "readable": manifest.name in READERS}
