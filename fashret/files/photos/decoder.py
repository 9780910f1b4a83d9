"""How much is decoded at a time: one limit for a photo, one for all workers together.

In: opened pictures. Out: their pixels as stored, or a `PhotoError`; and how many were scaled to 8 bits.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from threading import Lock

import numpy as np

from fashret.console import log
from fashret.errors import PhotoError
from fashret.files.photos.orientation import Pixels, turn
from fashret.files.photos.picture import Picture, decoding_errors
from fashret.options import CropOptions, parse_pixels


class Decoder:
    """How much may be decoded at a time, and what was noticed; one for all workers of a process.

    Parameters
    ----------
    max_pixels
        A photo that would give more is refused: N, or text such as 64M. A JPEG counts at the size that it is decoded
        at; a progressive one, which is in memory as a whole, at its own.
    workers
        How many decode at a time. Photos of more than `max_pixels` / `workers` take turns, so that all together hold at
        most twice `max_pixels`.
    turns
        What they take turns by; workers in several processes need a lock that processes share.

    Attributes
    ----------
    scaled
        For each photo whose numbers were scaled to 8 bits, how.
    stopped
        Whether every photo under way is to be given up.
    """

    def __init__(
        self,
        max_pixels: str = CropOptions.max_pixels,
        workers: int = 1,
        turns: AbstractContextManager[bool] | None = None,
    ) -> None:
        self.max_pixels = parse_pixels(max_pixels)
        self.workers = max(1, workers)
        self.share = self.max_pixels // self.workers
        self.turns = turns or Lock()
        self.scaled: list[str] = []
        self.stopped = False

    def check(self, picture: Picture, divisor: int) -> int:
        """Pixels that are in memory at once if a picture is decoded at 1/divisor; PhotoError if they are too many."""
        width, height = picture.size
        if divisor > 1 and width * height > self.share and picture.progressive:
            divisor = 1
        pixels = -(-width // divisor) * -(-height // divisor)
        if pixels > self.max_pixels:
            at = f" at 1/{divisor}" if divisor > 1 else ""
            raise PhotoError(f"has {width} x {height} pixels{at}, more than --max-pixels {self.max_pixels:,}")
        return pixels

    def decode(self, picture: Picture, divisor: int) -> Pixels:
        """The pixels of a picture that was checked, as stored."""
        with self.turns if self.check(picture, divisor) > self.share else nullcontext():
            self._go_on()
            pixels = picture.decode(divisor)
        self._go_on()
        if picture.scaled:
            self.scaled.append(picture.scaled)
        return pixels

    def whole(self, data: bytes) -> Pixels:
        """All of an encoded picture in its own size, upright: H×W×3 uint8. Raises PhotoError."""
        with decoding_errors(empty=not data), Picture(data) as picture:
            return np.ascontiguousarray(turn(self.decode(picture, 1), picture.orientation))

    def stop(self) -> None:
        """Give up every photo under way, at the next opportunity."""
        self.stopped = True

    def take_scaled(self) -> list[str]:
        """What was noticed since this was last asked for."""
        taken, self.scaled = self.scaled, []
        return taken

    def _go_on(self) -> None:
        if self.stopped:
            raise PhotoError("given up")


def warn_of_scaled(scaled: Iterable[str], where: str) -> None:
    """Say how many photos were scaled to 8 bits, and how."""
    how = ", ".join(f"{name}: {number:,}" for name, number in sorted(Counter(scaled).items()))
    if how:
        log.warning("%s: colours were scaled to 8 bits, by what the photos hold: %s", where, how)
