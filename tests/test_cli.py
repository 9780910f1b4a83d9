"""The command line: the six commands on drawn photos, by exit code and the data they leave."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fashret import __version__
from fashret.cli import app
from fashret.console import noted_if_stopped
from fashret.files.columns import Role
from fashret.files.embeddings import open_embeddings
from fashret.files.rankings import open_ranking
from tests.conftest import invoke, make_rows, write_crops, write_embeddings

Run = Callable[..., subprocess.CompletedProcess[str]]
STAGES = ["crop", "train", "embed", "search", "rerank", "evaluate"]


def test_help_lists_the_commands_in_pipeline_order(fashret: Run) -> None:
    text = fashret("--help").stdout
    places = [text.index(f"│ {name} ") for name in [*STAGES, "demo", "info"]]
    assert places == sorted(places)


@pytest.mark.parametrize("name", sorted(c.name or c.callback.__name__ for c in app.registered_commands))  # type: ignore[union-attr]
def test_every_command_has_an_example(name: str) -> None:
    [registered] = [c for c in app.registered_commands if name in (c.name, getattr(c.callback, "__name__", ""))]
    assert re.search(rf"Example:\n +fashret {name}\b", registered.callback.__doc__ or "")


NOT_RUN = ("demo", "train", "train-detector", "detect", "serve")  # run by the fixture, long, or without an end


def test_the_examples_run(pipeline: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every example of the pipeline is the command that made the files, or runs on them."""
    shutil.copytree(pipeline, tmp_path, dirs_exist_ok=True)  # examples leave files that other tests do not expect
    monkeypatch.chdir(tmp_path)
    photo = next((tmp_path / "demo" / "photos").rglob("*street*.jpg"))
    (tmp_path / "photo.jpg").write_bytes(photo.read_bytes())
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "one.jpg").write_bytes(photo.read_bytes())
    for registered in app.registered_commands:
        for example in re.findall(r"Example:\n +fashret (.+)", registered.callback.__doc__ or ""):
            if example.split()[0] in NOT_RUN:
                continue
            words = example.replace("40,60,380,900", "10,10,200,200").split()
            done = invoke(*words)
            assert done.returncode == 0, f"{example}: {done.stderr}"


def test_every_file_says_what_it_is(pipeline: Path) -> None:
    kinds = {}
    for name in ("crops.h5", "model", "catalogue.emb.h5", "ranking.h5", "reranked.h5", "photos/manifest.csv"):
        done = invoke("info", "--json", pipeline / "demo" / name)
        assert done.returncode == 0, done.stderr
        kinds[name] = json.loads(done.stdout)["kind"]
    assert list(kinds.values()) == [
        "fashret.crops",
        "fashret.model",
        "fashret.embeddings",
        "fashret.ranking",
        "fashret.ranking",
        "manifest",
    ]


def test_rows_and_origins_are_kept_from_stage_to_stage(pipeline: Path) -> None:
    with open_embeddings(pipeline / "demo/catalogue.emb.h5") as embeddings:
        queries = embeddings.with_role(Role.QUERY)
        gallery = set(embeddings.with_role(Role.GALLERY))
        np.testing.assert_allclose(np.linalg.norm(embeddings.vectors, axis=1), 1, atol=1e-5)
        assert embeddings.model["trained_on"] == embeddings.dataset != ""
    plain, reranked = (open_ranking(pipeline / "demo" / name) for name in ("ranking.h5", "reranked.h5"))
    np.testing.assert_array_equal(plain.query_row, queries)
    np.testing.assert_array_equal(reranked.query_row, queries)
    assert set(plain.gallery_row.ravel()) - {-1} <= gallery
    assert not plain.reranking and reranked.reranking


def test_scores_come_from_embeddings_and_from_rankings_alike(pipeline: Path) -> None:
    demo = pipeline / "demo"
    both = json.loads(invoke("evaluate", demo / "catalogue.emb.h5", "--rerank", "--json").stdout)
    plain = json.loads(invoke("evaluate", demo / "ranking.h5", "--json").stdout)
    again = json.loads(invoke("evaluate", demo / "reranked.h5", "--json").stdout)
    text = json.dumps(both)
    for alone in (plain, again):
        value = next(n for n in numbers(alone) if 0 < n < 1)
        assert str(value) in text


def numbers(value: object) -> list[float]:
    """All floats in a JSON value, in order."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [n for item in value for n in numbers(item)]
    return [value] if isinstance(value, float) else []


def test_flags_and_files_may_stand_in_any_order(pipeline: Path) -> None:
    path = pipeline / "demo/catalogue.emb.h5"
    first = invoke("evaluate", "--rerank", path, "--json", "--quiet")
    second = invoke("evaluate", path, "--json", "--quiet", "--rerank")
    assert first.returncode == 0 and first.stdout == second.stdout


def test_a_ranking_is_not_searched_again(pipeline: Path) -> None:
    for flag in ("--rerank", "--rerank --lambda 0.5", "--metric euclidean"):
        done = invoke("evaluate", pipeline / "demo/ranking.h5", *flag.split())
        assert_one_line(done, f"is a ranking, which {flag.split()[0]} does not change")


def test_a_photo_finds_itself_in_the_catalogue(pipeline: Path) -> None:
    photos = pipeline / "demo/photos"
    photo = next(photos.rglob("*shop*.jpg"))
    catalogue = pipeline / "shop.emb.h5"
    assert invoke("embed", photos / "photos", "--model", pipeline / "demo/model", "-o", catalogue).returncode == 0
    done = invoke("search", catalogue, "--image", photo, "--json")
    hits = json.loads(done.stdout)["hits"]
    assert len(hits) == 10 and hits[0]["distance"] < 1e-6
    assert hits[0]["photo"] == photo.relative_to(photos / "photos").as_posix()
    shown = invoke("search", catalogue, "--image", photo)
    assert shown.returncode == 0 and hits[0]["photo"] in shown.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--box", "5,5,2,9"], "x1 < x2"),
        (["--box", "a,b"], "write x1,y1,x2,y2"),
        (["--box", "5000,5000,6000,6000"], "no area inside the photo"),
    ],
)
def test_a_bad_box_is_one_line(pipeline: Path, arguments: list[str], said: str) -> None:
    photo = next((pipeline / "demo/photos").rglob("*shop*.jpg"))
    done = invoke("search", pipeline / "demo/catalogue.emb.h5", "--image", photo, *arguments)
    assert_one_line(done, said)


def assert_one_line(done: subprocess.CompletedProcess[str], said: str) -> None:
    """Exit code 1, nothing on stdout, and one line that says it."""
    lines = [line for line in done.stderr.splitlines() if line.startswith("fashret:")]
    assert done.returncode == 1 and len(lines) == 1 and re.search(said, lines[0]), done.stderr
    assert "Traceback" not in done.stderr and not done.stdout


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("info {tmp}/none.h5", "no such file"),
        ("embed {crops} --model {tmp}/none -o {tmp}/a.emb.h5", "no such model folder"),
        (
            "embed {emb} --backbone resnet18 --weights none -o {tmp}/x.emb.h5",
            "not a fashret.crops file; `fashret crop` makes one",
        ),
        (
            "search {crops} -o {tmp}/a.h5",
            "is a fashret.crops file, not a fashret.embeddings file; `fashret embed` makes",
        ),
        ("search {emb} {wide} -o {tmp}/a.h5", "wide.emb.h5"),
        ("search {emb} {other} -o {tmp}/a.h5", "other"),
        ("search {nan} -o {tmp}/a.h5", "NaN|finite"),
        ("search {emb} -o {tmp}/missing/a.h5", "does not exist"),
        ("search {emb} -o {tmp}/a.h5 --memory much", "not an amount of memory"),
        ("search {emb} --image {tmp}/none.jpg", "none.jpg"),
        ("search {emb} --image {tmp}/none.jpg -k 0", "--top 0: must be 1 or more"),
        ("embed {crops} --backbone small --weights none --size 64 -o {tmp}/a.emb.h5", "--size: is for photos"),
        ("embed {crops} --backbone small --weights none --seed -1 -o {tmp}/a.emb.h5", "--seed -1: must be 0 or more"),
        (
            "embed {tmp} --backbone small --weights none --size 100000 -o {tmp}/a.emb.h5",
            "--size 100000: must be 0 to 16,384",
        ),
        ("demo {tmp}/demo --seed 9223372036854775808", "--seed 9223372036854775808: must be 0 or more, and less than"),
        ("rerank {emb} -o {tmp}/a.h5", "not a fashret.ranking file; `fashret search` makes one$"),
        ("evaluate {lonely}", "positive"),
        ("crop {tmp}/none.csv -o {tmp}/a.h5", "no such file"),
        ("train {crops} --recipe nothing -o {tmp}/m", "no such recipe"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(tmp_path: Path, command: str, said: str) -> None:
    vectors = np.random.default_rng(0).normal(size=(8, 4)).astype(np.float32)
    broken = np.where(np.arange(8)[:, None] == 3, np.nan, vectors).astype(np.float32)
    inputs = tmp_path / "inputs"
    inputs.mkdir()
    lonely = make_rows(8, product=np.array([f"p{i}" for i in range(8)], object))
    names = {
        "tmp": tmp_path,
        "crops": write_crops(inputs / "a.crops.h5", make_rows(8)),
        "emb": write_embeddings(inputs / "a.emb.h5", make_rows(8), vectors, {"name": "one", "digest": "sha256:0"}),
        "wide": write_embeddings(inputs / "wide.emb.h5", make_rows(8), np.ones((8, 6), np.float32)),
        "other": write_embeddings(inputs / "b.emb.h5", make_rows(8), vectors, {"name": "other", "digest": "sha256:1"}),
        "nan": write_embeddings(inputs / "nan.emb.h5", make_rows(8), broken),
        "lonely": write_embeddings(inputs / "lonely.emb.h5", lonely, vectors),
    }
    words = [word.format(**names) for word in command.split()]
    assert_one_line(invoke(*words), said)
    assert [p.name for p in tmp_path.iterdir()] == ["inputs"]


@pytest.mark.parametrize(
    "command",
    [
        "",
        "search",
        "frobnicate",
        "crop --size many x",
        "evaluate",
        "search a.h5 --metric manhattan -o b.h5",
        "search a.h5 --box 1,2,3,4 -o b.h5",
        "search a.h5 --image a.jpg --within category",
        "search a.h5 --image a.jpg --exclude-same-product",
    ],
)
def test_wrong_usage_is_exit_code_2(command: str) -> None:
    assert invoke(*command.split()).returncode == 2


@pytest.mark.parametrize(
    ("command", "option", "needed"),
    [
        ("evaluate a.h5 --k1 5", "--k1", "--rerank"),
        ("evaluate a.h5 --method aqe", "--method", "--rerank"),
        ("evaluate a.h5 --rerank --method aqe --lambda 0.5", "--lambda", "--method k-reciprocal"),
        ("evaluate a.h5 --resume", "--resume", "--rerank"),
        ("evaluate a.h5 --crops c.h5", "--crops", "--report"),
        ("evaluate a.h5 --report-queries 60", "--report-queries", "--report"),  # the default, and given
        ("rerank a.h5 -o b.h5 --method aqe --k1 5 --per-query", "--k1", "--method k-reciprocal"),
        ("rerank a.h5 -o b.h5 --method alpha-qe --per-query", "--per-query", "--method k-reciprocal"),
        ("rerank a.h5 -o b.h5 --neighbours 5", "--neighbours", "--method aqe or alpha-qe"),
        ("rerank a.h5 -o b.h5 --method aqe --alpha 2", "--alpha", "--method alpha-qe"),
        ("search a.h5 --box 1,2,3,4 -o b.h5", "--box", "--image"),
        ("search a.h5 --image a.jpg --crops c.h5", "--crops", "--show"),
        ("crop a.csv -o b.h5 --encoding raw --quality 90", "--quality", "--encoding jpeg"),
        ("train a.h5 -o m --schedule cosine --gamma 0.2", "--gamma", "--schedule step"),
        ("train a.h5 -o m --recipe demo --gamma 0.2", "--gamma", "--schedule step"),  # by the recipe
        ("train a.h5 -o m --recipe demo --best Acc@1", "--best", "--validate-every"),
    ],
)
def test_an_option_without_effect_is_wrong_usage(command: str, option: str, needed: str) -> None:
    done = invoke(*command.split())
    assert done.returncode == 2
    assert f"{option} has no effect without {needed}" in " ".join(done.stderr.replace("│", " ").split())


def test_what_an_option_needs_may_be_there() -> None:
    for command in (
        "rerank no.h5 -o b.h5 --method aqe --neighbours 5",
        "rerank no.h5 -o b.h5 --k1 5 --settings published --per-query",
        "show no.h5 --crops c.h5 -o a.png",  # it has no --report, which --crops of evaluate needs
        "train no.h5 -o m --recipe demo --schedule step --gamma 0.2",
        "crop no.csv -o b.h5 --quality 90",
    ):
        assert_one_line(invoke(*command.split()), "no such file")


@pytest.mark.parametrize(
    ("sent", "code"), [(signal.SIGINT, 130), pytest.param(signal.SIGTERM, 143, marks=pytest.mark.slow)]
)
def test_interruption_leaves_no_final_name(tmp_path: Path, sent: signal.Signals, code: int) -> None:
    output = tmp_path / "demo"
    command = [sys.executable, "-m", "fashret", "demo", str(output), "--products", "2000", "--workers", "1"]
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, env=os.environ | {"COLUMNS": "80"}
    )
    wait_until(lambda: next(output.rglob("*.jpg"), None) or next(tmp_path.rglob("*.jpg"), None))
    process.send_signal(sent)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == code, stderr.decode()
    assert b"Traceback" not in stderr
    assert stderr.endswith(b"ed; this run kept nothing\n"), stderr
    assert not (output / "manifest.csv").exists()


COMMANDS = {
    "crop": "a.csv -o b.h5", "train": "a.h5 -o m", "embed": "a.h5 --model m -o b.h5", "search": "a.h5 -o b.h5",
    "rerank": "a.h5 -o b.h5", "evaluate": "a.h5", "show": "a.h5 -o b.png", "demo": "d", "info": "a.h5",
    "export": "a.h5 -o b",
}  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("kept", [True, False])
def test_a_stopped_command_says_so_in_one_line(command: str, kept: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever it is stopped: here where its address is checked, which every command does."""

    def stop(value: object) -> None:
        with noted_if_stopped(lambda: "5 crops are kept" if kept else ""):
            raise KeyboardInterrupt

    monkeypatch.setattr("fashret.options.check_no_address", stop)
    done = invoke(command, *COMMANDS[command].split())
    said = (
        ["WARNING: 5 crops are kept", "fashret: interrupted"]
        if kept
        else ["fashret: interrupted; this run kept nothing"]
    )
    assert (done.returncode, done.stdout, done.stderr.splitlines()) == (130, "", said)


def test_ctrl_c_while_the_command_line_is_loaded_is_one_line() -> None:
    code = "import builtins, sys\nreal = builtins.__import__\ndef stop(name, *rest):\n    if name == 'fashret.cli':\n"
    code += "        raise KeyboardInterrupt\n    return real(name, *rest)\nfrom fashret.__main__ import main\n"
    done = subprocess.run(
        [sys.executable, "-c", code + "builtins.__import__ = stop\nmain()"], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "fashret: interrupted; this run kept nothing\n")


@pytest.mark.parametrize("words", ["--help", "crop --help", ""])
def test_a_reader_of_the_help_who_goes_away_is_no_failure(words: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([sys.executable, "-m", "fashret", *words.split()], stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, b"")


def wait_until(condition: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)  # polling, not waiting: another process draws


def test_version(fashret: Run) -> None:
    said = fashret("--version").stdout
    assert said == f"fashret {__version__}\n" and re.match(r"\d+\.\d+\.\d+", __version__)
