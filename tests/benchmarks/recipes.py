"""The paper's losses and models on the demo data with one budget, through the command line.

    python -m tests.benchmarks.recipes demo/crops.h5 -o runs/ [--epochs N] [--only NAME …]

Every run goes through the training images equally often at the same input size; all but OSNet-AIN train the demo's
small backbone with the demo recipe's optimiser and schedule. Three seeds for those in `SEVERAL_SEEDS`, else one.
Finished runs in the folder are taken as they are, so that a stopped comparison goes on.

In: crops.h5 of the demo. Out: a Markdown table of mAP and Acc@1 (mean over seeds, with their range), unconstrained and
averaged over categories.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from fashret.learning.recipes import RECIPES

SOFTMAX, TRIPLET = "softmax:smoothing=0.1", "triplet:margin=0.3"
QUADRUPLET = "quadruplet:margin1=1.0,margin2=0.5,normalise=no"


def losses(*specs: str) -> list[str]:
    return [flag for spec in specs for flag in ("--loss", spec)]


FORMS = ("rst", "rst-triplet", "rst-raw", "rst-triplet-raw")  # recipes whose losses the demo's network is trained with
CENTROIDS = ("ctl", "ctl-raw")  # the same, and missing images leave their places empty

# name → flags of `fashret train`, beside crops, folder, seed and epochs
RUNS: dict[str, list[str]] = {
    "softmax": ["--recipe", "demo", *losses(SOFTMAX), "--batch-products", "0", "--batch-images", "64"],
    "softmax + triplet": ["--recipe", "demo", *losses(SOFTMAX, TRIPLET)],
    "softmax + quadruplet (raw)": ["--recipe", "demo", *losses(SOFTMAX, QUADRUPLET)],
    **{f"losses of {name}": ["--recipe", "demo", *losses(*RECIPES[name].values["loss"])] for name in FORMS},
    **{name: ["--recipe", "demo", *losses(*RECIPES[name].values["loss"]), "--missing", "mask"] for name in CENTROIDS},
    # nothing is frozen at the start: there are no trained weights to keep
    "OSNet-AIN": ["--recipe", "osnet-ain", "--weights", "none", "--freeze", "0"],
}
SEVERAL_SEEDS = {"softmax + triplet", *(f"losses of {name}" for name in FORMS[:3]), "ctl"}
MEASURES = ("mAP", "Acc@1")
KINDS = ("Unconstrained retrieval", "Average over categories")


@dataclass(frozen=True)
class Result:
    """Scores of one run: kind of search and measure → value."""

    scores: dict[tuple[str, str], float]
    seconds: float  # of training


def fashret(*arguments: object) -> str:
    """Run a command, showing it; its stdout."""
    words = [str(argument) for argument in arguments]
    print("fashret", *words, file=sys.stderr, flush=True)
    done = subprocess.run([sys.executable, "-m", "fashret", *words], stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout


def score(embeddings: Path, seconds: float) -> Result:
    tables = json.loads(fashret("evaluate", embeddings, "--json", "--quiet"))["tables"]
    rows = {row["Category"]: row for row in tables[0]["rows"]}
    return Result({(kind, measure): rows[kind][measure] for kind in KINDS for measure in MEASURES}, seconds)


def train(crops: Path, folder: Path, flags: list[str]) -> float:
    """Train unless it was done; seconds that it took."""
    model, timing = folder / "model", folder / "seconds"
    if not (model / "model.json").exists():
        folder.mkdir(parents=True, exist_ok=True)
        started = time.monotonic()
        fashret("train", crops, "-o", model, *flags, "--validate-every", "0", "--resume", "--quiet")
        timing.write_text(str(time.monotonic() - started), encoding="utf-8")
    return float(timing.read_text(encoding="utf-8"))


def embed(crops: Path, output: Path, *flags: object) -> Path:
    if not output.exists():
        fashret("embed", crops, "-o", output, *flags, "--quiet")
    return output


def compare(
    crops: Path, folder: Path, common: list[str], untrained: list[str], only: list[str]
) -> dict[str, list[Result]]:
    """All runs; name → one result a seed."""
    results: dict[str, list[Result]] = {}
    if not only or "untrained" in only:
        results["untrained"] = [score(embed(crops, folder / "untrained.emb.h5", *untrained), 0.0)]
    for name, flags in RUNS.items():
        if only and name not in only:
            continue
        for seed in range(3 if name in SEVERAL_SEEDS else 1):
            place = folder / f"{name.replace(' ', '')}.{seed}"
            seconds = train(crops, place, [*flags, *common, "--seed", str(seed)])
            by_image = embed(crops, place / "images.emb.h5", "--model", place / "model")
            results.setdefault(name + (" by image" if name in CENTROIDS else ""), []).append(score(by_image, seconds))
            if name in CENTROIDS:
                centroids = embed(crops, place / "centroids.emb.h5", "--model", place / "model", "--centroids")
                results.setdefault(f"{name} by centroid", []).append(against(by_image, centroids, place, seconds))
    return results


def against(queries: Path, gallery: Path, place: Path, seconds: float) -> Result:
    """Queries of one file searched in the gallery of another."""
    ranking = place / "centroids.ranking.h5"
    fashret("search", queries, gallery, "-o", ranking, "--quiet")
    return score(ranking, seconds)


def markdown(results: dict[str, list[Result]]) -> str:
    heads = [f"{measure}, {kind.split()[0].lower()}" for kind in KINDS for measure in MEASURES]
    lines = ["| | seeds | " + " | ".join(heads) + " | training, s |", "|---" * (len(heads) + 3) + "|"]
    for name, runs in results.items():
        cells = []
        for kind in KINDS:
            for measure in MEASURES:
                values = [100 * run.scores[kind, measure] for run in runs]
                spread = f" ({min(values):.1f}–{max(values):.1f})" if len(values) > 1 else ""
                cells.append(f"{sum(values) / len(values):.1f}{spread}")
        seconds = sum(run.seconds for run in runs) / len(runs)
        lines.append(f"| {name} | {len(runs)} | {' | '.join(cells)} | {seconds:.0f} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("crops", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder for models and embeddings")
    parser.add_argument("--epochs", type=int, help="of every run (default: the demo recipe's)")
    parser.add_argument("--only", nargs="*", default=[], help="names of runs")
    arguments = parser.parse_args()
    demo = RECIPES["demo"].values
    epochs = arguments.epochs or demo["epochs"]
    shape = ["--input", demo["input"], "--fit", demo["fit"]]
    arguments.output.mkdir(parents=True, exist_ok=True)
    common = [*shape, "--epochs", str(epochs)]
    untrained = ["--backbone", demo["backbone"], "--weights", "none", "--pooling", demo["pooling"], *shape]
    results = compare(arguments.crops, arguments.output, common, untrained, arguments.only)
    print(f"{epochs} epochs of {demo['input']} images\n")
    print(markdown(results))


if __name__ == "__main__":
    main()
