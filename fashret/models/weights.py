"""First weights of a network: published ImageNet weights, a checkpoint, or random ones.

In: `ModelSettings`, whose `weights` says which. Out: a `RetrievalNetwork` with these weights. A checkpoint must hold
every parameter of the backbone and nothing else, but for classifiers; neck, projection and pooling all or nothing.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from fashret.caches import give_folders_to_libraries
from fashret.console import log
from fashret.errors import FashretError
from fashret.models.backbones import PLAIN_RESNETS, TIMM_NAMES, TimmBackbone, create_timm, find_backbone
from fashret.models.checkpoints import Checkpoint, read_checkpoint, read_parts
from fashret.models.efficientnet_lite0 import packaged_weights
from fashret.models.hub import preset_file
from fashret.models.network import RetrievalNetwork, build
from fashret.models.preset_nets import fit_preset, some
from fashret.models.presets import PRESETS
from fashret.models.settings import ModelSettings

TIMM_CLASSIFIERS = ("head", "head.fc", "head_dist", "fc", "classifier")
HUB_FILES = ("open_clip_model.safetensors", "model.safetensors")  # what a folder of the hub calls weights
PUBLISHED = ("imagenet", "published")  # values of `weights`: what the backbone's makers publish


def start(settings: ModelSettings, offline: bool = False) -> RetrievalNetwork:
    """The network that training or a direct representation starts from.

    Its `settings` are the given ones, but for what a checkpoint says of them: that it was trained without `stem_relu`,
    or with another activation. With `offline` nothing is fetched.

    Raises
    ------
    FashretError
        If the weights are not there, cannot be fetched, or are those of another backbone; the keys are listed.
    """
    if settings.weights == "none":
        return build(settings)
    path = imagenet_file(settings.backbone, offline) if settings.weights in PUBLISHED else Path(settings.weights)
    if settings.backbone in PRESETS:
        return _start_preset(settings, path)
    network = build(settings)
    checkpoint = read_checkpoint(path, network.state_dict().keys())
    if checkpoint.layout in ("centroids", "strong baseline") and settings.backbone in PLAIN_RESNETS:
        log.info("%s: trained without the ReLU behind the first convolution, so the network goes without it", path.name)
        network = build(replace(settings, stem_relu=False))
    load(network, checkpoint)
    return network


def _start_preset(settings: ModelSettings, path: Path) -> RetrievalNetwork:
    """A published model with the weights of its file, or those of a network that was trained from it."""
    given = read_parts(path, tuple(dict.fromkeys((PRESETS[settings.backbone].file, *HUB_FILES))))
    if any(name.startswith("backbone.model.") for name in given):
        network = build(settings)
        load(network, read_checkpoint(path))
        return network
    try:
        settings, tensors = fit_preset(settings, given)
    except FashretError as error:
        raise FashretError(f"--weights {path}: not weights of {settings.backbone}: {error}") from error
    check_finite(tensors, f"--weights {path}")
    network = build(settings)
    network.load_state_dict(tensors, strict=False)
    return network


def load(network: RetrievalNetwork, checkpoint: Checkpoint) -> None:
    """Copy a checkpoint's tensors into a network, strict but for classifiers.

    Raises
    ------
    FashretError
        If names or shapes of the parameters differ; the keys are listed.
    """
    if isinstance(network.backbone, TimmBackbone) and checkpoint.layout == "backbone":
        checkpoint = _through_timm(network, checkpoint)
    heads = tuple(f"backbone.{name}." for name in find_backbone(network.settings.backbone).classifier)
    tensors = {n: t for n, t in checkpoint.tensors.items() if not n.startswith((*heads, "classifier."))}
    wanted = {name: tensor for name, tensor in network.state_dict().items() if not name.startswith("classifier.")}
    present = {"backbone"} | {name.split(".")[0] for name in tensors}
    missing = [n for n in wanted if n not in tensors and n.split(".")[0] in present and not n.endswith(COUNTER)]
    foreign = [n for n in tensors if n not in wanted]
    shapes = [
        f"{n} {_shape(tensors[n])} instead of {_shape(wanted[n])}"
        for n in wanted
        if n in tensors and tensors[n].shape != wanted[n].shape
    ]
    if missing or foreign or shapes:
        found = {"missing": missing, "not of this network": foreign, "of another shape": shapes}
        for kind, keys in found.items():
            log.debug("%s: %s: %s", checkpoint.path, kind, ", ".join(keys))
        listed = "; ".join(f"{kind}: {some(keys)}" for kind, keys in found.items() if keys)
        raise FashretError(f"--weights {checkpoint.path}: not weights of {network.settings.backbone}: {listed}")
    check_finite(tensors, f"--weights {checkpoint.path}")
    network.load_state_dict(tensors, strict=False)


def check_finite(tensors: Mapping[str, torch.Tensor], where: object) -> None:
    """Refuse weights that hold NaN or infinite numbers: every vector of such a network would be NaN.

    Raises
    ------
    FashretError
        With their names.
    """
    broken = [name for name, tensor in tensors.items() if tensor.is_floating_point() and not tensor.isfinite().all()]
    if broken:
        raise FashretError(
            f"{where}: holds NaN or infinite weights ({some(broken)}): its training diverged, or the file is damaged; "
            "use other weights, or train again with a smaller learning rate"
        )


COUNTER = "num_batches_tracked"  # of batch normalisation: older checkpoints lack it, and nothing here reads it


def _through_timm(network: RetrievalNetwork, checkpoint: Checkpoint) -> Checkpoint:
    """A published timm checkpoint, made to fit: timm resizes position embeddings and knows older names."""
    settings = network.settings
    # a classifier that timm has to drop would make it forgive all other differences as well
    tensors = {name.removeprefix("backbone."): tensor for name, tensor in checkpoint.tensors.items()}
    dropped = _classifiers(timm_name(settings.backbone))
    tensors = {name: tensor for name, tensor in tensors.items() if name.rpartition(".")[0] not in dropped}
    overlay = {"state_dict": tensors, "classifier": None}
    try:
        model = create_timm(timm_name(settings.backbone), settings, pretrained=True, pretrained_cfg_overlay=overlay)
    except (AssertionError, RuntimeError, KeyError, AttributeError, TypeError, ValueError) as error:
        log.debug("%s: %s", checkpoint.path, error)
        reason = " ".join(str(error).split())[:300]
        raise FashretError(f"--weights {checkpoint.path}: not weights of {settings.backbone}: {reason}") from error
    donor = TimmBackbone(model, settings.pooling == "cls")
    return replace(checkpoint, tensors={f"backbone.{n}": t for n, t in donor.state_dict().items()})


def _classifiers(name: str) -> set[str]:
    """Names of a timm model's classifier, or of each of them; one called "….linear" has a norm of its own beside it."""
    import timm

    configuration = timm.get_pretrained_cfg(name, allow_unregistered=True)
    own = getattr(configuration, "classifier", None) or ()
    names = {*TIMM_CLASSIFIERS, *((own,) if isinstance(own, str) else own)}
    return names | {one.removesuffix("linear") + "bn" for one in names if one.endswith(".linear")}


def timm_name(backbone: str) -> str:
    """Name in timm of a backbone whose ImageNet weights timm publishes."""
    return TIMM_NAMES.get(backbone, backbone.removeprefix("timm:"))


@dataclass(frozen=True)
class Published:
    """A file of ImageNet weights."""

    file: str
    address: str
    direct: bool = True  # whether the address is the file itself; otherwise the page that links to it


OSNET_PAGE = "https://kaiyangzhou.github.io/deep-person-reid/MODEL_ZOO"
IBN_PAGE = "https://github.com/XingangPan/IBN-Net/releases/download/v1.0"


def published(backbone: str) -> Published:
    """Where a backbone's ImageNet weights are published.

    Raises
    ------
    FashretError
        If there are none.

    >>> published("osnet_x1_0").file
    'osnet_x1_0_imagenet.pth'
    """
    if backbone.startswith("osnet"):
        return Published(f"{backbone}_imagenet.pth", OSNET_PAGE, direct=False)
    if backbone == "resnet50_ibn_a":
        return Published("resnet50_ibn_a-d9d0bb7b.pth", f"{IBN_PAGE}/resnet50_ibn_a-d9d0bb7b.pth")
    if backbone in PLAIN_RESNETS:
        from torchvision import models

        address = models.get_model_weights(backbone)["IMAGENET1K_V1"].url
        return Published(Path(address).name, address)
    if backbone in TIMM_NAMES or backbone.startswith("timm:"):
        import timm

        name = timm_name(backbone)
        configuration = timm.get_pretrained_cfg(name, allow_unregistered=True)
        if configuration is not None and configuration.hf_hub_id:
            file = configuration.hf_hub_filename or "model.safetensors"
            address = f"https://huggingface.co/{configuration.hf_hub_id}/resolve/main/{file}"
            return Published(f"{configuration.hf_hub_id.split('/')[-1]}{Path(file).suffix}", address)
        if configuration is not None and isinstance(configuration.url, str) and configuration.url:
            return Published(Path(configuration.url).name, configuration.url)
    raise FashretError(f"no published weights of {backbone}: give --weights none, or the path of a checkpoint")


def imagenet_file(backbone: str, offline: bool = False) -> Path:
    """The file of a backbone's ImageNet weights, fetched if it is not there yet; EfficientNet-Lite0's is a package.

    Raises
    ------
    FashretError
        If it cannot be fetched: one line with what to fetch and where to put it.
    """
    find_backbone(backbone)
    if backbone == "efficientnet_lite0":
        return packaged_weights()
    if backbone in PRESETS:
        return preset_file(backbone, offline)
    source = published(backbone)
    give_folders_to_libraries()
    path = Path(torch.hub.get_dir()) / "checkpoints" / source.file
    if path.is_file():
        return path
    advice = f"fetch {source.file} from {source.address} and put it at {path} (or give its path to --weights)"
    if not source.direct:
        raise FashretError(f"ImageNet weights of {backbone} have to be fetched by hand: {advice}")
    if offline:
        raise FashretError(f"ImageNet weights of {backbone} are not there: {advice}")
    log.info("fetching %s", source.address)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        torch.hub.download_url_to_file(source.address, os.fspath(path), progress=False)
    except OSError as error:
        raise FashretError(f"ImageNet weights of {backbone} cannot be fetched ({error}): {advice}") from error
    return path


def _shape(tensor: torch.Tensor) -> str:
    return "×".join(map(str, tensor.shape)) or "scalar"
