"""Small catalogues for the report's tests: crops, embeddings and rankings that agree with each other, made by hand."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from pathlib import Path

import h5py
import numpy as np
from PIL import Image, ImageDraw

from fashret.files import hdf5
from fashret.files.columns import Domain, Role, Rows, text_array
from fashret.files.crops import KIND as CROPS
from fashret.files.crops import append_crops, create_crops
from fashret.files.digests import Content
from fashret.files.embeddings import EmbeddingsOrigin, write_embeddings
from fashret.files.further_columns import FurtherColumn
from fashret.files.rankings import RankingOrigin, write_ranking

HOSTILE = (
    "<script>document.title='owned'</script>",
    '"><img src=x onerror="document.title=\'owned\'">',
    "{{ 7 * 7 }}{% raw %}",
    "שמלת ערב אדומה \u202egnp.exe",
    "x" * 4000,
    "$\\frac{",
    "a|b*c_d`e`&amp;",
)


@dataclass(frozen=True)
class Case:
    """Paths of one catalogue's files."""

    folder: Path
    crops: Path
    embeddings: Path
    ranking: Path
    reranked: Path


def draw(product: int, street: bool, rng: np.random.Generator) -> bytes:
    """A JPEG of a product: a coloured shape, on white in the shop and on colour in the street."""
    hue = (product * 47) % 360
    size = (int(rng.integers(90, 200)), int(rng.integers(120, 260)))
    image = Image.new("RGB", size, "#f7f7f7" if not street else f"hsl({int(rng.integers(360))},30%,45%)")
    pen = ImageDraw.Draw(image)
    box = (size[0] * 0.2, size[1] * 0.15, size[0] * 0.8, size[1] * 0.9)
    shape = (pen.ellipse, pen.rectangle, pen.rounded_rectangle)[product % 3]
    shape(box, fill=f"hsl({hue},70%,{40 + product % 30}%)")
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=90)
    return stream.getvalue()


def make_rows(queries: int, gallery: int, products: int, categories: tuple[str, ...], names, labelled: bool) -> Rows:
    number = np.concatenate([np.arange(queries) % products, np.arange(gallery) % products])
    street = np.arange(queries + gallery) < queries
    return Rows(
        source=text_array(f"{'street' if s else 'shop'}/{i:05d}.jpg" for i, s in enumerate(street)),
        box=np.full((len(number), 4), np.nan, np.float32),
        product=text_array(names(n) if labelled else "" for n in number.tolist()),
        role=np.where(street, int(Role.QUERY), int(Role.GALLERY)).astype(np.uint8),
        domain=np.where(street, int(Domain.STREET), int(Domain.SHOP)).astype(np.uint8),
        category=(number % len(categories)).astype(np.int16) if categories else np.full(len(number), -1, np.int16),
        categories=categories,
    )


def write_case(
    folder: Path,
    queries: int = 24,
    gallery: int = 120,
    products: int = 30,
    categories: tuple[str, ...] = ("bags", "dresses", "tops"),
    names=lambda n: f"product/{n}",
    labelled: bool = True,
    dataset: str = "drawn",
    trained_on: str = "drawn",
    seed: int = 0,
    further: tuple[str, ...] = (),
) -> Case:
    """Write crops.h5, emb.h5, ranking.h5 and reranked.h5 into a folder; `further`: names of text columns."""
    rng = np.random.default_rng(seed)
    rows = make_rows(queries, gallery, products, categories, names, labelled)
    texts = text_array(HOSTILE[i % len(HOSTILE)] for i in range(len(rows)))
    rows = replace(rows, further={name: FurtherColumn("text", texts) for name in further})
    case = Case(folder, *(folder / f"{dataset}.{n}.h5" for n in ("crops", "emb", "ranking", "reranked")))
    with hdf5.write_whole(case.crops, CROPS, 1) as file:
        create_crops(file, categories, "jpeg", 320, dataset)
        number = np.concatenate([np.arange(queries) % products, np.arange(gallery) % products])
        append_crops(file, rows, [draw(n, i < queries, rng) for i, n in enumerate(number.tolist())])
    centres = rng.normal(size=(products, 16))
    vectors = (
        centres[number]
        + rng.normal(size=(len(number), 16)) * np.where(np.arange(len(number)) < queries, 1.9, 0.7)[:, None]
    )
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    model = {"name": "model", "digest": "sha256:00", "settings": {"backbone": "resnet50"}, "trained_on": trained_on}
    origin = EmbeddingsOrigin(model, dataset=dataset, inputs=[Content(case.crops).record()])
    with write_embeddings(case.embeddings, vectors.shape, rows.categories, origin) as append:
        append(rows, vectors)
    for path, noise in ((case.ranking, 0.0), (case.reranked, 0.12)):
        write_brute_force(path, case.embeddings, rows, vectors, noise, rng)
    return case


def write_brute_force(path: Path, embeddings: Path, rows: Rows, vectors, noise: float, rng, k: int = 50) -> None:
    """A ranking by the slow way; `noise` moves distances, as a re-ranking would."""
    queries, gallery = rows.with_role(Role.QUERY), rows.with_role(Role.GALLERY)
    distance = 1 - vectors[queries].astype(float) @ vectors[gallery].astype(float).T
    distance = distance + noise * rng.normal(size=distance.shape)
    order = np.argsort(distance, axis=1, kind="stable")
    found, offsets = [], [0]
    for q, row in enumerate(queries):
        rank = np.empty(len(gallery), np.int64)
        rank[order[q]] = np.arange(len(gallery))
        same = (rows.product[gallery] == rows.product[row]) & (rows.product[row] != "")
        alike = rows.category[gallery] == rows.category[row]
        for g in np.flatnonzero(same):
            within = int((alike & (rank < rank[g])).sum())
            found.append((gallery[g], rank[g], within, distance[q, g]))
        offsets.append(len(found))
    columns = list(zip(*found, strict=True)) or [(), (), (), ()]
    arrays = {
        "gallery_row": gallery[order[:, :k]],
        "distance": np.take_along_axis(distance, order[:, :k], 1).astype(np.float32),
        "query_row": queries,
        "positives/offsets": np.array(offsets, np.int64),
        "positives/row": np.array(columns[0], np.int64),
        "positives/rank": np.array(columns[1], np.int64),
        "positives/rank_in_category": np.array(columns[2], np.int64),
        "positives/distance": np.array(columns[3], np.float64),
    }
    origin = RankingOrigin(
        embeddings, embeddings, "cosine", gallery_size=len(gallery), reranking={"k1": 20} if noise else {}
    )
    write_ranking(path, origin, arrays)


def corrupt_attribute(path: Path, name: str, value: str) -> None:
    """Change one attribute of a file."""
    with h5py.File(path, "r+") as file:
        file.attrs[name] = value
