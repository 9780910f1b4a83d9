"""What a long run has finished, kept beside the output until the output is whole.

In: a task (everything that the result depends on) and named groups of arrays, from time to time. Out: the arrays
again, for a run of the same task with --resume. The file is replaced whole each time, so that a kill at any moment
leaves the one before.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from fashret.console import log
from fashret.errors import FashretError
from fashret.files import hdf5
from fashret.files.spool import changes

KIND = "fashret.unfinished"
VERSION = 1
SECONDS_BETWEEN = 60.0  # between two times that finished work is kept

Arrays = dict[str, NDArray[Any]]


def unfinished_path(output: Path) -> Path:
    """Where finished work is kept: not the partial file, which is lost when the output cannot be written."""
    return output.with_name(output.name + ".unfinished")


class Unfinished:
    """The finished part of a run that may be interrupted.

    Parameters
    ----------
    path
        The file that it is kept in.
    task
        Everything that the result depends on, as JSON values.
    """

    def __init__(self, path: Path, task: dict[str, Any]) -> None:
        self.path, self.task = path, task
        self.last = time.monotonic()
        self.failed = False

    def load(self, name: str) -> Arrays:
        """The arrays that were kept under a name; none if it was not."""
        if not self.path.exists():
            return {}
        with hdf5.open_file(self.path, KIND, VERSION) as file:
            if name not in file:
                return {}
            return {key: np.asarray(dataset) for key, dataset in file[name].items()}

    def offer(self, name: str, arrays: Arrays) -> None:
        """Keep arrays under a name, in place of those that were kept under it, if that has not been done just now."""
        if self.failed or time.monotonic() - self.last < SECONDS_BETWEEN:
            return
        try:
            self._save(name, arrays)
        except (FashretError, OSError) as error:  # the run itself can go on
            self.failed = True
            log.warning("finished work cannot be kept for --resume: %s", error)
        self.last = time.monotonic()

    def _save(self, name: str, arrays: Arrays) -> None:
        before = h5py.File(self.path, "r") if self.path.exists() else None
        with hdf5.write_whole(self.path, KIND, VERSION) as file:
            hdf5.write_json(file, "task", self.task)
            if before is not None:
                for other in before:
                    if other != name:
                        before.copy(other, file)
                before.close()
            for key, array in arrays.items():
                file.create_dataset(f"{name}/{key}", data=array)


def open_unfinished(path: Path, task: dict[str, Any], *, resume: bool, restart: bool) -> Unfinished:
    """Begin a run, or take up what an interrupted run of the same task has finished.

    Raises
    ------
    FashretError
        If something is there and neither was asked for, or it is another task's: with what changed.
    """
    if resume and restart:
        raise FashretError("--resume and --restart exclude each other")
    found = None if restart else _task_of(path)
    if found is None:
        path.unlink(missing_ok=True)
        return Unfinished(path, task)
    if not resume:
        raise FashretError(f"{path} was left by an interrupted run: go on with --resume, or start anew with --restart")
    different = changes(found, task)
    if different:
        raise FashretError(f"{path} cannot be resumed: {'; '.join(different)}. Undo this, or start anew with --restart")
    log.info("%s: going on where the interrupted run stopped", path)
    return Unfinished(path, task)


def _task_of(path: Path) -> dict[str, Any] | None:
    """The task whose finished work a file holds; None if it holds none."""
    try:
        with hdf5.open_file(path, KIND, VERSION) as file:
            return dict(hdf5.read_json(file, "task", {}))
    except FashretError:
        return None
