"""Whatever stdout and stderr are, a run does its work, and its text is on them as far as they take it."""

from __future__ import annotations

import io
import json
import math
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from fashret import standard_streams
from fashret.cli import show
from tests.conftest import invoke, jpeg, make_rows, write_crops, write_embeddings

ASCII = {"PYTHONIOENCODING": "ascii"}
CP1252 = {"PYTHONIOENCODING": "cp1252"}
C = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    names = np.array([f"Mütze {i // 2} 帽→\x1b[31m" for i in range(8)], object)
    rows = make_rows(8, product=names, categories=("Hüte→",))
    write_crops(tmp_path / "c.h5", rows)
    write_embeddings(tmp_path / "e.h5", rows, np.random.default_rng(0).normal(size=(8, 4)).astype(np.float32))
    (tmp_path / "c.csv").write_text("image,product\nkein→.jpg,x\n", encoding="utf-8")
    return tmp_path


def run(folder: Path, command: str, shell: str = "", **environment: str) -> subprocess.CompletedProcess[bytes]:
    """Run a command, in a shell where `shell` says what follows it."""
    root = str(Path(__file__).parent.parent)
    settings = {**os.environ, "PYTHONPATH": root, "COLUMNS": "100", **environment}
    words = [sys.executable, "-m", "fashret", *command.split()]
    if shell:
        bash = shutil.which("bash")
        if bash is None:
            pytest.skip("no bash")
        words = [bash, "-c", f'set -o pipefail; "$0" -m fashret {command} {shell}', sys.executable]
    return subprocess.run(words, capture_output=True, cwd=folder, env=settings, timeout=240)


@dataclass(frozen=True)
class Odd:
    name: str
    path: Path
    numbers: dict[str, float]


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "cp1252"])
def test_json_is_valid_whatever_names_and_numbers_are(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data = io.BytesIO()
    stream = io.TextIOWrapper(data, encoding=encoding, errors=standard_streams.HANDLER)
    monkeypatch.setattr(sys, "stdout", stream)
    show(Odd("caf\udce9 é→\U0001f600", Path("a\udcff"), {"b\udc80": math.nan, "c": 0.5}), as_json=True)
    text = data.getvalue().decode(encoding)
    found = json.loads(text, parse_constant=lambda name: pytest.fail(name))
    assert found == {
        "name": "caf\\udce9 é→\U0001f600", "path": "a\\udcff", "numbers": {"b\\udc80": None, "c": 0.5},
    }  # fmt: skip
    json.dumps(found, ensure_ascii=False).encode()  # no half of a character


def test_what_an_encoding_lacks_is_spelled() -> None:
    def stream(encoding: str) -> io.TextIOWrapper:
        return io.TextIOWrapper(io.BytesIO(), encoding=encoding)

    assert standard_streams.spelled("ü→帽", stream("ascii")) == "\\xfc->\\u5e3d"
    assert standard_streams.spelled("ü→帽", stream("latin-1")) == "ü->\\u5e3d"
    assert standard_streams.spelled("ü→帽", stream("utf-8")) == "ü→帽"


@pytest.mark.parametrize(
    ("command", "environment"),
    [
        ("--help", ASCII),
        ("--help", CP1252),
        ("evaluate --help", C),
        ("info e.h5", ASCII),
        ("info e.h5", CP1252),
        ("info e.h5 --json", C),
        ("info none→.h5", ASCII),
        ("info --wrong→", ASCII),
        ("datasets", ASCII),
        ("datasets street2shop", CP1252),
        ("recipes rst", ASCII),
        ("crop c.csv -o new.h5", ASCII),
        ("evaluate e.h5 --csv", ASCII),
        ("evaluate e.h5", CP1252),
    ],
)
def test_no_encoding_lacks_what_is_printed(
    folder: Path, command: str, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    encoding = environment.get("PYTHONIOENCODING")
    if encoding is None or "help" in command:  # in a process whose environment it is
        done = run(folder, command, **environment)
        code, text = done.returncode, (done.stdout + done.stderr).decode(encoding or "latin-1")
    else:
        monkeypatch.chdir(folder)
        there = invoke(*command.split(), columns=100, encoding=encoding)
        code, text = there.returncode, there.stdout + there.stderr
    assert code == (1 if "none" in command or "crop" in command else 2 if "wrong" in command else 0)
    assert text and "Traceback" not in text and "\x1b" not in text
    if environment is not CP1252:
        assert text.isascii()


@pytest.mark.parametrize("command", ["--help", "info e.h5"])
@pytest.mark.parametrize("shell", ["| head -1", ">&-", "| true", ">&- 2>&-", "2>&1 | true"])
def test_a_reader_that_goes_away_ends_the_printing_alone(folder: Path, command: str, shell: str) -> None:
    done = run(folder, command, shell)
    assert done.stderr == b"" and len(done.stdout.splitlines()) == ("head" in shell)
    if command != "--help":
        assert done.returncode == 0


def test_the_work_is_done_whoever_reads(folder: Path) -> None:
    sizes = set()
    (folder / "photos").mkdir()
    (folder / "photos/a.jpg").write_bytes(jpeg(np.zeros((9, 9, 3), np.uint8)))
    for i, shell in enumerate(("| true", ">&- 2>&- <&-")):
        done = run(folder, f"crop photos -o {i}.h5", shell)
        assert done.returncode == 0, (shell, done.stderr)
        sizes.add((folder / f"{i}.h5").stat().st_size)
    assert len(sizes) == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_result_that_cannot_be_written_is_said(folder: Path) -> None:
    done = run(folder, "recipes", "> /dev/full")
    assert done.returncode == 1 and done.stderr.startswith(b"fashret: ") and b"No space left" in done.stderr
    assert b"Traceback" not in done.stderr


def test_characters_have_their_likes() -> None:
    text = "photo → crop × 3 …\u200b帽"
    assert text.encode("ascii", standard_streams.HANDLER) == rb"photo -> crop x 3 ...\u200b\u5e3d"
    assert "Mütze →".encode("cp1252", standard_streams.HANDLER) == b"M\xfctze ->"
