"""Exact search, ranks of positives and neighbours of all rows against whole float64 matrices."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fashret import knn
from fashret.errors import FashretError
from fashret.knn import SearchResult, SearchSpec, VectorSet, WorkStats
from fashret.knn.exact import AllNeighbours, Thresholds, count_before
from tests import brute

ARITHMETICS = ("float32", "int8", "torch")
METRICS = ("cosine", "euclidean")
LITTLE = 6_000_000  # bytes: many small tiles


def drawn(rng: np.random.Generator, count: int, width: int, dtype: str = "float32") -> np.ndarray:
    """Vectors with near ties, exact duplicates, and lengths that differ."""
    centres = rng.standard_normal((max(1, count // 8), width))
    vectors = centres[rng.integers(len(centres), size=count)]
    vectors = vectors + rng.choice([0.0, 1e-6, 1e-3, 1.0], (count, 1)) * rng.standard_normal((count, width))
    vectors *= rng.choice([1.0, 1.0, 3.0], (count, 1))
    return vectors.astype(dtype)


def side(rng: np.random.Generator, vectors: np.ndarray, share: float = 0.8, products: int = 6) -> VectorSet:
    rows = np.flatnonzero(rng.random(len(vectors)) < share)
    return VectorSet(
        vectors,
        rows,
        rng.integers(-1, products, len(rows)),
        rng.integers(-1, 3, len(rows)),
        "some.emb.h5",
    )


def search(queries: VectorSet, gallery: VectorSet, k: int, **how) -> SearchResult:
    return knn.search(queries, gallery, SearchSpec(k=k, **how))


def all_neighbours(sets: list[VectorSet], k: int, metric: str = "euclidean", **how) -> AllNeighbours:
    return knn.all_neighbours(sets, SearchSpec(k=k, metric=metric, **how))


def expected(
    queries: VectorSet, gallery: VectorSet, metric: str, same_matrix: bool, other: bool, within: bool
) -> list[dict]:
    """For each query: the whole ranking (file rows, distances), and by positive its ranks."""
    matrix = brute.distance_matrix(queries.vectors[queries.rows], gallery.vectors[gallery.rows], metric)
    found = []
    for i, distances in enumerate(matrix):
        allowed = np.ones(len(gallery.rows), bool)
        if same_matrix:
            allowed &= gallery.rows != queries.rows[i]
        if gallery.identity is not None:
            allowed &= gallery.identity != queries.itself[i]
        if other and queries.product[i] >= 0:
            allowed &= gallery.product != queries.product[i]
        in_category = (gallery.category == queries.category[i]) & (queries.category[i] >= 0)
        if within:
            allowed &= in_category
        order = brute.ranking(distances, allowed)
        held = [j for j in order if in_category[j]]
        positive = [j for j in order if gallery.product[j] == queries.product[i] >= 0]
        found.append(
            {
                "rows": gallery.rows[order],
                "distances": distances[order],
                "positives": gallery.rows[positive],
                "ranks": [list(order).index(j) for j in positive],
                "in_category": [held.index(j) if in_category[j] else -1 for j in positive],
                "positive_distances": distances[positive],
            }
        )
    return found


def check_search(queries: VectorSet, gallery: VectorSet, k: int, **how) -> None:
    other = how.get("exclude_same_product", False)
    truth = expected(
        queries, gallery, how.get("metric", "cosine"), how.get("same_matrix", False), other, "within" in how
    )
    neighbours, positives = search(queries, gallery, k, positives=not other, **how)
    assert neighbours.rows.shape == neighbours.distances.shape == (len(queries.rows), k)
    for i, want in enumerate(truth):
        there = min(k, len(want["rows"]))
        np.testing.assert_array_equal(neighbours.rows[i, :there], want["rows"][:k])
        np.testing.assert_array_equal(neighbours.distances[i, :there], want["distances"][:k])
        assert (neighbours.rows[i, there:] == -1).all() and np.isnan(neighbours.distances[i, there:]).all()
        if positives is not None:
            part = slice(positives.offsets[i], positives.offsets[i + 1])
            np.testing.assert_array_equal(positives.rows[part], want["positives"])
            np.testing.assert_array_equal(positives.ranks[part], want["ranks"])
            np.testing.assert_array_equal(positives.ranks_in_category[part], want["in_category"])
            np.testing.assert_array_equal(positives.distances[part], want["positive_distances"])


@pytest.mark.parametrize("arithmetic", ARITHMETICS)
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("memory", [LITTLE, 10**9])
def test_search_equals_brute_force(arithmetic: str, metric: str, memory: int) -> None:
    rng = np.random.default_rng(1)
    queries, gallery = side(rng, drawn(rng, 60, 48)), side(rng, drawn(rng, 900, 48))
    vectors = gallery.vectors.copy()
    vectors[:60:2] = queries.vectors[::2]  # some queries are in the gallery too
    check_search(queries, replace(gallery, vectors=vectors), 7, metric=metric, memory=memory, arithmetic=arithmetic)


@settings(max_examples=40)
@given(
    seed=st.integers(0, 10**6),
    sizes=st.tuples(st.integers(1, 20), st.integers(1, 90), st.integers(1, 70), st.integers(1, 12)),
    metric=st.sampled_from(METRICS),
    arithmetic=st.sampled_from(ARITHMETICS),
    rules=st.sampled_from([{}, {"within": "category"}, {"exclude_same_product": True}]),
    dtype=st.sampled_from(["float32", "float16"]),
)
def test_any_small_search_equals_brute_force(seed, sizes, metric, arithmetic, rules, dtype) -> None:
    rng = np.random.default_rng(seed)
    count, others, width, k = sizes
    queries, gallery = side(rng, drawn(rng, count, width, dtype)), side(rng, drawn(rng, others, width, dtype))
    check_search(queries, gallery, k, metric=metric, arithmetic=arithmetic, memory=LITTLE, **rules)


@settings(max_examples=60)
@given(
    seed=st.integers(0, 10**6),
    sizes=st.tuples(st.integers(1, 20), st.integers(1, 90), st.integers(1, 40), st.integers(1, 12), st.integers(1, 50)),
    metric=st.sampled_from(METRICS),
    arithmetic=st.sampled_from(ARITHMETICS),
    rules=st.sampled_from([{}, {"within": "category"}, {"exclude_same_product": True}, {"same_matrix": True}]),
)
def test_a_group_is_found_as_its_nearest_row(seed, sizes, metric, arithmetic, rules) -> None:
    rng = np.random.default_rng(seed)
    count, others, width, k, groups = sizes
    plain = side(rng, drawn(rng, others, width))
    queries = plain if "same_matrix" in rules else side(rng, drawn(rng, count, width))
    codes = rng.integers(groups, size=len(plain)), plain.product, plain.category
    group = np.unique(np.stack(codes, axis=1), axis=0, return_inverse=True)[1].ravel()
    check_groups(queries, plain, group, k, metric=metric, arithmetic=arithmetic, memory=LITTLE, **rules)


@pytest.mark.parametrize("arithmetic", ARITHMETICS)
def test_groups_go_on_from_block_to_block(arithmetic: str) -> None:
    rng = np.random.default_rng(8)
    plain, queries = side(rng, drawn(rng, 6000, 16), products=4), side(rng, drawn(rng, 7, 16), products=4)
    group = np.unique(np.stack([plain.product, plain.category]), axis=1, return_inverse=True)[1].ravel()
    check_groups(queries, plain, group, 9, arithmetic=arithmetic, memory=LITTLE)


def check_groups(queries: VectorSet, plain: VectorSet, group: np.ndarray, k: int, **how) -> None:
    other, same, within = "exclude_same_product" in how, "same_matrix" in how, "within" in how
    truth = expected(queries, plain, how.get("metric", "cosine"), same, other, within)
    of_row, category = dict(zip(plain.rows, group, strict=True)), dict(zip(plain.rows, plain.category, strict=True))
    neighbours, positives = search(queries, plain.in_groups(group), k, positives=not other, **how)
    for i, want in enumerate(truth):
        nearest: dict[int, tuple[int, float]] = {}
        for row, distance in zip(want["rows"], want["distances"], strict=True):
            nearest.setdefault(of_row[row], (row, distance))
        rows = [row for row, _ in nearest.values()]
        there = min(k, len(rows))
        assert neighbours.rows[i].tolist() == rows[:k] + [-1] * (k - there)
        assert neighbours.distances[i, :there].tolist() == [distance for _, distance in nearest.values()][:k]
        if positives is not None:
            part = slice(positives.offsets[i], positives.offsets[i + 1])
            own = [row for row in rows if row in want["positives"]]
            held = [row for row in rows if category[row] == queries.category[i] >= 0]
            assert positives.rows[part].tolist() == own
            assert positives.ranks[part].tolist() == [rows.index(row) for row in own]
            in_category = [held.index(row) if row in held else -1 for row in own]
            assert positives.ranks_in_category[part].tolist() == in_category


@pytest.mark.parametrize("arithmetic", ARITHMETICS)
@pytest.mark.parametrize("rules", [{}, {"within": "category"}, {"exclude_same_product": True}])
def test_a_row_never_finds_itself(arithmetic: str, rules: dict) -> None:
    rng = np.random.default_rng(2)
    gallery = side(rng, drawn(rng, 150, 20))
    check_search(gallery.take(np.arange(0, 60, 2)), gallery, 9, same_matrix=True, arithmetic=arithmetic, **rules)


@pytest.mark.parametrize("arithmetic", ARITHMETICS)
@pytest.mark.parametrize("rules", [{}, {"within": "category"}, {"exclude_same_product": True}, {"same_matrix": True}])
@pytest.mark.parametrize("groups", [3, 40, 1000])
def test_rows_of_one_identity_never_find_each_other(arithmetic: str, rules: dict, groups: int) -> None:
    """Between two matrices as in one, however many they are."""
    rng = np.random.default_rng(4)
    vectors = drawn(rng, 150, 20)
    queries, gallery = side(rng, vectors), side(rng, vectors)
    codes = rng.integers(0, groups, 150)
    queries, gallery = (replace(one, identity=codes[one.rows]) for one in (queries, gallery))
    check_search(queries, gallery, 9, arithmetic=arithmetic, memory=LITTLE, **rules)
    part = np.arange(0, len(queries), 3)
    check_search(queries.take(part), gallery, 200, arithmetic=arithmetic, **rules)


@pytest.mark.parametrize("arithmetic", ARITHMETICS)
@pytest.mark.parametrize("metric", METRICS)
def test_duplicates_by_the_thousand_are_ranked_by_row(arithmetic: str, metric: str) -> None:
    rng = np.random.default_rng(3)
    vectors = np.repeat(rng.standard_normal((2, 24)).astype(np.float32), [4000, 1000], axis=0)[rng.permutation(5000)]
    everything = np.arange(5000)
    gallery = VectorSet(vectors, everything, everything % 1000, everything % 2)
    queries = gallery.take(np.array([0, 7, 4999]))
    check_search(queries, gallery, 30, same_matrix=True, metric=metric, memory=LITTLE * 2, arithmetic=arithmetic)


def test_vectors_whose_components_differ_widely() -> None:
    """They are mixed before they are rounded."""
    rng = np.random.default_rng(14)
    vectors = drawn(rng, 400, 128) * np.float32(0.93) ** np.arange(128, dtype=np.float32)
    gallery = VectorSet(vectors, np.arange(400), np.arange(400) % 40, np.zeros(400, int))
    for metric in METRICS:
        check_search(
            gallery.take(np.arange(0, 400, 9)), gallery, 12, same_matrix=True, metric=metric, arithmetic="int8"
        )


def test_all_rows_equal() -> None:
    vectors = np.ones((3000, 5), np.float32)
    gallery = VectorSet(vectors, np.arange(3000), np.zeros(3000, int), np.zeros(3000, int))
    neighbours, positives = search(gallery.take(np.array([5])), gallery, 10, same_matrix=True, positives=True)
    assert neighbours.rows[0].tolist() == [0, 1, 2, 3, 4, 6, 7, 8, 9, 10]
    assert (neighbours.distances == 0).all()
    assert positives is not None
    np.testing.assert_array_equal(positives.ranks, np.arange(2999))


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("arithmetic", ARITHMETICS)
def test_lengths_far_apart(metric: str, arithmetic: str) -> None:
    rng = np.random.default_rng(4)
    vectors = drawn(rng, 300, 33) * 10.0 ** rng.integers(-12, 13, (300, 1))
    gallery = VectorSet(vectors.astype(np.float32), np.arange(300), np.arange(300) % 40, np.zeros(300, int))
    check_search(
        gallery.take(np.arange(0, 300, 11)), gallery, 12, same_matrix=True, metric=metric, arithmetic=arithmetic
    )


def test_zero_vectors_have_euclidean_distances() -> None:
    rng = np.random.default_rng(5)
    vectors = drawn(rng, 80, 9)
    vectors[::5] = 0
    gallery = VectorSet(vectors, np.arange(80), np.arange(80) % 7, np.zeros(80, int))
    for arithmetic in ARITHMETICS:
        check_search(gallery, gallery, 12, same_matrix=True, metric="euclidean", arithmetic=arithmetic)


def test_one_row_and_no_rows() -> None:
    vectors = np.array([[1.0, 2.0], [2.0, 1.0]], np.float32)
    one = VectorSet(vectors, np.array([1]), np.array([0]), np.array([0]))
    none = one.take(np.zeros(0, int))
    check_search(VectorSet(vectors, np.array([0]), np.array([0]), np.array([0])), one, 3)
    check_search(one, one, 3, same_matrix=True)
    check_search(one, none, 3)
    check_search(none, one, 3)


def test_hard_pairs_are_left_to_finer_arithmetic(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(6)
    vectors = (1 + 4e-2 * rng.standard_normal((500, 40))).astype(np.float32)  # all within the bound of 8 bits
    gallery = VectorSet(vectors, np.arange(500), np.arange(500) % 50, np.zeros(500, int))
    stats = WorkStats()
    check_search(gallery.take(np.arange(30)), gallery, 5, same_matrix=True, arithmetic="int8", stats=stats)
    assert stats.pairs["int8"] == 30 * 500
    assert stats.pairs["float32"] > 0.9 * stats.pairs["int8"]
    assert stats.pairs["definition"] < stats.pairs["int8"]


@pytest.mark.parametrize("arithmetic", ARITHMETICS)
def test_counts_before_any_threshold(arithmetic: str) -> None:
    rng = np.random.default_rng(8)
    queries, gallery = side(rng, drawn(rng, 20, 12)), side(rng, drawn(rng, 300, 12))
    matrix = brute.distance_matrix(queries.vectors[queries.rows], gallery.vectors[gallery.rows], "euclidean")
    sizes = rng.integers(0, 5, len(queries.rows))
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    low = rng.choice(matrix.ravel(), offsets[-1])
    rows = rng.choice(gallery.rows, offsets[-1])
    spec = SearchSpec(metric="euclidean", arithmetic=arithmetic, memory=LITTLE)
    counts, in_category = count_before(queries, gallery, Thresholds(offsets, low, rows), spec)
    for i in range(len(queries.rows)):
        for t in range(offsets[i], offsets[i + 1]):
            before = (matrix[i] < low[t]) | ((matrix[i] == low[t]) & (gallery.rows < rows[t]))
            assert counts[t] == before.sum()
            assert in_category[t] == (before & (gallery.category == queries.category[i])).sum()


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("arithmetic", ARITHMETICS)
@pytest.mark.parametrize("k", [1, 4, 500])
def test_neighbours_of_all_rows(metric: str, arithmetic: str, k: int) -> None:
    rng = np.random.default_rng(9)
    sides = [side(rng, drawn(rng, 70, 17)), side(rng, drawn(rng, 260, 17))]
    sides[1].vectors[:30] = sides[0].vectors[:30]
    sides[1].vectors[100:120] = sides[1].vectors[100]
    vectors = np.vstack([one.vectors[one.rows] for one in sides])
    matrix = brute.distance_matrix(vectors, vectors, metric)
    found = all_neighbours(sides, k, metric=metric, arithmetic=arithmetic, memory=LITTLE + 32 * k * len(vectors))
    check_all_neighbours(found, matrix, k)


def check_all_neighbours(found: AllNeighbours, matrix: np.ndarray, k: int) -> None:
    there = min(k, len(matrix))
    for i, distances in enumerate(matrix):
        others = brute.ranking(distances, np.arange(len(matrix)) != i)[: there - 1]
        assert found.rows[i, :there].tolist() == [i, *others]
        np.testing.assert_array_equal(found.distances[i, :there], distances[[i, *others]])
        assert (found.rows[i, there:] == -1).all() and np.isnan(found.distances[i, there:]).all()
    np.testing.assert_array_equal(found.farthest, matrix.max(axis=1))


@pytest.mark.parametrize("arithmetic", ARITHMETICS)
@pytest.mark.parametrize("spread", [0.0, 1e-3, 4e-2])
def test_neighbours_of_all_rows_where_the_bounds_decide_little(arithmetic: str, spread: float) -> None:
    """Rows that are equal, or too close together for 8 bits: few, many or all pairs of a tile are left over."""
    rng = np.random.default_rng(12)
    vectors = (1 + spread * rng.standard_normal((330, 24))).astype(np.float32)
    vectors[::3] = rng.standard_normal((110, 24))
    everything = VectorSet(vectors, np.arange(330), np.full(330, -1), np.full(330, -1))
    found = all_neighbours([everything], 6, arithmetic=arithmetic, memory=LITTLE + 32 * 6 * 330)
    check_all_neighbours(found, brute.distance_matrix(vectors, vectors, "euclidean"), 6)


def test_neighbours_of_one_row() -> None:
    one = VectorSet(np.ones((1, 3), np.float32), np.array([0]), np.array([-1]), np.array([-1]))
    found = all_neighbours([one], 3)
    assert found.rows.tolist() == [[0, -1, -1]] and found.farthest.tolist() == [0.0]


def test_results_do_not_depend_on_memory_or_arithmetic() -> None:
    rng = np.random.default_rng(10)
    gallery = side(rng, drawn(rng, 2500, 30), products=300)
    queries = gallery.take(np.arange(0, len(gallery), 3))
    results = [
        search(queries, gallery, 20, same_matrix=True, positives=True, memory=memory, arithmetic=arithmetic)
        for memory in (20_000_000, 40_000_000, 10**9)
        for arithmetic in ARITHMETICS
    ]
    for neighbours, positives in results[1:]:
        assert neighbours.rows.tobytes() == results[0][0].rows.tobytes()
        assert neighbours.distances.tobytes() == results[0][0].distances.tobytes()
        assert positives.ranks.tobytes() == results[0][1].ranks.tobytes()


def test_too_little_memory_says_the_least_and_the_least_is_enough() -> None:
    rng = np.random.default_rng(11)
    gallery = side(rng, drawn(rng, 300, 16))
    with pytest.raises(
        FashretError, match=r"a memory budget of 1,000 bytes is too small .* the least is [\d,]+ bytes"
    ) as e:
        search(gallery, gallery, 5, memory=1000)
    least = int(str(e.value).split("least is ")[1].split(" ")[0].replace(",", ""))
    search(gallery, gallery, 5, memory=least)
    with pytest.raises(FashretError, match="least"):
        search(gallery, gallery, 5, memory=least - 1)
    with pytest.raises(FashretError, match="least") as e:
        all_neighbours([gallery], 5, memory=1000)


@pytest.mark.parametrize(
    ("value", "metric", "fault"),
    [
        (np.nan, "cosine", "hold NaN or infinite values"),
        (np.inf, "euclidean", "hold NaN or infinite values"),
        (0, "cosine", "have length 0"),
        (1e19, "euclidean", "are longer than 1e18"),
    ],
)
def test_bad_vectors_are_named(value: float, metric: str, fault: str) -> None:
    vectors = np.ones((50, 4), np.float32)
    vectors[[3, 40]] = value
    gallery = VectorSet(vectors, np.arange(1, 50), np.zeros(49, int), np.zeros(49, int), "shop.emb.h5")
    with pytest.raises(FashretError, match=f"shop.emb.h5: vectors of rows 3, 40 {fault}"):
        search(gallery.take(np.array([10])), gallery, 5, metric=metric)


def test_widths_must_agree() -> None:
    one = VectorSet(np.ones((2, 4), np.float32), np.arange(2), np.zeros(2, int), np.zeros(2, int), "a.emb.h5")
    other = replace(one, vectors=np.ones((2, 5), np.float32), name="b.emb.h5")
    with pytest.raises(FashretError, match=r"a\.emb\.h5 have 4 components and those of b\.emb\.h5 5"):
        search(one, other, 1)


def test_unknown_metric_and_contradiction() -> None:
    one = VectorSet(np.ones((2, 4), np.float32), np.arange(2), np.zeros(2, int), np.zeros(2, int))
    with pytest.raises(FashretError, match="metric dot: not known"):
        search(one, one, 1, metric="dot")  # type: ignore[arg-type]
    with pytest.raises(FashretError, match="positives cannot be ranked"):
        search(one, one, 1, positives=True, exclude_same_product=True)


@pytest.mark.parametrize("metric", METRICS)
def test_the_nearest_of_vectors_alone_or_of_chosen_rows(metric: str) -> None:
    rng = np.random.default_rng(3)
    gallery, queries = side(rng, drawn(rng, 60, 5)), drawn(rng, 7, 5)
    store = knn.ExactNeighbours(gallery, SearchSpec(k=3, metric=metric, same_matrix=True, positives=True))
    assert len(store) == len(gallery)
    chosen = gallery.rows[::3]
    for rows in (None, np.append(chosen[::-1], [1000, -1])):  # in any order, with rows that are not there
        searched = gallery.rows if rows is None else chosen
        matrix = brute.distance_matrix(queries, gallery.vectors[searched], metric)
        found = store.nearest(queries, 9, rows)
        for i, distances in enumerate(matrix):
            order = brute.ranking(distances, np.ones(len(searched), bool))[:9]
            np.testing.assert_array_equal(found.rows[i], searched[order])
            np.testing.assert_array_equal(found.distances[i], distances[order])
