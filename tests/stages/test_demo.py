"""`fashret demo`: which products exist, what can be seen of them, and what is written."""

from __future__ import annotations

import csv
import hashlib
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from fashret.demo.camera import warp, warped
from fashret.demo.catalogue import ATTRIBUTES, CATEGORIES, TRIMS, TWINS, Product, products
from fashret.demo.drawing import alpha_box, sprite
from fashret.demo.fabrics import COLOURS, PATTERNS, SIZE, tile
from fashret.demo.scenes import Props, props, shop_photo, street_photo
from fashret.demo.shapes import MOTIFS, along, arc, mirror
from fashret.demo.styles import CUTS
from fashret.errors import FashretError
from fashret.files.columns import Role
from fashret.files.tables import read_table
from fashret.options import DemoOptions
from fashret.stages import demo

STREET2SHOP = "bags, belts, dresses, eyewear, footwear, hats, leggings, outerwear, pants, skirts, tops"


def families(catalogue: list[Product]) -> list[list[Product]]:
    return [catalogue[i : i + TWINS] for i in range(0, len(catalogue), TWINS)]


@pytest.fixture(scope="module")
def scene() -> Props:
    return props(0)


# --- which products exist ---


def test_categories_are_those_of_street2shop() -> None:
    assert ", ".join(CATEGORIES) == STREET2SHOP


@settings(deadline=None, max_examples=20)
@given(st.integers(24, 300), st.integers(0, 2**31))
def test_twins_differ_in_exactly_one_attribute(count: int, seed: int) -> None:
    catalogue = products(count, seed)
    assert len(catalogue) == count
    assert len({product.looks for product in catalogue}) == len({product.name for product in catalogue}) == count
    for family in families(catalogue):
        assert len({(p.family, p.split, p.category) for p in family}) == 1
        changed = [[a for a in ATTRIBUTES if getattr(p, a) != getattr(family[0], a)] for p in family[1:]]
        assert all(len(attributes) == 1 for attributes in changed)
        assert len({attributes[0] for attributes in changed}) == len(changed)


def test_splits_share_no_family_and_have_all_categories() -> None:
    catalogue = products(DemoOptions().products, 0)
    for split in ("train", "val", "test"):
        assert {p.category for p in catalogue if p.split == split} == set(CATEGORIES)
    assert {p.split for p in products(demo.FEWEST, 0)} == {"train", "val", "test"}


def test_the_default_demo_is_large_enough() -> None:
    catalogue = products(DemoOptions().products, 0)
    test = sum(p.split == "test" for p in catalogue)
    assert test >= 200
    assert test * demo.PHOTOS["test"][0] >= 1000


# --- what can be seen ---


def seen(product: Product) -> np.ndarray:
    """The sprite, worn and flat side by side, on light grey."""
    pictures = []
    for cutout in (sprite(product).worn, sprite(product).flat):
        alpha = np.asarray(cutout.alpha, dtype=np.float64)[..., None] / 255
        pictures.append(np.asarray(cutout.rgb, dtype=np.float64) * alpha + 240 * (1 - alpha))
    return np.stack(pictures)


def visible_share(one: np.ndarray, other: np.ndarray) -> float:
    """Share of a sprite in which two products differ visibly, worn or flat, whichever is less."""
    return float((np.abs(one - other).max(axis=3) > 24).mean(axis=(1, 2)).min())


def test_every_twin_can_be_told_from_its_family() -> None:
    for family in families(products(TWINS * len(CATEGORIES), 5)):
        first, *others = (seen(product) for product in family)
        assert min(visible_share(first, other) for other in others) > 0.003, family


@pytest.mark.parametrize("category", CATEGORIES)
def test_every_style_is_drawn_and_every_trim_shows(category: str) -> None:
    plain = Product(0, 0, category, "", "plain", ("camel", "navy", "black"), "none", "none", "train")
    styles, trims = list(CUTS[category]), TRIMS[category][1:]
    for i in range(max(len(styles), len(trims))):
        bare = replace(plain, style=styles[i % len(styles)])
        box = alpha_box(np.asarray(sprite(bare).worn.alpha))
        assert box is not None
        assert max(box[2] - box[0], box[3] - box[1]) > 180  # of 256
        before = seen(bare)
        trimmed, printed = replace(bare, trim=trims[i % len(trims)]), replace(bare, print=list(MOTIFS)[i])
        assert visible_share(before, seen(trimmed)) > 0.003, trimmed
        assert visible_share(before, seen(printed)) > 0.003, printed


def test_patterns_differ_and_repeat_without_a_seam() -> None:
    base, second, accent = COLOURS["ivory"], COLOURS["navy"], COLOURS["red"]
    tiles = {name: tile(name, base, second, accent).astype(np.int64) for name in PATTERNS}
    assert all(cloth.shape == (SIZE, SIZE, 3) for cloth in tiles.values())
    names = list(tiles)
    for i, one in enumerate(names):
        for other in names[:i]:
            assert (np.abs(tiles[one] - tiles[other]).max(axis=2) > 24).mean() > 0.03, (one, other)
    for name in ("floral", "leopard", "polka dot", "hearts", "camouflage"):  # shapes that cross the border
        cloth = tiles[name]
        seam = np.abs(cloth[:, 0] - cloth[:, -1]).mean()
        inner = np.abs(np.diff(cloth, axis=1)).mean(axis=(0, 2)).max()
        assert seam < 1.5 * inner, name


def test_street_photos_hide_nothing_that_matters(scene: Props) -> None:
    """The box lies in the photo, is neither tiny nor all of it, and holds the garment's colour and not the ground's."""
    for i, category in enumerate(CATEGORIES):
        bright = Product(i, 0, category, next(iter(CUTS[category])), "plain", ("fuchsia",) * 3, "none", "none", "test")
        drawn = sprite(bright)
        found = 0
        for number in range(4):
            photo, (x1, y1, x2, y2) = street_photo(bright, drawn, scene, np.random.default_rng((i, number)))
            assert 0 <= x1 < x2 <= photo.width
            assert 0 <= y1 < y2 <= photo.height
            assert 0.3 * min(photo.size) < max(x2 - x1, y2 - y1)
            hue = np.asarray(photo.convert("HSV"))[..., :2].astype(np.int64)
            pink = (np.abs((hue[..., 0] - 235 + 128) % 256 - 128) < 24) & (hue[..., 1] > 70)
            inside, outside = pink[y1:y2, x1:x2].mean(), pink.copy()
            outside[y1:y2, x1:x2] = False
            found += inside > 0.08 and inside > 2 * outside.mean()
        assert found >= 2, category  # the light may turn fuchsia into something else


def test_shop_photos_are_whole_on_a_light_ground(scene: Props) -> None:
    product = products(24, 0)[0]
    for number in range(6):
        photo = shop_photo(sprite(product), scene, np.random.default_rng(number), first=True)
        border = np.concatenate([np.asarray(photo)[0], np.asarray(photo)[-1]])
        assert border.min() > 150
        assert np.asarray(photo).std() > 20


def test_a_mask_moves_with_its_picture() -> None:
    rng = np.random.default_rng(0)
    square = Image.new("L", (200, 240), 0)
    square.paste(255, (70, 90, 130, 160))
    mesh = warp(rng, square.size, turn=5, tilt=0.08, ripple=0.006)
    mask, picture = warped(square, mesh), warped(Image.merge("RGB", [square] * 3), mesh)
    assert (np.abs(np.asarray(mask, dtype=int) - np.asarray(picture)[..., 0]) > 128).mean() < 0.01
    assert np.asarray(mask).mean() > np.asarray(square).mean()  # nearer, not farther


@given(st.integers(0, 2**31))
def test_alpha_box_is_the_smallest_box(seed: int) -> None:
    rng = np.random.default_rng(seed)
    alpha = (rng.random((7, 5)) < 0.1).astype(np.uint8) * 255
    rows, columns = np.nonzero(alpha)
    expected = (min(columns), min(rows), max(columns) + 1, max(rows) + 1) if len(rows) else None
    assert alpha_box(alpha) == expected


def test_geometry() -> None:
    assert along([(0, 0), (2, 0), (2, 2)], [0.0, 0.5, 0.75]).tolist() == [[0, 0], [2, 0], [2, 1]]
    assert mirror(arc((0, 0), (1, 2), 0.1))[-1].tolist() == [-1, 2]


# --- what is written ---


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo") / "photos"
    demo.run(folder, DemoOptions(products=24, seed=3, workers=1))
    return folder


def digest(folder: Path) -> str:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    whole = b"".join(str(path.relative_to(folder)).encode() + path.read_bytes() for path in files)
    return hashlib.sha256(whole).hexdigest()


def test_the_same_bytes_whatever_the_number_of_workers(small: Path, tmp_path: Path) -> None:
    demo.run(tmp_path / "demo", DemoOptions(products=24, seed=3, workers=2))
    assert digest(tmp_path / "demo") == digest(small)


@pytest.fixture
def quick(scene: Props, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer photos, and the same props for every seed."""
    monkeypatch.setattr(demo, "PHOTOS", {"train": (1, 1), "val": (1, 1), "test": (2, 1)})
    monkeypatch.setattr(demo, "props", lambda seed: scene)


@pytest.mark.usefixtures("quick")
def test_another_seed_gives_other_photos_and_clears_the_old_ones(tmp_path: Path) -> None:
    demo.run(tmp_path, DemoOptions(products=28, seed=3, workers=1))
    before = {path.relative_to(tmp_path): path.read_bytes() for path in tmp_path.rglob("*.jpg")}
    demo.run(tmp_path, DemoOptions(products=24, seed=4, workers=1))
    after = {path.relative_to(tmp_path): path.read_bytes() for path in tmp_path.rglob("*.jpg")}
    table = list(csv.DictReader((tmp_path / "manifest.csv").open()))
    assert {row["image"] for row in table} == {path.as_posix() for path in after}
    assert not set(before.values()) & set(after.values())


def test_manifest_is_a_table_that_fashret_reads(small: Path) -> None:
    listing = read_table(small / "manifest.csv")
    rows = listing.rows
    assert Counter(rows.role.tolist()) == {
        Role.TRAIN: 12 * 5,
        Role.VAL_QUERY: 4,
        Role.VAL_GALLERY: 4 * 2,
        Role.QUERY: 8 * 2,
        Role.GALLERY: 8 * 5,
    }
    assert set(rows.categories) <= set(CATEGORIES)
    for source, box, domain in zip(rows.source, rows.box, rows.domain, strict=True):
        with Image.open(small / source) as photo:
            photo.load()
            assert photo.mode == "RGB"
            size = photo.size
        assert np.isnan(box).all() == (domain == 1)
        if domain == 0:
            assert 0 <= box[0] < box[2] <= size[0]
            assert 0 <= box[1] < box[3] <= size[1]
    train = set(rows.product[rows.role == Role.TRAIN])
    assert not train & set(rows.product[rows.role != Role.TRAIN])


@pytest.mark.usefixtures("quick")
def test_summary_counts_what_was_written(tmp_path: Path) -> None:
    summary = demo.run(tmp_path, DemoOptions(products=24, seed=3, workers=1))
    photos = len(list(tmp_path.rglob("*.jpg")))
    assert (summary.products, summary.train_products, summary.test_products) == (24, 12, 8)
    assert (summary.photos, summary.queries, summary.gallery) == (photos, 8, 16)
    assert summary.output == tmp_path / "manifest.csv"


@pytest.mark.parametrize("name", ["photo.jpg", "demo.json", "manifest.csv"])
def test_a_folder_with_anything_else_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text('{"format": "mine"}')
    with pytest.raises(FashretError, match="no earlier demo"):
        demo.run(tmp_path, DemoOptions(products=24, workers=1))
    assert (tmp_path / name).read_text() == '{"format": "mine"}'
    assert len(list(tmp_path.iterdir())) == 1


def test_bad_options_and_places_are_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FashretError, match="is a file"):
        demo.run(tmp_path / "file", DemoOptions(products=24))
    with pytest.raises(FashretError, match="is a file|cannot be written"):
        demo.run(tmp_path / "file" / "demo", DemoOptions(products=24))
    with pytest.raises(FashretError, match="--products 23"):
        demo.run(tmp_path / "new", DemoOptions(products=23))
    with pytest.raises(FashretError, match="--seed -1"):
        demo.run(tmp_path / "new", DemoOptions(products=24, seed=-1))
    with pytest.raises(FashretError, match="--workers -1"):
        demo.run(tmp_path / "new", DemoOptions(products=24, workers=-1))
    assert not (tmp_path / "new").exists()


@pytest.mark.usefixtures("quick")
def test_an_interrupted_demo_has_no_manifest_and_is_drawn_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    options = DemoOptions(products=24, seed=3, workers=1)
    demo.run(tmp_path, options)
    whole = digest(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(Image.Image, "save", full)
        with pytest.raises(FashretError, match="No space left on device"):
            demo.run(tmp_path, options)
    assert not (tmp_path / "manifest.csv").exists()
    assert json.loads((tmp_path / "demo.json").read_text())["format"] == demo.FORMAT
    demo.run(tmp_path, options)
    assert digest(tmp_path) == whole
