"""`fashret crop street2shop --check` on metadata of the real size: time and peak memory.

Draws annotations with the published numbers of boxes, products and gallery photos and an empty file for each photo,
then checks them in a process of its own. The aim: under 10 s and under 1 GB.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from fashret.datasets.street2shop import CATEGORIES
from fashret.files.tables.manifests import find_manifest

TRAIN_BOXES, TRAIN_PRODUCTS = 30_629, 7_763


def draw(root: Path, share: float, seed: int = 0) -> None:
    """Write annotations of `share` of the real size, and an empty photo for each number."""
    rng = random.Random(seed)
    expected = {(e.category, e.what): e.count for e in find_manifest("street2shop").expected}
    (root / "meta/json").mkdir(parents=True)
    (root / "images").mkdir()
    photo = 0
    queries_in_all = expected["", "query rows"]
    for category in CATEGORIES:
        queries, tested, gallery = (
            max(1, int(share * expected[category, what])) for what in ("query rows", "query products", "gallery photos")
        )
        boxes = max(1, round(share * TRAIN_BOXES * expected[category, "query rows"] / queries_in_all))
        trained = max(1, round(boxes * TRAIN_PRODUCTS / TRAIN_BOXES))
        for kind, number, first, products in (
            ("train_pairs", boxes, tested, trained), ("test_pairs", queries, 0, tested),
        ):  # fmt: skip
            pairs = []
            for _ in range(number):
                photo += 1
                box = {"width": rng.randint(50, 600), "top": rng.randint(0, 90), "height": 457.5, "left": 12}
                pairs.append({"photo": photo, "product": first + rng.randrange(products), "bbox": box})
            (root / f"meta/json/{kind}_{category}.json").write_text(json.dumps(pairs))
        shop = []
        for _ in range(gallery):
            photo += 1
            shop.append({"photo": photo, "product": rng.randrange(2 * (tested + trained))})
        (root / f"meta/json/retrieval_{category}.json").write_text(json.dumps(shop))
    for i in range(1, photo + 1):
        if i % 20:  # one in twenty is lost
            (root / f"images/{i:09d}.{'jpg' if i % 3 else 'jpeg'}").touch()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--share", type=float, default=1.0, help="of the real size")
    share = parser.parse_args().share
    with tempfile.TemporaryDirectory() as folder:
        draw(Path(folder), share)
        command = [sys.executable, "-m", "fashret", "crop", "street2shop", "--root", folder, "--check", "--json"]
        started = time.monotonic()
        done = subprocess.run(command, capture_output=True, text=True)
        seconds = time.monotonic() - started
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e6
    if done.returncode:
        sys.exit(done.stderr)
    result = json.loads(done.stdout)
    rows = result["counts"][""]["rows"]
    print(f"check of Street2Shop, {rows:,} rows: {seconds:.1f} s, peak {peak:.2f} GB (process, its imports included)")


if __name__ == "__main__":
    main()
