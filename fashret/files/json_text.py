"""JSON out of files that anybody may have made: of bounded length and depth.

In: a text. Out: its value, or one line that says why it cannot be one. A list within a list within a list … takes
twenty times the memory of its text, and what reads it later would descend until the interpreter stops it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fashret.errors import FashretError

LONGEST = 64 << 20  # bytes: the products of a model trained on a million of them
DEEPEST = 32  # lists and objects within each other; fashret writes 5


def parse(text: Any, where: str) -> Any:
    """The value of a JSON text.

    Parameters
    ----------
    where
        The beginning of the message: "a.json:", "the attribute model".

    Raises
    ------
    FashretError
        If it is no JSON, too long or too deep.

    >>> parse('{"a": [1, 2]}', "a.json")
    {'a': [1, 2]}
    """
    if not isinstance(text, str | bytes):
        raise FashretError(f"{where} is not JSON")
    if len(text) > LONGEST:
        raise FashretError(f"{where} has more than {LONGEST:,} bytes of JSON")
    try:
        value = json.loads(text)
    except RecursionError:
        raise FashretError(f"{where} has JSON of more than {DEEPEST} levels") from None
    except ValueError:  # also bytes that are no text, and a number of thousands of digits
        raise FashretError(f"{where} is not JSON") from None
    if depth(value) > DEEPEST:
        raise FashretError(f"{where} has JSON of more than {DEEPEST} levels")
    return value


def read(path: Path) -> Any:
    """The value of a JSON file; no more of it is read than `parse` takes.

    Raises
    ------
    FashretError
        If it is no JSON, too long or too deep.
    """
    with path.open("rb") as stream:
        return parse(stream.read(LONGEST + 1), f"{path}:")


def depth(value: Any) -> int:
    """Levels of lists and objects within each other, as far as one above `DEEPEST`.

    >>> depth(1), depth([]), depth({"a": [1, {}]})
    (0, 1, 3)
    """
    level, inside = 0, [value]
    while (inside := [each for each in inside if isinstance(each, dict | list)]) and level <= DEEPEST:
        level += 1
        inside = [each for held in inside for each in (held.values() if isinstance(held, dict) else held)]
    return level
