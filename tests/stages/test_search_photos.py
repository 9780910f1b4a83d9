"""`fashret search --images`: per photo what `--image` finds, whole or not at all, with those left out named."""

from __future__ import annotations

import csv
import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fashret.catalogue import Catalogue
from fashret.errors import FashretError
from fashret.options import PhotoOptions
from fashret.stages import embed, search_photo, search_photos
from fashret.stages.search_photos import PhotosSearch
from tests.catalogue_case import OPTIONS, write_catalogue
from tests.conftest import invoke
from tests.dataset_case import write
from tests.training_case import add_tiny_backbone


@pytest.fixture(autouse=True)
def tiny() -> None:
    add_tiny_backbone()


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The catalogue of `tests.catalogue_case` with further columns."""
    folder = tmp_path_factory.mktemp("catalogue")
    write_catalogue(folder)
    lines = ["image,product,price,=note,rank"]
    lines += [f"{i}.png,{f'p{i // 2}' if i < 6 else ''},{i}.5,=1+{i},{i}" for i in range(8)]
    write(folder / "rows.csv", "\n".join(lines))
    embed.run(folder / "rows.csv", folder / "shop.emb.h5", OPTIONS)
    return folder / "shop.emb.h5"


def run(catalogue: Path, images: Path, output: Path, products: int = 3, **changes: Any) -> PhotosSearch:
    options = replace(PhotoOptions(device="cpu", images=images), **changes)
    return search_photos.run(catalogue, output, options, products)


def read(output: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]


def alone(catalogue: Path, photo: str, **changes: Any) -> list[dict[str, Any]]:
    found = search_photo.run(catalogue, catalogue.parent / photo, replace(PhotoOptions(device="cpu"), **changes), 3)
    return [asdict(hit) for hit in found.hits]


def check_hits(found: list[dict[str, Any]], expected: list[dict[str, Any]]) -> None:
    for one, other in zip(found, expected, strict=True):
        assert one.pop("distance") == pytest.approx(other.pop("distance"), abs=1e-5)
        assert one == other


@pytest.mark.parametrize("batch", [64, 3])
def test_each_photo_finds_what_it_finds_alone(
    catalogue: Path, tmp_path: Path, batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_photos, "BATCH", batch)
    summary = run(catalogue, catalogue.parent, tmp_path / "r.jsonl")
    assert (summary.photos, summary.failed, summary.gallery) == (8, 0, 8)
    found = read(tmp_path / "r.jsonl")
    assert [each["photo"] for each in found] == [f"{i}.png" for i in range(8)]
    for each in found:
        assert each["box"] is None and list(each["hits"][0]["columns"]) == ["price", "=note", "rank"]
        check_hits(each["hits"], alone(catalogue, each["photo"]))


def test_boxes_conditions_and_their_order(catalogue: Path, tmp_path: Path) -> None:
    table = write(catalogue.parent / "boxes.csv", "image,x1,y1,x2,y2\n3.png,2,2,18,20\n0.png,,,,\n3.png,,,,\n")
    run(catalogue, table, tmp_path / "r.jsonl", where=("price < 4",))
    found = read(tmp_path / "r.jsonl")
    assert [(each["photo"], each["box"]) for each in found] == [
        ("3.png", [2, 2, 18, 20]),
        ("0.png", None),
        ("3.png", None),
    ]
    check_hits(found[0]["hits"], alone(catalogue, "3.png", box="2,2,18,20", where=("price < 4",)))
    check_hits(found[1]["hits"], alone(catalogue, "0.png", where=("price < 4",)))
    assert {hit["row"] for each in found for hit in each["hits"]} <= {0, 1, 2, 3}


def test_a_csv_has_a_line_per_product_and_no_formula(catalogue: Path, tmp_path: Path) -> None:
    names = write(catalogue.parent / "names.txt", "1.png\n6.png\n")
    run(catalogue, names, tmp_path / "r.csv")
    run(catalogue, names, tmp_path / "r.jsonl")
    with (tmp_path / "r.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    hits = [(each["photo"], hit) for each in read(tmp_path / "r.jsonl") for hit in each["hits"]]
    assert len(rows) == len(hits) == 6
    for row, (photo, hit) in zip(rows, hits, strict=True):
        assert (row["photo"], row["rank"], row["product"]) == (photo, str(hit["rank"]), hit["product"])
        assert float(row["distance"]) == hit["distance"] and (row["found"], row["row"]) == (
            hit["photo"],
            str(hit["row"]),
        )
        assert float(row["price"]) == hit["columns"]["price"] and row["x1"] == ""
        assert row["'=note"] == "'" + hit["columns"]["=note"] and row["columns/rank"] == str(hit["columns"]["rank"])


def test_photos_that_cannot_be_used_are_named(catalogue: Path, tmp_path: Path) -> None:
    write(catalogue.parent / "bad.png", "no photo")
    names = write(catalogue.parent / "some.txt", "bad.png\n2.png\nnone.png\n")
    try:
        summary = run(catalogue, names, tmp_path / "r.jsonl")
        assert (summary.photos, summary.failed) == (1, 2)
        assert [each["photo"] for each in read(tmp_path / "r.jsonl")] == ["2.png"]
        errors = read(tmp_path / "r.jsonl.errors.jsonl")
        assert [(each["row"], each["source"]) for each in errors] == [(0, "bad.png"), (2, "none.png")]
        assert all(each["reason"] and each["box"] is None for each in errors)
        with pytest.raises(FashretError, match="some: 2 of 3 photos cannot be used, more than --max-errors 0.5"):
            run(catalogue, names, tmp_path / "again.jsonl", max_errors=0.5)
        write(names, "bad.png\n")
        with pytest.raises(FashretError, match=r"some: 1 of 1 photo cannot be used; the first: bad\.png: "):
            run(catalogue, names, tmp_path / "again.jsonl")
        assert not (tmp_path / "again.jsonl").exists() and (tmp_path / "again.jsonl.errors.jsonl").exists()
        write(names, "2.png\n")
        run(catalogue, names, tmp_path / "again.jsonl")
        assert not (tmp_path / "again.jsonl.errors.jsonl").exists()
    finally:
        (catalogue.parent / "bad.png").unlink()


def test_an_interrupted_search_leaves_nothing(catalogue: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_photos, "BATCH", 2)
    write(tmp_path / "r.jsonl", "of before")
    find, calls = Catalogue.search, []

    def interrupted(self: Catalogue, *given: Any, **more: Any) -> Any:
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return find(self, *given, **more)

    monkeypatch.setattr(Catalogue, "search", interrupted)
    names = write(catalogue.parent / "all.txt", "\n".join(f"{i}.png" for i in range(8)))
    with pytest.raises(KeyboardInterrupt):
        run(catalogue, names, tmp_path / "r.jsonl")
    assert [path.name for path in tmp_path.iterdir()] == ["r.jsonl"]
    assert (tmp_path / "r.jsonl").read_text() == "of before"


def test_memory_does_not_grow_with_the_photos(catalogue: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_photos, "BATCH", 4)
    table = write(
        catalogue.parent / "many.csv",
        "image,x1,y1,x2,y2\n" + "".join(f"{i % 8}.png,0,0,{5 + i % 9},{5 + i // 9}\n" for i in range(72)),
    )
    sizes = []
    find = Catalogue.search

    def watched(self: Catalogue, crops: list[np.ndarray], *given: Any, **more: Any) -> Any:
        sizes.append(len(crops))
        return find(self, crops, *given, **more)

    monkeypatch.setattr(Catalogue, "search", watched)
    assert run(catalogue, table, tmp_path / "r.jsonl").photos == 72 and max(sizes) == 4 and sum(sizes) == 72


def test_boxes_of_the_upright_photo(catalogue: Path, tmp_path: Path) -> None:
    with Image.open(catalogue.parent / "5.png") as image:
        exif = Image.Exif()
        exif[0x0112] = 6  # shown turned by 90° clockwise
        image.save(tmp_path / "turned.png", exif=exif)
    table = write(tmp_path / "list.csv", "image,x1,y1,x2,y2\nturned.png,4,2,20,16\n")
    run(catalogue, table, tmp_path / "r.jsonl", boxes="upright")
    options = replace(PhotoOptions(device="cpu"), box="4,2,20,16")
    expected = search_photo.run(catalogue, tmp_path / "turned.png", options, 3)
    check_hits(read(tmp_path / "r.jsonl")[0]["hits"], [asdict(hit) for hit in expected.hits])


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ("--image 0.png --image 1.png", 2, "for several photos: --images FOLDER|LIST"),
        ("--image 0.png --images .", 2, "no --output, --images"),
        ("--images .", 2, "give an output: -o results.jsonl or results.csv"),
        ("--images . -o r.jsonl --within category", 2, "--images takes one embeddings file, and no --within"),
        ("--images . -o r.jsonl --box 1,2,3,4", 2, "--box has no effect without --image"),
        ("-o r.h5 --model x", 2, "--model has no effect without --image or --images"),
        ("-o r.h5 --max-errors 0.5", 2, "--max-errors has no effect without --images"),
        ("--images . -o r.h5", 1, "r.h5: results for photos are written to a name that ends in .jsonl or .csv"),
        ("--images 0.png -o r.csv", 1, "--images 0.png: is a photo; give it with --image"),
        ("--images none -o r.csv", 1, "none: no such file"),
        ("--images . -o r.csv --where x=1", 1, "has no column x"),
        ("--images . -o r.csv -k 0", 1, "--top 0: must be 1 or more"),
    ],
)
def test_what_cannot_be_is_refused_at_once(
    catalogue: Path, words: str, code: int, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(catalogue.parent)
    before = sorted(catalogue.parent.iterdir())
    done = invoke("search", catalogue.name, *words.split(), columns=300)
    assert done.returncode == code and message in " ".join(done.stderr.replace("│", "").split()), done.stderr
    assert sorted(catalogue.parent.iterdir()) == before
