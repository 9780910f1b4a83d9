"""The routes: which address gives what.

In: the living catalogue and the options of `fashret serve`. Out: an ASGI application, guarded.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from fashret.errors import FashretError
from fashret.options import ServeOptions, parse_upload
from fashret.serving import asking
from fashret.serving.answers import about, edition, facts_of, garment_of, hits_of, product_of
from fashret.serving.failures import RequestError, error_answer
from fashret.serving.finding import Finder, Steps
from fashret.serving.guard import COOKIE, Access, Guard
from fashret.serving.living import LivingShop
from fashret.serving.metrics import Metrics
from fashret.serving.openapi import document

if TYPE_CHECKING:
    from fashret.serving.shop import Shop

PAGE = Path(__file__).parent / "page"
FILES = {path.name: path for path in sorted(PAGE.iterdir()) if path.suffix in (".js", ".css", ".svg")}  # of the page
MOST_LISTED = 100  # products at a time

Answer = Callable[[Request], Awaitable[Response]]


class Routes:
    """Answers to requests.

    Parameters
    ----------
    living
        The catalogue.
    """

    def __init__(self, living: LivingShop, access: Access, options: ServeOptions, metrics: Metrics) -> None:
        self.living, self.access, self.metrics = living, access, metrics
        self.most, self.finder = parse_upload(options.max_upload), Finder(options, metrics)

    # --- the API ---

    async def search(self, request: Request) -> Response:
        """POST /api/search: the products that a photo shows."""
        steps, started = Steps(self.metrics), time.perf_counter()
        question = await asking.read_question(request, self.most)
        with self.living.using() as shop:
            found = await self.finder.answer(shop, question, steps)
            total = round(1000 * (time.perf_counter() - started), 2)
            return JSONResponse(
                {
                    **about(shop),
                    "box": list(found.box) if found.box else None,
                    "garment": garment_of(found.garment) if found.garment else None,
                    "results": "photos" if question.search.photos else "products",
                    "where": question.search.where,
                    "took": {**steps.milliseconds, "total": total},
                    "hits": hits_of(found.hits, shop, _root(request)),
                }
            )

    async def detect(self, request: Request) -> Response:
        """POST /api/detect: the garments of a photo."""
        question = await asking.read_question(request, self.most)
        if question.vector is not None:
            raise RequestError(400, "detect takes a photo")
        steps = Steps(self.metrics)
        with self.living.using() as shop:
            if shop.ensemble is None:
                raise RequestError(404, "this server has no detector (fashret serve --detector)", "no_detector")
            (width, height), garments = await self.finder.garments(shop, question.photo, steps)
            return JSONResponse(
                {
                    "detector": shop.ensemble.name,
                    "width": width,
                    "height": height,
                    "took": steps.milliseconds,
                    "garments": [garment_of(each) for each in garments],
                }
            )

    async def catalogue(self, request: Request) -> Response:
        """GET /api/catalogue: what there is to search, and what by."""
        with self.living.using() as shop:
            return JSONResponse(facts_of(shop))

    async def products(self, request: Request) -> Response:
        """GET /api/products: products in the order of the catalogue."""
        given = _given(request, {"where", "skip", "top_k"})
        where = asking.conditions(given)
        skip = asking.whole_number(given, "skip", 0, 0, 10**9)
        top = asking.whole_number(given, "top_k", 24, 1, MOST_LISTED)
        with self.living.using() as shop:
            count, hits = await _checked(shop, shop.listed, where, skip, top)
            listed = [product_of(hit, shop, _root(request)) for hit in hits]
            return JSONResponse({**about(shop), "count": count, "skip": skip, "products": listed})

    async def product(self, request: Request) -> Response:
        """GET /api/products/{id} and /api/products/{id}/similar."""
        name = request.path_params["id"]
        with self.living.using() as shop:
            if name in shop.products:
                rows = shop.products[name]
                _given(request, set())
                photos = [product_of(shop.hit(1, row), shop, _root(request)) for row in rows[: asking.MOST_RESULTS]]
                return JSONResponse({**about(shop), "product": name, "count": len(rows), "photos": photos})
            base, slash, last = name.rpartition("/")
            if slash and last == "similar" and base in shop.products:
                return await self._similar(request, shop, shop.products[base], base)
        raise RequestError(404, f"there is no product {name[:100]}")

    async def similar(self, request: Request) -> Response:
        """GET /api/rows/{row}/similar: what is like one photo of the catalogue."""
        with self.living.using() as shop:
            row = _row(request, shop)
            return await self._similar(request, shop, [row], shop.file.product[row] or None)

    async def _similar(self, request: Request, shop: Shop, rows: list[int], product: str | None) -> Response:
        steps = Steps(self.metrics)
        given = _given(request, {"top_k", "where"})
        top = asking.whole_number(given, "top_k", 10, 1, asking.MOST_RESULTS)
        how = asking.Search(top, asking.conditions(given))
        with steps.step("search"):
            hits = await _checked(shop, shop.similar, rows, how)
        root = _root(request)
        of = product_of(shop.hit(1, rows[0]), shop, root)
        found = hits_of(hits, shop, root)
        return JSONResponse({**about(shop), "product": product, "of": of, "took": steps.milliseconds, "hits": found})

    async def photo(self, request: Request) -> Response:
        """GET /photos/{row}: a picture of a row of the catalogue."""
        given = {name: request.query_params.getlist(name) for name in request.query_params}
        width = asking.whole_number(given, "w", 320, 16, 2048)
        with self.living.using() as shop:
            row = _row(request, shop)
            try:
                data = await asyncio.to_thread(shop.picture, row, width)
            except FashretError:
                raise RequestError(404, f"the picture of row {row} is not there") from None
            known = asking.one_of(given, "of") == edition(shop)
        kept = "private, max-age=86400, immutable" if known else "no-cache"
        return Response(data, media_type="image/jpeg", headers={"Cache-Control": kept})

    async def session(self, request: Request) -> Response:
        """POST /api/session: the page gets a cookie for a token, with which its pictures are asked for."""
        body = await asking.read_body(request, 4096)
        token = body.decode("utf-8", "replace").strip()
        if self.access.tokens and not self.access.is_token(token):
            raise RequestError(401, "that is no token of this server")
        answer = JSONResponse({"token": bool(self.access.tokens)})
        if self.access.tokens:
            secure = request.url.scheme == "https" or request.headers.get("x-forwarded-proto") == "https"
            answer.set_cookie(
                COOKIE, token, path=_root(request) or "/", httponly=True, samesite="strict", secure=secure
            )
        return answer

    # --- the rest ---

    async def health(self, request: Request) -> Response:
        """GET /health: the server can answer."""
        return JSONResponse({"status": "ok"})

    async def numbers(self, request: Request) -> Response:
        """GET /metrics: what was counted."""
        return PlainTextResponse(self.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    async def description(self, request: Request) -> Response:
        """GET /openapi.json: this API."""
        return JSONResponse(document(_root(request)))

    async def page(self, request: Request) -> Response:
        """GET /: the page."""
        return FileResponse(PAGE / "index.html", media_type="text/html")

    async def file(self, request: Request) -> Response:
        """GET /page/{name}: a part of the page."""
        name = request.path_params["name"]
        if name not in FILES:
            raise RequestError(404, "there is no such file")
        return FileResponse(FILES[name], headers={"Cache-Control": "no-cache"})

    def counted(self, answer: Answer) -> Answer:
        """The same, with errors in their one shape, and every answer counted."""

        async def counted(request: Request) -> Response:
            try:
                response = await answer(request)
            except asyncio.CancelledError:
                raise
            except Exception as error:  # nothing of it must reach the client
                response = error_answer(error)
            route = getattr(request.scope.get("route"), "path", "none")
            self.metrics.add("fashret_requests_total", route=route, status=str(response.status_code))
            return response

        return counted


def make_app(living: LivingShop, access: Access, options: ServeOptions, metrics: Metrics) -> ASGIApp:
    """The application; it closes what it opened when it ends, but for the catalogue."""
    routes = Routes(living, access, options, metrics)
    table: list[tuple[str, str, Answer]] = [
        ("POST", "/api/search", routes.search),
        ("POST", "/api/detect", routes.detect),
        ("POST", "/api/session", routes.session),
        ("GET", "/api/catalogue", routes.catalogue),
        ("GET", "/api/products", routes.products),
        ("GET", "/api/products/{id:path}", routes.product),
        ("GET", "/api/rows/{row}/similar", routes.similar),
        ("GET", "/photos/{row}", routes.photo),
        ("GET", "/health", routes.health),
        ("GET", "/metrics", routes.numbers),
        ("GET", "/openapi.json", routes.description),
        ("GET", "/page/{name}", routes.file),
        ("GET", "/", routes.page),
    ]

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        watching = asyncio.create_task(living.watch())
        yield
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching
        await asyncio.to_thread(routes.finder.close)

    async def failed(request: Request, error: Exception) -> Response:
        return error_answer(error)

    app = Starlette(
        routes=[Route(path, routes.counted(answer), methods=[method]) for method, path, answer in table],
        exception_handlers={404: failed, 405: failed, 500: failed},
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    return Guard(app, access, options, metrics)


def _root(request: Request) -> str:
    return str(request.scope.get("root_path", ""))


def _given(request: Request, known: set[str]) -> dict[str, list[str]]:
    """The parameters of a request, all of which are known."""
    given = {name: request.query_params.getlist(name) for name in request.query_params}
    if unknown := sorted(set(given) - known):
        there = ", ".join(sorted(known)) or "none"
        raise RequestError(400, f"unknown parameter {unknown[0][:40]}; there are {there}")
    return given


def _row(request: Request, shop: Shop) -> int:
    text = request.path_params["row"]
    if text.isascii() and text.isdecimal() and len(text) < 12 and shop.has_row(int(text)):
        return int(text)
    raise RequestError(404, f"the catalogue has no row {text[:40]}")


async def _checked(shop: Shop, work: Callable[..., Any], *arguments: Any) -> Any:
    """What a function of the shop gives, called in a thread; conditions that cannot be used are the client's."""
    try:
        return await asyncio.to_thread(work, *arguments)
    except FashretError as error:
        raise RequestError(400, shop.plain(error), "where") from None
