"""Where the files of published models are on this machine.

In: a preset's name. Out: the path of its file, or one line that names file, folder and size.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from fashret.caches import cache_folder
from fashret.errors import FashretError
from fashret.models.presets import PRESETS


def preset_path(name: str) -> Path:
    """Where the file of a preset is looked for."""
    return (cache_folder() or Path(tempfile.gettempdir())) / "models" / name / PRESETS[name].file


def preset_file(name: str) -> Path:
    """The published file of a preset.

    Raises
    ------
    FashretError
        If it is not there: one line with what to fetch and where to put it.
    """
    preset = PRESETS[name]
    path = preset_path(name)
    if path.is_file():
        return path
    size = f" ({preset.megabytes} MB)" if preset.megabytes else ""
    raise FashretError(
        f"weights of {name} are not there: put {preset.file}{size} of https://huggingface.co/{preset.hub} into "
        f"{path.parent}, or give its path to --weights"
    )
