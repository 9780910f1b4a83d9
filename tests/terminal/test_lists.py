"""The lists of datasets, backbones, losses and recipes, and the page of one entry."""

from __future__ import annotations

import pytest

from fashret.files.tables.manifests import find_manifest, manifest_names
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


@pytest.mark.parametrize("name", manifest_names())
@pytest.mark.parametrize("width", [60, 120])
def test_every_dataset_has_a_page_that_cuts_nothing_off(name: str, width: int) -> None:
    about = find_manifest(name)
    text = printed(list_datasets.run(name), width)
    words = "".join(text.split())
    assert text.startswith(about.title[:20]) and "".join(about.licence.split()) in words
    command = f"fashretcrop{name}--rootFOLDER-o"
    assert ("".join(about.no_pairs.split()) if about.no_pairs else command) in words
    for entry in about.expected:
        assert f"{entry.count:,}" in text


def test_counts_that_need_an_option_name_it() -> None:
    text = printed(list_datasets.run("deepfashion"))
    assert "gallery photos 11,312 (--gallery test)" in " ".join(text.split())


def test_the_page_of_a_backbone() -> None:
    lines = [line.split() for line in printed(list_models.run("resnet18")).splitlines()]
    assert lines[0] == ["resnet18"] and ["parameters", "11,176,512"] in lines and ["input", "256x128"] in lines


@pytest.mark.parametrize("command", ["losses", "recipes", "models", "datasets"])
def test_an_unknown_name_is_one_line(command: str) -> None:
    done = invoke(command, "nothing")
    assert done.returncode == 1 and not done.stdout
    assert done.stderr.count("\n") == 1 and "nothing" in done.stderr
