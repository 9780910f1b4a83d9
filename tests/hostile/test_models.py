"""Hostile model folders, checkpoints and leftovers of interrupted runs before every command that could open them."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from fashret.files import hdf5, saved_arrays
from tests.conftest import invoke
from tests.hostile.files import Target
from tests.hostile.test_hdf5 import LEADS_OUT, check_refused, folder, sound

__all__ = ["folder", "sound"]

COMMANDS = (
    "info model",
    "info model/model.json --json",
    "embed crops.h5 --model model --device cpu --precision float32 --workers 0 -o NEW.h5",
    "search embeddings.h5 --image photo.jpg --device cpu",
    "export model -o NEW.onnx",
)
MODEL: dict[str, Callable[[dict[str, Any]], Any]] = {
    "no object": lambda about: [about],
    "too deep": lambda about: about | {"options": json.loads("[" * 900 + "]" * 900)},
    "other types": lambda about: about | {"settings": ["backbone"], "digest": 5},
    "settings of other types": lambda about: about | {"settings": about["settings"] | {"backbone": {}, "mean": 5}},
    "settings without end": lambda about: about | {"settings": about["settings"] | {"height": 10**300, "dim": 10**12}},
    "a huge input": lambda about: about | {"settings": about["settings"] | {"height": 10**9, "width": 10**9}},
    "many classes": lambda about: about | {"settings": about["settings"] | {"classes": 10**12}},
    "an unknown backbone": lambda about: about | {"settings": about["settings"] | {"backbone": "x\n\x1b[31m"}},
    "numbers that are none": lambda about: about | {"format_version": float("nan")},
    "other weights": lambda about: about | {"digest": "sha256:" + "0" * 64},
}


def check_model(folder: Path) -> None:
    """All that a command says about a model that is none is one line; `info` may not look at the fault."""
    for command in COMMANDS:
        if command.startswith("info"):
            assert invoke(*command.split()).returncode in (0, 1)
        else:
            check_refused(command, folder)


@pytest.mark.parametrize("fault", MODEL)
def test_descriptions(folder: Path, fault: str) -> None:
    file = folder / "model" / "model.json"
    file.write_text(json.dumps(MODEL[fault](json.loads(file.read_text()))))
    check_model(folder)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff" * 100, b"[" * 1_000_000, b"1" * 10_000, b" " * 2_000_000])
def test_descriptions_that_are_no_json(folder: Path, content: bytes) -> None:
    (folder / "model" / "model.json").write_bytes(content)
    check_model(folder)
    for command in COMMANDS:
        check_refused(command, folder)


def put(path: Path, what: str) -> bool:
    """Put something that is no file in its place; false if what is none of these."""
    if what == "pipe":
        os.mkfifo(path)
    elif what == "device":
        path.symlink_to("/dev/zero")
    elif what == "folder":
        path.mkdir()
    elif what == "link to itself":
        path.symlink_to(path.name)
    else:
        return False
    return True


@pytest.mark.parametrize("name", ["model.json", "model.safetensors"])
@pytest.mark.parametrize("what", ["pipe", "device", "folder", "nothing", "link to itself", "cut off", "zeros"])
def test_files_of_a_model_folder(folder: Path, name: str, what: str) -> None:
    path = folder / "model" / name
    content = path.read_bytes()
    path.unlink()
    if not put(path, what) and what != "nothing":
        path.write_bytes(content[:-100] if what == "cut off" else bytes(len(content)))
    check_model(folder)


def test_a_header_that_claims_more_than_there_is(folder: Path) -> None:
    path = folder / "model" / "model.safetensors"
    head = json.dumps({"a": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}}).encode()
    for size in (len(head), 2**62, 10**8):
        path.write_bytes(size.to_bytes(8, "little") + head)
        check_model(folder)


@pytest.mark.parametrize("kind", ["pipe", "device", "folder", "empty", "text", "jit", "zip"])
def test_checkpoints(folder: Path, kind: str) -> None:
    path = folder / "weights.pth"
    if kind == "jit":
        torch.save({"a": 1}, path)
    elif not put(path, kind):
        path.write_bytes({"empty": b"", "text": b"a" * 99, "zip": b"PK\x03\x04" + bytes(99)}[kind])
    network = "--backbone osnet_x0_25 --weights weights.pth --device cpu"
    for command in (f"embed crops.h5 {network} -o NEW.h5", f"train crops.h5 {network} -o NEW-model"):
        check_refused(command, folder)


RERANK = "rerank ranking.h5 -o NEW.h5 --device cpu --method k-reciprocal"


@pytest.mark.parametrize("fault", LEADS_OUT, ids=lambda fault: fault.__name__)
def test_unfinished_work_that_leads_out(folder: Path, fault: Callable[[Target], None]) -> None:
    path = folder / "NEW.h5.unfinished"
    with hdf5.write_whole(path, saved_arrays.KIND, 1) as file:
        hdf5.write_json(file, "task", {})
        file["vectors"], file["product"] = [[1.0] * 4] * 8, ["a"] * 8
    fault(Target(path, "embeddings"))
    for flags in ("", " --resume"):
        assert "fashret reads only what is in the file itself" in check_refused(RERANK + flags, folder)


@pytest.mark.parametrize("name", ["NEW.h5.unfinished", "NEW.emb.h5.spool"])
@pytest.mark.parametrize("what", ["pipe", "device", "folder", "link to itself"])
@pytest.mark.parametrize("flag", ["", " --resume"])
def test_leftovers_that_no_run_left(folder: Path, name: str, what: str, flag: str) -> None:
    path = folder / name
    if what == "pipe":
        os.mkfifo(path)
    elif what == "device":
        path.symlink_to("/dev/zero")
    elif what == "folder":
        path.mkdir()
    else:
        path.symlink_to(path.name)
    embed = "embed crops.h5 --model model --device cpu --precision float32 --workers 0 -o NEW.emb.h5"
    check_refused((RERANK if name.endswith("unfinished") else embed) + flag, folder)


def test_leftovers_of_no_sense_are_begun_anew(folder: Path) -> None:
    embed = "embed crops.h5 --model model --device cpu --precision float32 --workers 0 -o NEW.emb.h5"
    for content in (b"", b"{", b"[" * 100_000, b'{"format": "fashret.spool", "version": 1, "task": []}\n', bytes(9999)):
        for command, name in ((RERANK, "NEW.h5.unfinished"), (embed, "NEW.emb.h5.spool")):
            (folder / name).write_bytes(content)
            done = invoke(*command.split(), "--resume")
            assert done.returncode == 0, f"{command}: {content[:20]!r}: {done.stderr}"
            assert not (folder / name).exists()
            for path in folder.glob("NEW*"):
                shutil.rmtree(path) if path.is_dir() else os.unlink(path)
