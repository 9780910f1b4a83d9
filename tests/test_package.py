"""A wheel built from the tree and installed elsewhere works, with the manifests of the public datasets in it."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

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
