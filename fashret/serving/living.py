"""The catalogue that is served now, and the taking over of a new file under the same name.

In: the path of an embeddings.h5. Out: the open `Shop`, for as long as a request uses it. A file that was replaced is
opened and warmed beside the old one, which is closed when its last request has been answered. A new file that cannot
be used, or none, is said in one line, and the old one stays.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from fashret.console import log
from fashret.errors import FashretError, visible
from fashret.serving.metrics import Metrics

if TYPE_CHECKING:
    from fashret.serving.shop import Shop

SECONDS = 1.0  # between two looks at the file

Stamp = tuple[int, int, int, int] | None  # device, number, size and time of change; None: there is no file


class LivingShop:
    """A shop that can be replaced while it is used.

    Parameters
    ----------
    open_shop
        Opens the shop of the file that is there now.
    """

    def __init__(self, open_shop: Callable[[], Shop], metrics: Metrics) -> None:
        self._open, self.metrics = open_shop, metrics
        self._lock = Lock()
        self._users: dict[int, int] = {}
        self._retired: dict[int, Shop] = {}
        self._shop = open_shop()
        self._seen = self._tried = _stamp_of(self._shop.file.content.status)
        self._count()

    @contextmanager
    def using(self) -> Iterator[Shop]:
        """The shop that is open now; it stays open while the block lasts."""
        with self._lock:
            shop = self._shop
            self._users[id(shop)] = self._users.get(id(shop), 0) + 1
        try:
            yield shop
        finally:
            with self._lock:
                self._users[id(shop)] -= 1
                done = None if self._users[id(shop)] else self._retired.pop(id(shop), None)
            if done is not None:
                done.close()

    def look(self) -> bool:
        """Take over the file if it is a new one that can be used; whether it was."""
        stamp = _stamp_at(self._shop.path)
        if stamp == self._tried:
            return False
        self._tried = stamp
        if stamp is None:
            log.warning("%s: is gone; the catalogue that was read stays", self._shop.path)
            return False
        if stamp == self._seen:
            return False
        try:
            new = self._open()
            self._check(new)
        except (FashretError, OSError, RuntimeError, MemoryError) as error:
            reason = visible(" ".join(str(error).split())).removeprefix(f"{self._shop.path}: ")
            log.warning("%s: cannot be taken over, the catalogue that was read stays: %s", self._shop.path, reason)
            self.metrics.add("fashret_catalogue_changes_total", result="refused")
            return False
        with self._lock:
            old, self._shop, self._seen = self._shop, new, _stamp_of(new.file.content.status)
            waits = bool(self._users.get(id(old)))
            if waits:
                self._retired[id(old)] = old
        if not waits:
            old.close()
        log.info("%s: taken over, %d products", new.path, len(new.products) + new.unlabelled)
        self.metrics.add("fashret_catalogue_changes_total", result="taken")
        self._count()
        return True

    async def watch(self) -> None:
        """Look at the file again and again."""
        while True:
            await asyncio.sleep(SECONDS)
            await asyncio.to_thread(self.look)

    def close(self) -> None:
        """Close the shop."""
        self._shop.close()

    def _check(self, new: Shop) -> None:
        if new.file.width != self._shop.file.width:
            width = new.file.width
            new.close()
            raise FashretError(f"its vectors have width {width}, not {self._shop.file.width}; start the server again")

    def _count(self) -> None:
        self.metrics.set("fashret_catalogue_rows", len(self._shop.rows))
        self.metrics.set("fashret_catalogue_products", len(self._shop.products) + self._shop.unlabelled)


def _stamp_of(status: os.stat_result) -> Stamp:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _stamp_at(path: Path) -> Stamp:
    try:
        return _stamp_of(path.stat())
    except OSError:
        return None
