"""`fashret search --image --detector`: the products of each garment of a photo."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from fashret.errors import FashretError
from fashret.options import EmbedOptions, PhotoOptions
from fashret.stages import embed, search_garments
from fashret.stages.search_garments import GarmentSearch
from tests.conftest import invoke
from tests.painted_case import PaintedDetector, painted, use_painted
from tests.training_case import SIDE, add_tiny_backbone

RED, GREEN, BLUE = (10, 20, 60, 120), (65, 30, 110, 150), (0, 130, 30, 160)


@pytest.fixture(autouse=True)
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A catalogue of plain colours, and a customer's photo of two of them, turned."""
    add_tiny_backbone()
    lines = ["image,product,category"]
    for colour in ("red", "green", "blue"):
        painted(tmp_path / f"{colour}.png", {colour: (0, 0, 40, 60)}, size=(40, 60))
        lines.append(f"{colour}.png,{colour}-product,{colour}")
    (tmp_path / "shop.csv").write_text("\n".join(lines) + "\n")
    monkeypatch.chdir(tmp_path)
    options = EmbedOptions(
        backbone="tiny", weights="none", input=f"{SIDE}x{SIDE}", device="cpu", precision="float32", workers=0
    )
    embed.run(Path("shop.csv"), Path("shop.emb.h5"), options)
    painted(tmp_path / "photo.png", {"red": RED, "green": GREEN, "blue": BLUE}, orientation=6)
    painted(tmp_path / "none.png", {})
    use_painted(monkeypatch, tmp_path, PaintedDetector())


def find(photo: str = "photo.png", **values: Any) -> GarmentSearch:
    options = PhotoOptions(device="cpu", detector=(Path("painted"),), image=(Path(photo),))
    return search_garments.run(Path("shop.emb.h5"), Path(photo), replace(options, **values), 2)


def test_each_garment_finds_its_product() -> None:
    found = find()
    assert [(each.garment.number, each.garment.category) for each in found.garments] == [(1, "red"), (2, "green")]
    assert [each.hits[0].product for each in found.garments] == ["red-product", "green-product"]
    assert all(len(each.hits) == 2 for each in found.garments) and (found.found, found.gallery) == (2, 3)
    assert found.garments[0].garment.box == (40, 10, 140, 60)  # upright


@pytest.mark.parametrize(("which", "numbers"), [("2", [2]), ("Green", [2]), ("", [1, 2, 3])])
def test_one_garment_by_number_or_category(which: str, numbers: list[int]) -> None:
    assert [each.garment.number for each in find(garment=which, min_score=0.2).garments] == numbers


def test_a_garment_that_is_not_there() -> None:
    with pytest.raises(FashretError, match="--garment 9: no such garment; the photo shows 1 red, 2 green"):
        find(garment="9")
    with pytest.raises(FashretError, match="the photo shows none"):
        find("none.png", garment="1")


def test_a_photo_without_garments_is_said_and_is_no_error() -> None:
    words = ["search", "shop.emb.h5", "--image", "none.png", "--detector", "painted"]
    done = invoke(*words, "--json")
    assert done.returncode == 0 and json.loads(done.stdout)["garments"] == []
    assert "none.png: no garment found" in invoke(*words).stdout


def test_the_command_prints_the_products_of_each_garment() -> None:
    words = ["search", "shop.emb.h5", "--image", "photo.png", "--detector", "painted", "--top", "1"]
    lines = invoke(*words).stdout.splitlines()
    first, second = (next(i for i, line in enumerate(lines) if line.startswith(n)) for n in ("1 red", "2 green"))
    assert "score 0.90, box 40,10,140,60" in lines[first]
    assert any("red-product" in line for line in lines[first:second]) and "green-product" in "".join(lines[second:])
    plain = json.loads(invoke(*words, "--json", "--garment", "2").stdout)
    assert plain["garments"][0]["garment"]["number"] == 2
    assert plain["garments"][0]["hits"][0]["product"] == "green-product"


def test_the_picture_has_the_photo_above_the_products() -> None:
    find(show=Path("page.png"), crops=(Path(),))
    with Image.open("page.png") as page:
        assert page.height > 160 + 2 * 250 and page.width > 300
        assert page.getpixel((90, 30)) == pytest.approx((220, 20, 20), abs=9)
    find("none.png", show=Path("none.jpg"), crops=(Path(),))
    with Image.open("none.jpg") as page:
        assert page.size == (120, 160)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--image photo.png --detector none", "none: no such detector folder"),
        ("--image photo.png --detector painted --box 1,2,30,40", "--box and --detector exclude each other"),
        ("--image photo.png --garment 2", "--garment has no effect without --detector"),
        ("--detector painted -o r.h5", "--detector has no effect without --image"),
        ("--image photo.png --detector painted --show a.txt", "a picture's name must end in"),
    ],
)
def test_what_is_refused(words: str, message: str) -> None:
    done = invoke("search", "shop.emb.h5", *words.split())
    assert done.returncode in (1, 2) and message in " ".join(done.stderr.replace("│", " ").split())
