"""Text from files on a terminal: shown as it is, never as markup or emoji, and what is not seen is escaped.

In: text. Out: rich's `Text`; everything in this package that holds a name from a file goes through here. What stdout's
encoding lacks is spelled here already, so that columns are measured as they will be written.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from fashret.errors import visible
from fashret.standard_streams import spelled

if TYPE_CHECKING:
    from rich.text import Text

WIDEST = 40  # characters of a name that values of other names make room for


def one_line(text: str, style: str = "") -> Text:
    """A line of text that cannot steer the terminal."""
    return lines(text, style=style)


def lines(*texts: str, style: str = "") -> Text:
    """Several of them, one below the other."""
    from rich.text import Text

    return Text("\n".join(spelled(visible(text), sys.stdout) for text in texts), style)


def side_by_side(facts: Mapping[str, str], least: int = 0, indent: str = "") -> Iterator[Text]:
    """Names and values, one line each; all values begin in one column, at least `least` + 1 characters in."""
    from rich.cells import cell_len

    length = {name: cell_len(one_line(name).plain) for name in facts}
    width = max([least, *(each for each in length.values() if each <= WIDEST)])
    for name, value in facts.items():
        yield one_line(f"{indent}{name}{' ' * (width - length[name])} {value}")
