"""`fashret show`: one query as a picture, from ranking files."""

import json

import pytest
from PIL import Image

from fashret.errors import FashretError
from fashret.options import ShowOptions
from fashret.report.row_picture import CELL, GAP, MARGIN, QUERY
from fashret.stages import show
from tests.conftest import invoke
from tests.report_case import write_case


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    return write_case(tmp_path_factory.mktemp("show"), queries=6, gallery=30, products=10)


def test_the_command_draws_plain_above_reranked(case, tmp_path):
    done = invoke("show", case.ranking, case.reranked, "--query", 4, "-o", tmp_path / "row.png", "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["product"] == "product/4" and said["photo"] == "street/00004.jpg"
    assert set(said["first_hits"]) == {"plain", "re-ranked"}
    with Image.open(tmp_path / "row.png") as image:
        assert image.width == 2 * MARGIN + QUERY[0] + 2 * GAP + 10 * (CELL[0] + GAP) - GAP


def test_what_is_wrong_is_one_line(case, tmp_path):
    done = invoke("show", case.ranking, "--query", 6, "-o", tmp_path / "row.png")
    assert done.returncode == 1 and "queries are 0 to 5" in done.stderr and done.stderr.count("\n") == 1
    done = invoke("show", case.embeddings, "-o", tmp_path / "row.png")
    assert done.returncode == 1 and "not a fashret.ranking" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_crops_elsewhere(tmp_path):
    case = write_case(tmp_path, queries=2, gallery=4)
    case.crops.rename(tmp_path / "moved.h5")
    with pytest.raises(FashretError, match="--crops"):
        show.run([case.ranking], tmp_path / "row.png", ShowOptions())
    shown = show.run([case.ranking], tmp_path / "row.png", ShowOptions(crops=(tmp_path / "moved.h5",), results=3))
    assert shown.picture.exists() and shown.first_hits.keys() == {"plain"}


def test_rankings_of_other_crops_are_refused_and_of_other_models_are_not(tmp_path):
    for name in "abc":
        (tmp_path / name).mkdir()
    case = write_case(tmp_path / "a", queries=4, gallery=8)
    again = write_case(tmp_path / "b", queries=4, gallery=8, seed=1)
    shown = show.run([case.ranking, again.ranking], tmp_path / "row.png", ShowOptions())
    assert len(shown.first_hits) == 2
    other = write_case(tmp_path / "c", queries=4, gallery=9)
    with pytest.raises(FashretError, match="are not rankings of the same .* crops"):
        show.run([case.ranking, other.ranking], tmp_path / "row.png", ShowOptions())


def test_the_command_says_what_it_drew(case, tmp_path):
    done = invoke("show", case.ranking, case.reranked, "-o", tmp_path / "row.png")
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert "product product/0" in lines and f"picture {tmp_path / 'row.png'}" in " ".join(lines)
    assert any(line.startswith("rank of the first hit plain ") and ", re-ranked " in line for line in lines)


def test_two_plain_rankings_go_by_their_names(tmp_path):
    case = write_case(tmp_path, queries=2, gallery=4)
    shown = show.run([case.ranking, case.ranking], tmp_path / "row.png", ShowOptions())
    assert list(shown.first_hits) == [str(case.ranking)]
