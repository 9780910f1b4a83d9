"""`fashret datasets`: the table of all and the page of one."""

from __future__ import annotations

import json

import pytest

from fashret.errors import FashretError
from fashret.files.tables.manifests import manifest_names
from fashret.stages import list_datasets
from tests.conftest import invoke


def test_datasets_are_listed_and_shown() -> None:
    done = invoke("datasets", "--json")
    listed = json.loads(done.stdout)
    assert sorted(entry["name"] for entry in listed) == manifest_names()
    assert {e["name"]: e["readable"] for e in listed}["modanet"] is False
    done = invoke("datasets")
    assert all(name in done.stdout for name in ("street2shop", "39,479", "801K", "pairs", "masks"))
    done = invoke("datasets", "street2shop")
    assert "retrieval_{category}.json" in done.stdout and "--root FOLDER -o" in done.stdout
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert "category query rows query products gallery photos" in lines and "bags 174 87 16,308" in lines
    assert "train street rows 30,629" in lines and "images 416,840" in lines
    assert "gallery photos 11,312 (--gallery test)" in invoke("datasets", "deepfashion").stdout
    assert "nothing to retrieve" in invoke("datasets", "modanet").stdout
    assert invoke("datasets", "nothing").returncode == 1


def test_the_oldest_dataset_comes_first() -> None:
    listed = list_datasets.run()
    assert isinstance(listed, list_datasets.DatasetTable)
    years = [(d.manifest.year, d.manifest.name) for d in listed.datasets]
    assert years == sorted(years) and len(years) == len(manifest_names())


def test_a_name_that_is_not_known_lists_those_that_are() -> None:
    with pytest.raises(FashretError, match="street2shop"):
        list_datasets.run("street3shop")
