"""Digests: the same for the same bytes, of either hash, and no file is read that need not be."""

from __future__ import annotations

import errno
import hashlib
import json
import mmap
import os
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
import xxhash

from fashret.files import digests
from fashret.files.digests import Content, digest, one_per_file
from fashret.files.rankings import ChangedError, RankingOrigin, open_ranking, write_ranking
from fashret.options import RerankOptions, SearchOptions
from fashret.stages import rerank, search
from tests.conftest import make_rows, write_embeddings
from tests.files.test_rankings import ranking_arrays

HOUR = 3_600 * 10**9


def write(path: Path, data: bytes = b"one") -> Path:
    path.write_bytes(data)
    return path


def aged(path: Path) -> Path:
    """The file as if it had been written an hour ago."""
    os.utime(path, ns=(0, time.time_ns() - HOUR))
    return path


@pytest.fixture
def unread(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that are read for a digest from here on."""
    read, real = [], digests.digest

    def noted(path: Path, *rest: str) -> str:
        read.append(path.name)
        return real(path, *rest)

    monkeypatch.setattr(digests, "digest", noted)
    return read


@pytest.mark.parametrize("data", [b"", b"one", bytes(range(256)) * 5000])
def test_a_digest_is_the_hash_of_the_bytes(tmp_path: Path, data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a", data)
    expected = {"xxh3": xxhash.xxh3_128(data).hexdigest(), "sha256": hashlib.sha256(data).hexdigest()}
    for name, number in expected.items():
        assert digest(path, name) == f"{name}:{number}"
    assert digest(path) == f"xxh3:{expected['xxh3']}"

    def unmapped(*_: object, **__: object) -> None:
        raise OSError(errno.ENODEV, "No such device")

    monkeypatch.setattr(mmap, "mmap", unmapped)
    assert digest(path) == f"xxh3:{expected['xxh3']}"


def test_a_content_is_compared_by_the_hash_of_the_record(tmp_path: Path) -> None:
    one, other = Content(write(tmp_path / "a")), Content(write(tmp_path / "b", b"two"))
    for name in ("xxh3", "sha256"):
        recorded = digest(one.path, name)
        assert one.matches(recorded) and one.like(recorded) == recorded and not other.matches(recorded)
    for recorded in (None, "", "md5:00", "xxh3:", one.digest().removeprefix("xxh3:")):
        assert not one.matches(recorded)
    assert str(one) == one.digest() and one.record() == {"name": "a", "size": 3, "digest": one.digest()}


def test_a_content_known_under_another_digest_is_recorded_as_that(tmp_path: Path) -> None:
    content = Content(aged(write(tmp_path / "a")))
    known = content.known_as(digest(content.path, "sha256"))
    assert known.digest() == known.stamp()["digest"] == digest(content.path, "sha256")
    assert content.digest() == digest(content.path) and known.matches(content.digest())


def test_a_stamp_is_checked_by_size_and_time_first(tmp_path: Path, unread: list[str]) -> None:
    path = aged(write(tmp_path / "a"))
    stamp = json.loads(json.dumps(Content(path).stamp()))
    del unread[:]
    assert Content(path).is_stamped(stamp) and unread == []
    aged(write(path, b"three"))
    assert not Content(path).is_stamped(stamp) and unread == []
    aged(write(path, b"two"))
    assert not Content(path).is_stamped(stamp) and unread == ["a"]
    write(path)
    assert Content(path).is_stamped(stamp) and unread == ["a", "a"]  # another time, the same bytes
    assert Content(path).is_stamped({"digest": digest(path, "sha256")})  # as version 0.1 wrote it


def test_a_file_that_was_changed_just_now_is_not_known_by_its_time(tmp_path: Path) -> None:
    path = write(tmp_path / "a")
    changed = path.stat().st_mtime_ns
    stamp = Content(path).stamp()
    assert "mtime_ns" not in stamp
    write(path, b"two")
    os.utime(path, ns=(changed, changed))  # within a step of the clock
    assert not Content(path).is_stamped(stamp)


def test_a_change_after_the_digest_is_seen(tmp_path: Path) -> None:
    path = aged(write(tmp_path / "a"))
    content = Content(path)
    content.digest()
    write(path, b"two")
    stamp = content.stamp()
    assert not Content(path).is_stamped(stamp)


def test_the_same_file_is_one_content(tmp_path: Path) -> None:
    path = write(tmp_path / "a")
    (tmp_path / "link").symlink_to(path)
    first, second, other = one_per_file(Content(path), Content(tmp_path / "link"), Content(write(tmp_path / "b")))
    assert first is second and other.path.name == "b"


def test_a_search_reads_its_embeddings_for_a_digest_once(tmp_path: Path, unread: list[str]) -> None:
    path = write_embeddings(tmp_path / "a.emb.h5", make_rows(8), np.eye(8, dtype=np.float32))
    search.run(path, None, tmp_path / "ranking.h5", SearchOptions(k=3, device="cpu"))
    assert unread == ["a.emb.h5"]
    other = Path(shutil.copy(path, tmp_path / "b.emb.h5"))
    search.run(path, other, tmp_path / "two.h5", SearchOptions(k=3, device="cpu"))
    assert sorted(unread) == ["a.emb.h5", "a.emb.h5", "b.emb.h5"]


def test_a_reranking_of_embeddings_that_have_not_changed_reads_them_once(tmp_path: Path, unread: list[str]) -> None:
    path = aged(write_embeddings(tmp_path / "a.emb.h5", make_rows(8), np.eye(8, dtype=np.float32)))
    search.run(path, None, tmp_path / "ranking.h5", SearchOptions(k=3, device="cpu"))
    del unread[:]
    rerank.run(tmp_path / "ranking.h5", tmp_path / "again.h5", RerankOptions(k=3, k1=2, k2=1, device="cpu"))
    assert sorted(unread) == ["a.emb.h5", "ranking.h5"]


def test_a_ranking_knows_its_embeddings_by_their_time(tmp_path: Path, unread: list[str]) -> None:
    source = aged(write_embeddings(tmp_path / "a.emb.h5", make_rows(4), np.ones((4, 2), np.float32)))
    before = source.stat().st_mtime_ns
    path = tmp_path / "a.ranking.h5"
    write_ranking(path, RankingOrigin(source, source, "cosine"), ranking_arrays())
    os.utime(path, ns=(0, before - 1))  # as if the embeddings were newer
    del unread[:]
    assert open_ranking(path).embeddings_path("gallery") == source and unread == []
    write_embeddings(source, make_rows(4), np.zeros((4, 2), np.float32))
    with pytest.raises(ChangedError, match="changed since"):
        open_ranking(path).embeddings_path("gallery")
