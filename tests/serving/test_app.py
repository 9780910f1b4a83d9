"""The routes, asked in this process."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fashret.options import PhotoOptions
from fashret.serving.app import FILES
from fashret.stages import search_photo
from tests.painted_case import PaintedDetector, painted, use_painted
from tests.serving_case import asked, draw, png, write_shop

TOKEN = "0123456789abcdef"


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_shop(tmp_path_factory.mktemp("app"))


@pytest.fixture(scope="module")
def client(catalogue: Path):
    with asked(catalogue, max_upload="40KB") as client:
        yield client


@pytest.mark.parametrize("box", ["", "4,4,30,40"])
@pytest.mark.parametrize("where", [(), ("price < 15", "brand in (Acme, Umbrella)")])
def test_a_photo_finds_what_the_command_finds(client, catalogue: Path, box: str, where: tuple[str, ...]) -> None:
    photo = catalogue.parent / "3.png"
    found = search_photo.run(catalogue, photo, PhotoOptions(device="cpu", box=box, where=where), 4)
    answer = client.post("/api/search", params={"top_k": 4, "box": box, "where": where}, content=photo.read_bytes())
    assert answer.status_code == 200
    hits = answer.json()["hits"]
    assert [(h["rank"], h["product"] or "", h["photo"], h["row"], h["columns"]) for h in hits] == [
        (h.rank, h.product, h.photo, h.row, h.columns) for h in found.hits
    ]
    assert [h["distance"] for h in hits] == [h.distance for h in found.hits]


def test_an_answer_says_what_it_is_of(client, catalogue: Path) -> None:
    answer = client.post("/api/search?box=1,2,30,40", files={"photo": ("a.png", png(draw(1)))}).json()
    assert answer["catalogue"]["name"] == "shop.emb.h5" and answer["catalogue"]["digest"].startswith("xxh3:")
    assert answer["model"]["digest"] and answer["box"] == [1, 2, 30, 40]
    assert set(answer["took"]) == {"decode", "embed", "search", "total"}
    assert client.get(answer["hits"][0]["picture"]).headers["content-type"] == "image/jpeg"


def test_a_vector_finds_its_rows(client, catalogue: Path) -> None:
    with client.living.using() as shop:
        vector = np.asarray(shop.file.vectors[5], np.float64).tolist()
    answer = client.post("/api/search", json={"vector": vector, "results": "photos", "top_k": 1}).json()
    assert answer["hits"][0]["row"] == 5 and abs(answer["hits"][0]["distance"]) < 1e-7 and answer["box"] is None
    wrong = client.post("/api/search", json={"vector": [1.0, 2.0]})
    assert wrong.status_code == 400 and "numbers" in wrong.json()["error"]["message"]


def test_products(client) -> None:
    page = client.get("/api/products?top_k=2&skip=1").json()
    assert page["count"] == 7 and [each["product"] for each in page["products"]] == ["p/1", "p/2"]
    one = client.get("/api/products/p/1").json()
    assert [each["row"] for each in one["photos"]] == [2, 3] and one["count"] == 2
    like = client.get("/api/products/p/1/similar?top_k=3").json()
    assert like["product"] == "p/1" and len(like["hits"]) == 3 and "p/1" not in [h["product"] for h in like["hits"]]
    row = client.get("/api/rows/10/similar?where=price %3E 0").json()
    assert row["product"] is None and row["of"]["row"] == 10 and len(row["hits"]) == 5


@pytest.mark.parametrize(
    ("path", "status"),
    [("/api/products/none", 404), ("/api/products/p/9/similar", 404), ("/api/products?top_k=1000", 400),
     ("/api/products?skip=-1", 400), ("/api/products?where=a", 400), ("/api/products?other=1", 400),
     ("/api/rows/99/similar", 404), ("/api/rows/x/similar", 404), ("/photos/12", 404), ("/photos/-1", 404),
     ("/photos/1.png", 404), ("/photos/" + "9" * 400, 404), ("/photos/1?w=1", 400), ("/photos/1?w=99999", 400),
     ("/photos/..%2f..%2fetc%2fpasswd", 404), ("/page/..%2fapp.py", 404), ("/page/index.html", 404),
     ("/page/%2e%2e/app.py", 404), ("/nowhere", 404), ("/api/search", 405), ("/api/catalogue/", 404)],
)  # fmt: skip
def test_what_is_not_there(client, path: str, status: int) -> None:
    answer = client.get(path)
    assert answer.status_code == status, answer.text
    assert set(answer.json()["error"]) == {"status", "code", "message"}


@pytest.mark.parametrize("text", ["'; DROP TABLE x; --", "price < 'a", "a" * 1900, "price < 1 or 1=1", "\0 = 1",
                                  "__class__ = 1", "price = {{7*7}}", "brand = \u202e<script>", "(" * 500])  # fmt: skip
def test_conditions_that_nobody_meant(client, catalogue: Path, text: str) -> None:
    answer = client.get("/api/products", params={"where": text})
    assert answer.status_code in (200, 400) and str(catalogue.parent) not in answer.text
    if answer.status_code == 400:
        assert answer.json()["error"]["code"] == "where" and "\n" not in answer.json()["error"]["message"]
    else:
        assert answer.json()["count"] == 0


def test_a_body_that_is_too_large(client) -> None:
    answer = client.post("/api/search", content=b"x" * 40_001)
    assert answer.status_code == 413 and answer.headers["connection"] == "close"


def test_hostile_names_come_as_they_are(client) -> None:
    answer = client.get("/api/products?top_k=7")
    assert answer.headers["content-type"] == "application/json"
    assert any("<script>" in str(each["columns"]["brand"]) for each in answer.json()["products"])


def test_what_it_counts(client) -> None:
    client.get("/nowhere")
    text = client.get("/metrics").text
    assert 'fashret_requests_total{route="/api/search",status="200"}' in text and "nowhere" not in text
    assert client.get("/health").json() == {"status": "ok"}


def test_an_error_that_nobody_foresaw_is_not_shown(client, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("/data/secret")

    with client.living.using() as shop:
        monkeypatch.setattr(shop, "listed", broken)
        answer = client.get("/api/products")
    assert answer.status_code == 500 and "secret" not in answer.text and answer.json()["error"]["code"] == "internal"


def test_a_photo_that_is_gone(client, catalogue: Path) -> None:
    (catalogue.parent / "9.png").rename(catalogue.parent / "away")
    answer = client.get("/photos/9")
    (catalogue.parent / "away").rename(catalogue.parent / "9.png")
    assert answer.status_code == 404 and str(catalogue.parent) not in answer.text
    assert client.get("/photos/9").status_code == 200


def test_pictures_may_be_kept_only_for_one_edition(client) -> None:
    picture = client.get("/api/products?top_k=1").json()["products"][0]["picture"]
    assert "immutable" in client.get(picture).headers["cache-control"]
    assert client.get("/photos/0?of=other").headers["cache-control"] == "no-cache"


def test_garments(catalogue: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (detector,) = use_painted(monkeypatch, tmp_path, PaintedDetector())
    photo = painted(tmp_path / "a.png", {"red": (10, 20, 60, 120), "green": (65, 30, 110, 150)}).read_bytes()
    with asked(catalogue, detector=(detector,)) as client:
        found = client.post("/api/detect", content=photo).json()
        assert (found["width"], found["height"]) == (120, 160) and found["detector"] == "painted"
        assert [(each["number"], each["box"]) for each in found["garments"]] == [
            (1, [10, 20, 60, 120]), (2, [65, 30, 110, 150]),
        ]  # fmt: skip
        by_number = client.post("/api/search?garment=2", content=photo).json()
        by_box = client.post("/api/search?box=65,30,110,150", content=photo).json()
        assert by_number["hits"] == by_box["hits"] and by_number["garment"]["category"] == "green"


def test_without_a_detector(client) -> None:
    assert client.post("/api/detect", content=png(draw(1))).json()["error"]["code"] == "no_detector"
    assert client.post("/api/search?garment=1", content=png(draw(1))).status_code == 400


def test_the_page_gets_a_cookie_for_a_token(catalogue: Path, tmp_path: Path) -> None:
    (tmp_path / "tokens").write_text(TOKEN)
    with asked(catalogue, token_file=tmp_path / "tokens", root_path="/shop") as client:
        assert client.get("/shop/photos/1").status_code == 401
        assert client.post("/shop/api/session", content=b"wrong").status_code == 401
        answer = client.post("/shop/api/session", content=TOKEN.encode())
        cookie = answer.headers["set-cookie"].lower()
        assert "httponly" in cookie and "samesite=strict" in cookie and "path=/shop" in cookie
        assert client.get("/shop/photos/1").status_code == 200
        assert TOKEN not in client.get("/shop/metrics").text


def test_below_a_path(catalogue: Path) -> None:
    with asked(catalogue, root_path="/shop") as client:
        for path in ("/shop/api/products?top_k=1", "/api/products?top_k=1"):
            picture = client.get(path).json()["products"][0]["picture"]
            assert picture.startswith("/shop/photos/") and client.get(picture).status_code == 200
        assert client.get("/shop", follow_redirects=False).headers["location"] == "/shop/"
        assert "text/html" in client.get("/shop/").headers["content-type"]


def test_the_parts_of_the_page(client) -> None:
    page = client.get("/").text
    assert "<script>" not in page and "style=" not in page and "onclick" not in page
    for name in FILES:
        answer = client.get(f"/page/{name}")
        assert answer.status_code == 200 and answer.headers["x-content-type-options"] == "nosniff"
