"""Options that concern one public dataset, declared for its reader and collected for `fashret crop`.

In: nothing. Out: one dataclass per dataset that has any, and `CropFlags`, which is all of them with those of every
dataset. Readers get it; the command line makes flags of it without loading a reader.
"""

from __future__ import annotations

from dataclasses import dataclass

from fashret.options import BoxOptions, CropOptions, option

STREET2SHOP, DEEPFASHION, LOOKBENCH = (f"Only {name}" for name in ("street2shop", "deepfashion", "lookbench"))  # panels


@dataclass(frozen=True)
class Street2ShopFlags:
    """Of the reader `street2shop`."""

    drop_train_products: bool = option(False, "Leave shop photos of train products out of the gallery", STREET2SHOP)
    drop_shared_photos: bool = option(False, "Leave street photos that are also in test out of train", STREET2SHOP)


@dataclass(frozen=True)
class DeepFashionFlags:
    """Of the reader `deepfashion_consumer_to_shop`."""

    gallery: str = option(
        "val+test", "Splits whose shop photos are searched", DEEPFASHION, choices=("val+test", "test")
    )
    resolution: str = option(
        "auto", "Photos to read: low = img, high = img_highres", DEEPFASHION, choices=("auto", "low", "high")
    )


@dataclass(frozen=True)
class LookBenchFlags:
    """Of the reader `lookbench`."""

    subset: str = option("", "The subset to read, if there are several", LOOKBENCH)


@dataclass(frozen=True)
class CropFlags(LookBenchFlags, DeepFashionFlags, Street2ShopFlags, BoxOptions, CropOptions):
    """All options of `fashret crop`."""
