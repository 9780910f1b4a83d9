"""The drawn garments are hard for colour and can be learned: one seed, a quarter of the products, seconds of training.

The same comparison at full size, mean of three seeds, is in the README.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fashret.files.columns import Role
from fashret.files.crops import open_crops
from fashret.files.embeddings import open_embeddings
from tests.baselines import colour_histogram, scores
from tests.conftest import invoke

UNTRAINED = "--backbone small --weights none --pooling gem --input 64x64 --fit pad --workers 0"
TRAINING = "--recipe demo --input 64x64 --pad 5 --epochs 20 --validate-every 0 --workers 0"


def run(*words: object) -> None:
    done = invoke(*words)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def crops(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("learning")
    run("demo", folder / "photos", "--products", 176)
    run("crop", folder / "photos/manifest.csv", "-o", folder / "crops.h5")
    return folder / "crops.h5"


def embedded(path: Path) -> tuple[float, float]:
    """mAP and Acc@1 of an embeddings file."""
    with open_embeddings(path) as file:
        vectors = np.asarray(file.vectors, dtype=np.float64)
        query, gallery = (np.flatnonzero(np.asarray(file.role) & role) for role in (Role.QUERY, Role.GALLERY))
        return scores(vectors[query], vectors[gallery], file.product[query], file.product[gallery])


@pytest.mark.slow
def test_a_colour_histogram_is_not_enough_and_a_little_training_is(crops: Path) -> None:
    with open_crops(crops) as file:
        query, gallery = (np.flatnonzero(np.asarray(file.role) & role) for role in (Role.QUERY, Role.GALLERY))
        histogram = {row: colour_histogram(file.image(row)) for row in [*query.tolist(), *gallery.tolist()]}
        vectors = [np.stack([histogram[row] for row in rows.tolist()]) for rows in (query, gallery)]
        colour_map, colour_hits = scores(*vectors, file.product[query], file.product[gallery])
    assert colour_hits < 0.35

    folder = crops.parent
    untrained, trained = folder / "untrained.emb.h5", folder / "trained.emb.h5"
    run("embed", crops, *UNTRAINED.split(), "-o", untrained)
    run("train", crops, *TRAINING.split(), "-o", folder / "model")
    run("embed", crops, "--model", folder / "model", "-o", trained)
    before, after = embedded(untrained)[0], embedded(trained)[0]
    assert after > 2 * before
    assert after > 1.5 * colour_map
