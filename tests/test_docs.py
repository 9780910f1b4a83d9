"""README and docs: their commands run as they are written, their links lead somewhere, their schemas are complete.

`sh` blocks run on the shared small pipeline. `console` blocks need data that a reader has and a test has not: there,
every command and option must exist.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import h5py
import pytest
from typer.main import get_command

from fashret.cli import app
from tests.conftest import PIPELINE, invoke
from tests.demo_case import draw_less

TREE = Path(__file__).parent.parent
PAGES = [TREE / "README.md", *sorted((TREE / "docs").glob("*.md"))]
LINES = 150  # of the README
EVERY_FILE = "What every HDF5 file has"  # a heading of docs/files.md
ELSEWHERE = ("make ", "pip ")  # run by other tests, or by .ci/run

pages = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)


def blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def shell_commands(page: Path) -> list[str]:
    """Every command in a page's sh blocks, without comments."""
    lines = [line.split("#")[0].strip() for block in blocks(page, "sh") for line in block.splitlines()]
    return [line for line in lines if line and not line.startswith(ELSEWHERE)]


def shown_commands(page: Path) -> list[str]:
    """Every fashret command in a page's console, sh and make blocks, without comments."""
    lines = [line for kind in ("console", "sh", "make") for block in blocks(page, kind) for line in block.splitlines()]
    return [match[0].split("#")[0] for line in lines if (match := re.search(r"\bfashret (?!-)\w.*", line))]


def is_part_of(words: list[str], more: list[str]) -> bool:
    """Whether the words come in this order among more of them.

    >>> is_part_of(["crop", "-o"], ["crop", "table", "-o"]), is_part_of(["-o", "crop"], ["crop", "-o"])
    (True, False)
    """
    rest = iter(more)
    return all(word in rest for word in words)


def has_run(command: str) -> bool:
    """Whether the shared pipeline has run a command, perhaps with options that make it small."""
    return any(is_part_of(shlex.split(command)[1:], shlex.split(done)) for done in PIPELINE)


def anchors(page: Path) -> set[str]:
    """Names of a page's headings in links."""
    titles = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.fixture
def shop(pipeline: Path, tmp_path: Path) -> Path:
    """A folder with what a reader has: the demo's files, photos and a customer's photo; every page has its own."""
    shutil.copytree(pipeline / "demo", tmp_path / "demo")
    photos = tmp_path / "photos"
    photos.mkdir()
    for photo in sorted((tmp_path / "demo/photos").rglob("*shop*.jpg"))[:12]:
        shutil.copy(photo, photos)
    shutil.copy(next((tmp_path / "demo/photos").rglob("*street*.jpg")), tmp_path / "customer.jpg")
    return tmp_path


def test_the_readme_has_commands() -> None:
    assert any(command.startswith("fashret embed") for command in shell_commands(PAGES[0]))


def test_the_readme_is_short() -> None:
    assert len(PAGES[0].read_text(encoding="utf-8").splitlines()) <= LINES


@pages
def test_the_commands_run(page: Path, shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(shop)
    draw_less(monkeypatch)
    for command in shell_commands(page):
        words = shlex.split(command.replace("40,60,380,900", "10,10,150,200"))
        assert words[0] == "fashret", command
        if not has_run(command):
            done = invoke(*words[1:], *(["--workers", 1] if words[1] == "demo" else []))
            assert done.returncode == 0, f"{command}: {done.stderr}"


@pages
def test_commands_that_are_shown_exist(page: Path) -> None:
    known = get_command(app).commands  # type: ignore[attr-defined]
    for command in shown_commands(page):
        _, name, *words = command.split()
        assert name in known, command
        options = {flag for option in known[name].params for flag in (*option.opts, *option.secondary_opts)}
        given = {word.split("=")[0] for word in words if re.match(r"--?[a-z]", word)}
        assert not given - options, f"{command}: no {given - options}"


@pages
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", page.read_text(encoding="utf-8")):
        if target.startswith("https://"):
            continue
        path, _, anchor = target.partition("#")
        linked = page.parent / path if path else page
        assert linked.exists(), target
        assert not anchor or anchor in anchors(linked), target


def test_every_page_is_linked_from_the_readme() -> None:
    text = PAGES[0].read_text(encoding="utf-8")
    assert not [page.name for page in PAGES[1:] if f"(docs/{page.name})" not in text]


def named_files(page: Path) -> Iterator[str]:
    """Files and folders of the tree that a page names in backticks."""
    roots = "|".join(("fashret", "tests", "data_manifests", "examples", "docs"))
    yield from re.findall(rf"`((?:{roots})/[\w/.-]*)`", page.read_text(encoding="utf-8"))


@pages
def test_files_that_are_named_exist(page: Path) -> None:
    missing = [name for name in named_files(page) if not (TREE / name).exists()]
    assert not missing


def test_the_architecture_says_what_to_touch() -> None:
    text = (TREE / "docs/architecture.md").read_text(encoding="utf-8")
    rows = {row[0]: row[1] for row in re.findall(r"^\| (an? [^|]+?) \| (.*) \|$", text, re.MULTILINE)}
    for kind in ("distance", "re-ranker", "store of vectors", "loss", "dataset", "backbone"):
        assert re.search(r"`(fashret|data_manifests)/", rows[f"a {kind}"]), kind


@pages
def test_modules_that_are_run_exist(page: Path) -> None:
    for module in re.findall(r"python -m (tests[\w.]*)", page.read_text(encoding="utf-8")):
        assert (TREE / (module.replace(".", "/") + ".py")).exists(), module


def test_the_makefile_chain_parses(shop: Path) -> None:
    [chain] = blocks(TREE / "docs/evaluation.md", "make")
    (shop / "Makefile").write_text(chain)
    done = subprocess.run(["make", "-n", "scores.txt"], cwd=shop, capture_output=True, text=True)
    plan = [line for line in done.stdout.splitlines() if line.startswith("fashret ")]
    assert [line.split()[1] for line in plan] == ["crop", "train", "embed", "evaluate"], done.stderr


def test_the_schemas_name_what_the_files_hold(shop: Path) -> None:
    text = (TREE / "docs/files.md").read_text(encoding="utf-8")
    sections = dict(re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE))
    written = {"crops.h5": "crops.h5", "embeddings.h5": "catalogue.emb.h5", "ranking.h5": "reranked.h5"}
    for kind, name in written.items():
        with h5py.File(shop / "demo" / name) as file:
            datasets: list[str] = []
            file.visititems(
                lambda path, found, to=datasets: to.append(path) if isinstance(found, h5py.Dataset) else None
            )
            missing = [path for path in datasets if f"`{path}`" not in sections[kind]]
            assert datasets and not missing, f"{kind}: {missing}"
            unknown = [key for key in file.attrs if f"`{key}`" not in sections[kind] + sections[EVERY_FILE]]
            assert not unknown, f"{kind}: {unknown}"


def test_makefiles_resume_what_was_interrupted() -> None:
    known = {
        name: {flag for option in command.params for flag in option.opts}
        for name, command in get_command(app).commands.items()
    }  # type: ignore[attr-defined]
    commands = [match for page in PAGES for block in blocks(page, "make") for match in re.findall(r"fashret .*", block)]
    assert commands
    for command in commands:
        words = command.split()
        assert "--resume" in words or "--resume" not in known[words[1]], command
