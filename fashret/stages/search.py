"""`fashret search`: embeddings.h5 → ranking.h5. In: one embeddings file or two, and options. Out: the ranking."""

from __future__ import annotations

from pathlib import Path

from fashret.options import SearchOptions
from fashret.ranking.search import SearchSummary, write_search


def run(queries: Path, gallery: Path | None, output: Path, options: SearchOptions) -> SearchSummary:
    """Find the nearest gallery rows of every query and the rank of every positive; see `write_search`."""
    return write_search(queries, gallery, output, options)
