"""Imports run downward only: cli → stages → (datasets, demo, learning, models, report, reranking, knn) → files →
ground."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import fashret

PACKAGE = Path(fashret.__file__).parent
GROUND = {"errors", "console", "options", "__init__"}
ALLOWED = {  # a part → the parts that it may import, besides itself
    "errors": set(),
    "console": {"errors"},
    "options": {"errors"},
    "files": GROUND,
    "knn": GROUND,
    "reranking": GROUND | {"knn"},
    "models": GROUND | {"files"},
    "learning": GROUND | {"files", "models", "loading"},
    "datasets": GROUND | {"files"},
    "demo": GROUND | {"files"},
    "evaluation": GROUND | {"files"},
    "loading": GROUND | {"files", "models"},
    "report": GROUND | {"files", "knn", "evaluation"},
    "vector_sets": GROUND | {"files", "knn"},
    "stages": GROUND
    | {
        "files",
        "knn",
        "reranking",
        "models",
        "loading",
        "learning",
        "datasets",
        "demo",
        "evaluation",
        "report",
        "vector_sets",
    },
    "cli": GROUND | {"stages", "learning", "models", "datasets"},
    "__main__": {"cli"},
    "__init__": set(),
}
HDF5_AND_WEIGHTS = {"h5py", "safetensors"}


def imports(path: Path) -> set[str]:
    """Full names of everything a module imports, wherever in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


MODULES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", MODULES, ids=lambda p: p.relative_to(PACKAGE).as_posix())
def test_imports_run_downward(path: Path) -> None:
    here = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    for name in imports(path):
        parts = name.split(".")
        if parts[0] != "fashret":
            continue
        target = parts[1] if len(parts) > 1 and (PACKAGE / parts[1]).exists() else ""
        target = target or (parts[1] if len(parts) > 1 and (PACKAGE / f"{parts[1]}.py").exists() else "__init__")
        assert target in ALLOWED[here] | {here}, f"{here} imports {name}"


@pytest.mark.parametrize("path", sorted((PACKAGE / "stages").glob("*.py")), ids=lambda p: p.stem)
def test_stages_do_not_import_each_other(path: Path) -> None:
    allowed = {"fashret.stages.search", "fashret.stages.rerank"} if path.stem == "evaluate" else set()
    assert not {name for name in imports(path) if name.startswith("fashret.stages")} - allowed


@pytest.mark.parametrize("path", MODULES, ids=lambda p: p.relative_to(PACKAGE).as_posix())
def test_only_files_and_their_description_open_hdf5(path: Path) -> None:
    if path.relative_to(PACKAGE).parts[0] == "files" or path.name == "info.py":
        return  # info describes what h5py shows of any file
    assert not {name.split(".")[0] for name in imports(path)} & HDF5_AND_WEIGHTS


@pytest.mark.parametrize("path", MODULES, ids=lambda p: p.relative_to(PACKAGE).as_posix())
def test_only_the_command_line_prints_or_exits(path: Path) -> None:
    if path.name == "cli.py":
        return
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            assert called not in ("print", "sys.exit", "exit", "quit", "os._exit"), f"{path}:{node.lineno}: {called}"


def test_help_imports_nothing_heavy() -> None:
    code = "import sys; import fashret.cli; print([m for m in ('torch', 'h5py', 'numpy', 'timm') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
