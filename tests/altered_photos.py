"""A catalogue of real photos: each garment several times, altered so strongly that its street views are hard to find.

    python -m tests.altered_photos PHOTOS catalogue/ [--products 300] [--views 6] [--seed 0]

In: a folder with photos.csv and photos of single garments, one each. Out: a folder with JPEG photos and manifest.csv,
as `fashret crop` reads it: for each garment two shop views (mild) and street views (turned, in perspective, cut, in
other light, before another photo and partly behind a third). Two thirds of the garments are for training, the rest for
the test. A street view is half synthetic: it shows what training does to real textures and real weights, not how well
real street photos are found.
"""

from __future__ import annotations

import argparse
import csv
import random
from pathlib import Path

from PIL import Image, ImageEnhance, ImageFilter

SIZE = 160  # pixels of a view, longer side
SHOP_VIEWS = 2


def altered_photos(photos: Path, output: Path, products: int = 300, views: int = 6, seed: int = 0) -> Path:
    """Make the catalogue; its manifest."""
    with (photos / "photos.csv").open(encoding="utf-8", newline="") as stream:
        listed = list(csv.DictReader(stream))
    rng = random.Random(seed)
    chosen = rng.sample(listed, products)
    (output / "photos").mkdir(parents=True)
    lines = ["image,product,category,domain,split"]
    for number, garment in enumerate(chosen):
        split = "train" if number < products * 2 // 3 else "test"
        for view in range(views):
            domain = "shop" if view < SHOP_VIEWS else "street"
            name = f"photos/{number}-{view}.jpg"
            others = [_opened(photos / other["image"]) for other in rng.sample(listed, 2)]
            photo = _opened(photos / garment["image"])
            made = shop_view(photo, rng) if domain == "shop" else street_view(photo, others[0], others[1], rng)
            made.save(output / name, quality=rng.randint(60, 95))
            lines.append(f"{name},{garment['product']},{garment['category']},{domain},{split}")
    manifest = output / "manifest.csv"
    manifest.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return manifest


def _opened(path: Path) -> Image.Image:
    with Image.open(path) as image:
        return image.convert("RGB")


def shop_view(photo: Image.Image, rng: random.Random) -> Image.Image:
    """The photo, a little cut and in slightly other light."""
    return _lit(_cut(photo, rng, 0.85), rng, 0.1).resize((SIZE, SIZE))


def street_view(photo: Image.Image, ground: Image.Image, before: Image.Image, rng: random.Random) -> Image.Image:
    """The photo turned and in perspective, before a blurred photo and behind a piece of another."""
    scene = ground.resize((SIZE, SIZE)).filter(ImageFilter.GaussianBlur(3))
    side = round(SIZE * rng.uniform(0.6, 1.0))
    garment = _cut(photo, rng, 0.6).resize((side, side))
    corners = [coordinate + rng.uniform(-0.15, 0.15) * side for coordinate in (0, 0, 0, side, side, side, side, 0)]
    garment = _lit(garment, rng, 0.45).convert("RGBA")
    garment = garment.transform((side, side), Image.Transform.QUAD, corners, Image.Resampling.BILINEAR)
    garment = garment.rotate(rng.uniform(-35, 35), Image.Resampling.BILINEAR)
    if rng.random() < 0.5:
        garment = garment.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    place = (rng.randint(0, SIZE - side), rng.randint(0, SIZE - side))
    scene.paste(garment, place, garment)
    width, height = (round(SIZE * rng.uniform(0.15, 0.4)) for _ in range(2))
    scene.paste(before.resize((width, height)), (rng.randint(0, SIZE - width), rng.randint(0, SIZE - height)))
    return scene.filter(ImageFilter.GaussianBlur(rng.uniform(0, 1.2)))


def _cut(photo: Image.Image, rng: random.Random, least: float) -> Image.Image:
    """A random part with at least that share of each side."""
    width, height = (round(side * rng.uniform(least, 1.0)) for side in photo.size)
    x, y = rng.randint(0, photo.width - width), rng.randint(0, photo.height - height)
    return photo.crop((x, y, x + width, y + height))


def _lit(photo: Image.Image, rng: random.Random, strength: float) -> Image.Image:
    """Other brightness, contrast and saturation, and light of another colour."""
    for change in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        photo = change(photo).enhance(rng.uniform(1 - strength, 1 + strength))
    factors = [rng.uniform(1 - strength / 2, 1 + strength / 2) for _ in range(3)]
    bands = [band.point(lambda value, f=factor: value * f) for band, factor in zip(photo.split(), factors, strict=True)]
    return Image.merge("RGB", bands)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--products", type=int, default=300)
    parser.add_argument("--views", type=int, default=6)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    print(altered_photos(arguments.photos, arguments.output, arguments.products, arguments.views, arguments.seed))


if __name__ == "__main__":
    main()
