"""From a photo in memory to what was found, and which steps it took."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from fashret.catalogue import Catalogue
from fashret.serving.asking import Question, Search
from fashret.serving.failures import RequestError
from fashret.serving.finding import Finder, Found, Steps
from fashret.serving.metrics import Metrics
from fashret.serving.shop import Shop
from tests.painted_case import PaintedDetector, painted, use_painted
from tests.serving_case import SERVED, draw, png, write_shop


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory):
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("finding")
        (detector,) = use_painted(patch, folder, PaintedDetector())
        opened = Shop(write_shop(folder), type(SERVED)(**{**vars(SERVED), "detector": (detector,)}))
    yield opened
    opened.close()


def answer(shop: Shop, *questions: Question, max_pixels: str = "64M") -> list[Any]:
    async def run() -> list[Any]:
        finder = Finder(type(SERVED)(**{**vars(SERVED), "max_pixels": max_pixels}), Metrics())
        try:
            steps = [Steps(finder.metrics) for _ in questions]
            asked = (finder.answer(shop, each, step) for each, step in zip(questions, steps, strict=True))
            found = await asyncio.gather(*asked, return_exceptions=True)
            return [(each, sorted(step.milliseconds)) for each, step in zip(found, steps, strict=True)]
        finally:
            finder.close()

    return asyncio.run(run())


def test_photos_together_are_as_each_alone(shop: Shop) -> None:
    questions = [Question(Search(5), png(draw(i)), box=(5.0, 5.0, 35.0, 40.0) if i % 2 else None) for i in range(9)]
    for i, (found, steps) in enumerate(answer(shop, *questions)):
        assert isinstance(found, Found) and steps == ["decode", "embed", "search"]
        path = shop.path.parent / f"{i}.png"
        with Catalogue.open(shop.path, device="cpu") as plain:
            (wanted,) = plain.search(path, 5, boxes=[questions[i].box])
        assert [hit.row for hit in found.hits] == [hit.row for hit in wanted]
        assert max(abs(a.distance - b.distance) for a, b in zip(found.hits, wanted, strict=True)) < 1e-5


def test_a_garment_by_number_or_category(shop: Shop, tmp_path: Path) -> None:
    boxes = {"red": (10, 20, 60, 120), "green": (65, 30, 110, 150)}
    photo = painted(tmp_path / "a.png", boxes, orientation=6).read_bytes()
    (by_number, steps), (by_name, _), (none, _) = answer(
        shop, *(Question(Search(2), photo, garment=name) for name in ("2", "Green", "hat"))
    )
    assert steps == ["decode", "detect", "embed", "search"]
    assert by_number == by_name and by_number.garment.category == "green"
    assert by_number.box == (10, 65, 130, 110)  # upright
    assert isinstance(none, RequestError) and "1 red, 2 green" in none.message


@pytest.mark.parametrize(
    ("question", "status", "code"),
    [
        ({"photo": b"no photo"}, 422, "photo"),
        ({"photo": png(draw(0))[:200]}, 422, "photo"),
        ({"photo": b"\x00\x00\x00\x1cftypheic" + b"\0" * 40}, 422, "photo"),
        ({"photo": png(draw(0)), "box": (900.0, 900.0, 950.0, 950.0)}, 400, "box"),
        ({"photo": png(draw(0)), "search": Search(5, ("colour = red",))}, 400, "where"),
        ({"photo": png(draw(0)), "search": Search(5, ("__import__('os').system('true')",))}, 400, "where"),
    ],
)
def test_what_cannot_be_used(shop: Shop, question: dict[str, Any], status: int, code: str) -> None:
    ((error, _),) = answer(shop, Question(**{"search": Search(5), **question}))
    assert isinstance(error, RequestError) and (error.status, error.code) == (status, code)
    assert str(shop.path.parent) not in error.message


def test_too_many_pixels(shop: Shop) -> None:
    ((error, _),) = answer(shop, Question(Search(5), png(draw(0))), max_pixels="1K")
    assert isinstance(error, RequestError) and error.status == 422 and "pixels" in error.message


def test_heic_without_its_extra(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fashret.files.photos.kinds.reads_heif", lambda: False)
    ((error, _),) = answer(shop, Question(Search(5), b"\x00\x00\x00\x1cftypheic" + b"\0" * 40))
    assert isinstance(error, RequestError) and error.status == 415 and "fashret[heif]" in error.message
