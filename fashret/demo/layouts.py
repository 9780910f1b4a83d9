"""The drawn catalogue as a public dataset: the same photos, named and annotated the way that dataset is published.

In: a folder of drawn photos and their rows, as `fashret demo` makes them. Out: the folder in the layout of Street2Shop
of DeepFashion Consumer-to-Shop or of DeepFashion2, small enough to try everything that is made for those datasets.
"""

from __future__ import annotations

import json
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from fashret.demo.catalogue import CATEGORIES

CLOTHES_TYPE = {"tops": 1, "outerwear": 1, "leggings": 2, "pants": 2, "skirts": 2, "dresses": 3}  # DeepFashion's
ITEMS = {  # DeepFashion2's
    "tops": (1, "short sleeve top"),
    "outerwear": (4, "long sleeve outwear"),
    "leggings": (8, "trousers"),
    "pants": (8, "trousers"),
    "skirts": (9, "skirt"),
    "dresses": (10, "short sleeve dress"),
}
CLOTHES_FOLDER = {1: "TOPS", 2: "TROUSERS", 3: "DRESSES"}
LOW_SIDE = 300  # longer side of DeepFashion's photos in pixels
ADDRESS = "http://shop.invalid"  # a name that never resolves


@dataclass(frozen=True)
class Photo:
    """One row of the demo's manifest; `box` is x1 y1 x2 y2, or None for the whole photo."""

    image: str
    product: str
    street: bool
    category: str
    split: str
    box: tuple[int, int, int, int] | None

    @classmethod
    def of(cls, row: Sequence[str | int]) -> Photo:
        """From a row with the columns image, product, domain, category, split, x1, y1, x2, y2."""
        image, product, domain, category, split, *corners = row
        box = None if "" in corners else tuple(int(corner) for corner in corners)
        return cls(str(image), str(product), domain == "street", str(category), str(split), box)  # type: ignore[arg-type]


FOLDERS = (
    "photos",
    "drawn",
    "images",
    "meta",
    "Anno",
    "Eval",
    "img",
    "train",
    "validation",
)  # what any layout may have made


def write_layout(directory: Path, rows: Iterable[Sequence[str | int]], layout: str) -> None:
    """Turn a drawn catalogue into one of `LAYOUTS`; the photos move, `photos/` as drawn is gone."""
    photos = [Photo.of(row) for row in rows]
    drawn = directory / "drawn"
    (directory / "photos").rename(drawn)
    LAYOUTS[layout](directory, drawn, photos)
    shutil.rmtree(drawn)


def _drawn_path(drawn: Path, photo: Photo) -> Path:
    return drawn / photo.image.partition("/")[2]


# --- Street2Shop ---


def street2shop(directory: Path, drawn: Path, photos: Sequence[Photo]) -> None:
    """`images/%09d.jpg`, `photos/photos.txt` and `meta/json/{train_pairs,test_pairs,retrieval}_{category}.json`.

    Each category numbers its own products, as there. It has no validation split: those products train.
    """
    for folder in ("images", "photos", "meta/json"):
        (directory / folder).mkdir(parents=True, exist_ok=True)
    entries: dict[str, list[dict[str, object]]] = {
        f"{kind}_{category}": [] for category in CATEGORIES for kind in ("train_pairs", "test_pairs", "retrieval")
    }
    products: dict[str, dict[str, int]] = defaultdict(dict)
    addresses = []
    for number, photo in enumerate(photos, start=1):
        known = products[photo.category]
        entry: dict[str, object] = {"photo": number, "product": known.setdefault(photo.product, len(known) + 1)}
        if photo.street:
            assert photo.box is not None
            left, top, right, bottom = photo.box
            entry["bbox"] = {"width": right - left, "top": top, "height": bottom - top, "left": left}
        pairs = "test_pairs" if photo.split == "test" else "train_pairs"
        entries[f"{pairs if photo.street else 'retrieval'}_{photo.category}"].append(entry)
        _drawn_path(drawn, photo).rename(directory / "images" / f"{number:09d}.jpg")
        addresses.append(f"{number:09d},{ADDRESS}/{photo.product},{number}.jpg\n")
    (directory / "photos" / "photos.txt").write_text("".join(addresses), encoding="utf-8")
    for name, found in entries.items():
        (directory / "meta" / "json" / f"{name}.json").write_text(json.dumps(found), encoding="utf-8")


# --- DeepFashion Consumer-to-Shop ---


def deepfashion(directory: Path, drawn: Path, photos: Sequence[Photo]) -> None:
    """`img/…/id_00000001/{comsumer,shop}_01.jpg` (spelled so there), `Anno/list_bbox_consumer2shop.txt`, `Eval/…`.

    It knows clothes only, of three types: products of other categories are left out.
    """
    for folder in ("Anno", "Eval", "img"):
        (directory / folder).mkdir(parents=True, exist_ok=True)
    products: dict[str, list[Photo]] = defaultdict(list)
    for photo in photos:
        if photo.category in CLOTHES_TYPE:
            products[photo.product].append(photo)
    boxes, pairs = [], []
    for number, shown in enumerate(products.values(), start=1):
        kind, item = CLOTHES_TYPE[shown[0].category], f"id_{number:08d}"
        folder = f"img/{CLOTHES_FOLDER[kind]}/{shown[0].category.capitalize()}/{item}"
        (directory / folder).mkdir(parents=True)
        names: dict[bool, list[str]] = {True: [], False: []}
        for photo in shown:
            name = f"{folder}/{'comsumer' if photo.street else 'shop'}_{len(names[photo.street]) + 1:02d}.jpg"
            names[photo.street].append(name)
            corners = _shrink(_drawn_path(drawn, photo), directory / name, photo.box)
            boxes.append(f"{name} {kind} {2 if photo.street else 1} {' '.join(f'{c:03d}' for c in corners)}")
        pairs += [f"{street} {shop} {item} {shown[0].split}" for street in names[True] for shop in names[False]]
    _write_list(directory / "Anno/list_bbox_consumer2shop.txt",
                "image_name clothes_type source_type x_1 y_1 x_2 y_2", boxes)  # fmt: skip
    _write_list(directory / "Eval/list_eval_partition.txt",
                "image_pair_name_1 image_pair_name_2 item_id evaluation_status", pairs)  # fmt: skip


def _shrink(drawn: Path, to: Path, box: tuple[int, int, int, int] | None) -> tuple[int, int, int, int]:
    """Write a photo with a longer side of 300 pixels; its box there, counted from 1, both corners inside."""
    with Image.open(drawn) as photo:
        x1, y1, x2, y2 = box or (0, 0, *photo.size)
        scale = min(1.0, LOW_SIDE / max(photo.size))
        size = (max(1, round(photo.width * scale)), max(1, round(photo.height * scale)))
        if scale < 1:
            photo.resize(size, Image.Resampling.LANCZOS).save(to, "JPEG", quality=90)
        else:
            drawn.rename(to)
    right, bottom = min(size[0], round(x2 * scale)), min(size[1], round(y2 * scale))
    return min(right, round(x1 * scale) + 1), min(bottom, round(y1 * scale) + 1), right, bottom


def _write_list(path: Path, columns: str, lines: Sequence[str]) -> None:
    """A list in DeepFashion's form: the count, the columns' names, the rows."""
    path.write_text(f"{len(lines)}\n{columns}\n" + "".join(f"{line}\n" for line in lines), encoding="utf-8")


# --- DeepFashion2 ---


def deepfashion2(directory: Path, drawn: Path, photos: Sequence[Photo]) -> None:
    """`{train,validation}/image/000001.jpg` and `annos/000001.json`, one item per photo.

    It knows clothes only: products of other categories are left out. Its validation is the test.
    """
    pairs: dict[str, int] = {}
    count = {"train": 0, "validation": 0}
    for part in count:
        for folder in ("image", "annos"):
            (directory / part / folder).mkdir(parents=True, exist_ok=True)
    for photo in photos:
        if photo.category not in ITEMS:
            continue
        part = "validation" if photo.split == "test" else "train"
        count[part] += 1
        name = f"{count[part]:06d}"
        path = directory / part / "image" / f"{name}.jpg"
        _drawn_path(drawn, photo).rename(path)
        with Image.open(path) as picture:
            x1, y1, x2, y2 = photo.box or (0, 0, *picture.size)
        number, category = ITEMS[photo.category]
        item = {
            "category_id": number,
            "category_name": category,
            "style": 1,
            "bounding_box": [x1, y1, x2, y2],
            "segmentation": [[x1, y1, x2, y1, x2, y2, x1, y2]],
        }
        pair = pairs.setdefault(photo.product, len(pairs) + 1)
        content = {"source": "user" if photo.street else "shop", "pair_id": pair, "item1": item}
        (directory / part / "annos" / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")


LAYOUTS: dict[str, Callable[[Path, Path, Sequence[Photo]], None]] = {
    "street2shop": street2shop,
    "deepfashion": deepfashion,
    "deepfashion2": deepfashion2,
}
