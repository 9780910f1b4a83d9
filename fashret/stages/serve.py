"""`fashret serve shop.emb.h5`: a page to drop a photo on, and a JSON API.

In: an embeddings.h5. Out: nothing; it serves until it is stopped. It needs the extra `serve`.
"""

from __future__ import annotations

from pathlib import Path

from fashret.errors import FashretError
from fashret.options import ServeOptions


def run(catalogue: Path, options: ServeOptions) -> None:
    """Serve a catalogue.

    Raises
    ------
    FashretError
        If the extra is not installed, the address cannot be used, or the catalogue cannot be opened.
    """
    try:
        from fashret.serving.server import serve
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("starlette", "uvicorn", "python_multipart", "anyio"):
            raise
        raise FashretError("fashret serve needs the extra serve: pip install 'fashret[serve]'") from None
    serve(catalogue, options)
