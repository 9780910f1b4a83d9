"""A catalogue that is opened once and searched many times: the answers of `fashret search --image`, of any store."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fashret import catalogue as catalogues
from fashret.catalogue import Catalogue, Hit, open_for_photos
from fashret.errors import FashretError
from fashret.files.embeddings import open_embeddings
from fashret.knn import ExactNeighbours, Neighbours, SearchSpec
from fashret.options import PhotoOptions
from fashret.stages import search_photo
from tests import brute
from tests.catalogue_case import write_catalogue
from tests.conftest import make_rows, write_embeddings
from tests.files.test_further_columns import column
from tests.training_case import add_tiny_backbone


@pytest.fixture(autouse=True)
def tiny() -> None:
    add_tiny_backbone()


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_catalogue(tmp_path_factory.mktemp("catalogue"))


def photos(path: Path) -> list[Path]:
    return [path.parent / f"{i}.png" for i in range(8)]


def pixels(photo: Path) -> np.ndarray:
    with Image.open(photo) as image:
        return np.asarray(image.convert("RGB"))


def test_gives_what_the_command_gives_however_often_it_is_asked(path: Path) -> None:
    options = PhotoOptions(device="cpu")
    expected = [search_photo.run(path, photo, options, 3).hits for photo in photos(path)]
    with Catalogue.open(path, device="cpu") as catalogue:
        assert len(catalogue) == 8
        for _ in range(2):
            assert [catalogue.search(photo, 3)[0] for photo in photos(path)] == expected
        together = catalogue.search(photos(path), 3)
    assert [[hit.row for hit in hits] for hits in together] == [[hit.row for hit in hits] for hits in expected]


def test_hits_bring_what_further_columns_say(tmp_path: Path) -> None:
    further = {"price": column("number", [5.0, None, 7.5]), "sale": column("boolean", [True, False, None])}
    rows = make_rows(3, product=np.array(["a", "b", ""], object), further=further)
    path = write_embeddings(tmp_path / "a.emb.h5", rows, np.array([[1, 0], [1, 1], [0, 1]], np.float32))
    with Catalogue.open(path) as catalogue:
        found = catalogue.search(np.array([[0, 1], [1, 0.1]], np.float32), 2)
    assert [[hit.columns for hit in hits] for hits in found] == [
        [{"price": 7.5, "sale": None}, {"price": None, "sale": False}],
        [{"price": 5.0, "sale": True}, {"price": None, "sale": False}],
    ]
    assert list(found[0][0].columns) == ["price", "sale"]


def test_the_model_is_loaded_once_and_only_for_photos(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = []
    load = catalogues.embedder_of
    monkeypatch.setattr(catalogues, "embedder_of", lambda *given: loaded.append(given) or load(*given))
    with Catalogue.open(path, device="cpu") as catalogue:
        vectors = np.array(catalogue.file.vectors)
        assert [hits[0].row for hits in catalogue.search(vectors, 1)] == list(range(8))
        assert not loaded
        for photo in photos(path)[:3]:
            catalogue.search(photo)
        assert len(loaded) == 1 and catalogue.warm() is catalogue and len(loaded) == 1
    with Catalogue.open(path, device="cpu") as catalogue:
        catalogue.warm()
        assert len(loaded) == 2


def test_a_vector_a_photo_and_its_pixels_are_searched_alike(path: Path) -> None:
    with Catalogue.open(path, device="cpu") as catalogue:
        photo = photos(path)[4]
        expected = catalogue.search([photo])
        assert catalogue.search(str(photo)) == catalogue.search(pixels(photo)) == expected
        assert catalogue.search(catalogue.embed(photo)) == catalogue.search(catalogue.embed(photo)[0]) == expected
        assert catalogue.search([]) == [] and catalogue.embed([]).shape == (0, catalogue.file.width)


def test_boxes_are_cut_out_of_files_and_of_pixels(path: Path, tmp_path: Path) -> None:
    outer = np.full((60, 60, 3), 255, np.uint8)
    outer[20:44, 10:30] = pixels(photos(path)[3])
    Image.fromarray(outer).save(tmp_path / "outer.png")
    with Catalogue.open(path, device="cpu") as catalogue:
        for photo in (tmp_path / "outer.png", outer):
            np.testing.assert_array_equal(catalogue.crop(photo, (10, 20, 30, 44)), pixels(photos(path)[3]))
            hits = catalogue.search([photo, photo], 1, boxes=[(10, 20, 30, 44), None])
            assert hits[0][0].row == 3 and hits[0][0].distance < 1e-5 < hits[1][0].distance


def test_only_chosen_rows_are_searched(path: Path) -> None:
    with Catalogue.open(path, device="cpu") as catalogue:
        vector = catalogue.file.vectors[0]
        assert [hit.row for hit in catalogue.search(vector, rows=np.array([5, 1]))[0]] == [1, 5]
        assert catalogue.search(vector, rows=np.array([], np.int64)) == [()]


class Store:
    """Another store of vectors: half the rows, whole matrices."""

    def __init__(self, vectors: np.ndarray, rows: np.ndarray) -> None:
        self.vectors, self.rows, self.asked = vectors, rows, []

    def __len__(self) -> int:
        return len(self.rows)

    def nearest(self, vectors: np.ndarray, k: int, rows: np.ndarray | None = None) -> Neighbours:
        self.asked.append((len(vectors), k))
        matrix = brute.distance_matrix(np.asarray(vectors, np.float32), self.vectors[self.rows], "cosine")
        order = np.argsort(matrix, axis=1, kind="stable")[:, :k]
        return Neighbours(self.rows[order], np.take_along_axis(matrix, order, axis=1))


def test_any_store_can_stand_in_for_the_exact_search(path: Path) -> None:
    with open_embeddings(path) as file:
        store = Store(np.array(file.vectors), np.array([0, 2, 4, 7]))
        catalogue = Catalogue(file, store)
        assert len(catalogue) == 4
        expected = [[hit.row for hit in hits] for hits in catalogue.search(store.vectors, 2)]
        with Catalogue.open(path) as whole:
            exact = whole.search(store.vectors, 2, rows=store.rows)
        assert [[hit.row for hit in hits] for hits in exact] == expected


def test_the_search_is_widened_only_for_queries_with_too_few_products(tmp_path: Path) -> None:
    """Forty rows of one product are nearer to the first query than the only rows of two others."""
    random = np.random.default_rng(1)
    near = np.array([1, 0, 0, 0]) + random.normal(0, 1e-4, (40, 4))
    vectors = np.concatenate([near, [[0, 1, 0, 0], [0, 1, 1, 0]]]).astype(np.float32)
    product = np.array(["near"] * 40 + ["far", "farther"], object)
    path = write_embeddings(tmp_path / "many.emb.h5", make_rows(42, product=product), vectors)
    with Catalogue.open(path) as catalogue:
        store = Store(np.array(catalogue.file.vectors), np.arange(42))
        catalogue.nearest = store
        hits = catalogue.search(vectors[[0, 40]], 2)
    assert [[hit.product for hit in each] for each in hits] == [["near", "far"], ["far", "farther"]]
    assert [hit.rank for hit in hits[0]] == [1, 2] and store.asked == [(2, 8), (1, 32), (1, 42)]


def test_the_metric_is_that_of_the_spec(path: Path) -> None:
    with Catalogue.open(path, SearchSpec(metric="euclidean")) as catalogue:
        vector = 2 * catalogue.file.vectors[0]
        assert catalogue.search(vector, 1)[0][0].distance == pytest.approx(1)  # (2 − 1)²
        assert isinstance(catalogue.nearest, ExactNeighbours)


def test_photos_are_searched_for_in_the_rows_that_options_choose(path: Path) -> None:
    with open_for_photos(path, PhotoOptions(where=("product = p1",)), 3) as (opened, rows):
        assert rows.tolist() == opened.rows_where(("product = p1",)).tolist() and 0 < len(rows) < len(opened)
        vector = opened.file.vectors[rows[0]]
        assert opened.search(vector, 3, rows=rows)[0][0].row in rows
    with pytest.raises(FashretError, match="closed"):
        opened.search(vector, 3)
    with pytest.raises(FashretError, match="--top 0: must be 1 or more"), open_for_photos(path, PhotoOptions(), 0):
        pass


def test_threads_share_a_catalogue(path: Path) -> None:
    with Catalogue.open(path, device="cpu") as catalogue, ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda photo: catalogue.search(photo, 3)[0], photos(path) * 3))
    with Catalogue.open(path, device="cpu") as catalogue:
        assert found == [catalogue.search(photo, 3)[0] for photo in photos(path)] * 3


def test_a_closed_catalogue_says_so(path: Path) -> None:
    with Catalogue.open(path, device="cpu") as catalogue:
        vector = np.array(catalogue.file.vectors[0])
        assert isinstance(catalogue.search(vector)[0][0], Hit)
    catalogue.close()
    for use in (lambda: catalogue.search(vector), lambda: catalogue.embed(photos(path)), catalogue.warm,
                lambda: catalogue.crop(photos(path)[0])):  # fmt: skip
        with pytest.raises(FashretError, match=r"shop\.emb\.h5: this catalogue was closed; open it again"):
            use()


def test_what_cannot_be_searched_is_one_line(path: Path, tmp_path: Path) -> None:
    with Catalogue.open(path, device="cpu") as catalogue:
        for use, message in {
            lambda: catalogue.search(photos(path), 0): "products 0: find at least 1",
            lambda: catalogue.search("none.jpg"): "none.jpg: ",
            lambda: catalogue.search(photos(path)[:2], boxes=[None]): "2 photos and 1 box: give",
            lambda: catalogue.search(np.zeros((2, 3), np.float32)): "vectors of queries have 3 components",
            lambda: catalogue.search(np.full(catalogue.file.width, np.nan)): "queries: vectors of rows 0 hold NaN",
        }.items():
            with pytest.raises(FashretError, match=message):
                use()
    rows = make_rows(2, role=np.full(2, 2, np.uint8))
    queries = write_embeddings(tmp_path / "q.emb.h5", rows, np.eye(2, dtype=np.float32))
    with pytest.raises(FashretError, match="no row has the role gallery \\(2 rows"):
        Catalogue.open(queries)
    with pytest.raises(FashretError, match="no such file"):
        Catalogue.open(tmp_path / "none.emb.h5")
    for how in ({"spec": SearchSpec(device="bogus")}, {"device": "bogus"}):
        with pytest.raises(FashretError, match="--device bogus: write auto, cpu, cuda"):
            Catalogue.open(path, **how)
    other = write_embeddings(tmp_path / "o.emb.h5", make_rows(2), np.eye(2, dtype=np.float32))
    with Catalogue.open(other) as catalogue, pytest.raises(FashretError, match="does not say which model made it"):
        catalogue.search(photos(path)[0])
