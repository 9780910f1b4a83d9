"""What a client gets is plain and complete."""

from __future__ import annotations

import json
from pathlib import Path

from fashret.detecting.photos import FoundGarment
from fashret.serving.answers import edition, facts_of, garment_of, hits_of
from fashret.serving.shop import Shop
from tests.serving_case import SERVED, write_shop


def test_answers(tmp_path: Path) -> None:
    shop = Shop(write_shop(tmp_path), SERVED)
    (hit,) = hits_of([shop.hit(1, 0, 0.25)], shop, "/root")
    assert hit == {
        "rank": 1, "distance": 0.25, "product": "p/0", "photo": "0.png", "row": 0, "category": "tops",
        "picture": f"/root/photos/0?of={edition(shop)}",
        "columns": {"title": "Plain dress", "brand": "Acme", "price": 10.0, "new": True,
                    "url": "https://shop.example/0"},
    }  # fmt: skip
    assert hits_of([shop.hit(1, 11)], shop, "")[0]["product"] is None
    facts = json.loads(json.dumps(facts_of(shop), allow_nan=False))
    assert (facts["catalogue"]["rows"], facts["catalogue"]["products"]) == (12, 7)
    assert [facet["column"] for facet in facts["catalogue"]["facets"]] == ["category", "brand", "price", "new"]
    shop.close()
    garment = garment_of(FoundGarment(1, "", "top", 0.5, (1.005, 2, 3, 4)))
    assert garment == {"number": 1, "category": None, "label": "top", "score": 0.5, "box": [1.0, 2, 3, 4]}
