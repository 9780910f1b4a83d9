"""Who may ask, and how much at once: every request passes here first.

In: requests of anybody. Out: those that may go on, or an error. Checked are, in this order: the name that the server is
called by (against DNS rebinding), the origin of the page that asks, the token, how many requests are under way, and the
seconds that they take. Headers that restrict the page are added to every answer.
"""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import socket
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fashret.errors import FashretError
from fashret.options import ServeOptions
from fashret.serving.failures import RequestError, error_answer
from fashret.serving.metrics import Metrics

SHORTEST_TOKEN = 16  # characters
COOKIE = "fashret_token"
OPEN = ("/", "/health", "/api/session")  # need no token, as the files of the page
PAGE_FILES = "/page/"
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "connect-src 'self'; media-src blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "Cross-Origin-Opener-Policy": "same-origin",
}
RETRY_SECONDS = 1


@dataclass(frozen=True)
class Access:
    """Who may ask.

    Attributes
    ----------
    tokens
        Of which each request needs one; none: nobody is asked for one.
    names
        That the server may be called by, besides addresses in numbers.
    origins
        Whose pages may ask, besides the server's own.
    """

    tokens: tuple[bytes, ...] = ()
    names: frozenset[str] = frozenset()
    origins: frozenset[str] = frozenset()

    @classmethod
    def of(cls, options: ServeOptions) -> Access:
        """What options say.

        Raises
        ------
        FashretError
            If tokens are missing for an address that others reach, or cannot be used, or an origin is none.
        """
        tokens = read_tokens(options.token_file) if options.token_file else ()
        if not tokens and not is_own(options.host):
            raise FashretError(
                f"--host {options.host}: others can reach this address; give a file of tokens with --token-file"
            )
        origins = frozenset(map(_origin, options.allow_origin))
        names = {"localhost", options.host.lower(), *map(str.lower, options.allow_host)}
        if not is_own(options.host):
            names.add(socket.gethostname().lower())
        return cls(tokens, frozenset(names), origins)

    def knows_host(self, host: str) -> bool:
        """Whether a Host header names this server; addresses in numbers do, since no name can be rebound to them."""
        name = _name_of(host)
        return bool(name) and (name in self.names or _is_number(name))

    def may_ask(self, origin: str, host: str) -> bool:
        """Whether a page of that origin may ask; "" = no page asks, or one that the browser did not name."""
        return not origin or origin in self.origins or urlsplit(origin).netloc.lower() == host.lower()

    def has_token(self, headers: Headers, cookie: str) -> bool:
        """Whether a request has one of the tokens; each comparison takes as long as any other."""
        kind, _, given = headers.get("authorization", "").partition(" ")
        text = given.strip() if kind.lower() == "bearer" else cookie
        return self.is_token(text)

    def is_token(self, text: str) -> bool:
        """Whether a text is one of the tokens."""
        given = text.encode("utf-8", "surrogateescape")
        return any([hmac.compare_digest(given, token) for token in self.tokens])  # a list: all are compared


def is_own(host: str) -> bool:
    """Whether an address reaches this machine alone.

    >>> is_own("127.0.0.1"), is_own("localhost"), is_own("::1"), is_own("0.0.0.0")
    (True, True, True, False)
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def read_tokens(path: Path) -> tuple[bytes, ...]:
    """The tokens of a file, one per line; empty lines and those that begin with # are none.

    Raises
    ------
    FashretError
        If it cannot be read, holds none, or a short one.
    """
    try:
        lines = path.read_bytes().decode("utf-8").splitlines()
    except OSError as error:
        raise FashretError(f"--token-file {path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise FashretError(f"--token-file {path}: is no text") from None
    tokens = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    if not tokens:
        raise FashretError(f"--token-file {path}: holds no token; write one per line, such as `openssl rand -hex 32`")
    if any(len(token) < SHORTEST_TOKEN or not token.isascii() or not token.isprintable() for token in tokens):
        raise FashretError(
            f"--token-file {path}: a token has fewer than {SHORTEST_TOKEN} characters, or others than ASCII"
        )
    return tuple(token.encode() for token in tokens)


def _origin(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.path.strip("/") or parts.query:
        raise FashretError(f"--allow-origin {text}: write an origin like https://shop.example")
    return f"{parts.scheme}://{parts.netloc}".lower()


def _name_of(host: str) -> str:
    """The name in a Host header, without the port; empty if it is none."""
    try:
        return (urlsplit(f"//{host}").hostname or "").lower() if not set(host) & set("/?#@ \\") else ""
    except ValueError:
        return ""


def _is_number(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
        return True
    except ValueError:
        return False


class Guard:
    """An ASGI application that lets requests through to another.

    Parameters
    ----------
    options
        `requests`, `timeout` and `root_path`.
    """

    def __init__(self, app: ASGIApp, access: Access, options: ServeOptions, metrics: Metrics) -> None:
        self.app, self.access, self.options, self.metrics = app, access, options, metrics
        self.root = "/" + options.root_path.strip("/") if options.root_path.strip("/") else ""
        self.under_way = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        path = self._place(scope)
        origin = headers.get("origin", "").lower()
        allowed = origin if origin in self.access.origins else ""

        async def restricted(message: Message) -> None:
            if message["type"] == "http.response.start":
                _restrict(MutableHeaders(scope=message), allowed)
            await send(message)

        refusal = self._refusal(scope, headers, path, origin)
        if refusal is not None:
            await refusal(scope, receive, restricted)
            return
        limited = path not in OPEN and not path.startswith(PAGE_FILES)
        if limited and self.under_way >= self.options.requests:
            self.metrics.add("fashret_refused_total", reason="busy")
            text = f"{self.under_way} requests are being worked on; try again"
            answer = error_answer(RequestError(503, text, headers={"Retry-After": str(RETRY_SECONDS)}))
            await answer(scope, receive, restricted)
            return
        self.under_way += limited
        self.metrics.set("fashret_in_flight", self.under_way)
        try:
            await self._timed(scope, receive, restricted)
        finally:
            self.under_way -= limited
            self.metrics.set("fashret_in_flight", self.under_way)

    def _place(self, scope: Scope) -> str:
        """The path below the root; proxies that leave the root away are served as well."""
        path: str = scope["path"]
        if self.root:
            if path != self.root and not path.startswith(self.root + "/"):
                scope["path"] = self.root + path
                scope["raw_path"] = self.root.encode() + (scope.get("raw_path") or path.encode())
            scope["root_path"] = self.root
        return str(scope["path"])[len(self.root) :] or "/"

    def _refusal(self, scope: Scope, headers: Headers, path: str, origin: str) -> Response | None:
        """The answer to a request that may not go on."""
        host = headers.get("host", "")
        if not self.access.knows_host(host):
            return self._refused(421, "host", "this server is not called that; name it with --allow-host")
        if not self.access.may_ask(origin, host) or _from_elsewhere(headers, origin):
            return self._refused(403, "origin", "pages of that origin may not ask; name it with --allow-origin")
        if self.root and scope["path"] == self.root:
            return RedirectResponse(self.root + "/", 308)
        if scope["method"] == "OPTIONS" and origin:
            return PlainTextResponse("", 204, {"Access-Control-Max-Age": "600"})
        if not self.access.tokens or path in OPEN or path.startswith(PAGE_FILES):
            return None
        if not self.access.has_token(headers, Request(scope).cookies.get(COOKIE, "")):
            text = "send a token: Authorization: Bearer TOKEN"
            return self._refused(401, "token", text, {"WWW-Authenticate": "Bearer"})
        return None

    def _refused(self, status: int, reason: str, text: str, headers: dict[str, str] | None = None) -> Response:
        self.metrics.add("fashret_refused_total", reason=reason)
        return error_answer(RequestError(status, text, headers=headers))

    async def _timed(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = False

        async def noted(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            async with asyncio.timeout(self.options.timeout):
                await self.app(scope, receive, noted)
        except TimeoutError as error:
            self.metrics.add("fashret_refused_total", reason="timeout")
            if not begun:
                await error_answer(error)(scope, receive, send)


def _from_elsewhere(headers: Headers, origin: str) -> bool:
    """Whether a browser says that a page of another site asks, without naming it: as an image or a script."""
    fetched = headers.get("sec-fetch-site", "")
    return not origin and fetched in ("cross-site", "same-site") and headers.get("sec-fetch-mode") != "navigate"


def _restrict(headers: MutableHeaders, allowed: str) -> None:
    for name, value in HEADERS.items():
        headers.setdefault(name, value)
    headers.setdefault("Cache-Control", "no-store")
    headers.add_vary_header("Origin")
    if allowed:
        headers["Access-Control-Allow-Origin"] = allowed
        headers["Access-Control-Allow-Headers"] = "Authorization, Content-Type"
        headers["Access-Control-Allow-Methods"] = "GET, POST"
    headers["Cross-Origin-Resource-Policy"] = "cross-origin" if allowed else "same-origin"
