"""What all tests share: the option for real photos, small crops and embeddings files, and the command line."""

from __future__ import annotations

import functools
import io
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import pytest
import typer
from PIL import Image

from fashret.cli import main
from fashret.files import embeddings, hdf5
from fashret.files.columns import Rows, text_array
from fashret.files.crops import KIND, append_crops, create_crops

# Examples are the same every time, so a test passes always or never; `make fuzz` draws fresh ones (tests/fuzz.py).
hypothesis.settings.register_profile("same", deadline=None, derandomize=True)
hypothesis.settings.register_profile("fuzz", deadline=None, derandomize=False, database=None, print_blob=False)
hypothesis.settings.load_profile("same")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--real-photos", metavar="DIR", help="folder with photos.csv and real photos; without it those tests skip"
    )


@pytest.fixture(autouse=True, scope="session")
def signals_act() -> None:
    """A shell makes its background jobs, and all that they start, ignore Ctrl-C; here it is tested."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    """Tiny networks on one thread: waiting for each other costs threads more than they gain, many times more on busy
    machines."""
    import torch

    torch.set_num_threads(1)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Torch's random numbers start over for each test, before its fixtures: no test depends on those run before it."""
    import torch

    seed = torch.manual_seed if torch.cuda.is_available() else torch.default_generator.manual_seed
    seed(0)  # without devices the second, in a microsecond; `torch.manual_seed` queues a call with its stack for each


@pytest.fixture
def real_photos(request: pytest.FixtureRequest) -> Path:
    folder = request.config.getoption("--real-photos")
    if not folder:
        pytest.skip("no real photos: give --real-photos DIR")
    return Path(folder).resolve()  # some tests work in another folder


@pytest.fixture
def fashret() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run the command line in a process of its own: fashret("info", path) → exit code, stdout, stderr."""
    return run_fashret


def run_fashret(*arguments: Any, **settings: Any) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own."""
    command = [sys.executable, "-m", "fashret", *map(str, arguments)]
    environment = {**os.environ, "COLUMNS": "120", "NO_COLOR": "1"}
    environment["PYTHONPATH"] = str(Path(__file__).parent.parent)  # whatever the working directory is
    settings.setdefault("env", environment)
    return subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=240, **settings)


_commands_of = functools.cache(typer.main.get_command)  # all commands with their flags: 10 ms, made once for all tests


def invoke(*arguments: Any, columns: int = 120, encoding: str = "utf-8") -> subprocess.CompletedProcess[str]:
    """Run the command line in this process, which saves the seconds that importing torch takes."""
    words = ["fashret", *map(str, arguments)]
    written, code = (io.BytesIO(), io.BytesIO()), 0
    stdout, stderr = (io.TextIOWrapper(data, encoding, write_through=True) for data in written)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", words)
        patch.setattr(sys, "stdout", stdout)
        patch.setattr(sys, "stderr", stderr)
        patch.setattr(typer.main, "get_command", _commands_of)
        patch.setenv("COLUMNS", str(columns))
        patch.setenv("NO_COLOR", "1")
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
    return subprocess.CompletedProcess(words, code, *(data.getvalue().decode(encoding) for data in written))


PIPELINE = (  # what `make demo` runs, on a few products and for one epoch
    "demo demo/photos --products 24 --workers 2",
    "crop demo/photos/manifest.csv -o demo/crops.h5",
    "train demo/crops.h5 --recipe demo --epochs 1 --batch-products 8 --input 64x64 -o demo/model",
    "embed demo/crops.h5 --model demo/model -o demo/catalogue.emb.h5",
    "search demo/catalogue.emb.h5 -o demo/ranking.h5",
    "rerank demo/ranking.h5 -o demo/reranked.h5",
)


@pytest.fixture(scope="session")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the whole pipeline has run; tests that write work on a copy."""
    folder = tmp_path_factory.mktemp("pipeline")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for command in PIPELINE:
            done = invoke(*command.split())
            assert done.returncode == 0, f"{command}: {done.stderr}"
    return folder


def make_rows(count: int, **columns: Any) -> Rows:
    """Rows of whole photos, each query and gallery, two a product; columns can be given."""
    values = {
        "source": text_array(f"photos/{i}.jpg" for i in range(count)),
        "box": np.full((count, 4), np.nan, np.float32),
        "product": text_array(f"p{i // 2}" for i in range(count)),
        "role": np.full(count, 6, np.uint8),
        "domain": np.ones(count, np.uint8),
        "category": np.zeros(count, np.int16),
        "categories": ("tops",),
    }
    return Rows(**{**values, **columns})


def write_crops(path: Path, rows: Rows, images: list[np.ndarray] | None = None, size: int = 32) -> Path:
    """A crops.h5 of JPEG images, drawn from a fixed seed if not given."""
    generator = np.random.default_rng(0)
    if images is None:
        images = [generator.integers(0, 255, (size, size, 3), np.uint8) for _ in range(len(rows))]
    with hdf5.write_whole(path, KIND, 1) as file:
        create_crops(file, rows.categories, "jpeg", size, "test")
        append_crops(file, rows, [jpeg(image) for image in images])
    return path


def write_embeddings(path: Path, rows: Rows, vectors: np.ndarray, model: dict[str, Any] | None = None) -> Path:
    """An embeddings.h5 with the given vectors."""
    origin = embeddings.EmbeddingsOrigin(model or {"name": "test"}, normalized=False, dataset="test")
    with embeddings.write_embeddings(path, vectors.shape, rows.categories, origin, vectors.dtype.name) as append:
        append(rows, vectors)
    return path


def jpeg(image: np.ndarray) -> bytes:
    """Encode an H×W×3 uint8 array."""
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "JPEG", quality=95)
    return stream.getvalue()
