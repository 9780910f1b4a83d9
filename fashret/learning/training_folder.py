"""The folder of a training run: made when it begins, held by one run at a time, removed where nothing was made.

In: where it is to be, and what of an earlier run is to happen. Out: the folder, for as long as the run lasts.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from fashret.errors import FashretError
from fashret.files.atomic import check_output, only_writer, output_errors
from fashret.files.models import CHECKPOINTS, KINDS, FolderKind
from fashret.files.resume import check_resume_given
from fashret.learning.checkpoints import LAST


@contextmanager
def training_folder(output: Path, kind: FolderKind, *, resume: bool, restart: bool) -> Iterator[None]:
    """Make the folder, and be the only training in it while the block lasts; a new one that ends empty is removed.

    Raises
    ------
    FashretError
        If it cannot be written, holds something of another kind, another run trains in it, or it holds an interrupted
        run and neither `resume` nor `restart` was asked for.
    """
    check_folder(output, kind)
    new = not output.exists()
    with output_errors(output):
        output.mkdir(parents=True, exist_ok=True)
    try:
        with only_writer(output / kind.description):
            yield from _checkpoints(output / CHECKPOINTS / LAST, resume, restart)
    finally:
        if new:
            with suppress(OSError):  # unless something was made
                output.rmdir()


def check_folder(output: Path, kind: FolderKind) -> None:
    """Say, before any work, that a folder cannot be written where it is asked for."""
    if output.is_file():
        raise FashretError(f"{output}: is a file; give a folder for the {kind.what}")
    for other in KINDS:
        if other is not kind and (output / other.description).exists():
            raise FashretError(f"{output}: holds a {other.what}; give another folder for the {kind.what}")
    check_output(output / kind.description if output.is_dir() else output)


def _checkpoints(last: Path, resume: bool, restart: bool) -> Iterator[None]:
    """The folder of checkpoints, as long as there are any or the run lasts."""
    with output_errors(last):
        last.parent.mkdir(exist_ok=True)
        if restart:
            last.unlink(missing_ok=True)
    try:
        if last.exists():
            check_resume_given(last, resume)
        yield
    finally:
        with suppress(OSError):
            last.parent.rmdir()
