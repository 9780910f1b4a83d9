"""Rows of a file of which conditions hold (`fashret.files.conditions`), column by column and block by block.

In: an open file, and the text of conditions. Out: the rows, or one line for a column that is not there or a value that
is none of its type. Columns are the further ones, and product, category, domain and image, as tables call them.

A number is compared as what it is: whole numbers exactly, others as float64. Dates are compared in UTC, in
which a time without a zone is, too; a day comes before all of its hours. Text is compared by its characters' numbers
in Unicode. A row without a value fulfils `is null` and nothing else.
"""

from __future__ import annotations

import difflib
import math
import operator
import re
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashret.files.columns import Domain, Role, RowFile, text_array
from fashret.files.conditions import Condition, Value, parse_condition
from fashret.files.further_columns import NO_INTEGER, FurtherColumn, in_utc, iso_date

BLOCK = 1 << 16  # rows that are looked at at a time
NAMED = 12  # columns that a message names
OF_TABLES = {"product": "product", "category": "category", "domain": "domain", "image": "source"}  # name → of the file
COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "=": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
LONGEST_NUMBER = 400  # characters, more than any number of 64 bits needs
NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")

Test = Callable[[NDArray[Any]], NDArray[np.bool_]]  # values, none of which is null → for which it holds


def chosen_rows(file: RowFile, role: Role, where: Sequence[str] = ()) -> NDArray[np.int64]:
    """Ascending rows of a role of which all conditions hold.

    Raises
    ------
    FashretError
        If a condition cannot be read, names no column of the file, or compares a column with what it cannot hold.
    """
    rows = file.with_role(role)
    return rows[matching(file, where)[rows]] if where else rows


def matching(file: RowFile, where: Sequence[str]) -> NDArray[np.bool_]:
    """For each row of a file whether all conditions hold; errors are those of `chosen_rows`."""
    tests = checked(file, where)
    good = np.ones(len(file), np.bool_)
    for start in range(0, len(file), BLOCK):
        stop = min(start + BLOCK, len(file))
        columns = {name: _column(file, name, start, stop) for name in dict.fromkeys(each.column for each, _ in tests)}
        for condition, test in tests:
            good[start:stop] &= _holds(condition, test, columns[condition.column])
    return good


def checked(file: RowFile, where: Sequence[str]) -> list[tuple[Condition, Test]]:
    """Each condition with what tests values; reads no column. Errors are those of `chosen_rows`."""
    kinds = {**file.further_kinds, **dict.fromkeys(OF_TABLES, "text")}
    found = []
    for condition in map(parse_condition, where):
        if condition.column not in kinds:
            raise condition.fault(
                f"{file.path} has no column {condition.column[:40]}; {_close(condition, list(kinds))}"
            )
        found.append((condition, _test(condition, kinds[condition.column])))
    return found


def _close(condition: Condition, names: list[str]) -> str:
    """The names of columns that are like the one that is not there, or all."""
    lower = {name.lower(): name for name in names}
    close = difflib.get_close_matches(condition.column.lower()[:200], lower, 3, 0.6)
    if close:
        return f"did you mean {' or '.join(lower[name] for name in close)}?"
    return f"it has {', '.join(names[:NAMED])}" + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")


def _column(file: RowFile, name: str, start: int, stop: int) -> FurtherColumn:
    if name not in OF_TABLES:
        return file.further_column(name, np.arange(start, stop))
    values = file.column(OF_TABLES[name], start, stop)
    if name == "domain":
        values = text_array(Domain(value).name.lower() for value in values)
    elif name == "category":
        values = np.array([*file.categories, ""], object)[values]  # −1 = none
    return FurtherColumn("text", values)


def _holds(condition: Condition, test: Test, column: FurtherColumn) -> NDArray[np.bool_]:
    null = column.is_null
    if not condition.values:
        return null if condition.operator == "is null" else ~null
    good = np.zeros(len(column), np.bool_)
    values = column.values[~null]
    good[~null] = test(text_array(map(in_utc, values)) if column.kind == "date" else values)
    return good


def _test(condition: Condition, kind: str) -> Test:
    """What tests the values of a column of that type.

    Raises
    ------
    FashretError
        If the column cannot be compared so.
    """
    if kind == "empty" or not condition.values:
        return lambda values: np.zeros(len(values), np.bool_)
    if kind == "boolean" and condition.operator not in ("=", "!=", "in"):
        raise condition.fault(f"{condition.column} is true or false; write = true or = false")
    if kind == "text" and condition.operator[0] in "<>" and _is_number(condition.values[0]):
        raise condition.fault(
            f"{condition.column} is text, not numbers; put the value in quotes to compare texts, "
            "or write the column as numbers and make the file again"
        )
    wanted = [READ[kind](condition, value) for value in condition.values]
    if kind == "integer":
        return _whole_numbers(condition.operator, wanted)
    if condition.operator == "in":
        those = set(wanted)
        return lambda values: np.fromiter((value in those for value in values.tolist()), np.bool_, len(values))
    compare = COMPARE[condition.operator]
    return lambda values: np.asarray(compare(values, wanted[0]), np.bool_)


def _is_number(value: Value) -> bool:
    return not value.quoted and NUMBER.fullmatch(value.text) is not None


def _number(condition: Condition, value: Value) -> str:
    if NUMBER.fullmatch(value.text) is None or not math.isfinite(float(value.text)):
        raise condition.fault(f"{condition.column} holds numbers, and {value.text[:40]} is none")
    if len(value.text) > LONGEST_NUMBER:
        raise condition.fault(f"{value.text[:40]}… is longer than {LONGEST_NUMBER} characters")
    return value.text


def _truth(condition: Condition, value: Value) -> int:
    if value.text.lower() not in ("true", "false"):
        raise condition.fault(f"{condition.column} is true or false, and {value.text[:40]} is neither")
    return int(value.text.lower() == "true")


def _date(condition: Condition, value: Value) -> str:
    found = iso_date(value.text)
    if found is None:
        raise condition.fault(f"{condition.column} holds dates; write one like 2026-11-29, not {value.text[:40]}")
    return in_utc(found)


READ: dict[str, Callable[[Condition, Value], Any]] = {  # type of a column → a value as it is compared
    "text": lambda _, value: value.text,
    "integer": lambda condition, value: Fraction(_number(condition, value)),
    "number": lambda condition, value: float(_number(condition, value)),
    "boolean": _truth,
    "date": _date,
}


def _whole_numbers(sign: str, wanted: list[Fraction]) -> Test:
    """A test of int64 that is exact for any number: 3 is less than 3.5, and 2^53 is not 2^53 + 1."""
    least, most = NO_INTEGER, -NO_INTEGER - 1
    if sign in ("=", "!=", "in"):
        whole = [int(number) for number in wanted if number.denominator == 1 and least <= number <= most]
        return lambda values: np.isin(values, np.array(whole, np.int64)) != (sign == "!=")
    number = wanted[0]
    if sign in ("<", "<="):
        limit = math.ceil(number) - 1 if sign == "<" else math.floor(number)
        return lambda values: values <= min(limit, most) if limit >= least else np.zeros(len(values), np.bool_)
    limit = math.floor(number) + 1 if sign == ">" else math.ceil(number)
    return lambda values: values >= max(limit, least) if limit <= most else np.zeros(len(values), np.bool_)
