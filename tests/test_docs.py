"""The README's commands run as they are written; what it shows of the files is what they hold."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from fashret.files.columns import COLUMNS
from fashret.files.crops import open_crops
from fashret.files.embeddings import open_embeddings
from tests.conftest import invoke

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
ELSEWHERE = ("make ", "pip ")  # run by other tests, or by .ci/run


def shell_commands() -> list[str]:
    """Every command in the README's sh blocks, without comments."""
    blocks = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    lines = [line.split("#")[0].strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line and not line.startswith(ELSEWHERE)]


@pytest.fixture(scope="module")
def shop(pipeline: Path) -> Path:
    """The folder with what the README's reader has: the demo's files, photos and a customer's photo."""
    photos = pipeline / "photos"
    photos.mkdir(exist_ok=True)
    for photo in sorted((pipeline / "demo/photos").rglob("*shop*.jpg"))[:12]:
        shutil.copy(photo, photos)
    shutil.copy(next((pipeline / "demo/photos").rglob("*street*.jpg")), pipeline / "customer.jpg")
    return pipeline


def test_the_readme_has_commands() -> None:
    assert any(command.startswith("fashret embed") for command in shell_commands())


def test_the_commands_run(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(shop)
    for command in shell_commands():
        words = command.replace("40,60,380,900", "10,10,150,200").split()
        assert words[0] == "fashret", command
        done = invoke(*words[1:])
        assert done.returncode == 0, f"{command}: {done.stderr}"


def test_the_makefile_chain_parses(shop: Path) -> None:
    chain = next(b for b in re.findall(r"```make\n(.*?)```", README, re.DOTALL))
    (shop / "Makefile").write_text(chain)
    done = subprocess.run(["make", "-n", "scores.txt"], cwd=shop, capture_output=True, text=True)
    plan = [line for line in done.stdout.splitlines() if line.startswith("fashret ")]
    assert [line.split()[1] for line in plan] == ["crop", "train", "embed", "evaluate"], done.stderr


def test_the_readme_names_every_dataset_of_the_files(shop: Path) -> None:
    for name in (*COLUMNS, "images", "vectors", "gallery_row", "distance", "query_row"):
        assert f"`{name}`" in README, name
    with open_crops(shop / "demo/crops.h5") as crops, open_embeddings(shop / "demo/catalogue.emb.h5") as embeddings:
        for found in {*crops.file, *embeddings.file}:
            assert f"`{found}`" in README, found
        for attribute in {*crops.file.attrs, *embeddings.file.attrs}:
            assert f"`{attribute}`" in README, attribute
