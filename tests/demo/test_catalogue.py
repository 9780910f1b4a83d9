"""Which products exist: families of near twins, each in one split."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from fashret.demo.catalogue import ATTRIBUTES, CATEGORIES, TWINS, products
from fashret.options import DemoOptions
from fashret.stages import demo
from tests.demo_case import families, seen, visible_share

STREET2SHOP = "bags, belts, dresses, eyewear, footwear, hats, leggings, outerwear, pants, skirts, tops"


def test_categories_are_those_of_street2shop() -> None:
    assert ", ".join(CATEGORIES) == STREET2SHOP


@settings(max_examples=20)
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


def test_every_twin_can_be_told_from_its_family() -> None:
    for family in families(products(TWINS * len(CATEGORIES), 5)):
        first, *others = (seen(product) for product in family)
        assert min(visible_share(first, other) for other in others) > 0.003, family
