"""Output appears under its final name only once it is complete.

In: the path of a file or a folder. Out: the path to write it under until then, `<name>.partial` beside it, which is
renamed at the end and removed on an error; and one line for an output that cannot be written. Each output has one
writer at a time (`fashret.files.locks`), whose partial file this is.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from fashret.errors import FashretError
from fashret.files.locks import LockedError, lock_path, locked


def partial_path(path: Path) -> Path:
    """Where a file or folder is until it is complete."""
    return path.with_name(path.name + ".partial")


@contextmanager
def only_writer(path: Path) -> Iterator[None]:
    """Be the only run that writes an output while the block lasts; a run may ask again within.

    Raises
    ------
    FashretError
        If another run writes it, or the operating system refuses to make its lock.
    """
    with ExitStack() as stack:
        with output_errors(path):
            try:
                stack.enter_context(locked(path))
            except LockedError as error:
                raise FashretError(str(error)) from None
        yield


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Write a file, whole or not at all; a file of that name stays until the new one is complete.

    Yields
    ------
    The path to write to. When the block ends without an error its bytes are brought to the disk and it is renamed; on
    an error it is removed.

    Raises
    ------
    FashretError
        If another run writes it, or the operating system refuses it: a full disk, no permission, no folder.
    """
    part = partial_path(path)
    with output_errors(path), only_writer(path):
        try:
            part.unlink(missing_ok=True)
            yield part
            with part.open("r+b") as stream:
                os.fsync(stream.fileno())
            os.replace(part, path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Write a folder, whole or not at all; a folder of that name stays until the new one is complete.

    Yields
    ------
    A new empty folder, which takes its place when the block ends without an error, and is removed otherwise.

    Raises
    ------
    FashretError
        If another run writes it, or the operating system refuses it.
    """
    part = partial_path(path)
    with output_errors(path), only_writer(path):
        shutil.rmtree(part, ignore_errors=True)
        try:
            part.mkdir()
            yield part
            _take_place(part, path)
        except BaseException:
            shutil.rmtree(part, ignore_errors=True)
            raise


def _take_place(part: Path, target: Path) -> None:
    """Rename a folder to `target`; a full one of that name, which cannot be replaced, steps aside first."""
    if not target.exists() or not any(target.iterdir()):
        os.replace(part, target)
        return
    old = target.with_name(target.name + ".old")
    shutil.rmtree(old, ignore_errors=True)
    os.replace(target, old)
    try:
        os.replace(part, target)
    except OSError:
        os.replace(old, target)
        raise
    shutil.rmtree(old, ignore_errors=True)


@contextmanager
def output_errors(path: Path) -> Iterator[None]:
    """Turn the operating system's refusals while `path` is written into one line.

    h5py reports a failed write as OSError or RuntimeError, depending on the moment.
    """
    try:
        yield
    except (OSError, RuntimeError) as error:
        code = getattr(error, "errno", None)
        text = str(error)
        if code in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) or any(
            sign in text for sign in ("No space left", "File too large", "errno = 28", "errno = 27")
        ):
            raise FashretError(
                f"{path}: the disk is full or a size limit is reached; free room and run again"
            ) from error
        if code == errno.EACCES or "Permission denied" in text:
            raise FashretError(f"{path}: cannot be written (permission denied)") from error
        if isinstance(error, OSError) and _concerns(error.filename, path):
            reason = error.strerror or text.strip().partition("\n")[0] or type(error).__name__
            raise FashretError(f"{path}: cannot be written ({reason})") from error
        raise


def _concerns(name: object, path: Path) -> bool:
    """Whether the file that an error names, if it names one, is the output `path`, in it or its lock."""
    if not isinstance(name, str | os.PathLike):
        return name is None
    return any(Path(name).is_relative_to(whole) for whole in (path, partial_path(path), lock_path(path)))


def check_output(path: Path, *inputs: Path | str | None) -> None:
    """Say at once, before any work, that a file cannot be written where it is asked for, or would replace an input."""
    with output_errors(path):
        _check_place(path)
        if path.exists() and any(given is not None and _is_same(path, Path(given)) for given in inputs):
            raise FashretError(f"{path}: would overwrite its own input; choose another output")


def check_no_loop(path: Path) -> None:
    """Refuse an output that is a link to itself, which is neither there nor missing."""
    try:
        path.stat()
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise FashretError(f"{path}: is a link that leads to itself; remove it or give another name") from None


def _is_same(path: Path, other: Path) -> bool:
    return other.exists() and path.samefile(other)


def _check_place(path: Path) -> None:
    folder = path.parent
    check_no_loop(path)
    if path.is_dir():
        raise FashretError(f"{path}: is a folder; give a file name")
    if path.exists() and not path.is_file():
        raise FashretError(f"{path}: is not an ordinary file; give another name")
    if not folder.exists():
        raise FashretError(f"{path}: the folder {folder} does not exist; make it first")
    if not folder.is_dir():
        raise FashretError(f"{path}: {folder} is not a folder")
    if not os.access(folder, os.W_OK):
        raise FashretError(f"{path}: the folder {folder} is not writable")
