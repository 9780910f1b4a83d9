"""DeepFashion2's retrieval from photos: boxes that were found, and what was found in the shop for each, become Acc@k.

In: the annotated garments of customers' and of shop photos, the found garments with their scores and results. Out: for
each annotated garment that has a pair the found one that stands for it, and the rank of its first right result.

The rule is that of the official evaluation (Ge et al., CVPR 2019):

1. A found garment belongs to the annotated one of its photo that it overlaps most (IoU); there is no least overlap, so
   one that overlaps none belongs to the photo's first.
2. Of those that belong to a garment and are of its category, the one with the highest score stands for it. A garment
   without one is missed.
3. A result is right if it is in a photo of the shop with an annotated garment of the same pair and style, and overlaps
   one of these by half or more. The category of the result does not count.
4. Acc@k is the share of all annotated garments with a pair, missed ones included, that have a right result among the
   first k.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fashret.evaluation.detection import iou

RIGHT = 0.5  # IoU from which a result is the garment
NEVER = np.iinfo(np.int64).max  # rank of a right result where there is none


@dataclass(frozen=True)
class Garments:
    """N garments in photos; boxes in one frame with those that they are compared with."""

    photo: NDArray[np.int64]  # N, number of the photo
    box: NDArray[np.floating]  # N×4, x1 y1 x2 y2
    category: NDArray[np.int64]  # N; −1: none

    def __len__(self) -> int:
        return len(self.photo)


@dataclass(frozen=True)
class Annotated:
    """Annotated garments and what they are of."""

    garments: Garments
    product: NDArray[np.int64]  # N, the same for garments of one pair and style; −1: no pair


@dataclass(frozen=True)
class Results:
    """Found garments of customers' photos, and the first k results of each."""

    garments: Garments
    score: NDArray[np.floating]  # N
    photo: NDArray[np.int64]  # N×k, shop photos, nearest first; −1 where there are fewer
    box: NDArray[np.floating]  # N×k×4


@dataclass(frozen=True)
class Outcome:
    """What became of the annotated garments with a pair, in their order."""

    garment: NDArray[np.int64]  # n, their position among the annotated
    found: NDArray[np.int64]  # n, position of the found garment that stands for it; −1: missed
    rank: NDArray[np.int64]  # n, of the first right result, 0 = first; NEVER without one

    @property
    def recall(self) -> float:
        """Share of the garments for which a found one stands; NaN without garments."""
        return float(np.mean(self.found >= 0)) if len(self.found) else float("nan")

    def accuracy(self, k: int) -> float:
        """Acc@k over all garments; NaN without any."""
        return float(np.mean(self.rank < k)) if len(self.rank) else float("nan")

    def accuracy_of_found(self, k: int) -> float:
        """Acc@k over the garments that are not missed, the part of the embedding; NaN without any."""
        there = self.found >= 0
        return float(np.mean(self.rank[there] < k)) if there.any() else float("nan")


def score_from_photos(queries: Annotated, gallery: Annotated, results: Results) -> Outcome:
    """Score found garments of customers' photos by the official rule."""
    standing = _standing_for(queries.garments, results)
    asked = np.flatnonzero(queries.product >= 0)
    found = standing[asked]
    right = defaultdict(list)  # product and photo → its annotated garments
    for i in np.flatnonzero(gallery.product >= 0).tolist():
        right[int(gallery.product[i]), int(gallery.garments.photo[i])].append(i)
    rank = np.full(len(asked), NEVER)
    for i, (garment, mine) in enumerate(zip(asked.tolist(), found.tolist(), strict=True)):
        if mine >= 0:
            rank[i] = _first_right(results, mine, int(queries.product[garment]), right, gallery.garments)
    return Outcome(asked, found, rank)


def _standing_for(annotated: Garments, results: Results) -> NDArray[np.int64]:
    """The found garment that stands for each annotated one; −1: none."""
    found = results.garments
    standing, best = np.full(len(annotated), -1), np.full(len(annotated), -np.inf)
    of_photo = defaultdict(list)
    for i, photo in enumerate(annotated.photo.tolist()):
        of_photo[photo].append(i)
    for i, photo in enumerate(found.photo.tolist()):
        there = of_photo.get(photo)
        if not there:
            continue
        overlap = iou(found.box[i : i + 1], annotated.box[there], np.zeros(len(there), np.bool_))[0]
        owner = there[int(np.argmax(overlap))]
        if found.category[i] == annotated.category[owner] and results.score[i] > best[owner]:
            standing[owner], best[owner] = i, results.score[i]
    return standing


def _first_right(
    results: Results, mine: int, product: int, right: dict[tuple[int, int], list[int]], shop: Garments
) -> int:
    for rank, photo in enumerate(results.photo[mine].tolist()):
        there = right.get((product, photo))
        if there:
            overlap = iou(results.box[mine, rank][None], shop.box[there], np.zeros(len(there), np.bool_))
            if overlap.max() >= RIGHT:
                return rank
    return int(NEVER)
