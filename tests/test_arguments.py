"""A typo is answered before torch is loaded, in one line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fashret import arguments
from fashret.errors import FashretError
from fashret.options import EmbedOptions, EvaluateOptions, PhotoOptions, RerankOptions, TrainOptions
from tests.conftest import make_rows, write_crops, write_embeddings

TYPOS = {
    "train none.h5 -o m": "none.h5: no such file",
    "train e.h5 -o m": "not a fashret.crops file",
    "train c.h5 -o none/m": "the folder none does not exist",
    "train c.h5 -o m --epochs 0": "--epochs 0: must be 1 or more",
    "train c.h5 -o m --flip 1.5": "--flip 1.5: must be 0 to 1",
    "train c.h5 -o m --input big": "write height x width in pixels",
    "train c.h5 -o m --device gpu": "--device gpu: write auto, cpu",
    "train c.h5 -o m --backbone resnet51": "no backbone 'resnet51'",
    "train c.h5 -o m --weights none.pth": "--weights none.pth: no such file",
    "train c.h5 -o m --loss tripled": "no loss 'tripled'",
    "train c.h5 -o m --lr -1": "--lr -1.0: must be",
    "train c.h5 -o m --backbone small --last-stride 1": "--last-stride: small has no last stage",
    "train c.h5 -o m --backbone timm:resnet18 --last-stride 2": "--last-stride: timm:resnet18 has no last stage",
    "train c.h5 -o m --threads -1": "--threads -1: must be 0 to 1,024",
    "train c.h5 -o m --resume --restart": "exclude each other",
    "train c.h5 -o m --neck nose": "Invalid value for '--neck'",
    "train c.h5 -o m --recipe none": "--recipe none: no such recipe",
    "embed none.h5 -o a.h5": "none.h5: no such file",
    "embed c.h5 --model none -o a.h5": "none: no such model folder",
    "embed c.h5 -o none/a.h5": "the folder none does not exist",
    "embed c.h5 -o c.h5": "would overwrite its own input",
    "embed c.h5 -o a.h5 --batch-size 0": "--batch-size 0: must be 1 or more",
    "embed c.h5 -o a.h5 --workers -2": "--workers -2: must be -1 or more",
    "embed c.h5 -o a.h5 --max-errors nan": "--max-errors nan: must be 0 to 1",
    "search none.h5 -o a.h5": "none.h5: no such file",
    "search c.h5 -o a.h5": "not a fashret.embeddings file",
    "search e.h5 none.h5 -o a.h5": "none.h5: no such file",
    "search e.h5 -o none/a.h5": "the folder none does not exist",
    "search e.h5 -o a.h5 --memory much": "not an amount of memory",
    "search e.h5 -o a.h5 --top 0": "--top 0: must be 1 or more",
    "search e.h5 --image none.jpg": "none.jpg: no such photo",
    "search none.h5 --image none.jpg": "none.h5: no such file",
    "rerank none.h5 -o a.h5": "none.h5: no such file",
    "rerank e.h5 -o a.h5": "not a fashret.ranking file",
    "rerank e.h5 -o a.h5 --images-per-product 0": "--images-per-product 0: must be 1 or more",
    "rerank e.h5 -o a.h5 --settings mine": "Invalid value for '--settings'",
    "rerank e.h5 -o a.h5 --lambda 2": "--lambda 2: must be 0 to 1",
    "rerank e.h5 -o a.h5 --device cuda:x": "write auto, cpu",
    "evaluate none.h5": "none.h5: no such file",
    "evaluate e.h5 --report none/a": "the folder",
    "evaluate e.h5 --k 0": "--k 0: must be 1 or more",
    "crop none.csv -o a.h5": "none.csv: no such file",
    "crop c.csv -o a.h5 --size -1": "--size -1: must be 0 to 16,384",
    "demo d --seed -1": "--seed -1: must be 0 or more",
    "show none.h5 -o a.png": "none.h5: no such file",
    "info none.h5": "none.h5: no such file",
}

CODE = """
import contextlib, io, sys
from fashret.cli import main
for line in sys.stdin.read().splitlines():
    sys.argv = ["fashret", *line.split()]
    error = io.StringIO()
    with contextlib.redirect_stderr(error), contextlib.suppress(SystemExit):
        main()
    print("torch" in sys.modules, "numba" in sys.modules, " ".join(error.getvalue().split()))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("typos")
    write_crops(folder / "c.h5", make_rows(4))
    write_embeddings(folder / "e.h5", make_rows(4), np.ones((4, 2), np.float32))
    (folder / "c.csv").write_text("image\na.jpg\n")
    return folder


@pytest.fixture(scope="module")
def answers(folder: Path) -> dict[str, str]:
    """What every typo is answered, all in one process, with what was loaded until then."""
    environment = {"PYTHONPATH": str(Path(__file__).parent.parent), "COLUMNS": "200", "NO_COLOR": "1", "PATH": ""}
    done = subprocess.run(
        [sys.executable, "-c", CODE],
        input="\n".join(TYPOS),
        capture_output=True,
        text=True,
        cwd=folder,
        env=environment,
        check=True,
    )
    return dict(zip(TYPOS, done.stdout.splitlines(), strict=True))


@pytest.mark.parametrize("typo", TYPOS)
def test_a_typo_is_answered_before_torch_is_loaded(answers: dict[str, str], folder: Path, typo: str) -> None:
    torch, numba, said = answers[typo].split(" ", 2)
    assert TYPOS[typo] in said and (torch, numba) == ("False", "False")
    assert {path.name for path in folder.iterdir()} == {"c.h5", "e.h5", "c.csv"}


def test_what_is_right_is_let_through(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    crops, vectors, output = Path("c.h5"), Path("e.h5"), Path("new.h5")
    arguments.check_train(crops, Path("m"), TrainOptions())
    arguments.check_embed(crops, output, EmbedOptions(backbone="timm:vit_tiny_patch16_224", weights="c.csv"), ())
    arguments.check_embed(Path("."), output, EmbedOptions(workers=-1), ())
    arguments.check_search(vectors, None, output)
    arguments.check_evaluate([vectors], EvaluateOptions(report=Path("report")))
    arguments.check_photo(vectors, Path("c.csv"), PhotoOptions(show=Path("a.png")))
    with pytest.raises(FashretError, match="not a fashret.ranking file"):
        arguments.check_rerank(vectors, output, RerankOptions())
