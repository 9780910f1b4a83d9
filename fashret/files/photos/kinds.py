"""Which files are photos: by the ending that most have, otherwise by their first bytes.

In: a file. Out: why it is none that can be read, "" if it is one. HEIC, what phones write, needs the extra `heif`.
"""

from __future__ import annotations

import importlib.util
import os
import re
import stat
from functools import cache
from pathlib import Path

from fashret.errors import PhotoError

HEAD = 32  # bytes that tell what a file is
PHOTO = re.compile(
    rb"\xff\xd8\xff|\x89PNG\r\n\x1a\n|GIF8[79]a|RIFF....WEBP|II\*\0|MM\0\*|BM....\0\0\0\0"
    rb"|\0\0\0\x0cjP  |\xff\x4f\xff\x51|P[1-6][\s#]+\d+\s+\d+\s|....ftypavi[fs]",
    re.DOTALL,
)
HEIF = re.compile(rb"....ftyp(?:hei[cxms]|hev[cxms]|mif1|msf1)", re.DOTALL)
EXTENSIONS = (  # of still pictures that Pillow decodes
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".webp", ".avif", ".gif", ".bmp", ".dib", ".tif", ".tiff"),
    *(".jp2", ".j2k", ".jpx", ".jpf", ".ppm", ".pnm", ".tga"),
)
HEIF_ENDINGS = (".heic", ".heif", ".hif")
RAW_ENDINGS = (".arw", ".cr2", ".cr3", ".dng", ".nef", ".orf", ".pef", ".raf", ".rw2", ".srw")  # some look like TIFF
LONGEST_ENDING = 12
NEEDS_HEIF = "HEIC needs the extra heif: pip install 'fashret[heif]'"
NO_PHOTO, HIDDEN, RAW = "no photo", "hidden", "camera raw, of which no picture is made here"


@cache
def reads_heif() -> bool:
    """Whether the extra `heif` is installed."""
    return importlib.util.find_spec("pillow_heif") is not None


@cache
def _register_heif() -> None:
    import pillow_heif

    pillow_heif.register_heif_opener()


def prepare_to_decode(data: bytes) -> None:
    """Make Pillow ready for the format of a photo's bytes.

    Raises
    ------
    PhotoError
        If it is HEIC, and the extra `heif` is not installed.
    """
    if HEIF.match(data[:HEAD]):
        if not reads_heif():
            raise PhotoError(NEEDS_HEIF)
        _register_heif()


def read_head(path: Path) -> bytes:
    """The first bytes of a file; none of what is no plain file, since reading a pipe would wait for ever."""
    if not stat.S_ISREG(path.stat().st_mode):
        return b""
    with path.open("rb") as stream:
        return stream.read(HEAD)


def ending_of(name: str) -> str:
    """The ending of a name, in small letters; "no ending" if it has none, "other" if it is none that people write.

    >>> ending_of("a/b.JPG"), ending_of("a.b/c"), ending_of(".DS_Store"), ending_of("a. and so on")
    ('.jpg', 'no ending', 'no ending', 'other')
    """
    ending = os.path.splitext(name)[1].lower()
    strange = len(ending) > LONGEST_ENDING or " " in ending or not ending.isprintable()
    return "other" if strange else ending or "no ending"


def reason_against(path: Path) -> str:
    """Why a file is not listed as a photo; "" if it is one. Only a file without a photo's ending is opened."""
    ending = ending_of(path.name)
    if path.name.startswith("."):
        return HIDDEN
    if ending in EXTENSIONS:
        return ""
    if ending in RAW_ENDINGS:
        return RAW
    try:
        head = read_head(path)
    except (OSError, ValueError) as error:
        return f"cannot be read ({getattr(error, 'strerror', None) or error})"
    if HEIF.match(head) or (ending in HEIF_ENDINGS and not head):
        return "" if reads_heif() else NEEDS_HEIF
    return "" if PHOTO.match(head) else NO_PHOTO
