"""The form of the package: which way imports run and how deep, how long things are, what is documented and tested.

Imports run downward only: cli → terminal → stages → (datasets, learning, models, report, …, knn) → files → ground.
No module is long, no function wide and nothing public undocumented, but for the exceptions named here.
"""

from __future__ import annotations

import ast
import graphlib
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import fashret

PACKAGE = Path(fashret.__file__).parent
GROUND = {"errors", "console", "choices", "cores", "options", "__init__"}
ALLOWED = {  # a part → the parts that it may import, besides itself
    "errors": set(),
    "console": {"errors"},
    "standard_streams": set(),
    "choices": set(),
    "cores": set(),
    "caches": set(),
    "compiling": {"caches", "console", "__init__"},
    "options": {"errors", "choices"},
    "files": GROUND,
    "knn": GROUND | {"compiling"},
    "reranking": GROUND | {"knn"},
    "models": GROUND | {"files", "caches"},
    "learning": GROUND | {"files", "models", "loading"},
    "datasets": GROUND | {"files"},
    "demo": GROUND | {"files"},
    "evaluation": GROUND | {"files"},
    "loading": GROUND | {"files", "models"},
    "detection": GROUND | {"compiling", "files", "models", "learning", "loading", "evaluation"},
    "detecting": GROUND | {"files", "detection", "evaluation"},
    "report": GROUND | {"files", "knn", "evaluation"},
    "copies": GROUND | {"files"},
    "vector_sets": GROUND | {"files", "knn", "copies"},
    "catalogue": GROUND | {"files", "knn", "models", "vector_sets"},
    "embedding": GROUND | {"files", "models", "loading"},
    "training_fit": GROUND | {"files", "models", "loading", "embedding"},
    "cropping": GROUND | {"files"},
    "api": GROUND | {"files", "knn", "reranking", "models", "evaluation", "vector_sets"},
    "serving": GROUND | {"files", "knn", "models", "report", "vector_sets", "catalogue", "detecting", "detection"},
    "stages": GROUND
    | {
        "serving",
        "files",
        "knn",
        "reranking",
        "models",
        "loading",
        "learning",
        "datasets",
        "demo",
        "evaluation",
        "report",
        "vector_sets",
        "catalogue",
        "embedding",
        "training_fit",
        "cropping",
        "detecting",
        "detection",
    },
    "terminal": GROUND | {"standard_streams", "stages", "datasets", "files", "learning", "models", "report"},
    "arguments": GROUND | {"files", "learning", "report"},
    "cli": GROUND
    | {"arguments", "caches", "standard_streams", "stages", "learning", "models", "datasets", "reranking", "terminal"},
    "__main__": {"cli"},
    "__init__": {"api", "catalogue", "errors", "evaluation", "knn", "options"},  # each when it is first asked for
}
HDF5_AND_WEIGHTS = {"h5py", "safetensors"}

CHAIN = 10  # modules in the deepest chain of imports
LINES = 300  # of a module
LONG = {"cli.py", "options.py"}  # all commands and all options in one place
PARAMETERS = 6  # of a function, but for compiled ones, which take arrays and no objects
COMPILED = {"njit", "jit", "guvectorize", "vectorize", "cfunc", "intrinsic", "overload"}

UNTESTED: set[str] = set()  # by a test of their own name


@cache
def imports(path: Path) -> frozenset[str]:
    """Full names of everything a module imports, wherever in it."""
    found: set[str] = set()
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(found)


MODULES = sorted(PACKAGE.rglob("*.py"))


def name_of(path: Path) -> str:
    """fashret/files/hdf5.py → fashret.files.hdf5, fashret/files/__init__.py → fashret.files."""
    return ".".join(("fashret", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__")


def place_of(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def run_on_import(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements that run when a module is imported: none in functions, none for type checkers alone."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        yield node
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            yield from run_on_import(node.orelse)
            continue
        for inner in ("body", "orelse", "finalbody"):
            yield from run_on_import(getattr(node, inner, []))
        for handler in getattr(node, "handlers", []):
            yield from run_on_import(handler.body)


def imported_first(source: str, modules: set[str]) -> set[str]:
    """Those of the modules that a module with this source imports at its top level."""
    found: set[str] = set()
    for node in run_on_import(ast.parse(source).body):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            full = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in modules else node.module for name in full}
    return found & modules


def deepest_chain(imported: dict[str, set[str]]) -> list[str]:
    """The longest chain of modules of which each imports the next.

    Raises
    ------
    graphlib.CycleError
        Where modules import each other.

    >>> deepest_chain({"a": {"b", "d"}, "b": {"c"}, "c": {"d"}, "d": set()})
    ['a', 'b', 'c', 'd']
    """
    chains: dict[str, list[str]] = {}
    for module in graphlib.TopologicalSorter(imported).static_order():  # those imported come before
        chains[module] = [module, *max((chains[name] for name in sorted(imported[module])), key=len, default=[])]
    return max(chains.values(), key=len)


def test_no_chain_of_imports_is_deep() -> None:
    names = {name_of(path): path for path in MODULES}
    imported = {
        name: imported_first(path.read_text(encoding="utf-8"), set(names)) - {name} for name, path in names.items()
    }
    chain = deepest_chain(imported)
    assert len(chain) <= CHAIN, f"{len(chain)} modules: {' → '.join(chain)}"


def test_the_picture_of_the_architecture_shows_who_imports_whom() -> None:
    text = (PACKAGE.parent / "docs/architecture.md").read_text(encoding="utf-8")
    drawn = [line.split()[0] for line in text.split("```")[1].splitlines() if re.match(r" [a-z_]+", line)]
    for part, below in ALLOWED.items():
        if part in drawn:
            upward = [name for name in below if name in drawn and drawn.index(name) < drawn.index(part)]
            assert not upward, f"{part} imports {', '.join(upward)}, which the picture has above it"


def test_imports_that_count_are_those_that_run_first() -> None:
    source = """
import fashret.a
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    from fashret import b
try:
    from fashret.c import name
except ImportError:
    import fashret.d
class Kind:
    from fashret import e
    def method(self):
        from fashret import f
def function():
    import fashret.g
"""
    modules = {f"fashret.{letter}" for letter in "abcdefg"}
    assert imported_first(source, modules) == {f"fashret.{letter}" for letter in "acde"}


def test_no_module_is_long() -> None:
    lines = {place_of(path): len(path.read_text(encoding="utf-8").splitlines()) for path in MODULES}
    too_long = {place: count for place, count in lines.items() if count > LINES and place not in LONG}
    assert not too_long, f"more than {LINES} lines: {too_long}"


def parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """How many parameters a function has, self and cls not counted.

    >>> [parameters(ast.parse(f"def f({words}): ...").body[0]) for words in ("", "a, /, b, *c, d, **e", "self, a")]
    [0, 5, 1]
    """
    given = function.args
    names = [argument.arg for argument in (*given.posonlyargs, *given.args)]
    return (
        len(names) - (names[:1] in (["self"], ["cls"])) + len(given.kwonlyargs) + bool(given.vararg) + bool(given.kwarg)
    )


def is_compiled(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    r"""Whether one of its decorators is numba's.

    >>> [is_compiled(ast.parse(f"{mark}def f(): ...").body[0]) for mark in ("@njit(cache=True)\n", "@numba.jit\n", "")]
    [True, True, False]
    """
    called = [mark.func if isinstance(mark, ast.Call) else mark for mark in function.decorator_list]
    return any(ast.unparse(mark).split(".")[-1] in COMPILED for mark in called)


def functions(path: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    return [node for node in ast.walk(parsed(path)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def test_no_function_has_many_parameters() -> None:
    wide = {
        f"{place_of(path)} {function.name}": parameters(function)
        for path in MODULES
        for function in functions(path)
        if parameters(function) > PARAMETERS and not is_compiled(function)
    }
    assert not wide, f"more than {PARAMETERS} parameters: {wide}"


def public(body: list[ast.stmt], prefix: str = "") -> Iterator[tuple[str, ast.FunctionDef | ast.ClassDef]]:
    """Functions and classes whose names do not begin with an underscore, and such methods of such classes."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            yield prefix + node.name, node
            if isinstance(node, ast.ClassDef):
                yield from public(node.body, f"{prefix}{node.name}.")


@pytest.mark.parametrize("path", MODULES, ids=place_of)
def test_everything_public_is_documented(path: Path) -> None:
    tree = parsed(path)
    assert ast.get_docstring(tree), "a module says what goes in and what comes out"
    undocumented = {name for name, node in public(tree.body) if not ast.get_docstring(node)}
    assert not undocumented, f"no docstring: {sorted(undocumented)}"


@pytest.mark.parametrize("path", [p for p in MODULES if not p.stem.startswith("__")], ids=place_of)
def test_every_module_is_imported_by_a_test_of_its_own_name(path: Path) -> None:
    """fashret/files/hdf5.py ↔ tests/files/test_hdf5.py; packages (__init__.py) are tested through their modules."""
    place = path.relative_to(PACKAGE)
    test = Path(__file__).parent / place.with_name(f"test_{place.name}")
    imported = imports(test) if test.exists() else set()
    tested = any(name == name_of(path) or name.startswith(f"{name_of(path)}.") for name in imported)
    if place_of(path) in UNTESTED:
        assert not tested, "tested now: take it out of UNTESTED"
    else:
        assert tested, f"{test} does not import {name_of(path)}" if test.exists() else f"there is no {test}"


def test_lists_of_exceptions_name_modules_that_exist() -> None:
    named = LONG | UNTESTED
    assert not named - {place_of(path) for path in MODULES}


@pytest.mark.parametrize("path", MODULES, ids=place_of)
def test_imports_run_downward(path: Path) -> None:
    here = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    for name in imports(path):
        parts = name.split(".")
        if parts[0] != "fashret":
            continue
        target = parts[1] if len(parts) > 1 and (PACKAGE / parts[1]).exists() else ""
        target = target or (parts[1] if len(parts) > 1 and (PACKAGE / f"{parts[1]}.py").exists() else "__init__")
        assert target in ALLOWED[here] | {here}, f"{here} imports {name}"


@pytest.mark.parametrize("path", sorted((PACKAGE / "stages").glob("*.py")), ids=lambda p: p.stem)
def test_stages_do_not_import_each_other(path: Path) -> None:
    allowed = {"fashret.stages.search", "fashret.stages.rerank"} if path.stem == "evaluate" else set()
    assert not {name for name in imports(path) if name.startswith("fashret.stages")} - allowed


@pytest.mark.parametrize("path", MODULES, ids=place_of)
def test_only_files_and_their_description_open_hdf5(path: Path) -> None:
    if path.relative_to(PACKAGE).parts[0] == "files" or path.name == "info.py":
        return  # info describes what h5py shows of any file
    assert not {name.split(".")[0] for name in imports(path)} & HDF5_AND_WEIGHTS


@pytest.mark.parametrize("path", MODULES, ids=place_of)
def test_only_the_command_line_prints_or_exits(path: Path) -> None:
    if path.name in ("cli.py", "__main__.py"):
        return
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            assert called not in ("print", "sys.exit", "exit", "quit", "os._exit"), f"{path}:{node.lineno}: {called}"


@pytest.mark.parametrize("path", MODULES, ids=place_of)
def test_only_the_terminal_knows_rich(path: Path) -> None:
    if path.relative_to(PACKAGE).parts[0] in ("terminal", "cli.py", "console.py"):
        return  # the command line has the console, `console` the progress bars
    assert not {name.split(".")[0] for name in imports(path)} & {"rich"}
    assert "__rich" not in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("words", [["--help"], ["train", "--help"], ["evaluate", "--help"]])
def test_help_imports_nothing_heavy(words: list[str]) -> None:
    code = (
        "import atexit, sys; import fashret.cli; heavy = ('torch', 'h5py', 'numpy', 'timm', 'numba');"
        "atexit.register(lambda: print([m for m in heavy if m in sys.modules])); fashret.cli.main()"
    )
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=True)
    assert "Usage" in done.stdout and done.stdout.splitlines()[-1] == "[]"
