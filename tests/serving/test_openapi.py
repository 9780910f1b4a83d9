"""The document describes the routes that there are."""

from __future__ import annotations

import json
from pathlib import Path

from fashret.serving.openapi import document
from tests.serving_case import asked, write_shop


def test_every_route_is_described(tmp_path: Path) -> None:
    with asked(write_shop(tmp_path), root_path="/shop") as client:
        found = client.get("/shop/openapi.json").json()
        assert found == json.loads(json.dumps(document("/shop"))) and found["servers"] == [{"url": "/shop"}]
        for path, methods in found["paths"].items():
            for method in methods:
                address = "/shop" + path.replace("{id}", "p/1").replace("{row}", "1")
                answer = client.request(method.upper(), address)
                assert answer.status_code not in (404, 405) or path == "/api/detect", path
    text = json.dumps(found)
    names = {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}
    assert names == set(found["components"]["schemas"]) - {"Nothing"}
