"""What a detector is to learn, on which photos, where, and whether a run can be resumed.

In: options and the rows of a manifest. Out: a `Task`, the run that it begins or resumes, or one line that says why it
cannot.
"""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fashret.console import log
from fashret.detection.architectures import ARCHITECTURES
from fashret.detection.batches import Plan, epoch_batches
from fashret.detection.boxed_photos import BoxedPhotos, annotated_in_part, boxed_photos, classes_of
from fashret.detection.first_weights import start
from fashret.detection.held_out import held_out
from fashret.detection.loop import Run
from fashret.detection.samples import Drawing
from fashret.detection.settings import DetectorSettings
from fashret.errors import FashretError
from fashret.files.columns import Role
from fashret.files.embeddings import recorded
from fashret.files.models import DETECTOR, read_training_state
from fashret.files.resume import check_flags, check_same_task
from fashret.files.tables.boxes import Boxes
from fashret.files.tables.manifests import Listing
from fashret.learning.checkpoints import Checkpoints
from fashret.learning.optimisers import build_optimisers
from fashret.learning.schedules import check_schedule
from fashret.learning.steps import Machine
from fashret.loading.processes import wait
from fashret.options import DetectorOptions, TrainOptions, taken_over

DIGEST = "digest of the photos' boxes"
FREE = ("root", "resume", "restart", "device", "workers", "checkpoint_every", "max_pixels")  # may differ on resuming
LOOK = 2  # a picture's longer side, in shorter sides of the input
SEARCHED = Role.QUERY | Role.VAL_QUERY  # photos that searches begin with are never trained on


@dataclass(frozen=True)
class Task(Checkpoints):
    """One training run, as it was asked for."""

    options: DetectorOptions
    output: Path
    machine: Machine
    settings: DetectorSettings
    listing: Listing
    photos: BoxedPhotos  # to train on
    validation: BoxedPhotos  # to validate on; may be empty
    in_part: bool  # one garment of many has a box
    left_out: dict[str, int]  # boxes by reason

    @property
    def longest(self) -> int:
        """Longer side of the pictures that the network is given, in pixels."""
        return self.settings.size * LOOK

    @property
    def plan(self) -> Plan:
        """How the photos become batches."""
        o = self.options
        drawing = Drawing(self.longest, o.flip, o.zoom, self.in_part)
        return Plan(self.photos, self.listing.photos, drawing, o.batch_size, o.epochs, o.seed, self.machine.place,
                    ARCHITECTURES[o.architecture].fewest)  # fmt: skip

    @property
    def schedule(self) -> TrainOptions:
        """The learning rate's options; the rate follows the steps."""
        steps = self.options.epochs * len(epoch_batches(self.plan, 0))
        return schedule_of(self.options, steps)

    @property
    def identity(self) -> dict[str, Any]:
        """What must be the same when a run is resumed, as JSON holds it."""
        plain = {name: value for name, value in dataclasses.asdict(self.options).items() if name not in FREE}
        plain = recorded(plain, self.output / DETECTOR.description)
        digests = f"{self.photos.digest} {self.validation.digest}"
        return json.loads(json.dumps(plain | {"classes": list(self.settings.classes), DIGEST: digests}))


def schedule_of(options: DetectorOptions, steps: int = 0) -> TrainOptions:
    """The options that `fashret.learning` takes, of the same names."""
    names = ("epochs", "optimiser", "lr", "weight_decay", "schedule", "steps", "gamma", "warmup", "warmup_from")
    return taken_over(TrainOptions, options, **{name: getattr(options, name) for name in names}, total_steps=steps)


def make_task(boxes: Boxes, output: Path, options: DetectorOptions, machine: Machine) -> Task:
    """Check what can be checked before any work, and find the photos.

    Raises
    ------
    FashretError
        If options make no sense, or too few boxes are there to learn from.
    """
    listing, annotated = boxes.listing, boxes.annotated
    check_schedule(schedule_of(options))
    check_flags(options.resume, options.restart)
    classes, label = classes_of(listing.rows, options.one_class)
    if not classes:
        raise FashretError(f"{listing.name}: has no categories to learn; add the column category, or give --one-class")
    training, validation = _sides(listing, label, options)
    chosen = np.flatnonzero(training | validation)
    if ARCHITECTURES[options.architecture].masks:
        chosen = _with_outlines(boxes, chosen, options)
    found, counted = boxed_photos(listing.rows.take(chosen), listing.photos, label[chosen], boxes.crowd[chosen])
    found = dataclasses.replace(found, row=chosen[found.row])
    if ARCHITECTURES[options.architecture].masks:
        found = dataclasses.replace(found, outline=_objects([boxes.outlines[row] for row in found.row]))
    left_out = _said(listing, counted)
    is_validation = np.array([bool(validation[found.row[found.boxes_of(i)]].any()) for i in range(len(found))], bool)
    photos, held = found.take(np.flatnonzero(~is_validation)), found.take(np.flatnonzero(is_validation))
    if options.validate_every and not len(held):
        photos, held = held_out(photos, listing.rows, options.holdout, options.seed)
    classes, photos, held = _with_examples(listing.name, classes, photos, held)
    if len(photos) < machine.place.world or options.batch_size % machine.place.world:
        raise FashretError(
            f"{listing.name}: {len(photos):,} photos in batches of {options.batch_size} for {machine.place.world} "
            "processes: give each at least one photo, and the same number of each batch"
        )
    kind = ARCHITECTURES[options.architecture]
    settings = DetectorSettings(
        options.architecture, classes, options.side or kind.size, options.weights, seed=options.seed
    )
    if options.annotated != "auto":
        annotated = options.annotated
    in_part = annotated == "one" if annotated else annotated_in_part(photos)
    return Task(options, output, machine, settings, listing, photos, held, in_part, left_out)


def _sides(
    listing: Listing, label: NDArray[np.int64], options: DetectorOptions
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Rows of photos to train on, and of photos to validate on: all rows of a photo are on one side, or on none."""
    rows = listing.rows

    def photos_with(role: Role) -> NDArray[np.bool_]:
        return np.isin(rows.source, rows.source[rows.with_role(role)])

    if not len(rows.with_role(Role.TRAIN)):
        log.info("%s: no row has the role train; every photo with a box is learned from", listing.name)
        return np.ones(len(rows), np.bool_), np.zeros(len(rows), np.bool_)
    trained = photos_with(Role.TRAIN)
    searched = photos_with(SEARCHED)
    both = len(set(rows.source[trained & searched].tolist()))
    if both:
        log.info("%s: %s photos are train and queries too; they are not learned from", listing.name, f"{both:,}")
    validated = photos_with(Role.VAL_QUERY | Role.VAL_GALLERY) & ~trained
    if not options.validate_every:
        validated[:] = False
    return trained & ~searched, validated


def _with_outlines(boxes: Boxes, chosen: NDArray[np.int64], options: DetectorOptions) -> NDArray[np.int64]:
    """Of the chosen rows those that a network of masks can learn from; how many are left out is said."""
    name = boxes.listing.name
    kept = [row for row in chosen if len(boxes.outlines) and boxes.outlines[row] is not None]
    if not kept:
        raise FashretError(
            f"--architecture {options.architecture}: learns masks, and {name} has none; choose another, or a COCO file "
            "with polygons"
        )
    if len(kept) < len(chosen):
        log.info("%s: %s boxes without a polygon, left out", name, f"{len(chosen) - len(kept):,}")
    return np.array(kept, np.int64)


def _objects(values: list[Any]) -> NDArray[np.object_]:
    array = np.empty(len(values), object)
    array[:] = values
    return array


def _said(listing: Listing, left_out: Counter[str]) -> dict[str, int]:
    counted = {what: count for what, count in left_out.items() if count}
    for what, count in counted.items():
        log.info("%s: %s %s", listing.name, f"{count:,}", what)
    return counted


def _with_examples(
    name: str, classes: tuple[str, ...], photos: BoxedPhotos, held: BoxedPhotos
) -> tuple[tuple[str, ...], BoxedPhotos, BoxedPhotos]:
    """The classes that have a box to learn from; others are named and left out."""
    there = np.unique(photos.label[~photos.crowd])
    if not len(there):
        raise FashretError(f"{name}: no photo with a box to learn from; give boxes and categories, or --one-class")
    if missing := [each for i, each in enumerate(classes) if i not in there]:
        log.warning("%s: classes without a box to learn from, left out: %s", name, ", ".join(missing))
    number = np.full(len(classes) + 1, -1, np.int64)
    number[there] = np.arange(len(there))
    renamed = [dataclasses.replace(each, label=number[each.label]) for each in (photos, held)]
    return tuple(classes[i] for i in there), *(_known(each) for each in renamed)  # type: ignore[return-value]


def _known(photos: BoxedPhotos) -> BoxedPhotos:
    """Photos without the boxes of classes that are not learned."""
    kept = photos.label >= 0
    before = np.concatenate([[0], np.cumsum(kept)])
    return dataclasses.replace(photos, first=before[photos.first].astype(np.int64), **photos.of_boxes(kept))


def check_same(task: Task, before: dict[str, Any]) -> None:
    """Refuse to resume with other options or other photos; `before` is the `identity` of the run that was begun."""
    now, apart = task.identity, (DIGEST, "classes")
    check_same_task(
        task.output,
        {name: before.get(name) for name in apart} | {"options": {n: v for n, v in before.items() if n not in apart}},
        {name: now[name] for name in apart} | {"options": {n: v for n, v in now.items() if n not in apart}},
    )


def begin(task: Task) -> tuple[Run, DetectorSettings]:
    """The network and its optimiser, as new or as the last checkpoint has it; and the network's settings.

    Raises
    ------
    FashretError
        If the first weights do not fit, or the checkpoint is damaged or another task's.
    """
    machine = task.machine
    saved = read_training_state(task.last) if task.last.exists() else None
    if saved is not None:
        check_same(task, saved["identity"])
    begun = start(task.settings)
    wait(machine.place.world)
    network = begun.network.to(machine.device)
    scaler = torch.amp.GradScaler(machine.device.type, enabled=machine.precision == "fp16")
    run = Run(network, build_optimisers(network, [], schedule_of(task.options))[0], scaler)
    if saved is not None:
        run.restore(saved["run"])
        epoch = min(run.epoch + 1, task.options.epochs)  # the last one may lack no more than its detector
        log.info("%s: resuming after step %d, in epoch %d", task.output, run.step, epoch)
    return run, begun.settings
