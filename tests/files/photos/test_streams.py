"""Many crops: in order, each photo read once, threads that end."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fashret.files.photos.cuts import by_photo
from fashret.files.photos.decoder import Decoder
from fashret.files.photos.sources import MissingPhotoError, PhotoFolder
from fashret.files.photos.streams import stream_crops
from tests.conftest import make_rows
from tests.files.photos.test_cuts import save, scene


@pytest.mark.parametrize("workers", [1, 3])
def test_a_stream_gives_rows_in_order_and_reads_each_photo_once(tmp_path: Path, workers: int) -> None:
    names = ["a.png", "b.png", "a.png", "gone.png", "b.png"]
    for i, name in enumerate(("a.png", "b.png")):
        save(tmp_path / name, scene(30, 20, seed=i))
    read: list[str] = []

    class Counted(PhotoFolder):
        def read(self, source: str) -> bytes:
            read.append(source)
            return super().read(source)

    rows = make_rows(5, source=np.array(names, object))
    order = by_photo(rows)
    results = list(
        stream_crops(
            Counted(tmp_path), rows, 320, order=order, then=lambda c: c.shape, decoder=Decoder(workers=workers)
        )
    )
    assert [i for i, _ in results] == order.tolist() == [0, 2, 1, 4, 3]
    assert [r for _, r in results[:4]] == [(20, 30, 3)] * 4
    assert isinstance(results[4][1], MissingPhotoError)
    assert sorted(read) == ["a.png", "b.png", "gone.png"]


def test_a_stream_that_is_left_early_ends_its_threads(tmp_path: Path) -> None:
    import threading

    save(tmp_path / "a.png", scene(30, 20))
    rows = make_rows(50, source=np.array(["a.png", "none.png"] * 25, object))
    before = threading.active_count()
    stream = stream_crops(PhotoFolder(tmp_path), rows, 320, decoder=Decoder(workers=2))
    next(stream)
    stream.close()
    assert threading.active_count() == before
