"""Curves and bars of a report, as SVG that takes its colours from the page around it.

In: ranks, distances, scores. Out: `Plot`s, whose SVG text has `currentColor` for ink and the CSS variables
`--series-0`, `--series-1`, … for what is plotted, so that the same plot is readable on dark and on light ground.
Names from data are drawn as they are: neither as markup nor as mathematics.
"""

from __future__ import annotations

import io
import logging
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fashret.errors import FashretError
from fashret.files.atomic import check_output, whole_file
from fashret.report.tables import Score, printable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIZE = (5.6, 3.5)  # inches, of 72 CSS pixels
MOST_BARS = 30  # categories in the bar chart
BINS = 60
INK = "#010203"  # colours that the SVG's text is searched for, and what each becomes
SERIES = ("#010210", "#010211", "#010212", "#010213", "#010214", "#010215")
PRINT_INK, PRINT_SERIES = "#171a21", ("#2457d6", "#d9570d", "#6b7280", "#8b5cf6")  # for files of their own
FILES = (".svg", ".png", ".pdf")
COLOURS = {INK: "currentColor"} | {colour: f"var(--series-{i})" for i, colour in enumerate(SERIES)}


@dataclass(frozen=True)
class Plot:
    """One picture of the report: its heading, what it shows in words, and SVG text."""

    name: str
    title: str
    caption: str
    svg: str


@contextmanager
def figure(size: tuple[float, float] = SIZE, ink: str = INK) -> Iterator[tuple[Figure, Any]]:
    """An empty figure and its axes in the report's style."""
    import matplotlib
    from matplotlib.figure import Figure

    logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)  # the browser has the glyphs, not this font
    style: dict[Any, Any] = {
        "svg.fonttype": "none",
        "svg.hashsalt": "fashret",
        "text.parse_math": False,
        "text.color": ink,
        "axes.labelcolor": ink,
        "axes.edgecolor": ink,
        "xtick.color": ink,
        "ytick.color": ink,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "grid.color": ink,
        "grid.alpha": 0.13,
        "axes.axisbelow": True,
        "lines.linewidth": 2.2,
        "legend.frameon": False,
        "font.size": 10.5,
    }
    with matplotlib.rc_context(style), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")
        drawn = Figure(size, layout="constrained")
        yield drawn, drawn.add_subplot()


def svg_text(drawn: Figure, name: str) -> str:
    """The figure as an `svg` element for a page: no prolog, colours by `COLOURS`, ids that no other plot has."""
    stream = io.StringIO()
    drawn.savefig(stream, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = stream.getvalue()
    text = re.sub(r"<(metadata|style).*?</\1>", "", text[text.index("<svg") :], flags=re.DOTALL)
    text = re.sub(r"<[^>]*>", lambda tag: _page_tag(tag[0], name), text)  # tags only: names stay as they are
    box = re.search(r'viewBox="[^"]*"', text)
    start = f'<svg {box[0] if box else ""} xmlns:xlink="http://www.w3.org/1999/xlink" role="img">'
    return start + text[text.index(">") + 1 :]


def _page_tag(tag: str, name: str) -> str:
    tag = re.sub(r'(id="|href="#|url\(#)', rf"\g<1>{name}-", tag)
    tag = re.sub(r"font-family: [^;\"]*;", "", tag)  # the page's own
    for colour, value in COLOURS.items():
        tag = tag.replace(colour, value)
    return tag


def cmc(first_hits: Mapping[str, NDArray[np.int64]], gallery: int) -> Plot:
    """Cumulative matching characteristic: share of queries with a hit among the first k, for every k.

    Parameters
    ----------
    first_hits
        By ranking, the rank of each scored query's best positive, 0 = first.
    gallery
        Number of gallery rows, where the axis ends.
    """
    k = np.unique(np.geomspace(1, max(gallery, 2), 400).astype(np.int64))
    with figure() as (drawn, axes):
        for i, (name, ranks) in enumerate(first_hits.items()):
            share = np.searchsorted(np.sort(ranks), k, side="left") / max(len(ranks), 1)
            axes.plot(k, 100 * share, label=printable(name, 22), drawstyle="steps-post", **_line(i))
        axes.set(xscale="log", xlabel="k, number of results looked at", ylabel="Acc@k, %", ylim=(0, 102))
        axes.set_xlim(1, max(gallery, 2))
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        _legend(axes, first_hits)
        svg = svg_text(drawn, "cmc")
    caption = (
        "Share of queries whose first hit is among the first k of what is searched: "
        "the whole gallery, or the query's category where the search is held to it."
    )
    return Plot("cmc", "Cumulative matching (CMC)", caption, svg)


RECALL = np.linspace(0, 1, 101)


def precision_recall(ranks: Mapping[str, Sequence[NDArray[np.int64]]]) -> Plot:
    """Interpolated precision against recall, the mean over queries.

    Parameters
    ----------
    ranks
        By ranking, for each scored query the ranks of all of its positives, 0 = first.
    """
    with figure() as (drawn, axes):
        for i, (name, queries) in enumerate(ranks.items()):
            axes.plot(100 * RECALL, 100 * mean_precision(queries), label=printable(name, 22), **_line(i))
        axes.set(xlabel="recall, %", ylabel="precision, %", xlim=(0, 100), ylim=(0, 102))
        _legend(axes, ranks)
        svg = svg_text(drawn, "pr")
    caption = "Precision at each recall (the highest precision at that recall or above), mean over queries."
    return Plot("precision-recall", "Precision and recall", caption, svg)


def mean_precision(queries: Sequence[NDArray[np.int64]]) -> NDArray[np.float64]:
    """Interpolated precision at the levels `RECALL`, mean over queries; float64 of length 101.

    Precision at recall r is the highest precision at any recall of at least r (Manning, Raghavan and Schütze,
    *Introduction to Information Retrieval*, section 8.4).

    >>> mean_precision([np.array([1, 3])])[[0, 50, 100]]
    array([0.5, 0.5, 0.5])
    """
    total = np.zeros(len(RECALL))
    for ranks in queries:
        precision = np.arange(1, len(ranks) + 1) / (np.sort(ranks) + 1)
        highest = np.maximum.accumulate(precision[::-1])[::-1]
        total += highest[np.maximum(np.ceil(RECALL * len(ranks) - 1e-9).astype(int) - 1, 0)]
    return total / max(len(queries), 1)


def distance_histogram(kinds: Mapping[str, NDArray[np.float64]], metric: str) -> Plot:
    """How distances of pairs of the same product and of other pairs are spread; each kind has area 1."""
    whole = np.concatenate([values for values in kinds.values() if len(values)] or [np.zeros(1)])
    low, high = np.percentile(whole, [0, 99.9])
    edges = np.linspace(low, high if high > low else low + 1, BINS + 1)
    with figure() as (drawn, axes):
        for i, (name, values) in enumerate(kinds.items()):
            if len(values):
                heights = np.histogram(values, edges)[0] / len(values)
                axes.stairs(100 * heights, edges, fill=True, color=SERIES[i], alpha=0.22)
                axes.stairs(100 * heights, edges, color=SERIES[i], label=name, linewidth=1.8)
        axes.set(xlabel=f"{metric} distance", ylabel="% of the pairs", xlim=(edges[0], edges[-1]))
        _legend(axes, kinds, always=True)
        svg = svg_text(drawn, "distances")
    caption = "Distances of true pairs against those of wrong ones: where they overlap, products are mistaken."
    return Plot("distances", "Distances", caption, svg)


def bars_per_category(names: Sequence[str], scores: Mapping[str, NDArray[np.float64]], measure: str) -> Plot | None:
    """One bar per category, best first; None where no category has a score.

    Of more than `MOST_BARS` categories, the best and the worst half of them.
    """
    first = next(iter(scores.values()))
    order = [int(i) for i in np.argsort(-first, kind="stable") if not np.isnan(first[i])]
    if not order:
        return None
    left_out = max(0, len(order) - MOST_BARS)
    if left_out:
        order = order[: MOST_BARS // 2] + order[-(MOST_BARS // 2) :]
    with figure((SIZE[0], max(SIZE[1], 0.9 + 0.26 * len(order)))) as (drawn, axes):
        height = 0.76 / len(scores)
        places = np.arange(len(order))
        for i, (name, values) in enumerate(scores.items()):
            offset = (i - (len(scores) - 1) / 2) * height
            axes.barh(places + offset, 100 * values[order], height * 0.92, color=SERIES[i], label=name)
        axes.set_yticks(places, [printable(names[i], 22) for i in order])
        axes.set(xlabel=f"{measure}, %", xlim=(0, 100), ylim=(len(order) - 0.4, -0.6))
        axes.grid(False, axis="y")
        axes.tick_params(axis="y", length=0)
        _legend(axes, scores)
        svg = svg_text(drawn, "categories")
    some = f" The best and the worst {MOST_BARS // 2} of {len(first):,}." if left_out else ""
    return Plot("categories", f"{measure} per category", f"Every search held to the query's category.{some}", svg)


def save_score_by_size(path: Path, sizes: Sequence[tuple[int, int]], scores: Mapping[str, Sequence[Score]]) -> None:
    """Draw scores against the models' input sizes into a file of its own: the paper's figure beside table 4.

    Parameters
    ----------
    path
        Ends in one of `FILES`.
    sizes
        Height and width of each run's input, in pixels.
    scores
        By measure, one score per run; their intervals are drawn as bars.
    """
    check_plot_name(path)
    order = sorted(range(len(sizes)), key=lambda i: (sizes[i][0] * sizes[i][1], i))
    with figure(ink=PRINT_INK) as (drawn, axes):
        for (measure, values), colour in zip(scores.items(), PRINT_SERIES, strict=False):
            shown = [values[i] for i in order]
            heights = np.array([100 * score.value for score in shown])
            ends = 100 * np.array([[score.low for score in shown], [score.high for score in shown]])
            axes.errorbar(range(len(order)), heights, np.abs(np.nan_to_num(ends - heights)), color=colour,
                          marker="o", capsize=3, elinewidth=1, label=measure)  # fmt: skip
        axes.set_xticks(range(len(order)), [f"{sizes[i][0]}×{sizes[i][1]}" for i in order])
        axes.set(xlabel="input size, height × width in pixels", ylabel="%", xlim=(-0.3, len(order) - 0.7))
        _legend(axes, scores, always=True)
        with whole_file(path) as part:
            drawn.savefig(part, format=path.suffix[1:].lower(), dpi=160)


def check_plot_name(path: Path) -> None:
    """Refuse a name that a plot cannot have, or a folder that it cannot be written to."""
    if path.suffix.lower() not in FILES:
        raise FashretError(f"{path}: a plot's name must end in one of {', '.join(FILES)}")
    check_output(path)


def _line(i: int) -> dict[str, str]:
    """Colour of line number i, and dashes when the colours repeat."""
    return {"color": SERIES[i % len(SERIES)], "linestyle": ("-", "--", ":", "-.")[i // len(SERIES) % 4]}


def _legend(axes: Any, lines: Mapping[str, Any], always: bool = False) -> None:
    if len(lines) > 1 or always:
        longest = max(len(printable(name, 22)) for name in lines)
        columns = max(1, min(len(lines), 60 // (longest + 6)))
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=columns, borderaxespad=0.2, handlelength=1.4)
