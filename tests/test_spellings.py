"""Spellings of the command line: old ones that are still taken, and names that are kept for what is to come."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer

from fashret.cli import app
from fashret.files.rankings import open_ranking
from fashret.reranking.methods import METHODS
from tests.conftest import invoke, make_rows, write_embeddings

GROUP: Any = typer.main.get_command(app)
RESERVED = ("--store", "--shard", "--cluster", "--dry-run")


def flags_of(command: str) -> set[str]:
    return {flag for parameter in GROUP.commands[command].params for flag in parameter.opts}


@pytest.mark.parametrize("command", sorted(GROUP.commands))
def test_reserved_names_are_used_for_nothing(command: str) -> None:
    assert not flags_of(command) & set(RESERVED)
    shown = invoke(command, "--help").stdout
    assert not [flag for flag in RESERVED if f"{flag} " in shown]


def test_several_photos_name_the_flag_that_will_take_them(tmp_path: Path) -> None:
    done = invoke("search", tmp_path / "none.emb.h5", "--image", "a.jpg", "--image", "b.jpg")
    assert done.returncode == 2 and not done.stdout
    assert "--images FOLDER|LIST" in done.stderr and "--image once" in done.stderr


def test_one_photo_is_searched_for_as_before(tmp_path: Path) -> None:
    done = invoke("search", tmp_path / "none.emb.h5", "--image", "a.jpg")
    assert done.returncode == 1 and "none.emb.h5: no such file" in done.stderr


def test_the_old_name_of_report_queries_is_taken_and_not_shown() -> None:
    assert "--gallery" not in invoke("evaluate", "--help").stdout
    for flag in ("--gallery", "--report-queries"):
        done = invoke("evaluate", "a.h5", flag, "many")
        assert done.returncode == 2 and "--report-queries" in done.stderr, flag
    done = invoke("evaluate", "none.h5", "--gallery", "3", "--report", "r")
    assert done.returncode == 1 and "none.h5: no such file" in done.stderr
    assert "--gallery" in invoke("crop", "--help").stdout  # of another command, which keeps it


@pytest.mark.parametrize("command", ["rerank none.h5 -o out.h5", "evaluate none.h5 --rerank"])
def test_settings(command: str) -> None:
    done = invoke(*command.split(), "--settings", "published", "--k1", "3")
    assert done.returncode == 1 and "none.h5: no such file" in done.stderr
    done = invoke(*command.split(), "--settings", "mine")
    assert done.returncode == 2 and "'auto'" in done.stderr and "'published'" in done.stderr
    shown = invoke(command.split()[0], "--help").stdout.split("--settings")[1].split("--k1 ")[0]
    assert "auto" in shown and "published" in shown


COMMANDS = {
    "bare": "",
    "auto": "--settings auto",
    "said": "--settings published",
    "own": "--settings published --k1 3",
}


@pytest.fixture(scope="module")
def ranking(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 rows, each query and gallery, searched."""
    folder = tmp_path_factory.mktemp("settings")
    vectors = np.random.default_rng(0).normal(size=(24, 4)).astype(np.float32)
    embeddings = write_embeddings(folder / "a.emb.h5", make_rows(24), vectors)
    assert invoke("search", embeddings, "-o", folder / "ranking.h5").returncode == 0
    return folder / "ranking.h5"


def test_settings_are_auto_by_default_and_numbers_override_them(ranking: Path) -> None:
    found = {}
    for name, words in COMMANDS.items():
        output = ranking.with_name(f"{name}.h5")
        done = invoke("rerank", ranking, "-o", output, *words.split())
        assert done.returncode == 0, done.stderr
        file = open_ranking(output)
        found[name] = file.reranking
        file.close()
    assert found["bare"] == found["auto"] and found["said"] == found["own"] | {"k1": 20, "settings": "published"}
    assert (found["said"]["k2"], found["said"]["lambda"], found["own"]["k1"]) == (6, 0.3, 3)
    assert found["auto"]["lambda"] > found["said"]["lambda"] and found["said"]["settings"] == "published"


@pytest.mark.parametrize("method", METHODS)
def test_evaluate_re_ranks_by_every_method(ranking: Path, method: str) -> None:
    words = ["--method", method, *(("--k1", 4) if method == "k-reciprocal" else ("--neighbours", 3))]
    output = ranking.with_name(f"{method}.h5")
    assert invoke("rerank", ranking, "-o", output, *words).returncode == 0
    apart = invoke("evaluate", ranking, output, "--json")
    at_once = invoke("evaluate", ranking.with_name("a.emb.h5"), "--rerank", *words, "--json")
    assert at_once.returncode == 0, at_once.stderr
    [first], [second] = (json.loads(done.stdout)["tables"][:1] for done in (apart, at_once))
    assert [list(row.values())[1:] for row in first["rows"]] == [list(row.values())[1:] for row in second["rows"]]
