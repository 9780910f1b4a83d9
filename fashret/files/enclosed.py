"""An HDF5 file holds all that is read through it: nothing leads to another file or place.

In: an open file. Out: nothing, or one line that names what leads out. HDF5 lets a name stand for an object of another
file (external link) or for another name (soft link), keeps the bytes of a dataset in any file of the disk (external
storage) and puts one together of datasets elsewhere (virtual dataset). A file of vectors needs none of these, and each
of them makes a file from somewhere else read this machine's, or makes an offset in one file be used in another. So the
objects are visited once, without following anything, as many as a real file can have.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import h5py
from h5py import h5d, h5g, h5l, h5o

from fashret.errors import FashretError

MOST_OBJECTS = 10_000  # groups and datasets; a file of fashret's has about ten
NAMED = 3  # of what leads out
ALWAYS = 256 << 20  # bytes that a dataset may claim in a file of any size
LARGEST_GAIN = 100  # above that, times the file's size: more than compression gains on real columns, vectors, pictures


class LeadsOutError(FashretError):
    """Something in a file leads to another file or place."""


def check_enclosed(file: h5py.File) -> None:
    """Refuse a file with links, external storage or virtual datasets, or that claims what it cannot hold.

    Raises
    ------
    LeadsOutError
        With the names and kinds of what leads out.
    FashretError
        If it has more objects, or a dataset more bytes, than a file of that size holds.
    """
    out: list[str] = []
    for name, held in _objects(file, out):
        if isinstance(held, h5d.DatasetID):
            stored = _stored_elsewhere(held)
            if stored:
                out.append(f"{name} is {stored}")
            else:
                _check_size(file, name, held)
        if len(out) > NAMED:
            break
    if out:
        named = "; ".join(out[:NAMED]) + ("; …" if len(out) > NAMED else "")
        raise LeadsOutError(
            f"{file.filename}: {named}; fashret reads only what is in the file itself, so write the data into it"
        )


def _objects(file: h5py.File, out: list[str]) -> Iterator[tuple[str, Any]]:
    """Every object of a file once, with its name; a link that leads elsewhere is noted in `out` and not followed."""
    visited, count = {h5o.get_info(file.id).addr}, 0
    waiting = [("", h5g.open(file.id, b"/"))]
    while waiting:
        prefix, group = waiting.pop()
        count += group.get_num_objs()
        if count > MOST_OBJECTS:
            raise FashretError(f"{file.filename}: holds more than {MOST_OBJECTS:,} objects; a file of fashret's has 10")
        for name in group:
            shown = prefix + _shown(name)
            kind = group.links.get_info(name).type
            if kind != h5l.TYPE_HARD:
                out.append(f"{shown} is {_link(group, name, kind)}")
                continue
            held = h5o.open(group, name)
            address = h5o.get_info(held).addr
            if address not in visited:
                visited.add(address)
                if isinstance(held, h5g.GroupID):
                    waiting.append((f"{shown}/", held))
                yield shown, held


def _link(group: h5g.GroupID, name: bytes, kind: int) -> str:
    """What a link is and where it leads."""
    if kind not in (h5l.TYPE_SOFT, h5l.TYPE_EXTERNAL):
        return "a link of an unknown kind"
    target = group.links.get_val(name)
    if kind == h5l.TYPE_SOFT:
        return f"a soft link to {_shown(target)}"
    return f"an external link to {_shown(target[1])} of {_shown(target[0])}"


def _shown(name: bytes) -> str:
    """A name as it may be in a message of one line."""
    text = name.decode("utf-8", "replace")
    return text if text.isprintable() else repr(text)


def _stored_elsewhere(dataset: h5d.DatasetID) -> str:
    """How a dataset keeps its data outside of the file; empty if it does not."""
    properties = dataset.get_create_plist()
    if properties.get_layout() == h5d.VIRTUAL:
        return "a virtual dataset"
    if properties.get_external_count():
        return f"stored in {_shown(properties.get_external(0)[0])} (external storage)"
    return ""


def _check_size(file: h5py.File, name: str, dataset: h5d.DatasetID) -> None:
    claimed = math.prod(dataset.shape or ()) * dataset.get_type().get_size()
    size = file.id.get_filesize()
    if claimed > max(ALWAYS, LARGEST_GAIN * size):
        raise FashretError(
            f"{file.filename}: {name} claims {claimed:,} bytes in a file of {size:,}; make or copy it again"
        )
