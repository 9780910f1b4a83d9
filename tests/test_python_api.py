"""`import fashret`: what it loads, the names it has, and the examples of docs/python.md, which run as written."""

from __future__ import annotations

import ast
import io
import re
import shutil
import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path

import pytest

import fashret

DOCUMENT = (Path(__file__).parent.parent / "docs" / "python.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", DOCUMENT, re.DOTALL)
HEAVY = ("numpy", "torch", "h5py", "numba", "scipy", "PIL")


def loaded_after(code: str) -> list[str]:
    """Which of the heavy packages a fresh process has loaded after running some code."""
    script = f"{code}\nimport sys\nprint(*(name for name in {HEAVY} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_importing_loads_nothing() -> None:
    assert loaded_after("import fashret; dir(fashret); fashret.__version__; fashret.FashretError") == []


def test_opening_a_file_loads_no_torch() -> None:
    assert "torch" not in loaded_after("import fashret\ntry: fashret.open('none')\nexcept fashret.FashretError: pass")


def test_every_name_is_there_and_documented() -> None:
    assert fashret.__all__ == sorted(fashret.__all__) and set(fashret.__all__) <= set(dir(fashret))
    listed = re.findall(r"^\| `(\w+)", DOCUMENT, re.MULTILINE)
    assert sorted(listed) == fashret.__all__
    for name in fashret.__all__:
        assert getattr(fashret, name).__doc__, name
    with pytest.raises(AttributeError, match="module 'fashret' has no attribute 'serach'"):
        fashret.serach  # type: ignore[attr-defined]  # noqa: B018


def test_type_checkers_see_each_name_where_it_comes_from() -> None:
    tree = ast.parse(Path(fashret.__file__).read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    seen = {alias.name: part.module for part in block.body if isinstance(part, ast.ImportFrom) for alias in part.names}
    assert {name: fashret._MODULES.get(name, "fashret.api") for name in fashret.__all__} == seen
    defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert "__getattr__" not in defined, "type checkers would take any name for one of the package's"


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_the_examples_run(number: int, pipeline: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(pipeline, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    street = next((tmp_path / "demo/photos").rglob("*street*.jpg"))
    (tmp_path / "customer.jpg").write_bytes(street.read_bytes())
    names: dict[str, object] = {}
    with redirect_stdout(io.StringIO()) as printed:
        exec(EXAMPLES[number], names)
    assert printed.getvalue()
    if "scores" in names:
        assert 0 < names["scores"].mean["mAP"] <= 1  # type: ignore[attr-defined]


def test_there_are_examples() -> None:
    assert len(EXAMPLES) == 3
