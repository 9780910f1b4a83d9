"""`fashret train`: crops.h5 → model/.

In: a crops file with rows of the role train. Out: a model folder (`fashret.files.models`) whose model.json is
written last. A run that is stopped at any moment resumes with --resume and ends with the same weights.
"""

from __future__ import annotations

import dataclasses
import math
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from fashret.console import counted, log, noted_if_stopped, progress
from fashret.evaluation.scores import score_positives
from fashret.files.columns import Role
from fashret.files.crops import open_crops
from fashret.files.embeddings import recorded
from fashret.files.models import DESCRIPTION, open_model, write_model
from fashret.files.training_log import read_log
from fashret.knn import SearchSpec, VectorSet, search
from fashret.learning.interrupts import Held, last_checkpoint_kept
from fashret.learning.loop import Run, train
from fashret.learning.precision import settle_precision
from fashret.learning.recorder import VALIDATION_BATCH, Recorder, Validate
from fashret.learning.region_start import start_from_regions
from fashret.learning.shown_images import ShownImages
from fashret.learning.steps import Machine, NotFiniteError, has_stalled
from fashret.learning.task import Task, begin, check_same, make_task, model_folder
from fashret.learning.training_rows import TrainingImages, requests
from fashret.learning.validation import Validation
from fashret.loading.batches import count_workers, load, slices
from fashret.loading.processes import gather, place, together, wait
from fashret.loading.sources import CropImages
from fashret.models.devices import choose_device, choose_precision, use_threads
from fashret.models.embedder import Embedder, Part
from fashret.models.preprocessing import warn_of_small_crops
from fashret.options import TrainOptions
from fashret.report.curves import draw_curves

KS = (1, 5, 10, 20)
SCORES = ("mAP", *(f"Acc@{k}" for k in KS))


@dataclass(frozen=True)
class TrainSummary:
    """What a training run did."""

    output: Path
    products: int
    images: int
    epochs: int
    steps: int
    loss: float  # mean of the last epoch
    accuracy: float | None  # share of right answers in the last epoch, with augmentation; None without classifier
    validated_on: str = ""  # rows or products that the scores are of
    validation: dict[str, float] = field(default_factory=dict)  # scores of the weights kept, their epoch (from 1)
    before_training: dict[str, float] = field(default_factory=dict)  # scores of the network it started from
    worse_than_start: bool = False
    precision: str = ""
    threads: int = 0
    seconds: float = 0.0
    images_per_second: float = 0.0  # in the last epoch, of all processes


def run(crops: Path, output: Path, options: TrainOptions) -> TrainSummary | None:
    """Train a network and write its folder.

    Parameters
    ----------
    options
        Resolved: what a recipe says is in them already.

    Returns
    -------
    The summary; None in all processes but the first, if there are several.

    Raises
    ------
    FashretError
        If the crops cannot be trained on, the options make no sense, or the run cannot be resumed.
    """
    started = time.monotonic()
    device = choose_device(options.device, place().local_rank)
    with together(device) as here, ExitStack() as stack:
        with open_crops(crops) as file:
            task = make_task(file, output, options, Machine(device, choose_precision(options.precision, device), here))
        if here.first:
            stack.enter_context(model_folder(task))
        if options.resume and not task.last.exists() and (output / DESCRIPTION).exists():
            check_same(task, open_model(output).about.get("identity", {}))
            log.info("%s: its training has ended already", output)
            if here.first:
                (output / DESCRIPTION).touch()  # newer than the crops again, as Makefiles want it
        else:
            wait(here.world)
            state = begin(task)
            state.threads = use_threads(options.threads, state.threads)
            start_from_regions(state.network, task.crops, task.rows.row, options.seed, count_workers(options.workers))
            task = settle_precision(task, state)
            warn_of_small_crops(task.crop_size, state.network.settings)
            with noted_if_stopped(lambda: f"{task.last} is kept; --resume continues" if task.last.exists() else ""):
                _train(task, state)
            if here.first:
                _write_model(task, state)
        return _summary(task, time.monotonic() - started) if here.first else None


def _train(task: Task, run: Run) -> None:
    """From where the run is to the end of the last epoch."""
    options, machine = task.options, task.machine
    shown = ShownImages(task)
    workers = count_workers(options.workers)
    validate: Validate | None = None
    if task.validation is not None:
        validation = task.validation
        validate = lambda run: _scores(task, run, validation, workers)  # noqa: E731
    images = TrainingImages(task.crops, run.network.settings, task.augmentation, options.seed, task.rows.row)
    wanted = requests(task.rows, task.batching, options.epochs, machine.place, run.epoch, run.batch)
    with (
        progress(shown.total, "train", "images", shown.of(run)) as advance,
        Held("this step and its checkpoint", active=machine.place.world == 1) as held,
        torch.backends.cudnn.flags(enabled=True, benchmark=True),  # the shapes stay the same
    ):
        recorder = Recorder(task, run, shown.following(run, advance), held, validate, SCORES)
        batches = load(images, wanted, workers, machine.device)
        try:
            with last_checkpoint_kept(task.last, lambda: task.save(run) if machine.place.first else None):
                recorder.start(run)
                if not has_stalled(run.stalled, options.patience):
                    train(run, batches, options, machine, recorder.after_step)
                recorder.end(run)
        finally:
            batches.close()  # ends the processes that decode
            recorder.close()


def _scores(task: Task, run: Run, rows: Validation, workers: int) -> dict[str, float]:
    """mAP and Acc@k on the validation rows, unconstrained; each process embeds a part, the first one scores.

    Other processes get no scores.
    """
    here, device = task.machine.place, task.machine.device
    embedder = Embedder([Part(run.network, "", "", None, "")], device, task.machine.precision)
    share = -(-len(rows.row) // here.world)
    mine = rows.row[here.rank * share : (here.rank + 1) * share]
    block = np.zeros((share, embedder.width), np.float32)
    images = CropImages(task.crops, embedder.settings)
    start = 0
    for batch in load(images, slices(mine, VALIDATION_BATCH), workers, device):
        block[start : start + len(batch.rows)] = embedder.joined(embedder.describe(batch.images).cpu().numpy())
        start += len(batch.rows)
    images.close()
    vectors = gather(torch.from_numpy(block).to(device), here.world).cpu().numpy()[: len(rows.row)]
    if not here.first:
        return {}
    if not np.isfinite(vectors).all():
        raise NotFiniteError(f"the validation vectors are not finite at step {run.step}; try a lower --lr")
    return score(vectors, rows)


def score(vectors: NDArray[np.float32], rows: Validation) -> dict[str, float]:
    """Mean average precision and Acc@k of the queries that have a positive."""

    def vectors_of(role: Role, name: str) -> VectorSet:
        chosen = np.flatnonzero(rows.role & int(role))
        none = np.full(len(chosen), -1, np.int64)
        return VectorSet(vectors, chosen, rows.product[chosen], none, f"validation {name}")

    queries, gallery = vectors_of(Role.VAL_QUERY, "queries"), vectors_of(Role.VAL_GALLERY, "gallery")
    _, found = search(queries, gallery, SearchSpec(k=1, same_matrix=True, positives=True))
    assert found is not None
    return score_positives(found.offsets, found.ranks, found.ranks_in_category, KS, queries.category).mean


def _write_model(task: Task, run: Run) -> None:
    """Write the folder's final files, model.json last; the checkpoint to resume from has done its work then."""
    weights, scores = task.to_keep(run)
    if has_stalled(run.stalled, task.options.patience):
        log.info("stopped early: %s without a better %s", counted(run.stalled, "validation"), task.options.best)
    draw_curves(read_log(task.output / "log.csv"), task.output / "curves.png")
    where = task.output / "model.json"
    about = {
        "settings": recorded(run.network.settings.to_dict(), where),
        "classes": list(task.rows.products) if run.network.classifier is not None else [],
        "options": recorded(dataclasses.asdict(task.options), where),
        "trained_on": task.trained_on,
        "precision": task.machine.precision,
        "threads": run.threads,
        "epochs": run.epoch,
        "steps": run.step,
        "validation": scores,
        "validated_on": task.validation.kind if task.validation else "",
        "start": run.start,
        "worse_than_start": _is_worse(scores, run.start, task.options.best),
        "held_out": list(task.held_out),
        "identity": task.identity,
    }
    write_model(task.output, weights, about)
    task.last.unlink(missing_ok=True)


def _is_worse(scores: dict[str, float], start: dict[str, float], chosen: str) -> bool:
    """Whether a model is worse than the network that it started from, where both were validated."""
    return bool(scores and start) and scores[chosen] < start[chosen]


def _summary(task: Task, seconds: float) -> TrainSummary:
    about, chosen = open_model(task.output).about, task.options.best
    kept = about.get("validation", {})
    scores = {name: kept[name] for name in (*SCORES, "epoch", "step") if name in kept}
    start = dict(about.get("start", {}))
    if worse := _is_worse(scores, start, chosen):
        log.warning(
            "%s is worse than the network it started from: %s %.4f, before training %.4f; "
            "try --recipe finetune, a lower --lr or other losses", task.output, chosen, scores[chosen], start[chosen],
        )  # fmt: skip
    last = read_log(task.output / "log.csv")[-1]
    accuracy = float(last["accuracy"])
    return TrainSummary(
        output=task.output,
        products=len(task.rows.products),
        images=len(task.rows.row),
        epochs=int(last["epoch"]),
        steps=int(last["step"]),
        loss=float(last["loss"]),
        accuracy=None if math.isnan(accuracy) else accuracy,
        validated_on=about.get("validated_on", ""),
        validation=scores,
        before_training=start,
        worse_than_start=worse,
        precision=str(about.get("precision", "")),
        threads=int(about.get("threads", 0)),
        seconds=round(seconds, 3),
        images_per_second=float(last["images_per_second"]),
    )
