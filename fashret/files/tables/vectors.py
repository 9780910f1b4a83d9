"""Embeddings as a Parquet table (the extra `parquet`), for software that does not read HDF5.

In: an open embeddings.h5. Out: one row per crop with the columns of a catalogue
(`fashret.files.tables.catalogue_tables`: image, product, domain, category, role, x1, y1, x2, y2), `crop_id`, and
`vector`, a list of D float32 or float16; between them the further columns in types of their own (dates with a time of
day as text). What is empty is null. The table's metadata has `fashret`, JSON: the
model, the dataset, and whether vectors have length 1.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashret.console import log
from fashret.errors import FashretError
from fashret.files.atomic import whole_file
from fashret.files.columns import Domain, Role
from fashret.files.embeddings import Embeddings
from fashret.files.further_columns import FurtherColumn, iso_date
from fashret.files.tables.box_columns import CORNERS
from fashret.files.tables.catalogue_tables import KNOWN
from fashret.files.tables.found_garments import role_text

BLOCK_BYTES = 64 << 20  # of vectors between two writes


def write_vector_table(file: Embeddings, output: Path) -> None:
    """Write all rows of an embeddings file as Parquet, whole or not at all.

    Raises
    ------
    FashretError
        If pyarrow is not installed, or the table cannot be written.
    """
    try:
        from pyarrow import parquet
    except ImportError:
        raise FashretError(f"{output}: writing Parquet needs pyarrow: pip install 'fashret[parquet]'") from None
    about = {"model": file.model, "dataset": file.dataset, "normalized": file.normalized, "centroids": file.centroids}
    step = max(1, BLOCK_BYTES // max(1, file.vectors.itemsize * file.width))
    types = _types(file)
    schema = _table(file, slice(0, 0), types).schema.with_metadata({"fashret": json.dumps(about, ensure_ascii=False)})
    with whole_file(output) as part, parquet.ParquetWriter(part, schema) as writer:
        for start in range(0, len(file), step):
            stop = min(start + step, len(file))
            writer.write_table(_table(file, slice(start, stop), types).cast(schema))


def _types(file: Embeddings) -> dict[str, Any]:
    """pyarrow's type of each further column; one that has the name of another column is left out."""
    import pyarrow as pa

    plain = {"text": pa.string(), "integer": pa.int64(), "number": pa.float64(), "boolean": pa.bool_()}
    types = {}
    for name, kind in file.further_kinds.items():
        if name.lower() in KNOWN:
            log.warning("%s: columns/%s is left out: the table has a column of that name", file.path, name)
        elif kind == "date":
            types[name] = pa.date32() if _days_only(file, name) else pa.string()
        else:
            types[name] = plain.get(kind, pa.null())
    return types


def _days_only(file: Embeddings, name: str, block: int = 1 << 16) -> bool:
    """Whether no date of a column has a time of day."""
    starts = range(0, len(file), block)
    blocks = (file.further_column(name, np.arange(start, min(start + block, len(file)))) for start in starts)
    return all(len(text) in (0, 10) and text == (iso_date(text) or "") for part in blocks for text in part.values)


def _table(file: Embeddings, rows: slice, types: dict[str, Any]) -> Any:
    """Some rows as a table of pyarrow."""
    import pyarrow as pa

    names = [*file.categories, None]  # −1 = none
    vectors = pa.array(np.ascontiguousarray(file.vectors[rows]).reshape(-1))
    columns = {
        "image": pa.array(file.source[rows], pa.string()),
        "product": pa.array([name or None for name in file.product[rows]], pa.string()),
        "domain": pa.array([Domain(value).name.lower() for value in file.domain[rows]], pa.string()),
        "category": pa.array([names[i] for i in file.category[rows]], pa.string()),
        "role": pa.array([role_text(Role(int(value))) or None for value in file.role[rows]], pa.string()),
        **{name: _corner(file.box[rows, i]) for i, name in enumerate(CORNERS)},
        "crop_id": pa.array(file.crop_id[rows], pa.string()),
        **{
            name: _values(file.further_column(name, np.arange(rows.start, rows.stop)), kind)
            for name, kind in types.items()
        },
        "vector": pa.FixedSizeListArray.from_arrays(vectors, file.width),
    }
    return pa.table(columns)


def _values(column: FurtherColumn, kind: Any) -> Any:
    """A further column as pyarrow has it."""
    import pyarrow as pa

    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return pa.array(column.values, kind, mask=column.is_null)
    return pa.array(column.plain(), pa.string() if pa.types.is_date(kind) else kind).cast(kind)


def _corner(values: NDArray[np.float32]) -> Any:
    """One coordinate of boxes; null for a whole photo."""
    import pyarrow as pa

    return pa.array(values, mask=np.isnan(values))
