"""`fashret embed --whiten`: what it is fitted on, and that everything that joins the vectors is whitened alike."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fashret.catalogue import Catalogue
from fashret.errors import FashretError
from fashret.files.columns import Role, Rows
from fashret.files.embeddings import open_embeddings
from fashret.models.embedder import Embedder
from fashret.models.whitening import fit_whitening, whitened
from fashret.options import EmbedOptions, SearchOptions
from fashret.stages import embed, search
from tests.conftest import invoke, make_rows, write_crops
from tests.stages.test_embed import interrupted, make_photos, vectors_of, write_tiny_model
from tests.stages.test_embed import options as few_options
from tests.training_case import add_tiny_backbone

TRAIN = 14  # rows


@pytest.fixture(autouse=True)
def tiny_backbone() -> None:
    add_tiny_backbone()


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_tiny_model(tmp_path / "model")


def options(trained: Path | None, **changes: Any) -> EmbedOptions:
    """Training rows have vectors too."""
    return few_options(trained, **({"all": True} | changes))


def rows(count: int = 23) -> Rows:
    """Training rows first, then queries and gallery."""
    roles = np.where(np.arange(count) < TRAIN, Role.TRAIN, Role.QUERY | Role.GALLERY)
    return make_rows(count, role=roles.astype(np.uint8))


def pictures(count: int = 23) -> list[np.ndarray]:
    generator = np.random.default_rng(3)
    return [generator.integers(0, 255, (20, 20, 3), np.uint8) for _ in range(count)]


@pytest.fixture
def crops(tmp_path: Path) -> Path:
    return write_crops(tmp_path / "a.crops.h5", rows(), pictures(), size=20)


def whitening_of(path: Path) -> Any:
    with open_embeddings(path) as file:
        return file.whitening


def test_it_is_fitted_on_training_rows_alone(crops: Path, model: Path, tmp_path: Path) -> None:
    embed.run(crops, tmp_path / "plain.emb.h5", options(model))
    summary = embed.run(crops, tmp_path / "a.emb.h5", options(model, whiten=4, whiten_power=0.4))
    assert summary is not None and summary.width == 4
    plain = vectors_of(tmp_path / "plain.emb.h5")
    fitted = fit_whitening(plain[:TRAIN], 4, 0.4)
    np.testing.assert_allclose(vectors_of(tmp_path / "a.emb.h5"), whitened(plain, fitted), atol=1e-5)
    found = whitening_of(tmp_path / "a.emb.h5")
    assert (found.rows, found.power, found.width) == (TRAIN, 0.4, 4)
    summary = embed.run(crops, tmp_path / "few.emb.h5", options(model, whiten=4, whiten_power=0.4, all=False))
    assert summary is not None and (summary.rows, sum(summary.skipped.values())) == (9, TRAIN)
    np.testing.assert_allclose(whitening_of(tmp_path / "few.emb.h5").directions, found.directions, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(
        vectors_of(tmp_path / "few.emb.h5"), vectors_of(tmp_path / "a.emb.h5")[TRAIN:], atol=1e-4
    )
    images = [255 - image if i >= TRAIN else image for i, image in enumerate(pictures())]
    write_crops(tmp_path / "b.crops.h5", rows(), images, size=20)
    embed.run(tmp_path / "b.crops.h5", tmp_path / "b.emb.h5", options(model, whiten=4, whiten_power=0.4))
    assert whitening_of(tmp_path / "b.emb.h5").digest == found.digest
    assert not np.allclose(vectors_of(tmp_path / "b.emb.h5")[TRAIN:], vectors_of(tmp_path / "a.emb.h5")[TRAIN:])


def test_a_photo_is_whitened_as_its_catalogue(model: Path, tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "photos", 12)
    lines = [f"{i:02}.jpg,p{i},{'train' if i < 9 else 'test'}" for i in range(12)]
    (photos / "rows.csv").write_text("image,product,split\n" + "\n".join(lines) + "\n")
    path = tmp_path / "a.emb.h5"
    for trained in (options(model, whiten=3), options(None, backbone="tiny-plain", weights="none", whiten=3)):
        embed.run(photos / "rows.csv", path, trained)
        with Catalogue.open(path, device="cpu") as catalogue:
            found = catalogue.embed([photos / "09.jpg", photos / "00.jpg"])
            np.testing.assert_allclose(found, vectors_of(path)[[9, 0]], atol=1e-5)
            assert catalogue.search(photos / "10.jpg")[0][0].product == "p10"


def test_append_keeps_the_whitening(crops: Path, model: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.emb.h5"
    write_crops(tmp_path / "half.crops.h5", rows().take(slice(0, 18)), pictures()[:18], size=20)
    embed.run(tmp_path / "half.crops.h5", path, options(model, whiten=4))
    embed.run(crops, tmp_path / "whole.emb.h5", options(model, whiten=4))
    fitted, before = whitening_of(path), path.read_bytes()
    how = options(model, append=True)
    for changes, message in (
        ({"whiten": 3}, "its whitening is 4 numbers, power 0.125, which --append keeps; leave out --whiten"),
        ({"whiten": 4, "whiten_power": 0.4}, "which --append keeps"),
        ({"whiten": 0}, "which --append keeps"),
    ):
        with pytest.raises(FashretError, match=message):
            embed.run(crops, path, options(model, append=True, **changes), given=changes)
        assert path.read_bytes() == before
    summary = embed.run(crops, path, how)
    assert summary is not None and (summary.added, summary.width) == (5, 4)
    assert whitening_of(path).digest == fitted.digest == whitening_of(tmp_path / "whole.emb.h5").digest
    np.testing.assert_allclose(vectors_of(path), vectors_of(tmp_path / "whole.emb.h5"), atol=1e-6)
    plain = tmp_path / "plain.emb.h5"
    embed.run(tmp_path / "half.crops.h5", plain, options(model))
    with pytest.raises(FashretError, match="its whitening is none, which --append keeps"):
        embed.run(crops, plain, options(model, append=True, whiten=4), given={"whiten"})


def test_the_other_side_of_a_search_is_whitened_alike_or_refused(crops: Path, model: Path, tmp_path: Path) -> None:
    images = pictures()
    write_crops(tmp_path / "q.crops.h5", rows().take(np.arange(TRAIN, 20)), images[TRAIN:20], size=20)
    other = rows().take(np.arange(3, 20))
    write_crops(tmp_path / "other.crops.h5", other, images[3:20], size=20)
    shop, queries = tmp_path / "shop.emb.h5", tmp_path / "q.emb.h5"
    embed.run(crops, shop, options(model, whiten=4))
    embed.run(tmp_path / "q.crops.h5", queries, options(model, whiten_from=shop))
    search.run(queries, shop, tmp_path / "r.h5", SearchOptions(device="cpu"))
    assert whitening_of(queries).digest == whitening_of(shop).digest
    np.testing.assert_allclose(vectors_of(queries), vectors_of(shop)[TRAIN:20], atol=1e-6)
    embed.run(tmp_path / "other.crops.h5", tmp_path / "o.emb.h5", options(model, whiten=4))
    embed.run(crops, tmp_path / "plain.emb.h5", options(model))
    embed.run(crops, tmp_path / "turned.emb.h5", options(model, whiten=6, whiten_power=0.0))
    for name, words in (
        ("o", "whitening fitted on other rows: embed the one with --whiten-from the other"),
        ("plain", "whitening none → 4 numbers, power 0.125"),
        ("turned", "whitening 6 numbers, power 0.0 → 4 numbers, power 0.125"),
    ):
        with pytest.raises(FashretError, match=re.escape(words)):
            search.run(tmp_path / f"{name}.emb.h5", shop, tmp_path / "r2.h5", SearchOptions(device="cpu"))
    with pytest.raises(FashretError, match="whitening none → 6 numbers"):  # of one width
        search.run(tmp_path / "plain.emb.h5", tmp_path / "turned.emb.h5", tmp_path / "r2.h5", SearchOptions())


def test_whitening_from_a_file_that_does_not_fit(crops: Path, model: Path, tmp_path: Path) -> None:
    embed.run(crops, tmp_path / "plain.emb.h5", options(model))
    white = tmp_path / "white.emb.h5"
    embed.run(crops, white, options(model, whiten=4))
    with pytest.raises(FashretError, match=r"--whiten-from .*plain.emb.h5: its vectors are not whitened"):
        embed.run(crops, tmp_path / "b.emb.h5", options(model, whiten_from=tmp_path / "plain.emb.h5"))
    other = write_tiny_model(tmp_path / "other", seed=1)
    for trained in (options(other), options(None, model=(model, other))):
        with pytest.raises(FashretError, match="was made by the model model, not as .* a whitening serves one model"):
            embed.run(
                crops, tmp_path / "b.emb.h5", options(None, model=trained.model, whiten_from=tmp_path / "white.emb.h5")
            )
    done = invoke(
        "embed", crops, "--model", model, "--whiten", "4", "--whiten-from", tmp_path / "white.emb.h5", "-o", "b"
    )
    assert done.returncode == 1 and "--whiten and --whiten-from exclude each other" in done.stderr
    done = invoke("embed", crops, "--model", model, "--whiten-power", "0.2", "-o", tmp_path / "b.emb.h5")
    assert done.returncode == 2 and "--whiten" in done.stderr
    assert not list(tmp_path.glob("b.emb.h5*"))


def test_joined_models_are_whitened_after_they_are_joined(crops: Path, model: Path, tmp_path: Path) -> None:
    other = write_tiny_model(tmp_path / "other", seed=1, dim=4)
    both = {"model": (model, other), "model_weight": (3.0, 1.0)}
    embed.run(crops, tmp_path / "plain.emb.h5", options(None, **both))
    embed.run(crops, tmp_path / "white.emb.h5", options(None, **both, whiten=7))
    plain = vectors_of(tmp_path / "plain.emb.h5")
    expected = whitened(plain, fit_whitening(plain[:TRAIN], 7, 0.125))
    found = vectors_of(tmp_path / "white.emb.h5")
    np.testing.assert_allclose(found @ found.T, expected @ expected.T, atol=1e-3)


def test_centroids_are_whitened(crops: Path, model: Path, tmp_path: Path) -> None:
    summary = embed.run(crops, tmp_path / "c.emb.h5", options(model, whiten=4, centroids=True))
    assert summary is not None and summary.width == 4
    np.testing.assert_allclose(np.linalg.norm(vectors_of(tmp_path / "c.emb.h5"), axis=1), 1, atol=1e-6)


@pytest.mark.parametrize(
    ("width", "count", "words"),
    [
        (7, 23, "--whiten 7: the vectors have 6 numbers"),
        (6, 6, "--whiten 6: 6 training rows give at most 5 numbers"),
        (4, 0, "--whiten 4: is fitted on rows with the role train, and there are 0"),
    ],
)
def test_a_width_that_cannot_be_is_refused_before_the_work(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, width: int, count: int, words: str
) -> None:
    monkeypatch.setattr(embed, "_embed", lambda *_: pytest.fail("it worked in vain"))
    chosen = rows().take(np.arange(count) if count else np.arange(TRAIN, 23))
    crops = write_crops(tmp_path / "few.crops.h5", chosen, size=20)
    with pytest.raises(FashretError, match=words):
        embed.run(crops, tmp_path / "b.emb.h5", options(model, whiten=width))
    assert not list(tmp_path.glob("b.emb.h5*"))


def test_an_interrupted_run_resumes_with_any_whitening(
    crops: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is kept are the networks' vectors, so a width that was too large costs nothing."""
    embed.run(crops, tmp_path / "whole.emb.h5", options(model, whiten=4))
    interrupted(crops, tmp_path / "a.emb.h5", options(model, whiten=5), monkeypatch)
    summary = embed.run(crops, tmp_path / "a.emb.h5", options(model, whiten=4, resume=True))
    assert summary is not None and summary.kept > 0
    np.testing.assert_array_equal(vectors_of(tmp_path / "a.emb.h5"), vectors_of(tmp_path / "whole.emb.h5"))


def test_a_precision_that_whitening_does_not_bear_is_said(
    crops: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for whitened_cosine in (0.9995, 0.998):
        caplog.clear()
        monkeypatch.setattr(
            Embedder, "cosine_to_float32", lambda self, _, value=whitened_cosine: value if self.whitening else 1.0
        )
        embed.run(crops, tmp_path / "a.emb.h5", options(model, whiten=6, precision="bf16"))
        said = "bf16: cosine to float32 only 0.99800 when whitened; --precision float32 is safer" in caplog.text
        assert said == (whitened_cosine == 0.998) and whitening_of(tmp_path / "a.emb.h5") is not None


def test_the_file_to_whiten_from_is_not_overwritten(crops: Path, model: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.emb.h5"
    embed.run(crops, path, options(model, whiten=4))
    before = path.read_bytes()
    with pytest.raises(FashretError, match="overwrite its own input"):
        embed.run(crops, path, options(model, whiten_from=path))
    assert path.read_bytes() == before
