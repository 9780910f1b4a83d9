"""Who may ask, and how much at once."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send

from fashret.errors import FashretError
from fashret.options import ServeOptions
from fashret.serving import guard
from fashret.serving.guard import Access, Guard, is_own, read_tokens
from fashret.serving.metrics import Metrics

TOKEN = "0123456789abcdef"
HERE = "http://127.0.0.1:8000"


async def hello(scope: Scope, receive: Receive, send: Send) -> None:
    await PlainTextResponse(f"{scope.get('root_path', '')}|{scope['path']}")(scope, receive, send)


def client(app: Any = hello, access: Access | None = None, **options: Any) -> TestClient:
    chosen = ServeOptions(**options)
    return TestClient(Guard(app, access or Access.of(chosen), chosen, Metrics()), HERE)


@pytest.fixture
def tokens(tmp_path: Path) -> Path:
    path = tmp_path / "tokens"
    path.write_text(f"# ours\n\n{TOKEN}\nfedcba9876543210\n")
    return path


def test_elsewhere_only_with_tokens(tokens: Path) -> None:
    for host in ("0.0.0.0", "::", "192.168.1.5", "shop.example"):
        with pytest.raises(FashretError, match="--token-file"):
            Access.of(ServeOptions(host=host))
        assert Access.of(ServeOptions(host=host, token_file=tokens)).tokens
    for host in ("127.0.0.1", "127.8.0.1", "localhost", "::1"):
        assert is_own(host) and not Access.of(ServeOptions(host=host)).tokens


@pytest.mark.parametrize("text", [b"", b"# only this\n", b"short\n", b"\xff\xfe0123456789abcdef", "ä".encode() * 20])
def test_files_without_good_tokens(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "tokens").write_bytes(text)
    with pytest.raises(FashretError, match="--token-file"):
        read_tokens(tmp_path / "tokens")
    with pytest.raises(FashretError, match="cannot be read"):
        read_tokens(tmp_path / "none")


def test_every_request_needs_a_token(tokens: Path) -> None:
    ask = client(token_file=tokens)
    for path in ("/api/search", "/api/catalogue", "/photos/1", "/metrics", "/openapi.json", "/nowhere"):
        answer = ask.get(path)
        assert answer.status_code == 401 and answer.json()["error"]["code"] == "token"
        assert answer.headers["www-authenticate"] == "Bearer"
        for wrong in ("Bearer ", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", f"Basic {TOKEN}", TOKEN, "Bearer \udcff"):
            sent = wrong.encode("utf-8", "surrogateescape")
            assert ask.get(path, headers=[(b"authorization", sent)]).status_code == 401
        assert ask.get(path, headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200
        assert ask.get(path, headers={"Authorization": "bearer fedcba9876543210"}).status_code == 200
        assert ask.get(path, headers={"Cookie": f"{guard.COOKIE}={TOKEN}"}).status_code == 200
    for path in ("/", "/health", "/page/style.css"):
        assert ask.get(path).status_code == 200


def test_all_tokens_are_compared_in_constant_time(tokens: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []
    digest = guard.hmac.compare_digest
    monkeypatch.setattr(guard.hmac, "compare_digest", lambda a, b: compared.append(b) or digest(a, b))
    assert Access.of(ServeOptions(token_file=tokens)).is_token(TOKEN)
    assert len(compared) == 2


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "", "a/b", "[::1",
                                  "user@127.0.0.1"])  # fmt: skip
def test_names_that_are_not_this_servers(host: str) -> None:
    answer = client().get("/health", headers={"Host": host})
    assert answer.status_code == 421 and answer.json()["error"]["code"] == "host"


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.0.0.1:9", "LOCALHOST:1", "[::1]:8000", "192.168.1.5", "shop.example"]
)
def test_names_that_are(host: str) -> None:
    assert client(allow_host=("Shop.example",)).get("/health", headers={"Host": host}).status_code == 200


def test_no_other_origin_unless_allowed() -> None:
    other = {"Origin": "https://shop.example"}
    answer = client().get("/api/catalogue", headers=other)
    assert answer.status_code == 403 and "access-control-allow-origin" not in answer.headers
    assert client().options("/api/search", headers=other).status_code == 403
    assert client().get("/api/catalogue", headers={"Origin": "null"}).status_code == 403
    assert client().get("/api/catalogue", headers={"Origin": HERE}).status_code == 200
    allowed = client(allow_origin=("https://shop.example/",))
    answer = allowed.get("/api/catalogue", headers=other)
    assert answer.status_code == 200 and answer.headers["access-control-allow-origin"] == "https://shop.example"
    assert "access-control-allow-credentials" not in answer.headers and "Origin" in answer.headers["vary"]
    before = allowed.options("/api/search", headers=other)
    assert before.status_code == 204 and "POST" in before.headers["access-control-allow-methods"]
    assert allowed.get("/api/catalogue", headers={"Origin": "https://evil.example"}).status_code == 403
    assert "access-control-allow-origin" not in allowed.get("/").headers
    embedded = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}
    assert client().get("/photos/1", headers=embedded).status_code == 403
    followed = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert client().get("/", headers=followed).status_code == 200


@pytest.mark.parametrize("origin", ["*", "shop.example", "https://a.example/path", "ftp://a.example", ""])
def test_origins_that_are_none(origin: str) -> None:
    with pytest.raises(FashretError, match="--allow-origin"):
        Access.of(ServeOptions(allow_origin=(origin,)))


def test_every_answer_restricts_the_page() -> None:
    for answer in (client().get("/"), client().get("/", headers={"Host": "evil.example"})):
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy and "script-src 'self';" in policy and "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        assert "frame-ancestors 'none'" in policy


@pytest.mark.parametrize("root", ["/search", "search/", "/a/b/"])
def test_below_a_path(root: str) -> None:
    ask, place = client(root_path=root), "/" + root.strip("/")
    assert ask.get(f"{place}/api/x").text == ask.get("/api/x").text == f"{place}|{place}/api/x"
    assert ask.get(place, follow_redirects=False).headers["location"] == place + "/"


def _many(app: Any, count: int, **options: Any) -> tuple[list[int], list[dict[bytes, bytes]]]:
    """Statuses and headers of requests that come at once."""
    chosen = ServeOptions(**options)
    guarded = Guard(app, Access.of(chosen), chosen, Metrics())
    heads: list[dict[str, Any]] = []

    async def one() -> None:
        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                heads.append(message)

        scope = {"type": "http", "method": "GET", "path": "/api/x", "raw_path": b"/api/x", "query_string": b"",
                 "headers": [(b"host", b"127.0.0.1")]}  # fmt: skip
        await guarded(scope, receive, send)

    async def run() -> None:
        await asyncio.gather(*(one() for _ in range(count)))

    asyncio.run(run())
    assert guarded.under_way == 0
    return [head["status"] for head in heads], [dict(head["headers"]) for head in heads]


def test_more_than_so_many_at_once_come_again() -> None:
    async def later(scope: Scope, receive: Receive, send: Send) -> None:
        for _ in range(10):
            await asyncio.sleep(0)
        await hello(scope, receive, send)

    statuses, headers = _many(later, 70)
    assert sorted(statuses) == [200] * 64 + [503] * 6
    assert all(head[b"retry-after"] == b"1" for head, code in zip(headers, statuses, strict=True) if code == 503)


def test_a_request_that_takes_too_long_ends() -> None:
    async def never(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.Event().wait()

    chosen = ServeOptions(timeout=1)
    object.__setattr__(chosen, "timeout", 0.01)
    answer = TestClient(Guard(never, Access.of(chosen), chosen, Metrics()), HERE).get("/api/x")
    assert answer.status_code == 504 and answer.json()["error"]["code"] == "timeout"
