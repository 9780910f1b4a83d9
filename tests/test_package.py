"""A wheel built from the tree works elsewhere, with the manifests of the datasets; it asks for all that it imports."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import fashret

TREE = Path(__file__).parent.parent


def run(*command: object, **settings: object) -> str:
    done = subprocess.run([sys.executable, *map(str, command)], capture_output=True, text=True, **settings)  # type: ignore[call-overload]
    assert done.returncode == 0, done.stderr
    return str(done.stdout)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run("-m", "build", "--wheel", "--no-isolation", "--outdir", folder, TREE)
    return next(folder.glob("fashret-*.whl"))


def test_the_wheel_holds_every_module_and_manifest(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    modules = {p.relative_to(TREE).as_posix() for p in (TREE / "fashret").rglob("*.py")}
    manifests = {f"fashret/data_manifests/{p.name}" for p in (TREE / "data_manifests").glob("*.toml")}
    assert manifests and not (modules | manifests) - names
    assert not [name for name in names if name.startswith(("tests/", "data_manifests/"))]


def test_the_installed_wheel_works_elsewhere(wheel: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    run("-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", site, wheel)
    elsewhere = {"cwd": tmp_path, "env": {**os.environ, "PYTHONPATH": str(site), "COLUMNS": "200"}}
    where = run("-c", "import fashret; print(fashret.__file__)", **elsewhere)
    assert Path(where.strip()).is_relative_to(site)
    assert "crop" in run("-m", "fashret", "--help", **elsewhere)
    assert "street2shop" in run("-m", "fashret", "datasets", **elsewhere)


def test_the_version_is_what_the_changelog_is_about() -> None:
    headings = re.findall(r"^## (\S+)", (TREE / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    newest, released = headings[0], headings[1:]
    development = ".dev" in fashret.__version__
    assert newest == ("Unreleased" if development else fashret.__version__)
    assert fashret.__version__.split(".dev")[0] not in released


IMPORTED_AS = {"pillow": "PIL", "scikit-learn": "sklearn"}  # where the name differs by more than a dash
COMES_WITH = {"markupsafe": "jinja2", "llvmlite": "numba"}  # parts of a dependency's own interface
NOT_IMPORTED = {"six"}  # pretrainedmodels imports it and does not ask for it


def dependencies() -> tuple[set[str], set[str]]:
    """Modules that are installed with fashret, and those of its extras."""
    project = tomllib.loads((TREE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = [entry for of_extra in project["optional-dependencies"].values() for entry in of_extra]
    names = ([re.split(r"[<>=\[]", entry)[0] for entry in entries] for entries in (project["dependencies"], extras))
    always, sometimes = ({IMPORTED_AS.get(name, name.replace("-", "_")) for name in listed} for listed in names)
    return always, sometimes


def imported() -> set[str]:
    """Modules of other packages that fashret imports, wherever in its code."""
    names: set[str] = set()
    for path in (TREE / "fashret").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                names.add(node.module)
    return {name.partition(".")[0] for name in names} - set(sys.stdlib_module_names) - {"fashret"}


def test_what_is_installed_with_it_is_imported() -> None:
    always, _ = dependencies()
    assert always - NOT_IMPORTED <= imported()


def test_what_it_imports_is_installed_with_it() -> None:
    always, sometimes = dependencies()
    assert {COMES_WITH.get(name, name) for name in imported()} <= always | sometimes
