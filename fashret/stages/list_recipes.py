"""`fashret recipes`: the sets of values that `fashret train --recipe` starts from.

In: nothing, or a recipe's name. Out: all of them, or the one as the TOML file that `fashret train --config` takes.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from fashret.errors import FashretError
from fashret.learning.recipes import RECIPES, resolve
from fashret.options import TrainOptions


@dataclass(frozen=True)
class Recipe:
    """One recipe: every option of `fashret train` as it sets them."""

    name: str
    about: str
    options: TrainOptions


@dataclass(frozen=True)
class RecipeTable:
    """All recipes."""

    recipes: tuple[Recipe, ...]

    def as_json(self) -> list[dict[str, Any]]:
        """Plain values."""
        return [asdict(recipe) for recipe in self.recipes]


def run(name: str = "") -> RecipeTable | Recipe:
    """The values of one recipe, or a list of them all.

    Raises
    ------
    FashretError
        If there is no recipe of that name.
    """
    recipes = {
        known: Recipe(known, recipe.about, resolve(TrainOptions(known), ["recipe"]))
        for known, recipe in RECIPES.items()
    }
    if name and name not in recipes:
        raise FashretError(f"{name}: no such recipe; there are {', '.join(recipes)}")
    return recipes[name] if name else RecipeTable(tuple(recipes.values()))
