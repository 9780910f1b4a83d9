"""Where the files of published models are on this machine.

In: a preset's name. Out: the path of its file, fetched from the hub where there is a network; or one line that names
file, folder and size.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from fashret.caches import cache_folder, give_folders_to_libraries
from fashret.console import log
from fashret.errors import FashretError
from fashret.models.presets import PRESETS, Preset


def preset_path(name: str) -> Path:
    """Where the file of a preset is looked for."""
    return (cache_folder() or Path(tempfile.gettempdir())) / "models" / name / PRESETS[name].file


def preset_there(name: str) -> Path | None:
    """The file of a preset if it is on this machine: where `preset_path` says, or in the hub's own cache."""
    path = preset_path(name)
    if path.is_file():
        return path
    preset = PRESETS[name]
    if "/" not in preset.hub:
        return None
    from huggingface_hub import try_to_load_from_cache

    give_folders_to_libraries()
    found = try_to_load_from_cache(preset.hub, preset.file)
    return Path(found) if isinstance(found, str) else None


def preset_file(name: str, offline: bool = False) -> Path:
    """The published file of a preset, fetched into the hub's cache if it is not there.

    Raises
    ------
    FashretError
        If it is not there and cannot be fetched: one line with what to fetch and where to put it.
    """
    if there := preset_there(name):
        return there
    preset, path = PRESETS[name], preset_path(name)
    size = f" ({preset.megabytes} MB)" if preset.megabytes else ""
    where = f"https://huggingface.co/{preset.hub}"
    advice = f"put {preset.file}{size} of {where} into {path.parent}, or give its path to --weights"
    if offline or "/" not in preset.hub:
        raise FashretError(f"weights of {name} are not there: {advice}")
    try:
        return _fetched(preset)
    except Exception as error:  # the hub's client raises its own kinds, those of its network library and of the system
        raise FashretError(f"weights of {name} cannot be fetched ({_reason(error)}): {advice}") from error


def _fetched(preset: Preset) -> Path:
    from huggingface_hub import hf_hub_download

    log.info("fetching %s of %s", preset.file, preset.hub)
    return Path(hf_hub_download(preset.hub, preset.file))


def _reason(error: Exception) -> str:
    """Why the hub gave no file, in a few words."""
    from huggingface_hub import errors

    words = {
        errors.GatedRepoError: "its makers ask for an account and consent: accept the licence on its page and log in",
        errors.RepositoryNotFoundError: "the hub has no such folder, or shows it to its members alone",
        errors.EntryNotFoundError: "the folder has no such file",
        errors.LocalEntryNotFoundError: "no connection to the hub",
    }
    # the most particular kind: a missing connection is a missing entry, too
    known = [kind for kind in type(error).__mro__ if kind in words]
    return words[known[0]] if known else (str(error).strip() or type(error).__name__).splitlines()[0][:200]
