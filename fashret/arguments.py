"""What can be said about a command's arguments before torch is loaded: a typo is answered at once.

In: the arguments of a command, its options read (`fashret.options` refuses what cannot be). Out: nothing, or one line:
an input that is missing or of another kind, an output that cannot be written, a name that nobody knows.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from pathlib import Path

from fashret import choices
from fashret.choices import RESULTS
from fashret.errors import FashretError
from fashret.files import hdf5
from fashret.files.atomic import check_output
from fashret.files.crops import open_crops
from fashret.files.embeddings import KIND as EMBEDDINGS
from fashret.files.embeddings import open_embeddings
from fashret.files.file_kinds import is_photo
from fashret.files.hints import hub_hint
from fashret.files.models import DESCRIPTION, DETECTOR, PUBLISHED, open_model
from fashret.files.rankings import open_ranking
from fashret.files.resume import check_flags
from fashret.files.row_filter import checked
from fashret.files.tables.found_garments import check_ending
from fashret.learning.schedules import check_schedule
from fashret.learning.training_folder import check_folder
from fashret.options import (
    DetectOptions,
    DetectorOptions,
    EmbedOptions,
    EvaluateOptions,
    PhotoOptions,
    RerankOptions,
    ServeOptions,
    TrainOptions,
    check_embed_options,
    check_last_stride,
    taken_over,
)
from fashret.report.sections import check_outputs


def check_train(crops: Path, output: Path, options: TrainOptions, given: Collection[str] = ()) -> None:
    """Of `fashret train`."""
    check_flags(options.resume, options.restart)
    check_schedule(options)
    _check_network(options.backbone, options.weights)
    check_last_stride(options, given)
    for loss in options.loss:
        if (name := loss.partition(":")[0].strip()) not in choices.LOSSES:
            raise FashretError(f"--loss {loss}: no loss {name!r}; there are {', '.join(choices.LOSSES)}")
    if not output.is_file():  # which has a line of its own
        check_output(output / DESCRIPTION if output.is_dir() else output)
    open_crops(crops).close()


def check_train_detector(output: Path, options: DetectorOptions) -> None:
    """Of `fashret train-detector`."""
    check_flags(options.resume, options.restart)
    check_schedule(taken_over(TrainOptions, options))
    check_folder(output, DETECTOR)
    if options.weights != "none" and not Path(options.weights).exists():
        hint = hub_hint(options.weights)
        raise FashretError(f"--weights {options.weights}: no such file; give none, or the path of a file{hint}")


def check_detect(photos: str, output: Path | None, options: DetectOptions) -> bool:
    """Of `fashret detect`; whether it is for one photo."""
    check_flags(options.resume, options.restart)
    if not options.detector:
        raise FashretError(f"give a detector: fashret detect {photos} --detector FOLDER")
    if any(not 0 < weight < math.inf for weight in options.detector_weight):
        raise FashretError("--detector-weight: must be above zero")
    check_detectors(options.detector)
    if options.labels not in ("", *choices.LABELS) and not Path(options.labels).is_file():
        raise FashretError(f"--labels {options.labels}: no such file; give {', '.join(choices.LABELS)} or a TOML file")
    if output:
        check_ending(output)
        check_output(output, photos)
    if options.show and options.show.exists() and not options.show.is_dir():
        raise FashretError(f"--show {options.show}: is a file; give a folder")
    return Path(photos).is_file() and is_photo(Path(photos))


def check_detectors(folders: Sequence[Path]) -> None:
    """Refuse folders that hold no detector, or one of them twice."""
    for folder in folders:
        if [each.resolve() for each in folders].count(folder.resolve()) > 1:
            raise FashretError(f"--detector {folder}: is given more than once")
        if not (folder / PUBLISHED).is_file():
            open_model(folder, DETECTOR)


def check_embed(source: Path, output: Path, options: EmbedOptions, given: Collection[str]) -> None:
    """Of `fashret embed`."""
    check_flags(options.resume, options.restart)
    check_embed_options(options, given)
    for model in options.model:
        open_model(model)
    if not options.model:
        _check_network(options.backbone, options.weights)
    check_output(output, source)
    _check_there(source)
    if source.is_file() and is_photo(source):
        raise FashretError(f"{source}: is a photo; give its folder, or a table that names it in the column image")


def check_gallery(queries: Path, gallery: Path | None) -> None:
    """Of `fashret search`: say how to search for a photo that was given as the gallery."""
    if gallery and is_photo(gallery):
        raise FashretError(f"{gallery}: is a photo; to search for it: fashret search {queries} --image {gallery}")


def check_search(queries: Path, gallery: Path | None, output: Path, where: Sequence[str] = ()) -> None:
    """Of `fashret search`."""
    check_output(output, queries, gallery)
    open_embeddings(queries).close()
    _check_where(gallery or queries, where)


def check_photo(catalogue: Path, photo: Path, options: PhotoOptions) -> None:
    """Of `fashret search --image`."""
    for model in options.model:
        open_model(model)
    if options.show:
        check_output(options.show, photo)
    if options.detector and options.box:
        raise FashretError("--box and --detector exclude each other: a box says where the garment is")
    check_detectors(options.detector)
    _check_where(catalogue, options.where)
    if not photo.exists():
        raise FashretError(f"--image {photo}: no such photo")


def check_photos(catalogue: Path, output: Path, options: PhotoOptions) -> None:
    """Of `fashret search --images`."""
    assert options.images is not None
    for model in options.model:
        open_model(model)
    if output.suffix.lower() not in RESULTS:
        raise FashretError(f"{output}: results for photos are written to a name that ends in {' or '.join(RESULTS)}")
    check_output(output, catalogue, options.images)
    _check_where(catalogue, options.where)
    _check_there(options.images)
    if options.images.is_file() and is_photo(options.images):
        raise FashretError(f"--images {options.images}: is a photo; give it with --image, or the folder that it is in")


def check_serve(catalogue: Path, options: ServeOptions) -> None:
    """Of `fashret serve`."""
    for model in options.model:
        open_model(model)
    check_detectors(options.detector)
    open_embeddings(catalogue).close()


def check_rerank(ranking: Path, output: Path, options: RerankOptions) -> None:
    """Of `fashret rerank`."""
    check_flags(options.resume, options.restart)
    check_output(output, ranking)
    open_ranking(ranking).close()
    _check_all_there(options.embeddings)


def check_evaluate(files: Sequence[Path], options: EvaluateOptions) -> None:
    """Of `fashret evaluate`."""
    check_flags(options.resume, options.restart)
    check_outputs(options.report, options.size_plot)
    for path in files:
        hdf5.kind_of(path, EMBEDDINGS)
    _check_all_there(options.embeddings)


def _check_where(gallery: Path, where: Sequence[str]) -> None:
    with open_embeddings(gallery) as file:
        checked(file, where)


def _check_network(backbone: str, weights: str) -> None:
    if not backbone.startswith("timm:") and backbone not in (*choices.BACKBONES, *choices.PRESETS):
        names = f"{', '.join((*choices.BACKBONES, *choices.PRESETS))} and timm:NAME, as `fashret models` lists them"
        raise FashretError(f"no backbone {backbone!r}; there are {names}{hub_hint(backbone)}")
    if weights not in ("imagenet", "published", "none") and not Path(weights).exists():
        hint = hub_hint(weights)
        raise FashretError(f"--weights {weights}: no such file; give imagenet, none or a checkpoint's path{hint}")


def _check_all_there(paths: Collection[Path]) -> None:
    for path in paths:
        _check_there(path)


def _check_there(path: Path) -> None:
    if not path.exists():
        hdf5.open_any(path)  # says so, and what is there instead
