"""Text from files on a terminal: shown as it is, never as markup or emoji, and what is not seen is escaped.

In: text. Out: rich's `Text`; everything in this package that holds a name from a file goes through here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fashret.errors import visible

if TYPE_CHECKING:
    from rich.text import Text


def one_line(text: str, style: str = "") -> Text:
    """A line of text that cannot steer the terminal."""
    from rich.text import Text

    return Text(visible(text), style)


def lines(*texts: str, style: str = "") -> Text:
    """Several of them, one below the other."""
    from rich.text import Text

    return Text("\n".join(map(visible, texts)), style)
