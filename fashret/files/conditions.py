"""Conditions on rows, such as "price < 50": text becomes a column, an operator and values. Nothing is evaluated.

In: the text of one condition. Out: a `Condition`.

    NAME = VALUE        also !=, <, <=, >, >=; <> and == are read as != and =
    NAME in (A, B, C)   any of several values
    NAME is null        there is no value; NAME is not null: there is one

A name or value with other characters around it is in quotes: "made in" = 'Ivory''s'. A quote in it is doubled. A value
without quotes reaches to the end of the text, in a list to the next comma. What holds of a row without a value is only
`is null`; several conditions are given one by one and hold together.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from fashret.errors import FashretError

LONGEST = 100_000  # characters of a condition
SHOWN = 60  # of them in a message
QUOTED = re.compile(r"""\s*(?:"((?:[^"]|"")*)"|'((?:[^']|'')*)')\s*""")
NULL = r"\bis\s+(?P<not>not\s+)?null\s*$"
OPERATOR = re.compile(rf"(?P<sign><=|>=|!=|<>|==|=|<|>)|\b(?P<list>in)\s*(?=\()|(?P<null>{NULL})", re.IGNORECASE)
JOINT = re.compile(r"\s(?:and|or)\s|&&|\|\|", re.IGNORECASE)
ITEM = re.compile(r"([^,()'\"]*)")
SAME = {"==": "=", "<>": "!="}
HINT = "write NAME < VALUE (or =, !=, <=, >, >=), NAME in (A, B) or NAME is null"


@dataclass(frozen=True)
class Value:
    """A value as it was written, and whether in quotes."""

    text: str
    quoted: bool = False


@dataclass(frozen=True)
class Condition:
    """What must hold of a row."""

    column: str
    operator: str  # =, !=, <, <=, >, >=, in, is null, is not null
    values: tuple[Value, ...]  # several only of "in", none of "is null"
    text: str  # as it was written

    def fault(self, reason: str) -> FashretError:
        """The error that says what is wrong with it."""
        return _fault(self.text, reason)


def _fault(text: str, reason: str) -> FashretError:
    shown = text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"
    return FashretError(f"where {shown!r}: {reason}")


def parse_condition(text: str) -> Condition:
    """Read one condition.

    >>> found = parse_condition("price <= 50")
    >>> found.column, found.operator, found.values
    ('price', '<=', (Value(text='50', quoted=False),))
    >>> [value.text for value in parse_condition("brand in (Acme, 'A, B')").values]
    ['Acme', 'A, B']
    >>> parse_condition('"made in" is not null').operator
    'is not null'

    Raises
    ------
    FashretError
        If it is no condition, or more than one.
    """
    if len(text) > LONGEST:
        raise _fault(text, f"has {len(text):,} characters, more than {LONGEST:,}")
    quoted = QUOTED.match(text)
    if quoted is None and text.lstrip().startswith(('"', "'")):
        raise _fault(text, f"a name in quotes lacks the second one; {HINT}")
    found = OPERATOR.match(text, quoted.end()) if quoted else OPERATOR.search(text)
    name = _inside(quoted) if quoted else text[: found.start()].strip() if found else ""
    if found is None or not name:
        raise _fault(text, HINT)
    if found["null"]:
        return Condition(name, f"is {'not ' if found['not'] else ''}null", (), text)
    if found["list"]:
        return Condition(name, "in", _list(text, found.end()), text)
    operator = SAME.get(found["sign"], found["sign"])
    return Condition(name, operator, (_value(text, text[found.end() :].strip()),), text)


def _inside(quoted: re.Match[str]) -> str:
    """What is between quotes."""
    double, single = quoted.groups()
    return single.replace("''", "'") if double is None else double.replace('""', '"')


def _value(text: str, written: str) -> Value:
    """The value behind an operator."""
    if written.startswith(('"', "'")):
        quoted = QUOTED.fullmatch(written)
        if quoted is None:
            raise _fault(text, f"{written[:SHOWN]} should be in one pair of quotes, with quotes in it doubled")
        return Value(_inside(quoted), quoted=True)
    if written.startswith((">", "~", "=", "<")):
        raise _fault(text, f"{written[0]!r} behind the operator is no part of one; {HINT}, or put the value in quotes")
    joint = JOINT.search(written)
    if joint and OPERATOR.search(written, joint.end()):
        raise _fault(text, "is more than one condition; give each by itself, or put the value in quotes")
    return _bare(text, written)


def _bare(text: str, written: str) -> Value:
    if not written:
        raise _fault(text, f"lacks a value; {HINT}")
    if written.lower() == "null":
        raise _fault(text, "nothing equals null; write NAME is null")
    return Value(written)


def _list(text: str, start: int) -> tuple[Value, ...]:
    """The values of a list, whose bracket opens at `start`."""
    values, at = [], start + 1
    while True:
        quoted = QUOTED.match(text, at)
        found = quoted or ITEM.match(text, at)
        assert found is not None  # an item may be empty
        values.append(Value(_inside(quoted), quoted=True) if quoted else _bare(text, found[0].strip()))
        at = found.end() + 1
        end = text[found.end() : at]
        if end == ")" and not text[at:].strip():
            return tuple(values)
        if end != ",":
            raise _fault(text, "a list is (A, B, C); put values with quotes, commas or brackets in quotes")
