"""The process that serves: its socket, its signals, its end.

In: a catalogue and options. Out: a server that runs until it is told to stop, and then finishes what it is doing.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import uvicorn

from fashret.console import log
from fashret.errors import FashretError
from fashret.options import ServeOptions
from fashret.serving.app import make_app
from fashret.serving.guard import Access
from fashret.serving.living import LivingShop
from fashret.serving.metrics import Metrics

WAITING = 256  # connections that the system keeps until they are taken
IDLE_SECONDS = 15  # that a connection stays open without a request


class _Server(uvicorn.Server):
    """A server that ends as its command does, and not by the signal that stopped it."""

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Stop at Ctrl-C and SIGTERM."""
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def serve(catalogue: Path, options: ServeOptions) -> None:
    """Serve a catalogue until SIGTERM or Ctrl-C.

    Raises
    ------
    FashretError
        If the address cannot be used, tokens are missing, or the catalogue, its model or a detector cannot be opened.
    """
    from fashret.serving.shop import Shop  # loads the networks: bad options are said before

    access, metrics = Access.of(options), Metrics()
    with bound(options.host, options.port) as listener:
        living = LivingShop(lambda: Shop(catalogue, options), metrics)
        try:
            app = make_app(living, access, options, metrics)
            logging.getLogger("uvicorn").setLevel(logging.WARNING)
            config = uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                timeout_keep_alive=IDLE_SECONDS,
                timeout_graceful_shutdown=int(options.timeout) + 1,
                ws="none",
            )
            _listen(listener, options)
            with living.using() as shop:
                count = len(shop.products) + shop.unlabelled
                log.info("%s: %d products at %s", catalogue, count, address(listener, options))
            asyncio.run(_Server(config).serve(sockets=[listener]))
        finally:
            living.close()


def address(listener: socket.socket, options: ServeOptions) -> str:
    """Where the server is."""
    host, port = options.host, listener.getsockname()[1]
    root = options.root_path.strip("/")
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/{root + '/' if root else ''}"


@contextmanager
def bound(host: str, port: int) -> Generator[socket.socket, None, None]:
    """A socket that has its address and listens to nobody yet.

    Raises
    ------
    FashretError
        If the address is another's, or none of this machine.
    """
    listener = None
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(place)
    except OSError as error:
        if listener is not None:
            listener.close()
        raise _in_use(host, port, error) from None
    with listener:
        yield listener


def _listen(listener: socket.socket, options: ServeOptions) -> None:
    try:
        listener.listen(WAITING)
    except OSError as error:
        raise _in_use(options.host, options.port, error) from None


def _in_use(host: str, port: int, error: OSError) -> FashretError:
    reason = (error.strerror or str(error)).lower()
    return FashretError(f"--host {host} --port {port}: cannot listen there ({reason}); give another --port, or 0")
