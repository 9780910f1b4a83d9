"""stdout and stderr take every text: whatever their encoding is, closed or not, read to the end or not.

In: the streams as the process got them, and what is to be printed. Out: text on them. A character that an encoding
lacks is written as its like in ASCII or as its number. A reader that goes away (`| head -1`) or was never there (`>&-`)
ends the printing and not the run.
"""

from __future__ import annotations

import codecs
import contextlib
import os
import sys
from typing import TextIO

ALIKE = {  # characters of our own texts → what is written where an encoding lacks them
    "→": "->", "…": "...", "–": "-", "—": "-", "−": "-", "×": "x", "·": "*", "≤": "<=", "≥": ">=", "Δ": "d", "∞": "inf",
    "α": "alpha", "λ": "lambda", "“": '"', "”": '"', "‘": "'", "’": "'", "•": "*", "█": "#", "━": "-", "─": "-",
}  # fmt: skip
HANDLER = "fashret.alike"


def _write_alike(error: UnicodeError) -> tuple[str, int]:
    """What Python calls for characters that an encoding lacks."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    return "".join(ALIKE.get(c) or c.encode("ascii", "backslashreplace").decode() for c in lacking), error.end


codecs.register_error(HANDLER, _write_alike)


def prepare() -> None:
    """Make both streams take every text; to be called before anything is opened or printed."""
    for number in range(3):  # a file that is opened would otherwise get the number of a closed stream, and its text
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            stream = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115  until the process ends
            setattr(sys, name, stream)
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors=HANDLER)


def write_result(text: str) -> None:
    """Print a result, as far as anybody reads it.

    Raises
    ------
    OSError
        If it cannot be written for another reason: a full disk.
    """
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        forget(sys.stdout)


def finish() -> None:
    """Write what is left in the streams, so that Python finds nothing to complain about when it ends."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BrokenPipeError:
            forget(stream)


def forget(stream: TextIO) -> None:
    """Send what is still printed on a stream to nowhere."""
    with contextlib.suppress(OSError, ValueError):  # no file below it
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def spelled(text: str, stream: TextIO) -> str:
    """A text as a stream will have it: characters that its encoding lacks are written as they are in `ALIKE`."""
    if stream.encoding is None or takes_all(stream):
        return text
    return text.encode(stream.encoding, HANDLER).decode(stream.encoding)


def takes_all(stream: TextIO) -> bool:
    """Whether a stream's encoding has all characters."""
    with contextlib.suppress(LookupError, TypeError):
        return codecs.lookup(stream.encoding or "ascii").name.startswith("utf")
    return True  # in memory
