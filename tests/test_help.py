"""What `--help` shows: options in panels, values as they are typed, examples that can be copied."""

from __future__ import annotations

import re
from typing import Any

import pytest
import typer

from fashret import choices
from fashret.cli import app
from fashret.options import MESSAGES, PANELS
from fashret.reranking.methods import METHODS
from tests.conftest import invoke

GROUP: Any = typer.main.get_command(app)
COMMANDS = sorted(GROUP.commands)
VALUES = {"auto", "cpu", "cuda", "mps", "imagenet", "none", "timm"}
VALUES |= {*METHODS} | {value for names in vars(choices).values() if isinstance(names, tuple) for value in names}
VALUES -= {*choices.ROLES}  # which are words of sentences, too


def options_of(command: str) -> list[Any]:
    """Every option of a command, as click knows it."""
    found = GROUP.commands[command]
    return [p for p in found.get_params(typer.Context(found)) if p.param_type_name == "option"]


def shown(command: str, width: int) -> str:
    done = invoke(command, "--help", columns=width)
    assert done.returncode == 0
    return done.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_is_in_a_panel(command: str) -> None:
    panels = {option.opts[0]: option.rich_help_panel for option in options_of(command)}
    assert all(panel in PANELS or panel.startswith("Only ") for panel in panels.values()), panels
    assert panels["--help"] == panels["--json"] == MESSAGES


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("width", [80, 120])
def test_values_are_as_they_are_typed(command: str, width: int) -> None:
    text = shown(command, width)
    assert max(len(line) for line in text.splitlines()) <= width
    assert "<|" not in text and "|>" not in text and "||" not in text  # no empty choice
    capitalised = {value[0].upper() + value[1:] for value in VALUES} - VALUES
    words = {word.strip(".,;:()") for word in re.split(r"[\s│|<>=]+", text)}
    assert not words & capitalised
    assert not re.search(r"\b(Crops|Embeddings|Ranking|Model)\.(h5|json)", text)


def test_train_says_that_values_depend_on_the_recipe() -> None:
    text = " ".join(shown("train", 120).split())
    assert "The recipe sets most values" in text and "--recipe NAME --show prints them all" in text


@pytest.mark.parametrize("command", COMMANDS)
def test_help_is_one_sentence_without_markup(command: str) -> None:
    for option in options_of(command):
        assert option.help.endswith(".") and not option.help.endswith("..") and "[" not in option.help, option.opts
        assert not re.search(r"\b(lies|stands?|goes on|anew|throw away)\b", option.help), option.help


@pytest.mark.parametrize("command", COMMANDS)
def test_an_example_is_a_line_that_can_be_copied(command: str) -> None:
    lines = [line.strip() for line in shown(command, 80).splitlines()]
    doc = GROUP.commands[command].help
    examples = re.findall(r"Example:\n *(fashret .+)", doc)
    assert examples and doc.count("Example") == len(examples)
    for example in examples:
        assert example in lines


def test_rerank_speaks_of_all_its_methods() -> None:
    text = " ".join(shown("rerank", 120).split())
    for name in (*METHODS, "query expansion"):
        assert name in text
    assert "Re-rank by k-reciprocal neighbours or by query expansion" in " ".join(
        invoke("--help").stdout.replace("│", " ").split()
    )


def test_defaults_that_are_zero_are_shown() -> None:
    text = " ".join(invoke("demo", "--help").stdout.replace("│", " ").split())
    assert "0 = one per core. [default: 0]" in text
