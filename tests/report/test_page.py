"""The report folder, and the page in a real browser: it works, names are harmless, every picture loads once."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from fashret.errors import FashretError
from fashret.files import atomic
from fashret.files.crops import open_crops
from fashret.files.embeddings import open_embeddings
from fashret.files.rankings import open_ranking
from fashret.report.gallery import KINDS, Found, choose_queries, gallery_rows
from fashret.report.page import Card, Report, is_report, write_report
from fashret.report.pictures import CropPictures
from fashret.report.plots import bars_per_category, cmc
from fashret.report.tables import Score, Table
from tests.report_case import HOSTILE, Case, write_case

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on PATH (Debian: apt-get install chromium)")


def make_report(case: Case, count: int = 500, **parts) -> tuple[Report, dict]:
    embeddings = open_embeddings(case.embeddings)
    rankings = {"plain": open_ranking(case.ranking), "re-ranked": open_ranking(case.reranked)}
    queries = len(rankings["plain"])
    precision = {"plain": np.linspace(0, 1, queries), "re-ranked": np.linspace(0, 1, queries)[::-1].copy()}
    rows = gallery_rows(Found(rankings, embeddings, embeddings, precision), choose_queries(*precision.values(), count))
    names = embeddings.categories
    scores = {"plain": np.linspace(0.1, 0.9, len(names))}
    table = Table("scores", f"Scores of {names[0]}", ("Category", "Queries", "mAP"),
                  tuple((name, 8, Score(0.5, 0.4, 0.6)) for name in names), (1,), (f"Of {names[0]}.",))  # fmt: skip
    report = Report(
        title=f"Report on {names[0]}",
        cards=[Card("Unconstrained retrieval", "mAP", Score(0.5, 0.4, 0.6), Score(0.6), Score(0.1, change=True))],
        tables=[table],
        plots=[cmc({"plain": np.arange(queries)}, 100), bars_per_category(names, scores, "mAP")],
        rows=rows,
        facts={"Model": {"trained on": names[0], "k": 50}},
        notes=[f"Nothing is missing but {names[0]}."],
    )
    pictures = CropPictures(embeddings, open_crops(case.crops))
    return Report(**{**vars(report), **parts}), {"query": pictures, "gallery": pictures}


@pytest.fixture(scope="module")
def case(tmp_path_factory) -> Case:
    return write_case(tmp_path_factory.mktemp("page"))


@pytest.fixture(scope="module")
def page(case) -> Path:
    report, pictures = make_report(case)
    return write_report(case.folder / "report", report, pictures)


@pytest.fixture(scope="module")
def hostile_page(tmp_path_factory) -> Path:
    case = write_case(tmp_path_factory.mktemp("hostile"), products=14, categories=HOSTILE,
                      names=lambda n: HOSTILE[n % len(HOSTILE)],
                      further=tuple(n[:200] for n in HOSTILE if "/" not in n))  # fmt: skip
    report, pictures = make_report(case)
    return write_report(case.folder / "report", report, pictures)


# --- the folder ---


def test_every_picture_is_written_once_and_named_by_the_page(page):
    text = page.read_text(encoding="utf-8")
    used = re.findall(r'src="([^"]*)"', text)
    files = sorted(f"thumbs/{path.name}" for path in (page.parent / "thumbs").iterdir())
    assert sorted(set(used)) == files
    assert len(used) == 24 * (1 + 2 * 10)
    assert all(image.count('loading="lazy"') == 1 for image in re.findall(r"<img[^>]*>", text))


def test_the_page_asks_for_nothing_from_elsewhere(page):
    text = page.read_text(encoding="utf-8")
    addresses = set(re.findall(r"""(?:https?:)?//[^\s"'<>]+""", text))
    assert {a for a in addresses if "www.w3.org" not in a} == set()
    assert "default-src 'none'" in text


def test_hostile_names_are_text(hostile_page):
    text = hostile_page.read_text(encoding="utf-8")
    assert "&lt;script&gt;document.title" in text
    assert text.count("<script") == 1 and "<img src=x" not in text and "{{ 7 * 7 }}" in text
    assert "\u202e" not in text and "x" * 400 not in text


def test_a_report_is_replaced_only_when_the_new_one_is_whole(case, tmp_path):
    folder = tmp_path / "report"
    report, pictures = make_report(case, count=2)
    write_report(folder, report, pictures)
    (folder / "left-over").touch()
    with pytest.raises(ZeroDivisionError):
        write_report(folder, report, {"query": Breaking(), "gallery": Breaking()})
    assert (folder / "left-over").exists() and (folder / "index.html").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["report"]
    write_report(folder, report, pictures)
    assert not (folder / "left-over").exists() and is_report(folder)
    assert [path.name for path in tmp_path.iterdir()] == ["report"]


class Breaking:
    def image(self, row):
        raise ZeroDivisionError


def test_what_is_no_report_is_left_alone(case, tmp_path):
    report, pictures = make_report(case, count=1)
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "mine.jpg").touch()
    with pytest.raises(FashretError, match="not a report"):
        write_report(tmp_path / "photos", report, pictures)
    assert [path.name for path in (tmp_path / "photos").iterdir()] == ["mine.jpg"]
    (tmp_path / "file").touch()
    with pytest.raises(FashretError, match="is a file"):
        write_report(tmp_path / "file", report, pictures)
    with pytest.raises(FashretError, match="does not exist"):
        write_report(tmp_path / "no" / "report", report, pictures)
    (tmp_path / "empty").mkdir()
    assert write_report(tmp_path / "empty", report, pictures).exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "file", "photos"]


def test_the_mark_of_another_program_does_not_make_a_report(tmp_path):
    (tmp_path / "report.json").write_text(json.dumps(["fashret.report"]))
    assert not is_report(tmp_path)


def test_a_page_without_anything_but_a_title(case, tmp_path):
    text = write_report(tmp_path / "r", Report("Empty"), {}).read_text(encoding="utf-8")
    assert "Empty" in text and "<section" not in text


# --- in a browser ---


@pytest.fixture(scope="module")
def browser():
    sync = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (fashret[browser])")
    with sync.sync_playwright() as playwright:
        shown = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield shown
        shown.close()


def open_page(browser, path: Path, width: int = 1280, scheme: str = "light"):
    """The page with everything that went wrong while it was opened."""
    tab = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme).new_page()
    wrong: list[str] = []
    tab.on("console", lambda message: wrong.append(message.text))
    tab.on("pageerror", lambda error: wrong.append(str(error)))
    tab.on("requestfailed", lambda request: wrong.append(request.url))
    tab.on("dialog", lambda dialog: wrong.append(dialog.message))
    tab.goto(path.resolve().as_uri())
    return tab, wrong


@needs_browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_fits_and_reads(browser, page, width, scheme):
    tab, wrong = open_page(browser, page, width, scheme)
    assert tab.evaluate("document.documentElement.scrollWidth") == width
    for selector in ("h1", ".card .value", "td.number", ".plot text", ".query .name", ".summary span", "dt", "label"):
        assert contrast(tab, selector) >= 4.5, selector
        assert tab.evaluate(SIZE, selector) >= 9.5, selector
    assert wrong == []
    tab.context.close()


SIZE = """(selector) => { const e = document.querySelector(selector);
    const scale = e.ownerSVGElement ? e.ownerSVGElement.getScreenCTM().a : 1;
    return scale * parseFloat(getComputedStyle(e).fontSize); }"""
COLOURS = """(selector) => { const e = document.querySelector(selector); let ground = e;
    while (getComputedStyle(ground).backgroundColor === 'rgba(0, 0, 0, 0)') ground = ground.parentElement;
    const style = getComputedStyle(e);
    return [e.ownerSVGElement ? style.fill : style.color, getComputedStyle(ground).backgroundColor]; }"""


def contrast(tab, selector: str) -> float:
    """Contrast of text to its ground by WCAG 2, from 1 to 21."""
    light = []
    for colour in tab.evaluate(COLOURS, selector):
        parts = np.array([float(part) for part in re.findall(r"[\d.]+", colour)[:3]]) / 255
        linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
        light.append(float(linear @ [0.2126, 0.7152, 0.0722]))
    return (max(light) + 0.05) / (min(light) + 0.05)


@needs_browser
def test_every_thumbnail_loads(browser, page):
    tab, wrong = open_page(browser, page)
    tab.evaluate("document.querySelectorAll('img').forEach((image) => { image.loading = 'eager'; })")
    tab.wait_for_load_state("networkidle")  # not wait_for_function: the page's policy forbids eval
    tab.evaluate("Promise.all(Array.from(document.images).map((image) => image.decode().catch(() => 0)))")
    assert tab.evaluate("Array.from(document.images).filter((image) => image.naturalWidth === 0).length") == 0
    assert tab.evaluate("document.images.length") == 504 and wrong == []
    tab.context.close()


@needs_browser
def test_filters_show_what_fits_and_no_more(browser, page):
    tab, _ = open_page(browser, page)
    rows = tab.evaluate("Array.from(document.querySelectorAll('.query'), (row) => ({...row.dataset}))")
    visible = "Array.from(document.querySelectorAll('.query')).filter((row) => row.offsetHeight > 0)"
    assert len(tab.evaluate(f"{visible}.map((row) => row.dataset.kind)")) == 24
    for field, key in (("kind", "kind"), ("category", "category"), ("found", "found")):
        for value in {row[key] for row in rows}:
            tab.select_option(f"#filter-{field}", value)
            wanted = sum(row[key] == value for row in rows)
            assert tab.evaluate(f"{visible}.map((row) => row.dataset.{key})") == [value] * wanted
            assert tab.inner_text("#shown") == f"{wanted} of 24 queries"
        tab.click("#reset")
    tab.select_option("#filter-kind", "best")
    tab.select_option("#filter-found", "hit")
    assert {row["found"] for row in rows} == {"hit", "miss"}
    both = [row for row in rows if row["kind"] == "best" and row["found"] == "hit"]
    assert tab.evaluate(f"{visible}.length") == len(both)
    assert {row["kind"] for row in rows} == set(KINDS)
    tab.context.close()


@needs_browser
def test_frames_are_green_around_true_matches_only(browser, page, case):
    tab, _ = open_page(browser, page)
    shown = tab.evaluate("""Array.from(document.querySelectorAll('.results li'), (item) => [
        item.closest('.query').querySelector('.about .name').textContent.trim(),
        item.querySelector('.name').textContent.trim(),
        getComputedStyle(item.querySelector('img')).outlineColor])""")
    green = {colour for query, product, colour in shown if query == product}
    assert green == {"rgb(22, 163, 74)"}
    assert green.isdisjoint(colour for query, product, colour in shown if query != product)
    tab.context.close()


@needs_browser
def test_hostile_names_do_nothing_in_a_browser(browser, hostile_page):
    tab, wrong = open_page(browser, hostile_page)
    assert wrong == [] and tab.title().startswith("Report on <script>")
    assert tab.evaluate("document.querySelectorAll('script').length") == 1
    assert tab.evaluate("Array.from(document.images).every((i) => i.getAttribute('src').startsWith('thumbs/'))")
    assert tab.evaluate("document.documentElement.scrollWidth") == 1280
    tab.select_option("#filter-category", "3")
    assert tab.inner_text("#shown").endswith("of 24 queries")
    tab.context.close()


@needs_browser
def test_a_script_that_got_onto_the_page_would_not_run(browser, page, tmp_path):
    shutil.copytree(page.parent, tmp_path / "report")
    broken = tmp_path / "report" / "index.html"
    broken.write_text(page.read_text(encoding="utf-8").replace("<main>", f"<main>{HOSTILE[0]}{HOSTILE[1][2:]}"))
    tab, wrong = open_page(browser, broken)
    assert tab.title() != "owned" and any("Content Security Policy" in text for text in wrong)
    tab.context.close()


@needs_browser
def test_links_lead_to_their_section(browser, page):
    tab, _ = open_page(browser, page)
    for name in tab.evaluate("Array.from(document.querySelectorAll('nav a'), (a) => a.hash.slice(1))"):
        tab.click(f'nav a[href="#{name}"]')
        tab.wait_for_timeout(50)
        top = tab.evaluate(f"document.getElementById('{name}').getBoundingClientRect().top")
        bottom = tab.evaluate("document.documentElement.scrollHeight - window.scrollY - window.innerHeight")
        assert abs(top - 64) < 2 or bottom < 2, name
        tab.evaluate("window.scrollTo(0, 0)")
    tab.context.close()


def test_the_mark_says_what_the_folder_is(page):
    mark = json.loads((page.parent / "report.json").read_text())
    assert mark["format"] == "fashret.report" and atomic.partial_path(page.parent).exists() is False


def test_the_headline_is_the_plain_score_with_the_re_ranked_one_beside_it(page: Path) -> None:
    text = " ".join(page.read_text(encoding="utf-8").split())
    assert '<p class="value">50.0</p> <p class="interval">40.0–60.0</p>' in text
    assert '<p class="reranked">60.0 <span class="change">(+10.0)</span> re-ranked</p>' in text
