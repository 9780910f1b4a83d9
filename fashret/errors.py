"""The one exception that a user sees, also of a single photo, and how text from files is shown everywhere."""

from __future__ import annotations

import unicodedata

JOINERS = "\u200c\u200d"  # invisible characters that scripts need: zero-width non-joiner and joiner
UNSEEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}  # controls, direction marks, halves, unknown, line separators


def visible(text: str) -> str:
    r"""Text with everything escaped that is not seen, or that would steer a terminal.

    >>> print(visible("a\x1b[31m\nb\u202egnp.exe"))
    a\x1b[31m\nb\u202egnp.exe
    >>> visible("Mütze ½ 帽子") == "Mütze ½ 帽子"
    True
    """
    if text.isprintable():
        return text
    return "".join(_escaped(c) if c not in JOINERS and unicodedata.category(c) in UNSEEN else c for c in text)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


class FashretError(Exception):
    """Bad input or a bad environment, said in one line: what is wrong, where, and what to do about it.

    The command line prints the message and exits with code 1; nothing is left under a final name.
    """

    def __init__(self, message: str) -> None:
        super().__init__(visible(message))


class PhotoError(FashretError):
    """One photo, or one box of it, cannot be used."""


class MissingPhotoError(PhotoError):
    """There is no such photo: in a public dataset a dead link, elsewhere an error like others."""
