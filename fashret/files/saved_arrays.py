"""Arrays of unfinished work, kept beside the output until it is complete.

In: a task (everything that the result depends on) and named groups of arrays, from time to time. Out: the arrays
again, for a run of the same task with --resume. The file is replaced whole each time, so that a kill at any moment
leaves the one before.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashret.console import log
from fashret.errors import FashretError
from fashret.files import hdf5, stored
from fashret.files import resume as rule
from fashret.files.enclosed import LeadsOutError
from fashret.files.file_kinds import check_ordinary

KIND = "fashret.unfinished"
VERSION = 1
SECONDS_BETWEEN = 60.0  # between two times that arrays are saved

Arrays = dict[str, NDArray[Any]]


class SavedArrays:
    """Named groups of arrays in a file: the finished part of a run that may be interrupted.

    Parameters
    ----------
    path
        The file, which need not be there.
    task
        Everything that the result depends on, as JSON values.
    """

    def __init__(self, path: Path, task: dict[str, Any]) -> None:
        self.path, self.task = path, task
        self.last = time.monotonic()
        self.failed = False

    def load(self, name: str) -> Arrays:
        """The arrays that were saved under a name; none if there are none."""
        if not self.path.exists():
            return {}
        with hdf5.open_file(self.path, KIND, VERSION) as file:
            if name not in file:
                return {}
            with stored.damage(file, name):
                return {key: np.asarray(dataset) for key, dataset in file[name].items()}

    def offer(self, name: str, arrays: Arrays) -> None:
        """Save arrays under a name, in place of those before, unless something was saved a moment ago."""
        if self.failed or time.monotonic() - self.last < SECONDS_BETWEEN:
            return
        try:
            self._save(name, arrays)
        except (FashretError, OSError) as error:  # the run itself can continue
            self.failed = True
            log.warning("finished work cannot be saved for --resume: %s", error)
        self.last = time.monotonic()

    def _save(self, name: str, arrays: Arrays) -> None:
        with hdf5.write_whole(self.path, KIND, VERSION) as file:
            hdf5.write_json(file, "task", self.task)
            if self.path.exists():
                with hdf5.open_file(self.path, KIND, VERSION) as before:
                    for other in before:
                        if other not in (name, "task"):
                            before.copy(other, file)
            for key, array in arrays.items():
                file.create_dataset(f"{name}/{key}", data=array)


def open_arrays(path: Path, task: dict[str, Any], *, resume: bool, restart: bool) -> SavedArrays:
    """Begin a run, or resume an interrupted one of the same task.

    Raises
    ------
    FashretError
        If something is there and neither was asked for, or it is another task's: with what changed.
    """
    found = None if restart else _task_of(path)
    if rule.is_resumed(path, found, task, resume=resume, restart=restart):
        log.info("%s: resuming where the interrupted run stopped", path)
    else:
        path.unlink(missing_ok=True)
    return SavedArrays(path, task)


def _task_of(path: Path) -> dict[str, Any] | None:
    """The task whose arrays a file holds; None if there is no such file, or it is damaged, or something else.

    Raises
    ------
    FashretError
        If it is no ordinary file, or leads out of itself: that is nothing that an interrupted run left.
    """
    if not os.path.lexists(path):
        return None
    check_ordinary(path)
    try:
        with hdf5.open_file(path, KIND, VERSION) as file:
            return dict(hdf5.read_json(file, "task", {}))
    except LeadsOutError as error:
        raise FashretError(f"{error}, or start over with --restart") from None
    except FashretError:
        return None
