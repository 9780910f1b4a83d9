"""One run of `fashret embed`: what there is to embed, the logs that its vectors go to, the file that they become.

In: the rows of a source, an embedder, the file to append to. Out: embeddings.h5 from the logs of all processes and from
that file, with the rows in the order of the source.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashret.errors import FashretError
from fashret.files.columns import Role, RowFile, Rows, blocks
from fashret.files.embeddings import Embeddings, EmbeddingsOrigin, made_otherwise, names_apart, write_embeddings
from fashret.files.further_merge import Merge
from fashret.files.origins import Origins, changed_photos, read_origins, warn_of_untold
from fashret.files.record_log import RecordLog, Status, open_log, task_of
from fashret.files.resume import log_path
from fashret.files.row_errors import left_out_lines, none_read, write_errors
from fashret.files.vector_logs import owners, raw_vectors
from fashret.loading.processes import Place
from fashret.loading.sources import Source
from fashret.models.centroids import product_centroids
from fashret.models.embedder import Embedder
from fashret.options import EmbedOptions

BLOCK = 4096  # rows that are written at a time
TODO = "rows to embed"  # in a task
INCIDENTAL = (  # options that the vectors do not depend on, or that the rows tell of
    *(
        "model",
        "root",
        "boxes",
        "max_errors",
        "max_pixels",
        "workers",
        "resume",
        "restart",
        "append",
        "verify",
        "offline",
    ),
    *("device", "centroids", "dtype", "all", "threads"),
    *("whiten", "whiten_power", "whiten_from"),  # logs hold what is whitened later
)


@dataclass(frozen=True)
class Job:
    """What is to be embedded, with what, where to."""

    source: Source
    embedder: Embedder
    output: Path
    options: EmbedOptions
    here: Place
    old: Embeddings | None  # the file to append to
    place: NDArray[np.int64]  # for each row of the source its row in that file, −1 where it is to be embedded
    changed: NDArray[np.bool_]  # rows that the file has, of a photo that is another now
    skipped: NDArray[np.bool_]  # rows that are for training alone, and that the file does not have
    origins: Origins  # of the rows; of photos, contents of the kept ones
    further: Merge  # their further columns with those of that file

    @classmethod
    def of(
        cls, source: Source, embedder: Embedder, to: tuple[Path, Place], options: EmbedOptions, old: Embeddings | None
    ) -> Job:
        """What there is to do, with or without a file to append to; `to`: the output, and the process."""
        row, changed, origins = np.full(len(source.rows), -1), np.zeros(len(source.rows), np.bool_), source.origins
        if old is not None:
            row = rows_there(old, source, embedder)
        further = Merge.of(source.rows, old, row.copy())
        if old is not None:
            there = np.flatnonzero(row >= 0)
            before = read_origins(old.file, len(old)).take(row[there])
            warn_of_untold(old.path, before, options.verify)
            changed[there] = _changed(source, there, before, options.verify)
            if source.photos is not None:
                origins.content[there] = before.content
            row[changed] = -1
        skipped = (row < 0) & ~changed & for_training_alone(source.rows, options)
        job = cls(source, embedder, to[0], options, to[1], old, row, changed, skipped, origins, further)
        return job.with_what_an_older_run_does() if options.resume and skipped.any() else job

    def with_what_an_older_run_does(self) -> Job:
        """The same, nothing skipped, if a run of all rows was interrupted, by an older version perhaps."""
        everything = dataclasses.replace(self, skipped=np.zeros_like(self.skipped))
        logs = [log for rank in range(self.here.world) if (log := self.log_of(rank)).exists()]
        left = [task_of(log) or {} for log in logs]
        return everything if any(task.get(TODO) == everything.task[TODO] for task in left) else self

    @property
    def todo(self) -> NDArray[np.int64]:
        """Rows of the source to be embedded."""
        return np.flatnonzero((self.place < 0) & ~self.skipped)

    def log_of(self, rank: int) -> Path:
        """Where a process keeps its finished rows."""
        return log_path(self.output if self.here.world == 1 else part_of(self.output, rank))

    def open_log(self, rank: int) -> RecordLog:
        """The log of one process: its own, or that of another one that has ended."""
        path = self.log_of(rank)
        count, options = len(self.source.rows), self.options
        if rank != self.here.rank:
            return RecordLog(path, count, self.task, resume=True)
        return open_log(path, count, self.task, resume=options.resume, restart=options.restart)

    @property
    def task(self) -> dict[str, Any]:
        """Everything that the vectors depend on."""
        names = [field.name for field in dataclasses.fields(self.options) if field.name not in INCIDENTAL]
        options = {name: getattr(self.options, name) for name in names}
        if not self.options.dim:  # runs of before this option are resumed
            del options["dim"]
        return {
            **self.source.identity,
            "model": self.embedder.record(self.output)["digest"],
            "precision": self.embedder.precision,
            TODO: hashlib.sha256(self.todo.tobytes()).hexdigest()[:32],
            "processes": self.here.world,
            "options": json.loads(json.dumps(options)),  # as it is read again: lists, no tuples
        }


def for_training_alone(rows: Rows | RowFile, options: EmbedOptions) -> NDArray[np.bool_]:
    """Rows that are not embedded unless `--all` is given: those of the role train and no other."""
    return (rows.role == int(Role.TRAIN)) & (not options.all)


def part_of(output: Path, rank: int) -> Path:
    """The name of what one of several processes makes of an output."""
    return output.with_name(f"{output.name}.{rank}")


def rows_there(old: Embeddings, source: Source, embedder: Embedder) -> NDArray[np.int64]:
    """For each row of the source its row in the file to append to, −1 where it is to be embedded.

    Raises
    ------
    FashretError
        If that file was made by another model or in another way, or holds centroids or other vectors.
    """
    now = embedder.record(old.path)
    if old.model.get("digest") != now["digest"]:
        was, given = names_apart(old.model, now)
        raise FashretError(
            f"{old.path}: was made by the model {was}, and the weights of {given} differ; "
            "append with that one, or embed everything again"
        )
    different = made_otherwise(old.model, now)
    if old.width != embedder.width and not different:
        raise FashretError(
            f"{old.path}: its vectors have {old.width:,} numbers and those of {now['name']} {embedder.width:,}; "
            "embed everything again"
        )
    if source.photos is not None and old.model.get("crop_size", source.crop_size) != source.crop_size:
        different.append(f"size {old.model['crop_size']} → {source.crop_size}")
    if different:
        raise FashretError(
            f"{old.path}: was made with other options ({'; '.join(different)}); "
            "append with the same, or embed everything again"
        )
    old.vectors  # noqa: B018  damaged ones are found before the work is done
    if old.centroids:
        raise FashretError(f"{old.path}: holds centroids, to which nothing can be added; embed everything again")
    place = {name: row for row, name in enumerate(old.crop_id)}
    return np.array([place.get(name, -1) for name in source.rows.crop_id], np.int64)


def _changed(source: Source, rows: NDArray[np.int64], before: Origins, verify: bool) -> NDArray[np.bool_]:
    """Which of some rows of a source have changed."""
    now = source.origins.take(rows)
    if source.photos is None or not isinstance(source.rows, Rows):
        return np.where(before.content == "", verify, now.content != before.content)
    return changed_photos(source.photos, source.rows.take(rows), before, now.stamp, verify)


def note_errors(job: Job, logs: Sequence[RecordLog]) -> None:
    """Name every row without a vector and why."""
    failed = [(int(row), where) for where in logs for row in np.flatnonzero(where.status == Status.FAILED)]
    source = job.source.rows.source
    about: list[dict[str, Any]] = [
        {"row": row, "source": source[row], "reason": where.read(row).decode()} for row, where in failed
    ]
    write_errors(job.output, about + left_out_lines(job.source.left_out))


def write_output(job: Job, logs: Sequence[RecordLog]) -> int:
    """Write embeddings.h5 from the logs and the file to append to, in the source's order; how many rows it has."""
    note_errors(job, logs)
    owner = owners(logs, len(job.source.rows))
    count = int(((owner >= 0) | (job.place >= 0)).sum())
    if not count:
        sources, photos = job.source.rows.source, job.source.photos
        there = np.ones(len(sources), np.bool_) if photos is None else photos.present(sources)
        raise FashretError(none_read(job.source.dataset, sources, there, logs))
    if job.options.centroids:
        rows, means = product_centroids(_described(job, logs, owner))
        pieces, count = iter([(rows, job.embedder.joined(means))]), len(rows)
    else:
        pieces = _vectors_of(job, logs, owner)
    model = job.embedder.record(job.output) | {"crop_size": job.source.crop_size}
    plain = dataclasses.asdict(job.options)
    origins = None if job.options.centroids else _origins(job, logs, owner)
    source = job.source
    about = (model, True, source.dataset, plain, source.inputs, job.options.centroids, origins, source.root)
    origin = EmbeddingsOrigin(*about, job.embedder.whitening)
    shape, dtype = (count, job.embedder.width), job.options.dtype if job.old is None else job.old.vectors.dtype.name
    with write_embeddings(job.output, shape, job.source.rows.categories, origin, dtype) as append:
        for rows, vectors in pieces:
            append(rows, vectors)
    return count


def _origins(job: Job, logs: Sequence[RecordLog], owner: NDArray[np.int64]) -> Origins:
    """What the written rows' crops were cut from."""
    origins, made = job.origins, np.flatnonzero(owner >= 0)
    if job.source.photos is not None:
        origins = origins.replaced(made, (logs[owner[row]].origin(int(row)) for row in made))
    return origins.take(np.flatnonzero((owner >= 0) | (job.place >= 0)))


def _described(
    job: Job, logs: Sequence[RecordLog], owner: NDArray[np.int64]
) -> Iterator[tuple[Rows, NDArray[np.float32]]]:
    """Rows of the logs and their vectors as the networks gave them, in the source's order."""
    chosen, start = np.flatnonzero(owner >= 0), 0
    for rows in blocks(job.source.rows, chosen, BLOCK):
        yield rows, raw_vectors(logs, owner, chosen[start : start + len(rows)])
        start += len(rows)


def _vectors_of(
    job: Job, logs: Sequence[RecordLog], owner: NDArray[np.int64]
) -> Iterator[tuple[Rows, NDArray[np.floating]]]:
    """Rows and final vectors, from the logs and from the file to append to, in the source's order."""
    chosen, start = np.flatnonzero((owner >= 0) | (job.place >= 0)), 0
    for rows in blocks(job.source.rows, chosen, BLOCK):
        part = chosen[start : start + len(rows)]
        start += len(rows)
        new = owner[part] >= 0
        vectors = np.empty((len(part), job.embedder.width), np.float32)
        if new.any():
            vectors[new] = job.embedder.joined(raw_vectors(logs, owner, part[new]))
        if job.old is not None:
            vectors[~new] = job.old.vectors[job.place[part[~new]]]
        yield job.further.block(rows, part), vectors
