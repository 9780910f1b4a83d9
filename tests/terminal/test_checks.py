"""What `--check` found: tables, sections, and the verdict with what stops it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from fashret.datasets.census import Comparison, SearchCensus
from fashret.stages.check import CheckSummary
from fashret.terminal.checks import COLUMNS
from tests.terminal import printed

COUNTS = {"tops": Counter({"rows": 1234, "train rows": 1234}), "": Counter({"rows": 1234, "train rows": 1234})}
NONE = SearchCensus(0, 0, 0, 0, 0, 0, 0, 0, 0)
SUMMARY = CheckSummary(
    dataset="[b]toy",
    counts=COUNTS,  # type: ignore[arg-type]
    comparisons=(Comparison("tops", "train rows", 1234, 1300),),
    photos_lost=2,
    search=NONE,
    validation=NONE,
    shared_photos=3,
    doubtful_boxes={"no area": 4},
    repeats=5,
    notes={"[b] notes": 6},
    problems=(),
)


def test_a_usable_dataset() -> None:
    text = printed(SUMMARY, 120)
    assert text.split()[0] == "[b]toy"
    headings = text.splitlines()[1].split()
    assert headings == ["category", *" ".join(COLUMNS).split()]
    assert "1,234 (1,300)" in text and "in brackets what the manifest expects" in text
    for line in ("missing (dead links): 2", "both in train and in test: 3", "no area: 4", "[b] notes: 6"):
        assert f"  {line}\n" in text
    assert text.endswith("[b]toy: can be used\n") and "search\n" not in text


def test_what_stops_it_comes_last() -> None:
    text = printed(replace(SUMMARY, problems=("none of its photos is below [b]here",)))
    assert text.endswith("[b]toy: cannot be used\n  none of its photos is below [b]here\n")
