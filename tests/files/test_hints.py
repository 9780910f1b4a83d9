"""What was given in place of a file, and what to do: by commands as people type them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fashret.files.file_kinds import is_photo, mistaken_for
from fashret.files.hints import hub_hint
from fashret.options import is_address
from tests.conftest import invoke, make_rows, write_crops, write_embeddings
from tests.dataset_case import photo, write


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder catalogue: photos, crops and embeddings of them without labels, and a table."""
    monkeypatch.chdir(tmp_path)
    photo(tmp_path / "photos/a.jpg")
    rows = make_rows(4, product=np.full(4, "", object), role=np.full(4, 4, np.uint8))
    write_crops(tmp_path / "c.h5", rows)
    write_embeddings(tmp_path / "shop.emb.h5", rows, np.eye(4, dtype=np.float32))
    write(tmp_path / "t.csv", "image,product\nphotos/a.jpg,p\n")
    return tmp_path


LABEL = "label them: a table with the columns image and product, or folders PRODUCT/street and PRODUCT/shop"


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("crop https://a.org/t.csv -o x.h5", "https://a.org/t.csv: is an address, which is not fetched; download it"),
        ("search shop.emb.h5 --image https://a.org/b.jpg", "https://a.org/b.jpg: is an address"),
        ("evaluate s3://bucket/a.h5", "s3://bucket/a.h5: is an address"),
        ("embed photos --weights https://a.org/w.pth -o x.h5", "https://a.org/w.pth: is an address"),
        (
            "search shop.emb.h5 photos/a.jpg -o x.h5",
            "photos/a.jpg: is a photo; to search for it: fashret search",
        ),
        ("search shop.emb.h5 photos/a.jpg", "fashret search shop.emb.h5 --image photos/a.jpg"),
        (
            "search shop.emb.h5 -o x.h5",
            "to search it for one photo: fashret search shop.emb.h5 --image PHOTO;",
        ),
        ("evaluate shop.emb.h5", LABEL),
        ("evaluate photos", "is a folder, not a file; `fashret embed photos --model MODEL -o catalogue.emb.h5` makes"),
        ("evaluate t.csv", "t.csv: is a table, not an HDF5 file; `fashret embed t.csv"),
        ("train photos -o m", "photos: is a folder, not a file; `fashret crop photos -o crops.h5` makes crops of it"),
        ("train c.h5 --recipe demo -o m", LABEL),
        ("rerank photos -o x.h5", "a ranking is made by `fashret search`"),
        ("embed nothing.jpg -o x.h5", "nothing.jpg: no such file"),
        ("embed photos/a.jpg -o x.h5", "photos/a.jpg: is a photo; give its folder"),
        ("embed photos -o x.h5 --backbone resnet5", "no backbone 'resnet5'; there are resnet18, "),
        ("models resnet5", "and timm:NAME, as `fashret models` lists them"),
        ("embed photos -o x.h5 --backbone hf-hub:timm/resnet50", "models of a hub are not fetched; download it first"),
        ("embed photos -o x.h5 --model nobody/clip", "models of a hub are not fetched"),
        ("embed photos -o x.h5 --backbone small --weights nobody/clip", "models of a hub are not fetched"),
        (
            "crop addresses.csv -o x.h5",
            "line 2: photo 'https://a.org/b.jpg': is not fetched; download",
        ),
    ],
)
def test_the_message_says_what_to_do(here: Path, command: str, message: str) -> None:
    write(here / "addresses.csv", "image,product\nhttps://a.org/b.jpg,p\n")
    before = sorted(here.iterdir())
    done = invoke(*command.split())
    assert done.returncode == 1 and message in done.stderr, done.stderr
    assert done.stderr.count("\n") <= 2 and "Traceback" not in done.stderr
    assert sorted(path for path in here.iterdir() if path.name != "m") == before


def test_what_a_path_is(here: Path) -> None:
    write(here / "model/model.json", "{}")
    assert mistaken_for(here / "model") == f"{here / 'model'}: is the folder of a model"
    assert mistaken_for(here / "c.h5") == mistaken_for(here / "gone.h5") == ""
    assert is_photo(here / "photos/a.jpg") and not is_photo(here / "t.csv") and not is_photo(here / "gone")
    assert mistaken_for(here / "photos") == f"{here / 'photos'}: is a folder, not a file"


@pytest.mark.parametrize(
    ("text", "expected"),
    [("http://a", True), ("HTTPS:/a", True), ("file:///a", True), ("a/http:b", False), ("c:/a", False), ("s3:", False)],
)
def test_addresses(text: str, expected: bool) -> None:
    assert is_address(text) is expected


def test_a_folder_that_is_there_is_no_name_of_a_hub(here: Path) -> None:
    assert hub_hint("nobody/model") and not hub_hint("photos/model") and not hub_hint("a/b/c") and not hub_hint("model")
