"""`fashret embed`: vectors against a plain forward pass, bad photos, resume, joined models, centroids."""

from __future__ import annotations

import dataclasses
import json
import re
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from fashret.cli import app
from fashret.errors import FashretError
from fashret.files import hdf5, models
from fashret.files.columns import Role, text_array
from fashret.files.crops import open_crops
from fashret.files.embeddings import open_embeddings
from fashret.files.origins import read_origins
from fashret.files.photos.cuts import read_crop
from fashret.models import embedder as embedders
from fashret.models.embedder import Embedder
from fashret.models.network import RetrievalNetwork, build
from fashret.models.opening import embedder_of
from fashret.models.preprocessing import fit_image, normalise
from fashret.models.settings import ModelSettings
from fashret.options import EmbedOptions, RerankOptions, SearchOptions
from fashret.stages import embed, rerank, search
from tests.conftest import invoke, jpeg, make_rows, write_crops
from tests.files.test_models import full_disk
from tests.training_case import SIDE, add_tiny_backbone, embed_in_process, in_fresh_process


@pytest.fixture(autouse=True)
def tiny_backbone() -> None:
    add_tiny_backbone()


def write_tiny_model(folder: Path, seed: int = 0, **settings: Any) -> Path:
    """A model folder whose statistics are not those of a new network."""
    chosen = ModelSettings(backbone="tiny", weights="none", height=SIDE, width=SIDE, seed=seed, **settings)
    network = build(chosen)
    generator = torch.Generator().manual_seed(seed)
    for name, buffer in network.named_buffers():
        if name.endswith(("running_mean", "running_var")):
            buffer.copy_(torch.rand(buffer.shape, generator=generator) + 0.1)
    folder.mkdir()
    about = {"settings": chosen.to_dict(), "trained_on": {"dataset": "test"}}
    models.write_model(folder, network.state_dict(), about)
    return folder


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_tiny_model(tmp_path / "model")


@pytest.fixture
def crops(tmp_path: Path) -> Path:
    return write_crops(tmp_path / "a.crops.h5", make_rows(23), size=20)


def options(trained: Path | None, **changes: Any) -> EmbedOptions:
    values = {"batch_size": 5, "workers": 0, "device": "cpu", "precision": "float32"}
    return EmbedOptions(**(values | {"model": (trained,) if trained else ()} | changes))


def plain_vectors(model: Path, images: list[np.ndarray], normalised: bool = True) -> np.ndarray:
    """One image after the other through the network, in evaluation mode."""
    file = models.open_model(model)
    network: RetrievalNetwork = build(ModelSettings.from_dict(file.settings))
    network.load_state_dict(file.weights())
    network.eval()
    run = network.embed if normalised else network.describe
    return np.concatenate(
        [
            run(normalise(fit_image(np.array(image), network.settings)[None], network.settings)).numpy()
            for image in images
        ]
    )


def vectors_of(path: Path) -> np.ndarray:
    with open_embeddings(path) as file:
        return np.array(file.vectors)


def test_vectors_are_those_of_a_plain_forward_pass(crops: Path, model: Path, tmp_path: Path) -> None:
    for workers in (0, 2):
        summary = embed.run(crops, tmp_path / "a.emb.h5", options(model, workers=workers))
        assert summary is not None and (summary.rows, summary.embedded, summary.failed) == (23, 23, 0)
        with open_crops(crops) as source, open_embeddings(tmp_path / "a.emb.h5") as file:
            np.testing.assert_allclose(file.vectors, plain_vectors(model, source.images(0, 23)), atol=1e-6)
            np.testing.assert_allclose(np.linalg.norm(file.vectors, axis=1), 1, atol=1e-6)
            for name in ("crop_id", "source", "product", "role", "domain", "category"):
                np.testing.assert_array_equal(getattr(file, name), getattr(source, name))
            assert file.normalized and file.dataset == "test" and not file.centroids
            assert hdf5.read_json(file.file, "inputs")[0]["digest"] == source.content.digest()
            assert file.vectors.dtype == np.float32 and isinstance(file.vectors, np.memmap)


def with_training_rows(path: Path) -> Path:
    """crops.h5 of 23 rows: every third for training alone, every sixth of these for the gallery too."""
    role = np.full(23, Role.QUERY | Role.GALLERY, np.uint8)
    role[::3] = Role.TRAIN
    role[::6] = Role.TRAIN | Role.GALLERY
    role[1] = Role.VAL_QUERY
    return write_crops(path, make_rows(23, role=role), size=20)


ALONE = [3, 9, 15, 21]  # of these rows, for training alone


def test_rows_for_training_alone_are_skipped_unless_all_are_wanted(model: Path, tmp_path: Path) -> None:
    crops = with_training_rows(tmp_path / "t.crops.h5")
    whole = embed.run(crops, tmp_path / "all.h5", options(model, all=True))
    summary = embed.run(crops, tmp_path / "a.h5", options(model))
    assert whole is not None and whole.rows == 23 and not whole.skipped
    assert summary is not None and (summary.rows, summary.embedded) == (19, 19)
    assert summary.skipped == {"rows for training alone (--all embeds them)": 4}
    others = np.setdiff1d(np.arange(23), ALONE)
    with open_embeddings(tmp_path / "a.h5") as some, open_embeddings(tmp_path / "all.h5") as every:
        assert some.crop_id.tolist() == every.crop_id[others].tolist()
        np.testing.assert_array_equal(some.role, every.role[others])
        np.testing.assert_allclose(some.vectors, every.vectors[others], atol=1e-6)
        np.testing.assert_array_equal(read_origins(some.file, 19).content, read_origins(every.file, 23).content[others])


def test_appending_keeps_training_rows_that_are_there_and_adds_none(model: Path, tmp_path: Path) -> None:
    crops = with_training_rows(tmp_path / "t.crops.h5")
    embed.run(crops, tmp_path / "a.h5", options(model))
    again = embed.run(crops, tmp_path / "a.h5", options(model, append=True))
    assert again is not None and (again.rows, again.unchanged, again.added, again.vanished) == (19, 19, 0, 0)
    assert again.skipped == {"rows for training alone (--all embeds them)": 4}
    more = embed.run(crops, tmp_path / "a.h5", options(model, append=True, all=True))
    assert more is not None and (more.rows, more.unchanged, more.added, more.vanished) == (23, 19, 4, 0)
    kept = embed.run(crops, tmp_path / "a.h5", options(model, append=True))
    assert kept is not None and (kept.rows, kept.unchanged, kept.skipped) == (23, 23, {})


@pytest.mark.parametrize("first", [True, False])
def test_a_run_resumes_with_the_rows_that_it_began_with(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: bool
) -> None:
    crops, output = with_training_rows(tmp_path / "t.crops.h5"), tmp_path / "a.h5"
    with monkeypatch.context() as patch:
        calls = iter(range(2))
        patch.setattr(embed, "check_errors", lambda *_: next(calls))  # ends it after two batches
        with pytest.raises(StopIteration):
            embed.run(crops, output, options(model, all=first))
    summary = embed.run(crops, output, options(model, resume=True))  # as after a run of an older version: of all rows
    assert summary is not None and summary.kept == 15 and summary.rows == (23 if first else 19)
    assert bool(summary.skipped) is not first


def test_crops_for_training_alone_name_the_option(model: Path, tmp_path: Path) -> None:
    crops = write_crops(tmp_path / "t.crops.h5", make_rows(4, role=np.full(4, Role.TRAIN, np.uint8)), size=20)
    with pytest.raises(FashretError, match=r"t\.crops\.h5: all its rows are for training alone; give --all to embed"):
        embed.run(crops, tmp_path / "a.h5", options(model))
    assert not (tmp_path / "a.h5").exists() and not list(tmp_path.glob("*.spool"))
    summary = embed.run(crops, tmp_path / "a.h5", options(model, all=True))
    assert summary is not None and summary.rows == 4


def test_an_input_larger_than_the_crops_is_said(crops: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for size in ("20x20", "24x16"):
        caplog.clear()
        embed.run(crops, tmp_path / "a.emb.h5", options(None, backbone="tiny", weights="none", input=size))
        said = "20 pixels long, the input of tiny is 24x16: make them with `fashret crop --size 24`" in caplog.text
        assert said == (size == "24x16")


def test_the_file_names_its_model(crops: Path, model: Path, tmp_path: Path) -> None:
    embed.run(crops, tmp_path / "a.emb.h5", options(model))
    with open_embeddings(tmp_path / "a.emb.h5") as file:
        record = file.model
    assert record["digest"] == models.open_model(model).digest and record["path"] == "model"
    assert record["trained_on"] == "test" and record["weights"] == "trained" and record["precision"] == "float32"
    assert record["settings"] == models.open_model(model).settings and record["crop_size"] == 20


def test_one_more_photo_is_embedded_the_same_way(crops: Path, model: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.emb.h5"
    embed.run(crops, path, options(model))
    with open_embeddings(path) as file, open_crops(crops) as source:
        again = embedder_of(file.model, path, device="cpu").embed(source.images(3, 6))
        np.testing.assert_allclose(again, file.vectors[3:6], atol=1e-6)
        assert embedder_of(file.model, path, device="cpu").embed([]).shape == (0, 6)
        record = file.model
    model.rename(tmp_path / "moved")
    with pytest.raises(FashretError, match="its model is no longer at .*--model"):
        embedder_of(record, path, device="cpu")
    embedder_of(record, path, [tmp_path / "moved"], device="cpu")
    other = write_tiny_model(tmp_path / "other", seed=1)
    with pytest.raises(FashretError, match="are not those that made"):
        embedder_of(record, path, [other], device="cpu")
    with pytest.raises(FashretError, match="give --model once per model that made it, 1 in all"):
        embedder_of(record, path, [other, other], device="cpu")
    with pytest.raises(FashretError, match="does not say which model"):
        embedder_of({}, path)


def test_folders_that_move_together_find_each_other(crops: Path, tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    write_tiny_model(tmp_path / "one" / "model")
    embed.run(crops, tmp_path / "one" / "a.emb.h5", options(tmp_path / "one" / "model"))
    (tmp_path / "one").rename(tmp_path / "two")
    with open_embeddings(tmp_path / "two" / "a.emb.h5") as file:
        found = embedder_of(file.model, file.path, device="cpu")
    assert found.parts[0].folder == tmp_path / "two" / "model"


def test_a_backbone_with_random_weights_says_so(crops: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "a.emb.h5"
    random_weights = options(None, backbone="tiny", weights="none", input="16x16", seed=3)
    embed.run(crops, path, random_weights)
    assert "RANDOM WEIGHTS" in caplog.text
    with open_embeddings(path) as file, open_crops(crops) as source:
        assert file.model["weights"] == "random" and file.model["trained_on"] == ""
        again = embedder_of(file.model, path, device="cpu").embed(source.images(0, 2))
        np.testing.assert_allclose(again, file.vectors[:2], atol=1e-6)
    embed.run(crops, tmp_path / "b.emb.h5", dataclasses.replace(random_weights, seed=4))
    assert not np.allclose(vectors_of(path), vectors_of(tmp_path / "b.emb.h5"))


def make_photos(folder: Path, count: int = 12, broken: tuple[int, ...] = ()) -> Path:
    folder.mkdir()
    generator = np.random.default_rng(5)
    for i in range(count):
        data = jpeg(generator.integers(0, 255, (40, 30, 3), np.uint8))
        (folder / f"{i:02}.jpg").write_bytes(b"<html>gone</html>" if i in broken else data)
    return folder


def test_weights_that_are_no_numbers_make_no_vectors(crops: Path, model: Path, tmp_path: Path) -> None:
    embed.run(crops, tmp_path / "a.emb.h5", options(model))
    file = models.open_model(model)
    tensors = file.weights()
    next(tensor for tensor in tensors.values() if tensor.is_floating_point()).view(-1)[0] = float("nan")
    models.write_model(model, tensors, {"settings": file.settings, "trained_on": {}})
    with pytest.raises(FashretError, match="holds NaN or infinite weights"):
        embed.run(crops, tmp_path / "b.emb.h5", options(model))
    (tmp_path / "q.jpg").write_bytes(jpeg(np.zeros((9, 9, 3), np.uint8)))
    for words in (("embed", crops, "--model", model, "-o", tmp_path / "b.emb.h5"),
                  ("search", tmp_path / "a.emb.h5", "--image", tmp_path / "q.jpg")):  # fmt: skip
        done = invoke(*words)
        assert done.returncode == 1 and done.stdout == ""
        assert done.stderr.count("\n") == 1 and "holds NaN or infinite weights" in done.stderr
    assert not list(tmp_path.glob("b.emb.h5*"))


def test_vectors_that_are_no_numbers_are_not_kept(
    crops: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    describe = Embedder.describe

    def overflow(self: Embedder, batches: list[torch.Tensor], precision: str = "") -> torch.Tensor:
        vectors = describe(self, batches, precision)
        return vectors * float("inf") if len(vectors) == 3 else vectors  # the last batch

    monkeypatch.setattr(Embedder, "describe", overflow)
    with pytest.raises(FashretError, match="model: computes NaN or infinite numbers in float32; use another model"):
        embed.run(crops, tmp_path / "a.emb.h5", options(model))
    monkeypatch.undo()
    assert not (tmp_path / "a.emb.h5").exists()
    assert embed.run(crops, tmp_path / "a.emb.h5", options(model, resume=True)).kept == 20
    np.testing.assert_allclose(np.linalg.norm(vectors_of(tmp_path / "a.emb.h5"), axis=1), 1, atol=1e-6)


def test_a_bare_folder(model: Path, tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "photos")
    embed.run(photos, tmp_path / "a.emb.h5", options(model, size=24, workers=1))
    images = [read_crop(photos / f"{i:02}.jpg", None, 24) for i in range(12)]
    with open_embeddings(tmp_path / "a.emb.h5") as file:
        assert file.source.tolist() == [f"{i:02}.jpg" for i in range(12)]
        np.testing.assert_allclose(file.vectors, plain_vectors(model, images), atol=1e-6)
        assert file.model["crop_size"] == 24


def test_a_table_with_boxes(model: Path, tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "photos", 2)
    (photos / "rows.csv").write_text("image,product,x1,y1,x2,y2\n00.jpg,a,2,3,20,30\n00.jpg,b,,,,\n01.jpg,a,0,0,9,9\n")
    embed.run(photos / "rows.csv", tmp_path / "a.emb.h5", options(model))
    boxes = [np.array([2, 3, 20, 30]), None, np.array([0, 0, 9, 9])]
    files = ["00.jpg", "00.jpg", "01.jpg"]
    images = [read_crop(photos / name, box, 320) for name, box in zip(files, boxes, strict=True)]
    np.testing.assert_allclose(vectors_of(tmp_path / "a.emb.h5"), plain_vectors(model, images), atol=1e-6)


def test_every_row_of_a_photo_has_its_digest_in_any_order_of_rows(model: Path, tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "photos", 2)
    (photos / "rows.csv").write_text(
        "image,product,x1,y1,x2,y2\n00.jpg,a,,,,\n01.jpg,b,,,,\n00.jpg,c,,,,\n00.jpg,a,0,0,9,9\n"
    )
    embed.run(photos / "rows.csv", tmp_path / "a.emb.h5", options(model))
    with open_embeddings(tmp_path / "a.emb.h5") as file:
        content = read_origins(file.file, len(file)).content.tolist()
    assert all(content) and content[0] == content[2] and len(set(content)) == 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pooling": "max"}, "was made with other options \\(pooling avg → max\\); append with the same"),
        ({"input": "24x16", "fit": "pad"}, "height 16 → 24; fit stretch → pad"),
        ({"size": 24}, "size 320 → 24"),
        ({"precision": "bf16"}, "--precision bf16: .* has float32, which --append keeps"),
        ({"dtype": "float16"}, "--dtype float16: .* has float32, which --append keeps"),
    ],
    ids=str,
)
@pytest.mark.parametrize("grown", [True, False])
def test_append_makes_vectors_as_the_file_has_them(
    tmp_path: Path, changes: dict[str, Any], message: str, grown: bool
) -> None:
    how = {"backbone": "tiny-plain", "weights": "none", "input": "16x16"}
    photos, output = make_photos(tmp_path / "photos", 3), tmp_path / "a.emb.h5"
    embed.run(photos, output, options(None, **how))
    before = output.read_bytes()
    if grown:
        (photos / "new.jpg").write_bytes((photos / "00.jpg").read_bytes())
    with pytest.raises(FashretError, match=message):
        embed.run(photos, output, options(None, **(how | {"append": True} | changes)), given=changes)
    assert output.read_bytes() == before and not list(tmp_path.glob("*.spool"))
    if "precision" not in changes and "dtype" not in changes:
        other = tmp_path / "b.emb.h5"
        embed.run(photos, other, options(None, **(how | changes)))
        if "size" not in changes:
            with pytest.raises(FashretError, match="were made by one model in two ways"):
                search.run(output, other, tmp_path / "r.h5", SearchOptions(device="cpu"))


def test_bad_photos_are_named_and_counted(model: Path, tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "photos", broken=(4, 9))
    path = tmp_path / "a.emb.h5"
    summary = embed.run(photos, path, options(model, max_errors=0.2))
    assert summary is not None and (summary.rows, summary.failed) == (10, 2)
    lines = [json.loads(line) for line in (tmp_path / "a.emb.h5.errors.jsonl").read_text().splitlines()]
    assert [line["source"] for line in lines] == ["04.jpg", "09.jpg"] and "not an image" in lines[0]["reason"]
    good = [i for i in range(12) if i not in (4, 9)]
    images = [read_crop(photos / f"{i:02}.jpg", None, 320) for i in good]
    np.testing.assert_allclose(vectors_of(path), plain_vectors(model, images), atol=1e-6)
    (photos / "04.jpg").write_bytes((photos / "03.jpg").read_bytes())
    (photos / "09.jpg").unlink()
    embed.run(photos, path, options(model, max_errors=0.2))
    assert len(vectors_of(path)) == 11 and not (tmp_path / "a.emb.h5.errors.jsonl").exists()


def test_too_many_bad_photos_stop(model: Path, tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "photos", broken=(4, 9))
    path = tmp_path / "a.emb.h5"
    with pytest.raises(FashretError, match=r"of 12 crops cannot be made, more than --max-errors 0.01; the first: 04"):
        embed.run(photos, path, options(model, max_errors=0.01))
    assert not path.exists() and (tmp_path / "a.emb.h5.errors.jsonl").exists()
    for i in (4, 9):
        (photos / f"{i:02}.jpg").write_bytes((photos / "03.jpg").read_bytes())
    summary = embed.run(photos, path, options(model, resume=True))  # mended, and gone on
    assert summary is not None and summary.rows == 12 and summary.kept > 0
    assert not (tmp_path / "a.emb.h5.errors.jsonl").exists() and not list(tmp_path.glob("*.spool"))


def test_a_few_bad_photos_of_a_small_folder_stop_nothing(model: Path, tmp_path: Path) -> None:
    for broken, message in ((10, ""), (11, r"more than 1% and than 10 photos \(--max-errors SHARE allows more\)")):
        photos = make_photos(tmp_path / f"{broken}", broken=range(broken))
        with pytest.raises(FashretError, match=message) if message else nullcontext():
            summary = embed.run(photos, tmp_path / "a.emb.h5", options(model))
            assert summary is not None and (summary.rows, summary.failed) == (2, 10)


def test_a_file_says_where_its_photos_are_but_not_where_its_maker_works(model: Path, tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "photos", 2)
    (tmp_path / "out").mkdir()
    path = tmp_path / "out/a.emb.h5"
    embed.run(photos, path, options(model))
    with open_embeddings(path) as file:
        assert file.file.attrs["root"] == "../photos" and file.root is not None and file.root.resolve() == photos
        assert file.model["path"] == "../model"
    embed.run(write_crops(tmp_path / "c.h5", make_rows(2)), tmp_path / "out/b.emb.h5", options(model))
    with open_embeddings(tmp_path / "out/b.emb.h5") as file:
        assert file.root is None
    search.run(path.with_name("b.emb.h5"), None, tmp_path / "out/r.h5", SearchOptions(k=1))
    again = RerankOptions(embeddings=(path.with_name("b.emb.h5"),))
    rerank.run(tmp_path / "out/r.h5", tmp_path / "out/s.h5", again)
    for made in (tmp_path / "out").glob("*.h5"):
        assert str(tmp_path).encode() not in made.read_bytes(), made
    embed.run(photos, path, options(model, append=True))  # the model is found again


def test_nothing_but_bad_photos(model: Path, tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "photos", 2, broken=(0, 1))
    with pytest.raises(FashretError, match="none of its 2 photos could be used; the first: 00"):
        embed.run(photos, tmp_path / "a.emb.h5", options(model, max_errors=1.0))
    assert not (tmp_path / "a.emb.h5").exists()


def killed_embed(source: Path, output: Path, kill_at: int, **changes: Any) -> None:
    """Die by SIGKILL when the `kill_at`-th block is written to the log, a part of it on the disk."""
    import os
    import signal

    from fashret.files import record_log

    real, count = record_log.RecordLog._write, 0

    def write(self: Any, data: bytes) -> None:
        nonlocal count
        count += 1
        if count == kill_at:
            real(self, data[: len(data) // 2])
            os.kill(os.getpid(), signal.SIGKILL)
        real(self, data)

    record_log.RecordLog._write = write  # type: ignore[method-assign]
    embed_in_process(source, output, batch_size=5, **changes)


def test_kills_lose_nothing(crops: Path, model: Path, tmp_path: Path) -> None:
    how = {"model": (model,), "resume": True}
    embed.run(crops, tmp_path / "whole.emb.h5", options(model))
    path = tmp_path / "a.emb.h5"
    for kill_at in (1, 3, 2):
        assert in_fresh_process(killed_embed, crops, path, kill_at, **how) == -9
        assert not path.exists()
    summary = embed.run(crops, path, options(model, resume=True))
    assert summary is not None and summary.kept == 10 and summary.embedded == 13
    np.testing.assert_array_equal(vectors_of(path), vectors_of(tmp_path / "whole.emb.h5"))


class Stop(BaseException):
    """Stands in for Ctrl-C."""


def interrupted(source: Path, output: Path, how: EmbedOptions, monkeypatch: pytest.MonkeyPatch) -> None:
    real, calls = embed._records, []

    def records(*arguments: Any) -> Any:
        calls.append(1)
        if len(calls) == 3:
            raise Stop
        return real(*arguments)

    with monkeypatch.context() as patch, pytest.raises(Stop):
        patch.setattr(embed, "_records", records)
        embed.run(source, output, how)
    assert not output.exists()


def test_an_interrupted_run_is_not_thrown_away(
    crops: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.emb.h5"
    interrupted(crops, path, options(model), monkeypatch)
    with pytest.raises(FashretError, match="resume it with --resume, or start over with --restart"):
        embed.run(crops, path, options(model))
    with pytest.raises(FashretError, match=r"--batch-size 5 → 7"):
        embed.run(crops, path, options(model, resume=True, batch_size=7))
    other = write_tiny_model(tmp_path / "other", seed=1)
    with pytest.raises(FashretError, match="the weights of the model differ"):
        embed.run(crops, path, options(other, resume=True))
    summary = embed.run(crops, path, options(other, restart=True))
    assert summary is not None and summary.kept == 0


def test_models_are_joined(crops: Path, model: Path, tmp_path: Path) -> None:
    """The cosine of two rows is the weighted mean of the models' cosines."""
    other = write_tiny_model(tmp_path / "other", seed=1, dim=4)
    how = options(None, model=(model, other), model_weight=(3.0, 1.0))
    path = tmp_path / "both.emb.h5"
    embed.run(crops, path, how)
    with open_crops(crops) as source:
        one, two = (plain_vectors(each, source.images(0, 23)) for each in (model, other))
    with open_embeddings(path) as file, open_crops(crops) as source:
        assert file.width == 10 and file.model["name"] == "model + other"
        np.testing.assert_allclose(file.vectors @ file.vectors.T, 0.75 * one @ one.T + 0.25 * two @ two.T, atol=1e-5)
        again = embedder_of(file.model, path, device="cpu").embed(source.images(0, 2))
        np.testing.assert_allclose(again, file.vectors[:2], atol=1e-6)
    with pytest.raises(FashretError, match="2 models and 1 weights"):
        embed.run(crops, path, dataclasses.replace(how, model_weight=(1.0,)))
    with pytest.raises(FashretError, match="above zero"):
        embed.run(crops, path, dataclasses.replace(how, model_weight=(1.0, 0.0)))


def test_centroids(model: Path, tmp_path: Path) -> None:
    """One row a product: the mean over its gallery images before normalisation, then length 1."""
    product = text_array(["b", "a", "b", "", "a", "c", "b"])
    both = int(Role.TRAIN | Role.GALLERY)
    role = np.array([4, both, 4, 4, 4, int(Role.QUERY), int(Role.QUERY)], np.uint8)
    crops = write_crops(tmp_path / "a.crops.h5", make_rows(7, product=product, role=role))
    embed.run(crops, tmp_path / "c.emb.h5", options(model, centroids=True))
    with open_crops(crops) as source, open_embeddings(tmp_path / "c.emb.h5") as file:
        raw = plain_vectors(model, source.images(0, 7), normalised=False)
        means = np.stack([raw[[0, 2]].mean(axis=0), raw[[1, 4]].mean(axis=0)])
        expected = means / np.linalg.norm(means, axis=1, keepdims=True)
        np.testing.assert_allclose(file.vectors, expected, atol=1e-6)
        assert file.product.tolist() == ["b", "a"] and file.role.tolist() == [4, 4] and file.centroids
        assert file.source.tolist() == source.source[[0, 1]].tolist()
    with pytest.raises(FashretError, match="exclude each other"):
        embed.run(crops, tmp_path / "c.emb.h5", options(model, centroids=True, append=True))


@pytest.mark.parametrize("precision", ["auto", "bf16"])
def test_a_precision_that_is_not_close_enough_is_said_once_and_to_the_quiet_only_if_they_asked_for_it(
    crops: Path, model: Path, tmp_path: Path, precision: str, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    caplog.set_level("INFO", "fashret")
    monkeypatch.setattr("fashret.models.devices.has_fast_bf16", lambda device: True)
    monkeypatch.setattr(embedders, "COSINE_KEPT", 1.1)
    embed.run(crops, tmp_path / "a.emb.h5", options(model, precision=precision))
    said = [record.levelname for record in caplog.records if "cosine" in record.message]
    assert said == ["INFO" if precision == "auto" else "WARNING"]


def test_bf16_is_used_where_it_is_close(
    crops: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "fashret")
    path = tmp_path / "a.emb.h5"
    summary = embed.run(crops, path, options(model, precision="bf16"))
    assert summary is not None and summary.precision == "bf16"
    cosine = re.search(r"bf16: cosine to float32 at least (\S+) on the first 5 crops", caplog.text)
    assert cosine is not None and 0.999 < float(cosine[1]) <= 1.000001
    embed.run(crops, tmp_path / "b.emb.h5", options(model))
    difference = np.abs(vectors_of(path) - vectors_of(tmp_path / "b.emb.h5")).max()
    assert 1e-6 < difference < 0.02
    monkeypatch.setattr(embedders, "COSINE_KEPT", 1.1)
    summary = embed.run(crops, path, options(model, precision="bf16"))
    assert summary is not None and summary.precision == "float32" and "using float32" in caplog.text
    with open_embeddings(path) as file:
        assert file.model["precision"] == "float32"


def test_vectors_do_not_depend_on_the_batch(crops: Path, model: Path, tmp_path: Path) -> None:
    embed.run(crops, tmp_path / "a.emb.h5", options(model))
    for size in (1, 23, 1000):
        embed.run(crops, tmp_path / "b.emb.h5", options(model, batch_size=size))
        np.testing.assert_allclose(vectors_of(tmp_path / "b.emb.h5"), vectors_of(tmp_path / "a.emb.h5"), atol=1e-6)


def test_a_full_disk_keeps_what_was_embedded(crops: Path, model: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.emb.h5"
    with full_disk(800), pytest.raises(FashretError, match="the disk is full"):
        embed.run(crops, path, options(model))
    assert not path.exists() and not list(tmp_path.glob("*.partial"))
    summary = embed.run(crops, path, options(model, resume=True))
    assert summary is not None and summary.rows == 23


def test_memory_that_does_not_suffice(
    crops: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def exhausted(*arguments: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(RetrievalNetwork, "describe", exhausted)
    with pytest.raises(FashretError, match="out of memory on cpu with 5 crops per batch; lower --batch-size"):
        embed.run(crops, tmp_path / "a.emb.h5", options(model))


def test_crops_that_change_under_way(crops: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = embed.check_errors

    def check_errors(*arguments: Any) -> None:
        write_crops(crops, make_rows(30))
        real(*arguments)

    monkeypatch.setattr(embed, "check_errors", check_errors)
    with pytest.raises(FashretError, match="changed while it was in use"):
        embed.run(crops, tmp_path / "a.emb.h5", options(model))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"batch_size": 0}, "--batch-size 0"),
        ({"max_errors": 2.0}, "--max-errors 2"),
        ({"size": -1}, "--size -1"),
        ({"workers": -3}, "--workers -3"),
        ({"device": "cuda:9"}, "no GPU|counted from cuda:0"),
        ({"precision": "fp16"}, "slow on a CPU"),
        ({"resume": True, "restart": True}, "exclude each other"),
        ({"model": (Path("nowhere"),)}, "no such model folder"),
        ({"model": (), "backbone": "resnet1"}, "no backbone 'resnet1'"),
        ({"backbone": "tiny"}, "--model and --backbone exclude each other"),
        ({"weights": "none", "pooling": "gem"}, "--model and --weights, --pooling exclude each other"),
        ({"input": "64x64", "fit": "pad"}, "--model and --input, --fit exclude each other"),
        ({"model": (), "model_weight": (2.0,)}, "--model-weight: .* none was given"),
    ],
)
def test_nonsense_is_one_line(crops: Path, model: Path, tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(FashretError, match=words) as caught:
        embed.run(crops, tmp_path / "a.emb.h5", options(model, **changes))
    assert "\n" not in str(caught.value) and not (tmp_path / "a.emb.h5").exists()


@pytest.mark.parametrize("name", ["backbone", "weights", "pooling", "input", "fit"])
def test_even_a_default_beside_a_model_is_refused_on_the_command_line(model: Path, name: str, tmp_path: Path) -> None:
    flag = [f"--{name}", str(getattr(EmbedOptions(), name))]
    arguments = ["embed", "a.crops.h5", "--model", str(model), *flag, "-o", str(tmp_path / "a.emb.h5")]
    result = CliRunner().invoke(app, arguments)
    assert isinstance(result.exception, FashretError) and f"--model and --{name} exclude" in str(result.exception)


def test_without_shared_memory_it_is_one_line(crops: Path, model: Path, tmp_path: Path) -> None:
    with full_disk(1000), pytest.raises(FashretError, match="cannot hand them over in shared memory .* --workers 0"):
        embed.run(crops, tmp_path / "a.emb.h5", options(model, workers=1))


def test_sources_and_outputs_that_are_none(crops: Path, model: Path, tmp_path: Path) -> None:
    with pytest.raises(FashretError, match="has no rows"):
        embed.run(write_crops(tmp_path / "b.crops.h5", make_rows(0)), tmp_path / "a.emb.h5", options(model))
    with pytest.raises(FashretError, match="no such file or folder"):
        embed.run(tmp_path / "nowhere", tmp_path / "a.emb.h5", options(model))
    with pytest.raises(FashretError, match="not a fashret.crops file"):
        embed.run(crops, tmp_path / "a.emb.h5", options(model))
        embed.run(tmp_path / "a.emb.h5", tmp_path / "b.emb.h5", options(model))
    with pytest.raises(FashretError, match="the folder .* does not exist"):
        embed.run(crops, tmp_path / "no" / "a.emb.h5", options(model))
