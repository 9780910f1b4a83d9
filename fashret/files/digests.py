"""Digests: which content a file had when something was made from it.

In: a file. Out: its digest, as `xxh3:<hex>`, and whether it is still the file that a record describes.

XXH3-128 tells files apart as well as SHA-256 does as long as nobody makes two of them collide on purpose, at little
more than the cost of a look at each byte: 0.22 CPU seconds for 2.4 GB in memory, where SHA-256 takes 2.0, BLAKE3 0.5
and reading the file instead of mapping it 0.3. Version 0.1 recorded SHA-256, which can still be checked.
"""

from __future__ import annotations

import hashlib
import mmap
import time
from collections.abc import Callable, Mapping
from copy import copy
from pathlib import Path
from typing import Any

import xxhash

HASHES: dict[str, Callable[..., Any]] = {"xxh3": xxhash.xxh3_128, "sha256": hashlib.sha256}
WRITTEN = "xxh3"  # the one that is recorded
CLOCK_STEP = 2_000_000_000  # ns: of the coarsest file system; a file changed again within a step may keep its time


def digest(path: Path, name: str = WRITTEN) -> str:
    """Digest of a file's bytes by one of `HASHES`, whose name is in front: `xxh3:<hex>`."""
    with path.open("rb") as stream:
        try:
            with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
                return f"{name}:{HASHES[name](mapped).hexdigest()}"
        except (OSError, ValueError):  # on a file system that maps nothing; an empty file
            return f"{name}:{hashlib.file_digest(stream, HASHES[name]).hexdigest()}"


class Content:
    """The content that a file has when this is made, known by its digests; each is computed when it is first needed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.status = path.stat()  # before the digest, so that it never vouches for a later change
        self.settled = time.time_ns() - self.status.st_mtime_ns > CLOCK_STEP
        self.digests: dict[str, str] = {}
        self.hash = WRITTEN

    def known_as(self, recorded: str) -> Content:
        """The same content under a digest that a record has of it and that was checked."""
        other = copy(self)
        other.hash = recorded.partition(":")[0]
        other.digests = {**self.digests, other.hash: recorded}
        return other

    def digest(self) -> str:
        """The digest that is recorded."""
        return self._digest(self.hash)

    def matches(self, recorded: Any) -> bool:
        """Whether a recorded digest, by whichever of `HASHES`, is that of this content."""
        return self.like(recorded) == recorded

    def like(self, recorded: Any) -> str:
        """The digest by the hash of a recorded one, so that the two can be compared."""
        name = str(recorded).partition(":")[0]
        return self._digest(name if name in HASHES else self.hash)

    def _digest(self, name: str) -> str:
        if name not in self.digests:
            self.digests[name] = digest(self.path, name)
        return self.digests[name]

    def __str__(self) -> str:
        return self.digest()

    def record(self) -> dict[str, Any]:
        """What a file's attribute `inputs` says of one input: name, size in bytes, digest."""
        return {"name": self.path.name, "size": self.status.st_size, "digest": self.digest()}

    def stamp(self) -> dict[str, Any]:
        """Size, digest and, if the file had not been changed just before, the time of its last change in ns."""
        changed = {"mtime_ns": self.status.st_mtime_ns} if self.settled else {}
        return {"size": self.status.st_size, **changed, "digest": self.digest()}

    def is_stamped(self, stamp: Mapping[str, Any]) -> bool:
        """Whether this is the content that a `stamp` is of; the file is read only if size and time do not tell."""
        if stamp.get("size", self.status.st_size) != self.status.st_size:
            return False
        return stamp.get("mtime_ns") == self.status.st_mtime_ns or self.matches(stamp.get("digest"))


def one_per_file(*contents: Content) -> list[Content]:
    """The contents, the same object for the same file, so that none is read twice."""
    files = {content.path.resolve(): content for content in contents}
    return [files[content.path.resolve()] for content in contents]
