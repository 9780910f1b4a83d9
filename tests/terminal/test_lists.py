"""The lists of datasets, backbones, losses and recipes, and the page of one entry."""

from __future__ import annotations

import pytest

from fashret.files.manifests import find_manifest
from fashret.stages import list_datasets, list_losses, list_models, list_recipes
from fashret.terminal.lists import FIGURES
from tests.conftest import invoke
from tests.terminal import printed


@pytest.mark.parametrize("stage", [list_datasets, list_losses, list_recipes])
def test_a_list_fits_a_terminal(stage) -> None:  # type: ignore[no-untyped-def]
    assert max(len(line) for line in printed(stage.run(), 80).splitlines()) <= 80


def test_the_page_of_a_dataset_has_the_figures_of_the_literature() -> None:
    lines = [" ".join(line.split()) for line in printed(list_datasets.run("street2shop")).splitlines()]
    published = find_manifest("street2shop").published
    for name in FIGURES:
        assert not published.get(name) or f"{name} {published[name]}" in lines


def test_the_page_of_a_backbone() -> None:
    lines = [line.split() for line in printed(list_models.run("resnet18")).splitlines()]
    assert lines[0] == ["resnet18"] and ["parameters", "11,176,512"] in lines and ["input", "256x128"] in lines


@pytest.mark.parametrize("command", ["losses", "recipes", "models", "datasets"])
def test_an_unknown_name_is_one_line(command: str) -> None:
    done = invoke(command, "nothing")
    assert done.returncode == 1 and not done.stdout
    assert done.stderr.count("\n") == 1 and "nothing" in done.stderr
