"""Where compiled functions are kept, and what is said when one is compiled."""

from __future__ import annotations

import ast
import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numba
import pytest
from numba.core import config
from numba.core.dispatcher import Dispatcher

from fashret import compiling
from fashret.compiling import Announcer, keep_compiled
from tests.test_layers import MODULES, imports, name_of


@pytest.fixture
def read_only(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A package that cannot be written to, and a cache folder."""
    monkeypatch.setattr(config, "CACHE_DIR", "")
    monkeypatch.setattr(compiling, "is_writable", lambda folder: False)
    monkeypatch.setattr(compiling, "cache_folder", lambda: tmp_path / "cache")
    monkeypatch.setattr(Dispatcher, "enable_caching", Dispatcher.enable_caching)
    return tmp_path / "cache"


def compiled() -> Any:
    @numba.njit(cache=True)
    def add(a, b):  # type: ignore[no-untyped-def]
        return a + b

    return add


def test_a_package_that_is_read_only_uses_the_cache_folder(read_only: Path) -> None:
    keep_compiled()
    assert compiled()(1, 2) == 3
    assert any(path.suffix == ".nbi" for path in (read_only / "numba").rglob("*"))


def test_a_folder_that_the_user_names_is_used(read_only: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(config, "CACHE_DIR", str(tmp_path / "named"))
    keep_compiled()
    assert Path(config.CACHE_DIR) == tmp_path / "named"


def test_without_any_folder_nothing_is_kept(read_only: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiling, "cache_folder", lambda: None)
    keep_compiled()
    assert compiled()(1, 2) == 3 and not read_only.exists()


def test_a_package_that_can_be_written_keeps_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "CACHE_DIR", "")
    monkeypatch.setattr(compiling, "is_writable", lambda folder: True)
    keep_compiled()
    assert config.CACHE_DIR == ""


def test_compiled_functions_are_in_packages_that_choose_first() -> None:
    users = [path for path in MODULES if any(name.split(".")[0] == "numba" for name in imports(path))]
    names = {name_of(path) for path in users} - {"fashret.compiling"}
    assert names and all(name.split(".")[1] in compiling.COMPILED for name in names)
    for path in users:
        if name_of(path).startswith("fashret.reranking"):  # importing knn first chooses
            assert any(name.startswith("fashret.knn") for name in imports(path))
    first = ast.parse((Path(compiling.__file__).parent / "knn/__init__.py").read_text(encoding="utf-8")).body[1]
    assert ast.unparse(first) == "import fashret.compiling"


def _event(module: str) -> Any:
    return SimpleNamespace(data={"dispatcher": SimpleNamespace(py_func=SimpleNamespace(__module__=module))})


def test_compilation_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    announcer = Announcer()
    with caplog.at_level(logging.INFO, "fashret"):
        for module in ("other.package", "fashret.knn.scan", "fashret.knn.distance"):
            announcer.on_start(_event(module))
        for module in ("fashret.knn.distance", "fashret.knn.scan", "other.package"):
            announcer.on_end(_event(module))
        announcer.on_start(_event("fashret.knn.bounds"))
        announcer.on_end(_event("fashret.knn.bounds"))
    assert caplog.messages == ["compiling for this machine, once"]
    assert (announcer.done, announcer.depth) == (3, 0)
