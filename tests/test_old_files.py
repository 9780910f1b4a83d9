"""Files of version 0.1: every reader reads them, every command runs on them, and interrupted runs resume."""

from __future__ import annotations

import json
import logging
import re
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from PIL import Image

from fashret.errors import FashretError
from fashret.files import hdf5, models
from fashret.files.crops import open_crops
from fashret.files.embeddings import open_embeddings
from fashret.files.photos.cuts import read_crop
from fashret.files.rankings import open_ranking
from fashret.files.training_log import read_log
from fashret.models import backbones
from fashret.stages import train
from tests.conftest import invoke
from tests.training_case import add_tiny_backbone, tiny_options

ARCHIVE = Path(__file__).parent / "fixtures" / "v0_1" / "files.tar.xz"
ROWS = 54
CROPS = {"crops.h5": "jpeg", "raw.crops.h5": "raw"}
EMBEDDINGS = {
    "catalogue.emb.h5": ("float32", ROWS),
    "half.emb.h5": ("float16", ROWS),
    "centroids.emb.h5": ("float32", 12),
}
RANKINGS = {
    "ranking.h5": {},
    "held.ranking.h5": {},
    "centroids.ranking.h5": {},
    "reranked.h5": {"method": "k-reciprocal", "k1": 5, "k2": 3, "lambda": 0.3, "per_query": False},
    "held.reranked.h5": {"method": "k-reciprocal", "k1": 5, "k2": 3, "lambda": 0.3, "per_query": False},
    "expanded.h5": {"method": "alpha-qe", "neighbours": 10, "alpha": 3.0},
}
EMBED = ("--device", "cpu", "--precision", "float32", "--batch-size", 5, "--workers", 0)
RERANK = ("--top", 12, "--k1", 5, "--k2", 3, "--lambda", 0.3)


@pytest.fixture(autouse=True)
def tiny_backbone() -> Iterator[None]:
    before = dict(backbones.BACKBONES)
    add_tiny_backbone()
    yield
    backbones.BACKBONES.clear()
    backbones.BACKBONES.update(before)


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(ARCHIVE) as archive:
        safely = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}  # from Python 3.11.4 on
        archive.extractall(folder, **safely)
    return folder


@pytest.fixture
def old(unpacked: Path, tmp_path: Path) -> Path:
    """A folder of one's own with all of the files."""
    return Path(shutil.copytree(unpacked, tmp_path / "old"))


def run(*command: Any) -> dict[str, Any]:
    done = invoke(*command, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def assert_same_ranking(path: Path, expected: Path) -> None:
    with h5py.File(path) as found, h5py.File(expected) as wanted:
        names = [name for name in wanted if name != "positives"]
        for name in (*names, *(f"positives/{name}" for name in wanted["positives"])):
            np.testing.assert_array_equal(found[name][()], wanted[name][()], err_msg=name)


# --- readers ---


@pytest.mark.parametrize("name", CROPS)
def test_crops_are_read(old: Path, name: str) -> None:
    with open_crops(old / name) as crops:
        images = crops.images(0, ROWS)
        assert len(crops) == ROWS and crops.encoding == CROPS[name] and crops.size == 24
        assert crops.dataset == "manifest" and crops.categories == ("bags", "tops")
        for row, image in enumerate(images):
            photo = read_crop(old / "photos" / crops.source[row], crops.box[row], 24)
            assert image.shape == photo.shape
            assert np.abs(image.astype(int) - photo).mean() <= (20 if CROPS[name] == "jpeg" else 0)
        assert (crops.product == "").sum() == 2 and len(set(crops.crop_id)) == ROWS


@pytest.mark.parametrize("name", EMBEDDINGS)
def test_embeddings_are_read(old: Path, name: str) -> None:
    with open_embeddings(old / name) as file:
        dtype, count = EMBEDDINGS[name]
        assert file.vectors.shape == (count, 6) and file.vectors.dtype == dtype and file.normalized
        np.testing.assert_allclose(np.linalg.norm(file.vectors.astype(float), axis=1), 1, atol=1e-3)
        assert file.centroids == name.startswith("centroids") and file.model["path"] == "model"
        assert len(file.rows) == count and file.model["settings"]["backbone"] == "tiny"


@pytest.mark.parametrize("name", RANKINGS)
def test_rankings_are_read(old: Path, name: str) -> None:
    file = open_ranking(old / name)
    assert len(file) == 10 and file.gallery_row.shape == file.distance.shape == (10, 10 if "centroids" in name else 12)
    assert file.reranking == RANKINGS[name] and file.centroids == name.startswith("centroids")
    assert file.attribute("within") == ("category" if name.startswith("held") else "")
    assert len(file.positives("offsets")) == 11 and len(file.positives("rank")) == len(file.positives("row")) > 0
    for side in ("query", "gallery"):
        assert file.embeddings_path(side).parent == old.resolve()


def test_models_are_read(old: Path) -> None:
    model = models.open_model(old / "model")
    assert len(model.weights()) > 4 and model.settings["backbone"] == "tiny" and model.about["epochs"] == 2
    assert [line["epoch"] for line in read_log(old / "model" / "log.csv")] == ["1", "2"]
    assert models.read_training_state(old / "interrupted/model/checkpoints/last.pt")["run"]["step"] == 3


@pytest.mark.parametrize("name", [*CROPS, *EMBEDDINGS, *RANKINGS, "model", "photos/manifest.csv"])
def test_info_describes_them(old: Path, name: str) -> None:
    about = run("info", old / name)
    kind = "crops" if name in CROPS else "embeddings" if name in EMBEDDINGS else "ranking" if name in RANKINGS else name
    assert about["kind"] == {"model": "fashret.model", "photos/manifest.csv": "manifest"}.get(name, f"fashret.{kind}")
    if name in {**CROPS, **EMBEDDINGS, **RANKINGS}:
        assert about["attributes"]["fashret_version"] == "0.1.0" and about["made from"]


# --- commands ---


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (("search", "catalogue.emb.h5", "--top", 12), "ranking.h5"),
        (("search", "catalogue.emb.h5", "--top", 12, "--within", "category"), "held.ranking.h5"),
        (("search", "half.emb.h5", "centroids.emb.h5", "--top", 12), "centroids.ranking.h5"),
        (("rerank", "ranking.h5", *RERANK), "reranked.h5"),
        (("rerank", "held.ranking.h5", *RERANK), "held.reranked.h5"),
        (("rerank", "ranking.h5", "--method", "alpha-qe", "--top", 12), "expanded.h5"),
    ],
)
def test_searching_and_reranking_give_what_they_gave(old: Path, command: tuple[Any, ...], expected: str) -> None:
    run(*(old / word if str(word).endswith(".h5") else word for word in command), "-o", old / "new.h5")
    assert_same_ranking(old / "new.h5", old / expected)


def test_scores_are_those_of_a_new_search(old: Path) -> None:
    given = run("evaluate", old / "ranking.h5", old / "reranked.h5", "--report", old / "report")
    again = run("evaluate", "--rerank", old / "catalogue.emb.h5", "--k1", 5, "--k2", 3, "--lambda", 0.3)
    assert given["tables"][0]["rows"] == again["tables"][0]["rows"] and (old / "report" / "index.html").exists()


def test_a_photo_is_found(old: Path) -> None:
    found = run("search", old / "catalogue.emb.h5", "--image", old / "photos/p09-1.png", "--top", 3)
    assert found["hits"][0]["product"] == "p9" and found["hits"][0]["distance"] < 0.01


@pytest.mark.parametrize("name", CROPS)
def test_crops_are_embedded(old: Path, name: str) -> None:
    run("embed", old / name, "--model", old / "model", "-o", old / "new.emb.h5", *EMBED, "--all")
    with open_embeddings(old / "new.emb.h5") as new, open_embeddings(old / "catalogue.emb.h5") as before:
        assert new.crop_id.tolist() == before.crop_id.tolist()
        np.testing.assert_allclose(new.vectors, before.vectors, atol=1e-5 if name == "crops.h5" else 0.3)


def test_rows_are_appended(old: Path) -> None:
    Image.new("RGB", (16, 20), "red").save(old / "photos" / "new.png")
    with (old / "photos" / "manifest.csv").open("a") as manifest:
        manifest.write("new.png,new,shop,tops,test,,,,\n")
    for name in CROPS:
        how = ("--size", 24, "--encoding", CROPS[name], "--append")
        summary = run("crop", old / "photos/manifest.csv", "-o", old / name, *how)
        assert (summary["added"], summary["unchanged"], summary["vanished"]) == (1, ROWS, 0)
    summary = run(
        "embed", old / "crops.h5", "--model", old / "model", "-o", old / "catalogue.emb.h5", *EMBED, "--append"
    )
    assert (summary["added"], summary["unchanged"], summary["vanished"]) == (1, ROWS, 0)


def test_embeddings_that_moved_are_found_and_those_that_changed_are_refused(old: Path) -> None:
    embeddings = old / "catalogue.emb.h5"
    moved = embeddings.rename(old / "moved.emb.h5")
    command = ("rerank", old / "ranking.h5", "-o", old / "new.h5", *RERANK)
    assert "are not there; give them with --embeddings" in invoke(*command).stderr
    run(*command, "--embeddings", moved)
    assert_same_ranking(old / "new.h5", old / "reranked.h5")
    other = ("--embeddings", old / "half.emb.h5")
    assert re.search("given with --embeddings, is not what .* was made from", invoke(*command, *other).stderr)
    moved.rename(embeddings)
    with h5py.File(embeddings, "r+") as file:
        file["vectors"][3] = 0.5
    done = invoke(*command)
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert re.search(r"catalogue\.emb\.h5: changed since .* was made from it; run `fashret search` again", done.stderr)


@pytest.mark.parametrize("name", ["ranking.h5", "centroids.ranking.h5"])
def test_a_new_reranking_belongs_to_the_old_ranking(old: Path, name: str) -> None:
    run("rerank", old / name, "-o", old / "new.h5", *RERANK)
    new, before = open_ranking(old / "new.h5"), open_ranking(old / name)
    assert new.digests == before.digests and new.digests[0].startswith("sha256:")
    assert new.search_identity == before.search_identity
    for side in ("query", "gallery"):
        assert new.embeddings_path(side).samefile(before.embeddings_path(side))


# --- interrupted runs ---


def at_its_new_place(log: Path, photos: Path) -> None:
    """Let the task of an interrupted crop name the folder that its photos are in now, in place of the one then."""
    head, _, blocks = log.read_bytes().partition(b"\n")
    task = json.loads(head)
    task["task"]["root"] = str(photos.resolve())
    log.write_bytes(json.dumps(task).encode() + b"\n" + blocks)


@pytest.mark.parametrize("name", CROPS)
def test_an_interrupted_crop_resumes(old: Path, name: str) -> None:
    output = old / "interrupted" / name
    at_its_new_place(output.with_name(name + ".spool"), old / "photos")
    command = ("crop", old / "photos/manifest.csv", "-o", output, "--size", 24, "--encoding", CROPS[name])
    assert "left by an interrupted run: resume it with --resume" in invoke(*command).stderr
    assert "--size 24 → 25" in invoke(*command, "--resume", "--size", 25).stderr
    assert run(*command, "--resume")["kept"] == 20 and not output.with_name(name + ".spool").exists()
    with open_crops(output) as resumed, open_crops(old / name) as whole:
        assert resumed.crop_id.tolist() == whole.crop_id.tolist() and resumed.role.tolist() == whole.role.tolist()
        for image, expected in zip(resumed.images(0, ROWS), whole.images(0, ROWS), strict=True):
            np.testing.assert_array_equal(image, expected)


def test_an_interrupted_embed_resumes(old: Path) -> None:
    output = old / "interrupted" / "catalogue.emb.h5"
    command = ("embed", old / "crops.h5", "--model", old / "model", "-o", output, *EMBED)
    assert "left by an interrupted run: resume it with --resume" in invoke(*command).stderr
    assert "--batch-size 5 → 6" in invoke(*command, "--resume", "--batch-size", 6).stderr
    assert run(*command, "--resume")["kept"] == 10
    with open_embeddings(output) as resumed, open_embeddings(old / "catalogue.emb.h5") as whole:
        assert resumed.crop_id.tolist() == whole.crop_id.tolist()
        np.testing.assert_array_equal(resumed.vectors[:10], whole.vectors[:10])  # kept as they were
        np.testing.assert_allclose(resumed.vectors, whole.vectors, atol=1e-5)


def test_an_interrupted_embed_of_other_crops_is_refused(old: Path) -> None:
    with h5py.File(old / "crops.h5", "r+") as file:
        file["role"][0] = 4
    output = old / "interrupted" / "catalogue.emb.h5"
    done = invoke("embed", old / "crops.h5", "--model", old / "model", "-o", output, *EMBED, "--resume")
    assert done.returncode == 1 and "cannot be resumed: other crops. " in done.stderr


@pytest.mark.parametrize("name", ["reranked.h5", "in_category.reranked.h5"])
def test_an_interrupted_rerank_resumes(old: Path, name: str) -> None:
    output = old / "interrupted" / name
    command = ("rerank", old / "ranking.h5", "-o", output, *RERANK)
    assert "left by an interrupted run: resume it with --resume" in invoke(*command).stderr
    assert "--k1 5 → 6" in invoke(*command, "--k1", 6, "--resume").stderr
    run(*command, "--resume")
    assert_same_ranking(output, old / "reranked.h5")
    assert not output.with_name(name + ".unfinished").exists()


def test_what_an_interrupted_rerank_had_done_is_not_done_again(old: Path) -> None:
    output = old / "interrupted" / "reranked.h5"
    with h5py.File(output.with_name("reranked.h5.unfinished"), "r+") as file:
        file["gallery/numbers"][:] = 0  # as if every row's neighbours were the first row
    run("rerank", old / "ranking.h5", "-o", output, *RERANK, "--resume")
    with pytest.raises(AssertionError):
        assert_same_ranking(output, old / "reranked.h5")


def test_an_interrupted_evaluation_resumes(old: Path) -> None:
    path = old / "interrupted" / "evaluated.emb.h5"
    how = ("--rerank", "--k1", 5, "--k2", 3, "--lambda", 0.3, "--k", 1)
    assert "left by an interrupted run: resume it with --resume" in invoke("evaluate", path, *how).stderr
    resumed = run("evaluate", path, *how, "--resume")["tables"]
    assert resumed == run("evaluate", path, *how)["tables"]
    assert not path.with_name("evaluated.emb.h5.reranking.unfinished").exists()


def test_an_interrupted_training_resumes(old: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "fashret")
    folder = old / "interrupted" / "model"
    with pytest.raises(FashretError, match="left by an interrupted run: resume it with --resume"):
        train.run(old / "crops.h5", folder, tiny_options(validate_every=1))
    with pytest.raises(FashretError, match=r"cannot be resumed: --lr 0\.01 → 0\.02"):
        train.run(old / "crops.h5", folder, tiny_options(validate_every=1, resume=True, lr=0.02))
    train.run(old / "crops.h5", folder, tiny_options(validate_every=1, resume=True))
    assert "resuming after step 3, in epoch 2" in caplog.text
    expected = models.open_model(old / "model").weights()
    for name, tensor in models.open_model(folder).weights().items():
        np.testing.assert_allclose(tensor, expected[name], atol=1e-4, err_msg=name)
    resumed, whole = (read_log(path / "log.csv") for path in (folder, old / "model"))
    for name in ("epoch", "step", "mAP", "Acc@1"):
        assert [line[name] for line in resumed] == [line[name] for line in whole]


def test_a_finished_training_is_not_done_again(old: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "fashret")
    before = (old / "model" / "model.safetensors").stat().st_mtime_ns
    train.run(old / "crops.h5", old / "model", tiny_options(validate_every=1, resume=True))
    assert "its training has ended already" in caplog.text
    assert (old / "model" / "model.safetensors").stat().st_mtime_ns == before


def test_what_a_kill_left_is_named(old: Path) -> None:
    with pytest.raises(FashretError, match=r"no such file \(ranking.h5.partial is there: the command .* interrupted\)"):
        hdf5.kind_of(old / "interrupted" / "ranking.h5")
