"""An embeddings file of which all columns, and vectors that are not many, are in memory.

In: the path of an embeddings.h5. Out: the same as `fashret.files.embeddings` gives, which does not read the file again:
a server answers hundreds of requests from it, and the file may be replaced or damaged meanwhile.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashret.files.columns import COLUMNS, Rows
from fashret.files.embeddings import Embeddings
from fashret.files.further_columns import FurtherColumn

COPIED = 512 << 20  # bytes of vectors that are copied; more stay mapped


class HeldEmbeddings(Embeddings):
    """An embeddings file, read once.

    Raises
    ------
    FashretError
        As `open_embeddings`, and if a column is damaged.
    """

    def __init__(self, path: Path | str) -> None:
        self._read: Rows | None = None
        super().__init__(path)
        try:
            self._read = self.block(0, len(self))
            self._names = super().column("crop_id")
            _ = self.vectors, self.model, self.whitening, self.categories  # read now
        except BaseException:
            self.close()
            raise

    def __len__(self) -> int:
        return super().__len__() if self._read is None else len(self._read)

    @property
    def width(self) -> int:
        """D, the length of a vector."""
        return super().width if self._read is None else int(self.vectors.shape[1])

    @cached_property
    def vectors(self) -> NDArray[Any]:
        """N×D float32 or float16: in memory if they are at most `COPIED` bytes, otherwise memory-mapped."""
        mapped: NDArray[Any] = Embeddings.vectors.func(self)  # type: ignore[attr-defined]
        return np.array(mapped) if mapped.nbytes <= COPIED else mapped

    def column(self, name: str, start: int = 0, stop: int | None = None) -> NDArray[Any]:
        """Rows start ≤ i < stop of a column."""
        if self._read is None or name not in COLUMNS:
            return super().column(name, start, stop)
        return (self._names if name == "crop_id" else getattr(self._read, name))[start:stop]

    def further(self, start: int, stop: int) -> dict[str, FurtherColumn]:
        """Further columns of the rows start ≤ i < stop."""
        if self._read is None:
            return super().further(start, stop)
        return {name: column.take(slice(start, stop)) for name, column in self._read.further.items()}

    def further_column(self, name: str, rows: NDArray[np.int64]) -> FurtherColumn:
        """Some rows of one further column, in any order."""
        return super().further_column(name, rows) if self._read is None else self._read.further[name].take(rows)
