"""Forms of the losses on altered real photos, from real weights: which of them beat the network as it comes.

    python -m tests.benchmarks.loss_forms ../shared/data/cc0-garments [--only NAME …] [--seeds 0 1 2] [--products 300]
        [--epochs 3]

EfficientNet-Lite0 with the ImageNet weights of its package, 96x96, batches of 16 × 4 images, Adam at 1e-4, batch norm
frozen, one thread. In: a folder with photos.csv. Out: a line per run: mAP and Acc@1 of street views of products that
were not trained on.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import torch

from fashret import evaluate, open
from fashret.learning.recipes import RECIPES
from fashret.options import CropOptions, EmbedOptions, SearchOptions, TrainOptions
from fashret.stages import crop, embed, search, train
from tests.altered_photos import altered_photos

SOFTMAX, CENTER = "softmax:smoothing=0.1", "center:weight=0.0005,lr=0.5,normalise=yes"
FORMS: dict[str, tuple[str, ...]] = {
    "softmax": (SOFTMAX,),
    "triplet": (SOFTMAX, "triplet:margin=0.3,normalise=yes"),
    "quadruplet": (SOFTMAX, "quadruplet"),
    "quadruplet-adaptive": (SOFTMAX, "quadruplet:adaptive=yes,margin1=1,margin2=0.5"),
    **{
        name: RECIPES[name].values["loss"]
        for name in ("rst", "rst-triplet", "ctl", "rst-raw", "rst-triplet-raw", "ctl-raw")
    },
    **{
        f"rst-{first}": (SOFTMAX, f"quadruplet:margin1={first},margin2={second}", CENTER)
        for first, second in ((0.3, 0.15), (0.6, 0.3), (1.5, 0.75))
    },
    "smooth-ap": (SOFTMAX, "smooth-ap"),
    "smooth-ap alone": ("smooth-ap",),
    "ap": (SOFTMAX, "ap"),
    "ap alone": ("ap",),
    "ap from 0": (SOFTMAX, "ap:lowest=0"),
    "triplet alone": ("triplet:margin=0.3,normalise=yes",),
    "rst-adaptive": (SOFTMAX, "quadruplet:adaptive=yes,margin1=1,margin2=0.5", CENTER),
}
NETWORK = {"backbone": "efficientnet_lite0", "input": "96x96", "fit": "pad"}


def score(crops: Path, folder: Path, **values: object) -> str:
    """Scores of a model, or of a backbone as it comes, on the products of the test."""
    embed.run(crops, folder / "emb.h5", EmbedOptions(workers=0, precision="float32", **values))
    search.run(folder / "emb.h5", None, folder / "ranking.h5", SearchOptions())
    with open(folder / "ranking.h5") as ranking:
        means = evaluate(ranking, ks=(1,)).mean
    return f"mAP {100 * means['mAP']:.1f}  Acc@1 {100 * means['Acc@1']:.1f}"


def train_form(crops: Path, folder: Path, loss: tuple[str, ...], epochs: int, seed: int) -> None:
    """A short training with one form of the losses."""
    options = TrainOptions(
        **NETWORK, loss=loss, seed=seed, epochs=epochs, lr=1e-4, schedule="constant", warmup=0, pad=8, freeze_bn=True,
        validate_every=0, workers=0, precision="float32", restart=True,
    )  # fmt: skip
    train.run(crops, folder / "model", options)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--only", nargs="*", default=list(FORMS), choices=FORMS)
    parser.add_argument("--seeds", nargs="*", type=int, default=[0])
    parser.add_argument("--products", type=int, default=300)
    parser.add_argument("--epochs", type=int, default=3)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        manifest = altered_photos(arguments.photos, folder / "catalogue", arguments.products)
        crop.run(str(manifest), folder / "crops.h5", CropOptions(size=160))
        print(f"{'as it comes':<22}{score(folder / 'crops.h5', folder, **NETWORK)}", flush=True)
        for seed in arguments.seeds:
            for name in arguments.only:
                started = time.process_time()
                train_form(folder / "crops.h5", folder, FORMS[name], arguments.epochs, seed)
                scores = score(folder / "crops.h5", folder, model=(folder / "model",))
                print(f"{name:<22}{scores}  seed {seed}  {time.process_time() - started:.0f} CPU s", flush=True)


if __name__ == "__main__":
    main()
