"""Reading annotation files so that whatever is wrong is named: file, line or entry, and what was expected.

In: JSON files and the counted text lists of the DeepFashion family. Out: their entries.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from fashret.console import counted, log
from fashret.datasets.row_list import Corners
from fashret.errors import FashretError
from fashret.files.hdf5 import storable
from fashret.files.photos.kinds import EXTENSIONS, HEIF_ENDINGS
from fashret.files.tables.folders import list_files

ENDINGS = (*EXTENSIONS, *HEIF_ENDINGS)
SHOWN = 60  # characters of a wrong value that a message shows


def existing_folder(root: Path, candidates: Sequence[str], what: str) -> Path:
    """The first of several folders below the root that is there.

    Raises
    ------
    FashretError
        If none is: with the names that were tried and what the root holds.
    """
    for name in candidates:
        if (root / name).is_dir():
            return root / name
    names = ", ".join(name or "the root itself" for name in candidates)
    raise FashretError(f"{root}: no folder with {what} ({names}); it holds {_content(root)}")


def _content(folder: Path, most: int = 8) -> str:
    names = sorted(os.listdir(folder))
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return (", ".join(names[:most]) or "nothing") + more


def require_files(folder: Path, names: Sequence[str]) -> list[Path]:
    """Paths of annotation files that must all be there.

    Raises
    ------
    FashretError
        If one is missing: with those that were found.
    """
    found = [name for name in names if (folder / name).is_file()]
    missing = [name for name in names if name not in found]
    if missing:
        there = ", ".join(found) or "none of the expected files"
        raise FashretError(f"{folder}: lacks {', '.join(missing)}; found {there}")
    return [folder / name for name in names]


def read_json(path: Path) -> Any:
    """The content of a JSON file.

    Raises
    ------
    FashretError
        If it is missing, no UTF-8, or no JSON: with the line.
    """
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        raise FashretError(f"{path}: no such file") from None
    except json.JSONDecodeError as error:
        raise FashretError(f"{path}, line {error.lineno}: is not JSON ({error.msg})") from None
    except (UnicodeDecodeError, RecursionError) as error:
        raise FashretError(f"{path}: is not JSON ({type(error).__name__})") from None
    except ValueError as error:  # a number of thousands of digits
        raise FashretError(f"{path}: is not JSON ({str(error).splitlines()[0]})") from None
    except OSError as error:
        raise FashretError(f"{path}: cannot be read ({error.strerror})") from None


def read_entries(path: Path) -> list[dict[str, Any]]:
    """The content of a JSON file that is a list of objects."""
    return object_list(read_json(path), str(path))


def read_coco(path: Path) -> dict[str, Any]:
    """The content of a COCO file, whose images and annotations are lists of objects."""
    content = read_json(path)
    if not isinstance(content, dict) or "images" not in content or "annotations" not in content:
        raise FashretError(f"{path}: expected COCO: an object with images and annotations")
    for name in ("images", "annotations"):
        object_list(content[name], f"{path}, {name}")
    return content


def object_list(value: Any, where: str) -> list[dict[str, Any]]:
    """Check that a JSON value is a list of objects.

    Raises
    ------
    FashretError
        If it is not: with the first entry that is none.
    """
    if not isinstance(value, list):
        raise FashretError(f"{where}: expected a list of objects, found {shown(value)}")
    for i, entry in enumerate(value):
        if not isinstance(entry, dict):
            raise FashretError(f"{where}, entry {i}: expected an object, found {shown(entry)}")
    return value


def shown(value: Any) -> str:
    """A wrong value as a message shows it, cut short."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    text = text if storable(text) else json.dumps(value, default=str)
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"


def number(entry: dict[str, Any], key: str, where: str) -> float:
    """A finite number, int or float, of a JSON object."""
    value = _value(entry, key, where)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise FashretError(f"{where}: {key} is {shown(value)}; expected a number")
    if abs(value) > 1e15 or not math.isfinite(value):
        raise FashretError(f"{where}: {key} is {shown(value)}; expected a finite number")
    return float(value)


def whole_number(entry: dict[str, Any], key: str, where: str) -> int:
    """A number without fraction, ≥ 0, of a JSON object; 286.0 is 286."""
    quick = entry.get(key)
    if type(quick) is int and 0 <= quick < 1 << 48:  # nearly always; the rest is for floats and for messages
        return quick
    value = number(entry, key, where)
    if value != int(value) or value < 0:
        raise FashretError(f"{where}: {key} is {shown(value)}; expected a whole number, 0 or more")
    return int(value)


def text(entry: dict[str, Any], key: str, where: str) -> str:
    """A text that is not empty, of a JSON object; a whole number is taken as its digits."""
    value = _value(entry, key, where)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str) or not value.strip() or not storable(value):
        raise FashretError(f"{where}: {key} is {shown(value)}; expected a text")
    return value.strip()


def _value(entry: dict[str, Any], key: str, where: str) -> Any:
    if key not in entry:
        raise FashretError(f"{where}: lacks {key}; it has {listed(map(_one_line, entry), 10) or 'nothing'}")
    return entry[key]


def _one_line(name: str) -> str:
    """A name from a file as a message may show it: without line ends and other control characters."""
    return "".join(c if c.isprintable() else "?" for c in name[:SHOWN])


def four_numbers(value: Any, where: str) -> Corners:
    """A list of four finite numbers."""
    if not isinstance(value, list) or len(value) != 4:
        raise FashretError(f"{where}: expected a list of four numbers, found {shown(value)}")
    entry = dict(zip(("first", "second", "third", "fourth"), value, strict=True))
    first, second, third, fourth = (number(entry, key, where) for key in entry)
    return first, second, third, fourth


def read_list(path: Path, columns: str) -> Iterator[tuple[int, list[str]]]:
    """Line number and cells of a counted list: the count, the names of the columns, then rows separated by blanks.

    A count that differs from the number of rows is a warning with both.

    Parameters
    ----------
    columns
        The second line as it must be, up to blanks.

    Raises
    ------
    FashretError
        If the file is not such a list, or a line has another number of cells.
    """
    lines = read_lines(path)
    wanted = columns.split()
    if len(lines) < 2 or not re.fullmatch(r"\s*\d{1,15}\s*", lines[0]):
        raise FashretError(f"{path}, line 1: expected the number of rows, found {shown(lines[0] if lines else '')}")
    if lines[1].split() != wanted:
        raise FashretError(f"{path}, line 2: expected the columns {columns!r}, found {shown(lines[1].strip())}")
    count = 0
    for number_of_line, line in enumerate(lines[2:], start=3):
        cells = line.split()
        if not cells:
            continue
        if len(cells) != len(wanted):
            found = f"has {counted(len(cells), 'cell')}, expected {len(wanted)} ({columns})"
            raise FashretError(f"{path}, line {number_of_line}: {found}: {shown(line)}")
        count += 1
        yield number_of_line, cells
    if count != int(lines[0]):
        log.warning("%s: its first line says %s rows, it has %s", path, lines[0].strip(), count)


def read_lines(path: Path) -> list[str]:
    """Lines of a UTF-8 text file; only the line feed ends a line."""
    try:
        return path.read_text(encoding="utf-8-sig").replace("\r\n", "\n").split("\n")
    except FileNotFoundError:
        raise FashretError(f"{path}: no such file") from None
    except UnicodeDecodeError as error:
        line = path.read_bytes()[: error.start].count(b"\n") + 1
        raise FashretError(f"{path}, line {line}: is not UTF-8 text") from None
    except OSError as error:
        raise FashretError(f"{path}: cannot be read ({error.strerror})") from None


def corners_of_list(cells: Sequence[str], where: str) -> Corners:
    """Box of the DeepFashion lists: whole numbers, maybe zero-padded, 1-based and inclusive → 0-based, half-open.

    >>> corners_of_list(["050", "1", "200", "300"], "")
    (49.0, 0.0, 200.0, 300.0)
    """
    if not all(re.fullmatch(r"-?\d{1,6}", cell) for cell in cells):
        raise FashretError(f"{where}: box {' '.join(cells)}; expected four whole numbers")
    x1, y1, x2, y2 = map(float, cells)
    return max(x1 - 1, 0.0), max(y1 - 1, 0.0), x2, y2


def index_photos(folder: Path) -> dict[str, str]:
    """Photos of a folder and of all folders below: name without extension → path relative to the folder.

    Of several files of one name the least deep counts, and among these the first in the order of paths.
    """
    found: dict[str, str] = {}
    for path in sorted(list_files(folder).files, key=lambda path: (path.count("/"), path)):
        stem, ending = os.path.splitext(path.rpartition("/")[2])
        if ending.lower() in ENDINGS and not stem.startswith("."):
            found.setdefault(stem, path)
    return found


def listed(names: Iterable[str], most: int = 5) -> str:
    """Names in a sentence, the first few of many.

    >>> listed("abc"), listed(str(i) for i in range(9))
    ('a, b, c', '0, 1, 2, 3, 4 and 4 more')
    """
    names = list(names)
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
