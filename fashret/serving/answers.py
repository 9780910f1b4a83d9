"""What a client gets, as plain values that become JSON.

In: hits, garments, facts of a shop. Out: dicts, in which pictures are addresses.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from fashret.files.embeddings import Embeddings

if TYPE_CHECKING:
    from fashret.catalogue import Hit
    from fashret.detecting.photos import FoundGarment
    from fashret.serving.shop import Shop


def product_of(hit: Hit, shop: Shop, root: str) -> dict[str, Any]:
    """A product, or a photo of one, without its place in a ranking."""
    return {
        "product": hit.product or None,
        "photo": hit.photo,
        "row": hit.row,
        "picture": f"{root}/photos/{hit.row}?of={edition(shop)}" if shop.has_pictures else None,
        "category": category_of(shop.file, hit.row),
        "columns": hit.columns,
    }


def hits_of(hits: Sequence[Hit], shop: Shop, root: str) -> list[dict[str, Any]]:
    """Results, best first."""
    return [{"rank": hit.rank, "distance": hit.distance, **product_of(hit, shop, root)} for hit in hits]


def category_of(file: Embeddings, row: int) -> str | None:
    """The category of a row; None if it has none."""
    code = int(file.category[row])
    return file.categories[code] if 0 <= code < len(file.categories) else None


def edition(shop: Shop) -> str:
    """A few letters that change with the catalogue: a picture's address is good for one of them."""
    return shop.digest.rpartition(":")[2][:12]


def garment_of(garment: FoundGarment) -> dict[str, Any]:
    """A garment; its box is in pixels of the upright photo."""
    return {
        "number": garment.number,
        "category": garment.category or None,
        "label": garment.label,
        "score": garment.score,
        "box": [round(side, 2) for side in garment.box],
    }


def about(shop: Shop) -> dict[str, Any]:
    """The catalogue and the model, as every answer names them."""
    model = shop.file.model
    return {
        "catalogue": {"name": shop.name, "digest": shop.digest},
        "model": {"name": model.get("name"), "digest": model.get("digest")},
    }


def facts_of(shop: Shop) -> dict[str, Any]:
    """What there is to search, and what by."""
    known = about(shop)
    known["catalogue"] |= {
        "rows": len(shop.rows),
        "products": len(shop.products) + shop.unlabelled,
        "width": shop.file.width,
        "metric": shop.options.metric,
        "pictures": shop.has_pictures,
        "columns": shop.file.further_kinds,
        "facets": [
            {
                "column": facet.column,
                "type": facet.kind,
                **(
                    {"values": [{"value": value, "products": count} for value, count in facet.values]}
                    if facet.values
                    else {"least": facet.least, "most": facet.most}
                ),
            }
            for facet in shop.facets
        ],
    }
    return {**known, "detector": shop.ensemble.name if shop.ensemble else None}
