"""The whitening of an embeddings file: written, read, and refused where it is damaged or of another file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from fashret.errors import FashretError
from fashret.files.embeddings import EmbeddingsOrigin, made_otherwise, open_embeddings, write_embeddings
from fashret.files.whitening import Whitening
from tests.conftest import invoke, make_rows

WHITENING = Whitening(np.arange(3, dtype=np.float32), np.arange(6, dtype=np.float32).reshape(2, 3) + 0.5, 0.25, 40)


def write(path: Path, whitening: Whitening | None = WHITENING) -> Path:
    model = {"name": "m", "digest": "sha256:0"} | ({"whitening": whitening.record()} if whitening else {})
    origin = EmbeddingsOrigin(model, whitening=whitening)
    with write_embeddings(path, (4, 2), ("tops",), origin) as append:
        append(make_rows(4), np.eye(4, 2, dtype=np.float32))
    return path


def test_a_whitening_is_read_as_it_was_written(tmp_path: Path) -> None:
    with open_embeddings(write(tmp_path / "a.emb.h5")) as file:
        found = file.whitening
        assert isinstance(file.vectors, np.memmap)
    assert found is not None and (found.power, found.rows, found.width) == (0.25, 40, 2)
    np.testing.assert_array_equal(found.mean, WHITENING.mean)
    np.testing.assert_array_equal(found.directions, WHITENING.directions)
    assert found.digest == WHITENING.digest
    with open_embeddings(write(tmp_path / "b.emb.h5", None)) as file:
        assert file.whitening is None and "whitening" not in file.file
    shown = invoke("info", tmp_path / "a.emb.h5").stdout
    assert "whitening/directions" in shown and "2 × 3" in shown


def test_the_digest_is_of_both_matrices_and_their_shape() -> None:
    others = [
        Whitening(WHITENING.mean + 1, WHITENING.directions, 0.25, 40),
        Whitening(WHITENING.mean, WHITENING.directions + 1, 0.25, 40),
        Whitening(WHITENING.mean, WHITENING.directions.reshape(3, 2), 0.25, 40),
    ]
    assert len({WHITENING.digest, *(other.digest for other in others)}) == 4


def replace(name: str, value: np.ndarray | None) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        del file[name]
        if value is not None:
            file[name] = value

    return change


def rewrite(**record: object) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        model = json.loads(file.attrs["model"])
        model["whitening"] |= record
        file.attrs["model"] = json.dumps(model)

    return change


def forget(file: h5py.File) -> None:
    file.attrs["model"] = json.dumps({"name": "m"})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (replace("whitening", None), "its attribute model tells of a whitening and its group does not"),
        (forget, "its group tells of a whitening and its attribute model does not"),
        (replace("whitening", np.zeros(3)), "lacks whitening/mean, whitening/directions"),
        (replace("whitening/mean", None), "lacks whitening/mean"),
        (replace("whitening/mean", np.zeros((3, 3))), "whitening/mean should be N fractions and is float64"),
        (replace("whitening/mean", np.zeros(4)), "beside vectors of 2 and a mean of 4 numbers"),
        (replace("whitening/directions", np.zeros((3, 3))), r"is of shape \(3, 3\) beside vectors of 2"),
        (replace("whitening/directions", np.zeros((2, 3), np.int8)), "should be N×D fractions and is int8"),
        (replace("whitening/mean", np.ones(3)), "its whitening is not the one that its attribute model describes"),
        (replace("whitening/mean", np.full(3, np.nan)), "is not the one that its attribute model describes"),
        (rewrite(power="strong"), "its attribute model does not describe a whitening"),
        (rewrite(rows=None), "its attribute model does not describe a whitening"),
    ],
)
def test_a_damaged_whitening_is_one_line(tmp_path: Path, change: Callable[[h5py.File], None], message: str) -> None:
    path = write(tmp_path / "a.emb.h5")
    with h5py.File(path, "r+") as file:
        change(file)
    with pytest.raises(FashretError, match=message) as error, open_embeddings(path) as opened:  # noqa: PT012
        assert opened.whitening is None
    assert "\n" not in str(error.value) and "a.emb.h5" in str(error.value)


def test_vectors_of_two_whitenings_are_made_otherwise() -> None:
    plain, first = {"digest": "d"}, {"digest": "d", "whitening": WHITENING.record()}
    second = {"digest": "d", "whitening": WHITENING.record() | {"digest": "sha256:1"}}
    narrow = {"digest": "d", "whitening": WHITENING.record() | {"digest": "sha256:2", "width": 1}}
    assert made_otherwise(plain, plain) == made_otherwise(first, first) == []
    assert made_otherwise(plain, first) == ["whitening none → 2 numbers, power 0.25"]
    assert "fitted on other rows" in made_otherwise(first, second)[0]
    assert made_otherwise(first, narrow) == ["whitening 2 numbers, power 0.25 → 1 number, power 0.25"]
