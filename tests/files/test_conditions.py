"""Conditions: what each way of writing one means, and that any other text is one line."""

from __future__ import annotations

import contextlib
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fashret.errors import FashretError
from fashret.files.conditions import LONGEST, Value, parse_condition


def read(text: str) -> tuple[str, str, list[str]]:
    found = parse_condition(text)
    return found.column, found.operator, [value.text for value in found.values]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("price < 50", ("price", "<", ["50"])),
        ("price<=50", ("price", "<=", ["50"])),
        ("  price  >=  -1.5  ", ("price", ">=", ["-1.5"])),
        ("price <> 5", ("price", "!=", ["5"])),
        ("price == 5", ("price", "=", ["5"])),
        ("brand = Dolce & Gabbana", ("brand", "=", ["Dolce & Gabbana"])),
        ("title = Men's shirt (blue), 2 in 1", ("title", "=", ["Men's shirt (blue), 2 in 1"])),
        ("url = https://a.b/?x=1&y=<2>", ("url", "=", ["https://a.b/?x=1&y=<2>"])),
        ("brand = 'it''s'", ("brand", "=", ["it's"])),
        ('brand = "say ""no"""', ("brand", "=", ['say "no"'])),
        ("brand = ''", ("brand", "=", [""])),
        ("brand = 'null'", ("brand", "=", ["null"])),
        ("brand = ' a and b = c '", ("brand", "=", [" a and b = c "])),
        ("made in = Italy", ("made in", "=", ["Italy"])),
        ("what is it = x", ("what is it", "=", ["x"])),
        ('"made in (country)" in (Italy)', ("made in (country)", "in", ["Italy"])),
        ('"a<b" is null', ("a<b", "is null", [])),
        ("'it''s' = 3", ("it's", "=", ["3"])),
        ("brand in (Acme)", ("brand", "in", ["Acme"])),
        ('brand IN(Acme, \'A, (B)\', "c""d" , e f )', ("brand", "in", ["Acme", "A, (B)", 'c"d', "e f"])),
        ("main = x", ("main", "=", ["x"])),  # no "in"
        ("brand is null", ("brand", "is null", [])),
        ("brand  IS  NOT  NULL ", ("brand", "is not null", [])),
        ("価格 < 50", ("価格", "<", ["50"])),
        ('size = 5"', ("size", "=", ['5"'])),
        ("land = and", ("land", "=", ["and"])),
        ("band = rock and roll", ("band", "=", ["rock and roll"])),
    ],
)
def test_ways_to_write_a_condition(text: str, expected: tuple[str, str, list[str]]) -> None:
    assert read(text) == expected and parse_condition(text).text == text


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "write NAME < VALUE"),
        ("price", "write NAME < VALUE"),
        ("< 5", "write NAME < VALUE"),
        ("'' = 5", "write NAME < VALUE"),
        ("'price < 5", "write NAME < VALUE"),
        ("price <", "lacks a value"),
        ("price = NULL", "nothing equals null; write NAME is null"),
        ("price in ()", "lacks a value"),
        ("price in (1,,2)", "lacks a value"),
        ("price in (1", "a list is \\(A, B, C\\)"),
        ("price in (1) 2", "a list is \\(A, B, C\\)"),
        ("price in ('a' b)", "a list is \\(A, B, C\\)"),
        ("price in (it's)", "a list is \\(A, B, C\\)"),
        ("price in (null)", "nothing equals null"),
        ("price < 50 and brand = Acme", "is more than one condition"),
        ("price < 50 && brand = Acme", "is more than one condition"),
        ("brand = Acme||price > 5", "is more than one condition"),
        ("brand => m", "'>' behind the operator is no part of one; write NAME < VALUE"),
        ("price =< 5", "'<' behind the operator is no part of one"),
        ("brand =~ m", "'~' behind the operator is no part of one"),
        ("brand = Acme OR brand in (x)", "is more than one condition"),
        ("brand = Acme and price is null", "is more than one condition"),
        ("brand = 'a' or 'b'", "in one pair of quotes"),
        ('brand = "a', "in one pair of quotes"),
        ("x" * (LONGEST + 1), "has 100,001 characters, more than 100,000"),
    ],
)
def test_what_is_no_condition_is_one_line(text: str, reason: str) -> None:
    with pytest.raises(FashretError, match=f"^where .*: .*{reason}") as caught:
        parse_condition(text)
    assert len(str(caught.value)) < 300


@given(st.text(max_size=40) | st.text(alphabet="'\"(),=<> inslu\\\0\u202e", max_size=40))
def test_any_text_is_a_condition_or_one_line(text: str) -> None:
    try:
        found = parse_condition(text)
    except FashretError as error:
        assert str(error).startswith("where ") and "\n" not in str(error)
    else:
        assert found.column and len(found.values) >= ("null" not in found.operator)


@given(st.text(min_size=1), st.lists(st.text(), min_size=1), st.sampled_from("'\""))
def test_what_is_in_quotes_is_taken_as_it_is(name: str, values: list[str], quote: str) -> None:
    def quoted(text: str) -> str:
        return quote + text.replace(quote, 2 * quote) + quote

    found = parse_condition(f"{quoted(name)} in ({', '.join(map(quoted, values))})")
    assert (found.column, found.values) == (name, tuple(Value(value, True) for value in values))
    assert parse_condition(f"{quoted(name)}={quoted(values[0])}").values == (Value(values[0], True),)


@pytest.mark.parametrize(
    "part", [" ", "'", '"', "in ", "is ", "is null ", "and ", "a in (", "a in (b,", " and x", "a is not "]
)
def test_hostile_text_takes_no_time(part: str) -> None:
    started = time.process_time()
    for start in ("", "x = ", "x in (", "'"):
        text = (start + part * LONGEST)[: LONGEST - 1]
        for each in (text, text + "!"):
            with contextlib.suppress(FashretError):
                parse_condition(each)
    assert time.process_time() - started < 2
