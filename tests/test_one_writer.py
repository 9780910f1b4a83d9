"""Commands that write one output at the same time: the second is refused at once, and touches nothing of the first."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import asdict
from pathlib import Path

import pytest

from fashret.files.locks import Owner, lock_path, locked, process_start, writer
from tests.conftest import invoke

COMMANDS = {
    "crop demo/photos/manifest.csv -o out.h5": "out.h5",
    "train demo/crops.h5 --recipe demo --epochs 1 --batch-products 8 --input 64x64 -o model": "model/model.json",
    "embed demo/crops.h5 --model demo/model -o out.h5": "out.h5",
    "search demo/catalogue.emb.h5 -o out.h5": "out.h5",
    "rerank demo/ranking.h5 -o out.h5": "out.h5",
    "evaluate demo/ranking.h5 --report report": "report",
    "export demo/catalogue.emb.h5 -o out.parquet": "out.parquet",
    "show demo/ranking.h5 --query 0 -o row.png": "row.png",
}


@pytest.fixture
def folder(pipeline: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(pipeline / "demo", tmp_path / "demo", symlinks=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def hold(output: Path) -> Owner:
    """Make the process that started this one the writer of an output."""
    with locked(output):
        mine = writer(output)
    assert mine is not None
    other = Owner(mine.host, mine.machine, os.getppid(), process_start(os.getppid()))
    lock_path(output).write_text(json.dumps(asdict(other)))
    return other


@pytest.mark.parametrize("command", COMMANDS)
def test_the_second_writer_is_refused(folder: Path, command: str) -> None:
    output = folder / COMMANDS[command]
    output.parent.mkdir(exist_ok=True)
    hold(output)
    left = [output.with_name(output.name + ending) for ending in (".spool", ".unfinished", ".partial")]
    for path in left:
        path.write_bytes(b"the first run's")
    refused = invoke(*command.split())
    assert refused.returncode == 1 and f"process {os.getppid()} is writing it; wait for it" in refused.stderr
    assert all(path.read_bytes() == b"the first run's" for path in left) and not output.exists()


def test_two_evaluations_of_one_file_do_not_share_unfinished_work(folder: Path) -> None:
    alone = invoke("evaluate", "--rerank", "demo/catalogue.emb.h5", "--csv")
    hold(folder / "demo/catalogue.emb.h5.reranking.unfinished")
    (folder / "demo/catalogue.emb.h5.reranking.unfinished").write_bytes(b"the first run's")
    second = invoke("evaluate", "--rerank", "demo/catalogue.emb.h5", "--csv")
    assert second.returncode == 0 and second.stdout == alone.stdout
    assert (folder / "demo/catalogue.emb.h5.reranking.unfinished").read_bytes() == b"the first run's"


def test_a_run_after_one_that_made_nothing_resumes_or_begins(folder: Path) -> None:
    lost = "crop demo/photos/manifest.csv --root demo/model -o out.h5"
    assert invoke(*lost.split()).returncode == 1
    assert {path.name for path in folder.iterdir()} == {"demo", "out.h5.errors.jsonl"}
    found = "crop demo/photos/manifest.csv -o out.h5 --resume"
    assert invoke(*found.split()).returncode == 0
    assert {path.name for path in folder.iterdir()} == {"demo", "out.h5"}
    train = "train demo/crops.h5 --recipe demo --epochs 1 --batch-products 8 --input 64x64 -o model"
    assert invoke(*train.split(), "--weights", "missing.pth").returncode == 1
    assert not (folder / "model").exists()
    (folder / "model/checkpoints").mkdir(parents=True)
    assert invoke(*train.split(), "--resume").returncode == 0
