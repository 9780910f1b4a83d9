"""The model folder: a trained network, and the checkpoints of a run under way. Detectors have folders of the same kind.

    model.safetensors        the network's weights and statistics, float32
    model.json               `format`, `format_version`, `fashret_version`, `created`, `name`, `digest` (of tensors),
                             `settings` (as `fashret.models.settings`), `classes` (product of each classifier output),
                             `options`, `trained_on` (dataset; name, size and digest of the crops file; the median
                             number of `images_per_product`), `precision`,
                             `epochs`, `steps`, `validation` (scores of these weights), `identity` (of the run)
    log.csv                  one line per epoch, counted from 1
    curves.png               the log, drawn
    checkpoints/last.pt      everything that a run needs to be resumed; removed once model.json is there
    checkpoints/best.safetensors   weights with the best validation score so far
    checkpoints/last.safetensors   weights of the last step, where those of model.safetensors are older

model.json is written last, by rename: Makefiles depend on it. In a detector's folder these are detector.safetensors and
detector.json (settings as `fashret.detection.settings`). In: tensors and plain values. Out: the files, and back.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import fashret
from fashret.errors import FashretError
from fashret.files import json_text
from fashret.files.atomic import whole_file
from fashret.files.file_kinds import check_ordinary
from fashret.files.hints import hub_hint

if TYPE_CHECKING:
    from torch import Tensor

VERSION = 1
CHECKPOINTS = "checkpoints"
KINDS_OF_VALUES = {"settings": dict, "digest": str, "trained_on": dict, "options": dict, "classes": list, "name": str}


@dataclass(frozen=True)
class FolderKind:
    """What a folder holds, and how its files are called."""

    what: str
    command: str  # that writes such folders
    setting: str  # that its settings have, and those of other kinds have not

    @property
    def format(self) -> str:
        """`format` in its description."""
        return f"fashret.{self.what}"

    @property
    def description(self) -> str:
        """The file that is written last."""
        return f"{self.what}.json"

    @property
    def weights(self) -> str:
        """The file of tensors."""
        return f"{self.what}.safetensors"


MODEL = FolderKind("model", "fashret train", "backbone")
DETECTOR = FolderKind("detector", "fashret train-detector", "architecture")
KINDS = (MODEL, DETECTOR)
DESCRIPTION = MODEL.description
PUBLISHED = "config.json"  # describes a model in a folder of the transformers library


@dataclass(frozen=True)
class ModelFile:
    """A model folder whose model.json has been read, or a detector's and its detector.json."""

    folder: Path
    about: dict[str, Any]
    kind: FolderKind = MODEL

    @property
    def digest(self) -> str:
        """Digest of the weights, as model.json has it."""
        return str(self.about["digest"])

    @property
    def settings(self) -> dict[str, Any]:
        """What `ModelSettings.from_dict` takes."""
        return dict(self.about["settings"])

    @property
    def images_per_product(self) -> float | None:
        """Median of the rows that the model was trained on; None if model.json does not say."""
        told = self.about.get("trained_on", {}).get("images_per_product")
        return float(told) if type(told) in (int, float) and 1 <= told < math.inf else None

    def weights(self) -> dict[str, Tensor]:
        """The tensors of its file of weights, on the CPU.

        Raises
        ------
        FashretError
            If the file is missing or damaged, or is not the one that model.json describes.
        """
        path = self.folder / self.kind.weights
        tensors, _ = read_tensors(path)
        if weights_digest(tensors) != self.digest:
            raise FashretError(
                f"{path}: is not the file that {self.kind.description} beside it describes; copy both again"
            )
        return tensors


def open_model(path: Path | str, kind: FolderKind = MODEL) -> ModelFile:
    """Read the description of a trained model, or of a detector.

    Parameters
    ----------
    path
        The folder or its model.json (detector.json).

    Raises
    ------
    FashretError
        If there is no such folder, no model.json in it, it is a folder of another kind, or it does not describe a model
        of fashret.
    """
    path, what, name = Path(path), kind.what, kind.description
    folder = path.parent if path.name in {each.description for each in KINDS} else path
    file = folder / name
    if not folder.is_dir():
        state = f"is a file, not a {what} folder" if folder.exists() else f"no such {what} folder"
        hint = hub_hint(folder)
        raise FashretError(f"{folder}: {state}; give the folder that `{kind.command}` wrote, or its {name}{hint}")
    if not file.exists():
        raise FashretError(_no_description(folder, kind))
    check_ordinary(file)
    try:
        about = json_text.read(file)
    except FashretError as error:
        raise FashretError(f"{error}, so it does not describe a {what}; train or copy it again") from None
    try:
        version = float(about["format_version"])
        good = version >= 1 and about["format"] == kind.format and kind.setting in about["settings"]
        good = good and all(isinstance(about.get(key, of()), of) for key, of in KINDS_OF_VALUES.items())
    except (ValueError, KeyError, TypeError, AttributeError):
        good = False
    if not good:
        raise FashretError(f"{file}: does not describe a {what} of fashret; train or copy it again")
    if version > VERSION:
        raise FashretError(
            f"{file}: has format version {version:g}, this fashret reads 1 to {VERSION}: use a newer one"
        )
    return ModelFile(folder, about, kind)


def _no_description(folder: Path, kind: FolderKind) -> str:
    """Why a folder cannot be opened that lacks the description of its kind."""
    for other in KINDS:
        if (folder / other.description).exists():
            return (
                f"{folder}: is a {other.what} that `{other.command}` wrote, not a {kind.what}; "
                f"give a folder of `{kind.command}`"
            )
    hint = f"is it a folder that `{kind.command}` wrote?"
    if (folder / CHECKPOINTS).is_dir():
        hint = f"its training has not ended: resume it with `{kind.command} --resume`"
    return f"{folder}: has no {kind.description}; {hint}"


def write_model(
    folder: Path, tensors: Mapping[str, Tensor], about: Mapping[str, Any], kind: FolderKind = MODEL
) -> ModelFile:
    """Write the file of weights and then the description; `about` needs at least `settings`."""
    write_tensors(folder / kind.weights, tensors)
    stamped = {
        "format": kind.format,
        "format_version": VERSION,
        "fashret_version": fashret.__version__,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "name": folder.resolve().name,
        "digest": weights_digest(tensors),
        **about,
    }
    text = json.dumps(stamped, ensure_ascii=False, indent=1, default=str)
    with whole_file(folder / kind.description) as part:
        part.write_text(text, encoding="utf-8")
    return ModelFile(folder, stamped, kind)


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, Any] | None = None) -> None:
    """Write a safetensors file, whole or not at all; the metadata's values are kept as JSON."""
    from safetensors.torch import save

    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    data = save(plain, {name: json.dumps(value) for name, value in (metadata or {}).items()})
    with whole_file(path) as part:
        part.write_bytes(data)


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what `write_tensors` wrote: the tensors, on the CPU, and the metadata."""
    tensors, metadata = read_safetensors(path)
    return tensors, {name: json_text.parse(text, f"{path}: its metadata {name}") for name, text in metadata.items()}


def read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read a safetensors file of any origin: the tensors, on the CPU, and the metadata as text."""
    from safetensors import SafetensorError, safe_open

    check_ordinary(path)
    try:
        with safe_open(path, "pt", device="cpu") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise FashretError(f"{path}: is damaged or not a safetensors file ({str(error).splitlines()[0]})") from error


def weights_digest(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 over names, types, shapes and values in the order of the names, as `sha256:<hex>`.

    >>> import torch
    >>> one = {"a": torch.zeros(2), "b": torch.ones(1)}
    >>> weights_digest(one) == weights_digest({"b": torch.ones(1), "a": torch.zeros(2)})
    True
    """
    import torch

    total = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        total.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        if tensor.numel():
            total.update(tensor.flatten().view(dtype=torch.uint8).numpy())  # type: ignore[arg-type]
    return "sha256:" + total.hexdigest()


def write_training_state(path: Path, state: Mapping[str, Any]) -> None:
    """Write tensors and plain values, whole or not at all; an older state of that name stays until then."""
    import torch

    with whole_file(path) as part, part.open("wb") as stream:
        watched = _Watched(stream)
        try:
            torch.save(dict(state), watched)  # type: ignore[arg-type]
        except RuntimeError:
            raise watched.error or RuntimeError("torch.save failed") from None


class _Watched:
    """A stream that remembers why a write failed: torch.save only says that it failed."""

    def __init__(self, stream: IO[bytes]) -> None:
        self.stream = stream
        self.error: OSError | None = None

    def write(self, data: bytes) -> int:
        """Write, and keep the error if that fails."""
        try:
            return self.stream.write(data)
        except OSError as error:
            self.error = error
            raise

    def flush(self) -> None:
        """Flush the stream."""
        self.stream.flush()


def read_training_state(path: Path) -> dict[str, Any]:
    """Read what `write_training_state` wrote, on the CPU; never runs code from the file.

    Raises
    ------
    FashretError
        If it is missing or damaged.
    """
    import torch

    check_ordinary(path)
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch.load raises many kinds on damaged files
        raise FashretError(f"{path}: the checkpoint is damaged; remove it to begin again") from error
