"""Settings of k-reciprocal re-ranking by the number of images per product: how much they win or lose.

    python -m tests.benchmarks.rerank_settings PHOTOS -o sets/ [--images 2 3 5 10 20 50] [--seeds 0 1 2] [--rows 600]
        [--files a.emb.h5 …]

Sets of `--images` images per product, about `--rows` in all, a quarter of each product's images (one at least) queries:
drawn vectors, and, with features of EfficientNet-Lite0 as ImageNet left it, drawn garments and altered real photos
(queries are street views, the gallery has shop views). `--files`: embeddings that record their number of images
themselves. Sets that are in the folder are taken as they are.

In: a folder with photos.csv. Out: a line per set: the plain scores, and what re-ranking adds to them with `auto` and
that number of images, with `auto` and without it, and with the published settings.
"""

from __future__ import annotations

import argparse
import csv
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image

import fashret
from fashret.demo.catalogue import products
from fashret.demo.drawing import sprite
from fashret.demo.scenes import props, shop_photo, street_photo
from fashret.files.columns import Role, text_array
from fashret.knn import SearchResult, SearchSpec
from fashret.options import CropOptions, EmbedOptions, Reranking
from fashret.stages import crop, embed
from tests.altered_photos import shop_view, street_view
from tests.benchmarks.vectors import Recipe, _centres, _images
from tests.conftest import make_rows, write_embeddings

NETWORK = {"backbone": "efficientnet_lite0", "input": "96x96", "fit": "pad", "precision": "float32"}
WIDTH, NOISE = 128, 1.0  # of drawn vectors

View = tuple[Image.Image, tuple[int, int, int, int] | None]  # a photo and the garment's box in it


def query_count(images: int) -> int:
    """How many of a product's images are queries."""
    return max(1, images // 4)


def drawn_vectors(path: Path, images: int, seed: int, rows: int) -> None:
    """Embeddings of products that are points with noise."""
    recipe = Recipe(0, 0, WIDTH, NOISE, seed=seed)
    product = np.repeat(np.arange(max(2, rows // images)), images)
    vectors = _images(recipe, _centres(recipe, 0)[product], np.random.default_rng([seed, images]))
    first = np.tile(np.arange(images) < query_count(images), len(product) // images)
    role = np.where(first, Role.QUERY, Role.GALLERY).astype(np.uint8)
    write_embeddings(
        path, make_rows(len(product), product=text_array(f"p{one}" for one in product), role=role), vectors
    )


def drawn_garments(images: int, seed: int, rows: int) -> Iterator[list[View]]:
    """Views of one product of the demo after the other."""
    scene = props(seed)
    for product in products(max(24, rows // images), seed):
        drawn = sprite(product)
        rng = [np.random.default_rng((seed, product.number, image, 3)) for image in range(images)]
        streets = query_count(images)
        street: list[View] = [street_photo(product, drawn, scene, each) for each in rng[:streets]]
        yield street + [(shop_photo(drawn, scene, each, first=False), None) for each in rng[streets:]]


def altered_garments(photos: Path, images: int, seed: int, rows: int) -> Iterator[list[View]]:
    """Views of one real garment after the other."""
    with (photos / "photos.csv").open(encoding="utf-8", newline="") as stream:
        names = sorted(line["image"] for line in csv.DictReader(stream))
    rng = random.Random(seed)

    def opened(name: str) -> Image.Image:
        with Image.open(photos / name) as image:
            image.draft("RGB", (480, 480))
            return image.convert("RGB")

    for name in rng.sample(names, min(len(names), max(24, rows // images))):
        photo, (ground, before) = opened(name), map(opened, rng.sample(names, 2))
        streets = query_count(images)
        street: list[View] = [(street_view(photo, ground, before, rng), None) for _ in range(streets)]
        yield street + [(shop_view(photo, rng), None) for _ in range(images - streets)]


def embedded(path: Path, views: Iterator[list[View]]) -> None:
    """Embeddings of photos, which are written beside, the queries of a product first."""
    folder = path.with_suffix("")
    folder.mkdir(exist_ok=True)
    lines = ["image,product,role,x1,y1,x2,y2"]
    for product, shown in enumerate(views):
        for number, (photo, box) in enumerate(shown):
            name = f"{product}-{number}.jpg"
            photo.save(folder / name, quality=90)
            role = "query" if number < query_count(len(shown)) else "gallery"
            lines.append(f"{name},p{product},{role},{','.join(map(str, box or ('',) * 4))}")
    manifest = folder / "manifest.csv"
    manifest.write_text("\n".join(lines) + "\n", encoding="utf-8")
    crops = path.with_suffix(".crops.h5")
    crop.run(str(manifest), crops, CropOptions(size=160))
    embed.run(crops, path, EmbedOptions(workers=0, **NETWORK))


def made(folder: Path, photos: Path, name: str, images: int, seed: int, rows: int) -> Path:
    """The embeddings of a set, made unless they are there."""
    path = folder / f"{name}-{images}-{seed}.h5"
    if path.exists():
        return path
    if name == "vectors":
        drawn_vectors(path, images, seed, rows)
    else:
        embedded(path, SETS[name](photos, images, seed, rows))
    return path


SETS: dict[str, Callable[[Path, int, int, int], Iterator[list[View]]]] = {
    "garments": lambda photos, images, seed, rows: drawn_garments(images, seed, rows),
    "photos": altered_garments,
}


def gains(path: Path, images: int | None) -> dict[str, list[float]]:
    """The plain scores of embeddings in percent, and what each kind of settings adds to them, in points."""
    kinds = {"auto": Reranking(images_per_product=images), "auto, not told": Reranking(),
             "published": Reranking(settings="published")}  # fmt: skip
    if images is None:
        del kinds["auto, not told"]  # the file tells
    spec = SearchSpec(k=1, positives=True, device="cpu")
    with fashret.open(path) as file:
        plain = scores(fashret.search(file, spec=spec))
        found = {name: scores(fashret.rerank(file, spec=spec, options=kind)) for name, kind in kinds.items()}
    added = {name: [a - b for a, b in zip(again, plain, strict=True)] for name, again in found.items()}
    return {"plain": plain, **added}


def scores(found: SearchResult) -> list[float]:
    """mAP and Acc@1 in percent."""
    means = fashret.evaluate(found, ks=(1,)).mean
    return [100 * means["mAP"], 100 * means["Acc@1"]]


def show(name: str, lines: list[dict[str, list[float]]]) -> None:
    """Means over the seeds, and the worst of them."""
    cells = []
    for kind in lines[0]:
        sign = "" if kind == "plain" else "+"
        means = [sum(line[kind][i] for line in lines) / len(lines) for i in (0, 1)]
        worst = [min(line[kind][i] for line in lines) for i in (0, 1)]
        numbers = " / ".join(
            f"{mean:{sign}.1f}" + ("" if kind == "plain" else f" ({low:{sign}.1f})")
            for mean, low in zip(means, worst, strict=True)
        )
        cells.append(f"{kind} {numbers}")
    print(f"{name:<16}{'   '.join(cells)}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder for the sets")
    parser.add_argument("--sets", nargs="*", default=["vectors", *SETS], choices=["vectors", *SETS])
    parser.add_argument("--images", nargs="*", type=int, default=[2, 3, 5, 10, 20, 50])
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1, 2])
    parser.add_argument("--rows", type=int, default=600)
    parser.add_argument("--files", nargs="*", type=Path, default=[], help="embeddings of trained models, one per seed")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    arguments.output.mkdir(exist_ok=True)
    print("mAP / Acc@1, the mean over the seeds (and the worst)")
    for name in arguments.sets:
        for images in arguments.images:
            paths = [
                made(arguments.output, arguments.photos, name, images, seed, arguments.rows) for seed in arguments.seeds
            ]
            show(f"{name} {images}", [gains(path, images) for path in paths])
    if arguments.files:
        show("trained", [gains(path, None) for path in arguments.files])


if __name__ == "__main__":
    main()
