"""What a shop finds is what `fashret search` and `Catalogue` find."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fashret.catalogue import Catalogue
from fashret.errors import FashretError
from fashret.serving import shop as shop_module
from fashret.serving.asking import Search
from fashret.serving.shop import Shop
from tests.serving_case import SERVED, draw, write_shop


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_shop(tmp_path_factory.mktemp("shop"))


@pytest.fixture(scope="module")
def shop(catalogue: Path):
    opened = Shop(catalogue, SERVED)
    yield opened
    opened.close()


@pytest.mark.parametrize("where", [(), ("price > 12",), ("price > 1e9",), ("new = true", "brand = Acme")])
def test_products_are_those_of_the_catalogue(shop: Shop, catalogue: Path, where: tuple[str, ...]) -> None:
    vectors = np.random.default_rng(0).normal(size=(5, shop.file.width)).astype(np.float32)
    with Catalogue.open(catalogue) as plain:
        assert shop.search(Search(4, where), vectors) == plain.search(vectors, 4, where=where)


def test_photos_are_the_nearest_rows(shop: Shop) -> None:
    query = np.asarray(shop.file.vectors[3])
    (hits,) = shop.search(Search(12, photos=True), [query])
    cosine = 1 - np.asarray(shop.file.vectors, np.float64) @ query
    assert [hit.row for hit in hits] == np.lexsort((np.arange(12), np.round(cosine, 9))).tolist()
    assert hits[0].row == 3 and [hit.rank for hit in hits] == list(range(1, 13))
    assert shop.search(Search(3, ("price > 1e9",), True), [query]) == [()]


def test_a_vector_alone_and_in_a_batch(shop: Shop) -> None:
    crops = [np.asarray(draw(i)) for i in range(7)]
    together = shop.embed(crops)
    alone = [shop.embed([crop])[0] for crop in crops]
    assert len(together) == 7
    assert np.abs(np.array(together) - np.array(alone)).max() <= 1e-5


def test_similar_leaves_out_the_product_itself(shop: Shop) -> None:
    rows = shop.products["p/1"]
    hits = shop.similar(rows, Search(4))
    vectors = np.asarray(shop.file.vectors, np.float64)
    distance = {row: min(1 - vectors[row] @ vectors[own] for own in rows) for row in range(12) if row not in rows}
    best: dict[object, float] = {}
    for row, far in distance.items():
        name = shop.file.product[row] or row
        best[name] = min(far, best.get(name, 9))
    wanted = sorted(best, key=best.__getitem__)[:4]
    assert [hit.product or hit.row for hit in hits] == wanted and [hit.rank for hit in hits] == [1, 2, 3, 4]
    unlabelled = shop.similar([10], Search(20))
    assert 10 not in [hit.row for hit in unlabelled] and 11 in [hit.row for hit in unlabelled]


def test_listing(shop: Shop) -> None:
    count, hits = shop.listed((), 1, 3)
    assert count == 7 and [hit.product for hit in hits] == ["p/1", "p/2", "p/3"]
    count, hits = shop.listed(("new = false",), 0, 9)
    assert (count, [hit.row for hit in hits]) == (4, [2, 6, 10, 11])


def test_pictures_are_small_and_kept_within_bounds(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    first = shop.picture(0, 320)
    assert first.startswith(b"\xff\xd8") and shop.picture(0, 200) is first
    monkeypatch.setattr(shop_module, "KEPT_BYTES", 3000)
    for row in range(12):
        shop.picture(row, 100)
    assert shop._picture_bytes <= 3000 and shop._picture_bytes == sum(map(len, shop._pictures.values()))


def test_filters_that_are_remembered_are_few(shop: Shop) -> None:
    for price in range(shop_module.KEPT_FILTERS + 9):
        shop.rows_where((f"price > {price}",))
    assert len(shop._filters) == shop_module.KEPT_FILTERS


def test_rows_that_are_searched(shop: Shop) -> None:
    assert shop.has_row(0) and shop.has_row(11) and not shop.has_row(12)


def test_what_cannot_be_opened(catalogue: Path, tmp_path: Path) -> None:
    with pytest.raises(FashretError):
        Shop(tmp_path / "none.emb.h5", SERVED)
    with pytest.raises(FashretError):
        Shop(catalogue, replace(SERVED, crops=(tmp_path / "none.h5",)))
