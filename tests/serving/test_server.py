"""The process that serves: its address, its end, and many clients at once."""

from __future__ import annotations

import concurrent.futures
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import httpx2 as httpx
import pytest

from fashret.errors import FashretError
from fashret.options import ServeOptions
from fashret.serving.server import address, bound
from tests.catalogue_case import OPTIONS
from tests.conftest import invoke
from tests.serving_case import draw, png, write_shop


def test_an_address_is_one_servers_alone() -> None:
    with bound("127.0.0.1", 0) as first:
        first.listen()
        port = first.getsockname()[1]
        assert address(first, ServeOptions(root_path="/a")) == f"http://127.0.0.1:{port}/a/"
        with pytest.raises(FashretError, match=f"--port {port}: cannot listen there"), bound("127.0.0.1", port):
            pass
    with bound("127.0.0.1", port):
        pass
    with pytest.raises(FashretError, match="cannot listen there"), bound("203.0.113.1", 0):
        pass


def test_bad_starts_end_with_one_line(tmp_path: Path) -> None:
    catalogue = write_shop(tmp_path)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        cases = {
            ("--host", "0.0.0.0"): "--token-file",
            ("--port", str(taken.getsockname()[1])): "cannot listen there",
            ("--port", "70000"): "--port",
            ("--detector", str(tmp_path)): str(tmp_path),
            ("--allow-origin", "*"): "--allow-origin",
            ("--max-upload", "much"): "--max-upload",
            ("--crops", str(tmp_path / "none.h5")): "none.h5",
        }
        for words, part in cases.items():
            done = invoke("serve", catalogue, "--device", "cpu", *words)
            lines = [line for line in done.stderr.splitlines() if line.startswith("fashret: ")]
            assert done.returncode == 1 and len(lines) == 1 and part in lines[0], (words, done.stderr)


@contextmanager
def served(catalogue: Path, *words: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server in a process of its own, and its address."""
    command = [sys.executable, "-m", "fashret", "serve", str(catalogue), "--port", "0", "--device", "cpu", *words]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
    try:
        assert process.stderr is not None
        told = next(
            (found for line in process.stderr if (found := re.search(r"at (http://\S+/)$", line.strip()))), None
        )
        assert told is not None
        yield process, told[1]
    finally:
        process.kill()
        process.wait()


@pytest.mark.slow
def test_a_real_process(tmp_path: Path) -> None:
    options = replace(OPTIONS, backbone="osnet_x0_25", input="64x64")
    catalogue = write_shop(tmp_path, options=options)
    with served(catalogue) as (process, place), httpx.Client(base_url=place, timeout=30) as client:
        assert place.startswith("http://127.0.0.1:") and client.get("/health").json() == {"status": "ok"}
        photos = [png(draw(i)) for i in range(12)]
        alone = [client.post("/api/search", content=photo).json()["hits"] for photo in photos]
        with concurrent.futures.ThreadPoolExecutor(24) as pool:
            answers = list(
                pool.map(lambda i: httpx.post(f"{place}api/search", content=photos[i % 12], timeout=60), range(48))
            )
        assert {answer.status_code for answer in answers} == {200}
        for i, answer in enumerate(answers):
            hits = answer.json()["hits"]
            assert [hit["row"] for hit in hits] == [hit["row"] for hit in alone[i % 12]]
            assert max(abs(a["distance"] - b["distance"]) for a, b in zip(hits, alone[i % 12], strict=True)) < 2e-5
        second = invoke("serve", catalogue, "--device", "cpu", "--port", place.rstrip("/").rpartition(":")[2])
        assert second.returncode == 1 and "cannot listen there" in second.stderr
        host, _, port = place.removeprefix("http://").rstrip("/").rpartition(":")
        with socket.create_connection((host, int(port)), timeout=30) as half:
            head = f"POST /api/search HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(photos[3])}\r\n\r\n"
            half.sendall(head.encode() + photos[3][:100])
            deadline = time.monotonic() + 20
            while "fashret_in_flight 2" not in client.get("/metrics").text:  # that of the metrics is one
                assert time.monotonic() < deadline
            process.send_signal(signal.SIGTERM)
            while not refuses(host, int(port)):
                assert time.monotonic() < deadline
            half.sendall(photos[3][100:])
            assert half.recv(100).startswith(b"HTTP/1.1 200")
        assert process.wait(30) == 0


def refuses(host: str, port: int) -> bool:
    """Whether nobody listens any more."""
    with socket.socket() as asked:
        return asked.connect_ex((host, port)) != 0
