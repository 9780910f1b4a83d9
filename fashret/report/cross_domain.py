"""Cross-domain evaluation: models trained on one dataset, tested on each; the paper's table 8.

In: scored runs, each with the model that made its vectors and the dataset that they describe. Out: the train × test
matrix (same-domain on the diagonal), every cell with the drop against same-domain, and for a missing cell the command
that fills it.
"""

from __future__ import annotations

import math
import os
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fashret.errors import FashretError
from fashret.files import hdf5
from fashret.files.crops import open_crops
from fashret.files.embeddings import Embeddings
from fashret.files.whitening import GROUP, in_words
from fashret.options import EmbedOptions
from fashret.report.runs import UNCONSTRAINED, Means, Run
from fashret.report.score_tables import DEFINITIONS, HEADLINE, counts
from fashret.report.tables import Cell, Score, Table

UNTRAINED = "no dataset"
MISSING = "missing"
LEVELS = 3  # folders above that of an embeddings.h5 in which its crops are looked for


@dataclass(frozen=True)
class Origin:
    """What an embeddings.h5 says of itself.

    Attributes
    ----------
    model
        Digest of the model's weights.
    model_name
        What the model is called.
    flags
        Flags of `fashret embed` that name the same model.
    trained_on, tested_on
        Names of datasets; `trained_on` is `UNTRAINED` for a backbone that was not trained here.
    crops
        The crops.h5 that was embedded: its path, or its bare name where it was not found; empty if not recorded.
    """

    path: Path
    model: str
    model_name: str
    flags: tuple[str, ...]
    trained_on: str
    tested_on: str
    crops: str

    @classmethod
    def of(cls, embeddings: Embeddings, inputs: Sequence[dict[str, Any]]) -> Origin:
        """Read it from an open file and its attribute `inputs`.

        Raises
        ------
        FashretError
            If the file names no dataset.
        """
        if not embeddings.dataset:
            raise FashretError(
                f"{embeddings.path}: does not say which dataset it describes (attribute `dataset`); "
                "make it from a crops.h5 of `fashret crop`"
            )
        model = embeddings.model
        crops = next((str(i.get("name", "")) for i in inputs if str(i.get("name", "")).endswith(".h5")), "")
        crops = _find_crops(embeddings.path, crops, embeddings.dataset) if crops else ""
        trained_on = str(model.get("trained_on") or UNTRAINED)
        digest = str(model.get("digest") or f"unknown model of {trained_on}")
        name = str(model.get("name") or "model")
        flags = _flags(model, hdf5.read_json(embeddings.file, "options", {}), embeddings.path.parent)
        if whitening := model.get(GROUP):
            digest, name = f"{digest} {whitening.get('digest')}", f"{name}, whitened to {in_words(model)}"
            flags += ("--whiten-from", str(embeddings.path))
        return cls(embeddings.path, digest, name, flags, trained_on, embeddings.dataset, crops)


def _find_crops(embeddings: Path, name: str, dataset: str) -> str:
    """Path of a dataset's crops beside an embeddings.h5 or in a folder above; the bare name if they are not there."""
    folder = embeddings.resolve().parent
    for place in (folder, *folder.parents[:LEVELS]):
        if _is_crops(place / name, dataset):
            near = not embeddings.is_absolute() and place.is_relative_to(Path.cwd())
            return str((place.relative_to(Path.cwd()) if near else place) / name)
    return name


def _is_crops(path: Path, dataset: str) -> bool:
    """Whether a file holds crops of a dataset: those of several may have the same name."""
    try:
        with open_crops(path) as crops:
            return crops.dataset == dataset
    except (FashretError, OSError):
        return False


def _flags(model: dict[str, Any], options: dict[str, Any], folder: Path) -> tuple[str, ...]:
    """Flags that name a model: its folder or folders and their weights, or its backbone where it was not trained."""
    parts = model.get("parts") or [model]
    flags: list[str] = []
    for part in parts:
        settings = part.get("settings") or {}
        if part.get("path") or part.get("trained_on") or not settings.get("backbone"):
            path = os.path.normpath(folder / str(part["path"])) if part.get("path") else ""
            flags += ["--model", path or str(part.get("name") or "MODEL")]
        else:
            flags += _backbone_flags(settings, options)
    weights = [float(part.get("weight", 1.0)) for part in parts]
    if len(parts) > 1 and any(weight != 1.0 for weight in weights):
        flags += [text for weight in weights for text in ("--model-weight", str(weight))]
    return tuple(flags)


def _backbone_flags(settings: dict[str, Any], options: dict[str, Any]) -> Iterator[str]:
    """The backbone and its weights, and what else is not as `fashret embed` has it by default."""
    defaults = EmbedOptions()
    yield from ("--backbone", str(settings["backbone"]), "--weights", str(settings.get("weights", defaults.weights)))
    sides = [str(settings[side]) for side in ("height", "width") if side in settings]
    # without --input the size is the backbone's own, which the settings do not tell from a size that was asked for
    chosen = {"input": options.get("input", "x".join(sides))}
    for name in ("pooling", "input", "fit", "seed"):
        default = getattr(defaults, name)
        value = chosen.get(name, settings.get(name, default))
        if value != default:
            yield from (f"--{name}", str(value))


@dataclass(frozen=True)
class Matrix:
    """Rows are models, columns datasets; `cells` has what is there."""

    models: tuple[tuple[str, str], ...]  # digest, or empty where no model is known, and dataset trained on
    tests: tuple[str, ...]
    cells: dict[tuple[str, str], tuple[Origin, Run]]  # by model's digest and dataset tested on
    names: dict[str, str]  # digest → name of its row


def make_matrix(runs: Sequence[tuple[Origin, Run]]) -> Matrix:
    """Order runs as a matrix: every dataset that is trained or tested on has a row and a column.

    Raises
    ------
    FashretError
        If two files are of the same model and dataset.
    """
    cells: dict[tuple[str, str], tuple[Origin, Run]] = {}
    for origin, run in runs:
        place = (origin.model, origin.tested_on)
        if place in cells:
            other = cells[place][0].path
            raise FashretError(f"{other} and {origin.path}: same model, same dataset ({origin.tested_on}); give one")
        cells[place] = (origin, run)
    models = dict.fromkeys((o.model, o.trained_on) for o, _ in runs)
    trained = {dataset for _, dataset in models}
    tests = dict.fromkeys(o.tested_on for o, _ in runs) | dict.fromkeys(
        o.trained_on for o, _ in runs if o.trained_on != UNTRAINED and "+" not in o.trained_on
    )
    models |= dict.fromkeys(("", dataset) for dataset in tests if dataset not in trained)
    names = {o.model: o.trained_on for o, _ in runs}
    shared = {n for n in names.values() if list(names.values()).count(n) > 1 or n == UNTRAINED}
    names |= {o.model: f"{o.trained_on} ({o.model_name})" for o, _ in runs if o.trained_on in shared}
    alike = {n for n in names.values() if list(names.values()).count(n) > 1}
    names = {d: f"{n} (weights {d.rpartition(':')[2][:8]})" if n in alike else n for d, n in names.items()}
    return Matrix(tuple(models), tuple(tests), cells, names)


def cross_domain_tables(runs: Sequence[tuple[Origin, Run]]) -> list[Table]:
    """A matrix for each of mAP, Acc@1 and Acc@20, then every cell with its drop against same-domain."""
    matrix = make_matrix(runs)
    measures = [m for m in HEADLINE if any(m in run.measures for _, run in runs)]
    return [*(matrix_table(matrix, measure) for measure in measures), drop_table(matrix, measures)]


def matrix_table(matrix: Matrix, measure: str) -> Table:
    """Train × test for one measure, with another row for each model's re-ranked scores."""
    rows: list[tuple[Cell, ...]] = []
    sections = []
    for digest, dataset in matrix.models:
        sections.append(len(rows))
        for ranking in _rankings(matrix, digest):
            cells = [_cell(matrix, digest, test, ranking, measure) for test in matrix.tests]
            rows.append((matrix.names.get(digest, dataset), ranking, *cells))
    title = f"Cross-domain {measure}: trained on the row's dataset, tested on the column's"
    notes = [DEFINITIONS[UNCONSTRAINED], *missing_notes(matrix)]
    columns = ("Trained on", "Ranking", *(f"on {test}" for test in matrix.tests))
    return Table(f"cross-domain {measure}", title, columns, tuple(rows), tuple(sections[1:]), tuple(notes))


def _rankings(matrix: Matrix, digest: str) -> list[str]:
    known = [run.rankings for (model, _), (_, run) in matrix.cells.items() if model == digest]
    return list(dict.fromkeys(name for rankings in known for name in rankings)) or ["plain"]


def _means(matrix: Matrix, digest: str, test: str, ranking: str) -> tuple[Run, Means] | None:
    found = matrix.cells.get((digest, test))
    means = found[1].means(UNCONSTRAINED, ranking) if found and ranking in found[1].rankings else None
    return (found[1], means) if found and means else None


def _cell(matrix: Matrix, digest: str, test: str, ranking: str, measure: str) -> Cell:
    known = _means(matrix, digest, test, ranking)
    if known is None or measure not in known[0].measures:
        return MISSING
    return known[1].mean_cells()[known[0].measures.index(measure)]


def drop_table(matrix: Matrix, measures: Sequence[str]) -> Table:
    """Every cell that is there: its scores, and how far they are from the same-domain model's on the same test."""
    rows: list[tuple[Cell, ...]] = []
    for digest, dataset in matrix.models:
        for test in matrix.tests:
            for ranking in _rankings(matrix, digest):
                pairs = [_with_drop(matrix, (digest, dataset), test, ranking, measure) for measure in measures]
                if any(score is not None for score, _ in pairs):
                    values = [cell if cell is not None else Score(math.nan) for pair in pairs for cell in pair]
                    rows.append((f"{matrix.names.get(digest, dataset)} → {test}", ranking, *values))
    notes: tuple[str, ...] = (
        "Δ: against a model trained on the tested dataset (same-domain), same ranking, in points.",
    )
    notes += tuple(f"{run.name}: {counts(run)}" for _, run in matrix.cells.values())
    columns = ("Trained → tested", "Ranking", *(name for m in measures for name in (m, f"{m} Δ")))
    return Table("cross-domain drop", "Cross-domain: drop against same-domain", columns, tuple(rows), (), notes)


def _with_drop(
    matrix: Matrix, model: tuple[str, str], test: str, ranking: str, measure: str
) -> tuple[Score | None, Score | None]:
    """A cell's score and its difference to the same-domain cell; None where there is none, or it is the same cell."""
    digest, dataset = model
    score = _cell(matrix, digest, test, ranking, measure)
    if not isinstance(score, Score):
        return None, None
    home = [d for d, trained in matrix.models if trained == test and d]
    same = _cell(matrix, home[0], test, ranking, measure) if len(home) == 1 and dataset != test else MISSING
    return score, Score(score.value - same.value, change=True) if isinstance(same, Score) else None


def missing_notes(matrix: Matrix) -> Iterator[str]:
    """For every missing cell the command that makes its file, and for a model that is not there how to train it."""
    origins = [origin for origin, _ in matrix.cells.values()]
    for digest, dataset in matrix.models:
        flags = next((o.flags for o in origins if o.model == digest), ("--model", f"model-{dataset}"))
        for test in matrix.tests:
            if (digest, test) in matrix.cells:
                continue
            crops = {test: _crops_of(origins, test)}
            output = f"{dataset}-on-{test}.emb.h5".replace(" ", "-").replace("/", "-")
            command = shlex.join(["fashret", "embed", crops[test], *flags, "-o", output])
            if not digest:
                crops = {dataset: _crops_of(origins, dataset)} | crops
                command = f"{shlex.join(['fashret', 'train', crops[dataset], '-o', flags[1]])} && {command}"
            yield f"{matrix.names.get(digest, dataset)} → {test} is missing{_not_found(crops)}: {command}"


def _crops_of(origins: Sequence[Origin], dataset: str) -> str:
    """The crops of a dataset: a file that is there if there is one, otherwise a name."""
    known = [o.crops for o in origins if o.tested_on == dataset and o.crops] or [f"{dataset}.crops.h5"]
    return next((crops for crops in known if Path(crops).is_file()), known[0])


def _not_found(crops: dict[str, str]) -> str:
    """What has to be done before a command with these crops, by dataset, can be run; empty if they are there."""
    lost = {dataset: path for dataset, path in crops.items() if not Path(path).is_file()}
    return "".join(f"; the crops of {dataset} have to be found: put their path for {lost[dataset]}" for dataset in lost)
