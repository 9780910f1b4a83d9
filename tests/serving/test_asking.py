"""The parameters of a request, well-formed and not."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import numpy as np
import pytest
from starlette.requests import Request

from fashret.serving.asking import MOST_RESULTS, Question, Search, parse_box, read_body, read_question
from fashret.serving.failures import RequestError


def request(body: bytes, kind: str, query: str = "", pieces: int = 1, told: int | None = None) -> Request:
    headers = [(b"content-type", kind.encode())]
    if told is not None:
        headers.append((b"content-length", str(told).encode()))
    size = max(1, -(-len(body) // pieces))
    parts = [body[i : i + size] for i in range(0, len(body), size)] or [b""]

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": parts.pop(0), "more_body": bool(parts)}

    scope = {"type": "http", "method": "POST", "path": "/", "query_string": query.encode(), "headers": headers}
    return Request(scope, receive)


def read(body: bytes = b"photo", kind: str = "image/jpeg", query: str = "", most: int = 1000) -> Question:
    return asyncio.run(read_question(request(body, kind, query), most))


def test_the_photo_is_the_body() -> None:
    assert read() == Question(Search(10), b"photo")
    asked = read(query="top_k=3&box=1,2,3.5,4&where=a%3D1&where=b%3E2&results=photos")
    assert asked == Question(Search(3, ("a=1", "b>2"), True), b"photo", None, (1.0, 2.0, 3.5, 4.0))


def test_a_form() -> None:
    parts = {'name="photo"; filename="../../a.jpg"': "photo", 'name="top_k"': "4", 'name="where"': "a = 1"}
    body = "".join(f"--x\r\nContent-Disposition: form-data; {head}\r\n\r\n{text}\r\n" for head, text in parts.items())
    assert read(f"{body}--x--\r\n".encode(), "multipart/form-data; boundary=x") == Question(
        Search(4, ("a = 1",)), b"photo"
    )


@pytest.mark.parametrize(
    "body",
    [b"", b"--x", b"--x\r\nContent-Disposition: form-data\r\n\r\na\r\n--x--\r\n",
     b'--x\r\nContent-Disposition: form-data; name="f"; filename="a"\r\n\r\na\r\n--x--\r\n',
     b"".join(b'--x\r\nContent-Disposition: form-data; name="where"\r\n\r\na\r\n' for _ in range(99)) + b"--x--\r\n"],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["multipart/form-data; boundary=x", "multipart/form-data"])
def test_forms_that_are_none(body: bytes, kind: str) -> None:
    with pytest.raises(RequestError) as error:
        read(body, kind, most=10_000)
    assert error.value.status == 400


def test_a_vector() -> None:
    asked = read(json.dumps({"vector": [1, 0.5], "top_k": 2, "where": ["a = 1"]}).encode(), "application/json")
    assert asked.search == Search(2, ("a = 1",)) and not asked.photo
    assert asked.vector is not None and asked.vector.dtype == np.float32 and asked.vector.tolist() == [1, 0.5]


@pytest.mark.parametrize(
    "text",
    ['{"vector": [1, NaN]}', '{"vector": [1e999]}', '{"vector": [1e300]}', '{"vector": [0, 0]}', '{"vector": []}',
     '{"vector": ["1"]}', '{"vector": [true]}', '{"vector": [[1]]}', '{"vector": 1}', "[1]", "{", "\xff",
     '{"vector": [1], "box": [1, 2, 3, 4]}', '{"vector": [' + "9" * 5000 + "]}", "[" * 900,
     '{"vector": [1], "other": 1}'],
)  # fmt: skip
def test_vectors_that_are_none(text: str) -> None:
    with pytest.raises(RequestError) as error:
        read(text.encode("latin-1"), "application/json", most=10_000)
    assert error.value.status == 400


@pytest.mark.parametrize(
    "query",
    [f"top_k={n}" for n in (0, -1, "x", "1.5", "٣", MOST_RESULTS + 1, "9" * 400)]
    + [f"box={box}" for box in ("1,2,3", "a,b,c,d", "3,2,1,4", "1,2,nan,4", "1,2,inf,4", "1,1,1,1")]
    + ["top_k=1&top_k=2", "results=all", "k=3", "box=1,2,3,4&garment=1", "where=" + "a" * 3000,
       "&".join(["where=a"] * 21)],
)  # fmt: skip
def test_parameters_that_are_wrong(query: str) -> None:
    with pytest.raises(RequestError) as error:
        read(query=query)
    assert error.value.status == 400


def test_boxes() -> None:
    assert parse_box("") is None and parse_box(" 1, 2,3 ,4") == (1, 2, 3, 4)


@pytest.mark.parametrize("told", [None, 2001, 10**30])
def test_a_large_body_is_not_read_to_its_end(told: int | None) -> None:
    asked = request(b"x" * 100_000, "image/jpeg", pieces=100, told=told)
    with pytest.raises(RequestError) as error:
        asyncio.run(read_body(asked, 2000))
    assert error.value.status == 413
    if told is None:
        left = asyncio.run(asked.receive())
        assert left["more_body"] and len(left["body"]) == 1000


def test_other_bodies_are_refused() -> None:
    for kind in ("application/x-www-form-urlencoded", "text/plain"):
        with pytest.raises(RequestError) as error:
            read(kind=kind)
        assert error.value.status == 415
    with pytest.raises(RequestError, match="no photo"):
        read(b"")
