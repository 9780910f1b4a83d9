"""What was given in place of one of fashret's files, and which command makes the right one of it.

In: a path. Out: words for a message.
"""

from __future__ import annotations

import re
import stat
from pathlib import Path

TABLE_ENDINGS = (".csv", ".tsv", ".parquet")
HEAD = 32  # bytes that tell what a file is
PHOTO = re.compile(
    rb"\xff\xd8\xff|\x89PNG\r\n\x1a\n|GIF8[79]a|RIFF....WEBP|II\*\0|MM\0\*|BM....\0\0\0\0"
    rb"|\0\0\0\x0cjP  |\xff\x4f\xff\x51|P[1-6][\s#]+\d+\s+\d+\s|....ftypavi[fs]",
    re.DOTALL,
)
HEIF = re.compile(rb"....ftyp(?:hei[cxms]|hev[cxms]|mif1|msf1)", re.DOTALL)

HUB = re.compile(r"hf[-_]hub:|hf://|[\w.-]+/[\w.-]+$")  # names that a hub of models has
NOT_FETCHED = "models of a hub are not fetched; download it first"

LABELS = "label them: a table with the columns image and product, or folders PRODUCT/street and PRODUCT/shop"
MADE_OF_PHOTOS = {  # kind → what makes it of a folder or a table
    "fashret.crops": "`fashret crop {path} -o crops.h5` makes crops of it",
    "fashret.embeddings": "`fashret embed {path} --model MODEL -o catalogue.emb.h5` makes embeddings of it",
    "fashret.ranking": "a ranking is made by `fashret search`, of what `fashret embed {path}` writes",
}


def hub_hint(name: str | Path) -> str:
    """What to add to a message about a model that is not there, if its name looks like one of a hub.

    >>> hub_hint("hf-hub:timm/resnet50"), hub_hint("nobody/has-this"), hub_hint("model")
    ('; models of a hub are not fetched; download it first', '; models of a hub are not fetched; download it first', '')
    """
    text = str(name)
    inside = Path(text).parts[:1] and Path(text).parts[0] != text and Path(Path(text).parts[0]).is_dir()
    return f"; {NOT_FETCHED}" if HUB.match(text) and not inside else ""


def read_head(path: Path) -> bytes:
    """The first bytes of a file; none of what is no plain file, since reading a pipe would wait for ever."""
    if not stat.S_ISREG(path.stat().st_mode):
        return b""
    with path.open("rb") as stream:
        return stream.read(HEAD)


def is_photo(path: Path) -> bool:
    """Whether a file is a photo, by its first bytes."""
    try:
        head = read_head(path)
    except (OSError, ValueError):
        return False
    return bool(PHOTO.match(head) or HEIF.match(head))


def mistaken_for(path: Path, kind: str = "") -> str:
    """What a path is if it is a folder, a photo or a table, and what makes a file of `kind` of it; "" if it is none."""
    if path.is_dir():
        if (path / "model.json").is_file():
            return f"{path}: is the folder of a model"
        what = "is a folder, not a file"
    elif is_photo(path):
        return f"{path}: is a photo; to search for it: fashret search CATALOGUE.emb.h5 --image {path}"
    elif path.suffix.lower() in TABLE_ENDINGS and path.is_file():
        what = "is a table, not an HDF5 file"
    else:
        return ""
    advice = MADE_OF_PHOTOS.get(kind, "").format(path=path)
    return f"{path}: {what}" + (f"; {advice}" if advice else "")
