"""The recipes of the paper's tables: their plan, with a stand-in for fashret; and the whole miniature, with fashret."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TREE = Path(__file__).parent.parent
RECIPES = {"street2shop": (1, 2, 3, 4, 5, 6, 8), "deepfashion": (1, 2, 3, 4, 5, 7, 8)}
needs_make = pytest.mark.skipif(shutil.which("make") is None, reason="no make on PATH")
pytestmark = needs_make

STAND_IN = """\
import os, pathlib, sys
words = sys.argv[1:]
with open(os.environ["CALLS"], "a") as calls:
    calls.write(" ".join(words) + "\\n")
for flag in ("-o", "--size-plot", "--results"):
    if flag in words:
        output = pathlib.Path(words[words.index(flag) + 1])
        output = output / {"train": "model.json", "train-detector": "detector.json"}.get(words[0], "")
        output.parent.mkdir(exist_ok=True)
        output.touch()
if words[0] == "evaluate":
    print("half of the table of", *words[1:], flush=True)
    if os.environ.get("BREAK"):
        os.kill(os.getpid(), 9)
    print("the other half")
if words[0] == "demo":
    pathlib.Path(words[1]).mkdir(parents=True)
"""


def make(recipe: str, *words: object, env: dict[str, str] | None = None, **settings: object):
    command = ["make", "-f", f"examples/{recipe}.mk", *map(str, words)]
    inherited = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
    return subprocess.run(command, cwd=TREE, capture_output=True, text=True, env={**inherited, **(env or {})},
                          stdin=subprocess.DEVNULL, timeout=600, **settings)  # type: ignore[call-overload]  # fmt: skip


def stand_in_for_fashret(tmp_path: Path):
    """Run a recipe with a program in fashret's place that notes its calls and makes empty outputs."""
    (tmp_path / "fake.py").write_text(STAND_IN)
    program = shlex.join([sys.executable, "-I", "-S", str(tmp_path / "fake.py")])

    def run(recipe: str, *words: object, **env: str):
        given = [f"FASHRET={program}", f"OUT={tmp_path / 'out'}"]
        return make(recipe, *given, *words, env={"CALLS": str(tmp_path / "calls"), **env})

    def calls() -> list[str]:
        path = tmp_path / "calls"
        return path.read_text().splitlines() if path.exists() else []

    run.calls = calls  # type: ignore[attr-defined]
    run.out = tmp_path / "out"  # type: ignore[attr-defined]
    return run


@pytest.fixture
def stand_in(tmp_path: Path):
    return stand_in_for_fashret(tmp_path)


@pytest.fixture(scope="module")
def of_everything(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The calls of a recipe of which everything was made, side by side."""
    run = stand_in_for_fashret(tmp_path_factory.mktemp("everything"))
    run("street2shop", "-j4", "all")
    return run.calls()


def outputs(calls: list[str]) -> list[str]:
    return [match[1] for call in calls if (match := re.search(r" -o (\S+)", call))]


@pytest.mark.parametrize("recipe", RECIPES)
def test_the_plan_is_shown_and_nothing_is_done(recipe, stand_in):
    done = stand_in(recipe, "-n", *(f"table{n}" for n in RECIPES[recipe]))
    assert done.returncode == 0, done.stderr
    assert not stand_in.calls() and not stand_in.out.exists()
    planned = [line for line in done.stdout.splitlines() if "fake.py" in line]
    assert len(outputs(planned)) == len(set(outputs(planned))) > 30
    for n in RECIPES[recipe]:
        assert f"Table {n}. " in done.stdout


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_stage_runs_once_side_by_side_and_not_again(recipe, stand_in):
    tables = [f"table{n}" for n in RECIPES[recipe]]
    done = stand_in(recipe, "-j4", *tables)
    assert done.returncode == 0, done.stderr
    first = stand_in.calls()
    assert len(outputs(first)) == len(set(outputs(first)))
    assert sum(call.startswith("train") for call in first) == 10  # nine models, and the other dataset's best
    assert sum(call.startswith("crop") for call in first) == 3
    assert sum(call.startswith("evaluate") for call in first) == len(tables)
    assert done.stdout.count("the other half") == len(tables)
    again = stand_in(recipe, *tables)
    assert again.returncode == 0 and stand_in.calls() == first
    assert again.stdout.count("the other half") == len(tables)


@pytest.mark.parametrize(("recipe", "table"), [("street2shop", 7), ("deepfashion", 6)])
def test_the_other_datasets_table_is_made_by_its_recipe_and_side_by_side(recipe, table, stand_in):
    done = stand_in(recipe, "-j4", f"table{table}", "table8", "OTHER_ROOT=/elsewhere")
    assert done.returncode == 0, done.stderr
    calls = stand_in.calls()
    assert len(outputs(calls)) == len(set(outputs(calls)))
    (ranked,) = [call for call in calls if call.startswith("search")]
    assert str(stand_in.out / "other/best/emb.h5") in ranked and f"Table {table}. " in done.stdout
    assert sum("--root /elsewhere" in call for call in calls if call.startswith("crop")) == 1


def test_a_stage_comes_after_what_it_needs(of_everything):
    seen: set[str] = set()
    for call in of_everything:
        words = call.split()
        needed = [word for word in words[1:] if word.endswith(".h5") or "/model" in word]
        made = outputs([call])
        for word in needed:
            assert word in made or word in seen, f"{call}: before {word}"
        seen |= set(made)


def test_models_are_those_of_the_paper(stand_in):
    stand_in("street2shop", "table1", "table2", "table3", "table4")
    trained = {outputs([c])[0].split("/")[-2]: c for c in stand_in.calls() if c.startswith("train")}
    assert "--recipe osnet-ain" in trained["osnet-ain"] and "--backbone" not in trained["osnet-ain"]
    for name in ("resnet50", "resnet50-ibn-a", "se-resnext50", "efficientnet-b2", "efficientnet-b4"):
        assert "--recipe rst-raw " in trained[name] and "--input 256x128 --fit stretch" in trained[name]
    assert "--backbone se_resnext50_32x4d" in trained["se-resnext50"]
    assert "--recipe rst-triplet-raw " in trained["triplet"] and "resnet50_ibn_a" in trained["triplet"]
    assert "--input 320x320" in trained["best"] and "crops-320.h5" in trained["best"]
    assert "--input 480x480" in trained["large"] and "crops-480.h5" in trained["large"]


def test_no_table_depends_on_a_default_recipe_or_on_settings_of_re_ranking(of_everything):
    assert all(" --recipe " in call for call in of_everything if call.startswith("train"))
    reranked = [c for c in of_everything if c.startswith("rerank") or " --rerank " in c]
    assert len(reranked) == 2
    for call in reranked:
        assert "--method k-reciprocal --settings published --k1 20 --k2 6 --lambda 0.3" in call


def test_detect_then_retrieve_joins_and_whitens_two_networks(stand_in):
    done = stand_in("street2shop", "-j4", "detect-then-retrieve")
    assert done.returncode == 0, done.stderr
    calls = stand_in.calls()
    assert len(outputs(calls)) == len(set(outputs(calls)))
    trained = {outputs([c])[0].split("/")[-2]: c for c in calls if c.startswith("train ")}
    assert set(trained) == {"rmac-triplet", "rmac-ap"}
    assert [c.split()[0] for c in calls[:2]] == ["train-detector", "crop"]
    assert f"--size 800 --detector {stand_in.out / 'detector'} --detect shop" in calls[1]
    for name, loss in (("rmac-triplet", "triplet:margin=0.3,normalise=yes"), ("rmac-ap", "ap")):
        assert f"--loss {loss}" in trained[name] and trained[name].count("--loss") == 1
        assert (
            "--pooling rmac-learned --neck none --input 800x800" in trained[name]
            and "crops-detected.h5" in trained[name]
        )
    (joined,) = [c for c in calls if c.startswith("embed") and c.count("--model") == 2]
    assert "rmac-triplet/model" in joined and "rmac-ap/model" in joined and "--whiten 512 --whiten-power 0.25" in joined
    (scored,) = [c for c in calls if c.startswith("evaluate")]
    assert scored.count("ranking.h5") == 3 and "--per-category" in scored and "the other half" in done.stdout
    assert stand_in("street2shop", "detect-then-retrieve").returncode == 0
    assert len(stand_in.calls()) == len(calls)


def test_the_miniature_has_detect_then_retrieve_with_less_to_whiten(stand_in):
    done = stand_in("street2shop", "tiny")
    assert done.returncode == 0, done.stderr
    (joined,) = [c for c in stand_in.calls() if c.startswith("embed") and c.count("--model") == 2]
    assert "--whiten 16" in joined and "Detect-then-retrieve" in done.stdout


def test_the_form_of_the_losses_can_be_chosen(stand_in):
    stand_in("street2shop", "table3", "FORM=")
    trained = [call for call in stand_in.calls() if call.startswith("train")]
    assert {recipe for call in trained for recipe in call.split() if recipe.startswith("rst")} == {"rst", "rst-triplet"}


def test_a_killed_run_leaves_nothing_that_counts_as_built(stand_in):
    broken = stand_in("street2shop", "table3", BREAK="1")
    assert broken.returncode != 0
    assert not (stand_in.out / "table3.txt").exists()
    done = stand_in("street2shop", "table3")
    assert done.returncode == 0
    text = (stand_in.out / "table3.txt").read_text()
    assert text.startswith("half of the table of") and text.endswith("the other half\n")
    assert sum(call.startswith("train") for call in stand_in.calls()) == 2


def test_a_newer_crops_file_makes_everything_after_it_anew(stand_in):
    stand_in("street2shop", "table3")
    before = len(stand_in.calls())
    later = (stand_in.out / "table3.txt").stat().st_mtime + 10
    os.utime(stand_in.out / "crops-320.h5", (later, later))
    stand_in("street2shop", "table3")
    assert [call.split()[0] for call in stand_in.calls()[before:]].count("train") == 2


def test_deepfashion2_fuses_five_detectors_and_joins_two_embeddings(stand_in):
    done = stand_in("deepfashion2", "-j4", "scores", "results")
    assert done.returncode == 0, done.stderr
    calls = stand_in.calls()
    assert len(outputs(calls)) == len(set(outputs(calls)))
    (found,) = [c for c in calls if c.startswith("detect ")]
    assert (
        found.count("--detector ") == 5 and "--role query --role gallery" in found and "--labels deepfashion2" in found
    )
    embedded = [c for c in calls if c.startswith("embed")]
    assert len(embedded) == 2 and all(c.count("--model ") == 2 for c in embedded)
    searched = [c for c in calls if c.startswith("search")]
    assert len(searched) == 2 and all("emb-found.h5" in c for c in searched)
    assert (
        [c for c in searched if "emb-annotated.h5" in c] == [c for c in searched if "annotated/ranking.h5" in c] != []
    )
    scored = [c for c in calls if c.startswith("evaluate")]
    assert all("--protocol deepfashion2 --root /data/deepfashion2" in c for c in scored)
    (table,) = [c for c in scored if "--results" not in c]
    assert table.count(".h5") == 8 and "the other half" in done.stdout
    assert sum("--results" in c for c in scored) == 2


def test_published_figures_are_those_that_are_known():
    text = "".join(
        (TREE / "examples" / f"{name}.mk").read_text()
        for name in (*RECIPES, "deepfashion2", "paper", "detect-then-retrieve")
    )
    numbers = set(re.findall(r"\b\d+\.\d+\b", text)) - {
        "2003.04094",
        "2005.12739",
        "0.3",
        "0.25",
        "0.1",
        "0.01",
    }  # λ of re-ranking, power of whitening, lowest scores
    assert numbers == {"54.8", "72.9", "47.3", "79.0"}


@pytest.mark.slow
def test_the_whole_miniature(tmp_path):
    """Raw data in the layouts of both datasets → every table, with fashret itself."""
    program = shlex.join([sys.executable, "-m", "fashret"])
    done = make("street2shop", "tiny", f"FASHRET={program}", f"OUT={tmp_path / 'out'}")
    assert done.returncode == 0, done.stderr[-2000:]
    made = tmp_path / "out-tiny" / "made"
    for n in RECIPES["street2shop"]:
        text = (made / f"table{n}.txt").read_text()
        assert "mAP" in text and f"Table {n}. " in done.stdout
    second = (made / "table2.txt").read_text()
    for name in ("resnet50", "resnet50-ibn-a", "se-resnext50", "efficientnet-b2", "efficientnet-b4"):
        assert name in second
    assert "64×32" in (made / "table4.svg").read_text()
    assert "difference" in (made / "table5.txt").read_text()
    assert "Average over categories" in (made / "table6.txt").read_text()
    eighth = (made / "table8.txt").read_text()
    assert "street2shop" in eighth and "deepfashion" in eighth and "missing" not in eighth
    scores = (made / "detect-then-retrieve.txt").read_text()
    assert scores.count("joined") >= 2 and "rmac-ap" in scores and "mAP" in scores
    assert not list(made.rglob("*.partial"))


@pytest.mark.slow
def test_the_miniature_of_deepfashion2(tmp_path):
    program = shlex.join([sys.executable, "-m", "fashret"])
    done = make("deepfashion2", "tiny", f"FASHRET={program}", f"OUT={tmp_path / 'out'}")
    assert done.returncode == 0, done.stderr[-2000:]
    made = tmp_path / "out-tiny" / "made"
    scores = (made / "scores.txt").read_text()
    for name in ("annotated/ranking.h5", "detected/ranking.h5", "detected/k-reciprocal.h5", "annotated/alpha-qe.h5"):
        assert name in scores
    results = json.loads((made / "detected" / "results.json").read_text())
    assert results and all(len(line["gallery_image_id"]) == 20 for line in results)
    assert not list(made.rglob("*.partial"))
