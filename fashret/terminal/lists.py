"""The lists of `fashret datasets`, `models`, `losses` and `recipes` on a terminal, and the page of one entry."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from fashret.learning.recipes import to_toml
from fashret.terminal.text import lines, one_line

if TYPE_CHECKING:
    from rich.console import Console

    from fashret.files.tables.manifests import Expected
    from fashret.models.listing import BackboneRow, PresetRow
    from fashret.stages.list_datasets import Dataset, DatasetTable
    from fashret.stages.list_losses import LossKind, LossTable
    from fashret.stages.list_models import ModelTable
    from fashret.stages.list_recipes import Recipe, RecipeTable

FIGURES = ("pairs", "images", "categories", "boxes", "landmarks", "masks")
WIDEST = 50  # characters of a name that is never broken


def dataset_table(table: DatasetTable, console: Console) -> Iterator[Any]:
    """All public datasets with the figures of the literature."""
    from rich import box
    from rich.table import Table

    caption = "figures as the literature writes them; × = none, empty = not known"
    shown = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), caption=caption)
    for column in ("name", "year", "pairs", "images", "categ.", "boxes", "landm.", "masks", "good for"):
        shown.add_column(column, justify="left" if column in ("name", "good for") else "right", no_wrap=True)
    for dataset in table.datasets:
        about = dataset.manifest
        figures = (about.published.get(figure, "") for figure in FIGURES)
        shown.add_row(*map(one_line, (about.name, str(about.year), *figures, about.good_for)))
    yield shown


def dataset_page(dataset: Dataset, console: Console) -> Iterator[Any]:
    """What is known about one public dataset, and the commands that read it."""
    about = dataset.manifest
    yield one_line(f"{about.title} ({about.year})", "bold")
    yield _facts({"name": about.name, "paper": about.paper, "data": about.data, "licence": about.licence})
    if about.protocol:
        yield one_line("protocol", "bold")
        yield _facts(about.protocol)
    if about.layout:
        yield one_line("layout", "bold")
        yield _facts(dict(map(_path_and_content, about.layout.strip().splitlines())))
    published = {name: figure for name, figure in about.published.items() if figure}
    if published:
        yield one_line("figures of the literature", "bold")
        yield _facts(published)
    if about.expected:
        yield one_line("expected counts", "bold")
        yield from _expected(about.expected)
    yield one_line("no retrieval" if about.no_pairs else "to crop it", "bold")
    usage = f"fashret crop {about.name} --root FOLDER -o {about.name}.crops.h5"
    yield _facts({"": about.no_pairs}) if about.no_pairs else one_line(f"  {usage}")


def _facts(facts: dict[str, str]) -> Any:
    """Names and values side by side; a value that is too wide continues below itself."""
    from rich.table import Table

    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=all(len(name) < WIDEST for name in facts), overflow="fold")
    grid.add_column(overflow="fold")
    for name, value in facts.items():
        grid.add_row(one_line(f"  {name}"), lines(*value.split("\n")))
    return grid


def _path_and_content(line: str) -> tuple[str, str]:
    """One line of a layout: what is behind two or more blanks is about the path before them.

    >>> _path_and_content("images/1.jpg     or .png")
    ('images/1.jpg', 'or .png')
    """
    path, _, content = line.strip().partition("  ")
    return path, content.strip()


def _expected(expected: Sequence[Expected]) -> Iterator[Any]:
    """Counts that hold without any option as a table of categories, the others as lines."""
    from rich import box
    from rich.table import Table

    always = {(e.category, e.what): e.count for e in expected if not any(e.options.values())}
    columns = list(dict.fromkeys(what for category, what in always if category)) or [what for _, what in always]
    names = sorted({category for category, _ in always}, key=lambda name: (name == "", name))
    if always:
        table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
        table.add_column("  category", no_wrap=True)
        for what in columns:
            table.add_column(what, justify="right")
        for name in names:
            counts = (always.get((name, what)) for what in columns)
            table.add_row(f"  {name or 'all'}", *("" if n is None else f"{n:,}" for n in counts))
        yield table
    for entry in expected:
        if any(entry.options.values()) or entry.what not in columns:
            chosen = " ".join(f"--{name.replace('_', '-')} {value}" for name, value in entry.options.items() if value)
            of = f"{entry.category}: " if entry.category else ""
            yield one_line(f"  {of}{entry.what} {entry.count:,}{f' ({chosen})' if chosen else ''}")


def backbone_table(table: ModelTable, console: Console) -> Iterator[Any]:
    """The named backbones."""
    from rich import box
    from rich.table import Table

    caption = "and timm:NAME for every model of timm, transformers included"
    shown = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, caption=caption)
    for column in ("name", "parameters", "width", "ImageNet weights"):
        shown.add_column(column, justify="right" if column in ("parameters", "width") else "left")
    for row in table.backbones:
        shown.add_row(*map(one_line, (row.name, f"{row.parameters:,}", f"{row.width:,}", row.weights)))
    yield shown
    caption = "published models with their own preprocessing; `fashret models NAME` says where the file comes from"
    shown = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, caption=caption)
    for column in ("name", "parameters", "width", "input", "file is there", "licence"):
        shown.add_column(column, justify="right" if column in ("parameters", "width") else "left")
    for model in table.published:
        there, size = "yes" if model.there else "no", (f"{model.parameters:,}", f"{model.width:,}")
        shown.add_row(*map(one_line, (model.name, *size, model.input, there, model.licence)))
    yield shown


def preset_page(row: PresetRow, console: Console) -> Iterator[Any]:
    """One published model."""
    yield from _titled(row.name, row.note)
    yield _facts(
        {
            "parameters": f"{row.parameters:,}",
            "width": f"{row.width:,}",
            "input": row.input,
            "preprocessing": row.preprocessing,
            "licence": row.licence,
            "weights": row.weights,
            "file": row.there or "not on this machine",
        }
    )


def backbone_page(row: BackboneRow, console: Console) -> Iterator[Any]:
    """One backbone."""
    yield from _titled(row.name)
    yield _facts(
        {
            "parameters": f"{row.parameters:,}",
            "width": f"{row.width:,}",
            "input": row.input,
            "ImageNet weights": row.weights,
        }
    )


def loss_table(table: LossTable, console: Console) -> Iterator[Any]:
    """The losses, with their keys and defaults below what they do."""
    yield _facts({loss.name: f"{loss.about}\n{_keys(loss)}" for loss in table.losses})


def loss_page(loss: LossKind, console: Console) -> Iterator[Any]:
    """One loss, its keys one per line, and how it is chosen."""
    yield from _titled(loss.name, loss.about)
    if loss.needs_pairs:
        yield one_line("needs two images of a product in a batch")
    yield one_line("keys and their defaults", "bold")
    yield _facts({key: _value(value) for key, value in loss.keys.items()})
    yield one_line("to train with it", "bold")
    yield one_line(f"  --loss {loss.name}:{_keys(loss).replace(' ', ',')}")


def recipe_table(table: RecipeTable, console: Console) -> Iterator[Any]:
    """The recipes: what each is, and the values that tell them apart."""
    yield _facts({recipe.name: f"{recipe.about}\n{_values(recipe)}" for recipe in table.recipes})


def recipe_page(recipe: Recipe, console: Console) -> Iterator[Any]:
    """A recipe as `fashret train --config` takes it."""
    yield lines(*to_toml(recipe.options).rstrip("\n").split("\n"))


def _values(recipe: Recipe) -> str:
    options = recipe.options
    images = options.batch_images * (options.batch_products or 1)
    drawn = f"{options.batch_products} × {options.batch_images}" if options.batch_products else f"{images}"
    losses = " + ".join(loss.partition(":")[0] for loss in options.loss)
    length = f"{options.total_steps} steps" if options.total_steps else f"{options.epochs} epochs"
    return f"{options.backbone}, {options.input}, {drawn} images, {length}, {losses}"


def _keys(loss: LossKind) -> str:
    return " ".join(f"{key}={_value(value)}" for key, value in loss.keys.items())


def _value(value: float | bool) -> str:
    """A key's value as `--loss` takes it."""
    return str(value).lower() if isinstance(value, bool) else f"{value:g}"


def _titled(name: str, about: str = "") -> Iterator[Any]:
    """A heading."""
    yield one_line(name, "bold").append_text(one_line(f": {about}" if about else "", "not bold"))
