"""How hostile HDF5 files are made: each function takes a sound file of a kind and does one thing to it."""

from __future__ import annotations

import gzip
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from fashret.files.models import write_model
from fashret.models.network import build
from fashret.models.settings import ModelSettings
from fashret.options import EmbedOptions, SearchOptions
from fashret.stages import embed, search
from tests.conftest import jpeg, make_rows, write_crops

MAIN = {"crops": "images", "embeddings": "vectors", "ranking": "gallery_row"}  # the dataset that every command reads
OTHER = {"crops": "role", "embeddings": "product", "ranking": "positives/rank"}


@dataclass(frozen=True)
class Target:
    """A sound file that is made hostile."""

    path: Path
    kind: str

    @property
    def folder(self) -> Path:
        return self.path.parent

    def change(self, change: Callable[[h5py.File], None]) -> None:
        with h5py.File(self.path, "r+") as file:
            change(file)

    def replace(self, name: str, make: Callable[[h5py.File, str], object]) -> None:
        """Make another object in place of a dataset."""

        def change(file: h5py.File) -> None:
            del file[name]
            made = make(file, name)
            if made is not None:
                file[name] = made

        self.change(change)


def sound_files(folder: Path) -> None:
    """A sound file of each kind, a model, a photo and a manifest: what the commands of `commands.py` work on."""
    settings = ModelSettings(backbone="osnet_x0_25", weights="none", height=32, width=32)
    (folder / "model").mkdir()
    write_model(folder / "model", build(settings).state_dict(), {"settings": settings.to_dict()})
    write_crops(folder / "crops.h5", make_rows(8))
    embed.run(folder / "crops.h5", folder / "embeddings.h5", EmbedOptions(model=(folder / "model",), device="cpu"))
    search.run(folder / "embeddings.h5", None, folder / "ranking.h5", SearchOptions(k=3))
    (folder / "photo.jpg").write_bytes(jpeg(np.zeros((9, 9, 3), np.uint8)))
    (folder / "manifest.csv").write_text("image,product\nphoto.jpg,p1\n")
    with h5py.File(folder / "secret.h5", "w") as file:
        for name in (*MAIN.values(), *OTHER.values()):
            file[name] = np.ones((8, 4), np.float32)
    (folder / "secret.txt").write_text("secret" * 100)


# ---- the structure: no command can read the file ----


def soft_link(target: Target) -> None:
    target.change(lambda file: file.move(MAIN[target.kind], "elsewhere"))
    target.change(lambda file: file.__setitem__(MAIN[target.kind], h5py.SoftLink("/elsewhere")))


def dangling_link(target: Target) -> None:
    target.replace(MAIN[target.kind], lambda file, name: h5py.SoftLink("/nowhere"))


def circular_link(target: Target) -> None:
    target.replace(OTHER[target.kind], lambda file, name: h5py.SoftLink(f"/{name}"))


def external_link(target: Target) -> None:
    target.replace(MAIN[target.kind], lambda file, name: h5py.ExternalLink("secret.h5", f"/{name}"))


def external_link_in_a_group(target: Target) -> None:
    target.change(lambda file: file.__setitem__("columns/price", h5py.ExternalLink("secret.h5", "/vectors")))


def external_link_to_nothing(target: Target) -> None:
    target.replace(OTHER[target.kind], lambda file, name: h5py.ExternalLink("nowhere.h5", f"/{name}"))


def external_link_to_a_pipe(target: Target) -> None:
    os.mkfifo(target.folder / "pipe")
    target.replace(MAIN[target.kind], lambda file, name: h5py.ExternalLink("pipe", f"/{name}"))


def external_link_to_itself(target: Target) -> None:
    target.replace(MAIN[target.kind], lambda file, name: h5py.ExternalLink(target.path.name, f"/{name}"))


def _stored_in(place: str) -> Callable[[h5py.File, str], None]:
    def make(file: h5py.File, name: str) -> None:
        if name == "gallery_row":
            file.create_dataset(name, (8, 3), "i8", external=[(place, 0, 8 * 3 * 8)])
        elif name == "vectors":
            file.create_dataset(name, (8, 4), "f4", external=[(place, 0, 8 * 4 * 4)])
        elif name == "product":
            file.create_dataset(name, (8,), "S20", external=[(place, 0, 160)])
        else:
            file.create_dataset(name, (8, 4, 4, 3), "u1", external=[(place, 0, 8 * 48)])

    return make


def external_storage(target: Target) -> None:
    target.replace(MAIN[target.kind], _stored_in(str(target.folder / "secret.txt")))


def external_storage_in_a_pipe(target: Target) -> None:
    os.mkfifo(target.folder / "pipe")
    target.replace(MAIN[target.kind], _stored_in(str(target.folder / "pipe")))


def virtual_dataset(target: Target) -> None:
    def make(file: h5py.File, name: str) -> None:
        layout = h5py.VirtualLayout((8, 4), "f4")
        layout[:] = h5py.VirtualSource(str(target.folder / "secret.h5"), name, (8, 4))
        file.create_virtual_dataset(name, layout)

    target.replace(MAIN[target.kind], make)


def missing_dataset(target: Target) -> None:
    target.replace(MAIN[target.kind], lambda file, name: None)


def group_for_a_dataset(target: Target) -> None:
    target.replace(MAIN[target.kind], lambda file, name: file.create_group(name) and None)


def datatype_for_a_dataset(target: Target) -> None:
    target.replace(MAIN[target.kind], lambda file, name: np.dtype("f4"))


def scalar(target: Target) -> None:
    target.replace(MAIN[target.kind], lambda file, name: 5.0)


def no_data(target: Target) -> None:
    target.replace(MAIN[target.kind], lambda file, name: h5py.Empty("f4"))


def many_dimensions(target: Target) -> None:
    target.replace(MAIN[target.kind], lambda file, name: np.zeros((8, *[1] * 20)))


def compound(target: Target) -> None:
    kind = np.dtype([("a", "f4"), ("b", "i8")])
    target.replace(OTHER[target.kind], lambda file, name: np.zeros(8, kind))


def references(target: Target) -> None:
    kind = h5py.ref_dtype
    target.replace(MAIN[target.kind], lambda file, name: file.create_dataset(name, (8, 4), kind) and None)


def opaque(target: Target) -> None:
    target.replace(MAIN[target.kind], lambda file, name: np.zeros((8, 4), "V7"))


def endless_rows(target: Target) -> None:
    target.replace(
        MAIN[target.kind],
        lambda file, name: file.create_dataset(name, (2**50, 4), "f4", chunks=(1000, 4), compression="gzip") and None,
    )


def endless_width(target: Target) -> None:
    target.replace(
        MAIN[target.kind],
        lambda file, name: file.create_dataset(name, (8, 2**50), "f4", chunks=(8, 1000), compression="gzip") and None,
    )


def rows_of_nothing(target: Target) -> None:
    """All columns a thousand million rows long, none of them written."""

    def change(file: h5py.File) -> None:
        for name, held in list(file.items()):
            if isinstance(held, h5py.Dataset):
                kind, shape = held.dtype, held.shape[1:]
                del file[name]
                file.create_dataset(name, (10**9, *shape), kind, chunks=(1000, *shape))

    target.change(change)


def uneven_rows(target: Target) -> None:
    target.replace(OTHER[target.kind], lambda file, name: np.zeros(3, int) if name != "product" else ["a", "b"])


def many_groups(target: Target) -> None:
    def change(file: h5py.File) -> None:
        for i in range(400):
            file.create_group(f"many/{i}")

    target.change(change)


def deep_groups(target: Target) -> None:
    def change(file: h5py.File) -> None:
        group = file.id
        for _ in range(400):
            group = h5py.h5g.create(group, b"g")

    target.change(change)


def no_format(target: Target) -> None:
    target.change(lambda file: file.attrs.__delitem__("format"))


def format_of_another_type(target: Target) -> None:
    target.change(lambda file: file.attrs.__setitem__("format", np.zeros((3, 3))))


def format_of_two_lines(target: Target) -> None:
    target.change(lambda file: file.attrs.__setitem__("format", "fashret\n\x1b[31m.crops"))


def version_of_nothing(target: Target) -> None:
    target.change(lambda file: file.attrs.__setitem__("format_version", h5py.Empty("i4")))


def version_of_the_future(target: Target) -> None:
    target.change(lambda file: file.attrs.__setitem__("format_version", 2**62))


def cut_off(target: Target) -> None:
    os.truncate(target.path, target.path.stat().st_size - 100)


def first_bytes_only(target: Target) -> None:
    os.truncate(target.path, 8)


def nothing(target: Target) -> None:
    os.truncate(target.path, 0)


def zeros(target: Target) -> None:
    target.path.write_bytes(bytes(10_000))


def half_zeros(target: Target) -> None:
    """As after a copy that stopped: the first kilobyte is there."""
    data = target.path.read_bytes()
    target.path.write_bytes(data[:1024] + bytes(len(data) - 1024))


def text(target: Target) -> None:
    target.path.write_text("image,product\na.jpg,p1\n")


def photo(target: Target) -> None:
    shutil.copy(target.folder / "photo.jpg", target.path)


def compressed(target: Target) -> None:
    target.path.write_bytes(gzip.compress(target.path.read_bytes()))


def folder(target: Target) -> None:
    target.path.unlink()
    target.path.mkdir()


def pipe(target: Target) -> None:
    target.path.unlink()
    os.mkfifo(target.path)


def device(target: Target) -> None:
    target.path.unlink()
    target.path.symlink_to("/dev/zero")


def link_to_itself(target: Target) -> None:
    target.path.unlink()
    target.path.symlink_to(target.path.name)


def missing(target: Target) -> None:
    target.path.unlink()


LEADS_OUT = (
    soft_link,
    dangling_link,
    circular_link,
    external_link,
    external_link_in_a_group,
    external_link_to_nothing,
    external_link_to_a_pipe,
    external_link_to_itself,
    external_storage,
    external_storage_in_a_pipe,
    virtual_dataset,
)
UNREADABLE = (
    *(missing_dataset, group_for_a_dataset, datatype_for_a_dataset, scalar, no_data, many_dimensions, compound),
    *(references, opaque, endless_rows, endless_width, rows_of_nothing, uneven_rows, many_groups, deep_groups),
    *(no_format, format_of_another_type, format_of_two_lines, version_of_nothing, version_of_the_future),
    *(cut_off, first_bytes_only, nothing, zeros, half_zeros, text, photo, compressed),
    *(folder, pipe, device, link_to_itself, missing),
)


# ---- the content: a command that needs it says so, another one need not notice ----


ATTRIBUTES = {
    "crops": ("options", "inputs", "categories", "dataset", "size", "created"),
    "embeddings": ("options", "inputs", "categories", "dataset", "model", "normalized", "centroids", "created"),
    "ranking": (
        *("options", "inputs", "query", "gallery", "reranking", "metric", "within", "gallery_size", "centroids"),
        "created",
    ),
}


@dataclass(frozen=True)
class Attribute:
    """An attribute of another value."""

    name: str
    value: object

    def __call__(self, target: Target) -> None:
        target.change(lambda file: file.attrs.__setitem__(self.name, self.value))

    def concerns(self, kind: str) -> bool:
        """Whether files of a kind have it."""
        return self.name in ATTRIBUTES[kind]

    def __str__(self) -> str:
        return f"{self.name}={str(self.value)[:12]!r}"


@dataclass(frozen=True)
class Values:
    """A column with the same value in all rows, in a type that holds it."""

    name: str
    value: object

    def __call__(self, target: Target) -> None:
        def change(file: h5py.File) -> None:
            shape = file[self.name].shape
            del file[self.name]
            file[self.name] = np.full(shape, self.value, object if isinstance(self.value, str) else None)

        target.change(change)

    def concerns(self, kind: str) -> bool:
        """Whether files of a kind have it."""
        of_rankings = self.name.startswith("positives/") or self.name in ("gallery_row", "query_row", "distance")
        return of_rankings == (kind == "ranking") and (self.name != "vectors" or kind == "embeddings")

    def __str__(self) -> str:
        return f"{self.name}={str(self.value)[:12]!r}"


def long_json(target: Target) -> None:
    """A model of megabytes, as a dataset because no attribute is that long."""

    def change(file: h5py.File) -> None:
        for name in ("model", "options", "categories"):
            file.attrs.pop(name, None)
            file[name] = "[" + "[]," * 500_000 + "[]]"

    target.change(change)


def many_attributes(target: Target) -> None:
    def change(file: h5py.File) -> None:
        for i in range(1000):
            file.attrs[f"attribute {i}"] = np.zeros(100)

    target.change(change)


DEEP = "[" * 5000 + "]" * 5000
JSON = ("options", "inputs", "categories", "model", "query", "gallery", "reranking")
CONTENT = (
    *(Attribute(name, value) for name in JSON for value in ("{", DEEP, "5", '["x"]', '{"settings": 5, "path": []}', 7)),
    *(Attribute(name, np.zeros((2, 2), "V5")) for name in (*JSON, "dataset", "size", "metric", "centroids")),
    *(Attribute(name, h5py.Empty("f4")) for name in ("dataset", "size", "metric", "gallery_size", "normalized")),
    *(Attribute(name, "\x1b[31m\n") for name in ("dataset", "size", "metric", "gallery_size", "within", "created")),
    *(Attribute(name, -(2**60)) for name in ("dataset", "size", "gallery_size", "normalized", "centroids")),
    *(Attribute(name, float("nan")) for name in ("size", "gallery_size", "centroids", "format_version")),
    *(Values("role", value) for value in (0, 255, 256, -1)),
    *(Values("domain", value) for value in (2, 255, -5)),
    *(Values("category", value) for value in (1, 32_767, 32_768, -9)),
    *(Values("box", value) for value in (np.inf, -1.0, 0.0, 1e38)),
    *(
        Values(name, value)
        for name in ("source", "product", "crop_id")
        for value in ("", "../../../etc/passwd", "a\nb")
    ),
    *(Values("vectors", value) for value in (np.nan, np.inf, 0.0, 1e308)),
    *(Values("gallery_row", value) for value in (8, 2**62, -2)),
    *(Values("query_row", value) for value in (8, -1, 0)),
    *(Values("distance", value) for value in (np.nan, -np.inf)),
    *(Values("positives/row", value) for value in (8, -1, 2**62)),
    *(Values("positives/rank", value) for value in (-1, 2**62)),
    *(Values("positives/rank_in_category", value) for value in (-2, 2**62)),
    *(Values("positives/offsets", value) for value in (0, -1, 2**62)),
    *(Values("positives/distance", value) for value in (np.nan, -1.0)),
)
BULK = (long_json, many_attributes)
