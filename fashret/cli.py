"""The command line: flags become options, options one stage's run, its summary what is printed.

The only module that prints results or exits. Results go to stdout, everything else to stderr. Exit codes: 0, 1 for
a `FashretError`, 2 for wrong usage, 130 when interrupted, 143 when terminated. Stages are imported inside their
command, so that `fashret --help` does not import torch.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import json
import math
import os
import signal
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, Literal, get_type_hints

import typer
from typer.core import TyperCommand, TyperGroup
from typer.models import OptionInfo

import fashret
from fashret import options as stage_options
from fashret import standard_streams
from fashret.caches import give_folders_to_libraries
from fashret.console import KEPT, set_verbosity
from fashret.datasets.flags import CropFlags
from fashret.errors import FashretError, visible
from fashret.options import MESSAGES, OUTPUT, PANELS, RECIPE
from fashret.reranking.methods import METHODS
from fashret.stages import wait_passively


class Terminated(BaseException):
    """SIGTERM, raised wherever the program is, so that partial files are put in order on the way out."""


class Interrupted(BaseException):
    """Ctrl-C, past typer, which would end the program without a word; its cause is the KeyboardInterrupt."""


class _PlainHelp:
    """Help in which a switch has no type, and --help is in the last panel of a command."""

    def invoke(self, context: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(context)  # type: ignore[misc]
        except KeyboardInterrupt as error:
            raise Interrupted from error
        except BrokenPipeError:  # not of stdout: a result whose reader goes away is no error
            raise FashretError("another process of this run has ended (broken pipe)") from None

    def get_params(self, context: Any) -> list[Any]:
        """The parameters, as they are shown."""
        shown: list[Any] = super().get_params(context)  # type: ignore[misc]
        for parameter in shown:
            if getattr(parameter, "is_flag", False):
                parameter.metavar = ""
            if parameter.name == "help" and isinstance(self, TyperCommand):
                parameter.rich_help_panel = MESSAGES
        return shown


class Command(_PlainHelp, TyperCommand):
    """One command."""


class Group(_PlainHelp, TyperGroup):
    """All commands."""


app = typer.Typer(
    name="fashret",
    cls=Group,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Find the exact product of a garment's photo in a shop's catalogue: "
    "photo → crop → vector → ranking → score, one command per arrow, one HDF5 file per noun.",
)

NO_TERMINAL = 10_000  # columns of what is printed to a pipe or a file
TABLES = {"method": METHODS}  # options whose choices are the names of a table that loads nothing else
PIPELINE = "The pipeline, in order"
OTHERS = "Other commands"


def _own(help: str, panel: str, *flags: str) -> Any:
    """A flag of one command that is no option of its stage."""
    return typer.Option(*flags, help=help, rich_help_panel=panel, show_default=False)


Output = Annotated[Path, _own("File to write.", OUTPUT, "-o", "--output")]
OptionalOutput = Annotated[Path | None, _own("File to write.", OUTPUT, "-o", "--output")]
OutputFolder = Annotated[Path | None, _own("Folder to write.", OUTPUT, "-o", "--output")]
SHARED = {  # flags of every command
    "json_output": Annotated[bool, _own("Print the result as JSON.", MESSAGES, "--json")],
    "quiet": Annotated[bool, _own("Print only warnings and errors on stderr.", MESSAGES, "--quiet", "-q")],
    "verbose": Annotated[bool, _own("Print more messages on stderr.", MESSAGES, "--verbose")],
}


def main() -> None:
    """Run the command line; the entry point of `fashret` and `python -m fashret`."""
    standard_streams.prepare()
    signal.signal(signal.SIGTERM, _terminate)
    give_folders_to_libraries()
    warnings.filterwarnings("ignore", module="PIL")  # about odd metadata of photos that can be read all the same
    try:
        app()
    except BrokenPipeError:
        standard_streams.forget(sys.stdout)
    except SystemExit as error:
        if not isinstance(error.__context__, BrokenPipeError):  # with which rich ends where the help's reader goes away
            raise
        standard_streams.forget(sys.stdout)
    except FashretError as error:
        _fail(str(error), 1)
    except OSError as error:  # of the operating system, where nothing above knows more
        _fail(f"{error.filename or 'input or output'}: {error.strerror or error}", 1)
    except MemoryError:
        _fail("out of memory; give a smaller --batch-size or --memory", 1)
    except RuntimeError as error:
        from fashret.models.devices import is_out_of_memory

        if not is_out_of_memory(error):
            raise
        _fail("out of memory on the device; give a smaller --batch-size, --batch-products or --memory", 1)
    except (KeyboardInterrupt, Interrupted) as error:
        _fail(_stopped("interrupted", error.__cause__ or error), 130)
    except Terminated as error:
        _fail(_stopped("terminated", error), 143)
    finally:
        standard_streams.finish()


def _terminate(number: int, frame: FrameType | None) -> None:
    raise Terminated


def _stopped(how: str, error: BaseException) -> str:
    """What to say last of a run that was stopped; what it keeps was said before."""
    return how if KEPT in getattr(error, "__notes__", ()) else f"{how}; this run kept nothing"


def _fail(message: str, code: int) -> None:
    try:
        sys.stderr.write(f"fashret: {visible(' '.join(message.split()))}\n")
    except BrokenPipeError:
        standard_streams.forget(sys.stderr)
    sys.exit(code)


def command(
    options_class: type, panel: str = PIPELINE, old: dict[str, str] | None = None
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Make a function into a command of its name: its `options` become flags, its return value is printed.

    The function's parameter `options` is replaced by one flag for each field of `options_class`; the flags of
    `SHARED` are added. A function that also has a parameter `given` gets the names that were set on the command line.
    `old` has the flags' earlier spellings, without dashes, which are accepted and not shown.
    """
    spellings = old or {}
    settings = {"token_normalize_func": lambda word: spellings.get(word, word)}

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        own = inspect.signature(function).parameters
        hints = get_type_hints(function, include_extras=True)
        fields = [f for f in dataclasses.fields(options_class) if f.metadata]

        @functools.wraps(function)
        def run(context: typer.Context, **values: Any) -> None:
            set_verbosity(values.pop("quiet"), values.pop("verbose"))
            as_json = values.pop("json_output")
            chosen = {f.name: _frozen(values.pop(f.name)) for f in fields}
            given, options = {n for n in chosen if _is_given(context, n)}, options_class(**chosen)
            _check_needs(options, given)
            for value in (values | chosen).values():
                stage_options.check_no_address(value)
            if "given" in own:
                values["given"] = given
            result = function(options=options, **values)
            show(result, as_json)
            if getattr(result, "exit_code", 0):
                raise typer.Exit(result.exit_code)

        parameters = [
            p.replace(kind=_KEYWORD, annotation=hints[n]) for n, p in own.items() if n not in ("options", "given")
        ]
        parameters += [_flag(f, get_type_hints(options_class)[f.name]) for f in fields]
        parameters += [inspect.Parameter(n, _KEYWORD, default=False, annotation=a) for n, a in SHARED.items()]
        parameters.sort(key=_place)
        parameters.insert(0, inspect.Parameter("context", _KEYWORD, annotation=typer.Context))
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {p.name: p.annotation for p in parameters}
        name = function.__name__.rstrip("_").replace("_", "-")
        app.command(name, cls=Command, rich_help_panel=panel, context_settings=settings)(run)
        return function

    return register


_KEYWORD = inspect.Parameter.KEYWORD_ONLY


def _is_given(context: typer.Context, name: str) -> bool:
    """Whether an option's value was set by the user."""
    source = context.get_parameter_source(name)
    return source is not None and source.name != "DEFAULT"


def _check_needs(options: Any, given: set[str]) -> None:
    """Wrong usage if an option was given that has no effect without another."""
    fields = {f.name: f for f in dataclasses.fields(options)}
    for name in fields:
        for others, values in fields[name].metadata.get("needs", {}).items() if name in given else ():
            known = [other for other in others.split("|") if other in fields]
            found = [getattr(options, other) for other in known]
            if known and not any(value and (not values or value in values) for value in found):
                flags = " or ".join(_flags(fields[other])[-1] for other in known)
                needed = f"{flags} {' or '.join(values)}".rstrip()
                raise typer.BadParameter(f"{_flags(fields[name])[-1]} has no effect without {needed}")


def _place(parameter: inspect.Parameter) -> int:
    """Where a parameter is in the help: arguments, then panel by panel; flags of one dataset after those of photos."""
    panels = [note.rich_help_panel for note in parameter.annotation.__metadata__ if isinstance(note, OptionInfo)]
    return PANELS.index(panels[0]) if panels and panels[0] in PANELS else 0 if panels else -1


def _flags(field: dataclasses.Field[Any]) -> list[str]:
    """The spellings of an option, the longest last."""
    return (field.metadata["flag"] or "--" + field.name.replace("_", "-")).split(",")


def _flag(field: dataclasses.Field[Any], kind: Any) -> inspect.Parameter:
    """One field of an options class as a typer parameter."""
    about = field.metadata
    choices = about["choices"] or tuple(TABLES.get(field.name, ()))
    shown_type = about["shown"] or None
    if choices:
        shown_type = f"<{'|'.join(filter(None, choices))}>"
    if getattr(kind, "__origin__", None) is tuple:  # typer has no lists of choices: options check these themselves
        kind, shown_type = list[kind.__args__[0]], shown_type or f"<{kind.__args__[0].__name__.lower()}>..."
    elif choices:
        kind = Literal[choices]
    default = list(field.default) if isinstance(field.default, tuple) else field.default
    note = typer.Option(
        *_flags(field),
        help=about["help"] + ".",
        metavar=shown_type,
        rich_help_panel=about["panel"],
        show_default=default is not False and default not in (None, "", []),
    )
    return inspect.Parameter(field.name, _KEYWORD, default=default, annotation=Annotated[kind, note])


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _needed(output: Path | None, example: str) -> Path:
    """The output, or wrong usage if there is none."""
    if output is None:
        raise typer.BadParameter(f"give an output: -o {example}")
    return output


def show(result: Any, as_json: bool) -> None:
    """Print what a stage returned: as JSON for scripts, otherwise for people."""
    if result is None:
        return
    if as_json:
        plain = _plain(result.as_json() if hasattr(result, "as_json") else dataclasses.asdict(result))
        ascii_only = sys.stdout.isatty() or not standard_streams.takes_all(sys.stdout)
        standard_streams.write_result(json.dumps(plain, ensure_ascii=ascii_only, indent=2, allow_nan=False) + "\n")
        return
    if text := getattr(result, "text", ""):
        whole = "\n".join(map(visible, text.split("\n"))) if sys.stdout.isatty() else text
        standard_streams.write_result(whole)
        return
    from rich.console import Console

    from fashret.terminal import render

    # rich takes 80 columns where nobody says how wide a pipe or a file is, and tables leave out measures to fit
    wide = None if sys.stdout.isatty() or os.environ.get("COLUMNS", "").isdigit() else NO_TERMINAL
    console = Console(soft_wrap=True, highlight=False, markup=False, emoji=False, width=wide)
    with console.capture() as printed:
        console.print(render(result, console))
    standard_streams.write_result(printed.get())


def _plain(value: Any) -> Any:
    """A result as what JSON has: halves of characters escaped as text, no NaN, everything unknown as its text."""
    if isinstance(value, dict):
        return {_plain(str(name)): _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, int):
        return value
    return str(value).encode("utf-8", "backslashreplace").decode()


@app.callback(invoke_without_command=True)
def _global(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.", is_eager=True)] = False,
) -> None:
    if version:
        standard_streams.write_result(f"fashret {fashret.__version__}\n")
        raise typer.Exit


@command(CropFlags)
def crop(
    manifest: Annotated[str, typer.Argument(help="A CSV or Parquet table, a folder, or a public dataset's name.")],
    options: CropFlags,
    output: OptionalOutput = None,
) -> Any:
    """Cut the garments out of the photos: manifest + photos → crops.h5.

    Example:
    fashret crop demo/photos/manifest.csv -o demo/crops.h5
    """
    if options.check:
        from fashret.stages import check

        return check.run(manifest, options)
    from fashret.stages import crop as stage

    return stage.run(manifest, _needed(output, "crops.h5"), options)


@command(stage_options.DetectOptions, panel=OTHERS)
def detect(
    photos: Annotated[
        str, typer.Argument(help="A photo, a folder, a CSV or Parquet table, or a public dataset's name.")
    ],
    options: stage_options.DetectOptions,
    output: Annotated[
        Path | None, _own("File to write: .csv, .parquet or .coco.json.", OUTPUT, "-o", "--output")
    ] = None,
) -> Any:
    """Find the garments in photos: photos + detectors → a manifest of one row per garment, which `crop` takes.

    Example:
    fashret detect photos/ --detector detector/ -o found.csv

    Example:
    fashret detect photo.jpg --detector detector/ --show pictures/
    """
    from fashret import arguments

    if arguments.check_detect(photos, output, options):
        from fashret.stages import detect_photo

        return detect_photo.run(Path(photos), output, options)
    from fashret.stages import detect as stage

    return stage.run(photos, _needed(output, "found.csv"), options)


@command(stage_options.TrainOptions)
def train(
    options: stage_options.TrainOptions,
    given: set[str],
    crops: Annotated[Path | None, typer.Argument(help="crops.h5 with training rows.")] = None,
    output: OutputFolder = None,
    config: Annotated[Path | None, _own("TOML file of options, as --show prints it.", RECIPE)] = None,
    show: Annotated[bool, _own("Print the resulting options as TOML and stop.", RECIPE, "--show")] = False,
) -> Any:
    """Teach a network to tell products apart: crops.h5 → model/.

    The recipe sets most values, whatever their defaults below are: --recipe NAME --show prints them all.

    Example:
    fashret train demo/crops.h5 --recipe demo -o demo/model
    """
    from fashret import arguments
    from fashret.learning.recipes import resolve, to_toml

    resolved = resolve(options, given, config)
    _check_needs(resolved, given)  # a recipe or the file may have changed what others need
    if show:
        standard_streams.write_result(to_toml(resolved))
        return None
    if crops is None:
        raise typer.BadParameter("give a crops.h5 to train on")
    needed = _needed(output, "model")
    arguments.check_train(crops, needed, resolved, given)
    from fashret.stages import train as stage

    return stage.run(crops, needed, resolved)


@command(stage_options.DetectorOptions, OTHERS)
def train_detector(
    manifest: Annotated[str, typer.Argument(help="A CSV or Parquet table, a COCO file, or a public dataset's name.")],
    options: stage_options.DetectorOptions,
    output: OutputFolder = None,
) -> Any:
    """Teach a network to find garments in photos: manifest + photos → detector/.

    Example:
    fashret train-detector demo/photos/manifest.csv --one-class -o demo/detector
    """
    from fashret import arguments

    needed = _needed(output, "detector")
    arguments.check_train_detector(needed, options)
    from fashret.stages import train_detector as stage

    return stage.run(manifest, needed, options)


@command(stage_options.EmbedOptions)
def embed(
    source: Annotated[Path, typer.Argument(help="crops.h5, or a folder of photos, or a CSV or Parquet table.")],
    output: Output,
    options: stage_options.EmbedOptions,
    given: set[str],
) -> Any:
    """Turn every crop into a vector: crops.h5 + model → embeddings.h5.

    Example:
    fashret embed demo/crops.h5 --model demo/model -o demo/catalogue.emb.h5
    """
    from fashret import arguments

    arguments.check_embed(source, output, options, given)
    from fashret.stages import embed as stage

    return stage.run(source, output, options, given)


@command(stage_options.PhotoOptions)
def search(
    queries: Annotated[Path, typer.Argument(help="embeddings.h5 with the queries (and the gallery).")],
    options: stage_options.PhotoOptions,
    given: set[str],
    gallery: Annotated[Path | None, typer.Argument(help="embeddings.h5 with the gallery, if another file.")] = None,
    output: OptionalOutput = None,
) -> Any:
    """Find the nearest gallery rows of every query, exactly: embeddings.h5 → ranking.h5.

    Example:
    fashret search demo/catalogue.emb.h5 -o demo/ranking.h5

    Example:
    fashret search demo/catalogue.emb.h5 --image photo.jpg --box 40,60,380,900

    Example:
    fashret search demo/catalogue.emb.h5 --images photos/ -o results.jsonl

    With --detector, the garments of the photo are found first, and numbered.
    """
    from fashret import arguments

    products = options.k if "k" in given else stage_options.PRODUCTS
    of_rows = options.within or options.exclude_same_product or options.exclude_copies or options.collapse
    if options.image:
        if len(options.image) > 1:
            raise typer.BadParameter("give --image once; for several photos: --images FOLDER|LIST -o results.jsonl")
        if gallery or output or options.images or of_rows:
            raise typer.BadParameter(
                "--image takes one embeddings file, and no --output, --images, --within, --exclude-same-product, "
                "--exclude-copies or --collapse"
            )
        arguments.check_photo(queries, options.image[0], options)
        if options.detector:
            from fashret.stages import search_garments

            return search_garments.run(queries, options.image[0], options, products)
        from fashret.stages import search_photo

        return search_photo.run(queries, options.image[0], options, products)
    if options.images:
        if gallery or of_rows:
            raise typer.BadParameter(
                "--images takes one embeddings file, and no --within, --exclude-same-product, --exclude-copies or "
                "--collapse"
            )
        needed = _needed(output, "results.jsonl or results.csv")
        arguments.check_photos(queries, needed, options)
        from fashret.stages import search_photos

        return search_photos.run(queries, needed, options, products)
    arguments.check_gallery(queries, gallery)
    needed = _needed(output, "ranking.h5 (or --image photo.jpg for one photo)")
    arguments.check_search(queries, gallery, needed, options.where)
    wait_passively()
    from fashret.stages import search as stage

    return stage.run(queries, gallery, needed, stage_options.taken_over(stage_options.SearchOptions, options))


@command(stage_options.RerankOptions)
def rerank(
    ranking: Annotated[Path, typer.Argument(help="ranking.h5 made by `fashret search`.")],
    output: Output,
    options: stage_options.RerankOptions,
) -> Any:
    """Re-rank by k-reciprocal neighbours or by query expansion: ranking.h5 → ranking.h5.

    Example:
    fashret rerank demo/ranking.h5 -o demo/reranked.h5
    """
    from fashret import arguments

    arguments.check_rerank(ranking, output, options)
    wait_passively()
    from fashret.stages import rerank as stage

    return stage.run(ranking, output, options)


OF_PROTOCOL = {"protocol", "root", "results_file", "embeddings", "csv", "formulas", "markdown", "latex"}


@command(stage_options.EvaluateOptions, old={"gallery": "report-queries"})
def evaluate(
    options: stage_options.EvaluateOptions,
    given: set[str],
    files: Annotated[
        list[Path] | None, typer.Argument(help="embeddings.h5 or ranking.h5 files, in any order.", show_default=False)
    ] = None,
) -> Any:
    """Score rankings: mAP and Acc@k, average over categories and unconstrained.

    Example:
    fashret evaluate --rerank demo/catalogue.emb.h5 --report demo/report

    Example:
    fashret evaluate --cross-domain --rerank demo/catalogue.emb.h5
    """
    if not files:
        example = "a-on-a.emb.h5 a-on-b.emb.h5 b-on-a.emb.h5" if options.cross_domain else "demo/catalogue.emb.h5"
        flag = "--cross-domain " if options.cross_domain else ""
        raise typer.BadParameter(f"give embeddings.h5 or ranking.h5 files, like: fashret evaluate {flag}{example}")
    from fashret import arguments

    arguments.check_evaluate(files, options)
    if options.protocol:
        if others := given - OF_PROTOCOL:
            raise typer.BadParameter(f"--{min(others).replace('_', '-')} has no effect with --protocol")
        from fashret.stages import evaluate_deepfashion2

        return evaluate_deepfashion2.run(files, options)
    wait_passively()
    from fashret.stages import evaluate as stage

    return stage.run(files, options, given)


@command(stage_options.ServeOptions, panel=OTHERS)
def serve(
    catalogue: Annotated[Path, typer.Argument(help="embeddings.h5 of the shop.")],
    options: stage_options.ServeOptions,
) -> Any:
    """Serve a catalogue: a page to drop a photo on, and a JSON API.

    Example:
    fashret serve demo/catalogue.emb.h5 --port 8000
    """
    from fashret import arguments

    arguments.check_serve(catalogue, options)
    from fashret.stages import serve as stage

    return stage.run(catalogue, options)


@command(stage_options.ShowOptions, panel=OTHERS)
def show_(
    rankings: Annotated[list[Path], typer.Argument(help="ranking.h5; plain and re-ranked give two lines.")],
    output: Output,
    options: stage_options.ShowOptions,
) -> Any:
    """Draw one query and what was found for it: ranking.h5 → picture.

    Example:
    fashret show demo/ranking.h5 demo/reranked.h5 --query 3 -o row.png
    """
    from fashret.stages import show as stage

    return stage.run(rankings, output, options)


@command(stage_options.DemoOptions, panel=OTHERS)
def demo(
    directory: Annotated[Path, typer.Argument(help="Folder to make.")],
    options: stage_options.DemoOptions,
) -> Any:
    """Draw a catalogue of garments, with street photos of them, to try everything on.

    Example:
    fashret demo demo/photos --products 480
    """
    from fashret.stages import demo as stage

    return stage.run(directory, options)


@dataclasses.dataclass(frozen=True)
class InfoOptions:
    """No options: `fashret info`, `export` and the lists."""


@command(InfoOptions, panel=OTHERS)
def info(
    path: Annotated[Path, typer.Argument(help="Any file or folder that fashret makes.")], options: InfoOptions
) -> Any:
    """Say what a file is: rows, columns, roles, attributes, origins.

    Example:
    fashret info demo/catalogue.emb.h5
    """
    from fashret.stages import info as stage

    return stage.run(path)


@command(InfoOptions, panel=OTHERS)
def datasets(
    options: InfoOptions,
    name: Annotated[str, typer.Argument(help="A dataset's name; without one, all are listed.")] = "",
) -> Any:
    """List the public datasets that can be cropped, or show what is known about one.

    Example:
    fashret datasets street2shop
    """
    from fashret.stages import list_datasets as stage

    return stage.run(name)


@command(InfoOptions, panel=OTHERS)
def models(
    options: InfoOptions,
    name: Annotated[str, typer.Argument(help="A backbone's name, or timm:NAME; without one, all are listed.")] = "",
) -> Any:
    """List the backbones of `train` and `embed`: parameters, width, origin of weights, licence.

    Example:
    fashret models resnet50
    """
    from fashret.stages import list_models as stage

    return stage.run(name)


@command(InfoOptions, panel=OTHERS)
def losses(
    options: InfoOptions,
    name: Annotated[str, typer.Argument(help="A loss's name; without one, all are listed.")] = "",
) -> Any:
    """List the losses of `train`: what they do, their keys and defaults.

    Example:
    fashret losses triplet
    """
    from fashret.stages import list_losses as stage

    return stage.run(name)


@command(InfoOptions, panel=OTHERS)
def recipes(
    options: InfoOptions,
    name: Annotated[str, typer.Argument(help="A recipe's name; without one, all are listed.")] = "",
) -> Any:
    """List the recipes of `train`, or print one as the TOML file that `train --config` takes.

    Example:
    fashret recipes rst
    """
    from fashret.stages import list_recipes as stage

    return stage.run(name)


@command(InfoOptions, panel=OTHERS)
def export(
    source: Annotated[Path, typer.Argument(help="crops.h5 or embeddings.h5.")],
    output: Annotated[Path, _own("A folder for crops, a .parquet file for embeddings.", OUTPUT, "-o", "--output")],
    options: InfoOptions,
) -> Any:
    """Write a file for other software: crops.h5 → COCO folder, embeddings.h5 → Parquet table.

    Example:
    fashret export demo/crops.h5 -o demo/coco

    Example:
    fashret export demo/catalogue.emb.h5 -o demo/catalogue.parquet
    """
    from fashret.stages import export as stage

    return stage.run(source, output)
