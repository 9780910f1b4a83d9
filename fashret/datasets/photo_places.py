"""Where photos are, by the names that annotations have for them.

In: a folder and names of photos, which may begin in another folder than this. Out: the file of each name.

A name is the file of that path; else the one file whose path ends with it; else the one whose end agrees with that of
the name in most folders, so that a name may begin with folders that are not there. Where several files fit alike,
nothing is guessed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from fashret.errors import FashretError
from fashret.files.tables.folders import list_files


def photo_places(root: Path, names: Iterable[str]) -> dict[str, str]:
    """The file of each name, relative to the root; the name as it is where there is none.

    A file that is another name's by all of its folders is not taken for a name with other folders.

    Raises
    ------
    FashretError
        If several files fit a name, or several names fit a file no better than each other: how many, and one of them.
    """
    files = list_files(root).files
    by_base: dict[str, list[str]] = defaultdict(list)
    for path in files:
        by_base[path.rpartition("/")[2]].append(path)
    names = list(dict.fromkeys(names))
    fits = {name: _fitting(name, by_base.get(name.rpartition("/")[2], ())) for name in names}
    if several := {name: paths for name, paths in fits.items() if len(paths) > 1}:
        name, paths = next(iter(several.items()))
        raise FashretError(_ambiguous(root, len(several), f"{name!r} can be {paths[0]!r} or {paths[1]!r}"))
    whole = {path for name, (*paths,) in fits.items() for path in paths if _is_end(name, path)}
    places, claimed = {}, defaultdict(list)
    for name, paths in fits.items():
        there = paths and (paths[0] not in whole or _is_end(name, paths[0]))
        places[name] = paths[0] if there else name
        if there and paths[0] not in whole:
            claimed[paths[0]].append(name)
    if shared := {path: of_path for path, of_path in claimed.items() if len(of_path) > 1}:
        path, of_path = next(iter(shared.items()))
        count = sum(map(len, shared.values()))
        raise FashretError(_ambiguous(root, count, f"{path!r} can be {of_path[0]!r} or {of_path[1]!r}"))
    return places


def _ambiguous(root: Path, count: int, example: str) -> str:
    return (
        f"{root}: the annotations name {count:,} photos that are not told apart by their folders: {example}; give the "
        "folder that their names start from with --root, one file of annotations at a time"
    )


def _fitting(name: str, paths: Sequence[str]) -> Sequence[str]:
    """Of the files with the name's last part those that agree with most of the name."""
    if len(paths) < 2 or name in paths:
        return [name] if name in paths else paths
    agree = [_in_common(name, path) for path in paths]
    return [path for path, count in zip(paths, agree, strict=True) if count == max(agree)]


def _in_common(name: str, path: str) -> int:
    """How many of the last parts are the same."""
    count = 0
    for one, other in zip(reversed(name.split("/")), reversed(path.split("/")), strict=False):
        if one != other:
            break
        count += 1
    return count


def _is_end(name: str, path: str) -> bool:
    """Whether a path ends with all of a name."""
    return f"/{path}".endswith(f"/{name}")
