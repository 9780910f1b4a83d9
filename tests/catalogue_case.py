"""A catalogue of eight photos that an untrained tiny network embedded."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from fashret.options import EmbedOptions
from fashret.stages import embed
from tests.training_case import SIDE, add_tiny_backbone

OPTIONS = EmbedOptions(
    backbone="tiny", weights="none", input=f"{SIDE}x{SIDE}", device="cpu", precision="float32", workers=0
)


def write_catalogue(folder: Path) -> Path:
    """Three products with two photos each and two unlabelled photos, embedded from a table: shop.emb.h5."""
    add_tiny_backbone()
    random = np.random.default_rng(0)
    lines = ["image,product"]
    for i in range(8):
        pixels = np.clip(random.normal(i * 30 + 20, 40, (24, 20, 3)), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{i}.png")
        lines.append(f"{i}.png,{f'p{i // 2}' if i < 6 else ''}")
    (folder / "rows.csv").write_text("\n".join(lines) + "\n")
    embed.run(folder / "rows.csv", folder / "shop.emb.h5", OPTIONS)
    return folder / "shop.emb.h5"
