"""Errors have one shape, and show nothing of the server."""

from __future__ import annotations

import json

import pytest
from starlette.exceptions import HTTPException

from fashret.errors import FashretError
from fashret.serving.failures import RequestError, error_answer


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (RequestError(400, "bad"), 400, "request"),
        (RequestError(422, "bad", "photo"), 422, "photo"),
        (HTTPException(405, "no"), 405, "method"),
        (TimeoutError(), 504, "timeout"),
        (FashretError("/data/secret: gone"), 500, "internal"),
        (ZeroDivisionError("/data/secret"), 500, "internal"),
    ],
)
def test_one_shape(error: Exception, status: int, code: str) -> None:
    answer = error_answer(error)
    body = json.loads(bytes(answer.body))
    assert (answer.status_code, list(body), body["error"]["status"], body["error"]["code"]) == (
        status, ["error"], status, code,
    )  # fmt: skip
    assert "secret" not in body["error"]["message"]


def test_a_message_is_short_and_visible() -> None:
    body = json.loads(bytes(error_answer(RequestError(400, "\x1b[31m" + "x" * 9000)).body))
    assert len(body["error"]["message"]) == 400 and "\x1b" not in body["error"]["message"]
