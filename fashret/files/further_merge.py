"""Further columns of a file that is appended to: those of the source, and those that only the file has.

In: the rows of a source, the older file, and which rows they share. Out: the source's rows with the columns of both. A
column of the source is written as the source has it, in the wider of both types. A column that only the file has keeps
its values in the rows that the file had, and is null in the new ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fashret.console import log
from fashret.files.columns import RowFile, Rows
from fashret.files.further_columns import FurtherColumn, wider


@dataclass(frozen=True)
class Merge:
    """What becomes of further columns; see the module's docstring."""

    kinds: Mapping[str, str]  # of what is written: name → type
    old: RowFile | None
    place: NDArray[np.int64]  # for each row of the source its row in the older file, −1 where that does not have it

    @classmethod
    def of(cls, source: Rows | RowFile, old: RowFile | None, place: NDArray[np.int64]) -> Merge:
        """Of a source, and of the file to append to if there is one."""
        kinds = kinds_of(source)
        if old is None:
            return cls(kinds, None, place)
        for name, before in old.further_kinds.items():
            now = kinds.setdefault(name, before)
            kinds[name] = wider(now, before)
            if kinds[name] != now:
                log.warning("%s: %s is %s and is now %s; it is written as %s", old.path, name, before, now, kinds[name])
            elif kinds[name] != before and before != "empty":
                log.warning("%s: %s was %s and is now %s", old.path, name, before, now)
        return cls(kinds, old, place)

    def block(self, rows: Rows, index: NDArray[np.int64]) -> Rows:
        """Some rows of the source, and their positions in it, with all columns."""
        return replace(rows, further={name: self._column(name, kind, rows, index) for name, kind in self.kinds.items()})

    def _column(self, name: str, kind: str, rows: Rows, index: NDArray[np.int64]) -> FurtherColumn:
        if name in rows.further:
            return rows.further[name].become(kind)
        column, place = FurtherColumn.of_nulls(kind, len(rows)), self.place[index]
        if self.old is not None and (place >= 0).any():
            column.values[place >= 0] = self.old.further_column(name, place[place >= 0]).values
        return column


def kinds_of(source: Rows | RowFile) -> dict[str, str]:
    """Name → type of the further columns of rows in memory or in a file."""
    if isinstance(source, RowFile):
        return dict(source.further_kinds)
    return {name: column.kind for name, column in source.further.items()}
