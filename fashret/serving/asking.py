"""What a client asks for: the parameters of a request, and the photo in its body.

In: a request. Out: a `Question`, or a `RequestError` that says which parameter is wrong and how to write it.

Parameters are in the address; those of a form (multipart, with the photo as `photo`) or of a JSON body, which has a
vector in place of a photo, count as well.
"""

from __future__ import annotations

import json
import math
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from fashret.options import PRODUCTS
from fashret.serving.failures import RequestError

MOST_RESULTS = 200
MOST_CONDITIONS = 20
LONGEST_CONDITION = 2000  # characters
MOST_FIELDS = 64  # of a form
KNOWN = {"top_k", "box", "garment", "where", "results"}  # parameters of a search
BOX = "write x1,y1,x2,y2 in pixels of the upright photo, with x1 < x2 and y1 < y2"


@dataclass(frozen=True)
class Search:
    """What searches have in common that go over the vectors together."""

    top: int
    where: tuple[str, ...] = ()
    photos: bool = False  # rows in place of products


@dataclass(frozen=True)
class Question:
    """A search, and what is searched for: a photo or a vector."""

    search: Search
    photo: bytes = b""
    vector: NDArray[np.float32] | None = None
    box: tuple[float, float, float, float] | None = None
    garment: str = ""


async def read_body(request: Request, most: int) -> bytes:
    """The body of a request, no more than `most` bytes of it.

    Raises
    ------
    RequestError
        If it is larger; it is not read to its end.
    """
    told = request.headers.get("content-length", "0")
    if told.isdecimal() and int(told) > most:
        raise _too_large(most)
    parts, size = [], 0
    try:
        async for part in request.stream():
            size += len(part)
            if size > most:
                raise _too_large(most)
            parts.append(part)
    except ClientDisconnect:
        raise RequestError(400, "the request ended before its body did") from None
    return b"".join(parts)


def _too_large(most: int) -> RequestError:
    return RequestError(413, f"the body has more than {most:,} bytes", headers={"Connection": "close"})


async def read_question(request: Request, most: int) -> Question:
    """What a search asks for.

    Raises
    ------
    RequestError
        If the body is too large or of no known kind, or a parameter is wrong.
    """
    body = await read_body(request, most)
    given = {name: request.query_params.getlist(name) for name in request.query_params}
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    photo, vector = body, None
    if kind == "multipart/form-data":
        photo, fields = await _form(request, body)
        given = {**given, **fields}
    elif kind == "application/json":
        photo, vector, fields = _json(body)
        given = {**given, **fields}
    elif kind in ("application/x-www-form-urlencoded", "text/plain"):
        raise RequestError(415, "send the photo itself (image/jpeg …), a form with the file photo, or JSON")
    if unknown := sorted(set(given) - KNOWN):
        raise RequestError(400, f"unknown parameter {unknown[0][:40]}; there are {', '.join(sorted(KNOWN))}")
    if not photo and vector is None:
        raise RequestError(400, "there is no photo; send it as the body, or as the file photo of a form")
    box = parse_box(one_of(given, "box"))
    garment = one_of(given, "garment")[:100]
    if box and garment:
        raise RequestError(400, "box and garment exclude each other: a box says where the garment is")
    if vector is not None and (box or garment):
        raise RequestError(400, "box and garment are of a photo, not of a vector")
    return Question(read_search(given), photo, vector, box, garment)


def read_search(given: Mapping[str, list[str]]) -> Search:
    """What to find, from parameters."""
    results = one_of(given, "results") or "products"
    if results not in ("products", "photos"):
        raise RequestError(400, f"results={results[:40]}: write products or photos")
    return Search(whole_number(given, "top_k", PRODUCTS, 1, MOST_RESULTS), conditions(given), results == "photos")


def conditions(given: Mapping[str, list[str]]) -> tuple[str, ...]:
    """The conditions of a request; whether they can be used is another question."""
    where = tuple(text for text in given.get("where", []) if text.strip())
    if len(where) > MOST_CONDITIONS or any(len(text) > LONGEST_CONDITION for text in where):
        raise RequestError(400, f"at most {MOST_CONDITIONS} conditions of {LONGEST_CONDITION:,} characters")
    return where


def one_of(given: Mapping[str, list[str]], name: str) -> str:
    """The value of a parameter that can be given once; empty if it is not there."""
    values = given.get(name, [])
    if len(values) > 1:
        raise RequestError(400, f"{name} is given {len(values)} times; give it once")
    return values[0] if values else ""


def whole_number(given: Mapping[str, list[str]], name: str, default: int, least: int, most: int) -> int:
    """A parameter that is a whole number in some range."""
    text = one_of(given, name)
    if not text:
        return default
    if not (text.isascii() and text.isdecimal() and len(text) < 12 and least <= int(text) <= most):
        raise RequestError(400, f"{name}={text[:40]}: write a whole number from {least} to {most:,}")
    return int(text)


def parse_box(text: str) -> tuple[float, float, float, float] | None:
    """A box, as `--box` has it; None for the whole photo.

    >>> parse_box("10,20,110,220")
    (10.0, 20.0, 110.0, 220.0)
    """
    if not text:
        return None
    try:
        x1, y1, x2, y2 = (float(number) for number in text.split(","))
    except ValueError:
        raise RequestError(400, f"box={text[:60]}: {BOX}") from None
    if not all(map(math.isfinite, (x1, y1, x2, y2))) or x1 >= x2 or y1 >= y2:
        raise RequestError(400, f"box={text[:60]}: {BOX}")
    return x1, y1, x2, y2


class _InMemory(MultiPartParser):
    """Keeps files in memory: the whole body is there already, and its size is limited."""

    spool_max_size = 1 << 62


async def _form(request: Request, body: bytes) -> tuple[bytes, dict[str, list[str]]]:
    async def stream() -> AsyncIterator[bytes]:
        yield body

    try:
        parser = _InMemory(request.headers, stream(), max_files=1, max_fields=MOST_FIELDS)  # type: ignore[arg-type]
        form = await parser.parse()
    except (MultiPartException, KeyError, ValueError) as error:
        raise RequestError(400, f"the form cannot be read ({getattr(error, 'message', 'malformed')})") from None
    photo, fields = b"", {}
    for name, value in form.multi_items():
        if isinstance(value, UploadFile):
            if name != "photo":
                raise RequestError(400, f"the file {name[:40]} is not known; call it photo")
            photo = await value.read()
        else:
            fields[name] = [str(each) for each in form.getlist(name) if isinstance(each, str)]
    await form.close()
    return photo, fields


def _json(body: bytes) -> tuple[bytes, NDArray[np.float32], dict[str, list[str]]]:
    """The vector of a JSON body, and its other fields."""
    try:
        found: Any = json.loads(body)
    except (ValueError, RecursionError):
        raise RequestError(400, "the body is no JSON") from None
    if not isinstance(found, dict) or not isinstance(found.get("vector"), list):
        raise RequestError(400, 'send JSON like {"vector": [0.1, …], "top_k": 10}')
    numbers = found.pop("vector")
    try:
        if not all(type(number) in (int, float) for number in numbers):
            raise ValueError
        with np.errstate(over="raise"):
            vector = np.array(numbers, np.float64).astype(np.float32)
        if not np.isfinite(vector).all() or not vector.any():
            raise ValueError
    except (ValueError, OverflowError, FloatingPointError):
        raise RequestError(400, "vector: write finite numbers that are not all zero") from None
    fields = {}
    for name, value in found.items():
        if name == "box" and isinstance(value, list):
            value = ",".join(map(str, value))
        values = value if isinstance(value, list) else [value]
        fields[name] = [str(each) for each in values if each is not None]
    return b"", vector, fields
