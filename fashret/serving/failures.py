"""Errors as a client sees them: one shape for all, with a status, a short code and one line.

In: an exception. Out: `{"error": {"status": 422, "code": "photo", "message": "…"}}`, without paths of the server.
"""

from __future__ import annotations

from typing import Any

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from fashret.console import log
from fashret.errors import FashretError, visible

CODES = {  # of statuses, where nothing says more
    400: "request", 401: "token", 403: "origin", 404: "not_found", 405: "method", 408: "timeout", 413: "too_large",
    415: "kind", 421: "host", 422: "photo", 500: "internal", 503: "busy", 504: "timeout",
}  # fmt: skip
LONGEST = 400  # characters of a message


class RequestError(Exception):
    """A request that cannot be answered."""

    def __init__(self, status: int, message: str, code: str = "", headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.code, self.headers = status, message, code or CODES[status], headers or {}


def error_body(status: int, code: str, message: str) -> dict[str, Any]:
    """The one shape of errors.

    >>> error_body(404, "not_found", "no such product")
    {'error': {'status': 404, 'code': 'not_found', 'message': 'no such product'}}
    """
    return {"error": {"status": status, "code": code, "message": visible(message)[:LONGEST]}}


def error_answer(error: Exception) -> JSONResponse:
    """What a client gets for an exception; one that nobody foresaw is logged and not shown."""
    if isinstance(error, RequestError):
        body = error_body(error.status, error.code, error.message)
        return JSONResponse(body, error.status, error.headers)
    if isinstance(error, HTTPException):
        code = CODES.get(error.status_code, "request")
        return JSONResponse(error_body(error.status_code, code, error.detail), error.status_code, error.headers)
    if isinstance(error, TimeoutError):
        return JSONResponse(error_body(504, "timeout", "this took too long; try again"), 504)
    if isinstance(error, FashretError):
        log.warning("a request failed: %s", error)
        return JSONResponse(error_body(500, "internal", "the server cannot answer this now; its log says why"), 500)
    log.error("a request failed: %s: %s", type(error).__name__, " ".join(str(error).split())[:LONGEST])
    return JSONResponse(error_body(500, "internal", "the server failed; its log says why"), 500)
