"""From a question to what was found, step by step, with the milliseconds of each.

In: a `Question`, the open `Shop`. Out: `Found`. Photos are decoded in threads, a bounded number of pixels at a time;
what a network does, and the search, is done for several requests together.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from fashret.cores import cores
from fashret.errors import FashretError
from fashret.files.photos.cuts import cut_crops
from fashret.files.photos.decoder import Decoder
from fashret.files.photos.kinds import NEEDS_HEIF
from fashret.files.photos.orientation import Pixels, upright_size
from fashret.files.photos.sources import PhotoError
from fashret.files.photos.whole import WholePhoto, read_whole
from fashret.models.devices import use_threads
from fashret.options import DetectOptions, ServeOptions
from fashret.serving.asking import Question, Search
from fashret.serving.batching import Batcher
from fashret.serving.failures import RequestError
from fashret.serving.metrics import Metrics

if TYPE_CHECKING:
    from fashret.catalogue import Hit
    from fashret.detecting.photos import FoundGarment
    from fashret.serving.shop import Shop

TOGETHER = 16  # photos of a batch of a network
SEARCHED_TOGETHER = 64  # vectors
Corners = tuple[float, float, float, float]


@dataclass
class Steps:
    """How long the steps of one request took."""

    metrics: Metrics
    milliseconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Note how long a block takes."""
        started = time.perf_counter()
        try:
            yield
        finally:
            seconds = time.perf_counter() - started
            self.metrics.took(name, seconds)
            self.milliseconds[name] = round(1000 * seconds, 2)


@dataclass(frozen=True)
class Found:
    """What was found for a question."""

    hits: tuple[Hit, ...]
    box: Corners | None = None  # that was used; None: the whole photo, or a vector
    garment: FoundGarment | None = None


class Finder:
    """Answers questions with the threads and networks of one server.

    Parameters
    ----------
    options
        `threads` of a network, `max_pixels` of a photo.
    """

    def __init__(self, options: ServeOptions, metrics: Metrics) -> None:
        self.metrics, workers = metrics, cores()
        self.decoder = Decoder(options.max_pixels, workers)
        self.decoding = ThreadPoolExecutor(workers)

        def count(items: int) -> None:
            metrics.add("fashret_batches_total")
            metrics.add("fashret_batch_items_total", items)

        def of_networks() -> None:
            use_threads(options.threads)

        self.embed: Batcher[Pixels, NDArray[np.float32]] = Batcher(
            lambda shop, crops: cast("Shop", shop).embed(crops), TOGETHER, of_networks, count
        )
        self.look: Batcher[WholePhoto, tuple[FoundGarment, ...]] = Batcher(
            lambda shop, photos: cast("Shop", shop).garments(photos), TOGETHER, of_networks
        )
        self.search: Batcher[NDArray[np.floating], tuple[Hit, ...]] = Batcher(_search, SEARCHED_TOGETHER)

    def close(self) -> None:
        """End its threads."""
        for each in (self.embed, self.look, self.search):
            each.close()
        self.decoding.shutdown(wait=True, cancel_futures=True)

    async def answer(self, shop: Shop, question: Question, steps: Steps) -> Found:
        """What the shop has for a question.

        Raises
        ------
        RequestError
            If the photo, its box, the garment or a condition cannot be used.
        """
        try:
            if question.search.where:
                await asyncio.to_thread(shop.rows_where, question.search.where)
        except FashretError as error:
            raise RequestError(400, shop.plain(error), "where") from None
        vector, box, garment = question.vector, question.box, None
        if vector is not None:
            if len(vector) != shop.file.width:
                raise RequestError(400, f"vector has {len(vector):,} numbers, the catalogue's have {shop.file.width:,}")
        else:
            if question.garment:
                garment = await self._chosen(shop, question, steps)
                box = garment.box
            with steps.step("decode"):
                crop = await self._in_thread(self._crop, question.photo, box, shop.catalogue.crop_size)
            with steps.step("embed"):
                vector = await self.embed(shop, crop)
        with steps.step("search"):
            hits = await self.search((shop, question.search), vector)
        return Found(hits, box, garment)

    async def garments(
        self, shop: Shop, photo: bytes, steps: Steps
    ) -> tuple[tuple[int, int], tuple[FoundGarment, ...]]:
        """Width and height of the upright photo, and its garments. Raises RequestError."""
        with steps.step("decode"):
            whole = await self._in_thread(self._whole, photo)
        with steps.step("detect"):
            return upright_size(*whole.frame), await self.look(shop, whole)

    async def _chosen(self, shop: Shop, question: Question, steps: Steps) -> FoundGarment:
        if shop.ensemble is None:
            raise RequestError(400, "garment: this server has no detector (fashret serve --detector)")
        _, garments = await self.garments(shop, question.photo, steps)
        name = question.garment.strip().lower()
        for each in garments:
            if name in (str(each.number), each.category.lower(), each.label.lower()):
                return each
        there = ", ".join(f"{each.number} {each.category or each.label}" for each in garments)
        raise RequestError(400, f"garment={name}: no such garment; the photo shows {there or 'none'}", "garment")

    async def _in_thread(self, work: Any, *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self.decoding, work, *arguments)

    def _crop(self, photo: bytes, box: Corners | None, size: int) -> Pixels:
        corners = None if box is None else np.array(box, np.float32)
        crop = cut_crops(photo, [corners], size, self.decoder, upright=True)[0]
        self.decoder.take_scaled()
        if isinstance(crop, PhotoError):
            raise _refused(crop)
        return crop

    def _whole(self, photo: bytes) -> WholePhoto:
        try:
            return read_whole(photo, DetectOptions.photo_size, self.decoder)
        except PhotoError as error:
            raise _refused(error) from None
        finally:
            self.decoder.take_scaled()


def _search(key: Any, vectors: Sequence[NDArray[np.floating]]) -> Sequence[tuple[Hit, ...]]:
    shop, how = cast("tuple[Shop, Search]", key)
    return shop.search(how, vectors)


def _refused(error: PhotoError) -> RequestError:
    """The answer for a photo that cannot be used."""
    text = str(error)
    if text == NEEDS_HEIF:
        return RequestError(415, f"{text}; or send a JPEG", "photo")
    if text.startswith("box "):
        return RequestError(400, text, "box")
    return RequestError(422, f"the photo {text}", "photo")
