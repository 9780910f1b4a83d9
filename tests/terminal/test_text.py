"""Names from files on a terminal: neither markup nor emoji, and nothing that steers it, in whichever result."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

from fashret.terminal.text import lines, one_line, side_by_side
from tests.conftest import invoke, make_rows, write_crops, write_embeddings

NAME = "[red]:smile:\x1b[31m\x07\nforged\u202egpj"
SEEN = r"[red]:smile:\x1b[31m\x07\nforged\u202egpj"


def test_text_is_shown_as_it_is() -> None:
    assert one_line(NAME).plain == SEEN and one_line(NAME, "bold").style == "bold"
    assert lines("a", NAME).plain == f"a\n{SEEN}"


def test_values_are_below_each_other_and_a_very_long_name_moves_no_other() -> None:
    found = [line.plain for line in side_by_side({"a": "1", "帽子": "2", "x" * 50: "3"}, indent="  ")]
    assert found == ["  a    1", "  帽子 2", f"  {'x' * 50} 3"]


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_what_stdout_lacks_is_measured_as_it_is_written(tmp_path: Path, encoding: str) -> None:
    rows = make_rows(8, categories=("Hüte→帽子", "b"), category=np.arange(8, dtype=np.int16) // 2 % 2)
    write_embeddings(tmp_path / "e.h5", rows, np.random.default_rng(0).normal(size=(8, 4)).astype(np.float32))
    done = invoke("evaluate", tmp_path / "e.h5", "--per-category", columns=200, encoding=encoding)
    table = [line for line in done.stdout.splitlines() if line[:1] in ("|", "+")]
    assert any("->\\u5e3d\\u5b50" in line for line in table), done
    assert len(set(map(len, table))) == 1


@pytest.mark.parametrize(
    "command", ["info e.h5", "info c.h5", "evaluate e.h5", "evaluate e.h5 --markdown", "crop hostile.csv --check"]
)
def test_names_from_files_do_not_steer_the_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    rows = make_rows(8, product=np.array([f"{NAME}{i // 2}" for i in range(8)], object), categories=(NAME,))
    write_crops(tmp_path / "c.h5", rows)
    write_embeddings(tmp_path / "e.h5", rows, np.random.default_rng(0).normal(size=(8, 4)).astype(np.float32))
    quoted = NAME.replace("\n", " ")
    (tmp_path / "hostile.csv").write_text(f'image,product,category\n"{quoted}.jpg","{quoted}","{quoted}"\n')
    monkeypatch.chdir(tmp_path)
    done = invoke(*command.split(), columns=400)
    _check(done)
    assert ":smile:" in done.stdout


@pytest.mark.parametrize("command", ["info {}", "search {} -o a.h5", "crop {} -o a.h5", "evaluate {}", "train {} -o m"])
def test_names_in_errors_do_not_steer_the_terminal(command: str) -> None:
    done = invoke(*(word.format(NAME) for word in command.split()))
    assert done.returncode == 1 and r":smile:\x1b[31m" in done.stderr
    assert [line.startswith("fashret: ") for line in done.stderr.splitlines()] == [True]
    _check(done)


def _check(done: subprocess.CompletedProcess[str]) -> None:
    for text in (done.stdout, done.stderr):
        assert not {"\x1b", "\x07", "\u202e", "😄"} & set(text)
        assert not any(line.strip().startswith("forged") for line in text.splitlines())
