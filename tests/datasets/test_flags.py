"""Options of single datasets: read by their readers alone, and all there for `fashret crop`."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from fashret import options
from fashret.datasets import flags
from fashret.datasets.readers import READERS

TREE = Path(options.__file__).parent


@pytest.mark.parametrize("kind", [flags.Street2ShopFlags, flags.DeepFashionFlags, flags.LookBenchFlags])
def test_a_datasets_flags_are_read_by_its_reader_alone(kind: type) -> None:
    [module] = re.findall(r"`(\w+)`", kind.__doc__ or "")
    for field in dataclasses.fields(kind):
        panel = field.metadata["panel"].removeprefix("Only ")
        assert READERS[panel].__module__ == f"fashret.datasets.{module}"
        users = [path.stem for path in (TREE / "datasets").glob("*.py") if f"options.{field.name}" in path.read_text()]
        assert users == [module], field.name


def test_crop_has_the_flags_of_every_dataset() -> None:
    names = {field.name for field in dataclasses.fields(flags.CropFlags)}
    for kind in (options.CropOptions, flags.Street2ShopFlags, flags.DeepFashionFlags, flags.LookBenchFlags):
        assert {field.name for field in dataclasses.fields(kind)} <= names
    with_flags = [kind for name, kind in vars(flags).items() if re.fullmatch(r"\w+Flags", name)]
    assert set(with_flags) == {*flags.CropFlags.__bases__, flags.CropFlags} - {options.CropOptions, options.BoxOptions}
