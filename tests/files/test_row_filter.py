"""Which rows fulfil conditions: those of a loop over rows in Python; names and values that do not fit are one line."""

from __future__ import annotations

import operator
from collections.abc import Callable
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fashret.errors import FashretError
from fashret.files import row_filter
from fashret.files.columns import Role
from fashret.files.embeddings import Embeddings, open_embeddings
from fashret.files.row_filter import checked, chosen_rows, matching
from tests.conftest import make_rows, write_embeddings
from tests.files.test_further_columns import column

VALUES: dict[str, tuple[str, list[Any]]] = {
    "price": ("number", [19.99, None, 5.0, 5.5, -0.0, 1e300, 50.0]),
    "stock": ("integer", [3, None, 0, -(2**63) + 1, 2**63 - 1, 2**53, 2**53 + 1]),
    "sale": ("boolean", [True, None, False, True, False, None, True]),
    "added": ("date", ["2026-11-29", None, "2026-11-29T08:30:00", "2026-01-01", "2027-01-01", None, "0001-01-01"]),
    "seen": (
        "date",
        [
            "2026-11-29T06:30:00Z",
            None,
            "2026-11-29T06:30:00.500000Z",
            "2026-11-29T06:30:00",
            "2026-11-29",
            "2026-11-29T06:30:00.500000",
            "2026-11-29T23:59:59Z",
        ],
    ),
    "brand": ("text", ["Acme", None, "acme", "A, (B)", "it's", "null", "5"]),
    "note": ("empty", [None] * 7),
    "made in": ("text", ["Italy"] * 7),
}
SIGNS = {"=": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


def write(path: Path) -> Path:
    rows = make_rows(
        7,
        product=np.array(["a", "a", "b", "", "b", "c", "d"], object),
        category=np.array([0, 1, -1, 0, 1, 0, 0], np.int16),
        categories=("tops", "bags"),
        domain=np.array([0, 1, 0, 1, 1, 1, 1], np.uint8),
        role=np.array([6, 4, 4, 4, 2, 4, 1], np.uint8),
        further={name: column(kind, values) for name, (kind, values) in VALUES.items()},
    )
    return write_embeddings(path, rows, np.eye(7, dtype=np.float32))


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Embeddings:
    return open_embeddings(write(tmp_path_factory.mktemp("filter") / "a.emb.h5"))


@pytest.mark.parametrize(
    ("where", "rows"),
    [
        (["price < 5.5"], [2, 4]),
        (["price <= 5.5"], [2, 3, 4]),
        (["price = 0"], [4]),
        (["price != 5"], [0, 3, 4, 5, 6]),
        (["price in (5, 50, 7)"], [2, 6]),
        (["price is null"], [1]),
        (["price is not null", "price > 40"], [5, 6]),
        (["stock = 9007199254740993"], [6]),
        (["stock > 9007199254740992"], [4, 6]),
        (["stock < 3.5", "stock > -0.5"], [0, 2]),
        (["stock < 3"], [2, 3]),
        (["stock > 3", "stock < 9007199254740993"], [5]),
        (["stock >= 3", "stock <= 3"], [0]),
        (["stock = 3.5"], []),
        (["stock != 3.5"], [0, 2, 3, 4, 5, 6]),
        (["stock <= 1e300"], [0, 2, 3, 4, 5, 6]),
        (["stock < -1e300"], []),
        (["stock in (0, 3.0, 99999999999999999999)"], [0, 2]),
        (["sale = TRUE"], [0, 3, 6]),
        (["sale != true"], [2, 4]),
        (["sale in (true, false)"], [0, 2, 3, 4, 6]),
        (["added >= 2026-11-29"], [0, 2, 4]),
        (["added < 2026-11-29"], [3, 6]),
        (["added = 2026-11-29 08:30"], [2]),
        (["seen = 2026-11-29 06:30"], [0, 3]),
        (["seen = 2026-11-29T08:30+02:00"], [0, 3]),
        (["seen in (2026-11-29T06:30Z, 2026-11-29)"], [0, 3, 4]),
        (["seen > 2026-11-29T06:30:00Z"], [2, 5, 6]),
        (["seen <= 2026-11-29T06:30:00.5"], [0, 2, 3, 4, 5]),
        (["brand = Acme"], [0]),
        (["brand = 'null'"], [5]),
        (["brand in (Acme, 'A, (B)')"], [0, 3]),
        (["brand >= 'a'"], [2, 4, 5]),
        (["brand = 5"], [6]),
        (["note = 5"], []),
        (["note is null"], [0, 1, 2, 3, 4, 5, 6]),
        (["made in = Italy", '"made in" != France'], [0, 1, 2, 3, 4, 5, 6]),
        (["product = a"], [0, 1]),
        (["product is null"], [3]),
        (["category = tops"], [0, 3, 5, 6]),
        (["category is null"], [2]),
        (["domain = street"], [0, 2]),
        (["image in (photos/1.jpg, photos/6.jpg)"], [1, 6]),
        ([], [0, 1, 2, 3, 4, 5, 6]),
    ],
)
@pytest.mark.parametrize("block", [1 << 16, 2])
def test_rows_that_fulfil_conditions(
    file: Embeddings, where: list[str], rows: list[int], block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(row_filter, "BLOCK", block)
    assert np.flatnonzero(matching(file, where)).tolist() == rows
    gallery = file.with_role(Role.GALLERY).tolist()
    assert chosen_rows(file, Role.GALLERY, where).tolist() == [row for row in rows if row in gallery]


LITERALS: dict[str, Callable[[Any], Any]] = {
    "number": float, "integer": Fraction, "boolean": lambda text: text == "true", "text": str,
    "date": lambda text: datetime.fromisoformat(text).replace(tzinfo=UTC),
}  # fmt: skip
WRITTEN: dict[str, st.SearchStrategy[str]] = {
    "number": st.floats(allow_nan=False, allow_infinity=False).map(repr) | st.sampled_from(["5", "5.5", "50", "0"]),
    "integer": st.integers().map(str)
    | st.decimals(allow_nan=False, allow_infinity=False, places=2, min_value=-99, max_value=99).map(str)
    | st.sampled_from(["0", "3", "2.5", str(2**53 + 1), str(-(2**63)), str(2**63)]),
    "boolean": st.sampled_from(["true", "false"]),
    "date": st.dates().map(str) | st.sampled_from(["2026-11-29", "2026-11-29T06:30:00", "2026-11-29T06:30:00.5Z"]),
    "text": st.text() | st.sampled_from(["Acme", "acme", "null", "it's"]),
}


def _as_compared(kind: str, value: Any) -> Any:
    return LITERALS[kind](value) if kind == "date" and value else value


@st.composite
def conditions(draw: st.DrawFn) -> tuple[str, Callable[[Any], bool]]:
    """The text of a condition, and what it says of one value of Python."""
    name = draw(st.sampled_from([name for name, (kind, _) in VALUES.items() if kind != "empty"]))
    kind = VALUES[name][0]
    form = draw(st.sampled_from(["is null", "is not null", "in", *(SIGNS if kind != "boolean" else ("=", "!="))]))
    if "null" in form:
        return f'"{name}" {form}', lambda row: (row[name] is None) == (form == "is null")
    written = draw(st.lists(WRITTEN[kind], min_size=1, max_size=4))
    texts = ["'" + text.replace("'", "''") + "'" for text in written]
    values = [LITERALS[kind](text) for text in written]
    if form == "in":
        return f'"{name}" in ({", ".join(texts)})', lambda row: row[name] is not None and row[name] in values
    return f'"{name}" {form} {texts[0]}', lambda row: row[name] is not None and SIGNS[form](row[name], values[0])


@given(given=st.lists(conditions(), max_size=3))
def test_the_same_as_a_loop_over_rows(file: Embeddings, given: list[tuple[str, Callable[[Any], bool]]]) -> None:
    rows = [{name: _as_compared(kind, values[i]) for name, (kind, values) in VALUES.items()} for i in range(7)]
    expected = [all(holds(row) for _, holds in given) for row in rows]
    assert matching(file, [text for text, _ in given]).tolist() == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("prise < 5", "has no column prise; did you mean price\\?"),
        ("PRICE < 5", "has no column PRICE; did you mean price\\?"),
        ("Produkt = 5", "did you mean product"),
        ("zzz = 5", "it has price, stock, sale, added, seen, brand, note, made in, product, category, domain, image"),
        ("price < cheap", "price holds numbers, and cheap is none"),
        ("price = 1e999", "price holds numbers, and 1e999 is none"),
        (f"stock = 1.{'0' * 5000}", "is longer than 400 characters"),  # more digits than Python reads
        (f"price < 1.{'0' * 5000}", "is longer than 400 characters"),
        ("stock = 1e-9999999999", "stock holds numbers"),
        ("stock = inf", "stock holds numbers"),
        ("stock = ١", "stock holds numbers"),
        ("price in (1, x)", "and x is none"),
        ("sale < true", "sale is true or false; write = true"),
        ("sale = 1", "sale is true or false, and 1 is neither"),
        ("added > yesterday", "added holds dates; write one like 2026-11-29, not yesterday"),
        ("brand < 5", "brand is text, not numbers; put the value in quotes"),
        ("\x1b[31m = 5", r"has no column \\x1b\[31m"),
    ],
)
def test_what_does_not_fit_is_one_line(file: Embeddings, text: str, reason: str) -> None:
    with pytest.raises(FashretError, match=reason) as caught:
        checked(file, [text])
    assert "\n" not in str(caught.value) and "\x1b" not in str(caught.value)
    with pytest.raises(FashretError, match=reason):
        matching(file, [text])
