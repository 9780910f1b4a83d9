"""`fashret train-detector`: manifest + photos → detector/.

In: photos with boxes, as `fashret crop` takes them. Out: a detector's folder (`fashret.files.models`) whose
detector.json is written last. A run that is stopped at any moment resumes with --resume and ends with the same weights.
"""

from __future__ import annotations

import dataclasses
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import torch

from fashret.console import counted, log, progress
from fashret.datasets.flags import CropFlags
from fashret.datasets.readers import load_boxes
from fashret.detection.architectures import ARCHITECTURES
from fashret.detection.batches import load_batches
from fashret.detection.detectors import TrainedDetector
from fashret.detection.loop import Learning, Run, train
from fashret.detection.recorder import Recorder, StalledError, Validate
from fashret.detection.scoring import score_detector
from fashret.detection.settings import DetectorSettings
from fashret.detection.task import Task, begin, check_same, make_task
from fashret.files.digests import Content
from fashret.files.embeddings import recorded
from fashret.files.models import DETECTOR, open_model, write_model
from fashret.files.photos.decoder import Decoder, warn_of_scaled
from fashret.files.photos.streams import worker_count
from fashret.files.training_log import read_log
from fashret.learning.interrupts import Held, last_checkpoint_kept
from fashret.learning.schedules import learning_rate, position
from fashret.learning.steps import Machine, has_stalled
from fashret.learning.training_folder import training_folder
from fashret.loading.processes import place, together, wait
from fashret.models.devices import choose_device, choose_precision
from fashret.options import DetectorOptions, taken_over


@dataclass(frozen=True)
class DetectorSummary:
    """What a training run did."""

    output: Path
    architecture: str
    classes: tuple[str, ...]
    photos: int
    boxes: int
    validation_photos: int
    annotated: str  # all garments of a photo, or one of many
    left_out: dict[str, int]
    epochs: int
    steps: int
    loss: float  # mean of the last epoch
    validation: dict[str, float] = field(default_factory=dict)  # scores of the weights kept, their epoch (from 1)
    seconds: float = 0.0
    images_per_second: float = 0.0  # in the last epoch, of all processes


def run(manifest: str, output: Path, options: DetectorOptions) -> DetectorSummary | None:
    """Train a detector and write its folder.

    Returns
    -------
    The summary; None in all processes but the first, if there are several.

    Raises
    ------
    FashretError
        If the manifest has no boxes to learn from, the options make no sense, or the run cannot be resumed.
    """
    started = time.monotonic()
    device = choose_device(options.device, place().local_rank)
    with together(device) as here, ExitStack() as stack:
        boxes = load_boxes(manifest, taken_over(CropFlags, options))
        machine = Machine(device, _precision(options.precision, device), here)
        task = make_task(boxes, output, options, machine)
        if here.first:
            stack.enter_context(training_folder(output, DETECTOR, resume=options.resume, restart=options.restart))
        if options.resume and not task.last.exists() and (output / DETECTOR.description).exists():
            check_same(task, open_model(output, DETECTOR).about.get("identity", {}))
            log.info("%s: its training has ended already", output)
            if here.first:
                (output / DETECTOR.description).touch()  # newer than the manifest again, as Makefiles want it
        else:
            wait(here.world)
            state, settings = begin(task)
            _train(task, state, settings)
            if here.first:
                _write_detector(task, state, settings)
        return _summary(task, time.monotonic() - started) if here.first else None


def _precision(name: str, device: torch.device) -> str:
    """What `--precision` means for detectors: on a CPU their small convolutions take 1.3 times as long in bf16."""
    return "float32" if name == "auto" and device.type == "cpu" else choose_precision(name, device)


def _train(task: Task, run: Run, settings: DetectorSettings) -> None:
    """From where the run is to the end of the last epoch."""
    options, machine, plan = task.options, task.machine, task.plan
    schedule = task.schedule  # once: it counts the batches
    losses = ARCHITECTURES[settings.architecture].losses

    def rate(epoch: int, step: int) -> float:
        return learning_rate(position(epoch, step, schedule), schedule)

    learning = Learning(losses, rate, options.seed, options.checkpoint_every)
    validate: Validate | None = None
    if len(task.validation):
        validate = lambda run: _scores(task, run, settings)  # noqa: E731
    total = schedule.total_steps * options.batch_size
    decoder = Decoder(options.max_pixels, worker_count(options.workers))
    with (
        progress(total, "train", "photos", run.step * options.batch_size) as advance,
        Held("this step and its checkpoint", active=machine.place.world == 1) as held,
    ):
        recorder = Recorder(task, run, learning, advance, held, validate)
        batches = load_batches(plan, run.epoch, run.batch, decoder)
        try:
            with last_checkpoint_kept(task.last, lambda: task.save(run) if machine.place.first else None):
                if not has_stalled(run.stalled, options.patience):
                    train(run, batches, learning, machine, recorder.after_step)
        except StalledError:
            pass
        finally:
            batches.close()  # ends the threads that decode
            warn_of_scaled(decoder.scaled, task.listing.name)


def _scores(task: Task, run: Run, settings: DetectorSettings) -> dict[str, float]:
    """COCO's scores on the photos that are not trained on."""
    detector = TrainedDetector(run.network, settings, task.machine.device)
    detector.precision = task.machine.precision
    decoder = Decoder(task.options.max_pixels, worker_count(task.options.workers))
    found = score_detector(detector, task.validation, task.listing.photos, task.longest, decoder, task.in_part)
    return {"mAP": found.mean_ap, "AP50": found.ap50, "AP75": found.ap75, "recall": found.recall}


def _write_detector(task: Task, run: Run, settings: DetectorSettings) -> None:
    """Write the folder's final files, detector.json last; the checkpoint to resume from has done its work then."""
    weights, scores = task.to_keep(run)
    if has_stalled(run.stalled, task.options.patience):
        log.info("stopped early: %s without a better mAP", counted(run.stalled, "validation"))
    where = task.output / DETECTOR.description
    files = [Content(path).record() for path in task.listing.files]
    about = {
        "settings": recorded(settings.to_dict(), where),
        "classes": list(settings.classes),
        "options": recorded(dataclasses.asdict(task.options), where),
        "trained_on": {
            "dataset": task.listing.name,
            "photos": len(task.photos),
            "boxes": len(task.photos.box),
            "annotated": "one garment of many" if task.in_part else "all garments",
            "digest": task.photos.digest,
            "files": files if len(files) < 10 else [],
        },
        "precision": task.machine.precision,
        "epochs": run.epoch,
        "steps": run.step,
        "validation": scores,
        "validation_photos": len(task.validation),
        "identity": task.identity,
    }
    write_model(task.output, weights, about, DETECTOR)
    task.last.unlink(missing_ok=True)


def _summary(task: Task, seconds: float) -> DetectorSummary:
    about = open_model(task.output, DETECTOR).about
    last = read_log(task.output / "log.csv")[-1]
    return DetectorSummary(
        output=task.output,
        architecture=task.settings.architecture,
        classes=task.settings.classes,
        photos=len(task.photos),
        boxes=len(task.photos.box),
        validation_photos=len(task.validation),
        annotated=about["trained_on"]["annotated"],
        left_out=task.left_out,
        epochs=int(last["epoch"]),
        steps=int(last["step"]),
        loss=float(last["loss"]),
        validation=dict(about.get("validation", {})),
        seconds=round(seconds, 3),
        images_per_second=float(last["images_per_second"]),
    )
