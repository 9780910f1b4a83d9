"""A shop with further columns that an untrained tiny network embedded, and a client that asks its server."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from starlette.testclient import TestClient

from fashret.options import EmbedOptions, ServeOptions
from fashret.serving.app import make_app
from fashret.serving.guard import Access
from fashret.serving.living import LivingShop
from fashret.serving.metrics import Metrics
from fashret.serving.shop import Shop
from fashret.stages import embed
from tests.catalogue_case import OPTIONS
from tests.report_case import HOSTILE
from tests.training_case import add_tiny_backbone

BRANDS = ("Acme", "Umbrella", HOSTILE[0])
SERVED = ServeOptions(device="cpu", port=0)
HOST = "http://127.0.0.1:8000"


def draw(number: int) -> Image.Image:
    """The photo of one row."""
    random = np.random.default_rng(number)
    pixels = np.clip(random.normal(number * 12 + 20, 40, (48, 40, 3)), 0, 255)
    return Image.fromarray(pixels.astype(np.uint8))


def write_shop(folder: Path, photos: int = 12, name: str = "shop", options: EmbedOptions = OPTIONS) -> Path:
    """Two photos per product, the last two unlabelled: <name>.csv and <name>.emb.h5."""
    add_tiny_backbone()
    rows = []
    for i in range(photos):
        draw(i).save(folder / f"{i}.png")
        product = f"p/{i // 2}" if i < photos - 2 else ""
        title = HOSTILE[i // 2 % len(HOSTILE)] if i else "Plain dress"
        rows.append({"image": f"{i}.png", "product": product, "category": ("tops", "bags")[i // 2 % 2],
                     "title": title, "brand": BRANDS[i // 2 % 3], "price": "" if i > 9 else 10 + 2.5 * (i // 2),
                     "new": str(i % 4 < 2).lower(), "url": "javascript:alert(1)" if i == 2 else
                     f"https://shop.example/{i}"})  # fmt: skip
    with (folder / f"{name}.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    embed.run(folder / f"{name}.csv", folder / f"{name}.emb.h5", options)
    return folder / f"{name}.emb.h5"


def png(image: Image.Image) -> bytes:
    """An encoded picture."""
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


@contextmanager
def asked(catalogue: Path, **changes: Any) -> Iterator[TestClient]:
    """A client of a server in this process; `client.living` is its catalogue."""
    add_tiny_backbone()
    options = ServeOptions(**{**vars(SERVED), **changes})
    metrics = Metrics()
    living = LivingShop(lambda: Shop(catalogue, options), metrics)
    app = make_app(living, Access.of(options), options, metrics)
    try:
        with TestClient(app, HOST, raise_server_exceptions=False) as client:
            client.living = living  # type: ignore[attr-defined]
            yield client
    finally:
        living.close()
