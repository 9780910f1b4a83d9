"""The page in a real browser: every part of it is used, hostile names are text, and the address remembers."""

from __future__ import annotations

import base64
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import uvicorn

from fashret.options import ServeOptions
from fashret.serving.app import make_app
from fashret.serving.guard import Access
from fashret.serving.living import LivingShop
from fashret.serving.metrics import Metrics
from fashret.serving.server import bound
from fashret.serving.shop import Shop
from tests.painted_case import PaintedDetector, painted, use_painted
from tests.report.test_page import CHROMIUM, contrast
from tests.serving_case import SERVED, draw, png, write_shop

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on PATH (Debian: apt-get install chromium)")

TOKEN = "0123456789abcdef"
FAKE_CAMERA = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
PASTED = """(data) => { const bytes = Uint8Array.from(atob(data), (each) => each.charCodeAt(0));
    const list = new DataTransfer(); list.items.add(new File([bytes], 'a.png', {type: 'image/png'}));
    const event = new %s('%s', {%s: list, bubbles: true, cancelable: true}); document.body.dispatchEvent(event); }"""


@pytest.fixture(scope="module")
def browser():
    sync = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (fashret[browser])")
    with sync.sync_playwright() as playwright:
        shown = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", *FAKE_CAMERA])
        yield shown
        shown.close()


def run(catalogue: Path, **changes: object) -> Iterator[str]:
    """The address of a server in a thread."""
    options = ServeOptions(**{**vars(SERVED), **changes})  # type: ignore[arg-type]
    metrics = Metrics()
    living = LivingShop(lambda: Shop(catalogue, options), metrics)
    with bound("127.0.0.1", 0) as listener:
        app = make_app(living, Access.of(options), options, metrics)
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, timeout_graceful_shutdown=1))
        listener.listen()
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        server.should_exit = True
        thread.join()
    living.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("page")


@pytest.fixture(scope="module")
def catalogue(folder: Path) -> Path:
    return write_shop(folder)


@pytest.fixture(scope="module")
def plain(catalogue: Path):
    yield from run(catalogue)


@pytest.fixture(scope="module")
def detecting(catalogue: Path, folder: Path):
    with pytest.MonkeyPatch.context() as patch:
        yield from run(catalogue, detector=tuple(use_painted(patch, folder, PaintedDetector())), root_path="/shop")


def opened(browser, address: str, width: int = 1280, scheme: str = "light", query: str = ""):
    """The page with its products, and everything that went wrong."""
    size = {"width": width, "height": 900}
    context = browser.new_context(viewport=size, color_scheme=scheme, permissions=["camera"])
    tab, wrong = context.new_page(), []
    tab.on("console", lambda message: wrong.append(message.text))
    tab.on("pageerror", lambda error: wrong.append(str(error)))
    tab.on("dialog", lambda dialog: wrong.append(dialog.message))
    tab.goto(address + query)
    tab.wait_for_selector(".product")
    return tab, wrong


def settled(tab, heading: str = "Products like your photo") -> list[str]:
    """The titles of what is shown, when it is."""
    tab.get_by_role("heading", name=heading, exact=True).wait_for()
    tab.wait_for_selector("#results:not([aria-busy])")
    return tab.locator(".product h3").all_inner_texts()


def box_of(tab) -> list[float]:
    return [float(side) for side in parse_qs(urlsplit(tab.url).query)["box"][0].split(",")]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280, 1920])
def test_it_fits_and_reads(browser, plain: str, folder: Path, width: int, scheme: str) -> None:
    tab, wrong = opened(browser, plain, width, scheme)
    assert tab.evaluate("document.documentElement.scrollWidth") == width
    for selector in ("h1", ".drop p", "#choose", ".product .about", ".product .does button", "#status"):
        assert contrast(tab, selector) >= 4.5, selector
    tab.set_input_files("#file", folder / "3.png")
    settled(tab)
    assert tab.evaluate("document.documentElement.scrollWidth") == width
    assert contrast(tab, "#hint") >= 4.5 and contrast(tab, ".match") >= 4.5
    nameless = "[...document.querySelectorAll('button')].filter((b) => b.offsetHeight && !b.ariaLabel && !b.innerText"
    assert tab.evaluate(f"{nameless} && !b.ariaHidden).length") == 0
    assert wrong == []
    tab.context.close()


def test_hostile_names_are_text(browser, plain: str) -> None:
    tab, wrong = opened(browser, plain)
    text = tab.inner_text("#results") + tab.inner_text("#filters")
    assert "<script>document.title='owned'</script>" in text and '"><img src=x' in text
    assert tab.title() == "Find it by photo" and tab.locator("script").count() == 1
    assert tab.locator("a[href^='javascript']").count() == 0 and tab.locator(".product a").count() == 6
    assert tab.evaluate("[...document.images].every((i) => new URL(i.src || location).origin === location.origin)")
    assert wrong == []
    tab.evaluate("document.body.append(Object.assign(document.createElement('script'), {text: 'document.title = 1'}))")
    assert tab.title() == "Find it by photo"  # the policy forbids it
    tab.context.close()


@pytest.mark.parametrize("way", ["choose", "paste", "drop"])
def test_a_photo_finds_its_product(browser, plain: str, folder: Path, way: str) -> None:
    tab, wrong = opened(browser, plain)
    if way == "choose":
        with tab.expect_file_chooser() as chooser:
            tab.click("#choose")
        chooser.value.set_files(folder / "0.png")
    else:
        kinds = (
            ("ClipboardEvent", "paste", "clipboardData") if way == "paste" else ("DragEvent", "drop", "dataTransfer")
        )
        tab.evaluate(PASTED % kinds, base64.b64encode(png(draw(0))).decode())
    assert settled(tab)[0] == "Plain dress" and "ms" in tab.inner_text("#status")
    assert wrong == []
    tab.context.close()


def test_a_photo_of_the_camera(browser, plain: str) -> None:
    tab, wrong = opened(browser, plain)
    tab.click("#take")
    tab.wait_for_selector("#camera:not([hidden])")
    tab.wait_for_selector("#shutter:not([disabled])")
    tab.click("#shutter")
    assert len(settled(tab)) == 7 and tab.evaluate("document.getElementById('shown').naturalWidth") > 100
    assert tab.evaluate("document.getElementById('video').srcObject") is None and wrong == []
    tab.context.close()


def test_a_box_by_mouse_and_by_keyboard(browser, plain: str, folder: Path) -> None:
    tab, wrong = opened(browser, plain)
    tab.set_input_files("#file", folder / "5.png")
    settled(tab)
    tab.click("#draw")
    frame = tab.locator("#shown").bounding_box()
    tab.keyboard.press("Escape")
    tab.evaluate("document.getElementById('box').hidden = true")
    tab.mouse.move(frame["x"] + 0.25 * frame["width"], frame["y"] + 0.25 * frame["height"])
    tab.mouse.down()
    tab.mouse.move(frame["x"] + 0.5 * frame["width"], frame["y"] + 0.5 * frame["height"], steps=4)
    with tab.expect_response(lambda answer: "box=" in answer.url):
        tab.mouse.up()
    drawn = box_of(tab)
    assert [round(side) for side in drawn] == [10, 12, 20, 24]  # of 40×48 pixels
    tab.focus("#box")
    with tab.expect_response(lambda answer: "box=" in answer.url):
        tab.keyboard.press("ArrowRight")
        tab.keyboard.press("Shift+ArrowDown")
    moved = box_of(tab)
    assert moved[0] > drawn[0] and moved[1] == drawn[1] and moved[3] > drawn[3]
    with tab.expect_response(lambda answer: "search" in answer.url and "box=" not in answer.url):
        tab.click("#whole")
    assert "box" not in tab.url and wrong == []
    tab.go_back()
    settled(tab)
    assert box_of(tab) == moved
    tab.context.close()


def test_garments_are_buttons(browser, detecting: str, folder: Path) -> None:
    photo = painted(folder / "two.png", {"red": (10, 20, 60, 120), "green": (65, 30, 110, 150)})
    tab, wrong = opened(browser, detecting + "shop/")
    tab.set_input_files("#file", photo)
    settled(tab)
    buttons = tab.get_by_role("group", name="Garments in the photo").get_by_role("button")
    assert buttons.all_inner_texts() == ["1 red", "2 green"] and box_of(tab) == [10, 20, 60, 120]
    buttons.nth(1).press("Enter")
    tab.wait_for_url("**box=65*")
    assert buttons.nth(1).get_attribute("aria-pressed") == "true" and box_of(tab) == [65, 30, 110, 150]
    tab.locator(".spot").first.click()
    tab.wait_for_url("**box=10*")
    assert wrong == []
    tab.context.close()


def test_filters_the_address_and_the_back_button(browser, plain: str) -> None:
    tab, wrong = opened(browser, plain)
    every = settled(tab, "Products")
    with tab.expect_response(lambda answer: "where=" in answer.url):
        tab.get_by_label("bags").check()
    few = settled(tab, "Products")
    assert 0 < len(few) < len(every) and tab.inner_text("#filter-count") in ("", "1")
    with tab.expect_response(lambda answer: "price" in answer.url):
        tab.get_by_label("Price, at most").fill("13")
        tab.keyboard.press("Enter")
    assert len(settled(tab, "Products")) == 1
    tab.reload()
    tab.wait_for_selector(".product")
    assert len(settled(tab, "Products")) == 1 and tab.get_by_label("bags").is_checked()
    tab.go_back()
    with tab.expect_response(lambda answer: "api/products" in answer.url):
        tab.get_by_role("button", name="Clear all").click()
    assert settled(tab, "Products") == every and wrong == []
    tab.get_by_role("button", name="More like Plain dress").click()
    like = settled(tab, "Products like this one")
    assert "Plain dress" not in like and len(like) == 6 and "like=0" in tab.url
    tab.go_back()
    assert settled(tab, "Products") == every
    tab.context.close()


def test_what_is_no_photo_is_said(browser, plain: str, folder: Path) -> None:
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff nothing")
    tab, _ = opened(browser, plain)
    tab.set_input_files("#file", folder / "broken.jpg")
    tab.wait_for_selector("#error:not([hidden])")
    assert re.match("the photo ", tab.inner_text("#error"))
    tab.context.close()


def test_a_token_is_asked_for(browser, catalogue: Path, folder: Path) -> None:
    (folder / "tokens").write_text(TOKEN)
    for address in run(catalogue, token_file=folder / "tokens"):
        tab = browser.new_context().new_page()
        tab.goto(address)
        tab.get_by_role("textbox", name="Token").fill("wrong")
        tab.get_by_role("button", name="Continue").click()
        tab.wait_for_selector("#token-error:not([hidden])")
        tab.get_by_role("textbox", name="Token").fill(TOKEN)
        tab.get_by_role("button", name="Continue").click()
        tab.wait_for_selector(".product img")
        tab.wait_for_load_state("networkidle")
        assert tab.evaluate("document.querySelector('.product img').naturalWidth") > 0
        tab.context.close()
