"""What a file is, by its first bytes: for messages about a file that is not what a command expects.

In: a path that anybody may have typed. Out: words for what is there and what to do with it, or one line that says why
it cannot be read at all. Only ordinary files are ever opened: a pipe or a device could keep a command waiting for ever.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Sequence
from pathlib import Path

from fashret.errors import FashretError

HEAD = 4096  # bytes that are looked at
HDF5_SIGN = b"\x89HDF\r\n\x1a\n"

OTHERS = {  # mode of a file → what it is
    stat.S_ISFIFO: "a pipe",
    stat.S_ISSOCK: "a socket",
    stat.S_ISCHR: "a device",
    stat.S_ISBLK: "a device",
}
SIGNS: Sequence[tuple[bytes, str, str]] = (  # how a file begins, what it is, and what kind of thing that is
    (b"\xff\xd8\xff", "a JPEG photo", "photo"),
    (b"\x89PNG\r\n\x1a\n", "a PNG picture", "photo"),
    (b"GIF8", "a GIF picture", "photo"),
    (b"II*\0", "a TIFF picture", "photo"),
    (b"MM\0*", "a TIFF picture", "photo"),
    (b"\0\0\0\x0cjP  ", "a JPEG 2000 picture", "photo"),
    (b"\xff\x4f\xff\x51", "a JPEG 2000 picture", "photo"),
    (b"PAR1", "a Parquet table", "table"),
    (b"PK\x03\x04", "a zip archive", "archive"),
    (b"PK\x05\x06", "an empty zip archive", "archive"),
    (b"\x1f\x8b", "a gzip archive", "archive"),
    (b"BZh", "a bzip2 archive", "archive"),
    (b"\xfd7zXZ\0", "an xz archive", "archive"),
    (b"(\xb5/\xfd", "a Zstandard archive", "archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "archive"),
    (b"Rar!", "a RAR archive", "archive"),
    (b"\x93NUMPY", "a NumPy array", "array"),
    (b"%PDF", "a PDF document", ""),
    (b"SQLite format 3\0", "an SQLite database", ""),
    (b"version https://git-lfs", "a Git LFS pointer, not the file itself", "pointer"),
    (b'{"format": "fashret.spool"', "finished work of an interrupted run", "work"),
    (HDF5_SIGN, "a damaged HDF5 file", "damaged"),
)
WEBP, HEIF = (b"RIFF", b"WEBP"), (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1", b"avif")
ADVICE = {  # kind of thing → what to do; NAME stands for the file
    "photo": "to find it in a catalogue: fashret search CATALOGUE.emb.h5 --image NAME",
    "table": "fashret crop NAME -o crops.h5 makes crops of its rows, fashret embed NAME -o shop.emb.h5 vectors",
    "folder": "fashret embed NAME -o shop.emb.h5 makes vectors of the photos in it",
    "model": "a model is given with --model",
    "archive": "unpack it first",
    "array": "fashret's files say more about a row than its vector: write one as docs/files.md describes",
    "work": "the command that was interrupted continues with it, given --resume",
    "page": "the download went wrong: download the file again",
    "pointer": "run git lfs pull, which downloads the file",
    "damaged": "make or copy it again",
    "nothing": "a copy or a download was interrupted: make or copy it again",
    "": "fashret info says what fashret's files are",
}
TABLE_ENDINGS = (".csv", ".tsv", ".parquet")
MADE_OF_PHOTOS = {  # kind → what makes it of a folder or a table
    "fashret.crops": "`fashret crop {path} -o crops.h5` makes crops of it",
    "fashret.embeddings": "`fashret embed {path} --model MODEL -o catalogue.emb.h5` makes embeddings of it",
    "fashret.ranking": "a ranking is made by `fashret search`, of what `fashret embed {path}` writes",
}


def check_ordinary(path: Path) -> None:
    """Refuse what is not an ordinary file that can be opened, following links to files.

    Raises
    ------
    FashretError
        If there is nothing, a folder, a pipe, a socket or a device, or the system does not let it be seen.
    """
    try:
        mode = os.stat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        broken = os.path.islink(path)
        raise FashretError(f"{path}: {'links to a file that is not there' if broken else 'no such file'}") from None
    except (OSError, ValueError) as error:  # ValueError: a zero byte in a name
        said = {errno.ELOOP: "a link that leads to itself", errno.EACCES: "permission denied"}
        reason = said.get(getattr(error, "errno", 0), getattr(error, "strerror", None) or str(error))
        raise FashretError(f"{path}: cannot be opened ({reason})") from None
    if stat.S_ISDIR(mode):
        raise FashretError(f"{path}: is a folder, not a file; {advice('folder', path)}")
    if not stat.S_ISREG(mode):
        what = next((word for test, word in OTHERS.items() if test(mode)), "something special")
        raise FashretError(f"{path}: is {what}, not a file; give an ordinary file")


def what_is(path: Path) -> str:
    """What an ordinary file is, and what to do: "is a JPEG photo; to find it …".

    Raises
    ------
    FashretError
        If it cannot be opened.
    """
    try:
        with path.open("rb") as stream:
            head, size = stream.read(HEAD), os.fstat(stream.fileno()).st_size
    except OSError as error:
        reason = "permission denied" if error.errno == errno.EACCES else error.strerror
        raise FashretError(f"{path}: cannot be read ({reason})") from None
    found, kind = _recognise(head, size, path.suffix.lower())
    return f"is {found}; {advice(kind, path)}"


def advice(kind: str, path: Path) -> str:
    """What to do with a kind of thing."""
    return ADVICE[kind].replace("NAME", str(path))


def _recognise(head: bytes, size: int, ending: str) -> tuple[str, str]:
    """Words for it, and the kind of thing."""
    if not head:
        return "an empty file", "nothing"
    if not head.strip(b"\0"):
        return "a file that begins with nothing but zeros", "nothing"
    for sign, found, kind in SIGNS:
        if head.startswith(sign):
            return found, kind
    if head[:4] == WEBP[0] and head[8:12] == WEBP[1]:
        return "a WebP picture", "photo"
    if head[:2] == b"BM" and head[6:10] == bytes(4):  # text may begin so too
        return "a BMP picture", "photo"
    if head[4:8] == b"ftyp" and head[8:12] in HEIF:
        return "an AVIF picture" if head[8:11] == b"avi" else "a HEIF picture", "photo"
    if head[257:262] == b"ustar":
        return "a tar archive", "archive"
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") < size:
        return "a safetensors file of weights", "model"
    return _text(head, ending)


def _text(head: bytes, ending: str) -> tuple[str, str]:
    """A text file, by how it looks; otherwise nothing that is known."""
    text = head.decode("utf-8", "replace").lstrip("\ufeff \t\r\n")
    if any(sign in text[:1000].lower() for sign in ("<!doctype html", "<html")):
        return "a web page", "page"
    if "\0" in text or text[:-4].count("\ufffd") > len(text) // 50:
        return "a file of a form that fashret does not know", ""
    if ending in (".csv", ".tsv") or any(sign in text.partition("\n")[0] for sign in (",", "\t", ";")):
        return ("a JSON text", "") if text[:1] in ("{", "[") else ("a table in text form (CSV)", "table")
    return "a text file", ""


def mistaken_for(path: Path, kind: str = "") -> str:
    """What a path is if it is a folder, a photo or a table, and what makes a file of `kind` of it; "" if it is none."""
    if path.is_dir():
        if (path / "model.json").is_file():
            return f"{path}: is the folder of a model"
        what = "is a folder, not a file"
    elif is_photo(path):
        return f"{path}: {what_is(path)}"
    elif path.suffix.lower() in TABLE_ENDINGS and path.is_file():
        what = "is a table, not an HDF5 file"
    else:
        return ""
    advice = MADE_OF_PHOTOS.get(kind, "").format(path=path)
    return f"{path}: {what}" + (f"; {advice}" if advice else "")


def is_photo(path: Path) -> bool:
    """Whether a file is a photo, by its first bytes."""
    try:
        mode = os.stat(path).st_mode
        if not stat.S_ISREG(mode):
            return False
        with path.open("rb") as stream:
            return _recognise(stream.read(HEAD), 0, path.suffix.lower())[1] == "photo"
    except (OSError, ValueError):
        return False
