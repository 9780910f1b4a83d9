"""What `--check` found: tables, sections, and the verdict with what stops it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from fashret.datasets.census import Comparison, SearchCensus, counts
from fashret.stages.check import CheckSummary
from fashret.terminal.checks import COLUMNS
from tests.conftest import make_rows
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


def lines(summary: CheckSummary) -> list[str]:
    return [" ".join(line.split()) for line in printed(summary, 120).splitlines()]


def test_categories_are_shown_that_have_rows_or_should_have_some() -> None:
    rows = make_rows(4, categories=("bags", "hats", "tops"))  # queries and gallery, all of them bags
    comparisons = (Comparison("bags", "query rows", 4, 174), Comparison("tops", "query rows", 0, 9))
    comparisons += (Comparison("", "query rows", 4, 4),)
    found = lines(replace(SUMMARY, counts=counts(rows), comparisons=comparisons))
    table = [line for line in found if line.split(" ")[0] in ("bags", "hats", "tops", "all")]
    assert table[:3] == ["bags 0 0 4 (174) 2 4", "tops 0 0 0 (9) 0 0", "all 0 0 4 (4) 2 4"]
    assert "1 of 3 counts are as expected" in found and "query rows of bags: 4, expected 174" in found


def test_roles_are_shown_that_have_rows() -> None:
    found = lines(replace(SUMMARY, counts=counts(make_rows(4)), comparisons=()))
    assert "query 4 0 4 4 2" in found and "gallery 4 0 4 4 2" in found and "all 4 0 4 4 2" in found
    assert not any(line.startswith("train ") for line in found)


def test_a_search_is_described_where_there_is_one() -> None:
    search = SearchCensus(1200, 20, 1000, 180, 30, 34567, 7, 4321, 21)
    found = lines(replace(SUMMARY, search=search, comparisons=(), notes={}))
    for line in (
        "queries: 1,200, lost: 20", "queries with a positive: 1,000", "gallery: 34,567, lost: 7",
        "queries without: 180 (of these 30 have none in the annotations either)",
        "pairs of query and positive: 4,321, lost: 21",
    ):  # fmt: skip
        assert line in found
    assert not {"validation", "notes", "compared with the manifest"} & set(found)
