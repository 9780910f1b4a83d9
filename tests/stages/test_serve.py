"""`fashret serve` without its extra."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from fashret.errors import FashretError
from fashret.options import ServeOptions
from fashret.stages import serve


def test_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "fashret.serving.server", raising=False)
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(FashretError, match=r"pip install 'fashret\[serve\]'"):
        serve.run(Path("shop.emb.h5"), ServeOptions())
