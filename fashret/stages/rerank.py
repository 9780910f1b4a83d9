"""`fashret rerank`: ranking.h5 → ranking.h5. In: a ranking and options. Out: the re-ranked ranking."""

from __future__ import annotations

from pathlib import Path

from fashret.options import RerankOptions
from fashret.ranking.rerank import RerankSummary, write_rerank


def run(ranking: Path, output: Path, options: RerankOptions) -> RerankSummary:
    """Re-rank the whole gallery for the queries of a ranking; see `write_rerank`."""
    return write_rerank(ranking, output, options)
